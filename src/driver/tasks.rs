//! The two ways to divide a recall into tasks: by probes and by splits. Both compute the same bits.

use std::ops::Range;

use crate::driver::blocking::Plan;
use crate::driver::compiled;
use crate::driver::divide::{Columns, Cut};
use crate::driver::energy::Energies;
use crate::driver::finish::Finish;
use crate::driver::forward::{Forward, TileScratch};
use crate::driver::input::Input;
use crate::driver::merge::Merge;
use crate::driver::outputs::{Outputs, PerPattern};
use crate::driver::scratch::take;
use crate::driver::shared::Shared;
use crate::driver::streaming::StreamingSeparation;
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::separation::state::State;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Caches, Element};

impl<T: Element> Shared<'_, T> {
    /// Merges a later split's recall into that of the earlier ones.
    fn join(&self, earlier: Partial<'_, T>, later: Partial<'_, T>) {
        let count = later.states.len();
        let Some(scale) = self.separation.merge_scale() else { return };
        let later_sums = self.sums(later.sums, count);
        let kernel = Merge {
            states: earlier.states,
            sums: self.sums(earlier.sums, count),
            later_states: later.states,
            later_sums: later_sums.as_ref().map(MatMut::as_ref),
            scale,
        };
        compiled::merge(self.level, kernel);
    }

    /// Merges the recalls of all splits, in order. The sums end up in place of those of the first.
    pub fn merge(&self, states: &mut [State<T>], all: Partial<'_, T>) {
        let Partial { states: all_states, sums } = all;
        let (count, splits) = (states.len(), all_states.len() / states.len());
        let (first, later) = all_states.split_at_mut(count);
        states.copy_from_slice(first);
        let rows = sums.len() / splits;
        let (total, mut rest) = sums.split_at_mut(rows);
        for states_of_split in later.chunks_exact_mut(count) {
            let later = Partial { states: states_of_split, sums: take(&mut rest, rows) };
            self.join(Partial { states: &mut *states, sums: &mut *total }, later);
        }
    }

    /// Writes the outputs from the states and the sums of weighted patterns.
    pub fn finish(&self, batch: Batch<'_, T>, all: Partial<'_, T>, outputs: &mut Outputs<'_, T>) {
        let (Plan { value_cols, value_stride, .. }, Batch { input, first }) = (self.plan, batch);
        let (Partial { states, sums }, count) = (all, batch.input.rows());
        let retrieved = outputs.retrieved.as_mut().map(|to| {
            let sums = MatRef::with_stride(sums, states.len(), value_cols, value_stride);
            (sums.expect("scratch has room for these rows"), to.reborrow())
        });
        let params = self.separation.softmax();
        let kernel = Finish {
            states: &mut *states,
            retrieved,
            gain: self.value_gain(),
            params,
            weights: outputs.memory_weights.as_mut().map(MatMut::reborrow),
            best_weights: outputs.best_weight.as_deref_mut(),
            keep: self.keep,
            masks: self
                .scoring(first..first + count, 0..self.plan.patterns)
                .and_then(|scoring| scoring.masks),
        };
        compiled::finish(self.level, kernel);
        let scales = self.scales_similarities && self.gain != T::ONE;
        if let Some(similarities) = outputs.similarities.as_mut().filter(|_| scales) {
            for b in 0..states.len() {
                similarities.row_mut(b).iter_mut().for_each(|s| *s = *s * self.gain);
            }
        }
        if let (Some(params), Input::Probes(input)) = (params, input) {
            let energies = Energies::new(self.beta, self.gain, self.sub_memory)
                .with(params.null, self.quadratic);
            for (b, (state, probe)) in states.iter().zip(input.iter()).enumerate() {
                energies.write(state, probe, b, outputs);
            }
        }
    }
}

/// Some of the probes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a, T> {
    /// The probes, or their weights.
    pub input: Input<'a, T>,
    /// Index of the first of them in the batch.
    pub first: usize,
}

impl<T: Element> Batch<'_, T> {
    /// Some of these probes.
    fn of(self, probes: Range<usize>) -> Self {
        Self { first: self.first + probes.start, input: self.input.of(probes) }
    }
}

/// What some probes have recalled from some of the splits.
pub(crate) struct Partial<'a, T> {
    /// One for each probe.
    pub states: &'a mut [State<T>],
    /// Sums of weighted patterns: a padded row for each probe, or nothing if they are not wanted.
    pub sums: &'a mut [T],
}

/// A task by probes: some probes against all of the patterns.
pub(crate) struct ProbeTask<'a, T> {
    pub batch: Batch<'a, T>,
    pub outputs: &'a mut Outputs<'a, T>,
    /// One for each probe.
    pub states: &'a mut [State<T>],
    pub scratch: ProbeScratch<'a, T>,
}

