//! Every stream and every operation, at every level of this machine and in both types.
//!
//! `cargo bench` measures, `cargo bench -- --quick` in a few minutes,
//! `cargo bench -- recall/avx512` some. Throughput is floating-point operations (two for each
//! multiply-add; for the softmax: its elements). The group `recall` has a peer in the same run: a
//! recall around matrixmultiply's products. Everything runs on one thread but for the group
//! `threads`.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use hopfield_kernels::{
    Context, Element, LearningInput, Level, MatMut, MatRef, Memory, OuterProducts, Outputs,
    Parallelism, Plasticity, Precision, Retrieval, Update, UpdateRule, combine, energy,
    outer_product_update, retrieve, similarities, softmax,
};

/// B probes, D features, N patterns.
type Shape = (usize, usize, usize);

/// Probes for the streams: enough to fill every register tile.
const STREAM: Shape = (24, 784, 1000);
/// One probe (bandwidth), a few, many of few features, and long rows.
const RECALL: [Shape; 4] = [(1, 784, 1000), (16, 784, 1000), (256, 64, 1024), (24, 3072, 256)];
/// 188 MB of `f32`: more than caches hold.
const FROM_MEMORY: [Shape; 2] = [(1, 784, 60_000), (16, 784, 60_000)];
/// So little work that the cost of a call counts.
const SMALL: [Shape; 5] = [(1, 1, 1), (1, 16, 16), (1, 16, 64), (1, 64, 16), (1, 64, 256)];
const LEARN: [Shape; 2] = [(1, 784, 1000), STREAM];
/// So small that M stays as it is however often it learns.
const ETA: f64 = 1e-9;
const BETA: f64 = 8.0;

/// The operands of every operation.
struct Data<T: 'static> {
    shape: Shape,
    memory: Memory<T>,
    probes: Vec<T>,
    retrieved: Vec<T>,
    weights: Vec<T>,
    context: Context<T>,
    retrieval: Retrieval<'static, T>,
}

impl<T: Element> Data<T> {
    /// Patterns of length near 1, and weights that all count.
    fn new(shape @ (batch, dim, patterns): Shape, level: Level) -> Self {
        let mut state = 1_u64;
        let mut numbers = |count: usize, scale: f64| -> Vec<T> {
            let mut number = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f64 / f64::from(1 << 23) - 1.0
            };
            (0..count).map(|_| T::from_f64(scale * number())).collect()
        };
        let rows = numbers(patterns * dim, (3.0 / dim as f64).sqrt());
        let probes = numbers(batch * dim, 1.0 / BETA);
        let weights = vec![T::from_f64(1.0 / patterns as f64); batch * patterns];
        Self {
            shape,
            memory: Memory::from_rows(MatRef::new(&rows, patterns, dim).unwrap()).unwrap(),
            retrieved: probes.clone(),
            probes,
            weights,
            context: Context::new().with_level(level).with_parallelism(Parallelism::Serial),
            retrieval: Retrieval::new(T::from_f64(BETA)),
        }
    }

    /// Does one operation.
    fn run(&mut self, operation: Operation) {
        let (batch, dim, patterns) = self.shape;
        let Self { memory, context, retrieval, .. } = self;
        let probes = MatRef::new(&self.probes, batch, dim).unwrap();
        let update = Update::default().with_eta(T::from_f64(ETA));
        let plasticity = |rule| Plasticity::default().with_rule(rule).with_update(update);
        match operation {
            Operation::Similarities => {
                let out = MatMut::new(&mut self.weights, batch, patterns).unwrap();
                similarities(probes, memory, out, &mut *context)
            }
            Operation::Softmax => {
                let rows = MatMut::new(&mut self.weights, batch, patterns).unwrap();
                softmax(rows, T::from_f64(BETA), &mut *context)
            }
            Operation::Combine => {
                let weights = MatRef::new(&self.weights, batch, patterns).unwrap();
                let out = MatMut::new(&mut self.retrieved, batch, dim).unwrap();
                combine(weights, memory, out, &mut *context)
            }
            Operation::OuterProductUpdate => {
                let weights = MatRef::new(&self.weights, batch, patterns).unwrap();
                outer_product_update(
                    memory,
                    OuterProducts::new(weights, probes),
                    update,
                    &mut *context,
                )
            }
            Operation::Recall => {
                let out = MatMut::new(&mut self.retrieved, batch, dim).unwrap();
                retrieve(probes, memory, T::from_f64(BETA), out, &mut *context)
            }
            Operation::Energy => {
                let out = &mut self.weights[..batch];
                energy(probes, memory, T::from_f64(BETA), out, &mut *context)
            }
            Operation::Evolve(rule) => {
                let weights = MatRef::new(&self.weights, batch, patterns).unwrap();
                let input = LearningInput::new(
                    probes,
                    MatRef::new(&self.retrieved, batch, dim).unwrap(),
                    weights,
                );
                plasticity(rule).learn_from(retrieval, input, memory, context)
            }
            Operation::RecallAndLearn => {
                let out = MatMut::new(&mut self.retrieved, batch, dim).unwrap();
                plasticity(UpdateRule::Delta)
                    .recall_and_learn(retrieval, probes, out, memory, context)
            }
        }
        .unwrap();
    }

    /// Recalls with all by-products that need no pass of their own.
    fn recall_everything(&mut self) {
        let (batch, dim, _) = self.shape;
        let [lse, energy, entropy] = [(); 3].map(|()| vec![T::ZERO; batch]);
        let (mut lse, mut energy, mut entropy) = (lse, energy, entropy);
        let outputs = Outputs::new()
            .with_retrieved(MatMut::new(&mut self.retrieved, batch, dim).unwrap())
            .with_lse(&mut lse)
            .with_energy(&mut energy)
            .with_entropy(&mut entropy);
        let probes = MatRef::new(&self.probes, batch, dim).unwrap();
        self.retrieval.run(probes, &self.memory, outputs, &mut self.context).unwrap();
    }
}

