//! Recall with steps: updates of the probes, and then the weighing whose outputs are returned.

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, Outputs, Result, Retrieval, Settled, Status, Stop,
};
use numpy::PyArrayMethods;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Number, Out, Rows, matrix, per_probe};
use crate::kept::Kept;
use crate::refused;
use crate::room::{Room, Sizes};
use crate::weighing::{Borrowed, Weighing};

/// The number of weighings (or until the probes settle), the tolerance and the damping.
#[derive(FromPyObject, Clone, Copy)]
pub struct Walk(Option<u32>, f64, f64);

/// The largest number of updates where it is not given.
pub const MOST_STEPS: usize = 1000;

/// Where the probes of the last weighing are, and how they have come there.
struct Walked<T> {
    /// The probes of the last weighing, unless they are the probes themselves.
    states: Option<Vec<T>>,
    steps: Vec<i64>,
    status: Vec<u8>,
    /// Energies, a row for each step.
    trace: Option<Vec<T>>,
}

/// What a call needs besides the memory.
struct Plan<'a, T> {
    retrieval: Retrieval<'a, T>,
    walk: Walk,
    sizes: Sizes,
    traced: bool,
    /// Whether values are retrieved, which are no probes.
    has_values: bool,
}

/// The recall: outputs by name, and what a later `backward` or `learn` starts from.
pub fn recall<'py, T: Number>(
    kept: &Kept<T>,
    (probes, weighing): (&Bound<'py, PyAny>, &Bound<'py, Weighing>),
    walk: Walk,
    want: &[String],
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = probes.py();
    let probes = Rows::<T>::new("probes", probes)?;
    let (rows, flat) = (probes.view()?, probes.is_flat());
    let borrowed = Borrowed::<T>::new(py, weighing.get())?;
    let views = borrowed.views(weighing.get())?;
    let batch = rows.rows();
    let (patterns, dim, values) = kept.read(py, 0, |state, _| {
        let memory = &state.memory;
        (memory.patterns(), memory.dim(), memory.value_dim())
    });
    let sizes = Sizes { batch, patterns, width: values.unwrap_or(dim) };
    let expected = if flat { vec![sizes.width] } else { vec![batch, sizes.width] };
    let mut given = out.map(|out| Out::<T>::new(out, &expected)).transpose()?;
    let mut fresh = vec![T::ZERO; if given.is_none() { batch * sizes.width } else { 0 }];
    let mut to = match &mut given {
        Some(given) => given.view()?,
        None => MatMut::new(&mut fresh, batch, sizes.width).map_err(refused)?,
    };
    let mut room = Room::new(want, sizes);
    let traced = want.iter().any(|want| want == "trace");
    let plan =
        Plan { retrieval: views.retrieval(), walk, sizes, traced, has_values: values.is_some() };
    let recalls = batch.saturating_mul(walk.0.map_or(MOST_STEPS, |steps| steps as usize));
    let (walked, version) = kept.read_long(py, recalls, |state, context| {
        let walked = plan.run(rows, &state.memory, (to.reborrow(), &mut room), context);
        Ok((walked.map_err(refused)?, state.version))
    })?;
    let result = PyDict::new(py);
    match out {
        Some(out) => result.set_item("retrieved", out)?,
        None => result.set_item("retrieved", matrix(py, flat, fresh, (batch, sizes.width))?)?,
    }
    room.write(&result, flat, sizes)?;
    walked.write(&result, flat, (batch, dim))?;
    result.set_item("version", version)?;
    Ok(result)
}