/// Scratch of a task by probes.
pub(crate) struct ProbeScratch<'a, T> {
    /// States of a later split, one for each probe that is recalled at a time; none if there is
    /// only one split.
    pub later: &'a mut [State<T>],
    pub elements: &'a mut [T],
    pub list: &'a mut [u32],
}

impl<T: Element> ProbeTask<'_, T> {
    /// Recalls the probes, at most `most` at a time.
    pub fn run(self, most: usize, shared: &Shared<'_, T>) {
        let Self { batch, outputs, states, scratch } = self;
        let rows = batch.input.rows();
        if rows <= most {
            return shared.batch(batch, outputs, states, scratch);
        }
        let (mut outputs, mut states) = (std::mem::take(outputs), states);
        let ProbeScratch { later, elements, list } = scratch;
        // In full tiles: a tile with fewer probes loads the same patterns for less work.
        let tiles = rows.div_ceil(PROBE_TILE);
        for tiles in evenly(tiles, most.div_ceil(PROBE_TILE)) {
            let probes = tiles.start * PROBE_TILE..rows.min(tiles.end * PROBE_TILE);
            let (mut now, rest) = outputs.cut(probes.len());
            outputs = rest;
            let states = take(&mut states, probes.len());
            let scratch =
                ProbeScratch { later: &mut *later, elements: &mut *elements, list: &mut *list };
            shared.batch(batch.of(probes), &mut now, states, scratch);
        }
    }
}

impl<T: Element> Shared<'_, T> {
    /// Recalls a few probes from all of the splits, one after another.
    fn batch(
        &self,
        batch: Batch<'_, T>,
        outputs: &mut Outputs<'_, T>,
        states: &mut [State<T>],
        scratch: ProbeScratch<'_, T>,
    ) {
        let ProbeScratch { later, mut elements, list } = scratch;
        let (plan, count) = (self.plan, batch.input.rows());
        let input = self.padded(batch.input, take(&mut elements, count * plan.stride));
        let scores = take(&mut elements, plan.scores::<T>(count));
        let rows = if outputs.retrieved.is_some() { count * plan.value_stride } else { 0 };
        let sums = take(&mut elements, rows);
        let panels = take(&mut elements, plan.panels::<T>(count));
        let unpacked = take(&mut elements, self.unpacked());
        let mut per_pattern = outputs.per_pattern();
        for (split, patterns) in plan.splits::<T>().enumerate() {
            let (Columns(part), Columns(rest)) = Columns(per_pattern).cut(patterns.len());
            per_pattern = rest;
            let to = match split {
                0 => Partial { states: &mut *states, sums: &mut *sums },
                _ => Partial { states: &mut later[..count], sums: &mut elements[..rows] },
            };
            let scratch = TileScratch {
                scores: &mut *scores,
                list: &mut *list,
                panels: &mut *panels,
                unpacked: &mut *unpacked,
            };
            let task =
                SplitTask { patterns, input, first: batch.first, to, per_pattern: part, scratch };
            task.run(self);
            if split > 0 {
                let later = Partial { states: &mut later[..count], sums: &mut elements[..rows] };
                self.join(Partial { states: &mut *states, sums: &mut *sums }, later);
            }
        }
        self.finish(batch, Partial { states, sums }, outputs);
    }
}

/// A few probes against one split.
pub(crate) struct SplitTask<'a, T> {
    /// The split.
    pub patterns: Range<usize>,
    /// Padded probes, or weights.
    pub input: Input<'a, T>,
    /// Index of the first probe in the batch.
    pub first: usize,
    /// Written.
    pub to: Partial<'a, T>,
    /// The columns of the split.
    pub per_pattern: PerPattern<'a, T>,
    pub scratch: TileScratch<'a, T>,
}

impl<T: Element> SplitTask<'_, T> {
    /// Recalls from the split.
    pub fn run(self, shared: &Shared<'_, T>) {
        let (patterns, count) = (self.patterns, self.to.states.len());
        let scoring = shared.scoring(self.first..self.first + count, patterns.clone());
        let kernel = Forward {
            input: self.input.at(patterns.clone()),
            separation: shared.separation,
            patterns: shared.memory.subrows(patterns.clone()),
            values: shared.values.map(|values| values.subrows(patterns.clone())),
            scoring: scoring.as_ref(),
            value_factors: shared.value_factors.map(|all| &all[patterns.clone()]),
            keep: shared.keep.map(|keep| &keep[patterns.clone()]),
            first: patterns.start,
            block: shared.plan.block,
            prefetches: shared.plan.prefetches::<T>(count),
            prefetches_strips: shared.plan.prefetches_strips::<T>(),
            from_memory: shared.plan.is_beyond_l3::<T>(Caches::detect()),
            probe_tile: shared.probe_tile,
            probe_block: shared.plan.probe_block::<T>(),
            states: self.to.states,
            lists: None,
            retrieved: shared.sums(self.to.sums, count),
            per_pattern: self.per_pattern,
            scratch: self.scratch,
        };
        compiled::recall(shared.level, kernel);
    }
}
