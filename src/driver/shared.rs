//! What all tasks of a recall share: the memory, the scoring, the separation and their parameters.

use std::ops::Range;

use crate::driver::blocking::Plan;
use crate::driver::energy::SubMemory;
use crate::driver::input::Input;
use crate::driver::scratch::pad;
use crate::driver::streaming::Streaming;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::memory::codes::CodeStore;
use crate::memory::rows::Rows;
use crate::simd::tile::PROBE_TILE;
use crate::simd::{Element, Level};
use crate::similarity::scoring::Scoring;

/// The parameters that all tasks of a recall share.
pub(crate) struct Shared<'a, T> {
    pub level: Level,
    pub plan: Plan,
    pub memory: Rows<'a, T>,
    /// Values, if they are not the patterns themselves.
    pub values: Option<Rows<'a, T>>,
    /// From sums over d to scores; `None` if they are the same.
    pub scoring: Option<&'a Scoring<'a, T>>,
    /// Index of the first of these probes in the rows that the scoring has for each probe.
    pub first: usize,
    /// A factor of the weight of each pattern in the projection.
    pub value_factors: Option<&'a [T]>,
    /// From scores to weights.
    pub separation: Streaming<T>,
    pub keep: Option<&'a [bool]>,
    pub beta: T,
    pub gain: T,
    /// Whether similarities are multiplied by the gain.
    pub scales_similarities: bool,
    /// What the energies need to know about the patterns that take part; `None` if no energies are
    /// wanted.
    pub sub_memory: Option<SubMemory>,
    /// Whether the energies have the terms of the dot product.
    pub quadratic: bool,
    /// Most probes in a tile.
    pub probe_tile: usize,
    /// The patterns' codes, if they are to be screened.
    pub codes: Option<&'a CodeStore>,
    /// For each probe of the whole batch, a pattern that may be its best.
    pub hints: Option<&'a [Option<usize>]>,
}

impl<'a, T: Element> Shared<'a, T> {
    /// A recall without a softmax.
    pub fn plain(separation: Streaming<T>, memory: &'a Memory<T>, level: Level) -> Self {
        Self {
            level,
            plan: Plan::new::<T>(memory.patterns(), memory.dim()),
            memory: memory.rows(),
            values: None,
            scoring: None,
            first: 0,
            value_factors: None,
            separation,
            keep: None,
            beta: T::ONE,
            gain: T::ONE,
            scales_similarities: false,
            sub_memory: None,
            quadratic: true,
            probe_tile: PROBE_TILE,
            codes: None,
            hints: None,
        }
    }

    /// The factor of what is retrieved: values are not multiplied by the gain.
    pub fn value_gain(&self) -> T {
        if self.values.is_some() { T::ONE } else { self.gain }
    }

    /// Elements of scratch for the rows of a block of patterns and values that are unpacked.
    pub fn unpacked(&self) -> usize {
        let of = |rows: Rows<'_, T>| rows.scratch(self.plan.block.min(self.plan.patterns));
        of(self.memory) + self.values.map_or(0, of)
    }

    /// The same for some of the probes.
    pub fn for_probes(&self, probes: Range<usize>) -> Self {
        Self { first: self.first + probes.start, ..*self }
    }

    /// The scoring of some of the probes with some patterns.
    pub fn scoring(&self, probes: Range<usize>, patterns: Range<usize>) -> Option<Scoring<'a, T>> {
        let probes = self.first + probes.start..self.first + probes.end;
        self.scoring.map(|scoring| scoring.of(probes).at(patterns))
    }

    /// The input as the driver takes it: probes are copied to padded rows of scratch memory.
    pub fn padded<'s>(&self, input: Input<'s, T>, scratch: &'s mut [T]) -> Input<'s, T> {
        let Input::Probes(probes) = input else { return input };
        let Plan { cols, stride, .. } = self.plan;
        pad(probes, scratch, stride);
        let rows = MatRef::with_stride(scratch, probes.rows(), cols, stride);
        Input::Probes(rows.expect("scratch has room for these rows"))
    }

    /// Padded rows of scratch memory for sums of weighted patterns; `None` if `scratch` is empty.
    pub fn sums<'s>(&self, scratch: &'s mut [T], count: usize) -> Option<MatMut<'s, T>> {
        let Plan { value_cols, value_stride, .. } = self.plan;
        (!scratch.is_empty()).then(|| {
            MatMut::with_stride(scratch, count, value_cols, value_stride)
                .expect("scratch has room for these rows")
        })
    }
}
