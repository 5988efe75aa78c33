//! Gradients of sums over d: rows of slopes, weighted and added up, and the sums of listed rows.
//!
//! ```text
//! to[:] += Σ_k factor[k] slope(own, other[k])      # slope: other, own - other, or its sign
//! ```
//!
//! For the gradient of a probe the others are patterns, for that of a pattern they are probes. A
//! factor of exactly 0 leaves out its row, whatever the row holds.

use crate::kernel::score::{Loaded, chunks, tile};
use crate::matrix::MatRef;
use crate::simd::reduce::add_all;
use crate::simd::tail::vectors_of;
use crate::simd::{Element, MAX_LANES, Simd, Whole};
use crate::similarity::accumulate::Accumulate;

/// What a sum over d changes by, up to a factor, as one of its two vectors moves.
pub(crate) trait Slope {
    /// Whether the slope depends on the vector that moves.
    const OWN: bool;

    /// The slope of some features: those of the vector that moves, and those of the other.
    fn of<T: Element, S: Simd<T>>(simd: S, own: S::Vec, other: S::Vec) -> S::Vec;
}

/// The other vector: the slope of a product.
pub(crate) struct Other;

impl Slope for Other {
    const OWN: bool = false;

    #[inline(always)]
    fn of<T: Element, S: Simd<T>>(_: S, _: S::Vec, other: S::Vec) -> S::Vec {
        other
    }
}

/// The difference of the two.
pub(crate) struct Difference;

impl Slope for Difference {
    const OWN: bool = true;

    #[inline(always)]
    fn of<T: Element, S: Simd<T>>(simd: S, own: S::Vec, other: S::Vec) -> S::Vec {
        simd.sub(own, other)
    }
}

/// The sign of the difference, which is 0 where features are equal.
pub(crate) struct Sign;

impl Slope for Sign {
    const OWN: bool = true;

    #[inline(always)]
    fn of<T: Element, S: Simd<T>>(simd: S, own: S::Vec, other: S::Vec) -> S::Vec {
        let (zero, one) = (simd.splat(T::ZERO), simd.splat(T::ONE));
        let below = simd.select(simd.lt(own, other), simd.splat(-T::ONE), zero);
        simd.select(simd.lt(other, own), one, below)
    }
}

/// Some rows, by their indices, and a factor for each.
#[derive(Clone, Copy)]
pub(crate) struct ListedRows<'a, T, F> {
    pub rows: MatRef<'a, T>,
    pub list: &'a [u32],
    /// From a place in the list to a factor.
    pub factor: F,
}

/// Adds Σ_k factor(k) slope(own, rows[list[k]]) to `G` vectors from element `d` on.
///
/// # Safety
/// - `to` and every row have `G` vectors from `d` on, and so has `own` if `L::OWN`.
/// - Every entry of the list is a row, and there is a factor for each.
#[inline(always)]
pub(crate) unsafe fn add_slopes<L: Slope, T: Element, S: Simd<T>, const G: usize>(
    simd: S,
    own: &[T],
    ListedRows { rows, list, factor }: ListedRows<'_, T, impl Fn(usize) -> T>,
    to: &mut [T],
    d: usize,
) {
    let (from, stride) = (rows.as_ptr().wrapping_add(d), rows.forward_stride());
    let to = to.as_mut_ptr().wrapping_add(d);
    // SAFETY: `G` vectors are readable and writable from `d` on, by the preconditions.
    unsafe {
        let mut x = [simd.splat(T::ZERO); G];
        let mut acc = x;
        for (g, acc) in acc.iter_mut().enumerate() {
            *acc = simd.load(to.add(g * T::LANES));
            if L::OWN {
                x[g] = simd.load(own.as_ptr().add(d + g * T::LANES));
            }
        }
        for (k, &n) in list.iter().enumerate() {
            let factor = factor(k);
            if factor == T::ZERO {
                continue;
            }
            let (factor, row) = (simd.splat(factor), from.add(n as usize * stride));
            for (g, acc) in acc.iter_mut().enumerate() {
                let slope = L::of::<T, S>(simd, x[g], simd.load(row.add(g * T::LANES)));
                *acc = simd.mul_add(factor, slope, *acc);
            }
        }
        for (g, acc) in acc.into_iter().enumerate() {
            simd.store(to.add(g * T::LANES), acc);
        }
    }
}

/// Writes the sum over d of a probe and each of the listed rows.
#[inline(always)]
pub(crate) fn listed_sums<A: Accumulate, T: Element, S: Simd<T>>(
    simd: S,
    probe: &[T],
    rows: MatRef<'_, T>,
    list: &[u32],
    to: &mut [T],
) {
    assert!(probe.len() == rows.cols() && list.len() == to.len());
    assert!(list.iter().all(|&n| (n as usize) < rows.rows()));
    // SAFETY: the probe is as long as a row, `to` as long as the list, and every entry of the list
    // is a row, as asserted above.
    simd.vectorize(
        #[inline(always)]
        move || unsafe {
            match 2 * S::NR {
                8 => panels::<A, T, S, 8>(simd, probe, rows, list, to),
                4 => panels::<A, T, S, 4>(simd, probe, rows, list, to),
                _ => panels::<A, T, S, 2>(simd, probe, rows, list, to),
            }
        },
    );
}

/// Computes the sums of `LANES` rows at a time, by tiles of `Q` rows that share the loads of the
/// probe.
///
/// # Safety
/// - The probe is as long as a row.
/// - Every entry of the list is a row, and `to` is as long as the list.
#[inline(always)]
unsafe fn panels<A: Accumulate, T: Element, S: Simd<T>, const Q: usize>(
    simd: S,
    probe: &[T],
    rows: MatRef<'_, T>,
    list: &[u32],
    to: &mut [T],
) {
    let (from, stride) = (rows.as_ptr(), rows.forward_stride());
    for (list, to) in list.chunks(T::LANES).zip(to.chunks_mut(T::LANES)) {
        let mut total = simd.splat(T::ZERO);
        for chunk in chunks::<T>(vectors_of(&rows)) {
            let mut sums = [simd.splat(T::ZERO); MAX_LANES];
            for at in (0..list.len()).step_by(Q) {
                // The last row fills up the tile.
                let rows = std::array::from_fn(
                    #[inline(always)]
                    |j| from.wrapping_add(list[(at + j).min(list.len() - 1)] as usize * stride),
                );
                let of = Loaded { rows, loads: Whole, ahead: 0 };
                // SAFETY: the chunk is within the probe and within every listed row, by the
                // preconditions.
                let [tile] = unsafe {
                    tile::<A, T, T, Whole, S, 1, Q>(simd, probe.as_ptr(), 0, of, chunk.clone())
                };
                sums[at..at + Q].iter_mut().zip(tile).for_each(|(to, sum)| *to = sum);
            }
            let sums = simd.unfold(add_all(simd, &mut sums[..T::LANES], 0));
            total = simd.add(total, sums);
        }
        // SAFETY: `to` has an element for each of the listed rows, at most a vector of them.
        unsafe {
            match to.len() == T::LANES {
                true => simd.store(to.as_mut_ptr(), total),
                false => simd.store_first(to.as_mut_ptr(), total, to.len()),
            }
        }
    }
}
