//! Recalls from arrays that are read where they are, without a memory that keeps them.

use std::ops::Range;

use hopfield_kernels::{
    Borrowed, Context, Element, MatMut, MatRef, Memory, Outputs, Result, Upstream,
};
use numpy::PyArrayDyn;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Rows, matrix};
use crate::backward::Pass;
use crate::places::{Placed, with_parallelism};
use crate::refused;
use crate::threads::Turn;
use crate::watch::{AT_ONCE, watched};
use crate::weighing::{self, Views, Weighing};

/// Patterns, and values if there are any.
type Stored<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// What is retrieved from probes (B x D) in some steps. All arrays are of the type of the probes.
#[pyfunction]
pub fn retrieve_rows<'py>(
    stored: Stored<'py>,
    probes: &Bound<'py, PyAny>,
    weighing: &Bound<'py, Weighing>,
    steps: usize,
) -> PyResult<Bound<'py, PyAny>> {
    match probes.cast::<PyArrayDyn<f64>>() {
        Ok(_) => retrieve::<f64>(&stored, probes, weighing, steps),
        Err(_) => retrieve::<f32>(&stored, probes, weighing, steps),
    }
}

/// The gradients of the same, by name, from that with respect to what is retrieved.
#[pyfunction]
pub fn backward_rows<'py>(
    stored: Stored<'py>,
    probes: &Bound<'py, PyAny>,
    weighing: &Bound<'py, Weighing>,
    steps: usize,
    gradient: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    match probes.cast::<PyArrayDyn<f64>>() {
        Ok(_) => backward::<f64>(&stored, probes, weighing, steps, gradient),
        Err(_) => backward::<f32>(&stored, probes, weighing, steps, gradient),
    }
}

fn retrieve<'py, T: Placed>(
    stored: &Stored<'py>,
    probes: &Bound<'py, PyAny>,
    weighing: &Bound<'py, Weighing>,
    steps: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let py = probes.py();
    let (arrays, probes) = (Arrays::<T>::new(stored)?, Rows::<T>::new("probes", probes)?);
    let (lent, rows) = (arrays.lent()?, probes.view()?);
    let borrowed = weighing::Borrowed::<T>::new(py, weighing.get())?;
    let views = borrowed.views(weighing.get())?;
    let (batch, width) = (rows.rows(), lent.value_dim().unwrap_or(lent.dim()));
    let mut retrieved = vec![T::ZERO; batch * width];
    let each = at_once(&lent);
    run(py, batch.saturating_mul(steps), &lent, |memory, context| {
        for start in (0..batch).step_by(each) {
            let part = start..batch.min(start + each);
            let mut to = MatMut::new(&mut retrieved, batch, width)?;
            let to = to.rows_mut(part.clone());
            walk((views, rows), (part, steps), memory, to, context)?;
        }
        // Refuses what does not fit where there is nothing to recall.
        let none = views.part(0..0).retrieval();
        none.run(rows.subrows(0..0), memory, Outputs::new(), context)
    })?;
    matrix(py, probes.is_flat(), retrieved, (batch, width))
}

/// Updates some of the probes, and retrieves at the last step.
fn walk<T: Placed>(
    (views, rows): (Views<'_, T>, MatRef<'_, T>),
    (part, steps): (Range<usize>, usize),
    memory: &Memory<T>,
    to: MatMut<'_, T>,
    context: &mut Context<T>,
) -> Result<()> {
    let (views, rows) = (views.part(part.clone()), rows.subrows(part));
    let (retrieval, outputs) = (views.retrieval(), Outputs::new().with_retrieved(to));
    if steps <= 1 {
        return retrieval.run(rows, memory, outputs, context);
    }
    let mut states: Vec<T> = rows.iter().flatten().copied().collect();
    for _ in 1..steps {
        retrieval.apply_with(memory, &mut states, context)?;
    }
    retrieval.run(MatRef::new(&states, rows.rows(), rows.cols())?, memory, outputs, context)
}

