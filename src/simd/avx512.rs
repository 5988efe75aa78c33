//! AVX-512: a vector is one zmm register. The level requires `avx512f` alone (with the AVX2 and FMA
//! that every such machine has), not a CPU generation.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::avx2::Avx2;
use super::features::with_features;
use super::stored::one_by_one;
use super::vector::Simd;

/// Proof that AVX-512F exists.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && Avx2::detect().is_some()).then_some(Self(()))
    }
}

with_features!(Avx512, "avx512f,avx2,fma,popcnt,bmi1,bmi2");

/// The methods that both element types share, in terms of the intrinsics of each.
macro_rules! common {
    (
        $t:ident, mask: $mask:ident,
        set1: $set1:ident,
        loadu: $loadu:ident,
        storeu: $storeu:ident,
        maskz_loadu: $maskz_loadu:ident,
        mask_storeu: $mask_storeu:ident,
        add: $add:ident,
        sub: $sub:ident,
        mul: $mul:ident,
        fmadd: $fmadd:ident,
        max: $max:ident,
        min: $min:ident,
        abs: $abs:ident,
        cmp_mask: $cmp_mask:ident,
        blend: $blend:ident,
    ) => {
        type Mask = $mask;

        // A 6 x 4 tile has 24 accumulators, 4 vectors of patterns and one of a probe: 29 of 32
        // registers, and 24 multiply-adds for 10 loads.
        const MR: usize = 6;
        const NR: usize = 4;
        const PANELS: usize = 2;
        const STRIP_ROW_BYTES: usize = 0;
        const LOOKAHEAD: bool = true;
        const STRIP_VECTORS: usize = 8;
        const STREAMS: usize = 2;
        const REGISTERS: usize = 32;

        #[inline(always)]
        fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
            self.vectorize(work)
        }
        #[inline(always)]
        fn splat(self, x: $t) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $set1(x) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const $t) -> Self::Vec {
            // SAFETY: `self` proves avx512f. `LANES` elements at `from` are readable by the
            // precondition of `Simd::load`.
            unsafe { $loadu(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut $t, vector: Self::Vec) {
            // SAFETY: `self` proves avx512f. `LANES` elements at `to` are writable by the
            // precondition of `Simd::store`.
            unsafe { $storeu(to, vector) }
        }
        #[inline(always)]
        unsafe fn load_first(self, from: *const $t, n: usize) -> Self::Vec {
            let mask = <Self as Simd<$t>>::first(self, n);
            // SAFETY: `self` proves avx512f. Only the first `n` lanes are accessed, and `n`
            // elements at `from` are readable by the precondition of `Simd::load_first`.
            unsafe { $maskz_loadu(mask, from) }
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut $t, vector: Self::Vec, n: usize) {
            let mask = <Self as Simd<$t>>::first(self, n);
            // SAFETY: `self` proves avx512f. Only the first `n` lanes are accessed, and `n`
            // elements at `to` are writable by the precondition of `Simd::store_first`.
            unsafe { $mask_storeu(to, mask, vector) }
        }
        #[inline(always)]
        fn add(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        fn sub(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $sub(a, b) }
        }
        #[inline(always)]
        fn mul(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $mul(a, b) }
        }
        #[inline(always)]
        fn mul_add(self, a: Self::Vec, b: Self::Vec, c: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $fmadd(a, b, c) }
        }
        #[inline(always)]
        fn max(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $max(a, b) }
        }
        #[inline(always)]
        fn abs(self, a: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $abs(a) }
        }
        #[inline(always)]
        fn min(self, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $min(a, b) }
        }
        #[inline(always)]
        fn lt(self, a: Self::Vec, b: Self::Vec) -> Self::Mask {
            // SAFETY: `self` proves avx512f.
            unsafe { $cmp_mask::<_CMP_LT_OQ>(a, b) }
        }
        #[inline(always)]
        fn first(self, n: usize) -> Self::Mask {
            ((1_u32 << n) - 1) as $mask
        }
        #[inline(always)]
        fn select(self, mask: Self::Mask, a: Self::Vec, b: Self::Vec) -> Self::Vec {
            // SAFETY: `self` proves avx512f.
            unsafe { $blend(mask, b, a) }
        }
        #[inline(always)]
        fn nonzero(self, a: Self::Vec) -> Self::Mask {
            let zero = <Self as Simd<$t>>::splat(self, 0.0);
            // SAFETY: `self` proves avx512f.
            unsafe { $cmp_mask::<_CMP_NEQ_UQ>(a, zero) }
        }
        #[inline(always)]
        fn bits(self, mask: Self::Mask) -> u32 {
            mask.into()
        }
        #[inline(always)]
        fn append(self, list: &mut [u32], base: usize, bits: u32) -> usize {
            assert!(list.len() >= 16);
            // SAFETY: `self` proves avx512f, and `list` has 16 entries by the assertion above.
            unsafe {
                let places =
                    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let places = _mm512_add_epi32(places, _mm512_set1_epi32(base as i32));
                let places = _mm512_maskz_compress_epi32(bits as u16, places);
                _mm512_storeu_si512(list.as_mut_ptr().cast(), places);
            }
            bits.count_ones() as usize
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

/// The lanes that `exchange` gathers for its first and for its second result, as indices into the
/// lanes of `a` followed by those of `b`.
macro_rules! exchanged {
    ($lanes:literal, $step:literal) => {{
        let mut from = [[0; $lanes]; 2];
        let mut lane = 0;
        while lane < $lanes {
            let upper = lane & $step != 0;
            from[0][lane] = if upper { $lanes + lane - $step } else { lane } as _;
            from[1][lane] = if upper { $lanes + lane } else { lane + $step } as _;
            lane += 1;
        }
        from
    }};
}

impl Simd<f32> for Avx512 {
    type Vec = __m512;

    const WIDENS: bool = true;

    common! {
        f32, mask: __mmask16,
        set1: _mm512_set1_ps,
        loadu: _mm512_loadu_ps,
        storeu: _mm512_storeu_ps,
        maskz_loadu: _mm512_maskz_loadu_ps,
        mask_storeu: _mm512_mask_storeu_ps,
        add: _mm512_add_ps,
        sub: _mm512_sub_ps,
        mul: _mm512_mul_ps,
        fmadd: _mm512_fmadd_ps,
        max: _mm512_max_ps,
        min: _mm512_min_ps,
        abs: _mm512_abs_ps,
        cmp_mask: _mm512_cmp_ps_mask,
        blend: _mm512_mask_blend_ps,
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const bf16) -> __m512 {
        // SAFETY: `self` proves avx512f. 16 elements at `from` are readable by the precondition of
        // `Simd::load_bf16`.
        unsafe {
            let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const f16) -> __m512 {
        // SAFETY: `self` proves avx512f. 16 elements at `from` are readable by the precondition of
        // `Simd::load_f16`.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    fn flush(self, a: __m512) -> __m512 {
        // SAFETY: `self` proves avx512f.
        unsafe {
            // The exponent is 0 for zero and for numbers below the normal range.
            let exponents = _mm512_set1_epi32(0xff << 23);
            _mm512_maskz_mov_ps(_mm512_test_epi32_mask(_mm512_castps_si512(a), exponents), a)
        }
    }

    #[inline(always)]
    fn pow2(self, shifted: __m512) -> __m512 {
        // SAFETY: `self` proves avx512f.
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(127 << 23)))
        }
    }

    #[inline(always)]
    fn halves(self, stage: usize, a: __m512, b: __m512) -> (__m512, __m512) {
        // SAFETY: `self` proves avx512f.
        unsafe {
            match stage {
                // 128-bit quarters a0 a1 a2 a3: [a0 a1 b2 b3] + [a2 a3 b0 b1].
                0 => (
                    _mm512_mask_blend_ps(0xff00, a, b),
                    _mm512_shuffle_f32x4::<0b01_00_11_10>(a, b),
                ),
                // [a0 a2 b0 b2] + [a1 a3 b1 b3].
                1 => (
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
                ),
                // In every quarter, [a0 a1 b2 b3] + [a2 a3 b0 b1] ...
                2 => (_mm512_mask_blend_ps(0xcccc, a, b), _mm512_shuffle_ps::<0b01_00_11_10>(a, b)),
                // ... and [a0 a2 b0 b2] + [a1 a3 b1 b3].
                _ => (
                    _mm512_shuffle_ps::<0b10_00_10_00>(a, b),
                    _mm512_shuffle_ps::<0b11_01_11_01>(a, b),
                ),
            }
        }
    }

    #[inline(always)]
    fn unfold(self, a: __m512) -> __m512 {
        // SAFETY: `self` proves avx512f.
        unsafe {
            // Quarter j holds sums j, 4 + j, 8 + j, 12 + j.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_permutexvar_ps(order, a)
        }
    }

    #[inline(always)]
    fn exchange(self, step: usize, a: __m512, b: __m512) -> (__m512, __m512) {
        const FROM: [[[i32; 16]; 2]; 4] =
            [exchanged!(16, 1), exchanged!(16, 2), exchanged!(16, 4), exchanged!(16, 8)];
        let [first, second] = &FROM[step.ilog2() as usize];
        // SAFETY: `self` proves avx512f, and each index array has the size of a zmm register.
        unsafe {
            let first = _mm512_loadu_si512(first.as_ptr().cast());
            let second = _mm512_loadu_si512(second.as_ptr().cast());
            (_mm512_permutex2var_ps(a, first, b), _mm512_permutex2var_ps(a, second, b))
        }
    }
}

