//! Softmax recall by the strategy of each probe.
//!
//! ```text
//! choose(probes)                            # streaming, or perhaps peaked: see `strategy`
//! if most of the latter are expected to be streamed:
//!     stream all probes
//! scan the scores of those that may still be peaked; solve and project those that are
//! stream the others, unless they have been streamed
//! ```
//!
//! A probe that may be peaked is tried in one way first, and then in the other if its highest score
//! asks for that. The first way is the one that most such probes took in the last recall that was
//! alike. It changes the time alone.

use crate::driver::outputs::Outputs;
use crate::driver::run::reserve;
use crate::driver::scratch::grow;
use crate::driver::sparse::{Kind, LeavesOut, Supports};
use crate::driver::streaming::Streaming;
use crate::error::Result;
use crate::matrix::{MatMut, MatRef};
use crate::retrieval::call::Call;
use crate::retrieval::gathered::Gathered;
use crate::retrieval::strategy::Sample;
use crate::retrieval::work::{Alike, Strategy, Work};
use crate::retrieval::{Context, Retrieval};
use crate::separation::state::State;
use crate::simd::Element;
use crate::simd::tile::PROBE_TILE;
use crate::similarity::scoring::{Scoring, least_unmasked};

/// If at least this many probes may be peaked and nothing else tells which way to try first, a few
/// are scored to find out.
const MANY: usize = 4 * PROBE_TILE;

impl<T: Element> Call<'_, T> {
    /// Recalls by the driver that the separation takes.
    pub fn recall(
        &self,
        outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        match self.retrieval.streams() {
            true => Softmax { call: self, scoring, outputs, work, context }.run(),
            false => self.sparse(outputs, scoring, work, context, &mut |_, _| false),
        }
    }

    /// Computes all scores first, and then the weights of those within the width below the highest.
    /// Leaves the states that a streaming recall would, up to roundings.
    fn peaked(
        &self,
        outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
        leaves_out: &mut LeavesOut<'_, T>,
    ) -> Result<()> {
        self.sparse(outputs, scoring, work, context, leaves_out)?;
        let batch = self.probes.rows();
        context.memory.reserve(0, batch as u64, 0)?;
        let supports = &work.sparse.supports;
        for (b, state) in context.memory.states[..batch].iter_mut().enumerate() {
            *state = state_of(supports, b);
        }
        Ok(())
    }

    /// Copies the rows of the probes that `which` names, and makes room for their outputs.
    fn gather(&self, gathered: &mut Gathered<T>, outputs: &Outputs<'_, T>) {
        let Gathered { which, probes, biases, masks, hints, matrices, elements, .. } = gathered;
        // Room for all probes: how many of them are peaked may change from call to call.
        let batch = self.probes.rows();
        probes.clear();
        probes.reserve(batch * self.memory.dim());
        which.iter().for_each(|&b| probes.extend_from_slice(self.probes.row(b)));
        biases.clear();
        masks.clear();
        hints.clear();
        let patterns = self.memory.patterns();
        biases.reserve(self.retrieval.biases.map_or(0, |_| batch * patterns));
        masks.reserve(self.retrieval.masks.map_or(0, |_| batch * patterns));
        hints.reserve(self.retrieval.hints.map_or(0, |_| batch));
        for &b in &*which {
            biases.extend(self.retrieval.biases.iter().flat_map(|biases| biases.row(b)));
            masks.extend(self.retrieval.masks.iter().flat_map(|masks| masks.row(b)));
            hints.extend(self.retrieval.hints.iter().map(|hints| hints[b]));
        }
        let cols = [&outputs.retrieved, &outputs.similarities, &outputs.memory_weights];
        for (matrix, cols) in matrices.iter_mut().zip(cols) {
            let cols = cols.as_ref().map_or(0, MatMut::cols);
            matrix.reserve((batch * cols).saturating_sub(matrix.len()));
            matrix.resize(which.len() * cols, T::ZERO);
        }
        for vector in elements {
            vector.reserve(batch.saturating_sub(vector.len()));
            vector.resize(which.len(), T::ZERO);
        }
        gathered.best.reserve(batch.saturating_sub(gathered.best.len()));
        gathered.support.reserve(batch.saturating_sub(gathered.support.len()));
        gathered.best.resize(which.len(), None);
        gathered.support.resize(which.len(), 0);
    }

    /// What recalls have in common whose probes are likely to take the same strategy.
    fn alike(&self) -> Alike {
        let (memory, beta) = (self.memory, self.retrieval.total_beta());
        Alike { patterns: memory.patterns(), dim: memory.dim(), beta }
    }
}

/// A recall by a softmax.
struct Softmax<'s, 'a, T> {
    call: &'s Call<'a, T>,
    scoring: &'s Scoring<'s, T>,
    outputs: Outputs<'s, T>,
    work: &'s mut Work<T>,
    context: &'s mut Context<T>,
}

