//! The scan of the codes: bounds of all patterns, and a list of the patterns whose bounds are not
//! below the cut.

use std::ops::Range;

use super::exact::{ScreenScratch, ScreenTask};
use super::listing::{reaches, rounded_down};
use crate::kernel::codes::CodeProducts;
use crate::kernel::score::chunks;
use crate::matrix::MatMut;
use crate::separation::candidates::Threshold;
use crate::simd::Element;
use crate::simd::integers::{IntegerKernel, Integers, PANEL};

/// Bytes of a block of codes. It stays in L2 while all probes of a task are multiplied with it.
const BLOCK_BYTES: usize = 256 << 10;
/// The list of a probe that wants the k highest is pruned when it has grown by this many, or to
/// twice its size.
const GROWN: usize = 512;

/// The scan of the codes by the probes of one task.
pub(crate) struct CodeScan<'a, T> {
    pub screening: &'a ScreenTask<'a, T>,
    pub scratch: &'a mut ScreenScratch<T>,
}

impl<T: Element> IntegerKernel for CodeScan<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Integers>(mut self, integers: I) {
        let ScreenTask { store, probes, patterns, shared, .. } = self.screening;
        let roundings = roundings::<T>(shared.plan.cols);
        self.scratch.codes.clear(store);
        for probe in probes.iter() {
            let probe = &probe[..store.dim()];
            self.scratch.codes.push(probe, I::MOST, store, roundings);
        }
        let most = (BLOCK_BYTES / store.panel_bytes()).clamp(4, 256) * PANEL;
        let mut start = patterns.start;
        while start < patterns.end {
            // Every block but the first begins with a whole panel.
            let end = ((start + most) / PANEL * PANEL).min(patterns.end);
            self.block(integers, start..end);
            start = end;
        }
    }
}

impl<T: Element> CodeScan<'_, T> {
    /// All probes with the codes of one block.
    #[inline(always)]
    fn block<I: Integers>(&mut self, integers: I, block: Range<usize>) {
        let store = self.screening.store;
        let panels = block.start / PANEL..block.end.div_ceil(PANEL);
        let (cols, skip) = (panels.len() * PANEL, block.start - panels.start * PANEL);
        let batch = self.screening.probes.rows();
        for first in (0..batch).step_by(I::PROBES) {
            let probes = first..batch.min(first + I::PROBES);
            let ScreenScratch { codes, sums, bounds, .. } = &mut *self.scratch;
            sums.resize(sums.len().max(probes.len() * cols), 0);
            bounds.resize(bounds.len().max(block.len()), 0.0);
            let to = MatMut::new(&mut sums[..probes.len() * cols], probes.len(), cols)
                .expect("scratch has room for these rows");
            CodeProducts {
                format: store.kind().format(),
                probes: codes.words(probes.clone()),
                panels: store.panels(panels.clone()),
                sums: to,
            }
            .run(integers);
            for (row, b) in probes.enumerate() {
                let ScreenScratch { codes, sums, bounds, .. } = &mut *self.scratch;
                let sums = &sums[row * cols + skip..][..block.len()];
                store.bounds(block.clone()).write(codes, b, sums, &mut bounds[..block.len()]);
                self.filter(b, block.clone());
            }
        }
    }

    /// Lists the patterns of a block whose bounds reach the cut of probe `b`.
    #[inline(always)]
    fn filter(&mut self, b: usize, block: Range<usize>) {
        let screening = self.screening;
        self.finish_bounds(b, block.clone());
        let bounds = &self.scratch.bounds[..block.len()];
        let cut = rounded_down(self.scratch.lists[b].cut);
        let (any, high) = reach(bounds, cut);
        if !any {
            return;
        }
        let many = matches!(screening.threshold, Threshold::KthWidth { k: 2.., .. });
        if !many
            && high > self.scratch.lists[b].found_at
            && let Some(at) = position(bounds, high)
        {
            screening.find(b, block.start + at, high, self.scratch);
        }
        let ScreenScratch { bounds, lists, .. } = &mut *self.scratch;
        let list = &mut lists[b];
        let cut = rounded_down(list.cut);
        for (at, bounds) in bounds[..block.len()].chunks(PANEL).enumerate() {
            if !reach(bounds, cut).0 {
                continue;
            }
            for (lane, &bound) in bounds.iter().enumerate() {
                let n = block.start + at * PANEL + lane;
                // The first cut in `f64` rounds down to -∞ in `f32`, which a masked bound is not
                // below: masked patterns are left out here.
                if reaches(bound, cut) && screening.takes_part(n) {
                    list.indices.push(n as u32);
                    list.bounds.push(bound);
                }
            }
        }
        let wants_many = matches!(screening.threshold, Threshold::KthWidth { .. });
        if wants_many && list.indices.len() > 2 * list.pruned + GROWN {
            screening.prune(b, self.scratch);
        }
    }

    /// Turns bounds of dot products into bounds of scores: what is done to the products is
    /// monotone, and so are its roundings.
    #[inline(always)]
    fn finish_bounds(&mut self, b: usize, block: Range<usize>) {
        let ScreenScratch { bounds, row, .. } = &mut *self.scratch;
        let bounds = &mut bounds[..block.len()];
        if let Some(keep) = self.screening.shared.keep {
            let left_out = bounds.iter_mut().zip(&keep[block.clone()]).filter(|(_, keep)| !**keep);
            left_out.for_each(|(bound, _)| *bound = f32::NEG_INFINITY);
        }
        let Some(scoring) = self.screening.scoring() else { return };
        row.clear();
        row.extend(bounds.iter().map(|&bound| T::from_f64(f64::from(bound))));
        scoring.similarities(row, b, block.start);
        scoring.scores(row, b, block.start);
        for (bound, score) in bounds.iter_mut().zip(row).filter(|(b, _)| **b > f32::NEG_INFINITY) {
            let score = score.to_f64();
            let near = score as f32;
            *bound = match f64::from(near) < score {
                // The score itself may not be finite either, which makes the probe so.
                _ if !score.is_finite() => f32::INFINITY,
                true => near.next_up(),
                false => near,
            };
        }
    }
}

