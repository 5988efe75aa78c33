//! The softmax of whole rows: memory weights when all the scores are available.

use crate::matrix::MatMut;
use crate::separation::extremes::extremes_of_row;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::exp2::power;
use crate::simd::reduce::sum;
use crate::simd::tail::{PartialVector, for_each_partial_vector};
use crate::simd::{Element, Kernel, Simd};

/// Turns the scores of one probe into memory weights, weight / row_sum, once its softmax is
/// complete.
#[inline(always)]
pub(crate) fn memory_weights<T: Element, S: Simd<T>>(
    simd: S,
    row: &mut [T],
    keep: Option<&[bool]>,
    params: SoftmaxParams<T>,
    state: &State<T>,
) {
    let cutoff = state.cutoff(state.row_max, params);
    exp_row(simd, row, Cut { cutoff, shift: state.shift, scale: params.scale });
    multiply(simd, row, state.normaliser());
    // Last, so that masked weights are 0 whatever their score, even if the row sum is NaN.
    mask(row, keep);
}

/// Makes the weights of masked patterns exactly 0.
#[inline(always)]
pub(crate) fn mask<T: Element>(row: &mut [T], keep: Option<&[bool]>) {
    for (weight, _) in row.iter_mut().zip(keep.unwrap_or_default()).filter(|(_, keep)| !**keep) {
        *weight = T::ZERO;
    }
}

/// The softmax of every row, in place.
pub struct Softmax<'a, T> {
    /// Scores; softmax(β scores) afterwards.
    pub rows: MatMut<'a, T>,
    /// β
    pub params: SoftmaxParams<T>,
}

impl<T: Element> Kernel<T> for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for b in 0..self.rows.rows() {
            softmax(simd, self.rows.row_mut(b), self.params);
        }
    }
}

/// The softmax of one row: the weights of the online softmax and the division, in one go. A score
/// of -∞ is masked: its weight is 0, as if below the cutoff.
#[inline(always)]
fn softmax<T: Element, S: Simd<T>>(simd: S, row: &mut [T], params: SoftmaxParams<T>) {
    let (high, _) = extremes_of_row(simd, row);
    if high == T::NEG_INFINITY {
        // There is no highest score to subtract. NaNs may be among the scores: the maximum can miss
        // them.
        let all_masked = row.iter().all(|&score| score == T::NEG_INFINITY);
        return row.fill(if all_masked { T::ZERO } else { T::NAN });
    }
    // Not below -`MAX`, so that a score of -∞ is below it even if the depth is infinite.
    let cutoff = high - params.depth;
    let cutoff = if cutoff < -T::MAX { -T::MAX } else { cutoff };
    let mut row_sum = T::ZERO;
    // Summed in blocks: the error of a sum grows with its depth, which is now that of one block
    // plus the number of blocks.
    for block in row.chunks_mut(SOFTMAX_BLOCK) {
        row_sum += exp_row(simd, block, Cut { cutoff, shift: high, scale: params.scale });
    }
    multiply(simd, row, T::ONE / row_sum);
}

/// Weights in a block of the row sum.
const SOFTMAX_BLOCK: usize = 4096;

/// How the scores of a row become weights.
struct Cut<T> {
    /// Lower scores have weight 0.
    cutoff: T,
    shift: T,
    scale: T,
}

/// Turns a row's scores into weights, in place, and returns their sum. Scores below the cutoff have
/// weight 0.
#[inline(always)]
fn exp_row<T: Element, S: Simd<T>>(simd: S, row: &mut [T], cut: Cut<T>) -> T {
    let (zero, cutoff) = (simd.splat(T::ZERO), simd.splat(cut.cutoff));
    let (shift, scale) = (simd.splat(cut.shift), simd.splat(cut.scale));
    let (row, len) = (row.as_mut_ptr(), row.len());
    let mut row_sum = zero;
    for_each_partial_vector::<T>(
        0..len,
        #[inline(always)]
        |part| {
            // SAFETY: `for_each_partial_vector` yields vectors within `0..len`, so that
            // `part.at + part.end <= len`. All `LANES` lanes are accessed only if `part` is full.
            unsafe {
                let at = row.add(part.at);
                let scores = match part.is_full::<T>() {
                    true => simd.load(at),
                    false => simd.load_first(at, part.end),
                };
                let weights = power(simd, simd.mul(simd.sub(scores, shift), scale));
                // Not `score >= cutoff`: a NaN must not be dropped.
                let weights = simd.select(simd.lt(scores, cutoff), zero, weights);
                if part.is_full::<T>() {
                    row_sum = simd.add(row_sum, weights);
                    simd.store(at, weights);
                } else {
                    row_sum = simd.add(row_sum, part.only(simd, weights));
                    simd.store_first(at, weights, part.end);
                }
            }
        },
    );
    sum(simd, row_sum)
}

/// row[:] = factor row[:]
#[inline(always)]
fn multiply<T: Element, S: Simd<T>>(simd: S, row: &mut [T], factor: T) {
    let (at, factor) = (row.as_mut_ptr(), simd.splat(factor));
    for_each_partial_vector::<T>(
        0..row.len(),
        #[inline(always)]
        |part| {
            let PartialVector { at: d, end, .. } = part;
            // SAFETY: `for_each_partial_vector` yields vectors within `0..row.len()`, so that
            // `d + end <= row.len()`. All `LANES` lanes are accessed only if `part` is full.
            unsafe {
                let at = at.add(d);
                if part.is_full::<T>() {
                    simd.store(at, simd.mul(simd.load(at), factor));
                } else {
                    simd.store_first(at, simd.mul(simd.load_first(at, end), factor), end);
                }
            }
        },
    );
}