impl<T: Element> Softmax<'_, '_, T> {
    fn run(mut self) -> Result<()> {
        let level = self.context.level()?;
        self.call.choose(self.scoring, level, &mut self.work.choice);
        let open = self.work.choice.open();
        if open > 0 && self.expects_streaming(open)? {
            self.in_place(Strategy::Streaming)?;
            self.end_streamed()?;
        }
        self.round(Strategy::Peaked)?;
        self.round(Strategy::Streaming)?;
        let choice = &mut self.work.choice;
        let peaked = choice.strategies.iter().filter(|one| **one == Strategy::Peaked).count();
        self.context.counters.add_dense(choice.strategies.len() - peaked);
        if open > 0 {
            choice.remember(self.call.alike(), 2 * peaked < open);
        }
        Ok(())
    }

    /// Whether most of the `open` probes that may be peaked are likely to be streamed.
    fn expects_streaming(&mut self, open: usize) -> Result<bool> {
        if let Some(streamed) = self.work.choice.recent(self.call.alike()) {
            return Ok(streamed);
        }
        if self.call.memory.codes().is_some() || open < MANY {
            return Ok(false);
        }
        // The highest scores of a few: a pass over the patterns that is lost.
        let outputs = std::mem::take(&mut self.outputs);
        let mut gathered = std::mem::take(&mut self.work.gathered);
        gathered.which.clear();
        gathered.which.extend(self.work.choice.of(Strategy::Peaked).take(PROBE_TILE));
        self.call.gather(&mut gathered, &self.outputs);
        let result = self.recall_gathered(Strategy::Streaming, &mut gathered);
        self.outputs = outputs;
        let (mut streamed, few) = (0, gathered.which.len());
        for (at, &b) in gathered.which.iter().enumerate().filter(|_| result.is_ok()) {
            streamed += usize::from(self.is_streamed(b, self.context.memory.states[at])?);
        }
        self.work.gathered = gathered;
        result.map(|()| 2 * streamed > few)
    }

    /// Whether probe `b` is streamed, given its state after that. If a score may not be finite, the
    /// scan of the scores finds out.
    fn is_streamed(&mut self, b: usize, state: State<T>) -> Result<bool> {
        let level = self.context.level()?;
        let sample = Sample { call: self.call, scoring: self.scoring, level };
        let known = state.row_sum.is_finite() && state.row_max >= least_unmasked();
        Ok(known && sample.streams(b, state.row_max, &mut self.work.choice))
    }

    /// Keeps what streaming has found for all probes, but for those that are peaked.
    fn end_streamed(&mut self) -> Result<()> {
        for b in 0..self.call.probes.rows() {
            let state = self.context.memory.states[b];
            let chosen = self.work.choice.strategies[b] == Strategy::Streaming;
            if chosen || self.is_streamed(b, state)? {
                let choice = &mut self.work.choice;
                (choice.strategies[b], choice.done[b]) = (Strategy::Streaming, true);
            }
        }
        Ok(())
    }

    /// Recalls the probes that still have this strategy to take.
    fn round(&mut self, strategy: Strategy) -> Result<()> {
        let batch = self.call.probes.rows();
        match self.work.choice.of(strategy).count() {
            0 => return Ok(()),
            all if all == batch => self.in_place(strategy)?,
            _ => self.some(strategy)?,
        }
        let Work { choice, gathered, sparse, .. } = &mut *self.work;
        let all = gathered.which.is_empty();
        let count = if all { batch } else { gathered.which.len() };
        for at in 0..count {
            let b = if all { at } else { gathered.which[at] };
            let streamed = || sparse.supports.facts[at].kind == Kind::Streamed;
            match strategy {
                Strategy::Peaked if streamed() => choice.strategies[b] = Strategy::Streaming,
                _ => choice.done[b] = true,
            }
        }
        Ok(())
    }

    /// Recalls all probes by one strategy.
    fn in_place(&mut self, strategy: Strategy) -> Result<()> {
        let Self { call, scoring, outputs, work, context } = self;
        work.gathered.which.clear();
        if strategy == Strategy::Streaming {
            return call.dense(outputs.reborrow(), scoring, &mut work.lse, context);
        }
        let sample = Sample { call, scoring, level: context.level()? };
        let mut choice = std::mem::take(&mut work.choice);
        let mut leaves_out = |b, row_max| choice.is_open && sample.streams(b, row_max, &mut choice);
        let result = call.peaked(outputs.reborrow(), scoring, work, context, &mut leaves_out);
        work.choice = choice;
        result
    }

