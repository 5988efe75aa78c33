//! The end of a recall: from sums to retrieved probes, and from scores to memory weights.

use crate::kernel::rows;
use crate::kernel::softmax::memory_weights;
use crate::matrix::{MatMut, MatRef};
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Element, Kernel, Simd};

/// Turns sums of weighted patterns into retrieved probes, and scores into memory weights.
pub struct Finish<'a, T> {
    /// The probes' final states.
    pub states: &'a mut [State<T>],
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
    /// The same for each probe.
    pub masks: Option<MatRef<'a, bool>>,
}

impl<T: Element> Kernel<T> for Finish<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(mut self, simd: S) {
        for (b, state) in self.states.iter_mut().enumerate() {
            let mut factor = T::ONE;
            if let Some(params) = self.params.filter(|params| params.null > T::ZERO) {
                (*state, factor, _) =
                    State::merge(simd, *state, State::null(params.null), params.scale);
            }
            if let Some((sums, to)) = &mut self.retrieved {
                // Given weights are not normalised.
                let normaliser = self.params.map_or(T::ONE, |_| factor * state.normaliser());
                rows::finish(simd, sums.row(b), normaliser * self.gain, to.row_mut(b));
            }
            let Some(params) = self.params else { continue };
            if let Some(weights) = &mut self.weights {
                let row = weights.row_mut(b);
                memory_weights(simd, row, self.keep, params, state);
                if let Some(masks) = self.masks {
                    let left_out = row.iter_mut().zip(masks.row(b)).filter(|(_, keep)| !**keep);
                    left_out.for_each(|(weight, _)| *weight = T::ZERO);
                }
            }
            if let Some(weights) = &mut self.best_weights {
                weights[b] = state.best_weight(simd, params);
            }
        }
    }
}
