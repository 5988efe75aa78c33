//! The two methods of ngc-learn's component, for patterns that are part of JAX's state and for
//! those of a resident memory.

use std::borrow::Cow;

use hopfield_kernels::{
    Borrowed, BorrowedMut, Context, MatMut, MatRef, Memory, OuterProducts, Outputs, Retrieval,
    Update, outer_product_update,
};

use super::abi::{self, CallFrame};
use super::frame::{Coded, Frame, answer, copy, text};
use super::learning::{Input, Recalled, Rule, rule_of, weights_of};
use crate::kept::{Kept, Versioned};
use crate::places::{Place, with_place};
use crate::resident::Resident;

/// Bits of the attribute `record`: compartments that are kept.
const SIMILARITIES: i64 = 1;
const MEMORY_WEIGHTS: i64 = 2;
const ENERGY: i64 = 4;
const DELTA: i64 = 8;

/// The methods, for the rows of the state and for resident rows.
#[derive(Clone, Copy)]
enum Method {
    Advance,
    Evolve,
    AdvanceResident,
    EvolveResident,
    ReadResident,
}

/// Declares a handler for a method.
macro_rules! handler {
    ($(#[$documentation:meta])* $name:ident, $method:expr) => {
        $(#[$documentation])*
        ///
        /// # Safety
        /// XLA calls it, with a frame.
        pub unsafe extern "C" fn $name(frame: *mut CallFrame) -> *mut abi::Error {
            // SAFETY: the frame is XLA's, by the precondition of this function.
            unsafe { answer(frame, |frame| run($method, &frame)) }
        }
    };
}

handler! {
    /// (inputs, patterns, norms, feature norm) to outputs and what is recorded of similarities,
    /// memory weights and energy.
    advance, Method::Advance
}
handler! {
    /// (inputs, outputs, patterns, norms, and memory weights if they are recorded) to patterns and
    /// norms, the feature norm if energies are recorded, and the weights of the negative phase if
    /// there is one and `dWeights` is recorded.
    evolve, Method::Evolve
}
handler! {
    /// (inputs, token) to a token and the results of `advance`.
    advance_resident, Method::AdvanceResident
}
handler! {
    /// (inputs, outputs, token, and memory weights if they are recorded) to a token, and the
    /// weights of the negative phase as for `evolve`.
    evolve_resident, Method::EvolveResident
}
handler! {
    /// (token) to a token and a copy of the patterns. Updates that come later take this token.
    read_resident, Method::ReadResident
}

fn run(method: Method, frame: &Frame<'_>) -> Result<(), String> {
    match method {
        Method::Advance => match frame.operand(0, "inputs")?.dtype() {
            abi::F64 => with_place(|place: &mut Place<f64>| advance_rows(frame, place)),
            _ => with_place(|place: &mut Place<f32>| advance_rows(frame, place)),
        },
        Method::Evolve => match frame.operand(0, "inputs")?.dtype() {
            abi::F64 => with_place(|place: &mut Place<f64>| evolve_rows(frame, place)),
            _ => with_place(|place: &mut Place<f32>| evolve_rows(frame, place)),
        },
        _ => {
            let memory = Resident::find(frame.attribute("memory")?)?;
            match &*memory {
                Resident::Single(kept) => run_resident(method, frame, kept),
                Resident::Double(kept) => run_resident(method, frame, kept),
            }
        }
    }
}

fn advance_rows<T: Coded>(frame: &Frame<'_>, place: &mut Place<T>) -> Result<(), String> {
    let inputs = frame.operand(0, "inputs")?.rows::<T>()?;
    let rows = frame.operand(1, "patterns")?.rows::<T>()?;
    let norms = frame.operand(2, "squared_norms")?.rows::<T>()?.row(0);
    let feature_norm = frame.operand(3, "feature_norm")?.number::<T>()?;
    let elements = rows.as_slice().ok_or("patterns: expected consecutive rows")?;
    let memory = Borrowed::padded(elements, rows.rows(), inputs.cols(), rows.cols());
    let memory = memory.and_then(|memory| memory.with_squared_norms(norms)).map_err(text)?;
    let first = 0;
    advance_with(frame, (inputs, first), &memory, feature_norm, &mut place.context)
}

/// Recalls `inputs` and writes the results from the result `first` on.
fn advance_with<T: Coded>(
    frame: &Frame<'_>,
    (inputs, first): (MatRef<'_, T>, usize),
    memory: &Memory<T>,
    feature_norm: T,
    context: &mut Context<T>,
) -> Result<(), String> {
    let (record, beta) = (frame.attribute("record")?, T::from_f64(frame.real("beta")?));
    let mut next = first;
    let mut result = |bit: i64, name: &'static str| -> Result<_, String> {
        if record & bit == 0 {
            return Ok(None);
        }
        next += 1;
        frame.result(next, name).map(Some)
    };
    let mut similarities =
        result(SIMILARITIES, "similarities")?.map(|to| to.rows_mut::<T>()).transpose()?;
    let mut memory_weights =
        result(MEMORY_WEIGHTS, "memory_weights")?.map(|to| to.rows_mut::<T>()).transpose()?;
    let energy = result(ENERGY, "energy")?;
    let mut outputs = frame.result(first, "outputs")?.rows_mut::<T>()?;
    let mut best_weights = vec![T::ZERO; if energy.is_some() { inputs.rows() } else { 0 }];
    let mut to = Outputs::new()
        .with_retrieved(outputs.reborrow())
        .with_similarities(similarities.as_mut().map(MatMut::reborrow))
        .with_memory_weights(memory_weights.as_mut().map(MatMut::reborrow));
    to.best_weight = energy.is_some().then_some(&mut best_weights[..]);
    Retrieval::new(beta).run(inputs, memory, to, context).map_err(text)?;
    if let Some(similarities) = &mut similarities {
        (0..similarities.rows()).for_each(|b| subtract_maximum(similarities.row_mut(b)));
    }
    if let Some(energy) = energy {
        let constant =
            (memory.patterns() as f64).ln() / beta.to_f64() + 0.5 * feature_norm.to_f64();
        let mean = mean_energy((inputs, outputs.as_ref()), &best_weights, beta) + constant;
        energy.rows_mut::<T>()?.row_mut(0)[0] = T::from_f64(mean);
    }
    Ok(())
}

/// Makes the highest of a row 0: NaN where one is NaN.
fn subtract_maximum<T: Coded>(row: &mut [T]) {
    let highest =
        row.iter().copied().fold(T::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a });
    row.iter_mut().for_each(|s| *s = *s - highest);
}

/// The mean of -lse / β + ½ x·x̂, where ngc-learn's lse is of what is left of β s after its maximum
/// has been subtracted: -ln of the weight of the best pattern.
fn mean_energy<T: Coded>(
    (inputs, outputs): (MatRef<'_, T>, MatRef<'_, T>),
    best_weights: &[T],
    beta: T,
) -> f64 {
    let of = |((x, retrieved), best_weight): ((&[T], &[T]), &T)| {
        let overlap: f64 = x.iter().zip(retrieved).map(|(x, y)| x.to_f64() * y.to_f64()).sum();
        best_weight.to_f64().ln() / beta.to_f64() + 0.5 * overlap
    };
    let energies = inputs.iter().zip(outputs.iter()).zip(best_weights).map(of);
    energies.sum::<f64>() / inputs.rows() as f64
}

/// The rule and its rates, as attributes.
fn rates<T: Coded>(frame: &Frame<'_>) -> Result<(Rule<T>, Update<T>), String> {
    let real = |name| frame.real(name).map(T::from_f64);
    // ngc-learn's negative phase has a temperature of 1.
    let rule = rule_of(frame.attribute("rule")?)?;
    let rule = Rule { rule, beta: real("beta")?, negative_beta: T::ONE };
    let rates = Update::default()
        .with_eta(real("eta")?)
        .with_reg_lambda(real("reg_lambda")?)
        .with_l1_lambda(real("l1_lambda")?);
    Ok((rule, rates))
}

fn evolve_rows<T: Coded>(frame: &Frame<'_>, place: &mut Place<T>) -> Result<(), String> {
    let (patterns, norms) = (frame.operand(2, "patterns")?, frame.operand(3, "squared_norms")?);
    let (count, stride) = patterns.shape();
    let (_, dim) = frame.operand(0, "inputs")?.shape();
    let to = frame.result(0, "patterns")?.updated::<T>(patterns)?;
    let to_norms = frame.result(1, "squared_norms")?.updated::<T>(norms)?;
    let memory = BorrowedMut::padded(to, count, dim, stride);
    let mut memory = memory.and_then(|memory| memory.with_squared_norms(to_norms)).map_err(text)?;
    let keeps_energy = frame.attribute("record")? & ENERGY != 0;
    let (input, rates) = learned(frame, (4, 2 + usize::from(keeps_energy)), &memory, place)?;
    let context = &mut place.context;
    input
        .apply(rates, |weights, vectors, rates| memory.update(weights, vectors, rates, context))?;
    if keeps_energy {
        let norm = memory.max_squared_feature_norm().map_err(text)?;
        frame.result(2, "feature_norm")?.rows_mut::<T>()?.row_mut(0)[0] = norm;
    }
    to_norms.copy_from_slice(memory.squared_norms());
    Ok(())
}

/// What is learned, where the memory weights are the operand `weights` and those of the negative
/// phase the result `negative`, if they are recorded.
fn learned<'a, T: Coded>(
    frame: &Frame<'a>,
    (weights, negative): (usize, usize),
    memory: &Memory<T>,
    place: &mut Place<T>,
) -> Result<(Input<'a, T>, Update<T>), String> {
    let probes = frame.operand(0, "inputs")?.rows::<T>()?;
    let retrieved = frame.operand(1, "outputs")?.rows::<T>()?;
    let ((rule, rates), record) = (self::rates::<T>(frame)?, frame.attribute("record")?);
    let weights = match record & MEMORY_WEIGHTS {
        0 => Cow::Owned(weights_of((rule.beta, probes), memory, &mut place.context)?),
        _ => {
            let weights = frame.operand(weights, "memory_weights")?.rows::<T>()?;
            let (expected, found) =
                ((probes.rows(), memory.patterns()), (weights.rows(), weights.cols()));
            if found != expected {
                return Err(format!("memory_weights: expected shape {expected:?}, got {found:?}"));
            }
            Cow::Borrowed(weights.as_slice().ok_or("memory_weights: expected consecutive rows")?)
        }
    };
    let contrastive = rule.rule == hopfield_kernels::UpdateRule::Contrastive;
    let negative = match contrastive && record & DELTA != 0 {
        true => Some(frame.result(negative, "negative_weights")?.rows_mut::<T>()?),
        false => None,
    };
    let recalled = Recalled { probes, retrieved, weights };
    Ok((Input::new(rule, recalled, memory, negative, &mut place.context)?, rates))
}

