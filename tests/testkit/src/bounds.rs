//! How far from the exact result a kernel may be: bounds that are derived, not fitted.
//!
//! Write u for the unit roundoff, γ_k = k u / (1 - k u) (Higham 2002, §3.1), ω for the smallest
//! subnormal number, Ω for the smallest normal one, L for the lanes of a group, and U = u / (1 -
//! u), so that k roundings change the logarithm of a number by at most k U. After Blanchard, Higham
//! & Higham (2021, *Accurately computing the log-sum-exp and softmax functions*), with three
//! differences: scores have errors of their own; every term of a sum is bounded by itself, since a
//! pattern that weighs nothing may have any error; and sums are made block by block, relative to a
//! reference that rises.
//!
//! **Dot product.** Every product passes at most ⌈D/L⌉ fused multiply-adds of its lane's chain and
//! log2 L additions of the tree. (Cutting the chain into chunks, or several accumulators, make more
//! of the second and less of the first.) Without fusion a product is rounded once more, but its
//! first addition is to 0 and exact. So h = ⌈D/L⌉ + log2 L, and
//! |ŝ - s| <= γ_h |x|·|m| + 2 D ω, the last for products below the normal range (here and in the
//! reference).
//!
//! **Weights.** ŵ = exp2(fl(fl(ŝ - r) fl(β log2 e))), with r the reference, which is the highest ŝ
//! so far or less than that by H = 8 bits (of β log2 e ŝ) at most. The softmax does not change when
//! all scores are shifted, so it is compared with W = exp(β (s - r)). With E the error of ŝ and p̂
//! the highest ŝ, the logarithm of ŵ / W is at most
//!
//! ```text
//! λ = β E + (β (p̂ - ŝ) + H ln 2) (2U + σ) + ε        p̂ - ŝ <= max s - s + E + max E
//! ```
//!
//! or, where no score is further than half the digits and log2 N bits from 0 and r may therefore be
//! 0, β |ŝ| (U + σ) in place of the second term, if that is more. H is 0 up to 32 patterns, whose
//! highest score is the reference, σ bounds the error of fl(β log2 e) (U, and three roundings in
//! double precision) and ε = 2 k U that of exp2 (k = 1 ulp; 1.1 where multiply-add is not fused). A
//! weight below 2^-digits / N of the peak is dropped: its error is all of it, which is at most W
//! and at most u/N exp(2 β max E + λ).
//!
//! **Row sum.** A weight is rescaled once for each split that is merged, T times at most, and once
//! for each time that the reference rises, by more than H: 1 + β (p̂ - ŝ) / (H ln 2) times at most,
//! which is counted in λ. Each time it is by exp2 (ε) and a product (U). The arguments telescope:
//! their rounding is that of β (p̂ - ŝ) + H ln 2. The depth of the sum is that of a block, and one
//! more for each block and split. So Σ ŵ is Σ W exp(±(λ + T (ε + U) + h_N U)) and the dropped; ρ
//! bounds its relative error, and -ln(1 - ρ) that of its logarithm, which is Λ.
//!
//! **Memory weights.** p̂ = fl(ŵ fl(1 / row sum)): |p̂ - p| <= p (exp(λ + Λ + 2U) - 1) + dropped.
//!
//! **Retrieved.** One chain through the patterns, T rescales, at most three roundings for each
//! merge, and the product with fl(gain / row_sum): with h_C = N + 3 T + 4,
//! |x̂ - x| <= Σ_n [p (exp(λ + Λ + T (ε + U) + h_C U) - 1) + dropped] |M[n,k]| + underflow.
//!
//! **lse, energy.** β p̂ + ln row_sum, in double precision (v): Λ + 4v (|β p̂| + |ln row_sum|) + u
//! |lse|. The energy adds ½ x·x (D roundings in double precision), ½ M*² (γ_h) and a constant.
//!
//! **Entropy.** H = ln row_sum - Q / row_sum, Q = Σ W β (s - r). Every term of Q̂ has the error of
//! its weight, of its argument (α, which is λ without ε) and of sums of depth h_N + 4 T + 4; it is
//! at most W τ, where τ = β (p̂ - ŝ) + H ln 2 bounds the distance to a reference that rises, and β
//! |ŝ| that to 0.
//!
//! **Update.** γ_{B+2} Σ|p z| / B for ΔM (a chain, the share fl(1/B), their product); then η ΔM, λ
//! M and λ₁ are added with at most five roundings. Where there is decay, what ends below the normal
//! range becomes 0: Ω more. Where weights are recalled, their errors come in.
//!
//! **Norms.** γ_h ‖m‖², and D Ω for squares below the normal range, which count as 0.
//!
//! How patterns are cut into blocks and splits is the crate's affair: [`Arithmetic::cuts`] assumes
//! only that a block is not made smaller without need.
//!
//! Bounds are evaluated in `f64`, and widened by a millionth for that.

