//! One probe (decode): recall by row strips of a few patterns, which stay in L1 (L2 if long).
//!
//! ```text
//! for each strip of Q patterns:
//!     scores = Q dots                                          # the first section's all at once
//!     if the shift rises at one of them: pattern by pattern    # see `separation`; rare
//!     weights = exp2(scale (scores - shift)), 0 below the cutoff
//!     for each vector g of d:
//!         prefetch M[Q patterns further on, g]
//!         X̂[g] += Σ_j weights[j] M[j, g]
//! ```
//!
//! 1. One probe has so little arithmetic per pattern that reading from L2 or memory bounds it. So
//!    each row is read from there once, and the next strip is prefetched during the projection.
//! 2. Rows of sixteen-bit numbers are widened as they are loaded, and need half as many bytes of
//!    every cache and of memory.
//! 3. Sums are taken in the same order as for many probes, so the bits are the same.

use std::hint::black_box;
use std::ops::Range;
use std::slice::{from_mut, from_ref};

use crate::kernel::exp_tile::ExpTile;
use crate::kernel::scan_tile::scan;
use crate::kernel::score::{self, Loaded, chunks, tile};
use crate::matrix::{MatMut, MatRef};
use crate::separation::active::ActiveColumns;
use crate::separation::online::OnlineSoftmax;
use crate::separation::shape::SECTION;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::exp2::power;
use crate::simd::reduce::add_all;
use crate::simd::{Element, Loads, Simd, Stored};
use crate::similarity::accumulate::Products;

/// Most bytes of a strip of four patterns that stays in L1, which has 32 to 48 KiB: there is room
/// for the strip and for what has been prefetched of the next one by the time the strip is
/// projected.
const STRIP_BYTES: usize = 28 << 10;

/// Most bytes of a short pattern. L1 has room for more patterns of this length, and each of them
/// needs little work.
const SHORT: usize = 2 << 10;

/// Where the next strip is prefetched to while the current one is projected.
mod ahead {
    /// Not prefetched: the patterns fit into L2.
    pub const NOWHERE: u8 = 0;
    /// To L1.
    pub const L1: u8 = 1;
    /// To L2: L1 does not hold two strips, or the patterns come from memory, and L1 would keep too
    /// few lines on their way.
    pub const L2: u8 = 2;
}

/// One probe against one block of patterns.
pub(crate) struct RowStrips<'a, T, E, L> {
    /// The probe: padded.
    pub probe: &'a [T],
    pub params: SoftmaxParams<T>,
    /// The block's patterns, as they are stored ...
    pub patterns: MatRef<'a, E>,
    /// ... and as they are loaded.
    pub loads: L,
    /// Index of the first of them among all patterns.
    pub first: usize,
    /// The block's scores; written. Room for the patterns in whole vectors, and one vector more.
    pub scores: &'a mut [T],
    /// Scratch for weights, at least as long.
    pub weights: &'a mut [T],
    pub state: &'a mut State<T>,
    /// The sum of weighted patterns: padded.
    pub retrieved: &'a mut [T],
    /// Whether the next strip is prefetched.
    pub prefetches: bool,
    /// Patterns between the next strip and the patterns that are prefetched: see [`further`].
    pub further: usize,
}

/// Patterns of `E` between the next strip and the patterns that are prefetched. Rows begin `stride`
/// numbers apart; with `large` they come from memory. A larger distance pays for memory and for
/// rows of sixteen bits. It costs time where elements come from L3.
pub(crate) const fn further<T, E>(stride: usize, large: bool) -> usize {
    match large || size_of::<E>() < size_of::<T>() {
        true => score::further::<E>(stride),
        false => 0,
    }
}

/// Whether row strips pay for patterns of `cols` padded columns. On a level with few registers, the
/// patterns must be long enough to outweigh what a strip costs besides its multiply-adds.
pub(crate) const fn pays<T: Element, S: Simd<T>>(cols: usize) -> bool {
    cols * size_of::<T>() >= S::STRIP_ROW_BYTES
}

