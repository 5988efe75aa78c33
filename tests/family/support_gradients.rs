//! Gradients over supports: the same bits at every level with fused multiply-add, for any threads,
//! batch and position, and nothing outside of the supports.

use hopfield_kernels::{
    Context, Gradients, MatMut, MatRef, Memory, Outputs, Retrieval, Separation, Similarity,
    Upstream,
};
use testkit::levels;

use testkit::members::{Problem, Random};

/// Several splits of several blocks; a partial vector of patterns and of values.
const SHAPE: [usize; 4] = [19, 70, 1500, 33];

/// Gradients of probes, patterns and values, and of all biases and β.
#[derive(Debug, PartialEq)]
struct Found {
    probes: Vec<u32>,
    patterns: Vec<u32>,
    values: Vec<u32>,
    others: Vec<u32>,
}

struct Case<'a> {
    memory: &'a Memory<f32>,
    how: Retrieval<'a, f32>,
    g: &'a [f32],
}

impl Case<'_> {
    /// The gradients of some probes, whose upstream gradients begin at row `first`.
    fn run(&self, probes: &[f32], first: usize, context: &mut Context<f32>) -> Found {
        let [_, d, n, e] = SHAPE;
        let b = probes.len() / d;
        let with_values = self.memory.value_dim().is_some();
        let width = if with_values { e } else { d };
        let (mut dx, mut dm, mut dv) = (vec![0.0; b * d], vec![0.0; n * d], vec![0.0; n * e]);
        let (mut bias, mut beta) = (vec![0.0; n], 0.0);
        let lse = vec![0.5; b];
        let g = &self.g[first * width..][..b * width];
        let upstream =
            Upstream::new().with_retrieved(MatRef::new(g, b, width).unwrap()).with_lse(&lse);
        let gradients = Gradients::new()
            .with_probes(MatMut::new(&mut dx, b, d).unwrap())
            .with_patterns(MatMut::new(&mut dm, n, d).unwrap())
            .with_values(with_values.then(|| MatMut::new(&mut dv, n, e).unwrap()))
            .with_bias(&mut bias)
            .with_beta(&mut beta);
        let probes = MatRef::new(probes, b, d).unwrap();
        self.how.backward(probes, self.memory, upstream, gradients, context).unwrap();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        let others = [&bias[..], &[beta]].concat();
        Found { probes: bits(&dx), patterns: bits(&dm), values: bits(&dv), others: bits(&others) }
    }

    /// Patterns that have a weight for some probe.
    fn support(&self, probes: &[f32]) -> Vec<bool> {
        let [b, d, n, _] = SHAPE;
        let mut weights = vec![0.0; b * n];
        let to = MatMut::new(&mut weights, b, n).unwrap();
        let outputs = Outputs::new().with_memory_weights(to);
        let probes = MatRef::new(probes, b, d).unwrap();
        self.how.run(probes, self.memory, outputs, &mut Context::new()).unwrap();
        (0..n).map(|n_| (0..b).any(|b| weights[b * n + n_] != 0.0)).collect()
    }
}

#[test]
fn gradients_over_supports_have_the_same_bits_everywhere() {
    let [b, d, n, e] = SHAPE;
    let mut random = Random::new(77);
    let problem = Problem::<f32>::new((b, d, n), &mut random);
    let (g, values) = (random.numbers::<f32>(b * d), random.numbers::<f32>(n * e));
    let members = [
        (Separation::Sparsemax, Similarity::Dot, 0.7),
        (Separation::Entmax(1.5), Similarity::Dot, 0.02),
        (Separation::Entmax(1.5), Similarity::Cosine, 4.0),
        (Separation::Softmax, Similarity::Cosine, 4.0),
        (Separation::Normmax(2.0), Similarity::NegHalfSquaredL2, 0.2),
        (Separation::Entmax(3.0), Similarity::NegL2, 1.0),
        (Separation::Sparsemax, Similarity::NegL1, 0.1),
        (Separation::Power(3.0), Similarity::Dot, 0.1),
        (Separation::TopK(3), Similarity::UhnReciprocalSquaredL2, 1.0),
    ];
    let memories = [
        problem.memory(),
        problem.memory().with_values(MatRef::new(&values, n, e).unwrap()).unwrap(),
    ];
    for (separation, similarity, beta) in members {
        for memory in &memories {
            let how = Retrieval::new(beta).with_separation(separation).with_similarity(similarity);
            let case = Case { memory, how, g: &g };
            let what = format!("{separation:?} {similarity:?} {:?}", memory.value_dim());
            let mut expected: Option<Found> = None;
            for level in levels::all() {
                let serial = case.run(&problem.probes, 0, &mut levels::serial(level));
                let threaded = &mut levels::threaded(level);
                let parallel = levels::in_pool(3, || case.run(&problem.probes, 0, threaded));
                assert!(serial == parallel, "{what} at {level}: threads");
                // The last probes alone.
                let from = b - 2;
                let some = &problem.probes[from * d..];
                let some = case.run(some, from, &mut levels::serial(level));
                assert!(some.probes[..] == serial.probes[from * d..], "{what} at {level}: batch");
                if level.name() != "portable" {
                    let first = expected.get_or_insert(serial);
                    let again = case.run(&problem.probes, 0, threaded);
                    assert!(*first == again, "{what} at {level}");
                }
            }
            let Some(found) = expected else { continue };
            // Rows without a weight have no gradient.
            for (n, weighs) in case.support(&problem.probes).into_iter().enumerate() {
                let row = &found.patterns[n * d..][..d];
                let zero = row.iter().all(|x| *x == 0) && found.values[n * e] == 0;
                assert!(weighs || zero, "{what}: {n}");
            }
        }
    }
}
