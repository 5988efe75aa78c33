//! The online softmax of one block of patterns: scores become weights, one segment at a time.
//!
//! This is the streaming softmax (Milakov & Gimelshein 2018, arXiv 1805.02867) with a lazily
//! updated running maximum, the *shift*. Weights need not be relative to the highest score so far;
//! it is enough that none of them overflows. Pattern by pattern:
//!
//! ```text
//! new = shift
//! if there is no shift yet: new = the highest score of the section of patterns
//! otherwise, if scale (score[n] - shift) > RESCALE_THRESHOLD: new = score[n]
//! if new > shift:
//!     rescale = exp2(scale (shift - new))    # of the row sum, the entropy sum and the projection
//!     shift = new
//! weight[n] = exp2(scale (score[n] - shift)), 0 below the cutoff
//! row_sum += weight[n]                       # in lanes, over a block of patterns
//! ```
//!
//! Here scale = β log2 e. The difference is taken before the product with the scale, so it is exact
//! near the shift, where weights matter. The cutoff lies a fixed number of bits below the highest
//! score of the sections before, or below the shift if that is higher.
//!
//! 1. A weight depends on earlier sections and on its own section, but not on how many patterns are
//!    processed at once. The one-probe driver takes a strip of rows, which are still in L1 when
//!    they are projected; the driver for many probes takes a block. The bits are the same.
//! 2. The scores of a *bounded* probe are certain to be so close to 0 that the shift stays 0 and no
//!    weight is below the cutoff ([`SoftmaxParams::bound`]): a max-free softmax. Its scores are not
//!    scanned before the exponentials unless the best pattern is wanted.
//! 3. The patterns between two changes of the shift are a *segment*, which is processed by vectors.
//!    The shift changes at most once per RESCALE_THRESHOLD bits of the range of the scores, so a
//!    segment is nearly always a whole block.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::matrix::MatMut;
use crate::matrix::ranges::evenly;
use crate::separation::active::ActiveColumns;
use crate::separation::exp_tile::{Cuts, exp_tile_rows};
use crate::separation::extremes::{extremes, highest_of, lowest_of, position};
use crate::separation::shape::{MAX_BLOCK, SECTION};
use crate::separation::state::{RESCALE_THRESHOLD, SoftmaxParams, State};
use crate::simd::exp2::exp2_one;
use crate::simd::reduce::{fold_all, sum};
use crate::simd::tail::{for_each_partial_vector, partial_vectors};
use crate::simd::tile::for_tile_size;
use crate::simd::{Element, Simd};

/// The online softmax of one probe over one block of patterns: what is kept between segments.
pub(crate) struct OnlineSoftmax<'k, T, G> {
    params: SoftmaxParams<T>,
    /// The shift changes when a score exceeds it by more than this many bits.
    rescale_threshold: T,
    /// Whether scores are scanned. No weight depends on the extremes of a bounded probe's scores.
    scans: bool,
    /// Which of the block's patterns are not masked; `None` if all are.
    keep: Option<&'k [bool]>,
    /// The row max before the block, and the row max including the sections that are done.
    before: T,
    row_max: T,
    /// The highest and the lowest score of the block, and the highest of each section; NaN until
    /// scanned.
    high: T,
    low: T,
    highs: [T; MAX_BLOCK / SECTION],
    /// The next pattern at which the shift may change.
    next: usize,
    /// The block's share of the state's sums, in lanes.
    row_sum: G,
    entropy_sum: G,
}

impl<'k, T: Element, G: Copy> OnlineSoftmax<'k, T, G> {
    /// Starts a block.
    #[inline(always)]
    pub fn begin<S: Simd<T, Vec = G>>(
        simd: S,
        params: SoftmaxParams<T>,
        keep: Option<&'k [bool]>,
        state: &State<T>,
    ) -> Self {
        let zero = simd.splat(T::ZERO);
        Self {
            params,
            rescale_threshold: if state.bounded { T::MAX } else { T::from_f64(RESCALE_THRESHOLD) },
            scans: !state.bounded || params.best,
            keep,
            before: state.row_max,
            row_max: state.row_max,
            high: T::NAN,
            low: T::NAN,
            highs: [T::NAN; MAX_BLOCK / SECTION],
            next: 0,
            row_sum: zero,
            entropy_sum: zero,
        }
    }

