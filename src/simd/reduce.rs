//! Sums (and the like) over the lanes of vectors.

use super::element::Element;
use super::lanes::MAX_LANES;
use super::vector::Simd;

/// `LANES` sums at once (or what else `join` makes of two groups): lane i of the result is the sum of
/// the lanes of `groups[i]`.
///
/// A horizontal sum of one group wastes most of the lanes of each step. Here every step works on
/// two groups and fills all lanes (for 16 lanes, 15 additions for 16 sums):
///
/// ```text
/// stage 0: (a, b)           -> [a's upper half + lower half | b's]
/// stage 1: ([a b], [c d])   -> [a b c d], each the sum of two halves again
/// ...
/// ```
///
/// Whatever the tile, each sum is that of lanes i and i + 8, then i + 4, i + 2, i + 1: one order for
/// every level. `stage` is the number of steps that the groups have behind them.
#[inline(always)]
pub(crate) fn fold_all<T, S: Simd<T>>(
    simd: S,
    groups: &mut [S::Group],
    mut stage: usize,
    join: impl Fn(S::Group, S::Group) -> S::Group,
) -> S::Group {
    let mut count = groups.len();
    while count > 1 {
        for i in 0..count / 2 {
            let (a, b) = simd.halves(stage, groups[2 * i], groups[2 * i + 1]);
            groups[i] = join(a, b);
        }
        count /= 2;
        stage += 1;
    }
    groups[0]
}

/// [`fold_all`] by addition.
#[inline(always)]
pub(crate) fn add_all<T, S: Simd<T>>(simd: S, groups: &mut [S::Group], stage: usize) -> S::Group {
    fold_all(
        simd,
        groups,
        stage,
        #[inline(always)]
        |a, b| simd.add(a, b),
    )
}

/// The sum of one group's lanes, in the order of [`fold_all`].
#[inline(always)]
pub(crate) fn sum<T: Element, S: Simd<T>>(simd: S, group: S::Group) -> T {
    reduce(simd, group, |a, b| a + b)
}

/// One value from a group's lanes: halves onto one another, log2(LANES) times.
#[inline(always)]
pub(crate) fn reduce<T: Element, S: Simd<T>>(
    simd: S,
    group: S::Group,
    join: impl Fn(T, T) -> T,
) -> T {
    let mut lanes = [T::ZERO; MAX_LANES];
    // SAFETY: the array holds the widest group.
    unsafe { simd.store(lanes.as_mut_ptr(), group) };
    let mut half = T::LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}
