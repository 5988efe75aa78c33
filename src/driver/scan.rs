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

use crate::driver::divide::{Columns, Cut, for_each_task, ranges, shares};
use crate::driver::lists::{ListStore, Lists, Raise};
use crate::driver::outputs::PerPattern;
use crate::driver::parallel::Parallelism;
use crate::driver::scan_split::{ScanSpace, SplitScan};
use crate::driver::scratch::{grow, pad, take};
use crate::driver::screen::{ScreenScratch, ScreenTask};
use crate::driver::shared::Shared;
use crate::error::Result;
use crate::matrix::MatRef;
use crate::matrix::ranges::product;
use crate::memory::Aligned;
use crate::memory::codes::CodeStore;
use crate::separation::candidates::{SLACK, Threshold};
use crate::separation::shape::MAX_BLOCK;
use crate::separation::state::State;
use crate::simd::Element;
use crate::simd::tile::PROBE_TILE;

/// Which candidates are kept.
#[derive(Clone, Copy)]
pub(crate) struct Candidates<'a, T> {
    pub threshold: Threshold<T>,
    /// From the candidates of one split to a bound for those of the next, if that can be told.
    pub raise: Option<&'a Raise<'a, T>>,
    /// Candidates that there is room for, for each probe and split.
    pub room: usize,
}

impl<T: Element> Candidates<'_, T> {
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
    elements: Aligned<T>,
    states: Vec<State<T>>,
    /// One for each task.
    screens: Vec<ScreenScratch<T>>,
}

impl<T> Default for ScanScratch<T> {
    fn default() -> Self {
        Self { elements: Aligned::new(0), states: Vec::new(), screens: Vec::new() }
    }
}

/// Which scores a scan has computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// Those of all patterns.
    All,
    /// Those that codes did not rule out, and their number over all probes.
    Listed(u64),
}

/// A scan of all patterns for the candidates of some probes.
pub(crate) struct Scan<'a, T> {
    pub shared: &'a Shared<'a, T>,
    pub probes: MatRef<'a, T>,
    pub candidates: Candidates<'a, T>,
    pub per_pattern: PerPattern<'a, T>,
    pub parallelism: Parallelism,
    /// Makes room for as many probes, if that is more.
    pub whole: usize,
}

/// How a scan is divided into tasks.
#[derive(Clone, Copy)]
struct Division {
    threads: usize,
    tasks: usize,
    /// By probes, or by splits where there are enough of them, as each is then read once.
    by_probes: bool,
    /// Most probes of a task.
    most: usize,
    /// Elements of scratch for each task.
    share: usize,
    /// One scratch for each task that screens.
    screens: usize,
}

impl<'a, T: Element> Scan<'a, T> {
    /// Writes the lists, and tells which scores have been computed.
    pub fn run(self, lists: &mut ListStore<T>, scratch: &mut ScanScratch<T>) -> Result<Scanned> {
        let splits = self.shared.plan.splits::<T>().len();
        let (division, screens) = (self.division(self.probes.rows()), self.codes().is_some());
        let Candidates { threshold, room, .. } = self.candidates;
        if self.whole > self.probes.rows() {
            lists.begin(self.whole, splits, room, threshold)?;
            self.reserve(self.whole, self.division(self.whole), scratch)?;
        }
        let lists = lists.begin(self.probes.rows(), splits, room, threshold)?;
        self.reserve(self.probes.rows(), division, scratch)?;
        self.run_tasks(division, lists, scratch);
        let all = scratch.screens[..division.screens].iter();
        Ok(match screens {
            true => Scanned::Listed(all.map(|screen| screen.listed).sum()),
            false => Scanned::All,
        })
    }

    /// Makes room for the padded probes, and for all tasks.
    fn reserve(
        &self,
        batch: usize,
        division: Division,
        scratch: &mut ScanScratch<T>,
    ) -> Result<()> {
        let Division { tasks, most, share, screens, .. } = division;
        let padded = product([batch, self.shared.plan.stride]);
        grow!(scratch.elements, padded.saturating_add(product([tasks, share])), T::ZERO);
        grow!(scratch.states, product([tasks, most]), State::EMPTY);
        let screens = screens.max(scratch.screens.len());
        scratch.screens.resize_with(screens, ScreenScratch::default);
        Ok(())
    }

    fn run_tasks(self, division: Division, lists: Lists<'_, T>, scratch: &mut ScanScratch<T>) {
        let Division { threads, tasks, by_probes, most, share, screens } = division;
        let (shared, codes, raise) = (self.shared, self.codes(), self.candidates.raise);
        let (plan, batch) = (shared.plan, self.probes.rows());
        let splits = plan.splits::<T>().len();
        let (padded, elements) = scratch.elements.split_at_mut(batch * plan.stride);
        pad(self.probes, padded, plan.stride);
        let padded = MatRef::with_stride(padded, batch, plan.cols, plan.stride)
            .expect("scratch has room for these rows");
        let space = (
            shares(&mut elements[..tasks * share], share),
            shares(&mut scratch.states[..tasks * most], most),
            shares(&mut scratch.screens[..screens], screens / tasks),
        );
        let task = |probes: Range<usize>, splits: Range<usize>| {
            let (first, probes) = (probes.start, padded.subrows(probes));
            Task { shared, codes, probes, first, splits, raise }
        };
        if by_probes {
            let probes = move |task: usize| batch * task / tasks;
            let views = (ranges(lists, probes), ranges(self.per_pattern, probes), space);
            for_each_task(tasks, threads, views, |at, (lists, per_pattern, space)| {
                let (elements, states, screens) = space;
                let task = task(probes(at)..probes(at + 1), 0..splits);
                task.run(lists, per_pattern, TaskSpace { elements, states, screens });
            });
        } else {
            let split = move |task: usize| splits * task / tasks;
            let start = move |task: usize| {
                plan.splits::<T>().nth(split(task)).map_or(plan.patterns, |split| split.start)
            };
            let (lists, per_pattern) = (Columns(lists), Columns(self.per_pattern));
            let views = (ranges(lists, split), ranges(per_pattern, start), space);
            for_each_task(tasks, threads, views, |at, (lists, per_pattern, space)| {
                let (elements, states, screens) = space;
                let task = task(0..batch, split(at)..split(at + 1));
                task.run(lists.0, per_pattern.0, TaskSpace { elements, states, screens });
            });
        }
    }

