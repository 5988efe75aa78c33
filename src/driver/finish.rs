//! The end of a recall: from sums to retrieved probes, and from scores to memory weights.

use crate::kernel::rows;
use crate::matrix::{MatMut, MatRef};
use crate::separation::softmax::memory_weights;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Element, Kernel, Simd};

/// Turns sums of weighted patterns into retrieved probes, and scores into memory weights.
pub struct Finish<'a, T> {
    /// The probes' final states.
    pub states: &'a [State<T>],
    /// Padded sums, and where to write the retrieved probes.
    pub retrieved: Option<(MatRef<'a, T>, MatMut<'a, T>)>,
    /// A factor of the retrieved probes.
    pub gain: T,
    /// The parameters of the separation, if there was one.
    pub params: Option<SoftmaxParams<T>>,
    /// Scores, which become memory weights in place.
    pub weights: Option<MatMut<'a, T>>,
    /// Each probe's highest memory weight; written.
    pub best_weights: Option<&'a mut [T]>,
    /// Which patterns take part; `None` means all.
    pub keep: Option<&'a [bool]>,
}

impl<T: Element> Kernel<T> for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for (b, state) in self.states.iter().enumerate() {
            if let Some((sums, to)) = &mut self.retrieved {
                // Given weights are not normalised.
                let normaliser = self.params.map_or(T::ONE, |_| state.normaliser());
                rows::finish(simd, sums.row(b), normaliser * self.gain, to.row_mut(b));
            }
            let Some(params) = self.params else { continue };
            if let Some(weights) = &mut self.weights {
                memory_weights(simd, weights.row_mut(b), self.keep, params, state);
            }
            if let Some(weights) = &mut self.best_weights {
                weights[b] = state.best_weight(simd, params);
            }
        }
    }
}
