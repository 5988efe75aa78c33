//! Statistics of the weights of a recall.
//!
//! A sparse recall stores its weights as supports. A streamed softmax stores them as rows if they
//! are wanted, and the similarities too if the second highest is wanted, unless the rows are too
//! large. Then patterns are scored again.

use crate::driver::input::Input;
use crate::driver::outputs::{Outputs, PerPattern, Statistics};
use crate::driver::scan::{Candidates, Scan};
use crate::driver::scratch::grow;
use crate::driver::sparse::{Kind, Supports};
use crate::driver::streaming::Streaming;
use crate::error::Result;
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::retrieval::Context;
use crate::retrieval::call::Call;
use crate::retrieval::medians::Parts;
use crate::retrieval::work::{StatisticsScratch, Work};
use crate::separation::candidates::Threshold;
use crate::simd::Element;
use crate::similarity::definition::ProbeUpdate;
use crate::similarity::scoring::{Scoring, least_unmasked};

/// Most bytes of the lists of a scan, and of each matrix that is kept during the recall.
const SCORE_BYTES: usize = 16 << 20;
const ROW_BYTES: usize = 32 << 20;

/// Which rows are kept during the recall.
#[derive(Debug, Clone, Copy)]
struct Keeps {
    weights: bool,
    similarities: bool,
}

impl Keeps {
    fn of<T: Element>(call: &Call<'_, T>, statistics: &Statistics<'_, T>) -> Self {
        let (retrieval, memory) = (call.retrieval, call.memory);
        let bytes = product([call.probes.rows(), memory.patterns(), size_of::<T>()]);
        let fits = bytes <= ROW_BYTES as u64;
        let biased = retrieval.bias.is_some() || retrieval.biases.is_some();
        // With codes, most similarities are not computed.
        let scored = memory.code_store().is_none();
        Self {
            weights: fits && retrieval.streams() && statistics.of_weights(),
            similarities: fits && !biased && scored && statistics.second.is_some(),
        }
    }
}

/// The weights of a recall.
#[derive(Clone, Copy)]
enum Weights<'a, T> {
    Supports(&'a Supports<T>),
    Rows(MatRef<'a, T>),
}

impl<T: Element> Weights<'_, T> {
    /// Calls `each` with the patterns and weights of probe `b`, in order.
    fn each(&self, b: usize, mut each: impl FnMut(usize, f64)) {
        match self {
            Self::Supports(supports) => {
                let range = supports.range(b);
                let pairs = supports.indices[range.clone()].iter().zip(&supports.weights[range]);
                pairs.for_each(|(&n, &p)| each(n as usize, p));
            }
            Self::Rows(rows) => {
                rows.row(b).iter().enumerate().for_each(|(n, p)| each(n, p.to_f64()));
            }
        }
    }

    /// Σ term(n, p) over the patterns of probe `b`, in several chains.
    fn sum(&self, b: usize, term: impl Fn(usize, f64) -> f64) -> f64 {
        const CHAINS: usize = 8;
        let (mut sums, mut at) = ([0.0; CHAINS], 0);
        self.each(b, |n, p| {
            sums[at % CHAINS] += term(n, p);
            at += 1;
        });
        sums.iter().sum()
    }

    /// Whether the scores of probe `b` are not finite.
    fn are_broken(&self, b: usize) -> bool {
        match self {
            Self::Supports(supports) => supports.facts[b].kind == Kind::NotFinite,
            Self::Rows(rows) => rows.row(b).iter().any(|p| p.is_nan()),
        }
    }

    /// `value`, or NaN where the probe's scores are not finite.
    fn if_finite(&self, b: usize, value: f64) -> T {
        if self.are_broken(b) { T::NAN } else { T::from_f64(value) }
    }
}

/// Recalls, and writes the statistics that are wanted besides.
pub(crate) fn run<T: Element>(
    call: &Call<'_, T>,
    outputs: Outputs<'_, T>,
    scoring: &Scoring<'_, T>,
    work: &mut Work<T>,
    context: &mut Context<T>,
) -> Result<()> {
    let mut scratch = std::mem::take(&mut work.statistics);
    let result = Recalled { call, scoring }.write(outputs, &mut scratch, work, context);
    work.statistics = scratch;
    result
}

/// A recall of which statistics are wanted.
struct Recalled<'a, T> {
    call: &'a Call<'a, T>,
    scoring: &'a Scoring<'a, T>,
}

