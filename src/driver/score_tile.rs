//! A score tile, one probe tile against one block of patterns: its scores, and the projection of
//! the weights that a separation makes of them (see `streaming`).

use std::ops::Range;

use crate::driver::lines::Lines;
use crate::driver::lists::Lists;
use crate::driver::outputs::PerPattern;
use crate::kernel::axpy::{Ahead, Combine, combine};
use crate::kernel::packed_dot;
use crate::kernel::score::{sums, sums_from_memory};
use crate::matrix::{MatMut, MatRef};
use crate::separation::active::{ActiveColumns, every};
use crate::separation::state::State;
use crate::simd::tail::vectors_of;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Simd};
use crate::similarity::accumulate::{AbsoluteDifferences, Products, SquaredDifferences, Sums};
use crate::similarity::scoring::{Scoring, masked};

/// One probe tile against one block of patterns.
pub(crate) struct ScoreTile<'a, 'r, T> {
    /// The block's patterns.
    pub patterns: &'a mut Lines<'r, T>,
    /// The block's values, which are projected; `None` if they are the patterns.
    pub values: Option<&'a mut Lines<'r, T>>,
    /// From sums over d to scores; `None` if they are the same.
    pub scoring: Option<Scoring<'a, T>>,
    /// A factor of the weight of each pattern in the projection.
    pub value_factors: Option<&'a [T]>,
    /// Which of them take part; `None` means all.
    pub keep: Option<&'a [bool]>,
    /// Index of the first of them among all patterns.
    pub first: usize,
    /// Scratch for the scores, which become weights in place: a row for each probe.
    pub scores: MatMut<'a, T>,
    /// One for each probe.
    pub states: &'a mut [State<T>],
    /// The probes' lists of candidates, if those are wanted.
    pub lists: Option<Lists<'a, T>>,
    /// The sums of weighted patterns, if they are wanted: a row for each probe.
    pub retrieved: Option<MatMut<'a, T>>,
    /// Where to store similarities and scores, if they are wanted: columns `block` of a row for
    /// each probe.
    pub per_pattern: PerPattern<'a, T>,
    /// The columns of this block's patterns in those outputs and in given weights.
    pub block: Range<usize>,
    /// The block packed in panels; empty if it is not packed.
    pub panels: &'a [T],
    /// Scratch for a list of active columns.
    pub list: &'a mut [u32],
    /// Whether the patterns are read in place, and come from memory.
    pub from_memory: bool,
    /// Which rows are prefetched during the projection.
    pub ahead: Ahead,
}

/// For each probe, the factor by which its sums so far are to be multiplied.
pub(crate) type Rescale<T> = [T; PROBE_TILE];

