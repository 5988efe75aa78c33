//! AVX2 with FMA: a vector is two ymm registers, the lower and the upper half.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::features::with_features;
use super::stored::one_by_one;
use super::vector::Simd;

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

impl Simd<f32> for Avx2 {
    type Vec = Pair<__m256>;
    type Mask = Pair<__m256>;

    const WIDENS: bool = true;

    common! {
        f32, half: 8, integers: _mm256_castps_si256,
        set1: _mm256_set1_ps,
        loadu: _mm256_loadu_ps,
        storeu: _mm256_storeu_ps,
        maskload: _mm256_maskload_ps,
        maskstore: _mm256_maskstore_ps,
        add: _mm256_add_ps,
        sub: _mm256_sub_ps,
        mul: _mm256_mul_ps,
        fmadd: _mm256_fmadd_ps,
        max: _mm256_max_ps,
        min: _mm256_min_ps,
        andnot: _mm256_andnot_ps,
        cmp: _mm256_cmp_ps,
        blendv: _mm256_blendv_ps,
        movemask: _mm256_movemask_ps,
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const bf16) -> Pair<__m256> {
        // SAFETY: `self` proves avx2. 16 elements at `from` are readable by the precondition of
        // `Simd::load_bf16`.
        unsafe {
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.add(8).cast()));
            Pair(
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)),
            )
        }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const f16) -> Pair<__m256> {
        // SAFETY: `self` proves f16c. 16 elements at `from` are readable by the precondition of
        // `Simd::load_f16`.
        unsafe {
            Pair(
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            )
        }
    }

    #[inline(always)]
    fn first(self, n: usize) -> Pair<__m256> {
        // SAFETY: `self` proves avx2.
        unsafe {
            let n = _mm256_set1_epi32(n as i32);
            let low = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let high = _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15);
            Pair(
                _mm256_castsi256_ps(_mm256_cmpgt_epi32(n, low)),
                _mm256_castsi256_ps(_mm256_cmpgt_epi32(n, high)),
            )
        }
    }

    #[inline(always)]
    fn flush(self, a: Pair<__m256>) -> Pair<__m256> {
        // SAFETY: `self` proves avx2.
        unsafe {
            // The exponent is 0 for zero and for numbers below the normal range.
            let (zero, exponents) = (_mm256_setzero_si256(), _mm256_set1_epi32(0xff << 23));
            let (low, high) = (_mm256_castps_si256(a.0), _mm256_castps_si256(a.1));
            let low_is_0 = _mm256_cmpeq_epi32(_mm256_and_si256(low, exponents), zero);
            let high_is_0 = _mm256_cmpeq_epi32(_mm256_and_si256(high, exponents), zero);
            Pair(
                _mm256_castsi256_ps(_mm256_andnot_si256(low_is_0, low)),
                _mm256_castsi256_ps(_mm256_andnot_si256(high_is_0, high)),
            )
        }
    }

    #[inline(always)]
    fn pow2(self, shifted: Pair<__m256>) -> Pair<__m256> {
        // SAFETY: `self` proves avx2.
        unsafe {
            let bias = _mm256_set1_epi32(127 << 23);
            let low = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted.0));
            let high = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted.1));
            Pair(
                _mm256_castsi256_ps(_mm256_add_epi32(low, bias)),
                _mm256_castsi256_ps(_mm256_add_epi32(high, bias)),
            )
        }
    }

    #[inline(always)]
    fn halves(
        self,
        stage: usize,
        a: Pair<__m256>,
        b: Pair<__m256>,
    ) -> (Pair<__m256>, Pair<__m256>) {
        // SAFETY: `self` proves avx2.
        unsafe {
            match stage {
                0 => pairs((a.0, a.1), (b.0, b.1)),
                // 128-bit quarters a0 a1 a2 a3: [a0 a2] + [a1 a3].
                1 => pairs(
                    (
                        _mm256_permute2f128_ps::<0x20>(a.0, a.1),
                        _mm256_permute2f128_ps::<0x31>(a.0, a.1),
                    ),
                    (
                        _mm256_permute2f128_ps::<0x20>(b.0, b.1),
                        _mm256_permute2f128_ps::<0x31>(b.0, b.1),
                    ),
                ),
                // In every quarter, [a0 a1 b2 b3] + [a2 a3 b0 b1] ...
                2 => pairs(
                    (
                        _mm256_blend_ps::<0xcc>(a.0, b.0),
                        _mm256_shuffle_ps::<0b01_00_11_10>(a.0, b.0),
                    ),
                    (
                        _mm256_blend_ps::<0xcc>(a.1, b.1),
                        _mm256_shuffle_ps::<0b01_00_11_10>(a.1, b.1),
                    ),
                ),
                // ... and [a0 a2 b0 b2] + [a1 a3 b1 b3].
                _ => pairs(
                    (
                        _mm256_shuffle_ps::<0b10_00_10_00>(a.0, b.0),
                        _mm256_shuffle_ps::<0b11_01_11_01>(a.0, b.0),
                    ),
                    (
                        _mm256_shuffle_ps::<0b10_00_10_00>(a.1, b.1),
                        _mm256_shuffle_ps::<0b11_01_11_01>(a.1, b.1),
                    ),
                ),
            }
        }
    }

    #[inline(always)]
    fn unfold(self, a: Pair<__m256>) -> Pair<__m256> {
        // SAFETY: `self` proves avx2.
        unsafe {
            // 128-bit quarter j holds sums j, 4 + j, 8 + j, 12 + j.
            let even_odd = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            Pair(
                _mm256_permutevar8x32_ps(_mm256_unpacklo_ps(a.0, a.1), even_odd),
                _mm256_permutevar8x32_ps(_mm256_unpackhi_ps(a.0, a.1), even_odd),
            )
        }
    }

    #[inline(always)]
    fn exchange(self, step: usize, a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec) {
        #[inline(always)]
        fn each(
            a: Pair<__m256>,
            b: Pair<__m256>,
            exchange: impl Fn(__m256, __m256) -> (__m256, __m256),
        ) -> (Pair<__m256>, Pair<__m256>) {
            let (low, high) = (exchange(a.0, b.0), exchange(a.1, b.1));
            (Pair(low.0, high.0), Pair(low.1, high.1))
        }
        // SAFETY: `self` proves avx2.
        unsafe {
            match step {
                8 => (Pair(a.0, b.0), Pair(a.1, b.1)),
                4 => each(
                    a,
                    b,
                    #[inline(always)]
                    |a, b| {
                        (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b))
                    },
                ),
                // In every quarter, [a0 a1 b0 b1] and [a2 a3 b2 b3] ...
                2 => each(
                    a,
                    b,
                    #[inline(always)]
                    |a, b| {
                        (
                            _mm256_shuffle_ps::<0b01_00_01_00>(a, b),
                            _mm256_shuffle_ps::<0b11_10_11_10>(a, b),
                        )
                    },
                ),
                // ... and [a0 b0 a2 b2] and [a1 b1 a3 b3].
                _ => each(
                    a,
                    b,
                    #[inline(always)]
                    |a, b| {
                        (
                            _mm256_blend_ps::<0xaa>(a, _mm256_moveldup_ps(b)),
                            _mm256_blend_ps::<0xaa>(_mm256_movehdup_ps(a), b),
                        )
                    },
                ),
            }
        }
    }
}

