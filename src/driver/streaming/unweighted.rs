//! Scores alone.

use super::StreamingSeparation;
use crate::driver::input::Input;
use crate::driver::score_tile::{Rescale, ScoreTile};
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Element, Simd};

/// There are no weights: only the scores are wanted, or the candidates among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unweighted;

impl<T: Element> StreamingSeparation<T> for Unweighted {
    #[inline(always)]
    fn begin<S: Simd<T>>(self, _: S, _: Input<'_, T>, states: &mut [State<T>]) {
        states.fill(State::EMPTY);
    }

    #[inline(always)]
    fn separate<S: Simd<T>>(
        self,
        simd: S,
        tile: &mut ScoreTile<'_, '_, T>,
        _: Input<'_, T>,
        _: Rescale<T>,
    ) -> Option<Rescale<T>> {
        tile.finish_scores(simd);
        tile.append_candidates(simd);
        None
    }

    fn merge_scale(self) -> Option<T> {
        None
    }

    fn softmax(self) -> Option<SoftmaxParams<T>> {
        None
    }
}
