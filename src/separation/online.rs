//! The online softmax of one block of patterns: scores become weights, one segment at a time. Its
//! loops over a whole score tile are kernels: `kernel::scan_tile` and `kernel::exp_tile`.
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

use std::ops::Range;

use crate::separation::extremes::{Extremes, extremes, highest_of};
use crate::separation::shape::{MAX_BLOCK, SECTION};
use crate::separation::state::{RESCALE_THRESHOLD, SoftmaxParams, State};
use crate::simd::exp2::exp2_one;
use crate::simd::reduce::sum;
use crate::simd::tail::{for_each_partial_vector, load_vector, partial_vectors};
use crate::simd::{Element, Simd};

/// The online softmax of one probe over one block of patterns: what is kept between segments.
pub(crate) struct OnlineSoftmax<'k, T, G> {
    pub params: SoftmaxParams<T>,
    /// The shift changes when a score exceeds it by more than this many bits.
    rescale_threshold: T,
    /// Whether scores are scanned. No weight depends on the extremes of a bounded probe's scores.
    pub scans: bool,
    /// Which of the block's patterns are not masked; `None` if all are.
    pub keep: Option<&'k [bool]>,
    /// The row max before the block, and the row max including the sections that are done.
    before: T,
    row_max: T,
    /// The highest and the lowest score of the block, and the highest of each section; NaN until
    /// scanned.
    pub high: T,
    pub low: T,
    pub highs: [T; MAX_BLOCK / SECTION],
    /// The next pattern at which the shift may change.
    next: usize,
    /// The block's share of the state's sums, in lanes.
    pub row_sum: G,
    pub entropy_sum: G,
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

    /// Scans one section: finds its highest score.
    #[inline(always)]
    pub fn scan_section<S: Simd<T, Vec = G>>(&mut self, simd: S, row: &[T], section: Range<usize>) {
        if !self.scans {
            return;
        }
        let mut high = simd.splat(T::NEG_INFINITY);
        let at = section.start / SECTION;
        let mut low = simd.splat(T::ZERO);
        extremes(simd, row, section, self.keep, Extremes { high: &mut high, low: &mut low });
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

    /// Starts the segment at the first pattern of the rest of a scanned block: moves the shift if
    /// it changes there. Returns the factor for the projection, and the pattern at which this
    /// probe's segment ends.
    ///
    /// `row` is padded to whole vectors; the range ends with the last of its scores.
    #[inline(always)]
    pub fn segment<S: Simd<T, Vec = G>>(
        &mut self,
        simd: S,
        row: &[T],
        Range { start: from, end: count }: Range<usize>,
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
            let scores = load_vector(simd, row, part.at);
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
    pub fn cutoffs(&self, state: &State<T>) -> [T; MAX_BLOCK / SECTION] {
        let mut cutoffs = [T::ZERO; MAX_BLOCK / SECTION];
        let mut row_max = self.before;
        for (cutoff, &high) in cutoffs.iter_mut().zip(&self.highs) {
            *cutoff = state.cutoff(row_max, self.params);
            row_max = if high > row_max { high } else { row_max };
        }
        cutoffs
    }

    /// The cutoff: lower scores have weight 0.
    #[inline(always)]
    pub fn cutoff(&self, state: &State<T>) -> T {
        state.cutoff(self.row_max, self.params)
    }

    /// Adds given weights to the row sum, in the order of `kernel::exp_tile`.
    #[inline(always)]
    pub fn add<S: Simd<T, Vec = G>>(&mut self, simd: S, weights: &[T], range: Range<usize>) {
        assert!(range.end.next_multiple_of(T::LANES) <= weights.len());
        for_each_partial_vector::<T>(
            range,
            #[inline(always)]
            |part| {
                let weights = load_vector(simd, weights, part.at);
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
