//! Learning: the weights of a block of patterns, then the update of the block.
//!
//! ```text
//! for each block of patterns:
//!     weights = given, or from given scores, or from dots(probes, block)
//!     outer(weights, Z, block)                                   # the block is still in L2
//! ```
//!
//! With few probes and patterns that come from memory, a block of the first half of the patterns
//! and one of the second are updated together, one pattern of each at a time. Two streams far apart
//! use more of the bandwidth of memory than one stream or two neighbouring rows.

use std::ops::Range;

use crate::driver::blocking::{blocks, scores_stride};
use crate::driver::divide::{Cut, Views, cut_fields, ranges, shares};
use crate::driver::input::SparseRows;
use crate::kernel::rank1;
use crate::kernel::rank1::{FEW_PROBES, Outer, Rates};
use crate::kernel::score::{chunks, sums};
use crate::kernel::softmax::{mask, memory_weights};
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Kernel, Simd};
use crate::similarity::accumulate::Products;

/// Where the weights of some rows of Z come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a, T> {
    /// Given: a row for each row of Z, a column for each pattern.
    Weights(MatRef<'a, T>),
    /// From given similarities.
    Scores(SoftmaxRows<'a, T>),
    /// Given, but for those that are 0; the first pattern has the index `first` in the rows.
    Sparse { rows: SparseRows<'a, T>, first: usize },
    /// From padded probes, whose similarities are computed again.
    Probes(SoftmaxRows<'a, T>),
}

/// Similarities or probes, and the softmax that turns scores into weights.
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxRows<'a, T> {
    pub rows: MatRef<'a, T>,
    /// The state that recall has found for each row.
    pub states: &'a [State<T>],
    pub params: SoftmaxParams<T>,
}

impl<'a, T: Element> Source<'a, T> {
    /// Rows of Z.
    pub fn rows(&self) -> usize {
        match self {
            Self::Weights(rows) => rows.rows(),
            Self::Scores(of) | Self::Probes(of) => of.rows.rows(),
            Self::Sparse { rows, .. } => rows.rows(),
        }
    }

    /// The same source for some of the patterns.
    pub fn of(self, patterns: Range<usize>) -> Self {
        match self {
            Self::Weights(weights) => Self::Weights(weights.subcols(patterns)),
            Self::Scores(of) => Self::Scores(SoftmaxRows { rows: of.rows.subcols(patterns), ..of }),
            Self::Sparse { rows, first } => Self::Sparse { rows, first: first + patterns.start },
            Self::Probes(..) => self,
        }
    }
}

/// What bounds how far an update moves each pattern.
#[derive(Debug, Clone, Copy)]
pub struct Drift<'a> {
    /// ‖z‖ of every row of Z, rounded up.
    pub lengths: &'a [f32],
    /// What L1 decay adds to each, λ₁ √D.
    pub l1: f32,
}

/// What patterns learn from, and how.
#[derive(Debug, Clone, Copy)]
pub struct LearningOperands<'a, T> {
    /// The weights of the first rows of Z, and those of the rows after them.
    pub sources: [Option<Source<'a, T>>; 2],
    /// Which patterns take part; `None` means all.
    pub keep: Option<&'a [bool]>,
    /// Z: padded.
    pub vectors: MatRef<'a, T>,
    /// What bounds how far each pattern moves, if that is wanted.
    pub drift: Option<Drift<'a>>,
    /// The factors of the update.
    pub rates: Rates<T>,
    /// Whether no factor of 0 is multiplied by a value that is not finite (see [`Outer::plain`]).
    pub plain: bool,
    /// Most patterns in a block.
    pub block: usize,
    /// Prefetch distance in patterns; 0 for no prefetch.
    pub ahead: usize,
    /// Whether both halves of the patterns are streamed at once.
    pub streams: bool,
}

impl<T: Element> LearningOperands<'_, T> {
    /// The same for some of the patterns.
    #[inline(always)]
    pub fn of(self, patterns: Range<usize>) -> Self {
        Self {
            sources: self.sources.map(|source| source.map(|source| source.of(patterns.clone()))),
            keep: self.keep.map(|keep| &keep[patterns]),
            ..self
        }
    }
}

/// The patterns that learn, and what changes with them.
pub struct LearningRows<'a, T> {
    /// M: padded when the kernel runs. `learning` first copies rows without padding to scratch.
    pub patterns: MatMut<'a, T>,
    /// The patterns' squared norms; updated with them.
    pub norms: &'a mut [T],
    /// ΔM, not padded; written if present.
    pub delta: Option<MatMut<'a, T>>,
    /// A bound of how far each pattern moves; written if present.
    pub moved: Option<&'a mut [f32]>,
}

