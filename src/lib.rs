//! Hand-tuned CPU kernels for modern Hopfield networks (dense associative memories).
//!
//! For B probes X (B x D) and N stored patterns M (N x D), row-major, a pattern or a probe a *row*:
//!
//! | what | shape | function |
//! | --- | --- | --- |
//! | similarities S = X Mᵀ | B x N | [`similarities`] |
//! | memory weights P = softmax(β S) | B x N | [`softmax`], [`softmax_into`] |
//! | retrieved probes X̂ = P M | B x D | [`combine`]; all three, fused: [`retrieve`] |
//! | energy E(x) | B | [`energy`] |
//! | learning M += η Pᵀ Z / B - λ M - λ₁ sign(M) | N x D | [`outer_product_update`] |
//!
//! [`Retrieval`] is recall with everything that the same pass over the patterns can tell
//! ([`Outputs`]), in place or until nothing moves, or to be learned from afterwards ([`Recall`]).
//! [`Plasticity`] is learning by the delta or the contrastive rule. [`HopfieldSynapse`] is
//! ngc-learn's component of that name, with its compartments and its numbers.
//!
//! ```
//! use hopfield_kernels::{Memory, Retrieval};
//!
//! let memory = Memory::from([[1.0_f32, 0.0, 0.0], [0.0, 1.0, 0.0]]); // two patterns of three features
//! let mut probe = [0.1, 0.8, 0.3];
//! Retrieval::new(16.0).apply(&memory, &mut probe)?;
//! assert!((probe[1] - 1.0).abs() < 1e-4, "the second pattern comes back");
//! # Ok::<(), hopfield_kernels::Error>(())
//! ```
//!
//! # Conventions
//!
//! - Elements are `f32` or `f64` ([`Element`]). Matrices come in as [`MatRef`] and [`MatMut`],
//!   checked views of slices; with the features `ndarray`, `faer` and `nalgebra`,
//!   `array.view().try_into()?` makes them without a copy (of ndarray 0.17, faer 0.24 and nalgebra
//!   0.34: other versions have other types).
//! - What is wrong with a call is an [`Error`] that names the operand, what was expected and what
//!   came; then nothing has been changed. Only methods whose documentation names panics, as those
//!   that index, panic.
//! - Every task takes a [`Context`], with which it allocates nothing once that has grown, and which
//!   chooses the [`Level`] and the [`Parallelism`]. The functions of this page take `None` as well,
//!   for a call by itself; a context that is a reference already is passed as `&mut *context`.
//!   [`Retrieval::apply`] alone is a pair, with [`apply_with`](Retrieval::apply_with).
//! - Structs of operands and options are made by `new` or `default` and by methods that set one
//!   field each: fields may be added without a break.
//!
//! # Builds, threads and memory
//!
//! - **Debug builds** of this crate are more than a hundred times slower than release builds, as
//!   every vector operation is a call. A program that is debugged with it wants optimised kernels
//!   in its `Cargo.toml`:
//!
//!   ```toml
//!   [profile.dev.package.hopfield-kernels]
//!   opt-level = 3
//!   ```
//!
//!   Without, a call needs up to 512 KiB of stack (a release build: less than 64 KiB).
//! - **Threads** are those of the rayon pool that a call is made in. [`Parallelism`] says what that
//!   means for locks that are held over a call, for a pool that is busy, and for forked children.
//! - **Memory.** A [`Memory`] of 1 MiB or more is a mapping of its own on Linux, on huge pages
//!   where the kernel grants them. The last huge page is taken whole only where that is at most
//!   half as much memory again.
//! - **Miri**: under `cfg(miri)` the kernel is not asked for huge pages, which Miri does not know.
//! - **Subnormal numbers.** Where an update has decay, elements that end below the normal range
//!   become 0, as they would slow down every later recall; the squares below it count as 0 in
//!   norms. [`outer_product_update`] has the rule.
//!
//! # Levels
//!
//! Every kernel is written once, over a vector of 16 x f32 or 8 x f64, and compiled for AVX-512,
//! for AVX2 with FMA and for the target's baseline; which one runs is found out at run time, so the
//! default build reaches the machine's best. [`Level`] and the environment variable
//! `HOPFIELD_KERNELS_LEVEL` (`avx512`, `avx2` or `portable`) force one.
//!
//! # The same bits
//!
//! At levels with fused multiply-add a probe's results are the same bits for any number of threads,
//! any batch, any position in it, and any such level. (`portable` on x86-64 has no fused
//! multiply-add, and other bits.) Results are within derived bounds of the exact ones:
//! docs/ACCURACY.md has the largest error of every kernel.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `files` | yes | [`Memory`]'s `map` and `save`: patterns in `.npy` and safetensors files |
//! | `rayon` | yes | threads |
//! | `synapse` | yes | `HopfieldSynapse`: random weights, `.npz` files; implies `ndarray` |
//! | `ndarray`, `faer`, `nalgebra` | no | views of these crates' matrices |

mod builder;
mod driver;
mod error;
mod functions;
mod kernel;
mod learning;
mod matrix;
mod memory;
#[cfg(any(feature = "files", feature = "synapse"))]
mod npy_header;
mod retrieval;
mod separation;
mod simd;
mod similarity;
#[cfg(feature = "synapse")]
mod synapse;
pub mod theory;
#[cfg(any(feature = "files", feature = "synapse"))]
mod whole;

pub use driver::outputs::Outputs;
pub use driver::parallel::Parallelism;
pub use error::{Error, Result};
pub use functions::{
    combine, energy, outer_product_update, retrieve, similarities, softmax, softmax_into, top_k,
};
pub use learning::{
    Event, Growth, GrowthInput, LearningInput, Noise, OuterProducts, Plasticity, Update,
    UpdateRule, Usage, WhenFull,
};
pub use matrix::{MatMut, MatRef};
pub use memory::codes::Codes;
#[cfg(feature = "files")]
pub use memory::{Access, MapOptions};
pub use memory::{Borrowed, BorrowedMut, Memory, Precision};
pub use retrieval::{
    Context, Counters, Gradients, Heads, Recall, Retrieval, Screening, Settled, Status, Stop,
    Upstream,
};
pub use separation::family::Separation;
pub use simd::{Element, Level};
pub use similarity::Similarity;
#[cfg(feature = "synapse")]
pub use synapse::{
    Compartment, Distribution, Help, HopfieldSynapse, HopfieldSynapseBuilder, Record, Semantics,
    WeightInit,
};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
