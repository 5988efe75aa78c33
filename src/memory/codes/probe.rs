//! Codes of probes, and the bounds of their scores.

use super::CodeStore;
use super::quantise::up;
use crate::kernel::codes::Words;
use crate::simd::Element;

/// The codes of some probes, and what bounds their scores.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProbeCodes {
    words: Vec<i32>,
    count: usize,
    starts: Vec<i32>,
    factors: Vec<Factors>,
}

/// What turns the sum of one probe's products into a bound of its score.
#[derive(Debug, Clone, Copy)]
struct Factors {
    /// b
    step: f32,
    /// |e| κ + |x| ρ and the roundings, over a.
    error: f32,
    /// |x|, rounded up.
    norm: f32,
    /// What products below the normal range can lose.
    lost: f32,
}

impl ProbeCodes {
    /// Forgets all probes, and expects those of a store's dimension.
    pub fn clear(&mut self, store: &CodeStore) {
        let format = store.kind.format();
        self.count = format.lines(store.dim) * format.features() / 4;
        self.words.clear();
        self.starts.clear();
        self.factors.clear();
    }

    /// Quantises a probe to integers of at most `most`.
    ///
    /// `roundings` bounds the relative error of a score as it is computed, γ of |x̂ - x·m| <= γ
    /// |x||m|.
    #[inline(always)]
    pub fn push<T: Element>(&mut self, probe: &[T], most: i32, store: &CodeStore, roundings: f64) {
        let highest = probe.iter().fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
        let step = (highest / f64::from(most)) as f32;
        let usable = step > f32::MIN_POSITIVE;
        let (b, inverse) =
            if usable { (f64::from(step), 1.0 / f64::from(step)) } else { (0.0, 0.0) };
        let limit = f64::from(most);
        let (mut squares, mut rest, mut total) = (0.0, 0.0, 0);
        let first = self.words.len();
        self.words.resize(first + self.count, 0);
        for (word, four) in self.words[first..].iter_mut().zip(probe.chunks(4)) {
            let mut bytes = [0; 4];
            for (byte, x) in bytes.iter_mut().zip(four) {
                let x = x.to_f64();
                let q = (x * inverse).round_ties_even().clamp(-limit, limit);
                let e = x - b * q;
                squares += x * x;
                rest += e * e;
                total += q as i32;
                *byte = (q as i8) as u8;
            }
            *word = i32::from_le_bytes(bytes);
        }
        let lost = highest * (probe.len() as f64).sqrt() * f64::EPSILON;
        let (norm, e) = (up(f64::sqrt(squares)), up(f64::sqrt(rest) + lost));
        let (kappa, rho) = store.widths();
        // The bound itself is computed with at most five roundings to `f32`, of terms that are at
        // most (|x| + |e|) (κ + ρ) and of their sum; the last factor covers those of the error.
        let estimate = 8.0 * f64::from(f32::EPSILON) * (norm + e) * (kappa + rho);
        let mut error = e * kappa + norm * rho + roundings * norm * (kappa + rho) + estimate;
        // A drift is at most as large as the remainder. Where a sum may overflow, or a probe is not
        // finite, every pattern is scored.
        let highest = norm * store.highest_scale() * (kappa + 2.0 * rho);
        let is_safe = highest < 0.25 * f64::from(f32::MAX);
        if !is_safe {
            error = f64::INFINITY;
        }
        self.starts.push(-store.kind.format().zero() * total);
        self.factors.push(Factors {
            step: if usable { step } else { 0.0 },
            error: (error * (1.0 + 1e-5)) as f32,
            norm: (norm * (1.0 + roundings) * (1.0 + 1e-5)) as f32,
            lost: (probe.len() + 16) as f32 * f32::MIN_POSITIVE,
        });
    }

    /// The probes' codes, as the kernel takes them.
    pub fn words(&self, probes: std::ops::Range<usize>) -> Words<'_> {
        let words = &self.words[probes.start * self.count..probes.end * self.count];
        Words { words, count: self.count, starts: &self.starts[probes] }
    }
}

/// What bounds the scores of some patterns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub scales: &'a [f32],
    pub drifts: Option<&'a [f32]>,
}

impl Bounds<'_> {
    /// Writes a bound from above for the score of probe `b` with every pattern, given their sums.
    /// The bound of a pattern that cannot be bounded is infinite or NaN.
    #[inline(always)]
    pub fn write(&self, probes: &ProbeCodes, b: usize, sums: &[i32], to: &mut [f32]) {
        let Factors { step, error, norm, lost } = probes.factors[b];
        for ((to, &sum), &scale) in to.iter_mut().zip(sums).zip(self.scales) {
            *to = scale * (step * sum as f32 + error) + lost;
        }
        if let Some(drifts) = self.drifts {
            to.iter_mut().zip(drifts).for_each(|(to, &drift)| *to += norm * drift);
        }
    }

    /// A bound from below for the score of pattern `n`, given that from above: the error of a score
    /// has either sign, and its bound allows for the roundings here as well.
    #[inline(always)]
    pub fn below(&self, probes: &ProbeCodes, b: usize, n: usize, from_above: f32) -> f32 {
        let Factors { error, norm, lost, .. } = probes.factors[b];
        let drift = self.drifts.map_or(0.0, |drifts| norm * drifts[n]);
        from_above - 2.0 * (self.scales[n] * error + drift + lost)
    }
}
