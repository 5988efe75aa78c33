//! Recall, again and again, until nothing moves.

use hopfield_kernels::{Element, MatMut, MatRef, Memory, Outputs, Result, Retrieval, Workspace};

/// When a probe has been updated enough.
#[derive(Clone, Copy)]
pub struct Stop {
    /// After so many updates,
    pub steps: u32,
    /// or when an update has moved it no further than this.
    pub distance: f64,
}

/// Updates every probe (B x D, in place) until it settles. Returns the updates of each.
///
/// A probe that has settled leaves the batch: a probe's result does not depend, in any bit, on what
/// else is in the batch.
pub fn settle<T: Element>(
    retrieval: &Retrieval<'_, T>,
    memory: &Memory<T>,
    probes: &mut [T],
    stop: Stop,
    workspace: &mut Workspace<T>,
) -> Result<Vec<u32>> {
    let dim = memory.dim();
    let mut steps = vec![0; probes.len() / dim];
    let mut moving: Vec<usize> = (0..steps.len()).collect();
    let mut states = probes.to_vec();
    let mut next = states.clone();
    for step in 1..=stop.steps {
        let count = moving.len();
        if count == 0 {
            break;
        }
        let retrieved = Some(MatMut::new(&mut next, count, dim)?);
        let outputs = Outputs { retrieved, ..Outputs::default() };
        retrieval.run(MatRef::new(&states, count, dim)?, memory, outputs, workspace)?;

        let (mut row, mut kept) = (0, 0);
        moving.retain(|&b| {
            let (here, next) = (row * dim, &next[row * dim..][..dim]);
            let distance = distance(&states[here..][..dim], next);
            row += 1;
            probes[b * dim..][..dim].copy_from_slice(next);
            steps[b] = step;
            // A NaN moves no more.
            let moves = distance > stop.distance;
            if moves {
                states[kept * dim..][..dim].copy_from_slice(next);
                kept += 1;
            }
            moves
        });
    }
    Ok(steps)
}

/// What probes are like where they are.
pub struct Reading<T> {
    /// Their energies.
    pub energy: Vec<T>,
    /// The pattern most similar to each.
    pub best: Vec<usize>,
}

impl<T: Element> Reading<T> {
    /// Reads it from a pass over the patterns that retrieves nothing.
    pub fn of(
        retrieval: &Retrieval<'_, T>,
        memory: &Memory<T>,
        probes: &[T],
        workspace: &mut Workspace<T>,
    ) -> Result<Self> {
        let batch = probes.len() / memory.dim();
        let (mut energy, mut best) = (vec![T::NAN; batch], vec![usize::MAX; batch]);
        let outputs =
            Outputs { energy: Some(&mut energy), best: Some(&mut best), ..Outputs::default() };
        let probes = MatRef::new(probes, batch, memory.dim())?;
        retrieval.run(probes, memory, outputs, workspace)?;
        Ok(Self { energy, best })
    }
}

/// ‖a - b‖
pub fn distance<T: Element>(a: &[T], b: &[T]) -> f64 {
    let squares = a.iter().zip(b).map(|(&a, &b)| (a - b).to_f64().powi(2));
    squares.sum::<f64>().sqrt()
}