impl<T: Element, E: Stored<T>, L: Loads<T, E>> RowStrips<'_, T, E, L> {
    #[inline(always)]
    pub fn run<S: Simd<T>>(self, simd: S) {
        self.loads.check(self.patterns.cols());
        let room = self.patterns.rows().next_multiple_of(T::LANES) + T::LANES;
        assert_eq!(self.probe.len(), self.patterns.cols().next_multiple_of(T::LANES));
        assert_eq!(self.retrieved.len(), self.probe.len());
        assert!(self.scores.len() >= room && self.weights.len() >= room);
        let short = size_of_val(self.probe) <= SHORT;
        // Short patterns leave room in L1 for more of them in a strip, and for a lookahead: the
        // next strip's scores are computed together with this one's weights.
        match S::LOOKAHEAD && short {
            true => simd.vectorize(
                #[inline(always)]
                // SAFETY: the assertions above are the preconditions of `strip_by_strip`.
                move || unsafe { self.strip_by_strip::<S, 8, true>(simd) },
            ),
            false => simd.vectorize(
                #[inline(always)]
                // SAFETY: the assertions above are the preconditions of `strip_by_strip`.
                move || unsafe { self.strip_by_strip::<S, 4, false>(simd) },
            ),
        }
    }

    /// # Safety
    /// As `run` asserts:
    /// - `loads` loads rows of `patterns.cols()` numbers;
    /// - `probe` and `retrieved` are that long, rounded up to whole vectors;
    /// - `scores` and `weights` have room for the patterns in whole vectors, and for a vector more.
    #[inline(always)]
    unsafe fn strip_by_strip<S: Simd<T>, const Q: usize, const LOOKAHEAD: bool>(mut self, simd: S) {
        let count = self.patterns.rows();
        let mut separation = OnlineSoftmax::begin(simd, self.params, None, self.state);
        let (zero, scale) = (simd.splat(T::ZERO), simd.splat(self.params.scale));
        // Start of the current segment, whose weights are not yet in the separation's sums.
        let mut from = 0;
        let whole = count / Q * Q;
        // Scores of the next strip, if lookahead has computed them.
        let mut next = None;
        for start in (0..count).step_by(SECTION) {
            let section = start..count.min(start + SECTION);
            let opens = self.state.is_new();
            // SAFETY:
            // - Strips end at or before `whole`, and single patterns lie in `whole..count`, so all
            //   rows exist.
            // - `scores` and `weights` have room for a vector at each `n < count`, by the
            //   precondition.
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
                    // Only the first `Q` lanes belong to this strip.
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
        scan(simd, &mut separation, &self.scores[..count], self.first, self.state);
        separation.end(simd, self.state);
    }

    /// The address of pattern `n`. `black_box` hides from the compiler how it is computed:
    /// otherwise it keeps an address for each row of a strip, spills them from strip to strip, and
    /// spends more time on them than on short patterns.
    #[inline(always)]
    fn pattern(&self, n: usize) -> *const E {
        black_box(self.patterns.as_ptr().wrapping_add(n * self.patterns.forward_stride()))
    }

    /// Computes and stores the scores of `Q` patterns from `n` on. In the vector that is returned
    /// they repeat along the lanes.
    ///
    /// # Safety
    /// - `n + Q <= patterns.rows()`;
    /// - the preconditions of `strip_by_strip` hold.
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
            let patterns = Loaded { rows, loads: self.loads, ahead: 0 };
            // SAFETY: the rows exist, as `n + Q <= patterns.rows()`. Every vector of the probe
            // begins within a row, and `loads` loads a partial one as such: `run` asserts both.
            let [mut sums] = unsafe {
                tile::<Products, T, E, L, S, 1, Q>(simd, self.probe.as_ptr(), 0, patterns, chunk)
            };
            let mut sum = add_all(simd, &mut sums, 0);
            for stage in Q.ilog2()..T::LANES.ilog2() {
                let (a, b) = simd.halves(stage as usize, sum, sum);
                sum = simd.add(a, b);
            }
            let sum = simd.unfold(sum);
            scores = if first { sum } else { simd.add(scores, sum) };
        }
        // Lanes past `Q` fall on the scores of later patterns, which are stored after this.
        // SAFETY: `scores` has room for a vector at each `n < patterns.rows()`, by the
        // precondition.
        unsafe { simd.store(self.scores.as_mut_ptr().add(n), scores) };
        scores
    }

    /// Computes the weight of one pattern whose score is stored and at which the shift may rise,
    /// and projects it. A function by itself, as this is rare.
    ///
    /// # Safety
    /// - `n < patterns.rows()`;
    /// - the preconditions of `strip_by_strip` hold.
    #[inline(always)]
    unsafe fn one_row<S: Simd<T>>(
        &mut self,
        simd: S,
        n: usize,
        from: &mut usize,
        separation: &mut OnlineSoftmax<'_, T, S::Vec>,
    ) {
        simd.vectorize(
            #[inline(always)]
            // SAFETY: the preconditions are those of `one_row_inline`.
            || unsafe { self.one_row_inline(simd, n, from, separation) },
        );
    }

    /// # Safety
    /// As for `one_row`.
    #[inline(always)]
    unsafe fn one_row_inline<S: Simd<T>>(
        &mut self,
        simd: S,
        n: usize,
        from: &mut usize,
        separation: &mut OnlineSoftmax<'_, T, S::Vec>,
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
        // SAFETY: `n < patterns.rows()` by the precondition, and `weights` has room for a vector at
        // each such `n`.
        unsafe {
            simd.store(self.weights.as_mut_ptr().add(n), weight);
            if self.weights[n] != T::ZERO {
                self.state.support += 1;
                self.combine_as::<S, 1, 2, { ahead::NOWHERE }>(simd, n, 0);
            }
        }
    }

    /// Adds the weights of a finished segment to the separation's sums.
    #[inline(always)]
    fn close<S: Simd<T>>(
        &mut self,
        simd: S,
        segment: Range<usize>,
        separation: &mut OnlineSoftmax<'_, T, S::Vec>,
    ) {
        if self.params.entropy_sum {
            // The entropy sum is not accumulated pattern by pattern, so the weights are computed
            // from the scores again.
            let tiles = segment.start / T::LANES * T::LANES..segment.end.next_multiple_of(T::LANES);
            self.weights[tiles.clone()].copy_from_slice(&self.scores[tiles]);
            let cols = self.weights.len() / T::LANES * T::LANES;
            let mut row = MatMut::new(&mut self.weights[..cols], 1, cols).expect("a row");
            let mut active = ActiveColumns::NONE;
            let exp_tile = ExpTile {
                separations: from_mut(separation),
                states: from_ref(&*self.state),
                scores: &mut row,
                range: segment,
                active: Some(&mut active),
            };
            exp_tile.run(simd);
        } else {
            separation.add(simd, self.weights, segment);
        }
    }

    /// X̂ += Σ_j weights[n + j] M[n + j, :] for `Q` patterns. Prefetches the patterns
    /// `Q + lookahead` further on.
    ///
    /// # Safety
    /// - `n + Q <= patterns.rows()`, and `weights[n..n + Q]` is written;
    /// - the preconditions of `strip_by_strip` hold.
    #[inline(always)]
    unsafe fn combine<S: Simd<T>, const Q: usize>(&mut self, simd: S, n: usize, lookahead: usize) {
        // SAFETY: `n + Q <= patterns.rows()` and the shapes that `run` asserts are preconditions of
        // `combine`, and all that `combine_as` needs.
        unsafe {
            // Rows in L2 are read in longer strips, which are faster there than two vectors.
            match 4 * size_of_val(self.probe) > STRIP_BYTES {
                false if self.prefetches && self.further > 0 => {
                    self.combine_as::<S, Q, 2, { ahead::L2 }>(simd, n, lookahead)
                }
                false if self.prefetches => {
                    self.combine_as::<S, Q, 2, { ahead::L1 }>(simd, n, lookahead)
                }
                false => self.combine_as::<S, Q, 2, { ahead::NOWHERE }>(simd, n, lookahead),
                true if S::STRIP_VECTORS == 8 => {
                    self.combine_as::<S, Q, 8, { ahead::L2 }>(simd, n, lookahead)
                }
                true => self.combine_as::<S, Q, 4, { ahead::L2 }>(simd, n, lookahead),
            }
        }
    }

    /// As `combine`, `G` vectors of d at a time.
    ///
    /// # Safety
    /// The preconditions of `combine` hold.
    #[inline(always)]
    unsafe fn combine_as<S: Simd<T>, const Q: usize, const G: usize, const AHEAD: u8>(
        &mut self,
        simd: S,
        n: usize,
        lookahead: usize,
    ) {
        let stride = self.patterns.forward_stride();
        // SAFETY:
        // - `n + Q <= patterns.rows()`, and `weights` has room for all patterns, both by the
        //   preconditions.
        // - The loops keep all vectors below `len`, a multiple of `LANES`. A row, rounded up to
        //   whole vectors, is as long as `retrieved`, which `run` asserts.
        unsafe {
            let rows = self.pattern(n);
            let ahead = (Q + lookahead + self.further) * stride;
            // Not `from_fn`, which may be compiled as a function by itself, without the level's
            // instructions.
            let mut weights = [simd.splat(T::ZERO); Q];
            for (j, weight) in weights.iter_mut().enumerate() {
                *weight = simd.splat(*self.weights.as_ptr().add(n + j));
            }
            let (to, len) = (self.retrieved.as_mut_ptr(), self.retrieved.len());
            let from = Strip { rows, ahead, stride, loads: self.loads };
            let mut d = 0;
            while d + G * T::LANES <= len {
                add::<T, E, L, S, Q, G, AHEAD>(simd, weights, from, to, d);
                d += G * T::LANES;
            }
            while d < len {
                add::<T, E, L, S, Q, 1, AHEAD>(simd, weights, from, to, d);
                d += T::LANES;
            }
        }
    }
}

