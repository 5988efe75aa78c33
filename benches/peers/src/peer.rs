//! A peer: one library's way to recall and to learn.

use hopfield_kernels::Level;

use crate::composition::Composition;
use crate::gemm::Library;
use crate::naive::Naive;
use crate::{Data, Hopfield, Op, Result, Row, Scalar};

/// The learning rate that is timed: so small that any number of updates leaves M as it was. The
/// cost is the same.
pub const ETA: f64 = 1e-6;

/// What a peer is made for.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// β
    pub beta: f64,
    /// η
    pub eta: f64,
    /// Threads that it may use.
    pub threads: usize,
    /// The level of this crate's kernels; the machine's best without.
    pub level: Option<Level>,
}

/// The operations of one library.
pub trait Peer<T> {
    /// X̂ = softmax(β X Mᵀ) M.
    fn recall(&mut self);
    /// Recall that leaves P behind, to learn from.
    fn associate(&mut self);
    /// M ← M + η Pᵀ (X - X̂) / B, with P and X̂ at hand.
    fn evolve(&mut self);
    /// `associate` and `evolve`.
    fn step(&mut self) {
        self.associate();
        self.evolve();
    }
    /// X̂ of the last recall.
    fn recalled(&self) -> &[T];
    /// M (N x D) as it is now.
    fn patterns(&self) -> Vec<T>;

    /// One operation.
    fn call(&mut self, op: Op) {
        match op {
            Op::Recall => self.recall(),
            Op::Evolve => self.evolve(),
            Op::Step => self.step(),
        }
    }
}

/// This crate, and the Rust peers.
pub const RUST_PEERS: [&str; 5] = ["hopfield", "naive", "matrixmultiply", "gemm", "faer"];

/// Most floating-point operations that the naive loops are asked for.
const NAIVE_FLOPS: f64 = 3e8;

impl Setting {
    /// Makes a peer by its name; `None` where it does not do this row.
    ///
    /// # Errors
    /// When this crate refuses the data.
    pub fn peer<'d, T: Scalar>(
        self,
        name: &str,
        row: Row,
        data: &'d Data<T>,
    ) -> Result<Option<Box<dyn Peer<T> + 'd>>> {
        let compose = |gemm| Some(Box::new(Composition::new(gemm, data, self)) as Box<dyn Peer<T>>);
        Ok(match name {
            "hopfield" => Some(Box::new(Hopfield::new(data, self)?)),
            "naive" if row.threads == 1 && row.shape.flops(row.op) <= NAIVE_FLOPS => {
                Some(Box::new(Naive::new(data, self)))
            }
            "matrixmultiply" if row.threads == 1 => compose(Library::MatrixMultiply),
            "gemm" => compose(Library::Gemm { threads: row.threads }),
            "faer" => compose(Library::Faer { threads: row.threads }),
            _ => None,
        })
    }
}

/// The sum of all magnitudes.
pub fn checksum<T: Scalar>(values: &[T]) -> f64 {
    values.iter().map(|value| value.to_f64().abs()).sum()
}

/// Pᵀ (X - X̂) / B, read off one update of a new peer at η = N: at the η that is timed an update is
/// smaller than the rounding of M.
///
/// # Errors
/// As for [`Setting::peer`].
pub fn learned<T: Scalar>(
    name: &str,
    row: Row,
    data: &Data<T>,
    setting: Setting,
) -> Result<Option<Vec<T>>> {
    let eta = data.shape.patterns as f64;
    let Some(mut peer) = (Setting { eta, ..setting }).peer(name, row, data)? else {
        return Ok(None);
    };
    peer.associate();
    peer.call(row.op);
    let mut update = peer.patterns();
    for (new, &old) in update.iter_mut().zip(&data.patterns) {
        *new = T::from_f64((new.to_f64() - old.to_f64()) / eta);
    }
    Ok(Some(update))
}
