//! Vectors of 16 x `f32`.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{Avx2, Pair, pairs};
use crate::simd::vector::Simd;

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
