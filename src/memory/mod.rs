//! The stored patterns: aligned, padded rows and their norms.

mod borrowed;
mod growth;
mod layout;
mod storage;

pub(crate) use layout::{Aligned, padded_cols, padded_stride, scratch_stride};

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use borrowed::{Borrowed, BorrowedMut};
use storage::Storage;

pub(crate) use storage::granted;

use crate::error::{Error, Result};
use crate::kernel::compiled;
use crate::kernel::norms::{FeatureSquares, SquaredNorms};
use crate::matrix::check::{expect_length, expect_shape};
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::simd::{Element, Level};

/// N stored patterns of dimension D (M, N x D), ready for the kernels.
///
/// Rows begin on cache lines and are padded with zeros to whole vectors; their squared norms are
/// kept true under every change.
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
    rows: Storage<T>,
    patterns: usize,
    dim: usize,
    stride: usize,
    /// As many as patterns, or none where they are not known: see `later_norms`.
    norms: Vec<T>,
    /// The norms of borrowed patterns, once they have been asked for.
    later_norms: OnceLock<Vec<T>>,
    /// The highest of them, once it has been asked for.
    max_norm: OnceLock<T>,
    version: Version,
    /// Values that belong to the patterns: rows of a memory of their own.
    values: Option<Box<Memory<T>>>,
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
            return too_large(usize::MAX, most);
        }
        let stride = padded_stride::<T>(dim);
        if !granted::<T>(patterns * stride) {
            return too_large(patterns * stride, 0);
        }
        let rows = Storage::zeros(patterns * stride);
        let norms = vec![T::ZERO; patterns];
        let (max_norm, version) = (OnceLock::new(), Version::new());
        let (later_norms, values) = (OnceLock::new(), None);
        Ok(Self { rows, patterns, dim, stride, norms, later_norms, max_norm, version, values })
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
    /// [`Error::Shape`] when the matrix is not N x D.
    pub fn set_rows(&mut self, rows: MatRef<'_, T>) -> Result<()> {
        expect_shape("rows", rows.shape(), (self.patterns, self.dim))?;
        let level = Level::detect()?;
        for (n, row) in rows.iter().enumerate() {
            self.row_mut(n).copy_from_slice(row);
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
    /// [`Error::Shape`] when the matrix is not D x N.
    pub fn set_columns(&mut self, columns: MatRef<'_, T>) -> Result<()> {
        expect_shape("columns", columns.shape(), (self.dim, self.patterns))?;
        let level = Level::detect()?;
        for (d, feature) in columns.iter().enumerate() {
            for (n, &element) in feature.iter().enumerate() {
                self.rows[n * self.stride + d] = element;
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
    /// [`Error::Length`] when it is not D long; [`Error::Index`] when there is no pattern `index`.
    pub fn set_pattern(&mut self, index: usize, pattern: &[T]) -> Result<()> {
        if index >= self.patterns {
            return Err(Error::Index { operand: "pattern", expected: self.patterns, found: index });
        }
        expect_length("pattern", pattern.len(), self.dim)?;
        let level = Level::detect()?;
        self.learn_norms();
        self.row_mut(index).copy_from_slice(pattern);
        self.changed();
        let norms = &mut self.norms[index..=index];
        let row = padded(&self.rows, self.patterns, self.dim, self.stride);
        compiled::squared_norms(level, SquaredNorms { rows: row.subrows(index..index + 1), norms });
        Ok(())
    }

    /// Gives the patterns values (N x E), which are retrieved in their place: hetero-association.
    ///
    /// ```
    /// use hopfield_kernels::{Context, MatMut, MatRef, Memory, Outputs, Retrieval};
    ///
    /// let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    /// let memory = memory.with_values(MatRef::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3)?)?;
    /// let mut retrieved = [0.0; 3];
    /// let to = Some(MatMut::new(&mut retrieved, 1, 3)?);
    /// let outputs = Outputs { retrieved: to, ..Outputs::default() };
    /// let probes = MatRef::new(&[0.0, 1.0], 1, 2)?;
    /// Retrieval::new(40.0).run(probes, &memory, outputs, &mut Context::new())?;
    /// assert_eq!(retrieved, [4.0, 5.0, 6.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a row for each pattern; [`Error::Empty`] if E = 0.
    pub fn with_values(mut self, values: MatRef<'_, T>) -> Result<Self> {
        expect_shape("values", values.shape(), (self.patterns, values.cols()))?;
        if values.cols() == 0 {
            return Err(Error::Empty { operand: "features of a value" });
        }
        self.values = Some(Box::new(Self::from_rows(values)?));
        self.version = Version::new();
        Ok(self)
    }

    /// The patterns without their values.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let memory = Memory::from([[1.0_f32, 2.0]]).with_values(MatRef::new(&[3.0], 1, 1)?)?;
    /// assert_eq!(memory.value_dim(), Some(1));
    /// assert_eq!(memory.values().map(|values| values.row(0)), Some(&[3.0][..]));
    /// assert_eq!(memory.without_values().value_dim(), None);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn without_values(self) -> Self {
        Self { values: None, version: Version::new(), ..self }
    }

    /// The values (N x E), if the patterns are not their own values.
    pub fn values(&self) -> Option<MatRef<'_, T>> {
        self.values.as_ref().map(|values| values.as_mat())
    }

    /// Features of a value, E, if the patterns are not their own values.
    pub fn value_dim(&self) -> Option<usize> {
        self.values.as_ref().map(|values| values.dim)
    }

    /// The values with their padding.
    pub(crate) fn padded_values(&self) -> Option<MatRef<'_, T>> {
        self.values.as_ref().map(|values| values.padded())
    }

    /// Whether patterns and values are all finite, as far as their norms tell.
    pub(crate) fn is_finite(&self) -> bool {
        let finite = self.squared_norms().iter().all(|norm| norm.is_finite());
        finite && self.values.as_ref().is_none_or(|values| values.is_finite())
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
    /// When `index >= patterns()`.
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
    pub fn as_mat(&self) -> MatRef<'_, T> {
        MatRef::with_stride(&self.rows, self.patterns, self.dim, self.stride)
            .expect("`zeros` has made room for these rows")
    }

    /// A copy of the patterns, row after row (N x D).
    pub fn to_rows(&self) -> Vec<T> {
        self.as_mat().iter().flatten().copied().collect()
    }

    /// A copy of the patterns, feature after feature (D x N, ngc-learn's W).
    pub fn to_columns(&self) -> Vec<T> {
        let rows = self.as_mat();
        (0..self.dim).flat_map(|d| rows.iter().map(move |row| row[d])).collect()
    }

    /// ‖m_n‖² for every pattern.
    pub fn squared_norms(&self) -> &[T] {
        match self.knows_norms() {
            true => &self.norms,
            false => self.later_norms.get_or_init(|| self.computed_norms()),
        }
    }

    /// max_n ‖m_n‖², the M*² of the standard energy (Ramsauer et al. 2020, eq. 2). NaN when a
    /// pattern is not a number.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// assert_eq!(memory.max_squared_norm(), 25.0);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn max_squared_norm(&self) -> T {
        *self.max_norm.get_or_init(|| highest(self.squared_norms(), None))
    }

    /// Whether the norms were known when the patterns came.
    fn knows_norms(&self) -> bool {
        self.norms.len() == self.patterns
    }

    /// Makes the norms known, before some of them change.
    fn learn_norms(&mut self) {
        if !self.knows_norms() {
            self.norms = self.later_norms.take().unwrap_or_else(|| self.computed_norms());
        }
    }

    fn computed_norms(&self) -> Vec<T> {
        let mut norms = vec![T::ZERO; self.patterns];
        let level = Level::detect().unwrap_or_else(|_| Level::best());
        let rows = self.padded();
        compiled::squared_norms(level, SquaredNorms { rows, norms: &mut norms });
        norms
    }

    /// The largest squared norm of the patterns that a mask keeps, or infinity where it is not
    /// known and would have to be computed.
    pub(crate) fn known_max_squared_norm_of(&self, keep: Option<&[bool]>) -> T {
        match self.knows_norms() {
            true => self.max_squared_norm_of(keep),
            false => -T::NEG_INFINITY,
        }
    }

    /// The same of those patterns that a mask keeps.
    pub(crate) fn max_squared_norm_of(&self, keep: Option<&[bool]>) -> T {
        keep.map_or_else(|| self.max_squared_norm(), |_| highest(self.squared_norms(), keep))
    }

    /// max_d Σ_n M\[n,d\]², which stands in place of M*² in ngc-learn's energy. One pass over the
    /// patterns.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
    /// assert_eq!(memory.max_squared_feature_norm()?, 20.0);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Level`] as [`Level::detect`] says.
    pub fn max_squared_feature_norm(&self) -> Result<T> {
        let mut squares = vec![T::ZERO; padded_cols::<T>(self.dim)];
        let mut block = squares.clone();
        let level = Level::detect()?;
        for rows in evenly(self.patterns, FEATURE_BLOCK) {
            block.fill(T::ZERO);
            let rows = self.padded().subrows(rows);
            compiled::feature_squares(level, FeatureSquares { rows, squares: &mut block });
            squares.iter_mut().zip(&block).for_each(|(sum, part)| *sum += *part);
        }
        Ok(highest(&squares[..self.dim], None))
    }

    /// The rows with their padding.
    pub(crate) fn padded(&self) -> MatRef<'_, T> {
        padded(&self.rows, self.patterns, self.dim, self.stride)
    }

    /// The rows with their padding and their norms, for an update that keeps the norms true.
    pub(crate) fn padded_mut(&mut self) -> (MatMut<'_, T>, &mut [T]) {
        self.learn_norms();
        self.changed();
        let cols = padded_cols::<T>(self.dim);
        let rows = MatMut::with_stride(&mut self.rows, self.patterns, cols, self.stride);
        (rows.expect("`zeros` has made room for these rows"), &mut self.norms)
    }

    /// Sets to zero what a mask of connections (N x D, row after row) leaves out.
    #[cfg(feature = "synapse")]
    pub(crate) fn disconnect(&mut self, connected: &[bool]) -> Result<()> {
        let level = Level::detect()?;
        for (n, connected) in connected.chunks_exact(self.dim).enumerate() {
            let row = self.row_mut(n).iter_mut().zip(connected);
            row.filter(|(_, connected)| !**connected).for_each(|(element, _)| *element = T::ZERO);
        }
        self.refresh_norms(level);
        Ok(())
    }

    /// Changes every pattern, and refreshes the norms.
    pub(crate) fn change(&mut self, mut change: impl FnMut(usize, &mut [T])) {
        (0..self.patterns).for_each(|n| change(n, self.row_mut(n)));
        // Any level will do where the environment names one that there is not.
        self.refresh_norms(Level::detect().unwrap_or_else(|_| Level::best()));
    }

    fn row_mut(&mut self, index: usize) -> &mut [T] {
        &mut self.rows[index * self.stride..][..self.dim]
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

    fn refresh_norms(&mut self, level: Level) {
        self.norms.resize(self.patterns, T::ZERO);
        self.changed();
        let rows = padded(&self.rows, self.patterns, self.dim, self.stride);
        compiled::squared_norms(level, SquaredNorms { rows, norms: &mut self.norms });
    }
}

