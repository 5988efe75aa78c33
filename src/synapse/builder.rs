//! From settings and initial patterns to a synapse.

use std::cmp::Ordering;

use super::init::{connections, permutation};
use super::settings::Settings;
use super::table::Table;
use super::{HopfieldSynapse, Recalled, Record, Semantics, WeightInit};
use crate::error::{Error, Result};
use crate::learning::UpdateRule;
use crate::matrix::MatRef;
use crate::matrix::check::expect_shape;
use crate::memory::Memory;
use crate::retrieval::{Context, Recall};
use crate::simd::Element;

/// Builds a [`HopfieldSynapse`]: hyper-parameters with ngc-learn's names and defaults.
///
/// ```
/// use hopfield_kernels::{
///     Distribution, HopfieldSynapse, MatRef, Parallelism, Record, Semantics, UpdateRule, Context,
/// };
///
/// // Two patterns of three features to begin with, in a memory of four.
/// let patterns = [1.0_f32, 0.0, 0.0, 0.0, 1.0, 0.0];
/// let synapse = HopfieldSynapse::builder("W", (3, 4))
///     .eta(0.1)
///     .beta(4.0)
///     .reg_lambda(1e-3)
///     .update_rule(UpdateRule::Contrastive)
///     .weight_init(Distribution::Gaussian { mean: 0.0, std: 0.1 })
///     .initial_pattern_rows(MatRef::new(&patterns, 2, 3)?)
///     .batch_size(16)
///     .seed(1)
///     .semantics(Semantics::Standard)
///     .build()?;
/// assert_eq!(synapse.shape(), (3, 4));
///
/// // Where has the first pattern gone?
/// let order = synapse.permutation().expect("the patterns did not fill the memory");
/// let first = order.iter().position(|&from| from == 0).expect("a permutation");
/// assert_eq!(synapse.memory().pattern(first), [1.0, 0.0, 0.0]);
///
/// // And what is left of the settings.
/// let synapse = HopfieldSynapse::builder("W", (3, 2))
///     .l1_lambda(1e-4)
///     .resist_scale(1.5)
///     .p_conn(0.9)
///     .update_rule_named("contrastive")
///     .negative_steps(2)
///     .initial_patterns(MatRef::new(&patterns, 3, 2)?) // as columns
///     .semantics(Semantics::Standard)
///     .record(Record::nothing())
///     .context(Context::new().with_parallelism(Parallelism::Serial))
///     .build()?;
/// assert_eq!((synapse.update_rule(), synapse.permutation()), (UpdateRule::Contrastive, None));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct HopfieldSynapseBuilder<'a, T> {
    shape: (usize, usize),
    settings: Settings<T>,
    rule_name: Option<String>,
    patterns: Option<Patterns<'a, T>>,
    context: Context<T>,
}

