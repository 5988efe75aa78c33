//! The vector type over which all kernels are written, and how kernels reach an instruction set.
//!
//! A *vector* is 16 x f32 or 8 x f64 at every level: one zmm register, two ymm registers, or what
//! `wide` makes of it. Because its width never changes, neither does the order of any sum, and all
//! levels with fused multiply-add compute the same bits. A *level* is an instruction set that
//! implements the vector.
//!
//! This is the whole safety argument of dispatch:
//!
//! 1. A token (`Avx512`, `Avx2`, `Portable`) can only be obtained from [`Level`], which creates one
//!    only after run-time detection. Holding a token proves that its instructions exist.
//! 2. `Lanes::dispatch` takes the token out of the level and calls [`Kernel::run`] inside
//!    [`Simd::vectorize`], a function compiled with the token's target features. Only `vectorize`
//!    makes an `unsafe` call of that kind.
//! 3. Everything below is `#[inline(always)]`, so it ends up inside that function or inside another
//!    one that a kernel creates with `vectorize`. A kernel must not call through any function that
//!    is not inlined: that function would be compiled without the features. This happens to
//!    closures that are passed to other crates, so rayon is called outside of kernels only.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod caches;
pub(crate) mod compiled;
mod compress;
mod dispatch;
mod element;
pub(crate) mod exp2;
#[cfg(target_arch = "x86_64")]
mod features;
pub(crate) mod integers;
mod lanes;
mod level;
mod portable;
pub(crate) mod reduce;
mod stored;
pub(crate) mod tail;
pub(crate) mod tile;
mod vector;

pub(crate) use caches::Caches;
pub use element::Element;
pub(crate) use element::beta_of;
pub(crate) use lanes::{Lanes, MAX_LANES, MIN_LANES};
pub use level::Level;
pub(crate) use stored::{Loads, Ragged, Stored, Whole};
pub use vector::{Kernel, Simd};
