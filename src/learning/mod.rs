//! Local learning: the learning rules, as batches of outer products.
//!
//! With P = softmax(β X Mᵀ), X̂ = P M and B probes,
//!
//! | rule | ΔM |
//! | --- | --- |
//! | delta | Pᵀ (X - X̂) / B |
//! | contrastive (Movellan 1991) | (Pᵀ X - P⁻ᵀ X⁻) / B, P⁻ = softmax(β X⁻ Mᵀ) |
//! | energy | Pᵀ X / B |
//!
//! where X⁻ = X̂ or the result of further recalls of it. Then M ← M + η ΔM - λ M - λ₁ sign(M).

mod growth;
mod noise;
mod outer_products;

use std::str::FromStr;

use crate::builder::setters;
use crate::driver::blocking::Plan;
use crate::driver::outputs::Outputs;
use crate::driver::scratch::{grow, pad, take};
use crate::driver::sparse::OwnedRows;
use crate::driver::update::{SoftmaxRows, Source};
use crate::error::{Error, Result};
use crate::matrix::check::{expect_length, expect_shape};
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::{Context, Recall, Retrieval};
use crate::separation::family::Separation;
use crate::separation::state::State;
use crate::simd::{Element, beta_of};
use outer_products::{Batch, check_delta, clear};

pub use growth::{Event, Growth, GrowthInput, Usage, WhenFull};
pub use noise::Noise;
pub(crate) use outer_products::update;
pub use outer_products::{OuterProducts, Update};

/// The rule by which the patterns learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum UpdateRule {
    /// The error of recall: ΔM = Pᵀ (X - X̂) / B.
    #[default]
    Delta,
    /// The difference of the positive and the negative phase: ΔM = (Pᵀ X - P⁻ᵀ X⁻) / B, where X⁻ is
    /// what has been retrieved, or what further recalls make of it, and P⁻ its weights.
    Contrastive,
    /// The descent of the energy: ΔM = Pᵀ X / B. Patterns grow without bound unless they decay.
    Energy,
}

impl FromStr for UpdateRule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "delta" => Ok(Self::Delta),
            "contrastive" => Ok(Self::Contrastive),
            "energy" => Ok(Self::Energy),
            _ => Err(Error::Unknown {
                what: "update_rule",
                known: "delta, contrastive, energy",
                found: name.to_string(),
            }),
        }
    }
}

/// Learning from recall: a rule and its rates.
///
/// ```
/// use hopfield_kernels::{MatMut, MatRef, Memory, Plasticity, Retrieval, Context};
///
/// let mut memory = Memory::from_rows(MatRef::new(&[0.5_f32, 0.0, 0.0, 0.5], 2, 2)?)?;
/// let probe = [1.0, 0.0];
/// let probes = MatRef::new(&probe, 1, 2)?;
/// let (retrieval, mut context) = (Retrieval::new(8.0), Context::new());
/// for _ in 0..50 {
///     let mut retrieved = [0.0; 2];
///     let retrieved = MatMut::new(&mut retrieved, 1, 2)?;
///     Plasticity::default().recall_and_learn(
///         &retrieval, probes, retrieved, &mut memory, &mut context)?;
/// }
/// assert!((memory.pattern(0)[0] - 1.0).abs() < 1e-3, "the nearest pattern has become the probe");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Plasticity<T> {
    /// The rule.
    pub rule: UpdateRule,
    /// The rates.
    pub update: Update<T>,
    /// β of the negative phase of the contrastive rule. `None` means the β of the recall.
    pub negative_beta: Option<T>,
    /// The number of recalls after which the result is X⁻ of the contrastive rule. 1 means X⁻ = X̂.
    pub negative_steps: usize,
    /// With k, the negative phase of the contrastive rule has a weight of 1 for each of the k most
    /// similar patterns and of 0 for all others, in place of those of the recall.
    pub negative_winners: Option<usize>,
    /// Noise that is added to the patterns after the update.
    pub noise: Option<Noise<T>>,
}

impl<T: Element> Default for Plasticity<T> {
    /// The delta rule with η = 1, no decay, and one negative step.
    fn default() -> Self {
        let (rule, update) = (UpdateRule::default(), Update::default());
        let (negative_beta, negative_steps, negative_winners) = (None, 1, None);
        Self { rule, update, negative_beta, negative_steps, negative_winners, noise: None }
    }
}

/// What to learn from, if the memory weights are given.
#[derive(Debug)]
#[non_exhaustive]
pub struct LearningInput<'a, T> {
    /// X (B x D).
    pub probes: MatRef<'a, T>,
    /// X̂ (B x D).
    pub retrieved: MatRef<'a, T>,
    /// P (B x N). Weights of masked patterns count as 0, whatever they are.
    pub memory_weights: MatRef<'a, T>,
    /// Where to write ΔM (N x D), if wanted.
    pub delta: Option<MatMut<'a, T>>,
}

