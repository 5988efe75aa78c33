//! The family of memories: every separation and similarity against references and invariants.
//!
//! | module | shows |
//! | --- | --- |
//! | [`fixtures`] | what PyTorch, the package `entmax` and 60-digit arithmetic gave (tests/data/family) |
//! | [`gradients`] | the gradients of recalls, of iterated and of settled ones are those of the fixtures |
//! | [`rows`] | separations as functions of rows: weights, potentials and VJPs are those of the fixtures |
//! | [`recall`] | recalls with values, biases and masks are those of the fixtures |

mod fixtures;
mod gradients;
mod recall;
mod rows;
