//! The exponential of the softmax over a score tile: scores become weights.

use std::ops::Range;

use crate::matrix::MatMut;
use crate::matrix::ranges::evenly;
use crate::separation::active::{ActiveColumns, Bits};
use crate::separation::online::OnlineSoftmax;
use crate::separation::shape::{MAX_BLOCK, SECTION};
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::exp2::powers;
use crate::simd::tail::{kept, partial_vectors};
use crate::simd::tile::for_tile_size;
use crate::simd::{Element, Simd};

/// A segment of the scores of several probes.
pub(crate) struct ExpTile<'a, 'k, T, G> {
    /// One for each row.
    pub separations: &'a mut [OnlineSoftmax<'k, T, G>],
    pub states: &'a [State<T>],
    /// Scores, which become weights in place.
    pub scores: &'a mut MatMut<'a, T>,
    /// The segment.
    pub range: Range<usize>,
    /// Receives the patterns that have a weight; `None` if it is certain that all have one.
    pub active: Option<&'a mut ActiveColumns>,
}

impl<T: Element, G: Copy> ExpTile<'_, '_, T, G> {
    /// Turns the scores into weights and adds these to the separations' sums.
    #[inline(always)]
    pub fn run<S: Simd<T, Vec = G>>(self, simd: S) {
        let Self { separations, states, scores, range, mut active } = self;
        let Some(&OnlineSoftmax { params, keep, .. }) = separations.first() else { return };
        let SoftmaxParams { entropy_sum, scale, .. } = params;
        assert!(separations.len() == scores.rows() && states.len() == scores.rows());
        assert!(range.end.next_multiple_of(T::LANES) <= scores.cols());
        let zero = simd.splat(T::ZERO);
        for tile in evenly(scores.rows(), S::MR) {
            let (separations, states) = (&mut separations[tile.clone()], &states[tile.clone()]);
            let stride = scores.stride();
            let rows = TileRows { at: scores.rows_mut(tile.clone()).as_mut_ptr(), stride };
            let dense = active.is_none();
            let range = range.clone();
            let bits = active.as_mut().map_or(&mut [][..], |active| active.of(tile.clone()));
            for_tile_size!(simd, tile.len(), S::MR, |P| {
                // Not `from_fn`, which is a call compiled without the level's features.
                let (mut shifts, mut sums) = ([T::ZERO; P], [(zero, zero); P]);
                let mut cutoffs = [[T::ZERO; MAX_BLOCK / SECTION]; P];
                for b in 0..P {
                    shifts[b] = states[b].shift;
                    sums[b] = (separations[b].row_sum, separations[b].entropy_sum);
                    if !dense {
                        cutoffs[b] = separations[b].cutoffs(&states[b]);
                    }
                }
                let of = Exponents { shifts, scale, keep, cutoffs: &cutoffs, bits };
                // SAFETY:
                // - `P` is `tile.len()`, and `rows` are the `tile.len()` rows of the tile.
                // - `range.end`, rounded up to whole vectors, is within their columns, by the
                //   assertion above.
                let sums: [(G, G); P] = unsafe {
                    match (dense, entropy_sum) {
                        (true, false) => {
                            exp_rows::<T, S, P, false, false>(simd, rows, range, of, sums)
                        }
                        (true, true) => {
                            exp_rows::<T, S, P, false, true>(simd, rows, range, of, sums)
                        }
                        (false, false) => {
                            exp_rows::<T, S, P, true, false>(simd, rows, range, of, sums)
                        }
                        (false, true) => {
                            exp_rows::<T, S, P, true, true>(simd, rows, range, of, sums)
                        }
                    }
                };
                for (separation, sums) in separations.iter_mut().zip(sums) {
                    (separation.row_sum, separation.entropy_sum) = sums;
                }
            });
        }
    }
}

