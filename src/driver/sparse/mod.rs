//! Recall by a separation whose weights are mostly 0: scores, candidates, weights of the support.
//!
//! ```text
//! for each chunk of probes:
//!     lists = scan(probes)                   # scores of all patterns; candidates alone are kept
//!     leave out the probes that are to be recalled otherwise, given their highest scores
//!     scan again, with room for all, the probes whose candidates found no room
//!     for each probe:
//!         t = β scores of its candidates, in f64
//!         weights = separation(t)                # sums run over the support, by index
//!         support += (index, weight) where weight != 0
//! ```
//!
//! The projection of the support is that of given weights (see `streaming`): a pattern without a
//! weight is not read again. Weights are a function of the probe and the memory alone, whatever
//! candidates were kept besides the support.

mod elementwise;
mod reach;
mod softmax;
mod supports;

use std::ops::Range;

pub(crate) use supports::{Fact, Kind, OwnedRows, Supports};

use crate::driver::divide::Cut;
use crate::driver::lists::ListStore;
use crate::driver::outputs::PerPattern;
use crate::driver::parallel::Parallelism;
use crate::driver::scan::{Candidates, Scan, ScanScratch, Scanned};
use crate::driver::shared::Shared;
use crate::error::Result;
use crate::matrix::MatRef;
use crate::matrix::ranges::product;
use crate::separation::rows::{RowSeparation, separate_at, value};
use crate::simd::Element;
use crate::similarity::scoring::least_unmasked;

/// How the patterns of a recall were scored: numbers of probes and patterns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Screened {
    /// Probes whose patterns were screened by codes, and those whose patterns were all scored.
    pub probes: u64,
    pub dense: u64,
    /// Scores that were computed for the probes that were screened.
    pub listed: u64,
}

impl Screened {
    /// Counts probes that have been scanned for the first time.
    fn count(&mut self, probes: usize, scanned: Scanned) {
        match scanned {
            Scanned::All => self.dense += probes as u64,
            Scanned::Listed(listed) => {
                self.probes += probes as u64;
                self.listed += listed;
            }
        }
    }
}

/// The candidates of one probe that may have a weight.
#[derive(Debug, Clone)]
struct Row<T> {
    scores: Vec<T>,
    indices: Vec<u32>,
    /// t = β score
    theta: Vec<f64>,
}

impl<T: Element> Row<T> {
    /// Keeps the candidates for which `keep` is true of their place and score.
    fn retain(&mut self, keep: impl Fn(usize, T) -> bool) {
        let Self { scores, indices, theta } = self;
        let mut kept = 0;
        for at in 0..theta.len() {
            let keeps = keep(at, scores[at]);
            (theta[kept], scores[kept], indices[kept]) = (theta[at], scores[at], indices[at]);
            kept += usize::from(keeps);
        }
        theta.truncate(kept);
        scores.truncate(kept);
        indices.truncate(kept);
    }
}

/// Scratch of a sparse recall, and its result.
#[derive(Debug, Clone)]
pub(crate) struct SparseScratch<T> {
    narrow: ListStore<T>,
    full: ListStore<T>,
    scan: ScanScratch<T>,
    row: Row<T>,
    weights: Vec<f64>,
    /// The weights of a softmax, relative to the highest.
    exponentials: Vec<T>,
    /// The size of the batch that the probes are a part of, if they are a part: the room of their
    /// lists is as for the whole.
    pub whole: usize,
    /// Whether each probe of a chunk is left out.
    left_out: Vec<bool>,
    pub supports: Supports<T>,
    pub screened: Screened,
}

impl<T> Default for SparseScratch<T> {
    fn default() -> Self {
        Self {
            narrow: ListStore::default(),
            full: ListStore::default(),
            scan: ScanScratch::default(),
            row: Row { scores: Vec::new(), indices: Vec::new(), theta: Vec::new() },
            weights: Vec::new(),
            exponentials: Vec::new(),
            whole: 0,
            left_out: Vec::new(),
            supports: Supports::default(),
            screened: Screened::default(),
        }
    }
}

impl<T: Element> SparseScratch<T> {
    /// Lists and scratch for another scan.
    pub fn scan_scratch(&mut self) -> (&mut ListStore<T>, &mut ScanScratch<T>) {
        (&mut self.full, &mut self.scan)
    }
}

/// The lists of one probe.
#[derive(Clone, Copy)]
struct Found<'a, T> {
    lists: &'a ListStore<T>,
    b: usize,
    /// The pattern with the highest score, and that score.
    best: Option<usize>,
    row_max: T,
    /// Whether all scores were finite.
    finite: bool,
}

