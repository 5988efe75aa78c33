//! What the weights of a recall tell besides the retrieved probes.

use crate::driver::outputs::{PerPattern, Statistics};
use crate::driver::scan::{Candidates, Scan};
use crate::driver::scratch::grow;
use crate::driver::sparse::{Kind, Supports};
use crate::driver::tasks::Job;
use crate::error::Result;
use crate::matrix::MatMut;
use crate::matrix::ranges::product;
use crate::retrieval::Context;
use crate::retrieval::call::{Call, Work};
use crate::separation::candidates::Threshold;
use crate::simd::Element;
use crate::similarity::scoring::{Scoring, least_unmasked};

/// Most bytes of kept scores.
const SCORE_BYTES: usize = 16 << 20;

/// Writes the statistics that are wanted, of the supports that have been found.
pub(crate) fn write<T: Element>(
    call: &Call<'_, T>,
    statistics: Statistics<'_, T>,
    scoring: &Scoring<'_, T>,
    work: &mut Work<T>,
    context: &mut Context<T>,
) -> Result<()> {
    let Statistics { second, sum_p2, spread, k90, usage } = statistics;
    let supports = &work.sparse.supports;
    if let Some(usage) = usage {
        column_sums(supports, usage);
    }
    if let Some(k90) = k90 {
        for (b, k90) in k90.iter_mut().enumerate() {
            *k90 = patterns_of_90_percent(&supports.weights[supports.range(b)]);
        }
    }
    if let Some(sum_p2) = sum_p2 {
        for (b, sum_p2) in sum_p2.iter_mut().enumerate() {
            let sum: f64 = supports.weights[supports.range(b)].iter().map(|p| p * p).sum();
            *sum_p2 = if_finite(supports, b, sum);
        }
    }
    if let Some(spread) = spread {
        spreads(call, spread, scoring, work, context)?;
    }
    match second {
        Some(second) => seconds(call, second, scoring, work, context),
        None => Ok(()),
    }
}

/// `value`, or NaN where the probe's scores are not finite.
fn if_finite<T: Element>(supports: &Supports<T>, b: usize, value: f64) -> T {
    let broken = supports.facts[b].kind == Kind::NotFinite;
    if broken { T::NAN } else { T::from_f64(value) }
}

/// Σ_b p_bn for every pattern; NaN for all if some probe is not finite.
fn column_sums<T: Element>(supports: &Supports<T>, usage: &mut [T]) {
    let mut sums = vec![0.0; usage.len()];
    for b in 0..supports.facts.len() {
        let range = supports.range(b);
        for (&n, p) in supports.indices[range.clone()].iter().zip(&supports.weights[range]) {
            sums[n as usize] += p;
        }
    }
    let broken = supports.facts.iter().any(|fact| fact.kind == Kind::NotFinite);
    for (usage, sum) in usage.iter_mut().zip(sums) {
        *usage = if broken { T::NAN } else { T::from_f64(sum) };
    }
}

/// The least number of patterns whose weights are 90% of all: k of Ramsauer et al. 2020, section 4.
fn patterns_of_90_percent(weights: &[f64]) -> usize {
    let mut falling: Vec<f64> = weights.iter().map(|p| p.abs()).collect();
    falling.sort_unstable_by(|a, b| b.total_cmp(a));
    let enough = 0.9 * falling.iter().sum::<f64>();
    let mut so_far = 0.0;
    falling
        .iter()
        .position(|p| {
            so_far += p;
            so_far >= enough
        })
        .map_or(0, |last| last + 1)
}

/// Σ p ‖m‖² - ‖Σ p m‖², the trace of the weighted covariance of the patterns.
fn spreads<T: Element>(
    call: &Call<'_, T>,
    spread: &mut [T],
    scoring: &Scoring<'_, T>,
    work: &mut Work<T>,
    context: &mut Context<T>,
) -> Result<()> {
    let (batch, dim) = (spread.len(), call.memory.dim());
    let mut rows = std::mem::take(&mut work.rows);
    grow!(rows, product([batch, dim]), T::ZERO);
    call.means(MatMut::new(&mut rows, batch, dim)?, scoring, work, context)?;
    let (supports, norms) = (&work.sparse.supports, call.memory.squared_norms());
    for (b, (spread, mean)) in spread.iter_mut().zip(rows.chunks_exact(dim)).enumerate() {
        let range = supports.range(b);
        let pairs = supports.indices[range.clone()].iter().zip(&supports.weights[range]);
        let squares: f64 = pairs.map(|(&n, p)| p * norms[n as usize].to_f64()).sum();
        let of_mean: f64 = mean.iter().map(|x| x.to_f64() * x.to_f64()).sum();
        *spread = if_finite(supports, b, (squares - of_mean).max(0.0));
    }
    work.rows = rows;
    Ok(())
}

/// The second highest similarity of the patterns that take part; -∞ where there are fewer than two.
fn seconds<T: Element>(
    call: &Call<'_, T>,
    second: &mut [T],
    scoring: &Scoring<'_, T>,
    work: &mut Work<T>,
    context: &mut Context<T>,
) -> Result<()> {
    // Biases mask, and do nothing else.
    let scoring = Scoring { bias_scale: T::ZERO, ..*scoring };
    let shared = call.shared(Job::Scores, &scoring, context.level()?);
    let two = Candidates::all(&shared, Threshold::KthWidth { k: 2, width: T::ZERO });
    let chunk = (SCORE_BYTES / two.bytes(&shared)).max(1);
    for start in (0..second.len()).step_by(chunk) {
        let probes = start..second.len().min(start + chunk);
        let shared = shared.for_probes(probes.clone());
        let (lists, scratch) = work.sparse.kept();
        let scan = Scan {
            shared: &shared,
            probes: call.probes.subrows(probes.clone()),
            candidates: two,
            per_pattern: PerPattern::none(),
            parallelism: context.parallelism(),
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
