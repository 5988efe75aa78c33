//! Vectors of 8 x `f64`.

use std::arch::x86_64::*;

use super::{Avx2, Pair, pairs};
use crate::simd::stored::one_by_one;
use crate::simd::vector::Simd;

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
