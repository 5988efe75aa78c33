//! Recall by a separation whose weights are mostly 0: scores, candidates, weights of the support.
//!
//! ```text
//! for each chunk of probes:
//!     lists = scan(probes)                   # scores of all patterns; candidates alone are kept
//!     scan again, with room for all, the probes whose candidates found no room
//!     for each probe:
//!         t = β scores of its candidates, in f64
//!         weights = separation(t)                # sums run over the support, by index
//!         support += (index, weight) where weight > 0
//! ```
//!
//! The projection of the support is that of given weights (see `source`): a pattern without a
//! weight is not read again. Weights are a function of the probe and the memory alone, whatever
//! candidates were kept besides the support.

use crate::driver::outputs::PerPattern;
use crate::driver::parallel::Parallelism;
use crate::driver::scan::{ListStore, Scan, ScanScratch, scan};
use crate::driver::screen::Screened;
use crate::driver::source::SparseRows;
use crate::driver::tasks::Shared;
use crate::error::Result;
use crate::matrix::MatRef;
use crate::separation::candidates::Threshold;
use crate::separation::rows::{Reach, RowSeparation, value, weigh_at};
use crate::simd::Element;
use crate::similarity::scoring::least_unmasked;

/// Most bytes of the lists of a chunk of probes.
const LIST_BYTES: usize = 64 << 20;
/// From so many candidates on, a sample of at most this size bounds the support first.
const MANY: usize = 400;
const SAMPLE: usize = 192;
/// The share of the patterns that lists have room for at first, and at least so many of them.
const EXPECTED_SHARE: usize = 8;
const EXPECTED: usize = 1024;

/// Most entries of supports that room is made for in advance.
const RESERVED: usize = 1 << 18;

/// What is known of one probe's weights besides the support.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fact {
    pub kind: Kind,
    /// The pattern with the highest score.
    pub best: Option<usize>,
    /// Its weight.
    pub best_weight: f64,
    /// G(t); NaN if it was not asked for.
    pub potential: f64,
    /// -Σ p ln p; NaN if it was not asked for.
    pub entropy: f64,
}

/// The pattern with the highest score, and that score.
pub(super) type Top<T> = (Option<usize>, T);

/// What a row of scores was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Finite, and at least one pattern took part.
    Proper,
    /// All patterns were masked.
    Masked,
    /// A score was NaN or infinite.
    NotFinite,
}

/// The support of some probes: for each, the patterns that have a weight, in ascending order.
#[derive(Debug, Clone)]
pub(crate) struct Supports<T> {
    starts: Vec<usize>,
    pub indices: Vec<u32>,
    pub weights: Vec<f64>,
    /// The scores of these patterns.
    pub scores: Vec<T>,
    pub facts: Vec<Fact>,
}

impl<T> Default for Supports<T> {
    fn default() -> Self {
        let (indices, weights, scores) = (Vec::new(), Vec::new(), Vec::new());
        Self { starts: Vec::new(), indices, weights, scores, facts: Vec::new() }
    }
}

impl<T: Element> Supports<T> {
    fn clear(&mut self) {
        self.starts.clear();
        self.starts.push(0);
        self.indices.clear();
        self.weights.clear();
        self.scores.clear();
        self.facts.clear();
    }

    /// Makes room for what is to be expected, so that calls of one shape rarely allocate.
    fn reserve(&mut self, probes: usize, candidates: usize) {
        let entries = probes.saturating_mul(candidates).min(RESERVED);
        self.indices.reserve(entries);
        self.weights.reserve(entries);
        self.scores.reserve(entries);
    }

    /// The patterns, as a projection takes them; the weights are still to be given.
    pub fn rows(&self) -> SparseRows<'_, T> {
        SparseRows { starts: &self.starts, weights: &[], indices: &self.indices }
    }

    /// Where the support of probe `b` is in the vectors.
    pub fn range(&self, b: usize) -> std::ops::Range<usize> {
        self.starts[b]..self.starts[b + 1]
    }
}

/// Rows of sparse weights, kept.
#[derive(Debug, Clone)]
pub(crate) struct OwnedRows<T> {
    starts: Vec<usize>,
    weights: Vec<T>,
    indices: Vec<u32>,
}

impl<T> Default for OwnedRows<T> {
    fn default() -> Self {
        Self { starts: Vec::new(), weights: Vec::new(), indices: Vec::new() }
    }
}

