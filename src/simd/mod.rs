//! Lanes: the one vector type that the kernels are written over.
//!
//! A *vector* is 16 x f32 or 8 x f64, whatever the machine's registers are: one zmm, two ymm, or
//! what `wide` makes of it. Because the vector never changes, neither does the order of any sum, and
//! every level with fused multiply-add computes the same bits. A *level* says how a vector is held.
//!
//! How code reaches an instruction set (the whole safety argument of dispatch):
//!
//! 1. A token (`Avx512`, `Avx2`, `Portable`) can only be had from [`Level`], which makes one only
//!    after run-time detection. Holding it proves that its instructions exist.
//! 2. `Lanes::dispatch` takes the token out of the level and calls [`Kernel::run`] inside a function
//!    compiled with the token's target features, [`Simd::vectorize`]. It has the only `unsafe` call of that kind.
//! 3. Everything below is `#[inline(always)]` and so ends up inside that function, or inside another that a
//!    kernel makes by `vectorize`. A kernel must not call through any other function that is not: it would be
//!    compiled without the features (and, for closures given to other crates, is: rayon is therefore
//!    called outside of kernels only).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod compiled;
mod compress;
mod dispatch;
mod element;
pub(crate) mod exp2;
#[cfg(target_arch = "x86_64")]
mod features;
mod lanes;
mod level;
mod portable;
pub(crate) mod reduce;
pub(crate) mod tail;
pub(crate) mod tile;
mod vector;

pub use element::Element;
pub(crate) use element::beta_of;
pub(crate) use lanes::{Lanes, MAX_LANES, MIN_LANES};
pub use level::Level;
pub use vector::{Kernel, Simd};
