//! The optional outputs of a recall.

use crate::builder::setters;
use crate::driver::divide::{Columns, Cut, cut_fields};
use crate::error::Result;
use crate::matrix::MatMut;
use crate::matrix::check::{expect_length, expect_shape};
use crate::simd::Element;

/// Where the results of a recall are written. By default none are.
///
/// `similarities` and `memory_weights` have B x N elements. `second`, `sum_p2`, `spread`, `k90` and
/// `usage` may take one more pass over the patterns. All others cost next to nothing: they are
/// by-products of the recall.
///
/// Below, x is a probe, s_n = m_n · x its similarities, and p = softmax(β s).
///
/// ```
/// use hopfield_kernels::{MatMut, Outputs};
///
/// let (mut retrieved, mut best) = ([0.0_f32; 2], [None]);
/// let to = MatMut::new(&mut retrieved, 1, 2)?;
/// let outputs = Outputs::new().with_retrieved(to).with_best(&mut best);
/// assert!(outputs.lse.is_none());
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
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
    /// (B). `None` if there is none (all are masked, or a similarity is NaN).
    pub best: Option<&'a mut [Option<usize>]>,
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
    /// Whether an output is wanted that is computed from the weights.
    pub fn of_weights(&self) -> bool {
        self.sum_p2.is_some() || self.spread.is_some() || self.k90.is_some() || self.usage.is_some()
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
    /// Nothing is written.
    pub fn new() -> Self {
        Self::default()
    }

    /// X̂, if nothing else is wanted.
    pub(crate) fn only_retrieved(&mut self) -> Option<&mut MatMut<'a, T>> {
        let others = [
            self.similarities.is_some(),
            self.memory_weights.is_some(),
            self.lse.is_some(),
            self.energy.is_some(),
            self.entropy.is_some(),
            self.best.is_some(),
            self.best_weight.is_some(),
            self.support.is_some(),
            self.second.is_some(),
            self.sum_p2.is_some(),
            self.spread.is_some(),
            self.k90.is_some(),
            self.usage.is_some(),
        ];
        self.retrieved.as_mut().filter(|_| !others.contains(&true))
    }

    setters! {
        /// Where to write X̂.
        with_retrieved(retrieved?: MatMut<'a, T>);
        /// Where to write S.
        with_similarities(similarities?: MatMut<'a, T>);
        /// Where to write P.
        with_memory_weights(memory_weights?: MatMut<'a, T>);
        /// Where to write the log-sum-exp.
        with_lse(lse!: &'a mut [T]);
        /// Where to write energies.
        with_energy(energy!: &'a mut [T]);
        /// Where to write entropies.
        with_entropy(entropy!: &'a mut [T]);
        /// Where to write the indices of the best patterns.
        with_best(best!: &'a mut [Option<usize>]);
        /// Where to write their memory weights.
        with_best_weight(best_weight!: &'a mut [T]);
        /// Where to write the sizes of the supports.
        with_support(support!: &'a mut [usize]);
        /// Where to write the second highest similarities.
        with_second(second!: &'a mut [T]);
        /// Where to write Σ p².
        with_sum_p2(sum_p2!: &'a mut [T]);
        /// Where to write the spreads.
        with_spread(spread!: &'a mut [T]);
        /// Where to write the numbers of patterns that have 90% of the weight.
        with_k90(k90!: &'a mut [usize]);
        /// Where to write how much each pattern is used.
        with_usage(usage!: &'a mut [T]);
    }

    /// An error unless the outputs fit B probes and N patterns of dimension D.
    #[inline]
    pub(crate) fn check(&self, batch: usize, patterns: usize, dim: usize) -> Result<()> {
        // One after another, without a table: this is part of the fixed cost of every call.
        check_matrix("retrieved", &self.retrieved, (batch, dim))?;
        check_matrix("similarities", &self.similarities, (batch, patterns))?;
        check_matrix("memory_weights", &self.memory_weights, (batch, patterns))?;
        check_vector("lse", &self.lse, batch)?;
        check_vector("energy", &self.energy, batch)?;
        check_vector("entropy", &self.entropy, batch)?;
        check_vector("best", &self.best, batch)?;
        check_vector("best_weight", &self.best_weight, batch)?;
        check_vector("support", &self.support, batch)?;
        check_vector("second", &self.second, batch)?;
        check_vector("sum_p2", &self.sum_p2, batch)?;
        check_vector("spread", &self.spread, batch)?;
        check_vector("k90", &self.k90, batch)?;
        check_vector("usage", &self.usage, patterns)
    }

    /// Whether anything is wanted that the drivers do not write.
    pub(crate) fn has_statistics(&self) -> bool {
        self.second.is_some()
            || self.sum_p2.is_some()
            || self.spread.is_some()
            || self.k90.is_some()
            || self.usage.is_some()
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

    /// The same outputs but for statistics, for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Outputs<'_, T> {
        let Self { retrieved, similarities, memory_weights, .. } = self;
        Outputs {
            retrieved: retrieved.as_mut().map(MatMut::reborrow),
            similarities: similarities.as_mut().map(MatMut::reborrow),
            memory_weights: memory_weights.as_mut().map(MatMut::reborrow),
            lse: self.lse.as_deref_mut(),
            energy: self.energy.as_deref_mut(),
            entropy: self.entropy.as_deref_mut(),
            best: self.best.as_deref_mut(),
            best_weight: self.best_weight.as_deref_mut(),
            support: self.support.as_deref_mut(),
            ..Outputs::default()
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
}

/// Outputs are cut into those of some probes. The drivers do not write statistics.
impl<T: Element> Cut for Outputs<'_, T> {
    #[rustfmt::skip]
    fn cut(self, at: usize) -> (Self, Self) {
        cut_fields!(
            self,
            at,
            {
                retrieved, similarities, memory_weights,
                lse, energy, entropy, best, best_weight, support,
            },
            ..Self::default()
        )
    }
}

/// Outputs with a column for each pattern, for some probes and some patterns.
#[derive(Debug)]
pub struct PerPattern<'a, T> {
    pub similarities: Option<MatMut<'a, T>>,
    /// Similarities with their bias.
    pub scores: Option<MatMut<'a, T>>,
}

/// Cut by probes.
impl<T: Element> Cut for PerPattern<'_, T> {
    fn cut(self, at: usize) -> (Self, Self) {
        cut_fields!(self, at, { similarities, scores })
    }
}

/// Cut by patterns.
impl<T: Element> Cut for Columns<PerPattern<'_, T>> {
    fn cut(self, at: usize) -> (Self, Self) {
        let columns = |all: Option<_>| all.map(Columns);
        let (similarities, similarities_) = columns(self.0.similarities).cut(at);
        let (scores, scores_) = columns(self.0.scores).cut(at);
        let part = |similarities: Option<Columns<_>>, scores: Option<Columns<_>>| {
            Self(PerPattern {
                similarities: similarities.map(|columns| columns.0),
                scores: scores.map(|columns| columns.0),
            })
        };
        (part(similarities, scores), part(similarities_, scores_))
    }
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

/// An error unless an output that is wanted has this shape.
#[inline(always)]
fn check_matrix<T>(
    operand: &'static str,
    output: &Option<MatMut<'_, T>>,
    shape: (usize, usize),
) -> Result<()> {
    match output {
        Some(output) => expect_shape(operand, output.shape(), shape),
        None => Ok(()),
    }
}

/// An error unless an output that is wanted has this length.
#[inline(always)]
fn check_vector<V>(operand: &'static str, output: &Option<&mut [V]>, length: usize) -> Result<()> {
    match output {
        Some(output) => expect_length(operand, output.len(), length),
        None => Ok(()),
    }
}
