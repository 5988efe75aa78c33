//! Micro-kernels: register tiles, without any policy.
//!
//! | module | computes | accumulators of a register tile |
//! | --- | --- | --- |
//! | [`score`] | scores[b][n] = Σ_d X[b,d] M[n,d], or of differences | probes x patterns |
//! | [`codes`] | products of quantised probes and patterns, exactly | probes x panels of patterns |
//! | [`packed_dot`] | dot products, for many probes and short patterns | probes x panels of patterns |
//! | [`axpy`] | X̂[b,:] += Σ_n weights[b][n] M[n,:] | probes x vectors of d |
//! | [`rank1`] | M[n,:] += rate Σ_b weights[b][n] Z[b,:], with decay | patterns x vectors of d |
//! | [`slope`] | to[:] += slopes of sums over d, for gradients | vectors of d |
//! | [`scan_tile`], [`exp_tile`] | scores become weights of the online softmax | rows of a score tile |
//! | [`softmax`] | the softmax of whole rows | |
//! | [`norms`] | squared norms of patterns, and of features | |
//! | [`rows`] | scaling and adding rows | |
//! | [`unpack`] | rows of stored numbers become padded rows of elements | |
//!
//! Each is written once, over [`Simd`](crate::simd::Simd), and is `#[inline(always)]`, so that it
//! is compiled for the level that runs it. Kernels take *padded* matrices, whose number of columns
//! is a multiple of LANES (the padding is zeros). They assert this once and then use pointers
//! without bounds checks.

pub(crate) mod axpy;
pub(crate) mod codes;
pub(crate) mod compiled;
pub(crate) mod exp_tile;
pub(crate) mod norms;
pub(crate) mod packed_dot;
pub(crate) mod rank1;
pub(crate) mod rows;
pub(crate) mod scan_tile;
pub(crate) mod score;
pub(crate) mod slope;
pub(crate) mod softmax;
pub(crate) mod unpack;
