//! What follows from the parameters of a recall.

use crate::memory::Memory;
use crate::retrieval::Retrieval;
use crate::separation::family::{Cut, Separation};
use crate::separation::rows::RowSeparation;
use crate::separation::state::{SoftmaxParams, depth_bits};
use crate::simd::Element;
use crate::similarity::Similarity;
use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Norms, ProbeUpdate};

impl<'k, T: Element> Retrieval<'k, T> {
    /// β and the number of patterns, as the separation takes them.
    pub(crate) fn params(&self, patterns: usize) -> SoftmaxParams<T> {
        SoftmaxParams::new(self.beta.to_f64() * self.gain.to_f64(), patterns)
    }

    /// Whether the weights follow from the states of the online softmax and from dot products.
    pub(crate) fn is_plain(&self) -> bool {
        self.streams()
            && self.similarity == Similarity::Dot
            && self.null() == T::ZERO
            && self.bias.is_none()
            && !self.masks_differ()
    }

    /// The same, with updates of the probes where the patterns have values.
    pub(crate) fn updating(self) -> Self {
        Self { updates: true, ..self }
    }

    /// The update that belongs to the similarity.
    pub(crate) fn probe_update(&self) -> ProbeUpdate {
        self.similarity.definition().update(!self.separation.is_unnormalised())
    }

    /// Features of what is retrieved, if these are values.
    pub(crate) fn value_dim(&self, memory: &Memory<T>) -> Option<usize> {
        memory.value_dim().filter(|_| !self.updates)
    }

    /// β times the gain.
    pub(crate) fn total_beta(&self) -> f64 {
        self.beta.to_f64() * self.gain.to_f64()
    }

    /// Whether the online softmax computes the weights, in one pass with the projection.
    pub(crate) fn streams(&self) -> bool {
        let definition = self.similarity.definition();
        let fused = match definition.norms() {
            Some(Norms::Factors(_)) => true,
            // Relative to the scores of the patterns, that of a pattern of zeros is not 0.
            Some(Norms::Terms(_)) => self.null() == T::ZERO,
            None => definition.sums() == Sums::Products,
        };
        fused && self.separation.is_softmax()
    }

    /// c of `SoftmaxPlus`.
    pub(crate) fn null(&self) -> T {
        match self.separation {
            Separation::SoftmaxPlus(c) => T::from_f64(c),
            _ => T::ZERO,
        }
    }

    /// Calls `work` with the separation of rows. A softmax leaves out the weights that cannot
    /// change a sum.
    pub(crate) fn separation_of_rows<R>(
        &self,
        patterns: usize,
        work: impl FnOnce(&dyn RowSeparation) -> R,
    ) -> R {
        if self.separation.is_softmax() && self.null() == T::ZERO {
            return work(&self.cut(patterns));
        }
        self.separation.with_rows(work)
    }

    /// Softmax without the weights that cannot change a sum over `patterns` patterns.
    pub(crate) fn cut(&self, patterns: usize) -> Cut {
        Cut { width: depth_bits::<T>(patterns) * std::f64::consts::LN_2 }
    }

    /// Whether the energy has the terms of the dot product, ½ x·x and ½ M*².
    pub(crate) fn is_quadratic(&self) -> bool {
        self.similarity == Similarity::Dot && !self.separation.is_unnormalised()
    }

    /// Whether probes may differ in the patterns that take part.
    pub(crate) fn masks_differ(&self) -> bool {
        self.biases.is_some() || self.masks.is_some()
    }

    /// Whether pattern `n` takes part in the recall of probe `b`.
    pub(crate) fn takes_part(&self, b: usize, n: usize) -> bool {
        self.keep.is_none_or(|keep| keep[n])
            && self.bias.is_none_or(|bias| bias[n] != T::NEG_INFINITY)
            && self.biases.is_none_or(|biases| biases.row(b)[n] != T::NEG_INFINITY)
            && self.masks.is_none_or(|masks| masks.row(b)[n])
    }

    /// The same at another inverse temperature, which has been checked.
    pub(crate) fn with_beta(self, beta: T) -> Self {
        Self { beta, ..self }
    }

    /// The same, with similarities that learning can make weights of.
    pub(crate) fn with_plain_similarities(self) -> Self {
        Self { plain_similarities: true, ..self }
    }

    /// Which patterns take part.
    pub(crate) fn mask(&self) -> Option<&'k [bool]> {
        self.keep
    }
}
