//! A tile of probes meets a block of patterns: scores, their separation, and what is retrieved.

use crate::kernel::axpy::combine;
use std::ops::Range;

use crate::driver::source::Source;
use crate::kernel::axpy::Ahead;
use crate::kernel::dot::dots;
use crate::kernel::packed_dot;
use crate::matrix::{MatMut, MatRef};
use crate::separation::active::{ActiveColumns, every, find};
use crate::separation::online::Separation;
use crate::separation::state::State;
use crate::simd::tail::vectors_of;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Simd};

/// A tile of probes and a block of patterns.
pub(crate) struct ScoreTile<'a, T> {
    /// The block's patterns.
    pub patterns: MatRef<'a, T>,
    /// Which of them take part; all without.
    pub keep: Option<&'a [bool]>,
    /// Index of the first of them among all patterns.
    pub first: usize,
    /// Scratch for scores, and then weights: a row for each probe.
    pub scores: MatMut<'a, T>,
    /// One for each probe.
    pub states: &'a mut [State<T>],
    /// The sums of weighted patterns, where they are wanted: a row for each probe.
    pub retrieved: Option<MatMut<'a, T>>,
    /// Where the scores are to be kept: a row for each probe, whose columns `block` are these patterns.
    pub similarities: Option<MatMut<'a, T>>,
    pub block: Range<usize>,
    /// Panels of the block, if there are any.
    pub panels: &'a [T],
    /// Scratch for a list of active.
    pub list: &'a mut [u32],
    /// What is prefetched meanwhile.
    pub ahead: Ahead,
}

/// What the sums so far are to be multiplied by: a factor for each probe.
pub(crate) type Rescale<T> = [T; PROBE_TILE];

impl<T: Element> ScoreTile<'_, T> {
    /// Scores from one chunk of d, or that chunk's share of them.
    #[inline(always)]
    pub fn score<S: Simd<T>>(&mut self, simd: S, source: Source<'_, T>, chunk: Range<usize>) {
        let (Source::Probes(probes, _) | Source::Similarities(probes)) = source else { return };
        if self.panels.is_empty() {
            dots(simd, probes, self.patterns, chunk, &mut self.scores);
        } else {
            packed_dot::dots(simd, probes, self.panels, &mut self.scores);
        }
    }

    /// From scores, which are kept where they are wanted, to weights, and to what they retrieve where
    /// that is not simply the sum of all patterns of the block: that is left to be combined if this
    /// returns what the sums so far are to be multiplied by.
    #[inline(always)]
    pub fn separate<S: Simd<T>>(
        &mut self,
        simd: S,
        source: Source<'_, T>,
        rescale: Rescale<T>,
    ) -> Option<Rescale<T>> {
        let (count, keep, none) = (self.patterns.rows(), self.keep, State::EMPTY);
        // Weights that are given have no separation.
        let mut all = match source {
            Source::Probes(_, params) => Some(std::array::from_fn::<_, PROBE_TILE, _>(
                #[inline(always)]
                |b| {
                    let state = self.states.get(b).unwrap_or(&none);
                    Separation::begin(simd, params, keep, state)
                },
            )),
            Source::Similarities(_) => None,
            Source::Weights(weights) => {
                for (b, given) in weights.iter().enumerate() {
                    self.scores.row_mut(b)[..count].copy_from_slice(&given[self.block.clone()]);
                }
                None
            }
        };
        if let Some(similarities) = &mut self.similarities {
            for b in 0..similarities.rows() {
                let scores = &self.scores.row_mut(b)[..count];
                similarities.row_mut(b)[self.block.clone()].copy_from_slice(scores);
            }
        }
        if let Source::Similarities(_) = source {
            return None;
        }
        let separations = match &mut all {
            Some(all) => &mut all[..self.states.len()],
            None => &mut [],
        };
        for (b, separation) in separations.iter_mut().enumerate() {
            let scores = &self.scores.row_mut(b)[..count];
            separation.scan(simd, scores, self.first, &mut self.states[b]);
        }
        let left = self.segments(simd, separations, rescale);
        for (separation, state) in separations.iter().zip(&mut *self.states) {
            separation.end(simd, state);
        }
        left.filter(|_| self.retrieved.is_some())
    }

    /// The segments, between which some probe's shift rises: weights, and what they retrieve.
    #[inline(always)]
    fn segments<S: Simd<T>>(
        &mut self,
        simd: S,
        separations: &mut [Separation<'_, T, S::Vec>],
        mut rescale: Rescale<T>,
    ) -> Option<Rescale<T>> {
        let count = self.patterns.rows();
        let mut active = ActiveColumns::NONE;
        let mut from = 0;
        while from < count {
            let mut to = count;
            for (b, separation) in separations.iter_mut().enumerate() {
                let (row, state) = (self.scores.row_mut(b), &mut self.states[b]);
                let (factor, end) = separation.segment(simd, row, (from, count), state);
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
                let (states, scores) = (&*self.states, &mut self.scores);
                let cuts = (dense, &mut active);
                Separation::exp_tile_rows(simd, separations, states, scores, from..to, cuts);
            }
            for (b, state) in self.states.iter_mut().enumerate() {
                state.support += match dense {
                    true => to - from,
                    false => active.count::<T>(b..b + 1, from..to),
                };
            }
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
                let (weights, rows) = (self.scores.as_ref(), (list, Ahead::NONE));
                let (rescale, chunk) = (&rescale[..weights.rows()], 0..vectors_of(&self.patterns));
                // SAFETY: the list names rows of the patterns.
                unsafe { combine(simd, weights, self.patterns, rows, chunk, rescale, retrieved) };
            }
            from = to;
        }
        None
    }

    /// Adds all of the weighted patterns to what is retrieved: for one chunk of d.
    #[inline(always)]
    pub fn combine<S: Simd<T>>(&mut self, simd: S, chunk: Range<usize>, rescale: Rescale<T>) {
        let Some(retrieved) = &mut self.retrieved else { return };
        let (weights, rows) = (self.scores.as_ref(), (self.patterns.rows(), self.ahead.clone()));
        let rescale = &rescale[..weights.rows()];
        // SAFETY: the rows are all of the patterns.
        unsafe { combine(simd, weights, self.patterns, rows, chunk, rescale, retrieved) };
    }
}
