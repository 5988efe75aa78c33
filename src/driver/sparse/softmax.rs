//! The weights of a softmax over the candidates of one probe.
//!
//! Its support is exactly the patterns whose score is not below a cutoff, so that sums in lanes,
//! by place in the support, are the same whatever other candidates there are.

use super::{Fact, Found, Kind, Sparse, Supports};
use crate::separation::exponentials::{Exponentials, exponentials};
use crate::simd::Element;
use crate::similarity::scoring::least_unmasked;

/// Sums that are added up beside one another.
const CHAINS: usize = 8;

/// Σ x, in the order of `CHAINS` chains.
fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    let mut sums = [0.0; CHAINS];
    terms.enumerate().for_each(|(k, x)| sums[k % CHAINS] += x);
    sums.iter().sum()
}

impl<T: Element> Sparse<'_, T> {
    /// Appends the support of one probe, whose weights are a softmax of the scores that are lower
    /// than the highest by at most `width / β`.
    pub(super) fn solve_softmax(
        &self,
        found: Found<'_, T>,
        width: f64,
        weights: &mut Vec<T>,
        supports: &mut Supports<T>,
    ) -> Fact {
        let Found { best, row_max, .. } = found;
        let cutoff = T::from_f64(row_max.to_f64() - width / self.beta);
        let cutoff = if cutoff < least_unmasked() { least_unmasked() } else { cutoff };
        let start = supports.scores.len();
        let most = start + found.count();
        supports.scores.resize(most, T::ZERO);
        supports.indices.resize(most, 0);
        let mut kept = start;
        for (scores, indices) in found.candidates() {
            // Without a branch, as nothing predicts which of them are kept.
            for (&score, &index) in scores.iter().zip(indices) {
                (supports.scores[kept], supports.indices[kept]) = (score, index);
                kept += usize::from(score >= cutoff);
            }
        }
        supports.scores.truncate(kept);
        supports.indices.truncate(kept);
        let scores = &supports.scores[start..];
        weights.clear();
        weights.extend_from_slice(scores);
        let scale = T::from_f64(self.beta * std::f64::consts::LOG2_E);
        let row = Exponentials { t: &mut *weights, top: row_max, scale, cutoff };
        exponentials(self.shared.level, row);
        // The highest weight is 1. Without it, the sum does not round away the others.
        let indices = &supports.indices[start..];
        let at = best.and_then(|best| indices.binary_search(&(best as u32)).ok());
        if let Some(at) = at {
            weights[at] = T::ZERO;
        }
        let rest = sum(weights.iter().map(|w| w.to_f64()));
        if let Some(at) = at {
            weights[at] = T::ONE;
        }
        let inverse = 1.0 / (1.0 + rest);
        supports.weights.extend(weights.iter().map(|w| w.to_f64() * inverse));
        let entropy = match self.entropies {
            true => {
                let t = |s: &T| self.beta * (s.to_f64() - row_max.to_f64());
                let terms = scores.iter().zip(&*weights);
                let along =
                    sum(terms.map(|(s, w)| if *w == T::ZERO { 0.0 } else { t(s) * w.to_f64() }));
                (rest.ln_1p() - along * inverse).max(0.0)
            }
            false => f64::NAN,
        };
        let potential = self.beta * row_max.to_f64() + rest.ln_1p();
        Fact { kind: Kind::Proper, best, best_weight: inverse, potential, entropy }
    }
}
