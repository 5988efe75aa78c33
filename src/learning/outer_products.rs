//! Batches of outer products, M ← M + η Pᵀ Z / B - λ M - λ₁ sign(M): their rates, their operands,
//! and their division into tasks of some of the patterns each.

use crate::builder::setters;
use crate::driver::blocking::{Plan, UpdatePlan, blocks, scores_stride};
use crate::driver::divide::{Cut, for_each_task, ranges, shares};
use crate::driver::scratch::pad;
use crate::driver::update::{Drift, Learn, LearningOperands, LearningRows, Source};
use crate::error::{Error, Result};
use crate::kernel::norms::Finite;
use crate::kernel::rank1::Rates;
use crate::matrix::check::expect_shape;
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::Context;
use crate::separation::active::list_len;
use crate::simd::{Caches, Element, Level};
use crate::{driver, kernel};

/// The operands of a batch of outer products.
///
/// ```
/// use hopfield_kernels::{MatRef, OuterProducts};
///
/// let weights = MatRef::new(&[1.0, 0.0], 1, 2)?;
/// let products = OuterProducts::new(weights, MatRef::new(&[10.0, 20.0], 1, 2)?);
/// assert!(products.delta.is_none());
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct OuterProducts<'a, T> {
    /// P (B x N).
    pub weights: MatRef<'a, T>,
    /// Z (B x D).
    pub vectors: MatRef<'a, T>,
    /// Where to write ΔM = Pᵀ Z / B (N x D), if wanted.
    pub delta: Option<MatMut<'a, T>>,
}

impl<'a, T: Element> OuterProducts<'a, T> {
    /// The outer products of the rows of P (`weights`) and Z (`vectors`).
    pub fn new(weights: MatRef<'a, T>, vectors: MatRef<'a, T>) -> Self {
        Self { weights, vectors, delta: None }
    }

    setters! {
        /// Where to write ΔM.
        with_delta(delta?: MatMut<'a, T>);
    }
}

/// The rates of a learning step: M ← M + η ΔM - λ M - λ₁ sign(M).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Update<T> {
    /// η, the learning rate.
    pub eta: T,
    /// λ, the decay rate. It is not scaled by η.
    pub reg_lambda: T,
    /// λ₁, the decay towards 0 by a constant amount. It is not scaled by η.
    pub l1_lambda: T,
}

impl<T: Element> Default for Update<T> {
    /// η = 1, no decay.
    fn default() -> Self {
        Self { eta: T::ONE, reg_lambda: T::ZERO, l1_lambda: T::ZERO }
    }
}

impl<T: Element> Update<T> {
    setters! {
        /// Sets η.
        with_eta(eta: T);
        /// Sets λ.
        with_reg_lambda(reg_lambda: T);
        /// Sets λ₁.
        with_l1_lambda(l1_lambda: T);
    }

    /// An error unless all rates are finite.
    pub(crate) fn check(&self) -> Result<()> {
        let named =
            [("eta", self.eta), ("reg_lambda", self.reg_lambda), ("l1_lambda", self.l1_lambda)];
        match named.into_iter().find(|(_, factor)| !factor.is_finite()) {
            None => Ok(()),
            Some((name, factor)) => {
                let expected = "a finite number";
                Err(Error::Parameter { name, expected, found: factor.to_f64() })
            }
        }
    }
}

/// M ← M + η Pᵀ Z / B - λ M - λ₁ sign(M), where P (`weights`) and Z (`vectors`) are given.
pub(crate) fn update<T: Element>(
    memory: &mut Memory<T>,
    products: OuterProducts<'_, T>,
    factors: Update<T>,
    context: &mut Context<T>,
) -> Result<()> {
    factors.check()?;
    let OuterProducts { weights, vectors, delta } = products;
    let (batch, patterns, dim) = (weights.rows(), memory.patterns(), memory.dim());
    expect_shape("weights", weights.shape(), (batch, patterns))?;
    expect_shape("vectors", vectors.shape(), (batch, dim))?;
    check_delta(&delta, memory)?;
    let plan = Plan::new::<T>(patterns, dim);
    let mut learning = std::mem::take(&mut context.learning);
    learning.reserve(product([batch, plan.stride]), 0, 0)?;
    pad(vectors, &mut learning.elements, plan.stride);
    let sources = [Some(Source::Weights(weights)), None];
    let vectors = MatRef::with_stride(&learning.elements, batch, plan.cols, plan.stride)?;
    let result =
        Batch { sources, keep: None, vectors, batch }.apply(factors, delta, memory, context);
    context.learning = learning;
    result
}

/// A batch of outer products.
pub(super) struct Batch<'a, T> {
    pub(super) sources: [Option<Source<'a, T>>; 2],
    pub(super) keep: Option<&'a [bool]>,
    /// Z, padded.
    pub(super) vectors: MatRef<'a, T>,
    /// B.
    pub(super) batch: usize,
}

