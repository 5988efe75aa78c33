//! A score tile, one probe tile against one block of patterns: scores, separation, projection.

use std::ops::Range;

use crate::driver::lines::Lines;
use crate::driver::lists::Lists;
use crate::driver::outputs::PerPattern;
use crate::driver::source::Source;
use crate::kernel::axpy::{Ahead, Combine, combine};
use crate::kernel::exp_tile::ExpTile;
use crate::kernel::packed_dot;
use crate::kernel::scan_tile::scan;
use crate::kernel::score::{sums, sums_from_memory};
use crate::matrix::MatMut;
use crate::separation::active::{ActiveColumns, every, find};
use crate::separation::online::OnlineSoftmax;
use crate::separation::state::{SoftmaxParams, State};
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
    pub fn score<S: Simd<T>>(&mut self, simd: S, source: Source<'_, T>, chunk: Range<usize>) {
        let Some(probes) = source.probes() else { return };
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
    fn finish_scores(&mut self) {
        if self.scoring.is_none() && self.per_pattern.is_none() {
            return;
        }
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

    /// Turns the tile's sums over d into scores and these into weights. Returns the rescale factors
    /// if the block is one segment in which every pattern is active, and the caller then projects
    /// the whole block. Otherwise projects the active patterns itself and returns `None`. Also
    /// returns `None` if no projection is wanted.
    #[inline(always)]
    pub fn separate<S: Simd<T>>(
        &mut self,
        simd: S,
        source: Source<'_, T>,
        rescale: Rescale<T>,
    ) -> Option<Rescale<T>> {
        let count = self.patterns.count();
        match source {
            Source::Weights(weights) => {
                for (b, given) in weights.iter().enumerate() {
                    self.scores.row_mut(b)[..count].copy_from_slice(&given[self.block.clone()]);
                }
            }
            Source::Sparse(rows) => {
                for b in 0..rows.rows() {
                    rows.write(b, self.first, &mut self.scores.row_mut(b)[..count]);
                }
            }
            Source::Probes(..) | Source::Scores(_) => self.finish_scores(),
        }
        // Given weights need no separation.
        let mut all = match source {
            Source::Probes(_, params) => {
                // Not `from_fn`, which is a call compiled without the level's features.
                let all: [_; PROBE_TILE] = [
                    self.begin(simd, params, 0),
                    self.begin(simd, params, 1),
                    self.begin(simd, params, 2),
                    self.begin(simd, params, 3),
                    self.begin(simd, params, 4),
                    self.begin(simd, params, 5),
                ];
                Some(all)
            }
            Source::Scores(_) => {
                self.append_candidates(simd);
                return None;
            }
            Source::Weights(_) | Source::Sparse(_) => None,
        };
        let separations = match &mut all {
            Some(all) => &mut all[..self.states.len()],
            None => &mut [],
        };
        for (b, separation) in separations.iter_mut().enumerate() {
            let scores = &self.scores.row_mut(b)[..count];
            scan(simd, separation, scores, self.first, &mut self.states[b]);
        }
        let left = self.segments(simd, separations, rescale);
        for (separation, state) in separations.iter().zip(&mut *self.states) {
            separation.end(simd, state);
        }
        left.filter(|_| self.retrieved.is_some())
    }

    /// Starts the block for probe `b` of the tile; for none if there are fewer.
    #[inline(always)]
    fn begin<S: Simd<T>>(
        &self,
        simd: S,
        params: SoftmaxParams<T>,
        b: usize,
    ) -> OnlineSoftmax<'a, T, S::Vec> {
        let none = State::EMPTY;
        OnlineSoftmax::begin(simd, params, self.keep, self.states.get(b).unwrap_or(&none))
    }

    /// Appends the candidates among the scores to the probes' lists, if these are wanted.
    #[inline(always)]
    fn append_candidates<S: Simd<T>>(&mut self, simd: S) {
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

    /// Computes the weights segment by segment; a new segment begins where the shift of some probe
    /// rises. Projects every segment, unless the caller is to project the block (see `separate`).
    #[inline(always)]
    fn segments<S: Simd<T>>(
        &mut self,
        simd: S,
        separations: &mut [OnlineSoftmax<'_, T, S::Vec>],
        mut rescale: Rescale<T>,
    ) -> Option<Rescale<T>> {
        let count = self.patterns.count();
        let mut active = ActiveColumns::NONE;
        let mut from = 0;
        while from < count {
            let mut to = count;
            for (b, separation) in separations.iter_mut().enumerate() {
                let (row, state) = (self.scores.row_mut(b), &mut self.states[b]);
                let (factor, end) = separation.segment(simd, row, from..count, state);
                rescale[b] = rescale[b] * factor;
                to = to.min(end);
            }
            let dense = !separations.is_empty()
                && separations.iter().zip(&*self.states).all(|(one, state)| one.is_dense(state));
            if separations.is_empty() {
                for (b, bits) in active.of(0..self.states.len()).iter_mut().enumerate() {
                    find(simd, self.scores.row_mut(b), from..to, bits);
                }
            } else {
                let exp_tile = ExpTile {
                    separations: &mut *separations,
                    states: self.states,
                    scores: &mut self.scores.reborrow(),
                    range: from..to,
                    active: (!dense).then_some(&mut active),
                };
                exp_tile.run(simd);
            }
            for (b, state) in self.states.iter_mut().enumerate() {
                state.support += match dense {
                    true => to - from,
                    false => active.count::<T>(b..b + 1, from..to),
                };
            }
            self.scale_weights(from..to);
            let probes = 0..self.states.len();
            let all = dense || active.count::<T>(probes.clone(), from..to) == to - from;
            if all && to - from == count {
                return Some(rescale);
            }
            let list = match all {
                true => every(from..to, self.list),
                false => active.list(simd, probes, from..to, self.list),
            };
            let rescale = std::mem::replace(&mut rescale, [T::ONE; PROBE_TILE]);
            if let Some(retrieved) = &mut self.retrieved {
                let weights = self.scores.as_ref();
                let (rescale, ahead) = (&rescale[..weights.rows()], Ahead::NONE);
                let patterns = match &mut self.values {
                    Some(values) => values.listed(simd, list),
                    None => self.patterns.listed(simd, list),
                };
                let of = Combine { weights, patterns, rows: list, ahead, rescale };
                let chunk = 0..vectors_of(&patterns);
                // SAFETY: `list` names columns of `from..to` alone, as active bits are set for no
                // others, and `to <= count`, the number of rows of `patterns` and of `values`.
                unsafe { combine(simd, of, chunk, retrieved) };
            }
            from = to;
        }
        None
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
        // SAFETY: the rows are `0..patterns.count()`, and there is a value for each pattern.
        unsafe { combine(simd, of, chunk, retrieved) };
    }
}
