//! Fused recall: similarities, separation and combination over blocks of patterns that stay in L2.
//!
//! ```text
//! for each block of patterns:
//!     for each company of groups of probes:
//!         for each chunk of d, each group:
//!             scores = dots(group, block)
//!         for each group, each segment of the block:           # mostly one: see `separation`
//!             weights, rescale = separate(scores)              # and the state: reference, mass
//!         for each chunk of d, backwards, each group:
//!             X̂ = rescale X̂ + combine(weights, segment)        # the block is still in L2
//! ```
//!
//! Groups take turns: the scores of a few dozen of them, then all separations, then all combinations. Each loop
//! runs for long, and of long patterns L2 holds a chunk of d at a time. A block's chunk and
//! what goes past it for a group at a time are little; whole rows of X̂ for a few dozen probes would drive
//! the block out of L2 before the next group comes.
//!
//! One probe takes less than a block at a time (see `stretches`); the bits are the same.
//!
//! The B x N scores are never all there. This is flash attention's order (Dao et al. 2022, arXiv
//! 2205.14135) with one matrix for keys and values, so that the patterns are read once.

use std::ops::Range;

use crate::driver::blocking::{COMPANY, blocks, scores_stride};
use crate::driver::decode;
use crate::driver::decode::Stretches;
use crate::driver::score_tile::{Meeting, Rescale};
use crate::driver::source::Source;
use crate::kernel::axpy::Ahead;
use crate::kernel::dot::chunks;
use crate::kernel::norms::squared_norm;
use crate::kernel::packed_dot;
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::separation::state::State;
use crate::simd::tile::GROUP;
use crate::simd::{Element, Kernel, Simd};

/// What one task needs beside its operands.
#[derive(Debug)]
pub struct TileScratch<'a, T> {
    /// Scores of the groups of a company and a block of patterns: padded rows, `GROUP` at least.
    pub scores: &'a mut [T],
    /// A list of the patterns of a block that have a weight.
    pub list: &'a mut [u32],
    /// Panels of a block, as [`panels`] makes them; none where they are not to be made.
    pub panels: &'a mut [T],
}

/// The groups of a batch, as even as they can be.
struct Groups {
    count: usize,
    /// Probes of a group ...
    size: usize,
    /// ... and one more in so many of the first.
    larger: usize,
}

impl Groups {
    fn of(batch: usize, most: usize) -> Self {
        let count = batch.div_ceil(most);
        Self { count, size: batch / count, larger: batch % count }
    }

    /// Without a division: every block asks for every group a few times.
    #[inline(always)]
    fn probes(&self, group: usize) -> Range<usize> {
        let bound = |group: usize| group * self.size + group.min(self.larger);
        bound(group)..bound(group + 1)
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
    /// Whether the next block is to be prefetched while one is combined, and whether a stretch is.
    pub prefetches: bool,
    pub prefetches_stretches: bool,
    /// Probes that share the loads of a pattern: at most `GROUP`.
    pub group: usize,
    /// Groups that take turns with a block, and with every chunk of d: at most `COMPANY`.
    pub company: usize,
    /// One for each probe; written.
    pub states: &'a mut [State<T>],
    /// The sums of weighted patterns, relative to the states' references, padded; written. Without, only
    /// the states are found.
    pub retrieved: Option<MatMut<'a, T>>,
    /// The scores, where they are to be kept.
    pub similarities: Option<MatMut<'a, T>>,
    /// Scratch.
    pub scratch: TileScratch<'a, T>,
}

impl<T: Element> Kernel<T> for Shard<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        match self.source {
            Source::Probes(probes, sharpness) => {
                for (state, probe) in self.states.iter_mut().zip(probes.iter()) {
                    *state = State::of(squared_norm(simd, probe), sharpness);
                }
            }
            Source::Similarities(_) => self.states.fill(State::EMPTY),
            Source::Weights(_) => self.states.fill(State::UNIT),
        }
        if let (Source::Probes(probe, sharpness), [state], None, Some(retrieved)) =
            (self.source, &mut *self.states, self.keep, &mut self.retrieved)
            && decode::pays::<T, S>(self.patterns.cols())
        {
            let mut similarities = self.similarities.as_mut().map(|all| all.row_mut(0));
            retrieved.row_mut(0).fill(T::ZERO);
            for block in blocks::<T>(self.patterns.rows(), self.block) {
                let (scores, weights) =
                    self.scratch.scores.split_at_mut(scores_stride::<T>(self.block));
                Stretches {
                    probe: probe.row(0),
                    sharpness,
                    patterns: self.patterns.subrows(block.clone()),
                    first: self.first + block.start,
                    scores,
                    weights,
                    state,
                    retrieved: retrieved.row_mut(0),
                    prefetches: self.prefetches_stretches,
                }
                .run(simd);
                if let Some(similarities) = &mut similarities {
                    similarities[block.clone()].copy_from_slice(&scores[..block.len()]);
                }
            }
            return;
        }
        let mut left = [None; COMPANY];
        let groups = Groups::of(self.source.batch(), self.group);
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            if !self.scratch.panels.is_empty() {
                let patterns = self.patterns.subrows(block.clone());
                packed_dot::transpose(simd, patterns, self.scratch.panels);
            }
            for company in evenly(groups.count, self.company) {
                self.meet(simd, &block, &groups, company, &mut left);
            }
        }
    }
}