impl<T: Element> Batch<'_, T> {
    /// Applies the batch and the decay to the patterns.
    pub(super) fn apply(
        self,
        factors: Update<T>,
        delta: Option<MatMut<'_, T>>,
        memory: &mut Memory<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        memory.expect_learning()?;
        if self.batch == 0 {
            clear(delta);
            return Ok(());
        }
        let level = context.level()?;
        let plan = Plan::new::<T>(memory.patterns(), memory.dim());
        // With a rate of 0 nothing is learned, so ΔM is computed only if it is asked for.
        let learns = factors.eta != T::ZERO;
        let (sources, vectors) = match learns || delta.is_some() {
            true => (self.sources, self.vectors),
            false => ([None, None], self.vectors.subrows(0..0)),
        };
        let decays = factors.reg_lambda != T::ZERO || factors.l1_lambda == T::ZERO;
        let plain = learns
            && kernel::compiled::finite(level, Finite { rows: vectors })
            && (decays || memory.squared_norms().iter().all(|norm| norm.is_finite()));
        let rows = vectors.rows();
        let threads = plan.threads::<T>(rows.max(1), context.parallelism());
        let UpdatePlan { tasks, block, streams, ahead } =
            plan.update::<T>(rows, threads, Caches::detect());
        // A task may work on two blocks at a time.
        let weights = product([tasks, 2, rows, scores_stride::<T>(block)]);
        // Rows without padding are copied to scratch and back, a block at a time.
        let room = if memory.rows().padded().is_some() { 0 } else { block * plan.stride };
        let elements = weights.saturating_add(product([tasks, room]));
        context.memory.reserve(elements, 0, product([tasks, 2, list_len(block)]))?;
        let mut drift = std::mem::take(&mut context.drift);
        let has_codes = memory.codes().is_some();
        if has_codes {
            drift.prepare(vectors, memory.patterns());
        }
        let l1 = factors.l1_lambda.to_f64().abs() * (memory.dim() as f64).sqrt() * (1.0 + 1e-6);
        let (patterns, norms) = memory.learning_rows()?;
        let rates = Rates {
            share: T::ONE / T::from_f64(self.batch as f64),
            rate: factors.eta,
            decay: factors.reg_lambda,
            l1: factors.l1_lambda,
        };
        let keep = self.keep;
        let moving = Drift { lengths: &drift.lengths, l1: l1 as f32 };
        let given = LearningOperands {
            sources,
            keep,
            vectors,
            drift: has_codes.then_some(moving),
            rates,
            plain,
            block,
            ahead,
            streams,
        };
        let moved = has_codes.then_some(&mut drift.moved[..]);
        let count = patterns.rows();
        let first = move |task| first_pattern::<T>(task, tasks, count);
        let list = 2 * list_len(block);
        // `reserve` has made room for this, so it fits into `usize`.
        let (elements, unpacked) = context.memory.elements.split_at_mut(weights as usize);
        let views = (
            ranges(LearningRows { patterns, norms, delta, moved }, first),
            shares(elements, weights as usize / tasks),
            shares(&mut context.memory.list[..tasks * list], list),
            shares(&mut unpacked[..tasks * room], room),
        );
        for_each_task(tasks, threads, views, |task, (rows, weights, list, unpacked)| {
            let given = given.of(first(task)..first(task + 1));
            let learn = Learn { given, rows, weights, list };
            match room {
                0 => driver::compiled::learn(level, learn),
                _ => learn_unpacked(level, plan, learn, unpacked),
            }
        });
        if has_codes {
            memory.drift(&drift.moved);
        }
        context.drift = drift;
        Ok(())
    }
}

/// Applies an update to rows without padding, by way of scratch for the padded rows of a block.
fn learn_unpacked<T: Element>(
    level: Level,
    plan: Plan,
    Learn { given, mut rows, weights, list }: Learn<'_, T>,
    scratch: &mut [T],
) {
    let given = LearningOperands { streams: false, ..given };
    for block in blocks::<T>(rows.patterns.rows(), given.block) {
        let (mut now, rest) = rows.cut(block.len());
        rows = rest;
        pad(now.patterns.as_ref(), scratch, plan.stride);
        let padded = MatMut::with_stride(&mut *scratch, block.len(), plan.cols, plan.stride);
        let padded = LearningRows {
            patterns: padded.expect("scratch has room for a block"),
            norms: now.norms,
            delta: now.delta,
            moved: now.moved,
        };
        let (weights, list) = (&mut *weights, &mut *list);
        let learn = Learn { given: given.of(block.clone()), rows: padded, weights, list };
        driver::compiled::learn(level, learn);
        for n in 0..block.len() {
            let row = now.patterns.row_mut(n);
            row.copy_from_slice(&scratch[n * plan.stride..][..row.len()]);
        }
    }
}

/// The first of the patterns of a task. Tasks have whole vectors of patterns, but for the last one.
fn first_pattern<T: Element>(task: usize, tasks: usize, patterns: usize) -> usize {
    (patterns.div_ceil(T::LANES) * task / tasks * T::LANES).min(patterns)
}

/// An error unless ΔM is N x D.
pub(super) fn check_delta<T: Element>(
    delta: &Option<MatMut<'_, T>>,
    memory: &Memory<T>,
) -> Result<()> {
    let expected = (memory.patterns(), memory.dim());
    delta.as_ref().map_or(Ok(()), |delta| expect_shape("delta", delta.shape(), expected))
}

/// Sets ΔM to that of an empty batch: zeros.
pub(super) fn clear<T: Element>(delta: Option<MatMut<'_, T>>) {
    let Some(mut delta) = delta else { return };
    (0..delta.rows()).for_each(|n| delta.row_mut(n).fill(T::ZERO));
}

#[cfg(test)]
mod tests;
