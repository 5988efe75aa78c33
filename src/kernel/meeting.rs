//! A group of probes meets a block of patterns: scores, their separation, and what is retrieved.

use std::ops::Range;

use super::combine::{Ahead, combine};
use super::dots::dots;
use super::recall::Source;
use super::separation::Separation;
use super::state::State;
use super::survivors::Survivors;
use super::{GROUP, panels};
use crate::simd::Simd;
use crate::{Element, MatMut, MatRef};

/// A group of probes and a block of patterns.
pub(crate) struct Meeting<'a, T> {
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
    /// What the sums so far are to be multiplied by.
    pub rescale: [T; GROUP],
    /// The sums of weighted patterns, where they are wanted: a row for each probe.
    pub retrieved: Option<MatMut<'a, T>>,
    /// Where the scores are to be kept: a row for each probe, whose columns `block` are these patterns.
    pub similarities: Option<MatMut<'a, T>>,
    pub block: Range<usize>,
    /// Panels of the block, if there are any.
    pub panels: &'a [T],
    /// Scratch for a list of survivors.
    pub list: &'a mut [u32],
    /// What is prefetched meanwhile.
    pub ahead: Ahead,
}

impl<T: Element> Meeting<'_, T> {
    #[inline(always)]
    pub fn run<S: Simd<T>>(mut self, simd: S, source: Source<'_, T>) {
        let (count, keep) = (self.patterns.rows(), self.keep);
        match source {
            Source::Probes(probes, _) | Source::Similarities(probes) => {
                self.score(simd, probes);
                self.record();
            }
            Source::Weights(weights) => {
                for (b, given) in weights.iter().enumerate() {
                    self.scores.row_mut(b)[..count].copy_from_slice(&given[self.block.clone()]);
                }
            }
        }
        // Weights that are given have no separation.
        let mut all = match source {
            Source::Probes(_, sharpness) => Some(std::array::from_fn::<_, GROUP, _>(
                #[inline(always)]
                |b| {
                    Separation::begin(
                        simd,
                        sharpness,
                        keep,
                        self.states.get(b).unwrap_or(&State::EMPTY),
                    )
                },
            )),
            Source::Similarities(_) => return,
            Source::Weights(_) => None,
        };
        let separations = match &mut all {
            Some(all) => &mut all[..self.states.len()],
            None => &mut [],
        };
        for (b, separation) in separations.iter_mut().enumerate() {
            let scores = &self.scores.row_mut(b)[..count];
            separation.survey(simd, scores, self.first, &mut self.states[b]);
        }
        self.segments(simd, separations);
        for (separation, state) in separations.iter().zip(&mut *self.states) {
            separation.end(simd, state);
        }
    }

    /// The scores.
    #[inline(always)]
    fn score<S: Simd<T>>(&mut self, simd: S, probes: MatRef<'_, T>) {
        if self.panels.is_empty() {
            dots(simd, probes, self.patterns, &mut self.scores);
        } else {
            panels::dots(simd, probes, self.panels, &mut self.scores);
        }
    }

    /// Keeps the scores where they are wanted.
    #[inline(always)]
    fn record(&mut self) {
        let Some(similarities) = &mut self.similarities else { return };
        for b in 0..similarities.rows() {
            let scores = &self.scores.row_mut(b)[..self.block.len()];
            similarities.row_mut(b)[self.block.clone()].copy_from_slice(scores);
        }
    }

    /// The segments, between which some probe's reference rises: weights, and what they retrieve.
    #[inline(always)]
    fn segments<S: Simd<T>>(&mut self, simd: S, separations: &mut [Separation<'_, T, S::Group>]) {
        let count = self.patterns.rows();
        let mut survivors = Survivors::NONE;
        let mut from = 0;
        while from < count {
            let mut to = count;
            for (b, separation) in separations.iter_mut().enumerate() {
                let (row, state) = (self.scores.row_mut(b), &mut self.states[b]);
                let (rescale, end) = separation.segment(simd, row, (from, count), state);
                self.rescale[b] = self.rescale[b] * rescale;
                to = to.min(end);
            }
            let dense = !separations.is_empty()
                && separations.iter().zip(&*self.states).all(|(one, state)| one.is_dense(state));
            for b in 0..self.states.len() {
                let (row, state) = (self.scores.row_mut(b), &self.states[b]);
                let Some(separation) = separations.get_mut(b) else {
                    survivors.find(simd, b, row, from..to);
                    continue;
                };
                let (row, bits) = ((row.as_ptr(), row.as_mut_ptr()), survivors.of(b));
                // SAFETY: rows are whole lane groups.
                unsafe { separation.weigh(simd, row, from..to, state, (dense, bits)) };
            }
            for (b, state) in self.states.iter_mut().enumerate() {
                state.support += match dense {
                    true => to - from,
                    false => survivors.count::<T>(b..b + 1, from..to),
                };
            }
            self.combine(simd, from..to, (!dense).then_some(&survivors));
            from = to;
        }
    }

    /// Adds the weighted patterns of a segment to what is retrieved: of the survivors, or of all.
    #[inline(always)]
    fn combine<S: Simd<T>>(
        &mut self,
        simd: S,
        segment: Range<usize>,
        survivors: Option<&Survivors>,
    ) {
        let rescale = std::mem::replace(&mut self.rescale, [T::ONE; GROUP]);
        let Some(retrieved) = &mut self.retrieved else { return };
        let (weights, patterns) = (self.scores.as_ref(), self.patterns);
        let probes = 0..weights.rows();
        let all = survivors
            .is_none_or(|some| some.count::<T>(probes.clone(), segment.clone()) == segment.len());
        // SAFETY: segment and lists name rows of the patterns.
        unsafe {
            match survivors.filter(|_| !all) {
                None => {
                    let rows = (segment.len(), self.ahead.after(segment.start));
                    let patterns = patterns.subrows(segment.clone());
                    let weights = weights.subcols(segment);
                    combine(simd, weights, patterns, rows, &rescale[probes], retrieved);
                }
                Some(survivors) => {
                    let list = survivors.list(simd, probes.clone(), segment, self.list);
                    let rows = (list, Ahead::NONE);
                    combine(simd, weights, patterns, rows, &rescale[probes], retrieved);
                }
            }
        }
    }
}
