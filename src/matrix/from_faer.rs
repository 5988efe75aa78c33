//! `faer` views, on the condition that the elements of a row lie next to one another: those of a
//! column-major matrix are the transposed one, `w.transpose()`.
//!
//! ```
//! use hopfield_kernels::{MatRef, Memory};
//!
//! // Two patterns, as the columns of W.
//! let w = faer::Mat::from_fn(3, 2, |d, n| (10 * n + d) as f64);
//! let memory = Memory::from_rows(MatRef::try_from(w.transpose())?)?;
//! assert_eq!(memory.pattern(1), [10.0, 11.0, 12.0]);
//! # Ok::<(), hopfield_kernels::Error>(())
//! ```

use super::foreign::{Access, row_stride};
use super::{MatMut, MatRef};
use crate::error::{Error, Result};

/// What a refused view needs.
const NEIGHBOURS: &str =
    "a column stride of 1 (row-major; `transpose` of a column-major matrix is)";

impl<'a, T> TryFrom<faer::MatRef<'a, T>> for MatRef<'a, T> {
    type Error = Error;

    fn try_from(view: faer::MatRef<'a, T>) -> Result<Self> {
        let strides = [view.row_stride(), view.col_stride()];
        let stride = row_stride(view.shape(), strides, NEIGHBOURS, Access::Shared)?;
        // SAFETY:
        // - The view's elements are initialised, and shared for 'a.
        // - `row_stride` has checked that the elements of a row are neighbours and returns the
        //   view's own distance between rows (or there is at most one row with elements, which
        //   begins at `as_ptr`).
        Ok(unsafe { Self::from_raw(view.as_ptr(), view.nrows(), view.ncols(), stride) })
    }
}

impl<'a, T> TryFrom<faer::MatMut<'a, T>> for MatMut<'a, T> {
    type Error = Error;

    fn try_from(view: faer::MatMut<'a, T>) -> Result<Self> {
        let strides = [view.row_stride(), view.col_stride()];
        let stride = row_stride(view.shape(), strides, NEIGHBOURS, Access::Exclusive)?;
        let (rows, cols) = view.shape();
        // SAFETY:
        // - The view's elements are initialised, and exclusive for 'a.
        // - `row_stride` has checked that the elements of a row are neighbours and that rows begin
        //   at least `cols` elements apart, so that they do not overlap; the stride is therefore
        //   not negative.
        Ok(unsafe { Self::from_raw(view.as_ptr_mut(), rows, cols, stride as usize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_seen_without_a_copy() {
        let mut w = faer::Mat::from_fn(3, 5, |d, n| (10 * n + d) as f32);
        let rows = MatRef::try_from(w.transpose()).unwrap();
        assert_eq!((rows.shape(), rows.row(4)), ((5, 3), &[40.0, 41.0, 42.0][..]));
        assert_eq!(rows.as_ptr(), w.as_ptr());
        let reversed = MatRef::try_from(w.transpose().reverse_rows()).unwrap();
        assert_eq!(reversed.row(0), rows.row(4));
        assert!(matches!(MatRef::try_from(w.as_ref()), Err(Error::Stride { found: 3.., .. })));
        assert!(MatMut::try_from(w.transpose_mut().reverse_rows_mut()).is_err());
        let mut some = MatMut::try_from(w.transpose_mut().subrows_mut(1, 2)).unwrap();
        some.row_mut(1).fill(7.0);
        assert_eq!([w[(0, 2)], w[(2, 2)], w[(0, 3)]], [7.0, 7.0, 30.0]);
        let none = faer::Mat::<f32>::zeros(0, 3);
        assert_eq!(MatRef::try_from(none.as_ref()).unwrap().shape(), (0, 3));
    }
}
