//! Scores become weights: the exponential of the softmax, over part of a row.

use std::ops::Range;

use super::exp2::power;
use super::parts::{for_each_part, kept};
use crate::Element;
use crate::simd::Simd;

/// exp2(scale (score - reference)) for scores of a row.
#[derive(Clone, Copy)]
pub(crate) struct Weigh<'a, T, F> {
    keep: Option<&'a [bool]>,
    floor: F,
    reference: T,
    scale: T,
}

impl<'a, T: Element, F: Fn(usize) -> T> Weigh<'a, T, F> {
    /// For the scores that `keep` has a flag for; the weight of the others is 0, and that of those
    /// below the floor, which depends on the place. The reference weighs 1.
    #[inline(always)]
    pub fn new(keep: Option<&'a [bool]>, floor: F, (reference, scale): (T, T)) -> Self {
        Self { keep, floor, reference, scale }
    }

    /// Writes the weights of the scores in `range`, and adds them to the first sum; to the second,
    /// with `HEAT`, weight log2 weight. Without `CUTS`, the caller knows that none is masked or below
    /// the floor; with them, `bits` gets a bit for each that is not, for as many lane groups as it has
    /// elements. `PADDED` rows have room for whole lane groups, which are written but for the scores
    /// from the end of the range on.
    ///
    /// # Safety
    /// The elements up to the end of the range are readable and writable; with `PADDED`, the whole
    /// lane groups around it.
    #[inline(always)]
    pub unsafe fn run<S: Simd<T>, const CUTS: bool, const HEAT: bool, const PADDED: bool>(
        self,
        simd: S,
        (from, to): (*const T, *mut T),
        range: Range<usize>,
        (mass, heat): (&mut S::Group, &mut S::Group),
        bits: &mut [u16],
    ) {
        let zero = simd.splat(T::ZERO);
        let (reference, scale) = (simd.splat(self.reference), simd.splat(self.scale));
        // In registers: through the references, every addition would wait for the last one's store.
        let (mut sum, mut warmth) = (*mass, *heat);
        for_each_part::<T>(
            range,
            #[inline(always)]
            |part| {
                let whole = part.is_whole::<T>();
                // SAFETY: the caller promises what is read and written.
                unsafe {
                    let from = from.add(part.at);
                    let scores = match PADDED || part.end == T::LANES {
                        true => simd.load(from),
                        false => simd.load_first(from, part.end),
                    };
                    let mut t = simd.mul(simd.sub(scores, reference), scale);
                    let mut weights = power(simd, t);
                    if CUTS {
                        // Not "keep where score >= floor": a NaN must not be dropped.
                        let dropped = simd.lt(scores, simd.splat((self.floor)(part.at)));
                        weights = simd.select(dropped, zero, weights);
                        t = simd.select(dropped, zero, t);
                        let mut survive = !simd.bits(dropped) & part.bits();
                        if let Some(keep) = self.keep {
                            let kept = kept::<T, S>(simd, keep, &part);
                            weights = simd.select(kept, weights, zero);
                            t = simd.select(kept, t, zero);
                            survive &= simd.bits(kept);
                        }
                        if let Some(bits) = bits.get_mut(part.at / T::LANES) {
                            *bits = survive as u16;
                        }
                    }
                    if !whole {
                        weights = part.only(simd, weights);
                        t = part.only(simd, t);
                    }
                    sum = simd.add(sum, weights);
                    if HEAT {
                        warmth = simd.mul_add(weights, t, warmth);
                    }
                    let to = to.add(part.at);
                    if PADDED && !whole {
                        simd.store(to, simd.select(simd.first(part.end), weights, scores));
                    } else if part.end == T::LANES {
                        simd.store(to, weights);
                    } else {
                        simd.store_first(to, weights, part.end);
                    }
                }
            },
        );
        (*mass, *heat) = (sum, warmth);
    }
}
