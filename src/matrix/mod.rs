//! `MatRef` and `MatMut`: the only door from slices to pointers.
//!
//! A matrix is rows of consecutive elements, a fixed stride apart. The checks here are what every
//! unsafe block further down relies on: each row `0..rows` has `cols` readable (and, through a
//! `MatMut`, exclusively writable) elements, and the rows of a `MatMut` do not overlap.
//!
//! The stride of a matrix without elements means nothing, so it is not checked. It is set to the number
//! of columns, with which no row begins outside the slice.

pub(crate) mod check;
#[cfg(feature = "ndarray")]
mod from_ndarray;
pub(crate) mod ranges;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;

use crate::error::{Error, Result};

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
///
/// Rows may also follow one another backwards, or be one and the same: `ndarray` views with a negative
/// row stride and broadcast ones (row stride 0) convert with the feature `ndarray`.
#[derive(Debug)]
pub struct MatRef<'a, T> {
    ptr: *const T,
    rows: usize,
    cols: usize,
    stride: isize,
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

/// The stride to use for a matrix in a slice of `len` elements; refuses rows that overlap and slices
/// that are too short. `shares` says that rows may be one and the same (stride 0).
fn checked(len: usize, rows: usize, cols: usize, stride: usize, shares: bool) -> Result<usize> {
    if rows == 0 || cols == 0 {
        return Ok(cols);
    }
    if rows > 1 && stride < cols && !(shares && stride == 0) {
        return Err(Error::Stride {
            operand: "matrix",
            expected: "a row stride of at least the number of columns",
            found: stride as isize,
        });
    }
    let needed = (rows - 1).checked_mul(stride).and_then(|start| start.checked_add(cols));
    match needed {
        // A slice has at most `isize::MAX` bytes. The stride of a single row may be anything.
        Some(needed) if needed <= len => Ok(if rows == 1 { cols } else { stride }),
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
    /// ```
    /// # use hopfield_kernels::MatRef;
    /// let matrix = MatRef::new(&[1, 2, 3, 4, 5, 6], 2, 3)?;
    /// assert_eq!(matrix.row(1), [4, 5, 6]);
    /// assert!(MatRef::new(&[1, 2, 3], 2, 3).is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Slice`] when the slice is too short.
    pub fn new(slice: &'a [T], rows: usize, cols: usize) -> Result<Self> {
        Self::with_stride(slice, rows, cols, cols)
    }

    /// Views rows of `cols` elements that begin `stride` elements apart.
    ///
    /// ```
    /// # use hopfield_kernels::MatRef;
    /// let matrix = MatRef::with_stride(&[1, 2, 0, 3, 4], 2, 2, 3)?;
    /// assert_eq!((matrix.rows(), matrix.cols(), matrix.stride()), (2, 2, 3));
    /// assert_eq!(matrix.row(1), [3, 4]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// With a stride of 0 every row is the first one.
    ///
    /// # Errors
    /// [`Error::Stride`] when rows overlap otherwise, [`Error::Slice`] when the slice is too short.
    pub fn with_stride(slice: &'a [T], rows: usize, cols: usize, stride: usize) -> Result<Self> {
        let stride = checked(slice.len(), rows, cols, stride, true)? as isize;
        let ptr = slice.as_ptr();
        Ok(Self { ptr, rows, cols, stride, life: PhantomData })
    }

    /// Views memory that is not one slice (the rows may have foreign elements between them).
    ///
    /// # Safety
    /// For the lifetime `'a`, each of the `rows` rows that begin `stride` elements apart at `ptr`
    /// is `cols` initialised elements that nobody writes.
    #[cfg(feature = "ndarray")]
    unsafe fn from_raw(ptr: *const T, rows: usize, cols: usize, stride: isize) -> Self {
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

    /// Elements from the start of one row to the start of the next: negative where rows follow one
    /// another backwards.
    pub fn stride(&self) -> isize {
        self.stride
    }

    /// The stride of a matrix whose rows the kernels have laid out themselves, one after another.
    pub(crate) fn forward_stride(&self) -> usize {
        debug_assert!(self.stride >= 0, "rows of the crate's own follow one another");
        self.stride as usize
    }

    /// Row `index`.
    ///
    /// # Panics
    /// When `index >= rows`.
    pub fn row(&self, index: usize) -> &'a [T] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: construction has checked that rows below `rows` have `cols` elements, shared for 'a.
        unsafe {
            let row = self.ptr.offset(index as isize * self.stride);
            std::slice::from_raw_parts(row, self.cols)
        }
    }

    /// The rows, from the first to the last.
    ///
    /// ```
    /// # use hopfield_kernels::MatRef;
    /// let sums: Vec<i32> = MatRef::new(&[1, 2, 3, 4], 2, 2)?.iter().map(|row| row.iter().sum()).collect();
    /// assert_eq!(sums, [3, 7]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [T]> {
        (0..self.rows).map(move |index| self.row(index))
    }

    /// Rows `range`.
    ///
    /// ```
    /// # use hopfield_kernels::MatRef;
    /// let matrix = MatRef::new(&[1, 2, 3, 4, 5, 6], 3, 2)?;
    /// assert_eq!(matrix.subrows(1..3).row(0), [3, 4]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Panics
    /// When the range ends beyond the last row or before it starts.
    pub fn subrows(self, range: std::ops::Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "rows {range:?}");
        // An empty range may begin one row past the end, where `ptr` must not follow.
        let offset = if range.is_empty() { 0 } else { range.start as isize * self.stride };
        // SAFETY: a row that exists begins at this offset, or the offset is 0.
        let ptr = unsafe { self.ptr.offset(offset) };
        Self { ptr, rows: range.len(), ..self }
    }

    /// Columns `range` of every row.
    ///
    /// ```
    /// # use hopfield_kernels::MatRef;
    /// let matrix = MatRef::new(&[1, 2, 3, 4, 5, 6], 2, 3)?;
    /// assert_eq!(matrix.subcols(1..3).row(1), [5, 6]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
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
    /// ```
    /// # use hopfield_kernels::MatMut;
    /// let mut numbers = [0; 5];
    /// let mut matrix = MatMut::with_stride(&mut numbers, 2, 2, 3)?;
    /// assert_eq!((matrix.rows(), matrix.cols(), matrix.stride()), (2, 2, 3));
    /// matrix.row_mut(0).fill(1);
    /// matrix.row_mut(1).fill(2);
    /// assert_eq!(numbers, [1, 1, 0, 2, 2]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Stride`] when rows overlap, [`Error::Slice`] when the slice is too short.
    pub fn with_stride(
        slice: &'a mut [T],
        rows: usize,
        cols: usize,
        stride: usize,
    ) -> Result<Self> {
        let stride = checked(slice.len(), rows, cols, stride, false)?;
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
    ///
    /// ```
    /// # use hopfield_kernels::MatMut;
    /// let mut numbers = [1, 2];
    /// assert_eq!(MatMut::new(&mut numbers, 2, 1)?.as_ref().row(1), [2]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn as_ref(&self) -> MatRef<'_, T> {
        let Self { ptr, rows, cols, stride, .. } = *self;
        MatRef { ptr, rows, cols, stride: stride as isize, life: PhantomData }
    }

    /// The same matrix for a shorter time, so that it can be passed on and used again.
    ///
    /// ```
    /// # use hopfield_kernels::MatMut;
    /// fn fill(mut matrix: MatMut<'_, i32>) {
    ///     matrix.row_mut(0).fill(7);
    /// }
    /// let mut numbers = [0; 2];
    /// let mut matrix = MatMut::new(&mut numbers, 1, 2)?;
    /// fill(matrix.reborrow());
    /// assert_eq!(matrix.as_ref().row(0), [7, 7]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
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
        // SAFETY: construction has checked that rows below `rows` have `cols` elements, and `self` is
        // borrowed exclusively for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(index * self.stride), self.cols) }
    }

    /// Rows `range`, for a shorter time.
    ///
    /// ```
    /// # use hopfield_kernels::MatMut;
    /// let mut numbers = [0; 3];
    /// MatMut::new(&mut numbers, 3, 1)?.rows_mut(1..3).row_mut(0)[0] = 7;
    /// assert_eq!(numbers, [0, 7, 0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Panics
    /// When the range ends beyond the last row or before it starts.
    pub fn rows_mut(&mut self, range: std::ops::Range<usize>) -> MatMut<'_, T> {
        let (upper, _) = self.reborrow().split_at_row(range.end);
        upper.split_at_row(range.start).1
    }

    /// The first `at` rows, and the others.
    ///
    /// ```
    /// # use hopfield_kernels::MatMut;
    /// let mut numbers = [0; 3];
    /// let (mut above, mut below) = MatMut::new(&mut numbers, 3, 1)?.split_at_row(1);
    /// above.row_mut(0)[0] = 1;
    /// below.row_mut(1)[0] = 2;
    /// assert_eq!(numbers, [1, 0, 2]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
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
    /// ```
    /// # use hopfield_kernels::MatMut;
    /// let mut numbers = [0; 4];
    /// let (mut left, mut right) = MatMut::new(&mut numbers, 2, 2)?.split_at_col(1);
    /// left.row_mut(0)[0] = 1;
    /// right.row_mut(1)[0] = 2;
    /// assert_eq!(numbers, [1, 0, 0, 2]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
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
