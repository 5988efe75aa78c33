//! How rows lie in memory.

use aligned_vec::{AVec, ConstAlign};

use crate::simd::Element;

/// A cache line: where every row begins.
pub(crate) const LINE: usize = 64;
/// Row strides that are a multiple of this put all rows into the same L1 sets.
const PAGE: usize = 4096;

pub(crate) type Aligned<T> = AVec<T, ConstAlign<LINE>>;

/// Columns of a padded row: whole vectors.
pub(crate) fn padded_cols<T: Element>(dim: usize) -> usize {
    dim.next_multiple_of(T::LANES)
}

/// Elements from one padded row to the next: whole vectors, and one more where the stride would
/// be a multiple of 4096 bytes.
pub(crate) fn padded_stride<T: Element>(dim: usize) -> usize {
    let cols = padded_cols::<T>(dim);
    let clash = (cols * size_of::<T>()).is_multiple_of(PAGE);
    cols + if clash { T::LANES } else { 0 }
}

/// Elements from row to row of scratch memory, for so many vectors or one more: an odd number of
/// lines, so that the same columns of many rows lie in all the sets of L1.
pub(crate) const fn scratch_stride<T: Element>(groups: usize) -> usize {
    (groups | 1) * T::LANES
}
