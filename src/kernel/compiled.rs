//! Compiled entry points of the kernels that are called directly.

use crate::kernel::norms::{FeatureSquares, Finite, SquaredNorms};
use crate::kernel::score::ListedScores;
use crate::simd::compiled::compiled;

compiled! {
    /// Squared norms of patterns.
    squared_norms(SquaredNorms);
    /// Squared norms of features.
    feature_squares(FeatureSquares);
    /// Whether all elements of some rows are finite.
    finite(Finite) -> bool;
    /// Scores of one probe with some patterns.
    listed_scores(ListedScores);
}
