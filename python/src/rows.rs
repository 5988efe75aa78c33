//! Separations as functions of rows of scores.

use pyo3::prelude::*;

use crate::arrays::{Number, Rows, matrix, per_probe};
use crate::refused;
use crate::threads::Call;
use crate::weighing::parse;

/// Calls one of two functions, for rows of float32 or of float64.
macro_rules! either {
    ($double:expr, $of:ident($($argument:expr),*)) => {
        match $double {
            false => $of::<f32>($($argument),*),
            true => $of::<f64>($($argument),*),
        }
    };
}

/// A separation's name and parameter.
type Named = (String, f64);

/// The weights of every row.
#[pyfunction]
pub fn rows_weights<'py>(
    separation: Named,
    scores: &Bound<'py, PyAny>,
    double: bool,
) -> PyResult<Bound<'py, PyAny>> {
    either!(double, weights(separation, scores))
}

/// The potential of every row.
#[pyfunction]
pub fn rows_potential<'py>(
    separation: Named,
    scores: &Bound<'py, PyAny>,
    double: bool,
) -> PyResult<Bound<'py, PyAny>> {
    either!(double, potential(separation, scores))
}

/// The gradient with respect to the scores, from that with respect to the weights.
#[pyfunction]
pub fn rows_vjp<'py>(
    separation: Named,
    scores: &Bound<'py, PyAny>,
    gradient: &Bound<'py, PyAny>,
    double: bool,
) -> PyResult<Bound<'py, PyAny>> {
    either!(double, vjp(separation, scores, gradient))
}

fn weights<'py, T: Number>(
    (name, parameter): Named,
    scores: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, separation) = (scores.py(), parse(&name, parameter)?);
    let scores = Rows::<T>::new("scores", scores)?;
    let rows = scores.view()?;
    let mut to: Vec<T> = rows.iter().flatten().copied().collect();
    py.detach(|| {
        let _call = Call::begin();
        to.chunks_exact_mut(rows.cols().max(1)).try_for_each(|row| separation.weights(row))
    })
    .map_err(refused)?;
    matrix(py, scores.is_flat(), to, (rows.rows(), rows.cols()))
}

fn potential<'py, T: Number>(
    (name, parameter): Named,
    scores: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, separation) = (scores.py(), parse(&name, parameter)?);
    let scores = Rows::<T>::new("scores", scores)?;
    let rows = scores.view()?;
    let to: hopfield_kernels::Result<Vec<T>> = py.detach(|| {
        let _call = Call::begin();
        rows.iter().map(|row| separation.potential(row)).collect()
    });
    per_probe(py, scores.is_flat(), to.map_err(refused)?)
}

fn vjp<'py, T: Number>(
    (name, parameter): Named,
    scores: &Bound<'py, PyAny>,
    gradient: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, separation) = (scores.py(), parse(&name, parameter)?);
    let (scores, gradient) = (Rows::<T>::new("scores", scores)?, Rows::<T>::new("grad", gradient)?);
    let (rows, from) = (scores.view()?, gradient.view()?);
    let mut to: Vec<T> = from.iter().flatten().copied().collect();
    py.detach(|| {
        let _call = Call::begin();
        let pairs = rows.iter().zip(to.chunks_exact_mut(rows.cols().max(1)));
        pairs.into_iter().try_for_each(|(row, to)| separation.vjp(row, to))
    })
    .map_err(refused)?;
    matrix(py, scores.is_flat(), to, (rows.rows(), rows.cols()))
}
