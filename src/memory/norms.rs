//! Norms of patterns and of features, however the patterns are stored.

use crate::kernel::compiled;
use crate::kernel::norms::{FeatureSquares, SquaredNorms, is_large};
use crate::matrix::MatRef;
use crate::matrix::ranges::evenly;
use crate::memory::rows::{Rows, Unpack, unpack};
use crate::memory::{Aligned, padded_stride};
use crate::simd::{Element, Level};

/// Patterns whose squares are summed at a time, so that the sum over all of them is less deep.
const FEATURE_BLOCK: usize = 512;
/// Patterns that are unpacked at a time for their norms.
const NORM_BLOCK: usize = 16;

/// Calls `each` with padded rows, at most `most` at a time.
fn for_each_block<T: Element>(
    level: Level,
    all: Rows<'_, T>,
    most: usize,
    mut each: impl FnMut(MatRef<'_, T>, std::ops::Range<usize>),
) {
    let most = most.min(all.rows());
    let mut scratch = Aligned::new(0);
    scratch.resize(all.scratch(most), T::ZERO);
    for block in evenly(all.rows(), most) {
        let rows = all.subrows(block.clone());
        if let Some(rows) = rows.padded() {
            each(rows, block);
            continue;
        }
        let stride = padded_stride::<T>(rows.cols());
        unpack(level, Unpack { rows, to: &mut scratch, stride });
        let unpacked = MatRef::with_stride(&scratch, rows.rows(), rows.cols(), stride);
        each(unpacked.expect("scratch has room for these rows"), block);
    }
}

/// The squared norm of every row.
pub(super) fn squared_norms<T: Element>(level: Level, rows: Rows<'_, T>, norms: &mut [T]) {
    let most = if rows.padded().is_some() { rows.rows() } else { NORM_BLOCK };
    for_each_block(level, rows, most, |rows, block| {
        compiled::squared_norms(level, SquaredNorms { rows, norms: &mut norms[block] });
    });
}

/// The sum of the squares of every feature.
pub(super) fn feature_squares<T: Element>(level: Level, rows: Rows<'_, T>) -> Vec<T> {
    let mut squares = vec![T::ZERO; rows.cols()];
    let mut part = squares.clone();
    for_each_block(level, rows, FEATURE_BLOCK, |rows, _| {
        let mut sum = |normal| {
            part.fill(T::ZERO);
            compiled::feature_squares(level, FeatureSquares { rows, squares: &mut part, normal });
            part.iter().any(|sum| *sum != T::ZERO && !is_large(*sum))
        };
        // Squares below the normal range do not matter to sums that are large.
        if sum(false) {
            sum(true);
        }
        squares.iter_mut().zip(&part).for_each(|(sum, part)| *sum += *part);
    });
    squares
}

/// The highest of 0 and those values that are kept, or NaN where there is one: nothing is higher.
pub(super) fn highest<T: Element>(values: &[T], keep: Option<&[bool]>) -> T {
    let higher = |a: T, b: T| if b > a || b.is_nan() { b } else { a };
    // In lanes: a single chain would be waited for.
    let mut most = [T::ZERO; 16];
    match keep {
        None => {
            for values in values.chunks(most.len()) {
                most.iter_mut().zip(values).for_each(|(a, &b)| *a = higher(*a, b));
            }
        }
        Some(keep) => {
            for (values, keep) in values.chunks(most.len()).zip(keep.chunks(most.len())) {
                for ((a, &b), &keep) in most.iter_mut().zip(values).zip(keep) {
                    *a = higher(*a, if keep { b } else { T::ZERO });
                }
            }
        }
    }
    most.into_iter().fold(T::ZERO, higher)
}
