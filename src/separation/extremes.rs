//! The highest and the lowest score of a row or of a section, and the position of the highest.

use std::ops::Range;

use crate::simd::reduce::reduce;
use crate::simd::tail::{for_each_partial_vector, kept, load, partial_vectors};
use crate::simd::{Element, Simd};

/// A running maximum and minimum for each lane.
pub(crate) struct Extremes<'a, V> {
    pub high: &'a mut V,
    pub low: &'a mut V,
}

/// Updates the running maximum and minimum of each lane with the unmasked scores of a section.
#[inline(always)]
pub(crate) fn extremes<T: Element, S: Simd<T>>(
    simd: S,
    row: &[T],
    section: Range<usize>,
    keep: Option<&[bool]>,
    Extremes { high, low }: Extremes<'_, S::Vec>,
) {
    let (lowest, highest) = (simd.splat(T::NEG_INFINITY), simd.splat(-T::NEG_INFINITY));
    for_each_partial_vector::<T>(
        section,
        #[inline(always)]
        |part| {
            let scores = load(simd, row, &part);
            let (mut to_high, mut to_low) = (scores, scores);
            if !part.is_full::<T>() || keep.is_some() {
                let mask = match keep {
                    None => simd.first(part.end),
                    Some(keep) => kept::<T, S>(simd, keep, &part),
                };
                to_high = simd.select(mask, scores, lowest);
                to_low = simd.select(mask, scores, highest);
            }
            *high = simd.max(*high, to_high);
            *low = simd.min(*low, to_low);
        },
    );
}

/// The maximum of the lanes.
#[inline(always)]
pub(crate) fn highest_of<T: Element, S: Simd<T>>(simd: S, lanes: S::Vec) -> T {
    reduce(simd, lanes, |a, b| if b > a { b } else { a })
}

/// The minimum of the lanes.
#[inline(always)]
pub(crate) fn lowest_of<T: Element, S: Simd<T>>(simd: S, lanes: S::Vec) -> T {
    reduce(simd, lanes, |a, b| if b < a { b } else { a })
}

/// The highest and the lowest score of a row.
#[inline(always)]
pub(crate) fn extremes_of_row<T: Element, S: Simd<T>>(simd: S, row: &[T]) -> (T, T) {
    let (mut high, mut low) = (simd.splat(T::NEG_INFINITY), simd.splat(-T::NEG_INFINITY));
    let all = Extremes { high: &mut high, low: &mut low };
    extremes(simd, row, 0..row.len(), None, all);
    (highest_of(simd, high), lowest_of(simd, low))
}

/// The position of the first unmasked score of a section that is not below `high`.
#[inline(always)]
pub(crate) fn position<T: Element, S: Simd<T>>(
    simd: S,
    row: &[T],
    section: Range<usize>,
    keep: Option<&[bool]>,
    high: T,
) -> Option<usize> {
    let high = simd.splat(high);
    for part in partial_vectors::<T>(section) {
        let mut bound = !simd.bits(simd.lt(load(simd, row, &part), high)) & part.bits();
        if let Some(keep) = keep {
            bound &= simd.bits(kept::<T, S>(simd, keep, &part));
        }
        if bound != 0 {
            return Some(part.at + bound.trailing_zeros() as usize);
        }
    }
    None
}
