//! Several heads: associations of some columns each, with an inverse temperature each.

use crate::driver::outputs::Outputs;
use crate::error::Result;
use crate::matrix::check::{expect_length, expect_shape};
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::{Context, Retrieval};
use crate::simd::Element;

/// Memories beside one another: head h recalls from its columns of the probes, by its β, and writes
/// its columns of what is retrieved.
///
/// ```
/// use hopfield_kernels::{Context, Heads, MatMut, MatRef, Retrieval};
///
/// // Two patterns of two heads with two features each.
/// let patterns = [1.0_f32, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0];
/// let heads = Heads::split(MatRef::new(&patterns, 2, 4)?, &[30.0, 30.0])?;
/// let (probe, mut retrieved) = ([0.9, 0.1, 0.9, 0.1], [0.0; 4]);
/// heads.run(
///     &Retrieval::new(1.0),
///     MatRef::new(&probe, 1, 4)?,
///     MatMut::new(&mut retrieved, 1, 4)?,
///     &mut Context::new(),
/// )?;
/// assert!(retrieved.iter().zip([1.0, 0.0, 1.0, 0.0]).all(|(x, m)| (x - m).abs() < 1e-6));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Heads<T> {
    memories: Vec<Memory<T>>,
    betas: Vec<T>,
}

impl<T: Element> Heads<T> {
    /// One head for each β. The columns of the patterns are divided evenly among the heads.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) without a head or without patterns,
    /// [`Error::Shape`](crate::Error::Shape) unless the number of columns is a multiple of the
    /// number of heads.
    pub fn split(patterns: MatRef<'_, T>, betas: &[T]) -> Result<Self> {
        if betas.is_empty() {
            return Err(crate::error::Error::Empty { operand: "heads" });
        }
        let dim = patterns.cols() / betas.len();
        expect_shape("patterns", patterns.shape(), (patterns.rows(), dim * betas.len()))?;
        let of = |h: usize| Memory::from_rows(patterns.subcols(h * dim..(h + 1) * dim));
        Self::new((0..betas.len()).map(of).collect::<Result<_>>()?, betas.to_vec())
    }

    /// These memories, with a β each. They may have values, and need not be equally wide.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) unless there is a β for each memory.
    pub fn new(memories: Vec<Memory<T>>, betas: Vec<T>) -> Result<Self> {
        expect_length("betas", betas.len(), memories.len())?;
        Ok(Self { memories, betas })
    }

    /// The memory of each head.
    ///
    /// ```
    /// # use hopfield_kernels::{Heads, Memory};
    /// let memories = vec![Memory::from([[1.0, 2.0]]), Memory::from([[3.0]])];
    /// let heads = Heads::new(memories, vec![1.0; 2])?;
    /// assert_eq!(heads.memories()[1].dim(), 1);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn memories(&self) -> &[Memory<T>] {
        &self.memories
    }

    /// Recalls with every head, as `retrieval` does but for its β: from probes (B x the sum of all
    /// D) into `retrieved` (B x the sum of all D, or E of heads with values).
    ///
    /// # Errors
    /// As for [`Retrieval::run`]. Nothing has been written then, but for
    /// [`Error::Stopped`](crate::Error::Stopped).
    pub fn run(
        &self,
        retrieval: &Retrieval<'_, T>,
        probes: MatRef<'_, T>,
        retrieved: MatMut<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let width = |memory: &Memory<T>| memory.value_dim().unwrap_or(memory.dim());
        let (batch, dims) = (probes.rows(), self.memories.iter().map(Memory::dim).sum());
        expect_shape("probes", probes.shape(), (batch, dims))?;
        let widths = self.memories.iter().map(width).sum();
        expect_shape("retrieved", retrieved.shape(), (batch, widths))?;
        context.level()?;
        for (memory, &beta) in self.memories.iter().zip(&self.betas) {
            let columns = probes.subcols(0..memory.dim());
            retrieval.with_beta(beta).check(columns, memory, &Outputs::default())?;
        }
        let (mut from, mut rest) = (0, retrieved);
        for (memory, &beta) in self.memories.iter().zip(&self.betas) {
            let (to, others) = rest.split_at_col(width(memory));
            rest = others;
            let columns = probes.subcols(from..from + memory.dim());
            from += memory.dim();
            let outputs = Outputs { retrieved: Some(to), ..Outputs::default() };
            retrieval.with_beta(beta).run(columns, memory, outputs, context)?;
        }
        Ok(())
    }
}
