//! One recall: the scoring and the driver that a similarity and a separation need, and outputs that
//! depend on the support.

use crate::driver::backward_run::GradientScratch;
use crate::driver::blocking::Plan;
use crate::driver::compiled;
use crate::driver::energy::SubMemory;
use crate::driver::outputs::{Outputs, PerPattern, Statistics};
use crate::driver::project::project;
use crate::driver::run::run;
use crate::driver::scratch::grow;
use crate::driver::small::{self, Small};
use crate::driver::source::{Input, SparseRows};
use crate::driver::sparse::{Kind, Sparse, SparseScratch, Supports};
use crate::driver::tasks::{Job, Shared};
use crate::error::Result;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::backward::supports::SupportScratch;
use crate::retrieval::factors::Factors;
use crate::retrieval::peaked::Gathered;
use crate::retrieval::statistics::{self, StatisticsScratch};
use crate::retrieval::strategy::Screening;
use crate::retrieval::update::{
    ProbeUpdate, Projected, UpdateScratch, complete, projection_weights, to_sphere,
};
use crate::retrieval::{Context, Retrieval};
use crate::separation::family::Separation;
use crate::separation::rows::Reach;
use crate::separation::state::SoftmaxParams;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Level};
use crate::similarity::Similarity;
use crate::similarity::accumulate::Sums;
use crate::similarity::scoring::{Scoring, least_unmasked};

/// The share of the patterns in a support below which every probe is projected by itself.
const FEW: f64 = 0.1;

/// What a recall keeps from call to call besides the drivers' scratch.
#[derive(Debug, Clone)]
pub(crate) struct Work<T> {
    pub factors: Factors<T>,
    pub sparse: SparseScratch<T>,
    /// The weights of the projection.
    pub projected: Vec<T>,
    pub lse: Vec<T>,
    pub statistics: StatisticsScratch<T>,
    pub gradients: GradientScratch<T>,
    pub supports: SupportScratch<T>,
    pub update: UpdateScratch<T>,
    pub gathered: Gathered<T>,
    /// Patterns and their scores, to be sorted.
    pub ranking: Vec<(u32, T)>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self {
            factors: Factors::default(),
            sparse: SparseScratch::default(),
            projected: Vec::new(),
            lse: Vec::new(),
            statistics: StatisticsScratch::default(),
            gradients: GradientScratch::default(),
            supports: SupportScratch::default(),
            update: UpdateScratch::default(),
            gathered: Gathered::default(),
            ranking: Vec::new(),
        }
    }
}

/// A recall whose operands have been checked.
pub(crate) struct Call<'a, T> {
    pub retrieval: &'a Retrieval<'a, T>,
    pub probes: MatRef<'a, T>,
    pub memory: &'a Memory<T>,
}

impl<'a, T: Element> Call<'a, T> {
    /// Recalls, and writes what is asked for.
    pub fn run(
        &self,
        outputs: Outputs<'_, T>,
        statistics: Statistics<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Work { factors, .. } = work;
        factors.prepare(self.retrieval.similarity, self.probes, self.memory)?;
        let factors = std::mem::take(factors);
        let scoring = &self.scoring(&factors);
        let result = match statistics.any() {
            true => statistics::run(self, (outputs, statistics), scoring, work, context),
            false => self.weigh(outputs, scoring, work, context),
        };
        work.factors = factors;
        result
    }

    /// Recalls by the driver that the separation takes.
    pub fn weigh(
        &self,
        outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        match self.retrieval.streams() {
            true => self.softmax(outputs, scoring, work, context),
            false => self.sparse(outputs, scoring, work, context),
        }
    }

    /// Finds the supports of a softmax that has been streamed.
    pub fn solve(
        &self,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let shared = self.shared(Job::Scores, scoring, context.level()?);
        self.retrieval.separation_of_rows(self.memory.patterns(), |separation| {
            let solver = self.solver(&shared, separation, false, context);
            solver.solve(self.probes, PerPattern::none(), &mut work.sparse)
        })
    }