impl<T: Element> Cut for LearningRows<'_, T> {
    #[inline(always)]
    fn cut(self, at: usize) -> (Self, Self) {
        cut_fields!(self, at, { patterns, norms, delta, moved })
    }
}

/// An update of some of the patterns, block by block: weights, then outer products. Weights that
/// are not given are stored for a block at a time only, and each pattern is read and written once.
pub struct Learn<'a, T> {
    pub given: LearningOperands<'a, T>,
    pub rows: LearningRows<'a, T>,
    /// Scratch for the weights of two blocks: rows `scores_stride` elements apart, one for each row
    /// of Z, with a column for each pattern.
    pub weights: &'a mut [T],
    /// Scratch for lists of the patterns of two blocks.
    pub list: &'a mut [u32],
}

/// The first pattern of the second of two streams. `None` if there are too few patterns for two, or
/// if the level has so few registers that one stream keeps it busy.
#[inline(always)]
fn half<T: Element>(patterns: usize, streams: usize) -> Option<usize> {
    let half = patterns / T::LANES / 2 * T::LANES;
    if half > 0 && streams > 1 { Some(half) } else { None }
}

impl<T: Element> Kernel<T> for Learn<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let patterns = self.rows.patterns.rows();
        let half = if self.given.streams { half::<T>(patterns, S::STREAMS) } else { None };
        let mut streams = match half {
            Some(half) => self.streams(half).map(Some),
            None => [Some(self), None],
        };
        // One block of each stream at a time.
        let blocks = |learn: &Self| blocks::<T>(learn.rows.patterns.rows(), learn.given.block);
        let mut blocks = streams.each_ref().map(|stream| stream.as_ref().map(blocks));
        loop {
            let mut updates = [None, None];
            for ((update, stream), blocks) in updates.iter_mut().zip(&mut streams).zip(&mut blocks)
            {
                let (Some(stream), Some(blocks)) = (stream, blocks) else { continue };
                *update = blocks.next().map(
                    #[inline(always)]
                    |block| stream.block(simd, block),
                );
            }
            if updates.iter().all(Option::is_none) {
                return;
            }
            rank1::run(simd, updates);
        }
    }
}

/// Scratch for the bounds of how far the patterns of a memory with codes move.
#[derive(Debug, Clone, Default)]
pub(crate) struct DriftScratch {
    pub lengths: Vec<f32>,
    pub moved: Vec<f32>,
}

impl DriftScratch {
    /// Measures the rows of Z, and makes room for a bound of each pattern.
    pub fn prepare<T: Element>(&mut self, vectors: MatRef<'_, T>, patterns: usize) {
        self.lengths.clear();
        self.lengths.extend(vectors.iter().map(|z| {
            let square: f64 = z.iter().map(|z| z.to_f64() * z.to_f64()).sum();
            (square.sqrt() * (1.0 + 1e-6)) as f32
        }));
        self.moved.resize(patterns, 0.0);
    }
}

impl Drift<'_> {
    /// |Δm| <= η Σ |w| ‖z‖ / B + λ ‖m‖ + λ₁ √D, and the roundings of the update, which are few
    /// units of what is added up.
    #[inline(always)]
    fn bound<T: Element>(
        self,
        weights: MatRef<'_, T>,
        squared_norms: &[T],
        rates: Rates<T>,
        moved: &mut [f32],
    ) {
        moved.fill(0.0);
        for (b, &length) in self.lengths.iter().enumerate() {
            for (moved, weight) in moved.iter_mut().zip(weights.row(b)) {
                *moved += (weight.to_f64() as f32).abs() * length;
            }
        }
        let rate = (rates.rate.to_f64() * rates.share.to_f64()).abs();
        let (decay, l1) = (rates.decay.to_f64().abs(), f64::from(self.l1));
        let changes = decay != 0.0 || l1 != 0.0;
        let roundings = (self.lengths.len() + 8) as f64 * f64::from(f32::EPSILON);
        for (moved, square) in moved.iter_mut().zip(squared_norms) {
            // What has no weight and does not decay stays as it is.
            if *moved != 0.0 || changes {
                let norm = square.to_f64().sqrt();
                let bound = rate * f64::from(*moved) + decay * norm + l1;
                *moved = ((bound + norm) * roundings + bound * (1.0 + 1e-5)) as f32;
            }
        }
    }
}

impl<'a, T: Element> Learn<'a, T> {
    /// Two streams: the updates of the patterns before and after `half`.
    #[inline(always)]
    fn streams(self, half: usize) -> [Self; 2] {
        let (given, patterns) = (self.given, self.rows.patterns.rows());
        let (weights, list) = (self.weights.len() / 2, self.list.len() / 2);
        let views = (
            ranges(self.rows, move |stream| stream * half),
            shares(self.weights, weights),
            shares(self.list, list),
        );
        let (first, second) = views.divide(0, 1);
        let learn = |patterns, (rows, weights, list)| Self {
            given: given.of(patterns),
            rows,
            weights,
            list,
        };
        [learn(0..half, first.range()), learn(half..patterns, second.range())]
    }

