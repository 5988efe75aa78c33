//! Recall: X̂ = softmax(β X Mᵀ) M, and everything that the same pass over the patterns can tell.

mod backward;
mod call;
mod check;
mod context;
mod dense;
mod energies;
mod factors;
mod gathered;
mod heads;
mod medians;
mod peaked;
mod products;
mod properties;
mod recall;
mod run;
mod screening;
mod settle;
mod sparse;
mod statistics;
mod strategy;
mod update;
mod work;

pub use backward::{Gradients, Upstream};
pub use context::Context;
pub use heads::Heads;
pub(crate) use products::{combine, similarities, top_k};
pub use recall::Recall;
pub use screening::{Counters, Screening};
pub use settle::{Settled, Status, Stop};

use crate::driver::outputs::Outputs;
use crate::driver::scratch::grow;
use crate::driver::sparse::OwnedRows;
use crate::error::Result;
use crate::matrix::check::expect_length;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::call::Call;
use crate::separation::family::Separation;
use crate::simd::Element;
use crate::similarity::Similarity;
use crate::similarity::scoring::Scoring;

/// How to recall: the inverse temperature, the similarity, the separation, biases, masks and
/// screening.
///
/// For B probes X (B x D) and N patterns M (N x D), every row of X̂ = softmax(β X Mᵀ) M (Ramsauer
/// et al. 2020, arXiv 2008.02217, eq. 3). The B x N weights are never stored unless asked for.
///
/// | input | answer |
/// | --- | --- |
/// | NaN or an infinite similarity in a probe's row | that probe's outputs are NaN, the others' are untouched |
/// | NaN in a pattern that takes part | every probe's outputs are NaN |
/// | all patterns masked | zeros, lse = -inf |
/// | B = 0 | nothing to do |
///
/// Results are the same bits for any number of threads, any batch and position in it, and any level
/// with fused multiply-add.
///
/// ```
/// use hopfield_kernels::{MatMut, MatRef, Memory, Outputs, Retrieval, Context};
///
/// let patterns = [1.0_f32, 0.0, 0.0, 1.0];
/// let memory = Memory::from_rows(MatRef::new(&patterns, 2, 2)?)?;
/// let probes = [0.9, 0.2];
/// let (mut retrieved, mut best) = ([f32::NAN; 2], [None]);
///
/// let mut context = Context::new();
/// Retrieval::new(16.0).run(
///     MatRef::new(&probes, 1, 2)?,
///     &memory,
///     Outputs::new().with_retrieved(MatMut::new(&mut retrieved, 1, 2)?).with_best(&mut best),
///     &mut context,
/// )?;
/// assert_eq!(best, [Some(0)]);
/// assert!(retrieved[0] > 0.9999 && retrieved[1] < 0.0001);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Retrieval<'k, T> {
    beta: T,
    gain: T,
    keep: Option<&'k [bool]>,
    similarity: Similarity,
    separation: Separation,
    bias: Option<&'k [T]>,
    biases: Option<MatRef<'k, T>>,
    masks: Option<MatRef<'k, bool>>,
    /// Whether similarities are those of the stored patterns, without the gain.
    plain_similarities: bool,
    /// Whether the update is wanted even where the patterns have values.
    updates: bool,
    screening: Screening,
    hints: Option<&'k [Option<usize>]>,
}

impl<'k, T: Element> Retrieval<'k, T> {
    /// A recall with inverse temperature `beta`. Calls check that it is finite and above 0.
    pub fn new(beta: T) -> Self {
        Self {
            beta,
            gain: T::ONE,
            keep: None,
            similarity: Similarity::Dot,
            separation: Separation::Softmax,
            bias: None,
            biases: None,
            masks: None,
            plain_similarities: false,
            updates: false,
            screening: Screening::Auto,
            hints: None,
        }
    }

    /// Recalls from the patterns multiplied by `gain`: similarities, retrieved probes and energies
    /// are those of `gain M`, which is never formed. (ngc-learn's `resist_scale`.) Values beside
    /// the patterns are not multiplied. Calls check that the gain is finite and above 0.
    #[must_use]
    pub fn with_gain(self, gain: T) -> Self {
        Self { gain, ..self }
    }

