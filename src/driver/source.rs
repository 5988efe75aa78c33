//! The input of a recall: probes, or given weights.

use std::ops::Range;

use crate::matrix::MatRef;
use crate::separation::state::SoftmaxParams;
use crate::simd::Element;

/// Where the weights of patterns come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a, T> {
    /// From padded probes, by separation of their similarities.
    Probes(MatRef<'a, T>, SoftmaxParams<T>),
    /// There are none: only the similarities of these padded probes are wanted.
    Similarities(MatRef<'a, T>),
    /// Given: a row for each probe, a column for each pattern.
    Weights(MatRef<'a, T>),
}

impl<T: Element> Source<'_, T> {
    pub fn batch(&self) -> usize {
        match self {
            Self::Probes(rows, _) | Self::Similarities(rows) | Self::Weights(rows) => rows.rows(),
        }
    }

    /// The same source for some of the probes.
    #[inline(always)]
    pub fn of(self, probes: Range<usize>) -> Self {
        match self {
            Self::Probes(rows, params) => Self::Probes(rows.subrows(probes), params),
            Self::Similarities(rows) => Self::Similarities(rows.subrows(probes)),
            Self::Weights(rows) => Self::Weights(rows.subrows(probes)),
        }
    }
}
