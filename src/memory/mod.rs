//! The stored patterns: aligned, padded rows and their norms.

mod borrowed;
mod bytes;
pub(crate) mod codes;
#[cfg(feature = "files")]
mod file;
mod from;
mod growth;
mod layout;
mod norms;
mod precision;
pub(crate) mod rows;
mod screened;
mod storage;
mod store;
mod values;

pub(crate) use layout::{Aligned, padded_cols, padded_stride, scratch_stride};

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use borrowed::{Borrowed, BorrowedMut};
use codes::CodeStore;
#[cfg(feature = "files")]
pub use file::{Access, MapOptions};
use rows::Rows;
pub use store::Precision;
use store::{Shape, Store};

pub(crate) use storage::granted;

use crate::error::{Error, Result};
use crate::matrix::check::{expect_length, expect_shape};
use crate::matrix::transpose::transpose;
use crate::matrix::{MatMut, MatRef};
use crate::simd::{Element, Level};

/// N stored patterns of dimension D (M, N x D), ready for the kernels.
///
/// Rows begin on cache lines and are padded with zeros to whole vectors; their squared norms are
/// kept true under every change. Patterns can also be stored in sixteen bits
/// ([`with_precision`](Self::with_precision)), or stay in a file (`map`, feature `files`).
///
/// ```
/// use hopfield_kernels::{MatRef, Memory};
///
/// // Two patterns of three features, as rows ...
/// let rows = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let memory = Memory::from_rows(MatRef::new(&rows, 2, 3)?)?;
/// assert_eq!((memory.patterns(), memory.dim()), (2, 3));
/// assert_eq!(memory.squared_norms(), [14.0, 77.0]);
///
/// // ... and as the columns that ngc-learn's weight matrix W = Mᵀ has.
/// assert_eq!(memory.to_columns(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
/// let columns = memory.to_columns();
/// assert_eq!(Memory::from_columns(MatRef::new(&columns, 3, 2)?)?.pattern(1), memory.pattern(1));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Memory<T> {
    store: Store<T>,
    patterns: usize,
    dim: usize,
    /// As many as patterns, or none where they are not known: see `later_norms`.
    norms: Vec<T>,
    /// The norms of borrowed patterns, once they have been asked for.
    later_norms: OnceLock<Vec<T>>,
    /// The highest of them, once it has been asked for.
    max_norm: OnceLock<T>,
    version: Version,
    /// Values that belong to the patterns: rows of a memory of their own.
    values: Option<Box<Memory<T>>>,
    /// Codes that screen the patterns.
    codes: Option<Box<CodeStore>>,
}

/// A state of the patterns of one memory. Every change makes another; copies of a memory share
/// theirs until one of them changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(u64);

