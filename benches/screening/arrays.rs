//! Patterns and probes.

use std::path::Path;

use ndarray::Array2;
use ndarray_npy::read_npy;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

use crate::Result;

/// Where patterns and probes come from.
pub enum Source {
    /// Elements of N(0, 1/D), so that norms are near 1. A probe is a pattern and half as much
    /// noise.
    Normal { dim: usize, patterns: usize },
    /// The handwritten digits of the crate's examples, pixels in [0, 1]. A probe is a digit and
    /// noise, 0.1 for a pixel.
    Digits,
    /// `NAME.npy` and `NAME_probes.npy` of a folder.
    Folder(&'static str),
}

/// M (N x D) and X (B x D), row after row.
pub struct Arrays {
    pub dim: usize,
    pub patterns: Vec<f32>,
    pub probes: Vec<f32>,
}

impl Source {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Normal { .. } => "normal",
            Self::Digits => "digits",
            Self::Folder(name) => name,
        }
    }

    /// D and N, where they are known before the arrays are.
    pub fn shape(&self) -> Option<(usize, usize)> {
        match *self {
            Self::Normal { dim, patterns } => Some((dim, patterns)),
            Self::Digits => Some((64, 1797)),
            Self::Folder(_) => None,
        }
    }

    /// The patterns, and a batch of probes.
    pub fn arrays(&self, batch: usize, folder: Option<&Path>) -> Result<Arrays> {
        match *self {
            Self::Normal { dim, patterns } => Ok(normal(batch, dim, patterns)),
            Self::Digits => digits(batch),
            Self::Folder(name) => read(folder.ok_or("no folder is given")?, name, batch),
        }
    }
}

fn noise(count: usize, scale: f32, seed: u64) -> Vec<f32> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let number =
        |_| scale * <StandardNormal as Distribution<f32>>::sample(&StandardNormal, &mut random);
    (0..count).map(number).collect()
}

fn normal(batch: usize, dim: usize, patterns: usize) -> Arrays {
    let scale = (dim as f32).sqrt().recip();
    let patterns = noise(patterns * dim, scale, 1);
    let probes = near(&patterns, dim, batch, scale / 2.0);
    Arrays { dim, patterns, probes }
}

/// Patterns from all over the memory, and noise.
fn near(patterns: &[f32], dim: usize, batch: usize, scale: f32) -> Vec<f32> {
    let count = patterns.len() / dim;
    let mut probes = noise(batch * dim, scale, 2);
    for (b, probe) in probes.chunks_exact_mut(dim).enumerate() {
        let n = (b * 7919 + count / 2) % count;
        let pattern = &patterns[n * dim..][..dim];
        probe.iter_mut().zip(pattern).for_each(|(x, m)| *x += m);
    }
    probes
}

fn digits(batch: usize) -> Result<Arrays> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recall/data/digits.npy");
    let pixels: Array2<u8> = read_npy(path)?;
    let dim = pixels.ncols();
    let patterns: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 16.0).collect();
    let probes = near(&patterns, dim, batch, 0.1);
    Ok(Arrays { dim, patterns, probes })
}

fn read(folder: &Path, name: &str, batch: usize) -> Result<Arrays> {
    let load = |name: String| -> Result<Array2<f32>> {
        let path = folder.join(name);
        Ok(read_npy(&path).map_err(|error| format!("{}: {error}", path.display()))?)
    };
    let patterns = load(format!("{name}.npy"))?;
    let probes = load(format!("{name}_probes.npy"))?;
    let dim = patterns.ncols();
    if probes.ncols() != dim || probes.nrows() < batch {
        return Err(format!("{name}_probes.npy is not {batch} x {dim}").into());
    }
    let probes = probes.iter().copied().take(batch * dim).collect();
    Ok(Arrays { dim, patterns: patterns.iter().copied().collect(), probes })
}
