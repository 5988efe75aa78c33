//! The operands of a recall, and how its attributes say that they are weighed.

use hopfield_kernels::{Borrowed, MatRef, Retrieval, Separation, Similarity};

use super::frame::{Array, Coded, Frame, text};
use crate::borrowed::lend;
use crate::weighing;

/// Bits of the attribute `operands`: which of the optional ones follow probes, patterns and β.
const VALUES: i64 = 1;
const MASK: i64 = 2;
const BIAS: i64 = 4;

/// What a recall is given. Patterns and values are XLA's own, whatever the length of their rows:
/// nothing is copied but masks.
pub struct Operands<'a, T> {
    pub probes: MatRef<'a, T>,
    pub memory: Borrowed<'a, T>,
    beta: T,
    similarity: Similarity,
    separation: Separation,
    mask: Option<(Vec<bool>, Array<'a>)>,
    bias: Option<(MatRef<'a, T>, Array<'a>)>,
}

impl<'a, T: Coded> Operands<'a, T> {
    /// Probes, patterns, β, and those of values, mask and bias that there are, from the operand
    /// `first` on.
    pub fn new(frame: &Frame<'a>, first: usize) -> Result<Self, String> {
        let probes = frame.operand(first, "probes")?.rows::<T>()?;
        let patterns = frame.operand(first + 1, "patterns")?.rows::<T>()?;
        let beta = frame.operand(first + 2, "beta")?.number::<T>()?;
        let there = frame.attribute("operands")?;
        let mut next = first + 3;
        let mut take = |bit: i64, name: &'static str| -> Result<Option<Array<'a>>, String> {
            if there & bit == 0 {
                return Ok(None);
            }
            next += 1;
            frame.operand(next - 1, name).map(Some)
        };
        let values = take(VALUES, "values")?.map(Array::rows::<T>).transpose()?;
        let (mask, bias) = (take(MASK, "mask")?, take(BIAS, "bias")?);
        let name = frame.text("separation")?;
        let separation = weighing::separation(name, frame.real("parameter")?);
        Ok(Self {
            probes,
            memory: lend(patterns, values)?,
            beta,
            similarity: frame.text("similarity")?.parse().map_err(text)?,
            separation: separation.ok_or_else(|| weighing::unknown(name))?,
            mask: mask.map(|mask| Ok::<_, String>((mask.mask()?, mask))).transpose()?,
            bias: bias.map(|bias| Ok::<_, String>((bias.rows()?, bias))).transpose()?,
        })
    }

    /// The retrieval that they describe.
    pub fn retrieval(&self) -> Result<Retrieval<'_, T>, String> {
        let mut retrieval = Retrieval::new(self.beta)
            .with_similarity(self.similarity)
            .with_separation(self.separation);
        if let Some((bias, array)) = &self.bias {
            retrieval = match array.rank() {
                1 => retrieval.with_bias(bias.row(0)),
                _ => retrieval.with_biases(*bias),
            };
        }
        if let Some((mask, array)) = &self.mask {
            let (rows, cols) = array.shape();
            retrieval = match array.rank() {
                1 => retrieval.with_mask(mask),
                _ => retrieval.with_masks(MatRef::new(mask, rows, cols).map_err(text)?),
            };
        }
        Ok(retrieval)
    }

    /// Whether the gradients are those of the kernel that computes them block by block.
    pub fn is_softmax_of_dots(&self) -> bool {
        (self.similarity, self.separation) == (Similarity::Dot, Separation::Softmax)
    }
}