impl Version {
    /// One that no memory has had.
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl<T: Element> Memory<T> {
    /// `patterns` patterns of `dim` zeros.
    ///
    /// ```
    /// # use hopfield_kernels::Memory;
    /// let memory = Memory::<f32>::zeros(2, 3)?;
    /// assert_eq!((memory.patterns(), memory.dim(), memory.max_squared_norm()), (2, 3, 0.0));
    /// assert!(Memory::<f32>::zeros(0, 3).is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] without patterns or without features; [`Error::Slice`] where the memory
    /// would be larger than the address space, or than the allocator grants.
    pub fn zeros(patterns: usize, dim: usize) -> Result<Self> {
        if patterns == 0 || dim == 0 {
            let operand = if patterns == 0 { "patterns" } else { "features of a pattern" };
            return Err(Error::Empty { operand });
        }
        let most = isize::MAX as usize / size_of::<T>();
        let too_large = |needed, found| {
            let (operand, rows, cols) = ("memory", patterns, dim);
            Err(Error::Slice { operand, rows, cols, needed, found })
        };
        if dim > most / 2 || padded_stride::<T>(dim) > most / patterns {
            return too_large(patterns as u128 * dim as u128, most);
        }
        let stride = padded_stride::<T>(dim);
        if !granted::<T>(patterns * stride) {
            return too_large((patterns * stride) as u128, 0);
        }
        let norms = vec![T::ZERO; patterns];
        Ok(Self { norms, ..Self::of_store(Store::zeros((patterns, dim)), (patterns, dim)) })
    }

    /// Patterns that are stored already, whose norms are not known.
    fn of_store(store: Store<T>, (patterns, dim): Shape) -> Self {
        let (norms, later_norms) = (Vec::new(), OnceLock::new());
        let (max_norm, version) = (OnceLock::new(), Version::new());
        let (values, codes) = (None, None);
        Self { store, patterns, dim, norms, later_norms, max_norm, version, values, codes }
    }

    /// Stores the rows of an N x D matrix.
    ///
    /// # Errors
    /// [`Error::Empty`] when N = 0 or D = 0, [`Error::Level`] as [`Level::detect`] says.
    pub fn from_rows(rows: MatRef<'_, T>) -> Result<Self> {
        let mut memory = Self::zeros(rows.rows(), rows.cols())?;
        memory.set_rows(rows)?;
        Ok(memory)
    }

    /// Stores patterns that follow one another in a slice, `dim` elements each.
    ///
    /// ```
    /// # use hopfield_kernels::Memory;
    /// let memory = Memory::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3)?;
    /// assert_eq!((memory.patterns(), memory.pattern(1)), (2, &[4.0, 5.0, 6.0][..]));
    /// assert!(Memory::from_slice(&[1.0, 2.0, 3.0], 2).is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] when the slice or `dim` is 0, [`Error::Length`] when a pattern is not
    /// whole.
    pub fn from_slice(patterns: &[T], dim: usize) -> Result<Self> {
        let Some(count) = patterns.len().checked_div(dim) else {
            return Err(Error::Empty { operand: "features of a pattern" });
        };
        expect_length("patterns", patterns.len(), count * dim)?;
        Self::from_rows(MatRef::new(patterns, count, dim)?)
    }

    /// Stores the columns of a D x N matrix, as ngc-learn has it.
    ///
    /// # Errors
    /// As for [`from_rows`](Self::from_rows).
    pub fn from_columns(columns: MatRef<'_, T>) -> Result<Self> {
        let mut memory = Self::zeros(columns.cols(), columns.rows())?;
        memory.set_columns(columns)?;
        Ok(memory)
    }

    /// Replaces all patterns by the rows of an N x D matrix.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// memory.set_rows(MatRef::new(&[5.0, 6.0, 7.0, 8.0], 2, 2)?)?;
    /// assert_eq!(memory.pattern(1), [7.0, 8.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when the matrix is not N x D, [`Error::Store`] where patterns belong to a
    /// file.
    pub fn set_rows(&mut self, rows: MatRef<'_, T>) -> Result<()> {
        expect_shape("rows", rows.shape(), (self.patterns, self.dim))?;
        self.store.make_writable((self.patterns, self.dim))?;
        let level = Level::detect()?;
        for (n, row) in rows.iter().enumerate() {
            self.store.write(n, row);
        }
        self.refresh_norms(level);
        Ok(())
    }

    /// Replaces all patterns by the columns of a D x N matrix.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// memory.set_columns(MatRef::new(&[5.0, 6.0, 7.0, 8.0], 2, 2)?)?;
    /// assert_eq!(memory.pattern(1), [6.0, 8.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when the matrix is not D x N, [`Error::Store`] where patterns belong to a
    /// file.
    pub fn set_columns(&mut self, columns: MatRef<'_, T>) -> Result<()> {
        expect_shape("columns", columns.shape(), (self.dim, self.patterns))?;
        self.store.make_writable((self.patterns, self.dim))?;
        let level = Level::detect()?;
        match self.store.padded_mut((self.patterns, self.dim)) {
            Some(mut rows) => transpose(columns, &mut rows),
            None => {
                let mut row = vec![T::ZERO; self.dim];
                for n in 0..self.patterns {
                    row.iter_mut().zip(columns.iter()).for_each(|(to, feature)| *to = feature[n]);
                    self.store.write(n, &row);
                }
            }
        }
        self.refresh_norms(level);
        Ok(())
    }

    /// Replaces one pattern.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// memory.set_pattern(1, &[0.0, 5.0])?;
    /// assert_eq!(memory.to_rows(), [1.0, 2.0, 0.0, 5.0]);
    /// assert_eq!(memory.squared_norms(), [5.0, 25.0]);
    /// assert!(memory.set_pattern(2, &[0.0, 5.0]).is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] when it is not D long; [`Error::Index`] when there is no pattern `index`;
    /// [`Error::Store`] where patterns belong to a file.
    pub fn set_pattern(&mut self, index: usize, pattern: &[T]) -> Result<()> {
        if index >= self.patterns {
            return Err(Error::Index { operand: "pattern", expected: self.patterns, found: index });
        }
        expect_length("pattern", pattern.len(), self.dim)?;
        self.store.make_writable((self.patterns, self.dim))?;
        let level = Level::detect()?;
        self.learn_norms();
        self.store.write(index, pattern);
        self.changed();
        self.norms_of(level, index..index + 1);
        self.set_codes(index..index + 1);
        Ok(())
    }

    /// Whether patterns and values are all finite, as far as their norms tell.
    pub(crate) fn is_finite(&self) -> bool {
        self.max_squared_norm().is_finite()
            && self.values.as_ref().is_none_or(|values| values.is_finite())
    }

    /// Number of patterns, N.
    pub fn patterns(&self) -> usize {
        self.patterns
    }

    /// Features of a pattern, D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Pattern `index`.
    ///
    /// # Panics
    /// When `index >= patterns()`, and where patterns are not stored as elements: see
    /// [`as_mat`](Self::as_mat).
    pub fn pattern(&self, index: usize) -> &[T] {
        self.as_mat().row(index)
    }

    /// The patterns as an N x D matrix.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// assert_eq!(memory.as_mat().subcols(1..2).row(1), [4.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Panics
    /// Where patterns are not stored as elements of this type, but in sixteen bits. For any memory
    /// there are [`try_as_mat`](Self::try_as_mat), [`copy_pattern`](Self::copy_pattern) and
    /// [`to_rows`](Self::to_rows).
    pub fn as_mat(&self) -> MatRef<'_, T> {
        self.try_as_mat().expect("patterns that are stored as elements of this type")
    }

