//! The optional outputs of a recall.

use crate::error::Result;
use crate::matrix::MatMut;
use crate::matrix::check::{expect_length, expect_shape};
use crate::simd::Element;

/// Where the results of a recall are written. By default none are.
///
/// `similarities` and `memory_weights` are B x N numbers to write. All others cost next to nothing:
/// they are by-products of the single pass over the patterns.
///
/// Below, x is a probe, s_n = m_n · x its similarities, and p = softmax(β s).
#[derive(Debug)]
pub struct Outputs<'a, T> {
    /// X̂ = P M (B x D), or what the similarity has as its update; P V (B x E) if the memory has
    /// values. The division by the sum of the weights comes last, so X̂ is finite as long
    /// as 256 N max |M| is.
    pub retrieved: Option<MatMut<'a, T>>,
    /// S = X Mᵀ (B x N).
    pub similarities: Option<MatMut<'a, T>>,
    /// P = softmax(β S) (B x N).
    pub memory_weights: Option<MatMut<'a, T>>,
    /// ln Σ_n exp(β s_n) (B).
    pub lse: Option<&'a mut [T]>,
    /// The standard energy of the probe (B), before its update:
    /// E(x) = -β⁻¹ lse + ½ x·x + β⁻¹ ln N + ½ max_n ‖m_n‖² (Ramsauer et al. 2020, eq. 2), where N
    /// and the maximum are over the patterns that are not masked.
    pub energy: Option<&'a mut [T]>,
    /// -Σ_n p_n ln p_n, in nats (B): ln N if all weights are equal, 0 if one weight is 1.
    pub entropy: Option<&'a mut [T]>,
    /// The index of the pattern with the highest similarity, the first one if there are several
    /// (B). `usize::MAX` if there is none (all are masked, or a similarity is NaN).
    pub best: Option<&'a mut [usize]>,
    /// The memory weight of that pattern (B).
    pub best_weight: Option<&'a mut [T]>,
    /// The number of patterns that contributed (B): those whose weight was not below the cutoff,
    /// under which it cannot change the sum. The cutoff is relative to the highest similarity so
    /// far, which is updated every 32 patterns. So this is at least the number of memory weights
    /// that are not 0.
    pub support: Option<&'a mut [usize]>,
    /// The second highest similarity of the patterns that take part (B); -∞ if there are fewer than
    /// two. It takes a pass over the patterns more.
    pub second: Option<&'a mut [T]>,
    /// Σ_n p_n² (B): its inverse is an effective number of patterns. This and the outputs below
    /// need the weights that are not negligible; for a softmax these take a pass over the patterns
    /// more.
    pub sum_p2: Option<&'a mut [T]>,
    /// Σ_n p_n ‖m_n‖² - ‖Σ_n p_n m_n‖² (B), the trace of the weighted covariance of the patterns. β
    /// times this bounds the norm of the Jacobian of an update (dot product, softmax).
    pub spread: Option<&'a mut [T]>,
    /// The least number of patterns whose weights sum to 90% of all (B), which tells the class of a
    /// metastable state (Ramsauer et al. 2020, section 4).
    pub k90: Option<&'a mut [usize]>,
    /// Σ_b p_bn, how much each pattern is used by the batch (N).
    pub usage: Option<&'a mut [T]>,
}

/// The outputs that need weights which the drivers do not keep.
#[derive(Debug)]
pub(crate) struct Statistics<'a, T> {
    pub second: Option<&'a mut [T]>,
    pub sum_p2: Option<&'a mut [T]>,
    pub spread: Option<&'a mut [T]>,
    pub k90: Option<&'a mut [usize]>,
    pub usage: Option<&'a mut [T]>,
}

impl<T> Statistics<'_, T> {
    /// Whether any of them is wanted.
    pub fn any(&self) -> bool {
        self.second.is_some()
            || self.sum_p2.is_some()
            || self.spread.is_some()
            || self.k90.is_some()
            || self.usage.is_some()
    }
}

impl<T> Default for Outputs<'_, T> {
    fn default() -> Self {
        Self {
            retrieved: None,
            similarities: None,
            memory_weights: None,
            lse: None,
            energy: None,
            entropy: None,
            best: None,
            best_weight: None,
            support: None,
            second: None,
            sum_p2: None,
            spread: None,
            k90: None,
            usage: None,
        }
    }
}

impl<'a, T: Element> Outputs<'a, T> {
    /// An error unless the outputs fit B probes and N patterns of dimension D.
    pub(crate) fn check(&self, batch: usize, patterns: usize, dim: usize) -> Result<()> {
        let usage = self.usage.as_ref();
        usage.map_or(Ok(()), |usage| expect_length("usage", usage.len(), patterns))?;
        let matrices = [
            ("retrieved", &self.retrieved, dim),
            ("similarities", &self.similarities, patterns),
            ("memory_weights", &self.memory_weights, patterns),
        ];
        for (operand, matrix, cols) in matrices {
            matrix.as_ref().map_or(Ok(()), |m| expect_shape(operand, m.shape(), (batch, cols)))?;
        }
        let vectors = [
            ("lse", &self.lse),
            ("energy", &self.energy),
            ("entropy", &self.entropy),
            ("best_weight", &self.best_weight),
            ("second", &self.second),
            ("sum_p2", &self.sum_p2),
            ("spread", &self.spread),
        ];
        for (operand, vector) in vectors {
            vector.as_ref().map_or(Ok(()), |v| expect_length(operand, v.len(), batch))?;
        }
        let counts = [("best", &self.best), ("support", &self.support), ("k90", &self.k90)];
        for (operand, vector) in counts {
            vector.as_ref().map_or(Ok(()), |v| expect_length(operand, v.len(), batch))?;
        }
        Ok(())
    }

