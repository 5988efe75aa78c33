//! Sums of weighted rows (axpy): the product that projection and learning share.
//!
//! ```text
//! acc[i][g] = init[i][g] + Σ_k w(i, k) * V[k, g]        # i < P destinations, g < G vectors
//! ```
//!
//! In recall the destinations are probes and k runs over patterns; in learning the destinations are
//! patterns and k runs over probes. The coefficient w(i, k) is at `at[i] + k * along`, so neither
//! needs its weights transposed. Rows can be selected by a list, which is how rows of weight zero
//! are left out: gathering whole rows costs nothing.

use std::ops::Range;

use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::simd::tail::vectors_of;
use crate::simd::tile::{for_each_strip, for_tile_size, summed_rows};
use crate::simd::{Element, Simd};

/// The coefficients of a sum of rows for `P` destinations.
#[derive(Clone, Copy)]
pub(crate) struct Weights<T, const P: usize> {
    /// For each destination, a pointer to the coefficient of row 0.
    pub at: [*const T; P],
    /// Elements from the coefficient of one row to that of the next.
    pub along: usize,
}

/// Which rows are summed, and in which order.
pub(crate) trait RowIndices: Copy {
    /// Number of rows.
    fn count(self) -> usize;
    /// Index of the k-th row.
    ///
    /// # Safety
    /// `k < self.count()`.
    unsafe fn index(self, k: usize) -> usize;
}

/// Rows `0..self`.
impl RowIndices for usize {
    #[inline(always)]
    fn count(self) -> usize {
        self
    }
    #[inline(always)]
    unsafe fn index(self, k: usize) -> usize {
        k
    }
}

/// The listed rows.
impl RowIndices for &[u32] {
    #[inline(always)]
    fn count(self) -> usize {
        self.len()
    }
    #[inline(always)]
    unsafe fn index(self, k: usize) -> usize {
        // SAFETY: `k < self.len()` by the precondition of `index`.
        unsafe { *self.get_unchecked(k) as usize }
    }
}

/// What to prefetch while rows are summed: rows further on that will be needed next. The summed
/// rows are in L2, so memory is idle meanwhile.
#[derive(Clone)]
pub(crate) struct Ahead {
    /// Prefetch distance in rows: from the one that is summed to the one that is prefetched.
    pub rows: usize,
    /// The summed rows for which this is done.
    pub share: Range<usize>,
}

impl Ahead {
    /// Nothing to prefetch.
    pub const NONE: Self = Self { rows: 0, share: 0..0 };

    /// `self` if `wanted`, else `NONE`.
    fn of(&self, wanted: bool) -> Self {
        if wanted { self.clone() } else { Self::NONE }
    }
}

/// The rows of a sum.
pub(crate) struct SummedRows<T, R> {
    pub at: *const T,
    /// Elements from one row to the next.
    pub stride: usize,
    /// The indices of those that are summed.
    pub rows: R,
    /// Which rows are prefetched.
    pub ahead: Ahead,
}

/// One register tile of a sum of rows. With `SKIPS`, a coefficient of exactly 0 leaves out its row,
/// whatever the row holds. Without, 0 times an infinity or NaN is NaN: use it where all rows are
/// finite or no coefficient is 0.
///
/// # Safety
/// For every index `k` of `rows`:
/// - `G` vectors are readable at `from.at + k * from.stride`;
/// - a coefficient is readable at `weights.at[i] + k * weights.along` for every `i < P`.
#[inline(always)]
pub(crate) unsafe fn sum_rows<
    T: Element,
    S: Simd<T>,
    R: RowIndices,
    const P: usize,
    const G: usize,
    const SKIPS: bool,