impl<T: Element> Shard<'_, T> {
    /// Some groups of probes meet a block of patterns. They take turns with every chunk of d. `left` is
    /// scratch: what each group leaves to be combined.
    #[inline(always)]
    fn meet<S: Simd<T>>(
        &mut self,
        simd: S,
        block: &Range<usize>,
        groups: &Groups,
        company: Range<usize>,
        left: &mut [Option<Rescale<T>>; COMPANY],
    ) {
        let source = self.source;
        let lanes = self.patterns.cols() / T::LANES;
        let probes = |group| groups.probes(group);
        // What is to be retrieved holds anything before the first block.
        let rescale = [if block.start == 0 { T::ZERO } else { T::ONE }; GROUP];
        let first = probes(company.start).start;
        for chunk in chunks::<T>(lanes) {
            for group in company.clone() {
                let probes = probes(group);
                self.meeting(block, probes.clone(), first).score(
                    simd,
                    source.of(probes),
                    chunk.clone(),
                );
            }
        }
        for (group, left) in company.clone().zip(&mut *left) {
            let probes = probes(group);
            let mut meeting = self.meeting(block, probes.clone(), first);
            *left = meeting.separate(simd, source.of(probes), rescale);
        }
        // Backwards: the last chunk is still in L2.
        for chunk in chunks::<T>(lanes).rev() {
            for (group, rescale) in company.clone().zip(&*left) {
                let Some(rescale) = *rescale else { continue };
                self.meeting(block, probes(group), first).combine(simd, chunk.clone(), rescale);
            }
        }
    }

    /// A group of probes and a block of patterns. The scratch begins with probe `first`.
    #[inline(always)]
    fn meeting(
        &mut self,
        block: &Range<usize>,
        group: Range<usize>,
        first: usize,
    ) -> Meeting<'_, T> {
        let (batch, count) = (self.states.len(), block.len());
        // Every group prefetches its share of the next block.
        let share = |b: usize| count * b / batch;
        let ahead = match self.prefetches {
            true => Ahead { rows: count, share: share(group.start)..share(group.end) },
            false => Ahead::NONE,
        };
        let stride = scores_stride::<T>(self.block);
        Meeting {
            patterns: self.patterns.subrows(block.clone()),
            keep: self.keep.map(|keep| &keep[block.clone()]),
            first: self.first + block.start,
            scores: MatMut::with_stride(
                &mut self.scratch.scores[(group.start - first) * stride..],
                group.len(),
                count.next_multiple_of(T::LANES),
                stride,
            )
            .expect("scratch is made to measure"),
            states: &mut self.states[group.clone()],
            retrieved: self.retrieved.as_mut().map(|all| all.rows_mut(group.clone())),
            similarities: self.similarities.as_mut().map(|all| all.rows_mut(group)),
            block: block.clone(),
            panels: self.scratch.panels,
            list: self.scratch.list,
            ahead,
        }
    }
}

#[cfg(test)]
mod tests;
