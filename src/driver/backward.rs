//! Gradients of the softmax recall of dot products, from some patterns.
//!
//! ```text
//! for each block of patterns:
//!     S  = X Mᵀ, and weights P of it                 # again: B x N is never stored
//!     dP = G Vᵀ
//!     dT = P (dP - shift)                            # shift = g · x̂ - dL/dlse, for each probe
//!     dX += β dT M;  dM += β dTᵀ X;  dV += Pᵀ G      # the block is still in L2
//! ```
//!
//! This is the order of flash-attention's backward pass (Dao et al. 2022, algorithm 4) with blocks
//! of patterns outside: rows of dM and dV are finished when their block is, and dX is summed over
//! the blocks of a split, and over the splits in order.

use std::ops::Range;

use crate::driver::blocking::{blocks, scores_stride};
use crate::kernel::axpy::{Ahead, Combine, combine};
use crate::kernel::rank1;
use crate::kernel::rank1::{Outer, Rates};
use crate::kernel::score::{chunks, sums};
use crate::kernel::softmax::memory_weights;
use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::memory::rows::Rows;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::tail::vectors_of;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Kernel, Simd};
use crate::similarity::accumulate::Products;
use crate::similarity::scoring::{Scoring, masked};

/// Gradients from one split of the patterns.
pub struct Backward<'a, T> {
    /// X and G, padded.
    pub probes: MatRef<'a, T>,
    pub upstream: MatRef<'a, T>,
    /// M and V; V is M where there are no values.
    pub patterns: Rows<'a, T>,
    pub values: Option<Rows<'a, T>>,
    /// From sums over d to scores; `None` if they are the same.
    pub scoring: Option<Scoring<'a, T>>,
    /// Which patterns take part; `None` means all.
    pub keep: Option<&'a [bool]>,
    pub params: SoftmaxParams<T>,
    /// The state of each probe's softmax, and what is subtracted from its dP.
    pub states: &'a [State<T>],
    pub shifts: &'a [T],
    pub beta: T,
    /// Most patterns in a block.
    pub block: usize,
    /// The part of dX from these patterns: padded rows; overwritten.
    pub d_probes: MatMut<'a, T>,
    /// dM and dV, to which the gradients are added, where they are wanted. Without values both
    /// parts are added to dM.
    pub d_patterns: Option<MatMut<'a, T>>,
    pub d_values: Option<MatMut<'a, T>>,
    /// dT of these patterns, added to where it is wanted.
    pub d_biases: Option<MatMut<'a, T>>,
    /// Σ_b dT, added to where it is wanted.
    pub d_bias: Option<&'a mut [T]>,
    /// Σ dT s of each probe; overwritten.
    pub d_betas: &'a mut [T],
    pub scratch: BackwardScratch<'a, T>,
}

/// Scratch of one task.
pub struct BackwardScratch<'a, T> {
    /// Scores, weights and slopes: for each, a row for each probe, `scores_stride` elements apart.
    pub scores: &'a mut [T],
    pub weights: &'a mut [T],
    pub slopes: &'a mut [T],
    /// A block of padded gradients of patterns or of values, and its norms.
    pub rows: &'a mut [T],
    pub norms: &'a mut [T],
    pub list: &'a mut [u32],
    /// Room for the rows of a block that are unpacked: those of patterns, then those of values.
    pub unpacked: &'a mut [T],
}

impl<T: Element> Kernel<T> for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        self.d_betas.fill(T::ZERO);
        for b in 0..self.d_probes.rows() {
            self.d_probes.row_mut(b).fill(T::ZERO);
        }
        let unpacked = std::mem::take(&mut self.scratch.unpacked);
        let most = self.block.min(self.patterns.rows());
        let (of_patterns, of_values) = unpacked.split_at_mut(self.patterns.scratch(most));
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            let patterns = self.patterns.subrows(block.clone()).all(simd, of_patterns);
            let values = self.values.map(|values| values.subrows(block.clone()));
            let values = values.map_or(patterns, |values| values.all(simd, of_values));
            self.weights_and_slopes(simd, block.clone(), patterns, values);
            self.add_probes(simd, block.clone(), patterns);
            self.add_rows(simd, block);
        }
    }
}

/// A view of the rows of scratch for a block.
macro_rules! rows {
    ($scratch:expr, $block:expr, $rows:expr, $most:expr) => {
        MatMut::with_stride(
            $scratch,
            $rows,
            $block.len().next_multiple_of(T::LANES),
            scores_stride::<T>($most),
        )
        .expect("scratch has room for these rows")
    };
}

