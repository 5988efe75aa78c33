//! What turns similarities into weights: everything of a recall but its probes and its steps.

use std::ops::Range;

use hopfield_kernels::{MatRef, Retrieval, Screening, Separation, Similarity};
use numpy::PyArrayDyn;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{Number, Rows};
use crate::refused;

/// β, similarity, separation, screening, mask and bias of a recall. It does not copy mask and bias.
#[pyclass(frozen, module = "hopfield_kernels._core")]
pub struct Weighing {
    pub beta: f64,
    pub similarity: Similarity,
    pub separation: Separation,
    screening: Screening,
    mask: Option<Py<PyArrayDyn<bool>>>,
    bias: Option<Py<PyAny>>,
}

#[pymethods]
impl Weighing {
    #[new]
    fn new(
        beta: f64,
        similarity: &str,
        separation: (String, f64),
        screening: &str,
        rows: (Option<Py<PyArrayDyn<bool>>>, Option<Py<PyAny>>),
    ) -> PyResult<Self> {
        let (mask, bias) = rows;
        let screening = screening_of(screening)?;
        let similarity = similarity.parse().map_err(refused)?;
        let separation = parse(&separation.0, separation.1)?;
        Ok(Self { beta, similarity, separation, screening, mask, bias })
    }
}

/// Screening by its name.
pub fn screening_of(name: &str) -> PyResult<Screening> {
    match name {
        "auto" => Ok(Screening::Auto),
        "never" => Ok(Screening::Never),
        "always" => Ok(Screening::Always),
        _ => {
            let expected = r#""auto", "never" or "always""#;
            let message = format!("screening: expected {expected}, got {name:?}");
            Err(PyValueError::new_err(message))
        }
    }
}

/// A separation by its name and its parameter, if it has one.
pub fn parse(name: &str, parameter: f64) -> PyResult<Separation> {
    separation(name, parameter).ok_or_else(|| PyValueError::new_err(unknown(name)))
}

/// What is wrong with a name that is that of no separation.
pub fn unknown(name: &str) -> String {
    format!("separation: expected the name of one, got {name:?}")
}

/// `parse`, without the interpreter.
pub fn separation(name: &str, parameter: f64) -> Option<Separation> {
    let count = parameter.max(0.0) as usize;
    Some(match name {
        "softmax" => Separation::Softmax,
        "softmax_plus" => Separation::SoftmaxPlus(parameter),
        "sparsemax" => Separation::Sparsemax,
        "entmax" => Separation::Entmax(parameter),
        "normmax" => Separation::Normmax(parameter),
        "k_subsets" => Separation::KSubsets(parameter),
        "top_k" => Separation::TopK(count),
        "hard_top_k" => Separation::HardTopK(count),
        "max" => Separation::Max,
        "polynomial" => Separation::Polynomial(parameter),
        "power" => Separation::Power(parameter),
        "epanechnikov" => Separation::Epanechnikov(parameter),
        _ => return None,
    })
}

/// Mask and bias of a weighing, borrowed for a call.
pub struct Borrowed<'py, T: Number> {
    mask: Option<Rows<'py, bool>>,
    bias: Option<Rows<'py, T>>,
}

/// The same as views, which need no interpreter.
#[derive(Clone, Copy)]
pub struct Views<'a, T> {
    weighing: &'a Weighing,
    mask: Option<(MatRef<'a, bool>, bool)>,
    bias: Option<(MatRef<'a, T>, bool)>,
}

impl<'py, T: Number> Borrowed<'py, T> {
    /// Borrows what the weighing has.
    pub fn new(py: Python<'py>, weighing: &Weighing) -> PyResult<Self> {
        let mask = weighing.mask.as_ref().map(|mask| Rows::mask(mask.bind(py).as_any()));
        let bias = weighing.bias.as_ref().map(|bias| Rows::new("bias", bias.bind(py)));
        Ok(Self { mask: mask.transpose()?, bias: bias.transpose()? })
    }

    /// The views.
    pub fn views<'a>(&'a self, weighing: &'a Weighing) -> PyResult<Views<'a, T>> {
        let mask = self.mask.as_ref().map(|mask| Ok::<_, PyErr>((mask.view()?, mask.is_flat())));
        let bias = self.bias.as_ref().map(|bias| Ok::<_, PyErr>((bias.view()?, bias.is_flat())));
        Ok(Views { weighing, mask: mask.transpose()?, bias: bias.transpose()? })
    }
}

impl<'a, T: Number> Views<'a, T> {
    /// The retrieval that they describe.
    pub fn retrieval(self) -> Retrieval<'a, T> {
        let weighing = self.weighing;
        let mut retrieval = Retrieval::new(T::from_f64(weighing.beta))
            .with_similarity(weighing.similarity)
            .with_separation(weighing.separation)
            .with_screening(weighing.screening);
        retrieval = match self.mask {
            None => retrieval,
            Some((mask, true)) => retrieval.with_mask(mask.row(0)),
            Some((mask, false)) => retrieval.with_masks(mask),
        };
        match self.bias {
            None => retrieval,
            Some((bias, true)) => retrieval.with_bias(bias.row(0)),
            Some((bias, false)) => retrieval.with_biases(bias),
        }
    }

    /// Those of a part of the probes.
    pub fn part(self, probes: Range<usize>) -> Self {
        fn part<V>(
            (rows, flat): (MatRef<'_, V>, bool),
            probes: Range<usize>,
        ) -> (MatRef<'_, V>, bool) {
            (if flat { rows } else { rows.subrows(probes) }, flat)
        }
        let mask = self.mask.map(|mask| part(mask, probes.clone()));
        Self { mask, bias: self.bias.map(|bias| part(bias, probes)), ..self }
    }

    /// The number of patterns that the bias is of, and whether each probe has its own.
    pub fn bias(self) -> Option<bool> {
        self.bias.map(|(_, flat)| !flat)
    }
}
