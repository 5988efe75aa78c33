//! `HopfieldSynapse`: ngc-learn's component without JAX.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use hopfield_kernels::{
    Context, Distribution, Element, Error, HopfieldSynapse, Parallelism, Record, Result, Semantics,
    Usage, WeightInit,
};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::arrays::{Number, Rows, matrix};
use crate::growth::{Rules, named};
use crate::refused;
use crate::threads::{Call, Turn};

/// A synapse behind a lock, and how its calls use threads.
struct Held<T> {
    synapse: HopfieldSynapse<T>,
    parallelism: Parallelism,
    usage: Usage,
}

/// A synapse of either type.
enum Either {
    Single(Mutex<Held<f32>>),
    Double(Mutex<Held<f64>>),
}

/// The same work for either type.
macro_rules! with {
    ($synapse:expr, $held:ident => $work:expr) => {
        match &$synapse.0 {
            Either::Single($held) => $work,
            Either::Double($held) => $work,
        }
    };
}

/// All that a synapse is told when it is made, but for its patterns.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    name: String,
    shape: (usize, usize),
    eta: f64,
    reg_lambda: f64,
    l1_lambda: f64,
    beta: f64,
    update_rule: String,
    weight_init: Option<(String, Vec<f64>)>,
    resist_scale: f64,
    p_conn: f64,
    batch_size: usize,
    negative_steps: usize,
    semantics: String,
    record: Vec<String>,
    seed: u64,
}

/// What a synapse is made from.
// It is there for one call only.
#[allow(clippy::large_enum_variant)]
#[derive(FromPyObject)]
pub enum Origin {
    /// A file that `to_file` has written, or ngc-learn's component.
    File(PathBuf),
    /// Hyper-parameters.
    Options(Options),
}

impl Options {
    fn build<T: Number>(&self, patterns: Option<&Bound<'_, PyAny>>) -> PyResult<Mutex<Held<T>>> {
        let patterns = patterns.map(|patterns| Rows::<T>::new("initial_patterns", patterns));
        let patterns = patterns.transpose()?;
        let number = T::from_f64;
        let mut builder = HopfieldSynapse::builder(self.name.clone(), self.shape)
            .eta(number(self.eta))
            .reg_lambda(number(self.reg_lambda))
            .l1_lambda(number(self.l1_lambda))
            .beta(number(self.beta))
            .update_rule_named(&self.update_rule)
            .resist_scale(number(self.resist_scale))
            .p_conn(self.p_conn)
            .batch_size(self.batch_size)
            .negative_steps(self.negative_steps)
            .semantics(semantics(&self.semantics).map_err(refused)?)
            .record(record(&self.record).map_err(refused)?)
            .seed(self.seed);
        if let Some((name, parameters)) = &self.weight_init {
            builder = builder.weight_init(weight_init(name, parameters).map_err(refused)?);
        }
        if let Some(patterns) = &patterns {
            builder = builder.initial_patterns(patterns.view()?);
        }
        Ok(held(builder.build().map_err(refused)?))
    }
}

fn held<T: Number>(synapse: HopfieldSynapse<T>) -> Mutex<Held<T>> {
    let parallelism = Context::<T>::new().parallelism();
    Mutex::new(Held { synapse, parallelism, usage: Usage::new() })
}

fn semantics(name: &str) -> Result<Semantics> {
    match name {
        "ngc-learn" => Ok(Semantics::NgcLearn),
        "standard" => Ok(Semantics::Standard),
        found => Err(unknown("semantics", "ngc-learn, standard", found)),
    }
}

fn record(names: &[String]) -> Result<Record> {
    let mut record = Record::nothing();
    for name in names {
        match name.as_str() {
            "similarities" => record.similarities = true,
            "memory_weights" => record.memory_weights = true,
            "energy" => record.energy = true,
            "dWeights" => record.d_weights = true,
            found => {
                let known = "similarities, memory_weights, energy, dWeights";
                return Err(unknown("record", known, found));
            }
        }
    }
    Ok(record)
}

