//! Separations as functions of one row of scores, in f64.
//!
//! A separation is a convex potential `G` of the scores `t = β s + b`, and the weights of the
//! patterns are its gradient. Scores below the reach of a separation have weight exactly 0, so that
//! a recall that has kept the few scores within reach gets the bits of the whole row: every sum
//! here runs over the support alone, in the order of the index.
//!
//! | member | weights | within reach | one-hot from |
//! |---|---|---|---|
//! | [`softmax::Softmax`] | eᵗ / Σ eᵗ | all | never |
//! | [`softmax::SoftmaxPlus`] | eᵗ / (c + Σ eᵗ) | all | never |
//! | [`sparsemax::Sparsemax`] | \[t - τ\]₊ | t₁ - 1 | 1 |
//! | [`entmax::Entmax`] | \[(α-1) t - τ\]₊^(1/(α-1)) | t₁ - 1/(α-1) | 1/(α-1) |
//! | [`normmax::Normmax`] | \[t - τ\]₊^(1/(α-1)), normalised | t₁ - 1 | 1 |
//! | [`k_subsets::KSubsets`] | clip(t - τ, 0, 1), of sum k | k-th - 1 | 1 if k = 1 |
//! | [`top_k::TopK`] | softmax over the k highest | k highest | 0 if k = 1 |
//! | [`hard_top_k::HardTopK`] | 1/k on the k highest | k highest | 0 if k = 1 |
//! | [`hard_top_k::Max`] | 1 on the highest | highest | 0 |
//! | [`polynomial::Polynomial`] | n \[t\]₊^(n-1) | 0 | never |
//! | [`power::Power`] | sign(t) \|t\|ᵖ | all | never |
//! | [`epanechnikov::Epanechnikov`] | \[1 + t\]₊^(k-1), normalised | -1 | never |
//! | [`clipped::Clipped`] | clip((η - γ) softmax + γ, 0, 1) | all | never |
//!
//! None allocates but for a copy of the scores, which a thread keeps (α > 2, k-subsets, top k).
//!
//! Rows come in through [`separate`], [`value`], [`pull`] and [`incline`], which deal with masks,
//! NaN, infinity and empty rows. Behind them, a member gets rows of which at least one score takes
//! part and none is NaN or +∞. Scores of -∞ remain, because taking them out would need memory; they
//! are below every threshold, and the few members without one look for them with [`takes_part`].

pub(crate) mod clipped;
pub(crate) mod entmax;
pub(crate) mod epanechnikov;
pub(crate) mod hard_top_k;
pub(crate) mod k_subsets;
pub(crate) mod normmax;
pub(crate) mod polynomial;
pub(crate) mod power;
pub(crate) mod softmax;
pub(crate) mod sparsemax;
pub(crate) mod tau;
pub(crate) mod top_k;

#[cfg(test)]
mod tests;

use std::cell::Cell;

use crate::simd::Level;

/// Which scores can have a weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reach {
    /// Every one.
    All,
    /// Those above the highest minus this width, and the highest themselves: from 2⁵³ on, the
    /// highest minus 1 is the highest.
    Width(f64),
    /// Those above the `k`-th highest minus this width, and the `k` highest themselves, the first
    /// of equals if the width is 0 and all equals of the `k`-th if it is more.
    KthWidth {
        /// How many of the highest scores are within reach in any case.
        k: usize,
        /// How far below the `k`-th highest a score can have a weight.
        width: f64,
    },
    /// Those above this bound.
    Above(f64),
}

/// A parameter that a member does not take: its name, what was expected, and what was found.
pub(crate) type Fault = (&'static str, &'static str, f64);

/// A separation, as a function of one row of scores t = β s + b.
///
/// Call the members through [`separate`], [`value`], [`pull`] and [`incline`].
pub(crate) trait RowSeparation: std::fmt::Debug + Send + Sync {
    /// Which scores can have a weight.
    fn reach(&self) -> Reach;

    /// Turns scores into weights, in place.
    ///
    /// Entries come in ascending order of their index. They may be all of a row, or a subset that
    /// contains every score within [`reach`](Self::reach), and the result is the same bits either
    /// way.
    fn weights(&self, t: &mut [f64]);

    /// How far below the highest a score may be, if this is a softmax of those that are not lower.
    fn softmax_width(&self) -> Option<f64> {
        None
    }

    /// The same with the instructions of a level, for those members that use them.
    fn weights_at(&self, level: Level, t: &mut [f64]) {
        let _ = level;
        self.weights(t);
    }

    /// Whether every weight is a function of its own score alone.
    fn is_elementwise(&self) -> bool {
        false
    }

    /// A bound for a row that contains these scores and any others: a score that is not above it
    /// has weight 0. None if the member has none.
    fn threshold(&self, t: &[f64]) -> Option<f64> {
        let _ = t;
        None
    }

    /// G(t), for the same entries. Those members whose potential needs all entries reach all.
    fn potential(&self, t: &[f64]) -> f64;

    /// G of a row in which nothing takes part.
    fn empty_potential(&self) -> f64 {
        f64::NEG_INFINITY
    }