impl<T: Element> OwnedRows<T> {
    /// Copies the weights of supports, multiplied by `factor`. A row that is not finite has a
    /// weight of NaN for every one of the `patterns` that takes part.
    pub fn copy(
        &mut self,
        (supports, factor): (&Supports<T>, f64),
        patterns: usize,
        takes_part: impl Fn(usize, usize) -> bool,
    ) {
        self.starts.clear();
        self.starts.push(0);
        self.weights.clear();
        self.indices.clear();
        for (b, fact) in supports.facts.iter().enumerate() {
            if fact.kind == Kind::NotFinite {
                let part = (0..patterns).filter(|&n| takes_part(b, n));
                self.indices.extend(part.map(|n| n as u32));
                self.weights.resize(self.indices.len(), T::NAN);
            } else {
                let range = supports.range(b);
                self.indices.extend_from_slice(&supports.indices[range.clone()]);
                let weights = supports.weights[range].iter();
                self.weights.extend(weights.map(|p| T::from_f64(p * factor)));
            }
            self.starts.push(self.indices.len());
        }
    }

    pub fn rows(&self) -> SparseRows<'_, T> {
        SparseRows { starts: &self.starts, weights: &self.weights, indices: &self.indices }
    }
}

/// Scratch of a sparse recall, and its result.
#[derive(Debug, Clone)]
pub(crate) struct SparseScratch<T> {
    narrow: ListStore<T>,
    full: ListStore<T>,
    scan: ScanScratch<T>,
    scores: Vec<T>,
    indices: Vec<u32>,
    theta: Vec<f64>,
    weights: Vec<f64>,
    /// The weights of a softmax, relative to the highest.
    exponentials: Vec<T>,
    pub supports: Supports<T>,
}

impl<T> Default for SparseScratch<T> {
    fn default() -> Self {
        Self {
            narrow: ListStore::default(),
            full: ListStore::default(),
            scan: ScanScratch::default(),
            scores: Vec::new(),
            indices: Vec::new(),
            theta: Vec::new(),
            weights: Vec::new(),
            exponentials: Vec::new(),
            supports: Supports::default(),
        }
    }
}

impl<T: Element> SparseScratch<T> {
    /// What has been screened since this was last asked.
    pub fn screened(&mut self) -> Screened {
        self.scan.screened()
    }

    /// Lists and scratch for another scan.
    pub fn kept(&mut self) -> (&mut ListStore<T>, &mut ScanScratch<T>) {
        (&mut self.full, &mut self.scan)
    }
}

/// -p ln p
pub(super) fn entropy(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

/// Keeps the candidates for which `keep` is true of their place.
fn retain<T: Element>(
    (scores, indices, theta): (&mut Vec<T>, &mut Vec<u32>, &mut Vec<f64>),
    keep: impl Fn(usize, &[T], &[f64]) -> bool,
) {
    let mut kept = 0;
    for at in 0..theta.len() {
        let keeps = keep(at, scores, theta);
        (theta[kept], scores[kept], indices[kept]) = (theta[at], scores[at], indices[at]);
        kept += usize::from(keeps);
    }
    theta.truncate(kept);
    scores.truncate(kept);
    indices.truncate(kept);
}

/// A recall by a separation of rows.
pub(crate) struct Sparse<'a, T> {
    pub shared: &'a Shared<'a, T>,
    pub separation: &'a dyn RowSeparation,
    /// β times the gain: t = β score.
    pub beta: f64,
    /// Whether potentials are wanted.
    pub potentials: bool,
    /// Whether entropies are wanted.
    pub entropies: bool,
    /// Whether patterns without a weight are kept in the support, where every score has an
    /// influence on the weights.
    pub keeps_all: bool,
    pub parallelism: Parallelism,
}

