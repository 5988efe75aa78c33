//! Recall by a separation whose weights are mostly 0: scores, candidates, weights of the support.
//!
//! ```text
//! for each chunk of probes:
//!     lists = scan(probes)                       # scores of all patterns; candidates alone are kept
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
use crate::driver::source::SparseRows;
use crate::driver::tasks::Shared;
use crate::error::Result;
use crate::matrix::MatRef;
use crate::separation::candidates::Threshold;
use crate::separation::rows::{Reach, RowSeparation, value, weigh};
use crate::simd::Element;
use crate::similarity::scoring::least_unmasked;

/// Most bytes of the lists of a chunk of probes.
const LIST_BYTES: usize = 16 << 20;
/// The share of the patterns that lists have room for at first, and at least so many of them.
const EXPECTED_SHARE: usize = 8;
const EXPECTED: usize = 1024;

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
    /// -Σ p ln p
    pub entropy: f64,
}

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
        Self { starts: vec![0], indices, weights, scores, facts: Vec::new() }
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

    /// The patterns, as a projection takes them; the weights are still to be given.
    pub fn rows(&self) -> SparseRows<'_, T> {
        SparseRows { starts: &self.starts, weights: &[], indices: &self.indices }
    }

    /// Where the support of probe `b` is in the vectors.
    pub fn range(&self, b: usize) -> std::ops::Range<usize> {
        self.starts[b]..self.starts[b + 1]
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
            supports: Supports::default(),
        }
    }
}

impl<T> SparseScratch<T> {
    /// Lists and scratch for another scan.
    pub fn kept(&mut self) -> (&mut ListStore<T>, &mut ScanScratch<T>) {
        (&mut self.full, &mut self.scan)
    }
}

/// A recall by a separation of rows.
pub(crate) struct Sparse<'a, T> {
    pub shared: &'a Shared<'a, T>,
    pub separation: &'a dyn RowSeparation,
    /// β times the gain: t = β score.
    pub beta: f64,
    /// Whether potentials are wanted.
    pub potentials: bool,
    /// Whether patterns without a weight are kept in the support, where every score has an influence
    /// on the weights.
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
        let threshold = self.threshold();
        let full = Scan::all(self.shared, threshold);
        let narrow = match self.candidates() {
            Some(candidates) => Scan::with_room(self.shared, threshold, candidates),
            None => full,
        };
        let batch = probes.rows();
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
                let shared = self.shared.for_probes(again.clone());
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
    fn chunk(&self, scan: Scan<T>) -> usize {
        (LIST_BYTES / scan.bytes(self.shared)).max(1)
    }

    /// Which scores can have a weight. Widths are rounded up.
    fn threshold(&self) -> Threshold<T> {
        let score = |t: f64| T::from_f64(t / self.beta * (1.0 + 1e-6));
        match self.separation.reach() {
            Reach::All => Threshold::All,
            Reach::Width(width) => Threshold::Width(score(width)),
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

    /// Solves for the weights of one probe from its candidates, and appends its support.
    fn solve_one(&self, b: usize, all: bool, work: &mut SparseScratch<T>) {
        let lists = if all { &work.full } else { &work.narrow };
        work.scores.clear();
        work.indices.clear();
        let (mut finite, mut row_max, mut best) = (true, T::NEG_INFINITY, None);
        for (head, scores, indices) in lists.of(b) {
            finite &= head.finite;
            if head.row_max > row_max && head.best != usize::MAX {
                (row_max, best) = (head.row_max, Some(head.best));
            }
            work.scores.extend_from_slice(scores);
            work.indices.extend_from_slice(indices);
        }
        let best = best.filter(|_| row_max >= least_unmasked());
        let kind = match (finite, best) {
            (false, _) => Kind::NotFinite,
            (true, None) => Kind::Masked,
            (true, Some(_)) => Kind::Proper,
        };
        let fact = if kind == Kind::Proper {
            self.weigh((best, row_max), work)
        } else {
            let masked = kind == Kind::Masked;
            let potential = if masked { value(self.separation, &[]) } else { f64::NAN };
            let zero = if masked { 0.0 } else { f64::NAN };
            Fact { kind, best: None, best_weight: zero, potential, entropy: zero }
        };
        work.supports.facts.push(fact);
        let end = work.supports.indices.len();
        work.supports.starts.push(end);
    }

    /// Weighs the candidates of one probe, and appends those that have a weight.
    fn weigh(&self, (best, row_max): (Option<usize>, T), work: &mut SparseScratch<T>) -> Fact {
        let SparseScratch { scores, indices, theta, weights, supports, .. } = work;
        theta.clear();
        theta.extend(scores.iter().map(|score| self.beta * score.to_f64()));
        weights.clear();
        weights.extend_from_slice(theta);
        weigh(self.separation, weights);
        let (mut entropy, mut best_weight) = (0.0, 0.0);
        for (at, &weight) in weights.iter().enumerate() {
            if best == Some(indices[at] as usize) {
                best_weight = weight;
            }
            if T::from_f64(weight) != T::ZERO || self.keeps_all {
                entropy -= if weight > 0.0 { weight * weight.ln() } else { 0.0 };
                supports.indices.push(indices[at]);
                supports.weights.push(weight);
                supports.scores.push(scores[at]);
            }
        }
        if theta.is_empty() {
            // Nothing is within reach: the highest score tells what that is worth.
            theta.push(self.beta * row_max.to_f64());
        }
        let potential = if self.potentials { value(self.separation, theta) } else { f64::NAN };
        Fact { kind: Kind::Proper, best, best_weight, potential, entropy }
    }
}
