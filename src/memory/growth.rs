//! Memories that grow and shrink: patterns are appended and removed.

use std::ops::Range;

use super::{Memory, Version};
use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::matrix::check::expect_shape;
use crate::simd::{Element, Level};

impl<T: Element> Memory<T> {
    /// Appends patterns (K x D), and their values (K x E) if the memory has values. Returns their
    /// indices; those of the patterns before them stay.
    ///
    /// Room is made for more patterns than are appended, so that appending N patterns one by one
    /// takes time proportional to N D.
    ///
    /// ```
    /// use hopfield_kernels::{MatRef, Memory};
    ///
    /// let mut memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    /// let added = memory.append(MatRef::new(&[3.0, 4.0], 1, 2)?, None)?;
    /// assert_eq!((added, memory.patterns()), (2..3, 3));
    /// assert_eq!(memory.squared_norms(), [1.0, 1.0, 25.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] for patterns or values that do not fit, or where values are missing or too
    /// many; [`Error::Slice`] where there is no room; [`Error::Store`] where patterns belong to a
    /// file. Nothing has changed then.
    pub fn append(
        &mut self,
        patterns: MatRef<'_, T>,
        values: Option<MatRef<'_, T>>,
    ) -> Result<Range<usize>> {
        let count = patterns.rows();
        expect_shape("patterns", patterns.shape(), (count, self.dim))?;
        let expected =
            (if self.values.is_some() { count } else { 0 }, self.value_dim().unwrap_or(0));
        expect_shape("values", values.map_or((0, expected.1), |values| values.shape()), expected)?;
        self.store.make_writable((self.patterns, self.dim))?;
        let level = Level::detect()?;
        self.learn_norms();
        self.reserve(count)?;
        if let (Some(to), Some(values)) = (&mut self.values, values) {
            to.append(values, None)?;
        }
        let added = self.patterns..self.patterns + count;
        self.patterns += count;
        for (n, pattern) in added.clone().zip(patterns.iter()) {
            self.store.write(n, pattern);
        }
        self.norms.resize(self.patterns, T::ZERO);
        self.norms_of(level, added.clone());
        self.set_codes(added.clone());
        self.changed();
        Ok(added)
    }

    /// Removes some patterns and their values. The others keep their order.
    ///
    /// ```
    /// use hopfield_kernels::Memory;
    ///
    /// let mut memory = Memory::from([[1.0_f64], [2.0], [3.0], [4.0]]);
    /// memory.remove(&[2, 0])?;
    /// assert_eq!(memory.to_rows(), [2.0, 4.0]);
    /// assert!(memory.remove(&[0, 1]).is_err(), "a memory has at least one pattern");
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Index`] for an index that there is no pattern of, [`Error::Empty`] where no pattern
    /// would be left, [`Error::Store`] where patterns belong to a file. Nothing has changed then.
    pub fn remove(&mut self, indices: &[usize]) -> Result<()> {
        let mut removed = vec![false; self.patterns];
        for &found in indices {
            let expected = self.patterns;
            let refused = Error::Index { operand: "pattern", expected, found };
            *removed.get_mut(found).ok_or(refused)? = true;
        }
        let left = removed.iter().filter(|removed| !**removed).count();
        if left == 0 {
            return Err(Error::Empty { operand: "patterns" });
        }
        self.store.make_writable((self.patterns, self.dim))?;
        self.learn_norms();
        for (to, from) in (0..self.patterns).filter(|n| !removed[*n]).enumerate() {
            self.store.copy_row(from, to);
            self.norms[to] = self.norms[from];
        }
        self.patterns = left;
        self.norms.truncate(left);
        if let Some(values) = &mut self.values {
            values.remove(indices)?;
        }
        self.refresh_codes();
        self.changed();
        Ok(())
    }

    /// Makes room for `more` patterns, so that appending these does not move the others.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let mut memory = Memory::from([[1.0_f32, 2.0]]);
    /// memory.reserve(1)?;
    /// let before = memory.pattern(0).as_ptr();
    /// memory.append(MatRef::new(&[3.0, 4.0], 1, 2)?, None)?;
    /// assert_eq!(memory.pattern(0).as_ptr(), before);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Slice`] where there is no room, [`Error::Store`] where patterns belong to a file.
    pub fn reserve(&mut self, more: usize) -> Result<()> {
        self.store.make_writable((self.patterns, self.dim))?;
        self.store.reserve(self.patterns.checked_add(more), (self.patterns, self.dim))
    }

    /// Replaces the value of one pattern.
    ///
    /// ```
    /// # use hopfield_kernels::{MatRef, Memory};
    /// let mut memory = Memory::from([[1.0_f32, 2.0]]).with_values(MatRef::new(&[3.0], 1, 1)?)?;
    /// memory.set_value(0, &[5.0])?;
    /// assert_eq!(memory.values().map(|values| values.row(0)), Some(&[5.0][..]));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Index`] when there is no pattern `index`, [`Error::Length`] for a value that does
    /// not fit, [`Error::Empty`] of a memory without values.
    pub fn set_value(&mut self, index: usize, value: &[T]) -> Result<()> {
        let Some(values) = &mut self.values else {
            return Err(Error::Empty { operand: "values" });
        };
        values.set_pattern(index, value)?;
        self.version = Version::new();
        Ok(())
    }
}