impl<'a, T: Element> LearningInput<'a, T> {
    /// What was recalled from which probes, by which weights.
    pub fn new(
        probes: MatRef<'a, T>,
        retrieved: MatRef<'a, T>,
        memory_weights: MatRef<'a, T>,
    ) -> Self {
        Self { probes, retrieved, memory_weights, delta: None }
    }

    setters! {
        /// Where to write ΔM.
        with_delta(delta?: MatMut<'a, T>);
    }
}

impl<T: Element> Plasticity<T> {
    setters! {
        /// Sets the rule.
        with_rule(rule: UpdateRule);
        /// Sets the rates.
        with_update(update: Update<T>);
        /// Sets β of the negative phase.
        with_negative_beta(negative_beta?: T);
        /// Sets the number of recalls of the negative phase.
        with_negative_steps(negative_steps: usize);
        /// Sets the number of winners of the negative phase.
        with_negative_winners(negative_winners?: usize);
        /// Sets the noise.
        with_noise(noise?: Noise<T>);
    }

    fn check(&self) -> Result<()> {
        self.update.check()?;
        let counts = [
            ("negative_steps", self.negative_steps),
            ("negative_winners", self.negative_winners.unwrap_or(1)),
        ];
        if let Some((name, found)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(Error::Count { name, expected: "at least 1", found });
        }
        self.noise.map_or(Ok(()), |noise| noise.check())?;
        self.negative_beta.map_or(Ok(()), |beta| beta_of(beta).map(drop))
    }

    /// Learns from a recall of this memory. The patterns are read and written once (and, for the
    /// contrastive rule, read once more for each negative step); memory weights are computed again,
    /// block by block. ΔM (N x D) is written to `delta`, if given.
    ///
    /// A masked pattern does not learn, but it decays. Its row of ΔM is 0, whatever the probes are.
    ///
    /// ```
    /// # use hopfield_kernels::{
    /// #     MatMut, MatRef, Memory, Outputs, Plasticity, Recall, Retrieval, UpdateRule, Context};
    /// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)?;
    /// let (mut recall, mut context) = (Recall::new(), Context::new());
    /// let (probes, outputs) = (MatRef::new(&[0.9, 0.2], 1, 2)?, Outputs::default());
    /// Retrieval::new(16.0).recall(probes, &memory, outputs, &mut recall, &mut context)?;
    ///
    /// let rule = Plasticity::default().with_rule(UpdateRule::Contrastive);
    /// let mut delta = [0.0; 4];
    /// let to = Some(MatMut::new(&mut delta, 2, 2)?);
    /// rule.learn(&recall, &mut memory, to, &mut context)?;
    /// assert!(delta[1] > 0.1, "the nearest pattern has moved towards the probe");
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoRecall`] unless `recall` is one of this memory as it is now, [`Error::Shape`] for
    /// a `delta` that does not fit, [`Error::Parameter`] for rates that are not finite,
    /// [`Error::Count`] for no negative step or winner, [`Error::Store`] for patterns in sixteen
    /// bits or in a file. Nothing has changed then.
    pub fn learn(
        &self,
        recall: &Recall<T>,
        memory: &mut Memory<T>,
        delta: Option<MatMut<'_, T>>,
        context: &mut Context<T>,
    ) -> Result<()> {
        self.check()?;
        recall.check(memory)?;
        check_delta(&delta, memory)?;
        self.apply(recall, Positive::Probes, delta, memory, context)
    }

    /// Learns from given memory weights, such as those that a recall has written. `retrieval` has
    /// the mask, and the parameters of recall in the negative phase of the contrastive rule.
    ///
    /// ```
    /// # use hopfield_kernels::{
    /// #     LearningInput, MatRef, Memory, Plasticity, Retrieval, Context};
    /// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)?;
    /// let (probes, weights) = (MatRef::new(&[0.9, 0.2], 1, 2)?, MatRef::new(&[1.0, 0.0], 1, 2)?);
    /// let input = LearningInput::new(probes, MatRef::new(&[1.0, 0.0], 1, 2)?, weights);
    /// let (retrieval, mut context) = (Retrieval::new(16.0), Context::new());
    /// Plasticity::default().learn_from(&retrieval, input, &mut memory, &mut context)?;
    /// assert_eq!(memory.to_rows(), [0.9, 0.2, 0.0, 1.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Length`] for operands that do not fit, [`Error::Parameter`]
    /// for rates that are not finite, [`Error::Count`] for no negative step or winner,
    /// [`Error::Store`] for patterns in sixteen bits or in a file. Nothing has changed then.
    pub fn learn_from(
        &self,
        retrieval: &Retrieval<'_, T>,
        input: LearningInput<'_, T>,
        memory: &mut Memory<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        self.check()?;
        let LearningInput { probes, retrieved, memory_weights, delta } = input;
        let (batch, patterns, dim) = (probes.rows(), memory.patterns(), memory.dim());
        expect_shape("probes", probes.shape(), (batch, dim))?;
        retrieval.check_parameters()?;
        if let Some(keep) = retrieval.mask() {
            expect_length("mask", keep.len(), patterns)?;
        }
        expect_shape("retrieved", retrieved.shape(), (batch, dim))?;
        expect_shape("memory_weights", memory_weights.shape(), (batch, patterns))?;
        check_delta(&delta, memory)?;
        let mut recall = std::mem::take(&mut context.recall);
        recall.reserve(batch, dim)?;
        let mut to = recall.retrieved_mut(dim);
        for (b, row) in retrieved.iter().enumerate() {
            to.row_mut(b).copy_from_slice(row);
        }
        recall.keep(retrieval, memory, probes, &[]);
        let positive = Positive::Weights(memory_weights);
        let result = self.apply(&recall, positive, delta, memory, context);
        context.recall = recall;
        result
    }

