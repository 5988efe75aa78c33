//! Readouts of memory weights, and distances.

use hopfield_kernels::{Context, MatMut, MatRef, Memory, Outputs, Retrieval, Separation};

use super::Result;

/// Patterns that are read out with the weights of a probe: Σ p m / Σ p.
///
/// [`Retrieval::apply`] brings a probe to where the update of its similarity does, which for most
/// similarities is not the mean of the patterns. The patterns are values here, to which the weights
/// apply as they are. A value has a last feature of 1, from which the sum of the weights comes.
pub struct Readout {
    memory: Memory<f64>,
}

impl Readout {
    /// Stores patterns of dimension `dim`, row after row.
    pub fn new(patterns: &[f64], dim: usize) -> Result<Self> {
        let count = patterns.len() / dim;
        let mut values = Vec::with_capacity(count * (dim + 1));
        for pattern in patterns.chunks_exact(dim) {
            values.extend_from_slice(pattern);
            values.push(1.0);
        }
        let values = MatRef::new(&values, count, dim + 1)?;
        Ok(Self { memory: Memory::from_slice(patterns, dim)?.with_values(values)? })
    }

    /// What is read out for each of the probes, row after row; NaN where no pattern has a weight.
    pub fn of(
        &self,
        retrieval: &Retrieval<'_, f64>,
        probes: &[f64],
        context: &mut Context<f64>,
    ) -> Result<Vec<f64>> {
        let dim = self.memory.dim();
        let batch = probes.len() / dim;
        let mut sums = vec![0.0; batch * (dim + 1)];
        let retrieved = Some(MatMut::new(&mut sums, batch, dim + 1)?);
        let outputs = Outputs::new().with_retrieved(retrieved);
        retrieval.run(MatRef::new(probes, batch, dim)?, &self.memory, outputs, context)?;
        let means =
            sums.chunks_exact(dim + 1).flat_map(|row| row[..dim].iter().map(|x| x / row[dim]));
        Ok(means.collect())
    }
}

/// ‖a - b‖²
pub fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The name of a separation, as the tables have it.
pub fn name(separation: Separation) -> String {
    match separation {
        Separation::Softmax => "softmax".into(),
        Separation::Sparsemax => "sparsemax".into(),
        Separation::Entmax(alpha) => format!("entmax {alpha}"),
        Separation::Normmax(alpha) => format!("normmax {alpha}"),
        Separation::KSubsets(k) => format!("k-subsets {k}"),
        Separation::TopK(k) => format!("top {k}"),
        Separation::Max => "max".into(),
        Separation::Polynomial(n) => format!("polynomial {n}"),
        Separation::Epanechnikov(k) => format!("epanechnikov {k}"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopfield_kernels::Similarity;

    #[test]
    fn a_readout_is_the_weighted_mean_of_the_patterns() {
        let patterns = [1.0, 0.0, 0.0, 2.0, -1.0, -1.0];
        let (readout, probe) = (Readout::new(&patterns, 2).unwrap(), [0.5, 0.25]);
        for (separation, similarity) in [
            (Separation::Softmax, Similarity::NegL1),
            (Separation::Polynomial(3.0), Similarity::Dot),
            (Separation::KSubsets(2.0), Similarity::Cosine),
        ] {
            let retrieval =
                Retrieval::new(2.0).with_separation(separation).with_similarity(similarity);
            let mut weights = [0.0; 3];
            let memory = Memory::from_slice(&patterns, 2).unwrap();
            let outputs =
                Outputs::new().with_memory_weights(MatMut::new(&mut weights, 1, 3).unwrap());
            let mut context = Context::new();
            let rows = MatRef::new(&probe, 1, 2).unwrap();
            retrieval.run(rows, &memory, outputs, &mut context).unwrap();
            let sum: f64 = weights.iter().sum();
            let found = readout.of(&retrieval, &probe, &mut context).unwrap();
            for d in 0..2 {
                let mean: f64 = (0..3).map(|n| weights[n] * patterns[2 * n + d] / sum).sum();
                assert!((found[d] - mean).abs() < 1e-12, "{separation:?}: {found:?}");
            }
        }
    }

    #[test]
    fn distances_are_squared() {
        assert_eq!(squared_distance(&[0.0, 0.0], &[3.0, 4.0]), 25.0);
    }
}
