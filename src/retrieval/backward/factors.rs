//! From the upstream gradient of one probe to what every pattern of its support adds to gradients:
//! the vector-Jacobian products of the update or readout, the separation and the similarity.
//!
//! ```text
//! dp = dL/dp                  # of the update T(x), or of a readout
//! dt = J(p) dp + r ∂G/∂t      # the separation's
//! ds = β dt
//! k, e, and a term of dx      # the similarity's: ds ∂s/∂x = k slope(x, m) + (a term) x
//! ```
//!
//! All of it is done once for an entry, beside sums over d, in double precision.

use crate::driver::supports::{EntryFactors, Slopes};
use crate::separation::rows::{RowSeparation, incline, pull};
use crate::simd::Element;
use crate::similarity::accumulate::Sums;
use crate::similarity::definition::{Definition, Pair, ProbeUpdate};

/// The slope of a similarity.
pub(super) fn slopes_of(similarity: &dyn Definition) -> Slopes {
    match similarity.sums() {
        Sums::Products => Slopes::Other,
        Sums::SquaredDifferences => Slopes::Difference,
        Sums::AbsoluteDifferences => Slopes::Sign,
    }
}

/// One probe and its support.
#[derive(Clone, Copy)]
pub(super) struct ProbeEntries<'a, T> {
    pub similarity: &'static dyn Definition,
    pub beta: f64,
    /// ‖x‖, where the similarity asks for norms.
    pub norm: f64,
    /// ‖m‖² of all patterns, where the similarity or the update asks for norms.
    pub squared_norms: &'a [T],
    pub indices: &'a [u32],
    pub weights: &'a [f64],
    pub scores: &'a [T],
    /// A sum over d of the probe and each pattern.
    pub sums: &'a [T],
    /// z · m of every entry, where z is dL/dT(x), or what [`sphere`] makes of that.
    pub along: &'a [T],
}

impl<T: Element> ProbeEntries<'_, T> {
    /// ‖m‖ of the pattern of an entry.
    fn pattern_norm(&self, at: usize) -> f64 {
        self.squared_norms[self.indices[at] as usize].to_f64().sqrt()
    }

    /// 1 / ‖m‖ of the pattern of an entry, or 0 if it is a vector of zeros.
    pub fn inverse_norm(&self, at: usize) -> f64 {
        let norm = self.pattern_norm(at);
        if norm == 0.0 { 0.0 } else { 1.0 / norm }
    }

    /// What is known of an entry.
    fn pair(&self, at: usize) -> Pair {
        let norms = self.similarity.pulls_norms();
        Pair {
            sum: self.sums[at].to_f64(),
            probe_norm: self.norm,
            pattern_norm: if norms { self.pattern_norm(at) } else { 0.0 },
            most: T::MAX.to_f64().sqrt(),
        }
    }
}

/// How the gradient of what is retrieved reaches weights and rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retrieved {
    pub update: ProbeUpdate,
    /// The divisor of the weights on the sphere.
    pub most: f64,
}

/// What one probe's gradients are added up from besides slopes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms {
    /// Σ dt s
    pub beta: f64,
    /// The factor of x in dx.
    pub probe: f64,
}

impl Retrieved {
    /// Writes dL/dp and the factors of z and of the patterns in the update.
    pub fn pull<T: Element>(
        &self,
        of: ProbeEntries<'_, T>,
        dp: &mut [f64],
        factors: &mut [EntryFactors<T>],
    ) {
        let along = |at: usize| of.along[at].to_f64();
        let weights = of.weights;
        match self.update {
            ProbeUpdate::Sum => {
                for (at, (&p, dp)) in weights.iter().zip(dp).enumerate() {
                    *dp = along(at);
                    factors[at].upstream = T::from_f64(p);
                }
            }
            ProbeUpdate::Mean => {
                let sum: f64 = weights.iter().sum();
                let mean: f64 = weights.iter().enumerate().map(|(at, p)| p / sum * along(at)).sum();
                for (at, (&p, dp)) in weights.iter().zip(dp).enumerate() {
                    *dp = (along(at) - mean) / sum;
                    factors[at].upstream = T::from_f64(p / sum);
                }
            }
            ProbeUpdate::Sphere | ProbeUpdate::UnitSphere => {
                for (at, (&p, dp)) in weights.iter().zip(dp).enumerate() {
                    let scale = self.scale(of, at);
                    *dp = along(at) * scale / self.most;
                    let weight = p / self.most * scale;
                    factors[at].upstream = T::from_f64(weight);
                    if self.update == ProbeUpdate::UnitSphere {
                        factors[at].own = T::from_f64(-weight * along(at) * scale * scale);
                    }
                }
            }
            ProbeUpdate::Weiszfeld => pull_weiszfeld(of, dp, factors),
            ProbeUpdate::Median => dp.fill(0.0),
        }
    }

