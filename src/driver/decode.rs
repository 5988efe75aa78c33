//! One probe: recall in strips of a few patterns, which stay in L1, or of long ones in L2.
//!
//! One probe has so little to do for a pattern that it waits for L2 or for memory. So every row is
//! brought there once, and the next ones are asked for while those that are there are combined:
//!
//! ```text
//! for each strip of Q patterns:
//!     scores = Q dots                                             # of the first section before that
//!     if the shift rises at one of them: pattern by pattern   # see `separation`; it seldom does
//!     weights = exp2(scale (scores - shift)), 0 below the cutoff
//!     for each vector g of d:
//!         prefetch M[Q patterns further on, g]
//!         X̂[g] += Σ_j weights[j] M[j, g]
//! ```
//!
//! Sums have the order that they have for many probes: the bits are the same.

use std::hint::black_box;
use std::ops::Range;
use std::slice::{from_mut, from_ref};

use crate::kernel::dot::{chunks, tile};
use crate::matrix::{MatMut, MatRef};
use crate::separation::active::ActiveColumns;
use crate::separation::online::Separation;
use crate::separation::shape::SECTION;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::exp2::power;
use crate::simd::reduce::add_all;
use crate::simd::tail::vectors_of;
use crate::simd::{Element, Simd};

/// Bytes of patterns in a strip, so that it lies in 32 to 48 KiB of L1, and so much of the next one as
/// has been prefetched when the strip's own rows are done with.
const STRIP_BYTES: usize = 28 << 10;

/// Bytes of patterns that are so short that there is room in L1 for more of them, and little to do
/// for each.
const SHORT: usize = 2 << 10;

/// Where the next strip is prefetched to while one is combined.
mod ahead {
    /// It is there.
    pub const NOWHERE: u8 = 0;
    /// To L1.
    pub const L1: u8 = 1;
    /// To L2: two strips are more than L1 holds.
    pub const L2: u8 = 2;
}

/// One probe and one block of patterns.
pub(crate) struct RowStrips<'a, T> {
    /// The probe: padded.
    pub probe: &'a [T],
    pub params: SoftmaxParams<T>,
    /// The block's patterns.
    pub patterns: MatRef<'a, T>,
    /// Index of the first of them among all patterns.
    pub first: usize,
    /// Scratch for scores, which are all there in the end, and for weights: a vector more than
    /// there are patterns, at least.
    pub scores: &'a mut [T],
    pub weights: &'a mut [T],
    pub state: &'a mut State<T>,
    /// The sum of weighted patterns: padded.
    pub retrieved: &'a mut [T],
    /// Whether the next strip is prefetched.
    pub prefetches: bool,
}

/// Whether it pays for patterns of so many padded columns: on a level whose registers hold few vectors they
/// have to be long enough for what a strip costs beside its multiply-adds.
pub(crate) const fn pays<T: Element, S: Simd<T>>(cols: usize) -> bool {
    cols * size_of::<T>() >= S::STRIP_ROW_BYTES
}

