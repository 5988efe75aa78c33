//! The vector-Jacobian product of an update T(x), or of a readout, of one probe.

use super::similarity::{add, add_to, dot};
use crate::matrix::MatMut;
use crate::retrieval::update::{ProbeUpdate, SupportRows};
use crate::simd::Element;

/// The support of one probe, and the rows that its weights belong to.
#[derive(Clone, Copy)]
pub(super) struct Support<'a, T> {
    pub indices: &'a [u32],
    pub weights: &'a [f64],
    /// M, or V for a readout.
    pub rows: SupportRows<'a, T>,
}

impl<'a, T: Element> Support<'a, T> {
    /// Weights and rows.
    fn iter(&self) -> impl Iterator<Item = (u32, f64, &'a [T])> + use<'_, 'a, T> {
        let pairs = self.indices.iter().zip(self.weights);
        pairs.enumerate().map(|(at, (&n, &p))| (n, p, self.rows.row(at, n)))
    }

    /// Σ factor(n, p, m) m
    fn sum(&self, factor: impl Fn(f64, &[T]) -> f64) -> Vec<f64> {
        let mut sum = vec![0.0; self.rows.dim()];
        self.iter().for_each(|(_, p, m)| add(&mut sum, factor(p, m), m));
        sum
    }
}

/// An update of one probe, and the gradient of what it gives.
#[derive(Clone, Copy)]
pub(super) struct Updated<'a, T> {
    /// The probe.
    pub x: &'a [T],
    pub support: Support<'a, T>,
    /// dL/dT(x)
    pub g: &'a [f64],
}

/// Where the gradients of one probe are written.
pub(super) struct ProbeGradients<'a> {
    /// dL/dp: overwritten.
    pub dp: &'a mut Vec<f64>,
    /// dL/dx: added to.
    pub dx: &'a mut [f64],
}

/// Rows to which gradients are added; none if they are not wanted.
pub(super) struct Gradient<'a, T> {
    rows: Option<MatMut<'a, T>>,
}

impl<'a, T: Element> Gradient<'a, T> {
    pub fn of(rows: &'a mut Option<MatMut<'_, T>>) -> Self {
        Self { rows: rows.as_mut().map(MatMut::reborrow) }
    }

    /// The gradient of row `n`, if it is wanted.
    pub fn row(&mut self, n: u32) -> Option<&mut [T]> {
        self.rows.as_mut().map(|rows| rows.row_mut(n as usize))
    }

    /// Adds `factor` times `x` to the gradient of row `n`.
    pub fn add<A: Element>(&mut self, n: u32, factor: f64, x: &[A]) {
        if let Some(row) = self.row(n) {
            add_to(row, factor, x);
        }
    }
}

/// Writes dL/dp, adds dL/dx as far as x is in the update itself, and dL/dm to `dm`.
pub(super) fn pull<T: Element>(
    update: ProbeUpdate,
    of: Updated<'_, T>,
    to: ProbeGradients<'_>,
    dm: &mut Gradient<'_, T>,
) {
    to.dp.clear();
    match update {
        ProbeUpdate::Sum => pull_sum(of, to.dp, dm),
        ProbeUpdate::Mean => pull_mean(of, to.dp, dm),
        ProbeUpdate::Sphere => pull_sphere(false, of, to, dm),
        ProbeUpdate::UnitSphere => pull_sphere(true, of, to, dm),
        ProbeUpdate::Weiszfeld => pull_weiszfeld(of, to, dm),
        ProbeUpdate::Median => pull_medians(of, to, dm),
    }
}

/// y = Σ p m
fn pull_sum<T: Element>(
    Updated { support, g, .. }: Updated<'_, T>,
    dp: &mut Vec<f64>,
    dm: &mut Gradient<'_, T>,
) {
    for (n, p, m) in support.iter() {
        dp.push(dot(g, m));
        dm.add(n, p, g);
    }
}

/// y = Σ p m / Σ p
fn pull_mean<T: Element>(
    Updated { support, g, .. }: Updated<'_, T>,
    dp: &mut Vec<f64>,
    dm: &mut Gradient<'_, T>,
) {
    let sum: f64 = support.weights.iter().sum();
    let at_mean = dot(g, &support.sum(|p, _| p / sum));
    for (n, p, m) in support.iter() {
        dp.push((dot(g, m) - at_mean) / sum);
        dm.add(n, p / sum, g);
    }
}

