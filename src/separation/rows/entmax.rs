//! α-entmax, from softmax (α = 1) over sparsemax (α = 2) to the maximum (α → ∞).

use super::softmax::Softmax;
use super::sparsemax::Sparsemax;
use super::tau::{Falls, below, newton, raise_1p};
use super::{
    Fault, Reach, RowSeparation, highest, inverse_excess, normalise, require, survives, with_copy,
};

/// \[(α-1) t - τ\]₊^(1/(α-1)) with τ such that the sum is 1.
///
/// With α = 1 it is [`Softmax`] and with α = 2 [`Sparsemax`], bit for bit. Above 2, its functions
/// sort a copy of the scores within reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entmax {
    /// α, at least 1.
    pub(crate) alpha: f64,
}

impl Entmax {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let met = self.alpha >= 1.0 && self.alpha.is_finite();
        require(met, "alpha", "a finite number that is at least 1", self.alpha)
    }

    /// The member that this is, if it has a name of its own.
    fn namesake(&self) -> Option<&'static dyn RowSeparation> {
        match self.alpha {
            1.0 => Some(&Softmax),
            2.0 => Some(&Sparsemax),
            _ => None,
        }
    }

    /// 1/(α - 1)
    fn exponent(&self) -> f64 {
        inverse_excess(self.alpha)
    }

    fn solve(&self, t: &[f64]) -> Solution {
        match self.alpha < 2.0 {
            true => Solution::of_threshold(t, self),
            false => Solution::of_smallest(t, self),
        }
    }

    /// The summand of Ω: (p^α - p) / (α (α-1))
    fn omega(&self, p: f64) -> f64 {
        match p > 0.0 {
            true => p * (((self.alpha - 1.0) * p.ln()).exp_m1() / (self.alpha - 1.0)) / self.alpha,
            false => 0.0,
        }
    }
}

impl RowSeparation for Entmax {
    fn reach(&self) -> Reach {
        match self.namesake() {
            Some(namesake) => namesake.reach(),
            None => Reach::Width(self.exponent()),
        }
    }

    fn weights(&self, t: &mut [f64]) {
        if let Some(namesake) = self.namesake() {
            return namesake.weights(t);
        }
        let solution = self.solve(t);
        for t in t.iter_mut() {
            *t = solution.weight(*t);
        }
        normalise(t);
    }

    fn threshold(&self, t: &[f64]) -> Option<f64> {
        match (self.namesake(), self.alpha < 2.0) {
            (Some(namesake), _) => namesake.threshold(t),
            (None, true) => {
                let exponent = self.exponent();
                let falls = Falls::of(t, exponent, self.alpha - 1.0);
                let delta = newton(t, &falls, exponent);
                Some(falls.top + (delta - 1.0) * exponent - exponent * below(falls.top))
            }
            (None, false) => None,
        }
    }

    fn potential(&self, t: &[f64]) -> f64 {
        if let Some(namesake) = self.namesake() {
            return namesake.potential(t);
        }
        let (solution, top) = (self.solve(t), highest(t));
        let sum: f64 = t.iter().map(|&t| solution.weight(t)).sum();
        let support = t.iter().map(|&t| (t, solution.weight(t) / sum)).filter(|(_, p)| *p > 0.0);
        top + support.map(|(t, p)| p * (t - top) - self.omega(p)).sum::<f64>()
    }

    fn conjugate(&self, p: &[f64]) -> Option<f64> {
        match self.namesake() {
            Some(namesake) => namesake.conjugate(p),
            None => Some(p.iter().map(|&p| self.omega(p)).sum()),
        }
    }

    fn constant(&self, n: usize) -> f64 {
        match self.namesake() {
            Some(namesake) => namesake.constant(n),
            // n times the summand for 1/n.
            None => -self.omega(1.0 / n.max(1) as f64) * n.max(1) as f64,
        }
    }

    fn pullback(&self, t: &[f64], p: &[f64], g: &mut [f64]) {
        match self.namesake() {
            Some(namesake) => namesake.pullback(t, p, g),
            None => pull_by_slopes(p, g, 2.0 - self.alpha),
        }
    }

    fn margin(&self) -> Option<f64> {
        match self.namesake() {
            Some(namesake) => namesake.margin(),
            None => Some(self.exponent()),
        }
    }

    /// As for sparsemax, (α-1) t - τ is off by at most 2 (α-1) e. Its power has at most the slope
    /// 1/(α-1) in [0, 1] if α <= 2, and above, the power of a sum is at most the sum of the powers.
    fn error(&self, e: f64) -> f64 {
        match self.namesake() {
            Some(namesake) => namesake.error(e),
            None if self.alpha < 2.0 => 2.0 * e,
            None => (2.0 * (self.alpha - 1.0) * e).powf(self.exponent()),
        }
    }
}

/// What turns a score into a weight, up to the rounding of the sum.
#[derive(Debug, Clone, Copy)]
enum Solution {
    /// By the threshold, for α < 2.
    Threshold { falls: Falls, delta: f64, exponent: f64 },
    /// By the smallest weight of the support, for α > 2. A weight is a root of the distance from
    /// the threshold there, so that no f64 threshold gives a weight that is exact.
    Smallest(Smallest),
}

impl Solution {
    fn of_threshold(t: &[f64], entmax: &Entmax) -> Self {
        let exponent = entmax.exponent();
        let falls = Falls::of(t, exponent, entmax.alpha - 1.0);
        Solution::Threshold { falls, delta: newton(t, &falls, exponent), exponent }
    }

