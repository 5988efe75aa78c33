//! The scores of some probes with all patterns, of which the candidates alone are kept.
//!
//! ```text
//! for each split, each block of patterns:        # the score stage of `forward`
//!     scores = probes · patterns
//!     append the candidates to the list of each probe and split
//! ```
//!
//! Which split, thread or batch a probe is in changes nothing but the order of the work: each probe
//! has a list for every split, and the candidates are filtered again when all are known.

use std::ops::Range;

use crate::driver::blocking::Plan;
use crate::driver::compiled;
use crate::driver::forward::{Forward, TileScratch};
use crate::driver::lists::{Lists, Raise};
use crate::driver::outputs::PerPattern;
use crate::driver::parallel::{Divide, Parallelism, for_each_piece};
use crate::driver::scratch::{grow, pad, take};
use crate::driver::screen::{ScreenScratch, Screening};
use crate::driver::source::Source;
use crate::driver::tasks::Shared;
use crate::error::Result;
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Aligned;
use crate::memory::codes::CodeStore;
use crate::separation::candidates::{Head, SLACK, Threshold};
use crate::separation::shape::MAX_BLOCK;
use crate::separation::state::State;
use crate::simd::Element;
use crate::simd::tile::PROBE_TILE;

/// The lists of some probes, in memory that is kept from call to call.
#[derive(Debug, Clone)]
pub(crate) struct ListStore<T> {
    heads: Vec<Head<T>>,
    scores: Vec<T>,
    indices: Vec<u32>,
    probes: usize,
    splits: usize,
    /// Candidates that there is room for, for each probe and split.
    room: usize,
}

impl<T> Default for ListStore<T> {
    fn default() -> Self {
        let (heads, scores, indices) = (Vec::new(), Vec::new(), Vec::new());
        Self { heads, scores, indices, probes: 0, splits: 0, room: 0 }
    }
}

impl<T: Element> ListStore<T> {
    /// Empties the lists and makes room for those of `probes` probes.
    fn begin(&mut self, probes: usize, splits: usize, scan: &Scan<'_, T>) -> Result<()> {
        let lists = product([probes, splits]);
        let entries = lists.saturating_mul(scan.room as u64);
        grow!(self.scores, entries, T::ZERO);
        grow!(self.indices, entries, 0);
        self.heads.clear();
        grow!(self.heads, lists, Head::new(scan.threshold));
        (self.probes, self.splits, self.room) = (probes, splits, scan.room);
        Ok(())
    }

    fn lists(&mut self, threshold: Threshold<T>) -> Lists<'_, T> {
        let (probes, splits, cols) = (self.probes, self.splits, self.splits * self.room);
        let there_is_room = "`begin` has made room for these lists";
        Lists {
            heads: MatMut::new(&mut self.heads, probes, splits).expect(there_is_room),
            scores: MatMut::new(&mut self.scores, probes, cols).expect(there_is_room),
            indices: MatMut::new(&mut self.indices, probes, cols).expect(there_is_room),
            threshold,
        }
    }

    /// For each split, the state of probe `b`'s list, its scores and its indices.
    pub fn of(&self, b: usize) -> impl Iterator<Item = (&Head<T>, &[T], &[u32])> {
        (b * self.splits..(b + 1) * self.splits).map(|list| {
            let head = &self.heads[list];
            let range = list * self.room..list * self.room + head.len;
            (head, &self.scores[range.clone()], &self.indices[range])
        })
    }

    /// Whether there was no room for some candidate of probe `b`.
    pub fn overflowed(&self, b: usize) -> bool {
        self.heads[b * self.splits..(b + 1) * self.splits].iter().any(|head| head.overflowed)
    }
}

/// Which candidates are kept.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a, T> {
    pub threshold: Threshold<T>,
    /// From the candidates of one split to a bound for those of the next, if that can be told.
    pub raise: Option<&'a Raise<'a, T>>,
    /// Candidates that there is room for, for each probe and split.
    pub room: usize,
}

impl<T: Element> Scan<'_, T> {
    /// With room for every pattern.
    pub fn all(shared: &Shared<'_, T>, threshold: Threshold<T>) -> Self {
        let room = shared.plan.split.min(shared.plan.patterns) + MAX_BLOCK + SLACK;
        Self { threshold, raise: None, room }
    }

    /// With room for about `candidates` in all splits together.
    pub fn with_room(shared: &Shared<'_, T>, threshold: Threshold<T>, candidates: usize) -> Self {
        let all = Self::all(shared, threshold);
        let splits = shared.plan.splits::<T>().len();
        let room = candidates.div_ceil(splits) + MAX_BLOCK + SLACK;
        Self { room: room.min(all.room), ..all }
    }

    /// Bytes of the lists of one probe.
    pub fn bytes(&self, shared: &Shared<'_, T>) -> usize {
        shared.plan.splits::<T>().len() * self.room * (size_of::<T>() + size_of::<u32>())
    }
}

