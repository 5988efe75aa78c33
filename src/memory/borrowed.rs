//! A memory over rows that the caller owns.

use std::marker::PhantomData;
use std::ops::Deref;

use super::bytes::{Bytes, Foreign};
use super::rows::Encoding;
use super::storage::{Lent, Shared, Storage};
use super::store::{ByteStore, Grid, Store};
use super::{Memory, padded_cols};
use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::matrix::check::expect_length;
use crate::simd::Element;

/// Patterns that are read where they are: a [`Memory`] to recall from, which copies nothing.
///
/// Rows may follow one another at any distance, and all may be the same one. If a row is whole
/// vectors, which it is if D is a multiple of 16 (`f32`) or of 8 (`f64`), kernels read it where it
/// is. Others are copied to scratch in each call, a block at a time.
///
/// Recalls are the same bits as those of a `Memory` if the norms are given. Without norms, probes
/// that are known to have small scores are not treated by themselves (see `SoftmaxParams::bound`):
/// results are within the same error bounds, with other bits. Norms that are not given are computed
/// when something needs them: energies, cosines, distances, and masks for each probe.
///
/// ```
/// use hopfield_kernels::{Borrowed, Retrieval};
///
/// let rows: Vec<f32> = (0..64).map(|i| (i as f32).sin()).collect();
/// let patterns = Borrowed::new(&rows, 4, 16, 16)?;
/// assert!(std::ptr::eq(patterns.pattern(1), &rows[16..32]));
/// let mut probe = rows[16..32].to_vec();
/// Retrieval::new(8.0).apply(&patterns, &mut probe)?;
/// assert!((probe[0] - rows[16]).abs() < 1e-3);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct Borrowed<'a, T> {
    memory: Memory<T>,
    rows: PhantomData<&'a [T]>,
}

impl<'a, T: Element> Borrowed<'a, T> {
    /// A memory over `patterns` rows of `dim` elements, which begin `stride` elements apart.
    ///
    /// # Errors
    /// [`Error::Empty`] when N = 0 or D = 0, [`Error::Stride`] when rows overlap, [`Error::Slice`]
    /// when the slice is too short.
    pub fn new(rows: &'a [T], patterns: usize, dim: usize, stride: usize) -> Result<Self> {
        if patterns == 0 || dim == 0 {
            let operand = if patterns == 0 { "patterns" } else { "features of a pattern" };
            return Err(Error::Empty { operand });
        }
        MatRef::with_stride(rows, patterns, dim, stride)?;
        // SAFETY: the elements outlive `'a`, and the memory is only lent for less than that: it
        // cannot be moved out of this value, and a clone of it copies the rows.
        let bytes = Bytes::Borrowed(unsafe { Foreign::new(bytemuck::cast_slice(rows)) });
        let (stride, encoding) = (stride * size_of::<T>(), Encoding::Element);
        let store = Store::Bytes(ByteStore { bytes, stride, encoding });
        Ok(Self { memory: Memory::of_store(store, (patterns, dim)), rows: PhantomData })
    }

    /// A memory over rows that are padded with zeros to whole vectors: to a multiple of 16 elements
    /// (`f32`) or of 8 (`f64`). They are read in place for every D.
    ///
    /// That the padding is zeros is not checked. What is recalled is wrong where it is not.
    ///
    /// ```
    /// use hopfield_kernels::{Borrowed, Retrieval};
    ///
    /// let mut rows = [0.0_f64; 16]; // two patterns of three features, padded to eight
    /// rows[0] = 1.0;
    /// rows[9] = 1.0;
    /// let patterns = Borrowed::padded(&rows, 2, 3, 8)?;
    /// let mut probe = [0.1, 0.8, 0.3];
    /// Retrieval::new(64.0).apply(&patterns, &mut probe)?;
    /// assert!((probe[1] - 1.0).abs() < 1e-9);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] when N = 0 or D = 0, [`Error::Stride`] when rows overlap, [`Error::Slice`]
    /// when the slice is too short.
    pub fn padded(rows: &'a [T], patterns: usize, dim: usize, stride: usize) -> Result<Self> {
        check_apart(
            MatRef::with_stride(rows, patterns, padded_cols::<T>(dim), stride)?,
            patterns,
            dim,
        )?;
        // SAFETY: the elements outlive `'a`, and the memory is only lent for less than that: it
        // cannot be moved out of this value, and a clone of it copies the rows.
        let shared = unsafe { Shared::new(rows) };
        let memory = over(Storage::Shared(shared), (patterns, dim), stride);
        Ok(Self { memory, rows: PhantomData })
    }

