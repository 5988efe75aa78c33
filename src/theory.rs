//! What is proved of modern Hopfield networks, as functions: when a pattern is retrieved, how well,
//! and how many of them fit.
//!
//! Theorems are those of Ramsauer et al. 2020 (*Hopfield Networks is All You Need*, arXiv
//! 2008.02217) unless another source is named. N patterns of dimension D have the largest norm M*;
//! β is the inverse temperature of a softmax recall by dot products.

use crate::error::{Error, Result};
use crate::functions::top_k;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::Context;
use crate::simd::Element;

/// Δ_i = m_i·m_i - max_{j≠i} m_i·m_j for every pattern (definition 2): how far it is separated from
/// the others. +∞ for the only pattern.
///
/// ```
/// use hopfield_kernels::{Context, Memory, theory};
///
/// let memory = Memory::from([[2.0_f64, 0.0], [1.0, 1.0]]);
/// assert_eq!(theory::separations(&memory, &mut Context::new())?, [2.0, 0.0]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Level`] as [`Context::level`] says.
pub fn separations<T: Element>(memory: &Memory<T>, context: &mut Context<T>) -> Result<Vec<T>> {
    let count = memory.patterns();
    if count == 1 {
        return Ok(vec![-T::NEG_INFINITY]);
    }
    let (mut indices, mut scores) = (vec![None; 2 * count], vec![T::ZERO; 2 * count]);
    let copy = if memory.try_as_mat().is_none() { memory.to_rows() } else { Vec::new() };
    let probes = match memory.try_as_mat() {
        Some(rows) => rows,
        None => MatRef::new(&copy, count, memory.dim())?,
    };
    top_k(
        probes,
        memory,
        MatMut::new(&mut indices, count, 2)?,
        MatMut::new(&mut scores, count, 2)?,
        context,
    )?;
    let norms = memory.squared_norms();
    let pairs = indices.chunks_exact(2).zip(scores.chunks_exact(2)).enumerate();
    Ok(pairs
        .map(|(i, (indices, scores))| norms[i] - scores[usize::from(indices[0] == Some(i))])
        .collect())
}

/// The radius 1 / (β N M*) of the sphere around a pattern that recall maps into itself if the
/// pattern is well separated (theorem 4, appendix A).
pub fn radius(beta: f64, patterns: usize, max_norm: f64) -> f64 {
    1.0 / (beta * patterns as f64 * max_norm)
}

/// The separation from which on a pattern is well separated: recall then has one fixed point in the
/// sphere of [`radius`] around it (theorem 4): 2/(β N) + ln(2 (N - 1) N β M*²) / β.
pub fn needed_separation(beta: f64, patterns: usize, max_norm: f64) -> f64 {
    let n = patterns as f64;
    if patterns < 2 {
        return 0.0;
    }
    2.0 / (beta * n) + (2.0 * (n - 1.0) * n * beta * max_norm * max_norm).ln() / beta
}