/// Scratch of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ScanScratch<T> {
    floats: Aligned<T>,
    states: Vec<State<T>>,
    /// One for each task.
    screens: Vec<ScreenScratch<T>>,
}

impl<T> Default for ScanScratch<T> {
    fn default() -> Self {
        Self { floats: Aligned::new(0), states: Vec::new(), screens: Vec::new() }
    }
}

/// Which scores a scan has computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// Those of all patterns.
    All,
    /// Those that codes did not rule out: so many, of all probes together.
    Listed(u64),
}

/// The candidates of some probes among all patterns.
pub(crate) fn scan<T: Element>(
    shared: &Shared<'_, T>,
    probes: MatRef<'_, T>,
    (scan, per_pattern): (Scan<'_, T>, PerPattern<'_, T>),
    (lists, scratch): (&mut ListStore<T>, &mut ScanScratch<T>),
    parallelism: Parallelism,
) -> Result<Scanned> {
    let (plan, batch) = (shared.plan, probes.rows());
    let splits = plan.splits::<T>().len();
    let threads = plan.threads::<T>(batch, parallelism);
    let codes = shared.codes.filter(|_| scan.threshold != Threshold::All && per_pattern.is_none());
    // By splits where there are enough of them, as each is then read once.
    let by_probes = threads > splits;
    let pieces = match (threads, by_probes) {
        (1, _) => 1,
        (_, true) => threads.min(batch.div_ceil(PROBE_TILE)),
        // The more patterns a task screens, the less does it list.
        (_, false) if codes.is_some() => threads,
        (_, false) => splits,
    };
    let most = if by_probes { batch.div_ceil(pieces) } else { batch };
    let share = plan.scores::<T>(most) + plan.panels::<T>(most) + shared.unpacked();
    let floats = product([batch, plan.stride]).saturating_add(product([pieces, share]));
    grow!(scratch.floats, floats, T::ZERO);
    grow!(scratch.states, product([pieces, most]), State::EMPTY);
    if codes.is_some() && scratch.screens.len() < pieces {
        scratch.screens.resize_with(pieces, ScreenScratch::default);
    }
    let screens = if codes.is_some() { pieces } else { 0 };
    lists.begin(batch, splits, &scan)?;
    let mut floats = &mut scratch.floats[..floats as usize];
    let padded = take(&mut floats, batch * plan.stride);
    pad(probes, padded, plan.stride);
    let task = ScanTask {
        plan,
        pieces,
        by_probes,
        probes: MatRef::with_stride(padded, batch, plan.cols, plan.stride)
            .expect("scratch has room for these rows"),
        first: 0,
        splits: 0..splits,
        per_pattern,
        lists: lists.lists(scan.threshold),
        raise: scan.raise,
        floats,
        states: &mut scratch.states[..pieces * most],
        screens: &mut scratch.screens[..screens],
    };
    for_each_piece(task, threads, &|task| match codes {
        Some(codes) => task.screen(shared, codes),
        None => task.run(shared),
    });
    Ok(match codes {
        Some(_) => Scanned::Listed(scratch.screens[..screens].iter().map(|s| s.listed).sum()),
        None => Scanned::All,
    })
}

/// Some probes against some splits.
struct ScanTask<'a, T> {
    plan: Plan,
    /// Number of tasks that this one is to be divided into.
    pieces: usize,
    /// Whether it is divided into probes, and not into splits.
    by_probes: bool,
    probes: MatRef<'a, T>,
    /// Index of the first probe.
    first: usize,
    splits: Range<usize>,
    /// The columns of these splits.
    per_pattern: PerPattern<'a, T>,
    lists: Lists<'a, T>,
    /// From the candidates of one split to a bound for those of the next.
    raise: Option<&'a Raise<'a, T>>,
    /// Scratch, in equal shares for the pieces.
    floats: &'a mut [T],
    states: &'a mut [State<T>],
    /// One for each piece, or none if all scores are computed.
    screens: &'a mut [ScreenScratch<T>],
}

