//! `MatRef` and `MatMut`: the only boundary between slices and pointers.
//!
//! A matrix consists of rows of consecutive elements, a fixed stride apart. Every unsafe block that
//! accesses rows relies on what is checked here: each row `0..rows` has `cols` readable (and,
//! through a `MatMut`, exclusively writable) elements, and the rows of a `MatMut` do not overlap.
//!
//! The stride of a matrix without elements has no meaning and is not checked. It is set to the
//! number of columns, so that no row begins outside the slice.

pub(crate) mod check;
#[cfg(any(feature = "faer", feature = "nalgebra", feature = "ndarray"))]
mod foreign;
#[cfg(feature = "faer")]
mod from_faer;
#[cfg(feature = "nalgebra")]
mod from_nalgebra;
#[cfg(feature = "ndarray")]
mod from_ndarray;
pub(crate) mod ranges;
#[cfg(test)]
mod tests;
pub(crate) mod transpose;

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
/// The row stride may also be negative, or 0, which makes all rows the same: with the feature
/// `ndarray`, reversed and broadcast views can be converted.
#[derive(Debug)]
pub struct MatRef<'a, T> {
    ptr: *const T,
    rows: usize,
    cols: usize,
    stride: isize,
    life: PhantomData<&'a [T]>,
}

/// A mutable view of a row-major matrix.
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

// SAFETY: a `MatRef` gives access to shared elements only, as `&[T]` does, and that is `Send` for
// `T: Sync`.
unsafe impl<T: Sync> Send for MatRef<'_, T> {}
// SAFETY: a `MatRef` gives access to shared elements only, as `&[T]` does, and that is `Sync` for
// `T: Sync`.
unsafe impl<T: Sync> Sync for MatRef<'_, T> {}
// SAFETY: a `MatMut` gives exclusive access to its elements, as `&mut [T]` does, and that is `Send`
// for `T: Send`.
unsafe impl<T: Send> Send for MatMut<'_, T> {}
// SAFETY: a `&MatMut` gives access to shared elements only, as `&&mut [T]` does, and that is `Sync`
// for `T: Sync`.
unsafe impl<T: Sync> Sync for MatMut<'_, T> {}

impl<T> Clone for MatRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for MatRef<'_, T> {}