    /// The factor of a pattern in the sum, besides its weight.
    fn scale<T: Element>(&self, of: ProbeEntries<'_, T>, at: usize) -> f64 {
        if self.update == ProbeUpdate::UnitSphere { of.inverse_norm(at) } else { 1.0 }
    }
}

/// y = Σ w m / Σ w with w = p / d, d = ‖x - m‖, whose gradient is (x - m) / d.
fn pull_weiszfeld<T: Element>(
    of: ProbeEntries<'_, T>,
    dp: &mut [f64],
    factors: &mut [EntryFactors<T>],
) {
    let distance = |at: usize| of.sums[at].to_f64().sqrt();
    let pairs = || of.weights.iter().enumerate();
    let sum: f64 = pairs().map(|(at, p)| p / distance(at)).sum();
    let mean: f64 = pairs().map(|(at, p)| p / distance(at) / sum * of.along[at].to_f64()).sum();
    for (at, p) in pairs() {
        let d = distance(at);
        let dw = (of.along[at].to_f64() - mean) / sum;
        dp[at] = dw / d;
        factors[at].upstream = T::from_f64(p / (d * sum));
        factors[at].slope = finite(-dw * p / (d * d * d));
    }
}

/// From dL/dp, in place, to dL/dt: `r` is the gradient of the potential.
pub(super) fn pull_separation<T: Element>(
    separation: &dyn RowSeparation,
    of: ProbeEntries<'_, T>,
    r: f64,
    dp: &mut [f64],
    scratch: &mut Scratch,
) {
    let Scratch { theta, slope } = scratch;
    theta.clear();
    theta.extend(of.scores.iter().map(|s| of.beta * s.to_f64()));
    pull(separation, theta, of.weights, dp);
    if r != 0.0 {
        slope.clear();
        slope.resize(theta.len(), 0.0);
        incline(separation, theta, of.weights, slope);
        dp.iter_mut().zip(&*slope).for_each(|(dt, slope)| *dt += r * slope);
    }
}

/// Scratch for the separation of one probe.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    theta: Vec<f64>,
    slope: Vec<f64>,
}

/// Adds the factors of the similarity, given dL/dt.
///
/// Where a similarity has a kink (x = m under `NegL2`, equal features under `NegL1`) its gradient
/// counts as 0, as does that of a cosine with a vector of zeros.
pub(super) fn pull_similarity<T: Element>(
    of: ProbeEntries<'_, T>,
    dt: &[f64],
    factors: &mut [EntryFactors<T>],
) -> Terms {
    let mut terms = Terms::default();
    for (at, &dt) in dt.iter().enumerate().filter(|(_, dt)| **dt != 0.0) {
        let pair = of.pair(at);
        let (s, ds) = (of.similarity.similarity(pair), of.beta * dt);
        terms.beta += dt * s;
        let (factor, pulled) = (&mut factors[at], of.similarity.pull(pair, s, ds));
        terms.probe += pulled.probe;
        if pulled.own != 0.0 {
            factor.own = finite(factor.own.to_f64() + pulled.own);
        }
        factor.slope = finite(factor.slope.to_f64() + pulled.slope);
    }
    terms
}

/// An element that is not infinite: infinity times 0 would be NaN.
fn finite<T: Element>(factor: f64) -> T {
    let most = T::MAX.to_f64();
    T::from_f64(factor.clamp(-most, most))
}

/// The gradient of u / ‖u‖ with respect to u, given that of the result, in place; false where u
/// is 0, and the probe stays.
pub(super) fn sphere<T: Element>(u: &[T], g: &mut [T]) -> bool {
    let pairs = || u.iter().zip(&*g).map(|(u, g)| (u.to_f64(), g.to_f64()));
    let norm = pairs().map(|(u, _)| u * u).sum::<f64>().sqrt();
    let along = pairs().map(|(u, g)| u * g).sum::<f64>() / norm;
    if norm == 0.0 {
        return false;
    }
    for (g, u) in g.iter_mut().zip(u) {
        let sideways = g.to_f64() - along / norm * u.to_f64();
        *g = T::from_f64(sideways / norm);
    }
    true
}
