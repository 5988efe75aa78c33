//! The scan of a score tile: the extremes of each row, and of each section of it.

use std::mem::MaybeUninit;

use crate::separation::extremes::{Extremes, extremes, highest_of, lowest_of, position};
use crate::separation::online::OnlineSoftmax;
use crate::separation::shape::{MAX_BLOCK, SECTION};
use crate::separation::state::State;
use crate::simd::reduce::fold_all;
use crate::simd::{Element, Simd};

/// Scans one row of a score tile, once all scores are computed and before weights overwrite them:
/// finds the extremes, and updates the row max and the best pattern. `first` is the index of the
/// block's first pattern.
#[inline(always)]
pub(crate) fn scan<T: Element, S: Simd<T>>(
    simd: S,
    separation: &mut OnlineSoftmax<'_, T, S::Vec>,
    row: &[T],
    first: usize,
    state: &mut State<T>,
) {
    if !separation.scans {
        (separation.high, separation.low) = (state.shift, state.shift);
        return;
    }
    let keep = separation.keep;
    let lowest = simd.splat(T::NEG_INFINITY);
    // Only sections that exist are initialised: a block may be much shorter than sixteen sections.
    let mut highs = [const { MaybeUninit::uninit() }; MAX_BLOCK / SECTION];
    let (mut all, mut low) = (lowest, simd.splat(-T::NEG_INFINITY));
    for (start, to) in (0..row.len()).step_by(SECTION).zip(&mut highs) {
        let mut high = lowest;
        if keep.is_none() && start + SECTION <= row.len() {
            // Most sections are complete. Each gets its own chain of minima, because a single
            // chain through all of them is bound by latency.
            let mut section_low = simd.splat(-T::NEG_INFINITY);
            for at in (start..start + SECTION).step_by(T::LANES) {
                // SAFETY: `start + SECTION <= row.len()` is checked above, and `SECTION` is a
                // multiple of `LANES`.
                let scores = unsafe { simd.load(row.as_ptr().add(at)) };
                high = simd.max(high, scores);
                section_low = simd.min(section_low, scores);
            }
            low = simd.min(low, section_low);
        } else {
            let section = start..row.len().min(start + SECTION);
            extremes(simd, row, section, keep, Extremes { high: &mut high, low: &mut low });
        }
        all = simd.max(all, high);
        to.write(high);
    }
    (separation.high, separation.low) = (highest_of(simd, all), lowest_of(simd, low));
    let rises = separation.high > state.row_max;
    // Dense weights need no maxima per section, except to find the best pattern of a new row
    // max.
    if !rises && separation.is_dense(state) {
        return;
    }
    for to in &mut highs[row.len().div_ceil(SECTION)..] {
        to.write(lowest);
    }
    // Not `highs.map(..)`, which copies and is a call compiled without the level's features.
    // SAFETY: the first loop wrote the sections of the row, the second one the others.
    let highs = unsafe { &mut *(&raw mut highs).cast::<[S::Vec; MAX_BLOCK / SECTION]>() };
    // Reduces `LANES` sections at a time.
    for (highs, to) in
        highs.chunks_exact_mut(T::LANES).zip(separation.highs.chunks_exact_mut(T::LANES))
    {
        let highest = fold_all(
            simd,
            highs,
            0,
            #[inline(always)]
            |a, b| simd.max(a, b),
        );
        // SAFETY: `chunks_exact_mut(LANES)` yields `LANES` elements.
        unsafe { simd.store(to.as_mut_ptr(), simd.unfold(highest)) };
    }
    if rises {
        let reaches = separation.highs.iter().position(|&high| high == separation.high);
        let start = reaches.unwrap_or(0) * SECTION;
        let section = start..row.len().min(start + SECTION);
        let best = position(simd, row, section, keep, separation.high);
        (state.row_max, state.best) = (separation.high, best.map_or(usize::MAX, |n| first + n));
    }
}
