//! A memory over rows that somebody else holds.

use std::marker::PhantomData;
use std::ops::Deref;

use super::Memory;
use super::bytes::{Bytes, Foreign};
use super::rows::Encoding;
use super::store::{ByteStore, Store};
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
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = Memory<T>;

    fn deref(&self) -> &Memory<T> {
        &self.memory
    }
}
