//! The proof: what the crate promises, held against a reference in double-double arithmetic.
//!
//! | module | shows |
//! | --- | --- |
//! | [`properties`] | every kernel is within its error bound, over shapes, strides, levels and threads |
//! | [`accuracy`] | the bounds hold on difficult data, and are not so wide that they show nothing |
//! | [`edges`] | the table of errors and edges, and special values in every lane |
//! | [`bits`] | the same bits for any threads, batch, position and level with fused multiply-add |
//! | [`rescales`] | the same, and the bounds, wherever the shift of the softmax changes |
//! | [`bounded`] | the same for probes whose scores are bounded, and at that bound |
//! | [`settling`] | recall in place and until nothing moves: each probe for itself |
//! | [`processes`] | the same between processes, and as what is committed |
//! | [`lyapunov`] | the standard energy never rises |
//! | [`exponential`] | 2^t in ulps, through the public interface |
//!
//! They stand on the package `testkit` (the reference, its bounds, running the crate), which
//! [`kit`] tests, and on
//! [`hashes`] (results as numbers).

mod accuracy;
mod bits;
mod bounded;
mod edges;
mod exponential;
mod hashes;
mod kit;
mod lyapunov;
mod processes;
mod properties;
mod rescales;
mod settling;
