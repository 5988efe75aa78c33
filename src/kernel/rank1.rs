//! Learning: a batch of rank-1 updates of the patterns, with decay in the same pass.
//!
//! ```text
//! for each column strip of G vectors of d:
//!     for each register tile of P patterns:
//!         acc[i][g] = Σ_b weights[b][i] Z[b, g]                # sum_rows, over all b
//!         ΔM[i, g] = share acc[i][g]                           # written if asked for
//!         M[i, g] = M + η ΔM - λ M - λ₁ sign(M)                # one read, one write
//! norm[i] = |M[i]|²
//! ```
//!
//! 1. With λ = λ₁ = 0, a pattern whose weight is 0 for every probe is neither read nor written.
//! 2. A weight, rate or decay of exactly 0 contributes nothing, whatever it is multiplied by. In a
//!    tile of patterns, 0 times an infinity would be NaN. So where Z is not finite, patterns are
//!    updated one by one, each from the rows of Z for which its weight is not 0.
//! 3. An element that decays below the normal range becomes 0. Only decay produces subnormal
//!    patterns, and they would make every later recall slower, by up to a hundred times.
//! 4. A column strip of Z stays in L1 for all patterns of a block but the first. Whole rows of a
//!    batch of Z would be read from L2 for every tile of patterns.
//! 5. With few probes, an update is bound by reading and writing M. Patterns are then updated one
//!    by one, each from its first element to its last: hardware prefetches this order best, and the
//!    norm is computed from the registers that are stored. Where the patterns come from memory, two
//!    that are far apart are updated at a time.

use crate::kernel::axpy::{Ahead, SummedRows, Weights, sum_rows};
use crate::kernel::norms::{is_large, is_small, squared_norm, squared_norm_of_small};
use crate::matrix::{MatMut, MatRef};
use crate::separation::active::{list_len, weighted};
use crate::simd::reduce::sum;
use crate::simd::tail::vectors_of;
use crate::simd::tile::{for_each_strip, for_tile_size, summed_rows};
use crate::simd::{Element, Simd};

/// The largest number of probes for which patterns are updated one by one.
pub(crate) const FEW_PROBES: usize = 4;

/// The rates of a batch of outer products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates<T> {
    /// 1 / B: ΔM is the sum of outer products times this.
    pub share: T,
    /// η
    pub rate: T,
    /// λ
    pub decay: T,
    /// λ₁
    pub l1: T,
}

/// The kind of decay of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decay {
    None,
    /// Only λ.
    Proportional,
    /// λ (which may be 0) and λ₁.
    Both,
}

/// Runs `$work` with `$decay` as a constant, in a separate function for each kind of decay.
macro_rules! for_each_decay {
    ($simd:ident, $found:expr, |$decay:ident| $work:expr) => {
        match $found {
            Decay::None => {
                let $decay = Decay::None;
                $work
            }
            Decay::Proportional => $simd.vectorize(
                #[inline(always)]
                move || {
                    let $decay = Decay::Proportional;
                    $work
                },
            ),
            Decay::Both => $simd.vectorize(
                #[inline(always)]
                move || {
                    let $decay = Decay::Both;
                    $work
                },
            ),
        }
    };
}

/// M += rate share Pᵀ Z - decay M - l1 sign(M), for a block of patterns.
pub(crate) struct Outer<'a, T> {
    /// P: one row per row of Z; at least one column per pattern.
    pub weights: MatRef<'a, T>,
    /// Z, padded.
    pub vectors: MatRef<'a, T>,
    /// M, padded.
    pub patterns: MatMut<'a, T>,
    /// The patterns' squared norms, updated with the patterns.
    pub norms: &'a mut [T],
    /// ΔM (not padded), if asked for.
    pub delta: Option<MatMut<'a, T>>,
    /// The factors.
    pub rates: Rates<T>,
    /// Whether no factor of 0 is multiplied by a number that is not finite: the rate is not 0, Z is
    /// finite, and M is finite if λ = 0 and λ₁ ≠ 0.
    pub plain: bool,
    /// Scratch for the list of patterns that change: [`list_len`] entries.
    pub list: &'a mut [u32],
    /// Prefetch distance in patterns, from the one that is updated to the one that is prefetched; 0
    /// for no prefetch.
    pub ahead: usize,
}

