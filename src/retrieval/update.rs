//! The update T(x) that belongs to a similarity, from the support of a probe's weights.
//!
//! Under T the energy never rises: y = T(x) minimises R(y) - Σ p s(y, m), which bounds the energy
//! from above at y and touches it at x. Sources: Ramsauer et al. 2020 (dot), Comaniciu & Meer 2002
//! (mean shift), Weiszfeld 1937 (L2), Krotov & Hopfield 2016 (on the sphere).

use crate::driver::sparse::{Kind, Supports};
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::separation::family::Separation;
use crate::simd::Element;
use crate::similarity::Similarity;

/// What becomes of the weights and of their sum of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeUpdate {
    /// Σ p m
    Sum,
    /// Σ p m / Σ p
    Mean,
    /// Σ p m, at norm 1; x where that is 0.
    Sphere,
    /// The same of the patterns at norm 1.
    UnitSphere,
    /// Σ w m / Σ w with w = p / ‖x - m‖; x where some x = m.
    Weiszfeld,
    /// The weighted median of every feature.
    Median,
}

impl ProbeUpdate {
    pub fn of(similarity: Similarity, separation: Separation) -> Self {
        match similarity {
            Similarity::Dot if separation.is_unnormalised() => Self::Sphere,
            Similarity::Dot => Self::Sum,
            Similarity::Cosine => Self::UnitSphere,
            Similarity::NegHalfSquaredL2 => Self::Mean,
            Similarity::NegL2 => Self::Weiszfeld,
            Similarity::NegL1 => Self::Median,
            Similarity::UhnReciprocalSquaredL2 | Similarity::UhnReciprocalL1 => Self::Sum,
        }
    }
}

/// The rows of one support.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SupportRows<'a, T> {
    /// All rows, by index.
    InPlace(MatRef<'a, T>),
    /// Copies of the support's rows, in its order.
    Copied(MatRef<'a, T>),
}

impl<'a, T: Element> SupportRows<'a, T> {
    /// Patterns in place, or copied to a buffer where they are not stored as elements.
    pub fn of(memory: &'a Memory<T>, indices: &[u32], buffer: &'a mut Vec<T>) -> Self {
        if let Some(rows) = memory.try_as_mat() {
            return Self::InPlace(rows);
        }
        let dim = memory.dim();
        buffer.resize(indices.len() * dim, T::ZERO);
        for (&n, to) in indices.iter().zip(buffer.chunks_exact_mut(dim)) {
            memory.copy(n as usize, to);
        }
        let rows = MatRef::new(buffer, indices.len(), dim);
        Self::Copied(rows.expect("the buffer has room for these rows"))
    }

    /// Features of a row.
    pub fn dim(&self) -> usize {
        let (Self::InPlace(rows) | Self::Copied(rows)) = self;
        rows.cols()
    }

    /// Row `n`, which comes at place `at` of the support.
    pub fn row(&self, at: usize, n: u32) -> &'a [T] {
        match self {
            Self::InPlace(rows) => rows.row(n as usize),
            Self::Copied(rows) => rows.row(at),
        }
    }
}

/// Writes the weights with which the patterns of every support are summed.
pub(crate) fn projection_weights<T: Element>(
    update: ProbeUpdate,
    supports: &Supports<T>,
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    projected: &mut Vec<T>,
) {
    projected.clear();
    if projected.capacity() < supports.weights.len() {
        // As much as the supports have made room for: the next ones may be larger.
        projected.reserve(supports.weights.capacity());
    }
    for (b, probe) in probes.iter().enumerate() {
        let range = supports.range(b);
        let (indices, weights) = (&supports.indices[range.clone()], &supports.weights[range]);
        let sum = |weights: &[f64]| weights.iter().sum::<f64>();
        match update {
            ProbeUpdate::Sum => projected.extend(weights.iter().map(|&p| T::from_f64(p))),
            ProbeUpdate::Mean => {
                let sum = sum(weights);
                // A single weight of sum 1 stays 1.
                projected.extend(weights.iter().map(|&p| T::from_f64(p / sum)));
            }
            ProbeUpdate::Sphere => {
                let most = weights.iter().fold(0.0, |most: f64, p| most.max(p.abs()));
                projected.extend(weights.iter().map(|&p| T::from_f64(p / most)));
            }
            ProbeUpdate::UnitSphere => {
                let scaled = weights.iter().zip(indices).map(|(&p, &n)| {
                    let norm = memory.squared_norms()[n as usize].to_f64().sqrt();
                    if norm == 0.0 { 0.0 } else { p / norm }
                });
                let start = projected.len();
                let most = scaled.clone().fold(0.0, |most: f64, w| most.max(w.abs()));
                projected.extend(scaled.map(|w| T::from_f64(w / most)));
                if most == 0.0 {
                    projected[start..].fill(T::ZERO);
                }
            }
            ProbeUpdate::Weiszfeld => weiszfeld(probe, indices, weights, memory, projected),
            // The medians are written in place of a sum.
            ProbeUpdate::Median => projected.extend(weights.iter().map(|_| T::ZERO)),
        }
    }
}