impl Simd<f64> for Avx512 {
    type Vec = __m512d;

    const WIDENS: bool = false;

    common! {
        f64, mask: __mmask8,
        set1: _mm512_set1_pd,
        loadu: _mm512_loadu_pd,
        storeu: _mm512_storeu_pd,
        maskz_loadu: _mm512_maskz_loadu_pd,
        mask_storeu: _mm512_mask_storeu_pd,
        add: _mm512_add_pd,
        sub: _mm512_sub_pd,
        mul: _mm512_mul_pd,
        fmadd: _mm512_fmadd_pd,
        max: _mm512_max_pd,
        min: _mm512_min_pd,
        abs: _mm512_abs_pd,
        cmp_mask: _mm512_cmp_pd_mask,
        blend: _mm512_mask_blend_pd,
    }

    one_by_one! { f64, __m512d }

    #[inline(always)]
    fn flush(self, a: __m512d) -> __m512d {
        // SAFETY: `self` proves avx512f.
        unsafe {
            // The exponent is 0 for zero and for numbers below the normal range.
            let exponents = _mm512_set1_epi64(0x7ff << 52);
            _mm512_maskz_mov_pd(_mm512_test_epi64_mask(_mm512_castpd_si512(a), exponents), a)
        }
    }

    #[inline(always)]
    fn pow2(self, shifted: __m512d) -> __m512d {
        // SAFETY: `self` proves avx512f.
        unsafe {
            let exponent = _mm512_slli_epi64::<52>(_mm512_castpd_si512(shifted));
            _mm512_castsi512_pd(_mm512_add_epi64(exponent, _mm512_set1_epi64(1023 << 52)))
        }
    }