/// The least β at which patterns of a least separation Δ > 0 are all well separated; `None` where
/// there is none.
///
/// ```
/// use hopfield_kernels::theory;
///
/// let beta = theory::needed_beta(0.5, 100, 1.0).expect("they are separated");
/// assert!(theory::needed_separation(beta, 100, 1.0) <= 0.5);
/// assert!(theory::needed_separation(0.99 * beta, 100, 1.0) > 0.5);
/// assert_eq!(theory::needed_beta(0.0, 100, 1.0), None);
/// ```
pub fn needed_beta(separation: f64, patterns: usize, max_norm: f64) -> Option<f64> {
    if separation.is_nan() || separation <= 0.0 || !(max_norm > 0.0 && max_norm.is_finite()) {
        return None;
    }
    let suffices = |beta: f64| needed_separation(beta, patterns, max_norm) <= separation;
    // What is needed falls beyond the β at which its logarithm is 1, and vanishes.
    let n = patterns.max(2) as f64;
    let mut low = std::f64::consts::E / (2.0 * (n - 1.0) * n * max_norm * max_norm);
    if suffices(low) {
        return Some(low);
    }
    let mut high = low;
    while !suffices(high) {
        high *= 2.0;
        if !high.is_finite() {
            return None;
        }
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if suffices(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// A bound on ‖T(x) - m_i‖ (theorem 5): 2 (N - 1) M* exp(-β (Δ_i - 2 δ M*)), where Δ_i is the `gap`
/// and δ the larger of the distances from m_i of the probe x and of the fixed point.
pub fn retrieval_error(beta: f64, patterns: usize, max_norm: f64, gap: f64, distance: f64) -> f64 {
    let others = patterns.saturating_sub(1) as f64;
    2.0 * others * max_norm * (-beta * (gap - 2.0 * distance * max_norm)).exp()
}

/// A bound on ‖x̂ - m_i‖ from the weight of pattern i alone, for any separation whose weights sum
/// to 1: 2 M* (1 - p_i). [`Outputs::best_weight`](crate::Outputs::best_weight) has p_i.
pub fn weight_bound(best_weight: f64, max_norm: f64) -> f64 {
    2.0 * max_norm * (1.0 - best_weight)
}

/// A bound on ‖x̂ - m_i‖ from the gap s_1 - s_2 between the best similarity and
/// [`Outputs::second`](crate::Outputs::second): 2 M* (N - 1) exp(-β (s_1 - s_2)).
pub fn gap_bound(beta: f64, patterns: usize, max_norm: f64, gap: f64) -> f64 {
    2.0 * max_norm * patterns.saturating_sub(1) as f64 * (-beta * gap).exp()
}

/// A bound on the norm of the Jacobian of an update, β tr Cov_p, from
/// [`Outputs::spread`](crate::Outputs::spread). Below 1 a fixed point attracts; below 1 on a convex
/// set that is mapped into itself, recall contracts.
pub fn contraction(beta: f64, spread: f64) -> f64 {
    beta * spread
}

/// Whether all probes end at one fixed point: β max_n ‖m_n - mean‖² < 1, the averaging regime.
///
/// ```
/// use hopfield_kernels::{Memory, theory};
///
/// let memory = Memory::from([[1.0_f64, 0.0], [0.0, 1.0]]);
/// assert!(theory::has_one_fixed_point(&memory, 1.9));
/// assert!(!theory::has_one_fixed_point(&memory, 2.1));
/// ```
pub fn has_one_fixed_point<T: Element>(memory: &Memory<T>, beta: f64) -> bool {
    let (count, mut buffer) = (memory.patterns() as f64, Vec::new());
    let mut mean = vec![0.0; memory.dim()];
    for n in 0..memory.patterns() {
        let row = memory.pattern_in(n, &mut buffer).iter();
        mean.iter_mut().zip(row).for_each(|(mean, m)| *mean += m.to_f64() / count);
    }
    let square = |row: &[T]| -> f64 {
        row.iter().zip(&mean).map(|(m, mean)| (m.to_f64() - mean).powi(2)).sum()
    };
    let radii = (0..memory.patterns()).map(|n| square(memory.pattern_in(n, &mut buffer)));
    beta * radii.fold(0.0, f64::max) < 1.0
}

/// The class of a metastable state by the number of patterns that have 90% of the weight (section
/// 4), [`Outputs::k90`](crate::Outputs::k90).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// More than half of the patterns: an average of nearly all.
    Global,
    /// More than an eighth.
    Large,
    /// More than a thirty-second.
    Medium,
    /// Fewer: a small metastable state or a single pattern.
    Small,
}

/// The class of a state that has 90% of its weight on `k90` of N patterns.
pub fn class(k90: usize, patterns: usize) -> Class {
    match () {
        () if 2 * k90 > patterns => Class::Global,
        () if 8 * k90 > patterns => Class::Large,
        () if 32 * k90 > patterns => Class::Medium,
        () => Class::Small,
    }
}

/// How many random patterns can be stored on a sphere of radius K √(d - 1), each retrieved with
/// probability 1 - p (theorem 3): N >= √p c^((d - 1)/4). Returns c.
///
/// ```
/// use hopfield_kernels::theory;
///
/// // The two examples of the paper.
/// assert!((theory::capacity_base(1.0, 3.0, 20, 0.001)? - 3.1546).abs() < 1e-4);
/// assert!((theory::capacity_base(1.0, 1.0, 75, 0.001)? - 1.3718).abs() < 1e-4);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] for a β, K or p that is not above 0 and finite, or fewer than 2 dimensions.
pub fn capacity_base(beta: f64, k: f64, dim: usize, p: f64) -> Result<f64> {
    for (name, found) in [("beta", beta), ("K", k), ("p", p)] {
        if !(found > 0.0 && found.is_finite()) {
            return Err(Error::Parameter { name, expected: "a finite number above 0", found });
        }
    }
    if dim < 2 {
        let (name, expected) = ("dimension", "at least 2");
        return Err(Error::Count { name, expected, found: dim });
    }
    let d = (dim - 1) as f64;
    let a = 2.0 / d * (1.0 + (2.0 * beta * k * k * p * d).ln());
    let b = 2.0 * k * k * beta / 5.0;
    Ok(b / lambert(a + b.ln()))
}

/// The number of patterns of [`capacity_base`].
///
/// # Errors
/// As for [`capacity_base`].
pub fn capacity(beta: f64, k: f64, dim: usize, p: f64) -> Result<f64> {
    Ok(p.sqrt() * capacity_base(beta, k, dim, p)?.powf((dim - 1) as f64 / 4.0))
}

/// w with w exp(w) = exp(x): the upper branch of Lambert's function of exp(x), by Newton's method
/// on w + ln w = x.
fn lambert(x: f64) -> f64 {
    let mut w = if x > 1.0 { x - x.ln() } else { x.exp() / (1.0 + x.exp()) };
    for _ in 0..100 {
        let step = (w + w.ln() - x) / (1.0 + 1.0 / w);
        // Never to 0 or below.
        let next = if step < w { w - step } else { 0.5 * w };
        if (next - w).abs() <= 1e-16 * w {
            return next;
        }
        w = next;
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambert_is_the_inverse() {
        for x in [-30.0, -3.0, -0.5, 0.0, 1.0, 2.0, 10.0, 500.0] {
            let w = lambert(x);
            assert!((w + w.ln() - x).abs() <= 1e-13 * (1.0 + x.abs()), "{x}: {w}");
        }
    }

    #[test]
    fn classes_are_those_of_the_paper() {
        let classes = [(51, Class::Global), (50, Class::Large), (13, Class::Large)];
        let more = [(12, Class::Medium), (4, Class::Medium), (3, Class::Small), (1, Class::Small)];
        for (k90, expected) in classes.into_iter().chain(more) {
            assert_eq!(class(k90, 100), expected, "{k90}");
        }
    }
}
