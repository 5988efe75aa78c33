//! Recall from supports, the patterns that have a weight: the sparse driver, and the outputs that
//! are computed from supports.

use crate::driver::blocking::Plan;
use crate::driver::input::{Input, SparseRows};
use crate::driver::outputs::{Outputs, PerPattern};
use crate::driver::project_run::project;
use crate::driver::run::run;
use crate::driver::sparse::{Kind, LeavesOut, Sparse, SparseScratch, Supports};
use crate::driver::streaming::Streaming;
use crate::error::Result;
use crate::matrix::MatMut;
use crate::memory::Memory;
use crate::retrieval::Context;
use crate::retrieval::call::Call;
use crate::retrieval::update::{Projected, Supported, complete, projection_weights};
use crate::retrieval::work::Work;
use crate::separation::rows::Reach;
use crate::simd::Element;
use crate::similarity::definition::ProbeUpdate;
use crate::similarity::scoring::Scoring;

/// The share of the patterns in a support below which every probe is projected by itself.
const FEW: f64 = 0.1;

impl<T: Element> Call<'_, T> {
    /// Finds the supports of a softmax that has been streamed.
    pub fn solve(
        &self,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let shared = self.shared(Streaming::UNWEIGHTED, scoring, context.level()?);
        self.retrieval.separation_of_rows(self.memory.patterns(), |separation| {
            let solver = self.solver(&shared, separation, false, context);
            solver.solve(self.probes, PerPattern::none(), &mut work.sparse, &mut |_, _| false)
        })
    }

    /// Finds the supports alone.
    pub fn supports(&self, work: &mut Work<T>, context: &mut Context<T>) -> Result<()> {
        let factors = &mut work.factors;
        factors.prepare(self.retrieval.similarity, self.probes, self.memory)?;
        let factors = std::mem::take(factors);
        let result = (|| {
            let scoring = self.scoring(&factors);
            let shared = self.shared(Streaming::UNWEIGHTED, &scoring, context.level()?);
            self.retrieval.separation_of_rows(self.memory.patterns(), |separation| {
                let keeps_all = separation.reach() == Reach::All;
                let solver =
                    Sparse { keeps_all, ..self.solver(&shared, separation, true, context) };
                solver.solve(self.probes, PerPattern::none(), &mut work.sparse, &mut |_, _| false)
            })
        })();
        work.factors = factors;
        result
    }

    /// By a separation of rows, from candidates. Of probes that are left out, the outputs are
    /// unspecified.
    pub fn sparse(
        &self,
        mut outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
        leaves_out: &mut LeavesOut<'_, T>,
    ) -> Result<()> {
        let retrieval = self.retrieval;
        let shared = self.shared(Streaming::UNWEIGHTED, scoring, context.level()?);
        let similarities = outputs.similarities.as_mut().map(MatMut::reborrow);
        let potentials = outputs.lse.is_some() || outputs.energy.is_some();
        let per_pattern = PerPattern { similarities, scores: None };
        retrieval.separation_of_rows(self.memory.patterns(), |separation| {
            let entropies = outputs.entropy.is_some();
            let solver =
                Sparse { entropies, ..self.solver(&shared, separation, potentials, context) };
            solver.solve(self.probes, per_pattern, &mut work.sparse, leaves_out)
        })?;
        context.counters.add(&work.sparse);
        if let Some(retrieved) = &mut outputs.retrieved {
            self.project(retrieved, scoring, work, context)?;
        }
        self.write(outputs, &work.sparse.supports);
        Ok(())
    }

    /// The projection of the supports, or the update that belongs to the similarity.
    fn project(
        &self,
        retrieved: &mut MatMut<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Work { sparse: SparseScratch { supports, .. }, projected, update: scratch, .. } = work;
        let (retrieval, memory) = (self.retrieval, self.memory);
        let update = retrieval.probe_update();
        let readout = retrieval.value_dim(memory).is_some();
        let weights = if readout { ProbeUpdate::Sum } else { update };
        let of = Supported { supports, probes: self.probes, memory };
        projection_weights(weights, of, scratch, projected);
        let rows = SparseRows { weights: projected, ..supports.rows() };
        let shared = self.shared(Streaming::GIVEN, scoring, context.level()?);
        // Probes of a tile share the patterns of all their supports, which is a loss where these
        // have little in common.
        let share = projected.len() as f64 / (supports.facts.len() * memory.patterns()) as f64;
        let parallelism = context.parallelism();
        let sums = readout || update != ProbeUpdate::Median;
        let few = sums && share < FEW;
        if sums && !(few && project(&shared, rows, retrieved.reborrow(), parallelism)) {
            let outputs = Outputs { retrieved: Some(retrieved.reborrow()), ..Outputs::default() };
            run(&shared, Input::Sparse(rows), outputs, parallelism, &mut context.memory)?;
        }
        match readout {
            true => readouts(supports, memory, retrieved),
            false => {
                let (weights, gain) = (&projected[..], retrieval.gain);
                let projected = Projected { of, weights, gain, parallelism };
                complete(update, projected, retrieved, scratch);
            }
        }
        Ok(())
    }

    /// Writes the outputs that the supports tell.
    fn write(&self, mut outputs: Outputs<'_, T>, supports: &Supports<T>) {
        let gain = self.retrieval.gain;
        let scales = gain != T::ONE && !self.retrieval.plain_similarities;
        if let Some(similarities) = outputs.similarities.as_mut().filter(|_| scales) {
            for b in 0..similarities.rows() {
                similarities.row_mut(b).iter_mut().for_each(|s| *s = *s * gain);
            }
        }
        if let Some(weights) = &mut outputs.memory_weights {
            for b in 0..weights.rows() {
                self.write_weights(b, supports, weights.row_mut(b));
            }
        }
        if let Some(energy) = outputs.energy {
            self.energies(energy, |b| supports.facts[b].potential);
        }
        for (b, fact) in supports.facts.iter().enumerate() {
            let elements = [
                (&mut outputs.lse, fact.potential),
                (&mut outputs.entropy, fact.entropy),
                (&mut outputs.best_weight, fact.best_weight),
            ];
            for (output, value) in elements {
                if let Some(output) = output {
                    output[b] = T::from_f64(value);
                }
            }
            if let Some(best) = &mut outputs.best {
                best[b] = fact.best;
            }
            if let Some(support) = &mut outputs.support {
                support[b] = supports.range(b).len();
            }
        }
    }

    /// The memory weights of probe `b`: NaN where it is not finite, but for masked patterns.
    fn write_weights(&self, b: usize, supports: &Supports<T>, to: &mut [T]) {
        if supports.facts[b].kind == Kind::NotFinite {
            for (n, to) in to.iter_mut().enumerate() {
                *to = if self.retrieval.takes_part(b, n) { T::NAN } else { T::ZERO };
            }
            return;
        }
        to.fill(T::ZERO);
        let range = supports.range(b);
        for (&n, &weight) in supports.indices[range.clone()].iter().zip(&supports.weights[range]) {
            to[n as usize] = T::from_f64(weight);
        }
    }

    /// Σ p m of the supports into padded rows of scratch, for statistics.
    pub fn means(
        &self,
        to: MatMut<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Work { sparse: SparseScratch { supports, .. }, projected, update, .. } = work;
        let of = Supported { supports, probes: self.probes, memory: self.memory };
        projection_weights(ProbeUpdate::Sum, of, update, projected);
        let rows = SparseRows { weights: projected, ..supports.rows() };
        self.combine(Input::Sparse(rows), to, scoring, context)
    }

    /// Σ p m of given weights.
    pub fn combine(
        &self,
        weights: Input<'_, T>,
        to: MatMut<'_, T>,
        scoring: &Scoring<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let mut shared = self.shared(Streaming::GIVEN, scoring, context.level()?);
        (shared.values, shared.gain) = (None, T::ONE);
        shared.plan = Plan::new::<T>(self.memory.patterns(), self.memory.dim());
        let outputs = Outputs { retrieved: Some(to), ..Outputs::default() };
        run(&shared, weights, outputs, context.parallelism(), &mut context.memory)
    }
}

/// Rows of values: NaN where the probe is not finite, the row itself where it has all weight.
fn readouts<T: Element>(supports: &Supports<T>, memory: &Memory<T>, retrieved: &mut MatMut<'_, T>) {
    let Some(values) = memory.values() else { return };
    for (b, fact) in supports.facts.iter().enumerate() {
        let range = supports.range(b);
        let to = retrieved.row_mut(b);
        match (fact.kind, &supports.weights[range.clone()]) {
            (Kind::NotFinite, _) => to.fill(T::NAN),
            (_, &[1.0]) => to.copy_from_slice(values.row(supports.indices[range.start] as usize)),
            _ => {}
        }
    }
}
