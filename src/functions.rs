//! The kernels as functions, for programs that embed one of them. The last argument of each is a
//! [`Context`], with which it allocates nothing once that has grown, or `None` for a call by
//! itself.

use crate::driver::compiled;
use crate::driver::outputs::Outputs;
use crate::error::Result;
use crate::kernel::softmax::Softmax;
use crate::learning::{OuterProducts, Plasticity, Update, update};
use crate::matrix::check::expect_shape;
use crate::matrix::{MatMut, MatRef};
use crate::memory::{BorrowedMut, Memory};
use crate::retrieval;
use crate::retrieval::{Context, Recall, Retrieval};
use crate::separation::state::SoftmaxParams;
use crate::simd::{Element, beta_of};

/// S = X Mᵀ: the similarity (dot product) of B probes with N patterns (B x N).
///
/// ```
/// use hopfield_kernels::{MatMut, MatRef, Memory, similarities};
///
/// let memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
/// let mut s = [0.0; 2];
/// similarities(MatRef::new(&[1.0, 10.0], 1, 2)?, &memory, MatMut::new(&mut s, 1, 2)?, None)?;
/// assert_eq!(s, [21.0, 43.0]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless `probes` is B x D and `similarities` B x N.
pub fn similarities<'c, T: Element>(
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    similarities: MatMut<'_, T>,
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    optional(context, |context| retrieval::similarities(probes, memory, similarities, context))
}

/// The k patterns that are most similar to each of B probes by the dot product, the most similar
/// first and of equals the first: their indices (B x k) and similarities (B x k). Exact.
///
/// A probe that has a similarity which is not finite gets indices of `None` and NaN.
///
/// ```
/// use hopfield_kernels::{MatMut, MatRef, Memory, top_k};
///
/// let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0], [0.7, 0.7]]);
/// let (mut indices, mut scores) = ([None; 2], [0.0; 2]);
/// let probes = MatRef::new(&[0.0, 1.0], 1, 2)?;
/// let (to, to_scores) = (MatMut::new(&mut indices, 1, 2)?, MatMut::new(&mut scores, 1, 2)?);
/// top_k(probes, &memory, to, to_scores, None)?;
/// assert_eq!((indices, scores), ([Some(1), Some(2)], [1.0, 0.7]));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for operands that do not fit,
/// [`Error::Parameter`](crate::Error::Parameter) if there are fewer than k patterns.
pub fn top_k<'c, T: Element>(
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    indices: MatMut<'_, Option<usize>>,
    scores: MatMut<'_, T>,
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    optional(context, |context| retrieval::top_k(probes, memory, indices, scores, context))
}

/// softmax(β s) for every row s, in place: the largest is subtracted before the exponential, so
/// that none overflows.
///
/// A score of -inf is a mask: its weight is exactly 0, and a row of nothing else becomes zeros. A
/// row that holds a NaN or +inf becomes NaN.
///
/// ```
/// use hopfield_kernels::{MatMut, softmax};
///
/// let mut row = [1000.0, 1000.0 + std::f64::consts::LN_2];
/// softmax(MatMut::new(&mut row, 1, 2)?, 1.0, None)?;
/// assert!((row[0] - 1.0 / 3.0).abs() < 1e-13);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless `beta` is finite and above 0.
pub fn softmax<'c, T: Element>(
    scores: MatMut<'_, T>,
    beta: T,
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    let params = SoftmaxParams::new(beta_of(beta)?.to_f64(), scores.cols());
    let level = optional(context, |context| context.level())?;
    if scores.cols() > 0 {
        compiled::softmax(level, Softmax { rows: scores, params });
    }
    Ok(())
}