    /// The codes, unless every score is wanted.
    fn codes(&self) -> Option<&'a CodeStore> {
        let every = self.candidates.threshold == Threshold::All || !self.per_pattern.is_none();
        self.shared.codes.filter(|_| !every)
    }

    fn division(&self, batch: usize) -> Division {
        let plan = self.shared.plan;
        let splits = plan.splits::<T>().len();
        let threads = plan.threads::<T>(batch, self.parallelism);
        let by_probes = threads > splits;
        let tasks = match (threads, by_probes) {
            (1, _) => 1,
            (_, true) => threads.min(batch.div_ceil(PROBE_TILE)),
            // A task that screens more patterns finds a higher cut, and lists fewer of them.
            (_, false) if self.codes().is_some() => threads,
            (_, false) => splits,
        };
        let most = if by_probes { batch.div_ceil(tasks) } else { batch };
        let share = plan.scores::<T>(most) + plan.panels::<T>(most) + self.shared.unpacked();
        let screens = if self.codes().is_some() { tasks } else { 0 };
        Division { threads, tasks, by_probes, most, share, screens }
    }
}

/// Some probes against some splits.
struct Task<'a, T> {
    shared: &'a Shared<'a, T>,
    /// `None` if every score is computed.
    codes: Option<&'a CodeStore>,
    /// Padded.
    probes: MatRef<'a, T>,
    /// Index of the first probe.
    first: usize,
    splits: Range<usize>,
    /// From the candidates of one split to a bound for those of the next.
    raise: Option<&'a Raise<'a, T>>,
}

/// A task's share of the scratch.
struct TaskSpace<'a, T> {
    elements: &'a mut [T],
    states: &'a mut [State<T>],
    /// One, or none if every score is computed.
    screens: &'a mut [ScreenScratch<T>],
}

impl<T: Element> Task<'_, T> {
    /// Writes the lists, and the similarities and scores that are wanted.
    fn run(self, lists: Lists<'_, T>, per_pattern: PerPattern<'_, T>, space: TaskSpace<'_, T>) {
        let (plan, batch) = (self.shared.plan, self.probes.rows());
        let TaskSpace { mut elements, states, screens } = space;
        let space = ScanSpace {
            scores: take(&mut elements, plan.scores::<T>(batch)),
            panels: take(&mut elements, plan.panels::<T>(batch)),
            unpacked: take(&mut elements, self.shared.unpacked()),
            states,
        };
        match (self.codes, screens) {
            (Some(codes), [scratch, ..]) => self.screen(codes, lists, space, scratch),
            _ => self.scan(lists, per_pattern, space),
        }
    }

    /// The patterns of the task's splits.
    fn splits(&self) -> impl Iterator<Item = Range<usize>> + use<T> {
        let splits = self.shared.plan.splits::<T>();
        splits.skip(self.splits.start).take(self.splits.len())
    }

    /// Screens the patterns of the task's splits, and scores those that may be candidates.
    fn screen(
        self,
        store: &CodeStore,
        lists: Lists<'_, T>,
        space: ScanSpace<'_, T>,
        scratch: &mut ScreenScratch<T>,
    ) {
        let (Some(first), Some(last)) = (self.splits().next(), self.splits().last()) else {
            return;
        };
        let screening = ScreenTask {
            shared: self.shared,
            store,
            probes: self.probes,
            first: self.first,
            patterns: first.start..last.end,
            threshold: lists.threshold,
        };
        screening.list(scratch);
        // A tile has too few probes for packed panels to pay.
        let (mut lists, mut space) = (Columns(lists), ScanSpace { panels: &mut [], ..space });
        for patterns in self.splits() {
            let (Columns(mut split), others) = lists.cut(1);
            lists = others;
            screening.append(patterns, &mut split, &mut space, scratch);
        }
    }

    /// Scans the task's splits, one after another.
    fn scan(
        self,
        lists: Lists<'_, T>,
        per_pattern: PerPattern<'_, T>,
        mut space: ScanSpace<'_, T>,
    ) {
        let (mut lists, mut per_pattern) = (Columns(lists), Columns(per_pattern));
        let mut before: Option<Lists<'_, T>> = None;
        for (done, patterns) in self.splits().enumerate() {
            let (Columns(columns), rest) = per_pattern.cut(patterns.len());
            let (Columns(mut split), others) = lists.cut(1);
            (per_pattern, lists) = (rest, others);
            // Twice is enough: later splits would hardly raise the bound.
            let raise = self.raise.filter(|_| done == 1 || done == 4);
            if let Some(before) = &before {
                split.raise_bounds(before, raise);
            }
            let scan = SplitScan {
                shared: self.shared,
                probes: self.probes,
                first: self.first,
                patterns,
                lists: split.rows_mut(0..self.probes.rows()),
                per_pattern: columns,
            };
            scan.run(&mut space);
            before = Some(split);
        }
    }
}
