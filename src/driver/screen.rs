//! Screening: a scan that reads the codes of the patterns, and the rows of those alone whose bound
//! tells that they may have a weight.
//!
//! ```text
//! for each block of codes, each probe tile:              # the integers stay in L2
//!     bounds = scale (step (q · c) + error)              # from above, for every pattern
//!     for each probe with a bound that is not below its cut:
//!         score the pattern with the highest bound exactly, if it is the highest so far
//!         cut = highest score so far - width
//!         list the patterns whose bound is not below the cut
//! for each probe: drop what is below the last cut
//! for each split, each probe tile:                       # a split of the patterns stays in L2
//!     score the listed patterns exactly, or the whole split where most of it is listed
//!     append the candidates to the lists of the scan
//! ```
//!
//! 1. A bound is never below the score as it is computed, so the list holds every candidate; what
//!    else it holds is scored and dropped. The result of a scan is the same bits with any codes, or
//!    with none (see `memory::codes`).
//! 2. The highest score so far is an exact one. A bound from below would be as wide as that from
//!    above, and a new highest is found about log N times only.
//! 3. Scores are computed once the pass over the codes has ended: until it has come to the patterns
//!    that a probe resembles, most of the others seem to be near.

use std::ops::Range;

use crate::driver::compiled;
use crate::driver::forward::{Forward, TileScratch};
use crate::driver::listed::listed_scores;
use crate::driver::lists::Lists;
use crate::driver::outputs::PerPattern;
use crate::driver::source::Source;
use crate::driver::tasks::Shared;
use crate::kernel::codes::CodeProducts;
use crate::kernel::score::chunks;
use crate::matrix::{MatMut, MatRef};
use crate::memory::codes::{CodeStore, ProbeCodes};
use crate::separation::candidates::Threshold;
use crate::separation::state::State;
use crate::simd::Element;
use crate::simd::integers::{IntegerKernel, Integers, PANEL};
use crate::simd::tile::PROBE_TILE;
use crate::similarity::scoring::{Scoring, least_unmasked};

/// Bytes of codes that are passed by all probes of a task before the next: they stay in L2.
const BLOCK_BYTES: usize = 256 << 10;
/// A split is scored as a whole if more than one in so many of its patterns is listed.
const DENSE: usize = 3;
/// The list of a probe that wants the k highest is pruned when it has grown by this many, or to
/// twice its size.
const GROWN: usize = 512;

/// The list of one probe.
#[derive(Debug, Clone, Default)]
struct Listing<T> {
    indices: Vec<u32>,
    bounds: Vec<f32>,
    /// The highest score so far, and the bound that it was found at.
    highest: T,
    found_at: f32,
    /// What a pattern's bound is to reach.
    cut: T,
    /// Entries after the list was last pruned.
    pruned: usize,
}

impl<T: Element> Listing<T> {
    fn begin(&mut self) {
        self.indices.clear();
        self.bounds.clear();
        (self.highest, self.found_at, self.pruned) = (T::NEG_INFINITY, f32::NEG_INFINITY, 0);
        self.cut = least_unmasked();
    }

    /// The entries that are among some of the patterns.
    fn of(&self, patterns: &Range<usize>) -> &[u32] {
        let start = self.indices.partition_point(|&n| (n as usize) < patterns.start);
        let rest = &self.indices[start..];
        &rest[..rest.partition_point(|&n| (n as usize) < patterns.end)]
    }

    /// Raises the cut to what is within reach of a score that a pattern has.
    fn raise(&mut self, score: T, threshold: Threshold<T>) {
        if score > self.highest {
            self.highest = score;
        }
        let to = match threshold {
            Threshold::Width(width) | Threshold::KthWidth { width, .. } => score - width,
            // The best is wanted even where it is not above the bound.
            Threshold::Above(bound) if bound < score => bound,
            Threshold::Above(_) => score,
            Threshold::All => return,
        };
        let to = to - (to.abs() + score.abs()) * T::from_f64(1e-6);
        if to > self.cut {
            self.cut = to;
        }
    }