    /// Ω(p), the conjugate of G, which is 0 at a one-hot row. None where the member has none.
    fn conjugate(&self, p: &[f64]) -> Option<f64>;

    /// The constant of the energy times β, if `n` patterns take part: -Ω of the uniform row, or
    /// G(0), or 0.
    fn constant(&self, n: usize) -> f64;

    /// The vector-Jacobian product: g = dL/dp becomes dL/dt, given scores and their weights.
    ///
    /// It is exactly 0 outside of the support, except where weights of 0 have a derivative: for
    /// [`clipped::Clipped`], and for [`power::Power`] with p = 1.
    fn pullback(&self, t: &[f64], p: &[f64], g: &mut [f64]);

    /// The gradient of G, which is the weights unless a member says otherwise.
    fn potential_gradient(&self, t: &[f64], p: &[f64], out: &mut [f64]) {
        let _ = t;
        out.copy_from_slice(p);
    }

    /// The distance of the two highest scores from which on the weights are exactly one-hot. None
    /// if there is no such distance.
    fn margin(&self) -> Option<f64>;

    /// A bound on the error of a weight if every score is off by at most `e`, and +∞ if there is
    /// no bound for rows of any length.
    fn error(&self, e: f64) -> f64;
}

/// What a row is before a separation has seen it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Row {
    /// At least one score takes part, and those that do are finite.
    Proper,
    /// Every score is -∞, or there is none.
    Masked,
    /// A score is NaN or +∞.
    Broken,
}

impl Row {
    fn of(t: &[f64]) -> Self {
        let mut row = Row::Masked;
        for &t in t {
            match t {
                _ if t.is_nan() || t == f64::INFINITY => return Row::Broken,
                f64::NEG_INFINITY => {}
                _ => row = Row::Proper,
            }
        }
        row
    }
}

/// Turns scores into weights, in place.
///
/// A score of -∞ is masked: its weight is exactly 0, and the others are as if it was not there.
/// With a NaN or +∞ among the scores the whole row becomes NaN. A row in which nothing takes part
/// becomes zeros.
pub(crate) fn separate(separation: &dyn RowSeparation, t: &mut [f64]) {
    separate_with(t, |t| separation.weights(t));
}

/// The same with the instructions of a level.
pub(crate) fn separate_at(separation: &dyn RowSeparation, level: Level, t: &mut [f64]) {
    separate_with(t, |t| separation.weights_at(level, t));
}

fn separate_with(t: &mut [f64], weights: impl FnOnce(&mut [f64])) {
    match Row::of(t) {
        Row::Proper => weights(t),
        Row::Masked => t.fill(0.0),
        Row::Broken => t.fill(f64::NAN),
    }
}

/// The potential G(t), which is NaN with a NaN or +∞ among the scores, and -∞ if nothing takes
/// part (ln c for [`softmax::SoftmaxPlus`]).
pub(crate) fn value(separation: &dyn RowSeparation, t: &[f64]) -> f64 {
    match Row::of(t) {
        Row::Proper => separation.potential(t),
        Row::Masked => separation.empty_potential(),
        Row::Broken => f64::NAN,
    }
}

/// The vector-Jacobian product: g = dL/dp becomes dL/dt, given scores and their weights.
///
/// Masked scores have gradient 0, and whatever `g` holds there, even NaN, reaches no other.
pub(crate) fn pull(separation: &dyn RowSeparation, t: &[f64], p: &[f64], g: &mut [f64]) {
    match Row::of(t) {
        Row::Proper => {
            clear_masked(t, g);
            separation.pullback(t, p, g);
            clear_masked(t, g);
        }
        Row::Masked => g.fill(0.0),
        Row::Broken => g.fill(f64::NAN),
    }
}

/// The gradient of the potential, given scores and their weights.
pub(crate) fn incline(separation: &dyn RowSeparation, t: &[f64], p: &[f64], out: &mut [f64]) {
    match Row::of(t) {
        Row::Proper => {
            separation.potential_gradient(t, p, out);
            clear_masked(t, out);
        }
        Row::Masked => out.fill(0.0),
        Row::Broken => out.fill(f64::NAN),
    }
}

/// Sets to 0 what belongs to masked scores.
fn clear_masked(t: &[f64], g: &mut [f64]) {
    for (g, _) in g.iter_mut().zip(t).filter(|(_, t)| !takes_part(**t)) {
        *g = 0.0;
    }
}

/// Whether a score is not masked.
fn takes_part(t: f64) -> bool {
    t != f64::NEG_INFINITY
}

