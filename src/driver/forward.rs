//! Fused recall: similarities, separation and combination over blocks of patterns that stay in L2.
//!
//! ```text
//! for each block of patterns:
//!     for each probe_block of tiles of probes:
//!         for each chunk of d, each tile:
//!             scores = dots(tile, block)
//!         for each tile, each segment of the block:           # mostly one: see `separation`
//!             weights, rescale = separate(scores)              # and the state: shift, row_sum
//!         for each chunk of d, backwards, each tile:
//!             X̂ = rescale X̂ + combine(weights, segment)        # the block is still in L2
//! ```
//!
//! ProbeTiles take turns: the scores of a few dozen of them, then all separations, then all combinations. Each loop
//! runs for long, and of long patterns L2 holds a chunk of d at a time. A block's chunk and
//! what goes past it for a tile at a time are little; whole rows of X̂ for a few dozen probes would drive
//! the block out of L2 before the next tile comes.
//!
//! One probe takes less than a block at a time (see `stretches`); the bits are the same.
//!
//! The B x N scores are never all there. This is flash attention's order (Dao et al. 2022, arXiv
//! 2205.14135) with one matrix for keys and values, so that the patterns are read once.

use std::ops::Range;

use crate::driver::blocking::{PROBE_BLOCK, blocks, scores_stride};
use crate::driver::decode;
use crate::driver::decode::RowStrips;
use crate::driver::score_tile::{Rescale, ScoreTile};
use crate::driver::source::Source;
use crate::kernel::axpy::Ahead;
use crate::kernel::dot::chunks;
use crate::kernel::norms::squared_norm;
use crate::kernel::packed_dot;
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::separation::state::State;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Kernel, Simd};

/// What one task needs beside its operands.
#[derive(Debug)]
pub struct TileScratch<'a, T> {
    /// Scores of the tiles of a probe_block and a block of patterns: padded rows, `PROBE_TILE` at least.
    pub scores: &'a mut [T],
    /// A list of the patterns of a block that have a weight.
    pub list: &'a mut [u32],
    /// Panels of a block, as [`panels`] makes them; none where they are not to be made.
    pub panels: &'a mut [T],
}

/// The tiles of a batch, as even as they can be.
struct ProbeTiles {
    count: usize,
    /// Probes of a tile ...
    size: usize,
    /// ... and one more in so many of the first.
    larger: usize,
}

impl ProbeTiles {
    fn of(batch: usize, most: usize) -> Self {
        let count = batch.div_ceil(most);
        Self { count, size: batch / count, larger: batch % count }
    }

    /// Without a division: every block asks for every tile a few times.
    #[inline(always)]
    fn probes(&self, tile: usize) -> Range<usize> {
        let bound = |tile: usize| tile * self.size + tile.min(self.larger);
        bound(tile)..bound(tile + 1)
    }
}

/// Recall of some probes from a split of the patterns.
pub struct Forward<'a, T> {
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
    pub prefetches_strips: bool,
    /// Probes that share the loads of a pattern: at most `PROBE_TILE`.
    pub probe_tile: usize,
    /// ProbeTiles that take turns with a block, and with every chunk of d: at most `PROBE_BLOCK`.
    pub probe_block: usize,
    /// One for each probe; written.
    pub states: &'a mut [State<T>],
    /// The sums of weighted patterns, relative to the states' shifts, padded; written. Without, only
    /// the states are found.
    pub retrieved: Option<MatMut<'a, T>>,
    /// The scores, where they are to be kept.
    pub similarities: Option<MatMut<'a, T>>,
    /// Scratch.
    pub scratch: TileScratch<'a, T>,
}

