//! The parts of a recall by themselves: similarities, the most similar patterns, and projection.

use std::cmp::Ordering;

use crate::driver::input::Input;
use crate::driver::outputs::Outputs;
use crate::driver::run::run;
use crate::driver::shared::Shared;
use crate::driver::streaming::Streaming;
use crate::error::{Error, Result};
use crate::matrix::check::expect_shape;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::call::Call;
use crate::retrieval::work::Work;
use crate::retrieval::{Context, Retrieval};
use crate::separation::family::Separation;
use crate::simd::Element;

/// The `k` patterns that are most similar to each probe, the most similar first, and their
/// similarities.
pub(crate) fn top_k<T: Element>(
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    mut indices: MatMut<'_, Option<usize>>,
    mut scores: MatMut<'_, T>,
    context: &mut Context<T>,
) -> Result<()> {
    let (batch, patterns, k) = (probes.rows(), memory.patterns(), indices.cols());
    expect_shape("probes", probes.shape(), (batch, memory.dim()))?;
    expect_shape("indices", indices.shape(), (batch, k))?;
    expect_shape("scores", scores.shape(), (batch, k))?;
    if k > patterns {
        let (name, expected) = ("k", "at most the number of patterns");
        return Err(Error::Count { name, expected, found: k });
    }
    context.level()?;
    if k == 0 || batch == 0 {
        return Ok(());
    }
    let retrieval = Retrieval::new(T::ONE).with_separation(Separation::HardTopK(k));
    let mut work = context.work.take().unwrap_or_default();
    let call = Call { retrieval: &retrieval, probes, memory };
    let result = call.supports(&mut work, context);
    if result.is_ok() {
        context.counters.add(&work.sparse);
    }
    let Work { sparse, ranking, .. } = &mut *work;
    let supports = &sparse.supports;
    for b in 0..supports.facts.len() {
        let range = supports.range(b);
        let found = supports.indices[range.clone()].iter().zip(&supports.scores[range]);
        ranking.clear();
        ranking.extend(found.map(|(&n, &score)| (n, score)));
        ranking.sort_unstable_by(descending);
        let (indices, scores) = (indices.row_mut(b), scores.row_mut(b));
        indices.fill(None);
        scores.fill(T::NAN);
        for ((to, score), &(n, s)) in indices.iter_mut().zip(scores).zip(&*ranking) {
            (*to, *score) = (Some(n as usize), s);
        }
    }
    context.work = Some(work);
    result
}

/// The order of patterns and their scores: the highest score first, and of equals the first
/// pattern. The scores of a support are numbers.
fn descending<T: Element>((n, a): &(u32, T), (other, b): &(u32, T)) -> Ordering {
    b.partial_cmp(a).unwrap_or(Ordering::Equal).then(n.cmp(other))
}

/// S = X Mᵀ into `similarities`.
pub(crate) fn similarities<T: Element>(
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    similarities: MatMut<'_, T>,
    context: &mut Context<T>,
) -> Result<()> {
    let (patterns, dim) = (memory.patterns(), memory.dim());
    expect_shape("probes", probes.shape(), (probes.rows(), dim))?;
    expect_shape("similarities", similarities.shape(), (probes.rows(), patterns))?;
    let outputs = Outputs { similarities: Some(similarities), ..Outputs::default() };
    let shared = Shared::plain(Streaming::UNWEIGHTED, memory, context.level()?);
    run(&shared, Input::Probes(probes), outputs, context.parallelism(), &mut context.memory)
}

/// X̂ = P M into `retrieved`.
pub(crate) fn combine<T: Element>(
    weights: MatRef<'_, T>,
    memory: &Memory<T>,
    retrieved: MatMut<'_, T>,
    context: &mut Context<T>,
) -> Result<()> {
    let (patterns, dim) = (memory.patterns(), memory.dim());
    expect_shape("weights", weights.shape(), (weights.rows(), patterns))?;
    expect_shape("retrieved", retrieved.shape(), (weights.rows(), dim))?;
    let outputs = Outputs { retrieved: Some(retrieved), ..Outputs::default() };
    let mut shared = Shared::plain(Streaming::GIVEN, memory, context.level()?);
    // The probes of a tile share the list of active patterns, and 0 NaN is NaN. If a pattern is not
    // finite, tiles therefore have one probe.
    if !memory.squared_norms().iter().all(|norm| norm.is_finite()) {
        shared.probe_tile = 1;
    }
    run(&shared, Input::Weights(weights), outputs, context.parallelism(), &mut context.memory)
}
