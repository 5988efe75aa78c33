//! Projection of sparse weights, divided into tasks by probes.

use crate::driver::compiled;
use crate::driver::divide::{for_each_task, ranges};
use crate::driver::input::SparseRows;
use crate::driver::parallel::Parallelism;
use crate::driver::project::Project;
use crate::driver::shared::Shared;
use crate::matrix::MatMut;
use crate::matrix::ranges::product;
use crate::simd::Element;

/// Projects sparse weights on the values of a recall if these are padded rows. Returns whether they
/// are; otherwise nothing is written.
pub(crate) fn project<T: Element>(
    shared: &Shared<'_, T>,
    rows: SparseRows<'_, T>,
    retrieved: MatMut<'_, T>,
    parallelism: Parallelism,
) -> bool {
    let batch = rows.rows();
    let Some(values) = shared.values.unwrap_or(shared.memory).padded() else {
        return false;
    };
    let multiply_adds = product([rows.indices.len(), values.cols()]);
    let threads = parallelism.threads(multiply_adds, multiply_adds * size_of::<T>() as u64);
    let (plan, gain) = (shared.plan, shared.value_gain());
    let tasks = threads.min(batch.max(1));
    let probes = move |task: usize| batch * task / tasks;
    for_each_task(tasks, threads, ranges(retrieved, probes), |task, retrieved| {
        let rows = rows.of(probes(task)..probes(task + 1));
        compiled::project(shared.level, Project { rows, values, plan, gain, retrieved });
    });
    true
}
