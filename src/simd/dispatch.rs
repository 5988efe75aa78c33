//! The constants of `f32` and `f64`, and how a kernel comes to run at a level.

use super::lanes::Lanes;
use super::level::{Kind, Level};
use super::vector::{Kernel, Simd};

/// Coefficients of f, f², ... for f32; see [`exp2`](super::exp2).
const EXP2_F32: [f32; 6] = [
    std::f32::consts::LN_2,
    0.240_226_39,
    0.055_503_327,
    0.009_619_218,
    0.001_340_069_5,
    0.000_151_514_1,
];

/// Coefficients of f, f², ... for f64; see [`exp2`](super::exp2).
const EXP2_F64: [f64; 11] = [
    0.693_147_180_559_945_4,
    0.240_226_506_959_101_3,
    0.055_504_108_664_815_81,
    0.009_618_129_107_593_005,
    0.001_333_355_814_755_773_3,
    0.000_154_035_304_586_847_8,
    1.525_273_286_044_308_3e-5,
    1.321_543_443_176_104_2e-6,
    1.017_843_142_891_832_2e-7,
    7.073_941_032_113_694e-9,
    4.403_219_407_169_154e-10,
];

macro_rules! lanes {
    ($t:ident, lanes: $lanes:literal, exp2: $exp2:expr, least_root: $least_root:literal) => {
        impl Lanes for $t {
            const LANES: usize = $lanes;
            const EXP2: &'static [Self] = $exp2;
            const EXP2_CUT: Self = ($t::MIN_EXP - 1) as $t;
            const LEAST_ROOT: Self = $t::from_bits($least_root);
            const SMALL_NORM: Self = (1_u64 << 40) as $t * $t::MIN_POSITIVE;
            const ROUNDER: Self = 1.5 / $t::EPSILON;

            fn dispatch<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output {
                match level.0 {
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx512(token) => run(token, kernel),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx2(token) => run(token, kernel),
                    Kind::Portable(token) => run(token, kernel),
                }
            }
        }
    };
}

// `LEAST_ROOT` has half the bias as its exponent: 2^-63 and 2^-511.
lanes!(f32, lanes: 16, exp2: &EXP2_F32, least_root: 0x2000_0000);
lanes!(f64, lanes: 8, exp2: &EXP2_F64, least_root: 0x2000_0000_0000_0000);

/// Runs a kernel with a token, compiled with the token's target features.
fn run<T, S: Simd<T>, K: Kernel<T>>(simd: S, kernel: K) -> K::Output {
    simd.vectorize(
        #[inline(always)]
        move || kernel.run(simd),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Element;

    /// Positions of set bits, as a list.
    struct Append(u32);

    impl<T: Element> Kernel<T> for Append {
        type Output = Vec<u32>;

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> Vec<u32> {
            let mut list = [u32::MAX; 16];
            let count = simd.append(&mut list, 100, self.0);
            list[..count].to_vec()
        }
    }

    #[test]
    fn every_pattern_of_bits_is_listed() {
        fn check<T: Element>() {
            for level in Level::available() {
                for bits in 0..1_u32 << T::LANES {
                    let places = (0..16).filter(|place| bits >> place & 1 == 1);
                    let expected: Vec<_> = places.map(|place| 100 + place).collect();
                    assert_eq!(T::dispatch(level, Append(bits)), expected, "{level}: {bits:#b}");
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
