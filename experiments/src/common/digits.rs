//! The digits that the repository ships, and corruptions of them.

use std::fmt;

use ndarray::Array2;
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64;

use super::Result;

/// Pixels of an image's side.
pub const SIDE: usize = 8;
/// Pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// Handwritten digits of 8 x 8 pixels, ink from 0 to 1, image after image.
pub struct Digits {
    pixels: Vec<f64>,
}

impl Digits {
    /// Reads the digits of `examples/recall/data`.
    pub fn read() -> Result<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recall/data/digits.npy");
        let levels: Array2<u8> = ndarray_npy::read_npy(path).map_err(|e| format!("{path}: {e}"))?;
        if levels.ncols() != PIXELS {
            return Err(format!("{path}: expected images of {PIXELS} pixels").into());
        }
        Ok(Self { pixels: levels.iter().map(|&level| f64::from(level) / 16.0).collect() })
    }

    /// The pixels of `count` images from image `start` on.
    pub fn pixels(&self, start: usize, count: usize) -> &[f64] {
        &self.pixels[start * PIXELS..][..count * PIXELS]
    }
}

/// How images are corrupted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Corruption {
    /// |x + ε| for Gaussian ε of this deviation, clipped to 0..1.
    Noise(f64),
    /// The lower rows, this share of all, become 0.
    Masked(f64),
}

impl Corruption {
    /// Corrupted copies of images, the same ones for the same seed.
    pub fn corrupt(self, images: &[f64], seed: u64) -> Result<Vec<f64>> {
        Ok(match self {
            Self::Noise(deviation) => {
                let mut random = Pcg64::seed_from_u64(seed);
                let noise = Normal::new(0.0, deviation)?;
                let spoil = |x: &f64| (x + noise.sample(&mut random)).abs().clamp(0.0, 1.0);
                images.iter().map(spoil).collect()
            }
            Self::Masked(share) => {
                let kept = ((1.0 - share) * SIDE as f64).round() as usize * SIDE;
                let keep = |(at, &x): (usize, &f64)| if at % PIXELS < kept { x } else { 0.0 };
                images.iter().enumerate().map(keep).collect()
            }
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise(deviation) => write!(f, "noise {deviation}"),
            Self::Masked(share) => write!(f, "masked {share}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_1797_digits_with_ink_from_0_to_1() {
        let digits = Digits::read().unwrap();
        assert_eq!(digits.pixels.len(), 1797 * PIXELS);
        assert!(digits.pixels.iter().all(|ink| (0.0..=1.0).contains(ink)));
        assert_eq!(digits.pixels(1, 2), &digits.pixels[PIXELS..3 * PIXELS]);
    }

    #[test]
    fn a_mask_takes_the_lower_rows_of_every_image() {
        let images = vec![0.5; 2 * PIXELS];
        let masked = Corruption::Masked(0.25).corrupt(&images, 1).unwrap();
        for image in masked.chunks(PIXELS) {
            assert!(image[..6 * SIDE].iter().all(|&x| x == 0.5));
            assert!(image[6 * SIDE..].iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn noise_has_the_deviation_and_ink_stays_within_0_and_1() {
        let images = vec![0.5; 1000 * PIXELS];
        let noisy = Corruption::Noise(0.1).corrupt(&images, 1).unwrap();
        let variance = noisy.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / noisy.len() as f64;
        assert!((variance.sqrt() - 0.1).abs() < 0.002, "{variance}");

        let paper = Corruption::Noise(0.5).corrupt(&vec![0.0; 1000 * PIXELS], 1).unwrap();
        assert!(paper.iter().all(|x| (0.0..=1.0).contains(x)));
        // |ε| of deviation 0.5 is clipped where it is above 1: for 4.55% of all pixels.
        let full = paper.iter().filter(|&&x| x == 1.0).count() as f64 / paper.len() as f64;
        assert!((full - 0.0455).abs() < 0.004, "{full}");
        assert!(paper.iter().all(|&x| x != 0.0), "what is below 0 is mirrored, not clipped");
    }

    #[test]
    fn a_seed_means_the_same_noise() {
        let corrupt = |seed| Corruption::Noise(0.5).corrupt(&[0.5; PIXELS], seed).unwrap();
        assert_eq!(corrupt(3), corrupt(3));
        assert_ne!(corrupt(3), corrupt(4));
    }
}