impl Simd<f64> for Avx2 {
    type Vec = Pair<__m256d>;
    type Mask = Pair<__m256d>;

    const WIDENS: bool = false;

    common! {
        f64, half: 4, integers: _mm256_castpd_si256,
        set1: _mm256_set1_pd,
        loadu: _mm256_loadu_pd,
        storeu: _mm256_storeu_pd,
        maskload: _mm256_maskload_pd,
        maskstore: _mm256_maskstore_pd,
        add: _mm256_add_pd,
        sub: _mm256_sub_pd,
        mul: _mm256_mul_pd,
        fmadd: _mm256_fmadd_pd,
        max: _mm256_max_pd,
        min: _mm256_min_pd,
        andnot: _mm256_andnot_pd,
        cmp: _mm256_cmp_pd,
        blendv: _mm256_blendv_pd,
        movemask: _mm256_movemask_pd,
    }

    one_by_one! { f64, Pair<__m256d> }

    #[inline(always)]
    fn first(self, n: usize) -> Pair<__m256d> {
        // SAFETY: `self` proves avx2.
        unsafe {
            let n = _mm256_set1_epi64x(n as i64);
            let low = _mm256_setr_epi64x(0, 1, 2, 3);
            let high = _mm256_setr_epi64x(4, 5, 6, 7);
            Pair(
                _mm256_castsi256_pd(_mm256_cmpgt_epi64(n, low)),
                _mm256_castsi256_pd(_mm256_cmpgt_epi64(n, high)),
            )
        }
    }