/// The stride to use for a matrix in a slice of `len` elements. An error if rows overlap or the
/// slice is too short. With `shares`, all rows may be the same (stride 0).
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
        // `needed <= len`, so strides and offsets fit into `isize`. The stride of a single row may
        // be anything, and is replaced.
        Some(needed) if needed <= len => Ok(if rows == 1 { cols } else { stride }),
        _ => Err(Error::Slice {
            operand: "matrix",
            rows,
            cols,
            needed: (rows - 1) as u128 * stride as u128 + cols as u128,
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

    /// Views `rows` rows of `cols` elements, which begin `stride` elements apart.
    ///
    /// ```
    /// # use hopfield_kernels::MatRef;
    /// let matrix = MatRef::with_stride(&[1, 2, 0, 3, 4], 2, 2, 3)?;
    /// assert_eq!((matrix.rows(), matrix.cols(), matrix.stride()), (2, 2, 3));
    /// assert_eq!(matrix.row(1), [3, 4]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// With a stride of 0, every row is the first one.
    ///
    /// # Errors
    /// [`Error::Stride`] when rows overlap in any other way, [`Error::Slice`] when the slice is too
    /// short.
    pub fn with_stride(slice: &'a [T], rows: usize, cols: usize, stride: usize) -> Result<Self> {
        let stride = checked(slice.len(), rows, cols, stride, true)? as isize;
        let ptr = slice.as_ptr();
        Ok(Self { ptr, rows, cols, stride, life: PhantomData })
    }

    /// Views memory that is not one slice: elements between the rows may belong to others.
    ///
    /// # Safety
    /// For the lifetime `'a`:
    /// - each of the `rows` rows, which begin at `ptr` and `stride` elements apart, has `cols`
    ///   initialised elements;
    /// - all of them are in one allocation;
    /// - nothing writes to them.
    #[cfg(any(feature = "faer", feature = "nalgebra", feature = "ndarray"))]
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

    /// Elements from the start of one row to the start of the next; negative if the next row comes
    /// earlier in memory.
    pub fn stride(&self) -> isize {
        self.stride
    }

    /// The stride of a matrix that this crate has laid out, which is never negative.
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
        // SAFETY: `index < rows` is asserted above, and the constructors guarantee that each row
        // has `cols` elements, shared for `'a`.
        unsafe {
            let row = self.ptr.offset(index as isize * self.stride);
            std::slice::from_raw_parts(row, self.cols)
        }
    }

    /// All elements, if the rows follow one another without gaps.
    ///
    /// ```
    /// # use hopfield_kernels::MatRef;
    /// let matrix = MatRef::new(&[1, 2, 3, 4, 5, 6], 3, 2)?;
    /// assert_eq!(matrix.subrows(1..3).as_slice(), Some(&[3, 4, 5, 6][..]));
    /// assert_eq!(matrix.subcols(1..2).as_slice(), None);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn as_slice(&self) -> Option<&'a [T]> {
        let without_gaps = self.rows <= 1 || self.stride == self.cols as isize;
        // SAFETY: without gaps, the rows' elements are all that there is between the first and the
        // last of them, and the constructors guarantee that these are shared for `'a`.
        without_gaps.then(|| unsafe { std::slice::from_raw_parts(self.ptr, self.rows * self.cols) })
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

    /// The rows of `range`.
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
        // An empty range may begin one row past the end, which may be outside the slice.
        let offset = if range.is_empty() { 0 } else { range.start as isize * self.stride };
        // SAFETY: the offset is 0, or that of row `range.start`, which exists because a range that
        // is not empty ends at most at `rows`, as asserted above.
        let ptr = unsafe { self.ptr.offset(offset) };
        Self { ptr, rows: range.len(), ..self }
    }

    /// The columns of `range`, of every row.
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
        // Without rows, the slice may be empty.
        let offset = if self.rows == 0 { 0 } else { range.start };
        // SAFETY: the offset is 0, or at most `cols`, as asserted above: within the first row or
        // one past its end.
        let ptr = unsafe { self.ptr.add(offset) };
        Self { ptr, cols: range.len(), ..self }
    }

    /// Rows and columns.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// A pointer to the first element of the first row; rows begin `stride()` elements apart.
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

    /// Views `rows` rows of `cols` elements, which begin `stride` elements apart.
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

    /// Views memory that is not one slice: elements between the rows may belong to others.
    ///
    /// # Safety
    /// For the lifetime `'a`:
    /// - each of the `rows` rows, which begin at `ptr` and `stride` elements apart, has `cols`
    ///   initialised elements;
    /// - all of them are in one allocation;
    /// - nothing else reads or writes them;
    /// - rows do not overlap.
    #[cfg(any(feature = "faer", feature = "nalgebra", feature = "ndarray"))]
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

    /// A read-only view of the same matrix.
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

    /// A view of the same matrix with a shorter lifetime: `self` can be used again afterwards.
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

    /// Row `index`, mutable.
    ///
    /// # Panics
    /// When `index >= rows`.
    pub fn row_mut(&mut self, index: usize) -> &mut [T] {
        assert!(index < self.rows, "row {index} of {}", self.rows);
        // SAFETY: `index < rows` is asserted above, the constructors guarantee that each row has
        // `cols` elements, and `self` is borrowed exclusively for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(index * self.stride), self.cols) }
    }

    /// The rows of `range`, with a shorter lifetime.
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

    /// Splits the matrix into its first `at` rows and the rest.
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
        // An empty second part would begin one row past the end, which may be outside the slice.
        let offset = if at == rows { 0 } else { at * stride };
        // SAFETY: the offset is 0, or that of row `at`, which exists because `at < rows`. The parts
        // share no row.
        let below = unsafe { ptr.add(offset) };
        (
            Self { ptr, rows: at, cols, stride, life },
            Self { ptr: below, rows: rows - at, cols, stride, life },
        )
    }

    /// Splits the matrix into its first `at` columns and the rest.
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
        // Without rows, the slice may be empty.
        let offset = if rows == 0 { 0 } else { at };
        // SAFETY: the offset is 0, or at most `cols`, as asserted above: within the first row or
        // one past its end. The parts share no element.
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

    /// A pointer to the first element of the first row; rows begin `stride()` elements apart.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.ptr
    }
}
