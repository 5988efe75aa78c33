//! Some probes of a batch that are recalled by themselves: copies of their rows, and their outputs.

use crate::driver::outputs::Outputs;
use crate::retrieval::factors::Factors;
use crate::separation::state::State;
use crate::simd::Element;

/// Copies of some probes, and their outputs, in memory that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Gathered<T> {
    /// Which probes of the batch they are; none if the whole batch is recalled in place.
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

impl<T: Element> Gathered<T> {
    /// Copies the outputs of the gathered probes to their places.
    pub fn scatter(&self, outputs: &mut Outputs<'_, T>) {
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
