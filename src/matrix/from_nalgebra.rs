//! `nalgebra` views. Its matrices are column-major: their *columns* become rows without a copy
//! ([`MatRef::columns_of`]), as the patterns of ngc-learn's W are columns. A view whose rows lie
//! next to one another converts as it is.

use nalgebra::{Dim, MatrixView, MatrixViewMut};

use super::foreign::{Access, row_stride};
use super::{MatMut, MatRef};
use crate::error::{Error, Result};

/// What a refused view needs.
const NEIGHBOURS: &str = "a column stride of 1 (row-major; `columns_of` takes column-major ones)";

/// Strides that fit into the address space, as those of every view do.
fn signed([row, col]: [usize; 2]) -> [isize; 2] {
    [row as isize, col as isize]
}

impl<'a, T, R: Dim, C: Dim, RS: Dim, CS: Dim> TryFrom<MatrixView<'a, T, R, C, RS, CS>>
    for MatRef<'a, T>
{
    type Error = Error;

    fn try_from(view: MatrixView<'a, T, R, C, RS, CS>) -> Result<Self> {
        let (row, col) = view.strides();
        let stride = row_stride(view.shape(), signed([row, col]), NEIGHBOURS, Access::Shared)?;
        // SAFETY:
        // - The view's elements are initialised, and shared for 'a.
        // - `row_stride` has checked that the elements of a row are neighbours and returns the
        //   view's own distance between rows (or there is at most one row with elements, which
        //   begins at `as_ptr`).
        Ok(unsafe { Self::from_raw(view.as_ptr(), view.nrows(), view.ncols(), stride) })
    }
}

impl<'a, T, R: Dim, C: Dim, RS: Dim, CS: Dim> TryFrom<MatrixViewMut<'a, T, R, C, RS, CS>>
    for MatMut<'a, T>
{
    type Error = Error;

    fn try_from(mut view: MatrixViewMut<'a, T, R, C, RS, CS>) -> Result<Self> {
        let (row, col) = view.strides();
        let stride = row_stride(view.shape(), signed([row, col]), NEIGHBOURS, Access::Exclusive)?;
        let (rows, cols) = view.shape();
        // SAFETY:
        // - The view's elements are initialised, and exclusive for 'a.
        // - `row_stride` has checked that the elements of a row are neighbours and that rows begin
        //   at least `cols` elements apart, so that they do not overlap; the stride is therefore
        //   not negative.
        Ok(unsafe { Self::from_raw(view.as_mut_ptr(), rows, cols, stride as usize) })
    }
}

impl<'a, T> MatRef<'a, T> {
    /// The columns of a column-major matrix, as rows, without a copy (feature `nalgebra`).
    ///
    /// ```
    /// use hopfield_kernels::{MatRef, Memory};
    ///
    /// // Two patterns, as the columns of W.
    /// let w = nalgebra::Matrix3x2::from_fn(|d, n| (10 * n + d) as f64);
    /// let memory = Memory::from_rows(MatRef::columns_of(w.view((0, 0), (3, 2)))?)?;
    /// assert_eq!(memory.pattern(1), [10.0, 11.0, 12.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Stride`] unless the elements of a column lie next to one another.
    pub fn columns_of<R: Dim, C: Dim, RS: Dim, CS: Dim>(
        view: MatrixView<'a, T, R, C, RS, CS>,
    ) -> Result<Self> {
        const EXPECTED: &str = "a row stride of 1 (column-major)";
        let ((row, col), (rows, cols)) = (view.strides(), view.shape());
        let stride = row_stride((cols, rows), signed([col, row]), EXPECTED, Access::Shared)?;
        // SAFETY:
        // - The view's elements are initialised, and shared for 'a.
        // - `row_stride` has checked that the elements of a column are neighbours and returns the
        //   view's own distance between columns (or there is at most one with elements, which
        //   begins at `as_ptr`).
        Ok(unsafe { Self::from_raw(view.as_ptr(), cols, rows, stride) })
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrixView, Dyn, SMatrix};

    use super::*;

    #[test]
    fn columns_become_rows_without_a_copy() {
        let mut w = SMatrix::<f32, 3, 5>::from_fn(|d, n| (10 * n + d) as f32);
        let rows = MatRef::columns_of(w.view((0, 0), (3, 5))).unwrap();
        assert_eq!((rows.shape(), rows.row(4)), ((5, 3), &[40.0, 41.0, 42.0][..]));
        assert_eq!(rows.as_ptr(), w.as_ptr());
        let some = MatRef::columns_of(w.view((1, 2), (2, 3))).unwrap();
        assert_eq!((some.shape(), some.row(2)), ((3, 2), &[41.0, 42.0][..]));
        assert!(matches!(MatRef::try_from(w.view((0, 0), (3, 5))), Err(Error::Stride { .. })));
        assert!(MatMut::try_from(w.view_mut((0, 0), (3, 5))).is_err());
        let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let rows = DMatrixView::<f64, Dyn, Dyn>::from_slice_with_strides(&numbers, 2, 3, 3, 1);
        assert_eq!(MatRef::try_from(rows).unwrap().row(1), [4.0, 5.0, 6.0]);
        assert!(matches!(MatRef::columns_of(rows), Err(Error::Stride { found: 3, .. })));
        // One column: its elements are rows of one element each.
        let mut one = SMatrix::<f64, 3, 1>::from_element(1.0);
        MatMut::try_from(one.view_mut((0, 0), (3, 1))).unwrap().row_mut(1)[0] = 7.0;
        assert_eq!(one.as_slice(), [1.0, 7.0, 1.0]);
    }
}
