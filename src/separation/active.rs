//! Active columns: the patterns of a score tile whose weight is not 0. Only these are projected.
//!
//! ```text
//! bits[b][vector] = weights[b][vector] != 0    # for each probe and vector of patterns
//! list = compress-store of the patterns with a bit in some bits[b]
//! ```
//!
//! Lists are made from bits without a branch per pattern, because which patterns are
//! active cannot be predicted.

use std::ops::Range;

use crate::matrix::MatRef;
use crate::separation::shape::MAX_BLOCK;
use crate::simd::tail::{for_each_partial_vector, load};
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, MAX_LANES, MIN_LANES, Simd};

/// One bit for each pattern of a block, grouped by vectors.
pub(crate) type Bits = [u16; MAX_BLOCK / MIN_LANES];

/// The [`Bits`] of each probe of a tile.
pub(crate) struct ActiveColumns([Bits; PROBE_TILE]);

/// Length of a list for `patterns` entries: a compress-store writes whole vectors.
pub(crate) const fn list_len(patterns: usize) -> usize {
    patterns.next_multiple_of(MAX_LANES) + MAX_LANES
}

impl ActiveColumns {
    pub const NONE: Self = Self([[0; _]; PROBE_TILE]);

    /// The bits of some probes.
    #[inline(always)]
    pub fn of(&mut self, probes: Range<usize>) -> &mut [Bits] {
        &mut self.0[probes]
    }

    /// Number of patterns of `range` that are active for at least one of these probes.
    #[inline(always)]
    pub fn count<T: Element>(&self, probes: Range<usize>, range: Range<usize>) -> usize {
        vectors::<T>(range)
            .map(|vector| self.any(probes.clone(), vector).count_ones() as usize)
            .sum()
    }

    /// Lists the patterns of `range` that are active for at least one of these probes.
    #[inline(always)]
    pub fn list<'a, T: Element, S: Simd<T>>(
        &self,
        simd: S,
        probes: Range<usize>,
        range: Range<usize>,
        list: &'a mut [u32],
    ) -> &'a [u32] {
        let mut listed = 0;
        for vector in vectors::<T>(range) {
            let any = self.any(probes.clone(), vector);
            listed += simd.append(&mut list[listed..], vector * T::LANES, any);
        }
        &list[..listed]
    }

    #[inline(always)]
    fn any(&self, probes: Range<usize>, vector: usize) -> u32 {
        self.0[probes].iter().fold(0, |any, bits| any | u32::from(bits[vector]))
    }
}

/// The vectors that contain patterns of `range`.
#[inline(always)]
fn vectors<T: Element>(range: Range<usize>) -> Range<usize> {
    range.start / T::LANES..range.end.div_ceil(T::LANES)
}

/// Sets a bit for each weight of `range` that is not 0.
#[inline(always)]
pub(crate) fn find<T: Element, S: Simd<T>>(
    simd: S,
    weights: &[T],
    range: Range<usize>,
    bits: &mut [u16],
) {
    for_each_partial_vector::<T>(
        range,
        #[inline(always)]
        |part| {
            let some = simd.bits(simd.nonzero(load(simd, weights, &part))) & part.bits();
            bits[part.at / T::LANES] = some as u16;
        },
    );
}

/// Lists all patterns of a range.
#[inline(always)]
pub(crate) fn every(range: Range<usize>, list: &mut [u32]) -> &[u32] {
    let list = &mut list[..range.len()];
    for (entry, n) in list.iter_mut().zip(range) {
        *entry = n as u32;
    }
    list
}

/// Lists those of the first `count` patterns that have a weight in some row. Returns their number.
#[inline(always)]
pub(crate) fn weighted<T: Element, S: Simd<T>>(
    simd: S,
    weights: MatRef<'_, T>,
    count: usize,
    list: &mut [u32],
) -> usize {
    assert!(count <= weights.cols());
    let mut listed = 0;
    for_each_partial_vector::<T>(
        0..count,
        #[inline(always)]
        |part| {
            let mut any = 0;
            for row in weights.iter() {
                any |= simd.bits(simd.nonzero(load(simd, row, &part)));
            }
            listed += simd.append(&mut list[listed..], part.at, any);
        },
    );
    listed
}