use std::f64::consts::LN_2;

use hopfield_kernels::{Level, Update};

use crate::data::{Matrix, Real};
use crate::naive::{How, Recall};

/// Widens a bound for its own evaluation.
const WIDER: f64 = 1.0 + 1e-6;
/// Patterns whose highest score is the reference, and what a weight's logarithm may exceed 0 by.
const SECTION: usize = 32;
const HEADROOM: f64 = 8.0 * LN_2;
/// Roundings of double precision, which the crate's sums of few terms have.
const V: f64 = f64::EPSILON / 2.0;

/// error / bound; infinite where either is not a number. What is unbounded may be anything but
/// that.
pub fn ratio(error: f64, bound: f64) -> f64 {
    match error {
        _ if error.is_nan() || bound.is_nan() => f64::INFINITY,
        0.0 => 0.0,
        _ if bound == f64::INFINITY => 0.0,
        _ => error / (bound * WIDER),
    }
}

/// The bound of a factor on a size, where what is unbounded stays so: an infinite bound of a weight
/// says nothing, and so not that of a weighted 0 either (in floating point that would be a NaN).
pub fn times(bound: f64, size: f64) -> f64 {
    if bound == f64::INFINITY { bound } else { bound * size }
}

/// Of sums of dot products' size: Σ |a_i b_i|.
pub fn size<T: Real>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a.to_f64() * b.to_f64()).abs()).sum()
}

/// exp(a + x) - exp(a), for x >= 0.
fn grown(a: f64, x: f64) -> f64 {
    if x == f64::INFINITY { x } else { (a + x).exp() * -(-x).exp_m1() }
}

/// An element type at a level.
#[derive(Debug, Clone, Copy)]
pub struct Arithmetic {
    /// u
    unit: f64,
    /// U
    log_unit: f64,
    /// ω
    tiny: f64,
    /// Ω
    least: f64,
    lanes: usize,
    /// ε
    power: f64,
    /// σ
    scale: f64,
    digits: u32,
    /// Bytes of an element.
    bytes: usize,
}

/// What a recall of one probe may differ by.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub similarities: Vec<f64>,
    pub weights: Vec<f64>,
    pub retrieved: Vec<f64>,
    pub lse: f64,
    pub energy: f64,
    pub entropy: f64,
}

/// Of a softmax: what its error consists of.
struct Separation {
    /// β (s - max s)
    exponents: Vec<f64>,
    /// λ
    errors: Vec<f64>,
    /// W less than this may be dropped.
    dropped: Vec<f64>,
    /// Σ W, relative to the exact peak.
    row_sum: f64,
    /// Λ
    row_sum_error: f64,
    /// Of the arguments alone: α.
    arguments: Vec<f64>,
    /// What the arguments are at most: τ.
    distances: Vec<f64>,
}

/// How deep sums over patterns are.
#[derive(Debug, Clone, Copy)]
struct Cuts {
    /// T
    rescales: f64,
    /// h_N
    depth: f64,
}

