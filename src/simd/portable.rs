//! The portable level: vectors from `wide`, for the target's baseline (SSE2, NEON, simd128).
//!
//! `wide` selects its instructions at build time and cannot use run-time detection, so this level
//! serves machines and targets that have no other.

use wide::{f32x16, f64x8};

use super::stored::one_by_one;
use super::vector::Simd;

/// The token needs no proof: its instructions are the target's baseline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Portable(());

impl Portable {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl Portable {
    /// See [`Simd::vectorize`].
    #[inline(never)]
    pub(super) fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

macro_rules! lanes {
    ($t:ident, $bits:ident, $vector:ident, lanes: $lanes:literal, bias: $bias:literal) => {
        impl Simd<$t> for Portable {
            type Vec = $vector;
            type Mask = $vector;

            // A vector takes four of the sixteen registers of SSE2 (NEON has thirty-two).
            const MR: usize = 2;
            const NR: usize = 1;
            const PANELS: usize = 1;
            const STRIP_ROW_BYTES: usize = usize::MAX;
            const LOOKAHEAD: bool = false;
            const STRIP_VECTORS: usize = 4;
            const STREAMS: usize = 1;
            const WIDENS: bool = false;
            const REGISTERS: usize = 4;

            #[inline(always)]
            fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
                self.vectorize(work)
            }
            #[inline(always)]
            fn splat(self, x: $t) -> $vector {
                $vector::splat(x)
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $t) -> $vector {
                // SAFETY: `LANES` elements at `from` are readable by the precondition of
                // `Simd::load`.
                $vector::new(unsafe { from.cast::<[$t; $lanes]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t, vector: $vector) {
                // SAFETY: `LANES` elements at `to` are writable by the precondition of
                // `Simd::store`.
                unsafe { to.cast::<[$t; $lanes]>().write_unaligned(vector.to_array()) }
            }
            #[inline(always)]
            unsafe fn load_first(self, from: *const $t, n: usize) -> $vector {
                let mut lanes = [0.0; $lanes];
                // SAFETY: `n` elements at `from` are readable by the precondition of
                // `Simd::load_first`; slicing `lanes` panics if it has fewer.
                unsafe { from.copy_to_nonoverlapping(lanes[..n].as_mut_ptr(), n) };
                $vector::new(lanes)
            }
            one_by_one! { $t, $vector }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $t, vector: $vector, n: usize) {
                let lanes = vector.to_array();
                // SAFETY: `n` elements at `to` are writable by the precondition of
                // `Simd::store_first`; slicing `lanes` panics if it has fewer.
                unsafe { to.copy_from_nonoverlapping(lanes[..n].as_ptr(), n) };
            }
            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                a + b
            }
            #[inline(always)]
            fn sub(self, a: $vector, b: $vector) -> $vector {
                a - b
            }
            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                a * b
            }
            #[inline(always)]
            fn mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                a.mul_add(b, c)
            }
            #[inline(always)]
            fn max(self, a: $vector, b: $vector) -> $vector {
                a.fast_max(b)
            }
            #[inline(always)]
            fn abs(self, a: $vector) -> $vector {
                a.abs()
            }
            #[inline(always)]
            fn min(self, a: $vector, b: $vector) -> $vector {
                a.fast_min(b)
            }
            #[inline(always)]
            fn pow2(self, shifted: $vector) -> $vector {
                let exponents = shifted
                    .to_array()
                    .map(|x| x.to_bits().wrapping_add($bias) << ($t::MANTISSA_DIGITS - 1));
                $vector::new(exponents.map($t::from_bits))
            }
            #[inline(always)]
            fn lt(self, a: $vector, b: $vector) -> $vector {
                a.simd_lt(b)
            }
            #[inline(always)]
            fn first(self, n: usize) -> $vector {
                let all = $t::from_bits($bits::MAX);
                $vector::new(std::array::from_fn(|lane| if lane < n { all } else { 0.0 }))
            }
            #[inline(always)]
            fn select(self, mask: $vector, a: $vector, b: $vector) -> $vector {
                mask.bitselect(a, b)
            }
            #[inline(always)]
            fn flush(self, a: $vector) -> $vector {
                let normal = a.abs().simd_ge(<$vector>::splat($t::MIN_POSITIVE));
                // Not "0 if it is less": a NaN must stay NaN.
                (normal | a.simd_ne(a)).bitselect(a, $vector::ZERO)
            }
            #[inline(always)]
            fn nonzero(self, a: $vector) -> $vector {
                a.simd_ne($vector::ZERO)
            }
            #[inline(always)]
            fn bits(self, mask: $vector) -> u32 {
                mask.to_bitmask()
            }
            #[inline(always)]
            fn halves(self, stage: usize, a: $vector, b: $vector) -> ($vector, $vector) {
                /// For items of `2 HALF` lanes: first those of `a`, then those of `b`.
                #[inline(always)]
                fn both<const HALF: usize>(a: $vector, b: $vector) -> ($vector, $vector) {
                    let (a, b) = (a.to_array(), b.to_array());
                    let (mut lower, mut upper) = (a, a);
                    for at in 0..$lanes {
                        let (from, at_) =
                            if at < $lanes / 2 { (&a, at) } else { (&b, at - $lanes / 2) };
                        let lane = at_ / HALF * 2 * HALF + at_ % HALF;
                        (lower[at], upper[at]) = (from[lane], from[lane + HALF]);
                    }
                    ($vector::new(lower), $vector::new(upper))
                }
                // `HALF` is a constant for each stage, so that lanes are shuffled and not indexed.
                match stage {
                    0 => both::<{ $lanes / 2 }>(a, b),
                    1 => both::<{ $lanes / 4 }>(a, b),
                    2 => both::<{ $lanes / 8 }>(a, b),
                    _ => both::<{ 16 / $lanes }>(a, b),
                }
            }
            #[inline(always)]
            fn unfold(self, a: $vector) -> $vector {
                a
            }
            #[inline(always)]
            fn exchange(self, step: usize, a: $vector, b: $vector) -> ($vector, $vector) {
                let (a, b) = (a.to_array(), b.to_array());
                let (mut first, mut second) = (a, b);
                for lane in 0..$lanes {
                    if lane & step == 0 {
                        (first[lane + step], second[lane]) = (b[lane], a[lane + step]);
                    }
                }
                ($vector::new(first), $vector::new(second))
            }
            #[inline(always)]
            fn prefetch_near(self, _: *const $t) {}
            #[inline(always)]
            fn prefetch(self, _: *const $t) {}
        }
    };
}

lanes!(f32, u32, f32x16, lanes: 16, bias: 127);
lanes!(f64, u64, f64x8, lanes: 8, bias: 1023);
