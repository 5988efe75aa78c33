//! Gradients: the vector-Jacobian products of a recall, of its log-sum-exp and its energy.
//!
//! ```text
//! for each probe, over the support of its weights:
//!     dp = g · v                                     # and what the update has besides a sum
//!     dt = J(p) dp + r ∂G/∂t                         # the separation's; r = dL/dlse - dL/dE / β
//!     dbias += dt;  dβ += dt · s;  ds = β dt
//!     dx += ds ∂s/∂x;  dm += ds ∂s/∂m + p g          # the similarity's
//! ```
//!
//! Weights are computed again, as flash-attention does, and only patterns in the support are
//! touched: nothing of size B x N is stored unless it is asked for. The softmax of dot products,
//! whose support is everything, has a fused kernel (see `driver::backward`).

pub(super) mod factors;
mod fused;
pub(super) mod scratch;
mod steps;
pub(crate) mod supports;

use crate::builder::setters;
use crate::error::{Error, Result};
use crate::matrix::check::{expect_length, expect_shape};
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::call::Call;
use crate::retrieval::work::Work;
use crate::retrieval::{Context, Retrieval};
use crate::simd::Element;

/// The gradients of a loss with respect to the outputs of a recall. By default none are given.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Upstream<'a, T> {
    /// dL/dX̂ (B x D, or B x E if the memory has values).
    pub retrieved: Option<MatRef<'a, T>>,
    /// dL/dlse (B).
    pub lse: Option<&'a [T]>,
    /// dL/dE (B).
    pub energy: Option<&'a [T]>,
    /// After how many recalls the outputs are, 1 or more: all but the last are updates of the
    /// probes.
    pub steps: usize,
}

impl<T> Default for Upstream<'_, T> {
    fn default() -> Self {
        Self { retrieved: None, lse: None, energy: None, steps: 1 }
    }
}

impl<'a, T: Element> Upstream<'a, T> {
    /// All are 0, after one recall.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets dL/dX̂.
        with_retrieved(retrieved?: MatRef<'a, T>);
        /// Sets dL/dlse.
        with_lse(lse!: &'a [T]);
        /// Sets dL/dE.
        with_energy(energy!: &'a [T]);
        /// Sets the number of recalls.
        with_steps(steps: usize);
    }

    /// Those of some of the probes.
    fn of(self, probes: std::ops::Range<usize>) -> Self {
        Self {
            retrieved: self.retrieved.map(|rows| rows.subrows(probes.clone())),
            lse: self.lse.map(|all| &all[probes.clone()]),
            energy: self.energy.map(|all| &all[probes]),
            steps: self.steps,
        }
    }
}

/// Where the gradients of a loss with respect to the operands of a recall are written. By default
/// none are.
#[derive(Debug)]
#[non_exhaustive]
pub struct Gradients<'a, T> {
    /// dL/dX (B x D).
    pub probes: Option<MatMut<'a, T>>,
    /// dL/dM (N x D). Without values it is the whole gradient: that of the similarities and that of
    /// what is retrieved.
    pub patterns: Option<MatMut<'a, T>>,
    /// dL/dV (N x E), of a memory that has values.
    pub values: Option<MatMut<'a, T>>,
    /// dL/db (N): the sum over the probes.
    pub bias: Option<&'a mut [T]>,
    /// dL/db (B x N).
    pub biases: Option<MatMut<'a, T>>,
    /// dL/dβ.
    pub beta: Option<&'a mut T>,
}

impl<T> Default for Gradients<'_, T> {
    fn default() -> Self {
        Self { probes: None, patterns: None, values: None, bias: None, biases: None, beta: None }
    }
}