impl Arithmetic {
    pub fn of<T: Real>(level: Level) -> Self {
        let log_unit = T::UNIT / (1.0 - T::UNIT);
        let ulps = if level.has_fused_multiply_add() { 1.0 } else { 1.1 };
        Self {
            unit: T::UNIT,
            log_unit,
            tiny: T::TINY,
            least: T::LEAST_NORMAL,
            lanes: T::LANES,
            power: 2.0 * ulps * log_unit,
            scale: log_unit + 4.0 * V,
            digits: T::DIGITS,
            bytes: size_of::<T>(),
        }
    }

    /// γ_k
    pub fn gamma(&self, k: f64) -> f64 {
        k * self.unit / (1.0 - k * self.unit)
    }

    /// Of a dot product of `dim` terms whose absolute values sum to `size`.
    pub fn dot(&self, dim: usize, size: f64) -> f64 {
        let depth = (dim.div_ceil(self.lanes) + self.lanes.ilog2() as usize) as f64;
        self.gamma(depth) * size + 2.0 * dim as f64 * self.tiny
    }

    /// Of a squared norm of `dim` terms that sum to `size`.
    pub fn norm(&self, dim: usize, size: f64) -> f64 {
        self.dot(dim, size) + dim as f64 * self.least
    }

    /// Of a sum of weighted patterns whose absolute values sum to `size`.
    pub fn combine(&self, patterns: usize, dim: usize, size: f64) -> f64 {
        let Cuts { rescales, .. } = self.cuts(patterns, dim);
        let roundings = patterns as f64 + 3.0 * rescales + 4.0;
        self.gamma(roundings) * size + roundings * self.tiny
    }

    /// Patterns of up to 64 KiB, and not more than 128, are one block of one split. A block is at
    /// most 1024 patterns, and otherwise not smaller than it may be by these figures.
    fn cuts(&self, patterns: usize, dim: usize) -> Cuts {
        let row = (dim.div_ceil(self.lanes) + 1) * self.lanes * self.bytes;
        let pieces = patterns.div_ceil(128) + (patterns * row).div_ceil(64 << 10);
        let chain = patterns.min(1024).div_ceil(self.lanes) + self.lanes.ilog2() as usize;
        Cuts { rescales: pieces as f64 - 2.0, depth: (chain + pieces) as f64 }
    }

    /// Of the softmax of scores that may be wrong by `errors`; `None` where masked.
    fn separation(
        &self,
        scores: &[Option<f64>],
        errors: &[f64],
        beta: f64,
        cuts: Cuts,
    ) -> Separation {
        let u = self.log_unit;
        let kept = || scores.iter().zip(errors).filter_map(|(s, e)| s.map(|s| (s, *e)));
        let peak = kept().map(|(s, _)| s).fold(f64::NEG_INFINITY, f64::max);
        let most = kept().map(|(_, e)| beta * e).fold(0.0, f64::max);
        let count = scores.len().max(1) as f64;
        let bits = f64::from(self.digits) + count.log2().ceil();
        let mut this = Separation {
            exponents: Vec::new(),
            errors: Vec::new(),
            dropped: Vec::new(),
            row_sum: 0.0,
            row_sum_error: 0.0,
            arguments: Vec::new(),
            distances: Vec::new(),
        };
        let bounded = kept().all(|(s, _)| beta * s.abs() <= 0.5 * bits * LN_2 * WIDER);
        let lag = if scores.len() > SECTION { HEADROOM } else { 0.0 };
        let mut row_sum_error = 0.0;
        for (score, error) in scores.iter().zip(errors) {
            let error = beta * error;
            let exponent = score.map_or(f64::NEG_INFINITY, |score| beta * (score - peak));
            let (mut argument, mut dropped, mut rises, mut to_reference) = (0.0, 0.0, 0.0, 0.0);
            if let Some(score) = score {
                let distance = error + most - exponent;
                if scores.len() > SECTION {
                    rises = (distance / HEADROOM).floor() + 1.0;
                }
                to_reference = distance + lag;
                let mut rounded = to_reference * (2.0 * u + self.scale);
                if bounded {
                    let to_zero = beta * score.abs() + error;
                    to_reference = to_reference.max(to_zero);
                    rounded = rounded.max(to_zero * (u + self.scale));
                }
                argument = error + rounded * WIDER;
                let at_cut = 2.0 * most + bits * (2.0 * u + self.scale) + self.power;
                dropped = exponent.exp().min((-bits).exp2() * at_cut.exp());
            }
            let error = argument + self.power + rises * (self.power + 5.0 * u);
            let weight = exponent.exp();
            if score.is_some() {
                let deep = error + cuts.rescales * (self.power + u) + cuts.depth * u;
                row_sum_error += grown(exponent, deep) + dropped;
            }
            this.row_sum += weight;
            this.exponents.push(exponent);
            this.errors.push(error);
            this.dropped.push(dropped);
            this.arguments.push(argument);
            this.distances.push(to_reference);
        }
        // All masked: the row_sum is exactly 0, and nothing is divided by it.
        if this.row_sum == 0.0 {
            this.row_sum = 1.0;
        }
        let relative = row_sum_error / this.row_sum;
        this.row_sum_error = if relative < 1.0 { -(-relative).ln_1p() } else { f64::INFINITY };
        this
    }