fn weight_init(name: &str, parameters: &[f64]) -> Result<WeightInit> {
    let distribution = match (name, parameters) {
        ("constant", &[value]) => Distribution::Constant { value },
        ("uniform", &[low, high]) => Distribution::Uniform { low, high },
        ("gaussian", &[mean, std]) => Distribution::Gaussian { mean, std },
        ("log_gaussian", &[sigma]) => Distribution::LogGaussian { sigma },
        ("fan_in_uniform", &[]) => Distribution::FanInUniform,
        ("fan_in_gaussian", &[]) => Distribution::FanInGaussian,
        _ => {
            let known = "(\"constant\", value), (\"uniform\", low, high), \
                         (\"gaussian\", mean, std), \
                         (\"log_gaussian\", sigma), (\"fan_in_uniform\",), (\"fan_in_gaussian\",)";
            return Err(unknown("weight_init", known, &format!("{name} of {parameters:?}")));
        }
    };
    Ok(distribution.into())
}

fn unknown(what: &'static str, known: &'static str, found: &str) -> Error {
    Error::Unknown { what, known, found: found.to_string() }
}

/// A call of the synapse, without the interpreter.
fn call<T: Number, R: Send>(
    py: Python<'_>,
    held: &Mutex<Held<T>>,
    work: impl FnOnce(&mut Held<T>) -> Result<R> + Send,
) -> PyResult<R> {
    let result = py.detach(|| {
        let _call = Call::begin();
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let held: &mut Held<T> = &mut held;
        let ((dim, patterns), batch) = (held.synapse.shape(), held.synapse.inputs().rows());
        let turn = Turn::of(batch.saturating_mul(dim).saturating_mul(patterns));
        if held.parallelism != turn.parallelism() {
            held.parallelism = turn.parallelism();
            let context = Context::new().with_parallelism(held.parallelism);
            held.synapse.set_context(context);
        }
        turn.run(|| work(held))
    });
    result.map_err(refused)
}

/// The synapse, without the conveniences of the Python class.
#[pyclass(frozen, subclass, name = "Synapse", module = "hopfield_kernels._core")]
pub struct Synapse(Either);

#[pymethods]
impl Synapse {
    /// Of hyper-parameters, with patterns as columns, or from a file.
    #[new]
    fn new(
        py: Python<'_>,
        source: Origin,
        patterns: Option<&Bound<'_, PyAny>>,
        double: bool,
    ) -> PyResult<Self> {
        Ok(Self(match (source, double) {
            (Origin::Options(options), false) => Either::Single(options.build(patterns)?),
            (Origin::Options(options), true) => Either::Double(options.build(patterns)?),
            (Origin::File(path), false) => {
                let synapse = py.detach(|| HopfieldSynapse::load(path));
                Either::Single(held(synapse.map_err(refused)?))
            }
            (Origin::File(path), true) => {
                let synapse = py.detach(|| HopfieldSynapse::load(path));
                Either::Double(held(synapse.map_err(refused)?))
            }
        }))
    }

