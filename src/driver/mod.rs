//! The loop nests around the kernels, and how work is divided.
//!
//! | module | holds |
//! | --- | --- |
//! | [`blocking`] | every constant of blocking: what may change a result depends on (N, D, type) alone |
//! | [`run`], [`tasks`] | a batch, divided into tasks for the threads |
//! | [`forward`], [`score_tile`] | many probes, block by block of patterns |
//! | [`decode`] | one probe |
//! | [`merge`], [`finish`] | recalls from several partial_vectors of the patterns become one, and sums become outputs |
//! | [`update`] | learning, block by block of patterns |
//! | [`outputs`], [`energy`] | what a recall can tell |
//! | [`parallel`], [`scratch`] | threads, and memory |
//! | [`compiled`] | what becomes machine code |

pub(crate) mod blocking;
pub(crate) mod compiled;
mod decode;
pub(crate) mod energy;
mod finish;
mod forward;
mod merge;
pub(crate) mod outputs;
pub(crate) mod parallel;
pub(crate) mod run;
mod score_tile;
pub(crate) mod scratch;
mod source;
pub(crate) mod tasks;
pub(crate) mod update;
