//! Scores of many probes with short patterns: lanes run over patterns instead of over d.
//!
//! At D = 64, horizontal sums are a third of the work of [`sums`](super::score::sums). Where a
//! block of patterns is scored with many probes, it pays to transpose it in panels of LANES
//! patterns. Sums are then vertical:
//!
//! ```text
//! panel[r][g][n] = M[n, LANES g + r]                       # residue r of d, lane n
//! for each register tile of P probes and Q panels:
//!     for each residue r below LANES / 2:
//!         a[i][q], b[i][q] = 0
//!         for each vector g of d:
//!             a[i][q] += X[i, LANES g + r]             * panel_q[r][g]
//!             b[i][q] += X[i, LANES g + r + LANES / 2] * panel_q[r + LANES / 2][g]
//!         part[r] = a + b
//!     scores[i][panel q] = part[0..LANES / 2], halves onto one another
//! ```
//!
//! Residue r here is lane r of `sums`, and the partial sums are added in the order in which `sums`
//! folds its lanes: the scores have the same bits.

use std::hint::black_box;
use std::mem::MaybeUninit;

use crate::matrix::ranges::evenly;
use crate::matrix::{MatMut, MatRef};
use crate::simd::tail::vectors_of;
use crate::simd::tile::for_tile_size;
use crate::simd::{Element, MAX_LANES, Simd};

/// Packs patterns into panels. If the last panel is incomplete, the last pattern fills it.
#[inline(always)]
pub(crate) fn transpose<T: Element, S: Simd<T>>(
    simd: S,
    patterns: MatRef<'_, T>,
    panels: &mut [T],
) {
    let width = vectors_of(&patterns);
    let size = patterns.cols() * T::LANES;
    assert!(panels.len() >= patterns.rows().div_ceil(T::LANES) * size);
    for (first, panel) in (0..patterns.rows()).step_by(T::LANES).zip(panels.chunks_exact_mut(size))
    {
        for g in 0..width {
            let mut square = [simd.splat(T::ZERO); MAX_LANES];
            for (n, row) in square[..T::LANES].iter_mut().enumerate() {
                let n = (first + n).min(patterns.rows() - 1);
                // SAFETY: `n < patterns.rows()` by the `min` above, and `g < width`.
                *row = unsafe {
                    simd.load(patterns.as_ptr().add(n * patterns.forward_stride() + g * T::LANES))
                };
            }
            let mut step = 1;
            while step < T::LANES {
                for n in (0..T::LANES).filter(|n| n & step == 0) {
                    (square[n], square[n + step]) =
                        simd.exchange(step, square[n], square[n + step]);
                }
                step *= 2;
            }
            for (r, column) in square[..T::LANES].iter().enumerate() {
                // SAFETY: `r < LANES` and `g < width`, and the panel has `size`, which is
                // `width * LANES * LANES`, elements.
                unsafe { simd.store(panel.as_mut_ptr().add((r * width + g) * T::LANES), *column) };
            }
        }
    }
}

/// scores[b][n] = x_b · m_n, from the panels of the patterns. `scores` is as for
/// [`sums`](super::score::sums).
#[inline(always)]
pub(crate) fn dots<T: Element, S: Simd<T>>(
    simd: S,
    probes: MatRef<'_, T>,
    panels: &[T],
    scores: &mut MatMut<'_, T>,
) {
    let width = vectors_of(&probes);
    let (rows, cols) = scores.shape();
    assert_eq!(rows, probes.rows());
    assert!(cols.is_multiple_of(T::LANES) && panels.len() >= cols * probes.cols());
    for tile in evenly(rows, S::MR) {
        let probes = probes.subrows(tile.clone());
        let mut scores = scores.rows_mut(tile);
        let panel_size = probes.cols() * T::LANES;
        // SAFETY:
        // - `tile` selects `P` probes of `width` vectors and `P` rows of scores.
        // - `n < cols`, a multiple of LANES, and the panels for all columns exist: both are
        //   asserted above.
        // - With two panels, `n + LANES < cols`, so that both exist.
        for_tile_size!(simd, probes.rows(), S::MR, |P| unsafe {
            let mut n = 0;
            while n < cols {
                let at = panels.as_ptr().add(n / T::LANES * panel_size);
                let from = Panels { at, width };
                // A tile accumulates two residues at once: 2 x P x Q sums.
                if S::PANELS == 2 && n + T::LANES < cols {
                    scores_of::<T, S, P, 2>(simd, probes, from, &mut scores, n);
                    n += 2 * T::LANES;
                } else {
                    scores_of::<T, S, P, 1>(simd, probes, from, &mut scores, n);
                    n += T::LANES;
                }
            }
        });
    }
}

