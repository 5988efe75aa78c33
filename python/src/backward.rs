//! Gradients of a recall.

use std::ops::Range;

use hopfield_kernels::{Context, Gradients, MatMut, MatRef, Memory, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Number, Rows, matrix};
use crate::kept::Kept;
use crate::recall::MOST_STEPS;
use crate::refused;
use crate::weighing::{Borrowed, Views, Weighing};

/// The gradients of a loss: with respect to what is retrieved, to lse and to the energy.
#[derive(FromPyObject)]
pub struct Upstream<'py>(
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
);

/// Room for the gradients.
pub struct Sums<T> {
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
    let pass = Pass { views, rows, steps, upstream };
    let (sums, patterns) = kept.read_long(py, pass.recalls(), |state, context| {
        state.expect_version(version)?;
        let sums = pass.run(&state.memory, state.at_once(), context).map_err(refused)?;
        Ok((sums, state.memory.patterns()))
    })?;
    let shape = (rows.rows(), patterns);
    sums.write(py, flat, shape, (rows.cols(), views.bias()))
}

/// A recall, and the gradients of a loss with respect to its outputs.
#[derive(Clone, Copy)]
pub struct Pass<'a, T> {
    pub views: Views<'a, T>,
    pub rows: MatRef<'a, T>,
    pub steps: Option<usize>,
    pub upstream: hopfield_kernels::Upstream<'a, T>,
}

impl<T: Number> Pass<'_, T> {
    /// How many recalls it takes, at most.
    pub fn recalls(&self) -> usize {
        self.rows.rows().saturating_mul(2 * self.steps.unwrap_or(MOST_STEPS))
    }

    /// The gradients, for `each` probes at a time.
    pub fn run(
        &self,
        memory: &Memory<T>,
        each: usize,
        context: &mut Context<T>,
    ) -> Result<Sums<T>> {
        let batch = self.rows.rows();
        let mut all = Sums::new(self.rows, memory, self.views.bias());
        if batch <= each {
            all.fill(self, memory, context)?;
            return Ok(all);
        }
        for start in (0..batch).step_by(each) {
            let part = self.part(start..batch.min(start + each));
            let mut some = Sums::new(part.rows, memory, self.views.bias());
            some.fill(&part, memory, context)?;
            all.add(some, start..start + part.rows.rows());
        }
        Ok(all)
    }

    /// That of a part of the probes.
    fn part(&self, probes: Range<usize>) -> Self {
        let mut upstream = self.upstream;
        upstream.retrieved = upstream.retrieved.map(|rows| rows.subrows(probes.clone()));
        upstream.lse = upstream.lse.map(|lse| &lse[probes.clone()]);
        upstream.energy = upstream.energy.map(|energy| &energy[probes.clone()]);
        let views = self.views.part(probes.clone());
        Self { views, rows: self.rows.subrows(probes), upstream, ..*self }
    }
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

    /// Adds those of some of the probes.
    fn add(&mut self, some: Self, probes: Range<usize>) {
        let sum = |to: &mut [T], from: &[T]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
        };
        let rows = |to: &mut [T], from: &[T]| {
            let cols = from.len() / probes.len().max(1);
            to[probes.start * cols..][..from.len()].copy_from_slice(from);
        };
        rows(&mut self.probes, &some.probes);
        sum(&mut self.patterns, &some.patterns);
        if let (Some((to, _)), Some((from, _))) = (&mut self.values, &some.values) {
            sum(to, from);
        }
        match (&mut self.bias, &some.bias) {
            (Some(to), Some(from)) if to.len() == from.len() => sum(to, from),
            (Some(to), Some(from)) => rows(to, from),
            _ => {}
        }
        self.beta += some.beta;
    }

    fn fill(
        &mut self,
        pass: &Pass<'_, T>,
        memory: &Memory<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Pass { views, rows: probes, steps, upstream } = *pass;
        let (retrieval, each) = (views.retrieval(), views.bias());
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

    /// The gradients as arrays, by name.
    pub fn write<'py>(
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