/// y = u / ‖u‖ with u = Σ p m, or Σ p m / ‖m‖; x where that is 0.
fn pull_sphere<T: Element>(
    unit: bool,
    Updated { support, g, .. }: Updated<'_, T>,
    ProbeGradients { dp, dx }: ProbeGradients<'_>,
    dm: &mut Gradient<'_, T>,
) {
    let norm_of = |m: &[T]| if unit { dot(m, m).sqrt() } else { 1.0 };
    let inverse = |m: &[T]| if norm_of(m) == 0.0 { 0.0 } else { 1.0 / norm_of(m) };
    // The direction of the sum does not depend on a common factor, which keeps it finite.
    let most = support.weights.iter().fold(0.0, |most: f64, p| most.max(p.abs()));
    let sum = support.sum(|p, m| p / most * inverse(m));
    let norm = dot(&sum, &sum).sqrt();
    if norm == 0.0 {
        dp.resize(support.indices.len(), 0.0);
        add(dx, 1.0, g);
        return;
    }
    let along = dot(g, &sum) / norm;
    let mut to_sum: Vec<f64> = g.iter().map(|g| g / (norm * most)).collect();
    add(&mut to_sum, -along / (norm * norm * most), &sum);
    for (n, p, m) in support.iter() {
        let (scale, at) = (inverse(m), dot(&to_sum, m));
        dp.push(at * scale);
        dm.add(n, p * scale, &to_sum);
        if unit {
            dm.add(n, -p * at * scale * scale * scale, m);
        }
    }
}

/// y = Σ w m / Σ w with w = p / ‖x - m‖; x where some x = m.
fn pull_weiszfeld<T: Element>(
    Updated { x, support, g }: Updated<'_, T>,
    ProbeGradients { dp, dx }: ProbeGradients<'_>,
    dm: &mut Gradient<'_, T>,
) {
    let distance = |m: &[T]| {
        let squares = x.iter().zip(m).map(|(x, m)| (x.to_f64() - m.to_f64()).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let sum: f64 = support.iter().map(|(_, p, m)| p / distance(m)).sum();
    if sum.is_infinite() {
        dp.resize(support.indices.len(), 0.0);
        add(dx, 1.0, g);
        return;
    }
    let at_mean = dot(g, &support.sum(|p, m| p / distance(m) / sum));
    for (n, p, m) in support.iter() {
        let d = distance(m);
        let dw = (dot(g, m) - at_mean) / sum;
        dp.push(dw / d);
        dm.add(n, p / (d * sum), g);
        // d = ‖x - m‖, whose gradient is (x - m) / d.
        let factor = -dw * p / (d * d * d);
        add(dx, factor, x);
        add(dx, -factor, m);
        dm.add(n, -factor, x);
        dm.add(n, factor, m);
    }
}

/// Every feature is that of one pattern, or the probe's own: weights have no influence.
fn pull_medians<T: Element>(
    Updated { x, support, g }: Updated<'_, T>,
    ProbeGradients { dp, dx }: ProbeGradients<'_>,
    dm: &mut Gradient<'_, T>,
) {
    dp.resize(support.indices.len(), 0.0);
    let half = 0.5 * support.weights.iter().sum::<f64>();
    for (d, &g) in g.iter().enumerate() {
        let x = x[d].to_f64();
        let (mut below, mut above) = (0.0, 0.0);
        let mut column: Vec<(f64, f64, u32)> = Vec::with_capacity(support.indices.len());
        for (n, p, m) in support.iter() {
            let m = m[d].to_f64();
            below += if m < x { p } else { 0.0 };
            above += if m > x { p } else { 0.0 };
            column.push((m, p, n));
        }
        if below <= half && above <= half {
            dx[d] += g;
            continue;
        }
        column.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut so_far = 0.0;
        let median = column.iter().find(|(_, p, _)| {
            so_far += p;
            so_far >= half
        });
        if let Some(row) = median.and_then(|&(_, _, n)| dm.row(n)) {
            row[d] = T::from_f64(row[d].to_f64() + g);
        }
    }
}
