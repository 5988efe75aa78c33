//! Fused recall: scores, separation and projection over blocks of patterns that stay in L2.
//!
//! ```text
//! for each block of patterns:
//!     for each probe block:
//!         for each chunk of d, each probe tile:
//!             scores = dots(tile, block)
//!         for each probe tile, each segment of the block:     # mostly one: see `separation`
//!             weights, rescale = separate(scores)              # see `streaming`
//!         for each chunk of d, last to first, each probe tile:
//!             X̂ = rescale X̂ + combine(weights, segment)        # the block is still in L2
//! ```
//!
//! 1. The B x N scores are never stored as a whole. This is the order of flash attention (Dao et
//!    al. 2022, arXiv 2205.14135) with one matrix for keys and values, so the patterns are read
//!    once.
//! 2. Each stage runs over all tiles of a probe block (a few dozen) before the next stage begins,
//!    so every loop is long.
//! 3. Of long patterns, L2 holds one chunk of d of the block at a time. The data that a tile needs
//!    with it, that chunk of its probes or of X̂, is small. Whole rows of X̂ for a few dozen probes
//!    would evict the block before the next tile.
//! 4. A single probe takes a strip of a few patterns at a time, with the same bits (see `decode`).

use std::ops::Range;

use crate::driver::blocking::{PROBE_BLOCK, blocks, scores_stride};
use crate::driver::decode;
use crate::driver::decode::RowStrips;
use crate::driver::input::Input;
use crate::driver::lines::Lines;
use crate::driver::lists::Lists;
use crate::driver::outputs::PerPattern;
use crate::driver::score_tile::{Rescale, ScoreTile};
use crate::driver::streaming::{Softmax, Streaming, StreamingSeparation};
use crate::kernel::axpy::Ahead;
use crate::kernel::packed_dot;
use crate::kernel::score::chunks;
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::memory::rows::Rows;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Kernel, Loads, Ragged, Simd, Stored, Whole};
use crate::similarity::scoring::Scoring;

/// Scratch memory of one task.
#[derive(Debug)]
pub struct TileScratch<'a, T> {
    /// Scores of a probe block against a block of patterns: at least `PROBE_TILE` padded rows.
    pub scores: &'a mut [T],
    /// Indices of the patterns of a block that have a weight.
    pub list: &'a mut [u32],
    /// Panels of a block, as `packed_dot::transpose` writes them; empty if nothing is packed.
    pub panels: &'a mut [T],
    /// Room for the rows of a block that are unpacked: those of patterns, then those of values.
    /// Empty if all rows are read in place.
    pub unpacked: &'a mut [T],
}

/// The probe tiles of a batch. Their sizes differ by at most one.
struct ProbeTiles {
    count: usize,
    /// Probes in a tile ...
    size: usize,
    /// ... and the number of tiles, the first ones, that have one probe more.
    larger: usize,
}

impl ProbeTiles {
    fn of(batch: usize, most: usize) -> Self {
        let count = batch.div_ceil(most);
        Self { count, size: batch / count, larger: batch % count }
    }

    /// The probes of a tile. There is no division, as this runs a few times per block and tile.
    #[inline(always)]
    fn probes(&self, tile: usize) -> Range<usize> {
        let bound = |tile: usize| tile * self.size + tile.min(self.larger);
        bound(tile)..bound(tile + 1)
    }
}

/// Some adjacent tiles of a batch.
struct ProbeBlock<'a> {
    all: &'a ProbeTiles,
    tiles: Range<usize>,
}

/// Recall of some probes from one split of the patterns.
pub struct Forward<'a, T> {
    /// The padded probes, or their weights.
    pub input: Input<'a, T>,
    /// From scores to weights.
    pub separation: Streaming<T>,
    pub patterns: Rows<'a, T>,
    /// One for each pattern, if they are not the patterns themselves.
    pub values: Option<Rows<'a, T>>,
    /// From sums over d to scores; `None` if they are the same.
    pub scoring: Option<&'a Scoring<'a, T>>,
    /// A factor of the weight of each pattern in the projection.
    pub value_factors: Option<&'a [T]>,
    /// Which patterns take part; `None` means all.
    pub keep: Option<&'a [bool]>,
    /// Index of the split's first pattern in the memory.
    pub first: usize,
    /// Most patterns in a block.
    pub block: usize,
    /// Whether the next block is prefetched while the current one is projected.
    pub prefetches: bool,
    /// Whether the next row strip is prefetched while the current one is projected.
    pub prefetches_strips: bool,
    /// Whether the patterns are taken to come from memory: for one probe they are then prefetched
    /// further ahead.
    pub from_memory: bool,
    /// Most probes in a tile, which share the loads of a pattern: at most `PROBE_TILE`.
    pub probe_tile: usize,
    /// Most tiles in a probe block: at most `PROBE_BLOCK`.
    pub probe_block: usize,
    /// One for each probe; written.
    pub states: &'a mut [State<T>],
    /// The probes' lists of candidates, if those are wanted.
    pub lists: Option<&'a mut Lists<'a, T>>,
    /// The sums of weighted patterns, relative to the states' shifts, in padded rows; written. With
    /// `None`, only the states are computed.
    pub retrieved: Option<MatMut<'a, T>>,
    /// Where to store similarities and scores, if they are wanted.
    pub per_pattern: PerPattern<'a, T>,
    /// Scratch.
    pub scratch: TileScratch<'a, T>,
}