impl<'a, T: Element> Outer<'a, T> {
    /// Checks the shapes and lists the patterns that change: all of them if there is decay or ΔM is
    /// asked for, otherwise those with a weight.
    #[inline(always)]
    fn enlist<S: Simd<T>>(&mut self, simd: S) -> &'a [u32] {
        let count = self.patterns.rows();
        assert_eq!(vectors_of(&self.vectors), vectors_of(&self.patterns.as_ref()));
        assert_eq!(self.weights.rows(), self.vectors.rows());
        assert!(self.weights.cols() >= count);
        assert_eq!(self.norms.len(), count);
        assert!(self.list.len() >= list_len(count));
        if let Some(delta) = &self.delta {
            assert_eq!(delta.rows(), count);
            assert!(delta.cols() <= self.patterns.shape().1);
        }
        let list = std::mem::take(&mut self.list);
        let listed = match self.decay() != Decay::None || self.delta.is_some() {
            true => fill(list, count),
            false => weighted(simd, self.weights, count, list),
        };
        &list[..listed]
    }

    /// The kind of decay that the factors ask for.
    #[inline(always)]
    fn decay(&self) -> Decay {
        match (self.rates.decay != T::ZERO, self.rates.l1 != T::ZERO) {
            (false, false) => Decay::None,
            (true, false) => Decay::Proportional,
            (_, true) => Decay::Both,
        }
    }

    /// Updates the patterns that `enlist` has listed, one by one. With `SKIPS`, factors of 0 are
    /// skipped. `decay` is an argument so that the loop has no branch for it where the caller
    /// passes a constant.
    #[inline(always)]
    fn one_by_one<S: Simd<T>, const SKIPS: bool>(&mut self, simd: S, list: &[u32], decay: Decay) {
        const P: usize = 1;
        let width = vectors_of(&self.vectors);
        for one in list.chunks(P) {
            let n = one[0] as usize;
            if is_small(self.norms[n]) {
                // SAFETY: `enlist` has asserted the shapes and listed rows of `patterns` only.
                unsafe { self.small::<S, SKIPS>(simd, one) };
                continue;
            }
            let mut squares = simd.splat(T::ZERO);
            // SAFETY: `enlist` has asserted the shapes and listed rows of `patterns` only;
            // `at + G <= width` in `for_each_strip`.
            for_each_strip!(width, P, |at, G| unsafe {
                self.tile::<S, P, G, SKIPS>(simd, one, at * T::LANES, decay, Some(&mut squares));
            });
            self.set_norm(simd, n, sum(simd, squares));
        }
    }

    /// Updates one pattern that is probably small. Its norm is computed afterwards from the stored
    /// row, because it may have to leave out squares below the normal range.
    ///
    /// # Safety
    /// - `one` has one entry, which is below `self.patterns.rows()`.
    /// - The shapes are those that `enlist` asserts.
    #[inline(always)]
    unsafe fn small<S: Simd<T>, const SKIPS: bool>(&mut self, simd: S, one: &[u32]) {
        simd.vectorize(
            #[inline(always)]
            move || {
                const P: usize = 1;
                let (width, decay) = (vectors_of(&self.vectors), self.decay());
                // SAFETY: `one` is a row of `patterns` and the shapes are those of `enlist`, by the
                // preconditions of `small`; `at + G <= width` in `for_each_strip`.
                for_each_strip!(width, P, |at, G| unsafe {
                    self.tile::<S, P, G, SKIPS>(simd, one, at * T::LANES, decay, None);
                });
                self.find_norm(simd, one[0] as usize);
            },
        );
    }

    /// Updates the listed patterns by column strips of d, and within a strip by register tiles.
    #[inline(always)]
    fn strip_by_strip<S: Simd<T>>(&mut self, simd: S, list: &[u32]) {
        let (width, decay) = (vectors_of(&self.vectors), self.decay());
        let most = summed_rows(S::REGISTERS);
        let (whole, rest) = list.split_at(list.len() / most * most);
        for_each_strip!(width, most, |at, G| {
            for (list, size) in [(whole, most), (rest, rest.len())] {
                if list.is_empty() {
                    continue;
                }
                let this = &mut *self;
                // SAFETY: `enlist` has asserted the shapes and listed rows of `patterns` only; a
                // tile has `P` of them, and `at + G <= width` in `for_each_strip`.
                for_tile_size!(simd, size, summed_rows(S::REGISTERS), |P| unsafe {
                    for tile in list.chunks_exact(P) {
                        this.tile::<S, P, G, false>(simd, tile, at * T::LANES, decay, None);
                    }
                });
            }
        });
        simd.vectorize(
            #[inline(always)]
            move || {
                for &n in list {
                    self.find_norm(simd, n as usize);
                }
            },
        );
    }

    /// Sets the norm of pattern `n` from the sum of its squares, and sums again if that may be
    /// small.
    #[inline(always)]
    fn set_norm<S: Simd<T>>(&mut self, simd: S, n: usize, squares: T) {
        self.norms[n] = squares;
        if !is_large(squares) {
            simd.vectorize(
                #[inline(always)]
                move || self.norms[n] = squared_norm(simd, self.patterns.row_mut(n)),
            );
        }
    }

    /// Computes the norm of pattern `n`. The old norm only decides which of the two sums is tried
    /// first.
    #[inline(always)]
    fn find_norm<S: Simd<T>>(&mut self, simd: S, n: usize) {
        let row = self.patterns.row_mut(n);
        self.norms[n] = match is_small(self.norms[n]) {
            true => squared_norm_of_small(simd, row),
            false => squared_norm(simd, row),
        };
    }

    /// Updates one register tile: `P` patterns by `G` vectors from column `d` on.
    ///
    /// # Safety
    /// - The first `P` entries of `tile` are below `self.patterns.rows()`.
    /// - `d + G * LANES <= self.patterns.cols()`.
    /// - The shapes are those that `enlist` asserts.
    #[inline(always)]
    unsafe fn tile<S: Simd<T>, const P: usize, const G: usize, const SKIPS: bool>(
        &mut self,
        simd: S,
        tile: &[u32],
        d: usize,
        decays: Decay,
        mut squares: Option<&mut S::Vec>,
    ) {
        let stride = self.patterns.stride();
        let rows: [usize; P] = std::array::from_fn(|i| tile[i] as usize);
        let patterns = self.patterns.as_mut_ptr();
        let Rates { share, rate, decay, l1 } = self.rates;
        // SAFETY: by the preconditions of `tile`,
        // - every `n` is a row of M, a column of the weights and, if there is ΔM, a row of it;
        // - M and Z have the columns `d..d + G * LANES`, and the weights a row for each row of Z;
        // - what is stored to ΔM ends at its last column, by `lanes`.
        unsafe {
            if P > 1 && self.ahead > 0 {
                // Z is in the caches, so memory is idle while the sums are formed.
                for at in rows.map(|n| patterns.wrapping_add((n + self.ahead) * stride + d)) {
                    for g in 0..G {
                        simd.prefetch(at.wrapping_add(g * T::LANES));
                    }
                }
            }
            let acc = [[simd.splat(T::ZERO); G]; P];
            let from = SummedRows {
                at: self.vectors.as_ptr().add(d),
                stride: self.vectors.forward_stride(),
                rows: self.vectors.rows(),
                ahead: Ahead::NONE,
            };
            let weights = Weights {
                at: rows.map(|n| self.weights.as_ptr().add(n)),
                along: self.weights.forward_stride(),
            };
            let acc = sum_rows::<_, _, _, P, G, SKIPS>(simd, acc, weights, from);
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
                    let mut learned = match SKIPS && rate == T::ZERO {
                        true => m,
                        false => simd.mul_add(simd.splat(rate), delta, m),
                    };
                    if let Decay::Proportional | Decay::Both = decays {
                        if !SKIPS || decay != T::ZERO {
                            learned = simd.sub(learned, simd.mul(simd.splat(decay), m));
                        }
                        if let Decay::Both = decays {
                            learned = simd.sub(learned, sign(simd, m, l1));
                        }
                        learned = simd.flush(learned);
                    }
                    simd.store(at, learned);
                    // The order of summation of `squared_norm`: the bits are the same.
                    if let Some(squares) = &mut squares {
                        **squares = simd.mul_add(learned, learned, **squares);
                    }
                }
            }
        }
    }
}