    /// Of the softmax of a row of exact scores.
    pub fn softmax(&self, scores: &[f64], beta: f64) -> Vec<f64> {
        let count = scores.len();
        let chain = count.min(4096).div_ceil(self.lanes) + self.lanes.ilog2() as usize;
        let cuts = Cuts { rescales: 0.0, depth: (chain + count.div_ceil(512)) as f64 };
        let scores: Vec<_> = scores.iter().copied().map(Some).collect();
        self.weights(&self.separation(&scores, &vec![0.0; count], beta, cuts))
    }

    /// Of memory weights.
    fn weights(&self, of: &Separation) -> Vec<f64> {
        let terms = of.exponents.iter().zip(&of.errors).zip(&of.dropped);
        let bound = |((exponent, error), dropped): ((&f64, &f64), &f64)| {
            let all = error + of.row_sum_error + 2.0 * self.log_unit;
            grown(exponent - of.row_sum.ln(), all) + dropped / of.row_sum + self.tiny
        };
        terms.map(bound).collect()
    }

    /// Of a recall whose exact results these are.
    pub fn recall<T: Real>(
        &self,
        probe: &[T],
        patterns: &Matrix<T>,
        how: &How<T>,
        exact: &Recall,
    ) -> Bounds {
        let u = self.log_unit;
        let (count, dim) = (patterns.rows, patterns.cols);
        let (beta, gain) = (how.beta.to_f64(), how.gain.to_f64());
        // Scores without the gain, which the crate takes into β.
        let errors: Vec<_> = patterns.iter().map(|m| self.dot(dim, size(probe, m))).collect();
        let scores: Vec<_> = exact
            .similarities
            .iter()
            .enumerate()
            .map(|(n, s)| how.keeps(n).then_some(s.to_f64() / gain))
            .collect();
        let cuts = self.cuts(count, dim);
        let separation = self.separation(&scores, &errors, beta * gain, cuts);
        let Separation { exponents, row_sum, row_sum_error, .. } = &separation;

        let similarities = errors.iter().zip(&exact.similarities).map(|(error, s)| {
            let rounding =
                if gain == 1.0 { 0.0 } else { self.unit * (s.abs().to_f64() + gain * error) };
            gain * error + rounding + self.tiny
        });
        let roundings = cuts.rescales * (self.power + u)
            + (count as f64 + 3.0 * cuts.rescales + 4.0) * u
            + row_sum_error;
        let mut retrieved =
            vec![(count as f64 + 3.0 * cuts.rescales + 4.0) * self.tiny * gain; dim];
        for (n, pattern) in patterns.iter().enumerate().filter(|(n, _)| how.keeps(*n)) {
            let factor = grown(exponents[n] - row_sum.ln(), separation.errors[n] + roundings)
                + separation.dropped[n] / row_sum;
            for (bound, m) in retrieved.iter_mut().zip(pattern) {
                *bound += times(factor, gain * m.to_f64().abs());
            }
        }

        let lse = exact.lse.to_f64();
        let all_masked = lse == f64::NEG_INFINITY;
        let peak = lse - row_sum.ln();
        let most = errors.iter().fold(0.0_f64, |most, &error| most.max(beta * gain * error));
        let lse_error = if all_masked {
            0.0
        } else {
            row_sum_error + 4.0 * V * (peak.abs() + most + HEADROOM + row_sum.ln().abs())
        };
        let square = size(probe, probe);
        let norm = patterns.iter().map(|m| size(m, m)).fold(0.0, f64::max) * gain * gain;
        let constant = (count as f64).ln() / beta;
        let energy = exact.energy.to_f64();
        let energy_error = if all_masked {
            0.0
        } else {
            let parts = 0.5 * square + 0.5 * norm + constant + (lse / beta).abs();
            lse_error / beta
                + 0.5 * (dim as f64 + 2.0) * V * square
                + 0.5 * self.norm(dim, norm) * (gain * gain).max(1.0)
                + 6.0 * V * parts
        };
        let rounded = |value: f64, error: f64| match value.is_finite() {
            true => error + self.unit * (value.abs() + error) + self.tiny,
            false => 0.0,
        };
        let entropy_error = if all_masked { 0.0 } else { self.entropy(&separation, cuts) };
        Bounds {
            similarities: similarities.collect(),
            weights: self.weights(&separation),
            retrieved,
            lse: rounded(lse, lse_error),
            energy: rounded(energy, energy_error),
            entropy: rounded(exact.entropy.to_f64(), entropy_error),
        }
    }

