//! What the examples share: arrays of any of NumPy's numbers, and files that are written whole.

mod half;
mod numbers;
mod whole;

pub use numbers::{Float, Source, is_within_float32, read};
pub use whole::write;
