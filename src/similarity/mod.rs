//! The similarity of a probe with a pattern: which sum over d a micro-kernel takes, and how such
//! sums become scores.
//!
//! | module | contains |
//! | --- | --- |
//! | [`definition`] | what a similarity is to drivers, updates and gradients; one file for each |
//! | [`accumulate`] | one step of a sum over d: products, squared or absolute differences |
//! | [`scoring`] | from sums to scores: norms, roots, biases and masks |

pub(crate) mod accumulate;
mod cosine;
pub(crate) mod definition;
mod dot;
mod neg_half_squared_l2;
mod neg_l1;
mod neg_l2;
pub(crate) mod scoring;
mod uhn_reciprocal;

use definition::Definition;

/// How alike a probe x and a pattern m are: larger is more alike.
///
/// With each but the two reciprocals comes an update T(x) under which the energy falls (the
/// majorisation behind Ramsauer et al. 2020, theorems 1 and 2, behind the mean shift and behind
/// Weiszfeld's algorithm). p are the memory weights:
///
/// | similarity | s(x, m) | T(x) |
/// | --- | --- | --- |
/// | [`Dot`](Self::Dot) | x · m | Σ p m; at norm 1 under powers and polynomials |
/// | [`Cosine`](Self::Cosine) | x · m / (‖x‖ ‖m‖) | Σ p m / ‖m‖, at norm 1 |
/// | [`NegHalfSquaredL2`](Self::NegHalfSquaredL2) | -½ ‖x - m‖² | Σ p m / Σ p |
/// | [`NegL2`](Self::NegL2) | -‖x - m‖ | Σ w m / Σ w with w = p / ‖x - m‖; x where x = m has a weight |
/// | [`NegL1`](Self::NegL1) | -Σ_d \|x_d - m_d\| | the weighted median of every feature; x_d where that is one |
///
/// The similarity with a pattern (or of a probe) that is zero is 0 under `Cosine`.
///
/// ```
/// use hopfield_kernels::{Memory, Retrieval, Similarity};
///
/// let memory = Memory::from([[0.0_f32, 0.0], [3.0, 4.0]]);
/// let mut probe = [2.0, 3.0];
/// Retrieval::new(8.0).with_similarity(Similarity::NegL1).apply(&memory, &mut probe)?;
/// assert_eq!(probe, [3.0, 4.0]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Similarity {
    /// The dot product.
    #[default]
    Dot,
    /// The cosine of the angle between them.
    Cosine,
    /// Minus half the squared Euclidean distance.
    NegHalfSquaredL2,
    /// Minus the Euclidean distance.
    NegL2,
    /// Minus the sum of absolute differences.
    NegL1,
    /// 1 / Σ_d (x_d - m_d)², as the code of Universal Hopfield Networks has it (Millidge et al.
    /// 2022, arXiv 2202.04557) in place of a distance. Where x = m it is the square root of the
    /// largest finite number. Its update is the plain readout Σ p m, and no energy falls.
    UhnReciprocalSquaredL2,
    /// 1 / Σ_d |x_d - m_d|, of which the same holds.
    UhnReciprocalL1,
}

impl Similarity {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Dot,
        Self::Cosine,
        Self::NegHalfSquaredL2,
        Self::NegL2,
        Self::NegL1,
        Self::UhnReciprocalSquaredL2,
        Self::UhnReciprocalL1,
    ];

    /// Its name, as [`FromStr`](std::str::FromStr) takes it.
    ///
    /// ```
    /// use hopfield_kernels::Similarity;
    ///
    /// assert_eq!(Similarity::NegHalfSquaredL2.name(), "neg_half_squared_l2");
    /// ```
    pub fn name(self) -> &'static str {
        self.definition().name()
    }

    /// What it is.
    pub(crate) fn definition(self) -> &'static dyn Definition {
        match self {
            Self::Dot => &dot::Dot,
            Self::Cosine => &cosine::Cosine,
            Self::NegHalfSquaredL2 => &neg_half_squared_l2::NegHalfSquaredL2,
            Self::NegL2 => &neg_l2::NegL2,
            Self::NegL1 => &neg_l1::NegL1,
            Self::UhnReciprocalSquaredL2 => &uhn_reciprocal::UhnReciprocal::SQUARED_L2,
            Self::UhnReciprocalL1 => &uhn_reciprocal::UhnReciprocal::L1,
        }
    }
}

impl std::str::FromStr for Similarity {
    type Err = crate::error::Error;

    /// ```
    /// use hopfield_kernels::Similarity;
    ///
    /// assert_eq!("neg_l1".parse::<Similarity>()?, Similarity::NegL1);
    /// assert!("l1".parse::<Similarity>().is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|similarity| similarity.name() == name).ok_or_else(|| {
            crate::error::Error::Unknown {
                what: "similarity",
                known: "dot, cosine, neg_half_squared_l2, neg_l2, neg_l1, \
                        uhn_reciprocal_squared_l2, uhn_reciprocal_l1",
                found: name.to_owned(),
            }
        })
    }
}
