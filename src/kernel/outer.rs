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

use super::combine::{Weights, sum_rows};
use super::dots::dots;
use super::recall::{blocks, scores_stride};
use super::rows::squared_norm;
use super::separation::{Sharpness, State, memory_weights};
use super::{evenly, for_each_piece, for_group_size, groups_of};
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

/// M += rate share Pᵀ Z - decay M - l1 sign(M), for some of the patterns.
pub struct Outer<'a, T> {
    /// P: a row for each vector, a column for each pattern (and perhaps more).
    pub weights: MatRef<'a, T>,
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
    /// Scratch: one entry for each pattern.
    pub list: &'a mut [u32],
}

/// A recall whose weights the update is to use: [`Learn`] computes them again, block by block.
#[derive(Debug)]
pub struct Association<'a, T> {
    /// Padded probes.
    pub probes: MatRef<'a, T>,
    /// Their softmax, as recall has found it.
    pub states: &'a [State<T>],
    /// β
    pub sharpness: Sharpness<T>,
}

/// An update whose weights are never all there: for each block of patterns, similarities, memory
/// weights, outer products. The patterns are read and written once.
pub struct Learn<'a, T> {
    /// What the weights are computed from: the first rows of Z belong to the first association's
    /// probes, and so on.
    pub associations: [Option<Association<'a, T>>; 2],
    /// Which patterns take part; all without.
    pub keep: Option<&'a [bool]>,
    /// Z: padded.
    pub vectors: MatRef<'a, T>,
    /// M: padded.
    pub patterns: MatMut<'a, T>,
    /// The patterns' squared norms, kept true.
    pub norms: &'a mut [T],
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
        for block in blocks::<T>(self.patterns.rows(), self.block) {
            let count = block.len();
            let padded = count.next_multiple_of(T::LANES);
            let mut weights = MatMut::with_stride(self.weights, rows, padded, stride)
                .expect("scratch is made to measure");
            let mut rest = weights.reborrow();
            for association in self.associations.iter().flatten() {
                let Association { probes, states, sharpness } = *association;
                let (mut scores, later) = rest.split_at_row(probes.rows());
                rest = later;
                for group in evenly(probes.rows(), S::TILE.probes) {
                    let patterns = self.patterns.as_ref().subrows(block.clone());
                    let mut scores = scores.rows_mut(group.clone());
                    dots(simd, probes.subrows(group.clone()), patterns, &mut scores);
                    for (b, state) in states[group].iter().enumerate() {
                        let row = &mut scores.row_mut(b)[..count];
                        let keep = self.keep.map(|keep| &keep[block.clone()]);
                        memory_weights(simd, row, keep, sharpness, state);
                    }
                }
            }
            Outer {
                weights: weights.as_ref(),
                vectors: self.vectors,
                patterns: self.patterns.rows_mut(block.clone()),
                norms: &mut self.norms[block],
                delta: None,
                step: self.step,
                list: &mut *self.list,
            }
            .run(simd);
        }
    }
}

impl<T: Element> Kernel<T> for Outer<'_, T> {
    type Output = ();

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
        for group in list[..listed].chunks(S::TILE.probes) {
            // SAFETY: shapes are checked above, and the list names patterns.
            for_group_size!(group.len(), |P| unsafe {
                for_each_piece!(groups, |at, G| {
                    self.piece::<S, P, G>(simd, group, at * T::LANES);
                });
                self.norms::<S>(simd, group);
            });
        }
    }
}

impl<T: Element> Outer<'_, T> {
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
            let acc = sum_rows(simd, acc, weights, from, self.vectors.rows());
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