/// The highest score.
fn highest(t: &[f64]) -> f64 {
    t.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Whether a score is within `width` of a higher one.
///
/// The first test is the one that a caller who prunes scores makes, so that no score counts in the
/// whole row that is missing in a pruned one. The second makes the margin exact: a score that is
/// `width` below in floating point must not survive because `top - width` was rounded down.
fn survives(t: f64, top: f64, width: f64) -> bool {
    t >= top || (t > top - width && t - top > -width)
}

/// Divides by the sum.
fn normalise(p: &mut [f64]) {
    let sum: f64 = p.iter().sum();
    for p in p {
        *p /= sum;
    }
}

/// x to the power of `exponent`, for x >= 0, by multiplications if the exponent is a small
/// integer.
fn raise(x: f64, exponent: f64) -> f64 {
    match small_integer(exponent) {
        Some(exponent) => multiply_out(x, exponent),
        None if exponent == 0.5 => x.sqrt(),
        None => x.powf(exponent),
    }
}

/// The exponent as an integer, if it is a small one.
fn small_integer(exponent: f64) -> Option<u32> {
    // `as` saturates, and unlike `fract` it is no call.
    let integer = exponent as u32;
    (f64::from(integer) == exponent && exponent <= MAX_INTEGER).then_some(integer)
}

/// The highest exponent for which multiplications are used.
const MAX_INTEGER: f64 = 16.0;

/// Calls `each` with a function that raises numbers that are not negative to the power of
/// `exponent`. Small exponents are constants in it, so that loops over rows are vectors.
#[inline(always)]
fn with_raise(exponent: f64, each: impl RaisesRow) {
    match small_integer(exponent) {
        Some(1) => each.run(|x| multiply_out(x, 1)),
        Some(2) => each.run(|x| multiply_out(x, 2)),
        Some(3) => each.run(|x| multiply_out(x, 3)),
        Some(4) => each.run(|x| multiply_out(x, 4)),
        Some(5) => each.run(|x| multiply_out(x, 5)),
        Some(exponent) => each.run(|x| multiply_out(x, exponent)),
        None => each.run(|x| raise(x, exponent)),
    }
}

/// A loop over a row that raises its numbers.
trait RaisesRow {
    fn run(self, raise: impl Fn(f64) -> f64);
}

/// x to the power of `exponent`, in an order of multiplications that depends on no platform.
#[inline(always)]
fn multiply_out(x: f64, mut exponent: u32) -> f64 {
    let (mut power, mut square) = (1.0, x);
    while exponent > 0 {
        if exponent % 2 == 1 {
            power *= square;
        }
        square *= square;
        exponent /= 2;
    }
    power
}

/// 1/(α - 1), rounded to an integer if it is one but for the rounding of α.
fn inverse_excess(alpha: f64) -> f64 {
    let q = 1.0 / (alpha - 1.0);
    let near = q.round();
    let rounding = (q - near).abs() <= 1e-14 * q;
    if rounding && (1.0..=MAX_INTEGER).contains(&near) { near } else { q }
}

/// Calls `work` with a copy of some scores, in memory that the thread keeps: members have no
/// scratch, and allocate nothing after the first rows of a length.
fn with_copy<R>(t: impl Iterator<Item = f64>, work: impl FnOnce(&mut [f64]) -> R) -> R {
    thread_local! {
        static COPY: Cell<Vec<f64>> = const { Cell::new(Vec::new()) };
    }
    // Taken, so that a copy of a copy has memory for itself.
    let mut copy = COPY.take();
    copy.clear();
    copy.extend(t);
    let result = work(&mut copy);
    COPY.set(copy);
    result
}

/// The `k` highest of a row: those above a score, and the first few that equal it.
#[derive(Debug, Clone, Copy)]
struct Highest {
    /// The lowest of them.
    lowest: f64,
    /// How many scores that equal the lowest are taken.
    equals: usize,
    /// How many there are: `k`, or all that take part if they are fewer.
    count: usize,
}

impl Highest {
    /// Finds the `k` highest scores.
    fn of(t: &[f64], k: usize) -> Self {
        let scores = t.iter().copied().filter(|&t| takes_part(t));
        with_copy(scores, |scores| Self::of_participants(scores, k))
    }

    fn of_participants(scores: &mut [f64], k: usize) -> Self {
        let count = k.min(scores.len());
        if count == 0 {
            return Highest { lowest: f64::INFINITY, equals: 0, count };
        }
        let (above, &mut lowest, _) =
            scores.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
        // Not the length of `above`: equals of the lowest may be among those.
        let above = above.iter().filter(|&&t| t > lowest).count();
        Highest { lowest, equals: count - above, count }
    }

    /// The scores that are among the highest, in the order of their index, and 0 or -∞, say, for
    /// the others.
    fn scores(self, t: &[f64], other: f64) -> impl Iterator<Item = f64> {
        let mut left = self;
        t.iter().map(move |&t| if left.takes(t) { t } else { other })
    }

    /// Whether the next score in the order of the index is among the highest.
    fn takes(&mut self, t: f64) -> bool {
        if t == self.lowest && self.equals > 0 {
            self.equals -= 1;
            return true;
        }
        t > self.lowest
    }
}

/// Σ over the support of p g, where `g` counts as 0 outside of the support whatever it holds.
fn dot_on_support(p: &[f64], g: &[f64]) -> f64 {
    p.iter().zip(g).filter(|(p, _)| **p != 0.0).map(|(p, g)| p * g).sum()
}

/// Ok, or the fault that a parameter is not what was expected.
fn require(met: bool, name: &'static str, expected: &'static str, found: f64) -> Result<(), Fault> {
    if met { Ok(()) } else { Err((name, expected, found)) }
}