    /// Recalls and learns in one call, for online learning. The patterns are read once for recall,
    /// and read and written once for learning. The B x N similarities are kept from the one to the
    /// other if they are few enough; otherwise they are computed again.
    ///
    /// ```
    /// # use hopfield_kernels::{MatMut, MatRef, Memory, Plasticity, Retrieval, Context};
    /// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)?;
    /// let (mut retrieved, mut context) = ([0.0; 2], Context::new());
    /// // The second pattern takes no part: it is not recalled and does not learn.
    /// let retrieval = Retrieval::new(16.0).with_gain(0.5).with_mask(&[true, false]);
    /// Plasticity::default().recall_and_learn(
    ///     &retrieval,
    ///     MatRef::new(&[0.0, 2.0], 1, 2)?,
    ///     MatMut::new(&mut retrieved, 1, 2)?,
    ///     &mut memory,
    ///     &mut context,
    /// )?;
    /// assert_eq!(retrieved, [0.5, 0.0]);
    /// assert_eq!(memory.to_rows(), [0.5, 2.0, 0.0, 1.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Retrieval::run`] and [`learn`](Self::learn).
    pub fn recall_and_learn(
        &self,
        retrieval: &Retrieval<'_, T>,
        probes: MatRef<'_, T>,
        retrieved: MatMut<'_, T>,
        memory: &mut Memory<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        self.check()?;
        let (batch, patterns) = (probes.rows(), memory.patterns());
        let mut recall = std::mem::take(&mut context.recall);
        let mut kept = std::mem::take(&mut context.similarities);
        let retrieved = Some(retrieved);
        let result = (|| {
            let plan = Plan::new::<T>(patterns, memory.dim());
            if !plan.keeps_similarities::<T>(batch) || !retrieval.is_plain() {
                let outputs = Outputs { retrieved, ..Outputs::default() };
                retrieval.recall(probes, memory, outputs, &mut recall, context)?;
                return self.apply(&recall, Positive::Probes, None, memory, context);
            }
            grow!(kept, product([batch, patterns]), T::ZERO);
            let similarities = Some(MatMut::new(&mut kept, batch, patterns)?);
            let outputs = Outputs { retrieved, similarities, ..Outputs::default() };
            let plain = retrieval.with_plain_similarities();
            plain.recall(probes, memory, outputs, &mut recall, context)?;
            let scores = Positive::Scores(MatRef::new(&kept, batch, patterns)?);
            self.apply(&recall, scores, None, memory, context)
        })();
        (context.recall, context.similarities) = (recall, kept);
        result
    }

