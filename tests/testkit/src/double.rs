//! Double-double arithmetic: a number as the sum of two `f64`, about 106 bits (Dekker 1971; Hida,
//! Li & Bailey 2001). Slow, short and accurate: what the reference is written in.

use std::iter::Sum;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// hi + lo, with |lo| at most half an ulp of hi.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Double {
    hi: f64,
    lo: f64,
}

/// ln 2
const LN_2: Double = Double { hi: std::f64::consts::LN_2, lo: 2.3190468138462996e-17 };

impl Double {
    pub const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    pub const ONE: Self = Self { hi: 1.0, lo: 0.0 };

    /// Exactly this number.
    pub fn new(number: f64) -> Self {
        Self { hi: number, lo: 0.0 }
    }

    /// The sum of two numbers that do not overlap.
    pub fn from_parts(hi: f64, lo: f64) -> Self {
        Self { hi, lo }
    }

    /// a b, exactly (but for a lower half below the smallest `f64`).
    pub fn product(a: f64, b: f64) -> Self {
        let hi = a * b;
        Self::checked(hi, a.mul_add(b, -hi))
    }

    /// The nearest `f64`.
    pub fn to_f64(self) -> f64 {
        self.hi
    }

    pub fn is_finite(self) -> bool {
        self.hi.is_finite()
    }

    pub fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }

    pub fn max(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    /// e^self: the series at self/256 after taking out the powers of two, squared eight times.
    /// 0 below e^-700.
    pub fn exp(self) -> Self {
        if self.hi < -700.0 {
            return Self::ZERO;
        }
        let power = (self.hi / LN_2.hi).round();
        let reduced = (self - LN_2 * Self::new(power)) * Self::new(1.0 / 256.0);
        // e^r - 1 = r (1 + r/2 (1 + r/3 (...))), whose square is kept free of the 1.
        let series = (2..=11)
            .rev()
            .fold(Self::ONE, |sum, k| Self::ONE + reduced * sum / Self::new(f64::from(k)));
        let mut less_one = reduced * series;
        for _ in 0..8 {
            less_one = less_one + less_one + less_one * less_one;
        }
        (Self::ONE + less_one) * Self::new(power.exp2())
    }

    /// ln self: one Newton step from the `f64` logarithm.
    pub fn ln(self) -> Self {
        let near = Self::new(self.hi.ln());
        near + (self * (-near).exp() - Self::ONE)
    }

    /// Infinities and NaN have no lower half.
    fn checked(hi: f64, lo: f64) -> Self {
        Self { hi, lo: if hi.is_finite() { lo } else { 0.0 } }
    }

    /// a + b where |a| >= |b|.
    fn ordered_sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        Self::checked(hi, b - (hi - a))
    }

    /// a + b, exactly.
    fn sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        let part = hi - a;
        Self::checked(hi, (a - (hi - part)) + (b - part))
    }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (upper, lower) = (Self::sum(self.hi, other.hi), Self::sum(self.lo, other.lo));
        if !upper.is_finite() {
            return upper;
        }
        let upper = Self::ordered_sum(upper.hi, upper.lo + lower.hi);
        Self::ordered_sum(upper.hi, upper.lo + lower.lo)
    }
}

impl Neg for Double {
    type Output = Self;
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = Self::product(self.hi, other.hi);
        if !product.is_finite() {
            return product;
        }
        Self::ordered_sum(product.hi, product.lo + (self.hi * other.lo + self.lo * other.hi))
    }
}

impl Div for Double {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = Self::new(self.hi / other.hi);
        if !first.is_finite() || !other.is_finite() {
            return first;
        }
        let rest = self - other * first;
        let second = Self::new(rest.hi / other.hi);
        let rest = rest - other * second;
        first + second + Self::new(rest.hi / other.hi)
    }
}

impl Sum for Double {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, Add::add)
    }
}
