//! `ndarray` views, on the condition that the elements of a row lie next to one another.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::{MatMut, MatRef};
use crate::error::{Error, Result};

/// What rows may look like besides following one another without overlap.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    /// Nothing else: they are written.
    Exclusive,
    /// Backwards, or all the same one: they are only read.
    Shared,
}

/// The row stride of an array of this shape and these strides, if it can be viewed as a matrix. The
/// strides of an array without elements mean nothing.
fn row_stride((rows, cols): (usize, usize), strides: &[isize], kind: Rows) -> Result<isize> {
    if rows == 0 || cols == 0 {
        return Ok(cols as isize);
    }
    if cols > 1 && strides[1] != 1 {
        return Err(Error::Stride {
            operand: "array",
            expected: "a column stride of 1 (row-major; `as_standard_layout` of ndarray 0.17 makes it so)",
            found: strides[1],
        });
    }
    let stride = strides[0];
    let fits = match kind {
        Rows::Exclusive => stride >= cols as isize,
        Rows::Shared => stride == 0 || stride.unsigned_abs() >= cols,
    };
    if rows > 1 && !fits {
        return Err(Error::Stride {
            operand: "array",
            expected: "a row stride of at least the number of columns",
            found: stride,
        });
    }
    Ok(if rows > 1 { stride } else { cols as isize })
}

impl<'a, T> TryFrom<ArrayView2<'a, T>> for MatRef<'a, T> {
    type Error = Error;

    fn try_from(view: ArrayView2<'a, T>) -> Result<Self> {
        let stride = row_stride(view.dim(), view.strides(), Rows::Shared)?;
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
        let stride = row_stride(view.dim(), view.strides(), Rows::Exclusive)?;
        let (rows, cols) = view.dim();
        // SAFETY:
        // - The view's elements are initialised, and exclusive for 'a.
        // - `row_stride` has checked that the elements of a row are neighbours and that rows begin
        //   at least `cols` elements apart, so that they do not overlap; the stride is therefore
        //   not negative.
        Ok(unsafe { Self::from_raw(view.as_mut_ptr(), rows, cols, stride as usize) })
    }
}