    /// Computes the weights of a block of patterns and returns its update, which is still to be
    /// run.
    #[inline(always)]
    fn block<S: Simd<T>>(&mut self, simd: S, block: Range<usize>) -> Outer<'_, T> {
        // A few rows of given weights are read in place. Many rows lie in as many pages, and each
        // tile of patterns reads a line of every row, all in one set of L1 if the stride is a
        // multiple of 4 KiB. With a mask the weights are copied too, as those of masked patterns
        // are set to 0.
        let given = match self.given.sources {
            [Some(Source::Weights(given)), None]
                if given.rows() <= FEW_PROBES
                    && given.stride() >= 0
                    && self.given.keep.is_none() =>
            {
                Some(given.subcols(block.clone()))
            }
            _ => None,
        };
        let cols = block.len().next_multiple_of(T::LANES);
        if given.is_none() {
            let scratch = std::mem::take(&mut self.weights);
            let (rows, stride) = (self.given.vectors.rows(), scores_stride::<T>(self.given.block));
            let mut rest = MatMut::with_stride(&mut *scratch, rows, cols, stride)
                .expect("scratch has room for these rows");
            for source in self.given.sources.iter().flatten() {
                let (mut upper, lower) = rest.split_at_row(source.rows());
                rest = lower;
                self.write_weights(simd, *source, block.clone(), &mut upper);
            }
            self.weights = scratch;
        }
        let (rows, stride) = (self.given.vectors.rows(), scores_stride::<T>(self.given.block));
        let weights = given.unwrap_or_else(|| {
            MatRef::with_stride(self.weights, rows, cols, stride)
                .expect("scratch has room for these rows")
        });
        if let (Some(drift), Some(moved)) = (self.given.drift, &mut self.rows.moved) {
            let norms = &self.rows.norms[block.clone()];
            drift.bound(weights, norms, self.given.rates, &mut moved[block.clone()]);
        }
        Outer {
            weights,
            vectors: self.given.vectors,
            patterns: self.rows.patterns.rows_mut(block.clone()),
            norms: &mut self.rows.norms[block.clone()],
            delta: self.rows.delta.as_mut().map(|delta| delta.rows_mut(block)),
            rates: self.given.rates,
            plain: self.given.plain,
            list: &mut *self.list,
            ahead: self.given.ahead,
        }
    }

    /// Computes the weights of a block of patterns for the rows of one source.
    #[inline(always)]
    fn write_weights<S: Simd<T>>(
        &self,
        simd: S,
        source: Source<'_, T>,
        block: Range<usize>,
        weights: &mut MatMut<'_, T>,
    ) {
        if let Source::Probes(SoftmaxRows { rows: probes, .. }) = source {
            for tile in evenly(probes.rows(), PROBE_TILE) {
                let patterns = self.rows.patterns.as_ref().subrows(block.clone());
                let probes = probes.subrows(tile.clone());
                for chunk in chunks::<T>(patterns.cols() / T::LANES) {
                    sums::<Products, T, S>(
                        simd,
                        probes,
                        patterns,
                        chunk,
                        &mut weights.rows_mut(tile.clone()),
                    );
                }
            }
        }
        for b in 0..weights.rows() {
            let row = &mut weights.row_mut(b)[..block.len()];
            let keep = self.given.keep.map(|keep| &keep[block.clone()]);
            match source {
                Source::Weights(given) | Source::Scores(SoftmaxRows { rows: given, .. }) => {
                    row.copy_from_slice(&given.row(b)[block.clone()]);
                }
                Source::Sparse { rows, first } => rows.write(b, first + block.start, row),
                Source::Probes(_) => {}
            }
            match source {
                Source::Weights(_) | Source::Sparse { .. } => mask(row, keep),
                Source::Scores(of) | Source::Probes(of) => {
                    memory_weights(simd, row, keep, of.params, &of.states[b]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_streams_have_whole_panels_each() {
        for (patterns, expected) in [
            (0, None),
            (31, None),
            (32, Some(16)),
            (63, Some(16)),
            (64, Some(32)),
            (999, Some(496)),
        ] {
            assert_eq!(half::<f32>(patterns, 2), expected, "{patterns}");
            assert_eq!(half::<f32>(patterns, 1), None);
        }
        assert_eq!(half::<f64>(32, 2), Some(16));
        assert_eq!(half::<f64>(16, 2), Some(8));
    }
}