impl<T: Element> Backward<'_, T> {
    /// Computes the weights of a block and its slopes, which are β dT.
    #[inline(always)]
    fn weights_and_slopes<S: Simd<T>>(
        &mut self,
        simd: S,
        block: Range<usize>,
        patterns: MatRef<'_, T>,
        values: MatRef<'_, T>,
    ) {
        let (batch, count) = (self.probes.rows(), block.len());
        let mut scores = rows!(&mut *self.scratch.scores, block, batch, self.block);
        let mut weights = rows!(&mut *self.scratch.weights, block, batch, self.block);
        let mut slopes = rows!(&mut *self.scratch.slopes, block, batch, self.block);
        products(simd, self.probes, patterns, &mut scores);
        products(simd, self.upstream, values, &mut slopes);
        let scoring = self.scoring.map(|scoring| scoring.at(block.clone()));
        let keep = self.keep.map(|keep| &keep[block.clone()]);
        for b in 0..batch {
            let (scores, weights) =
                (&mut scores.row_mut(b)[..count], &mut weights.row_mut(b)[..count]);
            let slopes = &mut slopes.row_mut(b)[..count];
            weights.copy_from_slice(scores);
            if let Some(scoring) = &scoring {
                scoring.scores(weights, b, 0);
            }
            for (s, score) in scores.iter_mut().zip(&*weights) {
                // What is masked has no influence, whatever it holds.
                *s = if *score == masked() { T::ZERO } else { *s };
            }
            memory_weights(simd, weights, keep, self.params, &self.states[b]);
            let shift = self.shifts[b];
            // One chain for all blocks, so that no bit depends on where they are cut.
            let mut of_beta = self.d_betas[b];
            for ((slope, &p), &s) in slopes.iter_mut().zip(&*weights).zip(&*scores) {
                let dt = p * (*slope - shift);
                of_beta += dt * s;
                *slope = dt;
            }
            self.d_betas[b] = of_beta;
            if let Some(biases) = &mut self.d_biases {
                let row = &mut biases.row_mut(b)[block.clone()];
                row.iter_mut().zip(&*slopes).for_each(|(to, dt)| *to += *dt);
            }
            if let Some(bias) = &mut self.d_bias {
                bias[block.clone()].iter_mut().zip(&*slopes).for_each(|(to, dt)| *to += *dt);
            }
            slopes.iter_mut().for_each(|dt| *dt = *dt * self.beta);
        }
    }

    /// dX += β dT M
    #[inline(always)]
    fn add_probes<S: Simd<T>>(&mut self, simd: S, block: Range<usize>, patterns: MatRef<'_, T>) {
        let batch = self.probes.rows();
        let slopes = rows!(&mut *self.scratch.slopes, block, batch, self.block);
        let ones = [T::ONE; PROBE_TILE];
        for chunk in chunks::<T>(vectors_of(&patterns)) {
            for tile in evenly(batch, PROBE_TILE) {
                let of = Combine {
                    weights: slopes.as_ref().subrows(tile.clone()),
                    patterns,
                    rows: block.len(),
                    ahead: Ahead::NONE,
                    rescale: &ones[..tile.len()],
                };
                // SAFETY: the rows are `0..block.len()`, and `run` has taken just these rows of the
                // patterns, by `subrows`.
                unsafe { combine(simd, of, chunk.clone(), &mut self.d_probes.rows_mut(tile)) };
            }
        }
    }

    /// dM += β dTᵀ X and dV += Pᵀ G, for the rows of a block.
    #[inline(always)]
    fn add_rows<S: Simd<T>>(&mut self, simd: S, block: Range<usize>) {
        let (probes, upstream) = (self.probes, self.upstream);
        let BackwardScratch { weights, slopes, rows, norms, list, .. } = &mut self.scratch;
        let mut scratch = RowScratch { rows, norms, list };
        let batch = probes.rows();
        let weights = rows!(&mut **weights, block, batch, self.block);
        let slopes = rows!(&mut **slopes, block, batch, self.block);
        let own_values = self.values.is_none();
        let of_values = Product { weights: weights.as_ref(), vectors: upstream };
        let of_scores = Product { weights: slopes.as_ref(), vectors: probes };
        if let Some(to) = &mut self.d_patterns {
            let both = [of_scores, of_values];
            let products = if own_values { &both[..] } else { &both[..1] };
            scratch.add_outer(simd, products, block.clone(), to);
        }
        if let Some(to) = &mut self.d_values {
            scratch.add_outer(simd, &[of_values], block, to);
        }
    }
}

/// Dot products of some probes with a block of patterns.
#[inline(always)]
fn products<T: Element, S: Simd<T>>(
    simd: S,
    probes: MatRef<'_, T>,
    patterns: MatRef<'_, T>,
    to: &mut MatMut<'_, T>,
) {
    for chunk in chunks::<T>(vectors_of(&patterns)) {
        for tile in evenly(probes.rows(), PROBE_TILE) {
            let (probes, chunk) = (probes.subrows(tile.clone()), chunk.clone());
            sums::<Products, T, S>(simd, probes, patterns, chunk, &mut to.rows_mut(tile));
        }
    }
}

/// weightsᵀ vectors, with a row for each probe in both.
#[derive(Clone, Copy)]
struct Product<'a, T> {
    weights: MatRef<'a, T>,
    vectors: MatRef<'a, T>,
}

/// Scratch of the outer products of a block.
struct RowScratch<'a, T> {
    /// Padded rows, their norms and a list of them.
    rows: &'a mut [T],
    norms: &'a mut [T],
    list: &'a mut [u32],
}

impl<T: Element> RowScratch<'_, T> {
    /// Adds the sum of one or two products to the rows of a block.
    #[inline(always)]
    fn add_outer<S: Simd<T>>(
        &mut self,
        simd: S,
        products: &[Product<'_, T>],
        block: Range<usize>,
        to: &mut MatMut<'_, T>,
    ) {
        let cols = products[0].vectors.cols();
        let padded = &mut self.rows[..block.len() * cols];
        padded.fill(T::ZERO);
        for &Product { weights, vectors } in products {
            let outer = Outer {
                weights,
                vectors,
                patterns: MatMut::new(padded, block.len(), cols)
                    .expect("scratch has room for these rows"),
                norms: &mut self.norms[..block.len()],
                delta: None,
                rates: Rates { share: T::ONE, rate: T::ONE, decay: T::ZERO, l1: T::ZERO },
                plain: true,
                list: &mut *self.list,
                ahead: 0,
            };
            rank1::run(simd, [Some(outer), None]);
        }
        for (n, padded) in block.zip(padded.chunks_exact(cols)) {
            let row = to.row_mut(n);
            row.iter_mut().zip(padded).for_each(|(to, g)| *to += *g);
        }
    }
}