    /// Drops the entries whose bound is below the cut.
    fn prune(&mut self) {
        let cut = rounded_down(self.cut);
        let mut kept = 0;
        for at in 0..self.indices.len() {
            let bound = self.bounds[at];
            (self.indices[kept], self.bounds[kept]) = (self.indices[at], bound);
            kept += usize::from(reaches(bound, cut));
        }
        self.indices.truncate(kept);
        self.bounds.truncate(kept);
        self.pruned = kept;
    }
}

/// Whether a bound reaches a cut. One that is not a number does.
#[inline(always)]
fn reaches(bound: f32, cut: f32) -> bool {
    let is_below = bound < cut;
    !is_below
}

/// The largest number in `f32` that is not above `cut`.
fn rounded_down<T: Element>(cut: T) -> f32 {
    let cut = cut.to_f64();
    let near = cut as f32;
    if f64::from(near) > cut { near.next_down() } else { near }
}

/// Scratch of one task.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScreenScratch<T> {
    codes: ProbeCodes,
    sums: Vec<i32>,
    bounds: Vec<f32>,
    row: Vec<T>,
    lists: Vec<Listing<T>>,
    /// Some indices, and an order of them.
    indices: Vec<u32>,
    scored: Scored<T>,
    order: Vec<u32>,
    lowest: Vec<f32>,
    /// Patterns whose scores were computed, of all probes of the task.
    pub listed: u64,
}

/// Scores of listed patterns, and rows that are unpacked for them.
#[derive(Debug, Clone, Default)]
struct Scored<T> {
    scores: Vec<T>,
    rows: Vec<T>,
}

/// Some probes and some splits of the patterns.
pub(crate) struct Screening<'a, T> {
    pub shared: &'a Shared<'a, T>,
    pub store: &'a CodeStore,
    /// Padded.
    pub probes: MatRef<'a, T>,
    /// Index of the first probe in the job.
    pub first: usize,
    /// The splits' patterns.
    pub patterns: Range<usize>,
    pub threshold: Threshold<T>,
}

/// The pass over the codes.
pub(crate) struct Pass<'a, T> {
    screening: &'a Screening<'a, T>,
    scratch: &'a mut ScreenScratch<T>,
}

