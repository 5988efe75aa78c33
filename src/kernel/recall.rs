//! Fused recall: similarities, separation and combination over blocks of patterns that stay in L2.
//!
//! ```text
//! for each block of patterns:
//!     for each group of probes:
//!         scores = dots(group, block)
//!         weights, rescale = separate(scores)          # and the state: peak, mass
//!         X̂ = rescale X̂ + combine(weights, block)      # the block is still in L2
//! ```
//!
//! The B x N scores are never all there. This is flash attention's order (Dao et al. 2022, arXiv
//! 2205.14135) with one matrix for keys and values, so that the patterns are read once.

use std::ops::Range;

use super::combine::{Ahead, combine};
use super::dots::dots;
use super::separation::{Sharpness, State, memory_weights, separate, survivors};
use super::{GROUP, evenly, panels, rows};
use crate::simd::{Kernel, Simd};
use crate::{Element, MatMut, MatRef};

/// What one task needs beside its operands.
#[derive(Debug)]
pub struct Scratch<'a, T> {
    /// Scores of a group of probes and a block of patterns: `GROUP` padded rows.
    pub scores: &'a mut [T],
    /// Patterns of a block that have a weight.
    pub list: &'a mut [u32],
    /// Panels of a block, as [`panels`] makes them; none where they are not to be made.
    pub panels: &'a mut [T],
}

/// Elements of [`Scratch::scores`] for blocks of so many patterns: a line more than the columns, so
/// that rows do not share an L1 set.
pub(crate) const fn scores_stride<T: Element>(block: usize) -> usize {
    block.next_multiple_of(T::LANES) + T::LANES
}

/// Where the weights of patterns come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a, T> {
    /// From padded probes, by the separation of their similarities.
    Probes(MatRef<'a, T>, Sharpness<T>),
    /// From padded probes, of which only the similarities are wanted.
    Similarities(MatRef<'a, T>),
    /// They are given: a row for each probe, a column for each pattern.
    Weights(MatRef<'a, T>),
}

impl<T: Element> Source<'_, T> {
    fn batch(&self) -> usize {
        match self {
            Self::Probes(rows, _) | Self::Similarities(rows) | Self::Weights(rows) => rows.rows(),
        }
    }
}

/// Recall of some probes from a shard of the patterns.
pub struct Shard<'a, T> {
    /// The probes, or their weights.
    pub source: Source<'a, T>,
    /// Padded patterns.
    pub patterns: MatRef<'a, T>,
    /// Which patterns take part; all without.
    pub keep: Option<&'a [bool]>,
    /// Index of the first pattern among all.
    pub first: usize,
    /// Most patterns in a block.
    pub block: usize,
    /// Whether the next block is to be prefetched while one is combined.
    pub prefetches: bool,
    /// Probes that go through the block together: at most `GROUP`.
    pub group: usize,
    /// One for each probe; written.
    pub states: &'a mut [State<T>],
    /// The sums of weighted patterns, relative to the states' peaks, padded; written. Without, only
    /// the states are found.
    pub retrieved: Option<MatMut<'a, T>>,
    /// The scores, where they are to be kept.
    pub similarities: Option<MatMut<'a, T>>,
    /// Scratch.
    pub scratch: Scratch<'a, T>,
}

impl<T: Element> Kernel<T> for Shard<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        self.states.fill(match self.source {
            Source::Weights(_) => State::UNIT,
            _ => State::EMPTY,
        });
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            if !self.scratch.panels.is_empty() {
                let patterns = self.patterns.subrows(block.clone());
                panels::transpose(simd, patterns, self.scratch.panels);
            }
            for group in evenly(self.source.batch(), self.group) {
                self.step(simd, block.clone(), group);
            }
        }
    }
}

