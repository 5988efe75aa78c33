//! The exponential of the softmax over a score tile: scores become weights.

use std::ops::Range;

use crate::separation::active::Bits;
use crate::separation::shape::{MAX_BLOCK, SECTION};
use crate::simd::exp2::powers;
use crate::simd::tail::{kept, partial_vectors};
use crate::simd::{Element, Simd};

/// What can make weights of several rows 0; see [`exp_tile_rows`].
pub(crate) struct Cuts<'a, T> {
    /// Which patterns are not masked; `None` if all are.
    pub keep: Option<&'a [bool]>,
    /// The cutoff of each row and section: lower scores have weight 0.
    pub cutoffs: &'a [[T; MAX_BLOCK / SECTION]],
    /// For each row and vector, receives a bit for each score that is neither masked nor below the
    /// cutoff.
    pub bits: &'a mut [Bits],
}

/// Replaces the scores in `range` of `P` adjacent rows by exp2(scale (score - shift)). Returns
/// `sums` plus the row sum and, with `ENTROPY`, the entropy sum Σ weight log2 weight of each row.
/// Without `CUTS`, the caller knows that no weight is 0.
///
/// An exponential is a long chain of dependent instructions. Rows are interleaved because a row by
/// itself has few vectors, and its loop is bound by the latency of that chain.
///
/// # Safety
/// - `rows` points to `P` rows that begin `stride` elements apart.
/// - In each of them, the whole vectors around `range` are readable and writable.
#[inline(always)]
pub(crate) unsafe fn exp_tile_rows<
    T: Element,
    S: Simd<T>,
    const P: usize,
    const CUTS: bool,
    const ENTROPY: bool,
>(
    simd: S,
    (rows, stride): (*mut T, usize),
    range: Range<usize>,
    (shifts, scale): ([T; P], T),
    cuts: Cuts<'_, T>,
    mut sums: [(S::Vec, S::Vec); P],
) -> [(S::Vec, S::Vec); P] {
    let (zero, scale) = (simd.splat(T::ZERO), simd.splat(scale));
    assert!(!CUTS || cuts.cutoffs.len() == P && cuts.bits.len() == P);
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
            for (t, shift) in t.iter_mut().zip(shifts) {
                *t = simd.mul(simd.sub(*t, simd.splat(shift)), scale);
            }
            let mut weights = powers(simd, t);
            if CUTS {
                let kept = cuts.keep.map(|keep| kept::<T, S>(simd, keep, &part));
                for b in 0..P {
                    // Not `score >= cutoff`: a NaN must not be dropped.
                    let cutoff = simd.splat(cuts.cutoffs[b][part.at / SECTION]);
                    let dropped = simd.lt(scores[b], cutoff);
                    let mut active = !simd.bits(dropped) & part.bits();
                    weights[b] = simd.select(dropped, zero, weights[b]);
                    t[b] = simd.select(dropped, zero, t[b]);
                    if let Some(kept) = kept {
                        weights[b] = simd.select(kept, weights[b], zero);
                        t[b] = simd.select(kept, t[b], zero);
                        active &= simd.bits(kept);
                    }
                    cuts.bits[b][part.at / T::LANES] = active as u16;
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
