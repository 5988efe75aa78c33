//! Rows as sequences of vectors, of which the first and the last can be partial.

use std::ops::Range;

use crate::matrix::MatRef;
use crate::simd::{Element, MAX_LANES, Simd};

/// The number of vectors in a row of `matrix`.
///
/// # Panics
/// If rows are not padded to whole vectors, which is a precondition of every kernel.
#[inline(always)]
pub(crate) fn vectors_of<T: Element>(matrix: &MatRef<'_, T>) -> usize {
    assert!(matrix.cols().is_multiple_of(T::LANES), "rows are padded to whole vectors");
    matrix.cols() / T::LANES
}

/// A vector of a row, of which lanes `start..end` are in use.
pub(crate) struct PartialVector {
    /// Index of the vector's first element.
    pub at: usize,
    /// The first lane in use.
    pub start: usize,
    /// The lane after the last one in use.
    pub end: usize,
}

impl PartialVector {
    #[inline(always)]
    pub fn is_full<T: Element>(&self) -> bool {
        self.start == 0 && self.end == T::LANES
    }

    /// `vector` in the lanes in use, zero in the others.
    #[inline(always)]
    pub fn only<T: Element, S: Simd<T>>(&self, simd: S, vector: S::Vec) -> S::Vec {
        let zero = simd.splat(T::ZERO);
        let (before, until) = (simd.first(self.start), simd.first(self.end));
        simd.select(before, zero, simd.select(until, vector, zero))
    }

    /// The lanes in use, as bits.
    #[inline(always)]
    pub fn bits(&self) -> u32 {
        (u32::MAX << self.start) & !(u32::MAX.unbounded_shl(self.end as u32))
    }
}

/// The vectors of a range, of which the first and the last can be partial.
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

/// Calls `each` with the vectors of a range, of which the first and the last can be partial.
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

/// Loads the vector of a row that begins at element `at`.
///
/// # Panics
/// If the row ends before the vector does.
#[inline(always)]
pub(crate) fn load_vector<T: Element, S: Simd<T>>(simd: S, row: &[T], at: usize) -> S::Vec {
    let vector = &row[at..at + T::LANES];
    // SAFETY: the slice has `LANES` elements.
    unsafe { simd.load(vector.as_ptr()) }
}

/// Loads the lanes of `part` before `part.end`; the others are zero.
#[inline(always)]
pub(crate) fn load<T: Element, S: Simd<T>>(simd: S, row: &[T], part: &PartialVector) -> S::Vec {
    assert!(part.at + part.end <= row.len());
    // SAFETY: `part.at + part.end <= row.len()` by the assertion above.
    unsafe {
        let from = row.as_ptr().add(part.at);
        if part.end == T::LANES { simd.load(from) } else { simd.load_first(from, part.end) }
    }
}

/// Stores the lanes of `part` before `part.end`.
#[inline(always)]
pub(crate) fn store<T: Element, S: Simd<T>>(
    simd: S,
    row: &mut [T],
    part: &PartialVector,
    vector: S::Vec,
) {
    assert!(part.at + part.end <= row.len());
    // SAFETY: `part.at + part.end <= row.len()` by the assertion above.
    unsafe {
        let to = row.as_mut_ptr().add(part.at);
        match part.end == T::LANES {
            true => simd.store(to, vector),
            false => simd.store_first(to, vector, part.end),
        }
    }
}

/// The lanes of `part`'s vector whose patterns are not masked.
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
    // SAFETY: `flags` has `MAX_LANES` elements, and `LANES <= MAX_LANES`.
    simd.lt(simd.splat(T::ZERO), unsafe { simd.load(flags.as_ptr()) })
}