impl<T: Element> Screening<'_, T> {
    /// Lists the patterns that may be candidates.
    pub(super) fn list(&self, scratch: &mut ScreenScratch<T>) {
        let batch = self.probes.rows();
        scratch.listed = 0;
        scratch.lists.resize_with(batch.max(scratch.lists.len()), Listing::default);
        for list in &mut scratch.lists[..batch] {
            list.begin();
        }
        self.take_hints(scratch);
        compiled::pass(self.shared.level, Pass { screening: self, scratch: &mut *scratch });
        for b in 0..batch {
            if let Threshold::KthWidth { k, .. } = self.threshold {
                self.score_highest(b, k, scratch);
            }
            scratch.lists[b].prune();
        }
    }

    /// Scores the patterns that are thought to be the best ones first.
    fn take_hints(&self, scratch: &mut ScreenScratch<T>) {
        let Some(hints) = self.shared.hints else { return };
        if matches!(self.threshold, Threshold::KthWidth { k: 2.., .. }) {
            return;
        }
        for b in 0..self.probes.rows() {
            let hint = hints[self.first + b].filter(|&n| n < self.shared.memory.rows());
            if let Some(hint) = hint.filter(|&n| self.takes_part(n)) {
                self.find(b, hint, f32::NEG_INFINITY, scratch);
            }
        }
    }

    fn takes_part(&self, n: usize) -> bool {
        self.shared.keep.is_none_or(|keep| keep[n])
    }

    /// Scores one pattern exactly, which raises the cut.
    fn find(&self, b: usize, n: usize, bound: f32, scratch: &mut ScreenScratch<T>) {
        let list = [n as u32];
        self.score(b, &list, &mut scratch.scored);
        let (score, list) = (scratch.scored.scores[0], &mut scratch.lists[b]);
        if bound > list.found_at {
            list.found_at = bound;
        }
        if score.is_finite() && score >= least_unmasked() {
            list.raise(score, self.threshold);
        }
    }

    /// Scores listed patterns exactly.
    fn score(&self, b: usize, list: &[u32], to: &mut Scored<T>) {
        let (level, patterns) = (self.shared.level, self.shared.memory);
        let probe = self.probes.subrows(b..b + 1);
        let Scored { scores, rows } = &mut *to;
        listed_scores(level, probe, patterns, list, (scores, rows));
        let Some(scoring) = self.scoring() else { return };
        for (score, &n) in to.scores.iter_mut().zip(list) {
            let score = std::slice::from_mut(score);
            scoring.similarities(score, b, n as usize);
            scoring.scores(score, b, n as usize);
        }
    }

    /// The scoring of the probes with all patterns.
    fn scoring(&self) -> Option<Scoring<'_, T>> {
        self.shared
            .scoring(self.first..self.first + self.probes.rows(), 0..self.shared.memory.rows())
    }

    /// Scores the `k` patterns with the highest bounds exactly, and raises the cut to the lowest of
    /// their scores: that many patterns reach it.
    fn score_highest(&self, b: usize, k: usize, scratch: &mut ScreenScratch<T>) {
        let ScreenScratch { lists, indices, scored, order, .. } = scratch;
        let list = &lists[b];
        if k == 0 || list.indices.len() <= k {
            return;
        }
        order.clear();
        order.extend(0..list.indices.len() as u32);
        let bound = |at: &u32| list.bounds[*at as usize];
        order.select_nth_unstable_by(k - 1, |a, b| bound(b).total_cmp(&bound(a)));
        indices.clear();
        indices.extend(order[..k].iter().map(|&at| list.indices[at as usize]));
        self.score(b, indices, scored);
        let scores = &scored.scores;
        let least = scores[..k].iter().fold(T::MAX, |least, &s| if s < least { s } else { least });
        let known = scores[..k].iter().all(|s| s.is_finite() && *s >= least_unmasked());
        if known {
            lists[b].raise(least, self.threshold);
        }
    }

    /// Appends the candidates among the listed patterns of one split to the scan's lists.
    pub(super) fn append(
        &self,
        patterns: Range<usize>,
        lists: &mut Lists<'_, T>,
        tile: &mut TileScratch<'_, T>,
        states: &mut [State<T>],
        scratch: &mut ScreenScratch<T>,
    ) {
        for first in (0..self.probes.rows()).step_by(PROBE_TILE) {
            let probes = first..self.probes.rows().min(first + PROBE_TILE);
            let count: usize = probes.clone().map(|b| scratch.lists[b].of(&patterns).len()).sum();
            if count * DENSE > patterns.len() * probes.len() {
                scratch.listed += (patterns.len() * probes.len()) as u64;
                let states = &mut states[..probes.len()];
                self.append_all(&patterns, probes, lists, tile, states);
                continue;
            }
            scratch.listed += count as u64;
            let ScreenScratch { lists: listings, scored, .. } = &mut *scratch;
            for b in probes {
                let indices = listings[b].of(&patterns);
                if !indices.is_empty() {
                    self.score(b, indices, scored);
                    let scores = &scored.scores[..indices.len()];
                    lists.list(b).append_listed(scores, indices, self.threshold);
                }
            }
        }
    }

    /// Appends the candidates among all patterns of one split.
    fn append_all(
        &self,
        patterns: &Range<usize>,
        probes: Range<usize>,
        lists: &mut Lists<'_, T>,
        tile: &mut TileScratch<'_, T>,
        states: &mut [State<T>],
    ) {
        let shared = self.shared;
        let of = self.first + probes.start..self.first + probes.end;
        let scoring = shared.scoring(of, patterns.clone());
        let mut lists = lists.rows_mut(probes.clone());
        let kernel = Forward {
            source: Source::Scores(self.probes.subrows(probes)),
            patterns: shared.memory.subrows(patterns.clone()),
            values: None,
            scoring: scoring.as_ref(),
            value_factors: None,
            keep: shared.keep.map(|keep| &keep[patterns.clone()]),
            first: patterns.start,
            block: shared.plan.block,
            prefetches: false,
            prefetches_strips: false,
            probe_tile: PROBE_TILE,
            probe_block: shared.plan.probe_block::<T>(),
            states,
            lists: Some(&mut lists),
            retrieved: None,
            per_pattern: PerPattern::none(),
            scratch: TileScratch {
                scores: &mut *tile.scores,
                list: &mut [],
                panels: &mut [],
                unpacked: &mut *tile.unpacked,
            },
        };
        compiled::recall(shared.level, kernel);
    }
}

