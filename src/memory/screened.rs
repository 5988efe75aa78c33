//! Memories whose patterns have codes.

use std::ops::Range;

use super::Memory;
use super::codes::{CodeStore, Codes};
use crate::error::{Error, Result};
use crate::simd::Element;

impl<T: Element> Memory<T> {
    /// Gives the patterns codes, by which recall finds those that matter without reading the
    /// others. The codes have no influence on any result: they bound every score from above, and
    /// the patterns whose bound is not too low are scored as they would be without codes.
    ///
    /// They pay where few patterns have a weight; see [`Screening`](crate::Screening) for when that
    /// is. Codes are kept true when patterns change. Patterns of more than 65,536 features have
    /// none.
    ///
    /// ```
    /// use hopfield_kernels::{Codes, Memory, Retrieval};
    ///
    /// // 1,000 patterns of 64 features, and a probe that resembles one of them.
    /// let patterns: Vec<f32> = (0..64_000_u64).map(|i| ((i * i) as f32).sin()).collect();
    /// let memory = Memory::from_slice(&patterns, 64)?;
    /// let mut probe: Vec<f32> = memory.pattern(123).iter().map(|x| 1.1 * x + 0.1).collect();
    /// let mut same = probe.clone();
    /// Retrieval::new(4.0).apply(&memory, &mut probe)?;
    ///
    /// let memory = memory.with_codes(Codes::Eight)?;
    /// assert_eq!(memory.codes(), Some(Codes::Eight));
    /// Retrieval::new(4.0).apply(&memory, &mut same)?;
    /// assert_eq!(probe, same, "the same bits");
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Allocation`] where there is no room for the codes.
    pub fn with_codes(mut self, codes: Codes) -> Result<Self> {
        let bytes = codes.format().lines(self.dim) * 4 * self.patterns.next_multiple_of(16);
        if !super::granted::<u8>(bytes) {
            return Err(Error::Allocation { operand: "codes", expected: bytes as u64 });
        }
        self.codes = CodeStore::new(codes, self.dim).map(Box::new);
        self.set_codes(0..self.patterns);
        Ok(self)
    }

    /// The patterns without codes.
    ///
    /// ```
    /// # use hopfield_kernels::{Codes, Memory};
    /// let memory = Memory::from([[1.0, 2.0]]).with_codes(Codes::Four)?;
    /// assert_eq!(memory.without_codes().codes(), None);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn without_codes(self) -> Self {
        Self { codes: None, ..self }
    }

    /// How the codes are stored, if the patterns have any.
    pub fn codes(&self) -> Option<Codes> {
        self.codes.as_ref().map(|codes| codes.kind())
    }

    /// The codes, if they are true.
    pub(crate) fn code_store(&self) -> Option<&CodeStore> {
        self.codes.as_deref().filter(|codes| codes.is_true())
    }

    /// Quantises all patterns again.
    pub(super) fn refresh_codes(&mut self) {
        if let Some(kind) = self.codes() {
            self.codes = CodeStore::new(kind, self.dim).map(Box::new);
            self.set_codes(0..self.patterns);
        }
    }

    /// Quantises some patterns, as they are stored.
    pub(super) fn set_codes(&mut self, patterns: Range<usize>) {
        let Some(mut codes) = self.codes.take() else { return };
        if codes.patterns() != self.patterns {
            codes.grow(self.patterns);
        }
        let mut buffer = Vec::new();
        for n in patterns {
            codes.set(n, self.pattern_in(n, &mut buffer));
        }
        self.codes = Some(codes);
    }

    /// Keeps the codes true after an update that has moved the patterns by at most these distances.
    pub(crate) fn drift(&mut self, distances: &[f32]) {
        if let Some(mut codes) = self.codes.take() {
            codes.drift(distances, |n| self.pattern(n));
            self.codes = Some(codes);
        }
    }
}