/// softmax(β s) for every row s of `scores`, into `out`.
///
/// ```
/// use hopfield_kernels::{MatMut, MatRef, softmax_into};
///
/// let mut weights = [f32::NAN; 4];
/// softmax_into(MatRef::new(&[3.0; 4], 1, 4)?, 8.0, MatMut::new(&mut weights, 1, 4)?, None)?;
/// assert_eq!(weights, [0.25; 4]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// As for [`softmax`], and [`Error::Shape`](crate::Error::Shape) unless `out` is as large as
/// `scores`.
pub fn softmax_into<'c, T: Element>(
    scores: MatRef<'_, T>,
    beta: T,
    mut out: MatMut<'_, T>,
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    expect_shape("out", out.shape(), scores.shape())?;
    beta_of(beta)?;
    optional(context, |context| {
        context.level()?;
        for (b, row) in scores.iter().enumerate() {
            out.row_mut(b).copy_from_slice(row);
        }
        softmax(out, beta, context)
    })
}

/// X̂ = P M: for each of B rows of weights (B x N), the weighted sum of the patterns (B x D).
///
/// A weight of exactly 0 leaves its pattern out, whatever that holds.
///
/// ```
/// use hopfield_kernels::{MatMut, MatRef, Memory, combine};
///
/// let memory = Memory::from_rows(MatRef::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?)?;
/// let mut sum = [0.0; 2];
/// combine(MatRef::new(&[10.0, 1.0], 1, 2)?, &memory, MatMut::new(&mut sum, 1, 2)?, None)?;
/// assert_eq!(sum, [13.0, 24.0]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless `weights` is B x N and `retrieved` B x D.
pub fn combine<'c, T: Element>(
    weights: MatRef<'_, T>,
    memory: &Memory<T>,
    retrieved: MatMut<'_, T>,
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    optional(context, |context| retrieval::combine(weights, memory, retrieved, context))
}

/// X̂ = softmax(β X Mᵀ) M: one update of B probes (Ramsauer et al. 2020, eq. 3), fused.
///
/// [`Retrieval`] tells more from the same pass.
///
/// ```
/// use hopfield_kernels::{Context, MatMut, MatRef, Memory, retrieve};
///
/// let memory = Memory::from([[1.0_f32, 2.0], [3.0, 4.0]]);
/// let mut context = Context::new(); // for any number of calls
/// let mut retrieved = [0.0; 2];
/// for _ in 0..10 {
///     let probe = retrieved; // what was retrieved, recalled again
///     let to = MatMut::new(&mut retrieved, 1, 2)?;
///     retrieve(MatRef::new(&probe, 1, 2)?, &memory, 8.0, to, &mut context)?;
/// }
/// assert_eq!(retrieved, [3.0, 4.0], "what is between two patterns ends at one of them");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// As for [`Retrieval::new`] and [`Retrieval::run`].
pub fn retrieve<'c, T: Element>(
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    beta: T,
    retrieved: MatMut<'_, T>,
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    let outputs = Outputs { retrieved: Some(retrieved), ..Outputs::default() };
    optional(context, |context| Retrieval::new(beta).run(probes, memory, outputs, context))
}

/// The standard energy of B probes (B): E(x) = -β⁻¹ ln Σ_n exp(β m_n·x) + ½ x·x + β⁻¹ ln N + ½ M*²
/// (Ramsauer et al. 2020, eq. 2). It never rises under [`retrieve`].
///
/// ```
/// use hopfield_kernels::{MatRef, Memory, energy};
///
/// let memory = Memory::from_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)?;
/// let mut energies = [0.0; 2];
/// energy(MatRef::new(&[1.0, 0.0, 0.5, 0.5], 2, 2)?, &memory, 8.0, &mut energies, None)?;
/// assert!(energies[0] < energies[1], "a stored pattern lies lower than what is between two");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// As for [`Retrieval::new`] and [`Retrieval::run`].
pub fn energy<'c, T: Element>(
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    beta: T,
    energy: &mut [T],
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    let outputs = Outputs { energy: Some(energy), ..Outputs::default() };
    optional(context, |context| Retrieval::new(beta).run(probes, memory, outputs, context))
}

