//! The separations by name, and as functions of rows.

use crate::error::{Error, Result};
use crate::separation::exponentials::{self, Exponentials};
use crate::separation::rows::clipped::Clipped;
use crate::separation::rows::entmax::Entmax;
use crate::separation::rows::epanechnikov::Epanechnikov;
use crate::separation::rows::hard_top_k::{HardTopK, Max};
use crate::separation::rows::k_subsets::KSubsets;
use crate::separation::rows::normmax::Normmax;
use crate::separation::rows::polynomial::Polynomial;
use crate::separation::rows::power::Power;
use crate::separation::rows::softmax::{Softmax, SoftmaxPlus};
use crate::separation::rows::sparsemax::Sparsemax;
use crate::separation::rows::top_k::TopK;
use crate::separation::rows::{RowSeparation, pull, separate, value};
use crate::simd::{Element, Level};

/// How scores t = β s + b become memory weights p: the gradient of a convex potential G(t).
///
/// | separation | p | G(t) | sparse |
/// | --- | --- | --- | --- |
/// | [`Softmax`](Self::Softmax) | eᵗ / Σ eᵗ | ln Σ eᵗ | |
/// | [`SoftmaxPlus`](Self::SoftmaxPlus) | eᵗ / (c + Σ eᵗ) | ln (c + Σ eᵗ) | |
/// | [`Sparsemax`](Self::Sparsemax) | \[t - τ\]₊, of sum 1 | max p·t - ½ (p·p - 1) | yes |
/// | [`Entmax`](Self::Entmax) | \[(α - 1) t - τ\]₊^(1/(α - 1)), of sum 1 | max p·t - Σ (p^α - p) / (α (α - 1)) | yes |
/// | [`Normmax`](Self::Normmax) | \[t - τ\]₊^(1/(α - 1)), normalised | max p·t - ‖p‖_α + 1 | yes |
/// | [`KSubsets`](Self::KSubsets) | clip(t - τ, 0, 1), of sum k | max p·t - ½ (p·p - k) | yes |
/// | [`TopK`](Self::TopK) | softmax over the k highest | ln Σ eᵗ over these | yes |
/// | [`HardTopK`](Self::HardTopK) | 1/k on the k highest | the mean of these | yes |
/// | [`Max`](Self::Max) | 1 on the highest | max t | yes |
/// | [`Polynomial`](Self::Polynomial) | n \[t\]₊^(n - 1) | Σ \[t\]₊ⁿ | where t <= 0 |
/// | [`Power`](Self::Power) | sign(t) \|t\|ᵖ | Σ \|t\|^(p + 1) / (p + 1) | |
/// | [`Epanechnikov`](Self::Epanechnikov) | k \[1 + t\]₊^(k - 1), normalised | ln Σ \[1 + t\]₊ᵏ | yes |
/// | [`ClippedSoftmax`](Self::ClippedSoftmax) | clip((η - γ) softmax + γ, 0, 1) | none: NaN | |
///
/// Weights that are not in the support are exactly 0, and their patterns are not read for the
/// projection.
///
/// As functions of rows ([`weights`](Self::weights), [`potential`](Self::potential),
/// [`vjp`](Self::vjp)) they compute in double precision. A score of -∞ is a mask; a row that holds
/// a NaN or +∞ becomes NaN; a row in which nothing takes part becomes zeros.
///
/// Sources: Martins & Astudillo 2016 (sparsemax, arXiv 1602.02068), Peters et al. 2019 (entmax,
/// 1905.05702), Santos et al. 2024 (normmax, k-subsets and their energies, 2402.13725 and
/// 2411.08590), Hu et al. 2024 (`SoftmaxPlus(1)`, 2404.03828), Krotov & Hopfield 2016 (polynomials,
/// 1606.01164), Hintzman 1984 (`Power(3)`: MINERVA 2), Hoover et al. 2025 (Epanechnikov,
/// 2506.10801), Bondarenko et al. 2023 (clipped softmax).
///
/// ```
/// use hopfield_kernels::{Memory, Retrieval, Separation};
///
/// // Sparse weights retrieve exactly: what the nearest pattern wins by a margin is that pattern.
/// let memory = Memory::from([[1.0_f32, 0.3], [0.2, 1.0]]);
/// let mut probe = [0.9, 0.2];
/// Retrieval::new(4.0).with_separation(Separation::Entmax(1.5)).apply(&memory, &mut probe)?;
/// assert_eq!(probe, [1.0, 0.3]);
///
/// let mut row = [1.0, 0.5, -3.0];
/// Separation::Sparsemax.weights(&mut row)?;
/// assert_eq!(row, [0.75, 0.25, 0.0]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub enum Separation {
    /// Softmax.
    #[default]
    Softmax,
    /// Softmax beside a pattern of zeros of weight c >= 0 with a value of zero: weights sum to less
    /// than 1. (c = 1: OutEffHop's softmax₁, hflayers' `add_zero_association`.)
    SoftmaxPlus(f64),
    /// The projection onto the simplex.
    Sparsemax,
    /// α-entmax, α >= 1: 1 is softmax, 2 is sparsemax.
    Entmax(f64),
    /// α-normmax, α > 1.
    Normmax(f64),
    /// Weights of at most 1 that sum to k, 0 < k <= N (which need not be an integer).
    KSubsets(f64),
    /// Softmax over the k highest scores, the first of equals.
    TopK(usize),
    /// Equal weights for the k highest scores, the first of equals.
    HardTopK(usize),
    /// All weight for the highest score, the first of equals.
    Max,
    /// The rectified polynomial of degree n >= 2, not normalised.
    Polynomial(f64),
    /// The p-th power with its sign, p > 0, not normalised.
    Power(f64),
    /// The Epanechnikov kernel to the power of k >= 1, for scores -½ β ‖x - m‖²: only patterns
    /// within √(2/β) have a weight. Under [`Similarity::NegHalfSquaredL2`](crate::Similarity) it is
    /// log-sum-ReLU (LSR).
    Epanechnikov(f64),
    /// Softmax scaled to γ..η, γ <= 0 and η >= 1, and clipped to 0..1. A readout: it has no
    /// energy.
    ClippedSoftmax {
        /// The lower end.
        gamma: f64,
        /// The upper end.
        eta: f64,
    },
}

