//! Squared norms of patterns and of features, and a test for rows that are finite.

use crate::matrix::MatRef;
use crate::simd::reduce::sum;
use crate::simd::tail::vectors_of;
use crate::simd::{Element, Kernel, Simd};

/// The squared norm of every row, summed in the order of a dot product.
pub struct SquaredNorms<'a, T> {
    /// Padded rows.
    pub rows: MatRef<'a, T>,
    /// One entry per row.
    pub norms: &'a mut [T],
}

impl<T: Element> Kernel<T> for SquaredNorms<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        vectors_of(&self.rows);
        for (row, norm) in self.rows.iter().zip(self.norms) {
            *norm = squared_norm(simd, row);
        }
    }
}

/// x in the lanes where |x| >= `least` or x is NaN, 0 in the others.
#[inline(always)]
pub(crate) fn drop_below<T: Element, S: Simd<T>>(simd: S, x: S::Vec, least: T) -> S::Vec {
    let zero = simd.splat(T::ZERO);
    let from_below = simd.select(simd.lt(simd.splat(-least), x), zero, x);
    simd.select(simd.lt(x, simd.splat(least)), from_below, x)
}

/// sum + x², where a square below the normal range counts as 0: arithmetic with subnormal numbers
/// is up to a hundred times slower on some machines.
#[inline(always)]
fn add_square<T: Element, S: Simd<T>>(simd: S, x: S::Vec, sum: S::Vec) -> S::Vec {
    let x = drop_below(simd, x, T::LEAST_ROOT);
    simd.mul_add(x, x, sum)
}

/// Whether a squared norm is *small*: squares below the normal range may have contributed to it.
///
/// The squared norm of a row is the sum of its squares, unless the sum without the squares below
/// the normal range is small; then it is that sum. It is a function of the row alone. The usual
/// case costs one comparison, and for rows that were small before, the slow sum with subnormal
/// squares is tried last.
#[inline(always)]
pub(crate) fn is_small<T: Element>(squared_norm: T) -> bool {
    squared_norm < T::SMALL_NORM
}

/// Whether a sum of all squares is certain to be the squared norm.
#[inline(always)]
pub(crate) fn is_large<T: Element>(sum: T) -> bool {
    // The squares below the normal range add up to less than the threshold itself.
    sum >= T::SMALL_NORM + T::SMALL_NORM
}

/// The squared norm of a padded row.
#[inline(always)]
pub(crate) fn squared_norm<T: Element, S: Simd<T>>(simd: S, row: &[T]) -> T {
    let all = sum_of_squares::<T, S, false>(simd, row);
    if is_large(all) {
        return all;
    }
    let normal = sum_of_squares::<T, S, true>(simd, row);
    if is_small(normal) { normal } else { all }
}

/// The squared norm of a padded row that is probably small: the same result, tried in the other
/// order.
#[inline(always)]
pub(crate) fn squared_norm_of_small<T: Element, S: Simd<T>>(simd: S, row: &[T]) -> T {
    let normal = sum_of_squares::<T, S, true>(simd, row);
    if is_small(normal) { normal } else { sum_of_squares::<T, S, false>(simd, row) }
}

/// The sum of the squares of a padded row, in the order of a dot product. With `NORMAL`, squares
/// below the normal range are left out.
#[inline(always)]
fn sum_of_squares<T: Element, S: Simd<T>, const NORMAL: bool>(simd: S, row: &[T]) -> T {
    assert!(row.len().is_multiple_of(T::LANES));
    let mut acc = simd.splat(T::ZERO);
    for at in (0..row.len()).step_by(T::LANES) {
        // SAFETY: the row is a whole number of vectors, as asserted above.
        let m = unsafe { simd.load(row.as_ptr().add(at)) };
        acc = if NORMAL { add_square(simd, m, acc) } else { simd.mul_add(m, m, acc) };
    }
    sum(simd, acc)
}

/// Adds up the squares of each feature over some patterns: squares[d] += Σ_n M[n,d]².
pub struct FeatureSquares<'a, T> {
    /// Padded rows.
    pub rows: MatRef<'a, T>,
    /// One entry per padded column.
    pub squares: &'a mut [T],
    /// Whether squares below the normal range count as 0 in every row, which takes twice as long.
    /// In the last rows, up to three, they always do.
    pub normal: bool,
}

impl<T: Element> Kernel<T> for FeatureSquares<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        vectors_of(&self.rows);
        assert_eq!(self.squares.len(), self.rows.cols());
        let (rows, whole) = (self.rows, self.rows.rows() / 4 * 4);
        // Several rows at a time: each sum is loaded and stored once for all of them.
        for n in (0..whole).step_by(4) {
            let some = [0, 1, 2, 3].map(|next| rows.row(n + next));
            match self.normal {
                true => add_rows::<T, S, 4, true>(simd, some, self.squares),
                false => add_rows::<T, S, 4, false>(simd, some, self.squares),
            }
        }
        for n in whole..rows.rows() {
            add_rows::<T, S, 1, true>(simd, [rows.row(n)], self.squares);
        }
    }
}

/// Adds the squares of some padded rows, one after the other.
#[inline(always)]
fn add_rows<T: Element, S: Simd<T>, const ROWS: usize, const NORMAL: bool>(
    simd: S,
    rows: [&[T]; ROWS],
    squares: &mut [T],
) {
    assert!(squares.len().is_multiple_of(T::LANES));
    assert!(rows.iter().all(|row| row.len() == squares.len()));
    for at in (0..squares.len()).step_by(T::LANES) {
        // SAFETY: rows and sums are as many whole vectors, as asserted above.
        unsafe {
            let to = squares.as_mut_ptr().add(at);
            let mut sum = simd.load(to);
            for row in rows {
                let m = simd.load(row.as_ptr().add(at));
                sum = if NORMAL { add_square(simd, m, sum) } else { simd.mul_add(m, m, sum) };
            }
            simd.store(to, sum);
        }
    }
}

/// Whether every element of some padded rows is finite.
pub struct Finite<'a, T> {
    /// Padded rows.
    pub rows: MatRef<'a, T>,
}

impl<T: Element> Kernel<T> for Finite<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> bool {
        vectors_of(&self.rows);
        let zero = simd.splat(T::ZERO);
        let mut acc = zero;
        for row in self.rows.iter() {
            for at in (0..row.len()).step_by(T::LANES) {
                // SAFETY: the row is a whole number of vectors, which `vectors_of` has checked.
                let x = unsafe { simd.load(row.as_ptr().add(at)) };
                // 0 x is NaN if x is not finite.
                acc = simd.mul_add(x, zero, acc);
            }
        }
        simd.bits(simd.nonzero(acc)) == 0
    }
}
