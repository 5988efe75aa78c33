//! Scores become weights: the exponential of the softmax, over part of some rows.

use std::ops::Range;

use crate::separation::active::Bits;
use crate::separation::shape::{MAX_BLOCK, SECTION};
use crate::simd::exp2::powers;
use crate::simd::tail::{kept, parts};
use crate::simd::{Element, Simd};

/// What may make weights of several rows 0: see [`weigh_together`].
pub(crate) struct Cuts<'a, T> {
    /// Which scores take part; all without.
    pub keep: Option<&'a [bool]>,
    /// For each row and section: scores below this weigh nothing.
    pub floors: &'a [[T; MAX_BLOCK / SECTION]],
    /// For each row and lane group: gets a bit for each score that is neither masked nor below the floor.
    pub bits: &'a mut [Bits],
}

/// exp2(scale (score - reference)) for the scores in `range` of `P` rows side by side, in place. Returns the sums
/// with theirs added: of weights and, with `HEAT`, of weight log2 weight. Without `CUTS`, the caller knows that no
/// weight is 0.
///
/// The chain of an exponential is long: rows one by one, each a loop of few lane groups, wait for it.
///
/// # Safety
/// There are `P` rows, and the whole lane groups around the range are readable and writable in each.
#[inline(always)]
pub(crate) unsafe fn weigh_together<
    T: Element,
    S: Simd<T>,
    const P: usize,
    const CUTS: bool,
    const HEAT: bool,
>(
    simd: S,
    (rows, stride): (*mut T, usize),
    range: Range<usize>,
    (references, scale): ([T; P], T),
    cuts: Cuts<'_, T>,
    mut sums: [(S::Group, S::Group); P],
) -> [(S::Group, S::Group); P] {
    let (zero, scale) = (simd.splat(T::ZERO), simd.splat(scale));
    assert!(!CUTS || cuts.floors.len() == P && cuts.bits.len() == P);
    for part in parts::<T>(range) {
        // SAFETY: the caller promises these lane groups.
        unsafe {
            let at = rows.add(part.at);
            let mut scores = [zero; P];
            for (b, scores) in scores.iter_mut().enumerate() {
                *scores = simd.load(at.add(b * stride));
            }
            let mut t = scores;
            for (t, reference) in t.iter_mut().zip(references) {
                *t = simd.mul(simd.sub(*t, simd.splat(reference)), scale);
            }
            let mut weights = powers(simd, t);
            if CUTS {
                let kept = cuts.keep.map(|keep| kept::<T, S>(simd, keep, &part));
                for b in 0..P {
                    // Not "keep where score >= floor": a NaN must not be dropped.
                    let floor = simd.splat(cuts.floors[b][part.at / SECTION]);
                    let dropped = simd.lt(scores[b], floor);
                    let mut survive = !simd.bits(dropped) & part.bits();
                    weights[b] = simd.select(dropped, zero, weights[b]);
                    t[b] = simd.select(dropped, zero, t[b]);
                    if let Some(kept) = kept {
                        weights[b] = simd.select(kept, weights[b], zero);
                        t[b] = simd.select(kept, t[b], zero);
                        survive &= simd.bits(kept);
                    }
                    cuts.bits[b][part.at / T::LANES] = survive as u16;
                }
            }
            let mut written = weights;
            if !part.is_whole::<T>() {
                for b in 0..P {
                    weights[b] = part.only(simd, weights[b]);
                    t[b] = part.only(simd, t[b]);
                    written[b] = simd.select(simd.first(part.end), weights[b], scores[b]);
                }
            }
            for (b, (mass, heat)) in sums.iter_mut().enumerate() {
                *mass = simd.add(*mass, weights[b]);
                if HEAT {
                    *heat = simd.mul_add(weights[b], t[b], *heat);
                }
                simd.store(at.add(b * stride), written[b]);
            }
        }
    }
    sums
}
