//! A matrix that owns its elements: what compartments are kept in.

use crate::error::{Error, Result};
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::simd::Element;

/// Row-major elements. Their memory is kept when the rows become fewer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table<T> {
    values: Vec<T>,
    rows: usize,
    cols: usize,
}

impl<T: Copy> Table<T> {
    /// Of whole rows.
    pub fn new(values: Vec<T>, (rows, cols): (usize, usize)) -> Self {
        assert_eq!(values.len(), rows * cols, "rows are whole");
        Self { values, rows, cols }
    }

    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn values(&self) -> &[T] {
        &self.values
    }

    pub fn view(&self) -> MatRef<'_, T> {
        MatRef::new(&self.values, self.rows, self.cols).expect("a table has rows x columns values")
    }

    pub fn view_mut(&mut self) -> MatMut<'_, T> {
        MatMut::new(&mut self.values, self.rows, self.cols)
            .expect("a table has rows x columns values")
    }

    /// The transposed matrix, row after row.
    pub fn transposed(&self) -> Vec<T> {
        let rows = self.view();
        (0..self.cols).flat_map(|c| rows.iter().map(move |row| row[c])).collect()
    }
}

impl<T: Element> Table<T> {
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { values: vec![T::ZERO; rows * cols], rows, cols }
    }

    /// Reserves memory for `rows` rows, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Allocation`] where the allocator does not grant it.
    pub fn reserve(&mut self, rows: usize) -> Result<()> {
        let expected = product([rows, self.cols]);
        let refused = || Error::Allocation { operand: "compartments", expected };
        let count = usize::try_from(expected).map_err(|_| refused())?;
        let more = count.saturating_sub(self.values.len());
        self.values.try_reserve_exact(more).map_err(|_| refused())
    }

    /// Changes the number of rows, whose contents are unspecified.
    pub fn resize(&mut self, rows: usize) {
        self.values.resize(rows * self.cols, T::ZERO);
        self.rows = rows;
    }

    /// Becomes `rows` rows of zeros.
    pub fn clear(&mut self, rows: usize) {
        self.resize(rows);
        self.values.fill(T::ZERO);
    }

    /// Becomes a copy of a matrix with as many columns.
    pub fn copy_from(&mut self, matrix: MatRef<'_, T>) {
        self.resize(matrix.rows());
        for (to, from) in self.values.chunks_exact_mut(self.cols).zip(matrix.iter()) {
            to.copy_from_slice(from);
        }
    }

    /// Zero where `kept` is false.
    pub fn mask(&mut self, kept: &[bool]) {
        let values = self.values.iter_mut().zip(kept);
        values.filter(|(_, kept)| !**kept).for_each(|(value, _)| *value = T::ZERO);
    }
}