/// Applies one update, or two at once: a pattern of each, alternating by column strips. (If they
/// alternated by whole patterns, one pattern would fill the out-of-order window.)
#[inline(always)]
pub(crate) fn run<T: Element, S: Simd<T>>(simd: S, mut updates: [Option<Outer<'_, T>>; 2]) {
    let mut lists: [&[u32]; 2] = [&[]; 2];
    for (update, list) in updates.iter_mut().zip(&mut lists) {
        if let Some(update) = update {
            *list = update.enlist(simd);
        }
    }
    if let [Some(a), Some(b)] = &mut updates
        && a.plain
    {
        let both = lists[0].len().min(lists[1].len());
        let pairs = lists[0].chunks(1).zip(lists[1].chunks(1));
        for_each_decay!(simd, a.decay(), |decay| {
            for (of_a, of_b) in pairs {
                // SAFETY: `enlist` has asserted the shapes of both and listed rows of their
                // patterns only; `chunks(1)` gives one of each. `Learn` splits one update by rows,
                // so both have the same number of columns.
                unsafe {
                    let a = NextPattern { update: &mut *a, list: of_a };
                    let b = NextPattern { update: &mut *b, list: of_b };
                    side_by_side(simd, a, b, decay);
                };
            }
        });
        lists = lists.map(|list| &list[both..]);
    }
    for (update, list) in updates.iter_mut().zip(lists) {
        let Some(update) = update else { continue };
        match (update.plain, update.vectors.rows() <= FEW_PROBES) {
            // A separate function, as for small patterns, so that the rare case takes no registers
            // from the tiles of the usual one.
            (false, _) => simd.vectorize(
                #[inline(always)]
                move || update.one_by_one::<S, true>(simd, list, update.decay()),
            ),
            (true, true) => for_each_decay!(simd, update.decay(), |decay| {
                update.one_by_one::<S, false>(simd, list, decay);
            }),
            (true, false) => update.strip_by_strip(simd, list),
        }
    }
}

/// An update, and the patterns of it that are next.
struct NextPattern<'u, 'a, T> {
    update: &'u mut Outer<'a, T>,
    list: &'u [u32],
}

/// Updates one pattern of `a` and one of `b`, alternating by column strips.
///
/// # Safety
/// - Either list has one entry, from the list that `enlist` returned for that update.
/// - `a` and `b` have the same number of columns.
#[inline(always)]
unsafe fn side_by_side<T: Element, S: Simd<T>>(
    simd: S,
    NextPattern { update: a, list: of_a }: NextPattern<'_, '_, T>,
    NextPattern { update: b, list: of_b }: NextPattern<'_, '_, T>,
    decay: Decay,
) {
    const P: usize = 1;
    let (n_a, n_b) = (of_a[0] as usize, of_b[0] as usize);
    if is_small(a.norms[n_a]) || is_small(b.norms[n_b]) {
        // SAFETY: `enlist` has asserted the shapes and listed both patterns, by the precondition of
        // `side_by_side`.
        unsafe {
            a.small::<S, false>(simd, of_a);
            b.small::<S, false>(simd, of_b);
        }
        return;
    }
    let (mut squares_a, mut squares_b) = (simd.splat(T::ZERO), simd.splat(T::ZERO));
    // The patterns of both updates are as long as the rows of Z.
    let width = vectors_of(&a.vectors);
    assert_eq!(width, vectors_of(&b.vectors));
    // SAFETY:
    // - `enlist` has asserted the shapes and listed both patterns, by the precondition of
    //   `side_by_side`;
    // - `at + G <= width` in `for_each_strip`, and `width` is that of both, by the same.
    for_each_strip!(width, P, |at, G| unsafe {
        a.tile::<S, P, G, false>(simd, of_a, at * T::LANES, decay, Some(&mut squares_a));
        b.tile::<S, P, G, false>(simd, of_b, at * T::LANES, decay, Some(&mut squares_b));
    });
    a.set_norm(simd, n_a, sum(simd, squares_a));
    b.set_norm(simd, n_b, sum(simd, squares_b));
}

/// factor sign(m) in every lane, with sign(0) = 0.
#[inline(always)]
fn sign<T: Element, S: Simd<T>>(simd: S, m: S::Vec, factor: T) -> S::Vec {
    let zero = simd.splat(T::ZERO);
    let positive = simd.select(simd.lt(zero, m), simd.splat(factor), zero);
    simd.select(simd.lt(m, zero), simd.splat(-factor), positive)
}

/// Lists all patterns.
fn fill(list: &mut [u32], count: usize) -> usize {
    list[..count].iter_mut().zip(0..).for_each(|(entry, n)| *entry = n);
    count
}
