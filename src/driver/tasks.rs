//! The two ways to divide a recall into tasks: by probes and by splits. Both compute the same bits.

use std::ops::Range;

use crate::driver::blocking::Plan;
use crate::driver::compiled;
use crate::driver::energy::{Energies, SubMemory};
use crate::driver::finish::Finish;
use crate::driver::forward::{Forward, TileScratch};
use crate::driver::merge::Merge;
use crate::driver::outputs::{Outputs, PerPattern};
use crate::driver::parallel::Divide;
use crate::driver::scratch::{pad, take};
use crate::driver::source::{Input, Source};
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::memory::rows::Rows;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Level};
use crate::similarity::scoring::Scoring;

/// Which of the three stages a job needs: scores, separation, projection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Job<T> {
    /// All three stages.
    Recall(SoftmaxParams<T>),
    /// Scores alone.
    Scores,
    /// Projection alone, with given weights.
    Combine,
}

/// The parameters that all tasks of a job share.
pub(crate) struct Shared<'a, T> {
    pub level: Level,
    pub plan: Plan,
    pub memory: Rows<'a, T>,
    /// Values, if they are not the patterns themselves.
    pub values: Option<Rows<'a, T>>,
    /// From sums over d to scores; `None` if they are the same.
    pub scoring: Option<&'a Scoring<'a, T>>,
    /// Index of the job's first probe in what the scoring has for each probe.
    pub first: usize,
    /// A factor of the weight of each pattern in the projection.
    pub value_factors: Option<&'a [T]>,
    pub job: Job<T>,
    pub keep: Option<&'a [bool]>,
    pub beta: T,
    pub gain: T,
    /// Whether similarities are multiplied by the gain.
    pub scales_similarities: bool,
    /// What the energies need to know about the patterns that take part; `None` if no energies are
    /// wanted.
    pub sub_memory: Option<SubMemory>,
    /// Whether the energies have the terms of the dot product.
    pub quadratic: bool,
    /// Most probes in a tile.
    pub probe_tile: usize,
}

impl<'a, T: Element> Shared<'a, T> {
    /// A job without a softmax.
    pub fn plain(job: Job<T>, memory: &'a Memory<T>, level: Level) -> Self {
        Self {
            level,
            plan: Plan::new::<T>(memory.patterns(), memory.dim()),
            memory: memory.rows(),
            values: None,
            scoring: None,
            first: 0,
            value_factors: None,
            job,
            keep: None,
            beta: T::ONE,
            gain: T::ONE,
            scales_similarities: false,
            sub_memory: None,
            quadratic: true,
            probe_tile: PROBE_TILE,
        }
    }

    /// Elements of scratch for the rows of a block of patterns and values that are unpacked.
    pub fn unpacked(&self) -> usize {
        let of = |rows: Rows<'_, T>| rows.scratch(self.plan.block.min(self.plan.patterns));
        of(self.memory) + self.values.map_or(0, of)
    }

    /// The same job for some of the probes.
    pub fn for_probes(&self, probes: Range<usize>) -> Self {
        Self { first: self.first + probes.start, ..*self }
    }

