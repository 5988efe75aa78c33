//! Gradients of iterated recall: through every step, or at a fixed point by implicit
//! differentiation.
//!
//! At a fixed point x = T(x), dL/dx₀ = 0 and the gradient of everything else is that of one update
//! whose upstream gradient is u = (I - Jᵀ)⁻¹ g. J is symmetric where T is the gradient of a
//! potential (the dot product and its equal for squared distances): I - J is then the Hessian of
//! the energy, and u is found by conjugate gradients, each of which is one vector-Jacobian product.
//! Otherwise u = g + Jᵀ u is iterated.

use super::{GradientSums, Gradients, Upstream};
use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::memory::Memory;
use crate::retrieval::call::Call;
use crate::retrieval::work::Work;
use crate::retrieval::{Context, Retrieval};
use crate::simd::Element;

/// Most products with the Jacobian.
const MOST_PRODUCTS: usize = 1000;
/// An iteration that is nearly exact ends after this many steps without a new smallest one.
const IDLE: usize = 8;

impl<T: Element> Retrieval<'_, T> {
    /// The vector-Jacobian product of several recalls, whose operands have been checked.
    pub(super) fn backward_steps(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        upstream: Upstream<'_, T>,
        gradients: Gradients<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let steps = upstream.steps;
        let (batch, dim) = (probes.rows(), memory.dim());
        let mut states: Vec<T> = probes.iter().flatten().copied().collect();
        for step in 1..steps {
            let mut next = states[(step - 1) * batch * dim..].to_vec();
            self.apply_with(memory, &mut next, context)?;
            states.extend_from_slice(&next);
        }
        let mut sums = GradientSums::new(gradients, batch, memory);
        let mut work = context.work.take().unwrap_or_default();
        let mut result = Ok(());
        let mut g = Vec::new();
        for step in (0..steps).rev() {
            let rows = MatRef::new(&states[step * batch * dim..], batch, dim)?;
            let last = step + 1 == steps;
            let updating = self.updating();
            let retrieval = if last { self } else { &updating };
            let upstream = match last {
                true => upstream,
                false => Upstream {
                    retrieved: Some(MatRef::new(&g, batch, dim)?),
                    ..Upstream::default()
                },
            };
            let call = Call { retrieval, probes: rows, memory };
            result = call.pull(upstream, &mut sums, &mut work, context);
            if result.is_err() {
                break;
            }
            g = sums.probes.iter().map(|x| T::from_f64(*x)).collect();
        }
        context.work = Some(work);
        result?;
        sums.finish();
        Ok(())
    }

    /// The gradients of a settled recall with respect to patterns, values, bias and β, by implicit
    /// differentiation: `probes` are the fixed points that [`settle`](Self::settle) has found, and
    /// `upstream` belongs to a recall of them. The gradient with respect to where the probes came
    /// from is 0, and is written as that.
    ///
    /// ```
    /// use hopfield_kernels::{Context, Gradients, MatMut, MatRef, Memory, Retrieval, Upstream};
    ///
    /// // Their mean is a fixed point, and each pattern moves it by half as much.
    /// let memory = Memory::from([[1.0_f64, 0.0], [-1.0, 0.0]]);
    /// let (settled, g, mut dm) = ([0.0, 0.0], [0.0, 1.0], [0.0; 4]);
    /// let upstream =
    ///     Upstream::new().with_retrieved(MatRef::new(&g, 1, 2)?);
    /// let gradients =
    ///     Gradients::new().with_patterns(MatMut::new(&mut dm, 2, 2)?);
    /// let settled = MatRef::new(&settled, 1, 2)?;
    /// Retrieval::new(0.5)
    ///     .backward_settled(settled, &memory, upstream, gradients, &mut Context::new())?;
    /// assert_eq!(dm, [0.0, 0.5, 0.0, 0.5]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`backward`](Self::backward), and [`Error::Count`] for more than one step.
    pub fn backward_settled(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        upstream: Upstream<'_, T>,
        gradients: Gradients<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        self.check_backward(probes, memory, &upstream, &gradients)?;
        if upstream.steps != 1 {
            let (name, expected) = ("steps", "1 at a fixed point");
            return Err(Error::Count { name, expected, found: upstream.steps });
        }
        let (batch, dim) = (probes.rows(), memory.dim());
        let mut sums = GradientSums::new(gradients, batch, memory);
        let mut work = context.work.take().unwrap_or_default();
        let result = (|| {
            // The last recall, at the fixed point, and then all updates before it.
            let call = Call { retrieval: self, probes, memory };
            call.pull(upstream, &mut sums, &mut work, context)?;
            let g = std::mem::take(&mut sums.probes);
            sums.probes = vec![0.0; g.len()];
            let updating = self.updating();
            let call = Call { retrieval: &updating, probes, memory };
            let u = call.solve_fixed_point(&g, &mut work, context)?;
            let u: Vec<T> = u.iter().map(|u| T::from_f64(*u)).collect();
            let retrieved = Some(MatRef::new(&u, batch, dim)?);
            call.pull(Upstream { retrieved, ..Upstream::default() }, &mut sums, &mut work, context)
        })();
        context.work = Some(work);
        result?;
        sums.probes.fill(0.0);
        sums.finish();
        Ok(())
    }
}