impl<T: Element> Kernel<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        match self.source {
            Source::Probes(probes, params) => {
                for (state, probe) in self.states.iter_mut().zip(probes.iter()) {
                    *state = State::of(squared_norm(simd, probe), params);
                }
            }
            Source::Similarities(_) => self.states.fill(State::EMPTY),
            Source::Weights(_) => self.states.fill(State::UNIT),
        }
        if let (Source::Probes(probe, params), [state], None, Some(retrieved)) =
            (self.source, &mut *self.states, self.keep, &mut self.retrieved)
            && decode::pays::<T, S>(self.patterns.cols())
        {
            let mut similarities = self.similarities.as_mut().map(|all| all.row_mut(0));
            retrieved.row_mut(0).fill(T::ZERO);
            for block in blocks::<T>(self.patterns.rows(), self.block) {
                let (scores, weights) =
                    self.scratch.scores.split_at_mut(scores_stride::<T>(self.block));
                RowStrips {
                    probe: probe.row(0),
                    params,
                    patterns: self.patterns.subrows(block.clone()),
                    first: self.first + block.start,
                    scores,
                    weights,
                    state,
                    retrieved: retrieved.row_mut(0),
                    prefetches: self.prefetches_strips,
                }
                .run(simd);
                if let Some(similarities) = &mut similarities {
                    similarities[block.clone()].copy_from_slice(&scores[..block.len()]);
                }
            }
            return;
        }
        let mut left = [None; PROBE_BLOCK];
        let tiles = ProbeTiles::of(self.source.batch(), self.probe_tile);
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            if !self.scratch.panels.is_empty() {
                let patterns = self.patterns.subrows(block.clone());
                packed_dot::transpose(simd, patterns, self.scratch.panels);
            }
            for probe_block in evenly(tiles.count, self.probe_block) {
                self.visit(simd, &block, &tiles, probe_block, &mut left);
            }
        }
    }
}

impl<T: Element> Forward<'_, T> {
    /// A block of probes and a block of patterns. They take turns with every chunk of d. `left` is
    /// scratch: what each tile leaves to be combined.
    #[inline(always)]
    fn visit<S: Simd<T>>(
        &mut self,
        simd: S,
        block: &Range<usize>,
        tiles: &ProbeTiles,
        probe_block: Range<usize>,
        left: &mut [Option<Rescale<T>>; PROBE_BLOCK],
    ) {
        let source = self.source;
        let lanes = self.patterns.cols() / T::LANES;
        let probes = |tile| tiles.probes(tile);
        // What is to be retrieved holds anything before the first block.
        let rescale = [if block.start == 0 { T::ZERO } else { T::ONE }; PROBE_TILE];
        let first = probes(probe_block.start).start;
        for chunk in chunks::<T>(lanes) {
            for tile in probe_block.clone() {
                let probes = probes(tile);
                self.score_tile(block, probes.clone(), first).score(
                    simd,
                    source.of(probes),
                    chunk.clone(),
                );
            }
        }
        for (tile, left) in probe_block.clone().zip(&mut *left) {
            let probes = probes(tile);
            let mut score_tile = self.score_tile(block, probes.clone(), first);
            *left = score_tile.separate(simd, source.of(probes), rescale);
        }
        // Backwards: the last chunk is still in L2.
        for chunk in chunks::<T>(lanes).rev() {
            for (tile, rescale) in probe_block.clone().zip(&*left) {
                let Some(rescale) = *rescale else { continue };
                self.score_tile(block, probes(tile), first).combine(simd, chunk.clone(), rescale);
            }
        }
    }

    /// A tile of probes and a block of patterns. The scratch begins with probe `first`.
    #[inline(always)]
    fn score_tile(
        &mut self,
        block: &Range<usize>,
        tile: Range<usize>,
        first: usize,
    ) -> ScoreTile<'_, T> {
        let (batch, count) = (self.states.len(), block.len());
        // Every tile prefetches its share of the next block.
        let share = |b: usize| count * b / batch;
        let ahead = match self.prefetches {
            true => Ahead { rows: count, share: share(tile.start)..share(tile.end) },
            false => Ahead::NONE,
        };
        let stride = scores_stride::<T>(self.block);
        ScoreTile {
            patterns: self.patterns.subrows(block.clone()),
            keep: self.keep.map(|keep| &keep[block.clone()]),
            first: self.first + block.start,
            scores: MatMut::with_stride(
                &mut self.scratch.scores[(tile.start - first) * stride..],
                tile.len(),
                count.next_multiple_of(T::LANES),
                stride,
            )
            .expect("scratch is made to measure"),
            states: &mut self.states[tile.clone()],
            retrieved: self.retrieved.as_mut().map(|all| all.rows_mut(tile.clone())),
            similarities: self.similarities.as_mut().map(|all| all.rows_mut(tile)),
            block: block.clone(),
            panels: self.scratch.panels,
            list: self.scratch.list,
            ahead,
        }
    }
}

#[cfg(test)]
mod tests;
