//! The element types: `f32` and `f64`, from one source.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::lanes::Lanes;
use crate::error::{Error, Result};

/// `f32` or `f64`: the type of the elements of probes and patterns.
///
/// This trait is sealed: kernels exist for these two types only.
///
/// ```
/// use hopfield_kernels::Element;
///
/// fn halves<T: Element>(of: T) -> T {
///     of * T::from_f64(0.5)
/// }
/// assert_eq!((halves(3.0_f32), halves(3.0_f64)), (1.5, 1.5));
/// assert_eq!((f32::NAME, f64::NAME), ("float32", "float64"));
/// assert_eq!(<f32 as Element>::DIGITS, 24);
/// assert!(Element::is_nan(f32::NAN) && !Element::is_finite(<f64 as Element>::NEG_INFINITY));
/// assert_eq!(Element::abs(-1.0_f32) + Element::ln(<f32 as Element>::ONE), 1.0);
/// assert_eq!(Element::sqrt(4.0_f64), 2.0);
/// assert_eq!(0.1_f32.to_f64(), f64::from(0.1_f32));
/// ```
pub trait Element:
    Lanes
    + Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + Sum
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The largest finite number.
    const MAX: Self;
    /// Negative infinity, the log-sum-exp of an empty sum.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// Significant bits, the implicit one included: 24 or 53.
    const DIGITS: u32;
    /// NumPy's name of the type.
    const NAME: &'static str;

    /// The nearest element.
    fn from_f64(value: f64) -> Self;
    /// The same number in double precision.
    fn to_f64(self) -> f64;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Not a number.
    fn is_nan(self) -> bool;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

macro_rules! element {
    ($t:ident) => {
        impl Element for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const MAX: Self = $t::MAX;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const NAN: Self = $t::NAN;
            const DIGITS: u32 = $t::MANTISSA_DIGITS;
            const NAME: &'static str = match $t::MANTISSA_DIGITS {
                24 => "float32",
                _ => "float64",
            };

            #[inline]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline]
            fn to_f64(self) -> f64 {
                self.into()
            }
            #[inline]
            fn ln(self) -> Self {
                self.ln()
            }
            #[inline]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            #[inline]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
        }
    };
}

element!(f32);
element!(f64);

/// Checks an inverse temperature: it must be finite and above 0.
pub(crate) fn beta_of<T: Element>(beta: T) -> Result<T> {
    if beta > T::ZERO && beta.is_finite() {
        return Ok(beta);
    }
    let expected = "a finite number above 0";
    Err(Error::Parameter { name: "beta", expected, found: beta.to_f64() })
}
