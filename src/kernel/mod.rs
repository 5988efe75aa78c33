//! The kernels: three streams over the patterns' rows, and the softmax between them.
//!
//! | module | computes | accumulators of a tile |
//! | --- | --- | --- |
//! | [`dots`] | scores[b][n] = Σ_d X[b,d] M[n,d] | probes x patterns |
//! | [`panels`] | the same, of many probes with short patterns | probes x panels of patterns |
//! | [`separation`] | weights[b][n] = exp2(scale (score - reference)), and their sum | |
//! | [`combine`] | X̂[b,:] += Σ_n weights[b][n] M[n,:] | probes x lane groups of d |
//! | [`outer`] | M[n,:] += rate Σ_b weights[b][n] Z[b,:], and decay | patterns x lane groups of d |
//! | [`recall`] | the first three over blocks of patterns that stay in L2 ([`meeting`]), or in L1 ([`stretches`]) | |
//! | [`learn`] | the first two and the last over such blocks | |
//!
//! Each is written once, over the [`Simd`](crate::simd::Simd) lanes, and is `#[inline(always)]` so
//! that it is compiled for the level that runs it. They take *padded* matrices, whose number of
//! columns is a whole number of lane groups (the padding is zeros), check that at their door, and
//! then run on pointers without bounds checks.

pub mod combine;
pub mod dots;
pub mod exp2;
pub mod extremes;
pub mod learn;
pub mod meeting;
pub mod outer;
pub mod panels;
pub mod parts;
pub mod recall;
pub mod rows;
pub mod separation;
pub mod softmax;
pub mod state;
pub mod stretches;
pub mod survivors;
pub mod weigh;

use crate::simd::sealed::Lanes;
use crate::simd::{Level, Simd};
use crate::{Element, MatRef};

/// Rows that go through a kernel together: probes that share a block's scores, patterns that are
/// updated side by side.
pub(crate) const GROUP: usize = 6;

/// Patterns in the longest block: six rows of f32 scores are 12 KiB of L1.
pub(crate) const MAX_BLOCK: usize = 512;

/// Does `$work` with `$p` the constant that `$size`, a number of rows up to `$most`, is: in a function of its
/// own for each, as the compiler keeps the accumulators of one tile in registers and not those of six in
/// one function.
macro_rules! for_group_size {
    ($simd:ident, $size:expr, $most:expr, |$p:ident| $work:expr) => {
        for_group_size!(@ $simd, $size, $most, $p, $work, 1 2 3 4 5 6)
    };
    (@ $simd:ident, $size:expr, $most:expr, $p:ident, $work:expr, $($count:literal)*) => {
        match $size {
            // Only levels with tiles that high have code for them.
            $($count if $count <= $most => $simd.apart(
                #[inline(always)]
                move || {
                    const $p: usize = $count;
                    $work
                },
            ),)*
            size => unreachable!("a group of {size} rows"),
        }
    };
}
use for_group_size;

/// Does `$work` for each piece of `$groups` lane groups, from left to right: `$g`, the constant size
/// of a piece, is 8 while there are as many and the registers hold a tile of `$p` such pieces, then
/// 4, 2, 1.
macro_rules! for_each_piece {
    ($groups:expr, $p:ident, |$at:ident, $g:ident| $work:expr) => {{
        let mut $at = 0;
        for_each_piece!(@ $groups, $p, $at, $g, $work, 8 4 2 1);
    }};
    (@ $groups:expr, $p:ident, $at:ident, $g:ident, $work:expr, $($size:literal)*) => {$(
        if $size == 1 || ($p + 1) * $size < <S as $crate::simd::Simd<T>>::REGISTERS {
            const $g: usize = $size;
            while $at + $g <= $groups {
                $work;
                $at += $g;
            }
        }
    )*};
}
use for_each_piece;

/// The most rows of a tile of sums of rows.
#[inline(always)]
const fn summed_rows(registers: usize) -> usize {
    if registers - 2 < GROUP { registers - 2 } else { GROUP }
}

