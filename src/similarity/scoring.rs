//! From sums over d to scores: norms and roots make similarities of them, biases and masks scores.
//!
//! ```text
//! s = factor[b] factor[n] sum + term[b] + term[n]      # or -sum, -½ sum, -√sum, 1 / sum
//! score = s + bias / β, or `masked` where a mask leaves the pattern out
//! ```
//!
//! All of it is done once for a score, beside D multiply-adds, so plain loops over rows suffice.

use std::ops::Range;

use crate::matrix::MatRef;
use crate::simd::Element;
use crate::similarity::accumulate::Sums;

/// The score of a masked pattern: finite, so that it is no sign of a probe that is not, and lower
/// than every score, so that its weight is exactly 0.
pub(crate) fn masked<T: Element>() -> T {
    -T::MAX
}

/// The least score of a pattern that is not masked.
pub(crate) fn least_unmasked<T: Element>() -> T {
    -T::MAX * (T::ONE - T::from_f64(1e-6))
}

/// What is done to a sum by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// Nothing.
    Linear,
    /// -sum
    Negated,
    /// -½ sum
    NegHalf,
    /// -√sum
    NegRoot,
    /// 1 / sum, at most √`MAX`.
    Reciprocal,
}

/// How the scores of some probes with some patterns come from sums over d.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scoring<'a, T> {
    /// What the micro-kernel adds up.
    pub sums: Sums,
    pub shape: Shape,
    /// A factor of each probe's and of each pattern's sums.
    pub probe_factors: Option<&'a [T]>,
    pub pattern_factors: Option<&'a [T]>,
    /// A term of each probe's and of each pattern's similarities.
    pub probe_terms: Option<&'a [T]>,
    pub pattern_terms: Option<&'a [T]>,
    /// A bias for each pattern, and for each probe and pattern, in units of scores times
    /// `1 / bias_scale`. A bias of -∞ is a mask.
    pub bias: Option<&'a [T]>,
    pub biases: Option<MatRef<'a, T>>,
    pub bias_scale: T,
    /// Whether a pattern takes part, for each probe.
    pub masks: Option<MatRef<'a, bool>>,
}

impl<'a, T: Element> Scoring<'a, T> {
    /// Dot products, as they are.
    pub const DOT: Self = Self {
        sums: Sums::Products,
        shape: Shape::Linear,
        probe_factors: None,
        pattern_factors: None,
        probe_terms: None,
        pattern_terms: None,
        bias: None,
        biases: None,
        bias_scale: T::ONE,
        masks: None,
    };

    /// Whether sums are scores.
    pub fn is_dot(&self) -> bool {
        self.sums == Sums::Products && self.is_similarity() && !self.has_bias()
    }

    /// Whether sums are similarities.
    fn is_similarity(&self) -> bool {
        self.shape == Shape::Linear
            && self.probe_factors.is_none()
            && self.pattern_factors.is_none()
            && self.probe_terms.is_none()
            && self.pattern_terms.is_none()
    }

    /// Whether scores are more than similarities.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some() || self.biases.is_some() || self.masks.is_some()
    }

    /// The same for some of the probes.
    #[must_use]
    pub fn of(self, probes: Range<usize>) -> Self {
        Self {
            probe_factors: self.probe_factors.map(|all| &all[probes.clone()]),
            probe_terms: self.probe_terms.map(|all| &all[probes.clone()]),
            biases: self.biases.map(|all| all.subrows(probes.clone())),
            masks: self.masks.map(|all| all.subrows(probes)),
            ..self
        }
    }

    /// The same for some of the patterns.
    #[must_use]
    pub fn at(self, patterns: Range<usize>) -> Self {
        Self {
            pattern_factors: self.pattern_factors.map(|all| &all[patterns.clone()]),
            pattern_terms: self.pattern_terms.map(|all| &all[patterns.clone()]),
            bias: self.bias.map(|all| &all[patterns.clone()]),
            biases: self.biases.map(|all| all.subcols(patterns.clone())),
            masks: self.masks.map(|all| all.subcols(patterns)),
            ..self
        }
    }

    /// Turns the sums of probe `b` with the patterns from `first` on into similarities.
    #[inline(always)]
    pub fn similarities(&self, row: &mut [T], b: usize, first: usize) {
        if self.is_similarity() {
            return;
        }
        let half = T::from_f64(-0.5);
        match self.shape {
            Shape::Linear => {}
            Shape::Negated => row.iter_mut().for_each(|s| *s = -*s),
            Shape::NegHalf => row.iter_mut().for_each(|s| *s = *s * half),
            Shape::NegRoot => row.iter_mut().for_each(|s| *s = -s.sqrt()),
            Shape::Reciprocal => {
                let most = T::MAX.sqrt();
                for s in row.iter_mut() {
                    let reciprocal = T::ONE / *s;
                    let reciprocal = if reciprocal > most { most } else { reciprocal };
                    // What is infinitely far is no number, as under every other similarity.
                    *s = if s.is_finite() { reciprocal } else { T::NAN };
                }
            }
        }
        if let Some(factors) = self.probe_factors {
            row.iter_mut().for_each(|s| *s = *s * factors[b]);
        }
        if let Some(factors) = self.pattern_factors {
            row.iter_mut().zip(&factors[first..]).for_each(|(s, factor)| *s = *s * *factor);
        }
        if let Some(terms) = self.pattern_terms {
            row.iter_mut().zip(&terms[first..]).for_each(|(s, term)| *s += *term);
        }
        if let Some(terms) = self.probe_terms {
            row.iter_mut().for_each(|s| *s += terms[b]);
        }
    }

    /// Turns the similarities of probe `b` with the patterns from `first` on into scores.
    #[inline(always)]
    pub fn scores(&self, row: &mut [T], b: usize, first: usize) {
        let biases = self.biases.map(|all| &all.row(b)[first..]);
        for bias in [self.bias.map(|all| &all[first..]), biases].into_iter().flatten() {
            for (s, &bias) in row.iter_mut().zip(bias) {
                let left_out = bias == T::NEG_INFINITY || *s == masked();
                *s = if left_out { masked() } else { *s + bias * self.bias_scale };
            }
        }
        if let Some(masks) = self.masks {
            for (s, &keep) in row.iter_mut().zip(&masks.row(b)[first..]) {
                *s = if keep { *s } else { masked() };
            }
        }
    }
}
