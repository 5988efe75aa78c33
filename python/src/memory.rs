//! The memory of Python: patterns of either type of elements.

use std::path::PathBuf;
use std::sync::Arc;

use hopfield_kernels::{Context, Element, MatRef, Memory, Precision, Usage};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::arrays::{Number, Rows, matrix};
use crate::backward::{Upstream, backward};
use crate::counting::reset_counters;
use crate::growth::{self, Rules, grow};
use crate::kept::Kept;
use crate::learning::{Rule, learn};
use crate::recall::{Walk, recall};
use crate::refused;
use crate::resident::Resident;
use crate::retrieve::{retrieve, top_k};
use crate::store::{self, Store};
use crate::weighing::{Weighing, screening_of};

/// The same work for either type.
macro_rules! with {
    ($store:expr, $kept:ident => $work:expr) => {
        match &*$store {
            Resident::Single($kept) => $work,
            Resident::Double($kept) => $work,
        }
    };
}

/// The memory, without the conveniences of the Python class.
#[pyclass(frozen, subclass, name = "Memory", module = "hopfield_kernels._core")]
pub struct PyMemory {
    store: Arc<Resident>,
}

#[pymethods]
impl PyMemory {
    /// Of what has been stored.
    #[new]
    fn new(store: &Store) -> Self {
        Self { store: Arc::clone(&store.0) }
    }

    /// The type in which patterns are stored.
    #[getter]
    fn precision(&self, py: Python<'_>) -> &'static str {
        let full = if self.is_double() { "float64" } else { "float32" };
        match with!(self.store, kept => kept.read(py, 0, |state, _| state.memory.precision())) {
            Precision::Bf16 => "bfloat16",
            Precision::F16 => "float16",
            _ => full,
        }
    }

    /// How codes of the patterns are stored, if there are any.
    #[getter]
    fn codes(&self, py: Python<'_>) -> Option<&'static str> {
        let codes = with!(self.store, kept => kept.read(py, 0, |state, _| state.memory.codes()));
        codes.map(store::name)
    }

    /// Saves patterns and values as the name's ending says.
    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        with!(self.store, kept => {
            kept.read(py, 0, |state, _| state.memory.save(&path)).map_err(refused)
        })
    }

    /// Whether elements are float64.
    #[getter]
    fn is_double(&self) -> bool {
        matches!(*self.store, Resident::Double(_))
    }

    /// How many probes are recalled at once, so that a call of many can be interrupted.
    #[getter]
    fn at_once(&self, py: Python<'_>) -> usize {
        with!(self.store, kept => kept.read(py, 0, |state, _| state.at_once()))
    }

    /// A number by which programs of JAX find the memory, for as long as it lives.
    fn share(&self) -> i64 {
        self.store.share()
    }

    /// ‖m_n‖² of every pattern.
    fn squared_norms<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        with!(self.store, kept => {
            let norms = kept.read(py, 0, |state, _| state.memory.squared_norms().to_vec());
            numpy::PyArray1::from_vec(py, norms).into_any()
        })
    }

    /// max_d Σ_n M[n,d]².
    fn feature_norm(&self, py: Python<'_>) -> PyResult<f64> {
        with!(self.store, kept => {
            let norm = kept.read(py, 0, |state, _| state.feature_norm());
            Ok(norm.map_err(PyValueError::new_err)?.to_f64())
        })
    }

    /// Replaces all patterns.
    fn set_patterns(&self, py: Python<'_>, patterns: &Bound<'_, PyAny>) -> PyResult<()> {
        with!(self.store, kept => set_patterns(py, kept, patterns))
    }

    /// How often the memory has changed.
    #[getter]
    fn version(&self, py: Python<'_>) -> u64 {
        with!(self.store, kept => kept.read(py, 0, |state, _| state.version))
    }

    /// N and D.
    #[getter]
    fn shape(&self, py: Python<'_>) -> (usize, usize) {
        with!(self.store, kept => kept.read(py, 0, |state, _| {
            (state.memory.patterns(), state.memory.dim())
        }))
    }

    /// E, if there are values.
    #[getter]
    fn value_dim(&self, py: Python<'_>) -> Option<usize> {
        with!(self.store, kept => kept.read(py, 0, |state, _| state.memory.value_dim()))
    }

    /// N.
    fn __len__(&self, py: Python<'_>) -> usize {
        self.shape(py).0
    }

