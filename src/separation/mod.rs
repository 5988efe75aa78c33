//! The separation: similarities become memory weights.
//!
//! | module | contains |
//! | --- | --- |
//! | [`online`] | the online softmax, one block of scores at a time |
//! | [`state`] | the state of one probe's softmax, and how two such states merge |
//! | [`exponentials`] | the exponentials of one row |
//! | [`candidates`] | the patterns that may have a weight where most are 0 |
//! | [`active`] | the columns of a score tile that have a weight |
//! | [`extremes`] | the highest and the lowest scores |
//! | [`family`] | the separations by name |
//! | [`rows`] | every separation as a function of one row of scores |

pub(crate) mod active;
pub(crate) mod candidates;
pub(crate) mod exponentials;
pub(crate) mod extremes;
pub(crate) mod family;
pub(crate) mod online;
pub(crate) mod rows;
pub(crate) mod shape;
pub(crate) mod state;