impl<'a, T: Element> Gradients<'a, T> {
    /// None is written.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Where to write dL/dX.
        with_probes(probes?: MatMut<'a, T>);
        /// Where to write dL/dM.
        with_patterns(patterns?: MatMut<'a, T>);
        /// Where to write dL/dV.
        with_values(values?: MatMut<'a, T>);
        /// Where to write dL/db, summed over the probes.
        with_bias(bias!: &'a mut [T]);
        /// Where to write dL/db for each probe.
        with_biases(biases?: MatMut<'a, T>);
        /// Where to write dL/dβ.
        with_beta(beta?: &'a mut T);
    }
}

/// Gradients while they are added up. Gradients of patterns, values and biases are added in place,
/// the others in double precision.
pub(crate) struct GradientSums<'g, T> {
    pub probes: Vec<f64>,
    pub patterns: Option<MatMut<'g, T>>,
    pub values: Option<MatMut<'g, T>>,
    pub bias: Vec<f64>,
    pub biases: Option<MatMut<'g, T>>,
    pub beta: f64,
    /// Where `probes`, `bias` and `beta` are to be written.
    to_probes: Option<MatMut<'g, T>>,
    to_bias: Option<&'g mut [T]>,
    to_beta: Option<&'g mut T>,
}

impl<T: Element> Retrieval<'_, T> {
    /// The same for some of the probes.
    fn for_probes(self, probes: std::ops::Range<usize>) -> Self {
        Self {
            biases: self.biases.map(|all| all.subrows(probes.clone())),
            masks: self.masks.map(|all| all.subrows(probes.clone())),
            hints: self.hints.map(|all| &all[probes]),
            ..self
        }
    }

    /// The vector-Jacobian product of one recall: from gradients with respect to its outputs, those
    /// with respect to its operands. Outputs are overwritten.
    ///
    /// Without values the recall is the update of the similarity, as [`run`](Self::run) retrieves
    /// it. A probe whose patterns are all masked has gradients of zero; one that is not finite
    /// makes what it contributes to NaN.
    ///
    /// Through several steps ([`Upstream::steps`]) the probes of every step are computed again and
    /// kept, which takes `steps` B D elements.
    ///
    /// ```
    /// use hopfield_kernels::{Context, Gradients, MatMut, MatRef, Memory, Retrieval, Upstream};
    ///
    /// let memory = Memory::from([[1.0_f64, 0.0], [0.0, 1.0]]);
    /// let probe = MatRef::new(&[0.5, 0.5], 1, 2)?;
    /// let upstream = Upstream::new().with_retrieved(MatRef::new(&[1.0, 0.0], 1, 2)?);
    /// let mut dx = [0.0; 2];
    /// let gradients = Gradients::new().with_probes(MatMut::new(&mut dx, 1, 2)?);
    /// Retrieval::new(4.0).backward(probe, &memory, upstream, gradients, &mut Context::new())?;
    /// // β (diag p - p pᵀ) g, with both weights one half.
    /// assert_eq!(dx, [1.0, -1.0]);
    ///
    /// // The probe is a fixed point, and J = [[1, -1], [-1, 1]].
    /// let gradients = Gradients::new().with_probes(MatMut::new(&mut dx, 1, 2)?);
    /// let through_two = upstream.with_steps(2);
    /// Retrieval::new(4.0).backward(probe, &memory, through_two, gradients, &mut Context::new())?;
    /// assert_eq!(dx, [2.0, -2.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::Length`] for operands that do not fit, [`Error::Parameter`] as
    /// for [`run`](Self::run) and for a gain that is not 1, [`Error::Count`] for no step. Nothing
    /// has been written then.
    pub fn backward(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        upstream: Upstream<'_, T>,
        gradients: Gradients<'_, T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        self.check_backward(probes, memory, &upstream, &gradients)?;
        context.level()?;
        if upstream.steps != 1 {
            return self.backward_steps(probes, memory, upstream, gradients, context);
        }
        let mut sums = GradientSums::new(gradients, probes.rows(), memory);
        let mut work = context.work.take().unwrap_or_default();
        let call = Call { retrieval: self, probes, memory };
        let result = call.pull(upstream, &mut sums, &mut work, context);
        context.work = Some(work);
        result?;
        sums.finish();
        Ok(())
    }

    fn check_backward(
        &self,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        upstream: &Upstream<'_, T>,
        gradients: &Gradients<'_, T>,
    ) -> Result<()> {
        self.check_operands(probes, memory)?;
        let (batch, patterns, dim) = (probes.rows(), memory.patterns(), memory.dim());
        if self.gain != T::ONE {
            let (name, expected) = ("gain", "1 where gradients are wanted");
            return Err(Error::Parameter { name, expected, found: self.gain.to_f64() });
        }
        if upstream.steps == 0 {
            let (name, expected) = ("steps", "at least 1");
            return Err(Error::Count { name, expected, found: 0 });
        }
        let retrieved = self.value_dim(memory).unwrap_or(dim);
        if let Some(g) = upstream.retrieved {
            expect_shape("gradient of retrieved", g.shape(), (batch, retrieved))?;
        }
        for (operand, g) in
            [("gradient of lse", upstream.lse), ("gradient of energy", upstream.energy)]
        {
            g.map_or(Ok(()), |g| expect_length(operand, g.len(), batch))?;
        }
        let matrices = [
            ("gradient of probes", &gradients.probes, (batch, dim)),
            ("gradient of patterns", &gradients.patterns, (patterns, dim)),
            ("gradient of values", &gradients.values, (patterns, retrieved)),
            ("gradient of biases", &gradients.biases, (batch, patterns)),
        ];
        for (operand, matrix, shape) in matrices {
            matrix.as_ref().map_or(Ok(()), |m| expect_shape(operand, m.shape(), shape))?;
        }
        let bias = gradients.bias.as_ref();
        bias.map_or(Ok(()), |bias| expect_length("gradient of bias", bias.len(), patterns))
    }
}

impl<'g, T: Element> GradientSums<'g, T> {
    pub fn new(wanted: Gradients<'g, T>, batch: usize, memory: &Memory<T>) -> Self {
        let Gradients { probes, patterns, values, bias, biases, beta } = wanted;
        let zeros = |matrix: Option<MatMut<'g, T>>| {
            matrix.map(|mut matrix| {
                (0..matrix.rows()).for_each(|row| matrix.row_mut(row).fill(T::ZERO));
                matrix
            })
        };
        Self {
            probes: vec![0.0; batch * memory.dim()],
            patterns: zeros(patterns),
            values: zeros(values),
            bias: vec![0.0; bias.as_ref().map_or(0, |bias| bias.len())],
            biases: zeros(biases),
            beta: 0.0,
            to_probes: probes,
            to_bias: bias,
            to_beta: beta,
        }
    }

    /// Writes what was added up in double precision.
    pub fn finish(self) {
        if let Some(mut to) = self.to_probes {
            let dim = to.cols();
            for (b, from) in self.probes.chunks_exact(dim).enumerate() {
                to.row_mut(b).iter_mut().zip(from).for_each(|(to, x)| *to = T::from_f64(*x));
            }
        }
        if let Some(to) = self.to_bias {
            to.iter_mut().zip(&self.bias).for_each(|(to, x)| *to = T::from_f64(*x));
        }
        if let Some(to) = self.to_beta {
            *to = T::from_f64(self.beta);
        }
    }
}

impl<T: Element> Call<'_, T> {
    /// Adds the gradients of this recall to `sums`; those of the probes are overwritten.
    pub(crate) fn pull(
        &self,
        upstream: Upstream<'_, T>,
        sums: &mut GradientSums<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        context.go_on()?;
        if self.is_fused(upstream) {
            return self.pull_fused(upstream, sums, work, context);
        }
        self.pull_supports(upstream, sums, work, context)
    }

    /// The parts of the energy besides G: ½ x·x, the constant, and the factor 1/β of G.
    fn pull_energy(
        &self,
        b: usize,
        energy: f64,
        potential: f64,
        dx: &mut [f64],
        sums: &mut GradientSums<'_, T>,
    ) {
        let (retrieval, memory) = (self.retrieval, self.memory);
        let beta = retrieval.beta.to_f64();
        let part = || (0..memory.patterns()).filter(|&n| retrieval.takes_part(b, n));
        let constant = retrieval.separation.with_rows(|rows| rows.constant(part().count()));
        sums.beta += energy * (potential - constant) / (beta * beta);
        if !retrieval.is_quadratic() {
            return;
        }
        let x = self.probes.row(b);
        dx.iter_mut().zip(x).for_each(|(dx, x)| *dx += energy * x.to_f64());
        // ½ M*²: the first of the longest patterns.
        let norms = memory.squared_norms();
        let longest = part().reduce(|a, n| if norms[n] > norms[a] { n } else { a });
        if let Some(n) = longest {
            let row = sums.patterns.as_mut().map(|rows| rows.row_mut(n));
            let mut buffer = Vec::new();
            for (to, m) in row.into_iter().flatten().zip(memory.pattern_in(n, &mut buffer)) {
                *to = T::from_f64(to.to_f64() + energy * m.to_f64());
            }
        }
    }

    /// The gradients of a probe that is not finite: NaN in all that it contributes to.
    fn poison(&self, b: usize, sums: &mut GradientSums<'_, T>) {
        let (patterns, dim) = (self.memory.patterns(), self.memory.dim());
        sums.probes[b * dim..][..dim].fill(f64::NAN);
        sums.beta = f64::NAN;
        for n in (0..patterns).filter(|&n| self.retrieval.takes_part(b, n)) {
            for rows in [&mut sums.patterns, &mut sums.values].into_iter().flatten() {
                rows.row_mut(n).fill(T::NAN);
            }
            if let Some(bias) = sums.bias.get_mut(n) {
                *bias = f64::NAN;
            }
            if let Some(biases) = &mut sums.biases {
                biases.row_mut(b)[n] = T::NAN;
            }
        }
    }
}
