//! `MatRef` and `MatMut`: the only door from slices to pointers.
//!
//! A matrix is rows of consecutive elements, a fixed stride apart. The checks here are what every
//! unsafe block further down relies on: each row `0..rows` has `cols` readable (and, through a
//! `MatMut`, exclusively writable) elements, and the rows of a `MatMut` do not overlap.

use std::marker::PhantomData;

use crate::{Error, Result};

/// A read-only view of a row-major matrix.
///
/// ```
/// use hopfield_kernels::MatRef;
///
/// // Two rows of three, four apart: the last column of each row is not part of the matrix.
/// let numbers = [1, 2, 3, 0, 4, 5, 6, 0];
/// let matrix = MatRef::with_stride(&numbers, 2, 3, 4)?;
/// assert_eq!(matrix.row(1), [4, 5, 6]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct MatRef<'a, T> {
    ptr: *const T,
    rows: usize,
    cols: usize,
    stride: usize,
    life: PhantomData<&'a [T]>,
}

/// A view of a row-major matrix that may be written.
///
/// ```
/// use hopfield_kernels::MatMut;
///
/// let mut numbers = [0; 4];
/// let mut matrix = MatMut::new(&mut numbers, 2, 2)?;
/// matrix.row_mut(1).fill(7);
/// assert_eq!(numbers, [0, 0, 7, 7]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct MatMut<'a, T> {
    ptr: *mut T,
    rows: usize,
    cols: usize,
    stride: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: a `MatRef` is a shared slice with holes, and gives what `&[T]` gives.
unsafe impl<T: Sync> Send for MatRef<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatRef<'_, T> {}
// SAFETY: a `MatMut` is an exclusive slice with holes, and gives what `&mut [T]` gives.
unsafe impl<T: Send> Send for MatMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatMut<'_, T> {}

impl<T> Clone for MatRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for MatRef<'_, T> {}

/// Refuses rows that overlap or that leave a slice of `len` elements.
fn check(len: usize, rows: usize, cols: usize, stride: usize) -> Result<()> {
    if rows > 1 && stride < cols {
        return Err(Error::Stride {
            operand: "matrix",
            expected: "a row stride of at least the number of columns",
            found: stride as isize,
        });
    }
    let needed = match rows {
        0 => Some(0),
        _ => (rows - 1).checked_mul(stride).and_then(|start| start.checked_add(cols)),
    };
    match needed {
        Some(needed) if needed <= len => Ok(()),
        _ => Err(Error::Slice {
            operand: "matrix",
            rows,
            cols,
            needed: needed.unwrap_or(usize::MAX),
            found: len,
        }),
    }
}

impl<'a, T> MatRef<'a, T> {
    /// Views the first `rows * cols` elements of `slice` as a matrix of contiguous rows.
    ///
    /// # Errors
    /// [`Error::Slice`] when the slice is too short.
    pub fn new(slice: &'a [T], rows: usize, cols: usize) -> Result<Self> {
        Self::with_stride(slice, rows, cols, cols)
    }

    /// Views rows of `cols` elements that begin `stride` elements apart.
    ///
    /// # Errors
    /// [`Error::Stride`] when rows overlap, [`Error::Slice`] when the slice is too short.
    pub fn with_stride(slice: &'a [T], rows: usize, cols: usize, stride: usize) -> Result<Self> {
        check(slice.len(), rows, cols, stride)?;
        let ptr = slice.as_ptr();
        Ok(Self { ptr, rows, cols, stride, life: PhantomData })
    }

    /// Views memory that is not one slice (the rows may have foreign elements between them).
    ///
    /// # Safety
    /// For the lifetime `'a`, each of the `rows` rows that begin `stride` elements apart at `ptr`
    /// is `cols` initialised elements that nobody writes.
    #[cfg(feature = "ndarray")]
    unsafe fn from_raw(ptr: *const T, rows: usize, cols: usize, stride: usize) -> Self {
        Self { ptr, rows, cols, stride, life: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements from the start of one row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Row `index`.
    ///
    /// # Panics
    /// When `index >= rows`.
    pub fn row(&self, index: usize) -> &'a [T] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: the door has checked that rows below `rows` have `cols` elements, shared for 'a.
        unsafe { std::slice::from_raw_parts(self.ptr.add(index * self.stride), self.cols) }
    }

    /// The rows, from the first to the last.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [T]> {
        (0..self.rows).map(move |index| self.row(index))
    }