    /// The scoring of some of the job's probes with some patterns.
    pub fn scoring(&self, probes: Range<usize>, patterns: Range<usize>) -> Option<Scoring<'a, T>> {
        let probes = self.first + probes.start..self.first + probes.end;
        self.scoring.map(|scoring| scoring.of(probes).at(patterns))
    }

    /// The job's input as the driver takes it: probes are copied to padded rows of scratch memory.
    pub fn source<'s>(&self, input: Input<'s, T>, scratch: &'s mut [T]) -> Source<'s, T> {
        let rows = match input {
            Input::Sparse(rows) => return Source::Sparse(rows),
            Input::Rows(rows) => rows,
        };
        let padded = |scratch: &'s mut [T]| {
            pad(rows, scratch, self.plan.stride);
            MatRef::with_stride(scratch, rows.rows(), self.plan.cols, self.plan.stride)
                .expect("scratch has room for these rows")
        };
        match self.job {
            Job::Recall(params) => Source::Probes(padded(scratch), params),
            Job::Scores => Source::Scores(padded(scratch)),
            Job::Combine => Source::Weights(rows),
        }
    }

    /// Padded rows of scratch memory for sums of weighted patterns; `None` if `scratch` is empty.
    fn sums<'s>(&self, scratch: &'s mut [T], count: usize) -> Option<MatMut<'s, T>> {
        let Plan { value_cols, value_stride, .. } = self.plan;
        (!scratch.is_empty()).then(|| {
            MatMut::with_stride(scratch, count, value_cols, value_stride)
                .expect("scratch has room for these rows")
        })
    }

    /// Recalls from one split.
    fn split(
        &self,
        patterns: Range<usize>,
        (source, first): (Source<'_, T>, usize),
        (states, sums): (&mut [State<T>], &mut [T]),
        per_pattern: PerPattern<'_, T>,
        scratch: TileScratch<'_, T>,
    ) {
        let retrieved = self.sums(sums, states.len());
        let scoring = self.scoring(first..first + states.len(), patterns.clone());
        let kernel = Forward {
            source: source.at(patterns.clone()),
            patterns: self.memory.subrows(patterns.clone()),
            values: self.values.map(|values| values.subrows(patterns.clone())),
            scoring: scoring.as_ref(),
            value_factors: self.value_factors.map(|all| &all[patterns.clone()]),
            keep: self.keep.map(|keep| &keep[patterns.clone()]),
            first: patterns.start,
            block: self.plan.block,
            prefetches: self.plan.prefetches::<T>(states.len()),
            prefetches_strips: self.plan.prefetches_strips::<T>(),
            probe_tile: self.probe_tile,
            probe_block: self.plan.probe_block::<T>(),
            states,
            lists: None,
            retrieved,
            per_pattern,
            scratch,
        };
        compiled::recall(self.level, kernel);
    }

    /// Merges a later split's recall into that of the earlier ones.
    fn join(&self, earlier: (&mut [State<T>], &mut [T]), later: (&[State<T>], &mut [T])) {
        let count = later.0.len();
        let scale = match self.job {
            Job::Recall(params) => params.scale,
            Job::Scores => return,
            Job::Combine => T::ONE,
        };
        let later_sums = self.sums(later.1, count);
        let kernel = Merge {
            earlier: (earlier.0, self.sums(earlier.1, count)),
            later: (later.0, later_sums.as_ref().map(MatMut::as_ref)),
            scale,
        };
        compiled::merge(self.level, kernel);
    }

    /// Merges the recalls of all splits, in order. The sums end up in place of those of the first.
    pub fn merge(&self, states: &mut [State<T>], partial_states: &[State<T>], sums: &mut [T]) {
        let (first, later) = partial_states.split_at(states.len());
        states.copy_from_slice(first);
        let rows = sums.len() / partial_states.len() * states.len();
        let (total, mut rest) = sums.split_at_mut(rows);
        for part in later.chunks_exact(states.len()) {
            self.join((states, total), (part, take(&mut rest, rows)));
        }
    }

    /// Writes the outputs from the states and the sums of weighted patterns.
    pub fn finish(
        &self,
        (input, first): (Input<'_, T>, usize),
        states: &mut [State<T>],
        sums: &[T],
        mut outputs: Outputs<'_, T>,
    ) {
        let Plan { value_cols, value_stride, .. } = self.plan;
        let count = states.len();
        let retrieved = outputs.retrieved.as_mut().map(|to| {
            let sums = MatRef::with_stride(sums, states.len(), value_cols, value_stride);
            (sums.expect("scratch has room for these rows"), to.reborrow())
        });
        let params = match self.job {
            Job::Recall(params) => Some(params),
            Job::Scores | Job::Combine => None,
        };
        let kernel = Finish {
            states: &mut *states,
            retrieved,
            gain: self.gain,
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
        if let (Job::Recall(params), Input::Rows(input)) = (self.job, input) {
            let energies = Energies::new(self.beta, self.gain, self.sub_memory)
                .with(params.null, self.quadratic);
            for (b, (state, probe)) in states.iter().zip(input.iter()).enumerate() {
                energies.write(state, probe, b, &mut outputs);
            }
        }
    }
}

/// A task by probes: some probes against all of the patterns.
pub(crate) struct ProbeTask<'a, T> {
    /// Number of tasks that this one is to be divided into.
    pub pieces: usize,
    /// Most probes that are recalled at a time.
    pub most: usize,
    /// The probes, or their weights.
    pub input: Input<'a, T>,
    /// Index of the first of them in the job.
    pub first: usize,
    pub outputs: Outputs<'a, T>,
    /// One for each probe.
    pub states: &'a mut [State<T>],
    /// States of a later split: `most` for each piece, or none if there is only one split.
    pub later: &'a mut [State<T>],
    /// Scratch, in equal shares for the pieces.
    pub floats: &'a mut [T],
    pub list: &'a mut [u32],
}

impl<T: Element> Divide for ProbeTask<'_, T> {
    fn pieces(&self) -> usize {
        self.pieces
    }

    fn divide(self, pieces: usize) -> (Self, Self) {
        let share = |count: usize| count / self.pieces * pieces;
        let at = self.input.rows() * pieces / self.pieces;
        let (later, later_) = self.later.split_at_mut(share(self.later.len()));
        let (floats, floats_) = self.floats.split_at_mut(share(self.floats.len()));
        let (list, list_) = self.list.split_at_mut(share(self.list.len()));
        let (states, states_) = self.states.split_at_mut(at);
        let (outputs, outputs_) = self.outputs.split_at(at);
        let all = 0..self.input.rows();
        let (input, input_) = (self.input.of(0..at), self.input.of(at..all.end));
        let most = self.most;
        (
            Self { pieces, most, input, first: self.first, outputs, states, later, floats, list },
            Self {
                pieces: self.pieces - pieces,
                most,
                input: input_,
                first: self.first + at,
                outputs: outputs_,
                states: states_,
                later: later_,
                floats: floats_,
                list: list_,
            },
        )
    }
}

