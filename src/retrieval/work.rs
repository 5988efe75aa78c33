//! What recalls keep from call to call besides the drivers' scratch.

use crate::driver::backward_run::GradientScratch;
use crate::driver::listed::Scored;
use crate::driver::sparse::SparseScratch;
use crate::retrieval::backward::scratch::SupportScratch;
use crate::retrieval::factors::Factors;
use crate::retrieval::medians::Parts;
use crate::retrieval::update::UpdateScratch;
use crate::separation::state::State;

/// What a recall keeps from call to call besides the drivers' scratch.
#[derive(Debug, Clone)]
pub(crate) struct Work<T> {
    pub factors: Factors<T>,
    pub sparse: SparseScratch<T>,
    /// The weights of the projection.
    pub projected: Vec<T>,
    pub lse: Vec<T>,
    pub statistics: StatisticsScratch<T>,
    pub gradients: GradientScratch<T>,
    pub supports: SupportScratch<T>,
    pub update: UpdateScratch<T>,
    pub gathered: Gathered<T>,
    /// Patterns and their scores, to be sorted.
    pub ranking: Vec<(u32, T)>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self {
            factors: Factors::default(),
            sparse: SparseScratch::default(),
            projected: Vec::new(),
            lse: Vec::new(),
            statistics: StatisticsScratch::default(),
            gradients: GradientScratch::default(),
            supports: SupportScratch::default(),
            update: UpdateScratch::default(),
            gathered: Gathered::default(),
            ranking: Vec::new(),
        }
    }
}

/// Scratch for the choice, and its result.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice<T> {
    pub probe: Vec<T>,
    pub scored: Scored<T>,
    pub list: Vec<u32>,
    /// Whether each probe is peaked.
    pub peaked: Vec<bool>,
}

impl<T> Choice<T> {
    /// Number of peaked probes.
    pub fn count(&self) -> usize {
        self.peaked.iter().filter(|peaked| **peaked).count()
    }
}

/// The probes of one strategy where a batch has both, and their outputs, in memory that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Gathered<T> {
    /// Whether they are peaked.
    pub peaked: bool,
    pub which: Vec<usize>,
    pub probes: Vec<T>,
    pub biases: Vec<T>,
    pub masks: Vec<bool>,
    pub hints: Vec<Option<usize>>,
    pub factors: Factors<T>,
    pub matrices: [Vec<T>; 3],
    pub elements: [Vec<T>; 4],
    pub best: Vec<Option<usize>>,
    pub support: Vec<usize>,
    /// Of all probes.
    pub states: Vec<State<T>>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self {
            peaked: false,
            which: Vec::new(),
            probes: Vec::new(),
            biases: Vec::new(),
            masks: Vec::new(),
            hints: Vec::new(),
            factors: Factors::default(),
            matrices: Default::default(),
            elements: Default::default(),
            best: Vec::new(),
            support: Vec::new(),
            states: Vec::new(),
        }
    }
}

/// Scratch of statistics.
#[derive(Debug, Clone)]
pub(crate) struct StatisticsScratch<T> {
    pub weights: Vec<T>,
    pub similarities: Vec<T>,
    /// Σ p m of every probe.
    pub means: Vec<T>,
    pub usage: Vec<f64>,
    pub parts: Parts,
}

impl<T> Default for StatisticsScratch<T> {
    fn default() -> Self {
        let (weights, similarities, means) = (Vec::new(), Vec::new(), Vec::new());
        Self { weights, similarities, means, usage: Vec::new(), parts: Parts::default() }
    }
}