    /// Takes out what the drivers do not write.
    pub(crate) fn take_statistics(&mut self) -> Statistics<'a, T> {
        Statistics {
            second: self.second.take(),
            sum_p2: self.sum_p2.take(),
            spread: self.spread.take(),
            k90: self.k90.take(),
            usage: self.usage.take(),
        }
    }

    /// The outputs that are written for every pattern. That of the memory weights holds the scores
    /// until these become weights.
    pub(crate) fn per_pattern(&mut self) -> PerPattern<'_, T> {
        PerPattern {
            similarities: self.similarities.as_mut().map(MatMut::reborrow),
            scores: self.memory_weights.as_mut().map(MatMut::reborrow),
        }
    }

    /// The outputs of the first `at` probes, and of the rest.
    pub(crate) fn split_at(self, at: usize) -> (Self, Self) {
        /// Both parts of an output, if it is wanted.
        fn split<V>(output: Option<V>, split: impl FnOnce(V) -> (V, V)) -> (Option<V>, Option<V>) {
            output.map(split).unzip()
        }
        let (retrieved, retrieved_) = split(self.retrieved, |m| m.split_at_row(at));
        let (similarities, similarities_) = split(self.similarities, |m| m.split_at_row(at));
        let (memory_weights, memory_weights_) = split(self.memory_weights, |m| m.split_at_row(at));
        let (lse, lse_) = split(self.lse, |v| v.split_at_mut(at));
        let (energy, energy_) = split(self.energy, |v| v.split_at_mut(at));
        let (entropy, entropy_) = split(self.entropy, |v| v.split_at_mut(at));
        let (best, best_) = split(self.best, |v| v.split_at_mut(at));
        let (best_weight, best_weight_) = split(self.best_weight, |v| v.split_at_mut(at));
        let (support, support_) = split(self.support, |v| v.split_at_mut(at));
        let first = Self {
            retrieved,
            similarities,
            memory_weights,
            lse,
            energy,
            entropy,
            best,
            best_weight,
            support,
            ..Self::default()
        };
        let second = Self {
            retrieved: retrieved_,
            similarities: similarities_,
            memory_weights: memory_weights_,
            lse: lse_,
            energy: energy_,
            entropy: entropy_,
            best: best_,
            best_weight: best_weight_,
            support: support_,
            ..Self::default()
        };
        (first, second)
    }
}

/// Outputs with a column for each pattern, for some probes and some patterns.
#[derive(Debug)]
pub struct PerPattern<'a, T> {
    pub similarities: Option<MatMut<'a, T>>,
    /// Similarities with their bias.
    pub scores: Option<MatMut<'a, T>>,
}

impl<T: Element> PerPattern<'_, T> {
    /// Neither is wanted.
    pub fn none() -> Self {
        Self { similarities: None, scores: None }
    }

    /// Whether neither is wanted.
    pub fn is_none(&self) -> bool {
        self.similarities.is_none() && self.scores.is_none()
    }

    /// Those of some of the probes.
    pub fn rows_mut(&mut self, probes: std::ops::Range<usize>) -> PerPattern<'_, T> {
        PerPattern {
            similarities: self.similarities.as_mut().map(|all| all.rows_mut(probes.clone())),
            scores: self.scores.as_mut().map(|all| all.rows_mut(probes)),
        }
    }

    /// Those of the first `at` patterns, and those of the others.
    pub fn split_at_col(self, at: usize) -> (Self, Self) {
        let (similarities, similarities_) =
            self.similarities.map(|all| all.split_at_col(at)).unzip();
        let (scores, scores_) = self.scores.map(|all| all.split_at_col(at)).unzip();
        (Self { similarities, scores }, Self { similarities: similarities_, scores: scores_ })
    }

    /// Those of the first `at` probes, and those of the others.
    pub fn split_at_row(self, at: usize) -> (Self, Self) {
        let (similarities, similarities_) =
            self.similarities.map(|all| all.split_at_row(at)).unzip();
        let (scores, scores_) = self.scores.map(|all| all.split_at_row(at)).unzip();
        (Self { similarities, scores }, Self { similarities: similarities_, scores: scores_ })
    }

    /// Writes the similarities of probe `b` with a block of patterns.
    #[inline(always)]
    pub fn write_similarities(&mut self, b: usize, block: std::ops::Range<usize>, row: &[T]) {
        if let Some(similarities) = &mut self.similarities {
            similarities.row_mut(b)[block].copy_from_slice(row);
        }
    }

    /// Writes the scores of probe `b` with a block of patterns.
    #[inline(always)]
    pub fn write_scores(&mut self, b: usize, block: std::ops::Range<usize>, row: &[T]) {
        if let Some(scores) = &mut self.scores {
            scores.row_mut(b)[block].copy_from_slice(row);
        }
    }
}
