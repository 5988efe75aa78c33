//! The reference: the mathematics as it is written, in double-double arithmetic, one probe or one
//! element at a time.

use hopfield_kernels::Update;

use crate::data::{Matrix, Real};
use crate::double::Double;

/// How to recall.
#[derive(Debug, Clone)]
pub struct How<T> {
    pub beta: T,
    pub gain: T,
    pub keep: Option<Vec<bool>>,
}

impl<T: Real> How<T> {
    pub fn beta(beta: f64) -> Self {
        Self { beta: T::from_f64(beta), gain: T::ONE, keep: None }
    }

    pub fn keeps(&self, pattern: usize) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep[pattern])
    }
}

/// Everything that recall tells of one probe.
#[derive(Debug, Clone)]
pub struct Recall {
    pub similarities: Vec<Double>,
    pub weights: Vec<Double>,
    pub retrieved: Vec<Double>,
    pub lse: Double,
    pub energy: Double,
    pub entropy: Double,
}

/// The same number.
pub fn exact<T: Real>(number: T) -> Double {
    Double::new(number.to_f64())
}

/// a · b
pub fn dot<T: Real>(a: &[T], b: &[T]) -> Double {
    a.iter().zip(b).map(|(a, b)| Double::product(a.to_f64(), b.to_f64())).sum()
}

/// Of the scores that are not `None`: softmax(β s), and ln Σ exp(β s).
pub fn softmax(scores: &[Option<Double>], beta: Double) -> (Vec<Double>, Double) {
    let kept = || scores.iter().flatten().copied();
    let Some(peak) = kept().reduce(Double::max) else {
        return (vec![Double::ZERO; scores.len()], Double::new(f64::NEG_INFINITY));
    };
    let powers: Vec<_> = scores
        .iter()
        .map(|score| score.map_or(Double::ZERO, |score| (beta * (score - peak)).exp()))
        .collect();
    let mass: Double = powers.iter().copied().sum();
    (powers.into_iter().map(|power| power / mass).collect(), beta * peak + mass.ln())
}

/// Σ_n weights[n] patterns[n]
pub fn combine<T: Real>(weights: &[Double], patterns: &Matrix<T>) -> Vec<Double> {
    let mut sum = vec![Double::ZERO; patterns.cols];
    for (&weight, pattern) in weights.iter().zip(patterns.iter()) {
        if weight != Double::ZERO {
            sum.iter_mut().zip(pattern).for_each(|(sum, &m)| *sum = *sum + weight * exact(m));
        }
    }
    sum
}

/// Recall of one probe from `gain` times the patterns.
pub fn recall<T: Real>(probe: &[T], patterns: &Matrix<T>, how: &How<T>) -> Recall {
    let (beta, gain, half) = (exact(how.beta), exact(how.gain), Double::new(0.5));
    let similarities: Vec<_> = patterns.iter().map(|m| gain * dot(probe, m)).collect();
    let kept: Vec<_> =
        similarities.iter().enumerate().map(|(n, &s)| how.keeps(n).then_some(s)).collect();
    let (weights, lse) = softmax(&kept, beta);
    let retrieved = combine(&weights, patterns).into_iter().map(|sum| gain * sum).collect();
    // The energy is that of the patterns which take part.
    let norms = patterns.iter().enumerate().filter(|&(n, _)| how.keeps(n)).map(|(_, m)| dot(m, m));
    let (count, norm) =
        norms.fold((0, Double::ZERO), |(count, highest), norm| (count + 1, highest.max(norm)));
    let energy = half * dot(probe, probe) - lse / beta
        + Double::new(f64::from(count.max(1))).ln() / beta
        + half * gain * gain * norm;
    let entropy = weights.iter().filter(|p| p.to_f64() > 0.0).map(|&p| -p * p.ln()).sum();
    Recall { similarities, weights, retrieved, lse, energy, entropy }
}

/// ΔM[n,d] = Σ_b P[b,n] Z[b,d] / B, and the same sum of absolute values.
pub fn outer_product(
    weights: impl Iterator<Item = Double>,
    vectors: impl Iterator<Item = Double>,
    batch: usize,
) -> (Double, f64) {
    let products = weights.zip(vectors).map(|(p, z)| p * z);
    let (sum, size) = products.fold((Double::ZERO, Double::ZERO), |(sum, size), product| {
        (sum + product, size + product.abs())
    });
    let batch = Double::new(batch as f64);
    (sum / batch, (size / batch).to_f64())
}

/// m + η Δ - λ m - λ₁ sign(m)
pub fn updated<T: Real>(m: T, delta: Double, factors: Update<T>) -> Double {
    let sign = if m > T::ZERO {
        1.0
    } else if m < T::ZERO {
        -1.0
    } else {
        0.0
    };
    let decay = exact(factors.reg_lambda) * exact(m) + exact(factors.l1_lambda) * Double::new(sign);
    exact(m) + exact(factors.eta) * delta - decay
}