impl<T: Element> ProbeTask<'_, T> {
    /// Recalls the probes, `most` at a time.
    pub fn run(self, shared: &Shared<'_, T>) {
        let Self { most, input, first, mut outputs, mut states, later, floats, list, .. } = self;
        // In whole tiles, as a tile of fewer probes loads just as many patterns.
        let tiles = input.rows().div_ceil(PROBE_TILE);
        for tiles in evenly(tiles, most.div_ceil(PROBE_TILE)) {
            let batch = tiles.start * PROBE_TILE..input.rows().min(tiles.end * PROBE_TILE);
            let count = batch.len();
            let probes = (input.of(batch.clone()), first + batch.start);
            let scratch = (&mut *floats, &mut *list);
            if batch.end == input.rows() {
                return shared.batch(probes, outputs, states, later, scratch);
            }
            let (now, rest) = outputs.split_at(count);
            outputs = rest;
            shared.batch(probes, now, take(&mut states, count), later, scratch);
        }
    }
}

impl<T: Element> Shared<'_, T> {
    /// Recalls a few probes from all of the splits, one after another.
    fn batch(
        &self,
        (input, first): (Input<'_, T>, usize),
        mut outputs: Outputs<'_, T>,
        states: &mut [State<T>],
        later: &mut [State<T>],
        (mut floats, list): (&mut [T], &mut [u32]),
    ) {
        let rows = input.rows() * self.plan.stride;
        let source = self.source(input, take(&mut floats, rows));
        let scores = take(&mut floats, self.plan.scores::<T>(input.rows()));
        let sum_rows = input.rows() * self.plan.value_stride;
        let rows = if outputs.retrieved.is_some() { sum_rows } else { 0 };
        let sums = take(&mut floats, rows);
        let panels = take(&mut floats, self.plan.panels::<T>(input.rows()));
        let unpacked = take(&mut floats, self.unpacked());
        let mut per_pattern = outputs.per_pattern();
        for (split, patterns) in self.plan.splits::<T>().enumerate() {
            let columns = patterns.len();
            let (part, rest) = per_pattern.split_at_col(columns);
            per_pattern = rest;
            let scratch = TileScratch {
                scores: &mut *scores,
                list: &mut *list,
                panels: &mut *panels,
                unpacked: &mut *unpacked,
            };
            if split == 0 {
                self.split(patterns, (source, first), (&mut *states, &mut *sums), part, scratch);
            } else {
                let (later, later_sums) = (&mut later[..input.rows()], &mut floats[..rows]);
                self.split(
                    patterns,
                    (source, first),
                    (&mut *later, &mut *later_sums),
                    part,
                    scratch,
                );
                self.join((&mut *states, &mut *sums), (later, later_sums));
            }
        }
        self.finish((input, first), states, sums, outputs);
    }
}

/// A task by splits: a few probes against some of the splits.
pub(crate) struct SplitTask<'a, T> {
    pub plan: Plan,
    pub splits: Range<usize>,
    pub source: Source<'a, T>,
    /// The columns of these splits.
    pub per_pattern: PerPattern<'a, T>,
    /// For each split in equal shares: the probes' states, their sums, and scratch.
    pub states: &'a mut [State<T>],
    pub sums: &'a mut [T],
    /// Scores, and rows that are unpacked.
    pub scores: &'a mut [T],
    pub list: &'a mut [u32],
}

impl<T: Element> Divide for SplitTask<'_, T> {
    fn pieces(&self) -> usize {
        self.splits.len()
    }

    fn divide(self, pieces: usize) -> (Self, Self) {
        let Self { plan, splits, source, .. } = self;
        let share = |count: usize| count / splits.len() * pieces;
        let (states, states_) = self.states.split_at_mut(share(self.states.len()));
        let (sums, sums_) = self.sums.split_at_mut(share(self.sums.len()));
        let (scores, scores_) = self.scores.split_at_mut(share(self.scores.len()));
        let (list, list_) = self.list.split_at_mut(share(self.list.len()));
        let columns = plan.splits::<T>().skip(splits.start).take(pieces).map(|s| s.len()).sum();
        let (per_pattern, per_pattern_) = self.per_pattern.split_at_col(columns);
        let (first, second) =
            (splits.start..splits.start + pieces, splits.start + pieces..splits.end);
        (
            Self { plan, splits: first, source, per_pattern, states, sums, scores, list },
            Self {
                plan,
                splits: second,
                source,
                per_pattern: per_pattern_,
                states: states_,
                sums: sums_,
                scores: scores_,
                list: list_,
            },
        )
    }
}

impl<T: Element> SplitTask<'_, T> {
    /// Recalls from the task's only split, which is what `divide` leaves.
    pub fn run(self, shared: &Shared<'_, T>) {
        let patterns = self.plan.splits::<T>().nth(self.splits.start).expect("a split of the plan");
        let (unpacked, scores) = self.scores.split_at_mut(shared.unpacked());
        let scratch = TileScratch { scores, list: self.list, panels: &mut [], unpacked };
        let (source, sums) = ((self.source, 0), (self.states, self.sums));
        shared.split(patterns, source, sums, self.per_pattern, scratch);
    }
}
