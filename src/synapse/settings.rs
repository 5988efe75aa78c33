//! What a synapse is told: semantics, rates and what to record.

use super::demand::{demand, demand_count};
use super::init::WeightInit;
use crate::builder::setters;
use crate::error::Result;
use crate::learning::{Update, UpdateRule};
use crate::memory::granted;
use crate::simd::{Element, beta_of};

/// Whether a [`HopfieldSynapse`](super::HopfieldSynapse) means what ngc-learn's component computes
/// or what the papers say.
///
/// | point | `NgcLearn` | `Standard` |
/// | --- | --- | --- |
/// | similarities | S minus the maximum of its row | S |
/// | energy: log-sum-exp | of β (S - max S); the maximum is never added back | of β S |
/// | energy: quadratic term | ½ x·x̂ | ½ x·x |
/// | energy: constant | ½ max over features d of ‖W\[d,:\]‖² | ½ max over patterns n of ‖m_n‖² |
/// | contrastive negative phase | softmax(x̂W): one step, temperature 1 | softmax(β x̂W), any number of steps |
/// | fewer initial patterns than N | patterns and initial weights, shuffled | the same |
/// | more initial patterns than N | they replace the memory: N changes | an error |
/// | unknown name of an update rule | the delta rule | an error |
/// | `p_conn` | masks the initial weights, and nothing after them | masked weights stay 0 |
/// | `resist_scale` | kept and never used | the memory that recall sees is r M |
/// | `evolve` before `advance_state` | learns from zeros: decay alone | an error |
/// | η, β, λ, λ₁ set after `compile` | kept, and without effect until the next `compile` | in effect at once |
///
/// ```
/// use hopfield_kernels::{HopfieldSynapse, Semantics};
///
/// let unheard_of = |semantics| {
///     HopfieldSynapse::<f32>::builder("W", (4, 3))
///         .semantics(semantics)
///         .update_rule_named("hebbian")
///         .build()
/// };
/// assert!(unheard_of(Semantics::NgcLearn).is_ok(), "as in ngc-learn, it means delta");
/// assert!(unheard_of(Semantics::Standard).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Semantics {
    /// What ngc-learn 3.2.1 computes, to the letter.
    #[default]
    NgcLearn,
    /// Ramsauer et al. 2020 (arXiv 2008.02217) and Movellan 1991.
    Standard,
}

/// Which compartments a [`HopfieldSynapse`](super::HopfieldSynapse) keeps beside its outputs:
/// everything by default, as ngc-learn does.
///
/// What is not recorded is not computed. Without similarities and memory weights no B x N array
/// exists; `evolve` finds again what it needs of them.
///
/// ```
/// use hopfield_kernels::{Error, HopfieldSynapse, Record};
///
/// let record = Record::nothing().with_energy(true);
/// let synapse = HopfieldSynapse::<f32>::builder("W", (4, 3)).record(record).build()?;
/// assert_eq!(synapse.energy()?, 0.0);
/// assert!(matches!(synapse.similarities(), Err(Error::NotRecorded { .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Record {
    /// `similarities` (B x N).
    pub similarities: bool,
    /// `memory_weights` (B x N).
    pub memory_weights: bool,
    /// `energy`, and that of each probe.
    pub energy: bool,
    /// `dWeights` (D x N).
    pub d_weights: bool,
}

impl Record {
    /// All of them.
    pub const fn everything() -> Self {
        Self { similarities: true, memory_weights: true, energy: true, d_weights: true }
    }

    /// None of them: the form for speed.
    pub const fn nothing() -> Self {
        Self { similarities: false, memory_weights: false, energy: false, d_weights: false }
    }

    setters! {
        /// With or without `similarities`.
        with_similarities(similarities: bool);
        /// With or without `memory_weights`.
        with_memory_weights(memory_weights: bool);
        /// With or without `energy`.
        with_energy(energy: bool);
        /// With or without `dWeights`.
        with_d_weights(d_weights: bool);
    }
}