impl<'a, T: Element> ScoreTile<'a, '_, T> {
    /// Computes the scores over one chunk of d: the first chunk sets them, later ones add to them.
    /// Packed patterns are short and have one chunk only.
    #[inline(always)]
    pub fn score<S: Simd<T>>(&mut self, simd: S, probes: MatRef<'_, T>, chunk: Range<usize>) {
        let scores = &mut self.scores;
        match self.scoring.map_or(Sums::Products, |scoring| scoring.sums) {
            Sums::Products if !self.panels.is_empty() => {
                packed_dot::dots(simd, probes, self.panels, scores);
            }
            Sums::Products if self.from_memory && probes.rows() == 1 => {
                let patterns = self.patterns.all(simd);
                sums_from_memory::<Products, T, S>(simd, probes, patterns, chunk, scores);
            }
            Sums::Products => {
                sums::<Products, T, S>(simd, probes, self.patterns.all(simd), chunk, scores);
            }
            Sums::SquaredDifferences => {
                let patterns = self.patterns.all(simd);
                sums::<SquaredDifferences, T, S>(simd, probes, patterns, chunk, scores);
            }
            Sums::AbsoluteDifferences => {
                let patterns = self.patterns.all(simd);
                sums::<AbsoluteDifferences, T, S>(simd, probes, patterns, chunk, scores);
            }
        }
    }

    /// Turns the sums over d into similarities and then into scores, and stores both if they are
    /// wanted.
    #[inline(always)]
    pub fn finish_scores<S: Simd<T>>(&mut self, simd: S) {
        if self.scoring.is_some() || !self.per_pattern.is_none() {
            simd.vectorize(
                #[inline(always)]
                || self.score_and_store(),
            );
        }
    }

    #[inline(always)]
    fn score_and_store(&mut self) {
        let count = self.patterns.count();
        for b in 0..self.states.len() {
            let row = &mut self.scores.row_mut(b)[..count];
            if let Some(scoring) = &self.scoring {
                scoring.similarities(row, b, 0);
            }
            self.per_pattern.write_similarities(b, self.block.clone(), row);
            if let Some(scoring) = &self.scoring {
                scoring.scores(row, b, 0);
            }
            self.per_pattern.write_scores(b, self.block.clone(), row);
        }
    }

    /// Appends the candidates among the scores to the probes' lists, if these are wanted.
    #[inline(always)]
    pub fn append_candidates<S: Simd<T>>(&mut self, simd: S) {
        let Some(lists) = &mut self.lists else { return };
        let count = self.patterns.count();
        for b in 0..self.states.len() {
            let row = &mut self.scores.row_mut(b)[..count];
            if let Some(keep) = self.keep {
                let left_out = row.iter_mut().zip(keep).filter(|(_, keep)| !**keep);
                left_out.for_each(|(score, _)| *score = masked());
            }
            let threshold = lists.threshold;
            lists.list(b).append(simd, row, self.first, threshold);
        }
    }

    /// Multiplies the weights of some patterns by the factors of their values.
    #[inline(always)]
    fn scale_weights(&mut self, patterns: Range<usize>) {
        let Some(factors) = self.value_factors else { return };
        for b in 0..self.states.len() {
            let weights = &mut self.scores.row_mut(b)[patterns.clone()];
            for (weight, &factor) in weights.iter_mut().zip(&factors[patterns.clone()]) {
                // Not 0 times a factor that is not finite.
                *weight = if *weight == T::ZERO { T::ZERO } else { *weight * factor };
            }
        }
    }

    /// Projects the active patterns of a segment whose weights are known; all of them if `active`
    /// is `None`. If the segment is the block and every pattern is active, leaves the projection to
    /// the caller (see [`combine`](Self::combine)), and returns whether it has.
    #[inline(always)]
    pub fn project<S: Simd<T>>(
        &mut self,
        simd: S,
        segment: Range<usize>,
        active: Option<&mut ActiveColumns>,
        rescale: &Rescale<T>,
    ) -> bool {
        assert!(segment.end <= self.patterns.count());
        let (probes, count) = (0..self.states.len(), segment.len());
        for (b, state) in self.states.iter_mut().enumerate() {
            state.support += match &active {
                None => count,
                Some(active) => active.count::<T>(b..b + 1, segment.clone()),
            };
        }
        self.scale_weights(segment.clone());
        let some = active.filter(|active| active.count::<T>(probes, segment.clone()) < count);
        if some.is_none() && count == self.patterns.count() {
            return self.retrieved.is_some();
        }
        if self.retrieved.is_some() {
            simd.vectorize(
                #[inline(always)]
                || self.project_some(simd, segment, some, rescale),
            );
        }
        false
    }

    /// Projects the active patterns of a segment; all of them if `active` is `None`.
    #[inline(always)]
    fn project_some<S: Simd<T>>(
        &mut self,
        simd: S,
        segment: Range<usize>,
        active: Option<&mut ActiveColumns>,
        rescale: &Rescale<T>,
    ) {
        let probes = 0..self.states.len();
        let list = match active {
            None => every(segment, self.list),
            Some(active) => active.list(simd, probes, segment, self.list),
        };
        let Some(retrieved) = &mut self.retrieved else { return };
        let weights = self.scores.as_ref();
        let (rescale, ahead) = (&rescale[..weights.rows()], Ahead::NONE);
        let patterns = match &mut self.values {
            Some(values) => values.listed(simd, list),
            None => self.patterns.listed(simd, list),
        };
        let of = Combine { weights, patterns, rows: list, ahead, rescale };
        let chunk = 0..vectors_of(&patterns);
        // SAFETY: `list` names columns of `segment` alone, as active bits are set for no others.
        // `project` has asserted that `segment` ends within the block, and `Forward::run` has taken
        // the same block of the patterns and of the values, by `subrows`.
        unsafe { combine(simd, of, chunk, retrieved) };
    }

    /// Projects the whole block over one chunk of d: adds all its weighted patterns to `retrieved`.
    #[inline(always)]
    pub fn combine<S: Simd<T>>(&mut self, simd: S, chunk: Range<usize>, rescale: Rescale<T>) {
        let Some(retrieved) = &mut self.retrieved else { return };
        let (weights, rows) = (self.scores.as_ref(), self.patterns.count());
        let (rescale, ahead) = (&rescale[..weights.rows()], self.ahead.clone());
        let patterns = match &mut self.values {
            Some(values) => values.all(simd),
            None => self.patterns.all(simd),
        };
        let of = Combine { weights, patterns, rows, ahead, rescale };
        // SAFETY: the rows are `0..rows`, the patterns of the block. There is a value for each:
        // `Forward::run` has taken the same block of both by `subrows`, which asserts the range.
        unsafe { combine(simd, of, chunk, retrieved) };
    }
}
