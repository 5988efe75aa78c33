//! The supports of some probes: the patterns that have a weight.

use crate::driver::input::SparseRows;
use crate::simd::Element;

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

/// What a row of scores was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Finite, and at least one pattern took part.
    Proper,
    /// All patterns were masked.
    Masked,
    /// A score was NaN or infinite.
    NotFinite,
    /// The caller recalls the probe otherwise: it has no support.
    Streamed,
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

impl Fact {
    /// Nothing is known of the weights.
    pub fn unknown(kind: Kind) -> Self {
        let nan = f64::NAN;
        Self { kind, best: None, best_weight: nan, potential: nan, entropy: nan }
    }
}

impl<T> Default for Supports<T> {
    fn default() -> Self {
        let (indices, weights, scores) = (Vec::new(), Vec::new(), Vec::new());
        Self { starts: Vec::new(), indices, weights, scores, facts: Vec::new() }
    }
}

impl<T: Element> Supports<T> {
    pub(super) fn clear(&mut self) {
        self.starts.clear();
        self.starts.push(0);
        self.indices.clear();
        self.weights.clear();
        self.scores.clear();
        self.facts.clear();
    }

    /// Makes room for what is to be expected, so that calls of one shape rarely allocate.
    pub(super) fn reserve(&mut self, probes: usize, candidates: usize) {
        let entries = probes.saturating_mul(candidates).min(RESERVED);
        self.indices.reserve(entries);
        self.weights.reserve(entries);
        self.scores.reserve(entries);
    }

    /// Ends the support of a probe.
    pub(super) fn end(&mut self, fact: Fact) {
        self.facts.push(fact);
        self.starts.push(self.indices.len());
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
        supports: &Supports<T>,
        factor: f64,
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
