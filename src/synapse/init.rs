//! Random beginnings: initial weights, connections and the order of preloaded patterns.
//!
//! Everything is drawn in double precision and rounded to the element type afterwards, pattern
//! after pattern, by a named generator whose seeding is written down here, so that a seed means the
//! same weights for ever.

use rand::Rng;
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64;

use super::demand::demand;
use crate::error::Result;
use crate::memory::Memory;
use crate::simd::Element;

/// Where initial weights come from: ngc-learn's family of distributions.
///
/// For a weight matrix of D features by N patterns; u is uniform in \[0, 1), z standard normal.
///
/// ```
/// use hopfield_kernels::{Distribution, HopfieldSynapse};
///
/// let synapse = HopfieldSynapse::<f32>::builder("W", (2, 100))
///     .weight_init(Distribution::FanInUniform)
///     .build()?;
/// assert!(synapse.weights().iter().all(|w| w.abs() <= 0.1));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Distribution {
    /// The same value everywhere.
    Constant {
        /// That value.
        value: f64,
    },
    /// low + (high - low) u
    Uniform {
        /// The lowest weight.
        low: f64,
        /// Above the highest (rounding to the element type may bound it).
        high: f64,
    },
    /// mean + std z
    Gaussian {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// exp(sigma z)
    LogGaussian {
        /// The standard deviation of the logarithm, whose mean is 0.
        sigma: f64,
    },
    /// Uniform in ±√(1 / N). ngc-learn takes the number of columns for the fan here (Glorot and
    /// Bengio 2010) ...
    FanInUniform,
    /// √(1 / D) z. ... and the number of rows here (He et al. 2015).
    FanInGaussian,
}

/// How weights begin: a [`Distribution`], and bounds that they are clipped to.
///
/// A seed draws from PCG XSL-RR 128/64 (`rand_pcg::Pcg64`), made with the default stream and a
/// state of two outputs of SplitMix64 that starts at the seed: outputs 1 and 2, the high half
/// first, for the weights, 3 and 4 for the connections, 5 and 6 for the order of a partial preload.
/// u is the upper 53 bits of an output times 2⁻⁵³; z is `rand_distr`'s `StandardNormal`.
///
/// ```
/// use hopfield_kernels::{Distribution, HopfieldSynapse, WeightInit};
///
/// let gaussian = WeightInit::from(Distribution::Gaussian { mean: 0.5, std: 1.0 });
/// let synapse = HopfieldSynapse::<f32>::builder("W", (3, 50))
///     .weight_init(gaussian.clipped(Some(0.0), Some(1.0)))
///     .seed(7)
///     .build()?;
/// let weights = synapse.memory().to_rows();
/// assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)) && weights.contains(&0.0));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct WeightInit {
    /// What weights are drawn from.
    pub distribution: Distribution,
    /// Weights below become this.
    pub amin: Option<f64>,
    /// Weights above become this.
    pub amax: Option<f64>,
}

impl Default for WeightInit {
    /// ngc-learn's: uniform between 0.025 and 0.8.
    fn default() -> Self {
        Distribution::Uniform { low: 0.025, high: 0.8 }.into()
    }
}

impl From<Distribution> for WeightInit {
    fn from(distribution: Distribution) -> Self {
        Self { distribution, amin: None, amax: None }
    }
}

impl WeightInit {
    /// The same, clipped to these bounds.
    #[must_use]
    pub fn clipped(self, amin: Option<f64>, amax: Option<f64>) -> Self {
        Self { amin, amax, ..self }
    }