    /// A copy of the patterns (N x D).
    fn copy_patterns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        with!(self.store, kept => {
            let (rows, shape) = kept.read(py, 0, |state, _| {
                (state.memory.to_rows(), (state.memory.patterns(), state.memory.dim()))
            });
            matrix(py, false, rows, shape)
        })
    }

    /// A copy of one pattern (D).
    fn copy_pattern<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        with!(self.store, kept => {
            let row = kept.read(py, 0, |state, _| {
                let mut row = vec![Default::default(); state.memory.dim()];
                state.memory.copy_pattern(index, &mut row).map(|()| row)
            });
            let row = row.map_err(refused)?;
            let shape = (1, row.len());
            matrix(py, true, row, shape)
        })
    }

    /// A copy of the values (N x E), if there are any.
    fn copy_values<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        with!(self.store, kept => {
            let copy = kept.read(py, 0, |state, _| state.memory.values().map(copied));
            copy.map(|(rows, shape)| matrix(py, false, rows, shape)).transpose()
        })
    }

    /// Appends patterns and their values.
    #[pyo3(signature = (patterns, values=None))]
    fn append(
        &self,
        py: Python<'_>,
        patterns: &Bound<'_, PyAny>,
        values: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        with!(self.store, kept => append(py, kept, patterns, values))
    }

    /// Removes patterns by their indices.
    fn remove_indices(&self, py: Python<'_>, indices: Vec<usize>) -> PyResult<()> {
        with!(self.store, kept => kept.write(py, 0, |state, _| {
            state.memory.remove(&indices).map_err(refused)?;
            // What is left of it would be that of other patterns.
            state.usage = Usage::new();
            Ok(())
        }))
    }

    /// Replaces one pattern.
    fn set_pattern(
        &self,
        py: Python<'_>,
        index: usize,
        pattern: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        with!(self.store, kept => set_pattern(py, kept, index, pattern))
    }

    /// One step of recall: softmax(β X Mᵀ) M, or V in place of the last M of a memory with values.
    ///
    /// Probes are (B, D) or (D,); the result has a row for each. `screening` is "auto", "never" or
    /// "always", on which results depend by roundings at most. See `recall` for everything else
    /// that a recall can tell.
    #[pyo3(signature = (probes, beta, *, screening="auto"))]
    fn retrieve<'py>(
        &self,
        py: Python<'py>,
        probes: &Bound<'py, PyAny>,
        beta: f64,
        screening: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let screening = screening_of(screening)?;
        reset_counters();
        with!(self.store, kept => retrieve(py, kept, probes, (beta, screening)))
    }

    /// Indices and similarities of the k most similar patterns.
    fn top_k<'py>(
        &self,
        py: Python<'py>,
        probes: &Bound<'py, PyAny>,
        k: usize,
    ) -> PyResult<Bound<'py, PyTuple>> {
        with!(self.store, kept => top_k(py, kept, probes, k))
    }

    /// A recall: a dictionary of what is wanted, and what `backward` and `learn` need.
    #[pyo3(signature = (probes, weighing, walk, want, out=None))]
    fn run_recall<'py>(
        &self,
        probes: &Bound<'py, PyAny>,
        weighing: &Bound<'py, Weighing>,
        walk: Walk,
        want: Vec<String>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        with!(self.store, kept => recall(kept, (probes, weighing), walk, &want, out))
    }

    /// The gradients of a recall: a dictionary.
    fn run_backward<'py>(
        &self,
        probes: &Bound<'py, PyAny>,
        weighing: &Bound<'py, Weighing>,
        steps: Option<usize>,
        upstream: Upstream<'py>,
        version: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        reset_counters();
        with!(self.store, kept => backward(kept, (probes, weighing), steps, &upstream, version))
    }

    /// Stores the probes that are new: a list of what became of each.
    fn run_grow<'py>(
        &self,
        probes: &Bound<'py, PyAny>,
        values: Option<&Bound<'py, PyAny>>,
        weighing: &Bound<'py, Weighing>,
        rules: Rules,
    ) -> PyResult<Bound<'py, PyList>> {
        reset_counters();
        with!(self.store, kept => grow(kept, (probes, values), weighing, &rules))
    }

    /// How much each pattern is used: a running mean of its memory weight over the calls of `grow`.
    #[getter]
    fn usage<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        with!(self.store, kept => growth::usage(py, kept))
    }

    /// Learns from a recall of `probes`.
    fn run_learn(
        &self,
        probes: &Bound<'_, PyAny>,
        weighing: &Bound<'_, Weighing>,
        rule: Rule,
        version: u64,
    ) -> PyResult<()> {
        reset_counters();
        with!(self.store, kept => learn(kept, (probes, weighing), &rule, version))
    }
}

impl PyMemory {
    /// Calls `single` or `double` with the memory, whichever it is.
    pub fn read<R: Send>(
        &self,
        py: Python<'_>,
        single: impl FnOnce(&Memory<f32>, &mut Context<f32>) -> R + Send,
        double: impl FnOnce(&Memory<f64>, &mut Context<f64>) -> R + Send,
    ) -> R {
        match &*self.store {
            Resident::Single(kept) => {
                kept.read(py, 0, |state, context| single(&state.memory, context))
            }
            Resident::Double(kept) => {
                kept.read(py, 0, |state, context| double(&state.memory, context))
            }
        }
    }
}

/// The elements of a matrix, row after row, and its shape.
fn copied<T: Number>(rows: MatRef<'_, T>) -> (Vec<T>, (usize, usize)) {
    (rows.iter().flatten().copied().collect(), (rows.rows(), rows.cols()))
}

fn append<T: Number>(
    py: Python<'_>,
    kept: &Kept<T>,
    patterns: &Bound<'_, PyAny>,
    values: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let patterns = Rows::<T>::new("patterns", patterns)?;
    let values = values.map(|values| Rows::<T>::new("values", values)).transpose()?;
    let rows = patterns.view()?;
    let values = values.as_ref().map(Rows::view).transpose()?;
    kept.write(py, 0, |state, _| state.memory.append(rows, values).map(drop).map_err(refused))
}

fn set_patterns<T: Number>(
    py: Python<'_>,
    kept: &Kept<T>,
    patterns: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let patterns = Rows::<T>::new("patterns", patterns)?;
    let rows = patterns.view()?;
    kept.write(py, 0, |state, _| state.memory.set_rows(rows).map_err(refused))
}

fn set_pattern<T: Number>(
    py: Python<'_>,
    kept: &Kept<T>,
    index: usize,
    pattern: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let pattern = Rows::<T>::new("pattern", pattern)?;
    if !pattern.is_flat() {
        return Err(PyValueError::new_err("pattern: expected 1 dimension, got 2"));
    }
    let pattern = pattern.view()?.row(0);
    kept.write(py, 0, |state, _| state.memory.set_pattern(index, pattern).map_err(refused))
}
