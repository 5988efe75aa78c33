//! The mathematics as it is written on paper, and small things that all tests need.

use hopfield_kernels::{HopfieldSynapse, HopfieldSynapseBuilder, MatRef, Semantics};

/// Rows of numbers.
pub type Rows = Vec<Vec<f64>>;

/// Numbers between -1 and 1 that look random, always the same.
pub fn numbers(count: usize, salt: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * 37 + salt * 101 + 13) as f64 * 12.9898).sin()).collect()
}

pub fn rows(values: &[f64], cols: usize) -> Rows {
    values.chunks(cols).map(<[f64]>::to_vec).collect()
}

/// A synapse of three features and five patterns (rows of `patterns()`), B = 2.
pub fn builder<'a>(semantics: Semantics) -> HopfieldSynapseBuilder<'a, f64> {
    HopfieldSynapse::builder("W", (DIM, PATTERNS)).semantics(semantics).beta(3.0).batch_size(2)
}

pub const DIM: usize = 3;
pub const PATTERNS: usize = 5;

/// The synapse of [`builder`] with [`patterns`] in it and [`probes`] at its inputs.
pub fn ready(builder: HopfieldSynapseBuilder<'_, f64>) -> HopfieldSynapse<f64> {
    let mut synapse = builder.build().unwrap();
    synapse.set_weight_rows(MatRef::new(&patterns(), PATTERNS, DIM).unwrap()).unwrap();
    synapse.set_inputs(MatRef::new(&probes(), 2, DIM).unwrap()).unwrap();
    synapse
}

pub fn patterns() -> Vec<f64> {
    numbers(PATTERNS * DIM, 1)
}

pub fn probes() -> Vec<f64> {
    numbers(2 * DIM, 2)
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn highest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

pub fn softmax(beta: f64, scores: &[f64]) -> Vec<f64> {
    let peak = highest(scores.iter().copied());
    let weights: Vec<f64> = scores.iter().map(|s| (beta * (s - peak)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

pub fn similarities(m: &Rows, x: &[f64]) -> Vec<f64> {
    m.iter().map(|m| dot(m, x)).collect()
}

/// softmax(β x Mᵀ) M
pub fn recall(m: &Rows, beta: f64, x: &[f64]) -> Vec<f64> {
    let p = softmax(beta, &similarities(m, x));
    (0..x.len()).map(|d| m.iter().zip(&p).map(|(m, p)| m[d] * p).sum()).collect()
}

/// ln Σ exp(β s)
pub fn lse(beta: f64, scores: &[f64]) -> f64 {
    scores.iter().map(|s| (beta * s).exp()).sum::<f64>().ln()
}

/// Σ_b p_b z_bᵀ / B: a row for each pattern.
pub fn outer(p: &Rows, z: &Rows) -> Rows {
    let (patterns, dim, batch) = (p[0].len(), z[0].len(), p.len() as f64);
    let sum = |n: usize, d: usize| p.iter().zip(z).map(|(p, z)| p[n] * z[d]).sum::<f64>() / batch;
    (0..patterns).map(|n| (0..dim).map(|d| sum(n, d)).collect()).collect()
}

pub fn minus(a: &Rows, b: &Rows) -> Rows {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect()
}

#[track_caller]
pub fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let scale = highest(expected.iter().map(|e| e.abs())).max(1e-3);
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= 1e-12 * scale,
            "[{i}]: {a}, expected {b}\n{found:?}\n{expected:?}"
        );
    }
}
