//! The update T(x) that belongs to a similarity, from the support of a probe's weights.
//!
//! Under T the energy never rises: y = T(x) minimises R(y) - Σ p s(y, m), which bounds the energy
//! from above at y and touches it at x. Sources: Ramsauer et al. 2020 (dot), Comaniciu & Meer 2002
//! (mean shift), Weiszfeld 1937 (L2), Krotov & Hopfield 2016 (on the sphere).

use crate::driver::divide::{for_each_task, ranges, shares};
use crate::driver::parallel::Parallelism;
use crate::driver::sparse::{Kind, Supports};
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::medians::{MedianScratch, Weighted, for_each_median};
use crate::simd::Element;
use crate::similarity::definition::ProbeUpdate;

/// Scratch of updates.
#[derive(Debug, Clone)]
pub(crate) struct UpdateScratch<T> {
    /// A pattern that is not stored as elements.
    row: Vec<T>,
    /// ‖x - m‖ for every pattern of a support.
    distances: Vec<f64>,
    /// One for each task.
    medians: Vec<MedianScratch<T>>,
}

impl<T> Default for UpdateScratch<T> {
    fn default() -> Self {
        Self { row: Vec::new(), distances: Vec::new(), medians: Vec::new() }
    }
}

/// Some probes, and the supports that they have in a memory.
#[derive(Clone, Copy)]
pub(crate) struct Supported<'a, T> {
    pub supports: &'a Supports<T>,
    pub probes: MatRef<'a, T>,
    pub memory: &'a Memory<T>,
}

/// Writes the weights with which the patterns of every support are summed.
pub(crate) fn projection_weights<T: Element>(
    update: ProbeUpdate,
    Supported { supports, probes, memory }: Supported<'_, T>,
    scratch: &mut UpdateScratch<T>,
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
            ProbeUpdate::Weiszfeld => {
                weiszfeld(Weighted { probe, indices, weights }, memory, scratch, projected);
            }
            // The medians are written in place of a sum.
            ProbeUpdate::Median => projected.extend(weights.iter().map(|_| T::ZERO)),
        }
    }
}

/// The weights p / ‖x - m‖ of Weiszfeld's algorithm, of sum 1; zeros where some x = m.
fn weiszfeld<T: Element>(
    Weighted { probe, indices, weights }: Weighted<'_, T>,
    memory: &Memory<T>,
    scratch: &mut UpdateScratch<T>,
    projected: &mut Vec<T>,
) {
    let UpdateScratch { row, distances, .. } = scratch;
    distances.clear();
    for &n in indices {
        distances.push(distance(probe, memory.pattern_in(n as usize, row)));
    }
    let pairs = || weights.iter().zip(&*distances);
    let sum: f64 = pairs().map(|(p, d)| p * (1.0 / d)).sum();
    if sum.is_infinite() {
        projected.extend(indices.iter().map(|_| T::ZERO));
        return;
    }
    projected.extend(pairs().map(|(p, d)| T::from_f64(p * (1.0 / d) / sum)));
}

fn distance<T: Element>(x: &[T], m: &[T]) -> f64 {
    let square = |(x, m): (&T, &T)| (x.to_f64() - m.to_f64()) * (x.to_f64() - m.to_f64());
    x.iter().zip(m).map(square).sum::<f64>().sqrt()
}

/// Supports, the weights by which their patterns have been summed, and the factor of the sums.
#[derive(Clone, Copy)]
pub(crate) struct Projected<'a, T> {
    pub of: Supported<'a, T>,
    pub weights: &'a [T],
    pub gain: T,
    pub parallelism: Parallelism,
}

/// Completes what has been summed: medians, the sphere, exact copies, and probes that stay.
pub(crate) fn complete<T: Element>(
    update: ProbeUpdate,
    projected: Projected<'_, T>,
    retrieved: &mut MatMut<'_, T>,
    scratch: &mut UpdateScratch<T>,
) {
    let Projected { of, weights: projected, gain, parallelism } = projected;
    let Supported { supports, probes, memory } = of;
    if update == ProbeUpdate::Median {
        medians(of, parallelism, retrieved.reborrow(), &mut scratch.medians);
    }
    for (b, probe) in probes.iter().enumerate() {
        let to = retrieved.row_mut(b);
        let range = supports.range(b);
        match supports.facts[b].kind {
            Kind::NotFinite => to.fill(T::NAN),
            Kind::Masked => to.fill(T::ZERO),
            Kind::Streamed => {}
            Kind::Proper if range.is_empty() => to.copy_from_slice(probe),
            Kind::Proper => match (update, &projected[range.clone()]) {
                // They have been written.
                (ProbeUpdate::Median, _) => {}
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

/// Elements of columns that are worth a thread: some nanoseconds each.
const ELEMENT: u64 = 16;

/// Writes the weighted median of every feature over the support of each probe; the probe's own
/// element where that is a median.
fn medians<T: Element>(
    Supported { supports, probes, memory }: Supported<'_, T>,
    parallelism: Parallelism,
    retrieved: MatMut<'_, T>,
    scratch: &mut Vec<MedianScratch<T>>,
) {
    let batch = probes.rows();
    let work = product([supports.indices.len(), probes.cols()]).saturating_mul(ELEMENT);
    let threads = parallelism.threads(work, 0).min(batch.max(1));
    if scratch.len() < threads {
        scratch.resize_with(threads, MedianScratch::default);
    }
    let probe = move |task: usize| batch * task / threads;
    let views = (ranges(retrieved, probe), shares(&mut scratch[..threads], 1));
    for_each_task(threads, threads, views, |task, (mut retrieved, scratch)| {
        for (at, b) in (probe(task)..probe(task + 1)).enumerate() {
            if supports.facts[b].kind != Kind::Proper || supports.range(b).is_empty() {
                continue;
            }
            let (probe, range) = (probes.row(b), supports.range(b));
            let indices = &supports.indices[range.clone()];
            let of = Weighted { probe, indices, weights: &supports.weights[range] };
            let to = retrieved.row_mut(at);
            for_each_median(of, memory, &mut scratch[0], |d, median, _| {
                to[d] = median.unwrap_or(probe[d]);
            });
        }
    });
}