/// Softmax whose weights below a width are exactly 0, as they cannot change the sum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// Scores that are lower than the highest by more than this have no weight.
    pub width: f64,
}

impl Separation {
    /// Calls `work` with the separation of rows.
    pub(crate) fn with_rows<R>(self, work: impl FnOnce(&dyn RowSeparation) -> R) -> R {
        match self {
            Self::Softmax => work(&Softmax),
            Self::SoftmaxPlus(c) => work(&SoftmaxPlus { c }),
            Self::Sparsemax => work(&Sparsemax),
            Self::Entmax(alpha) => work(&Entmax { alpha }),
            Self::Normmax(alpha) => work(&Normmax { alpha }),
            Self::KSubsets(k) => work(&KSubsets { k }),
            Self::TopK(k) => work(&TopK { k }),
            Self::HardTopK(k) => work(&HardTopK { k }),
            Self::Max => work(&Max),
            Self::Polynomial(n) => work(&Polynomial { n }),
            Self::Power(p) => work(&Power { p }),
            Self::Epanechnikov(k) => work(&Epanechnikov { k }),
            Self::ClippedSoftmax { gamma, eta } => work(&Clipped { gamma, eta }),
        }
    }

    /// Refuses parameters outside their domains, for rows of `patterns` scores.
    pub(crate) fn check(self, patterns: usize) -> Result<()> {
        let checked = match self {
            Self::Softmax | Self::Sparsemax | Self::Max => Ok(()),
            Self::SoftmaxPlus(c) => SoftmaxPlus { c }.check(),
            Self::Entmax(alpha) => Entmax { alpha }.check(),
            Self::Normmax(alpha) => Normmax { alpha }.check(),
            Self::KSubsets(k) => KSubsets { k }.check(),
            Self::TopK(k) | Self::HardTopK(k) if k == 0 => {
                let (name, expected) = ("k", "at least 1");
                return Err(Error::Count { name, expected, found: k });
            }
            Self::TopK(_) | Self::HardTopK(_) => Ok(()),
            Self::Polynomial(n) => Polynomial { n }.check(),
            Self::Power(p) => Power { p }.check(),
            Self::Epanechnikov(k) => Epanechnikov { k }.check(),
            Self::ClippedSoftmax { gamma, eta } => Clipped { gamma, eta }.check(),
        };
        let refused = |(name, expected, found)| Error::Parameter { name, expected, found };
        checked.map_err(refused)?;
        match self {
            Self::KSubsets(k) if k > patterns as f64 => {
                Err(refused(("k", "at most the number of patterns", k)))
            }
            _ => Ok(()),
        }
    }

    /// Whether this is a softmax, whose weights are computed while the scores are streamed.
    pub(crate) fn is_softmax(self) -> bool {
        matches!(self, Self::Softmax | Self::SoftmaxPlus(_)) || self == Self::Entmax(1.0)
    }

    /// Whether weights are no distribution, and an update is one on the sphere.
    pub(crate) fn is_unnormalised(self) -> bool {
        matches!(self, Self::Polynomial(_) | Self::Power(_))
    }

    /// The margin: where the highest score t exceeds the second by this much or more, the weights
    /// are exactly one-hot and the pattern is retrieved bit for bit. `None` if they never are.
    ///
    /// ```
    /// use hopfield_kernels::Separation;
    ///
    /// assert_eq!(Separation::Entmax(1.5).margin(), Some(2.0));
    /// assert_eq!(Separation::Softmax.margin(), None);
    /// ```
    pub fn margin(self) -> Option<f64> {
        self.with_rows(|separation| separation.margin())
    }