/// A recall around matrixmultiply's products, as it is written without this crate: S = X Mᵀ, the
/// softmax of every row by this crate's kernel, X̂ = P M. On one thread.
struct Composition {
    shape: Shape,
    patterns: Vec<f32>,
    probes: Vec<f32>,
    scores: Vec<f32>,
    retrieved: Vec<f32>,
    context: Context<f32>,
}

impl Composition {
    fn new(shape @ (batch, dim, patterns): Shape) -> Self {
        let level = Level::available().next().expect("the portable level is always there");
        let data = Data::<f32>::new(shape, level);
        Self {
            shape,
            patterns: data.memory.to_rows(),
            probes: data.probes,
            scores: vec![0.0; batch * patterns],
            retrieved: vec![0.0; batch * dim],
            context: data.context,
        }
    }

    /// The recall of one probe by plain loops.
    fn loops(&mut self) {
        let (_, dim, _) = self.shape;
        let rows = || self.patterns.chunks_exact(dim);
        let mut highest = f32::NEG_INFINITY;
        for (score, row) in self.scores.iter_mut().zip(rows()) {
            *score = BETA as f32 * self.probes.iter().zip(row).map(|(x, m)| x * m).sum::<f32>();
            highest = highest.max(*score);
        }
        let mut sum = 0.0;
        for score in &mut self.scores {
            *score = (*score - highest).exp();
            sum += *score;
        }
        self.retrieved.fill(0.0);
        for (weight, row) in self.scores.iter().zip(rows()) {
            let add = |(to, m): (&mut f32, &f32)| *to += weight / sum * m;
            self.retrieved.iter_mut().zip(row).for_each(add);
        }
    }

