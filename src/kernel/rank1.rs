//! Plasticity: a batch of rank-1 updates of the patterns, decay in the same pass.
//!
//! ```text
//! for each piece of G vectors of d:
//!     for each tile of P patterns:
//!         acc[i][g] = Σ_b weights[b][i] Z[b, g]                # sum_rows, for all b
//!         ΔM[i, g] = share acc[i][g]                           # kept when asked for
//!         M[i, g] = M + η ΔM - λ M - λ₁ sign(M)                # one read, one write
//! norm[i] = |M[i]|²
//! ```
//!
//! 1. With λ = λ₁ = 0, a pattern that no probe weighs is neither read nor written.
//! 2. A weight of exactly 0 contributes nothing, and neither does a rate or a decay of 0, whatever they
//!    are multiplied by. In a tile of patterns 0 times an infinity would be NaN: where Z is not finite, patterns are
//!    updated one by one, each from the rows of Z that it has a weight for.
//! 3. What decays below the normal range becomes 0: patterns of subnormal numbers, which nothing but decay
//!    makes, would make every later recall slower, by up to a hundred times.
//! 4. A piece of Z is in L1 for all patterns of a block but the first; whole rows of a batch of Z would
//!    come from L2 for every tile of patterns.
//! 5. With few probes there is little to do for an element of M but to bring it and take it away:
//!    patterns are then updated one by one, each from its first element to its last, which is what
//!    hardware prefetches best, and its norm comes from the registers that are stored; from memory,
//!    two that lie far vectorize at a time.

use crate::kernel::axpy::{Ahead, Weights, sum_rows};
use crate::kernel::norms::{is_large, is_small, squared_norm, squared_norm_of_small};
use crate::matrix::{MatMut, MatRef};
use crate::separation::active::{list_len, weighed};
use crate::simd::reduce::sum;
use crate::simd::tail::vectors_of;
use crate::simd::tile::{for_each_strip, for_tile_size, summed_rows};
use crate::simd::{Element, Simd};

/// Probes up to which patterns are updated one by one.
pub(crate) const FEW_PROBES: usize = 4;

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

/// Which decay an update has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decay {
    None,
    /// λ alone.
    Proportional,
    /// λ (which may be 0) and λ₁.
    Both,
}

/// Does `$work` with `$decay` a constant: in a function of its own for each that there is.
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
    /// Whether no factor of 0 meets what is not finite: the rate is not 0, Z is finite, and M is where λ
    /// alone is 0.
    pub plain: bool,
    /// Scratch: a list of the patterns.
    pub list: &'a mut [u32],
    /// Patterns from one that is updated to one that will be needed next, to be prefetched; 0
    /// for none.
    pub ahead: usize,
}

