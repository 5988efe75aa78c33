//! The handler: one recall, of which one output is wanted.

use hopfield_kernels::{Borrowed, MatRef, Memory, Outputs, Retrieval};

use super::abi::{self, CallFrame};
use super::frame::{Array, Frame, answer, text};
use super::learning::WHOLE;
use super::places::{Place, Placed, with_place};

/// The wanted output, as the attribute `output` numbers them.
const RETRIEVED: i64 = 0;
const ENERGY: i64 = 1;
const SIMILARITIES: i64 = 2;

/// Bits of the attribute `operands`: which of the optional ones follow probes, patterns and β.
const VALUES: i64 = 1;
const MASK: i64 = 2;
const BIAS: i64 = 4;

/// The operands that may be missing.
struct Optional<'a, T> {
    values: Option<MatRef<'a, T>>,
    mask: Option<(Vec<bool>, Array<'a>)>,
    bias: Option<(MatRef<'a, T>, Array<'a>)>,
}

/// (probes, patterns, β, and those of values, mask and bias that there are) to one output.
///
/// # Safety
/// XLA calls it, with a frame.
pub unsafe extern "C" fn handler(frame: *mut CallFrame) -> *mut abi::Error {
    let body = |frame: Frame<'_>| match frame.operand(0, "probes")?.dtype() {
        abi::F32 => recall::<f32>(&frame),
        abi::F64 => recall::<f64>(&frame),
        found => Err(format!("probes: expected float32 or float64, got type {found} of XLA")),
    };
    // SAFETY: XLA calls this function, as the caller says.
    unsafe { answer(frame, body) }
}

fn recall<T: Placed>(frame: &Frame<'_>) -> Result<(), String> {
    with_place(|place: &mut Place<T>| place.recall(frame))
}

impl<T: Placed> Place<T> {
    fn recall(&mut self, frame: &Frame<'_>) -> Result<(), String> {
        let probes = frame.operand(0, "probes")?.rows::<T>()?;
        let patterns = frame.operand(1, "patterns")?.rows::<T>()?;
        let beta = frame.operand(2, "beta")?.number::<T>()?;
        let optional = Optional::of(frame)?;
        // Patterns of whole vectors are read where they are. With values they are copied, and so
        // are rows that are no whole vectors: the norms are then known, and the bits those of a
        // memory.
        let whole = patterns.cols().is_multiple_of(WHOLE / size_of::<T>());
        let in_place = whole && optional.values.is_none();
        let borrowed = match patterns.as_slice().filter(|_| in_place) {
            Some(rows) => {
                let (count, dim) = (patterns.rows(), patterns.cols());
                Some(Borrowed::new(rows, count, dim, dim).map_err(text)?)
            }
            None => {
                let memory = store(self.memory.take(), patterns, optional.values);
                self.memory = Some(memory.map_err(text)?);
                None
            }
        };
        let memory = match (&borrowed, &self.memory) {
            (Some(borrowed), _) => borrowed,
            (None, Some(memory)) => memory,
            (None, None) => return Err("patterns: expected some, got none".to_string()),
        };
        let mut retrieval = Retrieval::new(beta);
        if let Some((bias, array)) = &optional.bias {
            retrieval = match array.rank() {
                1 => retrieval.with_bias(bias.row(0)),
                _ => retrieval.with_biases(*bias),
            };
        }
        if let Some((mask, array)) = &optional.mask {
            let (rows, cols) = array.shape();
            retrieval = match array.rank() {
                1 => retrieval.with_mask(mask),
                _ => retrieval.with_masks(MatRef::new(mask, rows, cols).map_err(text)?),
            };
        }
        let (mut outputs, to) = (Outputs::default(), frame.result(0, "result")?);
        let mut energies = Vec::new();
        match frame.attribute("output")? {
            RETRIEVED => outputs.retrieved = Some(to.rows_mut()?),
            SIMILARITIES => outputs.similarities = Some(to.rows_mut()?),
            ENERGY => {
                energies.resize(probes.rows(), T::ZERO);
                outputs.energy = Some(&mut energies);
            }
            found => return Err(format!("output: expected 0, 1 or 2, got {found}")),
        }
        retrieval.run(probes, memory, outputs, &mut self.context).map_err(text)?;
        write_energies(&energies, to)
    }
}

/// Energies have no dimension of their own: their last one is the last of the leading ones.
fn write_energies<T: Placed>(energies: &[T], to: Array<'_>) -> Result<(), String> {
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

impl<'a, T: Placed> Optional<'a, T> {
    fn of(frame: &Frame<'a>) -> Result<Self, String> {
        let there = frame.attribute("operands")?;
        let mut next = 3;
        let mut take = |bit: i64, name: &'static str| -> Result<Option<Array<'a>>, String> {
            if there & bit == 0 {
                return Ok(None);
            }
            next += 1;
            frame.operand(next - 1, name).map(Some)
        };
        let (values, mask, bias) =
            (take(VALUES, "values")?, take(MASK, "mask")?, take(BIAS, "bias")?);
        Ok(Self {
            values: values.map(Array::rows).transpose()?,
            mask: mask.map(|mask| Ok::<_, String>((mask.mask()?, mask))).transpose()?,
            bias: bias.map(|bias| Ok::<_, String>((bias.rows()?, bias))).transpose()?,
        })
    }
}

/// Patterns and values in a memory, whose room is that of the last one if it has that shape.
fn store<T: Placed>(
    kept: Option<Memory<T>>,
    patterns: MatRef<'_, T>,
    values: Option<MatRef<'_, T>>,
) -> hopfield_kernels::Result<Memory<T>> {
    let fits = |memory: &Memory<T>| {
        (memory.patterns(), memory.dim()) == (patterns.rows(), patterns.cols())
    };
    let memory = match kept.filter(fits) {
        Some(memory) => {
            let mut memory = memory.without_values();
            memory.set_rows(patterns)?;
            memory
        }
        None => Memory::from_rows(patterns)?,
    };
    match values {
        Some(values) => memory.with_values(values),
        None => Ok(memory),
    }
}
