//! What gradients over supports keep from call to call.

use crate::driver::supports::EntryFactors;
use crate::driver::supports_run::PatternEntryStore;
use crate::memory::Aligned;
use crate::retrieval::backward::factors::Terms;

/// Scratch of gradients over supports.
#[derive(Debug, Clone)]
pub(crate) struct SupportScratch<T> {
    /// X and Z, padded.
    pub probes: Vec<T>,
    pub upstream: Vec<T>,
    /// Sums over d of every entry: those of the similarity, and z · m.
    pub sums: Vec<T>,
    pub along: Vec<T>,
    pub factors: Vec<EntryFactors<T>>,
    /// dL/dt of every entry.
    pub dt: Vec<f64>,
    /// dX, padded.
    pub d_probes: Vec<T>,
    pub facts: Vec<ProbeFact>,
    pub columns: PatternEntryStore,
    pub rows: Aligned<T>,
}

impl<T> Default for SupportScratch<T> {
    fn default() -> Self {
        Self {
            probes: Vec::new(),
            upstream: Vec::new(),
            sums: Vec::new(),
            along: Vec::new(),
            factors: Vec::new(),
            dt: Vec::new(),
            d_probes: Vec::new(),
            facts: Vec::new(),
            columns: PatternEntryStore::default(),
            rows: Aligned::new(0),
        }
    }
}

/// What is known of one probe besides its entries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProbeFact {
    pub terms: Terms,
    /// Whether the update leaves the probe where it is.
    pub stays: bool,
    /// The largest weight, by magnitude, of an update on the sphere.
    pub most: f64,
}
