//! The proof: what the crate promises, held against a reference in double-double arithmetic.
//!
//! | module | shows |
//! | --- | --- |
//! | [`properties`] | every kernel is within its error bound, over shapes, strides, levels and threads |
//! | [`accuracy`] | the bounds hold on difficult data, and are not so wide that they show nothing |
//! | [`edges`] | the table of errors and edges, and special values in every lane |
//! | [`bits`] | the same bits for any threads, batch, position and level with fused multiply-add |
//! | [`rises`] | the same, and the bounds, wherever the reference of the softmax rises |
//! | [`confined`] | the same where the softmax has a reference before the first pattern, and where it ends |
//! | [`processes`] | the same between processes, and as what is committed |
//! | [`lyapunov`] | the standard energy never rises |
//! | [`exponential`] | 2^t in ulps, through the public interface |
//!
//! They stand on [`double`] (arithmetic), [`naive`] (the reference), [`bounds`] (its tolerance),
//! [`data`] (matrices and what they hold), [`subject`] (running the crate), [`checks`] (both beside one
//! another), [`hashes`] (results as numbers) and [`levels`].

mod accuracy;
mod bits;
mod bounds;
mod checks;
mod confined;
mod data;
mod double;
mod edges;
mod exponential;
mod hashes;
mod levels;
mod lyapunov;
mod naive;
mod processes;
mod properties;
mod rises;
mod subject;