    /// Rows `range`.
    ///
    /// # Panics
    /// When the range ends beyond the last row or before it starts.
    pub fn subrows(self, range: std::ops::Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "rows {range:?}");
        // An empty range may begin one row past the end, where `ptr` must not follow.
        let offset = if range.is_empty() { 0 } else { range.start * self.stride };
        // SAFETY: a row that exists begins at this offset, or the offset is 0.
        let ptr = unsafe { self.ptr.add(offset) };
        Self { ptr, rows: range.len(), ..self }
    }

    /// Columns `range` of every row.
    ///
    /// # Panics
    /// When the range ends beyond the last column or before it starts.
    pub fn subcols(self, range: std::ops::Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.cols, "columns {range:?}");
        // Without rows there may be no element to point at.
        let offset = if self.rows == 0 { 0 } else { range.start };
        // SAFETY: within the first row or one past its end.
        let ptr = unsafe { self.ptr.add(offset) };
        Self { ptr, cols: range.len(), ..self }
    }

    /// Rows and columns.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The first row's first element; rows are `stride()` elements apart.
    pub(crate) fn as_ptr(&self) -> *const T {
        self.ptr
    }
}

impl<'a, T> MatMut<'a, T> {
    /// Views the first `rows * cols` elements of `slice` as a matrix of contiguous rows.
    ///
    /// # Errors
    /// [`Error::Slice`] when the slice is too short.
    pub fn new(slice: &'a mut [T], rows: usize, cols: usize) -> Result<Self> {
        Self::with_stride(slice, rows, cols, cols)
    }

    /// Views rows of `cols` elements that begin `stride` elements apart.
    ///
    /// # Errors
    /// [`Error::Stride`] when rows overlap, [`Error::Slice`] when the slice is too short.
    pub fn with_stride(
        slice: &'a mut [T],
        rows: usize,
        cols: usize,
        stride: usize,
    ) -> Result<Self> {
        check(slice.len(), rows, cols, stride)?;
        let ptr = slice.as_mut_ptr();
        Ok(Self { ptr, rows, cols, stride, life: PhantomData })
    }

    /// Views memory that is not one slice (the rows may have foreign elements between them).
    ///
    /// # Safety
    /// For the lifetime `'a`, each of the `rows` rows that begin `stride` elements apart at `ptr`
    /// is `cols` initialised elements that nobody else reads or writes, and rows do not overlap.
    #[cfg(feature = "ndarray")]
    unsafe fn from_raw(ptr: *mut T, rows: usize, cols: usize, stride: usize) -> Self {
        Self { ptr, rows, cols, stride, life: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements from the start of one row to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The same matrix, to read.
    pub fn as_ref(&self) -> MatRef<'_, T> {
        let Self { ptr, rows, cols, stride, .. } = *self;
        MatRef { ptr, rows, cols, stride, life: PhantomData }
    }

    /// The same matrix for a shorter time, so that it can be passed on and used again.
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        let Self { ptr, rows, cols, stride, .. } = *self;
        MatMut { ptr, rows, cols, stride, life: PhantomData }
    }