    fn recall(&mut self) {
        let (batch, dim, patterns) = self.shape;
        let (d, n) = (dim as isize, patterns as isize);
        let (x, m) = (self.probes.as_ptr(), self.patterns.as_ptr());
        let s = self.scores.as_mut_ptr();
        // SAFETY: X is B x D, M is N x D (read as D x N), S is B x N, each of contiguous rows.
        unsafe {
            matrixmultiply::sgemm(batch, dim, patterns, 1.0, x, d, 1, m, 1, d, 0.0, s, n, 1);
        }
        let rows = MatMut::new(&mut self.scores, batch, patterns).unwrap();
        softmax(rows, BETA as f32, &mut self.context).unwrap();
        let (p, to) = (self.scores.as_ptr(), self.retrieved.as_mut_ptr());
        // SAFETY: P is B x N, M is N x D, X̂ is B x D, each of contiguous rows.
        unsafe {
            matrixmultiply::sgemm(batch, patterns, dim, 1.0, p, n, 1, m, d, 1, 0.0, to, d, 1);
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
enum Operation {
    Similarities,
    Softmax,
    Combine,
    OuterProductUpdate,
    Recall,
    Energy,
    Evolve(UpdateRule),
    RecallAndLearn,
}

impl Operation {
    /// Every operation: the name of its group and its sizes.
    const ALL: [(Self, &'static str, &'static [Shape]); 9] = [
        (Self::Similarities, "similarities", &[STREAM]),
        (Self::Softmax, "softmax", &[STREAM]),
        (Self::Combine, "combine", &[STREAM]),
        (Self::OuterProductUpdate, "outer_product_update", &[STREAM]),
        (Self::Recall, "recall", &RECALL),
        (Self::Energy, "energy", &[STREAM]),
        (Self::Evolve(UpdateRule::Delta), "evolve_delta", &LEARN),
        (Self::Evolve(UpdateRule::Contrastive), "evolve_contrastive", &LEARN),
        (Self::RecallAndLearn, "recall_and_learn", &LEARN),
    ];

    /// Floating-point operations, as the formulas have them.
    fn flops(self, (batch, dim, patterns): Shape) -> u64 {
        let products = match self {
            Self::Softmax => return (batch * patterns) as u64,
            Self::Similarities | Self::Combine | Self::OuterProductUpdate | Self::Energy => 1,
            Self::Evolve(UpdateRule::Delta) => 1,
            Self::Recall => 2,
            // One for the negative phase, two outer products (and weights computed once more).
            Self::Evolve(_) | Self::RecallAndLearn => 3,
        };
        (2 * products * batch * dim * patterns) as u64
    }
}

fn kernels(criterion: &mut Criterion) {
    for (operation, name, shapes) in Operation::ALL {
        let mut group = criterion.benchmark_group(name);
        for level in Level::available() {
            for &shape in shapes {
                measure::<f32>(&mut group, operation, shape, level);
                measure::<f64>(&mut group, operation, shape, level);
            }
        }
        for &shape in shapes.iter().filter(|_| name == "recall") {
            let (batch, dim, patterns) = shape;
            let id = format_args!("{batch}x{dim}x{patterns}").to_string();
            let id = BenchmarkId::new("matrixmultiply/float32", id);
            let mut peer = Composition::new(shape);
            peer.recall();
            assert!(peer.retrieved.iter().all(|x| x.is_finite()));
            group.throughput(Throughput::Elements(operation.flops(shape)));
            group.bench_function(id, |bencher| bencher.iter(|| black_box(&mut peer).recall()));
        }
        group.finish();
    }
}

fn measure<T: Element>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    operation: Operation,
    shape @ (batch, dim, patterns): Shape,
    level: Level,
) {
    let mut data = Data::<T>::new(shape, level);
    let id =
        BenchmarkId::new(format!("{level}/{}", T::NAME), format_args!("{batch}x{dim}x{patterns}"));
    group.throughput(Throughput::Elements(operation.flops(shape)));
    group.bench_function(id, |bencher| bencher.iter(|| black_box(&mut data).run(operation)));
}

/// One probe against patterns that come from memory, in each precision, at the best level.
fn precisions(criterion: &mut Criterion) {
    let level = Level::available().next().expect("the portable level is always there");
    let mut group = criterion.benchmark_group("precision");
    for shape @ (batch, dim, patterns) in FROM_MEMORY {
        for precision in [Precision::Full, Precision::Bf16, Precision::F16] {
            let mut data = Data::<f32>::new(shape, level);
            data.memory = data.memory.with_precision(precision).unwrap();
            let id = format!("{precision:?}/{batch}x{dim}x{patterns}");
            group.throughput(Throughput::Elements(Operation::Recall.flops(shape)));
            group.bench_function(id, |bencher| {
                bencher.iter(|| black_box(&mut data).run(Operation::Recall));
            });
        }
    }
    group.finish();
}

/// What by-products and threads make of a recall, at the best level.
fn variants(criterion: &mut Criterion) {
    let level = Level::available().next().expect("the portable level is always there");
    let shape = RECALL[1];
    let throughput = Throughput::Elements(Operation::Recall.flops(shape));

    let mut group = criterion.benchmark_group("by_products");
    group.throughput(throughput.clone());
    let mut data = Data::<f32>::new(shape, level);
    group.bench_function("lse, energy, entropy", |bencher| {
        bencher.iter(|| black_box(&mut data).recall_everything());
    });
    group.finish();

    let mut group = criterion.benchmark_group("threads");
    group.throughput(throughput);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut data = Data::<f32>::new(shape, level);
        data.context = Context::new().with_level(level).with_parallelism(Parallelism::Rayon);
        group.bench_function(threads.to_string(), |bencher| {
            pool.install(|| bencher.iter(|| black_box(&mut data).run(Operation::Recall)));
        });
    }
    group.finish();
}

/// One probe and small memories, beside plain loops: what a call costs.
fn small(criterion: &mut Criterion) {
    let level = Level::available().next().expect("the portable level is always there");
    let mut group = criterion.benchmark_group("small");
    for shape @ (batch, dim, patterns) in SMALL {
        let id = format_args!("{batch}x{dim}x{patterns}").to_string();
        let mut data = Data::<f32>::new(shape, level);
        group.bench_function(BenchmarkId::new(level.to_string(), &id), |bencher| {
            bencher.iter(|| black_box(&mut data).run(Operation::Recall));
        });
        let mut peer = Composition::new(shape);
        group.bench_function(BenchmarkId::new("loops", &id), |bencher| {
            bencher.iter(|| black_box(&mut peer).loops());
        });
    }
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = kernels, precisions, small, variants }
criterion_main!(benches);
