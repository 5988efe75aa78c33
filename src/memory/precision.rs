//! Patterns in sixteen bits, and access to patterns however they are stored.

use half::{bf16, f16};

use super::norms::squared_norms;
use super::store::{Precision, Store};
use super::{Memory, Version};
use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::matrix::check::expect_length;
use crate::simd::{Element, Level, Stored};

impl<T: Element> Memory<T> {
    /// The same patterns, stored in another precision: rounded to the nearest number, and to the
    /// even one of two that are equally near. Values stay as they are.
    ///
    /// Sixteen bits take half the memory of `f32`, and a recall that waits for memory half the
    /// time. Everything is computed in `T` from the rounded patterns: results are the same bits as
    /// those of a memory that holds the rounded patterns in full, norms are theirs too, and the
    /// bounds on errors are the same. Patterns that are replaced or appended later are rounded as
    /// well. Learning is refused, as most updates would be too small to change a number of sixteen
    /// bits; noise and pruning are rounded.
    ///
    /// Patterns of a file are copied into memory, whatever the precision, and can then be changed.
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Precision, Retrieval};
    ///
    /// let memory = Memory::from([[1.0_f32, 0.1], [-1.0, 0.7]]).with_precision(Precision::Bf16)?;
    /// let mut probe = [0.9, 0.2];
    /// Retrieval::new(20.0).apply(&memory, &mut probe)?;
    /// assert_eq!(probe, memory.to_rows()[..2]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Slice`] where there is no room, [`Error::Level`] as [`Level::detect`] says.
    pub fn with_precision(self, precision: Precision) -> Result<Self> {
        if precision == self.precision() && !matches!(self.store, Store::Bytes(_)) {
            return Ok(self);
        }
        let level = Level::detect()?;
        let shape = (self.patterns, self.dim);
        let mut store = Store::with_precision(shape, precision)?;
        let mut row = vec![T::ZERO; self.dim];
        for n in 0..self.patterns {
            self.store.copy(n, shape, &mut row);
            store.write(n, &row);
        }
        let mut memory = Self { values: self.values, ..Self::of_store(store, shape) };
        memory.norms.resize(shape.0, T::ZERO);
        squared_norms(level, memory.store.rows(shape), &mut memory.norms);
        memory.version = Version::new();
        Ok(memory)
    }

    /// Stores the rows of an N x D matrix of bfloat16 numbers as they are.
    ///
    /// ```
    /// use half::bf16;
    /// use hopfield_kernels::{MatRef, Memory, Precision};
    ///
    /// let rows = [1.0, 0.5, -2.0, 3.0].map(bf16::from_f32);
    /// let memory = Memory::<f32>::from_bf16(MatRef::new(&rows, 2, 2)?)?;
    /// assert_eq!(memory.to_rows(), [1.0, 0.5, -2.0, 3.0]);
    /// assert_eq!(memory.precision(), Precision::Bf16);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] when N = 0 or D = 0, and as for [`with_precision`](Self::with_precision).
    pub fn from_bf16(rows: MatRef<'_, bf16>) -> Result<Self> {
        Self::from_numbers(rows, Precision::Bf16)
    }

    /// Stores the rows of an N x D matrix of numbers in half precision as they are.
    ///
    /// ```
    /// use half::f16;
    /// use hopfield_kernels::{MatRef, Memory, Precision};
    ///
    /// let rows = [1.0, -0.5].map(f16::from_f32);
    /// let memory = Memory::<f32>::from_f16(MatRef::new(&rows, 1, 2)?)?;
    /// assert_eq!((memory.precision(), memory.to_rows()), (Precision::F16, vec![1.0, -0.5]));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_bf16`](Self::from_bf16).
    pub fn from_f16(rows: MatRef<'_, f16>) -> Result<Self> {
        Self::from_numbers(rows, Precision::F16)
    }

    fn from_numbers<E: Stored<T>>(rows: MatRef<'_, E>, precision: Precision) -> Result<Self> {
        let shape = (rows.rows(), rows.cols());
        if shape.0 == 0 || shape.1 == 0 {
            let operand = if shape.0 == 0 { "patterns" } else { "features of a pattern" };
            return Err(Error::Empty { operand });
        }
        let level = Level::detect()?;
        let mut store = Store::with_precision(shape, precision)?;
        let mut row = vec![T::ZERO; shape.1];
        for (n, numbers) in rows.iter().enumerate() {
            row.iter_mut().zip(numbers).for_each(|(to, number)| *to = number.widen());
            store.write(n, &row);
        }
        let mut memory = Self::of_store(store, shape);
        memory.refresh_norms(level);
        Ok(memory)
    }

    /// The type in which patterns are stored.
    pub fn precision(&self) -> Precision {
        self.store.precision()
    }

    /// The patterns as an N x D matrix, if they are stored as elements of this type.
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Precision};
    ///
    /// let memory = Memory::from([[1.0_f32, 2.0]]);
    /// assert!(memory.try_as_mat().is_some_and(|rows| rows.row(0) == [1.0, 2.0]));
    /// assert!(memory.with_precision(Precision::F16)?.try_as_mat().is_none());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn try_as_mat(&self) -> Option<MatRef<'_, T>> {
        self.store.as_mat(self.shape())
    }

    /// Copies pattern `index`, however it is stored.
    ///
    /// ```
    /// # use hopfield_kernels::{Memory, Precision};
    /// let memory = Memory::from([[1.0_f32, 2.0], [3.0, 4.0]]).with_precision(Precision::F16)?;
    /// let mut pattern = [0.0; 2];
    /// memory.copy_pattern(1, &mut pattern)?;
    /// assert_eq!(pattern, [3.0, 4.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Index`] when there is no pattern `index`, [`Error::Length`] unless `to` is D long.
    pub fn copy_pattern(&self, index: usize, to: &mut [T]) -> Result<()> {
        if index >= self.patterns {
            return Err(Error::Index { operand: "pattern", expected: self.patterns, found: index });
        }
        expect_length("to", to.len(), self.dim)?;
        self.store.copy(index, self.shape(), to);
        Ok(())
    }

    /// Copies pattern `index`, which has been checked.
    pub(crate) fn copy(&self, index: usize, to: &mut [T]) {
        self.store.copy(index, self.shape(), to);
    }

    /// Pattern `index`: in place, or copied to a buffer.
    pub(crate) fn pattern_in<'p>(&'p self, index: usize, buffer: &'p mut Vec<T>) -> &'p [T] {
        if let Some(rows) = self.try_as_mat() {
            return rows.row(index);
        }
        buffer.resize(self.dim, T::ZERO);
        self.store.copy(index, self.shape(), buffer);
        buffer
    }

    /// An error unless the patterns can learn: rows of the memory's own, or rows that are lent.
    pub(crate) fn expect_learning(&mut self) -> Result<()> {
        if self.store.learning_rows((self.patterns, self.dim)).is_none() {
            self.store.make_writable((self.patterns, self.dim))?;
        }
        let found = match self.precision() {
            Precision::Full => return Ok(()),
            Precision::Bf16 => "patterns in bf16",
            Precision::F16 => "patterns in f16",
        };
        let expected = "patterns in full precision, which small updates change";
        Err(Error::Store { operand: "memory", expected, found })
    }
}
