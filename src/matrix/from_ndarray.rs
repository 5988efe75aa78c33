//! `ndarray` views, on the condition that the elements of a row lie next to one another.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::{MatMut, MatRef};
use crate::{Error, Result};

/// The row stride of an array of this shape and these strides, if it is a matrix of ours.
fn row_stride((rows, cols): (usize, usize), strides: &[isize]) -> Result<usize> {
    if cols > 1 && strides[1] != 1 {
        return Err(Error::Stride {
            operand: "array",
            expected: "a column stride of 1 (row-major; `as_standard_layout` makes it so)",
            found: strides[1],
        });
    }
    if rows > 1 && strides[0] < cols as isize {
        return Err(Error::Stride {
            operand: "array",
            expected: "a row stride of at least the number of columns",
            found: strides[0],
        });
    }
    Ok(if rows > 1 { strides[0] as usize } else { cols })
}

impl<'a, T> TryFrom<ArrayView2<'a, T>> for MatRef<'a, T> {
    type Error = Error;

    fn try_from(view: ArrayView2<'a, T>) -> Result<Self> {
        let stride = row_stride(view.dim(), view.strides())?;
        // SAFETY: the view's elements are shared for 'a, and `row_stride` has checked that
        // they are rows of neighbours `stride` apart.
        Ok(unsafe { Self::from_raw(view.as_ptr(), view.nrows(), view.ncols(), stride) })
    }
}

impl<'a, T> TryFrom<ArrayViewMut2<'a, T>> for MatMut<'a, T> {
    type Error = Error;

    fn try_from(mut view: ArrayViewMut2<'a, T>) -> Result<Self> {
        let stride = row_stride(view.dim(), view.strides())?;
        let (rows, cols) = view.dim();
        // SAFETY: the view's elements are exclusive for 'a, and `row_stride` has checked that
        // they are rows of neighbours `stride` apart, which do not overlap.
        Ok(unsafe { Self::from_raw(view.as_mut_ptr(), rows, cols, stride) })
    }
}
