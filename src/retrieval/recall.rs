//! What a recall leaves behind for learning.

use crate::driver::blocking::Plan;
use crate::driver::scratch::{grow, pad};
use crate::error::{Error, Result};
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::{Aligned, Memory, Version, padded_cols, scratch_stride};
use crate::retrieval::Retrieval;
use crate::separation::state::State;
use crate::simd::Element;

/// A recall that can be learned from: the probes and what was retrieved for them, their softmax's state,
/// the inverse temperature and the mask, and which state of which memory they were recalled from.
///
/// [`Retrieval::recall`] fills it, [`Plasticity::learn`](crate::Plasticity::learn) takes it. It holds
/// copies, so that probes may change meanwhile; the memory may not: learning from a recall of another
/// memory, or of the same one before it changed, is an error. A copy of a memory counts as the same until
/// either changes.
///
/// It takes 2 B D elements, which are kept from one recall to the next.
///
/// ```
/// use hopfield_kernels::{
///     Error, MatRef, Memory, Outputs, Plasticity, Recall, Retrieval, Workspace};
///
/// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)?;
/// let (mut recall, mut workspace) = (Recall::new(), Workspace::new());
/// let probes = MatRef::new(&[0.9, 0.2], 1, 2)?;
/// Retrieval::new(16.0)?.recall(
///     probes, &memory, Outputs::default(), &mut recall, &mut workspace)?;
/// assert_eq!(recall.probes(), 1);
///
/// let rule = Plasticity::default();
/// rule.learn(&recall, &mut memory, None, &mut workspace)?;
/// // The memory has changed: what was recalled from it is not what it would recall now.
/// let refused = rule.learn(&recall, &mut memory, None, &mut workspace);
/// assert!(matches!(refused, Err(Error::NoRecall { .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Recall<T> {
    /// Padded rows, `Plan::stride` apart, of probes and of what was retrieved for them.
    rows: [Aligned<T>; 2],
    states: Vec<State<T>>,
    batch: usize,
    beta: T,
    gain: T,
    keep: Option<Vec<bool>>,
    /// The state of the memory; none before the first recall.
    memory: Option<Version>,
}

impl<T: Element> Default for Recall<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Recall<T> {
    /// Empty: there is nothing to learn from.
    pub fn new() -> Self {
        Self {
            rows: [Aligned::new(0), Aligned::new(0)],
            states: Vec::new(),
            batch: 0,
            beta: T::ONE,
            gain: T::ONE,
            keep: None,
            memory: None,
        }
    }

    /// Number of probes, B.
    pub fn probes(&self) -> usize {
        self.batch
    }

    /// Forgets what was recalled. The allocations are kept.
    pub(crate) fn forget(&mut self) {
        (self.batch, self.memory) = (0, None);
    }

    /// Makes room for so many probes of dimension `dim`.
    pub(crate) fn reserve(&mut self, batch: usize, dim: usize) -> Result<()> {
        self.forget();
        let stride = row_stride::<T>(dim);
        for rows in &mut self.rows {
            grow!(*rows, product([batch, stride]), T::ZERO);
        }
        self.batch = batch;
        Ok(())
    }

    /// Where the retrieved probes go.
    pub(crate) fn retrieved_mut(&mut self, dim: usize) -> MatMut<'_, T> {
        let stride = row_stride::<T>(dim);
        MatMut::with_stride(&mut self.rows[1], self.batch, dim, stride)
            .expect("`reserve` has made room for these rows")
    }

    /// Keeps what is to be learned from besides the retrieved probes, which are there: X and the state of
    /// the softmax of each probe (none where memory weights are given).
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
        match (retrieval.keep, &mut self.keep) {
            (Some(mask), Some(kept)) => {
                kept.clear();
                kept.extend_from_slice(mask);
            }
            (mask, kept) => *kept = mask.map(<[bool]>::to_vec),
        }
        self.memory = Some(memory.version());
    }

    /// Refuses to be learned from by a memory that is not the one that was recalled from, as it was then.
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

    /// How the probes were recalled.
    pub(crate) fn retrieval(&self) -> Retrieval<'_, T> {
        Retrieval {
            beta: self.beta,
            gain: self.gain,
            keep: self.keep.as_deref(),
            plain_similarities: false,
        }
    }

    /// Padded X and X̂.
    pub(crate) fn rows(&self, plan: Plan) -> [MatRef<'_, T>; 2] {
        self.rows.each_ref().map(|rows| {
            MatRef::with_stride(rows, self.batch, plan.cols, plan.stride)
                .expect("`reserve` has made room for these rows")
        })
    }

    /// The softmax's state of each probe.
    pub(crate) fn states(&self) -> &[State<T>] {
        &self.states
    }
}

/// Elements from row to row of what is kept: as in all scratch memory for rows of this dimension.
fn row_stride<T: Element>(dim: usize) -> usize {
    scratch_stride::<T>(padded_cols::<T>(dim) / T::LANES)
}
