//! Recall of a batch of probes, divided into tasks.

use crate::driver::divide::{Columns, for_each_task, ranges, shares};
use crate::driver::forward::TileScratch;
use crate::driver::input::Input;
use crate::driver::outputs::Outputs;
use crate::driver::parallel::Parallelism;
use crate::driver::scratch::{Scratch, take};
use crate::driver::shared::Shared;
use crate::driver::tasks::{Batch, Partial, ProbeScratch, ProbeTask, SplitTask};
use crate::error::Result;
use crate::matrix::ranges::product;
use crate::simd::Element;
use crate::simd::tile::PROBE_TILE;

/// How a recall is divided into tasks, and the scratch that these take together.
struct Division {
    threads: usize,
    tasks: usize,
    /// By probes; by splits if not.
    by_probes: bool,
    /// Most probes that a task recalls at a time, and those of a later split.
    most: usize,
    later: usize,
    /// Elements of the sums of one split, where the splits are divided.
    sums: u64,
    elements: u64,
    states: u64,
    list: u64,
}

impl Division {
    fn of<T: Element>(
        shared: &Shared<'_, T>,
        batch: usize,
        retrieves: bool,
        parallelism: Parallelism,
    ) -> Self {
        let (plan, retrieves) = (shared.plan, usize::from(retrieves));
        let threads = plan.threads::<T>(batch, parallelism);
        let splits = plan.splits::<T>().len();
        let padded = |probes: usize| product([probes, plan.stride]);
        if threads == 1 || splits == 1 || batch >= 2 * PROBE_TILE * threads {
            // A second task for each thread balances the load, as long as it does not add a pass
            // over the patterns.
            let passes = batch.div_ceil(plan.batch::<T>());
            let tasks = match threads {
                1 => 1,
                _ => passes.clamp(threads, 2 * threads).min(batch.div_ceil(PROBE_TILE)),
            };
            let most = plan.batch::<T>().min(batch.div_ceil(tasks));
            let later = if splits > 1 { most } else { 0 };
            // Padded probes, their sums, and the sums of a later split.
            let sums = product([retrieves, most + later, plan.value_stride]);
            let scores = plan.scores::<T>(most) + plan.panels::<T>(most);
            let scores = product([scores]).saturating_add(product([shared.unpacked()]));
            let elements = padded(most).saturating_add(sums).saturating_add(scores);
            return Self {
                threads,
                tasks,
                by_probes: true,
                most,
                later,
                sums: 0,
                elements: elements.saturating_mul(tasks as u64),
                states: product([tasks, later]).saturating_add(batch as u64),
                list: product([tasks, plan.list()]),
            };
        }
        let sums = product([retrieves, batch, plan.value_stride]);
        let scores = product([splits, plan.scores::<T>(batch) + shared.unpacked()]);
        let all = sums.saturating_mul(splits as u64).saturating_add(scores);
        Self {
            threads,
            tasks: splits,
            by_probes: false,
            most: batch,
            later: 0,
            sums,
            elements: padded(batch).saturating_add(all),
            states: product([batch, 1 + splits]),
            list: product([splits, plan.list()]),
        }
    }

    fn reserve<T: Element>(&self, memory: &mut Scratch<T>) -> Result<()> {
        memory.reserve(self.elements, self.states, self.list)
    }
}

/// Makes the room that the recall of `batch` probes takes, if any.
pub(crate) fn reserve<T: Element>(
    shared: &Shared<'_, T>,
    batch: usize,
    parallelism: Parallelism,
    memory: &mut Scratch<T>,
) -> Result<()> {
    Division::of(shared, batch, true, parallelism).reserve(memory)
}

/// Divides a recall into tasks and runs them.
///
/// If the probes are many, each task recalls some of them from all of the patterns. If they are
/// few, each task recalls all of them from one split. The splits are merged in the same order
/// either way, so the results are the same.
pub(crate) fn run<T: Element>(
    shared: &Shared<'_, T>,
    input: Input<'_, T>,
    mut outputs: Outputs<'_, T>,
    parallelism: Parallelism,
    memory: &mut Scratch<T>,
) -> Result<()> {
    let plan = shared.plan;
    let batch = input.rows();
    if batch == 0 {
        return Ok(());
    }
    let division = Division::of(shared, batch, outputs.retrieved.is_some(), parallelism);
    division.reserve(memory)?;
    let Division { threads, tasks, most, later, .. } = division;
    // `reserve` has succeeded, so the sizes fit into a `usize`.
    let elements = &mut memory.elements[..division.elements as usize];
    if division.by_probes {
        let (states, laters) = memory.states.split_at_mut(batch);
        let probes = move |task: usize| batch * task / tasks;
        let share = elements.len() / tasks;
        let views = (
            ranges(outputs, probes),
            ranges(states, probes),
            shares(&mut laters[..tasks * later], later),
            shares(elements, share),
            shares(&mut memory.list[..tasks * plan.list()], plan.list()),
        );
        for_each_task(
            tasks,
            threads,
            views,
            |task, (mut outputs, states, later, elements, list)| {
                let (first, end) = (probes(task), probes(task + 1));
                let batch = Batch { input: input.of(first..end), first };
                let scratch = ProbeScratch { later, elements, list };
                ProbeTask { batch, outputs: &mut outputs, states, scratch }.run(most, shared);
            },
        );
    } else {
        let (splits, sums) = (tasks, division.sums as usize);
        let (states, partial_states) = memory.states.split_at_mut(batch);
        let partial_states = &mut partial_states[..batch * splits];
        let mut elements = elements;
        let padded = shared.padded(input, take(&mut elements, batch * plan.stride));
        let partial = take(&mut elements, sums * splits);
        let split = move |task| plan.splits::<T>().nth(task).expect("a split of the plan");
        let columns = move |task| if task == splits { plan.patterns } else { split(task).start };
        let views = (
            ranges(Columns(outputs.per_pattern()), columns),
            shares(&mut *partial_states, batch),
            shares(&mut *partial, sums),
            shares(elements, plan.scores::<T>(batch) + shared.unpacked()),
            shares(&mut memory.list[..splits * plan.list()], plan.list()),
        );
        for_each_task(splits, threads, views, |task, (columns, states, sums, scores, list)| {
            let to = Partial { states, sums };
            let (unpacked, scores) = scores.split_at_mut(shared.unpacked());
            let scratch = TileScratch { scores, list, panels: &mut [], unpacked };
            let (patterns, Columns(per_pattern)) = (split(task), columns);
            SplitTask { patterns, input: padded, first: 0, to, per_pattern, scratch }.run(shared);
        });
        shared.merge(states, Partial { states: partial_states, sums: &mut *partial });
        let all = Partial { states, sums: partial };
        shared.finish(Batch { input, first: 0 }, all, &mut outputs);
    }
    Ok(())
}