impl<T: Element> Call<'_, T> {
    /// u = (I - Jᵀ)⁻¹ g for every probe, where J is the Jacobian of the update.
    fn solve_fixed_point(
        &self,
        g: &[f64],
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<Vec<f64>> {
        let (batch, dim) = (self.probes.rows(), self.memory.dim());
        let symmetric = self.retrieval.similarity.definition().is_symmetric()
            && !self.retrieval.separation.is_unnormalised();
        let mut product = |v: &[f64]| -> Result<Vec<f64>> {
            let rows: Vec<T> = v.iter().map(|v| T::from_f64(*v)).collect();
            let retrieved = Some(MatRef::new(&rows, batch, dim)?);
            let upstream = Upstream { retrieved, ..Upstream::default() };
            let mut sums = GradientSums::new(Gradients::default(), batch, self.memory);
            self.pull(upstream, &mut sums, work, context)?;
            Ok(sums.probes)
        };
        match symmetric {
            true => conjugate_gradients::<T>(g, batch, &mut product),
            false => fixed_point_iteration::<T>(g, &mut product),
        }
    }
}

/// The residual at which an iteration ends, relative to the gradient: a few roundings of `T`.
fn accuracy<T: Element>() -> f64 {
    4.0 * (-f64::from(T::DIGITS)).exp2()
}

/// u with (I - J) u = g, for each row of the batch by itself.
fn conjugate_gradients<T: Element>(
    g: &[f64],
    batch: usize,
    product: &mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let dim = g.len() / batch.max(1);
    let dots = |a: &[f64], b: &[f64]| -> Vec<f64> {
        let rows = a.chunks_exact(dim.max(1)).zip(b.chunks_exact(dim.max(1)));
        rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum()).collect()
    };
    let (mut u, mut residual, mut direction) = (vec![0.0; g.len()], g.to_vec(), g.to_vec());
    let mut rr = dots(&residual, &residual);
    let most: Vec<f64> = rr.iter().map(|rr| rr * accuracy::<T>().powi(2)).collect();
    for _ in 0..MOST_PRODUCTS {
        if rr.iter().zip(&most).all(|(rr, most)| rr <= most) {
            break;
        }
        let jacobian = product(&direction)?;
        let curved: Vec<f64> = direction.iter().zip(&jacobian).map(|(d, j)| d - j).collect();
        let curvature = dots(&direction, &curved);
        for b in (0..batch).filter(|&b| rr[b] > most[b] && curvature[b] != 0.0) {
            let step = rr[b] / curvature[b];
            for at in b * dim..(b + 1) * dim {
                u[at] += step * direction[at];
                residual[at] -= step * curved[at];
            }
        }
        let next = dots(&residual, &residual);
        for b in 0..batch {
            let turn = if rr[b] > 0.0 { next[b] / rr[b] } else { 0.0 };
            for at in b * dim..(b + 1) * dim {
                direction[at] = residual[at] + turn * direction[at];
            }
        }
        rr = next;
    }
    Ok(u)
}

/// u = g + Jᵀ u, iterated.
fn fixed_point_iteration<T: Element>(
    g: &[f64],
    product: &mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let mut u = g.to_vec();
    let (mut least, mut idle) = (f64::INFINITY, 0);
    for _ in 0..MOST_PRODUCTS {
        let next: Vec<f64> = product(&u)?.iter().zip(g).map(|(j, g)| j + g).collect();
        let moved = next.iter().zip(&u).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let most = next.iter().fold(0.0, |most: f64, u| most.max(u.abs()));
        u = next;
        idle = if moved < least { 0 } else { idle + 1 };
        least = least.min(moved);
        // Products have roundings of their own, so that steps may not become as small as that.
        let settled = idle > IDLE && moved <= 256.0 * accuracy::<T>() * most;
        if settled || moved <= accuracy::<T>() * most {
            break;
        }
    }
    Ok(u)
}