/// Arrays of N patterns of D elements. Neither may be 0, which is found when this is compiled.
///
/// ```
/// use hopfield_kernels::Memory;
///
/// let memory = Memory::from([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!((memory.patterns(), memory.dim()), (2, 3));
/// ```
impl<T: Element, const N: usize, const D: usize> From<[[T; D]; N]> for Memory<T> {
    fn from(patterns: [[T; D]; N]) -> Self {
        const { assert!(N > 0 && D > 0, "a memory has patterns, and patterns have features") };
        let mut memory = Self::zeros(N, D).expect("an array is no larger than memory");
        for (n, pattern) in patterns.iter().enumerate() {
            memory.row_mut(n).copy_from_slice(pattern);
        }
        // Any level will do where the environment names one that there is not.
        memory.refresh_norms(Level::detect().unwrap_or_else(|_| Level::best()));
        memory
    }
}

/// Patterns in vectors of their own, all as long as the first.
///
/// ```
/// use hopfield_kernels::Memory;
///
/// let memory = Memory::try_from(vec![vec![1.0, 2.0], vec![3.0, 4.0]])?;
/// assert_eq!(memory.to_rows(), [1.0, 2.0, 3.0, 4.0]);
/// let refused = Memory::try_from(vec![vec![1.0, 2.0], vec![3.0]]).unwrap_err();
/// assert_eq!(refused.to_string(), "pattern: expected 2 elements, got 1");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
impl<T: Element> TryFrom<Vec<Vec<T>>> for Memory<T> {
    type Error = Error;

