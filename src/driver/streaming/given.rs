//! Weights that are given.

use super::StreamingSeparation;
use crate::driver::input::Input;
use crate::driver::score_tile::{Rescale, ScoreTile};
use crate::separation::active::{ActiveColumns, find};
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Element, Simd};

/// The weights are the input: only the projection is computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given;

impl<T: Element> StreamingSeparation<T> for Given {
    #[inline(always)]
    fn begin<S: Simd<T>>(self, _: S, _: Input<'_, T>, states: &mut [State<T>]) {
        states.fill(State::UNIT);
    }

    #[inline(always)]
    fn separate<S: Simd<T>>(
        self,
        simd: S,
        tile: &mut ScoreTile<'_, '_, T>,
        input: Input<'_, T>,
        rescale: Rescale<T>,
    ) -> Option<Rescale<T>> {
        let count = tile.patterns.count();
        match input {
            Input::Weights(weights) => {
                for (b, given) in weights.iter().enumerate() {
                    tile.scores.row_mut(b)[..count].copy_from_slice(&given[tile.block.clone()]);
                }
            }
            Input::Sparse(rows) => {
                for b in 0..rows.rows() {
                    rows.write(b, tile.first, &mut tile.scores.row_mut(b)[..count]);
                }
            }
            Input::Probes(_) => unreachable!("the input is the weights"),
        }
        let mut active = ActiveColumns::NONE;
        for (b, bits) in active.of(0..tile.states.len()).iter_mut().enumerate() {
            find(simd, tile.scores.row_mut(b), 0..count, bits);
        }
        tile.project(simd, 0..count, Some(&mut active), &rescale).then_some(rescale)
    }

    fn merge_scale(self) -> Option<T> {
        Some(T::ONE)
    }

    fn softmax(self) -> Option<SoftmaxParams<T>> {
        None
    }
}
