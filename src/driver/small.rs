//! One probe and few short patterns: a recall in a single call of the level.
//!
//! ```text
//! x = the probe, padded
//! X̂, state = row_strips(x, all patterns)      # see `decode`
//! X̂ = X̂ / row sum
//! ```
//!
//! What recalls of any size prepare (scratch by the shape, tasks, views of every output) takes
//! longer than a few hundred multiply-adds. The patterns are one split and one block, so the bits
//! are those of `run`.

use crate::driver::decode::RowStrips;
use crate::kernel::norms::squared_norm;
use crate::kernel::rows;
use crate::matrix::MatRef;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Element, Kernel, Simd, Whole};

/// Most patterns.
const PATTERNS: usize = 256;
/// Most elements of a padded row.
const COLS: usize = 64;
/// Elements of scratch: the padded probe, its sums, scores and weights.
pub(crate) const SCRATCH: usize = 2 * COLS + 2 * (PATTERNS + 2 * crate::simd::MAX_LANES);

/// Whether patterns are few and short.
pub(crate) const fn is_small(patterns: usize, cols: usize) -> bool {
    patterns <= PATTERNS && cols <= COLS
}

/// The recall of one probe from few short patterns.
pub struct Small<'a, T> {
    /// Not padded.
    pub probe: &'a [T],
    /// Padded.
    pub patterns: MatRef<'a, T>,
    pub params: SoftmaxParams<T>,
    /// A factor of the retrieved probe.
    pub gain: T,
    /// `SCRATCH` elements.
    pub scratch: &'a mut [T],
    /// Not padded; written.
    pub retrieved: &'a mut [T],
}

impl<T: Element> Kernel<T> for Small<'_, T> {
    /// Whether the probe has been recalled. False at a level where strips of short rows do not pay.
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> bool {
        if S::STRIP_ROW_BYTES > 0 {
            return false;
        }
        let Self { probe, patterns, params, gain, scratch, retrieved } = self;
        let (count, cols) = (patterns.rows(), patterns.cols());
        assert!(is_small(count, cols) && scratch.len() == SCRATCH);
        let (padded, rest) = scratch.split_at_mut(cols);
        let (sums, rest) = rest.split_at_mut(cols);
        let (scores, weights) = rest.split_at_mut(rest.len() / 2);
        padded[..probe.len()].copy_from_slice(probe);
        padded[probe.len()..].fill(T::ZERO);
        sums.fill(T::ZERO);
        let mut state = State::of(squared_norm(simd, padded), params);
        let strips = RowStrips {
            probe: padded,
            params,
            patterns,
            loads: Whole,
            first: 0,
            scores,
            weights,
            state: &mut state,
            retrieved: sums,
            prefetches: false,
            further: 0,
        };
        strips.run(simd);
        rows::finish(simd, sums, state.normaliser() * gain, retrieved);
        true
    }
}
