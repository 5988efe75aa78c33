//! The members of the family that tests run over, and small random problems.

use hopfield_kernels::{Element, Memory, Retrieval, Separation, Similarity};

/// Separations whose potential is convex: under each similarity the update lowers the energy.
pub const CONVEX: [Separation; 12] = [
    Separation::Softmax,
    Separation::SoftmaxPlus(1.0),
    Separation::Sparsemax,
    Separation::Entmax(1.25),
    Separation::Entmax(1.5),
    Separation::Entmax(3.0),
    Separation::Normmax(2.0),
    Separation::Normmax(5.0),
    Separation::KSubsets(2.5),
    Separation::TopK(3),
    Separation::HardTopK(2),
    Separation::Max,
];

/// Those that are no distributions: the update is one on the sphere.
pub const POWERS: [Separation; 3] =
    [Separation::Polynomial(2.0), Separation::Polynomial(4.5), Separation::Power(3.0)];

/// Those of distances.
pub const KERNELS: [Separation; 2] = [Separation::Epanechnikov(1.0), Separation::Epanechnikov(2.0)];

/// Similarities with an update under which the energy falls.
pub const SIMILARITIES: [Similarity; 5] = [
    Similarity::Dot,
    Similarity::Cosine,
    Similarity::NegHalfSquaredL2,
    Similarity::NegL2,
    Similarity::NegL1,
];

/// Every member whose energy falls.
pub fn falling() -> Vec<(Separation, Similarity)> {
    let with = |separations: &[Separation], similarities: &[Similarity]| -> Vec<_> {
        let pairs =
            |&separation| similarities.iter().map(move |&similarity| (separation, similarity));
        separations.iter().flat_map(pairs).collect()
    };
    let mut all = with(&CONVEX, &SIMILARITIES);
    all.extend(with(&POWERS, &SIMILARITIES[..2]));
    all.extend(with(&KERNELS, &SIMILARITIES[2..]));
    all
}

/// Every separation with every similarity.
pub fn all() -> Vec<(Separation, Similarity)> {
    let clipped = [Separation::ClippedSoftmax { gamma: -0.01, eta: 1.05 }];
    let separations = CONVEX.iter().chain(&POWERS).chain(&KERNELS).chain(&clipped);
    let pairs =
        |&separation| Similarity::ALL.into_iter().map(move |similarity| (separation, similarity));
    separations.flat_map(pairs).collect()
}

/// A generator of the numbers of a test (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// In -1..1.
    pub fn number(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    pub fn below(&mut self, most: usize) -> usize {
        (self.bits() % most as u64) as usize
    }

    pub fn numbers<T: Element>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::from_f64(self.number())).collect()
    }
}

/// Patterns, and probes near some of them.
pub struct Problem<T> {
    pub dim: usize,
    pub patterns: Vec<T>,
    pub probes: Vec<T>,
}

impl<T: Element> Problem<T> {
    pub fn new((batch, dim, count): (usize, usize, usize), random: &mut Random) -> Self {
        let patterns: Vec<T> = random.numbers(count * dim);
        let mut probes = Vec::with_capacity(batch * dim);
        for _ in 0..batch {
            let near = random.below(count) * dim;
            let noise = random.number();
            for d in 0..dim {
                let x = patterns[near + d].to_f64() + noise * random.number();
                probes.push(T::from_f64(x));
            }
        }
        Self { dim, patterns, probes }
    }

    pub fn memory(&self) -> Memory<T> {
        Memory::from_slice(&self.patterns, self.dim).expect("whole patterns")
    }
}

pub fn retrieval<T: Element>(
    beta: f64,
    (separation, similarity): (Separation, Similarity),
) -> Retrieval<'static, T> {
    Retrieval::new(T::from_f64(beta)).with_separation(separation).with_similarity(similarity)
}