    /// Recalls the probes that still have this strategy to take, which are not all.
    fn some(&mut self, strategy: Strategy) -> Result<()> {
        let batch = self.call.probes.rows();
        // Room for all: the next recall may stream them all.
        let shared = self.call.shared(Streaming::GIVEN, self.scoring, self.context.level()?);
        let parallelism = self.context.parallelism();
        reserve(&shared, batch, parallelism, &mut self.context.memory)?;
        grow!(self.work.lse, batch as u64, T::ZERO);
        let mut gathered = std::mem::take(&mut self.work.gathered);
        gathered.states.clear();
        gathered.states.extend_from_slice(&self.context.memory.states[..batch]);
        gathered.which.clear();
        gathered.which.reserve(batch);
        gathered.which.extend(self.work.choice.of(strategy));
        self.call.gather(&mut gathered, &self.outputs);
        self.work.sparse.whole = batch;
        let result = self.recall_gathered(strategy, &mut gathered);
        self.work.sparse.whole = 0;
        if result.is_ok() {
            gathered.scatter(&mut self.outputs);
            for (&b, state) in gathered.which.iter().zip(&self.context.memory.states) {
                gathered.states[b] = *state;
            }
            self.context.memory.reserve(0, batch as u64, 0)?;
            self.context.memory.states[..batch].copy_from_slice(&gathered.states);
        }
        self.work.gathered = gathered;
        result
    }

    /// Recalls the probes that have been gathered.
    fn recall_gathered(&mut self, strategy: Strategy, gathered: &mut Gathered<T>) -> Result<()> {
        let Self { call: of, scoring: all, outputs, work, context } = self;
        let Gathered { which, probes, biases, masks, hints, factors, .. } = gathered;
        let Gathered { matrices, elements, best, support, .. } = gathered;
        let (count, patterns) = (which.len(), of.memory.patterns());
        let given = of.retrieval;
        let retrieval = Retrieval {
            biases: given.biases.map(|_| MatRef::new(biases, count, patterns)).transpose()?,
            masks: given.masks.map(|_| MatRef::new(masks, count, patterns)).transpose()?,
            hints: given.hints.map(|_| &hints[..]),
            ..*given
        };
        let probes = MatRef::new(probes, count, of.memory.dim())?;
        let call = Call { retrieval: &retrieval, probes, memory: of.memory };
        factors.prepare(retrieval.similarity, probes, of.memory)?;
        let scoring = &call.scoring(factors);
        let [retrieved, similarities, memory_weights] = matrices;
        let matrix = |elements, wanted: &Option<MatMut<'_, T>>| {
            let cols = wanted.as_ref().map(MatMut::cols);
            cols.map(|cols| MatMut::new(elements, count, cols)).transpose()
        };
        let [lse, energy, entropy, best_weight] = elements;
        let some = Outputs {
            retrieved: matrix(retrieved, &outputs.retrieved)?,
            similarities: matrix(similarities, &outputs.similarities)?,
            memory_weights: matrix(memory_weights, &outputs.memory_weights)?,
            lse: outputs.lse.as_ref().map(|_| &mut lse[..]),
            energy: outputs.energy.as_ref().map(|_| &mut energy[..]),
            entropy: outputs.entropy.as_ref().map(|_| &mut entropy[..]),
            best_weight: outputs.best_weight.as_ref().map(|_| &mut best_weight[..]),
            best: outputs.best.as_ref().map(|_| &mut best[..]),
            support: outputs.support.as_ref().map(|_| &mut support[..]),
            ..Outputs::default()
        };
        if strategy == Strategy::Streaming {
            return call.dense(some, scoring, &mut work.lse, context);
        }
        let sample = Sample { call: of, scoring: all, level: context.level()? };
        let mut choice = std::mem::take(&mut work.choice);
        let mut leaves_out =
            |at: usize, row_max| choice.is_open && sample.streams(which[at], row_max, &mut choice);
        let result = call.peaked(some, scoring, work, context, &mut leaves_out);
        work.choice = choice;
        result
    }
}

/// The softmax state from which the weights of a probe's support follow.
fn state_of<T: Element>(supports: &Supports<T>, b: usize) -> State<T> {
    let fact = &supports.facts[b];
    let range = supports.range(b);
    match (fact.kind, fact.best) {
        (Kind::NotFinite, _) => State { row_sum: T::NAN, shift: T::ZERO, ..State::EMPTY },
        (Kind::Proper, Some(best)) => {
            let at = supports.indices[range.clone()].binary_search(&(best as u32));
            let highest = at.map_or(T::ZERO, |at| supports.scores[range.start + at]);
            State {
                shift: highest,
                row_max: highest,
                row_sum: T::from_f64(1.0 / fact.best_weight),
                best,
                support: range.len(),
                ..State::EMPTY
            }
        }
        _ => State::EMPTY,
    }
}
