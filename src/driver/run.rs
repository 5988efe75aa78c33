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
    let threads = plan.threads::<T>(batch, parallelism);
    let splits = plan.splits::<T>().len();
    let retrieves = usize::from(outputs.retrieved.is_some());
    if threads == 1 || splits == 1 || batch >= 2 * PROBE_TILE * threads {
        // A second task for each thread balances the load, as long as it does not add a pass over
        // the patterns.
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
        let elements = product([most, plan.stride]).saturating_add(sums).saturating_add(scores);
        let elements = elements.saturating_mul(tasks as u64);
        let states = product([tasks, later]).saturating_add(batch as u64);
        memory.reserve(elements, states, product([tasks, plan.list()]))?;
        let (states, laters) = memory.states.split_at_mut(batch);
        let probes = move |task: usize| batch * task / tasks;
        // `reserve` has succeeded, so the sizes fit into a `usize`.
        let share = elements as usize / tasks;
        let views = (
            ranges(outputs, probes),
            ranges(states, probes),
            shares(&mut laters[..tasks * later], later),
            shares(&mut memory.elements[..elements as usize], share),
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
        let sums = product([retrieves, batch, splits, plan.value_stride]);
        let scores = product([splits, plan.scores::<T>(batch) + shared.unpacked()]);
        let elements = product([batch, plan.stride]).saturating_add(sums).saturating_add(scores);
        memory.reserve(elements, product([batch, 1 + splits]), product([splits, plan.list()]))?;
        let (states, partial_states) = memory.states.split_at_mut(batch);
        let partial_states = &mut partial_states[..batch * splits];
        let mut elements = &mut memory.elements[..elements as usize];
        let padded = shared.padded(input, take(&mut elements, batch * plan.stride));
        let partial = take(&mut elements, sums as usize);
        let split = move |task| plan.splits::<T>().nth(task).expect("a split of the plan");
        let columns = move |task| if task == splits { plan.patterns } else { split(task).start };
        let views = (
            ranges(Columns(outputs.per_pattern()), columns),
            shares(&mut *partial_states, batch),
            shares(&mut *partial, sums as usize / splits),
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