    /// A bound on the error of every weight if no score t is off by more than `error`; infinite
    /// where there is no bound.
    ///
    /// ```
    /// use hopfield_kernels::Separation;
    ///
    /// assert_eq!(Separation::Sparsemax.error_bound(1e-6), 2e-6);
    /// ```
    pub fn error_bound(self, error: f64) -> f64 {
        self.with_rows(|separation| separation.error(error))
    }

    /// Ω(p), the conjugate of the potential, which is 0 for a one-hot row: the energy has
    /// G(t) = max p·t - Ω(p). `None` where there is none.
    ///
    /// ```
    /// use hopfield_kernels::Separation;
    ///
    /// let uniform = Separation::Sparsemax.conjugate(&[0.25_f64; 4]);
    /// assert_eq!(uniform, Some(-0.375));
    /// ```
    pub fn conjugate<T: Element>(self, weights: &[T]) -> Option<T> {
        let row: Vec<f64> = weights.iter().map(|p| p.to_f64()).collect();
        self.with_rows(|separation| separation.conjugate(&row)).map(T::from_f64)
    }

    /// Turns a row of scores into weights.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its domain. The row has not changed then.
    pub fn weights<T: Element>(self, scores: &mut [T]) -> Result<()> {
        self.check(scores.len())?;
        let mut row: Vec<f64> = scores.iter().map(|t| t.to_f64()).collect();
        self.with_rows(|separation| separate(separation, &mut row));
        scores.iter_mut().zip(row).for_each(|(to, p)| *to = T::from_f64(p));
        Ok(())
    }

    /// G(t), the potential of a row of scores: -∞ where nothing takes part (ln c for
    /// `SoftmaxPlus`).
    ///
    /// ```
    /// use hopfield_kernels::Separation;
    ///
    /// let lse = Separation::Softmax.potential(&[0.0_f64, 0.0])?;
    /// assert_eq!(lse, std::f64::consts::LN_2);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`weights`](Self::weights).
    pub fn potential<T: Element>(self, scores: &[T]) -> Result<T> {
        self.check(scores.len())?;
        let row: Vec<f64> = scores.iter().map(|t| t.to_f64()).collect();
        Ok(T::from_f64(self.with_rows(|separation| value(separation, &row))))
    }

    /// The vector-Jacobian product: given scores and the gradient of a loss with respect to their
    /// weights, the gradient with respect to the scores, in place. It is exactly 0 outside of the
    /// support.
    ///
    /// ```
    /// use hopfield_kernels::Separation;
    ///
    /// let mut gradient = [1.0, 0.0, 5.0];
    /// Separation::Sparsemax.vjp(&[1.0, 0.5, -3.0], &mut gradient)?;
    /// assert_eq!(gradient, [0.5, -0.5, 0.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`weights`](Self::weights), and [`Error::Length`] unless there is a gradient for
    /// every score.
    pub fn vjp<T: Element>(self, scores: &[T], gradient: &mut [T]) -> Result<()> {
        self.check(scores.len())?;
        crate::matrix::check::expect_length("gradient", gradient.len(), scores.len())?;
        let row: Vec<f64> = scores.iter().map(|t| t.to_f64()).collect();
        let mut weights = row.clone();
        let mut g: Vec<f64> = gradient.iter().map(|g| g.to_f64()).collect();
        self.with_rows(|separation| {
            separate(separation, &mut weights);
            pull(separation, &row, &weights, &mut g);
        });
        gradient.iter_mut().zip(g).for_each(|(to, g)| *to = T::from_f64(g));
        Ok(())
    }
}

impl RowSeparation for Cut {
    fn softmax_width(&self) -> Option<f64> {
        Some(self.width)
    }

    fn reach(&self) -> super::rows::Reach {
        super::rows::Reach::Width(self.width)
    }

    fn weights(&self, t: &mut [f64]) {
        self.weights_at(Level::best(), t);
    }

    fn weights_at(&self, level: Level, t: &mut [f64]) {
        let top = t.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (scale, cutoff) = (std::f64::consts::LOG2_E, top - self.width);
        let row = Exponentials { t: &mut *t, top, scale, cutoff };
        exponentials::exponentials(level, row);
        // One after another: weights of 0 change nothing, wherever they are.
        let sum: f64 = t.iter().sum();
        t.iter_mut().for_each(|weight| *weight /= sum);
    }

    fn potential(&self, t: &[f64]) -> f64 {
        Softmax.potential(t)
    }

    fn conjugate(&self, p: &[f64]) -> Option<f64> {
        Softmax.conjugate(p)
    }

    fn constant(&self, n: usize) -> f64 {
        Softmax.constant(n)
    }

    fn pullback(&self, t: &[f64], p: &[f64], g: &mut [f64]) {
        Softmax.pullback(t, p, g);
    }

    fn margin(&self) -> Option<f64> {
        None
    }

    fn error(&self, e: f64) -> f64 {
        Softmax.error(e)
    }
}
