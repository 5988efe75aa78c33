//! `HopfieldSynapse`: ngc-learn's component, from its compartments to its dynamics.

mod archive;
mod builder;
mod compartments;
mod demand;
mod growth;
mod help;
mod hyper;
mod init;
mod ngc_learn;
mod settings;
mod table;

pub use builder::HopfieldSynapseBuilder;
pub use compartments::Compartment;
pub use help::Help;
pub use init::{Distribution, WeightInit};
pub use settings::{Record, Semantics};

use crate::driver::outputs::Outputs;
use crate::error::{Error, Result};
use crate::functions::outer_product_update;
use crate::learning::{LearningInput, OuterProducts, Plasticity, Update};
use crate::matrix::MatRef;
use crate::matrix::check::expect_shape;
use crate::memory::Memory;
use crate::retrieval::{Context, Recall, Retrieval};
use crate::simd::Element;
use settings::{Rates, Settings};
use table::Table;

/// A modern Hopfield network as a synaptic cable: ngc-learn's `HopfieldSynapse`.
///
/// It holds a memory of N patterns of dimension D and a batch of B probes. [`advance_state`]
/// recalls: outputs = softmax(β X Mᵀ) M. [`evolve`] learns from what was recalled. [`reset`]
/// forgets the batch. Between them, compartments are read and set: by method, or by ngc-learn's
/// names with [`compartment`](Self::compartment).
///
/// [`Semantics`] chooses between what ngc-learn computes and what the papers say; it lists the
/// differences. [`Record`] says what is kept beside the outputs. Once a batch of some size has been
/// through, advancing and evolving allocate nothing, but for two vectors of D when ngc-learn's
/// energy is recorded and the weights have changed.
///
/// ```
/// use hopfield_kernels::{HopfieldSynapse, MatRef};
///
/// let patterns = [1.0_f32, 0.0, 0.0, 1.0]; // one a column: D x N
/// let mut synapse = HopfieldSynapse::builder("memory", (2, 2))
///     .initial_patterns(MatRef::new(&patterns, 2, 2)?)
///     .eta(0.1)
///     .beta(16.0)
///     .build()?;
///
/// synapse.set_inputs(MatRef::new(&[0.9, 0.2], 1, 2)?)?;
/// synapse.advance_state()?;
/// assert!(synapse.outputs().row(0)[0] > 0.9999, "the nearest pattern is recalled");
/// synapse.evolve()?;
/// assert!(synapse.memory().pattern(0)[0] < 1.0, "and has moved towards the probe");
/// assert_eq!(synapse.i_tick(), 1);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// Large batches use rayon's threads: [`Parallelism`](crate::Parallelism) says what to mind where a
/// lock is held over a call (a mutex around the synapse, for example), where the pool is busy, and
/// in forked children, which need [`Parallelism::Serial`](crate::Parallelism::Serial) in their
/// [context](HopfieldSynapseBuilder::context).
///
/// [`advance_state`]: Self::advance_state
/// [`evolve`]: Self::evolve
/// [`reset`]: Self::reset
#[derive(Debug, Clone)]
pub struct HopfieldSynapse<T> {
    settings: Settings<T>,
    /// The rates of the last `compile`.
    compiled: Option<Rates<T>>,
    memory: Memory<T>,
    /// Which weights exist (N x D), where that is for ever.
    connected: Option<Vec<bool>>,
    permutation: Option<Vec<usize>>,
    inputs: Table<T>,
    inputs_driven: bool,
    outputs: Table<T>,
    similarities: Table<T>,
    memory_weights: Table<T>,
    /// ΔM (N x D).
    d_weights: Table<T>,
    energies: Vec<T>,
    energy: T,
    tick: u64,
    recalled: Recalled,
    /// The last recall, where memory weights are not recorded.
    recall: Recall<T>,
    /// β of the last recall.
    recall_beta: T,
    /// max_d ‖W[d,:]‖², until the weights change.
    feature_norm: Option<T>,
    context: Context<T>,
}

