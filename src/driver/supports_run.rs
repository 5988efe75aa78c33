//! Gradients over supports, divided into tasks of some probes or of some patterns each.

use crate::driver::blocking::Plan;
use crate::driver::compiled;
use crate::driver::divide::{for_each_task, ranges, shares};
use crate::driver::parallel::Parallelism;
use crate::driver::supports::{
    Blocks, Entries, EntryFactors, EntrySums, PatternEntries, PatternSlopes, ProbeSlopes, Slopes,
};
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Aligned;
use crate::memory::rows::Rows;
use crate::simd::{Element, Level};
use crate::similarity::accumulate::Sums;

/// With at least this many entries for each probe and block, patterns are read block by block.
const DENSE: usize = 16;

/// How to run: the level, the blocking and the threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub level: Level,
    pub plan: Plan,
    pub parallelism: Parallelism,
}

impl How {
    fn threads<T>(&self, entries: usize, cols: usize) -> usize {
        let multiply_adds = product([entries, cols]);
        self.parallelism.threads(multiply_adds, multiply_adds.saturating_mul(size_of::<T>() as u64))
    }

    /// Most rows in a block. It has no influence on a result.
    fn block<T: Element>(&self, rows: &Rows<'_, T>, entries: Entries<'_>) -> usize {
        let visits = entries.probes() * rows.rows().div_ceil(self.plan.block);
        match rows.padded().is_some() && entries.count() < DENSE * visits {
            true => rows.rows().next_multiple_of(T::LANES),
            false => self.plan.block,
        }
    }
}

/// Padded probes and the rows that their entries name.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a, T> {
    pub probes: MatRef<'a, T>,
    pub rows: Rows<'a, T>,
    pub entries: Entries<'a>,
}

/// Writes a sum over d for each entry.
pub(crate) fn entry_sums<T: Element>(
    how: How,
    Operands { probes, rows, entries }: Operands<'_, T>,
    sums: Sums,
    to: &mut [T],
    scratch: &mut Aligned<T>,
) {
    let (batch, most) = (entries.probes(), how.block(&rows, entries));
    let threads = how.threads::<T>(entries.count(), rows.cols()).min(batch.max(1));
    let starts = entries.starts;
    let probe = move |task: usize| batch * task / threads;
    let entry = move |task: usize| starts[probe(task)] - starts[0];
    let share = rows.scratch(most);
    let views = (ranges(to, entry), shares(room(scratch, threads * share), share));
    for_each_task(threads, threads, views, |task, (to, unpacked)| {
        let part = probe(task)..probe(task + 1);
        let kernel = EntrySums {
            probes: probes.subrows(part.clone()),
            blocks: Blocks { rows, most, unpacked },
            sums,
            entries: entries.of(part),
            to,
        };
        compiled::entry_sums(how.level, kernel);
    });
}

/// What the gradients of probes come from.
#[derive(Clone, Copy)]
pub(crate) struct ProbeTerms<'a, T> {
    pub slopes: Slopes,
    /// Of every entry.
    pub factors: &'a [EntryFactors<T>],
}

/// Adds the slopes over each probe's support to a padded row.
pub(crate) fn probe_slopes<T: Element>(
    how: How,
    Operands { probes, rows, entries }: Operands<'_, T>,
    terms: ProbeTerms<'_, T>,
    to: MatMut<'_, T>,
    scratch: &mut Aligned<T>,
) {
    let (batch, most) = (entries.probes(), how.block(&rows, entries));
    let threads = how.threads::<T>(entries.count(), rows.cols()).min(batch.max(1));
    let probe = move |task: usize| batch * task / threads;
    let share = rows.scratch(most);
    let views = (ranges(to, probe), shares(room(scratch, threads * share), share));
    for_each_task(threads, threads, views, |task, (to, unpacked)| {
        let part = probe(task)..probe(task + 1);
        let kernel = ProbeSlopes {
            probes: probes.subrows(part.clone()),
            blocks: Blocks { rows, most, unpacked },
            slopes: terms.slopes,
            entries: entries.of(part),
            factors: terms.factors,
            to,
        };
        compiled::probe_slopes(how.level, kernel);
    });
}

/// The patterns of a memory.
#[derive(Clone, Copy)]
pub(crate) struct PatternRows<'a, T> {
    pub rows: Rows<'a, T>,
    /// Whether a similarity of norms adds multiples of the patterns themselves.
    pub own: bool,
}

/// What the gradients of patterns or of values come from.
#[derive(Clone, Copy)]
pub(crate) struct PatternTerms<'a, T> {
    /// `None` for values.
    pub patterns: Option<PatternRows<'a, T>>,
    pub slopes: Slopes,
    pub probes: MatRef<'a, T>,
    pub upstream: Option<MatRef<'a, T>>,
    pub factors: &'a [EntryFactors<T>],
}

/// Adds the terms of its entries to the gradient of every pattern, or of every value.
pub(crate) fn pattern_slopes<T: Element>(
    how: How,
    columns: PatternEntries<'_>,
    terms: PatternTerms<'_, T>,
    to: MatMut<'_, T>,
    scratch: &mut Aligned<T>,
) {
    let (count, cols) = (to.rows(), to.cols().next_multiple_of(T::LANES));
    let entries = columns.starts[count];
    let threads = how.threads::<T>(entries, cols);
    // Tasks with about equally many entries.
    let starts = columns.starts;
    let pattern = move |task: usize| match task == threads {
        true => count,
        false => starts[..count].partition_point(|&start| start < entries * task / threads),
    };
    let share = 2 * cols;
    let views = (ranges(to, pattern), shares(room(scratch, threads * share), share));
    for_each_task(threads, threads, views, |task, (to, scratch)| {
        let part = pattern(task)..pattern(task + 1);
        let kernel = PatternSlopes {
            patterns: terms.patterns.map(|patterns| patterns.rows.subrows(part.clone())),
            slopes: terms.slopes,
            columns: columns.of(part),
            factors: terms.factors,
            probes: terms.probes,
            upstream: terms.upstream,
            own: terms.patterns.is_some_and(|patterns| patterns.own),
            to,
            scratch,
        };
        compiled::pattern_slopes(how.level, kernel);
    });
}

/// The first `count` elements of scratch, which grows as needed.
fn room<T: Element>(scratch: &mut Aligned<T>, count: usize) -> &mut [T] {
    if scratch.len() < count {
        scratch.resize(count, T::ZERO);
    }
    &mut scratch[..count]
}

/// The entries of every pattern, in memory that is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct PatternEntryStore {
    starts: Vec<usize>,
    probes: Vec<u32>,
    places: Vec<u32>,
}

impl PatternEntryStore {
    /// Sorts entries by their patterns, those of a pattern by their probes.
    pub fn sort(&mut self, entries: Entries<'_>, patterns: usize) -> PatternEntries<'_> {
        let Self { starts, probes, places } = self;
        starts.clear();
        starts.resize(patterns + 1, 0);
        for &n in entries.indices {
            starts[n as usize] += 1;
        }
        // Where the entries of each pattern end; the loop below moves that to where they begin.
        let mut end = 0;
        for start in starts.iter_mut() {
            end += *start;
            *start = end;
        }
        probes.resize(entries.indices.len(), 0);
        places.resize(entries.indices.len(), 0);
        for b in (0..entries.probes()).rev() {
            for place in (entries.starts[b]..entries.starts[b + 1]).rev() {
                let to = &mut starts[entries.indices[place] as usize];
                *to -= 1;
                (probes[*to], places[*to]) = (b as u32, place as u32);
            }
        }
        PatternEntries { starts, probes, places }
    }
}
