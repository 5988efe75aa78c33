//! Sums of weighted rows: the product that `combine` and `outer` share.
//!
//! ```text
//! acc[i][g] = init[i][g] + Σ_k w(i, k) * V[k, g]        # i < P destinations, g < G vectors
//! ```
//!
//! For recall the destinations are probes and k runs over patterns; for learning the destinations
//! are patterns and k runs over probes. The coefficient w(i, k) lies at `at[i] + k * along`, so that
//! neither needs its weights transposed. Rows can be picked by a list: a gather of whole rows
//! costs nothing, which is how rows of weight zero are left out.

use std::ops::Range;

use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::simd::tail::vectors_of;
use crate::simd::tile::{for_each_strip, for_tile_size, summed_rows};
use crate::simd::{Element, Simd};

/// The coefficients of a sum of rows for `P` destinations.
#[derive(Clone, Copy)]
pub(crate) struct Weights<T, const P: usize> {
    /// Each destination's coefficient of row 0.
    pub at: [*const T; P],
    /// From one row's coefficient to the next one's.
    pub along: usize,
}

/// Which rows are summed, in which order.
pub(crate) trait Rows: Copy {
    /// How many.
    fn count(self) -> usize;
    /// The index of the k-th.
    ///
    /// # Safety
    /// `k < count()`
    unsafe fn index(self, k: usize) -> usize;
}

/// The first so many.
impl Rows for usize {
    #[inline(always)]
    fn count(self) -> usize {
        self
    }
    #[inline(always)]
    unsafe fn index(self, k: usize) -> usize {
        k
    }
}

/// Those on a list.
impl Rows for &[u32] {
    #[inline(always)]
    fn count(self) -> usize {
        self.len()
    }
    #[inline(always)]
    unsafe fn index(self, k: usize) -> usize {
        // SAFETY: the caller promises that k is in range.
        unsafe { *self.get_unchecked(k) as usize }
    }
}

/// Rows further on in memory that will be needed next: the summing of rows leaves the memory idle,
/// as its rows are in L2.
#[derive(Clone)]
pub(crate) struct Ahead {
    /// Rows from one that is summed to the one to prefetch.
    pub rows: usize,
    /// For which of the summed rows.
    pub share: Range<usize>,
}

impl Ahead {
    /// Nothing to prefetch.
    pub const NONE: Self = Self { rows: 0, share: 0..0 };

    /// The same, or nothing.
    fn of(&self, wanted: bool) -> Self {
        if wanted { self.clone() } else { Self::NONE }
    }
}

/// One register tile of a sum of rows. With `SKIPS`, a coefficient of exactly 0 leaves its row out,
/// whatever that holds; without, the caller knows that all rows are finite or that no coefficient is 0.
///
/// # Safety
/// Rows `rows` of `from` have `G` vectors from `d` on, and `weights` has a coefficient for each
/// of them and each of `P` destinations.
#[inline(always)]
pub(crate) unsafe fn sum_rows<
    T: Element,
    S: Simd<T>,
    R: Rows,
    const P: usize,
    const G: usize,
    const SKIPS: bool,
>(
    simd: S,
    mut acc: [[S::Vec; G]; P],
    weights: Weights<T, P>,
    from: (*const T, usize),
    rows: R,
    ahead: Ahead,
) -> [[S::Vec; G]; P] {
    let (from, stride) = from;
    for k in 0..rows.count() {
        // SAFETY: the caller promises the row, its width and its coefficients.
        unsafe {
            let k = rows.index(k);
            let row = from.add(k * stride);
            if ahead.share.contains(&k) {
                let next = row.wrapping_add(ahead.rows * stride);
                (0..G).for_each(
                    #[inline(always)]
                    |g| simd.prefetch(next.wrapping_add(g * T::LANES)),
                );
            }
            let v: [S::Vec; G] = std::array::from_fn(
                #[inline(always)]
                |g| simd.load(row.add(g * T::LANES)),
            );
            for (i, acc) in acc.iter_mut().enumerate() {
                let w = *weights.at[i].add(k * weights.along);
                if SKIPS && w == T::ZERO {
                    continue;
                }
                let w = simd.splat(w);
                for (acc, v) in acc.iter_mut().zip(v) {
                    *acc = simd.mul_add(w, v, *acc);
                }
            }
        }
    }
    acc
}