impl<T: Element> Recalled<'_, T> {
    fn write(
        &self,
        mut outputs: Outputs<'_, T>,
        scratch: &mut StatisticsScratch<T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Self { call, scoring } = *self;
        let statistics = outputs.take_statistics();
        let keeps = Keeps::of(call, &statistics);
        let StatisticsScratch { weights, similarities, means, .. } = scratch;
        let shape = (call.probes.rows(), call.memory.patterns());
        let mut weights =
            given_or_kept(outputs.memory_weights.take(), keeps.weights, weights, shape)?;
        let mut similarities =
            given_or_kept(outputs.similarities.take(), keeps.similarities, similarities, shape)?;
        let mut retrieved = outputs.retrieved.take();
        let passed = Outputs {
            retrieved: retrieved.as_mut().map(MatMut::reborrow),
            similarities: similarities.as_mut().map(MatMut::reborrow),
            memory_weights: weights.as_mut().map(MatMut::reborrow),
            ..outputs
        };
        call.recall(passed, scoring, work, context)?;
        // What follows may recall again, but the states are those of this recall.
        let states = context.memory.states.iter().take(shape.0);
        scratch.states.clear();
        scratch.states.reserve(shape.0);
        scratch.states.extend(states);
        let rows = weights.as_ref().map(MatMut::as_ref).filter(|_| keeps.weights);
        if rows.is_none() && call.retrieval.streams() && statistics.of_weights() {
            call.solve(scoring, work, context)?;
        }
        let Statistics { second, sum_p2, spread, k90, usage } = statistics;
        if let Some(spread) = spread {
            let is_mean = call.retrieves_means() && rows.is_some();
            let (batch, dim) = (spread.len(), call.memory.dim());
            let means = match retrieved.as_ref().map(MatMut::as_ref).filter(|_| is_mean) {
                Some(means) => means,
                None => {
                    grow!(*means, product([batch, dim]), T::ZERO);
                    let to = MatMut::new(&mut *means, batch, dim)?;
                    match rows {
                        Some(rows) => call.combine(Input::Weights(rows), to, scoring, context)?,
                        None => call.means(to, scoring, work, context)?,
                    }
                    MatRef::new(means, batch, dim)?
                }
            };
            let of = rows.map_or(Weights::Supports(&work.sparse.supports), Weights::Rows);
            spreads(of, means, call.memory.squared_norms(), spread);
        }
        let of = rows.map_or(Weights::Supports(&work.sparse.supports), Weights::Rows);
        if let Some(usage) = usage {
            column_sums(of, shape.0, usage, &mut scratch.usage);
        }
        for (b, k90) in k90.into_iter().flatten().enumerate() {
            *k90 = patterns_of_90_percent(of, b, &mut scratch.parts);
        }
        for (b, sum_p2) in sum_p2.into_iter().flatten().enumerate() {
            *sum_p2 = of.if_finite(b, of.sum(b, |_, p| p * p));
        }
        let similarities = similarities.as_ref().map(MatMut::as_ref).filter(|_| keeps.similarities);
        if let Some(second) = second {
            match similarities {
                Some(similarities) => seconds_of(call, similarities, second),
                None => seconds(call, second, scoring, work, context)?,
            }
            // Of two zeros, either may have been found first.
            second.iter_mut().for_each(|s| *s += T::ZERO);
        }
        context.memory.states[..scratch.states.len()].copy_from_slice(&scratch.states);
        Ok(())
    }
}

/// An output that is wanted, or room for it if it is to be kept.
fn given_or_kept<'a, T: Element>(
    given: Option<MatMut<'a, T>>,
    keeps: bool,
    room: &'a mut Vec<T>,
    (rows, cols): (usize, usize),
) -> Result<Option<MatMut<'a, T>>> {
    if given.is_some() || !keeps {
        return Ok(given);
    }
    grow!(*room, product([rows, cols]), T::ZERO);
    MatMut::new(room, rows, cols).map(Some)
}

/// Σ_b p_bn for every pattern; NaN for all if some probe is not finite.
fn column_sums<T: Element>(
    weights: Weights<'_, T>,
    batch: usize,
    usage: &mut [T],
    sums: &mut Vec<f64>,
) {
    sums.clear();
    sums.resize(usage.len(), 0.0);
    for b in 0..batch {
        weights.each(b, |n, p| sums[n] += p);
    }
    let broken = (0..batch).any(|b| weights.are_broken(b));
    for (usage, sum) in usage.iter_mut().zip(sums) {
        *usage = if broken { T::NAN } else { T::from_f64(*sum) };
    }
}