/// Initial patterns, in one of the two orientations.
#[derive(Debug, Clone, Copy)]
enum Patterns<'a, T> {
    Columns(MatRef<'a, T>),
    Rows(MatRef<'a, T>),
}

impl<'a, T: Element> HopfieldSynapseBuilder<'a, T> {
    pub(super) fn new(name: String, shape: (usize, usize)) -> Self {
        let (settings, context) = (Settings::new(name), Context::new());
        Self { shape, settings, rule_name: None, patterns: None, context }
    }

    /// η, the learning rate: 0 unless given (ngc-learn has no default for it).
    pub fn eta(mut self, eta: T) -> Self {
        self.settings.rates.eta = eta;
        self
    }

    /// λ, the weight decay of an update (not scaled by η): 0 unless given.
    pub fn reg_lambda(mut self, reg_lambda: T) -> Self {
        self.settings.rates.reg_lambda = reg_lambda;
        self
    }

    /// λ₁, the weight decay at a constant rate: 0 unless given.
    pub fn l1_lambda(mut self, l1_lambda: T) -> Self {
        self.settings.rates.l1_lambda = l1_lambda;
        self
    }

    /// β, the inverse temperature: 8 unless given.
    pub fn beta(mut self, beta: T) -> Self {
        self.settings.rates.beta = beta;
        self
    }

    /// Patterns to store from the beginning, the columns of a D x N' matrix as in ngc-learn.
    ///
    /// A matrix without columns counts as not given. N columns are the whole memory. Fewer are put
    /// before the first N - N' initial weights, and all of them are shuffled:
    /// [`HopfieldSynapse::permutation`]. More are an error under [`Semantics::Standard`], and the
    /// memory, with a new N, under [`Semantics::NgcLearn`].
    pub fn initial_patterns(mut self, columns: MatRef<'a, T>) -> Self {
        self.patterns = Some(Patterns::Columns(columns));
        self
    }

    /// [`initial_patterns`](Self::initial_patterns), as the rows of an N' x D matrix.
    pub fn initial_pattern_rows(mut self, rows: MatRef<'a, T>) -> Self {
        self.patterns = Some(Patterns::Rows(rows));
        self
    }

    /// The rule of [`HopfieldSynapse::evolve`]: delta unless given.
    pub fn update_rule(mut self, rule: UpdateRule) -> Self {
        self.settings.rule = rule;
        self.rule_name = None;
        self
    }

    /// The rule by its name, `delta` or `contrastive`. Any other name means delta under
    /// [`Semantics::NgcLearn`], and is an error under [`Semantics::Standard`].
    pub fn update_rule_named(mut self, name: &str) -> Self {
        self.rule_name = Some(name.to_string());
        self
    }

    /// How the weights begin: uniform between 0.025 and 0.8 unless given.
    pub fn weight_init(mut self, weight_init: impl Into<WeightInit>) -> Self {
        self.settings.weight_init = weight_init.into();
        self
    }

    /// r, a factor on the memory: 1 unless given. Under [`Semantics::Standard`] recall,
    /// similarities and energies are those of r M, while M is what is learned; under
    /// [`Semantics::NgcLearn`] it is kept and never used.
    pub fn resist_scale(mut self, resist_scale: T) -> Self {
        self.settings.resist_scale = resist_scale;
        self
    }

    /// The probability that a connection exists: 1 unless given. Of the others, the initial weights
    /// are 0; under [`Semantics::Standard`] all their weights are, for ever.
    pub fn p_conn(mut self, p_conn: f64) -> Self {
        self.settings.p_conn = p_conn;
        self
    }

    /// Probes in the batch that `reset` returns to: 1 unless given.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.settings.batch_size = batch_size;
        self
    }

    /// The seed of all that is random ([`WeightInit`] says how): 0 unless given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Whether to mean what ngc-learn computes or what the papers say: the former unless given.
    pub fn semantics(mut self, semantics: Semantics) -> Self {
        self.settings.semantics = semantics;
        self
    }

    /// Recalls of the contrastive rule's negative phase: 1 unless given, and always under
    /// [`Semantics::NgcLearn`].
    pub fn negative_steps(mut self, steps: usize) -> Self {
        self.settings.negative_steps = steps;
        self
    }

    /// What to keep of each step: everything unless given.
    pub fn record(mut self, record: Record) -> Self {
        self.settings.record = record;
        self
    }

    /// The scratch memory, and with it the level and the parallelism.
    pub fn context(mut self, context: Context<T>) -> Self {
        self.context = context;
        self
    }

    /// The synapse.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a hyper-parameter outside its domain, [`Error::Empty`] when N or D
    /// is 0, [`Error::Shape`] for patterns of another dimension, [`Error::TooManyPatterns`] and
    /// [`Error::Unknown`] as [`Semantics`] says, [`Error::Level`] as [`Context::level`] says.
    pub fn build(mut self) -> Result<HopfieldSynapse<T>> {
        if let Some(name) = &self.rule_name {
            self.settings.rule = match (name.parse(), self.settings.semantics) {
                (Err(_), Semantics::NgcLearn) => UpdateRule::Delta,
                (rule, _) => rule?,
            };
        }
        self.settings.check(self.shape)?;
        self.context.level()?;
        let (mut memory, permutation) = self.stored()?;
        let shape = (memory.dim(), memory.patterns());
        self.settings.check(shape)?;
        let connected = self.settings.masks_for_ever().then(|| self.connections());
        if let Some(connected) = &connected {
            memory.disconnect(connected)?;
        }
        let mut synapse = HopfieldSynapse::at_rest(self.settings, memory, self.context);
        synapse.permutation = permutation;
        synapse.connected = connected;
        Ok(synapse)
    }

    fn connections(&self) -> Vec<bool> {
        let (dim, patterns) = self.shape;
        connections(dim * patterns, self.settings.p_conn, self.settings.seed)
    }

    /// The initial weights.
    fn drawn(&self) -> Result<Memory<T>> {
        let mut memory = self.settings.weight_init.memory(self.shape, self.settings.seed)?;
        if self.settings.masks() {
            memory.disconnect(&self.connections())?;
        }
        Ok(memory)
    }

    /// The initial patterns, unless there are none.
    fn given(&self) -> Result<Option<Memory<T>>> {
        let dim = self.shape.0;
        match self.patterns {
            None => Ok(None),
            Some(Patterns::Columns(columns)) => {
                expect_shape("initial_patterns", columns.shape(), (dim, columns.cols()))?;
                (columns.cols() > 0).then(|| Memory::from_columns(columns)).transpose()
            }
            Some(Patterns::Rows(rows)) => {
                expect_shape("initial_patterns", rows.shape(), (rows.rows(), dim))?;
                (rows.rows() > 0).then(|| Memory::from_rows(rows)).transpose()
            }
        }
    }

    /// The memory to begin with, and how its patterns were shuffled.
    fn stored(&self) -> Result<(Memory<T>, Option<Vec<usize>>)> {
        let patterns = self.shape.1;
        if patterns == 0 || self.shape.0 == 0 {
            return Memory::zeros(patterns, self.shape.0).map(|memory| (memory, None));
        }
        let Some(given) = self.given()? else {
            return self.drawn().map(|memory| (memory, None));
        };
        match given.patterns().cmp(&patterns) {
            Ordering::Less => self.shuffled(&given),
            Ordering::Greater if self.settings.semantics == Semantics::Standard => {
                Err(Error::TooManyPatterns { expected: patterns, found: given.patterns() })
            }
            Ordering::Equal | Ordering::Greater => Ok((given, None)),
        }
    }

    /// Patterns that do not fill the memory, and initial weights, in random order.
    fn shuffled(&self, given: &Memory<T>) -> Result<(Memory<T>, Option<Vec<usize>>)> {
        let drawn = self.drawn()?;
        let order = permutation(drawn.patterns(), self.settings.seed);
        let mut memory = Memory::zeros(drawn.patterns(), drawn.dim())?;
        let mut buffer = Vec::new();
        for (n, &from) in order.iter().enumerate() {
            let pattern = match from.checked_sub(given.patterns()) {
                None => given.pattern_in(from, &mut buffer),
                Some(initial) => drawn.pattern(initial),
            };
            memory.set_pattern(n, pattern)?;
        }
        Ok((memory, Some(order)))
    }
}

impl<T: Element> HopfieldSynapse<T> {
    /// With this memory, and zeros in every other compartment.
    pub(super) fn at_rest(settings: Settings<T>, memory: Memory<T>, context: Context<T>) -> Self {
        let (batch, dim, patterns) = (settings.batch_size, memory.dim(), memory.patterns());
        let Record { similarities, memory_weights, energy, d_weights } = settings.record;
        let recorded = |kept: bool, rows, cols| Table::zeros(if kept { rows } else { 0 }, cols);
        Self {
            inputs: Table::zeros(batch, dim),
            outputs: Table::zeros(batch, dim),
            similarities: recorded(similarities, batch, patterns),
            memory_weights: recorded(memory_weights, batch, patterns),
            d_weights: recorded(d_weights, patterns, dim),
            energies: vec![T::ZERO; if energy { batch } else { 0 }],
            energy: T::ZERO,
            tick: 0,
            inputs_driven: false,
            recalled: Recalled::Never,
            recall: Recall::new(),
            recall_beta: settings.rates.beta,
            compiled: None,
            permutation: None,
            connected: None,
            feature_norm: None,
            settings,
            memory,
            context,
        }
    }
}