impl<T: Element> IntegerKernel for Pass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Integers>(mut self, integers: I) {
        let Screening { store, probes, patterns, shared, .. } = self.screening;
        let roundings = roundings::<T>(shared.plan.cols);
        self.scratch.codes.clear(store);
        for probe in probes.iter() {
            let probe = &probe[..store.dim()];
            self.scratch.codes.push(probe, I::MOST, store, roundings);
        }
        let most = (BLOCK_BYTES / store.panel_bytes()).clamp(4, 256) * PANEL;
        let mut start = patterns.start;
        while start < patterns.end {
            // Blocks begin with whole panels; the first one may have patterns of others.
            let end = ((start + most) / PANEL * PANEL).min(patterns.end);
            self.block(integers, start..end);
            start = end;
        }
    }
}

impl<T: Element> Pass<'_, T> {
    /// All probes with the codes of one block.
    #[inline(always)]
    fn block<I: Integers>(&mut self, integers: I, block: Range<usize>) {
        let store = self.screening.store;
        let panels = block.start / PANEL..block.end.div_ceil(PANEL);
        let (cols, skip) = (panels.len() * PANEL, block.start - panels.start * PANEL);
        let batch = self.screening.probes.rows();
        for first in (0..batch).step_by(I::PROBES) {
            let probes = first..batch.min(first + I::PROBES);
            let ScreenScratch { codes, sums, bounds, .. } = &mut *self.scratch;
            sums.resize(sums.len().max(probes.len() * cols), 0);
            bounds.resize(bounds.len().max(block.len()), 0.0);
            let to = MatMut::new(&mut sums[..probes.len() * cols], probes.len(), cols)
                .expect("scratch has room for these rows");
            CodeProducts {
                format: store.kind().format(),
                probes: codes.words(probes.clone()),
                panels: store.panels(panels.clone()),
                sums: to,
            }
            .run(integers);
            for (row, b) in probes.enumerate() {
                let ScreenScratch { codes, sums, bounds, .. } = &mut *self.scratch;
                let sums = &sums[row * cols + skip..][..block.len()];
                store.bounds(block.clone()).write(codes, b, sums, &mut bounds[..block.len()]);
                self.filter(b, block.clone());
            }
        }
    }

    /// Lists the patterns of a block whose bounds reach the cut of probe `b`.
    #[inline(always)]
    fn filter(&mut self, b: usize, block: Range<usize>) {
        let screening = self.screening;
        self.finish_bounds(b, block.clone());
        let bounds = &self.scratch.bounds[..block.len()];
        let cut = rounded_down(self.scratch.lists[b].cut);
        let (any, high) = reach(bounds, cut);
        if !any {
            return;
        }
        let many = matches!(screening.threshold, Threshold::KthWidth { k: 2.., .. });
        if !many
            && high > self.scratch.lists[b].found_at
            && let Some(at) = position(bounds, high)
        {
            screening.find(b, block.start + at, high, self.scratch);
        }
        let ScreenScratch { bounds, lists, .. } = &mut *self.scratch;
        let list = &mut lists[b];
        let cut = rounded_down(list.cut);
        for (at, bounds) in bounds[..block.len()].chunks(PANEL).enumerate() {
            if !reach(bounds, cut).0 {
                continue;
            }
            for (lane, &bound) in bounds.iter().enumerate() {
                let n = block.start + at * PANEL + lane;
                if reaches(bound, cut) {
                    list.indices.push(n as u32);
                    list.bounds.push(bound);
                }
            }
        }
        if let Threshold::KthWidth { k, width } = screening.threshold
            && list.indices.len() > 2 * list.pruned + GROWN
        {
            screening.prune(b, (k, width), self.scratch);
        }
    }

    /// Turns bounds of dot products into bounds of scores: what is done to the products is
    /// monotone, and so are its roundings.
    #[inline(always)]
    fn finish_bounds(&mut self, b: usize, block: Range<usize>) {
        let ScreenScratch { bounds, row, .. } = &mut *self.scratch;
        let bounds = &mut bounds[..block.len()];
        if let Some(keep) = self.screening.shared.keep {
            let left_out = bounds.iter_mut().zip(&keep[block.clone()]).filter(|(_, keep)| !**keep);
            left_out.for_each(|(bound, _)| *bound = f32::NEG_INFINITY);
        }
        let Some(scoring) = self.screening.scoring() else { return };
        row.clear();
        row.extend(bounds.iter().map(|&bound| T::from_f64(f64::from(bound))));
        scoring.similarities(row, b, block.start);
        scoring.scores(row, b, block.start);
        for (bound, score) in bounds.iter_mut().zip(row).filter(|(b, _)| **b > f32::NEG_INFINITY) {
            let score = score.to_f64();
            let near = score as f32;
            *bound = if f64::from(near) < score { near.next_up() } else { near };
        }
    }
}

