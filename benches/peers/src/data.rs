//! What is computed with: patterns and probes.

use std::path::Path;

use ndarray::Array2;
use ndarray_npy::{NpzReader, read_npy};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

use crate::{Result, Scalar, Shape};

/// M (N x D) and X (B x D), row after row.
pub struct Data<T> {
    /// The size.
    pub shape: Shape,
    /// M
    pub patterns: Vec<T>,
    /// X
    pub probes: Vec<T>,
}

impl<T: Scalar> Data<T> {
    /// M ~ N(0,1)/√D and X ~ N(0,1) · `spread`/`beta`, so that β S has a standard deviation near
    /// `spread`: at 1 every weight counts.
    pub fn random(shape: Shape, beta: f64, spread: f64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(0);
        let mut normal = |count: usize, scale: f64| -> Vec<T> {
            let number = |_| -> f64 { StandardNormal.sample(&mut random) };
            (0..count).map(number).map(|x| T::from_f64(x * scale)).collect()
        };
        let patterns = normal(shape.patterns * shape.dim, (shape.dim as f64).sqrt().recip());
        let probes = normal(shape.batch * shape.dim, spread / beta);
        Self { shape, patterns, probes }
    }

    /// `M` and `X` of a `.npz` that is not compressed.
    ///
    /// # Errors
    /// When the file is not there, or not such a one.
    pub fn read(path: &Path, shape: Shape) -> Result<Self> {
        let mut file = NpzReader::new(std::fs::File::open(path)?)?;
        let mut read = |name: &str, rows: usize| -> Result<Vec<T>> {
            let array: Array2<T> = file.by_name(name)?;
            if array.dim() != (rows, shape.dim) {
                return Err(format!("{name} is {:?}, not {:?}", array.dim(), (rows, shape.dim)))?;
            }
            Ok(array.into_iter().collect())
        };
        Ok(Self { shape, patterns: read("M", shape.patterns)?, probes: read("X", shape.batch)? })
    }
}

/// The handwritten digits of the crate's examples, in [0, 1]: patterns, and the first `batch` of
/// them once more as probes.
///
/// # Errors
/// When the file is not there.
pub fn digits<T: Scalar>(batch: usize) -> Result<Data<T>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/recall/data/digits.npy");
    let pixels: Array2<u8> = read_npy(path)?;
    let shape = Shape { batch, dim: pixels.ncols(), patterns: pixels.nrows() };
    let patterns: Vec<T> = pixels.iter().map(|&p| T::from_f64(f64::from(p) / 16.0)).collect();
    let probes = patterns[..batch * shape.dim].to_vec();
    Ok(Data { shape, patterns, probes })
}