/// The first place of a bound.
#[inline(always)]
fn position(bounds: &[f32], bound: f32) -> Option<usize> {
    let (chunks, rest) = bounds.as_chunks::<PANEL>();
    for (at, chunk) in chunks.iter().enumerate() {
        // Without a branch for each of them.
        if chunk.iter().fold(false, |found, &other| found | (other == bound)) {
            return chunk.iter().position(|&other| other == bound).map(|lane| at * PANEL + lane);
        }
    }
    let at = rest.iter().position(|&other| other == bound);
    at.map(|lane| chunks.len() * PANEL + lane)
}

/// Whether one of some bounds is not below a cut, and the highest of them that is finite.
#[inline(always)]
fn reach(bounds: &[f32], cut: f32) -> (bool, f32) {
    let (mut below, mut high) = ([true; PANEL], [f32::NEG_INFINITY; PANEL]);
    let (chunks, rest) = bounds.as_chunks::<PANEL>();
    for bounds in chunks {
        for lane in 0..PANEL {
            let bound = bounds[lane];
            below[lane] &= bound < cut;
            high[lane] =
                if bound > high[lane] && bound < f32::INFINITY { bound } else { high[lane] };
        }
    }
    let mut any = below.contains(&false);
    let mut highest = high.into_iter().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    for &bound in rest {
        any |= reaches(bound, cut);
        highest = if bound > highest && bound < f32::INFINITY { bound } else { highest };
    }
    (any, highest)
}

/// A bound of the relative error of a dot product of padded rows, over |x||m|: one rounding for
/// each step of the longest chain, which is a lane's, the horizontal sum and the sum of the chunks.
fn roundings<T: Element>(cols: usize) -> f64 {
    let vectors = cols / T::LANES;
    let steps = vectors + T::LANES.ilog2() as usize + chunks::<T>(vectors).len() + 4;
    // Twice as many: without fused multiply-add, products are rounded too.
    2.0 * steps as f64 * (-f64::from(T::DIGITS)).exp2() * 1.001
}
