//! Numbers as rows store them, from which vectors are loaded.

use half::{bf16, f16};

use super::{Element, MAX_LANES, Simd};

/// A number as it is stored: an element, or one of sixteen bits that is widened when it is loaded.
pub trait Stored<T: Element>: bytemuck::Pod {
    /// Loads `LANES` numbers.
    ///
    /// # Safety
    /// - `LANES` numbers at `from` are readable. They may have any alignment.
    unsafe fn load<S: Simd<T>>(simd: S, from: *const Self) -> S::Vec;

    /// The nearest number to an element; of two that are equally near, the even one.
    fn nearest(element: T) -> Self;

    /// The element that the number is.
    fn widen(self) -> T;
}

impl<T: Element> Stored<T> for T {
    #[inline(always)]
    unsafe fn load<S: Simd<T>>(simd: S, from: *const Self) -> S::Vec {
        // SAFETY: `LANES` elements are readable by the precondition of `load`.
        unsafe { simd.load(from) }
    }

    fn nearest(element: T) -> Self {
        element
    }

    fn widen(self) -> T {
        self
    }
}

macro_rules! sixteen_bits {
    ($($number:ident: $load:ident),*) => {$(
        impl<T: Element> Stored<T> for $number {
            #[inline(always)]
            unsafe fn load<S: Simd<T>>(simd: S, from: *const Self) -> S::Vec {
                // SAFETY: `LANES` numbers are readable by the precondition of `load`.
                unsafe { simd.$load(from) }
            }

            fn nearest(element: T) -> Self {
                Self::from_f32(to_odd(element.to_f64()))
            }

            fn widen(self) -> T {
                T::from_f64(self.to_f64())
            }
        }
    )*};
}

sixteen_bits! { bf16: load_bf16, f16: load_f16 }

/// How vectors of a row are loaded.
pub trait Loads<T: Element, E: Stored<T>>: Copy {
    /// Asserts that rows of `cols` numbers can be loaded so.
    fn check(self, cols: usize);

    /// Loads the numbers from place `start + at` of a row on, where `row` points to place `start`.
    /// What lies beyond the row's last number is zero.
    ///
    /// # Safety
    /// - The row has a number at `start + at`, and this loads rows as they are (see `check`).
    unsafe fn load<S: Simd<T>>(self, simd: S, row: *const E, start: usize, at: usize) -> S::Vec;
}

/// Rows of whole vectors.
#[derive(Clone, Copy)]
pub struct Whole;

impl<T: Element, E: Stored<T>> Loads<T, E> for Whole {
    #[inline(always)]
    fn check(self, cols: usize) {
        assert!(cols.is_multiple_of(T::LANES), "rows are whole vectors");
    }

    #[inline(always)]
    unsafe fn load<S: Simd<T>>(self, simd: S, row: *const E, _: usize, at: usize) -> S::Vec {
        // SAFETY: the row has a number there, and with it a vector, by the precondition.
        unsafe { E::load(simd, row.add(at)) }
    }
}

/// Rows of this many elements, of which the last vector is partial.
#[derive(Clone, Copy)]
pub struct Ragged(pub usize);

impl<T: Element> Loads<T, T> for Ragged {
    #[inline(always)]
    fn check(self, cols: usize) {
        assert_eq!(cols, self.0, "rows are as long as they are said to be");
    }

    #[inline(always)]
    unsafe fn load<S: Simd<T>>(self, simd: S, row: *const T, start: usize, at: usize) -> S::Vec {
        let left = self.0 - (start + at);
        // SAFETY: `left` elements are readable there by the precondition; where they are no vector
        // only these are loaded.
        unsafe {
            match left >= T::LANES {
                true => simd.load(row.add(at)),
                false => simd.load_first(row.add(at), left),
            }
        }
    }
}

/// Rounds to single precision such that a number that is not exact ends in a set bit. What is then
/// rounded to fewer bits is as if it had been rounded once.
fn to_odd(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) == x || nearest.is_nan() {
        return nearest;
    }
    let away = f64::from(nearest).abs() > x.abs();
    f32::from_bits((nearest.to_bits() - u32::from(away)) | 1)
}