impl<'a, T: Element> Found<'a, T> {
    fn of(lists: &'a ListStore<T>, b: usize) -> Self {
        let (mut finite, mut row_max, mut best) = (true, T::NEG_INFINITY, None);
        for (head, ..) in lists.of(b) {
            finite &= head.finite;
            if head.row_max > row_max && head.best != usize::MAX {
                (row_max, best) = (head.row_max, Some(head.best));
            }
        }
        let best = best.filter(|_| row_max >= least_unmasked());
        Self { lists, b, best, row_max, finite }
    }

    fn kind(&self) -> Kind {
        match (self.finite, self.best) {
            (false, _) => Kind::NotFinite,
            (true, None) => Kind::Masked,
            (true, Some(_)) => Kind::Proper,
        }
    }

    /// For each split, the candidates' scores and indices.
    fn candidates(&self) -> impl Iterator<Item = (&'a [T], &'a [u32])> {
        self.lists.of(self.b).map(|(_, scores, indices)| (scores, indices))
    }

    /// Number of candidates.
    fn count(&self) -> usize {
        self.candidates().map(|(scores, _)| scores.len()).sum()
    }
}

/// -p ln p
fn entropy(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
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

/// Whether a probe is left out, given its index and its highest score.
pub(crate) type LeavesOut<'a, T> = dyn FnMut(usize, T) -> bool + 'a;

impl<T: Element> Sparse<'_, T> {
    /// Finds the supports of all probes, but for those that are left out. Writes the similarities
    /// where they are wanted.
    pub fn solve(
        &self,
        probes: MatRef<'_, T>,
        mut per_pattern: PerPattern<'_, T>,
        work: &mut SparseScratch<T>,
        leaves_out: &mut LeavesOut<'_, T>,
    ) -> Result<()> {
        work.supports.clear();
        work.screened = Screened::default();
        let whole = probes.rows().max(work.whole);
        if let Some(candidates) = self.candidates() {
            work.supports.reserve(whole, candidates);
            work.exponentials.clear();
            work.exponentials.reserve(candidates);
        }
        let threshold = self.threshold();
        let raise = |scores: &[T], row_max: T| self.raise(scores, row_max);
        let full = Candidates { raise: Some(&raise), ..Candidates::all(self.shared, threshold) };
        let batch = probes.rows();
        let at_once = whole.min(self.shared.plan.batch::<T>());
        let narrow = match self.candidates() {
            Some(candidates) if self.chunk(&full) < at_once => {
                let some = Candidates::with_room(self.shared, threshold, candidates);
                Candidates { raise: full.raise, ..some }
            }
            _ => full,
        };
        let mut start = 0;
        while start < batch {
            let chunk = start..batch.min(start + self.chunk(&narrow));
            let (now, rest) = per_pattern.cut(chunk.len());
            per_pattern = rest;
            let scan = Scan {
                shared: &self.shared.for_probes(chunk.clone()),
                probes: probes.subrows(chunk.clone()),
                candidates: narrow,
                per_pattern: now,
                parallelism: self.parallelism,
                whole: whole.min(self.chunk(&narrow)),
            };
            let scanned = scan.run(&mut work.narrow, &mut work.scan)?;
            work.screened.count(chunk.len(), scanned);
            work.left_out.clear();
            work.left_out.extend((0..chunk.len()).map(|b| {
                let found = Found::of(&work.narrow, b);
                found.kind() == Kind::Proper && leaves_out(chunk.start + b, found.row_max)
            }));
            let mut b = 0;
            while b < chunk.len() {
                if work.left_out[b] {
                    work.supports.end(Fact::unknown(Kind::Streamed));
                    b += 1;
                    continue;
                }
                if !work.narrow.overflowed(b) {
                    self.solve_one(b, false, work);
                    b += 1;
                    continue;
                }
                let overflowed = (b..chunk.len().min(b + self.chunk(&full)))
                    .take_while(|&b| work.narrow.overflowed(b) && !work.left_out[b]);
                let again = b..b + overflowed.count();
                b = again.end;
                let again = chunk.start + again.start..chunk.start + again.end;
                self.solve_again(probes, again, full, work)?;
            }
            start = chunk.end;
        }
        Ok(())
    }

    /// Scans and solves some probes again, with room for all candidates.
    fn solve_again(
        &self,
        probes: MatRef<'_, T>,
        again: Range<usize>,
        full: Candidates<'_, T>,
        work: &mut SparseScratch<T>,
    ) -> Result<()> {
        let scan = Scan {
            // Most patterns are scored anyway.
            shared: &Shared { codes: None, ..self.shared.for_probes(again.clone()) },
            probes: probes.subrows(again.clone()),
            candidates: full,
            per_pattern: PerPattern::none(),
            parallelism: self.parallelism,
            whole: 0,
        };
        scan.run(&mut work.full, &mut work.scan)?;
        if work.screened.probes > 0 {
            work.screened.listed += product([again.len(), self.shared.plan.patterns]);
        }
        (0..again.len()).for_each(|b| self.solve_one(b, true, work));
        Ok(())
    }

    /// Solves for the weights of one probe from its candidates, and appends its support.
    fn solve_one(&self, b: usize, all: bool, work: &mut SparseScratch<T>) {
        let SparseScratch { narrow, full, row, weights, exponentials, supports, .. } = work;
        let found = Found::of(if all { full } else { narrow }, b);
        let fact = match (found.kind(), self.separation.softmax_width()) {
            (Kind::Proper, Some(width)) => self.solve_softmax(found, width, exponentials, supports),
            (Kind::Proper, None) if self.separation.is_elementwise() => {
                self.solve_elementwise(found, &mut row.theta, weights, supports)
            }
            (Kind::Proper, None) => {
                self.gather(found, row);
                self.solve_row(found, row, weights, supports)
            }
            (kind, _) => {
                let masked = kind == Kind::Masked;
                let potential = if masked { value(self.separation, &[]) } else { f64::NAN };
                let zero = if masked { 0.0 } else { f64::NAN };
                Fact { kind, best: None, best_weight: zero, potential, entropy: zero }
            }
        };
        supports.end(fact);
    }

    /// Copies the candidates of one probe that may have a weight out of its lists.
    fn gather(&self, found: Found<'_, T>, row: &mut Row<T>) {
        let mut bound = self.bound(found.row_max);
        if let Some((scores, _)) = found.candidates().max_by_key(|(scores, _)| scores.len()) {
            let raised = self.raise(scores, found.row_max);
            bound = if raised > bound { raised } else { bound };
        }
        let count = found.count();
        row.scores.clear();
        row.indices.clear();
        row.scores.resize(count, T::ZERO);
        row.indices.resize(count, 0);
        let mut kept = 0;
        for (scores, indices) in found.candidates() {
            // Without a branch, as nothing predicts which of them are kept.
            for (&score, &index) in scores.iter().zip(indices) {
                (row.scores[kept], row.indices[kept]) = (score, index);
                kept += usize::from(score >= bound);
            }
        }
        row.scores.truncate(kept);
        row.indices.truncate(kept);
    }

    /// G of some candidates; NaN unless potentials are wanted.
    fn potential(&self, theta: &[f64], row_max: T) -> f64 {
        match (self.potentials, theta.is_empty()) {
            (false, _) => f64::NAN,
            // No score is above the threshold: the potential is that of the highest one.
            (true, true) => value(self.separation, &[self.beta * row_max.to_f64()]),
            (true, false) => value(self.separation, theta),
        }
    }

    /// Solves for the weights of the candidates of one probe, and appends its support.
    fn solve_row(
        &self,
        found: Found<'_, T>,
        row: &mut Row<T>,
        weights: &mut Vec<f64>,
        supports: &mut Supports<T>,
    ) -> Fact {
        let Found { best, row_max, .. } = found;
        row.theta.clear();
        row.theta.extend(row.scores.iter().map(|score| self.beta * score.to_f64()));
        let bound = self.raise(&row.scores, row_max);
        if bound > T::NEG_INFINITY {
            row.retain(|_, score| score >= bound);
        }
        weights.clear();
        weights.extend_from_slice(&row.theta);
        separate_at(self.separation, self.shared.level, weights);
        let potential = self.potential(&row.theta, row_max);
        let best_weight =
            best.and_then(|best| row.indices.iter().position(|&n| n as usize == best));
        let best_weight = best_weight.map_or(0.0, |at| weights[at]);
        if !self.keeps_all {
            let weighs = |at: usize| T::from_f64(weights[at]) != T::ZERO;
            row.retain(|at, _| weighs(at));
        }
        supports.indices.extend_from_slice(&row.indices);
        supports.scores.extend_from_slice(&row.scores);
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
