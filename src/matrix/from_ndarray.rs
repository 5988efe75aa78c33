//! `ndarray` views, on the condition that the elements of a row lie next to one another.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::foreign::{Access, row_stride};
use super::{MatMut, MatRef};
use crate::error::{Error, Result};

/// What a refused view needs.
const NEIGHBOURS: &str =
    "a column stride of 1 (row-major; `as_standard_layout` of ndarray 0.17 makes it so)";

/// The row stride of an array of two dimensions.
fn stride_of(shape: (usize, usize), strides: &[isize], kind: Access) -> Result<isize> {
    row_stride(shape, [strides[0], strides[1]], NEIGHBOURS, kind)
}

impl<'a, T> TryFrom<ArrayView2<'a, T>> for MatRef<'a, T> {
    type Error = Error;

    fn try_from(view: ArrayView2<'a, T>) -> Result<Self> {
        let stride = stride_of(view.dim(), view.strides(), Access::Shared)?;
        // SAFETY:
        // - The view's elements are initialised, and shared for 'a.
        // - `row_stride` has checked that the elements of a row are neighbours and returns the
        //   view's own distance between rows (or there is at most one row with elements, which
        //   begins at `as_ptr`).
        Ok(unsafe { Self::from_raw(view.as_ptr(), view.nrows(), view.ncols(), stride) })
    }
}

impl<'a, T> TryFrom<ArrayViewMut2<'a, T>> for MatMut<'a, T> {
    type Error = Error;

    fn try_from(mut view: ArrayViewMut2<'a, T>) -> Result<Self> {
        let stride = stride_of(view.dim(), view.strides(), Access::Exclusive)?;
        let (rows, cols) = view.dim();
        // SAFETY:
        // - The view's elements are initialised, and exclusive for 'a.
        // - `row_stride` has checked that the elements of a row are neighbours and that rows begin
        //   at least `cols` elements apart, so that they do not overlap; the stride is therefore
        //   not negative.
        Ok(unsafe { Self::from_raw(view.as_mut_ptr(), rows, cols, stride as usize) })
    }
}
