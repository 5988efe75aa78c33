//! One step of recall, and the most similar patterns.

use hopfield_kernels::{Error, MatMut, Outputs, Retrieval, Screening};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays::{Number, Rows, matrix};
use crate::kept::Kept;
use crate::refused;

/// softmax(β X Mᵀ) M, or V in place of the last M.
pub fn retrieve<'py, T: Number>(
    py: Python<'py>,
    kept: &Kept<T>,
    probes: &Bound<'py, PyAny>,
    (beta, screening): (f64, Screening),
) -> PyResult<Bound<'py, PyAny>> {
    let probes = Rows::<T>::new("probes", probes)?;
    let rows = probes.view()?;
    let batch = rows.rows();
    let (mut retrieved, mut cols, mut version) = (Vec::new(), 0, None);
    let mut done = 0;
    // Many probes are recalled in parts, between which signals are handled.
    while done < batch || version.is_none() {
        let part = kept.read(py, batch - done, |state, context| {
            let memory = &state.memory;
            let end = batch.min(done + state.at_once());
            cols = memory.value_dim().unwrap_or(memory.dim());
            if *version.get_or_insert(state.version) != state.version {
                let message = "memory: expected no change during a call, got one";
                return Err(PyValueError::new_err(message));
            }
            if done == 0 {
                retrieved = vec![T::ZERO; batch * cols];
            }
            let mut to = MatMut::new(&mut retrieved, batch, cols).map_err(refused)?;
            let outputs = Outputs::new().with_retrieved(to.rows_mut(done..end));
            let retrieval = Retrieval::new(T::from_f64(beta)).with_screening(screening);
            retrieval.run(rows.subrows(done..end), memory, outputs, context).map_err(refused)?;
            Ok(end)
        });
        done = part?;
        if done < batch {
            py.check_signals()?;
        }
    }
    matrix(py, probes.is_flat(), retrieved, (batch, cols))
}

/// Indices and similarities of the k most similar patterns.
pub fn top_k<'py, T: Number>(
    py: Python<'py>,
    kept: &Kept<T>,
    probes: &Bound<'py, PyAny>,
    k: usize,
) -> PyResult<Bound<'py, PyTuple>> {
    let probes = Rows::<T>::new("probes", probes)?;
    let (rows, flat) = (probes.view()?, probes.is_flat());
    let batch = rows.rows();
    let found = kept.read(py, batch, |state, context| {
        if k > state.memory.patterns() {
            let (name, expected) = ("k", "at most the number of patterns");
            return Err(Error::Count { name, expected, found: k });
        }
        let (mut indices, mut scores) = (vec![None; batch * k], vec![T::ZERO; batch * k]);
        let to = MatMut::new(&mut indices, batch, k)?;
        let to_scores = MatMut::new(&mut scores, batch, k)?;
        hopfield_kernels::top_k(rows, &state.memory, to, to_scores, &mut *context)?;
        Ok((indices, scores))
    });
    let (indices, scores) = found.map_err(refused)?;
    // No pattern at all is -1.
    let index = |index: Option<usize>| index.map_or(-1, |index| index as i64);
    let indices: Vec<i64> = indices.into_iter().map(index).collect();
    let shape = (batch, k);
    PyTuple::new(py, [matrix(py, flat, indices, shape)?, matrix(py, flat, scores, shape)?])
}
