//! The vector trait over which the kernels are written.

use half::{bf16, f16};

use super::compress;

/// Work that runs at a level: in effect, a closure that is generic over the vector.
pub trait Kernel<T> {
    /// The result of the work.
    type Output;

    /// Does the work. Implementations must be `#[inline(always)]`.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}

/// The vectors of `T` at one level, and the tile sizes that suit it.
///
/// Every method is `#[inline(always)]` and compiles to a handful of instructions. Methods that take
/// pointers are unsafe only because of the pointers: `self` proves that the instruction set exists.
pub trait Simd<T>: Copy {
    /// A vector of `LANES` lanes.
    type Vec: Copy;
    /// One truth value per lane.
    type Mask: Copy;

    /// Rows of a register tile `MR x NR` of dot products: probes that share the loads of a pattern.
    ///
    /// The tile size never changes a result: each accumulator belongs to one sum, whose order is
    /// fixed.
    const MR: usize;
    /// Columns of the register tile: patterns that share the loads of a probe. With a single probe,
    /// the tile has twice as many.
    const NR: usize;
    /// Panels of packed patterns in a register tile of dot products.
    const PANELS: usize;
    /// Least size of a row, in bytes, for which the one-probe driver recalls by row strips.
    const STRIP_ROW_BYTES: usize;
    /// Whether the one-probe driver computes the scores of the next row strip ahead, if rows are
    /// short.
    const LOOKAHEAD: bool;
    /// Vectors of the projection that stay in registers during a row strip, if rows are long.
    const STRIP_VECTORS: usize;
    /// Number of streams of patterns that are updated at the same time.
    const STREAMS: usize;
    /// Whether the one-probe driver widens rows of sixteen-bit numbers as it loads them. Otherwise
    /// it reads rows that have been widened before.
    const WIDENS: bool;
    /// Vectors that fit into the registers. A register tile of a projection with P rows and G
    /// vectors needs P G accumulators, G loads and a broadcast.
    const REGISTERS: usize;

    /// Runs `work` in a function of its own, which is compiled with the level's target features.
    /// The work must be an `#[inline(always)]` closure. It should be `move`, so that captured
    /// variables are not read through references.
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R;

    /// A vector with `x` in every lane.
    fn splat(self, x: T) -> Self::Vec;

    /// Loads a whole vector.
    ///
    /// # Safety
    /// - `LANES` elements at `from` are readable.
    unsafe fn load(self, from: *const T) -> Self::Vec;

    /// Stores a whole vector.
    ///
    /// # Safety
    /// - `LANES` elements at `to` are writable.
    unsafe fn store(self, to: *mut T, vector: Self::Vec);

    /// Loads the first `n < LANES` lanes; the others are zero.
    ///
    /// # Safety
    /// - `n` elements at `from` are readable.
    unsafe fn load_first(self, from: *const T, n: usize) -> Self::Vec;

    /// Loads `LANES` numbers of sixteen bits and widens them, which is exact.
    ///
    /// # Safety
    /// - `LANES` elements at `from` are readable. They may have any alignment.
    unsafe fn load_bf16(self, from: *const bf16) -> Self::Vec;

    /// The same for IEEE half precision.
    ///
    /// # Safety
    /// As for [`load_bf16`](Self::load_bf16).
    unsafe fn load_f16(self, from: *const f16) -> Self::Vec;

    /// Stores the first `n < LANES` lanes.
    ///
    /// # Safety
    /// - `n` elements at `to` are writable.
    unsafe fn store_first(self, to: *mut T, vector: Self::Vec, n: usize);

    /// a + b
    fn add(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a - b
    fn sub(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a b
    fn mul(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a b + c, rounded once if the level has fused multiply-add.
    fn mul_add(self, a: Self::Vec, b: Self::Vec, c: Self::Vec) -> Self::Vec;
    /// The larger of the two; either one if one is NaN.
    fn max(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// The smaller of the two; either one if one is NaN.
    fn min(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// |a|
    fn abs(self, a: Self::Vec) -> Self::Vec;
    /// 2^n, given n + `ROUNDER` (whose lowest bits are n) for an integer n with a normal 2^n;
    /// unspecified for other n.
    fn pow2(self, shifted: Self::Vec) -> Self::Vec;

    /// a < b; false if one is NaN.
    fn lt(self, a: Self::Vec, b: Self::Vec) -> Self::Mask;
    /// Set in the first `n <= LANES` lanes.
    fn first(self, n: usize) -> Self::Mask;
    /// `a` in the lanes in which the mask is set, `b` in the others.
    fn select(self, mask: Self::Mask, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a, with 0 in the lanes whose value is below the normal range.
    fn flush(self, a: Self::Vec) -> Self::Vec;
    /// a != 0; true for NaN.
    fn nonzero(self, a: Self::Vec) -> Self::Mask;
    /// The mask as bits: bit i is lane i.
    fn bits(self, mask: Self::Mask) -> u32;

    /// One step of a reduction of two vectors, whose items are `2^(log2 LANES - stage)` lanes each:
    /// returns one half and the other half of all items, which are then to be added (or joined
    /// otherwise). See `reduce::fold_all`.
    fn halves(self, stage: usize, a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec);
    /// Restores the natural order of `LANES` sums after the last step of the reduction.
    fn unfold(self, a: Self::Vec) -> Self::Vec;

    /// One step of a transposition: in each group of `2 step` lanes, swaps the last `step` lanes of
    /// `a` with the first `step` lanes of `b`.
    fn exchange(self, step: usize, a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec);

    /// Compress-store: writes `base + i` to the start of `list` for each set bit i among the lowest
    /// `LANES`, in ascending order, and returns their number. Up to 16 entries are written.
    ///
    /// # Panics
    /// If `list` is too short for the entries that are written.
    #[inline(always)]
    fn append(self, list: &mut [u32], base: usize, bits: u32) -> usize {
        compress::append(list, base as u32, bits)
    }

    /// Prefetches the cache line at `at` into L1. `at` may be any address.
    fn prefetch_near(self, at: *const T);
    /// Prefetches the cache line at `at` into L2. `at` may be any address.
    fn prefetch(self, at: *const T);
}