    /// Refuses parameters that are not finite, deviations below 0 and bounds the wrong way round.
    pub(super) fn check(&self) -> Result<()> {
        let finite = |name, value: f64| demand(name, "a finite number", value, value.is_finite());
        let deviation = |name, value: f64| {
            demand(name, "a finite number of at least 0", value, value >= 0.0 && value.is_finite())
        };
        match self.distribution {
            Distribution::Constant { value } => finite("weight_init value", value)?,
            Distribution::Uniform { low, high } => {
                finite("weight_init low", low)?;
                finite("weight_init high", high)?;
                finite("weight_init high - low", high - low)?;
                demand("weight_init high", "at least low", high, high >= low)?;
            }
            Distribution::Gaussian { mean, std } => {
                finite("weight_init mean", mean)?;
                deviation("weight_init std", std)?;
            }
            Distribution::LogGaussian { sigma } => deviation("weight_init sigma", sigma)?,
            Distribution::FanInUniform | Distribution::FanInGaussian => {}
        }
        self.amin.map_or(Ok(()), |bound| finite("weight_init amin", bound))?;
        self.amax.map_or(Ok(()), |bound| finite("weight_init amax", bound))?;
        let ordered = self.amin.zip(self.amax).is_none_or(|(amin, amax)| amin <= amax);
        demand("weight_init amax", "at least amin", self.amax.unwrap_or_default(), ordered)
    }

    /// One weight of a D x N matrix.
    fn draw(&self, (dim, patterns): (usize, usize), generator: &mut Pcg64) -> f64 {
        let weight = match self.distribution {
            Distribution::Constant { value } => value,
            Distribution::Uniform { low, high } => low + (high - low) * unit(generator),
            Distribution::Gaussian { mean, std } => mean + std * normal(generator),
            Distribution::LogGaussian { sigma } => (sigma * normal(generator)).exp(),
            Distribution::FanInUniform => {
                (2.0 * unit(generator) - 1.0) * (1.0 / patterns as f64).sqrt()
            }
            Distribution::FanInGaussian => normal(generator) * (1.0 / dim as f64).sqrt(),
        };
        let weight = self.amin.map_or(weight, |amin| weight.max(amin));
        self.amax.map_or(weight, |amax| weight.min(amax))
    }

    /// N patterns of dimension D.
    pub(super) fn memory<T: Element>(
        &self,
        (dim, patterns): (usize, usize),
        seed: u64,
    ) -> Result<Memory<T>> {
        let mut memory = Memory::zeros(patterns, dim)?;
        let mut pattern = vec![T::ZERO; dim];
        let mut generator = generator(seed, Draw::Weights);
        for n in 0..patterns {
            let draw = || T::from_f64(self.draw((dim, patterns), &mut generator));
            pattern.fill_with(draw);
            memory.set_pattern(n, &pattern)?;
        }
        Ok(memory)
    }
}

/// Which of `count` connections exist, each with probability `p_conn`.
pub(super) fn connections(count: usize, p_conn: f64, seed: u64) -> Vec<bool> {
    let mut generator = generator(seed, Draw::Connections);
    (0..count).map(|_| unit(&mut generator) < p_conn).collect()
}

/// 0..`count` in random order (Fisher and Yates, from the end).
pub(super) fn permutation(count: usize, seed: u64) -> Vec<usize> {
    let mut generator = generator(seed, Draw::Order);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let choices = last as u128 + 1;
        let chosen = (u128::from(generator.next_u64()) * choices) >> 64;
        order.swap(last, chosen as usize);
    }
    order
}

/// What a generator is for: each draw has its own, so that none moves another.
enum Draw {
    Weights,
    Connections,
    Order,
}

/// PCG's own default stream.
const STREAM: u128 = 0x0a02_bdbf_7bb3_c0a7_ac28_fa16_a64a_bf96;

fn generator(seed: u64, draw: Draw) -> Pcg64 {
    let first = 2 * draw as u64 + 1;
    let word = |index| u128::from(split_mix(seed, index));
    Pcg64::new(word(first) << 64 | word(first + 1), STREAM)
}

/// Output `index`, from 1 on, of SplitMix64 (Steele, Lea & Flood 2014).
fn split_mix(seed: u64, index: u64) -> u64 {
    let z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in [0, 1), a multiple of 2⁻⁵³.
fn unit(generator: &mut Pcg64) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

fn normal(generator: &mut Pcg64) -> f64 {
    StandardNormal.sample(generator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_is_the_published_one() {
        // The first outputs of the shift implementation for seed 1234567.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([split_mix(1_234_567, 1), split_mix(1_234_567, 2)], expected);
    }
}
