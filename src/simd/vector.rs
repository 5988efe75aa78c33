//! The vector trait: what the kernels are written over.

use super::compress;

/// Work that runs at a level: a closure that is generic over the lanes.
pub trait Kernel<T> {
    /// What the work returns.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Output;
}

/// A level's lanes of `T`.
///
/// Every method is `#[inline(always)]` and compiles to a handful of instructions. Methods that take
/// pointers are unsafe for that reason alone; the instruction set is proved by `self`.
pub trait Simd<T>: Copy {
    /// A vector.
    type Vec: Copy;
    /// One truth value for each lane.
    type Mask: Copy;

    /// Probes of a register tile of dot products, which share the loads of a pattern.
    ///
    /// Tiles never change a result: each accumulator belongs to one sum, whose order is fixed.
    const MR: usize;
    /// Patterns of a register tile of dot products, which share the loads of a probe. A tile of one probe
    /// has twice as many.
    const NR: usize;
    /// Panels of a register tile of packed dot products.
    const PANELS: usize;
    /// Bytes of a pattern from which one probe is recalled by row strips.
    const STRIP_ROW_BYTES: usize;
    /// Whether the scores of the next row strip of short patterns are computed ahead.
    const LOOKAHEAD: bool;
    /// Vectors of what is retrieved for one probe that stay in registers for a strip of long rows.
    const STRIP_VECTORS: usize;
    /// Streams of patterns that are updated at once.
    const STREAMS: usize;
    /// Vectors that the registers hold. A tile of a sum of rows, P destinations by G vectors, has
    /// P G accumulators, G loads and a broadcast.
    const REGISTERS: usize;

    /// Does work in a function of its own, which is compiled for the level. The work is to be a closure that is
    /// `#[inline(always)]` and, so that it need not look for what it captures in memory, `move`.
    fn vectorize<R>(self, work: impl FnOnce() -> R) -> R;

    /// Every lane `x`.
    fn splat(self, x: T) -> Self::Vec;

    /// Reads a whole vector.
    ///
    /// # Safety
    /// `LANES` elements at `from` are readable.
    unsafe fn load(self, from: *const T) -> Self::Vec;

    /// Writes a whole vector.
    ///
    /// # Safety
    /// `LANES` elements at `to` are writable.
    unsafe fn store(self, to: *mut T, vector: Self::Vec);

    /// Reads the first `n < LANES` lanes; the others are zero.
    ///
    /// # Safety
    /// `n` elements at `from` are readable.
    unsafe fn load_first(self, from: *const T, n: usize) -> Self::Vec;

    /// Writes the first `n < LANES` lanes.
    ///
    /// # Safety
    /// `n` elements at `to` are writable.
    unsafe fn store_first(self, to: *mut T, vector: Self::Vec, n: usize);

    /// a + b
    fn add(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a - b
    fn sub(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a b
    fn mul(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a b + c, rounded once where the level has fused multiply-add.
    fn mul_add(self, a: Self::Vec, b: Self::Vec, c: Self::Vec) -> Self::Vec;
    /// The larger; either, where one is NaN.
    fn max(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// The smaller; either, where one is NaN.
    fn min(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// 2^n, given n + `ROUNDER` (which holds n in its lowest bits) for an integer n with a normal
    /// 2^n; anything for other n.
    fn pow2(self, shifted: Self::Vec) -> Self::Vec;

    /// a < b; false where one is NaN.
    fn lt(self, a: Self::Vec, b: Self::Vec) -> Self::Mask;
    /// The first `n <= LANES` lanes.
    fn first(self, n: usize) -> Self::Mask;
    /// `a` where the mask is set, `b` elsewhere.
    fn select(self, mask: Self::Mask, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// a, with 0 in the lanes that are below the normal range.
    fn flush(self, a: Self::Vec) -> Self::Vec;
    /// a is not 0; true for NaN.
    fn nonzero(self, a: Self::Vec) -> Self::Mask;
    /// Bit i: the mask of lane i.
    fn bits(self, mask: Self::Mask) -> u32;

    /// One step of summing (or the like) the lanes of two vectors: the halves of each item of `2^(log2
    /// LANES - stage)` lanes, which are to be added to one another. See [`sums`](crate::kernel) for how
    /// the steps make sums.
    fn halves(self, stage: usize, a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec);
    /// The order of `LANES` sums after the last step, made natural.
    fn unfold(self, a: Self::Vec) -> Self::Vec;

    /// One step of transposing: of every `2 step` lanes, the last `step` of `a` change places with the
    /// first `step` of `b`.
    fn exchange(self, step: usize, a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec);

    /// Appends `base` plus the place of each of the lowest `LANES` bits that is set to a list that begins
    /// here, and returns how many there are. Up to 16 entries are written.
    ///
    /// # Panics
    /// When `list` is too short for that.
    #[inline(always)]
    fn append(self, list: &mut [u32], base: usize, bits: u32) -> usize {
        compress::append(list, base as u32, bits)
    }

    /// Asks for the cache line at `at` to be brought to L1. Any address will do.
    fn prefetch_near(self, at: *const T);
    /// Asks for the cache line at `at` to be brought to L2. Any address will do.
    fn prefetch(self, at: *const T);
}