/// Widens `LANES` numbers one by one.
///
/// # Safety
/// - `LANES` numbers at `from` are readable. They may have any alignment.
#[inline(always)]
pub(super) unsafe fn widened<T: Element, E: Stored<T>>(from: *const E) -> [T; MAX_LANES] {
    let mut lanes = [T::ZERO; MAX_LANES];
    for (lane, to) in lanes[..T::LANES].iter_mut().enumerate() {
        // SAFETY: `lane < LANES`, and `LANES` numbers are readable by the precondition.
        *to = unsafe { from.add(lane).read_unaligned() }.widen();
    }
    lanes
}

/// The loads of sixteen-bit numbers of a vector that has no instructions for them.
macro_rules! one_by_one {
    ($t:ident, $vec:ty) => {
        #[inline(always)]
        unsafe fn load_bf16(self, from: *const half::bf16) -> $vec {
            // SAFETY: `LANES` elements at `from` are readable by the precondition of
            // `Simd::load_bf16`.
            unsafe { self.load($crate::simd::stored::widened::<$t, _>(from).as_ptr()) }
        }

        #[inline(always)]
        unsafe fn load_f16(self, from: *const half::f16) -> $vec {
            // SAFETY: `LANES` elements at `from` are readable by the precondition of
            // `Simd::load_f16`.
            unsafe { self.load($crate::simd::stored::widened::<$t, _>(from).as_ptr()) }
        }
    };
}
pub(super) use one_by_one;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, Level};

    /// Loads one vector of numbers.
    struct Load<'a, E>(&'a [E]);

    impl<T: Element, E: Stored<T>> Kernel<T> for Load<'_, E> {
        type Output = Vec<T>;

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) -> Vec<T> {
            assert_eq!(self.0.len(), T::LANES);
            let mut to = vec![T::ZERO; T::LANES];
            // SAFETY: there are `LANES` numbers and elements.
            unsafe { simd.store(to.as_mut_ptr(), E::load(simd, self.0.as_ptr())) };
            to
        }
    }

    #[test]
    fn every_number_is_widened_exactly_at_every_level() {
        fn check<T: Element>() {
            for level in Level::available() {
                let bits: Vec<u16> = (0..=u16::MAX).collect();
                for bits in bits.chunks_exact(T::LANES) {
                    let (a, b): (&[bf16], &[f16]) =
                        (bytemuck::cast_slice(bits), bytemuck::cast_slice(bits));
                    let same =
                        |loaded: T, x: f64| loaded.to_f64() == x || (loaded.is_nan() && x.is_nan());
                    let loaded = T::dispatch(level, Load(a));
                    assert!(loaded.iter().zip(a).all(|(l, x)| same(*l, x.to_f64())), "{level}");
                    let loaded = T::dispatch(level, Load(b));
                    assert!(loaded.iter().zip(b).all(|(l, x)| same(*l, x.to_f64())), "{level}");
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }

    /// 1 + 2^-8 is half way between two numbers with eight significant bits.
    #[test]
    fn rounding_is_to_nearest_and_to_even_at_a_tie() {
        let nearest = |x: f64| <bf16 as Stored<f64>>::nearest(x).to_f64();
        let half_way = 1.0 + (-8_f64).exp2();
        assert_eq!(nearest(half_way), 1.0);
        assert_eq!(nearest(half_way + (-52_f64).exp2()), 1.0 + (-7_f64).exp2());
        assert_eq!(nearest(half_way + (-7_f64).exp2()), 1.0 + (-6_f64).exp2());
        assert_eq!(nearest(-half_way - (-50_f64).exp2()), -1.0 - (-7_f64).exp2());
        assert_eq!(nearest(1e300), f64::INFINITY);
        assert!(nearest(f64::NAN).is_nan());
        assert_eq!(<f16 as Stored<f32>>::nearest(65_520.0), f16::INFINITY);
        assert_eq!(<f16 as Stored<f32>>::nearest(65_519.0), f16::MAX);
        // A number of single precision that differs from a tie in its last bit alone.
        let above = f32::from_bits((1.0 + (-8_f32).exp2()).to_bits() + 1);
        assert_eq!(<bf16 as Stored<f32>>::nearest(above).to_f32(), 1.0 + (-7_f32).exp2());
    }
}
