//! The interface of a similarity to drivers, updates and gradients. Each similarity is a file with
//! an implementation of [`Definition`].

use crate::similarity::accumulate::Sums;
use crate::similarity::scoring::Shape;

/// A similarity.
pub(crate) trait Definition: Sync {
    /// Its name, as a user writes it.
    fn name(&self) -> &'static str;

    /// The sum over d that it is a function of.
    fn sums(&self) -> Sums;

    /// That function, as far as it takes no norms.
    fn shape(&self) -> Shape {
        Shape::Linear
    }

    /// How it follows from products and norms, if it does. Products have the fastest kernels.
    fn norms(&self) -> Option<Norms> {
        None
    }

    /// The update T(x), for weights that are a distribution or are not: see
    /// [`Similarity`](crate::Similarity), which tells whether the energy falls under it.
    fn update(&self, is_distribution: bool) -> ProbeUpdate;

    /// s(x, m), in double precision.
    fn similarity(&self, of: Pair) -> f64;

    /// ds ∂s/∂x, given s and ds.
    fn pull(&self, of: Pair, s: f64, ds: f64) -> Pulled;

    /// Whether gradients take ‖x‖ and ‖m‖ besides the sum over d.
    fn pulls_norms(&self) -> bool {
        false
    }

    /// Whether the Jacobian of the update is symmetric.
    fn is_symmetric(&self) -> bool {
        false
    }

    /// The similarity of a probe with a pattern in its direction, given ‖x‖² and ‖m‖². A probe that
    /// resembles a pattern can be expected to reach it.
    fn best(&self, _: f64, _: f64) -> f64 {
        0.0
    }
}

/// How products and squared norms give a similarity.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Norms {
    /// A factor for each probe and for each pattern.
    Factors(fn(f64) -> f64),
    /// A term for each probe and for each pattern. Where a probe is close to a pattern they cancel:
    /// sums of differences are exact there.
    Terms(fn(f64) -> f64),
}

/// What is known of a probe and a pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    /// The sum over d.
    pub sum: f64,
    /// ‖x‖ and ‖m‖; 0 unless they are asked for.
    pub probe_norm: f64,
    pub pattern_norm: f64,
    /// The largest value that a similarity may have.
    pub most: f64,
}

/// A gradient as a combination of a slope, which is m or x - m or sign(x - m), of x, and of m.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulled {
    /// The factor of the slope.
    pub slope: f64,
    /// The factor of x in ∂s/∂x ...
    pub probe: f64,
    /// ... and that of m in ∂s/∂m.
    pub own: f64,
}

impl Pulled {
    /// A multiple of the slope.
    pub fn slope(slope: f64) -> Self {
        Self { slope, ..Self::default() }
    }
}

/// How the update T(x) follows from the memory weights p.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeUpdate {
    /// Σ p m
    Sum,
    /// Σ p m / Σ p
    Mean,
    /// Σ p m, at norm 1; x where that is 0.
    Sphere,
    /// Σ p m / ‖m‖, at norm 1; x where that is 0.
    UnitSphere,
    /// Σ w m / Σ w with w = p / ‖x - m‖; x where some x = m.
    Weiszfeld,
    /// The weighted median of every feature.
    Median,
}