    #[inline(always)]
    fn flush(self, a: Pair<__m256d>) -> Pair<__m256d> {
        // SAFETY: `self` proves avx2.
        unsafe {
            // The exponent is 0 for zero and for numbers below the normal range.
            let (zero, exponents) = (_mm256_setzero_si256(), _mm256_set1_epi64x(0x7ff << 52));
            let (low, high) = (_mm256_castpd_si256(a.0), _mm256_castpd_si256(a.1));
            let low_is_0 = _mm256_cmpeq_epi64(_mm256_and_si256(low, exponents), zero);
            let high_is_0 = _mm256_cmpeq_epi64(_mm256_and_si256(high, exponents), zero);
            Pair(
                _mm256_castsi256_pd(_mm256_andnot_si256(low_is_0, low)),
                _mm256_castsi256_pd(_mm256_andnot_si256(high_is_0, high)),
            )
        }
    }

    #[inline(always)]
    fn pow2(self, shifted: Pair<__m256d>) -> Pair<__m256d> {
        // SAFETY: `self` proves avx2.
        unsafe {
            let bias = _mm256_set1_epi64x(1023 << 52);
            let low = _mm256_slli_epi64::<52>(_mm256_castpd_si256(shifted.0));
            let high = _mm256_slli_epi64::<52>(_mm256_castpd_si256(shifted.1));
            Pair(
                _mm256_castsi256_pd(_mm256_add_epi64(low, bias)),
                _mm256_castsi256_pd(_mm256_add_epi64(high, bias)),
            )
        }
    }

    #[inline(always)]
    fn halves(
        self,
        stage: usize,
        a: Pair<__m256d>,
        b: Pair<__m256d>,
    ) -> (Pair<__m256d>, Pair<__m256d>) {
        // SAFETY: `self` proves avx2.
        unsafe {
            match stage {
                0 => pairs((a.0, a.1), (b.0, b.1)),
                // 128-bit quarters a0 a1 a2 a3: [a0 a2] + [a1 a3].
                1 => pairs(
                    (
                        _mm256_permute2f128_pd::<0x20>(a.0, a.1),
                        _mm256_permute2f128_pd::<0x31>(a.0, a.1),
                    ),
                    (
                        _mm256_permute2f128_pd::<0x20>(b.0, b.1),
                        _mm256_permute2f128_pd::<0x31>(b.0, b.1),
                    ),
                ),
                // In every quarter, [a0 b0] + [a1 b1].
                _ => pairs(
                    (_mm256_unpacklo_pd(a.0, b.0), _mm256_unpackhi_pd(a.0, b.0)),
                    (_mm256_unpacklo_pd(a.1, b.1), _mm256_unpackhi_pd(a.1, b.1)),
                ),
            }
        }
    }

    #[inline(always)]
    fn unfold(self, a: Pair<__m256d>) -> Pair<__m256d> {
        // SAFETY: `self` proves avx2.
        unsafe {
            // 128-bit quarter j holds sums j and 4 + j.
            Pair(
                _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_unpacklo_pd(a.0, a.1)),
                _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_unpackhi_pd(a.0, a.1)),
            )
        }
    }

    #[inline(always)]
    fn exchange(self, step: usize, a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec) {
        #[inline(always)]
        fn each(
            a: Pair<__m256d>,
            b: Pair<__m256d>,
            exchange: impl Fn(__m256d, __m256d) -> (__m256d, __m256d),
        ) -> (Pair<__m256d>, Pair<__m256d>) {
            let (low, high) = (exchange(a.0, b.0), exchange(a.1, b.1));
            (Pair(low.0, high.0), Pair(low.1, high.1))
        }
        // SAFETY: `self` proves avx2.
        unsafe {
            match step {
                4 => (Pair(a.0, b.0), Pair(a.1, b.1)),
                2 => each(
                    a,
                    b,
                    #[inline(always)]
                    |a, b| {
                        (_mm256_permute2f128_pd::<0x20>(a, b), _mm256_permute2f128_pd::<0x31>(a, b))
                    },
                ),
                _ => each(
                    a,
                    b,
                    #[inline(always)]
                    |a, b| (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)),
                ),
            }
        }
    }
}
