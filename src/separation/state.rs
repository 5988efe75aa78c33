//! The state of one probe's softmax after some of the patterns, and how two such states merge.

use crate::simd::exp2::exp2_one;
use crate::simd::{Element, Simd};
use crate::similarity::scoring::least_unmasked;

/// The rescale threshold: a score may exceed the shift by this many bits before the shift changes,
/// so weights are at most 2^RESCALE_THRESHOLD (bounded probes apart, whose shift stays 0).
pub(crate) const RESCALE_THRESHOLD: f64 = 8.0;

/// digits + ⌈log2 N⌉: a weight below 2 to minus this, of the highest, cannot change a sum over N.
pub(crate) fn depth_bits<T: Element>(patterns: usize) -> f64 {
    f64::from(T::DIGITS + usize::BITS - (patterns.max(1) - 1).leading_zeros())
}

/// How weights fall with the distance from the shift, and what is computed besides them.
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxParams<T> {
    /// β log2 e.
    pub scale: T,
    /// Scores lower than the highest by more than this have weight 0.
    pub depth: T,
    /// The squared norm up to which a probe is *bounded*: all its scores are within half the depth
    /// of 0, so that no weight is negligible beside another, whatever the shift.
    pub bound: T,
    /// Whether Σ weight log2 weight is wanted.
    pub entropy_sum: bool,
    /// Whether the best pattern is wanted, even of bounded probes.
    pub best: bool,
    /// The weight of a pattern of zeros with value zero that takes part besides the patterns: c of
    /// exp(t) / (c + Σ exp(t)).
    pub null: T,
}

impl<T: Element> SoftmaxParams<T> {
    /// For inverse temperature `beta` and a sum over `patterns` weights.
    ///
    /// All the weights below 2^-(digits + log2 N), together, are less than half an ulp of the sum,
    /// which is at least 1.
    pub fn new(beta: f64, patterns: usize) -> Self {
        let bits = depth_bits::<T>(patterns);
        let scale = (beta * std::f64::consts::LOG2_E).min(T::MAX.to_f64());
        let (scale, depth) = (T::from_f64(scale), T::from_f64(bits / scale));
        Self {
            scale,
            depth,
            bound: T::NEG_INFINITY,
            entropy_sum: false,
            best: false,
            null: T::ZERO,
        }
    }

    /// Sets the bound, for patterns of `dim` elements whose largest squared norm is M*².
    ///
    /// |x · m| <= |x| M* (Cauchy-Schwarz). The bound allows for errors of the norms, which are what
    /// squares below the normal range lose and `dim` roundings, and for as many roundings of the
    /// scores. No probe is bounded if a pattern is not finite.
    #[must_use]
    pub fn among(self, max_squared_norm: T, dim: usize) -> Self {
        let dim = dim as f64;
        // `MAX` is nearly 4 over the least normal number, so this is twice what the squares may
        // lose.
        let lost = 8.0 * dim / T::MAX.to_f64();
        let roundings = 1.0 + 8.0 * (dim + 8.0) * (-f64::from(T::DIGITS)).exp2();
        let half = (0.5 * self.depth.to_f64()).min(0.25 * T::MAX.to_f64());
        let norm = half / (max_squared_norm.to_f64() + lost).sqrt();
        let bound = norm * norm / roundings - lost;
        // Finite, so that a probe whose norm is infinite is never bounded.
        let most = T::MAX.to_f64();
        Self { bound: T::from_f64(bound.clamp(-most, most)), ..self }
    }
}

/// The state of one probe's softmax after some of the patterns.
#[derive(Debug, Clone, Copy)]
pub struct State<T> {
    /// The score that weights are relative to.
    pub shift: T,
    /// Σ_n weight[n]. NaN if a score was not finite.
    pub row_sum: T,
    /// Σ_n weight[n] log2 weight[n], for the entropy.
    pub entropy_sum: T,
    /// The highest score.
    pub row_max: T,
    /// The first pattern whose score is the row max.
    pub best: usize,
    /// Number of patterns whose weight was not 0 when it was computed.
    pub support: usize,
    /// Whether the probe is bounded (see [`SoftmaxParams::bound`]): the shift then stays 0.
    pub bounded: bool,
}

