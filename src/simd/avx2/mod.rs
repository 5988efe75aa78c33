//! AVX2 with FMA: a vector is two ymm registers, the lower and the upper half.

use super::features::with_features;

/// Proof that AVX2 and FMA exist, and POPCNT, BMI and F16C, which all such machines have.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("f16c");
        found.then_some(Self(()))
    }
}

with_features!(Avx2, "avx2,fma,popcnt,bmi1,bmi2,f16c");

/// The two halves of a vector.
#[derive(Clone, Copy)]
pub(super) struct Pair<V>(V, V);

/// Two vectors, from their lower halves and from their upper halves.
#[inline(always)]
fn pairs<V>(low: (V, V), high: (V, V)) -> (Pair<V>, Pair<V>) {
    (Pair(low.0, high.0), Pair(low.1, high.1))
}

/// The methods that both element types share, in terms of the intrinsics of each.
macro_rules! common {
    (
        $t:ident, half: $half:literal, integers: $integers:ident,
        set1: $set1:ident,
        loadu: $loadu:ident,
        storeu: $storeu:ident,
        maskload: $maskload:ident,
        maskstore: $maskstore:ident,
        add: $add:ident,
        sub: $sub:ident,
        mul: $mul:ident,
        fmadd: $fmadd:ident,
        max: $max:ident,
        min: $min:ident,
        andnot: $andnot:ident,
        cmp: $cmp:ident,
        blendv: $blendv:ident,
        movemask: $movemask:ident,
    ) => {
        // A 3 x 2 tile has 6 accumulators, which are 12 of 16 registers, and 12 multiply-adds for
        // 10 loads.
        const MR: usize = 3;
        const NR: usize = 2;
        const PANELS: usize = 1;
        const STRIP_ROW_BYTES: usize = 1024;
        const LOOKAHEAD: bool = false;
        const STRIP_VECTORS: usize = 4;
        const STREAMS: usize = 2;
        const REGISTERS: usize = 8;

        #[inline(always)]
        fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
            self.vectorize(work)
        }
        #[inline(always)]
        fn splat(self, x: $t) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            let half = unsafe { $set1(x) };
            Pair(half, half)
        }
        #[inline(always)]
        unsafe fn load(self, from: *const $t) -> Self::Vec {
            // SAFETY: `self` proves avx2. `LANES` elements at `from` are readable by the
            // precondition of `Simd::load`.
            unsafe { Pair($loadu(from), $loadu(from.add($half))) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut $t, vector: Self::Vec) {
            // SAFETY: `self` proves avx2. `LANES` elements at `to` are writable by the precondition
            // of `Simd::store`.
            unsafe {
                $storeu(to, vector.0);
                $storeu(to.add($half), vector.1);
            }
        }
        #[inline(always)]
        unsafe fn load_first(self, from: *const $t, n: usize) -> Self::Vec {
            let Pair(low, high) = <Self as Simd<$t>>::first(self, n);
            // SAFETY:
            // - `self` proves avx2.
            // - Only the first `n` lanes are accessed, and `n` elements at `from` are readable by
            //   the precondition of `Simd::load_first`.
            // - The address of the upper half may lie outside the allocation, hence `wrapping_add`.
            unsafe {
                Pair(
                    $maskload(from, $integers(low)),
                    $maskload(from.wrapping_add($half), $integers(high)),
                )
            }
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut $t, vector: Self::Vec, n: usize) {
            let Pair(low, high) = <Self as Simd<$t>>::first(self, n);
            // SAFETY:
            // - `self` proves avx2.
            // - Only the first `n` lanes are accessed, and `n` elements at `to` are writable by the
            //   precondition of `Simd::store_first`.
            // - The address of the upper half may lie outside the allocation, hence `wrapping_add`.
            unsafe {
                $maskstore(to, $integers(low), vector.0);
                $maskstore(to.wrapping_add($half), $integers(high), vector.1);
            }
        }
        #[inline(always)]
        fn add(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            unsafe { Pair($add(a.0, b.0), $add(a.1, b.1)) }
        }
        #[inline(always)]
        fn sub(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            unsafe { Pair($sub(a.0, b.0), $sub(a.1, b.1)) }
        }
        #[inline(always)]
        fn mul(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            unsafe { Pair($mul(a.0, b.0), $mul(a.1, b.1)) }
        }
        #[inline(always)]
        fn mul_add(self, a: Self::Vec, b: Self::Vec, c: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves fma.
            unsafe { Pair($fmadd(a.0, b.0, c.0), $fmadd(a.1, b.1, c.1)) }
        }
        #[inline(always)]
        fn max(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            unsafe { Pair($max(a.0, b.0), $max(a.1, b.1)) }
        }
        #[inline(always)]
        fn abs(self, a: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            unsafe {
                let sign = $set1(-0.0);
                Pair($andnot(sign, a.0), $andnot(sign, a.1))
            }
        }
        #[inline(always)]
        fn min(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            unsafe { Pair($min(a.0, b.0), $min(a.1, b.1)) }
        }
        #[inline(always)]
        fn lt(self, a: Self::Vec, b: Self::Vec) -> Self::Mask {
            // SAFETY: `self` proves avx2.
            unsafe { Pair($cmp::<_CMP_LT_OQ>(a.0, b.0), $cmp::<_CMP_LT_OQ>(a.1, b.1)) }
        }
        #[inline(always)]
        fn select(self, mask: Self::Mask, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx2.
            unsafe { Pair($blendv(b.0, a.0, mask.0), $blendv(b.1, a.1, mask.1)) }
        }
        #[inline(always)]
        fn nonzero(self, a: Self::Vec) -> Self::Mask {
            let zero = <Self as Simd<$t>>::splat(self, 0.0);
            // SAFETY: `self` proves avx2.
            unsafe { Pair($cmp::<_CMP_NEQ_UQ>(a.0, zero.0), $cmp::<_CMP_NEQ_UQ>(a.1, zero.1)) }
        }
        #[inline(always)]
        fn bits(self, mask: Self::Mask) -> u32 {
            // SAFETY: `self` proves avx2.
            unsafe { $movemask(mask.0) as u32 | ($movemask(mask.1) as u32) << $half }
        }
        #[inline(always)]
        fn prefetch_near(self, at: *const $t) {
            // SAFETY: a prefetch of any address is harmless.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
        }
        #[inline(always)]
        fn prefetch(self, at: *const $t) {
            // SAFETY: a prefetch of any address is harmless.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
        }
    };
}

mod double;
mod single;
