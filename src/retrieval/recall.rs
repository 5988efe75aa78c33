//! The record of a recall, for learning.

use crate::driver::blocking::Plan;
use crate::driver::input::SparseRows;
use crate::driver::scratch::{grow, pad};
use crate::driver::sparse::OwnedRows;
use crate::error::{Error, Result};
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::{Aligned, Memory, Version, padded_cols, scratch_stride};
use crate::retrieval::{Retrieval, Screening};
use crate::separation::family::Separation;
use crate::separation::state::State;
use crate::simd::Element;
use crate::similarity::Similarity;

/// The record of a recall from which a memory can learn: the probes and the retrieved probes, their
/// softmax states, the inverse temperature, the gain and the mask, and the version of the memory.
///
/// [`Retrieval::recall`] fills it and [`Plasticity::learn`](crate::Plasticity::learn) uses it. It
/// holds copies, so the probes may change in between. The memory may not: learning from a recall of
/// another memory, or of the same one before it changed, is an error. A clone of a memory counts as
/// the same memory until either changes.
///
/// It holds 2 B D elements, whose allocation is reused by the next recall.
///
/// ```
/// use hopfield_kernels::{
///     Error, MatRef, Memory, Outputs, Plasticity, Recall, Retrieval, Context};
///
/// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)?;
/// let (mut recall, mut context) = (Recall::new(), Context::new());
/// let probes = MatRef::new(&[0.9, 0.2], 1, 2)?;
/// Retrieval::new(16.0).recall(
///     probes, &memory, Outputs::default(), &mut recall, &mut context)?;
/// assert_eq!(recall.probes(), 1);
///
/// let rule = Plasticity::default();
/// rule.learn(&recall, &mut memory, None, &mut context)?;
/// // The memory has changed: what was recalled from it is not what it would recall now.
/// let refused = rule.learn(&recall, &mut memory, None, &mut context);
/// assert!(matches!(refused, Err(Error::NoRecall { .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Recall<T> {
    /// Padded rows, `Plan::stride` apart: X and X̂.
    rows: [Aligned<T>; 2],
    states: Vec<State<T>>,
    batch: usize,
    beta: T,
    gain: T,
    keep: Option<Vec<bool>>,
    similarity: Similarity,
    separation: Separation,
    screening: Screening,
    bias: Option<Vec<T>>,
    biases: Option<Vec<T>>,
    masks: Option<Vec<bool>>,
    /// The weights, unless they are a softmax of dot products: those follow from the states.
    weights: OwnedRows<T>,
    patterns: usize,
    /// The version of the memory; `None` before the first recall.
    memory: Option<Version>,
}

impl<T: Element> Default for Recall<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Recall<T> {
    /// An empty record, from which nothing can be learned.
    pub fn new() -> Self {
        Self {
            rows: [Aligned::new(0), Aligned::new(0)],
            states: Vec::new(),
            batch: 0,
            beta: T::ONE,
            gain: T::ONE,
            keep: None,
            similarity: Similarity::Dot,
            separation: Separation::Softmax,
            screening: Screening::Auto,
            bias: None,
            biases: None,
            masks: None,
            weights: OwnedRows::default(),
            patterns: 0,
            memory: None,
        }
    }

    /// Number of probes, B.
    pub fn probes(&self) -> usize {
        self.batch
    }

    /// Clears the record but keeps its allocations.
    pub(crate) fn forget(&mut self) {
        (self.batch, self.memory) = (0, None);
    }

    /// Clears the record and makes room for `batch` probes of dimension `dim`.
    pub(crate) fn reserve(&mut self, batch: usize, dim: usize) -> Result<()> {
        self.forget();
        let stride = row_stride::<T>(dim);
        for rows in &mut self.rows {
            grow!(*rows, product([batch, stride]), T::ZERO);
        }
        self.batch = batch;
        Ok(())
    }

