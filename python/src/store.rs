//! What a memory is made from: arrays, in the type in which they are to be stored, or a file.

use std::path::PathBuf;
use std::sync::Arc;

use hopfield_kernels::{Codes, Error, MapOptions, MatRef, Memory, Precision, Result};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{Number, Rows};
use crate::kept::Kept;
use crate::refused;
use crate::resident::Resident;

/// Stored patterns, which `Memory` takes.
#[pyclass(frozen, module = "hopfield_kernels._core")]
pub struct Store(pub Arc<Resident>);

#[pymethods]
impl Store {
    /// Of arrays of one type: float32, unless patterns are to be stored as float64.
    #[new]
    #[pyo3(signature = (patterns, values, precision, codes))]
    fn new(
        patterns: &Bound<'_, PyAny>,
        values: Option<&Bound<'_, PyAny>>,
        precision: &str,
        codes: Option<&str>,
    ) -> PyResult<Self> {
        let codes = codes.map(parse).transpose()?;
        let single = |precision| build::<f32>(patterns, values, precision, codes);
        let store = match precision {
            "float32" => Resident::Single(single(Precision::Full)?),
            "bfloat16" => Resident::Single(single(Precision::Bf16)?),
            "float16" => Resident::Single(single(Precision::F16)?),
            "float64" => Resident::Double(build(patterns, values, Precision::Full, codes)?),
            _ => return Err(unknown("dtype", "float32, float64, bfloat16 or float16", precision)),
        };
        Ok(Self(Arc::new(store)))
    }

    /// Of a file, whose patterns stay where they are. With `sidecar`, norms and codes are kept in a
    /// file beside it.
    #[staticmethod]
    #[pyo3(signature = (path, codes, progress, sidecar))]
    fn map(
        py: Python<'_>,
        path: PathBuf,
        codes: Option<&str>,
        progress: Option<Py<PyAny>>,
        sidecar: bool,
    ) -> PyResult<Self> {
        let place = Place { path, codes: codes.map(parse).transpose()?, sidecar };
        let mut told = Told { progress, raised: None };
        let store = py.detach(|| place.resident(&mut told));
        told.raised.map_or(Ok(()), Err)?;
        Ok(Self(Arc::new(store.map_err(refused)?)))
    }
}

/// A file of patterns, and what becomes of them.
struct Place {
    path: PathBuf,
    codes: Option<Codes>,
    sidecar: bool,
}

/// Whom to tell how many patterns have been read, until that raises an exception.
struct Told {
    progress: Option<Py<PyAny>>,
    raised: Option<PyErr>,
}

impl Told {
    fn tell(&mut self, done: usize, patterns: usize) {
        if self.raised.is_some() {
            return;
        }
        self.raised = Python::attach(|py| {
            py.check_signals()?;
            let call = |progress: &Py<PyAny>| progress.call1(py, (done, patterns));
            self.progress.as_ref().map(call).transpose()
        })
        .err();
    }
}

/// The name of codes.
pub fn name(codes: Codes) -> &'static str {
    match codes {
        Codes::Four => "int4",
        _ => "int8",
    }
}

fn parse(codes: &str) -> PyResult<Codes> {
    match codes {
        "int8" => Ok(Codes::Eight),
        "int4" => Ok(Codes::Four),
        _ => Err(unknown("codes", "None, int8 or int4", codes)),
    }
}

fn unknown(operand: &str, expected: &str, found: &str) -> PyErr {
    PyValueError::new_err(format!("{operand}: expected {expected}, got {found:?}"))
}

fn build<T: Number>(
    patterns: &Bound<'_, PyAny>,
    values: Option<&Bound<'_, PyAny>>,
    precision: Precision,
    codes: Option<Codes>,
) -> PyResult<Kept<T>> {
    let py = patterns.py();
    let patterns = Rows::<T>::new("patterns", patterns)?;
    let values = values.map(|values| Rows::<T>::new("values", values)).transpose()?;
    let rows = patterns.view()?;
    let values = values.as_ref().map(Rows::view).transpose()?;
    let memory = py.detach(|| coded(stored(rows, values, precision)?, codes));
    Ok(Kept::new(memory.map_err(refused)?))
}

fn stored<T: Number>(
    rows: MatRef<'_, T>,
    values: Option<MatRef<'_, T>>,
    precision: Precision,
) -> Result<Memory<T>> {
    let memory = Memory::from_rows(rows)?.with_precision(precision)?;
    match values {
        Some(values) => memory.with_values(values),
        None => Ok(memory),
    }
}

fn coded<T: Number>(memory: Memory<T>, codes: Option<Codes>) -> Result<Memory<T>> {
    match codes {
        Some(codes) => memory.with_codes(codes),
        None => Ok(memory),
    }
}

impl Place {
    /// The memory of the file: of doubles where the file has doubles.
    fn resident(&self, told: &mut Told) -> Result<Resident> {
        match self.mapped(told) {
            Err(Error::File { reason, .. }) if reason.contains("<f8") || reason.contains("F64") => {
                self.mapped(told).map(Resident::Double)
            }
            single => single.map(Resident::Single),
        }
    }

    fn mapped<T: Number>(&self, told: &mut Told) -> Result<Kept<T>> {
        let mut progress = |done, patterns| told.tell(done, patterns);
        let mut options = MapOptions::default().with_sidecar(self.sidecar);
        if let Some(codes) = self.codes {
            options = options.with_codes(codes);
        }
        Memory::map_with(&self.path, options.with_progress(&mut progress)).map(Kept::new)
    }
}