impl Default for Record {
    fn default() -> Self {
        Self::everything()
    }
}

/// The hyper-parameters that may be edited while the synapse lives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rates<T> {
    pub eta: T,
    pub beta: T,
    pub reg_lambda: T,
    pub l1_lambda: T,
}

impl<T: Element> Rates<T> {
    /// η, λ and λ₁.
    pub fn update(&self) -> Update<T> {
        let Self { eta, reg_lambda, l1_lambda, .. } = *self;
        Update { eta, reg_lambda, l1_lambda }
    }

    /// Itself, unless one of them is outside its domain.
    pub fn checked(self) -> Result<Self> {
        self.update().check()?;
        beta_of(self.beta)?;
        Ok(self)
    }
}

/// All that a synapse is told, but for its shape and its patterns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings<T> {
    pub name: String,
    pub semantics: Semantics,
    pub rule: UpdateRule,
    pub rates: Rates<T>,
    pub resist_scale: T,
    pub p_conn: f64,
    pub weight_init: WeightInit,
    pub batch_size: usize,
    pub seed: u64,
    pub negative_steps: usize,
    pub record: Record,
}

impl<T: Element> Settings<T> {
    /// ngc-learn's defaults. It has none for η: here nothing is learned until there is one.
    pub fn new(name: String) -> Self {
        Self {
            name,
            semantics: Semantics::default(),
            rule: UpdateRule::default(),
            rates: Rates {
                eta: T::ZERO,
                beta: T::from_f64(8.0),
                reg_lambda: T::ZERO,
                l1_lambda: T::ZERO,
            },
            resist_scale: T::ONE,
            p_conn: 1.0,
            weight_init: WeightInit::default(),
            batch_size: 1,
            seed: 0,
            negative_steps: 1,
            record: Record::default(),
        }
    }

    /// Refuses what is outside its domain, for a memory of this shape.
    pub fn check(&self, (dim, patterns): (usize, usize)) -> Result<()> {
        self.rates.checked()?;
        self.weight_init.check()?;
        self.check_semantics()?;
        let most = isize::MAX as usize / size_of::<T>() / dim.max(patterns).max(1);
        let expected = "at least 1, and a batch that fits into memory";
        let cols = dim.max(patterns).max(1);
        let fits = (1..=most).contains(&self.batch_size) && granted::<T>(self.batch_size * cols);
        demand_count("batch_size", expected, self.batch_size, fits)
    }

    /// The domains that depend on the semantics.
    fn check_semantics(&self) -> Result<()> {
        let (scale, p_conn) = (self.resist_scale.to_f64(), self.p_conn);
        let steps = self.negative_steps;
        match self.semantics {
            Semantics::NgcLearn => {
                demand("resist_scale", "a finite number", scale, scale.is_finite())?;
                demand("p_conn", "a finite number", p_conn, p_conn.is_finite())?;
                demand_count("negative_steps", "1, as ngc-learn has it", steps, steps == 1)
            }
            Semantics::Standard => {
                let positive = scale > 0.0 && scale.is_finite();
                demand("resist_scale", "a finite number above 0", scale, positive)?;
                let probable = p_conn > 0.0 && p_conn <= 1.0;
                demand("p_conn", "a probability above 0", p_conn, probable)?;
                demand_count("negative_steps", "at least 1", steps, steps >= 1)
            }
        }
    }

    /// Whether some connections are to be masked: ngc-learn takes numbers beyond (0, 1) for 1.
    pub fn masks(&self) -> bool {
        self.p_conn > 0.0 && self.p_conn < 1.0
    }

    /// Whether the masked connections stay so.
    pub fn masks_for_ever(&self) -> bool {
        self.semantics == Semantics::Standard && self.masks()
    }

    /// What the patterns are multiplied by when they are recalled.
    pub fn gain(&self) -> T {
        match self.semantics {
            Semantics::NgcLearn => T::ONE,
            Semantics::Standard => self.resist_scale,
        }
    }
}