impl<T: Number> Plan<'_, T> {
    fn run(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        (mut to, room): (MatMut<'_, T>, &mut Room<T>),
        context: &mut Context<T>,
    ) -> Result<Walked<T>> {
        let mut walked = self.walk(probes, memory, context)?;
        let rows = match &walked.states {
            Some(states) => MatRef::new(states, probes.rows(), probes.cols())?,
            None => probes,
        };
        // What has settled is retrieved itself.
        let settled = self.walk.0.is_none() && !self.has_values;
        let retrieved = if settled { None } else { Some(to.reborrow()) };
        let outputs = room.outputs(self.sizes, retrieved)?;
        self.retrieval.run(rows, memory, outputs, context)?;
        if settled {
            rows.iter().enumerate().for_each(|(b, row)| to.row_mut(b).copy_from_slice(row));
            return Ok(walked);
        }
        if !self.has_values {
            self.damp(rows, &mut to);
        }
        let status = self.status(rows, &to, &walked.status);
        if self.traced {
            let after = (!self.has_values).then(|| to.as_ref());
            walked.trace = Some(self.trace(&walked, rows, (memory, after), context)?);
        }
        walked.status = status;
        Ok(walked)
    }

    /// Updates the probes up to the last weighing.
    fn walk(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        context: &mut Context<T>,
    ) -> Result<Walked<T>> {
        let Walk(steps, eps, damping) = self.walk;
        let stop = Stop::new().tolerance(T::from_f64(eps)).damping(T::from_f64(damping));
        let stop = steps.map_or(stop, |steps| stop.max_steps(steps.saturating_sub(1)));
        let batch = self.sizes.batch;
        let fixed = steps.map(i64::from);
        if steps == Some(1) {
            let status = vec![MAX_STEPS; batch];
            // Refuses a damping outside its domain.
            self.retrieval.settle(memory, &mut [], stop, &mut Settled::new(), context)?;
            return Ok(Walked { states: None, steps: vec![1; batch], status, trace: None });
        }
        let mut states: Vec<T> = probes.iter().flatten().copied().collect();
        let mut settled = Settled::new();
        if self.traced {
            settled = settled.with_trace();
        }
        self.retrieval.settle(memory, &mut states, stop, &mut settled, context)?;
        let each = |b: usize| fixed.unwrap_or_else(|| i64::from(settled.steps()[b]));
        Ok(Walked {
            steps: (0..batch).map(each).collect(),
            status: settled.status().iter().map(|status| code(*status)).collect(),
            trace: settled.trace().map(Iterator::collect),
            states: Some(states),
        })
    }

    /// x̂ ← x + a (x̂ - x).
    fn damp(&self, probes: MatRef<'_, T>, retrieved: &mut MatMut<'_, T>) {
        let damping = T::from_f64(self.walk.2);
        if damping == T::ONE {
            return;
        }
        for (b, x) in probes.iter().enumerate() {
            for (to, &x) in retrieved.row_mut(b).iter_mut().zip(x) {
                *to = x + damping * (*to - x);
            }
        }
    }

    /// Why each probe is updated no more, after a fixed number of steps.
    fn status(&self, rows: MatRef<'_, T>, to: &MatMut<'_, T>, before: &[u8]) -> Vec<u8> {
        let retrieved = to.as_ref();
        let of = |(b, &before): (usize, &u8)| match retrieved.row(b) {
            row if row.iter().any(|x| !x.is_finite()) => NOT_A_NUMBER,
            row if !self.has_values && row == rows.row(b) => EXACT,
            _ => before,
        };
        before.iter().enumerate().map(of).collect()
    }

    /// The energies of the probes before every update, and after the last.
    fn trace(
        &self,
        walked: &Walked<T>,
        rows: MatRef<'_, T>,
        (memory, after): (&Memory<T>, Option<MatRef<'_, T>>),
        context: &mut Context<T>,
    ) -> Result<Vec<T>> {
        let batch = self.sizes.batch;
        let updates = walked.steps.first().map_or(0, |steps| *steps as usize - 1);
        let mut trace = walked.trace.clone().unwrap_or_default();
        let mut energies = vec![T::ZERO; batch];
        let mut energy = |of: MatRef<'_, T>| -> Result<Vec<T>> {
            let outputs = Outputs::new().with_energy(&mut energies);
            self.retrieval.run(of, memory, outputs, context)?;
            Ok(energies.clone())
        };
        if trace.is_empty() {
            trace = energy(rows)?;
        }
        // All probes may have come to rest before the last step.
        while batch > 0 && trace.len() < (updates + 1) * batch {
            trace.extend_from_within(trace.len() - batch..);
        }
        if let Some(after) = after {
            trace.extend(energy(after)?);
        }
        Ok(trace)
    }
}

impl<T: Number> Walked<T> {
    fn write(self, to: &Bound<'_, PyDict>, flat: bool, shape: (usize, usize)) -> PyResult<()> {
        let py = to.py();
        if let Some(states) = self.states {
            to.set_item("states", matrix(py, flat, states, shape)?)?;
        }
        if let Some(trace) = self.trace {
            let rows = trace.len().checked_div(shape.0).unwrap_or(1);
            let trace = matrix(py, false, trace, (rows, shape.0))?;
            let trace = if flat { trace.call_method0("ravel")? } else { trace };
            to.set_item("trace", trace)?;
        }
        to.set_item("steps", per_probe(py, flat, self.steps)?)?;
        to.set_item("status", numpy::PyArray1::from_vec(py, self.status).to_dyn())
    }
}

/// Places in the list of names that the Python side has.
const CONVERGED: u8 = 0;
const EXACT: u8 = 1;
const MAX_STEPS: u8 = 2;
const NOT_A_NUMBER: u8 = 3;

fn code(status: Status) -> u8 {
    match status {
        Status::Converged => CONVERGED,
        Status::Exact => EXACT,
        Status::NotANumber => NOT_A_NUMBER,
        _ => MAX_STEPS,
    }
}