impl<T: Element> Screening<'_, T> {
    /// Raises the cut of a probe that wants the k highest to a bound from below of the k-th, and
    /// drops the entries below it.
    fn prune(&self, b: usize, (k, width): (usize, T), scratch: &mut ScreenScratch<T>) {
        let ScreenScratch { codes, lists, lowest, .. } = scratch;
        let list = &mut lists[b];
        // What is done to a score is done to its bound from above alone.
        if self.shared.scoring.is_none() && k > 0 && list.indices.len() >= k {
            let bounds = self.store.bounds(0..self.store.patterns());
            let entries = list.indices.iter().zip(&list.bounds);
            lowest.clear();
            lowest.extend(entries.map(|(&n, &from_above)| {
                let from_below = bounds.below(codes, b, n as usize, from_above);
                if from_below.is_finite() { from_below } else { f32::NEG_INFINITY }
            }));
            let (_, kth, _) = lowest.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
            let kth = T::from_f64(f64::from(*kth));
            if kth.is_finite() {
                list.raise(kth, Threshold::KthWidth { k, width });
            }
        }
        list.prune();
    }
}

/// The first place of a bound.
#[inline(always)]
fn position(bounds: &[f32], bound: f32) -> Option<usize> {
    let (chunks, rest) = bounds.as_chunks::<PANEL>();
    for (at, chunk) in chunks.iter().enumerate() {
        // Without a branch for each of them.
        if chunk.iter().fold(false, |found, &other| found | (other == bound)) {
            return chunk.iter().position(|&other| other == bound).map(|lane| at * PANEL + lane);
        }
    }
    let at = rest.iter().position(|&other| other == bound);
    at.map(|lane| chunks.len() * PANEL + lane)
}

/// Whether one of some bounds is not below a cut, and the highest of them that is finite.
#[inline(always)]
fn reach(bounds: &[f32], cut: f32) -> (bool, f32) {
    let (mut below, mut high) = ([true; PANEL], [f32::NEG_INFINITY; PANEL]);
    let (chunks, rest) = bounds.as_chunks::<PANEL>();
    for bounds in chunks {
        for lane in 0..PANEL {
            let bound = bounds[lane];
            below[lane] &= bound < cut;
            high[lane] =
                if bound > high[lane] && bound < f32::INFINITY { bound } else { high[lane] };
        }
    }
    let mut any = below.contains(&false);
    let mut highest = high.into_iter().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    for &bound in rest {
        any |= reaches(bound, cut);
        highest = if bound > highest && bound < f32::INFINITY { bound } else { highest };
    }
    (any, highest)
}

/// A bound of the relative error of a dot product of padded rows, over |x||m|: one rounding for
/// each step of the longest chain, which is a lane's, the horizontal sum and the sum of the chunks.
fn roundings<T: Element>(cols: usize) -> f64 {
    let vectors = cols / T::LANES;
    let steps = vectors + T::LANES.ilog2() as usize + chunks::<T>(vectors).len() + 4;
    // Twice as many: without fused multiply-add, products are rounded too.
    2.0 * steps as f64 * (-f64::from(T::DIGITS)).exp2() * 1.001
}
