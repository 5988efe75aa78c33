//! Gradients of the softmax recall of dot products by the fused kernel.

use super::{GradientSums, Upstream};
use crate::driver::backward_run::{Given, GradientScratch, Wanted, run};
use crate::driver::outputs::Outputs;
use crate::driver::streaming::Streaming;
use crate::error::Result;
use crate::matrix::{MatMut, MatRef};
use crate::retrieval::Context;
use crate::retrieval::call::Call;
use crate::retrieval::factors::Factors;
use crate::retrieval::work::Work;
use crate::separation::state::SoftmaxParams;
use crate::simd::Element;
use crate::similarity::Similarity;

impl<T: Element> Call<'_, T> {
    /// Whether the fused kernel computes these gradients: the recall is a softmax of dot products,
    /// and all operands are finite (0 times an infinity or NaN is NaN).
    pub(super) fn is_fused(&self, upstream: Upstream<'_, T>) -> bool {
        let finite = |rows: MatRef<'_, T>| rows.iter().flatten().all(|x| x.is_finite());
        self.retrieval.streams()
            && self.retrieval.similarity == Similarity::Dot
            && self.retrieval.null() == T::ZERO
            && self.memory.is_finite()
            && finite(self.probes)
            && upstream.retrieved.is_some_and(finite)
    }

    /// Adds the gradients of this recall to `sums`; those of the probes are overwritten.
    pub(super) fn pull_fused(
        &self,
        upstream: Upstream<'_, T>,
        sums: &mut GradientSums<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let (memory, batch) = (self.memory, self.probes.rows());
        let Some(g) = upstream.retrieved else { return Ok(()) };
        // The states of the softmax, and g · x̂ for every probe.
        let width = g.cols();
        let mut retrieved = vec![T::ZERO; batch * width];
        let mut lse = vec![T::ZERO; batch];
        let outputs = Outputs {
            retrieved: Some(MatMut::new(&mut retrieved, batch, width)?),
            lse: Some(&mut lse),
            ..Outputs::default()
        };
        self.dense(outputs, &self.scoring(&Factors::default()), &mut work.lse, context)?;
        let beta = self.retrieval.beta.to_f64();
        let shift = |b: usize| {
            let pairs = g.row(b).iter().zip(&retrieved[b * width..]);
            let along: f64 = pairs.map(|(g, x)| g.to_f64() * x.to_f64()).sum();
            let r = upstream.lse.map_or(0.0, |g| g[b].to_f64());
            let energy = upstream.energy.map_or(0.0, |g| g[b].to_f64());
            T::from_f64(along - (r - energy / beta))
        };
        let shifts: Vec<T> = (0..batch).map(shift).collect();
        let states = context.memory.states[..batch].to_vec();
        let params: SoftmaxParams<T> = self.retrieval.params(memory.patterns());
        let factors = Factors::default();
        let scoring = self.scoring(&factors);
        let shared = self.shared(Streaming::softmax(params), &scoring, context.level()?);
        let chunk = shared.plan.batch::<T>();
        let mut scratch = std::mem::take(&mut work.gradients);
        let mut bias = vec![T::ZERO; sums.bias.len()];
        let mut result = Ok(());
        for start in (0..batch).step_by(chunk) {
            let rows = start..batch.min(start + chunk);
            let part = shared.for_probes(rows.clone());
            let given = Given {
                shared: &part,
                params,
                probes: self.probes.subrows(rows.clone()),
                upstream: g.subrows(rows.clone()),
                states: &states[rows.clone()],
                shifts: &shifts[rows.clone()],
            };
            let wanted = self.wanted(sums, &mut bias, rows.clone());
            result = run(&given, wanted, &mut scratch, context.parallelism());
            if result.is_err() {
                break;
            }
            self.take_probes(&scratch, shared.plan.stride, sums, rows);
        }
        work.gradients = scratch;
        result?;
        sums.bias.iter_mut().zip(bias).for_each(|(sum, g)| *sum += g.to_f64());
        for (b, lse) in lse.iter().enumerate() {
            let energy = upstream.energy.map_or(0.0, |g| g[b].to_f64());
            if energy != 0.0 && *lse != T::NEG_INFINITY {
                let mut dx = vec![0.0; memory.dim()];
                self.pull_energy(b, energy, lse.to_f64(), &mut dx, sums);
                let to = &mut sums.probes[b * memory.dim()..][..memory.dim()];
                to.iter_mut().zip(&dx).for_each(|(to, dx)| *to += dx);
            }
        }
        Ok(())
    }

    /// Where the kernel adds gradients, for some of the probes.
    fn wanted<'s>(
        &self,
        sums: &'s mut GradientSums<'_, T>,
        bias: &'s mut [T],
        rows: std::ops::Range<usize>,
    ) -> Wanted<'s, T> {
        Wanted {
            patterns: sums.patterns.as_mut().map(MatMut::reborrow),
            values: match self.retrieval.value_dim(self.memory) {
                Some(_) => sums.values.as_mut().map(MatMut::reborrow),
                None => None,
            },
            biases: sums.biases.as_mut().map(|biases| biases.rows_mut(rows)),
            bias: (!bias.is_empty()).then_some(bias),
        }
    }

    /// Copies the gradients of some probes, and adds that of β.
    fn take_probes(
        &self,
        scratch: &GradientScratch<T>,
        stride: usize,
        sums: &mut GradientSums<'_, T>,
        rows: std::ops::Range<usize>,
    ) {
        let dim = self.memory.dim();
        for (b, from) in rows.clone().zip(scratch.probes.chunks_exact(stride)) {
            let to = &mut sums.probes[b * dim..][..dim];
            to.iter_mut().zip(from).for_each(|(to, g)| *to = g.to_f64());
        }
        sums.beta += scratch.betas[..rows.len()].iter().map(|g| g.to_f64()).sum::<f64>();
    }
}