/// The kernels, compiled here for both element types, and not again by every crate that uses them.
pub trait Compiled: Lanes {
    /// Recall from a shard.
    fn recall(level: Level, kernel: recall::Shard<'_, Self>);
    /// The sum of two recalls.
    fn merge(level: Level, kernel: recall::Merge<'_, Self>);
    /// Sums become retrieved probes.
    fn finish(level: Level, kernel: recall::Finish<'_, Self>);
    /// Softmax of rows.
    fn softmax(level: Level, kernel: softmax::Softmax<'_, Self>);
    /// Plasticity.
    fn learn(level: Level, kernel: learn::Learn<'_, Self>);
    /// Norms of patterns.
    fn squared_norms(level: Level, kernel: rows::SquaredNorms<'_, Self>);
    /// Norms of features.
    fn feature_squares(level: Level, kernel: rows::FeatureSquares<'_, Self>);
    /// Whether rows are finite.
    fn finite(level: Level, kernel: rows::Finite<'_, Self>) -> bool;
}

macro_rules! compiled {
    ($t:ident: $($name:ident($kernel:ty) $(-> $output:ty)?;)*) => {
        impl Compiled for $t {
            $(fn $name(level: Level, kernel: $kernel) $(-> $output)? {
                Self::dispatch(level, kernel)
            })*
        }
    };
    ($($t:ident)*) => {$(
        compiled! { $t:
            recall(recall::Shard<'_, $t>);
            merge(recall::Merge<'_, $t>);
            finish(recall::Finish<'_, $t>);
            softmax(softmax::Softmax<'_, $t>);
            learn(learn::Learn<'_, $t>);
            squared_norms(rows::SquaredNorms<'_, $t>);
            feature_squares(rows::FeatureSquares<'_, $t>);
            finite(rows::Finite<'_, $t>) -> bool;
        }
    )*};
}

compiled! { f32 f64 }

/// Panics unless a row is a whole number of lane groups: the precondition of every kernel.
#[inline(always)]
fn groups_of<T: Element>(matrix: &MatRef<'_, T>) -> usize {
    assert!(matrix.cols().is_multiple_of(T::LANES), "rows are padded to whole lane groups");
    matrix.cols() / T::LANES
}

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
fn fold_all<T, S: Simd<T>>(
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
fn add_all<T, S: Simd<T>>(simd: S, groups: &mut [S::Group], stage: usize) -> S::Group {
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
fn reduce<T: Element, S: Simd<T>>(simd: S, group: S::Group, join: impl Fn(T, T) -> T) -> T {
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

/// Lanes of the widest group, and of the narrowest.
const MAX_LANES: usize = 16;
const MIN_LANES: usize = 8;

/// Splits `count` into pieces of at most `most` whose sizes differ by at most one.
pub(crate) fn evenly(
    count: usize,
    most: usize,
) -> impl DoubleEndedIterator<Item = std::ops::Range<usize>> + ExactSizeIterator {
    let pieces = count.div_ceil(most.max(1));
    // Mostly one, and a division takes as long as a few dozen multiply-adds.
    let bound = move |piece| if pieces == 1 { piece * count } else { piece * count / pieces };
    (0..pieces).map(move |piece| bound(piece)..bound(piece + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An accumulator for each row, a group of the summed row and a broadcast.
    #[test]
    fn the_registers_hold_a_tile_of_summed_rows() {
        for registers in 3..=64 {
            let rows = summed_rows(registers);
            assert!((1..=GROUP).contains(&rows) && rows + 2 <= registers, "{registers}: {rows}");
            assert!(rows == GROUP || rows + 3 > registers, "{registers} hold more than {rows}");
        }
    }

    #[test]
    fn pieces_are_even_and_no_more_than_needed() {
        for count in 0..40 {
            for most in 0..12 {
                let pieces: Vec<_> = evenly(count, most).collect();
                assert_eq!(pieces.len(), count.div_ceil(most.max(1)));
                assert!(pieces.iter().cloned().flatten().eq(0..count), "{count} by {most}");
                let even = count / pieces.len().max(1);
                assert!(pieces.iter().all(|piece| (even..=even + 1).contains(&piece.len())));
                assert!(pieces.iter().all(|piece| piece.len() <= most.max(1)));
            }
        }
    }
}
