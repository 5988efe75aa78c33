//! The handler: one recall, of which one output is wanted.

use hopfield_kernels::{Context, Outputs};

use super::abi::{self, CallFrame};
use super::frame::{Array, Coded, Frame, answer, text};
use super::operands::Operands;
use crate::places::{Place, with_place};

/// The wanted output, as the attribute `output` numbers them.
pub const RETRIEVED: i64 = 0;
pub const ENERGY: i64 = 1;
const SIMILARITIES: i64 = 2;

/// (probes, patterns, β, and those of values, mask and bias that there are) to one output.
///
/// # Safety
/// XLA calls it, with a frame.
pub unsafe extern "C" fn handler(frame: *mut CallFrame) -> *mut abi::Error {
    let body = |frame: Frame<'_>| match frame.operand(0, "probes")?.dtype() {
        abi::F32 => with_place(|place: &mut Place<f32>| recall(&frame, &mut place.context)),
        abi::F64 => with_place(|place: &mut Place<f64>| recall(&frame, &mut place.context)),
        found => Err(format!("probes: expected float32 or float64, got type {found} of XLA")),
    };
    // SAFETY: the frame is XLA's, by the precondition of this function.
    unsafe { answer(frame, body) }
}

fn recall<T: Coded>(frame: &Frame<'_>, context: &mut Context<T>) -> Result<(), String> {
    let operands = Operands::<T>::new(frame, 0)?;
    let (mut outputs, to) = (Outputs::default(), frame.result(0, "result")?);
    let mut energies = Vec::new();
    match frame.attribute("output")? {
        RETRIEVED => outputs.retrieved = Some(to.rows_mut()?),
        SIMILARITIES => outputs.similarities = Some(to.rows_mut()?),
        ENERGY => {
            energies.resize(operands.probes.rows(), T::ZERO);
            outputs.energy = Some(&mut energies);
        }
        found => return Err(format!("output: expected 0, 1 or 2, got {found}")),
    }
    let retrieval = operands.retrieval()?;
    retrieval.run(operands.probes, &operands.memory, outputs, context).map_err(text)?;
    write_energies(&energies, to)
}

/// Energies have no dimension of their own: their last one is the last of the leading ones.
fn write_energies<T: Coded>(energies: &[T], to: Array<'_>) -> Result<(), String> {
    if energies.is_empty() {
        return Ok(());
    }
    let mut rows = to.rows_mut::<T>()?;
    if rows.rows() * rows.cols() != energies.len() {
        return Err("result: expected a number for each probe".to_string());
    }
    let cols = rows.cols();
    for (row, energies) in energies.chunks_exact(cols).enumerate() {
        rows.row_mut(row).copy_from_slice(energies);
    }
    Ok(())
}
