//! Room for the outputs of a recall that are wanted.

use hopfield_kernels::{MatMut, Outputs, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Number, matrix, per_probe};

/// How many probes and patterns there are, and how wide a row is that is retrieved.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub batch: usize,
    pub patterns: usize,
    pub width: usize,
}

/// The outputs, but for the one that is retrieved. Those that are not wanted have no room.
#[derive(Default)]
pub struct Room<T> {
    similarities: Option<Vec<T>>,
    memory_weights: Option<Vec<T>>,
    lse: Option<Vec<T>>,
    pub energy: Option<Vec<T>>,
    entropy: Option<Vec<T>>,
    best: Option<Vec<Option<usize>>>,
    best_weight: Option<Vec<T>>,
    support: Option<Vec<usize>>,
    second: Option<Vec<T>>,
    sum_p2: Option<Vec<T>>,
    spread: Option<Vec<T>>,
    k90: Option<Vec<usize>>,
    usage: Option<Vec<T>>,
}

impl<T: Number> Room<T> {
    /// Room for the outputs that are named.
    pub fn new(want: &[String], sizes: Sizes) -> Self {
        let wanted = |name: &str| want.iter().any(|want| want == name);
        let numbers = |name, count| wanted(name).then(|| vec![T::ZERO; count]);
        let counts = |name| wanted(name).then(|| vec![0; sizes.batch]);
        let (batch, each) = (sizes.batch, sizes.batch * sizes.patterns);
        Self {
            similarities: numbers("similarities", each),
            memory_weights: numbers("memory_weights", each),
            lse: numbers("lse", batch),
            energy: numbers("energy", batch),
            entropy: numbers("entropy", batch),
            best: wanted("best").then(|| vec![None; sizes.batch]),
            best_weight: numbers("best_weight", batch),
            support: counts("support"),
            second: numbers("second", batch),
            sum_p2: numbers("sum_p2", batch),
            spread: numbers("spread", batch),
            k90: counts("k90"),
            usage: numbers("usage", sizes.patterns),
        }
    }

    /// What a recall writes to.
    pub fn outputs<'a>(
        &'a mut self,
        sizes: Sizes,
        retrieved: Option<MatMut<'a, T>>,
    ) -> Result<Outputs<'a, T>> {
        let matrix = |rows: &'a mut Option<Vec<T>>| {
            rows.as_mut().map(|rows| MatMut::new(rows, sizes.batch, sizes.patterns)).transpose()
        };
        let mut outputs = Outputs::new()
            .with_retrieved(retrieved)
            .with_similarities(matrix(&mut self.similarities)?)
            .with_memory_weights(matrix(&mut self.memory_weights)?);
        outputs.lse = self.lse.as_deref_mut();
        outputs.energy = self.energy.as_deref_mut();
        outputs.entropy = self.entropy.as_deref_mut();
        outputs.best = self.best.as_deref_mut();
        outputs.best_weight = self.best_weight.as_deref_mut();
        outputs.support = self.support.as_deref_mut();
        outputs.second = self.second.as_deref_mut();
        outputs.sum_p2 = self.sum_p2.as_deref_mut();
        outputs.spread = self.spread.as_deref_mut();
        outputs.k90 = self.k90.as_deref_mut();
        outputs.usage = self.usage.as_deref_mut();
        Ok(outputs)
    }

    /// The outputs as arrays, by name.
    pub fn write(self, to: &Bound<'_, PyDict>, flat: bool, sizes: Sizes) -> PyResult<()> {
        let py = to.py();
        let rows = [("similarities", self.similarities), ("memory_weights", self.memory_weights)];
        for (name, rows) in rows {
            let Some(rows) = rows else { continue };
            to.set_item(name, matrix(py, flat, rows, (sizes.batch, sizes.patterns))?)?;
        }
        let numbers = [
            ("lse", self.lse),
            ("energy", self.energy),
            ("entropy", self.entropy),
            ("best_weight", self.best_weight),
            ("second", self.second),
            ("sum_p2", self.sum_p2),
            ("spread", self.spread),
        ];
        for (name, numbers) in numbers {
            let Some(numbers) = numbers else { continue };
            to.set_item(name, per_probe(py, flat, numbers)?)?;
        }
        if let Some(best) = self.best {
            // No pattern at all is -1.
            let index = |best: Option<usize>| best.map_or(-1, |best| best as i64);
            let best: Vec<i64> = best.into_iter().map(index).collect();
            to.set_item("best", per_probe(py, flat, best)?)?;
        }
        for (name, counts) in [("support", self.support), ("k90", self.k90)] {
            let Some(counts) = counts else { continue };
            let counts: Vec<i64> = counts.into_iter().map(|count| count as i64).collect();
            to.set_item(name, per_probe(py, flat, counts)?)?;
        }
        match self.usage {
            // The sum over the probes has no row for each.
            Some(usage) => to.set_item("usage", per_probe(py, false, usage)?),
            None => Ok(()),
        }
    }
}