impl<T: Element> Divide for ScanTask<'_, T> {
    fn pieces(&self) -> usize {
        self.pieces
    }

    fn divide(self, pieces: usize) -> (Self, Self) {
        let plan = self.plan;
        let share = |count: usize| count / self.pieces * pieces;
        let (floats, floats_) = self.floats.split_at_mut(share(self.floats.len()));
        let (states, states_) = self.states.split_at_mut(share(self.states.len()));
        let (screens, screens_) = self.screens.split_at_mut(share(self.screens.len()));
        let (mut first, mut second) = (self.first, self.first);
        let (mut splits, mut splits_) = (self.splits.clone(), self.splits.clone());
        let (mut probes, mut probes_) = (self.probes, self.probes);
        let ((lists, lists_), (per_pattern, per_pattern_)) = if self.by_probes {
            let at = self.probes.rows() * pieces / self.pieces;
            (probes, probes_) = (probes.subrows(0..at), probes.subrows(at..probes.rows()));
            (first, second) = (self.first, self.first + at);
            (self.lists.split_at_row(at), self.per_pattern.split_at_row(at))
        } else {
            let at = self.splits.len() * pieces / self.pieces;
            (splits, splits_) = (splits.start..splits.start + at, splits.start + at..splits_.end);
            let columns = plan.splits::<T>().skip(splits.start).take(at).map(|s| s.len()).sum();
            (self.lists.split_at_split(at), self.per_pattern.split_at_col(columns))
        };
        let (by_probes, raise) = (self.by_probes, self.raise);
        (
            Self {
                plan,
                pieces,
                by_probes,
                probes,
                first,
                splits,
                per_pattern,
                lists,
                raise,
                floats,
                states,
                screens,
            },
            Self {
                plan,
                pieces: self.pieces - pieces,
                by_probes,
                probes: probes_,
                first: second,
                splits: splits_,
                per_pattern: per_pattern_,
                lists: lists_,
                raise,
                floats: floats_,
                states: states_,
                screens: screens_,
            },
        )
    }
}

impl<T: Element> ScanTask<'_, T> {
    /// Screens the patterns of the task's splits, and scores those that may be candidates.
    fn screen(self, shared: &Shared<'_, T>, store: &CodeStore) {
        let Self { plan, probes, mut lists, mut floats, screens, states, .. } = self;
        let scores = take(&mut floats, plan.scores::<T>(probes.rows()));
        let unpacked = take(&mut floats, shared.unpacked());
        let splits = || plan.splits::<T>().skip(self.splits.start).take(self.splits.len());
        let (Some(first), Some(last), [scratch, ..]) = (splits().next(), splits().last(), screens)
        else {
            return;
        };
        let screening = Screening {
            shared,
            store,
            probes,
            first: self.first,
            patterns: first.start..last.end,
            threshold: lists.threshold,
        };
        screening.list(scratch);
        let mut tile = TileScratch { scores, list: &mut [], panels: &mut [], unpacked };
        for patterns in splits() {
            let (mut split, others) = lists.split_at_split(1);
            lists = others;
            screening.append(patterns, &mut split, &mut tile, &mut *states, scratch);
        }
    }

    /// Scans the task's splits, one after another.
    fn run(self, shared: &Shared<'_, T>) {
        let Self { plan, probes, mut per_pattern, mut lists, mut floats, .. } = self;
        let batch = probes.rows();
        let scores = take(&mut floats, plan.scores::<T>(batch));
        let panels = take(&mut floats, plan.panels::<T>(batch));
        let unpacked = take(&mut floats, shared.unpacked());
        let (mut before, mut done): (Option<Lists<'_, T>>, usize) = (None, 0);
        for patterns in plan.splits::<T>().skip(self.splits.start).take(self.splits.len()) {
            let (now, rest) = per_pattern.split_at_col(patterns.len());
            let (mut split, others) = lists.split_at_split(1);
            (per_pattern, lists) = (rest, others);
            // Twice, as the bound is soon as good as it gets.
            let raise = self.raise.filter(|_| done == 1 || done == 4);
            done += 1;
            if let Some(before) = &before {
                split.raise_bounds(before, raise);
            }
            let scoring = shared.scoring(self.first..self.first + batch, patterns.clone());
            let mut lists_of_all = split.rows_mut(0..batch);
            let kernel = Forward {
                source: Source::Scores(probes),
                patterns: shared.memory.subrows(patterns.clone()),
                values: None,
                scoring: scoring.as_ref(),
                value_factors: None,
                keep: shared.keep.map(|keep| &keep[patterns.clone()]),
                first: patterns.start,
                block: plan.block,
                prefetches: false,
                prefetches_strips: false,
                probe_tile: PROBE_TILE,
                probe_block: plan.probe_block::<T>(),
                states: &mut self.states[..batch],
                lists: Some(&mut lists_of_all),
                retrieved: None,
                per_pattern: now,
                scratch: TileScratch {
                    scores: &mut *scores,
                    list: &mut [],
                    panels: &mut *panels,
                    unpacked: &mut *unpacked,
                },
            };
            compiled::recall(shared.level, kernel);
            before = Some(split);
        }
    }
}