    /// Finds the supports alone.
    pub fn supports(&self, work: &mut Work<T>, context: &mut Context<T>) -> Result<()> {
        let factors = &mut work.factors;
        factors.prepare(self.retrieval.similarity, self.probes, self.memory)?;
        let factors = std::mem::take(factors);
        let result = (|| {
            let scoring = self.scoring(&factors);
            let shared = self.shared(Job::Scores, &scoring, context.level()?);
            self.retrieval.separation_of_rows(self.memory.patterns(), |separation| {
                let keeps_all = separation.reach() == Reach::All;
                let solver =
                    Sparse { keeps_all, ..self.solver(&shared, separation, true, context) };
                solver.solve(self.probes, PerPattern::none(), &mut work.sparse)
            })
        })();
        work.factors = factors;
        result
    }

    pub fn scoring<'f>(&self, factors: &'f Factors<T>) -> Scoring<'f, T>
    where
        'a: 'f,
    {
        let retrieval = self.retrieval;
        let exact = matches!(retrieval.separation, Separation::Epanechnikov(_));
        Scoring {
            bias: retrieval.bias,
            biases: retrieval.biases,
            masks: retrieval.masks,
            bias_scale: T::from_f64(1.0 / retrieval.total_beta()),
            ..factors.scoring(
                retrieval.similarity,
                exact,
                self.probes.rows(),
                self.memory.patterns(),
            )
        }
    }

    pub fn shared<'f>(
        &self,
        job: Job<T>,
        scoring: &'f Scoring<'f, T>,
        level: Level,
    ) -> Shared<'f, T>
    where
        'a: 'f,
    {
        let (retrieval, memory) = (self.retrieval, self.memory);
        let plan = Plan::new::<T>(memory.patterns(), memory.dim());
        let values = memory.value_rows().filter(|_| !retrieval.updates);
        let plan = retrieval.value_dim(memory).map_or(plan, |dim| plan.with_values::<T>(dim));
        // Probes of a tile share their patterns, and 0 NaN is NaN: where patterns are masked for
        // some probes alone and one is not finite, each probe has a tile to itself.
        let screens = retrieval.screening != Screening::Never && scoring.sums == Sums::Products;
        let apart = (scoring.has_bias() || matches!(job, Job::Combine)) && !memory.is_finite();
        Shared {
            level,
            plan,
            memory: memory.rows(),
            values,
            scoring: (!scoring.is_dot()).then_some(scoring),
            first: 0,
            value_factors: None,
            job,
            keep: retrieval.keep,
            beta: retrieval.beta,
            gain: retrieval.gain,
            scales_similarities: !retrieval.plain_similarities,
            sub_memory: None,
            quadratic: retrieval.is_quadratic(),
            probe_tile: if apart { 1 } else { PROBE_TILE },
            codes: memory.code_store().filter(|_| screens),
            hints: retrieval.hints,
        }
    }

    pub fn solver<'s>(
        &self,
        shared: &'s Shared<'s, T>,
        separation: &'s dyn crate::separation::rows::RowSeparation,
        potentials: bool,
        context: &Context<T>,
    ) -> Sparse<'s, T> {
        let (beta, parallelism) = (self.retrieval.total_beta(), context.parallelism());
        let (entropies, keeps_all) = (false, false);
        Sparse { shared, separation, beta, potentials, entropies, keeps_all, parallelism }
    }

    /// Recalls one probe from few short patterns, if no more than X̂ is wanted. Returns whether it
    /// has.
    pub fn small(&self, outputs: &mut Outputs<'_, T>, context: &mut Context<T>) -> Result<bool> {
        let (retrieval, memory) = (self.retrieval, self.memory);
        let patterns = memory.rows().padded();
        let fits = patterns.filter(|rows| small::is_small(rows.rows(), rows.cols()));
        let (Some(patterns), 1) = (fits, self.probes.rows()) else { return Ok(false) };
        let differs = retrieval.keep.is_some() || retrieval.value_dim(memory).is_some();
        if differs || !retrieval.is_plain() || !self.never_peaked() {
            return Ok(false);
        }
        let Some(retrieved) = outputs.only_retrieved() else { return Ok(false) };
        let most = memory.known_max_squared_norm_of(None);
        let level = context.level()?;
        context.memory.reserve(small::SCRATCH as u64, 0, 0)?;
        let recall = Small {
            probe: self.probes.row(0),
            patterns,
            params: retrieval.params(memory.patterns()).among(most, memory.dim()),
            gain: retrieval.gain,
            scratch: &mut context.memory.floats[..small::SCRATCH],
            retrieved: retrieved.row_mut(0),
        };
        let done = compiled::small(level, recall);
        context.counters.add_dense(usize::from(done));
        Ok(done)
    }

    /// By the online softmax.
    pub fn dense(
        &self,
        mut outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        kept_lse: &mut Vec<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let (retrieval, memory, batch) = (self.retrieval, self.memory, self.probes.rows());
        let params = SoftmaxParams {
            entropy_sum: outputs.entropy.is_some(),
            best: outputs.best.is_some() || outputs.best_weight.is_some(),
            null: retrieval.null(),
            ..retrieval.params(memory.patterns())
        };
        let mut shared = self.shared(Job::Recall(params), scoring, context.level()?);
        let on_sphere = retrieval.similarity == Similarity::Cosine && shared.values.is_none();
        if on_sphere {
            shared.value_factors = scoring.pattern_factors;
        }
        if shared.scoring.is_none() {
            let most = memory.known_max_squared_norm_of(retrieval.keep);
            shared.job = Job::Recall(params.among(most, memory.dim()));
        }
        // Where masks differ from probe to probe, so do the constants of the energy.
        let energy = if scoring.has_bias() { outputs.energy.take() } else { None };
        if outputs.energy.is_some() {
            shared.sub_memory = Some(SubMemory::of(memory, retrieval.keep));
        }
        if energy.is_some() {
            grow!(*kept_lse, batch as u64, T::ZERO);
        }
        let mut lse = outputs.lse.take();
        let wanted_lse = match (&mut lse, energy.is_some()) {
            (Some(lse), _) => Some(&mut lse[..]),
            (None, true) => Some(&mut kept_lse[..batch]),
            (None, false) => None,
        };
        let mut retrieved = outputs.retrieved.take();
        let passed = Outputs {
            retrieved: retrieved.as_mut().map(MatMut::reborrow),
            lse: wanted_lse,
            ..outputs
        };
        let parallelism = context.parallelism();
        run(&shared, Input::Rows(self.probes), passed, parallelism, &mut context.memory)?;
        if let Some(retrieved) = retrieved.as_mut().filter(|_| on_sphere) {
            let states = &context.memory.states[..batch];
            for (b, probe) in self.probes.iter().enumerate() {
                // All masked: zeros.
                if states[b].row_max >= least_unmasked() {
                    to_sphere(probe, retrieved.row_mut(b));
                }
            }
        }
        if let Some(energy) = energy {
            let lse = lse.as_deref().unwrap_or(kept_lse);
            self.energies(energy, |b| lse[b].to_f64());
        }
        Ok(())
    }

    /// By a separation of rows, from candidates.
    pub fn sparse(
        &self,
        mut outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let retrieval = self.retrieval;
        let shared = self.shared(Job::Scores, scoring, context.level()?);
        let similarities = outputs.similarities.as_mut().map(MatMut::reborrow);
        let potentials = outputs.lse.is_some() || outputs.energy.is_some();
        let per_pattern = PerPattern { similarities, scores: None };
        retrieval.separation_of_rows(self.memory.patterns(), |separation| {
            let entropies = outputs.entropy.is_some();
            let solver =
                Sparse { entropies, ..self.solver(&shared, separation, potentials, context) };
            solver.solve(self.probes, per_pattern, &mut work.sparse)
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
        let update = ProbeUpdate::of(retrieval.similarity, retrieval.separation);
        let readout = retrieval.value_dim(memory).is_some();
        let weights = if readout { ProbeUpdate::Sum } else { update };
        projection_weights(weights, supports, (self.probes, memory), scratch, projected);
        let rows = SparseRows { weights: projected, ..supports.rows() };
        let shared = self.shared(Job::Combine, scoring, context.level()?);
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
                let of = Projected { supports, weights: projected, gain: retrieval.gain };
                let to = (retrieved, parallelism);
                complete(update, of, (self.probes, memory), to, scratch);
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
            let floats = [
                (&mut outputs.lse, fact.potential),
                (&mut outputs.entropy, fact.entropy),
                (&mut outputs.best_weight, fact.best_weight),
            ];
            for (output, value) in floats {
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
        let of = (self.probes, self.memory);
        projection_weights(ProbeUpdate::Sum, supports, of, update, projected);
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
        let mut shared = self.shared(Job::Combine, scoring, context.level()?);
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
