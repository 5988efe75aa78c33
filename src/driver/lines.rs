//! The rows of one block, unpacked as they are needed.
//!
//! Padded rows are read in place at no cost. Other rows are unpacked to scratch: all of them for a
//! block of scores, but only the listed ones for a projection. This matters where rows come from a
//! file.

use crate::matrix::MatRef;
use crate::memory::padded_stride;
use crate::memory::rows::Rows;
use crate::separation::shape::MAX_BLOCK;
use crate::simd::{Element, Simd};

/// The rows of one block.
pub(crate) struct Lines<'a, T> {
    rows: Rows<'a, T>,
    /// Scratch for the block's padded rows, if they are not read in place.
    scratch: &'a mut [T],
    /// Which of them have been unpacked, as bits.
    unpacked: [u64; MAX_BLOCK / 64],
    /// Whether all have been.
    complete: bool,
}

impl<'a, T: Element> Lines<'a, T> {
    #[inline(always)]
    pub fn new(rows: Rows<'a, T>, scratch: &'a mut [T]) -> Self {
        Self { rows, scratch, unpacked: [0; MAX_BLOCK / 64], complete: false }
    }

    /// Number of rows.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.rows.rows()
    }

    /// All rows.
    #[inline(always)]
    pub fn all<S: Simd<T>>(&mut self, simd: S) -> MatRef<'_, T> {
        if let Some(rows) = self.rows.padded() {
            return rows;
        }
        if !self.complete {
            self.complete = true;
            return self.rows.all(simd, self.scratch);
        }
        self.view()
    }

    /// The rows, of which those in `list` hold what they should.
    #[inline(always)]
    pub fn listed<S: Simd<T>>(&mut self, simd: S, list: &[u32]) -> MatRef<'_, T> {
        if let Some(rows) = self.rows.padded() {
            return rows;
        }
        if !self.complete {
            simd.vectorize(
                #[inline(always)]
                || self.unpack(simd, list),
            );
        }
        self.view()
    }

    /// Unpacks the rows in `list` that have not been.
    #[inline(always)]
    fn unpack<S: Simd<T>>(&mut self, simd: S, list: &[u32]) {
        let (cols, stride) = (self.rows.cols(), padded_stride::<T>(self.rows.cols()));
        for &n in list {
            let n = n as usize;
            if self.unpacked[n / 64] >> (n % 64) & 1 == 0 {
                self.unpacked[n / 64] |= 1 << (n % 64);
                self.rows.unpack(simd, n, &mut self.scratch[n * stride..][..cols]);
            }
        }
    }

    #[inline(always)]
    fn view(&self) -> MatRef<'_, T> {
        let (rows, cols) = (self.rows.rows(), self.rows.cols());
        MatRef::with_stride(self.scratch, rows, cols, padded_stride::<T>(cols))
            .expect("scratch has room for these rows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Memory, Precision};
    use crate::simd::{Kernel, Level};

    /// Takes some rows, and then all.
    struct Take<'a>(Rows<'a, f32>, &'a mut [f32], &'a [u32]);

    impl Kernel<f32> for Take<'_> {
        /// Which rows hold numbers after the first, and whether all do after the second.
        type Output = (Vec<u32>, bool);

        #[inline(always)]
        fn run<S: Simd<f32>>(self, simd: S) -> Self::Output {
            let mut lines = Lines::new(self.0, self.1);
            let rows = lines.listed(simd, self.2);
            let some = (0..rows.rows() as u32).filter(|n| !rows.row(*n as usize)[0].is_nan());
            let some = some.collect();
            let rows = lines.all(simd);
            (some, rows.iter().all(|row| row.iter().all(|x| !x.is_nan())))
        }
    }

    /// The others may be anywhere, on a disk for example.
    #[test]
    fn rows_that_are_not_listed_are_not_read() {
        let rows: Vec<f32> = (0..100 * 20).map(|x| x as f32).collect();
        let memory = Memory::from_slice(&rows, 20).expect("whole patterns");
        let memory = memory.with_precision(Precision::Bf16).expect("room");
        let rows = memory.rows();
        for level in Level::available() {
            for list in [&[][..], &[0], &[3, 64, 99]] {
                let mut scratch = vec![f32::NAN; rows.scratch(100)];
                let (some, all) =
                    crate::simd::Lanes::dispatch(level, Take(rows, &mut scratch, list));
                assert_eq!((&some[..], all), (list, true), "{level}");
            }
        }
    }
}
