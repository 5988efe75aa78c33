//! Plasticity: a batch of rank-1 updates of the patterns, decay in the same pass.
//!
//! ```text
//! for each group of P patterns:
//!     for each piece of G lane groups of d:
//!         acc[i][g] = Σ_b weights[b][i] Z[b, g]                # sum_rows, for all b
//!         ΔM[i, g] = share acc[i][g]                           # kept when asked for
//!         M[i, g] = M + η ΔM - λ M - λ₁ sign(M)                # one read, one write
//!     norm[i] = Σ_d M[i, d]²                                   # from L1
//! ```
//!
//! With λ = λ₁ = 0, a pattern that no probe weighs is neither read nor written.

use std::ops::Range;

use super::combine::{Ahead, Weights, sum_rows};
use super::dots::dots;
use super::recall::{blocks, scores_stride};
use super::rows::squared_norm;
use super::separation::{Sharpness, State, memory_weights};
use super::{GROUP, evenly, for_each_piece, for_group_size, groups_of, summed_rows};
use crate::simd::{Kernel, Simd};
use crate::{Element, MatMut, MatRef};

/// The factors of an update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<T> {
    /// ΔM is this times the sum of outer products: 1 / B.
    pub share: T,
    /// η
    pub rate: T,
    /// λ
    pub decay: T,
    /// λ₁
    pub l1: T,
}

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
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            let cols = block.len().next_multiple_of(T::LANES);
            let mut weights = MatMut::with_stride(scratch, rows, cols, stride)
                .expect("scratch is made to measure");
            let mut rest = weights.reborrow();
            for source in self.sources.iter().flatten() {
                let (mut upper, lower) = rest.split_at_row(source.rows());
                rest = lower;
                self.weigh(simd, *source, block.clone(), &mut upper);
            }
            Outer {
                weights: weights.as_ref(),
                vectors: self.vectors,
                patterns: self.patterns.rows_mut(block.clone()),
                norms: &mut self.norms[block.clone()],
                delta: self.delta.as_mut().map(|delta| delta.rows_mut(block)),
                step: self.step,
                list: &mut *self.list,
            }
            .run(simd);
        }
    }
}

impl<T: Element> Learn<'_, T> {
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
                dots(simd, probes.subrows(group.clone()), patterns, &mut weights.rows_mut(group));
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

/// M += rate share Pᵀ Z - decay M - l1 sign(M), for a block of patterns.
struct Outer<'a, T> {
    /// P: a row for each vector, a column for each pattern (and perhaps more).
    weights: MatRef<'a, T>,
    vectors: MatRef<'a, T>,
    patterns: MatMut<'a, T>,
    norms: &'a mut [T],
    delta: Option<MatMut<'a, T>>,
    step: Step<T>,
    list: &'a mut [u32],
}

impl<T: Element> Outer<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let groups = groups_of(&self.vectors);
        let count = self.patterns.rows();
        assert_eq!(groups, groups_of(&self.patterns.as_ref()));
        assert_eq!(self.weights.rows(), self.vectors.rows());
        assert!(self.weights.cols() >= count);
        assert_eq!(self.norms.len(), count);
        assert!(self.list.len() >= count);
        if let Some(delta) = &self.delta {
            assert_eq!(delta.rows(), count);
            assert!(delta.cols() <= self.patterns.shape().1);
        }
        let decays = self.step.decay != T::ZERO || self.step.l1 != T::ZERO;
        let all = decays || self.delta.is_some();
        let listed = if all { fill(self.list, count) } else { self.weighed(count) };
        let list = std::mem::take(&mut self.list);
        for group in list[..listed].chunks(summed_rows(S::REGISTERS)) {
            // SAFETY: shapes are checked above, and the list names patterns.
            for_group_size!(group.len(), summed_rows(S::REGISTERS), |P| unsafe {
                for_each_piece!(groups, P, |at, G| {
                    self.piece::<S, P, G>(simd, group, at * T::LANES);
                });
                self.norms::<S>(simd, group);
            });
        }
    }

    /// Lists the patterns that some vector weighs.
    #[inline(always)]
    fn weighed(&mut self, count: usize) -> usize {
        let mut listed = 0;
        for n in 0..count {
            self.list[listed] = n as u32;
            let weighed = self.weights.iter().any(|row| row[n] != T::ZERO);
            listed += usize::from(weighed);
        }
        listed
    }

    /// Updates `G` lane groups from `d` on of `P` patterns.
    ///
    /// # Safety
    /// `group` names `P` patterns, `d` begins `G` lane groups, and the shapes are those that `run`
    /// checks.
    #[inline(always)]
    unsafe fn piece<S: Simd<T>, const P: usize, const G: usize>(
        &mut self,
        simd: S,
        group: &[u32],
        d: usize,
    ) {
        let stride = self.patterns.stride();
        let rows: [usize; P] = std::array::from_fn(|i| group[i] as usize);
        let patterns = self.patterns.as_mut_ptr();
        let Step { share, rate, decay, l1 } = self.step;
        let decays = decay != T::ZERO || l1 != T::ZERO;
        // SAFETY: all of it lies in rows that the caller promises.
        unsafe {
            let acc = [[simd.splat(T::ZERO); G]; P];
            let from = (self.vectors.as_ptr().add(d), self.vectors.stride());
            let weights = Weights {
                at: rows.map(|n| self.weights.as_ptr().add(n)),
                along: self.weights.stride(),
            };
            let acc = sum_rows(simd, acc, weights, from, self.vectors.rows(), Ahead::NONE);
            for (acc, n) in acc.iter().zip(rows) {
                for (g, &acc) in acc.iter().enumerate() {
                    let d = d + g * T::LANES;
                    let delta = simd.mul(acc, simd.splat(share));
                    if let Some(to) = &mut self.delta {
                        let lanes = to.cols().saturating_sub(d);
                        let at = to.as_mut_ptr().wrapping_add(n * to.stride() + d);
                        match lanes >= T::LANES {
                            true => simd.store(at, delta),
                            false => simd.store_first(at, delta, lanes),
                        }
                    }
                    let at = patterns.add(n * stride + d);
                    let m = simd.load(at);
                    let mut learned = simd.mul_add(simd.splat(rate), delta, m);
                    if decays {
                        learned = simd.sub(learned, simd.mul(simd.splat(decay), m));
                        learned = simd.sub(learned, sign(simd, m, l1));
                    }
                    simd.store(at, learned);
                }
            }
        }
    }

    /// The squared norms of some patterns, which have just been written and are still in L1.
    #[inline(always)]
    fn norms<S: Simd<T>>(&mut self, simd: S, group: &[u32]) {
        for n in group.iter().map(|&n| n as usize) {
            self.norms[n] = squared_norm(simd, self.patterns.row_mut(n));
        }
    }
}

/// factor sign(m) for every lane, 0 at 0.
#[inline(always)]
fn sign<T: Element, S: Simd<T>>(simd: S, m: S::Group, factor: T) -> S::Group {
    let zero = simd.splat(T::ZERO);
    let positive = simd.select(simd.lt(zero, m), simd.splat(factor), zero);
    simd.select(simd.lt(m, zero), simd.splat(-factor), positive)
}

/// Lists all of the patterns.
fn fill(list: &mut [u32], count: usize) -> usize {
    list[..count].iter_mut().zip(0..).for_each(|(entry, n)| *entry = n);
    count
}