    #[inline(always)]
    fn halves(self, stage: usize, a: __m512d, b: __m512d) -> (__m512d, __m512d) {
        // SAFETY: `self` proves avx512f.
        unsafe {
            match stage {
                // 128-bit quarters a0 a1 a2 a3: [a0 a1 b2 b3] + [a2 a3 b0 b1].
                0 => {
                    (_mm512_mask_blend_pd(0xf0, a, b), _mm512_shuffle_f64x2::<0b01_00_11_10>(a, b))
                }
                // [a0 a2 b0 b2] + [a1 a3 b1 b3].
                1 => (
                    _mm512_shuffle_f64x2::<0b10_00_10_00>(a, b),
                    _mm512_shuffle_f64x2::<0b11_01_11_01>(a, b),
                ),
                // In every quarter, [a0 b0] + [a1 b1].
                _ => (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)),
            }
        }
    }

    #[inline(always)]
    fn unfold(self, a: __m512d) -> __m512d {
        // SAFETY: `self` proves avx512f.
        unsafe {
            // Quarter j holds sums j and 4 + j.
            let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            _mm512_permutexvar_pd(order, a)
        }
    }
    #[inline(always)]
    fn exchange(self, step: usize, a: __m512d, b: __m512d) -> (__m512d, __m512d) {
        const FROM: [[[i64; 8]; 2]; 3] = [exchanged!(8, 1), exchanged!(8, 2), exchanged!(8, 4)];
        let [first, second] = &FROM[step.ilog2() as usize];
        // SAFETY: `self` proves avx512f, and each index array has the size of a zmm register.
        unsafe {
            let first = _mm512_loadu_si512(first.as_ptr().cast());
            let second = _mm512_loadu_si512(second.as_ptr().cast());
            (_mm512_permutex2var_pd(a, first, b), _mm512_permutex2var_pd(a, second, b))
        }
    }
}
