//! The hyper-parameters: reading them, and setting those that may change after construction.

use super::settings::Rates;
use super::{HopfieldSynapse, Record, Semantics, WeightInit};
use crate::error::Result;
use crate::learning::UpdateRule;
use crate::retrieval::Context;
use crate::simd::Element;

/// # Hyper-parameters
///
/// ```
/// # use hopfield_kernels::{Distribution, HopfieldSynapse, MatRef, Record, Semantics, UpdateRule};
/// let synapse = HopfieldSynapse::<f64>::builder("W", (2, 4))
///     .semantics(Semantics::Standard)
///     .p_conn(0.5)
///     .initial_pattern_rows(MatRef::new(&[1.0, 0.0], 1, 2)?)
///     .build()?;
/// assert_eq!((synapse.name(), synapse.shape(), synapse.batch_size()), ("W", (2, 4), 1));
/// assert_eq!((synapse.eta(), synapse.beta()), (0.0, 8.0));
/// assert_eq!((synapse.reg_lambda(), synapse.l1_lambda()), (0.0, 0.0));
/// assert_eq!((synapse.resist_scale(), synapse.p_conn()), (1.0, 0.5));
/// assert_eq!((synapse.update_rule(), synapse.negative_steps()), (UpdateRule::Delta, 1));
/// assert_eq!((synapse.semantics(), synapse.record()), (Semantics::Standard, Record::everything()));
/// assert_eq!(synapse.weight_init(), Distribution::Uniform { low: 0.025, high: 0.8 }.into());
///
/// // The pattern has been shuffled among the initial weights, and half of all weights do not exist.
/// let order = synapse.permutation().expect("one pattern of four");
/// assert!(order.contains(&0));
/// let connections = synapse.connections().expect("not all of them");
/// let weights = synapse.memory().to_rows();
/// assert!(connections.iter().zip(weights).all(|(exists, weight)| *exists || weight == 0.0));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
impl<T: Element> HopfieldSynapse<T> {
    /// The name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// (D, N): features and patterns.
    pub fn shape(&self) -> (usize, usize) {
        (self.memory.dim(), self.memory.patterns())
    }

    /// Which semantics.
    pub fn semantics(&self) -> Semantics {
        self.settings.semantics
    }

    /// Which update rule.
    pub fn update_rule(&self) -> UpdateRule {
        self.settings.rule
    }

    /// What is recorded.
    pub fn record(&self) -> Record {
        self.settings.record
    }

    /// Probes in the batch that `reset` returns to.
    pub fn batch_size(&self) -> usize {
        self.settings.batch_size
    }

    /// r, the factor on the memory.
    pub fn resist_scale(&self) -> T {
        self.settings.resist_scale
    }

    /// The probability that a connection exists.
    pub fn p_conn(&self) -> f64 {
        self.settings.p_conn
    }

    /// How the weights began.
    pub fn weight_init(&self) -> WeightInit {
        self.settings.weight_init
    }

    /// Recalls of the contrastive rule's negative phase.
    pub fn negative_steps(&self) -> usize {
        self.settings.negative_steps
    }

    /// How a preload of fewer patterns than N was shuffled: pattern n of the memory is number
    /// `permutation()[n]` of the initial patterns followed by the initial weights. `None` where
    /// nothing was.
    pub fn permutation(&self) -> Option<&[usize]> {
        self.permutation.as_deref()
    }

    /// Which weights exist (N x D, row after row), where `p_conn` says so for ever. `None` where
    /// all do.
    pub fn connections(&self) -> Option<&[bool]> {
        self.connected.as_deref()
    }

    /// η, the learning rate.
    pub fn eta(&self) -> T {
        self.settings.rates.eta
    }

    /// β, the inverse temperature.
    pub fn beta(&self) -> T {
        self.settings.rates.beta
    }

    /// λ, the weight decay.
    pub fn reg_lambda(&self) -> T {
        self.settings.rates.reg_lambda
    }

    /// λ₁, the weight decay at a constant rate.
    pub fn l1_lambda(&self) -> T {
        self.settings.rates.l1_lambda
    }

    /// Sets η, in effect at once unless [compiled](Self::compile).
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless it is finite.
    pub fn set_eta(&mut self, eta: T) -> Result<()> {
        self.set_rates(Rates { eta, ..self.settings.rates })
    }

    /// Sets β, in effect at once unless [compiled](Self::compile).
    ///
    /// ```
    /// # use hopfield_kernels::HopfieldSynapse;
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (1, 3)).build()?;
    /// synapse.set_beta(2.0)?;
    /// let refused = synapse.set_beta(-1.0).unwrap_err();
    /// assert_eq!(refused.to_string(), "beta: expected a finite number above 0, got -1");
    /// assert_eq!(synapse.beta(), 2.0);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless it is finite and above 0.
    pub fn set_beta(&mut self, beta: T) -> Result<()> {
        self.set_rates(Rates { beta, ..self.settings.rates })
    }

    /// Sets λ, in effect at once unless [compiled](Self::compile).
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f64>::builder("W", (1, 1)).build()?;
    /// synapse.set_weights(MatRef::new(&[8.0], 1, 1)?)?;
    /// synapse.set_reg_lambda(0.25)?; // η is 0: the weight only decays
    /// synapse.advance_and_evolve()?;
    /// assert_eq!(synapse.weights(), [6.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless it is finite.
    pub fn set_reg_lambda(&mut self, reg_lambda: T) -> Result<()> {
        self.set_rates(Rates { reg_lambda, ..self.settings.rates })
    }

    /// Sets λ₁, in effect at once unless [compiled](Self::compile).
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f64>::builder("W", (1, 2)).build()?;
    /// synapse.set_weights(MatRef::new(&[8.0, -1.0], 1, 2)?)?;
    /// synapse.set_l1_lambda(0.25)?; // η is 0: weights only decay
    /// synapse.advance_and_evolve()?;
    /// assert_eq!(synapse.weights(), [7.75, -0.75]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless it is finite.
    pub fn set_l1_lambda(&mut self, l1_lambda: T) -> Result<()> {
        self.set_rates(Rates { l1_lambda, ..self.settings.rates })
    }

    fn set_rates(&mut self, rates: Rates<T>) -> Result<()> {
        self.settings.rates = rates.checked()?;
        Ok(())
    }

    /// Sets the scratch memory, and with it the level and the parallelism.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, Parallelism, Context};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (1, 3)).build()?;
    /// synapse.set_context(Context::new().with_parallelism(Parallelism::Serial));
    /// synapse.advance_state()?;
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn set_context(&mut self, context: Context<T>) {
        self.context = context;
        self.changed("a context that was set since");
    }
}
