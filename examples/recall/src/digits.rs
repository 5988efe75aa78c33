//! The digits: 8 x 8 images as patterns, and what happens to them.

use std::fmt;

use hopfield_kernels::{MatRef, Memory};
use ndarray::{Array2, s};
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64;

use crate::Result;

/// Pixels of an image's side.
pub const SIDE: usize = 8;
/// Pixels of an image, features of a pattern.
pub const PIXELS: usize = SIDE * SIDE;

/// Handwritten digits, one a row, ink from 0 to 1.
pub struct Digits {
    pub images: Array2<f32>,
    /// The mean image.
    mean: Vec<f32>,
}

impl Digits {
    /// Reads the images that come with the crate.
    pub fn read() -> Result<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.npy");
        let levels: Array2<u8> = ndarray_npy::read_npy(path).map_err(|e| format!("{path}: {e}"))?;
        if levels.nrows() < 12 || levels.ncols() != PIXELS {
            return Err(format!("{path}: expected images of {PIXELS} pixels").into());
        }
        let images = levels.mapv(|level| f32::from(level) / 16.0);
        let mean = images.mean_axis(ndarray::Axis(0)).map(|mean| mean.to_vec());
        Ok(Self { images, mean: mean.unwrap_or_default() })
    }

    /// An image as a pattern or a probe: minus the mean image, and divided by its norm.
    ///
    /// Recall compares by dot product. All images share most of their paper and ink, so that
    /// without the subtraction every pair would be alike; and the dot product of an image with a
    /// longer one may exceed that with itself, so that without the division a few bright images
    /// would answer for all. With both, the most similar pattern is the nearest one.
    ///
    /// An erased pixel counts as the mean: 0 after the subtraction, which favours no pattern.
    pub fn pattern(&self, image: &[f32]) -> Vec<f32> {
        let ink = image.iter().zip(&self.mean);
        let centred: Vec<f32> = ink.map(|(x, m)| if x.is_nan() { 0.0 } else { x - m }).collect();
        let norm = norm(&centred);
        centred.into_iter().map(|x| x / norm).collect()
    }

    /// The image of a recalled probe, taken to be as contrasty as image `like`.
    pub fn image(&self, probe: &[f32], like: usize) -> Vec<f32> {
        let centred: Vec<f32> =
            self.images.row(like).iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let norm = norm(&centred);
        probe.iter().zip(&self.mean).map(|(x, m)| x * norm + m).collect()
    }

    /// Image `index`.
    pub fn pixels(&self, index: usize) -> Vec<f32> {
        self.images.row(index).to_vec()
    }

    /// The first `count` images as patterns, row after row.
    pub fn patterns(&self, count: usize) -> Vec<f32> {
        let images = self.images.slice(s![..count, ..]);
        images.outer_iter().flat_map(|image| self.pattern(&image.to_vec())).collect()
    }

    /// The first `count` images, stored.
    pub fn memory(&self, count: usize) -> Result<Memory<f32>> {
        Ok(Memory::from_rows(MatRef::new(&self.patterns(count), count, PIXELS)?)?)
    }
}

/// How an image is spoilt.
#[derive(Clone, Copy)]
pub enum Corruption {
    /// Gaussian noise of this deviation on every pixel; ink stays within 0 and 1.
    Noise(f32),
    /// The lower half is unknown.
    Erased,
}

impl Corruption {
    /// A spoilt image. Erased pixels are NaN.
    pub fn spoil(self, image: &[f32], random: &mut Pcg64) -> Result<Vec<f32>> {
        Ok(match self {
            Self::Noise(deviation) => {
                let noise = Normal::new(0.0, deviation)?;
                image.iter().map(|x| (x + noise.sample(random)).clamp(0.0, 1.0)).collect()
            }
            Self::Erased => {
                let (upper, lower) = image.split_at(PIXELS / 2);
                upper.iter().copied().chain(lower.iter().map(|_| f32::NAN)).collect()
            }
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise(deviation) => f.pad(&format!("noise {deviation:.1}")),
            Self::Erased => f.pad("lower half erased"),
        }
    }
}

fn norm(x: &[f32]) -> f32 {
    x.iter().map(|x| x * x).sum::<f32>().sqrt()
}
