//! Learning: the weights of a block of patterns, then the update of the block.
//!
//! ```text
//! for each block of patterns:
//!     weights = those given, or from scores, or from dots(probes, block)
//!     outer(weights, Z, block)                                   # the block is still in L2
//! ```

use std::ops::Range;

use super::dots::dots;
use super::outer::{Outer, Step};
use super::recall::{blocks, scores_stride};
use super::softmax::memory_weights;
use super::state::{Sharpness, State};
use super::{GROUP, evenly};
use crate::simd::{Kernel, Simd};
use crate::{Element, MatMut, MatRef};

/// Where the weights of some rows of Z come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a, T> {
    /// They are given: a row for each row of Z, a column for each pattern.
    Weights(MatRef<'a, T>),
    /// From given similarities and the softmax that recall has found for each row.
    Scores(MatRef<'a, T>, &'a [State<T>], Sharpness<T>),
    /// From padded probes, whose similarities are computed again.
    Probes(MatRef<'a, T>, &'a [State<T>], Sharpness<T>),
}

impl<'a, T: Element> Source<'a, T> {
    /// Rows of Z.
    pub fn rows(&self) -> usize {
        match self {
            Self::Weights(rows) | Self::Scores(rows, ..) | Self::Probes(rows, ..) => rows.rows(),
        }
    }

    /// The same for some of the patterns.
    pub fn of(self, patterns: Range<usize>) -> Self {
        match self {
            Self::Weights(weights) => Self::Weights(weights.subcols(patterns)),
            Self::Scores(scores, states, sharpness) => {
                Self::Scores(scores.subcols(patterns), states, sharpness)
            }
            probes => probes,
        }
    }
}

/// An update of some of the patterns, block by block: weights, then outer products. The weights are
/// never all there unless they are given, and a pattern is read and written once.
pub struct Learn<'a, T> {
    /// The weights of the first rows of Z, and those of the rows after them.
    pub sources: [Option<Source<'a, T>>; 2],
    /// Which patterns take part; all without.
    pub keep: Option<&'a [bool]>,
    /// Z: padded.
    pub vectors: MatRef<'a, T>,
    /// M: padded.
    pub patterns: MatMut<'a, T>,
    /// The patterns' squared norms, kept true.
    pub norms: &'a mut [T],
    /// ΔM (not padded); written when there.
    pub delta: Option<MatMut<'a, T>>,
    /// The factors.
    pub step: Step<T>,
    /// Most patterns in a block.
    pub block: usize,
    /// Whether patterns are to be prefetched.
    pub prefetches: bool,
    /// Scratch: a weight for each row of Z and each pattern of a block, `scores_stride` apart.
    pub weights: &'a mut [T],
    /// Scratch: one entry for each pattern of a block.
    pub list: &'a mut [u32],
}

impl<T: Element> Kernel<T> for Learn<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let (rows, stride) = (self.vectors.rows(), scores_stride::<T>(self.block));
        let scratch = std::mem::take(&mut self.weights);
        // Dot products need a whole block at once, given weights a group of patterns.
        let computes = self.sources.iter().flatten().any(|s| matches!(s, Source::Probes(..)));
        // Backwards: what a recall has read last is still in the cache.
        for block in blocks::<T>(self.patterns.rows(), self.block).rev() {
            if let [Some(Source::Weights(given)), None] = self.sources {
                self.update(simd, given.subcols(block.clone()), block, GROUP);
                continue;
            }
            let cols = block.len().next_multiple_of(T::LANES);
            let mut weights = MatMut::with_stride(scratch, rows, cols, stride)
                .expect("scratch is made to measure");
            let mut rest = weights.reborrow();
            for source in self.sources.iter().flatten() {
                let (mut upper, lower) = rest.split_at_row(source.rows());
                rest = lower;
                self.weigh(simd, *source, block.clone(), &mut upper);
            }
            self.update(simd, weights.as_ref(), block, if computes { cols } else { GROUP });
        }
    }
}

impl<T: Element> Learn<'_, T> {
    /// The update of a block of patterns; `ahead` is how far ahead to prefetch.
    #[inline(always)]
    fn update<S: Simd<T>>(
        &mut self,
        simd: S,
        weights: MatRef<'_, T>,
        block: Range<usize>,
        ahead: usize,
    ) {
        Outer {
            weights,
            vectors: self.vectors,
            patterns: self.patterns.rows_mut(block.clone()),
            norms: &mut self.norms[block.clone()],
            delta: self.delta.as_mut().map(|delta| delta.rows_mut(block)),
            step: self.step,
            list: &mut *self.list,
            ahead: if self.prefetches { ahead } else { 0 },
        }
        .run(simd);
    }

    /// The weights of a block of patterns for the rows of one source.
    #[inline(always)]
    fn weigh<S: Simd<T>>(
        &self,
        simd: S,
        source: Source<'_, T>,
        block: Range<usize>,
        weights: &mut MatMut<'_, T>,
    ) {
        if let Source::Probes(probes, ..) = source {
            for group in evenly(probes.rows(), GROUP) {
                let patterns = self.patterns.as_ref().subrows(block.clone());
                let probes = probes.subrows(group.clone());
                dots(simd, probes, patterns, &mut weights.rows_mut(group));
            }
        }
        for b in 0..weights.rows() {
            let row = &mut weights.row_mut(b)[..block.len()];
            if let Source::Weights(given) | Source::Scores(given, ..) = source {
                row.copy_from_slice(&given.row(b)[block.clone()]);
            }
            if let Source::Scores(_, states, sharpness) | Source::Probes(_, states, sharpness) =
                source
            {
                let keep = self.keep.map(|keep| &keep[block.clone()]);
                memory_weights(simd, row, keep, sharpness, &states[b]);
            }
        }
    }
}