/// retrieved[b,:] = rescale[b] retrieved[b,:] + Σ_n weights[b][n] patterns[n,:] for a vector of
/// probes and a chunk of d. Where rescale[b] is 0, what was there before is not read.
///
/// `rows` names the patterns whose weight is not zero for all probes.
///
/// # Safety
/// Every index of `rows` is that of a row of `patterns`.
#[inline(always)]
pub(crate) unsafe fn combine<T: Element, S: Simd<T>, R: Rows>(
    simd: S,
    weights: MatRef<'_, T>,
    patterns: MatRef<'_, T>,
    (rows, ahead): (R, Ahead),
    chunk: Range<usize>,
    rescale: &[T],
    retrieved: &mut MatMut<'_, T>,
) {
    assert!(chunk.end <= vectors_of(&patterns));
    assert_eq!(retrieved.shape(), (weights.rows(), patterns.cols()));
    assert_eq!(rescale.len(), weights.rows());
    assert!(weights.cols() >= patterns.rows());
    for tile in evenly(weights.rows(), summed_rows(S::REGISTERS)) {
        let sum = Combine {
            weights: weights.subrows(tile.clone()),
            patterns,
            rows,
            ahead: ahead.of(tile.start == 0),
            rescale: &rescale[tile.clone()],
        };
        let mut retrieved = retrieved.rows_mut(tile.clone());
        let (first, width) = (chunk.start, chunk.len());
        // SAFETY: shapes are checked above; the caller promises that the rows exist.
        for_tile_size!(simd, tile.len(), summed_rows(S::REGISTERS), |P| unsafe {
            for_each_strip!(width, P, |at, G| {
                sum.piece::<S, P, G>(simd, (first + at) * T::LANES, &mut retrieved)
            });
        });
    }
}

struct Combine<'a, T, R> {
    weights: MatRef<'a, T>,
    patterns: MatRef<'a, T>,
    rows: R,
    ahead: Ahead,
    rescale: &'a [T],
}

impl<T: Element, R: Rows> Combine<'_, T, R> {
    /// # Safety
    /// There are `P` probes, the shapes are those that [`combine`] checks, and `d` begins `G` lane
    /// width.
    #[inline(always)]
    unsafe fn piece<S: Simd<T>, const P: usize, const G: usize>(
        &self,
        simd: S,
        d: usize,
        retrieved: &mut MatMut<'_, T>,
    ) {
        let (to, stride) = (retrieved.as_mut_ptr(), retrieved.stride());
        let (at, across) = (self.weights.as_ptr(), self.weights.forward_stride());
        let weights =
            Weights { at: std::array::from_fn(|i| at.wrapping_add(i * across)), along: 1 };
        // SAFETY: rows i < P of the destination and all rows of the patterns have these width.
        unsafe {
            let mut acc = [[simd.splat(T::ZERO); G]; P];
            for (i, acc) in acc.iter_mut().enumerate() {
                let scale = *self.rescale.get_unchecked(i);
                // Nothing of what was retrieved so far counts, or nothing was.
                if scale == T::ZERO {
                    continue;
                }
                let scale = simd.splat(scale);
                for (g, acc) in acc.iter_mut().enumerate() {
                    let so_far = simd.load(to.add(i * stride + d + g * T::LANES));
                    *acc = simd.mul(so_far, scale);
                }
            }
            let from = (self.patterns.as_ptr().add(d), self.patterns.forward_stride());
            let ahead = self.ahead.clone();
            let acc = sum_rows::<_, _, _, P, G, false>(simd, acc, weights, from, self.rows, ahead);
            for (i, acc) in acc.iter().enumerate() {
                for (g, acc) in acc.iter().enumerate() {
                    simd.store(to.add(i * stride + d + g * T::LANES), *acc);
                }
            }
        }
    }
}
