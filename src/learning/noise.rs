//! Noise of perturbative learning: M ← M + σ ξ, with the same bits for any number of threads.

use crate::builder::setters;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::simd::Element;

/// Gaussian noise of standard deviation σ for every element of the patterns.
///
/// ξ is a function of the seed, the step and the element's place alone (a counter-based generator),
/// so that neither the batch nor the number of threads nor the order of the work has an influence.
///
/// ```
/// use hopfield_kernels::{Memory, Noise};
///
/// let noise = Noise::new(0.1, 7);
/// let (mut a, mut b) = (Memory::<f64>::zeros(2, 3)?, Memory::<f64>::zeros(2, 3)?);
/// noise.add(&mut a)?;
/// noise.add(&mut b)?;
/// assert_eq!(a.to_rows(), b.to_rows());
/// noise.with_step(1).add(&mut b)?;
/// assert_ne!(a.to_rows(), b.to_rows());
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Noise<T> {
    /// σ, 0 or more.
    pub sigma: T,
    /// Which sequence of steps.
    pub seed: u64,
    /// Which of its steps: count it up from one update to the next.
    pub step: u64,
}

impl<T: Element> Noise<T> {
    /// Noise of standard deviation `sigma`, at step 0 of the sequence `seed`.
    pub fn new(sigma: T, seed: u64) -> Self {
        Self { sigma, seed, step: 0 }
    }

    setters! {
        /// Sets the step.
        with_step(step: u64);
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.sigma >= T::ZERO && self.sigma.is_finite() {
            return Ok(());
        }
        let (name, expected) = ("noise sigma", "a finite number, 0 or more");
        Err(Error::Parameter { name, expected, found: self.sigma.to_f64() })
    }

    /// Adds the noise to every pattern.
    ///
    /// # Errors
    /// [`Error::Store`] where patterns are only read. Nothing has changed then.
    pub fn add(&self, memory: &mut Memory<T>) -> Result<()> {
        if self.sigma == T::ZERO {
            return Ok(());
        }
        let key = mix(mix(self.seed).wrapping_add(self.step));
        let sigma = self.sigma.to_f64();
        memory.change(|n, pattern| {
            let row = mix(key.wrapping_add(n as u64));
            for (d, element) in pattern.iter_mut().enumerate() {
                *element = T::from_f64(element.to_f64() + sigma * normal(row, d as u64));
            }
        })
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection that scatters counters.
fn mix(counter: u64) -> u64 {
    let x = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A standard normal number of a row and a column (Box & Muller 1958).
fn normal(row: u64, column: u64) -> f64 {
    let bits = mix(row.wrapping_add(column.wrapping_mul(2)));
    let other = mix(row.wrapping_add(column.wrapping_mul(2)).wrapping_add(1));
    // In (0, 1] and in [0, 1).
    let unit = |bits: u64| (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64);
    let radius = (-2.0 * (1.0 - unit(bits)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(other)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_standard_normal() {
        let count = 100_000;
        let draws: Vec<f64> = (0..count).map(|i| normal(mix(i / 317), i % 317)).collect();
        let moment = |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / count as f64;
        // Standard errors of the moments are √(1, 2, 15, 96) / √count.
        for (power, expected, error) in [(1, 0.0, 1.0), (2, 1.0, 1.5), (3, 0.0, 3.9), (4, 3.0, 9.8)]
        {
            let off = (moment(power) - expected).abs();
            assert!(off < 5.0 * error / (count as f64).sqrt(), "moment {power}: {off}");
        }
        let neighbours = draws.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
        assert!((neighbours / count as f64).abs() < 5.0 / (count as f64).sqrt());
    }
}