/// What there is to learn from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Recalled {
    /// Nothing since the beginning or a reset.
    Never,
    /// The outputs are those of these inputs and weights.
    Now,
    /// Something has changed since.
    Before(&'static str),
}

impl<T: Element> HopfieldSynapse<T> {
    /// A builder for a synapse of `shape` (D, N): D features, N patterns.
    ///
    /// ```
    /// let synapse = hopfield_kernels::HopfieldSynapse::<f64>::builder("W", (3, 5)).build()?;
    /// assert_eq!((synapse.name(), synapse.shape(), synapse.beta()), ("W", (3, 5), 8.0));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn builder<'a>(
        name: impl Into<String>,
        shape: (usize, usize),
    ) -> HopfieldSynapseBuilder<'a, T> {
        HopfieldSynapseBuilder::new(name.into(), shape)
    }

    /// What the component is: its compartments, dynamics and hyper-parameters, with the keys of
    /// ngc-learn's `help()`.
    pub fn help() -> &'static Help {
        &help::HELP
    }

    /// Recalls: sets `outputs` from `inputs` and `weights`, and what is recorded with them
    /// (`similarities`, `memory_weights`, `energy`). `i_tick` goes up by one.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f64>::builder("W", (2, 3)).build()?;
    /// synapse.set_inputs(MatRef::new(&[0.5, 0.1, 0.3, 0.9], 2, 2)?)?;
    /// synapse.advance_state()?;
    /// let weights = synapse.memory_weights()?;
    /// assert!((weights.row(0).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Level`] as [`Context::level`] says, [`Error::Allocation`] when there is no memory
    /// for what is recorded. Nothing has changed then.
    pub fn advance_state(&mut self) -> Result<()> {
        self.context.level()?;
        let rates = self.rates();
        let retrieval = self.retrieval(rates.beta)?;
        let batch = self.inputs.rows();
        let record = self.settings.record;
        let faithful = self.settings.semantics == Semantics::NgcLearn;

        // All of them before any changes.
        self.outputs.reserve(batch)?;
        if record.similarities {
            self.similarities.reserve(batch)?;
        }
        if record.memory_weights {
            self.memory_weights.reserve(batch)?;
        }
        self.outputs.resize(batch);
        let mut outputs =
            Outputs { retrieved: Some(self.outputs.view_mut()), ..Outputs::default() };
        if record.similarities {
            self.similarities.resize(batch);
            outputs.similarities = Some(self.similarities.view_mut());
        }
        if record.memory_weights {
            self.memory_weights.resize(batch);
            outputs.memory_weights = Some(self.memory_weights.view_mut());
        }
        if record.energy {
            self.energies.resize(batch, T::ZERO);
            match faithful {
                true => outputs.best_weight = Some(&mut self.energies),
                false => outputs.energy = Some(&mut self.energies),
            }
        }
        let (inputs, memory, context) = (self.inputs.view(), &self.memory, &mut self.context);
        match record.memory_weights {
            true => retrieval.run(inputs, memory, outputs, context)?,
            false => retrieval.recall(inputs, memory, outputs, &mut self.recall, context)?,
        }

        if faithful && record.similarities {
            ngc_learn::subtract_row_maxima(&mut self.similarities);
        }
        if record.energy {
            if faithful {
                self.ngc_learn_energies(rates.beta)?;
            }
            self.energy = mean(&self.energies);
        }
        self.tick += 1;
        self.recall_beta = rates.beta;
        self.recalled = Recalled::Now;
        Ok(())
    }

    /// Learns: sets `weights`, and `dWeights` if that is recorded, from `inputs`, `outputs` and
    /// `memory_weights` by the update rule.
    ///
    /// M ← M + η ΔM - λ M - λ₁ sign(M), with the rates of this moment ([`compile`](Self::compile)
    /// may have fixed them).
    ///
    /// Where memory weights are recorded, they and the outputs are those of the last recall,
    /// however old, as in ngc-learn: inputs and weights may have been set since. Where they are
    /// not, they are found again, which nothing may have made impossible.
    ///
    /// ```
    /// # use hopfield_kernels::{Distribution, HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f64>::builder("W", (2, 1))
    ///     .weight_init(Distribution::Constant { value: 0.0 })
    ///     .eta(0.5)
    ///     .build()?;
    /// synapse.set_inputs(MatRef::new(&[1.0, -1.0], 1, 2)?)?;
    /// synapse.advance_state()?;
    /// synapse.evolve()?;
    /// assert_eq!(synapse.weights(), [0.5, -0.5]);
    /// assert_eq!(synapse.d_weights()?, [1.0, -1.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoRecall`] when nothing has been recalled since the beginning or a reset, under
    /// [`Semantics::Standard`] (under [`Semantics::NgcLearn`] the zeros in the compartments are
    /// learned from: decay alone), or when the memory weights are not recorded and something has
    /// changed since the recall. [`Error::Shape`] when the inputs are now more or fewer than the
    /// outputs. Nothing has changed then.
    pub fn evolve(&mut self) -> Result<()> {
        let recorded = self.settings.record.memory_weights;
        match self.recalled {
            Recalled::Never if self.settings.semantics == Semantics::Standard => {
                return Err(no_recall("none since the beginning or the last reset"));
            }
            Recalled::Before(found) if !recorded => return Err(no_recall(found)),
            Recalled::Never | Recalled::Now | Recalled::Before(_) => {}
        }
        expect_shape("inputs", self.inputs.shape(), self.outputs.shape())?;
        self.context.level()?;
        if self.recalled == Recalled::Never {
            self.decay()?;
        } else {
            self.learn()?;
            self.recalled = Recalled::Before("weights that have learned since");
        }
        self.learned()
    }

    /// [`advance_state`](Self::advance_state) and [`evolve`](Self::evolve). With
    /// [`Record::nothing`] they are one: a small batch reads the patterns once to recall, and once
    /// to learn.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef, Record};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (2, 100))
    ///     .eta(0.5)
    ///     .record(Record::nothing())
    ///     .build()?;
    /// synapse.set_inputs(MatRef::new(&[1.0, 0.0], 1, 2)?)?;
    /// let error = |synapse: &HopfieldSynapse<f32>| (1.0 - synapse.outputs().row(0)[0]).abs();
    /// synapse.advance_and_evolve()?;
    /// let before = error(&synapse);
    /// for _ in 0..100 {
    ///     synapse.advance_and_evolve()?;
    /// }
    /// assert!(error(&synapse) < before);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for the two.
    pub fn advance_and_evolve(&mut self) -> Result<()> {
        if self.settings.record != Record::nothing() {
            self.advance_state()?;
            return self.evolve();
        }
        self.context.level()?;
        let rates = self.rates();
        self.outputs.reserve(self.inputs.rows())?;
        self.outputs.resize(self.inputs.rows());
        self.plasticity(rates).recall_and_learn(
            &self.retrieval(rates.beta)?,
            self.inputs.view(),
            self.outputs.view_mut(),
            &mut self.memory,
            &mut self.context,
        )?;
        self.tick += 1;
        self.recall_beta = rates.beta;
        self.recalled = Recalled::Before("weights that have learned since");
        self.learned()
    }

    /// Forgets the batch: zeros in `inputs` (unless they are [driven from
    /// outside](Self::set_inputs_driven)), `outputs`, `similarities`, `memory_weights`, `energy`
    /// and `dWeights`, for `batch_size` probes. Weights and `i_tick` stay.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (1, 2)).batch_size(3).build()?;
    /// synapse.set_inputs(MatRef::new(&[1.0], 1, 1)?)?;
    /// synapse.advance_state()?;
    /// synapse.reset();
    /// assert_eq!((synapse.inputs().rows(), synapse.outputs().rows()), (3, 3));
    /// assert_eq!((synapse.outputs().row(0), synapse.i_tick()), (&[0.0][..], 1));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn reset(&mut self) {
        let batch = self.settings.batch_size;
        let record = self.settings.record;
        if !self.inputs_driven {
            self.inputs.clear(batch);
        }
        self.outputs.clear(batch);
        if record.similarities {
            self.similarities.clear(batch);
        }
        if record.memory_weights {
            self.memory_weights.clear(batch);
        }
        if record.energy {
            self.energies.clear();
            self.energies.resize(batch, T::ZERO);
            self.energy = T::ZERO;
        }
        self.d_weights.clear(self.d_weights.rows());
        self.recalled = Recalled::Never;
    }

    /// Fixes the rates, as compiling its methods does in ngc-learn: η, β, λ and λ₁ that are set
    /// afterwards are kept and read back, and have no effect until this is called again.
    ///
    /// Under [`Semantics::Standard`] it does nothing.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (2, 1)).eta(0.0).build()?;
    /// let before = synapse.weights();
    /// synapse.compile();
    /// synapse.set_eta(1.0)?;
    /// synapse.set_inputs(MatRef::new(&[1.0, 1.0], 1, 2)?)?;
    /// synapse.advance_and_evolve()?;
    /// assert_eq!((synapse.eta(), synapse.weights()), (1.0, before));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn compile(&mut self) {
        if self.settings.semantics == Semantics::NgcLearn {
            self.compiled = Some(self.settings.rates);
        }
    }

    /// The rates that are in effect.
    fn rates(&self) -> Rates<T> {
        self.compiled.unwrap_or(self.settings.rates)
    }

    fn retrieval(&self, beta: T) -> Result<Retrieval<'static, T>> {
        Ok(Retrieval::new(beta).with_gain(self.settings.gain()))
    }

    /// The rule. Its negative phase has the β of now, even where that of the recall was another.
    fn plasticity(&self, rates: Rates<T>) -> Plasticity<T> {
        let negative_beta = match self.settings.semantics {
            Semantics::NgcLearn => T::ONE,
            Semantics::Standard => rates.beta,
        };
        Plasticity {
            rule: self.settings.rule,
            update: rates.update(),
            negative_beta: Some(negative_beta),
            negative_steps: self.settings.negative_steps,
            ..Plasticity::default()
        }
    }

    /// Learns from the last recall.
    fn learn(&mut self) -> Result<()> {
        let Record { memory_weights, d_weights, .. } = self.settings.record;
        if self.inputs.rows() == 0 {
            self.d_weights.clear(self.d_weights.rows());
            return Ok(());
        }
        let plasticity = self.plasticity(self.rates());
        let delta = d_weights.then(|| self.d_weights.view_mut());
        let retrieval = Retrieval::new(self.recall_beta).with_gain(self.settings.gain());
        let (memory, context) = (&mut self.memory, &mut self.context);
        if !memory_weights {
            return plasticity.learn(&self.recall, memory, delta, context);
        }
        let input = LearningInput {
            probes: self.inputs.view(),
            retrieved: self.outputs.view(),
            memory_weights: self.memory_weights.view(),
            delta,
        };
        plasticity.learn_from(&retrieval, input, memory, context)
    }

    /// Learns from zeros: ΔM = 0.
    fn decay(&mut self) -> Result<()> {
        let (dim, patterns) = self.shape();
        let nothing = vec![T::ZERO; dim.max(patterns)];
        let factors = Update { eta: T::ZERO, ..self.rates().update() };
        self.d_weights.clear(self.d_weights.rows());
        let weights = MatRef::new(&nothing, 1, patterns)?;
        outer_product_update(
            &mut self.memory,
            OuterProducts::new(weights, MatRef::new(&nothing, 1, dim)?),
            factors,
            &mut self.context,
        )
    }

    /// Keeps everything else true to the weights that have just been learned.
    fn learned(&mut self) -> Result<()> {
        self.feature_norm = None;
        let Some(connected) = &self.connected else { return Ok(()) };
        self.d_weights.mask(connected);
        self.memory.disconnect(connected)
    }
}

fn no_recall(found: &'static str) -> Error {
    Error::NoRecall { operand: "evolve", expected: "an advance_state before it", found }
}

/// 0 when there are none.
fn mean<T: Element>(values: &[T]) -> T {
    let sum: f64 = values.iter().map(|value| value.to_f64()).sum();
    if values.is_empty() { T::ZERO } else { T::from_f64(sum / values.len() as f64) }
}
