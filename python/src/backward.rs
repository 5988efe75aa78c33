//! Gradients of a recall.

use hopfield_kernels::{Context, Gradients, MatMut, MatRef, Memory, Result, Retrieval};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Number, Rows, matrix};
use crate::memory::Kept;
use crate::refused;
use crate::weighing::{Borrowed, Weighing};

/// The gradients of a loss: with respect to what is retrieved, to lse and to the energy.
#[derive(FromPyObject)]
pub struct Upstream<'py>(
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
);

/// Room for the gradients.
struct Sums<T> {
    probes: Vec<T>,
    patterns: Vec<T>,
    values: Option<(Vec<T>, usize)>,
    bias: Option<Vec<T>>,
    beta: T,
}

/// The gradients, by name. `steps` is `None` for probes that have settled.
pub fn backward<'py, T: Number>(
    kept: &Kept<T>,
    (probes, weighing): (&Bound<'py, PyAny>, &Bound<'py, Weighing>),
    steps: Option<usize>,
    upstream: &Upstream<'py>,
    version: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let py = probes.py();
    let probes = Rows::<T>::new("probes", probes)?;
    let (rows, flat) = (probes.view()?, probes.is_flat());
    let borrowed = Borrowed::<T>::new(py, weighing.get())?;
    let views = borrowed.views(weighing.get())?;
    let rows_of = |name, of: &Option<Bound<'py, PyAny>>| {
        of.as_ref().map(|of| Rows::<T>::new(name, of)).transpose()
    };
    let retrieved = rows_of("d_retrieved", &upstream.0)?;
    let (lse, energy) = (rows_of("d_lse", &upstream.1)?, rows_of("d_energy", &upstream.2)?);
    let mut upstream = hopfield_kernels::Upstream::new()
        .with_retrieved(retrieved.as_ref().map(Rows::view).transpose()?);
    upstream.lse = lse.as_ref().map(Rows::as_slice).transpose()?;
    upstream.energy = energy.as_ref().map(Rows::as_slice).transpose()?;
    let retrieval = views.retrieval();
    let (sums, patterns) = kept.read(py, rows.rows(), |state, context| {
        state.expect_version(version)?;
        let mut sums = Sums::new(rows, &state.memory, views.bias());
        let call = (&retrieval, rows, &state.memory);
        sums.fill(call, steps, upstream, views.bias(), context).map_err(refused)?;
        Ok::<_, PyErr>((sums, state.memory.patterns()))
    })?;
    let shape = (rows.rows(), patterns);
    sums.write(py, flat, shape, (rows.cols(), views.bias()))
}

impl<T: Number> Sums<T> {
    fn new(probes: MatRef<'_, T>, memory: &Memory<T>, bias: Option<bool>) -> Self {
        let patterns = memory.patterns();
        let values = memory.value_dim().map(|cols| (vec![T::ZERO; patterns * cols], cols));
        let of = |each| vec![T::ZERO; if each { probes.rows() * patterns } else { patterns }];
        Self {
            probes: vec![T::ZERO; probes.rows() * probes.cols()],
            patterns: vec![T::ZERO; patterns * memory.dim()],
            values,
            bias: bias.map(of),
            beta: T::ZERO,
        }
    }

    fn fill(
        &mut self,
        (retrieval, probes, memory): (&Retrieval<'_, T>, MatRef<'_, T>, &Memory<T>),
        steps: Option<usize>,
        upstream: hopfield_kernels::Upstream<'_, T>,
        each: Option<bool>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let (batch, patterns, dim) = (probes.rows(), memory.patterns(), memory.dim());
        let Self { probes: to_probes, patterns: to_patterns, values, bias, beta } = self;
        let values = values.as_mut();
        let mut gradients = Gradients::new()
            .with_probes(MatMut::new(to_probes, batch, probes.cols())?)
            .with_patterns(MatMut::new(to_patterns, patterns, dim)?)
            .with_values(values.map(|(to, cols)| MatMut::new(to, patterns, *cols)).transpose()?)
            .with_beta(beta);
        match (bias, each) {
            (Some(bias), Some(true)) => {
                gradients.biases = Some(MatMut::new(bias, batch, patterns)?);
            }
            (bias, _) => gradients.bias = bias.as_deref_mut(),
        }
        match steps {
            None => retrieval.backward_settled(probes, memory, upstream, gradients, context),
            Some(steps) => {
                let upstream = upstream.with_steps(steps);
                retrieval.backward(probes, memory, upstream, gradients, context)
            }
        }
    }

    fn write<'py>(
        self,
        py: Python<'py>,
        flat: bool,
        (batch, patterns): (usize, usize),
        (dim, each): (usize, Option<bool>),
    ) -> PyResult<Bound<'py, PyDict>> {
        let result = PyDict::new(py);
        result.set_item("probes", matrix(py, flat, self.probes, (batch, dim))?)?;
        result.set_item("patterns", matrix(py, false, self.patterns, (patterns, dim))?)?;
        if let Some((values, cols)) = self.values {
            result.set_item("values", matrix(py, false, values, (patterns, cols))?)?;
        }
        if let Some(bias) = self.bias {
            let vector = each == Some(false);
            result.set_item("bias", matrix(py, vector, bias, (batch, patterns))?)?;
        }
        result.set_item("beta", self.beta.to_f64())?;
        Ok(result)
    }
}