impl<T: Element> Sparse<'_, T> {
    /// Finds the supports of all probes. Writes the similarities where they are wanted.
    pub fn solve(
        &self,
        probes: MatRef<'_, T>,
        mut per_pattern: PerPattern<'_, T>,
        work: &mut SparseScratch<T>,
    ) -> Result<()> {
        work.supports.clear();
        if let Some(candidates) = self.candidates() {
            work.supports.reserve(probes.rows(), candidates);
            work.exponentials.clear();
            work.exponentials.reserve(candidates);
        }
        let threshold = self.threshold();
        let raise = |scores: &[T], row_max: T| self.raise(scores, row_max);
        let full = Scan { raise: Some(&raise), ..Scan::all(self.shared, threshold) };
        let batch = probes.rows();
        let at_once = batch.min(self.shared.plan.batch::<T>());
        let narrow = match self.candidates() {
            Some(candidates) if self.chunk(full) < at_once => {
                Scan { raise: full.raise, ..Scan::with_room(self.shared, threshold, candidates) }
            }
            _ => full,
        };
        let mut start = 0;
        while start < batch {
            let chunk = start..batch.min(start + self.chunk(narrow));
            let (now, rest) = per_pattern.split_at_row(chunk.len());
            per_pattern = rest;
            let shared = self.shared.for_probes(chunk.clone());
            let to = (&mut work.narrow, &mut work.scan);
            scan(&shared, probes.subrows(chunk.clone()), (narrow, now), to, self.parallelism)?;
            let mut b = chunk.start;
            while b < chunk.end {
                if !work.narrow.overflowed(b - chunk.start) {
                    self.solve_one(b - chunk.start, false, work);
                    b += 1;
                    continue;
                }
                let overflowed = (b..chunk.end.min(b + self.chunk(full)))
                    .take_while(|b| work.narrow.overflowed(b - chunk.start));
                let again = b..b + overflowed.count();
                // Most patterns are scored anyway.
                let shared = Shared { codes: None, ..self.shared.for_probes(again.clone()) };
                let to = (&mut work.full, &mut work.scan);
                let what = (full, PerPattern::none());
                scan(&shared, probes.subrows(again.clone()), what, to, self.parallelism)?;
                again.clone().for_each(|b| self.solve_one(b - again.start, true, work));
                b = again.end;
            }
            start = chunk.end;
        }
        Ok(())
    }

    /// Probes whose lists fit into the memory for them.
    fn chunk(&self, scan: Scan<'_, T>) -> usize {
        (LIST_BYTES / scan.bytes(self.shared)).max(1)
    }

    /// Which scores can have a weight. Widths are rounded up.
    fn threshold(&self) -> Threshold<T> {
        let score = |t: f64| T::from_f64(t / self.beta * (1.0 + 1e-6));
        match self.separation.reach() {
            Reach::All => Threshold::All,
            Reach::Width(width) => Threshold::Width(score(width)),
            Reach::KthWidth { k: 1, width } => Threshold::Width(score(width)),
            Reach::KthWidth { k, width } => Threshold::KthWidth { k, width: score(width) },
            Reach::Above(bound) => {
                let below = if bound > 0.0 { 1.0 - 3e-6 } else { 1.0 };
                Threshold::Above(score(bound * below))
            }
        }
    }

    /// Candidates to expect, if they are not all patterns.
    fn candidates(&self) -> Option<usize> {
        let expected = EXPECTED.max(self.shared.plan.patterns / EXPECTED_SHARE);
        match self.separation.reach() {
            Reach::All => None,
            Reach::Width(_) | Reach::Above(_) => Some(expected),
            // In the worst case all of the highest are in one split.
            Reach::KthWidth { k, .. } => {
                let splits = self.shared.plan.splits::<T>().len();
                Some(expected.max(2 * k.min(self.shared.plan.patterns).saturating_mul(splits)))
            }
        }
    }

    /// The least score that can have a weight beside the highest.
    fn bound(&self, row_max: T) -> T {
        match self.separation.reach() {
            Reach::Width(width) => {
                let below = row_max - T::from_f64(width / self.beta * (1.0 + 1e-6));
                below - (below.abs() + row_max.abs()) * T::from_f64(1e-6)
            }
            Reach::All | Reach::Above(_) | Reach::KthWidth { .. } => T::NEG_INFINITY,
        }
    }

    /// A bound from a sample of some candidates, if they are many: the threshold of a sample is
    /// below that of all.
    fn raise(&self, scores: &[T], row_max: T) -> T {
        if scores.len() < MANY {
            return T::NEG_INFINITY;
        }
        let mut sample = [0.0; SAMPLE + 1];
        let every = scores.len().div_ceil(SAMPLE);
        let mut count = 0;
        for (to, score) in sample.iter_mut().zip(scores.iter().step_by(every)) {
            *to = self.beta * score.to_f64();
            count += 1;
        }
        // The highest of all is not in the sample twice.
        let top = self.beta * row_max.to_f64();
        if sample[..count].iter().all(|&t| t < top) {
            sample[count] = top;
            count += 1;
        }
        let Some(threshold) = self.separation.threshold(&sample[..count]) else {
            return T::NEG_INFINITY;
        };
        let to = T::from_f64(threshold / self.beta);
        to - (to.abs() + row_max.abs()) * T::from_f64(1e-6)
    }

    /// Solves for the weights of one probe from its candidates, and appends its support.
    fn solve_one(&self, b: usize, all: bool, work: &mut SparseScratch<T>) {
        let lists = if all { &work.full } else { &work.narrow };
        let (mut finite, mut row_max, mut best) = (true, T::NEG_INFINITY, None);
        for (head, ..) in lists.of(b) {
            finite &= head.finite;
            if head.row_max > row_max && head.best != usize::MAX {
                (row_max, best) = (head.row_max, Some(head.best));
            }
        }
        let best = best.filter(|_| row_max >= least_unmasked());
        let kind = match (finite, best) {
            (false, _) => Kind::NotFinite,
            (true, None) => Kind::Masked,
            (true, Some(_)) => Kind::Proper,
        };
        let fact = match (kind, self.separation.softmax_width()) {
            (Kind::Proper, Some(width)) => {
                let SparseScratch { narrow, full, exponentials, supports, .. } = &mut *work;
                let lists = if all { &*full } else { &*narrow };
                self.weigh_softmax(lists, (b, width), (best, row_max), exponentials, supports)
            }
            (Kind::Proper, None) if self.separation.weighs_apart() => {
                let SparseScratch { narrow, full, theta, weights, supports, .. } = &mut *work;
                let lists = if all { &*full } else { &*narrow };
                self.weigh_apart(lists, b, (best, row_max), (theta, weights), supports)
            }
            (Kind::Proper, None) => {
                self.gather(b, all, row_max, work);
                self.weigh((best, row_max), work)
            }
            _ => {
                let masked = kind == Kind::Masked;
                let potential = if masked { value(self.separation, &[]) } else { f64::NAN };
                let zero = if masked { 0.0 } else { f64::NAN };
                Fact { kind, best: None, best_weight: zero, potential, entropy: zero }
            }
        };
        work.supports.facts.push(fact);
        let end = work.supports.indices.len();
        work.supports.starts.push(end);
    }

    /// Copies the candidates of one probe that may have a weight out of its lists.
    fn gather(&self, b: usize, all: bool, row_max: T, work: &mut SparseScratch<T>) {
        let lists = if all { &work.full } else { &work.narrow };
        let mut bound = self.bound(row_max);
        if let Some((_, scores, _)) = lists.of(b).max_by_key(|(head, ..)| head.len) {
            let raised = self.raise(scores, row_max);
            bound = if raised > bound { raised } else { bound };
        }
        let count = lists.of(b).map(|(head, ..)| head.len).sum();
        work.scores.clear();
        work.indices.clear();
        work.scores.resize(count, T::ZERO);
        work.indices.resize(count, 0);
        let mut kept = 0;
        for (_, scores, indices) in lists.of(b) {
            // Without a branch, as nothing predicts which of them are kept.
            for (&score, &index) in scores.iter().zip(indices) {
                (work.scores[kept], work.indices[kept]) = (score, index);
                kept += usize::from(score >= bound);
            }
        }
        work.scores.truncate(kept);
        work.indices.truncate(kept);
    }

    /// G of some candidates; NaN unless potentials are wanted.
    pub(super) fn potential(&self, theta: &[f64], row_max: T) -> f64 {
        match (self.potentials, theta.is_empty()) {
            (false, _) => f64::NAN,
            // Nothing is within reach: the highest score tells what that is worth.
            (true, true) => value(self.separation, &[self.beta * row_max.to_f64()]),
            (true, false) => value(self.separation, theta),
        }
    }

    /// Weighs the candidates of one probe, and appends those that have a weight.
    fn weigh(&self, (best, row_max): (Option<usize>, T), work: &mut SparseScratch<T>) -> Fact {
        let SparseScratch { scores, indices, theta, weights, supports, .. } = work;
        theta.clear();
        theta.extend(scores.iter().map(|score| self.beta * score.to_f64()));
        let bound = self.raise(scores, row_max);
        if bound > T::NEG_INFINITY {
            retain((scores, indices, theta), |at, scores, _| scores[at] >= bound);
        }
        weights.clear();
        weights.extend_from_slice(theta);
        weigh_at(self.separation, self.shared.level, weights);
        let potential = self.potential(theta, row_max);
        let best_weight = best.and_then(|best| indices.iter().position(|&n| n as usize == best));
        let best_weight = best_weight.map_or(0.0, |at| weights[at]);
        if !self.keeps_all {
            let weighs = |at: usize| T::from_f64(weights[at]) != T::ZERO;
            retain((scores, indices, theta), |at, _, _| weighs(at));
        }
        supports.indices.extend_from_slice(indices);
        supports.scores.extend_from_slice(scores);
        let start = supports.weights.len();
        let kept = weights.iter().filter(|p| self.keeps_all || T::from_f64(**p) != T::ZERO);
        supports.weights.extend(kept);
        let entropy = match self.entropies {
            true => supports.weights[start..].iter().map(|&p| entropy(p)).sum(),
            false => f64::NAN,
        };
        Fact { kind: Kind::Proper, best, best_weight, potential, entropy }
    }
}