impl<'a, T: Element> Outer<'a, T> {
    /// The patterns that change.
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
            false => weighed(simd, self.weights, count, list),
        };
        &list[..listed]
    }

    /// Which decay there is.
    #[inline(always)]
    fn decay(&self) -> Decay {
        match (self.step.decay != T::ZERO, self.step.l1 != T::ZERO) {
            (false, false) => Decay::None,
            (true, false) => Decay::Proportional,
            (_, true) => Decay::Both,
        }
    }

    /// Updates the patterns that `enlist` has listed, one by one. With `SKIPS`, factors of 0 are left out.
    /// `decay` is passed for the sake of callers who know it: the loop has no branch for it then.
    #[inline(always)]
    fn one_by_one<S: Simd<T>, const SKIPS: bool>(&mut self, simd: S, list: &[u32], decay: Decay) {
        const P: usize = 1;
        let width = vectors_of(&self.vectors);
        for one in list.chunks(P) {
            let n = one[0] as usize;
            if is_small(self.norms[n]) {
                // SAFETY: `enlist` has checked the shapes, and the list names patterns.
                unsafe { self.small::<S, SKIPS>(simd, one) };
                continue;
            }
            let mut squares = simd.splat(T::ZERO);
            // SAFETY: `enlist` has checked the shapes, and the list names patterns.
            for_each_strip!(width, P, |at, G| unsafe {
                self.piece::<S, P, G, SKIPS>(simd, one, at * T::LANES, (decay, Some(&mut squares)));
            });
            self.set_norm(simd, n, sum(simd, squares));
        }
    }

    /// Updates one pattern that is probably small: the squares that make a norm are chosen afterwards.
    ///
    /// # Safety
    /// As for `piece`.
    #[inline(always)]
    unsafe fn small<S: Simd<T>, const SKIPS: bool>(&mut self, simd: S, one: &[u32]) {
        simd.vectorize(
            #[inline(always)]
            move || {
                const P: usize = 1;
                let (width, decay) = (vectors_of(&self.vectors), self.decay());
                // SAFETY: the caller promises the pattern, which has these vectors.
                for_each_strip!(width, P, |at, G| unsafe {
                    self.piece::<S, P, G, SKIPS>(simd, one, at * T::LANES, (decay, None));
                });
                self.find_norm(simd, one[0] as usize);
            },
        );
    }

    /// Updates them piece by piece of d, a tile of them at a time.
    #[inline(always)]
    fn piece_by_piece<S: Simd<T>>(&mut self, simd: S, list: &[u32]) {
        let (width, decay) = (vectors_of(&self.vectors), self.decay());
        let most = summed_rows(S::REGISTERS);
        let (whole, rest) = list.split_at(list.len() / most * most);
        for_each_strip!(width, most, |at, G| {
            for (list, size) in [(whole, most), (rest, rest.len())] {
                if list.is_empty() {
                    continue;
                }
                let this = &mut *self;
                // SAFETY: `enlist` has checked the shapes, and the list names patterns.
                for_tile_size!(simd, size, summed_rows(S::REGISTERS), |P| unsafe {
                    for tile in list.chunks_exact(P) {
                        this.piece::<S, P, G, false>(simd, tile, at * T::LANES, (decay, None));
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

    /// Sets the norm of pattern `n`, given the sum of its squares.
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

    /// Sets the norm of pattern `n`, given what it was.
    #[inline(always)]
    fn find_norm<S: Simd<T>>(&mut self, simd: S, n: usize) {
        let row = self.patterns.row_mut(n);
        self.norms[n] = match is_small(self.norms[n]) {
            true => squared_norm_of_small(simd, row),
            false => squared_norm(simd, row),
        };
    }

    /// Updates `G` vectors from `d` on of `P` patterns.
    ///
    /// # Safety
    /// `tile` names `P` patterns, `d` begins `G` vectors, and the shapes are those that
    /// `enlist` checks.
    #[inline(always)]
    unsafe fn piece<S: Simd<T>, const P: usize, const G: usize, const SKIPS: bool>(
        &mut self,
        simd: S,
        tile: &[u32],
        d: usize,
        (decays, mut squares): (Decay, Option<&mut S::Vec>),
    ) {
        let stride = self.patterns.stride();
        let rows: [usize; P] = std::array::from_fn(|i| tile[i] as usize);
        let patterns = self.patterns.as_mut_ptr();
        let Step { share, rate, decay, l1 } = self.step;
        // SAFETY: all of it lies in rows that the caller promises.
        unsafe {
            if P > 1 && self.ahead > 0 {
                // The sums leave the memory idle.
                for at in rows.map(|n| patterns.wrapping_add((n + self.ahead) * stride + d)) {
                    for g in 0..G {
                        simd.prefetch(at.wrapping_add(g * T::LANES));
                    }
                }
            }
            let acc = [[simd.splat(T::ZERO); G]; P];
            let from = (self.vectors.as_ptr().add(d), self.vectors.forward_stride());
            let weights = Weights {
                at: rows.map(|n| self.weights.as_ptr().add(n)),
                along: self.weights.forward_stride(),
            };
            let count = self.vectors.rows();
            let acc =
                sum_rows::<_, _, _, P, G, SKIPS>(simd, acc, weights, from, count, Ahead::NONE);
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
                    // In the order of a squared norm computed afresh.
                    if let Some(squares) = &mut squares {
                        **squares = simd.mul_add(learned, learned, **squares);
                    }
                }
            }
        }
    }
}

/// One update; or two in turns, piece by piece of a pattern of either. (Pattern by pattern, one of them
/// would fill the machine's window of instructions.)
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
                // SAFETY: `enlist` has checked the shapes, and the lists name patterns.
                unsafe { side_by_side(simd, (&mut *a, of_a), (&mut *b, of_b), decay) };
            }
        });
        lists = lists.map(|list| &list[both..]);
    }
    for (update, list) in updates.iter_mut().zip(lists) {
        let Some(update) = update else { continue };
        match (update.plain, update.vectors.rows() <= FEW_PROBES) {
            // In a function of its own, as is what follows for small patterns: what is rare is not to cost
            // the tiles of the usual case their registers.
            (false, _) => simd.vectorize(
                #[inline(always)]
                move || update.one_by_one::<S, true>(simd, list, update.decay()),
            ),
            (true, true) => for_each_decay!(simd, update.decay(), |decay| {
                update.one_by_one::<S, false>(simd, list, decay);
            }),
            (true, false) => update.piece_by_piece(simd, list),
        }
    }
}

/// Updates one pattern of each.
///
/// # Safety
/// `enlist` has listed these patterns, one of each.
#[inline(always)]
unsafe fn side_by_side<T: Element, S: Simd<T>>(
    simd: S,
    (a, of_a): (&mut Outer<'_, T>, &[u32]),
    (b, of_b): (&mut Outer<'_, T>, &[u32]),
    decay: Decay,
) {
    const P: usize = 1;
    let (n_a, n_b) = (of_a[0] as usize, of_b[0] as usize);
    if is_small(a.norms[n_a]) || is_small(b.norms[n_b]) {
        // SAFETY: the caller promises the patterns.
        unsafe {
            a.small::<S, false>(simd, of_a);
            b.small::<S, false>(simd, of_b);
        }
        return;
    }
    let (mut squares_a, mut squares_b) = (simd.splat(T::ZERO), simd.splat(T::ZERO));
    // Both are as long as Z.
    let width = vectors_of(&a.vectors);
    debug_assert_eq!(width, vectors_of(&b.vectors));
    // SAFETY: passed on.
    for_each_strip!(width, P, |at, G| unsafe {
        a.piece::<S, P, G, false>(simd, of_a, at * T::LANES, (decay, Some(&mut squares_a)));
        b.piece::<S, P, G, false>(simd, of_b, at * T::LANES, (decay, Some(&mut squares_b)));
    });
    a.set_norm(simd, n_a, sum(simd, squares_a));
    b.set_norm(simd, n_b, sum(simd, squares_b));
}

/// factor sign(m) for every lane, 0 at 0.
#[inline(always)]
fn sign<T: Element, S: Simd<T>>(simd: S, m: S::Vec, factor: T) -> S::Vec {
    let zero = simd.splat(T::ZERO);
    let positive = simd.select(simd.lt(zero, m), simd.splat(factor), zero);
    simd.select(simd.lt(m, zero), simd.splat(-factor), positive)
}

/// Lists all of the patterns.
fn fill(list: &mut [u32], count: usize) -> usize {
    list[..count].iter_mut().zip(0..).for_each(|(entry, n)| *entry = n);
    count
}
