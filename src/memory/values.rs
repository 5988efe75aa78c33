//! Values of patterns: what is retrieved in their place.

use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::matrix::check::expect_shape;
use crate::memory::rows::Rows;
use crate::memory::{Memory, Version};
use crate::simd::Element;

impl<T: Element> Memory<T> {
    /// Gives the patterns values (N x E), which are retrieved in their place: hetero-association.
    ///
    /// ```
    /// use hopfield_kernels::{Context, MatMut, MatRef, Memory, Outputs, Retrieval};
    ///
    /// let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    /// let memory = memory.with_values(MatRef::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3)?)?;
    /// let mut retrieved = [0.0; 3];
    /// let to = Some(MatMut::new(&mut retrieved, 1, 3)?);
    /// let outputs = Outputs::new().with_retrieved(to);
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

    /// The values, as drivers take them.
    pub(crate) fn value_rows(&self) -> Option<Rows<'_, T>> {
        self.values.as_ref().map(|values| values.rows())
    }
}
