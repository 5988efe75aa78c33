//! Matrices with holes between their rows, and what they are filled with.

use hopfield_kernels::{Element, MatMut, MatRef};
use proptest::prelude::Strategy;

/// What the tests have to know of an element type beside what the crate tells.
pub trait Real: Element {
    /// Unit roundoff, 2^-digits.
    const UNIT: f64;
    /// The smallest subnormal number.
    const TINY: f64;
    /// The smallest normal number.
    const LEAST_NORMAL: f64;
    /// The bits of a NaN that no kernel makes.
    const CANARY: Self;

    /// The bits, for comparisons that tell zeros and NaNs apart.
    fn bits(self) -> u64;
}

impl Real for f32 {
    const UNIT: f64 = (f32::EPSILON / 2.0) as f64;
    const TINY: f64 = f32::from_bits(1) as f64;
    const LEAST_NORMAL: f64 = f32::MIN_POSITIVE as f64;
    const CANARY: Self = f32::from_bits(0x7fc0_5eed);

    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

impl Real for f64 {
    const UNIT: f64 = f64::EPSILON / 2.0;
    const TINY: f64 = f64::from_bits(1);
    const LEAST_NORMAL: f64 = f64::MIN_POSITIVE;
    const CANARY: Self = f64::from_bits(0x7ff8_0000_5eed_5eed);

    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// Rows in one buffer that ends with the last of them. What lies between rows is canaries: they may
/// neither be read (they are NaN) nor written (they are compared).
#[derive(Debug, Clone)]
pub struct Matrix<T> {
    numbers: Vec<T>,
    pub rows: usize,
    pub cols: usize,
    stride: usize,
}

impl<T: Real> Matrix<T> {
    /// Full of canaries: an output before the call. `gap` elements lie between rows.
    pub fn unwritten(rows: usize, cols: usize, gap: usize) -> Self {
        let stride = cols + gap;
        let length = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
        Self { numbers: vec![T::CANARY; length], rows, cols, stride }
    }

    /// Elements by row and column.
    pub fn from_fn(
        (rows, cols, gap): (usize, usize, usize),
        mut element: impl FnMut(usize, usize) -> T,
    ) -> Self {
        let mut matrix = Self::unwritten(rows, cols, gap);
        for row in 0..rows {
            for col in 0..cols {
                matrix.row_mut(row)[col] = element(row, col);
            }
        }
        matrix
    }

    pub fn row(&self, row: usize) -> &[T] {
        &self.numbers[row * self.stride..][..self.cols]
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        &mut self.numbers[row * self.stride..][..self.cols]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[T]> {
        (0..self.rows).map(|row| self.row(row))
    }

    pub fn view(&self) -> MatRef<'_, T> {
        MatRef::with_stride(&self.numbers, self.rows, self.cols, self.stride).expect("it fits")
    }

    pub fn view_mut(&mut self) -> MatMut<'_, T> {
        MatMut::with_stride(&mut self.numbers, self.rows, self.cols, self.stride).expect("it fits")
    }

    /// Some of the rows, in this order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let shape = (rows.len(), self.cols, self.stride - self.cols);
        Self::from_fn(shape, |row, col| self.row(rows[row])[col])
    }

    /// The bits of the elements, row after row.
    pub fn bits(&self) -> Vec<u64> {
        self.iter().flatten().map(|x| x.bits()).collect()
    }

    /// That nothing was written between the rows.
    pub fn assert_holes_untouched(&self) {
        let hole = |&(at, _): &(usize, &T)| at % self.stride >= self.cols;
        let untouched = |(_, x): (usize, &T)| x.bits() == T::CANARY.bits();
        assert!(self.numbers.iter().enumerate().filter(hole).all(untouched), "written to a hole");
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014): a seed means the same numbers for ever.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform, above 0 and below 1.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Uniform between these.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of so many.
    pub fn below(&mut self, count: usize) -> usize {
        (self.bits() % count as u64) as usize
    }

    /// Between these, uniform in the logarithm.
    pub fn log_between(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    fn normal(&mut self) -> f64 {
        let angle = self.unit() * std::f64::consts::TAU;
        (-2.0 * self.unit().ln()).sqrt() * angle.cos()
    }
}

/// What a matrix is filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Of [-1, 1].
    Uniform,
    /// Of either sign, over several orders of magnitude.
    LogNormal,
    /// Now and then very large.
    Cauchy,
    /// Numbers so small that some are subnormal.
    Subnormal,
    /// Whole lane groups and whole rows of zeros.
    ZeroBlocks,
    /// Of [9, 10]: scores that differ little and whose exponentials overflow.
    High,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Uniform,
        Self::LogNormal,
        Self::Cauchy,
        Self::Subnormal,
        Self::ZeroBlocks,
        Self::High,
    ];

    /// A matrix of this kind.
    pub fn matrix<T: Real>(
        self,
        (rows, cols, gap): (usize, usize, usize),
        random: &mut Random,
    ) -> Matrix<T> {
        let mut matrix = Matrix::unwritten(rows, cols, gap);
        for row in 0..rows {
            let empty = self == Self::ZeroBlocks && random.below(4) == 0;
            for lanes in matrix.row_mut(row).chunks_mut(T::LANES) {
                let zero = empty || self == Self::ZeroBlocks && random.below(2) == 0;
                lanes.fill_with(|| T::from_f64(if zero { 0.0 } else { self.number::<T>(random) }));
            }
        }
        matrix
    }

    fn number<T: Real>(self, random: &mut Random) -> f64 {
        let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
        match self {
            Self::Uniform | Self::ZeroBlocks => random.between(-1.0, 1.0),
            Self::LogNormal => sign * (1.5 * random.normal()).exp(),
            Self::Cauchy => (std::f64::consts::PI * (random.unit() - 0.5)).tan().clamp(-1e4, 1e4),
            Self::Subnormal => sign * T::TINY * random.log_between(1.0, 1e9).round(),
            Self::High => random.between(9.0, 10.0),
        }
    }

    pub fn any() -> impl Strategy<Value = Self> {
        proptest::sample::select(&Self::ALL[..])
    }
}