    /// Of ln row_sum - Q / row_sum.
    fn entropy(&self, of: &Separation, cuts: Cuts) -> f64 {
        let u = self.log_unit;
        let roundings =
            (cuts.depth + 4.0 * cuts.rescales + 4.0) * u + cuts.rescales * (self.power + u);
        let (mut entropy_sum, mut entropy_error_sum) = (0.0, 0.0);
        for (n, &exponent) in of.exponents.iter().enumerate().filter(|(_, a)| a.is_finite()) {
            let (distance, weight) = (of.distances[n], exponent.exp());
            entropy_sum += weight * distance;
            entropy_error_sum +=
                times(grown(exponent, of.errors[n] + roundings), distance + of.arguments[n])
                    + times(of.arguments[n], weight)
                    + of.dropped[n] * distance;
        }
        let (entropy_sum, entropy_error_sum) =
            (entropy_sum / of.row_sum, entropy_error_sum / of.row_sum);
        let divided = times(of.row_sum_error.exp(), entropy_sum + entropy_error_sum) - entropy_sum;
        of.row_sum_error + divided + 8.0 * V * (entropy_sum + of.row_sum.ln().abs())
    }

    /// Of ΔM, from `rows` outer products: with the sum of their absolute values, and what that may
    /// be wrong by since weights are, both over B.
    pub fn delta(&self, rows: usize, size: f64, weights: f64) -> f64 {
        let roundings = rows as f64 + 3.0;
        self.gamma(roundings) * (size + weights) + weights + roundings * self.tiny
    }

    /// Of an updated element `m`, where ΔM is a sum of `size` and may be wrong by `delta`.
    pub fn updated<T: Real>(&self, m: T, size: f64, delta: f64, factors: Update<T>) -> f64 {
        let [m, eta, decay, l1] =
            [m, factors.eta, factors.reg_lambda, factors.l1_lambda].map(|x| x.to_f64().abs());
        let decays = decay != 0.0 || l1 != 0.0;
        let roundings = if decays { 5.0 } else { 2.0 };
        let flushed = if decays { self.least } else { 0.0 };
        let parts = m + eta * size + times(delta, eta) + decay * m + l1;
        times(delta, eta) + self.gamma(roundings) * parts + roundings * self.tiny + flushed
    }
}