    /// X̂, to be written by the recall.
    pub(crate) fn retrieved_mut(&mut self, dim: usize) -> MatMut<'_, T> {
        let stride = row_stride::<T>(dim);
        MatMut::with_stride(&mut self.rows[1], self.batch, dim, stride)
            .expect("`reserve` has made room for these rows")
    }

    /// Completes the record after X̂ has been written. `states` has the softmax state of each
    /// probe, or is empty if memory weights are given.
    pub(crate) fn keep(
        &mut self,
        retrieval: &Retrieval<'_, T>,
        memory: &Memory<T>,
        probes: MatRef<'_, T>,
        states: &[State<T>],
    ) {
        let (dim, stride) = (memory.dim(), row_stride::<T>(memory.dim()));
        pad(probes, &mut self.rows[0], stride);
        for retrieved in self.rows[1].chunks_exact_mut(stride).take(self.batch) {
            retrieved[dim..].fill(T::ZERO);
        }
        self.states.clear();
        self.states.extend_from_slice(states);
        (self.beta, self.gain) = (retrieval.beta, retrieval.gain);
        (self.similarity, self.separation) = (retrieval.similarity, retrieval.separation);
        self.screening = retrieval.screening;
        self.patterns = memory.patterns();
        copy(retrieval.keep.into_iter().flatten(), retrieval.keep.is_some(), &mut self.keep);
        copy(retrieval.bias.into_iter().flatten(), retrieval.bias.is_some(), &mut self.bias);
        let biases = retrieval.biases.into_iter().flat_map(MatRef::iter).flatten();
        copy(biases, retrieval.biases.is_some(), &mut self.biases);
        let masks = retrieval.masks.into_iter().flat_map(MatRef::iter).flatten();
        copy(masks, retrieval.masks.is_some(), &mut self.masks);
        self.memory = Some(memory.version());
    }

    /// An error unless the recall was from this memory as it is now.
    pub(crate) fn check(&self, memory: &Memory<T>) -> Result<()> {
        let found = match self.memory {
            Some(version) if version == memory.version() => return Ok(()),
            Some(_) => "one of another memory, or of this one before it changed",
            None => "one that nothing was recalled into",
        };
        Err(Error::NoRecall {
            operand: "recall",
            expected: "one of this memory as it is now",
            found,
        })
    }

    /// The parameters of the recall.
    pub(crate) fn retrieval(&self) -> Retrieval<'_, T> {
        Retrieval {
            gain: self.gain,
            keep: self.keep.as_deref(),
            similarity: self.similarity,
            separation: self.separation,
            screening: self.screening,
            bias: self.bias.as_deref(),
            biases: self.biases.as_ref().map(|biases| self.per_probe(biases)),
            masks: self.masks.as_ref().map(|masks| self.per_probe(masks)),
            ..Retrieval::new(self.beta)
        }
    }

    /// A matrix with a row for each probe and a column for each pattern.
    fn per_probe<'a, V>(&self, elements: &'a [V]) -> MatRef<'a, V> {
        MatRef::new(elements, self.batch, self.patterns).expect("`keep` has copied such a matrix")
    }

    /// Where the weights are kept that do not follow from the states.
    pub(crate) fn weights_mut(&mut self) -> &mut OwnedRows<T> {
        &mut self.weights
    }

    /// The weights that do not follow from the states.
    pub(crate) fn weights(&self) -> SparseRows<'_, T> {
        self.weights.rows()
    }

    /// X and X̂, padded.
    pub(crate) fn rows(&self, plan: Plan) -> [MatRef<'_, T>; 2] {
        self.rows.each_ref().map(|rows| {
            MatRef::with_stride(rows, self.batch, plan.cols, plan.stride)
                .expect("`reserve` has made room for these rows")
        })
    }

    /// The softmax state of each probe.
    pub(crate) fn states(&self) -> &[State<T>] {
        &self.states
    }
}

/// Copies elements into a vector that is kept, if there are any to copy.
fn copy<'a, V: Copy + 'a>(
    from: impl Iterator<Item = &'a V>,
    wanted: bool,
    to: &mut Option<Vec<V>>,
) {
    if !wanted {
        *to = None;
        return;
    }
    let to = to.get_or_insert_default();
    to.clear();
    to.extend(from);
}

/// Elements from one row of the record to the next: as in all scratch for rows of this dimension.
fn row_stride<T: Element>(dim: usize) -> usize {
    scratch_stride::<T>(padded_cols::<T>(dim) / T::LANES)
}
