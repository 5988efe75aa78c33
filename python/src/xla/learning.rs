//! What patterns learn from, and their update as an operation.

use std::borrow::Cow;

use hopfield_kernels::{
    BorrowedMut, Context, MatMut, MatRef, Memory, Outputs, Retrieval, Update, UpdateRule,
};

use super::abi::{self, CallFrame};
use super::frame::{Coded, Frame, answer, copy, text};
use crate::places::{Place, with_place};

/// What an update of the crate returns.
type Updated = hopfield_kernels::Result<()>;

/// The learning rule, and β of the recall and of the negative phase.
#[derive(Clone, Copy)]
pub struct Rule<T> {
    pub rule: UpdateRule,
    pub beta: T,
    pub negative_beta: T,
}

/// The probes, what they have retrieved, and their memory weights (B x N).
pub struct Recalled<'r, 'w, T: Clone> {
    pub probes: MatRef<'r, T>,
    pub retrieved: MatRef<'r, T>,
    pub weights: Cow<'w, [T]>,
}

/// Outer products of which the update is the mean: weights (B x N) and vectors (B x D).
pub struct Input<'w, T: Clone> {
    weights: Cow<'w, [T]>,
    vectors: Vec<T>,
    /// By how much the rate is larger, where there are more products than probes.
    scale: T,
    shape: (usize, usize, usize),
}

impl<'w, T: Coded> Input<'w, T> {
    /// The products of a rule. The weights of the negative phase, if there is one, are also written
    /// to `negative`.
    pub fn new(
        rule: Rule<T>,
        recalled: Recalled<'_, 'w, T>,
        memory: &Memory<T>,
        negative: Option<MatMut<'_, T>>,
        context: &mut Context<T>,
    ) -> Result<Self, String> {
        let Recalled { probes, retrieved, mut weights } = recalled;
        let (batch, patterns, dim) = (probes.rows(), memory.patterns(), memory.dim());
        if (retrieved.rows(), retrieved.cols()) != (batch, dim) {
            let found = (retrieved.rows(), retrieved.cols());
            return Err(format!("outputs: expected shape {:?}, got {found:?}", (batch, dim)));
        }
        let elements = probes.iter().flatten().zip(retrieved.iter().flatten());
        let mut vectors: Vec<T> = match rule.rule {
            UpdateRule::Delta => elements.map(|(x, retrieved)| *x - *retrieved).collect(),
            _ => probes.iter().flatten().copied().collect(),
        };
        if rule.rule != UpdateRule::Contrastive {
            return Ok(Self { weights, vectors, scale: T::ONE, shape: (batch, patterns, dim) });
        }
        let of_retrieved = weights_of((rule.negative_beta, retrieved), memory, context)?;
        if let Some(to) = negative {
            copy(MatRef::new(&of_retrieved, batch, patterns).map_err(text)?, to);
        }
        weights.to_mut().extend_from_slice(&of_retrieved);
        vectors.extend(retrieved.iter().flatten().map(|x| -*x));
        let shape = (2 * batch, patterns, dim);
        Ok(Self { weights, vectors, scale: T::from_f64(2.0), shape })
    }

    /// Applies the products and the decay by an update of the crate.
    pub fn apply(
        &self,
        rates: Update<T>,
        update: impl FnOnce(MatRef<'_, T>, MatRef<'_, T>, Update<T>) -> Updated,
    ) -> Result<(), String> {
        let (batch, patterns, dim) = self.shape;
        let weights = MatRef::new(&self.weights, batch, patterns).map_err(text)?;
        let vectors = MatRef::new(&self.vectors, batch, dim).map_err(text)?;
        let rates = rates.with_eta(rates.eta * self.scale);
        update(weights, vectors, rates).map_err(text)
    }
}

/// P (B x N) of some probes.
pub fn weights_of<T: Coded>(
    (beta, probes): (T, MatRef<'_, T>),
    memory: &Memory<T>,
    context: &mut Context<T>,
) -> Result<Vec<T>, String> {
    let (batch, patterns) = (probes.rows(), memory.patterns());
    let mut weights = vec![T::ZERO; batch * patterns];
    let to = MatMut::new(&mut weights, batch, patterns).map_err(text)?;
    let outputs = Outputs::new().with_memory_weights(to);
    Retrieval::new(beta).run(probes, memory, outputs, context).map_err(text)?;
    Ok(weights)
}

/// The rule by the number that the attribute `rule` has.
pub fn rule_of(number: i64) -> Result<UpdateRule, String> {
    match number {
        0 => Ok(UpdateRule::Delta),
        1 => Ok(UpdateRule::Contrastive),
        2 => Ok(UpdateRule::Energy),
        found => Err(format!("rule: expected 0, 1 or 2, got {found}")),
    }
}

/// (probes, patterns, β, η, λ, λ₁) to patterns that have learned from one recall.
///
/// # Safety
/// XLA calls it, with a frame.
pub unsafe extern "C" fn handler(frame: *mut CallFrame) -> *mut abi::Error {
    let body = |frame: Frame<'_>| match frame.operand(0, "probes")?.dtype() {
        abi::F32 => with_place(|place: &mut Place<f32>| place.update(&frame)),
        abi::F64 => with_place(|place: &mut Place<f64>| place.update(&frame)),
        found => Err(format!("probes: expected float32 or float64, got type {found} of XLA")),
    };
    // SAFETY: the frame is XLA's, by the precondition of this function.
    unsafe { answer(frame, body) }
}

impl<T: Coded> Place<T> {
    fn update(&mut self, frame: &Frame<'_>) -> Result<(), String> {
        let probes = frame.operand(0, "probes")?.rows::<T>()?;
        let patterns = frame.operand(1, "patterns")?;
        let beta = frame.operand(2, "beta")?.number::<T>()?;
        let rates = Update::default()
            .with_eta(frame.operand(3, "eta")?.number()?)
            .with_reg_lambda(frame.operand(4, "reg_lambda")?.number()?)
            .with_l1_lambda(frame.operand(5, "l1_lambda")?.number()?);
        let rule = rule_of(frame.attribute("rule")?)?;
        let rule = Rule { rule, beta, negative_beta: beta };
        let (count, dim) = patterns.shape();
        let to = frame.result(0, "patterns")?.updated::<T>(patterns)?;
        let mut memory = BorrowedMut::new(to, count, dim, dim).map_err(text)?;
        let input = self.input(rule, probes, &memory)?;
        let context = &mut self.context;
        input
            .apply(rates, |weights, vectors, rates| memory.update(weights, vectors, rates, context))
    }

    /// What is learned from one recall.
    fn input(
        &mut self,
        rule: Rule<T>,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
    ) -> Result<Input<'static, T>, String> {
        let (batch, dim, patterns) = (probes.rows(), memory.dim(), memory.patterns());
        let (mut retrieved, mut weights) =
            (vec![T::ZERO; batch * dim], vec![T::ZERO; batch * patterns]);
        let outputs = Outputs::new()
            .with_retrieved(MatMut::new(&mut retrieved, batch, dim).map_err(text)?)
            .with_memory_weights(MatMut::new(&mut weights, batch, patterns).map_err(text)?);
        let context = &mut self.context;
        Retrieval::new(rule.beta).run(probes, memory, outputs, context).map_err(text)?;
        let retrieved = MatRef::new(&retrieved, batch, dim).map_err(text)?;
        let recalled = Recalled { probes, retrieved, weights: Cow::Owned(weights) };
        Input::new(rule, recalled, memory, None, context)
    }
}
