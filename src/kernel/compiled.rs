//! Kernels that are called by themselves, as machine code.

use crate::kernel::norms::{FeatureSquares, Finite, SquaredNorms};
use crate::simd::compiled::compiled;

compiled! {
    /// Norms of patterns.
    squared_norms(SquaredNorms);
    /// Norms of features.
    feature_squares(FeatureSquares);
    /// Whether rows are finite.
    finite(Finite) -> bool;
}
