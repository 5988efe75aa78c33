//! Sums and other reductions of the lanes of vectors.

use super::element::Element;
use super::lanes::MAX_LANES;
use super::vector::Simd;

/// `LANES` sums at once: lane i of the result is the sum of the lanes of `vectors[i]`, once
/// [`Simd::unfold`] has restored the order. `join` may be another operation than addition.
///
/// A horizontal sum of one vector leaves most lanes of each step unused. Here every step takes two
/// vectors and fills all lanes (for 16 lanes, 16 sums take 15 additions):
///
/// ```text
/// stage 0: (a, b)           -> [a's upper half + lower half | b's]
/// stage 1: ([a b], [c d])   -> [a b c d], each the sum of two halves again
/// ...
/// ```
///
/// Whatever the tile, each sum adds lanes i and i + 8, then i + 4, i + 2, i + 1: the order is the
/// same at every level. `stage` is the number of steps that the vectors have already been through.
#[inline(always)]
pub(crate) fn fold_all<T, S: Simd<T>>(
    simd: S,
    vectors: &mut [S::Vec],
    mut stage: usize,
    join: impl Fn(S::Vec, S::Vec) -> S::Vec,
) -> S::Vec {
    let mut count = vectors.len();
    while count > 1 {
        for i in 0..count / 2 {
            let (a, b) = simd.halves(stage, vectors[2 * i], vectors[2 * i + 1]);
            vectors[i] = join(a, b);
        }
        count /= 2;
        stage += 1;
    }
    vectors[0]
}

/// [`fold_all`] with addition.
#[inline(always)]
pub(crate) fn add_all<T, S: Simd<T>>(simd: S, vectors: &mut [S::Vec], stage: usize) -> S::Vec {
    fold_all(
        simd,
        vectors,
        stage,
        #[inline(always)]
        |a, b| simd.add(a, b),
    )
}

/// The sum of one vector's lanes, in the order of [`fold_all`].
#[inline(always)]
pub(crate) fn sum<T: Element, S: Simd<T>>(simd: S, vector: S::Vec) -> T {
    reduce(simd, vector, |a, b| a + b)
}

/// Reduces one vector's lanes to one value: joins the two halves, log2(LANES) times.
#[inline(always)]
pub(crate) fn reduce<T: Element, S: Simd<T>>(
    simd: S,
    vector: S::Vec,
    join: impl Fn(T, T) -> T,
) -> T {
    let mut lanes = [T::ZERO; MAX_LANES];
    // SAFETY: `lanes` has `MAX_LANES` elements, and `LANES <= MAX_LANES`.
    unsafe { simd.store(lanes.as_mut_ptr(), vector) };
    let mut half = T::LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}
