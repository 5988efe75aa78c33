//! What the counters tell: every probe of every recall and search once.

use hopfield_kernels::{
    Codes, Context, Counters, MatMut, MatRef, Memory, Outputs, Plasticity, Recall, Retrieval,
    Screening, Separation, top_k,
};
use testkit::levels;

use crate::problem::{Kind, Problem, told};

/// Searches for the `k` most similar patterns of all probes.
fn search(problem: &Problem<f32>, memory: &Memory<f32>, k: usize, context: &mut Context<f32>) {
    let (mut indices, mut scores) =
        (vec![None; problem.batch() * k], vec![0.0; problem.batch() * k]);
    let indices = MatMut::new(&mut indices, problem.batch(), k).unwrap();
    let scores = MatMut::new(&mut scores, problem.batch(), k).unwrap();
    top_k(problem.view(), memory, indices, scores, context).unwrap();
}

/// A recall of the retrieved probes alone.
fn recall(how: &Retrieval<'_, f32>, problem: &Problem<f32>, context: &mut Context<f32>) {
    how.apply_with(&problem.memory(), &mut problem.probes.clone(), context).unwrap();
}

#[test]
fn a_search_counts_and_leaves_nothing_to_the_next_call() {
    let problem = Problem::<f32>::new(Kind::Near, (5, 64, 2000), 17);
    let (plain, mut context) = (problem.memory(), Context::new());
    let coded = plain.clone().with_codes(Codes::Eight).unwrap();
    search(&problem, &plain, 3, &mut context);
    assert_eq!(numbers(context.counters()), [0, 5, 0, 0]);
    context.reset_counters();
    search(&problem, &coded, 3, &mut context);
    let counters = context.counters();
    assert_eq!((counters.probes, counters.dense, counters.kept), (5, 0, 15));
    assert!(counters.listed >= 15 && counters.listed < 5 * 2000, "{counters:?}");
    context.reset_counters();
    let sparsemax = Retrieval::new(1.0).with_separation(Separation::Sparsemax);
    recall(&sparsemax, &problem, &mut context);
    assert_eq!(numbers(context.counters()), [0, 5, 0, 0]);
}

fn numbers(counters: Counters) -> [u64; 4] {
    [counters.probes, counters.dense, counters.listed, counters.kept]
}

/// With nothing to choose, and with other outputs than the retrieved probes.
#[test]
fn streamed_probes_count() {
    let few = Problem::<f32>::new(Kind::Near, (3, 8, 20), 1);
    let many = Problem::<f32>::new(Kind::Near, (3, 64, 400), 1);
    let mut context = Context::new();
    recall(&Retrieval::new(1.0), &few, &mut context);
    assert_eq!(numbers(context.counters()), [0, 3, 0, 0]);
    recall(&Retrieval::new(9.0).with_screening(Screening::Never), &many, &mut context);
    assert_eq!(numbers(context.counters()), [0, 6, 0, 0]);
    told(&Retrieval::new(1.0), few.view(), &few.memory(), &mut context);
    assert_eq!(numbers(context.counters()), [0, 9, 0, 0]);
    recall(&Retrieval::new(1.0).with_separation(Separation::Power(2.0)), &few, &mut context);
    assert_eq!(numbers(context.counters()), [0, 12, 0, 0]);
}

/// What is read for statistics, values, learning and gradients is no recall of its own.
#[test]
fn probes_count_once_whatever_is_asked_for() {
    let problem = Problem::<f32>::new(Kind::Near, (4, 48, 600), 3);
    let values: Vec<f32> = (0..600).map(|n| n as f32).collect();
    let plain = problem.memory().with_codes(Codes::Eight).unwrap();
    let with_values = plain.clone().with_values(MatRef::new(&values, 600, 1).unwrap()).unwrap();
    for (memory, width) in [(&plain, 48), (&with_values, 1)] {
        for separation in [Separation::Softmax, Separation::Entmax(1.5)] {
            let how = Retrieval::new(4.0).with_separation(separation);
            let how = how.with_screening(Screening::Always);
            let (mut context, mut recall) = (Context::new(), Recall::new());
            let (mut second, mut usage) = (vec![0.0; 4], vec![0.0; 600]);
            let mut retrieved = vec![0.0; 4 * width];
            let outputs = Outputs::default()
                .with_second(&mut second)
                .with_usage(&mut usage)
                .with_retrieved(MatMut::new(&mut retrieved, 4, width).unwrap());
            how.recall(problem.view(), memory, outputs, &mut recall, &mut context).unwrap();
            Plasticity::default().learn(&recall, &mut memory.clone(), None, &mut context).unwrap();
            let counters = context.counters();
            assert_eq!((counters.probes, counters.dense), (4, 0), "{separation:?}");
        }
    }
}

/// Each thread lists what may be a candidate among its own patterns; nothing else depends on it.
#[test]
fn threads_change_nothing_but_what_is_listed() {
    for batch in [1, 3, 40] {
        let problem = Problem::<f32>::new(Kind::Near, (batch, 100, 9000), 6);
        let plain = problem.memory();
        let coded = plain.clone().with_codes(Codes::Eight).unwrap();
        for memory in [&plain, &coded] {
            for separation in [Separation::Softmax, Separation::Entmax(1.5), Separation::TopK(5)] {
                let how = Retrieval::new(1.5).with_separation(separation);
                let counted = |mut context: Context<f32>| {
                    told(&how, problem.view(), memory, &mut context);
                    search(&problem, memory, 2, &mut context);
                    let counters = context.counters();
                    [counters.probes, counters.dense, counters.kept]
                };
                let level = levels::all()[0];
                let expected = counted(levels::serial(level));
                assert_eq!(expected[0] + expected[1], 2 * batch as u64);
                for threads in [1, 2, 3] {
                    let found = levels::in_pool(threads, || counted(levels::threaded(level)));
                    assert_eq!(found, expected, "{batch} {separation:?}, {threads} threads");
                }
            }
        }
    }
}

/// Lists have room for an eighth of the patterns where the probes are many: a probe near 3,000
/// patterns of one split is scanned again.
#[test]
fn a_probe_whose_list_is_too_short_counts_once() {
    const PATTERNS: usize = 100_000;
    let mut problem = Problem::<f32>::new(Kind::Near, (96, 32, PATTERNS), 5);
    let first = problem.patterns[..32].to_vec();
    for row in problem.patterns[..3000 * 32].chunks_exact_mut(32) {
        row.copy_from_slice(&first);
    }
    for (b, probe) in problem.probes.chunks_exact_mut(32).enumerate() {
        let near = if b == 50 { 0 } else { 4000 + 100 * b };
        probe.copy_from_slice(&problem.patterns[near * 32..][..32]);
    }
    let memory = problem.memory().with_codes(Codes::Eight).unwrap();
    let how = Retrieval::new(20.0).with_screening(Screening::Always);
    for threads in [1, 2] {
        let counters = levels::in_pool(threads, || {
            let mut context = levels::threaded(levels::all()[0]);
            how.apply_with(&memory, &mut problem.probes.clone(), &mut context).unwrap();
            context.counters()
        });
        assert_eq!((counters.probes, counters.dense), (96, 0), "{counters:?}");
        assert!((3095..3500).contains(&counters.kept), "{counters:?}");
        let scanned_again = PATTERNS as u64 + 3000;
        assert!(counters.listed > scanned_again, "{counters:?}");
        assert!(counters.listed < scanned_again + PATTERNS as u64, "{counters:?}");
    }
}