fn backward<'py, T: Placed>(
    stored: &Stored<'py>,
    probes: &Bound<'py, PyAny>,
    weighing: &Bound<'py, Weighing>,
    steps: usize,
    gradient: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = probes.py();
    let (arrays, probes) = (Arrays::<T>::new(stored)?, Rows::<T>::new("probes", probes)?);
    let (lent, rows) = (arrays.lent()?, probes.view()?);
    let borrowed = weighing::Borrowed::<T>::new(py, weighing.get())?;
    let views = borrowed.views(weighing.get())?;
    let gradient = Rows::<T>::new("gradient", gradient)?;
    let upstream = Upstream::new().with_retrieved(gradient.view()?);
    let (pass, each) = (Pass { views, rows, steps: Some(steps), upstream }, at_once(&lent));
    let sums = run(py, pass.recalls(), &lent, |memory, context| pass.run(memory, each, context))?;
    let shape = (rows.rows(), lent.patterns());
    sums.write(py, probes.is_flat(), shape, (rows.cols(), views.bias()))
}

/// Runs a call of so many recalls, which an interrupt ends if it is long.
fn run<T: Placed, R: Send>(
    py: Python<'_>,
    recalls: usize,
    memory: &Memory<T>,
    work: impl FnOnce(&Memory<T>, &mut Context<T>) -> Result<R> + Send,
) -> PyResult<R> {
    let multiply_adds = recalls.saturating_mul(memory.patterns()).saturating_mul(memory.dim());
    let result = py.detach(|| {
        let turn = Turn::of(multiply_adds);
        with_parallelism(turn.parallelism(), |place| {
            watched(multiply_adds, |flag| {
                place.context.set_stop(flag);
                let result = turn.run(|| work(memory, &mut place.context));
                place.context.set_stop(None);
                result
            })
        })
    });
    result?.map_err(refused)
}

/// How many probes are recalled at once.
fn at_once<T: Placed>(memory: &Memory<T>) -> usize {
    (AT_ONCE / (memory.patterns() * memory.dim())).max(1)
}

/// Patterns and values where they are, if their rows follow one another.
pub fn lend<'a, T: Element>(
    patterns: MatRef<'a, T>,
    values: Option<MatRef<'a, T>>,
) -> std::result::Result<Borrowed<'a, T>, String> {
    let dense = |rows: MatRef<'a, T>| rows.as_slice().ok_or("patterns: expected dense rows");
    let text = |error: hopfield_kernels::Error| error.to_string();
    let (count, dim) = (patterns.rows(), patterns.cols());
    let memory = Borrowed::new(dense(patterns)?, count, dim, dim).map_err(text)?;
    let Some(values) = values else { return Ok(memory) };
    if values.rows() != count {
        return Err(format!("values: expected {count} rows, got {}", values.rows()));
    }
    memory.with_values(dense(values)?, values.cols(), values.cols()).map_err(text)
}

/// Patterns and values of a caller.
struct Arrays<'py, T: Placed> {
    patterns: Dense<'py, T>,
    values: Option<Dense<'py, T>>,
}

/// Rows, which are copied if they do not follow one another.
struct Dense<'py, T: Placed> {
    rows: Rows<'py, T>,
    copy: Vec<T>,
}

impl<'py, T: Placed> Arrays<'py, T> {
    fn new((patterns, values): &Stored<'py>) -> PyResult<Self> {
        let values = values.as_ref().map(|values| Dense::new("values", values)).transpose()?;
        Ok(Self { patterns: Dense::new("patterns", patterns)?, values })
    }

    fn lent(&self) -> PyResult<Borrowed<'_, T>> {
        let values = self.values.as_ref().map(Dense::view).transpose()?;
        lend(self.patterns.view()?, values).map_err(PyValueError::new_err)
    }
}

impl<'py, T: Placed> Dense<'py, T> {
    fn new(operand: &str, array: &Bound<'py, PyAny>) -> PyResult<Self> {
        let rows = Rows::<T>::new(operand, array)?;
        let view = rows.view()?;
        let copy = match view.as_slice() {
            Some(_) => Vec::new(),
            None => view.iter().flatten().copied().collect(),
        };
        Ok(Self { rows, copy })
    }

    fn view(&self) -> PyResult<MatRef<'_, T>> {
        let view = self.rows.view()?;
        match view.as_slice() {
            Some(_) => Ok(view),
            None => MatRef::new(&self.copy, view.rows(), view.cols()).map_err(refused),
        }
    }
}
