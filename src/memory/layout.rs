//! The layout of rows in memory.

use aligned_vec::{AVec, ConstAlign};

use crate::simd::Element;

/// Bytes of a cache line. Every row begins on one.
pub(crate) const LINE: usize = 64;
/// Row strides that are a multiple of this map the same column of all rows to the same L1 set.
const PAGE: usize = 4096;

pub(crate) type Aligned<T> = AVec<T, ConstAlign<LINE>>;

/// Columns of a padded row: `dim` rounded up to whole vectors.
pub(crate) fn padded_cols<T: Element>(dim: usize) -> usize {
    dim.next_multiple_of(T::LANES)
}

/// Elements from one padded row to the next: whole vectors, and one vector more if the stride would
/// be a multiple of 4096 bytes.
pub(crate) fn padded_stride<T: Element>(dim: usize) -> usize {
    let cols = padded_cols::<T>(dim);
    let clash = (cols * size_of::<T>()).is_multiple_of(PAGE);
    cols + if clash { T::LANES } else { 0 }
}

/// The same for rows of `cols` numbers of another size: whole lines.
pub(crate) fn line_stride<E>(cols: usize) -> usize {
    let line = LINE / size_of::<E>();
    let cols = cols.next_multiple_of(line);
    let clash = (cols * size_of::<E>()).is_multiple_of(PAGE);
    cols + if clash { line } else { 0 }
}

/// Elements from one row of scratch to the next, for rows of `groups` vectors: an odd number of
/// cache lines, so that the same column of many rows is spread over all sets of L1.
pub(crate) const fn scratch_stride<T: Element>(groups: usize) -> usize {
    (groups | 1) * T::LANES
}