/// Adjacent rows of a score tile.
#[derive(Clone, Copy)]
struct TileRows<T> {
    at: *mut T,
    /// Elements from one row to the next.
    stride: usize,
}

/// How the scores of `P` rows become weights.
struct Exponents<'a, T, const P: usize> {
    shifts: [T; P],
    scale: T,
    /// Which patterns are not masked; `None` if all are.
    keep: Option<&'a [bool]>,
    /// The cutoff of each row and section: lower scores have weight 0.
    cutoffs: &'a [[T; MAX_BLOCK / SECTION]; P],
    /// For each row and vector, receives a bit for each score that is neither masked nor below the
    /// cutoff.
    bits: &'a mut [Bits],
}

/// Replaces the scores in `range` of `P` adjacent rows by exp2(scale (score - shift)). Returns
/// `sums` plus the row sum and, with `ENTROPY`, the entropy sum Σ weight log2 weight of each row.
/// Without `CUTS`, the caller knows that no weight is 0.
///
/// An exponential is a long chain of dependent instructions. Rows are interleaved because a row by
/// itself has few vectors, and its loop is bound by the latency of that chain.
///
/// # Safety
/// - There are `P` rows.
/// - In each of them, the whole vectors around `range` are readable and writable.
#[inline(always)]
unsafe fn exp_rows<
    T: Element,
    S: Simd<T>,
    const P: usize,
    const CUTS: bool,
    const ENTROPY: bool,
>(
    simd: S,
    TileRows { at: rows, stride }: TileRows<T>,
    range: Range<usize>,
    of: Exponents<'_, T, P>,
    mut sums: [(S::Vec, S::Vec); P],
) -> [(S::Vec, S::Vec); P] {
    let (zero, scale) = (simd.splat(T::ZERO), simd.splat(of.scale));
    assert!(!CUTS || of.bits.len() == P);
    for part in partial_vectors::<T>(range) {
        // SAFETY: `part.at` begins one of the whole vectors around `range`, which are readable and
        // writable in rows 0 to `P` by the precondition.
        unsafe {
            let at = rows.add(part.at);
            let mut scores = [zero; P];
            for (b, scores) in scores.iter_mut().enumerate() {
                *scores = simd.load(at.add(b * stride));
            }
            let mut t = scores;
            for (t, shift) in t.iter_mut().zip(of.shifts) {
                *t = simd.mul(simd.sub(*t, simd.splat(shift)), scale);
            }
            let mut weights = powers(simd, t);
            if CUTS {
                let kept = of.keep.map(|keep| kept::<T, S>(simd, keep, &part));
                for b in 0..P {
                    // Not `score >= cutoff`: a NaN must not be dropped.
                    let cutoff = simd.splat(of.cutoffs[b][part.at / SECTION]);
                    let dropped = simd.lt(scores[b], cutoff);
                    let mut active = !simd.bits(dropped) & part.bits();
                    weights[b] = simd.select(dropped, zero, weights[b]);
                    t[b] = simd.select(dropped, zero, t[b]);
                    if let Some(kept) = kept {
                        weights[b] = simd.select(kept, weights[b], zero);
                        t[b] = simd.select(kept, t[b], zero);
                        active &= simd.bits(kept);
                    }
                    of.bits[b][part.at / T::LANES] = active as u16;
                }
            }
            let mut written = weights;
            if !part.is_full::<T>() {
                for b in 0..P {
                    weights[b] = part.only(simd, weights[b]);
                    t[b] = part.only(simd, t[b]);
                    written[b] = simd.select(simd.first(part.end), weights[b], scores[b]);
                }
            }
            for (b, (row_sum, entropy_sum)) in sums.iter_mut().enumerate() {
                *row_sum = simd.add(*row_sum, weights[b]);
                if ENTROPY {
                    *entropy_sum = simd.mul_add(weights[b], t[b], *entropy_sum);
                }
                simd.store(at.add(b * stride), written[b]);
            }
        }
    }
    sums
}
