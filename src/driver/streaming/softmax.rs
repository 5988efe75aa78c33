//! The online softmax of a score tile.

use std::ops::Range;

use super::StreamingSeparation;
use crate::driver::input::Input;
use crate::driver::score_tile::{Rescale, ScoreTile};
use crate::kernel::exp_tile::ExpTile;
use crate::kernel::norms::squared_norm;
use crate::kernel::scan_tile::scan;
use crate::separation::active::ActiveColumns;
use crate::separation::online::OnlineSoftmax;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Simd};

/// Softmax with these parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Softmax<T>(pub SoftmaxParams<T>);

impl<T: Element> StreamingSeparation<T> for Softmax<T> {
    #[inline(always)]
    fn begin<S: Simd<T>>(self, simd: S, input: Input<'_, T>, states: &mut [State<T>]) {
        let Input::Probes(probes) = input else { return };
        for (state, probe) in states.iter_mut().zip(probes.iter()) {
            *state = State::of(squared_norm(simd, probe), self.0);
        }
    }

    #[inline(always)]
    fn separate<S: Simd<T>>(
        self,
        simd: S,
        tile: &mut ScoreTile<'_, '_, T>,
        _: Input<'_, T>,
        rescale: Rescale<T>,
    ) -> Option<Rescale<T>> {
        tile.finish_scores(simd);
        let count = tile.patterns.count();
        // Not `from_fn`, which is a call compiled without the level's features.
        let mut all: [_; PROBE_TILE] = [
            self.begin_block(simd, tile, 0),
            self.begin_block(simd, tile, 1),
            self.begin_block(simd, tile, 2),
            self.begin_block(simd, tile, 3),
            self.begin_block(simd, tile, 4),
            self.begin_block(simd, tile, 5),
        ];
        let separations = &mut all[..tile.states.len()];
        for (b, separation) in separations.iter_mut().enumerate() {
            let scores = &tile.scores.row_mut(b)[..count];
            scan(simd, separation, scores, tile.first, &mut tile.states[b]);
        }
        let left = segments(simd, tile, separations, rescale);
        for (separation, state) in separations.iter().zip(&mut *tile.states) {
            separation.end(simd, state);
        }
        left
    }

    fn merge_scale(self) -> Option<T> {
        Some(self.0.scale)
    }

    fn softmax(self) -> Option<SoftmaxParams<T>> {
        Some(self.0)
    }
}

impl<T: Element> Softmax<T> {
    /// Starts the block for probe `b` of the tile; for none if there are fewer.
    #[inline(always)]
    fn begin_block<'a, S: Simd<T>>(
        self,
        simd: S,
        tile: &ScoreTile<'a, '_, T>,
        b: usize,
    ) -> OnlineSoftmax<'a, T, S::Vec> {
        let none = State::EMPTY;
        OnlineSoftmax::begin(simd, self.0, tile.keep, tile.states.get(b).unwrap_or(&none))
    }
}

/// Computes the weights segment by segment; a new segment begins where the shift of some probe
/// rises. Projects every segment, unless the caller is to project the block.
#[inline(always)]
fn segments<T: Element, S: Simd<T>>(
    simd: S,
    tile: &mut ScoreTile<'_, '_, T>,
    separations: &mut [OnlineSoftmax<'_, T, S::Vec>],
    mut rescale: Rescale<T>,
) -> Option<Rescale<T>> {
    let count = tile.patterns.count();
    let mut active = ActiveColumns::NONE;
    let mut from = 0;
    while from < count {
        let mut to = count;
        for (b, separation) in separations.iter_mut().enumerate() {
            let (row, state) = (tile.scores.row_mut(b), &mut tile.states[b]);
            let (factor, end) = separation.segment(simd, row, from..count, state);
            rescale[b] = rescale[b] * factor;
            to = to.min(end);
        }
        let segment = Range { start: from, end: to };
        let dense = separations.iter().zip(&*tile.states).all(|(one, state)| one.is_dense(state));
        let exp_tile = ExpTile {
            separations: &mut *separations,
            states: tile.states,
            scores: &mut tile.scores.reborrow(),
            range: segment.clone(),
            active: (!dense).then_some(&mut active),
        };
        exp_tile.run(simd);
        let active = (!dense).then_some(&mut active);
        if tile.project(simd, segment, active, &rescale) {
            return Some(rescale);
        }
        rescale = [T::ONE; PROBE_TILE];
        from = to;
    }
    None
}
