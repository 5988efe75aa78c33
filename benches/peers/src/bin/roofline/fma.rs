//! The FMA peak: multiply-adds on registers alone, as many independent ones as the latency asks
//! for.

use std::hint::black_box;

use hopfield_kernels::Level;
use hopfield_peers::{Dtype, time_slice};

/// Rounds of a call: some 50 µs.
const ROUNDS: usize = 10_000;

/// Floating-point operations a second at a level (two for each multiply-add).
pub fn rate(level: Level, dtype: Dtype, seconds: f64) -> f64 {
    let mut operations = 0;
    let slice = time_slice(seconds, &mut || operations = 2 * burst(level, dtype));
    operations as f64 / slice.seconds
}

/// `ROUNDS` rounds; answers with the number of multiply-adds.
fn burst(level: Level, dtype: Dtype) -> usize {
    match (level.name(), dtype) {
        // SAFETY: a `Level` exists only where its instructions do.
        #[cfg(target_arch = "x86_64")]
        ("avx512", Dtype::F32) => unsafe { x86::avx512_f32() },
        // SAFETY: a `Level` exists only where its instructions do.
        #[cfg(target_arch = "x86_64")]
        ("avx512", Dtype::F64) => unsafe { x86::avx512_f64() },
        // SAFETY: a `Level` exists only where its instructions do.
        #[cfg(target_arch = "x86_64")]
        ("avx2", Dtype::F32) => unsafe { x86::avx2_f32() },
        // SAFETY: a `Level` exists only where its instructions do.
        #[cfg(target_arch = "x86_64")]
        ("avx2", Dtype::F64) => unsafe { x86::avx2_f64() },
        (_, Dtype::F32) => portable_f32(),
        (_, Dtype::F64) => portable_f64(),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use super::ROUNDS;

    macro_rules! burst {
        ($name:ident, $features:literal, $lanes:literal x $chains:literal, $set:ident, $fma:ident) => {
            #[target_feature(enable = $features)]
            pub fn $name() -> usize {
                let factor = black_box($set(0.999));
                // Opaque: chains that are known to be equal would become one.
                let mut sums = black_box([$set(1.0); $chains]);
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = $fma(*sum, factor, factor);
                    }
                }
                black_box(sums);
                ROUNDS * $chains * $lanes
            }
        };
    }

    burst!(avx512_f32, "avx512f", 16 x 16, _mm512_set1_ps, _mm512_fmadd_ps);
    burst!(avx512_f64, "avx512f", 8 x 16, _mm512_set1_pd, _mm512_fmadd_pd);
    burst!(avx2_f32, "avx2,fma", 8 x 12, _mm256_set1_ps, _mm256_fmadd_ps);
    burst!(avx2_f64, "avx2,fma", 4 x 12, _mm256_set1_pd, _mm256_fmadd_pd);
}

/// Arrays of 128 bits, for the compiler to hold in the baseline's registers.
macro_rules! portable {
    ($name:ident, $t:ident, $lanes:literal) => {
        fn $name() -> usize {
            const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
            let factor = black_box([0.999; $lanes]);
            let mut sums = black_box([[1.0; $lanes]; 12]);
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    for (sum, factor) in sum.iter_mut().zip(&factor) {
                        let fused = |a: $t, b: $t| a.mul_add(b, b);
                        *sum = if FUSED { fused(*sum, *factor) } else { *sum * factor + factor };
                    }
                }
            }
            black_box(sums);
            ROUNDS * 12 * $lanes
        }
    };
}

portable!(portable_f32, f32, 4);
portable!(portable_f64, f64, 2);