    fn of_smallest(t: &[f64], entmax: &Entmax) -> Self {
        let (top, width) = (highest(t), entmax.exponent());
        with_copy(t.iter().copied().filter(|&t| survives(t, top, width)), |scores| {
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            Solution::Smallest(Smallest::of(scores, entmax.alpha - 1.0))
        })
    }

    fn weight(&self, t: f64) -> f64 {
        match self {
            Solution::Threshold { falls, delta, exponent } => {
                raise_1p(falls.of_score(t) - delta, *exponent)
            }
            Solution::Smallest(smallest) => smallest.weight(t),
        }
    }
}

/// The lowest score of the support, and its weight, from which the other weights follow.
#[derive(Debug, Clone, Copy)]
struct Smallest {
    /// α - 1, above 1.
    excess: f64,
    /// The lowest score of the support.
    score: f64,
    /// Its weight.
    weight: f64,
}

impl Smallest {
    /// Of scores that fall.
    fn of(scores: &[f64], excess: f64) -> Self {
        let support = &scores[..support_len(scores, excess)];
        let score = support.last().copied().unwrap_or(f64::INFINITY);
        // The sum of weights of which this is the smallest is at least 1.
        let mut smallest = Smallest { excess, score, weight: 1.0 / support.len().max(1) as f64 };
        for _ in 0..MAX_STEPS {
            let next = (smallest.weight - smallest.step(support)).max(0.0);
            // Neither is a NaN progress.
            let progress = next < smallest.weight;
            if !progress {
                break;
            }
            smallest.weight = next;
        }
        smallest
    }

    /// A Newton step for the sum to be 1. Each weight is a norm of a constant and the smallest
    /// weight, and so the sum is convex, its slope at least 1, and the steps go down to the
    /// solution without passing it.
    fn step(&self, support: &[f64]) -> f64 {
        let (mut sum, mut slope) = (0.0, 0.0);
        for &t in support {
            let weight = self.weight(t);
            sum += weight;
            slope += match t == self.score {
                true => 1.0,
                false => (self.weight / weight).powf(self.excess - 1.0),
            };
        }
        (sum - 1.0) / slope
    }

    /// (d + smallest^(α-1))^(1/(α-1)), where d = (α-1) (t - lowest).
    fn weight(&self, t: f64) -> f64 {
        if t <= self.score {
            return if t == self.score { self.weight } else { 0.0 };
        }
        let d = self.excess * (t - self.score);
        let v = self.weight.powf(self.excess);
        match d <= v {
            true => self.weight * ((d / v).ln_1p() / self.excess).exp(),
            false => ((d.ln() + (v / d).ln_1p()) / self.excess).exp(),
        }
    }
}

/// The most Newton steps. They converge in about 10.
const MAX_STEPS: usize = 200;

/// How many of the scores, which fall, are in the support: a score joins while the weights of those
/// before it, with a weight of 0 for itself, sum to less than 1.
fn support_len(scores: &[f64], excess: f64) -> usize {
    let joins = |j: usize| {
        let distances = scores[..j].iter().map(|t| excess * (t - scores[j]));
        distances.map(|d| d.powf(1.0 / excess)).sum::<f64>() < 1.0
    };
    // The sum rises with j.
    let (mut joined, mut end) = (scores.len().min(1), scores.len());
    while joined < end {
        let middle = joined + (end - joined) / 2;
        match joins(middle) {
            true => joined = middle + 1,
            false => end = middle,
        }
    }
    joined
}

/// g becomes s (g - s.g / Σ s) on the support, where s = p^exponent are the slopes of the weights.
///
/// Slopes can be enormous if the exponent is negative, and then s.g / Σ s is as good as g itself
/// where the slope is steepest. All g are therefore taken relative to that one.
fn pull_by_slopes(p: &[f64], g: &mut [f64], exponent: f64) {
    let Some(pivot) = steepest(p, exponent) else {
        return g.fill(0.0);
    };
    let (p_pivot, g_pivot) = (p[pivot], g[pivot]);
    let (mut sum, mut dot) = (0.0, 0.0);
    for (&p, g) in p.iter().zip(g.iter_mut()).filter(|(p, _)| **p > 0.0) {
        *g -= g_pivot;
        let ratio = (p / p_pivot).powf(exponent);
        sum += ratio;
        dot += ratio * *g;
    }
    let mean = dot / sum;
    let mut others = 0.0;
    for (&p, g) in p.iter().zip(g.iter_mut()) {
        *g = if p > 0.0 { p.powf(exponent).min(MAX_SLOPE) * (*g - mean) } else { 0.0 };
        others += *g;
    }
    // The gradients sum to 0.
    others -= g[pivot];
    g[pivot] = -others;
}

/// Slopes are cut off here, where their products are still finite.
const MAX_SLOPE: f64 = 1e290;

/// The index of the weight with the highest power.
fn steepest(p: &[f64], exponent: f64) -> Option<usize> {
    let support = p.iter().enumerate().filter(|(_, p)| **p > 0.0);
    // The smallest weight if the exponent is negative.
    let order = if exponent < 0.0 { -1.0 } else { 1.0 };
    support.max_by(|(_, a), (_, b)| (order * **a).total_cmp(&(order * **b))).map(|(index, _)| index)
}