    /// A copy of the patterns, row after row (N x D).
    pub fn to_rows(&self) -> Vec<T> {
        let mut rows = vec![T::ZERO; self.patterns * self.dim];
        for (n, row) in rows.chunks_exact_mut(self.dim).enumerate() {
            self.store.copy(n, self.shape(), row);
        }
        rows
    }

    /// A copy of the patterns, feature after feature (D x N, ngc-learn's W).
    pub fn to_columns(&self) -> Vec<T> {
        let mut copy = Vec::new();
        let rows = self.try_as_mat().unwrap_or_else(|| {
            copy = self.to_rows();
            MatRef::new(&copy, self.patterns, self.dim).expect("a copy of the patterns")
        });
        let mut columns = vec![T::ZERO; self.patterns * self.dim];
        let mut to = MatMut::new(&mut columns, self.dim, self.patterns).expect("as many elements");
        transpose(rows, &mut to);
        columns
    }

    /// The patterns, as drivers take them.
    pub(crate) fn rows(&self) -> Rows<'_, T> {
        self.store.rows(self.shape())
    }

    /// Patterns and features.
    fn shape(&self) -> Shape {
        (self.patterns, self.dim)
    }

    /// The rows and their norms, for an update that keeps the norms true. Rows have their padding,
    /// unless they are lent without any.
    ///
    /// # Errors
    /// [`Error::Store`] unless the rows may be written to.
    pub(crate) fn learning_rows(&mut self) -> Result<(MatMut<'_, T>, &mut [T])> {
        self.expect_learning()?;
        self.learn_norms();
        self.changed();
        self.codes.iter_mut().for_each(|codes| codes.doubt());
        let rows = self.store.learning_rows((self.patterns, self.dim));
        Ok((rows.expect("`expect_learning` has found such rows"), &mut self.norms))
    }

    /// Sets to zero what a mask of connections (N x D, row after row) leaves out.
    #[cfg(feature = "synapse")]
    pub(crate) fn disconnect(&mut self, connected: &[bool]) -> Result<()> {
        let dim = self.dim;
        self.change(|n, pattern| {
            let row = pattern.iter_mut().zip(&connected[n * dim..]);
            row.filter(|(_, connected)| !**connected).for_each(|(element, _)| *element = T::ZERO);
        })
    }

    /// Changes every pattern, and refreshes the norms.
    ///
    /// # Errors
    /// [`Error::Store`] where patterns are only read.
    pub(crate) fn change(&mut self, mut change: impl FnMut(usize, &mut [T])) -> Result<()> {
        self.store.make_writable((self.patterns, self.dim))?;
        let (patterns, dim) = self.shape();
        if let Some(mut rows) = self.store.padded_mut((patterns, dim)) {
            (0..patterns).for_each(|n| change(n, &mut rows.row_mut(n)[..dim]));
        } else {
            let mut row = vec![T::ZERO; dim];
            for n in 0..patterns {
                self.store.copy(n, (patterns, dim), &mut row);
                change(n, &mut row);
                self.store.write(n, &row);
            }
        }
        // Any level will do where the environment names one that there is not.
        self.refresh_norms(Level::detect().unwrap_or_else(|_| Level::best()));
        Ok(())
    }

    /// Forgets what is known of the patterns besides their norms.
    fn changed(&mut self) {
        self.max_norm.take();
        self.version = Version::new();
    }

    /// Which state of the patterns this is.
    pub(crate) fn version(&self) -> Version {
        self.version
    }
}
