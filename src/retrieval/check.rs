//! The checks of a recall's parameters and operands.

use crate::driver::outputs::Outputs;
use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::matrix::check::{expect_length, expect_shape};
use crate::memory::Memory;
use crate::retrieval::Retrieval;
use crate::simd::{Element, beta_of};
use crate::similarity::Similarity;

impl<T: Element> Retrieval<'_, T> {
    /// Refuses an inverse temperature and a gain outside their domains.
    pub(crate) fn check_parameters(&self) -> Result<()> {
        beta_of(self.beta)?;
        let refused =
            |expected| Err(Error::Parameter { name: "gain", expected, found: self.gain.to_f64() });
        if !(self.gain > T::ZERO && self.gain.is_finite()) {
            return refused("a finite number above 0");
        }
        if self.gain != T::ONE && self.similarity != Similarity::Dot {
            return refused("1 under a similarity that is not the dot product");
        }
        Ok(())
    }

    /// Refuses operands that do not fit one another.
    pub(super) fn check(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        outputs: &Outputs<'_, T>,
    ) -> Result<()> {
        self.check_operands(probes, memory)?;
        let retrieved = self.value_dim(memory).unwrap_or(memory.dim());
        outputs.check(probes.rows(), memory.patterns(), retrieved)
    }

    /// Refuses probes, biases and masks that do not fit the memory.
    pub(super) fn check_operands(&self, probes: MatRef<'_, T>, memory: &Memory<T>) -> Result<()> {
        let (patterns, dim) = (memory.patterns(), memory.dim());
        self.check_parameters()?;
        expect_shape("probes", probes.shape(), (probes.rows(), dim))?;
        self.separation.check(patterns)?;
        if let Some(keep) = self.keep {
            expect_length("mask", keep.len(), patterns)?;
        }
        if let Some(bias) = self.bias {
            expect_length("bias", bias.len(), patterns)?;
        }
        let shape = (probes.rows(), patterns);
        self.biases.map_or(Ok(()), |biases| expect_shape("biases", biases.shape(), shape))?;
        self.masks.map_or(Ok(()), |masks| expect_shape("masks", masks.shape(), shape))?;
        self.hints.map_or(Ok(()), |hints| expect_length("hints", hints.len(), probes.rows()))
    }

    /// Refuses what cannot hold while a memory grows: something for each pattern or probe.
    pub(crate) fn check_growing(&self, memory: &Memory<T>) -> Result<()> {
        self.check_parameters()?;
        self.separation.check(memory.patterns())?;
        let given = [
            ("mask", self.keep.is_some()),
            ("bias", self.bias.is_some()),
            ("biases", self.biases.is_some()),
            ("masks", self.masks.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((operand, _)) => {
                Err(Error::Length { operand, expected: 0, found: memory.patterns() })
            }
            None => Ok(()),
        }
    }
}