    /// Row `index`, to write.
    ///
    /// # Panics
    /// When `index >= rows`.
    pub fn row_mut(&mut self, index: usize) -> &mut [T] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: the door has checked that rows below `rows` have `cols` elements, and `self` is
        // borrowed exclusively for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(index * self.stride), self.cols) }
    }

    /// Rows `range`, for a shorter time.
    ///
    /// # Panics
    /// When the range ends beyond the last row or before it starts.
    pub fn rows_mut(&mut self, range: std::ops::Range<usize>) -> MatMut<'_, T> {
        let (upper, _) = self.reborrow().split_at_row(range.end);
        upper.split_at_row(range.start).1
    }

    /// The first `at` rows, and the others.
    ///
    /// # Panics
    /// When `at > rows`.
    pub fn split_at_row(self, at: usize) -> (Self, Self) {
        assert!(at <= self.rows, "split at row {at} of {}", self.rows);
        let Self { ptr, rows, cols, stride, life } = self;
        // An empty second half begins nowhere: one row past the end may lie outside the slice.
        let offset = if at == rows { 0 } else { at * stride };
        // SAFETY: row `at` exists, or the offset is 0. The halves share no row.
        let below = unsafe { ptr.add(offset) };
        (
            Self { ptr, rows: at, cols, stride, life },
            Self { ptr: below, rows: rows - at, cols, stride, life },
        )
    }

    /// The first `at` columns, and the others.
    ///
    /// # Panics
    /// When `at > cols`.
    pub fn split_at_col(self, at: usize) -> (Self, Self) {
        assert!(at <= self.cols, "split at column {at} of {}", self.cols);
        let Self { ptr, rows, cols, stride, life } = self;
        // Without rows there may be no element to point at.
        let offset = if rows == 0 { 0 } else { at };
        // SAFETY: within the first row or one past its end. The halves share no element.
        let right = unsafe { ptr.add(offset) };
        (
            Self { ptr, rows, cols: at, stride, life },
            Self { ptr: right, rows, cols: cols - at, stride, life },
        )
    }

    /// Rows and columns.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The first row's first element; rows are `stride()` elements apart.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr
    }
}

/// `ndarray` views, on the condition that the elements of a row lie next to one another.
#[cfg(feature = "ndarray")]
mod from_ndarray {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_the_stride_puts_them() {
        let numbers: Vec<u32> = (0..11).collect();
        let matrix = MatRef::with_stride(&numbers, 3, 3, 4).unwrap();
        assert_eq!(matrix.iter().collect::<Vec<_>>(), [[0, 1, 2], [4, 5, 6], [8, 9, 10]]);
        assert_eq!(matrix.subrows(1..3).row(0), [4, 5, 6]);
        assert_eq!(matrix.subrows(3..3).rows(), 0);
    }

    #[test]
    fn overlapping_rows_and_short_slices_are_refused() {
        let mut numbers = [0; 12];
        assert!(matches!(
            MatMut::with_stride(&mut numbers, 3, 4, 3),
            Err(Error::Stride { operand: "matrix", found: 3, .. })
        ));
        assert!(matches!(
            MatRef::with_stride(&numbers, 4, 3, 4),
            Err(Error::Slice { needed: 15, found: 12, .. })
        ));
        assert!(matches!(
            MatRef::with_stride(&numbers, usize::MAX, 2, usize::MAX),
            Err(Error::Slice { needed: usize::MAX, .. })
        ));
        assert!(MatRef::new(&numbers, 0, 100).is_ok(), "no rows need no elements");
    }

    #[test]
    fn halves_of_a_split_do_not_overlap() {
        let mut numbers = [0; 7];
        let matrix = MatMut::with_stride(&mut numbers, 3, 1, 3).unwrap();
        let (mut above, mut below) = matrix.split_at_row(1);
        above.row_mut(0)[0] = 1;
        below.row_mut(0)[0] = 2;
        below.row_mut(1)[0] = 3;
        assert_eq!(below.split_at_row(2).1.rows(), 0);
        assert_eq!(numbers, [1, 0, 0, 2, 0, 0, 3]);
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn arrays_of_rows_are_matrices() {
        use ndarray::{Array2, s};
        let mut array = Array2::from_shape_fn((4, 6), |(i, j)| 10 * i + j);
        let block = MatRef::try_from(array.slice(s![1.., 2..5])).unwrap();
        assert_eq!((block.rows(), block.cols(), block.stride()), (3, 3, 6));
        assert_eq!(block.row(2), [32, 33, 34]);
        assert_eq!(
            MatRef::try_from(array.slice(s![..;2, ..])).unwrap().row(1),
            [20, 21, 22, 23, 24, 25]
        );
        assert!(MatRef::try_from(array.slice(s![0..0, ..])).is_ok(), "no rows are rows");
        MatMut::try_from(array.slice_mut(s![.., 5..])).unwrap().row_mut(3)[0] = 7;
        assert_eq!(array[(3, 5)], 7);
        for refused in [array.t(), array.slice(s![..;-1, ..]), array.slice(s![.., ..;2])] {
            assert!(matches!(
                MatRef::try_from(refused),
                Err(Error::Stride { operand: "array", .. })
            ));
        }
    }
}
