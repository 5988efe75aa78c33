//! Gradients of a batch, divided into tasks of some splits of the patterns each.

use std::ops::Range;

use crate::driver::backward::{Backward, BackwardScratch};
use crate::driver::blocking::scores_stride;
use crate::driver::compiled;
use crate::driver::divide::{Columns, for_each_task, ranges, shares};
use crate::driver::parallel::Parallelism;
use crate::driver::scratch::{grow, pad, take};
use crate::driver::shared::Shared;
use crate::error::Result;
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Aligned;
use crate::separation::active::list_len;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Caches, Element};

/// What a batch's gradients are computed from.
pub(crate) struct Given<'a, T> {
    pub shared: &'a Shared<'a, T>,
    pub params: SoftmaxParams<T>,
    pub probes: MatRef<'a, T>,
    pub upstream: MatRef<'a, T>,
    pub states: &'a [State<T>],
    pub shifts: &'a [T],
}

/// Where gradients are added, where they are wanted.
pub(crate) struct Wanted<'a, T> {
    pub patterns: Option<MatMut<'a, T>>,
    pub values: Option<MatMut<'a, T>>,
    /// Rows of the batch's probes.
    pub biases: Option<MatMut<'a, T>>,
    pub bias: Option<&'a mut [T]>,
}

/// Scratch of gradients, and what is found of the probes.
#[derive(Debug, Clone)]
pub(crate) struct GradientScratch<T> {
    elements: Aligned<T>,
    list: Vec<u32>,
    /// dX: a padded row for each probe.
    pub probes: Vec<T>,
    /// Σ dT s for each probe.
    pub betas: Vec<T>,
}

impl<T> Default for GradientScratch<T> {
    fn default() -> Self {
        let (probes, betas) = (Vec::new(), Vec::new());
        Self { elements: Aligned::new(0), list: Vec::new(), probes, betas }
    }
}

/// Computes the gradients of a batch. Each split has sums for itself, which are added in order: no
/// bit depends on the threads.
pub(crate) fn run<T: Element>(
    given: &Given<'_, T>,
    wanted: Wanted<'_, T>,
    scratch: &mut GradientScratch<T>,
    parallelism: Parallelism,
) -> Result<()> {
    let (plan, batch) = (given.shared.plan, given.probes.rows());
    let splits = plan.splits::<T>().len();
    let block = plan.update::<T>(batch, 1, Caches::detect()).block.min(plan.block);
    let threads = plan.threads::<T>(batch, parallelism);
    let rows = batch * scores_stride::<T>(block);
    let padded = block * plan.cols.max(plan.value_cols);
    // For each split: dX and Σ dT s; scores, weights and slopes; padded rows and norms of a block.
    let share = product([batch, plan.stride + 1])
        .saturating_add(product([3, rows]))
        .saturating_add(product([padded + block]))
        .saturating_add(product([given.shared.unpacked()]));
    let inputs = product([batch, plan.stride + plan.value_stride]);
    let elements = share.saturating_mul(splits as u64).saturating_add(inputs);
    grow!(scratch.elements, elements, T::ZERO);
    grow!(scratch.list, product([splits, list_len(block)]), 0);
    grow!(scratch.probes, product([batch, plan.stride]), T::ZERO);
    grow!(scratch.betas, batch as u64, T::ZERO);
    let mut elements = &mut scratch.elements[..elements as usize];
    let padded_probes = take(&mut elements, batch * plan.stride);
    pad(given.probes, padded_probes, plan.stride);
    let padded_upstream = take(&mut elements, batch * plan.value_stride);
    pad(given.upstream, padded_upstream, plan.value_stride);
    let there_is_room = "scratch has room for these rows";
    let probes = MatRef::with_stride(padded_probes, batch, plan.cols, plan.stride);
    let upstream = MatRef::with_stride(padded_upstream, batch, plan.value_cols, plan.value_stride);
    let (probes, upstream) = (probes.expect(there_is_room), upstream.expect(there_is_room));
    let (sums, others) = elements.split_at_mut(splits * batch * (plan.stride + 1));
    let share = others.len() / splits;
    let split = move |task| plan.splits::<T>().nth(task).expect("a split of the plan");
    let patterns = move |task| if task == splits { plan.patterns } else { split(task).start };
    let views = (
        ranges(wanted.patterns, patterns),
        ranges(wanted.values, patterns),
        ranges(wanted.biases.map(Columns), patterns),
        ranges(wanted.bias, patterns),
        shares(sums, batch * (plan.stride + 1)),
        shares(others, share),
        shares(&mut scratch.list[..splits * list_len(block)], list_len(block)),
    );
    for_each_task(
        splits,
        threads,
        views,
        |task, (rows, values, biases, bias, sums, elements, list)| {
            let biases = biases.map(|Columns(columns)| columns);
            let wanted = Wanted { patterns: rows, values, biases, bias };
            let patterns = split(task);
            Task { patterns, block, probes, upstream, wanted, sums, elements, list }.run(given);
        },
    );
    let (probes, betas) = (&mut scratch.probes[..], &mut scratch.betas[..batch]);
    probes[..batch * plan.stride].fill(T::ZERO);
    betas.fill(T::ZERO);
    // What follows the padded inputs.
    let sums = &scratch.elements[inputs as usize..][..splits * batch * (plan.stride + 1)];
    for split in sums.chunks_exact(batch * (plan.stride + 1)) {
        let (of_probes, of_betas) = split.split_at(batch * plan.stride);
        probes.iter_mut().zip(of_probes).for_each(|(sum, part)| *sum += *part);
        betas.iter_mut().zip(of_betas).for_each(|(sum, part)| *sum += *part);
    }
    Ok(())
}

