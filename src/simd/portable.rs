//! The portable level: lanes by `wide`, for whatever the target's baseline is (SSE2, NEON, simd128).
//!
//! `wide` is told the instruction set at build time and cannot follow run-time detection, so this
//! is the level for machines and targets that have no other.

use wide::{f32x16, f64x8};

use super::vector::Simd;

/// Needs no proof: its instructions are the target's baseline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Portable(());

impl Portable {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl Portable {
    /// As [`Simd::vectorize`] has it.
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

            // A vector is four registers of SSE2's sixteen (NEON has thirty-two).
            const MR: usize = 2;
            const NR: usize = 1;
            const PANELS: usize = 1;
            const STRIP_ROW_BYTES: usize = usize::MAX;
            const LOOKAHEAD: bool = false;
            const STRIP_VECTORS: usize = 4;
            const STREAMS: usize = 1;
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
                // SAFETY: the caller promises a vector of readable elements.
                $vector::new(unsafe { from.cast::<[$t; $lanes]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t, vector: $vector) {
                // SAFETY: the caller promises a vector of writable elements.
                unsafe { to.cast::<[$t; $lanes]>().write_unaligned(vector.to_array()) }
            }
            #[inline(always)]
            unsafe fn load_first(self, from: *const $t, n: usize) -> $vector {
                let mut lanes = [0.0; $lanes];
                // SAFETY: the caller promises `n` readable elements; `n` is checked by the slice.
                unsafe { from.copy_to_nonoverlapping(lanes[..n].as_mut_ptr(), n) };
                $vector::new(lanes)
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $t, vector: $vector, n: usize) {
                let lanes = vector.to_array();
                // SAFETY: the caller promises `n` writable elements; `n` is checked by the slice.
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
                // Not "0 where it is less": a NaN must stay one.
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
                /// For items of `2 HALF` lanes: those of `a`, then those of `b`.
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
                // A constant for each stage, so that the lanes are shuffled and not indexed.
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