/// The weights p / ‖x - m‖ of Weiszfeld's algorithm, of sum 1; zeros where some x = m.
fn weiszfeld<T: Element>(
    probe: &[T],
    indices: &[u32],
    weights: &[f64],
    memory: &Memory<T>,
    projected: &mut Vec<T>,
) {
    let mut buffer = Vec::new();
    let mut inverse = |n: u32| 1.0 / distance(probe, memory.pattern_in(n as usize, &mut buffer));
    let sum: f64 = indices.iter().zip(weights).map(|(&n, p)| p * inverse(n)).sum();
    if sum.is_infinite() {
        projected.extend(indices.iter().map(|_| T::ZERO));
        return;
    }
    projected.extend(indices.iter().zip(weights).map(|(&n, p)| T::from_f64(p * inverse(n) / sum)));
}

fn distance<T: Element>(x: &[T], m: &[T]) -> f64 {
    let square = |(x, m): (&T, &T)| (x.to_f64() - m.to_f64()) * (x.to_f64() - m.to_f64());
    x.iter().zip(m).map(square).sum::<f64>().sqrt()
}

/// Supports, the weights by which their patterns have been summed, and the factor of the sums.
#[derive(Clone, Copy)]
pub(crate) struct Projected<'a, T> {
    pub supports: &'a Supports<T>,
    pub weights: &'a [T],
    pub gain: T,
}

/// Completes what has been summed: medians, the sphere, exact copies, and probes that stay.
pub(crate) fn complete<T: Element>(
    update: ProbeUpdate,
    Projected { supports, weights: projected, gain }: Projected<'_, T>,
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    retrieved: &mut MatMut<'_, T>,
) {
    for (b, probe) in probes.iter().enumerate() {
        let to = retrieved.row_mut(b);
        let range = supports.range(b);
        match supports.facts[b].kind {
            Kind::NotFinite => to.fill(T::NAN),
            Kind::Masked => to.fill(T::ZERO),
            Kind::Proper if range.is_empty() => to.copy_from_slice(probe),
            Kind::Proper => match (update, &projected[range.clone()]) {
                (ProbeUpdate::Median, _) => medians(probe, supports, b, memory, to),
                (ProbeUpdate::Sphere | ProbeUpdate::UnitSphere, _) => to_sphere(probe, to),
                // The patterns' weights are 0 where the probe is one of them.
                (ProbeUpdate::Weiszfeld, weights) if weights.iter().all(|w| *w == T::ZERO) => {
                    to.copy_from_slice(probe);
                }
                (_, &[weight]) if weight == T::ONE => {
                    memory.copy(supports.indices[range.start] as usize, to);
                    to.iter_mut().for_each(|x| *x = *x * gain);
                }
                _ => {}
            },
        }
    }
}

/// Brings a retrieved probe to norm 1, or restores the probe where it is 0.
pub(crate) fn to_sphere<T: Element>(probe: &[T], retrieved: &mut [T]) {
    let most = retrieved.iter().fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
    if most == 0.0 && retrieved.iter().all(|x| *x == T::ZERO) {
        retrieved.copy_from_slice(probe);
        return;
    }
    // Squares of the quotients neither overflow nor vanish.
    let square = |x: &T| (x.to_f64() / most) * (x.to_f64() / most);
    let norm = most * retrieved.iter().map(square).sum::<f64>().sqrt();
    for x in retrieved {
        *x = T::from_f64(x.to_f64() / norm);
    }
}

/// The weighted median of every feature over the support; the probe's own where that is a median.
fn medians<T: Element>(
    probe: &[T],
    supports: &Supports<T>,
    b: usize,
    memory: &Memory<T>,
    to: &mut [T],
) {
    let range = supports.range(b);
    let indices = &supports.indices[range.clone()];
    let weights = &supports.weights[range];
    let half = 0.5 * weights.iter().sum::<f64>();
    let mut column: Vec<(f64, f64)> = Vec::with_capacity(indices.len());
    let mut buffer = Vec::new();
    let rows = SupportRows::of(memory, indices, &mut buffer);
    for (d, (to, &x)) in to.iter_mut().zip(probe).enumerate() {
        let x = x.to_f64();
        column.clear();
        let elements = indices.iter().enumerate().map(|(at, &n)| rows.row(at, n)[d].to_f64());
        column.extend(elements.zip(weights.iter().copied()));
        let (mut below, mut above) = (0.0, 0.0);
        for &(m, p) in &column {
            below += if m < x { p } else { 0.0 };
            above += if m > x { p } else { 0.0 };
        }
        *to = match below <= half && above <= half {
            true => T::from_f64(x),
            false => T::from_f64(median(&mut column, half)),
        };
    }
}

/// The least element at which the weights so far reach half of all.
fn median(column: &mut [(f64, f64)], half: f64) -> f64 {
    column.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut so_far = 0.0;
    for &(m, p) in &*column {
        so_far += p;
        if so_far >= half {
            return m;
        }
    }
    column.last().map_or(f64::NAN, |last| last.0)
}