    /// Recalls from the patterns whose entry of `keep` (N) is true. The weights of the others are
    /// exactly 0, whatever they hold.
    #[must_use]
    pub fn with_mask(self, keep: &'k [bool]) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// Sets the similarity. The default is the dot product.
    #[must_use]
    pub fn with_similarity(self, similarity: Similarity) -> Self {
        Self { similarity, ..self }
    }

    /// Sets the separation. The default is softmax.
    #[must_use]
    pub fn with_separation(self, separation: Separation) -> Self {
        Self { separation, ..self }
    }

    /// Adds b to the scores, t = β s + b: an element for each of the N patterns, such as a log
    /// prior. -∞ masks a pattern.
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Retrieval};
    ///
    /// // Between two patterns a prior of 2 to 1 decides.
    /// let memory = Memory::from([[1.0_f64, 0.0], [0.0, 1.0]]);
    /// let (mut probe, bias) = ([0.5, 0.5], [2.0_f64.ln(), 0.0]);
    /// Retrieval::new(1.0).with_bias(&bias).apply(&memory, &mut probe)?;
    /// assert!((probe[0] - 2.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn with_bias(self, bias: &'k [T]) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// Adds a bias for each probe and pattern (B x N) to the scores, besides that of
    /// [`with_bias`](Self::with_bias).
    ///
    /// ```
    /// use hopfield_kernels::{MatRef, Memory, Retrieval};
    ///
    /// let memory = Memory::from([[1.0_f64, 0.0], [0.0, 1.0]]);
    /// let mut probes = [0.5, 0.5, 0.5, 0.5];
    /// let biases = [f64::NEG_INFINITY, 0.0, 0.0, f64::NEG_INFINITY];
    /// let retrieval = Retrieval::new(1.0).with_biases(MatRef::new(&biases, 2, 2)?);
    /// retrieval.apply(&memory, &mut probes)?;
    /// assert_eq!(probes, [0.0, 1.0, 1.0, 0.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn with_biases(self, biases: MatRef<'k, T>) -> Self {
        Self { biases: Some(biases), ..self }
    }

    /// Recalls each probe from those of the patterns that have `true` in its row (B x N), besides
    /// [`with_mask`](Self::with_mask).
    ///
    /// ```
    /// use hopfield_kernels::{MatRef, Memory, Retrieval};
    ///
    /// let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    /// let (mut probes, masks) = ([0.5; 6], [true, false, false, true, false, false]);
    /// let retrieval = Retrieval::new(1.0).with_masks(MatRef::new(&masks, 3, 2)?);
    /// retrieval.apply(&memory, &mut probes)?;
    /// assert_eq!(probes, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn with_masks(self, masks: MatRef<'k, bool>) -> Self {
        Self { masks: Some(masks), ..self }
    }

    /// Chooses whether patterns that cannot matter are left out.
    #[must_use]
    pub fn with_screening(self, screening: Screening) -> Self {
        Self { screening, ..self }
    }

    /// Names a pattern for each of the B probes that is likely to be the best one, such as `best`
    /// of the last recall: screening by codes then lists less. A hint changes no bit of a result,
    /// and one that is not below N is none.
    ///
    /// ```
    /// use hopfield_kernels::{Codes, Context, MatRef, Memory, Outputs, Retrieval};
    ///
    /// let patterns: Vec<f32> = (0..64_000_u64).map(|i| ((i * i) as f32).sin()).collect();
    /// let memory = Memory::from_slice(&patterns, 64)?.with_codes(Codes::Eight)?;
    /// let (mut context, mut best) = (Context::new(), [None]);
    /// let outputs = Outputs::default().with_best(&mut best);
    /// let probes = MatRef::new(memory.pattern(7), 1, 64)?;
    /// Retrieval::new(8.0).with_hints(&[Some(7)]).run(probes, &memory, outputs, &mut context)?;
    /// assert_eq!(best, [Some(7)]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn with_hints(self, hints: &'k [Option<usize>]) -> Self {
        Self { hints: Some(hints), ..self }
    }

    /// Updates every probe (B x D, row after row) in place: replaces it by what is recalled from
    /// it, which is a pattern even where the patterns have values.
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Retrieval};
    ///
    /// let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    /// let mut probe = [0.9, 0.2];
    /// Retrieval::new(16.0).apply(&memory, &mut probe)?;
    /// assert!(probe[0] > 0.9999 && probe[1] < 0.0001);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) unless `probes` is a whole number of rows of D
    /// elements, and as for [`run`](Self::run). The probes have not changed then.
    pub fn apply(&self, memory: &Memory<T>, probes: &mut [T]) -> Result<()> {
        self.apply_with(memory, probes, &mut Context::new())
    }

    /// [`apply`](Self::apply), with a context.
    ///
    /// ```
    /// # use hopfield_kernels::{Memory, Retrieval, Context};
    /// let memory = Memory::from([[1.0, 2.0], [3.0, 4.0]]);
    /// let (mut probes, mut context) = ([2.0, 3.0, 1.0, 1.0], Context::new());
    /// for _ in 0..10 {
    ///     Retrieval::new(8.0).apply_with(&memory, &mut probes, &mut context)?;
    /// }
    /// assert_eq!(probes, [3.0, 4.0, 3.0, 4.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`apply`](Self::apply).
    pub fn apply_with(
        &self,
        memory: &Memory<T>,
        probes: &mut [T],
        context: &mut Context<T>,
    ) -> Result<()> {
        let batch = self.check_rows(probes, memory)?;
        let mut copy = std::mem::take(&mut context.probes);
        let result = (|| {
            grow!(copy, probes.len() as u64, T::ZERO);
            copy[..probes.len()].copy_from_slice(probes);
            let retrieved = Some(MatMut::new(probes, batch, memory.dim())?);
            let outputs = Outputs { retrieved, ..Outputs::default() };
            let probes = MatRef::new(&copy, batch, memory.dim())?;
            self.updating().run(probes, memory, outputs, context)
        })();
        context.probes = copy;
        result
    }

    /// The number of rows of D elements; refuses a remainder.
    fn check_rows(&self, probes: &[T], memory: &Memory<T>) -> Result<usize> {
        let (batch, dim) = (probes.len() / memory.dim(), memory.dim());
        expect_length("probes", probes.len(), batch * dim)?;
        Ok(batch)
    }

    /// Recalls, and writes what `outputs` has room for.
    ///
    /// Outputs are only written: what they held before has no influence.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless β and the gain are finite and above 0,
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::Length`](crate::Error::Length) for
    /// operands that do not fit, [`Error::Level`](crate::Error::Level) as [`Context::level`] says.
    /// Nothing has been written then.
    pub fn run(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        mut outputs: Outputs<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        self.check(probes, memory, &outputs)?;
        context.go_on()?;
        if probes.rows() == 0 {
            return context.level().map(drop);
        }
        let call = Call { retrieval: self, probes, memory };
        match call.small(&mut outputs, context)? {
            true => Ok(()),
            false => self.run_of_any_size(call, outputs, context),
        }
    }

    /// [`run`](Self::run), of at least one probe, with operands that have been checked. Leaves the
    /// states of the softmax in the context.
    fn run_of_any_size(
        &self,
        call: Call<'_, T>,
        outputs: Outputs<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        if self.is_plain() && !outputs.has_statistics() && call.never_peaked() {
            // Nothing but the drivers' scratch is needed.
            context.counters.add_dense(call.probes.rows());
            return call.dense(outputs, &Scoring::DOT, &mut Vec::new(), context);
        }
        let mut work = context.work.take().unwrap_or_default();
        let result = call.run(outputs, &mut work, context);
        context.work = Some(work);
        result
    }

    /// [`run`](Self::run), of probes that have been counted.
    pub(crate) fn run_again(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        outputs: Outputs<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let counters = context.counters;
        let result = self.run(probes, memory, outputs, context);
        context.counters = counters;
        result
    }

    /// [`run`](Self::run), and keeps in `recall` what it takes to learn from it.
    ///
    /// ```
    /// # use hopfield_kernels::{
    /// #     MatMut, MatRef, Memory, Outputs, Plasticity, Recall, Retrieval, Context};
    /// let mut memory = Memory::from_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)?;
    /// let (mut retrieved, mut recall, mut context) = ([0.0; 2], Recall::new(), Context::new());
    /// let to = Some(MatMut::new(&mut retrieved, 1, 2)?);
    /// let outputs = Outputs::new().with_retrieved(to);
    /// let probes = MatRef::new(&[0.9, 0.2], 1, 2)?;
    /// Retrieval::new(16.0).recall(probes, &memory, outputs, &mut recall, &mut context)?;
    ///
    /// Plasticity::default().learn(&recall, &mut memory, None, &mut context)?;
    /// assert!(memory.pattern(0)[1] > 0.19, "the nearest pattern has moved to the probe");
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`run`](Self::run). Then there is nothing in `recall` to learn from.
    pub fn recall(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        mut outputs: Outputs<'_, T>,
        recall: &mut Recall<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        recall.forget();
        self.check(probes, memory, &outputs)?;
        context.go_on()?;
        recall.reserve(probes.rows(), memory.dim())?;
        let wanted = outputs.retrieved.take();
        let retrieved = Some(recall.retrieved_mut(memory.dim()));
        let outputs = Outputs { retrieved, ..outputs };
        if probes.rows() == 0 {
            context.level()?;
        } else {
            let updating = self.updating();
            let call = Call { retrieval: &updating, probes, memory };
            updating.run_of_any_size(call, outputs, context)?;
        }
        match wanted {
            Some(to) if self.value_dim(memory).is_some() => {
                let outputs = Outputs { retrieved: Some(to), ..Outputs::default() };
                self.run_again(probes, memory, outputs, context)?;
            }
            Some(mut to) => {
                for (b, row) in recall.retrieved_mut(memory.dim()).as_ref().iter().enumerate() {
                    to.row_mut(b).copy_from_slice(row);
                }
            }
            None => {}
        }
        if self.is_plain() {
            recall.keep(self, memory, probes, &context.memory.states[..probes.rows()]);
        } else {
            self.weights(probes, memory, recall.weights_mut(), 1.0, context)?;
            recall.keep(self, memory, probes, &[]);
        }
        Ok(())
    }

    /// Copies the weights of a recall, multiplied by a factor, but for those that are 0.
    pub(crate) fn weights(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        to: &mut OwnedRows<T>,
        factor: f64,
        context: &mut Context<T>,
    ) -> Result<()> {
        let mut work = context.work.take().unwrap_or_default();
        let result = Call { retrieval: self, probes, memory }.supports(&mut work, context);
        let takes_part = |b, n| self.takes_part(b, n);
        to.copy(&work.sparse.supports, factor, memory.patterns(), takes_part);
        context.work = Some(work);
        result
    }
}