impl<T: Element> State<T> {
    /// Before the first pattern.
    pub const EMPTY: Self = Self {
        shift: T::NEG_INFINITY,
        row_sum: T::ZERO,
        entropy_sum: T::ZERO,
        row_max: T::NEG_INFINITY,
        best: usize::MAX,
        support: 0,
        bounded: false,
    };

    /// Before the first pattern, for a bounded probe.
    const BOUNDED: Self = Self { shift: T::ZERO, bounded: true, ..Self::EMPTY };

    /// After a pattern of zeros, which has this weight and is no pattern of the memory.
    pub fn null(weight: T) -> Self {
        Self { shift: T::ZERO, row_sum: weight, ..Self::EMPTY }
    }

    /// For given weights, which are relative to no shift and are not normalised.
    pub const UNIT: Self = Self { shift: T::ZERO, row_sum: T::ONE, ..Self::EMPTY };

    /// Before the first pattern, for a probe with this squared norm.
    #[inline(always)]
    pub fn of(squared_norm: T, params: SoftmaxParams<T>) -> Self {
        let bounded = squared_norm <= params.bound;
        if bounded { Self::BOUNDED } else { Self::EMPTY }
    }

    /// Whether there is no shift yet.
    #[inline(always)]
    pub fn is_new(&self) -> bool {
        self.shift == T::NEG_INFINITY
    }

    /// Whether all patterns so far were masked.
    fn is_empty(&self) -> bool {
        self.best == usize::MAX && self.row_sum == T::ZERO
    }

    /// The first pattern whose score is the row max; `None` if all were masked.
    pub fn best(&self) -> Option<usize> {
        (self.row_max >= least_unmasked() && self.best != usize::MAX).then_some(self.best)
    }

    /// The factor that normalises the probe's sum of weighted patterns; 0 if all were masked.
    pub fn normaliser(&self) -> T {
        if self.row_sum == T::ZERO { T::ZERO } else { T::ONE / self.row_sum }
    }

    /// The memory weight of the best pattern, with the bits that `softmax::memory_weights` gives
    /// it.
    #[inline(always)]
    pub fn best_weight<S: Simd<T>>(&self, simd: S, params: SoftmaxParams<T>) -> T {
        let t = (self.row_max - self.shift) * params.scale;
        if self.row_sum == T::ZERO { T::ZERO } else { exp2_one(simd, t) * self.normaliser() }
    }

    /// The cutoff if `row_max` is the highest score so far: lower scores have weight 0.
    #[inline(always)]
    pub fn cutoff(&self, row_max: T, params: SoftmaxParams<T>) -> T {
        let cutoff = (if row_max > self.shift { row_max } else { self.shift }) - params.depth;
        // Masked scores are below every cutoff.
        if cutoff < least_unmasked() { least_unmasked() } else { cutoff }
    }

    /// The state after the patterns of `earlier` and then those of `later`, and the factors that
    /// bring sums relative to the shift of either to the merged shift.
    #[inline(always)]
    pub fn merge<S: Simd<T>>(simd: S, earlier: Self, later: Self, scale: T) -> (Self, T, T) {
        if later.is_empty() {
            return (earlier, T::ONE, T::ZERO);
        }
        if earlier.is_empty() {
            return (later, T::ZERO, T::ONE);
        }
        let highest = if later.row_max > earlier.row_max { later } else { earlier };
        let rises = later.shift > earlier.shift;
        let shift = if rises { later.shift } else { earlier.shift };
        let (a, earlier_entropy_sum, earlier_support) = earlier.relative_to(simd, shift, scale);
        let (b, later_entropy_sum, later_support) = later.relative_to(simd, shift, scale);
        let merged = Self {
            shift,
            row_sum: earlier.row_sum * a + later.row_sum * b,
            entropy_sum: earlier_entropy_sum + later_entropy_sum,
            support: earlier_support + later_support,
            ..highest
        };
        (merged, a, b)
    }

    /// The factor that brings weights relative to this state's shift to `shift`, which is not
    /// lower, and the entropy sum and the support after that.
    #[inline(always)]
    fn relative_to<S: Simd<T>>(self, simd: S, shift: T, scale: T) -> (T, T, usize) {
        let t = (self.shift - shift) * scale;
        let factor = exp2_one(simd, t);
        if factor == T::ZERO {
            return (factor, T::ZERO, 0);
        }
        // Σ a w (t + log2 w) = a (entropy_sum + t row_sum)
        (factor, factor * (self.entropy_sum + t * self.row_sum), self.support)
    }
}
