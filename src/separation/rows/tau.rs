//! Thresholds: what is subtracted from the scores before a power is taken.

use super::{highest, multiply_out, small_integer, survives};

/// The most Newton steps. They converge in about 10, and end by themselves when rounding stops
/// them.
const MAX_STEPS: usize = 100;

/// How far the scores of a row are below the highest, in the scale of a separation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Falls {
    /// The highest score.
    pub(super) top: f64,
    /// The reach below it.
    width: f64,
    /// By which the distances are multiplied: 1 / width, up to rounding.
    scale: f64,
}

impl Falls {
    pub(super) fn of(t: &[f64], width: f64, scale: f64) -> Self {
        Falls { top: highest(t), width, scale }
    }

    /// 0 for the highest score, negative for the others, and -∞ for those that are out of reach.
    pub(super) fn of_score(&self, t: f64) -> f64 {
        match survives(t, self.top, self.width) {
            true => self.scale * (t - self.top),
            false => f64::NEG_INFINITY,
        }
    }
}

/// More than the error of a threshold that is found near scores as high as `top`.
pub(super) fn below(top: f64) -> f64 {
    1e-9 * (1.0 + top.abs())
}

/// The threshold of sparsemax below the highest score, by Michelot's algorithm: the support begins
/// as all within reach, and loses what is not above the threshold that it implies, until it loses
/// nothing.
///
/// The result is in [-1, 0).
pub(super) fn michelot(t: &[f64], falls: &Falls) -> f64 {
    let (mut tau, mut before) = (f64::NEG_INFINITY, usize::MAX);
    loop {
        let (mut sum, mut count) = (0.0, 0);
        for z in t.iter().map(|&t| falls.of_score(t)).filter(|&z| z > tau) {
            sum += z;
            count += 1;
        }
        if count >= before || count == 0 {
            return tau;
        }
        before = count;
        // Never lower than before, which only rounding could make it.
        tau = tau.max((sum - 1.0) / count as f64);
    }
}

/// δ such that Σ (1 + z - δ)₊^exponent = 1, where z are the falls of the scores and the exponent is
/// at least 1.
///
/// The threshold is δ - 1, but δ is what has to be exact if the exponent is high. Newton's method
/// runs on the sum's root, the norm of the row, which is convex in δ as the sum is, and much
/// closer to a line: from δ = 0, where the norm is at least 1, it climbs to the solution and never
/// passes it.
///
/// Scores below the solution have an influence on the way to it. So the last steps begin again just
/// below it, at a number that these do not change, and add up in order: the bits are those of the
/// support.
pub(super) fn newton(t: &[f64], falls: &Falls, exponent: f64) -> f64 {
    let start = match t.len() >= MANY {
        true => from_sample(t, falls, exponent),
        false => 0.0,
    };
    let near = climb(start, exponent, |delta| in_lanes(t, falls, exponent, delta));
    let below = ((near / NEAR).floor() - 1.0) * NEAR;
    climb(below.max(0.0), exponent, |delta| in_order(t, falls, exponent, delta))
}

/// How far below a solution the last steps begin.
const NEAR: f64 = 1.0 / (1 << 24) as f64;

/// With at least this many scores, the iteration starts from the solution for a sample of them.
const MANY: usize = 1024;
const SAMPLE: usize = 128;

/// A δ that is not above the solution, and near it if the scores are like a sample of them.
fn from_sample(t: &[f64], falls: &Falls, exponent: f64) -> f64 {
    let mut sample = [0.0; SAMPLE];
    let every = t.len() / SAMPLE;
    for (to, &score) in sample.iter_mut().zip(t.iter().step_by(every)) {
        // The highest counts for itself alone.
        *to = if score < falls.top { score } else { f64::NEG_INFINITY };
    }
    let guess = climb(0.0, exponent, |delta| {
        let (sum, slope) = in_order(&sample, falls, exponent, delta);
        let (others, top) = (every as f64, raise_1p(-delta, exponent - 1.0));
        (others * sum + top * (1.0 - delta), others * slope + top)
    });
    // One step from above a solution leads below it, as the norm is convex.
    let (sum, slope) = in_lanes(t, falls, exponent, guess);
    let next = guess + step(sum, slope, exponent);
    if next > 0.0 && next < 1.0 { next } else { 0.0 }
}

/// A Newton step of the norm towards 1: (norm - 1) / (slope of the norm).
fn step(sum: f64, slope: f64, exponent: f64) -> f64 {
    sum * -(-sum.ln() / exponent).exp_m1() / slope
}

/// Newton's method from a δ that is not above the solution. `sums` are Σ x^exponent and
/// Σ x^(exponent - 1) for a δ.
fn climb(mut delta: f64, exponent: f64, sums: impl Fn(f64) -> (f64, f64)) -> f64 {
    for _ in 0..MAX_STEPS {
        let (sum, slope) = sums(delta);
        let next = delta + step(sum, slope, exponent);
        // Neither is a NaN progress.
        let progress = next > delta && next < 1.0;
        if !progress {
            break;
        }
        delta = next;
    }
    delta
}

/// Σ x^exponent and Σ x^(exponent - 1), where x = (1 + z - δ)₊, in the order of the scores.
fn in_order(t: &[f64], falls: &Falls, exponent: f64, delta: f64) -> (f64, f64) {
    let (mut sum, mut slope) = (0.0, 0.0);
    for y in t.iter().map(|&t| falls.of_score(t) - delta).filter(|&y| y > -1.0) {
        let power = raise_1p(y, exponent - 1.0);
        sum += power * (1.0 + y);
        slope += power;
    }
    (sum, slope)
}

/// The same in the order that is fastest.
fn in_lanes(t: &[f64], falls: &Falls, exponent: f64, delta: f64) -> (f64, f64) {
    match small_integer(exponent) {
        Some(2) => lanes(t, falls, delta, |x| x),
        Some(3) => lanes(t, falls, delta, |x| x * x),
        Some(power) => lanes(t, falls, delta, |x| multiply_out(x, power - 1)),
        None => in_order(t, falls, exponent, delta),
    }
}

/// Σ x w(x) and Σ w(x), where x = (1 + z - δ)₊: several sums at once, without a branch for what is
/// not in the support, which nothing predicts.
fn lanes(t: &[f64], falls: &Falls, delta: f64, weight: impl Fn(f64) -> f64) -> (f64, f64) {
    const LANES: usize = 8;
    let (mut sums, mut slopes) = ([0.0; LANES], [0.0; LANES]);
    let chunks = t.chunks_exact(LANES);
    let rest = chunks.remainder();
    let x = |t: f64| (falls.scale * (t - falls.top) + (1.0 - delta)).max(0.0);
    for chunk in chunks {
        for lane in 0..LANES {
            let x = x(chunk[lane]);
            let weight = weight(x);
            sums[lane] += weight * x;
            slopes[lane] += weight;
        }
    }
    for (lane, &t) in rest.iter().enumerate() {
        let x = x(t);
        sums[lane] += weight(x) * x;
        slopes[lane] += weight(x);
    }
    (sums.iter().sum(), slopes.iter().sum())
}

/// (1 + y)₊ to the power of `exponent`, exact even if `y` is tiny and the exponent enormous.
pub(super) fn raise_1p(y: f64, exponent: f64) -> f64 {
    match small_integer(exponent) {
        _ if y <= -1.0 => 0.0,
        Some(exponent) => multiply_out(1.0 + y, exponent),
        None => (exponent * y.ln_1p()).exp(),
    }
}
