//! What recalls keep from call to call besides the drivers' scratch.

use crate::driver::backward_run::GradientScratch;
use crate::driver::listed::Scored;
use crate::driver::sparse::SparseScratch;
use crate::retrieval::backward::scratch::SupportScratch;
use crate::retrieval::factors::Factors;
use crate::retrieval::gathered::Gathered;
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
    pub choice: Choice<T>,
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
            choice: Choice::default(),
            gathered: Gathered::default(),
            ranking: Vec::new(),
        }
    }
}

/// How a softmax recalls a probe (see `strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Streaming,
    Peaked,
}

/// What recalls have in common whose probes are likely to take the same strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Alike {
    pub patterns: usize,
    pub dim: usize,
    pub beta: f64,
}

/// Recalls that are remembered, so that several memories or heads may take turns.
const RECENT: usize = 8;

/// Scratch for the choice of strategies, and its result.
#[derive(Debug, Clone)]
pub(crate) struct Choice<T> {
    /// A padded probe.
    pub probe: Vec<T>,
    pub scored: Scored<T>,
    /// The sample.
    pub list: Vec<u32>,
    /// The scores of each probe with a few patterns of the sample.
    pub few: Vec<T>,
    /// The strategy of each probe, ...
    pub strategies: Vec<Strategy>,
    /// ... and whether it has been recalled by it.
    pub done: Vec<bool>,
    /// Whether peaked probes are streamed if their highest scores ask for that.
    pub is_open: bool,
    /// The last recalls with probes that might be peaked, and whether most of these were streamed.
    recent: [Option<(Alike, bool)>; RECENT],
}

impl<T> Default for Choice<T> {
    fn default() -> Self {
        Self {
            probe: Vec::new(),
            scored: Scored::default(),
            list: Vec::new(),
            few: Vec::new(),
            strategies: Vec::new(),
            done: Vec::new(),
            is_open: false,
            recent: [None; RECENT],
        }
    }
}

impl<T> Choice<T> {
    /// Sets the strategy of each probe to one.
    pub fn begin(&mut self, batch: usize, strategy: Strategy) {
        self.strategies.clear();
        self.strategies.resize(batch, strategy);
        self.done.clear();
        self.done.resize(batch, false);
    }

    /// The probes that still have this strategy to take.
    pub fn of(&self, strategy: Strategy) -> impl Iterator<Item = usize> {
        let all = self.strategies.iter().zip(&self.done).enumerate();
        all.filter(move |(_, (one, done))| **one == strategy && !**done).map(|(b, _)| b)
    }

    /// Whether most probes that might be peaked were streamed in the last recall that was alike.
    pub fn recent(&self, alike: Alike) -> Option<bool> {
        let found = self.recent.iter().flatten().find(|(other, _)| *other == alike);
        found.map(|(_, streamed)| *streamed)
    }

    /// Remembers a recall in place of the oldest one, or of the one that was alike.
    pub fn remember(&mut self, alike: Alike, streamed: bool) {
        let known = |one: &Option<(Alike, bool)>| one.is_some_and(|(other, _)| other == alike);
        let at = self.recent.iter().position(known).unwrap_or(RECENT - 1);
        self.recent[..=at].rotate_right(1);
        self.recent[0] = Some((alike, streamed));
    }

    /// The scores of probe `b` with a few patterns of the sample.
    pub fn few(&self, b: usize) -> &[T] {
        let count = self.few.len() / self.strategies.len();
        &self.few[b * count..][..count]
    }

    /// Number of probes whose strategy is still to be found.
    pub fn open(&self) -> usize {
        if self.is_open { self.of(Strategy::Peaked).count() } else { 0 }
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
    /// The softmax states of the recall.
    pub states: Vec<State<T>>,
}

impl<T> Default for StatisticsScratch<T> {
    fn default() -> Self {
        let (weights, similarities, means) = (Vec::new(), Vec::new(), Vec::new());
        let (usage, parts, states) = (Vec::new(), Parts::default(), Vec::new());
        Self { weights, similarities, means, usage, parts, states }
    }
}