    /// Tells the squared norms of the patterns, as [`Memory::squared_norms`] has computed them.
    ///
    /// ```
    /// # use hopfield_kernels::{Borrowed, Memory};
    /// let memory = Memory::from([[1.0_f64; 8], [2.0; 8]]);
    /// let rows = memory.to_rows();
    /// let patterns =
    ///     Borrowed::new(&rows, 2, 8, 8)?.with_squared_norms(memory.squared_norms())?;
    /// assert_eq!(patterns.max_squared_norm(), 32.0);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] unless there is a norm for each pattern.
    pub fn with_squared_norms(mut self, squared_norms: &[T]) -> Result<Self> {
        expect_length("squared_norms", squared_norms.len(), self.memory.patterns)?;
        self.memory.norms = squared_norms.to_vec();
        Ok(self)
    }

    /// Gives the patterns values, which are read where they are as well: a row of `dim` elements
    /// for each pattern, which begin `stride` elements apart.
    ///
    /// ```
    /// use hopfield_kernels::{Borrowed, Context, MatMut, MatRef, Outputs, Retrieval};
    ///
    /// let (rows, values) = ([1.0_f32, 0.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    /// let patterns = Borrowed::new(&rows, 2, 2, 2)?.with_values(&values, 3, 3)?;
    /// let mut retrieved = [0.0; 3];
    /// let outputs = Outputs::new().with_retrieved(MatMut::new(&mut retrieved, 1, 3)?);
    /// let probes = MatRef::new(&[0.0, 1.0], 1, 2)?;
    /// Retrieval::new(40.0).run(probes, &patterns, outputs, &mut Context::new())?;
    /// assert_eq!(retrieved, [4.0, 5.0, 6.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_values(mut self, values: &'a [T], dim: usize, stride: usize) -> Result<Self> {
        if dim == 0 {
            return Err(Error::Empty { operand: "features of a value" });
        }
        let values = Self::new(values, self.memory.patterns, dim, stride)?;
        self.memory.values = Some(Box::new(values.memory));
        Ok(self)
    }
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = Memory<T>;

    fn deref(&self) -> &Memory<T> {
        &self.memory
    }
}

/// Patterns that are read and learn where they are: rows that the caller owns, at any stride that
/// keeps them apart.
///
/// If a row is whole vectors, or padded to that with zeros ([`padded`](Self::padded)), kernels
/// write it where it is. Others are copied to scratch and back when they learn, a block at a time.
/// They learn the same bits as a [`Memory`].
///
/// ```
/// use hopfield_kernels::{BorrowedMut, Context, MatRef, Update};
///
/// let mut rows = [0.0_f32; 4]; // two patterns of two features
/// let mut patterns = BorrowedMut::new(&mut rows, 2, 2, 2)?;
/// let weights = MatRef::new(&[1.0, 0.0], 1, 2)?;
/// let vectors = MatRef::new(&[0.5, -0.5], 1, 2)?;
/// patterns.update(weights, vectors, Update::default(), &mut Context::new())?;
/// assert_eq!(patterns.squared_norms(), [0.5, 0.0]);
/// assert_eq!(rows[..2], [0.5, -0.5]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct BorrowedMut<'a, T> {
    memory: Memory<T>,
    rows: PhantomData<&'a mut [T]>,
}

