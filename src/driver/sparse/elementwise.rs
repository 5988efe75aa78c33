//! The weights of powers and polynomials, of which each is a function of its own score.

use super::{Fact, Found, Kind, Sparse, Supports, entropy};
use crate::simd::Element;

impl<T: Element> Sparse<'_, T> {
    /// Solves for the weights of one probe where each is a function of its own score, and appends
    /// its support: what `solve_row` does, with fewer loops over the candidates.
    pub(super) fn solve_elementwise(
        &self,
        found: Found<'_, T>,
        theta: &mut Vec<f64>,
        weights: &mut Vec<f64>,
        supports: &mut Supports<T>,
    ) -> Fact {
        let (Found { best, row_max, .. }, start) = (found, supports.scores.len());
        theta.clear();
        for (scores, indices) in found.candidates() {
            theta.extend(scores.iter().map(|score| self.beta * score.to_f64()));
            supports.scores.extend_from_slice(scores);
            supports.indices.extend_from_slice(indices);
        }
        weights.clear();
        weights.extend_from_slice(theta);
        self.separation.weights(weights);
        let potential = self.potential(theta, row_max);
        let best_at = best.map(|best| supports.indices[start..].binary_search(&(best as u32)));
        let best_weight = best_at.and_then(std::result::Result::ok).map_or(0.0, |at| weights[at]);
        if !self.keeps_all {
            let (scores, indices) = (&mut supports.scores[start..], &mut supports.indices[start..]);
            let kept = keep_weights(weights, scores, indices);
            weights.truncate(kept);
            supports.scores.truncate(start + kept);
            supports.indices.truncate(start + kept);
        }
        supports.weights.extend_from_slice(weights);
        let entropy = match self.entropies {
            true => weights.iter().map(|&p| entropy(p)).sum(),
            false => f64::NAN,
        };
        Fact { kind: Kind::Proper, best, best_weight, potential, entropy }
    }
}

/// Moves the weights that are not 0 to the front, with what belongs to them, and returns their
/// number.
fn keep_weights<T: Element>(weights: &mut [f64], scores: &mut [T], indices: &mut [u32]) -> usize {
    if weights.iter().all(|p| T::from_f64(*p) != T::ZERO) {
        return weights.len();
    }
    let mut kept = 0;
    for at in 0..weights.len() {
        let keeps = T::from_f64(weights[at]) != T::ZERO;
        (weights[kept], scores[kept], indices[kept]) = (weights[at], scores[at], indices[at]);
        kept += usize::from(keeps);
    }
    kept
}
