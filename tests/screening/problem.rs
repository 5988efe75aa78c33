//! Patterns that are difficult to screen, and everything that a recall tells.

use hopfield_kernels::{Context, MatMut, MatRef, Memory, Outputs, Retrieval};
use testkit::data::{Random, Real};

/// What the patterns are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Independent numbers; probes near some of the patterns.
    Near,
    /// The same with norms from 1e-3 to 1e3.
    Norms,
    /// Every pattern many times, so that the highest scores are equal.
    Equal,
    /// Numbers from 0 to 1, as of images, of which most are 0.
    Images,
    /// Some patterns of zeros, and some of which one element is far larger than the others.
    Spikes,
    /// Some patterns that are not finite.
    Broken,
    /// Numbers near the ends of the range.
    Extreme,
}

pub const KINDS: [Kind; 7] =
    [Kind::Near, Kind::Norms, Kind::Equal, Kind::Images, Kind::Spikes, Kind::Broken, Kind::Extreme];

pub struct Problem<T> {
    pub dim: usize,
    pub patterns: Vec<T>,
    pub probes: Vec<T>,
}

impl<T: Real> Problem<T> {
    pub fn new(kind: Kind, (batch, dim, count): (usize, usize, usize), seed: u64) -> Self {
        let mut random = Random(seed);
        let mut patterns = Vec::with_capacity(count * dim);
        for n in 0..count {
            let scale = match kind {
                Kind::Norms => random.log_between(1e-3, 1e3),
                Kind::Extreme => [1e-36, 1e-18, 1.0, 1e17][n % 4],
                _ => 1.0,
            };
            for d in 0..dim {
                let x = random.between(-1.0, 1.0);
                let x = match kind {
                    Kind::Images if x < 0.5 => 0.0,
                    Kind::Spikes if n % 5 == 0 => 0.0,
                    Kind::Spikes if n % 3 == 0 && d == n % dim => 500.0,
                    _ => scale * x,
                };
                patterns.push(x);
            }
        }
        if kind == Kind::Equal {
            let few = (count / 8).max(1) * dim;
            (few..count * dim).for_each(|at| patterns[at] = patterns[at % few]);
        }
        let mut probes = Vec::with_capacity(batch * dim);
        for b in 0..batch {
            let near = random.below(count) * dim;
            let noise = [0.0, 0.1, 0.5, 3.0][b % 4];
            let scale =
                patterns[near..near + dim].iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            for d in 0..dim {
                probes.push(patterns[near + d] + noise * scale * random.between(-1.0, 1.0));
            }
        }
        if kind == Kind::Broken {
            for (n, broken) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().enumerate()
            {
                let row = (3 * n + 1) * count / 11;
                patterns[row * dim + n % dim] = broken;
            }
        }
        let of = |numbers: Vec<f64>| numbers.into_iter().map(T::from_f64).collect();
        Self { dim, patterns: of(patterns), probes: of(probes) }
    }

    pub fn memory(&self) -> Memory<T> {
        Memory::from_slice(&self.patterns, self.dim).expect("whole patterns")
    }

    pub fn count(&self) -> usize {
        self.patterns.len() / self.dim
    }

    pub fn batch(&self) -> usize {
        self.probes.len() / self.dim
    }

    pub fn view(&self) -> MatRef<'_, T> {
        MatRef::new(&self.probes, self.batch(), self.dim).expect("whole probes")
    }
}

/// Everything that a recall tells but for similarities, as bits, probe by probe.
pub fn told<T: Real>(
    retrieval: &Retrieval<'_, T>,
    probes: MatRef<'_, T>,
    memory: &Memory<T>,
    context: &mut Context<T>,
) -> Vec<Vec<u64>> {
    let (batch, width) = (probes.rows(), memory.value_dim().unwrap_or(memory.dim()));
    let mut retrieved = vec![T::CANARY; batch * width];
    let mut weights = vec![T::CANARY; batch * memory.patterns()];
    let floats = || vec![T::CANARY; batch];
    let (mut lse, mut energy, mut entropy, mut weight) = (floats(), floats(), floats(), floats());
    let (mut best, mut support) = (vec![Some(1 << 40); batch], vec![1 << 40; batch]);
    let outputs = Outputs::default()
        .with_retrieved(MatMut::new(&mut retrieved, batch, width).unwrap())
        .with_memory_weights(MatMut::new(&mut weights, batch, memory.patterns()).unwrap())
        .with_lse(&mut lse)
        .with_energy(&mut energy)
        .with_entropy(&mut entropy)
        .with_best_weight(&mut weight)
        .with_best(&mut best)
        .with_support(&mut support);
    retrieval.run(probes, memory, outputs, context).unwrap();
    let bits = |x: &T| if x.is_nan() { T::NAN.bits() } else { x.bits() };
    (0..batch)
        .map(|b| {
            let rows = retrieved[b * width..][..width].iter();
            let rows = rows.chain(&weights[b * memory.patterns()..][..memory.patterns()]);
            let numbers = [lse[b], energy[b], entropy[b], weight[b]];
            let bits: Vec<u64> = rows.chain(&numbers).map(bits).collect();
            [bits, vec![best[b].map_or(u64::MAX, |best| best as u64), support[b] as u64]].concat()
        })
        .collect()
}