>(
    simd: S,
    mut acc: [[S::Vec; G]; P],
    weights: Weights<T, P>,
    from: SummedRows<T, R>,
) -> [[S::Vec; G]; P] {
    let SummedRows { at: from, stride, rows, ahead } = from;
    for k in 0..rows.count() {
        // SAFETY: `k < rows.count()`. The row's `G` vectors and its `P` coefficients are readable
        // by the preconditions of `sum_rows`.
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

/// retrieved[b,:] = rescale[b] retrieved[b,:] + Σ_n weights[b][n] patterns[n,:] for some probes and
/// one chunk of d.
///
/// # Safety
/// Every index of `rows` is below `patterns.rows()`.
#[inline(always)]
pub(crate) unsafe fn combine<T: Element, S: Simd<T>, R: RowIndices>(
    simd: S,
    of: Combine<'_, T, R>,
    chunk: Range<usize>,
    retrieved: &mut MatMut<'_, T>,
) {
    let Combine { weights, patterns, rows, ahead, rescale } = of;
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
        // SAFETY:
        // - The shapes are asserted above, and `tile` selects `P` rows of each operand.
        // - `first + at + G <= chunk.end`, which is at most the vectors of a row.
        // - The indices of `rows` are rows of `patterns`, by the precondition of `combine`.
        for_tile_size!(simd, tile.len(), summed_rows(S::REGISTERS), |P| unsafe {
            for_each_strip!(width, P, |at, G| {
                sum.tile::<S, P, G>(simd, (first + at) * T::LANES, &mut retrieved)
            });
        });
    }
}

/// A sum of weighted patterns for each of some probes.
pub(crate) struct Combine<'a, T, R> {
    /// A row for each probe, and at least a column for each pattern.
    pub weights: MatRef<'a, T>,
    pub patterns: MatRef<'a, T>,
    /// The patterns to be summed: at least all that have a weight for some probe.
    pub rows: R,
    /// Which patterns are prefetched.
    pub ahead: Ahead,
    /// For each probe, the factor of the sum so far. Where it is 0, the old contents are not read.
    pub rescale: &'a [T],
}

impl<T: Element, R: RowIndices> Combine<'_, T, R> {
    /// One register tile: `P` probes by `G` vectors from column `d` on.
    ///
    /// # Safety
    /// - `weights`, `rescale` and `retrieved` have `P` rows, and the shapes that [`combine`]
    ///   asserts.
    /// - Every index of `rows` is below `patterns.rows()`.
    /// - `d + G * LANES <= patterns.cols()`.
    #[inline(always)]
    unsafe fn tile<S: Simd<T>, const P: usize, const G: usize>(
        &self,
        simd: S,
        d: usize,
        retrieved: &mut MatMut<'_, T>,
    ) {
        let (to, stride) = (retrieved.as_mut_ptr(), retrieved.stride());
        let (at, across) = (self.weights.as_ptr(), self.weights.forward_stride());
        let weights =
            Weights { at: std::array::from_fn(|i| at.wrapping_add(i * across)), along: 1 };
        // SAFETY: by the preconditions of `tile`, rows `i < P` of `retrieved` and all indexed rows
        // of the patterns have the columns `d..d + G * LANES`, `rescale` has `P` entries, and the
        // weights have a column for every pattern.
        unsafe {
            let mut acc = [[simd.splat(T::ZERO); G]; P];
            for (i, acc) in acc.iter_mut().enumerate() {
                let scale = *self.rescale.get_unchecked(i);
                // The old contents do not count, or were never written.
                if scale == T::ZERO {
                    continue;
                }
                let scale = simd.splat(scale);
                for (g, acc) in acc.iter_mut().enumerate() {
                    let so_far = simd.load(to.add(i * stride + d + g * T::LANES));
                    *acc = simd.mul(so_far, scale);
                }
            }
            let from = SummedRows {
                at: self.patterns.as_ptr().add(d),
                stride: self.patterns.forward_stride(),
                rows: self.rows,
                ahead: self.ahead.clone(),
            };
            let acc = sum_rows::<_, _, _, P, G, false>(simd, acc, weights, from);
            for (i, acc) in acc.iter().enumerate() {
                for (g, acc) in acc.iter().enumerate() {
                    simd.store(to.add(i * stride + d + g * T::LANES), *acc);
                }
            }
        }
    }
}