impl<T: Element> RowStrips<'_, T> {
    #[inline(always)]
    pub fn run<S: Simd<T>>(self, simd: S) {
        let tiles = vectors_of(&self.patterns);
        let room = self.patterns.rows().next_multiple_of(T::LANES) + T::LANES;
        assert!(self.probe.len() == tiles * T::LANES && self.retrieved.len() == self.probe.len());
        assert!(self.scores.len() >= room && self.weights.len() >= room);
        let short = size_of_val(self.probe) <= SHORT;
        // As many patterns as `dots` takes for one probe. Short ones leave L1 room for the next strip's
        // scores to be found meanwhile.
        match S::LOOKAHEAD && short {
            true => simd.vectorize(
                #[inline(always)]
                // SAFETY: shapes are checked above.
                move || unsafe { self.strip_by_strip::<S, 8, true>(simd) },
            ),
            false => simd.vectorize(
                #[inline(always)]
                // SAFETY: shapes are checked above.
                move || unsafe { self.strip_by_strip::<S, 4, false>(simd) },
            ),
        }
    }

    /// # Safety
    /// Shapes are those that `run` checks.
    #[inline(always)]
    unsafe fn strip_by_strip<S: Simd<T>, const Q: usize, const LOOKAHEAD: bool>(mut self, simd: S) {
        let count = self.patterns.rows();
        let mut separation = Separation::begin(simd, self.params, None, self.state);
        let (zero, scale) = (simd.splat(T::ZERO), simd.splat(self.params.scale));
        // The segment so far, whose weights are not in the separation's sums yet, begins here.
        let mut from = 0;
        let whole = count / Q * Q;
        // Scores of the next strip, found while the last one's weights are.
        let mut next = None;
        for start in (0..count).step_by(SECTION) {
            let section = start..count.min(start + SECTION);
            let opens = self.state.is_new();
            // SAFETY: patterns up to `count` exist, and there is room for a vector from each on.
            unsafe {
                if opens {
                    for n in (start..whole.min(section.end)).step_by(Q) {
                        self.score::<S, Q>(simd, n);
                    }
                    for n in whole.max(start)..section.end {
                        self.score::<S, 1>(simd, n);
                    }
                    separation.scan_section(simd, self.scores, section.clone());
                }
                for n in (start..whole.min(section.end)).step_by(Q) {
                    let scores = match next.take() {
                        Some(scores) => scores,
                        None if opens => simd.load(self.scores.as_ptr().add(n)),
                        None => self.score::<S, Q>(simd, n),
                    };
                    if LOOKAHEAD && !opens && n + 2 * Q <= whole {
                        next = Some(self.score::<S, Q>(simd, n + Q));
                    }
                    let t = simd.mul(simd.sub(scores, simd.splat(self.state.shift)), scale);
                    // Of the lanes, the first `Q` are this strip's.
                    let strip = (1 << Q) - 1;
                    if separation.exceeding(simd, t) & strip != 0 {
                        for n in n..n + Q {
                            self.one_row(simd, n, &mut from, &mut separation);
                        }
                        continue;
                    }
                    let cutoff = simd.splat(separation.cutoff(self.state));
                    let weights = simd.select(simd.lt(scores, cutoff), zero, power(simd, t));
                    simd.store(self.weights.as_mut_ptr().add(n), weights);
                    let some = simd.bits(simd.nonzero(weights)) & strip;
                    self.state.support += some.count_ones() as usize;
                    if some != 0 {
                        self.combine::<S, Q>(simd, n, if LOOKAHEAD { Q } else { 0 });
                    }
                }
                for n in whole.max(start)..section.end {
                    if !opens {
                        self.score::<S, 1>(simd, n);
                    }
                    self.one_row(simd, n, &mut from, &mut separation);
                }
            }
            separation.scan_section(simd, self.scores, section);
            separation.end_section(start);
        }
        self.close(simd, from..count, &mut separation);
        separation.scan(simd, &self.scores[..count], self.first, self.state);
        separation.end(simd, self.state);
    }

    /// Where pattern `n` begins. The compiler is not to know how: it would keep as many addresses
    /// as there are rows in a strip from one strip to the next, in memory, and spend more on them
    /// than on short patterns.
    #[inline(always)]
    fn pattern(&self, n: usize) -> *const T {
        black_box(self.patterns.as_ptr().wrapping_add(n * self.patterns.forward_stride()))
    }

    /// The scores of `Q` patterns from `n` on, repeated along the lanes.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn score<S: Simd<T>, const Q: usize>(&mut self, simd: S, n: usize) -> S::Vec {
        let (first, stride) = (self.pattern(n), self.patterns.forward_stride());
        let rows = std::array::from_fn(
            #[inline(always)]
            |j| first.wrapping_add(j * stride),
        );
        let mut scores = simd.splat(T::ZERO);
        for chunk in chunks::<T>(self.probe.len() / T::LANES) {
            let first = chunk.start == 0;
            // SAFETY: the caller promises the patterns, which are as long as the probe.
            let [mut sums] =
                unsafe { tile::<T, S, 1, Q>(simd, (self.probe.as_ptr(), 0), rows, chunk) };
            let mut sum = add_all(simd, &mut sums, 0);
            for stage in Q.ilog2()..T::LANES.ilog2() {
                let (a, b) = simd.halves(stage as usize, sum, sum);
                sum = simd.add(a, b);
            }
            let sum = simd.unfold(sum);
            scores = if first { sum } else { simd.add(scores, sum) };
        }
        // What follows the strip is written over.
        // SAFETY: there is room for a vector from `n` on.
        unsafe { simd.store(self.scores.as_mut_ptr().add(n), scores) };
        scores
    }

    /// One pattern whose score is there, at which the shift may new_shift.
    ///
    /// # Safety
    /// Pattern `n` exists.
    #[inline(always)]
    unsafe fn one_row<S: Simd<T>>(
        &mut self,
        simd: S,
        n: usize,
        from: &mut usize,
        separation: &mut Separation<'_, T, S::Vec>,
    ) {
        let score = self.scores[n];
        if let Some(to) = separation.new_shift(n, score, self.state) {
            self.close(simd, std::mem::replace(from, n)..n, separation);
            let rescale = separation.rescale_to(simd, to, self.state);
            match rescale == T::ZERO {
                true => self.retrieved.fill(T::ZERO),
                false => self.retrieved.iter_mut().for_each(|sum| *sum = *sum * rescale),
            }
        }
        let t = simd.splat((score - self.state.shift) * self.params.scale);
        let dropped = score < separation.cutoff(self.state);
        let weight = if dropped { simd.splat(T::ZERO) } else { power(simd, t) };
        // SAFETY: there is room for a vector from `n` on, and pattern n exists.
        unsafe {
            simd.store(self.weights.as_mut_ptr().add(n), weight);
            if self.weights[n] != T::ZERO {
                self.state.support += 1;
                self.combine::<S, 1>(simd, n, 0);
            }
        }
    }

    /// Adds the weights of a segment that ends to the separation's sums.
    #[inline(always)]
    fn close<S: Simd<T>>(
        &mut self,
        simd: S,
        segment: Range<usize>,
        separation: &mut Separation<'_, T, S::Vec>,
    ) {
        if self.params.entropy_sum {
            // The entropy_sum is not summed pattern by pattern: from the scores, once more.
            let tiles = segment.start / T::LANES * T::LANES..segment.end.next_multiple_of(T::LANES);
            self.weights[tiles.clone()].copy_from_slice(&self.scores[tiles]);
            let cols = self.weights.len() / T::LANES * T::LANES;
            let mut row = MatMut::new(&mut self.weights[..cols], 1, cols).expect("a row");
            let (separation, state) = (from_mut(separation), from_ref(&*self.state));
            let mut active = ActiveColumns::NONE;
            let cuts = (false, &mut active);
            Separation::exp_tile_rows(simd, separation, state, &mut row, segment, cuts);
        } else {
            separation.add(simd, self.weights, segment);
        }
    }

    /// X̂ += Σ_j weights[n + j] M[n + j, :] for `Q` patterns; prefetches those after the next `lead`.
    ///
    /// # Safety
    /// They exist, and have weights.
    #[inline(always)]
    unsafe fn combine<S: Simd<T>, const Q: usize>(&mut self, simd: S, n: usize, lead: usize) {
        // SAFETY: passed on.
        unsafe {
            // From L2, long pieces of every row: two tiles at a time are a tenth slower there.
            match 4 * size_of_val(self.probe) > STRIP_BYTES {
                false if self.prefetches => {
                    self.combine_as::<S, Q, 2, { ahead::L1 }>(simd, n, lead)
                }
                false => self.combine_as::<S, Q, 2, { ahead::NOWHERE }>(simd, n, lead),
                true if S::STRIP_VECTORS == 8 => {
                    self.combine_as::<S, Q, 8, { ahead::L2 }>(simd, n, lead)
                }
                true => self.combine_as::<S, Q, 4, { ahead::L2 }>(simd, n, lead),
            }
        }
    }

    /// `G` vectors at a time.
    ///
    /// # Safety
    /// As for `combine`.
    #[inline(always)]
    unsafe fn combine_as<S: Simd<T>, const Q: usize, const G: usize, const AHEAD: u8>(
        &mut self,
        simd: S,
        n: usize,
        lead: usize,
    ) {
        let stride = self.patterns.forward_stride();
        // SAFETY: the patterns exist, and have the vectors of what is retrieved.
        unsafe {
            let rows = self.pattern(n);
            let ahead = (Q + lead) * stride;
            let weights: [S::Vec; Q] = std::array::from_fn(
                #[inline(always)]
                |j| simd.splat(*self.weights.as_ptr().add(n + j)),
            );
            let (to, len) = (self.retrieved.as_mut_ptr(), self.retrieved.len());
            let mut d = 0;
            while d + G * T::LANES <= len {
                add::<T, S, Q, G, AHEAD>(simd, weights, (rows, ahead, stride), to, d);
                d += G * T::LANES;
            }
            while d < len {
                add::<T, S, Q, 1, AHEAD>(simd, weights, (rows, ahead, stride), to, d);
                d += T::LANES;
            }
        }
    }
}