/// The rows of one strip.
#[derive(Clone, Copy)]
struct Strip<E, L> {
    rows: *const E,
    /// Numbers from a row to the one that is prefetched with it.
    ahead: usize,
    stride: usize,
    loads: L,
}

/// Adds `G` vectors of `Q` weighted rows to a sum, from `d` on, and prefetches the same vectors of
/// the rows that are that far ahead.
///
/// # Safety
/// - Elements `d..d + G * LANES` are in each of the `Q` rows, as `loads` loads them; the rows are
///   `stride` apart at `rows`;
/// - the same elements of `to` are readable and writable.
///
/// What is prefetched may lie anywhere.
#[inline(always)]
unsafe fn add<
    T: Element,
    E: Stored<T>,
    L: Loads<T, E>,
    S: Simd<T>,
    const Q: usize,
    const G: usize,
    const AHEAD: u8,
>(
    simd: S,
    weights: [S::Vec; Q],
    Strip { rows, ahead, stride, loads }: Strip<E, L>,
    to: *mut T,
    d: usize,
) {
    // SAFETY: all vectors lie in `d..d + G * LANES` of `to` or of one of the `Q` rows, which are
    // accessible by the precondition. A prefetch may have any address.
    unsafe {
        let mut sums: [S::Vec; G] = std::array::from_fn(
            #[inline(always)]
            |g| simd.load(to.add(d + g * T::LANES)),
        );
        // `black_box` leaves one base address: addresses of all rows would not fit into registers.
        let rows = black_box(rows.add(d));
        for (j, weight) in weights.iter().enumerate() {
            let row = rows.add(j * stride);
            for g in 0..G {
                // Two vectors of sixteen-bit numbers share a line.
                if G > 1 && !(g * T::LANES * size_of::<E>()).is_multiple_of(64) {
                    continue;
                }
                let next = row.wrapping_add(ahead + g * T::LANES).cast();
                match AHEAD {
                    ahead::L1 => simd.prefetch_near(next),
                    ahead::L2 => simd.prefetch(next),
                    _ => {}
                }
            }
            for (g, sum) in sums.iter_mut().enumerate() {
                *sum = simd.mul_add(*weight, loads.load(simd, row, d, g * T::LANES), *sum);
            }
        }
        for (g, sum) in sums.iter().enumerate() {
            simd.store(to.add(d + g * T::LANES), *sum);
        }
    }
}
