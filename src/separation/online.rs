//! The separation function: similarities become memory weights, one segment of patterns at a time.
//!
//! The streaming softmax (Milakov & Gimelshein 2018, arXiv 1805.02867) with a shift that rises
//! lazily. Weights need not be relative to the highest score so far: it is enough that none of them
//! overflows. So, pattern by pattern,
//!
//! ```text
//! if there is no shift yet: the highest score of the section of patterns rises
//! otherwise, if scale (score[n] - shift) > RESCALE_THRESHOLD: score[n] rises
//!     rescale = exp2(scale (shift - what rises))     # of the row_sum, and of what was retrieved
//!     shift = what rises
//! weight[n] = exp2(scale (score[n] - shift)), 0 below the cutoff
//! row_sum += weight[n]                                      # in lanes, over a block of patterns
//! ```
//!
//! where scale = β log2 e. The difference is taken before the product with the scale: near the
//! shift, where weights matter, it is exact. The cutoff lies a fixed number of bits below the highest
//! score of the sections before, or below the shift where that is higher.
//!
//! 1. A pattern's weight depends on the patterns of the sections before it and on those before it in
//!    its own. So it makes no difference how many of them are seen at once: one probe takes a few rows
//!    at a time, which are still in L1 when they are combined, many probes a block. The bits are the
//!    same.
//! 2. Scores of a *bounded* probe are certain to be so near to 0 that 0 can be the shift, for good, and no
//!    weight is below the cutoff ([`SoftmaxParams::bound`]). Then there is nothing to look for before the
//!    exponentials, but where the best pattern is wanted.
//! 3. Between two rises lies a *segment*, which is separated by lanes. The shift rises once for
//!    every RESCALE_THRESHOLD bits of the scores' range at most: a segment is a block, nearly always.

use crate::separation::exp_tile::exp_tile_rows;
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::matrix::MatMut;
use crate::matrix::ranges::evenly;
use crate::separation::active::ActiveColumns;
use crate::separation::exp_tile::Cuts;
use crate::separation::extremes::{extremes, highest_of, lowest_of, position};
use crate::separation::shape::{MAX_BLOCK, SECTION};
use crate::separation::state::{RESCALE_THRESHOLD, SoftmaxParams, State};
use crate::simd::exp2::exp2_one;
use crate::simd::reduce::{fold_all, sum};
use crate::simd::tail::{for_each_partial_vector, partial_vectors};
use crate::simd::tile::for_tile_size;
use crate::simd::{Element, Simd};

/// One probe and one block of patterns: what the separation keeps from segment to segment.
pub(crate) struct Separation<'k, T, G> {
    params: SoftmaxParams<T>,
    /// Bits that a score may exceed the shift by.
    rescale_threshold: T,
    /// Whether extremes of scores are looked for: no weight depends on those of a bounded probe.
    scans: bool,
    /// Which of the block's patterns take part; all without.
    keep: Option<&'k [bool]>,
    /// The highest score before the block, and with that of its sections that are done.
    before: T,
    row_max: T,
    /// The block's highest and lowest score, and the highest of each section, as far as they have been
    /// looked at.
    high: T,
    low: T,
    highs: [T; MAX_BLOCK / SECTION],
    /// The next pattern at which the shift may new_shift.
    next: usize,
    /// The block's share of the state's sums, in lanes.
    row_sum: G,
    entropy_sum: G,
}

impl<'k, T: Element, G: Copy> Separation<'k, T, G> {
    /// At the beginning of a block.
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