/// M ← M + η Pᵀ Z / B - λ M - λ₁ sign(M): a batch of rank-1 updates, decay in the same pass.
///
/// A weight of exactly 0 contributes nothing, whatever vector it would multiply; nor does η = 0.
/// Whether ΔM is asked for makes no difference to M. With λ = λ₁ = 0, patterns whose weights are
/// all 0 are neither read nor written. Where there is decay (λ or λ₁), elements that end below the
/// normal range (2⁻¹²⁶ for `f32`, 2⁻¹⁰²² for
/// `f64`) become 0: arithmetic with subnormal numbers is up to a hundred times
/// slower on some machines, so that a memory that has decayed away would slow down every recall.
///
/// Without probes (B = 0) M does not change, not even by decay, and ΔM is 0.
///
/// ```
/// use hopfield_kernels::{
///     MatMut, MatRef, Memory, OuterProducts, Update, outer_product_update};
///
/// let mut memory = Memory::from([[1.0, 2.0], [3.0, 4.0]]);
/// let (weights, vectors) = (MatRef::new(&[1.0, 0.0], 1, 2)?, MatRef::new(&[10.0, 20.0], 1, 2)?);
/// let mut delta = [f64::NAN; 4];
/// let products =
///     OuterProducts::new(weights, vectors).with_delta(MatMut::new(&mut delta, 2, 2)?);
/// outer_product_update(&mut memory, products, Update::default().with_eta(0.5), None)?;
/// assert_eq!(memory.to_rows(), [6.0, 12.0, 3.0, 4.0]);
/// assert_eq!(memory.squared_norms(), [180.0, 25.0]);
/// assert_eq!(delta, [10.0, 20.0, 0.0, 0.0], "ΔM, as it was asked for");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) unless `weights` is B x N and `vectors` B x D,
/// [`Error::Parameter`](crate::Error::Parameter) unless the factors are finite,
/// [`Error::Store`](crate::Error::Store) for patterns in sixteen bits or in a file.
pub fn outer_product_update<'c, T: Element>(
    memory: &mut Memory<T>,
    products: OuterProducts<'_, T>,
    rates: Update<T>,
    context: impl Into<Option<&'c mut Context<T>>>,
) -> Result<()> {
    optional(context, |context| update(memory, products, rates, context))
}

/// Calls `task` with a context, or with a new one where there is none.
fn optional<'c, T: Element, R>(
    context: impl Into<Option<&'c mut Context<T>>>,
    task: impl FnOnce(&mut Context<T>) -> R,
) -> R {
    match context.into() {
        Some(context) => task(context),
        None => task(&mut Context::new()),
    }
}

impl<T: Element> BorrowedMut<'_, T> {
    /// [`outer_product_update`], of patterns that learn where they are.
    ///
    /// # Errors
    /// As for [`outer_product_update`].
    pub fn update(
        &mut self,
        weights: MatRef<'_, T>,
        vectors: MatRef<'_, T>,
        factors: Update<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        update(self.memory_mut(), OuterProducts::new(weights, vectors), factors, context)
    }

    /// [`Plasticity::learn`], of patterns that learn where they are.
    ///
    /// ```
    /// use hopfield_kernels::{
    ///     BorrowedMut, Context, MatRef, Outputs, Plasticity, Recall, Retrieval,
    /// };
    ///
    /// let mut rows = [1.0, 0.0, 0.0, 1.0];
    /// let mut patterns = BorrowedMut::new(&mut rows, 2, 2, 2)?;
    /// let (mut recall, mut context) = (Recall::new(), Context::new());
    /// let probes = MatRef::new(&[0.9, 0.2], 1, 2)?;
    /// Retrieval::new(16.0)
    ///     .recall(probes, &patterns, Outputs::new(), &mut recall, &mut context)?;
    /// patterns.learn(&Plasticity::default(), &recall, None, &mut context)?;
    /// assert!(rows[1] > 0.19, "the nearest pattern has moved to the probe");
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Plasticity::learn`].
    pub fn learn(
        &mut self,
        plasticity: &Plasticity<T>,
        recall: &Recall<T>,
        delta: Option<MatMut<'_, T>>,
        context: &mut Context<T>,
    ) -> Result<()> {
        plasticity.learn(recall, self.memory_mut(), delta, context)
    }
}
