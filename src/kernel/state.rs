//! What is known of one probe's softmax after some of the patterns, and how two such states merge.

use super::exp2::exp2_one;
use crate::Element;
use crate::simd::Simd;

/// A weight is at most 2^HEADROOM: what the reference is spared to rise for.
pub(crate) const HEADROOM: f64 = 8.0;

/// How sharply weights fall with the distance from the reference.
#[derive(Debug, Clone, Copy)]
pub struct Sharpness<T> {
    /// β log2 e.
    pub scale: T,
    /// Scores lower than the highest by more than this weigh 0.
    pub depth: T,
    /// Whether Σ weight log2 weight is wanted.
    pub heat: bool,
}

impl<T: Element> Sharpness<T> {
    /// For inverse temperature `beta` and a sum over `patterns` weights.
    ///
    /// All the weights below 2^-(digits + log2 N), together, are less than half an ulp of the sum,
    /// which is at least 1.
    pub fn new(beta: f64, patterns: usize) -> Self {
        let bits = f64::from(T::DIGITS) + (patterns.max(1) as f64).log2().ceil();
        let scale = (beta * std::f64::consts::LOG2_E).min(T::MAX.to_f64());
        Self { scale: T::from_f64(scale), depth: T::from_f64(bits / scale), heat: false }
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
    };

    /// Of weights that are what they are: relative to nothing, not to be normalised.
    pub const UNIT: Self = Self { reference: T::ZERO, mass: T::ONE, best: 0, ..Self::EMPTY };

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
