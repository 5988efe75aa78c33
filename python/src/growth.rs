//! Growth: probes that are new to a memory become patterns.

use hopfield_kernels::{Error, Event, Growth, GrowthInput, WhenFull};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::arrays::{Number, Rows};
use crate::kept::{Kept, Versioned};
use crate::refused;
use crate::weighing::{Borrowed, Weighing};

/// When a probe is new, and what happens where the memory is full, as Python gives them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Rules {
    capacity: usize,
    vigilance: Option<f64>,
    energy: Option<f64>,
    residual: Option<f64>,
    best_weight: Option<f64>,
    when_full: String,
    forgetting: f64,
}

impl Rules {
    /// How many recalls a probe takes, at most, of a memory of so many patterns.
    fn recalls(&self, patterns: usize) -> usize {
        let pairs = if self.when_full == "merge_nearest" { patterns } else { 0 };
        3 + pairs
    }

    /// The crate's growth.
    pub fn growth<T: Number>(&self) -> hopfield_kernels::Result<Growth<T>> {
        let when_full = match self.when_full.as_str() {
            "refuse" => WhenFull::Refuse,
            "replace_least_used" => WhenFull::ReplaceLeastUsed,
            "replace_oldest" => WhenFull::ReplaceOldest,
            "merge_nearest" => WhenFull::MergeNearest,
            found => {
                let known = "refuse, replace_least_used, replace_oldest, merge_nearest";
                return Err(Error::Unknown { what: "when_full", known, found: found.to_string() });
            }
        };
        let mut growth =
            Growth::new(self.capacity).when_full(when_full).forgetting(self.forgetting);
        if let Some(least) = self.vigilance {
            growth = growth.vigilance(T::from_f64(least));
        }
        if let Some(most) = self.energy {
            growth = growth.energy(T::from_f64(most));
        }
        if let Some(most) = self.residual {
            growth = growth.residual(T::from_f64(most));
        }
        if let Some(least) = self.best_weight {
            growth = growth.best_weight(T::from_f64(least));
        }
        Ok(growth)
    }
}

/// Events as tuples of a name, an index and the index that was freed; -1 where there is none.
pub fn named<'py>(py: Python<'py>, events: &[Event]) -> PyResult<Bound<'py, PyList>> {
    let of = |event: &Event| match *event {
        Event::Known(index) => ("known", index as i64, -1),
        Event::Appended(index) => ("appended", index as i64, -1),
        Event::Replaced(index) => ("replaced", index as i64, -1),
        Event::Merged { kept, freed } => ("merged", kept as i64, freed as i64),
        Event::NotANumber => ("not_a_number", -1, -1),
        _ => ("refused", -1, -1),
    };
    PyList::new(py, events.iter().map(of))
}

/// Stores the probes that are new, with their values.
pub fn grow<'py, T: Number>(
    kept: &Kept<T>,
    (probes, values): (&Bound<'py, PyAny>, Option<&Bound<'py, PyAny>>),
    weighing: &Bound<'py, Weighing>,
    rules: &Rules,
) -> PyResult<Bound<'py, PyList>> {
    let py = probes.py();
    let probes = Rows::<T>::new("probes", probes)?;
    let values = values.map(|values| Rows::<T>::new("values", values)).transpose()?;
    let values = values.as_ref().map(Rows::view).transpose()?;
    let input = GrowthInput::new(probes.view()?).with_values(values);
    let batch = input.probes.rows();
    let borrowed = Borrowed::<T>::new(py, weighing.get())?;
    let retrieval = borrowed.views(weighing.get())?.retrieval();
    let growth = rules.growth::<T>().map_err(refused)?;
    let recalls =
        batch.saturating_mul(rules.recalls(kept.read(py, 0, |state, _| state.patterns())));
    let events = kept.write_long(py, recalls, |state, context| {
        let is_long = state.is_long(recalls);
        let Versioned { memory, usage, .. } = state;
        if !is_long {
            return growth.grow(&retrieval, input, memory, usage, context).map_err(refused);
        }
        // A call that is interrupted leaves the memory as it was.
        let (mut grown, mut used) = (memory.clone(), usage.clone());
        let events = growth.grow(&retrieval, input, &mut grown, &mut used, context);
        let events = events.map_err(refused)?;
        (*memory, *usage) = (grown, used);
        Ok(events)
    })?;
    named(py, &events)
}

/// The running mean of each pattern's memory weight.
pub fn usage<'py, T: Number>(py: Python<'py>, kept: &Kept<T>) -> Bound<'py, PyAny> {
    let usage = kept.read(py, 0, |state, _| {
        let mut usage = state.usage.usage().to_vec();
        usage.resize(state.memory.patterns(), 0.0);
        usage
    });
    PyArray1::from_vec(py, usage).into_any()
}