impl<T: Element> Shard<'_, T> {
    /// One group of probes and one block of patterns.
    #[inline(always)]
    fn step<S: Simd<T>>(&mut self, simd: S, block: Range<usize>, group: Range<usize>) {
        let patterns = self.patterns.subrows(block.clone());
        let (count, stride) = (block.len(), scores_stride::<T>(self.block));
        let padded = count.next_multiple_of(T::LANES);
        let mut scores = MatMut::with_stride(self.scratch.scores, group.len(), padded, stride)
            .expect("scratch is made to measure");
        if let Source::Probes(probes, _) | Source::Similarities(probes) = self.source {
            let probes = probes.subrows(group.clone());
            if !self.scratch.panels.is_empty() {
                panels::dots(simd, probes, self.scratch.panels, &mut scores);
            } else {
                dots(simd, probes, patterns, &mut scores);
            }
        }
        let keep = self.keep.map(|keep| &keep[block.clone()]);
        let batch = self.states.len();
        let states = &mut self.states[group.clone()];
        // What is to be retrieved holds anything before the first block.
        let mut rescale = [if block.start == 0 { T::ZERO } else { T::ONE }; GROUP];
        let mut all_dense = matches!(self.source, Source::Probes(..));
        for (b, state) in states.iter_mut().enumerate() {
            let (row, surplus) = scores.row_mut(b).split_at_mut(count);
            surplus.fill(T::ZERO);
            if let Source::Weights(weights) = self.source {
                row.copy_from_slice(&weights.row(group.start + b)[block.clone()]);
            }
            if let Some(similarities) = &mut self.similarities {
                similarities.row_mut(group.start + b)[block.clone()].copy_from_slice(row);
            }
            if let Source::Probes(_, sharpness) = self.source {
                let first = self.first + block.start;
                let (factor, dense) = separate(simd, row, keep, first, sharpness, state);
                rescale[b] = factor;
                all_dense &= dense;
            }
        }
        if let Source::Similarities(_) = self.source {
            return;
        }
        let survivors =
            survivors(simd, scores.as_ref(), count, all_dense, states, self.scratch.list);
        if let Some(retrieved) = &mut self.retrieved {
            let (weights, rescale) = (scores.as_ref(), &rescale[..group.len()]);
            // Every group prefetches its share of the next block.
            let share = |b: usize| count * b / batch;
            let ahead = Ahead { rows: count, share: share(group.start)..share(group.end) };
            let ahead = if self.prefetches { ahead } else { Ahead::NONE };
            let mut retrieved = retrieved.rows_mut(group);
            // SAFETY: the list names columns below `count`, whose weights are not zero.
            unsafe {
                match survivors {
                    None => {
                        let rows = (count, ahead);
                        combine(simd, weights, patterns, rows, rescale, &mut retrieved);
                    }
                    Some(list) => {
                        let rows = (list, Ahead::NONE);
                        combine(simd, weights, patterns, rows, rescale, &mut retrieved);
                    }
                }
            }
        }
    }
}

/// Adds the recall from a later shard of patterns to that from the earlier ones.
pub struct Merge<'a, T> {
    /// The earlier shards' states and sums.
    pub earlier: (&'a mut [State<T>], Option<MatMut<'a, T>>),
    /// The later shard's.
    pub later: (&'a [State<T>], Option<MatRef<'a, T>>),
    /// The separation's scale.
    pub scale: T,
}

impl<T: Element> Kernel<T> for Merge<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let (states, mut sums) = self.earlier;
        for (b, (state, later)) in states.iter_mut().zip(self.later.0).enumerate() {
            let (merged, a, c) = State::merge(simd, *state, *later, self.scale);
            *state = merged;
            if let (Some(sums), Some(later)) = (&mut sums, &self.later.1) {
                rows::join(simd, sums.row_mut(b), a, later.row(b), c);
            }
        }
    }
}

/// Ranges of at most `most` patterns, whole panels of `LANES` but for the end of the last.
pub(crate) fn blocks<T: Element>(
    patterns: usize,
    most: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
    evenly(patterns.div_ceil(T::LANES), most / T::LANES)
        .map(move |panels| panels.start * T::LANES..(panels.end * T::LANES).min(patterns))
}

/// Turns sums of weighted patterns into retrieved probes, and scores into memory weights.
pub struct Finish<'a, T> {
    /// The probes' final states.
    pub states: &'a [State<T>],
    /// Padded sums, and where the retrieved probes go.
    pub retrieved: Option<(MatRef<'a, T>, MatMut<'a, T>)>,
    /// Whether they are divided by the weights' mass.
    pub normalises: bool,
    /// What they are multiplied by.
    pub gain: T,
    /// Scores; memory weights afterwards.
    pub weights: Option<(MatMut<'a, T>, Sharpness<T>)>,
    /// Which patterns take part; all without.
    pub keep: Option<&'a [bool]>,
}

impl<T: Element> Kernel<T> for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for (b, state) in self.states.iter().enumerate() {
            if let Some((sums, to)) = &mut self.retrieved {
                let normaliser = if self.normalises { state.normaliser() } else { T::ONE };
                rows::finish(simd, sums.row(b), normaliser * self.gain, to.row_mut(b));
            }
            if let Some((weights, sharpness)) = &mut self.weights {
                memory_weights(simd, weights.row_mut(b), self.keep, *sharpness, state);
            }
        }
    }
}
