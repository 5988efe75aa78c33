//! The family of memories beside this crate's own softmax recall, and gradients.
//!
//! `cargo bench -p benches --bench family` measures on one thread at the machine's best level, in
//! `f32`. Patterns are normal, probes are noisy patterns, and β is such that few patterns have a
//! weight under 1.5-entmax. The groups are named after the shape, B x D x N.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hopfield_kernels::{
    Context, Gradients, MatMut, MatRef, Memory, Outputs, Parallelism, Retrieval, Separation,
    Similarity, Upstream, top_k,
};

/// B probes, D features, N patterns, and β.
type Shape = (usize, usize, usize, f32);

const SHAPES: [Shape; 3] =
    [(1, 784, 60_000, 0.00187), (16, 784, 1000, 0.003), (128, 784, 10_000, 0.00259)];

/// What is measured beside softmax recall by dot products.
const MEMBERS: [(&str, Separation, Similarity); 11] = [
    ("softmax", Separation::Softmax, Similarity::Dot),
    ("entmax 1.5", Separation::Entmax(1.5), Similarity::Dot),
    ("sparsemax", Separation::Sparsemax, Similarity::Dot),
    ("top 10", Separation::TopK(10), Similarity::Dot),
    ("max", Separation::Max, Similarity::Dot),
    ("power 3", Separation::Power(3.0), Similarity::Dot),
    ("softmax, cosine", Separation::Softmax, Similarity::Cosine),
    ("softmax, squared L2", Separation::Softmax, Similarity::NegHalfSquaredL2),
    ("max, squared L2", Separation::Max, Similarity::NegHalfSquaredL2),
    ("max, L2", Separation::Max, Similarity::NegL2),
    ("max, L1", Separation::Max, Similarity::NegL1),
];

/// Numbers of a normal distribution (Box & Muller) from a generator of integers (xorshift64).
fn normal(count: usize, mut state: u64) -> Vec<f32> {
    let mut unit = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut number = || {
        let radius = (-2.0 * (1.0 - unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * unit()).cos()
    };
    (0..count).map(|_| number() as f32).collect()
}

/// The operands of a shape.
struct Data {
    memory: Memory<f32>,
    probes: Vec<f32>,
    retrieved: Vec<f32>,
    context: Context<f32>,
}

impl Data {
    fn new((batch, dim, count, _): Shape) -> Self {
        let patterns = normal(count * dim, 1);
        let noise = normal(batch * dim, 2);
        let near = |at: usize| patterns[at / dim * 37 % count * dim + at % dim];
        let probes = noise.iter().enumerate().map(|(at, noise)| near(at) + noise).collect();
        Self {
            memory: Memory::from_slice(&patterns, dim).expect("whole patterns"),
            probes,
            retrieved: vec![0.0; batch * dim],
            context: Context::new().with_parallelism(Parallelism::Serial),
        }
    }

    fn recall(&mut self, (batch, dim, ..): Shape, how: &Retrieval<'_, f32>) {
        let probes = MatRef::new(&self.probes, batch, dim).unwrap();
        let retrieved = Some(MatMut::new(&mut self.retrieved, batch, dim).unwrap());
        let outputs = Outputs::new().with_retrieved(retrieved);
        how.run(probes, &self.memory, outputs, &mut self.context).unwrap();
        black_box(&self.retrieved);
    }

    fn backward(&mut self, (batch, dim, count, beta): Shape, rows: &mut (Vec<f32>, Vec<f32>)) {
        let probes = MatRef::new(&self.probes, batch, dim).unwrap();
        let g = MatRef::new(&self.retrieved, batch, dim).unwrap();
        let upstream = Upstream::new().with_retrieved(g);
        let gradients = Gradients::new()
            .with_probes(MatMut::new(&mut rows.0, batch, dim).unwrap())
            .with_patterns(MatMut::new(&mut rows.1, count, dim).unwrap());
        Retrieval::new(beta)
            .backward(probes, &self.memory, upstream, gradients, &mut self.context)
            .unwrap();
        black_box(&rows);
    }

    fn search(&mut self, (batch, dim, ..): Shape) {
        let (mut indices, mut scores) = (vec![None; 10 * batch], vec![0.0; 10 * batch]);
        let to = MatMut::new(&mut indices, batch, 10).unwrap();
        let to_scores = MatMut::new(&mut scores, batch, 10).unwrap();
        let probes = MatRef::new(&self.probes, batch, dim).unwrap();
        top_k(probes, &self.memory, to, to_scores, &mut self.context).unwrap();
        black_box((indices, scores));
    }
}

fn family(criterion: &mut Criterion) {
    for shape @ (batch, dim, count, beta) in SHAPES {
        let mut data = Data::new(shape);
        let name = format!("family/{batch} x {dim} x {count}");
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20).measurement_time(Duration::from_secs(3));
        for (member, separation, similarity) in MEMBERS {
            let how = Retrieval::new(beta).with_separation(separation).with_similarity(similarity);
            group.bench_function(BenchmarkId::new("recall", member), |bencher| {
                bencher.iter(|| data.recall(shape, &how));
            });
        }
        group.bench_function("top_k 10", |bencher| bencher.iter(|| data.search(shape)));
        let mut rows = (vec![0.0; batch * dim], vec![0.0; count * dim]);
        group.bench_function("recall and its gradients", |bencher| {
            bencher.iter(|| data.backward(shape, &mut rows));
        });
        group.finish();
    }
}

criterion_group!(benches, family);
criterion_main!(benches);