/// Panels of patterns, one after another.
#[derive(Clone, Copy)]
struct Panels<T> {
    at: *const T,
    /// Vectors of a pattern.
    width: usize,
}

/// The micro-kernel: the scores of `P` probes with `Q` panels of patterns, written from column `n`
/// on.
///
/// # Safety
/// - There are `P` probes of `width` vectors.
/// - There are `P` rows of scores with `Q` vectors from column `n` on.
/// - `Q` panels of `width * LANES` vectors are readable.
#[inline(always)]
unsafe fn scores_of<T: Element, S: Simd<T>, const P: usize, const Q: usize>(
    simd: S,
    probes: MatRef<'_, T>,
    Panels { at: panels, width }: Panels<T>,
    scores: &mut MatMut<'_, T>,
    n: usize,
) {
    let half = T::LANES / 2;
    let size = width * T::LANES;
    let zero = simd.splat(T::ZERO);
    // Left uninitialised to avoid a memset for every tile.
    let mut partial_sums = [[[const { MaybeUninit::<S::Vec>::uninit() }; Q]; P]; MAX_LANES / 2];
    // `black_box` hides from the compiler that both residues are in the same row. It would load all
    // elements before it uses any, which takes more registers than there are.
    let probes =
        (probes.as_ptr(), black_box(probes.as_ptr().wrapping_add(half)), probes.forward_stride());
    // SAFETY:
    // - Residues `r` and `r + half` of vector `g < width` are in every probe and panel, by the
    //   preconditions.
    // - The first loop writes `partial_sums[r][i][q]` for all `r < half`, which the second one
    //   reads.
    // - Row `i < P` of the scores has vectors `q < Q` from `n` on, by the preconditions.
    unsafe {
        for (r, part) in partial_sums[..half].iter_mut().enumerate() {
            let mut acc = [[[zero; Q]; P]; 2];
            for g in 0..width {
                for (h, acc) in acc.iter_mut().enumerate() {
                    let at = panels.add((r + h * half) * size + g * T::LANES);
                    let probes_at = if h == 0 { probes.0 } else { probes.1 };
                    let m: [S::Vec; Q] = std::array::from_fn(
                        #[inline(always)]
                        |q| simd.load(at.add(q * size * T::LANES)),
                    );
                    for (i, acc) in acc.iter_mut().enumerate() {
                        let x = simd.splat(*probes_at.add(i * probes.2 + g * T::LANES + r));
                        for (acc, m) in acc.iter_mut().zip(m) {
                            *acc = simd.mul_add(x, m, *acc);
                        }
                    }
                }
            }
            for (i, part) in part.iter_mut().enumerate() {
                for (q, part) in part.iter_mut().enumerate() {
                    part.write(simd.add(acc[0][i][q], acc[1][i][q]));
                }
            }
        }
        for i in 0..P {
            for q in 0..Q {
                let mut sums = [zero; MAX_LANES / 2];
                for (sum, part) in sums[..half].iter_mut().zip(&partial_sums) {
                    *sum = part[i][q].assume_init();
                }
                let mut count = half;
                while count > 1 {
                    count /= 2;
                    for r in 0..count {
                        sums[r] = simd.add(sums[r], sums[r + count]);
                    }
                }
                let to = scores.as_mut_ptr().add(i * scores.stride() + n + q * T::LANES);
                simd.store(to, sums[0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Kernel;
    use crate::simd::Level;

    struct Transpose<'a, T>(MatRef<'a, T>, &'a mut [T]);

    impl<T: Element> Kernel<T> for Transpose<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) {
            transpose(simd, self.0, self.1);
        }
    }

    /// The last pattern fills the panel; nothing behind it is read.
    #[test]
    fn a_panel_has_its_patterns_and_then_the_last_one_again() {
        fn check<T: Element>() {
            let (rows, cols) = (T::LANES + 3, 2 * T::LANES);
            let mut all: Vec<_> = (0..(rows + 1) * cols).map(|i| T::from_f64(i as f64)).collect();
            all[rows * cols..].fill(T::NAN);
            let patterns = MatRef::new(&all[..], rows + 1, cols).expect("rows").subrows(0..rows);
            for level in Level::available() {
                let mut panels = vec![T::NAN; 2 * T::LANES * cols];
                T::dispatch(level, Transpose(patterns, &mut panels));
                // The index order is panel, residue of d, vector of d, lane (pattern).
                for (i, &x) in panels.iter().enumerate() {
                    let (panel, lane) = (i / (T::LANES * cols), i % T::LANES);
                    let place = i / T::LANES % cols;
                    let d = place % 2 * T::LANES + place / 2;
                    let n = (panel * T::LANES + lane).min(rows - 1);
                    assert_eq!(x, patterns.row(n)[d], "{level}: pattern {n}, d = {d}");
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
