//! Survivors: the patterns whose weight is not 0, which are all that has to be combined.
//!
//! ```text
//! bits[b][group] = weights[b][group] != 0                    # for each probe and lane group of patterns
//! where few patterns are weighed by many probes: a list for each probe
//! otherwise: one list, of the patterns that some probe weighs
//! ```
//!
//! Lists are made of bits without a branch for a pattern: which of them survive cannot be predicted.

use std::ops::Range;

use super::parts::{for_each_part, load};
use super::state::State;
use super::{GROUP, MAX_BLOCK, MAX_LANES, MIN_LANES};
use crate::simd::Simd;
use crate::{Element, MatRef};

/// Which patterns are combined for a group of probes.
pub(crate) enum Survivors<'a> {
    /// All.
    All,
    /// Those that some probe weighs, for all of them.
    Common(&'a [u32]),
    /// For each probe those that it weighs.
    Each([&'a [u32]; GROUP]),
}

/// Room for a list of the survivors among so many patterns: whole lane groups are written.
pub(crate) const fn list_len(patterns: usize) -> usize {
    patterns.next_multiple_of(MAX_LANES) + MAX_LANES
}

/// A pattern for one probe costs as much as EACH.1 / EACH.0 of a probe's share of it in a group: the
/// group shares the loads.
const EACH: (usize, usize) = (4, 5);

/// Lists the patterns of `range` that have a weight, and counts each probe's. `lists` has room for a
/// list for each probe of a group.
#[inline(always)]
pub(crate) fn survivors<'a, T: Element, S: Simd<T>>(
    simd: S,
    weights: MatRef<'_, T>,
    range: Range<usize>,
    states: &mut [State<T>],
    lists: &'a mut [u32],
) -> Survivors<'a> {
    let (probes, count) = (weights.rows(), range.len());
    assert!(probes == states.len() && probes <= GROUP && probes > 0);
    assert!(range.end.next_multiple_of(T::LANES) <= weights.cols());
    let room = lists.len() / GROUP;
    assert!(list_len(count) <= room);
    let mut bits = [[0_u16; MAX_BLOCK / MIN_LANES]; GROUP];
    let (mut each, mut common) = ([0; GROUP], 0);
    for_each_part::<T>(
        range.clone(),
        #[inline(always)]
        |part| {
            let mut any = 0;
            for b in 0..probes {
                // SAFETY: row b of the weights has whole lane groups.
                let group =
                    unsafe { simd.load(weights.as_ptr().add(b * weights.stride() + part.at)) };
                let some = simd.nonzero(group) & part.bits();
                bits[b][part.at / T::LANES] = some as u16;
                each[b] += some.count_ones() as usize;
                any |= some;
            }
            common += any.count_ones() as usize;
        },
    );
    for (state, count) in states.iter_mut().zip(each) {
        state.support += count;
    }
    let all = || (range.start / T::LANES * T::LANES..range.end).step_by(T::LANES);
    if probes > 1 && each.iter().sum::<usize>() * EACH.1 < common * probes * EACH.0 {
        for (list, bits) in lists.chunks_exact_mut(room).zip(&bits[..probes]) {
            let mut listed = 0;
            for at in all() {
                listed += simd.append(&mut list[listed..], at, bits[at / T::LANES].into());
            }
        }
        let list = |b: usize| &lists[b * room..][..each[b]];
        return Survivors::Each(std::array::from_fn(list));
    }
    if common == count {
        return Survivors::All;
    }
    let mut listed = 0;
    for at in all() {
        let any = bits.iter().fold(0, |any, bits| any | bits[at / T::LANES]);
        listed += simd.append(&mut lists[listed..], at, any.into());
    }
    Survivors::Common(&lists[..listed])
}

/// Lists the first `count` patterns that have a weight in some row; how many there are.
#[inline(always)]
pub(crate) fn weighed<T: Element, S: Simd<T>>(
    simd: S,
    weights: MatRef<'_, T>,
    count: usize,
    list: &mut [u32],
) -> usize {
    assert!(count <= weights.cols());
    let mut listed = 0;
    for_each_part::<T>(
        0..count,
        #[inline(always)]
        |part| {
            let mut any = 0;
            for row in weights.iter() {
                any |= simd.nonzero(load(simd, row, &part));
            }
            listed += simd.append(&mut list[listed..], part.at, any);
        },
    );
    listed
}