/// Adds `G` vectors of `Q` weighted rows to a sum, and prefetches as much of rows `ahead`.
///
/// # Safety
/// All have these vectors from `d` on, but those ahead, which may be anywhere.
#[inline(always)]
unsafe fn add<T: Element, S: Simd<T>, const Q: usize, const G: usize, const AHEAD: u8>(
    simd: S,
    weights: [S::Vec; Q],
    (rows, ahead, stride): (*const T, usize, usize),
    to: *mut T,
    d: usize,
) {
    // SAFETY: the caller promises these vectors.
    unsafe {
        let mut sums: [S::Vec; G] = std::array::from_fn(
            #[inline(always)]
            |g| simd.load(to.add(d + g * T::LANES)),
        );
        // Not an address for each row: there are more of them than registers.
        let rows = black_box(rows.add(d));
        for (j, weight) in weights.iter().enumerate() {
            let row = rows.add(j * stride);
            for g in 0..G {
                let next = row.wrapping_add(ahead + g * T::LANES);
                match AHEAD {
                    ahead::L1 => simd.prefetch_near(next),
                    ahead::L2 => simd.prefetch(next),
                    _ => {}
                }
            }
            for (g, sum) in sums.iter_mut().enumerate() {
                *sum = simd.mul_add(*weight, simd.load(row.add(g * T::LANES)), *sum);
            }
        }
        for (g, sum) in sums.iter().enumerate() {
            simd.store(to.add(d + g * T::LANES), *sum);
        }
    }
}