impl<T: Element> Kernel<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        self.separation.begin(simd, self.input, self.states);
        if let (Streaming::Softmax(Softmax(params)), Input::Probes(probe)) =
            (self.separation, self.input)
            && self.states.len() == 1
            && self.keep.is_none()
            && self.retrieved.is_some()
            && self.values.is_none()
            && self.value_factors.is_none()
            && self.scoring.is_none()
            && decode::pays::<T, S>(self.patterns.cols())
        {
            return self.one_probe(simd, probe.row(0), params);
        }
        let mut left = [None; PROBE_BLOCK];
        let tiles = ProbeTiles::of(self.input.rows(), self.probe_tile);
        let unpacked = std::mem::take(&mut self.scratch.unpacked);
        let (of_patterns, of_values) =
            unpacked.split_at_mut(self.patterns.scratch(self.block.min(self.patterns.rows())));
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            let patterns = Lines::new(self.patterns.subrows(block.clone()), of_patterns);
            let values = self.values.map(|values| values.subrows(block.clone()));
            let values = values.map(|values| Lines::new(values, of_values));
            let mut lines = BlockLines { block, patterns, values };
            if !self.scratch.panels.is_empty() && matches!(self.input, Input::Probes(_)) {
                packed_dot::transpose(simd, lines.patterns.all(simd), self.scratch.panels);
            }
            for probe_block in evenly(tiles.count, self.probe_block) {
                let probes = ProbeBlock { all: &tiles, tiles: probe_block };
                self.visit(simd, &mut lines, probes, &mut left);
            }
        }
    }
}

/// The only probe of a recall, and a block of patterns.
struct OneProbe<'a, T> {
    probe: &'a [T],
    params: SoftmaxParams<T>,
    block: Range<usize>,
}

/// One block of patterns.
struct BlockLines<'a, T> {
    /// Which they are.
    block: Range<usize>,
    patterns: Lines<'a, T>,
    /// The values, if they are not the patterns.
    values: Option<Lines<'a, T>>,
}