    /// Scans the block's scores, once all are computed and before weights overwrite them: finds the
    /// extremes, and updates the row max and the best pattern. `first` is the index of the block's
    /// first pattern.
    #[inline(always)]
    pub fn scan<S: Simd<T, Vec = G>>(
        &mut self,
        simd: S,
        row: &[T],
        first: usize,
        state: &mut State<T>,
    ) {
        if !self.scans {
            (self.high, self.low) = (state.shift, state.shift);
            return;
        }
        let keep = self.keep;
        let lowest = simd.splat(T::NEG_INFINITY);
        // Only sections that exist are initialised: filling all sixteen costs short blocks 1%.
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
                extremes(simd, row, section, keep, (&mut high, &mut low));
            }
            all = simd.max(all, high);
            to.write(high);
        }
        (self.high, self.low) = (highest_of(simd, all), lowest_of(simd, low));
        let rises = self.high > state.row_max;
        // Dense weights need no maxima per section, except to find the best pattern of a new row
        // max.
        if !rises && self.is_dense(state) {
            return;
        }
        for to in &mut highs[row.len().div_ceil(SECTION)..] {
            to.write(lowest);
        }
        // Not `highs.map(..)`, which copies and is a call compiled without the level's features.
        // SAFETY: the first loop wrote the sections of the row, the second one the others.
        let highs = unsafe { &mut *(&raw mut highs).cast::<[G; MAX_BLOCK / SECTION]>() };
        // Reduces `LANES` sections at a time.
        for (highs, to) in
            highs.chunks_exact_mut(T::LANES).zip(self.highs.chunks_exact_mut(T::LANES))
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
            let reaches = self.highs.iter().position(|&high| high == self.high);
            let start = reaches.unwrap_or(0) * SECTION;
            let section = start..row.len().min(start + SECTION);
            let best = position(simd, row, section, keep, self.high);
            (state.row_max, state.best) = (self.high, best.map_or(usize::MAX, |n| first + n));
        }
    }

    /// Scans one section: finds its highest score.
    #[inline(always)]
    pub fn scan_section<S: Simd<T, Vec = G>>(&mut self, simd: S, row: &[T], section: Range<usize>) {
        if !self.scans {
            return;
        }
        let mut high = simd.splat(T::NEG_INFINITY);
        let at = section.start / SECTION;
        extremes(simd, row, section, self.keep, (&mut high, &mut simd.splat(T::ZERO)));
        self.highs[at] = highest_of(simd, high);
    }

    /// Takes the section of pattern `n` into the row max, once it is done.
    #[inline(always)]
    pub fn end_section(&mut self, n: usize) {
        let high = self.highs[n / SECTION];
        if high > self.row_max {
            self.row_max = high;
        }
    }

    /// Whether it is certain that no weight of the block is 0.
    #[inline(always)]
    pub fn is_dense(&self, state: &State<T>) -> bool {
        // After the scan, the state's row max includes this block, so no cutoff is higher than
        // this.
        self.keep.is_none() && self.low >= state.cutoff(state.row_max, self.params)
    }

    /// The new shift, if the shift changes at pattern `n`, which has this score.
    #[inline(always)]
    pub fn new_shift(&self, n: usize, score: T, state: &State<T>) -> Option<T> {
        let to = if state.is_new() { self.highs[n / SECTION] } else { score };
        let t = (to - state.shift) * self.params.scale;
        (t > self.rescale_threshold).then_some(to)
    }

    /// The lanes, as bits, in which t = scale (score - shift) exceeds the rescale threshold.
    #[inline(always)]
    pub fn exceeding<S: Simd<T, Vec = G>>(&self, simd: S, t: G) -> u32 {
        simd.bits(simd.lt(simd.splat(self.rescale_threshold), t))
    }

    /// Moves the shift to `to` and rescales the sums. Returns the factor for the projection.
    #[inline(always)]
    pub fn rescale_to<S: Simd<T, Vec = G>>(&mut self, simd: S, to: T, state: &mut State<T>) -> T {
        let t = (state.shift - to) * self.params.scale;
        let rescale = exp2_one(simd, t);
        state.shift = to;
        // Before the first pattern, t is -∞ and both sums are 0. If `rescale` is 0, earlier weights
        // vanish, and so do their entropy terms.
        let t = if rescale == T::ZERO { T::ZERO } else { t };
        state.entropy_sum = rescale * (state.entropy_sum + t * state.row_sum);
        state.row_sum = rescale * state.row_sum;
        let factor = simd.splat(rescale);
        self.entropy_sum =
            simd.mul(factor, simd.mul_add(simd.splat(t), self.row_sum, self.entropy_sum));
        self.row_sum = simd.mul(factor, self.row_sum);
        rescale
    }

    /// Starts the segment at pattern `from` of a scanned block: moves the shift if it changes
    /// there. Returns the factor for the projection, and the pattern at which this probe's segment
    /// ends.
    ///
    /// `row` is padded to whole vectors; its first `count` elements are scores.
    #[inline(always)]
    pub fn segment<S: Simd<T, Vec = G>>(
        &mut self,
        simd: S,
        row: &[T],
        (from, count): (usize, usize),
        state: &mut State<T>,
    ) -> (T, usize) {
        let mut rescale = T::ONE;
        if self.next == from {
            let takes_part = self.keep.is_none_or(|keep| keep[from]);
            if takes_part && let Some(to) = self.new_shift(from, row[from], state) {
                rescale = self.rescale_to(simd, to, state);
            }
            self.next = self.next_rescale(simd, row, from + 1..count, state);
        }
        (rescale, self.next)
    }

    /// The first pattern of `range` at which the shift changes, or the end of the range.
    #[inline(always)]
    fn next_rescale<S: Simd<T, Vec = G>>(
        &self,
        simd: S,
        row: &[T],
        range: Range<usize>,
        state: &State<T>,
    ) -> usize {
        assert!(range.end.next_multiple_of(T::LANES) <= row.len());
        // False if the maximum is NaN; the range is then searched.
        if (self.high - state.shift) * self.params.scale <= self.rescale_threshold {
            return range.end;
        }
        let (shift, scale) = (simd.splat(state.shift), simd.splat(self.params.scale));
        for part in partial_vectors::<T>(range.clone()) {
            // SAFETY: `range.end`, rounded up to whole vectors, is within the row, by the assertion
            // above.
            let scores = unsafe { simd.load(row.as_ptr().add(part.at)) };
            let mut rises =
                self.exceeding(simd, simd.mul(simd.sub(scores, shift), scale)) & part.bits();
            while rises != 0 {
                let n = part.at + rises.trailing_zeros() as usize;
                if self.keep.is_none_or(|keep| keep[n]) {
                    return n;
                }
                rises &= rises - 1;
            }
        }
        range.end
    }

    /// For each section, the cutoff: lower scores have weight 0.
    #[inline(always)]
    fn cutoffs(&self, state: &State<T>) -> [T; MAX_BLOCK / SECTION] {
        let mut cutoffs = [T::ZERO; MAX_BLOCK / SECTION];
        let mut row_max = self.before;
        for (cutoff, &high) in cutoffs.iter_mut().zip(&self.highs) {
            *cutoff = state.cutoff(row_max, self.params);
            row_max = if high > row_max { high } else { row_max };
        }
        cutoffs
    }

    /// Turns a segment of several probes' scores into weights, in place. Records the active
    /// patterns, unless the caller knows that all of them are (`dense`).
    #[inline(always)]
    pub fn exp_tile_rows<S: Simd<T, Vec = G>>(
        simd: S,
        separations: &mut [Self],
        states: &[State<T>],
        scores: &mut MatMut<'_, T>,
        range: Range<usize>,
        (dense, active): (bool, &mut ActiveColumns),
    ) {
        let Some(&Self { params: SoftmaxParams { entropy_sum, scale, .. }, keep, .. }) =
            separations.first()
        else {
            return;
        };
        assert!(separations.len() == scores.rows() && states.len() == scores.rows());
        assert!(range.end.next_multiple_of(T::LANES) <= scores.cols());
        let zero = simd.splat(T::ZERO);
        for tile in evenly(scores.rows(), S::MR) {
            let (separations, states) = (&mut separations[tile.clone()], &states[tile.clone()]);
            let rows = (scores.rows_mut(tile.clone()).as_mut_ptr(), scores.stride());
            let (range, bits) = (range.clone(), active.of(tile.clone()));
            for_tile_size!(simd, tile.len(), S::MR, |P| {
                // Not `from_fn`, which is a call compiled without the level's features.
                let (mut shifts, mut sums) = ([T::ZERO; P], [(zero, zero); P]);
                for b in 0..P {
                    shifts[b] = states[b].shift;
                    sums[b] = (separations[b].row_sum, separations[b].entropy_sum);
                }
                let of = (shifts, scale);
                let mut cutoffs = [[T::ZERO; MAX_BLOCK / SECTION]; P];
                if !dense {
                    for b in 0..P {
                        cutoffs[b] = separations[b].cutoffs(&states[b]);
                    }
                }
                let cuts = Cuts { keep, cutoffs: &cutoffs, bits };
                // SAFETY:
                // - `P` is `tile.len()`, and `rows` are the `tile.len()` rows of the tile.
                // - `range.end`, rounded up to whole vectors, is within their columns, by the
                //   assertion above.
                let sums: [(G, G); P] = unsafe {
                    match (dense, entropy_sum) {
                        (true, false) => exp_tile_rows::<T, S, P, false, false>(
                            simd, rows, range, of, cuts, sums,
                        ),
                        (true, true) => {
                            exp_tile_rows::<T, S, P, false, true>(simd, rows, range, of, cuts, sums)
                        }
                        (false, false) => {
                            exp_tile_rows::<T, S, P, true, false>(simd, rows, range, of, cuts, sums)
                        }
                        (false, true) => {
                            exp_tile_rows::<T, S, P, true, true>(simd, rows, range, of, cuts, sums)
                        }
                    }
                };
                for (separation, sums) in separations.iter_mut().zip(sums) {
                    (separation.row_sum, separation.entropy_sum) = sums;
                }
            });
        }
    }

    /// The cutoff: lower scores have weight 0.
    #[inline(always)]
    pub fn cutoff(&self, state: &State<T>) -> T {
        state.cutoff(self.row_max, self.params)
    }

    /// Adds given weights to the row sum, in the order of [`exp_tile_rows`](Self::exp_tile_rows).
    #[inline(always)]
    pub fn add<S: Simd<T, Vec = G>>(&mut self, simd: S, weights: &[T], range: Range<usize>) {
        assert!(range.end.next_multiple_of(T::LANES) <= weights.len());
        for_each_partial_vector::<T>(
            range,
            #[inline(always)]
            |part| {
                // SAFETY: `range.end`, rounded up to whole vectors, is within the weights, by the
                // assertion above.
                let weights = unsafe { simd.load(weights.as_ptr().add(part.at)) };
                let whole = part.is_full::<T>();
                let weights = if whole { weights } else { part.only(simd, weights) };
                self.row_sum = simd.add(self.row_sum, weights);
            },
        );
    }

    /// Adds the block's sums to the state's.
    #[inline(always)]
    pub fn end<S: Simd<T, Vec = G>>(&self, simd: S, state: &mut State<T>) {
        // A score of -∞ would have weight 0, and nothing would show that the probe is not finite.
        let poison = if self.low == T::NEG_INFINITY { T::NAN } else { T::ZERO };
        state.row_sum = state.row_sum + sum(simd, self.row_sum) + poison;
        if self.params.entropy_sum {
            state.entropy_sum += sum(simd, self.entropy_sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Kernel;
    use crate::simd::Level;

    /// The new shift for a score when the shift is 0, and whether the test by lanes agrees.
    struct Rise<T>(T);

    impl<T: Element> Kernel<T> for Rise<T> {
        type Output = (Option<T>, bool);

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> Self::Output {
            let params =
                SoftmaxParams { scale: T::ONE, depth: T::MAX, ..SoftmaxParams::new(1.0, 1) };
            let state = State { shift: T::ZERO, ..State::EMPTY };
            let separation = OnlineSoftmax::begin(simd, params, None, &state);
            (
                separation.new_shift(0, self.0, &state),
                separation.exceeding(simd, simd.splat(self.0)) != 0,
            )
        }
    }

    /// The scalar test and the test by lanes have to agree, or the one-probe driver would give
    /// other bits than the driver for many probes.
    #[test]
    fn the_shift_changes_beyond_the_threshold_and_not_at_it() {
        fn check<T: Element>() {
            let rescale_threshold = T::from_f64(RESCALE_THRESHOLD);
            let beyond = rescale_threshold + rescale_threshold * (T::ONE / T::from_f64(1e6));
            for level in Level::available() {
                assert_eq!(T::dispatch(level, Rise(rescale_threshold)), (None, false), "{level}");
                assert_eq!(T::dispatch(level, Rise(beyond)), (Some(beyond), true), "{level}");
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
