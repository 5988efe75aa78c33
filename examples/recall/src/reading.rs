//! What probes are like where they are.

use hopfield_kernels::{Context, Element, MatRef, Memory, Outputs, Result, Retrieval};

/// What probes are like where they are.
pub struct Reading<T> {
    /// Their energies.
    pub energy: Vec<T>,
    /// The pattern most similar to each.
    pub best: Vec<Option<usize>>,
}

impl<T: Element> Reading<T> {
    /// Reads it from a pass over the patterns that retrieves nothing.
    pub fn of(
        retrieval: &Retrieval<'_, T>,
        memory: &Memory<T>,
        probes: &[T],
        context: &mut Context<T>,
    ) -> Result<Self> {
        let batch = probes.len() / memory.dim();
        let (mut energy, mut best) = (vec![T::NAN; batch], vec![None; batch]);
        let outputs = Outputs::new().with_energy(&mut energy).with_best(&mut best);
        let probes = MatRef::new(probes, batch, memory.dim())?;
        retrieval.run(probes, memory, outputs, context)?;
        Ok(Self { energy, best })
    }
}

/// ‖a - b‖
pub fn distance<T: Element>(a: &[T], b: &[T]) -> f64 {
    let squares = a.iter().zip(b).map(|(&a, &b)| (a - b).to_f64().powi(2));
    squares.sum::<f64>().sqrt()
}