    /// The learning step itself; its operands have been checked.
    fn apply(
        &self,
        recall: &Recall<T>,
        positive: Positive<'_, T>,
        delta: Option<MatMut<'_, T>>,
        memory: &mut Memory<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let (batch, patterns) = (recall.probes(), memory.patterns());
        if batch == 0 {
            clear(delta);
            return Ok(());
        }
        let plan = Plan::new::<T>(patterns, memory.dim());
        let [probes, retrieved] = recall.rows(plan);
        let retrieval = recall.retrieval();
        let contrastive = self.rule == UpdateRule::Contrastive;
        let mut learning = std::mem::take(&mut context.learning);
        learning.reserve(product([3, batch, plan.stride]), batch as u64, 0)?;
        let (rows, negative_states) = (batch * plan.stride, &mut learning.states[..batch]);
        let mut elements = &mut learning.elements[..];
        // Z is X - X̂ for the delta rule, and X followed by -X⁻ for the contrastive one.
        let vectors = take(&mut elements, 2 * rows);
        let negative = take(&mut elements, rows);
        let negative_phase = self.negative_beta.map_or(retrieval, |beta| retrieval.with_beta(beta));
        let negative_phase = negative_phase.updating();
        let mut negative_weights = OwnedRows::default();
        let (z, z_negative) = vectors.split_at_mut(rows);
        if contrastive {
            // The recalls of the negative phase use the first part of Z as scratch.
            pad(retrieved, negative, plan.stride);
            let to = Negative {
                rows: &mut *negative,
                other: &mut *z,
                states: &mut *negative_states,
                weights: &mut negative_weights,
            };
            self.negative(&negative_phase, to, memory, context)?;
            pad(probes, z, plan.stride);
            z_negative.iter_mut().zip(&*negative).for_each(|(z, x)| *z = -*x);
        } else if self.rule == UpdateRule::Energy {
            pad(probes, z, plan.stride);
        } else {
            let pairs = probes.iter().zip(retrieved.iter());
            for (z, (x, retrieved)) in z.chunks_exact_mut(plan.stride).zip(pairs) {
                let differences = x.iter().zip(retrieved).map(|(x, retrieved)| *x - *retrieved);
                z.iter_mut().zip(differences).for_each(|(z, difference)| *z = difference);
            }
        }
        let matrix = |rows, count| MatRef::with_stride(rows, count, plan.cols, plan.stride);
        let sparse = |rows| Source::Sparse { rows, first: 0 };
        let (states, params) = (recall.states(), retrieval.params(patterns));
        let positive = match positive {
            Positive::Weights(weights) => Source::Weights(weights),
            Positive::Scores(rows) => Source::Scores(SoftmaxRows { rows, states, params }),
            Positive::Probes if !retrieval.is_plain() => sparse(recall.weights()),
            Positive::Probes => Source::Probes(SoftmaxRows { rows: probes, states, params }),
        };
        let (states, params) = (negative_states, negative_phase.params(patterns));
        let negative = match self.negative_winners.is_some() || !negative_phase.is_plain() {
            true => sparse(negative_weights.rows()),
            false => Source::Probes(SoftmaxRows { rows: matrix(negative, batch)?, states, params }),
        };
        let vectors = matrix(vectors, if contrastive { 2 * batch } else { batch })?;
        let update = Batch {
            sources: [Some(positive), contrastive.then_some(negative)],
            keep: retrieval.mask(),
            vectors,
            batch,
        };
        update.apply(self.update, delta, memory, context)?;
        context.learning = learning;
        if let Some(noise) = self.noise {
            noise.add(memory)?;
        }
        Ok(())
    }

    /// The negative phase: turns X̂ into X⁻ and finds what its memory weights follow from.
    fn negative(
        &self,
        phase: &Retrieval<'_, T>,
        to: Negative<'_, T>,
        memory: &Memory<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Negative { rows: negative, other, states, weights } = to;
        let (batch, dim) = (states.len(), memory.dim());
        let stride = negative.len() / batch;
        for _ in 1..self.negative_steps {
            other.copy_from_slice(negative);
            let from = MatRef::with_stride(other, batch, dim, stride)?;
            let to = MatMut::with_stride(negative, batch, dim, stride)?;
            let outputs = Outputs { retrieved: Some(to), ..Outputs::default() };
            phase.run(from, memory, outputs, context)?;
        }
        let from = MatRef::with_stride(negative, batch, dim, stride)?;
        if let Some(k) = self.negative_winners {
            let winners = phase.with_separation(Separation::HardTopK(k));
            // Fewer than k patterns may take part.
            return winners.weights(from, memory, weights, k as f64, context);
        }
        if !phase.is_plain() {
            return phase.weights(from, memory, weights, 1.0, context);
        }
        phase.run_again(from, memory, Outputs::default(), context)?;
        states.copy_from_slice(&context.memory.states[..batch]);
        Ok(())
    }
}

/// What the negative phase writes.
struct Negative<'a, T> {
    /// X̂, which becomes X⁻.
    rows: &'a mut [T],
    /// Scratch of the same size.
    other: &'a mut [T],
    /// The softmax state of each row, for weights that follow from it ...
    states: &'a mut [State<T>],
    /// ... and the weights that do not.
    weights: &'a mut OwnedRows<T>,
}

/// The source of the memory weights of the positive phase.
enum Positive<'a, T> {
    Weights(MatRef<'a, T>),
    Scores(MatRef<'a, T>),
    Probes,
}
