//! A batch of probes, divided into tasks.

use crate::driver::outputs::Outputs;
use crate::driver::parallel::{Parallelism, for_each_piece};
use crate::driver::scratch::{Scratch, take};
use crate::driver::tasks::{ProbeTask, ShardTask, Shared};
use crate::error::Result;
use crate::matrix::MatRef;
use crate::matrix::ranges::product;
use crate::simd::Element;
use crate::simd::tile::GROUP;

/// Divides a job into tasks and does them.
///
/// Many probes: each thread takes some of them through all of the patterns. Few: each thread takes
/// all of them through some of the shards. The shards are merged in the same order either way, so
/// that the results are too.
pub(crate) fn run<T: Element>(
    shared: &Shared<'_, T>,
    input: MatRef<'_, T>,
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
    let shards = plan.shards::<T>().len();
    let retrieves = usize::from(outputs.retrieved.is_some());
    if threads == 1 || shards == 1 || batch >= 2 * GROUP * threads {
        // A second piece for each thread evens out what they take, where it is not another pass over the
        // patterns.
        let passes = batch.div_ceil(plan.batch::<T>());
        let pieces = match threads {
            1 => 1,
            _ => passes.clamp(threads, 2 * threads).min(batch.div_ceil(GROUP)),
        };
        let most = plan.batch::<T>().min(batch.div_ceil(pieces));
        let later = if shards > 1 { most } else { 0 };
        // Padded probes, and sums for them and for those of a later shard.
        let rows = most + retrieves * (most + later);
        let scores = product([plan.scores::<T>(most)]) + product([plan.panels::<T>(most)]);
        let floats = product([pieces, rows, plan.stride])
            .saturating_add(scores.saturating_mul(pieces as u64));
        let states = product([pieces, later]).saturating_add(batch as u64);
        memory.reserve(floats, states, product([pieces, plan.list()]))?;
        let (states, laters) = memory.states.split_at_mut(batch);
        // What has been reserved fits into the address space.
        let task = ProbeTask {
            pieces,
            most,
            input,
            outputs,
            states,
            later: &mut laters[..pieces * later],
            floats: &mut memory.floats[..floats as usize],
            list: &mut memory.list[..pieces * plan.list()],
        };
        for_each_piece(task, threads, &|task| task.run(shared));
    } else {
        let sums = product([retrieves, batch, shards, plan.stride]);
        let scores = product([shards, plan.scores::<T>(batch)]);
        let floats = product([batch, plan.stride]).saturating_add(sums).saturating_add(scores);
        memory.reserve(floats, product([batch, 1 + shards]), product([shards, plan.list()]))?;
        let (states, parts) = memory.states.split_at_mut(batch);
        let parts = &mut parts[..batch * shards];
        let mut floats = &mut memory.floats[..floats as usize];
        let source = shared.source(input, take(&mut floats, batch * plan.stride));
        let partial = take(&mut floats, sums as usize);
        let task = ShardTask {
            plan,
            shards: 0..shards,
            source,
            similarities: outputs.scores(),
            states: &mut *parts,
            sums: &mut *partial,
            scores: floats,
            list: &mut memory.list[..shards * plan.list()],
        };
        for_each_piece(task, threads, &|task| task.run(shared));
        shared.merge(states, parts, partial);
        shared.finish(input, states, partial, outputs);
    }
    Ok(())
}