    /// Looks at the block's scores once they are all there, and while they are: finds the row_max and
    /// the best pattern. `first` is the index of the block's first pattern.
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
        // Only of sections that are there: sixteen registers of nothing cost short blocks 1%.
        let mut highs = [const { MaybeUninit::uninit() }; MAX_BLOCK / SECTION];
        let (mut all, mut low) = (lowest, simd.splat(-T::NEG_INFINITY));
        for (start, to) in (0..row.len()).step_by(SECTION).zip(&mut highs) {
            let mut high = lowest;
            if keep.is_none() && start + SECTION <= row.len() {
                // Most sections are whole. A chain for each: one through all would be waited for.
                let mut section_low = simd.splat(-T::NEG_INFINITY);
                for at in (start..start + SECTION).step_by(T::LANES) {
                    // SAFETY: the section lies within the row.
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
        // Dense weights have no use for more, unless there is a new row_max to be found.
        if !rises && self.is_dense(state) {
            return;
        }
        for to in &mut highs[row.len().div_ceil(SECTION)..] {
            to.write(lowest);
        }
        // Not by `map`, which is a call, compiled without the level's features, and a copy.
        // SAFETY: all have been written.
        let highs = unsafe { &mut *(&raw mut highs).cast::<[G; MAX_BLOCK / SECTION]>() };
        // The lanes of as many sections at once as there are lanes.
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
            // SAFETY: the chunk has `LANES` elements.
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

    /// Looks at one section.
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

    /// The section with pattern `n` is done.
    #[inline(always)]
    pub fn end_section(&mut self, n: usize) {
        let high = self.highs[n / SECTION];
        if high > self.row_max {
            self.row_max = high;
        }
    }

    /// Whether no weight of the block can be 0, for certain.
    #[inline(always)]
    pub fn is_dense(&self, state: &State<T>) -> bool {
        // The state's row_max is that of the scan: no cutoff will be higher.
        self.keep.is_none() && self.low >= state.cutoff(state.row_max, self.params)
    }

    /// What the shift rises to at pattern `n`, whose score is given, where it does.
    #[inline(always)]
    pub fn new_shift(&self, n: usize, score: T, state: &State<T>) -> Option<T> {
        let to = if state.is_new() { self.highs[n / SECTION] } else { score };
        let t = (to - state.shift) * self.params.scale;
        (t > self.rescale_threshold).then_some(to)
    }

    /// The lanes, as bits, in which the shift rises: t = scale (score - shift) exceeds the rescale_threshold.
    #[inline(always)]
    pub fn exceeding<S: Simd<T, Vec = G>>(&self, simd: S, t: G) -> u32 {
        simd.bits(simd.lt(simd.splat(self.rescale_threshold), t))
    }

    /// Raises the shift, and returns what was retrieved has to be multiplied by.
    #[inline(always)]
    pub fn rescale_to<S: Simd<T, Vec = G>>(&mut self, simd: S, to: T, state: &mut State<T>) -> T {
        let t = (state.shift - to) * self.params.scale;
        let rescale = exp2_one(simd, t);
        state.shift = to;
        // Nothing has come before the first pattern; what weighs nothing now has no warmth either.
        let t = if rescale == T::ZERO { T::ZERO } else { t };
        state.entropy_sum = rescale * (state.entropy_sum + t * state.row_sum);
        state.row_sum = rescale * state.row_sum;
        let factor = simd.splat(rescale);
        self.entropy_sum =
            simd.mul(factor, simd.mul_add(simd.splat(t), self.row_sum, self.entropy_sum));
        self.row_sum = simd.mul(factor, self.row_sum);
        rescale
    }

    /// A segment begins at pattern `from` of a block that has been surveyed: raises the shift where it
    /// rises there, and returns what was retrieved has to be multiplied by, and the pattern at which
    /// this probe's segment ends.
    ///
    /// `row` has whole vectors, of which `count` elements are scores.
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

    /// The first pattern of `range` at which the shift rises; its end, where it does not.
    #[inline(always)]
    fn next_rescale<S: Simd<T, Vec = G>>(
        &self,
        simd: S,
        row: &[T],
        range: Range<usize>,
        state: &State<T>,
    ) -> usize {
        assert!(range.end.next_multiple_of(T::LANES) <= row.len());
        // Not where a score is not a number.
        if (self.high - state.shift) * self.params.scale <= self.rescale_threshold {
            return range.end;
        }
        let (shift, scale) = (simd.splat(state.shift), simd.splat(self.params.scale));
        for part in partial_vectors::<T>(range.clone()) {
            // SAFETY: the row has whole vectors.
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

    /// For each section: scores below this weigh nothing.
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

    /// The weights of a segment of several probes, in place. Notes which patterns survive, unless they are `dense`:
    /// known to survive all.
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
        for tile in evenly(scores.rows(), S::MR) {
            let (separations, states) = (&mut separations[tile.clone()], &states[tile.clone()]);
            let rows = (scores.rows_mut(tile.clone()).as_mut_ptr(), scores.stride());
            let (range, bits) = (range.clone(), active.of(tile.clone()));
            for_tile_size!(simd, tile.len(), S::MR, |P| {
                let of = (std::array::from_fn(|b| states[b].shift), scale);
                let sums =
                    std::array::from_fn(|b| (separations[b].row_sum, separations[b].entropy_sum));
                let mut cutoffs = [[T::ZERO; MAX_BLOCK / SECTION]; P];
                if !dense {
                    for b in 0..P {
                        cutoffs[b] = separations[b].cutoffs(&states[b]);
                    }
                }
                let cuts = Cuts { keep, cutoffs: &cutoffs, bits };
                // SAFETY: `P` rows have these vectors, as is checked above.
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

    /// Scores below this weigh nothing.
    #[inline(always)]
    pub fn cutoff(&self, state: &State<T>) -> T {
        state.cutoff(self.row_max, self.params)
    }

    /// Adds weights that are there, as [`exp_tile_rows`](Self::exp_tile_rows) does with those that it makes.
    #[inline(always)]
    pub fn add<S: Simd<T, Vec = G>>(&mut self, simd: S, weights: &[T], range: Range<usize>) {
        assert!(range.end.next_multiple_of(T::LANES) <= weights.len());
        for_each_partial_vector::<T>(
            range,
            #[inline(always)]
            |part| {
                // SAFETY: the weights are whole vectors.
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
        // A score of -inf would weigh nothing and hide that the probe is not a number any more.
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

    /// What a shift of 0 rises to at a score, and whether the lanes say that it rises.
    struct Rise<T>(T);

    impl<T: Element> Kernel<T> for Rise<T> {
        type Output = (Option<T>, bool);

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> Self::Output {
            let params =
                SoftmaxParams { scale: T::ONE, depth: T::MAX, ..SoftmaxParams::new(1.0, 1) };
            let state = State { shift: T::ZERO, ..State::EMPTY };
            let separation = Separation::begin(simd, params, None, &state);
            (
                separation.new_shift(0, self.0, &state),
                separation.exceeding(simd, simd.splat(self.0)) != 0,
            )
        }
    }

    /// One pattern and lanes of them have to agree, or one probe's bits were not those among many.
    #[test]
    fn the_reference_rises_beyond_the_headroom_and_not_at_it() {
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