    /// Writes a file.
    fn to_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        with!(self, held => call(py, held, |held| held.synapse.save(path)))
    }

    /// Whether elements are float64.
    #[getter]
    fn is_double(&self) -> bool {
        matches!(self.0, Either::Double(_))
    }

    /// A copy of a compartment, by ngc-learn's name.
    fn compartment<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        with!(self, held => {
            let (values, shape) = call(py, held, |held| {
                let compartment = held.synapse.compartment(name)?;
                Ok((compartment.values().to_vec(), compartment.shape()))
            })?;
            matrix(py, false, values, shape)
        })
    }

    /// Sets the probes.
    fn set_inputs(&self, py: Python<'_>, probes: &Bound<'_, PyAny>) -> PyResult<()> {
        with!(self, held => set_inputs(py, held, probes))
    }

    /// Sets the weights, D x N.
    fn set_weights(&self, py: Python<'_>, weights: &Bound<'_, PyAny>) -> PyResult<()> {
        with!(self, held => set_weights(py, held, weights))
    }

    /// Recalls.
    fn advance_state(&self, py: Python<'_>) -> PyResult<()> {
        with!(self, held => call(py, held, |held| held.synapse.advance_state()))
    }

    /// Learns.
    #[pyo3(signature = (t=0.0, dt=1.0))]
    fn evolve(&self, py: Python<'_>, t: f64, dt: f64) -> PyResult<()> {
        let _ = (t, dt);
        with!(self, held => call(py, held, |held| held.synapse.evolve()))
    }

    /// Recalls and learns, in one call.
    fn advance_and_evolve(&self, py: Python<'_>) -> PyResult<()> {
        with!(self, held => call(py, held, |held| held.synapse.advance_and_evolve()))
    }

    /// Forgets the batch. Weights and `i_tick` stay.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        with!(self, held => call(py, held, |held| {
            held.synapse.reset();
            Ok(())
        }))
    }

    /// Fixes the rates, as compiling does in ngc-learn; under "standard" it does nothing.
    fn compile(&self, py: Python<'_>) -> PyResult<()> {
        with!(self, held => call(py, held, |held| {
            held.synapse.compile();
            Ok(())
        }))
    }

    /// η, β, λ or λ₁.
    fn rate(&self, py: Python<'_>, name: &str) -> PyResult<f64> {
        with!(self, held => call(py, held, |held| {
            let synapse = &held.synapse;
            Ok(match name {
                "eta" => synapse.eta(),
                "beta" => synapse.beta(),
                "reg_lambda" => synapse.reg_lambda(),
                "l1_lambda" => synapse.l1_lambda(),
                found => return Err(unknown("rate", "eta, beta, reg_lambda, l1_lambda", found)),
            }.to_f64())
        }))
    }

    /// Sets η, β, λ or λ₁.
    fn set_rate(&self, py: Python<'_>, name: &str, to: f64) -> PyResult<()> {
        with!(self, held => set_rate(py, held, name, to))
    }

    /// Says whether `reset` leaves the inputs alone.
    fn set_inputs_driven(&self, py: Python<'_>, driven: bool) -> PyResult<()> {
        with!(self, held => call(py, held, |held| {
            held.synapse.set_inputs_driven(driven);
            Ok(())
        }))
    }

    /// D and N.
    #[getter]
    fn shape(&self, py: Python<'_>) -> PyResult<(usize, usize)> {
        with!(self, held => call(py, held, |held| Ok(held.synapse.shape())))
    }

    /// The name.
    #[getter]
    fn name(&self, py: Python<'_>) -> PyResult<String> {
        with!(self, held => call(py, held, |held| Ok(held.synapse.name().to_string())))
    }

    /// Where each pattern of the memory comes from, if a preload of fewer patterns was shuffled.
    #[getter]
    fn permutation(&self, py: Python<'_>) -> PyResult<Option<Vec<usize>>> {
        with!(self, held => call(py, held, |held| {
            Ok(held.synapse.permutation().map(<[usize]>::to_vec))
        }))
    }

    /// Stores those of the inputs that are new.
    fn run_grow<'py>(&self, py: Python<'py>, rules: Rules) -> PyResult<Bound<'py, PyList>> {
        let events = with!(self, held => call(py, held, |held| {
            held.synapse.grow(&rules.growth()?, &mut held.usage)
        }))?;
        named(py, &events)
    }
}

fn set_inputs<T: Number>(
    py: Python<'_>,
    held: &Mutex<Held<T>>,
    probes: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let probes = Rows::<T>::new("inputs", probes)?;
    let rows = probes.view()?;
    call(py, held, |held| held.synapse.set_inputs(rows))
}

fn set_weights<T: Number>(
    py: Python<'_>,
    held: &Mutex<Held<T>>,
    weights: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let weights = Rows::<T>::new("weights", weights)?;
    let rows = weights.view()?;
    call(py, held, |held| held.synapse.set_weights(rows))
}

fn set_rate<T: Number>(py: Python<'_>, held: &Mutex<Held<T>>, name: &str, to: f64) -> PyResult<()> {
    let to = T::from_f64(to);
    call(py, held, |held| match name {
        "eta" => held.synapse.set_eta(to),
        "beta" => held.synapse.set_beta(to),
        "reg_lambda" => held.synapse.set_reg_lambda(to),
        "l1_lambda" => held.synapse.set_l1_lambda(to),
        found => Err(unknown("rate", "eta, beta, reg_lambda, l1_lambda", found)),
    })
}