impl<T: Element> Forward<'_, T> {
    /// Recalls one probe by row strips.
    #[inline(always)]
    fn one_probe<S: Simd<T>>(mut self, simd: S, probe: &[T], params: SoftmaxParams<T>) {
        if let Some(retrieved) = &mut self.retrieved {
            retrieved.row_mut(0).fill(T::ZERO);
        }
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            let one = OneProbe { probe, params, block: block.clone() };
            match self.patterns.subrows(block) {
                Rows::Padded(rows) => self.row_strips(simd, one, rows, Whole),
                Rows::Bf16(rows) if S::WIDENS => self.row_strips(simd, one, rows, Whole),
                Rows::F16(rows) if S::WIDENS => self.row_strips(simd, one, rows, Whole),
                Rows::Ragged(rows) => self.row_strips(simd, one, rows, Ragged(rows.cols())),
                rows => {
                    let unpacked = std::mem::take(&mut self.scratch.unpacked);
                    self.row_strips(simd, one, rows.all(simd, unpacked), Whole);
                    self.scratch.unpacked = unpacked;
                }
            }
        }
    }

    /// Recalls one probe from one block of patterns.
    #[inline(always)]
    fn row_strips<S: Simd<T>, E: Stored<T>, L: Loads<T, E>>(
        &mut self,
        simd: S,
        OneProbe { probe, params, block }: OneProbe<'_, T>,
        patterns: MatRef<'_, E>,
        loads: L,
    ) {
        let ([state], Some(retrieved)) = (&mut *self.states, &mut self.retrieved) else { return };
        let (scores, weights) = self.scratch.scores.split_at_mut(scores_stride::<T>(self.block));
        RowStrips {
            probe,
            params,
            patterns,
            loads,
            first: self.first + block.start,
            scores,
            weights,
            state,
            retrieved: retrieved.row_mut(0),
            prefetches: self.prefetches_strips,
            further: decode::further::<T, E>(patterns.forward_stride(), self.from_memory),
        }
        .run(simd);
        let scores = &scores[..block.len()];
        self.per_pattern.write_similarities(0, block.clone(), scores);
        self.per_pattern.write_scores(0, block, scores);
    }

    /// One probe block against one block of patterns, stage by stage. `left` is scratch: for each
    /// tile, the rescale factors if the whole block is still to be projected.
    #[inline(always)]
    fn visit<S: Simd<T>>(
        &mut self,
        simd: S,
        lines: &mut BlockLines<'_, T>,
        ProbeBlock { all: tiles, tiles: probe_block }: ProbeBlock<'_>,
        left: &mut [Option<Rescale<T>>; PROBE_BLOCK],
    ) {
        let (input, separation) = (self.input, self.separation);
        let lanes = self.patterns.cols() / T::LANES;
        let probes = |tile| tiles.probes(tile);
        // Before the first block `retrieved` holds stale values. A factor of 0 means that they are
        // not read.
        let rescale = [if lines.block.start == 0 { T::ZERO } else { T::ONE }; PROBE_TILE];
        let first = probes(probe_block.start).start;
        if let Input::Probes(all) = input {
            for chunk in chunks::<T>(lanes) {
                for tile in probe_block.clone() {
                    let probes = probes(tile);
                    let mut tile = self.score_tile(lines, probes.clone(), first);
                    tile.score(simd, all.subrows(probes), chunk.clone());
                }
            }
        }
        for (tile, left) in probe_block.clone().zip(&mut *left) {
            let probes = probes(tile);
            let mut score_tile = self.score_tile(lines, probes.clone(), first);
            *left = separation.separate(simd, &mut score_tile, input.of(probes), rescale);
        }
        // Last to first, as the last chunk is still in L2.
        let lanes = self.values.as_ref().unwrap_or(&self.patterns).cols() / T::LANES;
        for chunk in chunks::<T>(lanes).rev() {
            for (tile, rescale) in probe_block.clone().zip(&*left) {
                let Some(rescale) = *rescale else { continue };
                let mut score_tile = self.score_tile(lines, probes(tile), first);
                score_tile.combine(simd, chunk.clone(), rescale);
            }
        }
    }

    /// One probe tile against one block of patterns. The first row of the score scratch belongs to
    /// probe `first`.
    #[inline(always)]
    fn score_tile<'s, 'r>(
        &'s mut self,
        lines: &'s mut BlockLines<'r, T>,
        tile: Range<usize>,
        first: usize,
    ) -> ScoreTile<'s, 'r, T> {
        let (batch, block) = (self.states.len(), lines.block.clone());
        let count = block.len();
        // Each tile prefetches its share of the next block.
        let share = |b: usize| count * b / batch;
        let in_place = self.values.as_ref().unwrap_or(&self.patterns).padded().is_some();
        let ahead = match self.prefetches && in_place {
            true => Ahead { rows: count, share: share(tile.start)..share(tile.end) },
            false => Ahead::NONE,
        };
        let stride = scores_stride::<T>(self.block);
        ScoreTile {
            patterns: &mut lines.patterns,
            values: lines.values.as_mut(),
            scoring: self.scoring.map(|scoring| scoring.of(tile.clone()).at(block.clone())),
            value_factors: self.value_factors.map(|all| &all[block.clone()]),
            keep: self.keep.map(|keep| &keep[block.clone()]),
            first: self.first + block.start,
            scores: MatMut::with_stride(
                &mut self.scratch.scores[(tile.start - first) * stride..],
                tile.len(),
                count.next_multiple_of(T::LANES),
                stride,
            )
            .expect("scratch has room for these rows"),
            states: &mut self.states[tile.clone()],
            lists: self.lists.as_mut().map(|all| all.rows_mut(tile.clone())),
            retrieved: self.retrieved.as_mut().map(|all| all.rows_mut(tile.clone())),
            per_pattern: self.per_pattern.rows_mut(tile),
            block: block.clone(),
            panels: self.scratch.panels,
            list: self.scratch.list,
            from_memory: self.from_memory && self.patterns.padded().is_some(),
            ahead,
        }
    }
}

#[cfg(test)]
mod tests;