/// The least number of patterns whose weights are 90% of all: k of Ramsauer et al. 2020, section 4.
fn patterns_of_90_percent<T: Element>(
    weights: Weights<'_, T>,
    b: usize,
    parts: &mut Parts,
) -> usize {
    if weights.are_broken(b) {
        return 0;
    }
    parts.clear();
    // Falling weights are rising elements.
    weights.each(b, |_, p| {
        if p != 0.0 {
            parts.push(-p.abs(), p.abs());
        }
    });
    let enough = 0.9 * parts.sum();
    if parts.is_empty() {
        return 0;
    }
    let least = -parts.reaching(enough);
    let (mut higher, mut so_far) = (0, 0.0);
    weights.each(b, |_, p| {
        let counts = p.abs() > least;
        higher += usize::from(counts);
        so_far += if counts { p.abs() } else { 0.0 };
    });
    while so_far < enough && least > 0.0 {
        so_far += least;
        higher += 1;
    }
    higher.max(1)
}

/// Σ p ‖m‖² - ‖Σ p m‖², the trace of the weighted covariance of the patterns.
fn spreads<T: Element>(
    weights: Weights<'_, T>,
    means: MatRef<'_, T>,
    squared_norms: &[T],
    spread: &mut [T],
) {
    for (b, spread) in spread.iter_mut().enumerate() {
        let term = |n: usize, p: f64| {
            // What has no weight has no influence, whatever it holds.
            if p == 0.0 { 0.0 } else { p * squared_norms[n].to_f64() }
        };
        let squares = weights.sum(b, term);
        let of_mean: f64 = means.row(b).iter().map(|x| x.to_f64() * x.to_f64()).sum();
        *spread = weights.if_finite(b, (squares - of_mean).max(0.0));
    }
}

/// The second highest similarity of the patterns that take part; -∞ where there are fewer than two.
fn seconds_of<T: Element>(call: &Call<'_, T>, similarities: MatRef<'_, T>, second: &mut [T]) {
    let retrieval = call.retrieval;
    let all = retrieval.keep.is_none() && retrieval.masks.is_none();
    let gain = if retrieval.plain_similarities { retrieval.gain } else { T::ONE };
    for (b, second) in second.iter_mut().enumerate() {
        let (mut first, mut next, mut finite) = (T::NEG_INFINITY, T::NEG_INFINITY, true);
        for (n, &s) in similarities.row(b).iter().enumerate() {
            if !all && !retrieval.takes_part(b, n) {
                continue;
            }
            finite &= s.is_finite();
            let lower = if s < first { s } else { first };
            first = if s > first { s } else { first };
            next = if lower > next { lower } else { next };
        }
        *second = if finite { next * gain } else { T::NAN };
    }
}

/// The same from another scan of the patterns.
fn seconds<T: Element>(
    call: &Call<'_, T>,
    second: &mut [T],
    scoring: &Scoring<'_, T>,
    work: &mut Work<T>,
    context: &mut Context<T>,
) -> Result<()> {
    // Biases mask, and do nothing else.
    let scoring = Scoring { bias_scale: T::ZERO, ..*scoring };
    let shared = call.shared(Streaming::UNWEIGHTED, &scoring, context.level()?);
    let two = Candidates::all(&shared, Threshold::KthWidth { k: 2, width: T::ZERO });
    let chunk = (SCORE_BYTES / two.bytes(&shared)).max(1);
    for start in (0..second.len()).step_by(chunk) {
        let probes = start..second.len().min(start + chunk);
        let shared = shared.for_probes(probes.clone());
        let (lists, scratch) = work.sparse.scan_scratch();
        let scan = Scan {
            shared: &shared,
            probes: call.probes.subrows(probes.clone()),
            candidates: two,
            per_pattern: PerPattern::none(),
            parallelism: context.parallelism(),
            whole: 0,
        };
        scan.run(&mut *lists, scratch)?;
        for b in probes {
            second[b] = T::NEG_INFINITY;
            let (mut first, mut finite) = (T::NEG_INFINITY, true);
            for (head, scores, _) in lists.of(b - start) {
                finite &= head.finite;
                for &score in scores.iter().filter(|score| **score >= least_unmasked()) {
                    if score > first {
                        (first, second[b]) = (score, first);
                    } else if score > second[b] {
                        second[b] = score;
                    }
                }
            }
            second[b] = if finite { second[b] * call.retrieval.gain } else { T::NAN };
        }
    }
    Ok(())
}

impl<T: Element> Call<'_, T> {
    /// Whether what is retrieved is Σ p m.
    fn retrieves_means(&self) -> bool {
        let sums = matches!(self.retrieval.probe_update(), ProbeUpdate::Sum | ProbeUpdate::Mean);
        sums && self.retrieval.gain == T::ONE && self.retrieval.value_dim(self.memory).is_none()
    }
}
