//! What is known of one probe's softmax after some of the patterns, and how two such states merge.

use crate::simd::exp2::exp2_one;
use crate::simd::{Element, Simd};

/// A weight is at most 2^HEADROOM: what the reference is spared to rise for.
pub(crate) const HEADROOM: f64 = 8.0;

/// How sharply weights fall with the distance from the reference.
#[derive(Debug, Clone, Copy)]
pub struct Sharpness<T> {
    /// β log2 e.
    pub scale: T,
    /// Scores lower than the highest by more than this weigh 0.
    pub depth: T,
    /// The squared norm up to which a probe is *confined*: all its scores are within half the depth of 0,
    /// so that none weighs nothing beside another, whatever they are relative to.
    pub reach: T,
    /// Whether Σ weight log2 weight is wanted.
    pub heat: bool,
    /// Whether the best pattern is wanted, of confined probes as well.
    pub best: bool,
}

impl<T: Element> Sharpness<T> {
    /// For inverse temperature `beta` and a sum over `patterns` weights.
    ///
    /// All the weights below 2^-(digits + log2 N), together, are less than half an ulp of the sum,
    /// which is at least 1.
    pub fn new(beta: f64, patterns: usize) -> Self {
        let bits = f64::from(T::DIGITS) + (patterns.max(1) as f64).log2().ceil();
        let scale = (beta * std::f64::consts::LOG2_E).min(T::MAX.to_f64());
        let (scale, depth) = (T::from_f64(scale), T::from_f64(bits / scale));
        Self { scale, depth, reach: T::NEG_INFINITY, heat: false, best: false }
    }

    /// For patterns of `dim` elements whose largest squared norm is M*².
    ///
    /// |x · m| <= |x| M* (Cauchy and Schwarz), where norms may be wrong by what they lose below the normal
    /// range and by `dim` roundings, and scores by as many. Nothing is confined where a pattern is not finite.
    #[must_use]
    pub fn among(self, max_squared_norm: T, dim: usize) -> Self {
        let dim = dim as f64;
        // The largest number is nearly 4 over the least normal one: twice what squares may lose.
        let lost = 8.0 * dim / T::MAX.to_f64();
        let roundings = 1.0 + 8.0 * (dim + 8.0) * (-f64::from(T::DIGITS)).exp2();
        let half = (0.5 * self.depth.to_f64()).min(0.25 * T::MAX.to_f64());
        let norm = half / (max_squared_norm.to_f64() + lost).sqrt();
        let reach = norm * norm / roundings - lost;
        // Of an infinite norm nothing is known.
        let most = T::MAX.to_f64();
        Self { reach: T::from_f64(reach.clamp(-most, most)), ..self }
    }
}

/// What is known of one probe's softmax after some of the patterns.
#[derive(Debug, Clone, Copy)]
pub struct State<T> {
    /// The score that weights are relative to.
    pub reference: T,
    /// Σ_n weight[n]. NaN when a score was not finite.
    pub mass: T,
    /// Σ_n weight[n] log2 weight[n], for the entropy.
    pub heat: T,
    /// The highest score.
    pub peak: T,
    /// The first pattern whose score is the peak.
    pub best: usize,
    /// Patterns that contributed: whose weight was not zero when they came.
    pub support: usize,
    /// The probe is known to be confined (see [`Sharpness::reach`]): 0 is the reference, for good.
    pub confined: bool,
}

impl<T: Element> State<T> {
    /// Before the first pattern.
    pub const EMPTY: Self = Self {
        reference: T::NEG_INFINITY,
        mass: T::ZERO,
        heat: T::ZERO,
        peak: T::NEG_INFINITY,
        best: usize::MAX,
        support: 0,
        confined: false,
    };

    /// The same of a probe that is confined.
    const CONFINED: Self = Self { reference: T::ZERO, confined: true, ..Self::EMPTY };

    /// Of weights that are what they are: relative to nothing, not to be normalised.
    pub const UNIT: Self = Self { reference: T::ZERO, mass: T::ONE, ..Self::EMPTY };

    /// Before the first pattern, for a probe of this squared norm.
    #[inline(always)]
    pub fn of(squared_norm: T, sharpness: Sharpness<T>) -> Self {
        let confined = squared_norm <= sharpness.reach;
        if confined { Self::CONFINED } else { Self::EMPTY }
    }

    /// There is no reference yet.
    #[inline(always)]
    pub fn is_new(&self) -> bool {
        self.reference == T::NEG_INFINITY
    }

    /// No pattern has come that was not masked.
    fn is_empty(&self) -> bool {
        self.best == usize::MAX && self.mass == T::ZERO
    }

    /// What the probe's sum of weighted patterns has to be multiplied by. All patterns masked: 0.
    pub fn normaliser(&self) -> T {
        if self.mass == T::ZERO { T::ZERO } else { T::ONE / self.mass }
    }

    /// The memory weight of the best pattern, as [`memory_weights`] has it.
    #[inline(always)]
    pub fn best_weight<S: Simd<T>>(&self, simd: S, sharpness: Sharpness<T>) -> T {
        let t = (self.peak - self.reference) * sharpness.scale;
        if self.mass == T::ZERO { T::ZERO } else { exp2_one(simd, t) * self.normaliser() }
    }

    /// Scores below this weigh nothing, when `peak` is the highest that is known.
    #[inline(always)]
    pub fn floor(&self, peak: T, sharpness: Sharpness<T>) -> T {
        (if peak > self.reference { peak } else { self.reference }) - sharpness.depth
    }

    /// The state after `earlier`'s patterns and then `later`'s, and the factors by which what was
    /// summed relative to either's reference is now to be scaled.
    #[inline(always)]
    pub fn merge<S: Simd<T>>(simd: S, earlier: Self, later: Self, scale: T) -> (Self, T, T) {
        if later.is_empty() {
            return (earlier, T::ONE, T::ZERO);
        }
        if earlier.is_empty() {
            return (later, T::ZERO, T::ONE);
        }
        let highest = if later.peak > earlier.peak { later } else { earlier };
        let rises = later.reference > earlier.reference;
        let reference = if rises { later.reference } else { earlier.reference };
        let (a, earlier_heat, earlier_support) = earlier.relative_to(simd, reference, scale);
        let (b, later_heat, later_support) = later.relative_to(simd, reference, scale);
        let merged = Self {
            reference,
            mass: earlier.mass * a + later.mass * b,
            heat: earlier_heat + later_heat,
            support: earlier_support + later_support,
            ..highest
        };
        (merged, a, b)
    }

    /// The factor that makes weights relative to this reference relative to a higher one; heat and
    /// support after that.
    #[inline(always)]
    fn relative_to<S: Simd<T>>(self, simd: S, reference: T, scale: T) -> (T, T, usize) {
        let t = (self.reference - reference) * scale;
        let factor = exp2_one(simd, t);
        if factor == T::ZERO {
            return (factor, T::ZERO, 0);
        }
        // Σ a w (t + log2 w) = a (heat + t mass)
        (factor, factor * (self.heat + t * self.mass), self.support)
    }
}
