//! The loop nests around the kernels, and the division of work among threads.
//!
//! | module | holds |
//! | --- | --- |
//! | [`blocking`] | blocking constants: what may change a result depends on (N, D, type) alone |
//! | [`run`], [`shared`], [`tasks`] | a batch, divided into tasks for the threads |
//! | [`forward`], [`score_tile`] | recall of many probes, block by block of patterns |
//! | [`streaming`] | the separations that make weights of scores as they are computed |
//! | [`decode`], [`small`] | recall of one probe, by row strips; the same for few short patterns |
//! | [`merge`], [`finish`] | merging the recalls of several splits, and turning sums into outputs |
//! | [`lines`] | the rows of a block, unpacked where they are not stored as padded rows |
//! | [`scan`], [`scan_split`], [`sparse`], [`lists`] | candidates, and weights that are mostly 0 |
//! | [`project`], [`project_run`] | projection of the few patterns that have a weight |
//! | [`listed`] | the scores of a few patterns |
//! | [`screen`] | candidates without the scores of all patterns |
//! | [`backward`], [`backward_run`] | gradients of softmax recall, block by block of patterns |
//! | [`supports`], [`supports_run`] | gradients where most patterns have no weight |
//! | [`update`] | learning, block by block of patterns |
//! | [`input`] | the input of a recall: probes, or weights that are given |
//! | [`outputs`], [`energy`] | the results of a recall |
//! | [`divide`], [`parallel`] | the ranges of what tasks share, and threads |
//! | [`scratch`] | scratch memory |
//! | [`compiled`] | the drivers that become machine code |

mod backward;
pub(crate) mod backward_run;
pub(crate) mod blocking;
pub(crate) mod compiled;
mod decode;
pub(crate) mod divide;
pub(crate) mod energy;
mod finish;
mod forward;
pub(crate) mod input;
mod lines;
pub(crate) mod listed;
pub(crate) mod lists;
mod merge;
pub(crate) mod outputs;
pub(crate) mod parallel;
mod project;
pub(crate) mod project_run;
pub(crate) mod run;
pub(crate) mod scan;
mod scan_split;
mod score_tile;
pub(crate) mod scratch;
pub(crate) mod screen;
pub(crate) mod shared;
pub(crate) mod small;
pub(crate) mod sparse;
pub(crate) mod streaming;
pub(crate) mod supports;
pub(crate) mod supports_run;
mod tasks;
pub(crate) mod update;
