//! Projection of sparse weights by themselves: each probe adds up the few rows that have a weight.
//!
//! The sums are those of `forward`, bit for bit: one chain for each split, in the order of the
//! index, and the splits in order.

use crate::driver::blocking::Plan;
use crate::driver::input::SparseRows;
use crate::matrix::{MatMut, MatRef};
use crate::simd::tail::vectors_of;
use crate::simd::tile::for_each_strip;
use crate::simd::{Element, Kernel, Simd};

/// Room for the ends of splits: at least `blocking::SPLITS`.
const SPLITS: usize = 32;

/// The projection of some probes.
pub struct Project<'a, T> {
    pub rows: SparseRows<'a, T>,
    /// Padded.
    pub values: MatRef<'a, T>,
    pub plan: Plan,
    pub gain: T,
    /// Not padded; written.
    pub retrieved: MatMut<'a, T>,
}

impl<T: Element> Kernel<T> for Project<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        let (mut ends, mut count) = ([0; SPLITS], 0);
        for split in self.plan.splits::<T>() {
            ends[count] = split.end;
            count += 1;
        }
        for b in 0..self.rows.rows() {
            self.row(simd, b, &ends[..count]);
        }
    }
}

impl<T: Element> Project<'_, T> {
    /// The projection of probe `b`, given the end of every split.
    #[inline(always)]
    fn row<S: Simd<T>>(&mut self, simd: S, b: usize, ends: &[usize]) {
        let (indices, weights) = self.rows.row(b);
        let (vectors, values) = (vectors_of(&self.values), self.values);
        let to = self.retrieved.row_mut(b);
        assert!(indices.iter().all(|&n| (n as usize) < values.rows()));
        assert!(indices.len() == weights.len() && to.len() <= vectors * T::LANES);
        let gain = simd.splat(self.gain);
        /// One row at a time.
        const P: usize = 1;
        for_each_strip!(vectors, P, |at, G| {
            let mut total = [simd.splat(T::ZERO); G];
            let mut k = 0;
            for &end in ends {
                if k == indices.len() {
                    break;
                }
                if indices[k] as usize >= end {
                    continue;
                }
                let mut sums = [simd.splat(T::ZERO); G];
                while k < indices.len() && (indices[k] as usize) < end {
                    let row = values.row(indices[k] as usize)[at * T::LANES..].as_ptr();
                    let weight = simd.splat(weights[k]);
                    for (g, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: `values.row` has checked the index, and a row has `vectors`
                        // vectors; `at + G <= vectors` in `for_each_strip`.
                        let value = unsafe { simd.load(row.add(g * T::LANES)) };
                        *sum = simd.mul_add(weight, value, *sum);
                    }
                    k += 1;
                }
                for (total, sum) in total.iter_mut().zip(sums) {
                    *total = simd.add(*total, sum);
                }
            }
            for (g, total) in total.into_iter().enumerate() {
                let from = (at + g) * T::LANES;
                // Not -0.
                let total = simd.add(simd.mul(total, gain), simd.splat(T::ZERO));
                let left = to.len().saturating_sub(from);
                // SAFETY: the row has `left` elements from `from` on, and no more are stored.
                unsafe {
                    match left >= T::LANES {
                        true => simd.store(to.as_mut_ptr().add(from), total),
                        false => simd.store_first(to.as_mut_ptr().wrapping_add(from), total, left),
                    }
                }
            }
        });
    }
}