impl<'a, T: Element> BorrowedMut<'a, T> {
    /// A memory over `patterns` rows of `dim` elements, which begin `stride` elements apart.
    ///
    /// # Errors
    /// As for [`Borrowed::new`]. Rows may not be the same one.
    pub fn new(rows: &'a mut [T], patterns: usize, dim: usize, stride: usize) -> Result<Self> {
        check_apart(MatRef::with_stride(rows, patterns, dim, stride)?, patterns, dim)?;
        if dim.is_multiple_of(T::LANES) {
            return Self::padded(rows, patterns, dim, stride);
        }
        // SAFETY: the elements outlive `'a` and are borrowed for it. The memory is only lent for
        // less than that: it cannot be moved out of this value, and a clone of it copies the rows.
        let bytes = Bytes::Lent(unsafe { Lent::new(bytemuck::cast_slice_mut(rows)) });
        let (stride, encoding) = (stride * size_of::<T>(), Encoding::Element);
        let store = Store::Bytes(ByteStore { bytes, stride, encoding });
        Ok(Self { memory: Memory::of_store(store, (patterns, dim)), rows: PhantomData })
    }

    /// A memory over `patterns` rows of `dim` elements and their padding, which begin `stride`
    /// elements apart. The padding is zeros, as for [`Borrowed::padded`].
    ///
    /// ```
    /// use hopfield_kernels::{BorrowedMut, Context, MatRef, Update};
    ///
    /// let mut rows = [0.0_f32; 32]; // two patterns of two features, padded to sixteen
    /// let mut patterns = BorrowedMut::padded(&mut rows, 2, 2, 16)?;
    /// let weights = MatRef::new(&[1.0, 0.0], 1, 2)?;
    /// let vectors = MatRef::new(&[0.5, -0.5], 1, 2)?;
    /// patterns.update(weights, vectors, Update::default(), &mut Context::new())?;
    /// assert_eq!(rows[..2], [0.5, -0.5]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Borrowed::padded`].
    pub fn padded(rows: &'a mut [T], patterns: usize, dim: usize, stride: usize) -> Result<Self> {
        check_apart(
            MatRef::with_stride(rows, patterns, padded_cols::<T>(dim), stride)?,
            patterns,
            dim,
        )?;
        // SAFETY: the elements outlive `'a` and are borrowed for it. The memory is only lent for
        // less than that: it cannot be moved out of this value, and a clone of it copies the rows.
        let lent = unsafe { Lent::new(rows) };
        let memory = over(Storage::Lent(lent), (patterns, dim), stride);
        Ok(Self { memory, rows: PhantomData })
    }

    /// Tells the squared norms of the patterns; see [`Borrowed::with_squared_norms`].
    ///
    /// # Errors
    /// [`Error::Length`] unless there is a norm for each pattern.
    pub fn with_squared_norms(mut self, squared_norms: &[T]) -> Result<Self> {
        expect_length("squared_norms", squared_norms.len(), self.memory.patterns)?;
        self.memory.norms = squared_norms.to_vec();
        Ok(self)
    }

    /// The memory, for changes of its elements alone.
    pub(crate) fn memory_mut(&mut self) -> &mut Memory<T> {
        &mut self.memory
    }
}

impl<T> Deref for BorrowedMut<'_, T> {
    type Target = Memory<T>;

    fn deref(&self) -> &Memory<T> {
        &self.memory
    }
}

/// An error unless rows lie apart and have elements.
fn check_apart<T: Element>(rows: MatRef<'_, T>, patterns: usize, dim: usize) -> Result<()> {
    if patterns == 0 || dim == 0 {
        let operand = if patterns == 0 { "patterns" } else { "features of a pattern" };
        return Err(Error::Empty { operand });
    }
    let (found, least) = (rows.stride(), rows.cols() as isize);
    if patterns > 1 && found < least {
        let (operand, expected) =
            ("patterns", "rows that lie apart, with their padding if there is any");
        return Err(Error::Stride { operand, expected, found });
    }
    Ok(())
}

/// A memory over such rows, whose norms are not known.
fn over<T: Element>(rows: Storage<T>, shape: (usize, usize), stride: usize) -> Memory<T> {
    Memory::of_store(Store::Padded(Grid::new(rows, stride)), shape)
}
