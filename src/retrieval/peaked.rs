//! Softmax recall by the strategy of each probe.

use crate::driver::outputs::Outputs;
use crate::driver::sparse::{Kind, Supports};
use crate::error::Result;
use crate::matrix::{MatMut, MatRef};
use crate::retrieval::call::Call;
use crate::retrieval::work::{Gathered, Work};
use crate::retrieval::{Context, Retrieval};
use crate::separation::state::State;
use crate::simd::Element;
use crate::similarity::scoring::Scoring;

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
            true => self.softmax(outputs, scoring, work, context),
            false => self.sparse(outputs, scoring, work, context),
        }
    }

    /// By a softmax.
    pub fn softmax(
        &self,
        outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let level = context.level()?;
        self.choose(scoring, level, &mut context.choice)?;
        let (batch, peaked) = (self.probes.rows(), context.choice.count());
        if peaked == 0 {
            return self.streaming(outputs, scoring, work, context);
        }
        if peaked == batch {
            return self.peaked(outputs, scoring, work, context);
        }
        let mut gathered = std::mem::take(&mut work.gathered);
        let result = self.both(outputs, &mut gathered, work, context);
        work.gathered = gathered;
        result
    }

    fn streaming(
        &self,
        outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        context.counters.add_dense(self.probes.rows());
        self.dense(outputs, scoring, &mut work.lse, context)
    }

    /// Computes all scores first, and then the weights of those within the width below the highest.
    /// Leaves the states that a streaming recall would, up to roundings.
    fn peaked(
        &self,
        outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        self.sparse(outputs, scoring, work, context)?;
        let batch = self.probes.rows();
        context.memory.reserve(0, batch as u64, 0)?;
        let supports = &work.sparse.supports;
        for (b, state) in context.memory.states[..batch].iter_mut().enumerate() {
            *state = state_of(supports, b);
        }
        Ok(())
    }

    /// The streamed probes, and then the peaked ones.
    fn both(
        &self,
        mut outputs: Outputs<'_, T>,
        gathered: &mut Gathered<T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let batch = self.probes.rows();
        let mut states = std::mem::take(&mut gathered.states);
        states.clear();
        states.resize(batch, State::EMPTY);
        for peaked in [false, true] {
            let choice = context.choice.peaked.iter().enumerate();
            gathered.which.clear();
            gathered.which.reserve(batch);
            gathered.which.extend(choice.filter(|(_, p)| **p == peaked).map(|(b, _)| b));
            gathered.peaked = peaked;
            self.gather(gathered, &outputs);
            self.some(gathered, &outputs, work, context)?;
            gathered.scatter(&mut outputs);
            for (&b, state) in gathered.which.iter().zip(&context.memory.states) {
                states[b] = *state;
            }
        }
        context.memory.reserve(0, batch as u64, 0)?;
        context.memory.states[..batch].copy_from_slice(&states);
        gathered.states = states;
        Ok(())
    }

    /// Copies the rows of the probes that have been chosen, and makes room for their outputs.
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

    /// Recalls the probes that have been gathered.
    fn some(
        &self,
        gathered: &mut Gathered<T>,
        outputs: &Outputs<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Gathered { which, probes, biases, masks, hints, factors, .. } = gathered;
        let Gathered { matrices, elements, best, support, .. } = gathered;
        let (count, patterns) = (which.len(), self.memory.patterns());
        let given = self.retrieval;
        let retrieval = Retrieval {
            biases: given.biases.map(|_| MatRef::new(biases, count, patterns)).transpose()?,
            masks: given.masks.map(|_| MatRef::new(masks, count, patterns)).transpose()?,
            hints: given.hints.map(|_| &hints[..]),
            ..*given
        };
        let probes = MatRef::new(probes, count, self.memory.dim())?;
        let call = Call { retrieval: &retrieval, probes, memory: self.memory };
        factors.prepare(retrieval.similarity, probes, self.memory)?;
        let scoring = call.scoring(factors);
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
        match gathered.peaked {
            true => call.peaked(some, &scoring, work, context),
            false => call.streaming(some, &scoring, work, context),
        }
    }
}

impl<T: Element> Gathered<T> {
    /// Copies the outputs of the gathered probes to their places.
    fn scatter(&self, outputs: &mut Outputs<'_, T>) {
        let matrices =
            [&mut outputs.retrieved, &mut outputs.similarities, &mut outputs.memory_weights];
        for (from, to) in self.matrices.iter().zip(matrices) {
            let Some(to) = to else { continue };
            for (row, &b) in from.chunks_exact(to.cols()).zip(&self.which) {
                to.row_mut(b).copy_from_slice(row);
            }
        }
        let elements =
            [&mut outputs.lse, &mut outputs.energy, &mut outputs.entropy, &mut outputs.best_weight];
        for (from, to) in self.elements.iter().zip(elements) {
            let Some(to) = to else { continue };
            self.which.iter().zip(from).for_each(|(&b, &x)| to[b] = x);
        }
        if let Some(to) = &mut outputs.best {
            self.which.iter().zip(&self.best).for_each(|(&b, &best)| to[b] = best);
        }
        if let Some(to) = &mut outputs.support {
            self.which.iter().zip(&self.support).for_each(|(&b, &support)| to[b] = support);
        }
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