fn run_resident<T: Coded>(method: Method, frame: &Frame<'_>, kept: &Kept<T>) -> Result<(), String> {
    match method {
        Method::EvolveResident => evolve_resident_rows(frame, kept),
        Method::ReadResident => kept.read_here(0, |state, _| {
            let token = expect_token(frame, 0, state)?;
            copy(state.memory.as_mat(), frame.result(1, "patterns")?.rows_mut::<T>()?);
            frame.result(0, "token")?.set_integer(token)
        }),
        _ => {
            let inputs = frame.operand(0, "inputs")?.rows::<T>()?;
            kept.read_here(inputs.rows(), |state, context| {
                let token = expect_token(frame, 1, state)?;
                let norm = match frame.attribute("record")? & ENERGY {
                    0 => T::ZERO,
                    _ => state.feature_norm()?,
                };
                advance_with(frame, (inputs, 1), &state.memory, norm, context)?;
                frame.result(0, "token")?.set_integer(token)
            })
        }
    }
}

fn evolve_resident_rows<T: Coded>(frame: &Frame<'_>, kept: &Kept<T>) -> Result<(), String> {
    let batch = frame.operand(0, "inputs")?.shape().0;
    let token: Result<i32, String> = kept.write_here(batch, |state, context| {
        let token = expect_token(frame, 2, state)?;
        let (input, rates) = with_place(|place| learned(frame, (3, 1), &state.memory, place))?;
        let memory = &mut state.memory;
        input.apply(rates, |weights, vectors, rates| {
            outer_product_update(memory, OuterProducts::new(weights, vectors), rates, &mut *context)
        })?;
        Ok(token.wrapping_add(1))
    });
    frame.result(0, "token")?.set_integer(token?)
}

/// The token, if it is that of the memory as it is.
fn expect_token<T: Coded>(
    frame: &Frame<'_>,
    index: usize,
    state: &Versioned<T>,
) -> Result<i32, String> {
    let (found, expected) = (frame.operand(index, "token")?.integer()?, state.token());
    if found == expected {
        return Ok(found);
    }
    let hint = "a resident memory has one state, which may neither be kept nor gone back to";
    Err(format!("token: expected {expected}, got {found}: {hint}"))
}
