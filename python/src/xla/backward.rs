//! The handler: the gradients of one recall.

use hopfield_kernels::{Context, Gradients, MatMut, MatRef, Upstream};

use super::abi::{self, CallFrame};
use super::frame::{Array, Coded, Frame, answer, text};
use super::operands::Operands;
use super::recall::{ENERGY, RETRIEVED};
use crate::places::{Place, with_place};

/// Bits of the attribute `wanted`: the operands whose gradients are the results, in this order.
const PROBES: i64 = 1;
const PATTERNS: i64 = 2;
const BETA: i64 = 4;
const VALUES: i64 = 8;
const BIAS: i64 = 16;

/// (the gradient of what is retrieved or of the energies, and the operands of the recall) to the
/// gradients of those operands that are wanted.
///
/// # Safety
/// XLA calls it, with a frame.
pub unsafe extern "C" fn handler(frame: *mut CallFrame) -> *mut abi::Error {
    let body = |frame: Frame<'_>| match frame.operand(0, "gradient")?.dtype() {
        abi::F32 => with_place(|place: &mut Place<f32>| backward(&frame, &mut place.context)),
        abi::F64 => with_place(|place: &mut Place<f64>| backward(&frame, &mut place.context)),
        found => Err(format!("gradient: expected float32 or float64, got type {found} of XLA")),
    };
    // SAFETY: the frame is XLA's, by the precondition of this function.
    unsafe { answer(frame, body) }
}

fn backward<T: Coded>(frame: &Frame<'_>, context: &mut Context<T>) -> Result<(), String> {
    let operands = Operands::<T>::new(frame, 1)?;
    let gradient = frame.operand(0, "gradient")?.rows::<T>()?;
    let (batch, dim) = (operands.probes.rows(), operands.memory.dim());
    let (energies, zeros): (Vec<T>, Vec<T>);
    let upstream = match frame.attribute("output")? {
        RETRIEVED => Upstream::new().with_retrieved(gradient),
        ENERGY => {
            energies = gradient.iter().flatten().copied().collect();
            let upstream = Upstream::new().with_energy(&energies);
            // The kernel that goes block by block asks for a gradient of what is retrieved.
            zeros = vec![T::ZERO; if operands.is_softmax_of_dots() { batch * dim } else { 0 }];
            match zeros.is_empty() {
                true => upstream,
                false => upstream.with_retrieved(MatRef::new(&zeros, batch, dim).map_err(text)?),
            }
        }
        found => return Err(format!("output: expected 0 or 1, got {found}")),
    };
    let (retrieval, gradients) = (operands.retrieval()?, results(frame)?);
    retrieval
        .backward(operands.probes, &operands.memory, upstream, gradients, context)
        .map_err(text)
}

/// Where the gradients that are wanted are written.
fn results<'a, T: Coded>(frame: &Frame<'a>) -> Result<Gradients<'a, T>, String> {
    let wanted = frame.attribute("wanted")?;
    let mut next = 0;
    let mut take = |bit: i64, name: &'static str| -> Result<Option<Array<'a>>, String> {
        if wanted & bit == 0 {
            return Ok(None);
        }
        next += 1;
        frame.result(next - 1, name).map(Some)
    };
    let rows = |array: Option<Array<'a>>| -> Result<Option<MatMut<'a, T>>, String> {
        array.map(Array::rows_mut).transpose()
    };
    let mut gradients = Gradients::new();
    gradients.probes = rows(take(PROBES, "gradient of probes")?)?;
    gradients.patterns = rows(take(PATTERNS, "gradient of patterns")?)?;
    if let Some(array) = take(BETA, "gradient of beta")? {
        gradients.beta = array.elements_mut()?.first_mut();
    }
    gradients.values = rows(take(VALUES, "gradient of values")?)?;
    match take(BIAS, "gradient of bias")? {
        Some(array) if array.rank() == 1 => gradients.bias = Some(array.elements_mut()?),
        array => gradients.biases = rows(array)?,
    }
    Ok(gradients)
}
