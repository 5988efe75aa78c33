//! A memory over rows that somebody else holds.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::OnceLock;

use super::storage::{Foreign, Storage};
use super::{Memory, Version, padded_cols};
use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::matrix::check::expect_length;
use crate::simd::Element;

/// Patterns that are read where they are: a [`Memory`] to recall from, which copies nothing.
///
/// Rows are read in place if a row is whole vectors, which it is if D is a multiple of 16 (`f32`)
/// or of 8 (`f64`), and if rows follow one another at any distance. Others are copied:
/// [`is_copied`](Self::is_copied) tells.
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
/// assert!(!patterns.is_copied() && std::ptr::eq(patterns.pattern(1), &rows[16..32]));
/// let mut probe = rows[16..32].to_vec();
/// Retrieval::new(8.0).apply(&patterns, &mut probe)?;
/// assert!((probe[0] - rows[16]).abs() < 1e-3);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug)]
pub struct Borrowed<'a, T> {
    memory: Memory<T>,
    is_copied: bool,
    rows: PhantomData<&'a [T]>,
}

impl<'a, T: Element> Borrowed<'a, T> {
    /// A memory over `patterns` rows of `dim` elements, which begin `stride` elements apart.
    ///
    /// # Errors
    /// [`Error::Empty`] when N = 0 or D = 0, [`Error::Stride`] when rows overlap, [`Error::Slice`]
    /// when the slice is too short, and as for [`Memory::from_rows`] where the rows have to be
    /// copied.
    pub fn new(rows: &'a [T], patterns: usize, dim: usize, stride: usize) -> Result<Self> {
        if patterns == 0 || dim == 0 {
            let operand = if patterns == 0 { "patterns" } else { "features of a pattern" };
            return Err(Error::Empty { operand });
        }
        let matrix = MatRef::with_stride(rows, patterns, dim, stride)?;
        if padded_cols::<T>(dim) != dim || stride < dim {
            let memory = Memory::from_rows(matrix)?;
            return Ok(Self { memory, is_copied: true, rows: PhantomData });
        }
        // SAFETY: the elements outlive `'a`, and the memory is only lent for less than that: it
        // cannot be moved out of this value, and a clone of it copies the rows.
        let foreign = unsafe { Foreign::new(rows) };
        let memory = Memory {
            rows: Storage::Foreign(foreign),
            patterns,
            dim,
            stride,
            norms: Vec::new(),
            later_norms: OnceLock::new(),
            max_norm: OnceLock::new(),
            version: Version::new(),
            values: None,
            codes: None,
        };
        Ok(Self { memory, is_copied: false, rows: PhantomData })
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
        if !self.is_copied {
            self.memory.norms = squared_norms.to_vec();
        }
        Ok(self)
    }

    /// Whether the rows had to be copied.
    pub fn is_copied(&self) -> bool {
        self.is_copied
    }
}

impl<T> Deref for Borrowed<'_, T> {
    type Target = Memory<T>;

    fn deref(&self) -> &Memory<T> {
        &self.memory
    }
}