    fn try_from(patterns: Vec<Vec<T>>) -> Result<Self> {
        let mut memory = Self::zeros(patterns.len(), patterns.first().map_or(0, Vec::len))?;
        let level = Level::detect()?;
        for (n, pattern) in patterns.iter().enumerate() {
            expect_length("pattern", pattern.len(), memory.dim)?;
            memory.row_mut(n).copy_from_slice(pattern);
        }
        memory.refresh_norms(level);
        Ok(memory)
    }
}

/// Patterns whose squares are summed at a time, so that the sum over all of them is less deep.
const FEATURE_BLOCK: usize = 512;

fn padded<T: Element>(rows: &[T], patterns: usize, dim: usize, stride: usize) -> MatRef<'_, T> {
    MatRef::with_stride(rows, patterns, padded_cols::<T>(dim), stride)
        .expect("`zeros` has made room for these rows")
}

/// The highest of 0 and those values that are kept, or NaN where there is one: nothing is higher.
fn highest<T: Element>(values: &[T], keep: Option<&[bool]>) -> T {
    let higher = |a: T, b: T| if b > a || b.is_nan() { b } else { a };
    // In lanes: a single chain would be waited for.
    let mut most = [T::ZERO; 16];
    match keep {
        None => {
            for values in values.chunks(most.len()) {
                most.iter_mut().zip(values).for_each(|(a, &b)| *a = higher(*a, b));
            }
        }
        Some(keep) => {
            for (values, keep) in values.chunks(most.len()).zip(keep.chunks(most.len())) {
                for ((a, &b), &keep) in most.iter_mut().zip(values).zip(keep) {
                    *a = higher(*a, if keep { b } else { T::ZERO });
                }
            }
        }
    }
    most.into_iter().fold(T::ZERO, higher)
}
