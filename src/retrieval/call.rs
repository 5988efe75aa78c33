//! A recall whose operands have been checked, and what the drivers need to know of it.

use crate::driver::blocking::Plan;
use crate::driver::shared::Shared;
use crate::driver::sparse::Sparse;
use crate::driver::streaming::Streaming;
use crate::matrix::MatRef;
use crate::memory::Memory;
use crate::retrieval::Retrieval;
use crate::retrieval::context::Context;
use crate::retrieval::factors::Factors;
use crate::retrieval::screening::Screening;
use crate::separation::family::Separation;
use crate::separation::rows::RowSeparation;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Level};
use crate::similarity::accumulate::Sums;
use crate::similarity::scoring::Scoring;

/// A recall whose operands have been checked.
pub(crate) struct Call<'a, T> {
    pub retrieval: &'a Retrieval<'a, T>,
    pub probes: MatRef<'a, T>,
    pub memory: &'a Memory<T>,
}

impl<'a, T: Element> Call<'a, T> {
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
        separation: Streaming<T>,
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
        let screens = retrieval.screening != Screening::Never && scoring.sums == Sums::Products;
        // Probes of a tile share their patterns, and 0 NaN is NaN. Where some probes alone mask a
        // pattern that is not finite, tiles therefore have one probe.
        let one_by_one = (scoring.has_bias() || matches!(separation, Streaming::Given(_)))
            && !memory.is_finite();
        Shared {
            level,
            plan,
            memory: memory.rows(),
            values,
            scoring: (!scoring.is_dot()).then_some(scoring),
            first: 0,
            value_factors: None,
            separation,
            keep: retrieval.keep,
            beta: retrieval.beta,
            gain: retrieval.gain,
            scales_similarities: !retrieval.plain_similarities,
            sub_memory: None,
            quadratic: retrieval.is_quadratic(),
            probe_tile: if one_by_one { 1 } else { PROBE_TILE },
            codes: memory.code_store().filter(|_| screens),
            hints: retrieval.hints,
        }
    }

    pub fn solver<'s>(
        &self,
        shared: &'s Shared<'s, T>,
        separation: &'s dyn RowSeparation,
        potentials: bool,
        context: &Context<T>,
    ) -> Sparse<'s, T> {
        let (beta, parallelism) = (self.retrieval.total_beta(), context.parallelism());
        let (entropies, keeps_all) = (false, false);
        Sparse { shared, separation, beta, potentials, entropies, keeps_all, parallelism }
    }
}