/// The gradients from one split.
struct Task<'a, T> {
    /// The split.
    patterns: Range<usize>,
    block: usize,
    probes: MatRef<'a, T>,
    upstream: MatRef<'a, T>,
    /// The rows or columns of the split.
    wanted: Wanted<'a, T>,
    /// The sums over its patterns, and scratch.
    sums: &'a mut [T],
    elements: &'a mut [T],
    list: &'a mut [u32],
}

impl<T: Element> Task<'_, T> {
    fn run(self, given: &Given<'_, T>) {
        let (shared, batch, block) = (given.shared, self.probes.rows(), self.block);
        let (plan, patterns) = (shared.plan, self.patterns);
        let (d_probes, d_betas) = self.sums.split_at_mut(batch * plan.stride);
        let mut elements = self.elements;
        let rows = batch * scores_stride::<T>(block);
        let scratch = BackwardScratch {
            scores: take(&mut elements, rows),
            weights: take(&mut elements, rows),
            slopes: take(&mut elements, rows),
            rows: take(&mut elements, block * plan.cols.max(plan.value_cols)),
            norms: take(&mut elements, block),
            unpacked: take(&mut elements, shared.unpacked()),
            list: self.list,
        };
        let kernel = Backward {
            probes: self.probes,
            upstream: self.upstream,
            patterns: shared.memory.subrows(patterns.clone()),
            values: shared.values.map(|values| values.subrows(patterns.clone())),
            scoring: shared.scoring(0..batch, patterns.clone()),
            keep: shared.keep.map(|keep| &keep[patterns]),
            params: given.params,
            states: given.states,
            shifts: given.shifts,
            beta: shared.beta,
            block,
            d_probes: MatMut::with_stride(d_probes, batch, plan.cols, plan.stride)
                .expect("scratch has room for these rows"),
            d_patterns: self.wanted.patterns,
            d_values: self.wanted.values,
            d_biases: self.wanted.biases,
            d_bias: self.wanted.bias,
            d_betas,
            scratch,
        };
        compiled::backward(shared.level, kernel);
    }
}
