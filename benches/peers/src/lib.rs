//! hopfield-kernels beside its peers: the same data, the same operations, turn by turn.
//!
//! | program | what it does |
//! | --- | --- |
//! | `worker` | this crate as one of the workers of `peers.py` |
//! | `rust_peers` | this crate beside compositions over matrixmultiply, gemm and faer |
//! | `roofline` | this crate beside what the machine could do at most |
//! | `top_k` | this crate as the worker of `reference/top_k.py` |
mod composition;
mod data;
mod gemm;
mod hopfield;
pub mod machine;
mod naive;
mod peer;
mod row;
mod scalar;
mod timing;

pub use data::{Data, digits};
pub use hopfield::Hopfield;
pub use peer::{ETA, Peer, RUST_PEERS, Setting, checksum, learned};
pub use row::{Dtype, Op, Row, Shape, Sizes};
pub use scalar::Scalar;
pub use timing::{Slice, median, time_slice, warm_up};

/// Whatever went wrong, to be printed.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs `job` on a rayon pool of so many threads, as one of them.
///
/// # Errors
/// As `job`, and when the threads cannot be started.
pub fn on_threads<R: Send>(threads: usize, job: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    // The error is turned into text because it has to leave the pool's thread.
    pool.install(|| job().map_err(|error| error.to_string())).map_err(Into::into)
}
