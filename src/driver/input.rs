//! The input of a recall: probes, or weights that are given.

use std::ops::Range;

use crate::matrix::MatRef;
use crate::simd::Element;

/// Sparse rows of weights: the weights that are not 0, row after row, and within a row in ascending
/// order of the pattern's index.
#[derive(Debug, Clone, Copy)]
pub struct SparseRows<'a, T> {
    /// Where the weights of each row begin, and where those of the last row end.
    pub starts: &'a [usize],
    pub weights: &'a [T],
    pub indices: &'a [u32],
}

impl<'a, T: Element> SparseRows<'a, T> {
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The same for some of the probes.
    pub fn of(self, probes: Range<usize>) -> Self {
        Self { starts: &self.starts[probes.start..=probes.end], ..self }
    }

    /// Indices and weights of probe `b`.
    #[inline(always)]
    pub fn row(&self, b: usize) -> (&'a [u32], &'a [T]) {
        let range = self.starts[b]..self.starts[b + 1];
        (&self.indices[range.clone()], &self.weights[range])
    }

    /// Writes the weights of probe `b` for the patterns from `first` on.
    #[inline(always)]
    pub fn write(&self, b: usize, first: usize, to: &mut [T]) {
        to.fill(T::ZERO);
        let (indices, weights) = self.row(b);
        let start = indices.partition_point(|&n| (n as usize) < first);
        for (&n, &weight) in indices[start..].iter().zip(&weights[start..]) {
            match to.get_mut(n as usize - first) {
                Some(to) => *to = weight,
                None => break,
            }
        }
    }
}

/// What a batch is recalled from.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a, T> {
    /// Probes.
    Probes(MatRef<'a, T>),
    /// Weights: a row for each probe, a column for each pattern.
    Weights(MatRef<'a, T>),
    /// The weights that are not 0.
    Sparse(SparseRows<'a, T>),
}

impl<'a, T: Element> Input<'a, T> {
    pub fn rows(&self) -> usize {
        match self {
            Self::Probes(rows) | Self::Weights(rows) => rows.rows(),
            Self::Sparse(rows) => rows.rows(),
        }
    }

    /// The same for some of the probes.
    #[inline(always)]
    pub fn of(self, probes: Range<usize>) -> Self {
        match self {
            Self::Probes(rows) => Self::Probes(rows.subrows(probes)),
            Self::Weights(rows) => Self::Weights(rows.subrows(probes)),
            Self::Sparse(rows) => Self::Sparse(rows.of(probes)),
        }
    }

    /// The same for some of the patterns.
    pub fn at(self, patterns: Range<usize>) -> Self {
        match self {
            Self::Weights(weights) => Self::Weights(weights.subcols(patterns)),
            input => input,
        }
    }
}
