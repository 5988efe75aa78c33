//! The scores of some probes with the patterns of one split, of which candidates are kept.

use std::ops::Range;

use crate::driver::compiled;
use crate::driver::forward::{Forward, TileScratch};
use crate::driver::input::Input;
use crate::driver::lists::Lists;
use crate::driver::outputs::PerPattern;
use crate::driver::shared::Shared;
use crate::driver::streaming::Streaming;
use crate::matrix::MatRef;
use crate::separation::state::State;
use crate::simd::Element;
use crate::simd::tile::PROBE_TILE;

/// Some probes against one split: the score stage of `forward`.
pub(super) struct SplitScan<'a, T> {
    pub shared: &'a Shared<'a, T>,
    /// Padded.
    pub probes: MatRef<'a, T>,
    /// Index of the first probe in the batch.
    pub first: usize,
    /// The split.
    pub patterns: Range<usize>,
    /// The lists that the candidates are appended to.
    pub lists: Lists<'a, T>,
    /// The columns of the split.
    pub per_pattern: PerPattern<'a, T>,
}

/// Scratch of a split's scan.
pub(super) struct ScanSpace<'a, T> {
    pub scores: &'a mut [T],
    /// Empty if nothing is packed.
    pub panels: &'a mut [T],
    pub unpacked: &'a mut [T],
    /// At least one for each probe.
    pub states: &'a mut [State<T>],
}

impl<T: Element> SplitScan<'_, T> {
    /// Scores all patterns of the split.
    pub fn run(mut self, space: &mut ScanSpace<'_, T>) {
        let (shared, probes, patterns) = (self.shared, self.probes, self.patterns);
        let first = self.first;
        let mut lists = self.lists.rows_mut(0..probes.rows());
        let scoring = shared.scoring(first..first + probes.rows(), patterns.clone());
        let kernel = Forward {
            input: Input::Probes(probes),
            separation: Streaming::UNWEIGHTED,
            patterns: shared.memory.subrows(patterns.clone()),
            values: None,
            scoring: scoring.as_ref(),
            value_factors: None,
            keep: shared.keep.map(|keep| &keep[patterns.clone()]),
            first: patterns.start,
            block: shared.plan.block,
            prefetches: false,
            prefetches_strips: false,
            from_memory: shared.plan.is_large::<T>(),
            probe_tile: PROBE_TILE,
            probe_block: shared.plan.probe_block::<T>(),
            states: &mut space.states[..probes.rows()],
            lists: Some(&mut lists),
            retrieved: None,
            per_pattern: self.per_pattern,
            scratch: TileScratch {
                scores: &mut *space.scores,
                list: &mut [],
                panels: &mut *space.panels,
                unpacked: &mut *space.unpacked,
            },
        };
        compiled::recall(shared.level, kernel);
    }
}
