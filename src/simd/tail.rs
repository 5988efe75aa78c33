//! Rows by vectors, of which the first and the last may be incomplete.

use std::ops::Range;

use crate::matrix::MatRef;
use crate::simd::{Element, MAX_LANES, Simd};

/// Panics unless a row is a whole number of vectors: the precondition of every kernel.
#[inline(always)]
pub(crate) fn vectors_of<T: Element>(matrix: &MatRef<'_, T>) -> usize {
    assert!(matrix.cols().is_multiple_of(T::LANES), "rows are padded to whole vectors");
    matrix.cols() / T::LANES
}

/// Some lanes of a vector.
pub(crate) struct PartialVector {
    /// Where the vector begins.
    pub at: usize,
    /// Its lanes from this one ...
    pub start: usize,
    /// ... up to this one.
    pub end: usize,
}

impl PartialVector {
    #[inline(always)]
    pub fn is_full<T: Element>(&self) -> bool {
        self.start == 0 && self.end == T::LANES
    }

    /// Its lanes of a vector, and zeros.
    #[inline(always)]
    pub fn only<T: Element, S: Simd<T>>(&self, simd: S, vector: S::Vec) -> S::Vec {
        let zero = simd.splat(T::ZERO);
        let (before, until) = (simd.first(self.start), simd.first(self.end));
        simd.select(before, zero, simd.select(until, vector, zero))
    }

    /// Its lanes, as bits.
    #[inline(always)]
    pub fn bits(&self) -> u32 {
        (u32::MAX << self.start) & !(u32::MAX.unbounded_shl(self.end as u32))
    }
}

/// The vectors of a range, of which the first and the last may be incomplete.
#[inline(always)]
pub(crate) fn partial_vectors<T: Element>(
    range: Range<usize>,
) -> impl Iterator<Item = PartialVector> {
    let Range { start, end } = range;
    (start / T::LANES * T::LANES..end).step_by(T::LANES).map(
        #[inline(always)]
        move |at| PartialVector {
            at,
            start: start.saturating_sub(at),
            end: (end - at).min(T::LANES),
        },
    )
}

/// Calls `each` with the vectors of a range, of which the first and the last may be incomplete.
#[inline(always)]
pub(crate) fn for_each_partial_vector<T: Element>(
    range: Range<usize>,
    mut each: impl FnMut(PartialVector),
) {
    let Range { start, end } = range;
    let mut at = start / T::LANES * T::LANES;
    if start > at && start < end {
        each(PartialVector { at, start: start - at, end: (end - at).min(T::LANES) });
        at += T::LANES;
    }
    while at + T::LANES <= end {
        each(PartialVector { at, start: 0, end: T::LANES });
        at += T::LANES;
    }
    if at < end {
        each(PartialVector { at, start: 0, end: end - at });
    }
}

/// The lanes of a part of a row from the first on; zeros where the row has ended.
#[inline(always)]
pub(crate) fn load<T: Element, S: Simd<T>>(simd: S, row: &[T], part: &PartialVector) -> S::Vec {
    assert!(part.at + part.end <= row.len());
    // SAFETY: these elements are there.
    unsafe {
        let from = row.as_ptr().add(part.at);
        if part.end == T::LANES { simd.load(from) } else { simd.load_first(from, part.end) }
    }
}

/// The lanes of a vector that are not masked.
#[inline(always)]
pub(crate) fn kept<T: Element, S: Simd<T>>(
    simd: S,
    keep: &[bool],
    part: &PartialVector,
) -> S::Mask {
    let mut flags = [T::ZERO; MAX_LANES];
    for (flag, &keep) in flags.iter_mut().zip(&keep[part.at..keep.len().min(part.at + T::LANES)]) {
        *flag = if keep { T::ONE } else { T::ZERO };
    }
    // SAFETY: the array holds the widest vector.
    simd.lt(simd.splat(T::ZERO), unsafe { simd.load(flags.as_ptr()) })
}
