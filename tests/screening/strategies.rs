//! Which probes are peaked.

use hopfield_kernels::{
    Borrowed, Codes, Context, MatRef, Outputs, Plasticity, Recall, Retrieval, Screening, Similarity,
};
use testkit::data::{Random, Real};

use crate::problem::{Kind, Problem, told};

/// The strategy of each probe depends neither on codes nor on the batch.
fn independent<T: Real>() {
    // At this temperature some probes are streamed and others are not.
    let problem = Problem::<T>::new(Kind::Norms, (24, 64, 2000), 5);
    let plain = problem.memory();
    let coded = plain.clone().with_codes(Codes::Eight).unwrap();
    let retrieval = Retrieval::new(T::from_f64(0.02));
    let mut context = Context::new();
    let batch = told(&retrieval, problem.view(), &plain, &mut context);
    context.reset_counters();
    let found = told(&retrieval, problem.view(), &coded, &mut context);
    assert!(found == batch);
    let counters = context.counters();
    assert!(counters.probes > 3 && counters.dense > 3, "{counters:?}");
    assert_eq!(counters.probes + counters.dense, 24);
    for (b, expected) in batch.iter().enumerate() {
        let probe = problem.view().subrows(b..b + 1);
        for memory in [&plain, &coded] {
            let alone = told(&retrieval, probe, memory, &mut Context::new());
            assert!(alone[0] == *expected, "probe {b}");
        }
    }
}

#[test]
fn a_strategy_depends_on_the_probe_alone() {
    independent::<f32>();
    independent::<f64>();
}

/// Probes of which every second one is a pattern, and the others resemble none: these have as long
/// a norm, but no score near that of a pattern in their direction.
fn near_and_far<T: Real>() -> Problem<T> {
    let mut problem = Problem::<T>::new(Kind::Near, (26, 64, 2000), 11);
    let mut random = Random(12);
    for (b, probe) in problem.probes.chunks_exact_mut(64).enumerate() {
        for (d, x) in probe.iter_mut().enumerate() {
            let near = problem.patterns[70 * b * 64 + d];
            let noise = random.between(-1.0, 1.0);
            *x = if b % 2 == 0 { near } else { T::from_f64(noise) };
        }
    }
    problem
}

/// A probe that resembles no pattern is streamed, although its norm would allow a high score; and
/// which way was tried first changes nothing.
fn far_probes_are_streamed<T: Real>() {
    // The window is wider than most scores, but narrower than the norms of patterns, 64 / 3.
    let (problem, beta) = (near_and_far::<T>(), if T::DIGITS == 24 { 2.5 } else { 4.5 });
    let retrieval = Retrieval::new(T::from_f64(beta));
    let never = retrieval.with_screening(Screening::Never);
    let plain = problem.memory();
    let coded = plain.clone().with_codes(Codes::Eight).unwrap();
    let view = problem.view();
    let expected = told(&retrieval, view, &plain, &mut Context::new());
    let streamed = told(&never, view, &plain, &mut Context::new());
    for b in (1..26).step_by(2) {
        assert!(expected[b] == streamed[b], "probe {b}");
    }
    // What a context has recalled before: nothing, the near probes, the far ones, all of them.
    let near: Vec<T> = problem.probes.chunks_exact(64).step_by(2).flatten().copied().collect();
    let far = problem.probes.chunks_exact(64).skip(1).step_by(2).flatten().copied();
    let far: Vec<T> = far.collect();
    let before = [None, Some(&near), Some(&far), Some(&problem.probes)];
    for memory in [&plain, &coded] {
        for before in before {
            let mut context = Context::new();
            if let Some(before) = before {
                let probes = MatRef::new(before, before.len() / 64, 64).unwrap();
                told(&retrieval, probes, memory, &mut context);
            }
            for times in 0..2 {
                context.reset_counters();
                assert!(told(&retrieval, view, memory, &mut context) == expected, "{times}");
                let counters = context.counters();
                let (screened, dense) = if memory.codes().is_some() { (13, 13) } else { (0, 26) };
                assert_eq!((counters.probes, counters.dense), (screened, dense));
            }
        }
    }
}

/// What a context has recalled before changes nothing, whatever else a recall takes: masks, biases,
/// cosines, values, and a pattern that is not finite.
#[test]
fn earlier_recalls_change_nothing() {
    let mut problem = near_and_far::<f32>();
    problem.patterns[64 * 1234 + 5] = f32::NAN;
    let (view, mut random) = (problem.view(), Random(13));
    let keep: Vec<bool> = (0..2000).map(|n| n != 1234 && n % 7 != 3).collect();
    let masks: Vec<bool> = (0..26 * 2000).map(|at| at % 2000 != 1234 && at % 11 != 5).collect();
    let bias: Vec<f32> = (0..2000).map(|_| random.between(-1.0, 1.0) as f32).collect();
    let values: Vec<f32> = (0..2000 * 3).map(|_| random.between(-1.0, 1.0) as f32).collect();
    let plain = problem.memory();
    let with_values = plain.clone().with_values(MatRef::new(&values, 2000, 3).unwrap()).unwrap();
    let dot = Retrieval::new(2.5).with_mask(&keep);
    let cosine = Retrieval::new(60.0).with_similarity(Similarity::Cosine).with_mask(&keep);
    let masks = MatRef::new(&masks, 26, 2000).unwrap();
    let hows = [
        dot,
        dot.with_bias(&bias),
        cosine,
        Retrieval::new(2.5).with_masks(masks),
        Retrieval::new(2.5),
    ];
    for memory in [&plain, &with_values] {
        for how in &hows {
            let expected = told(how, view, memory, &mut Context::new());
            for before in [0..1, 1..2, 0..26] {
                let mut context = Context::new();
                // Per-probe masks need as many probes.
                let some = Retrieval::new(2.5).with_mask(&keep);
                told(&some, view.subrows(before.clone()), memory, &mut context);
                for times in 0..2 {
                    let found = told(how, view, memory, &mut context);
                    assert!(found == expected, "{how:?} after {before:?}, {times}");
                }
            }
        }
    }
}

/// Nor does it change what is learned from a recall, and neither do other outputs of the recall.
#[test]
fn earlier_recalls_and_statistics_change_nothing_that_is_learned() {
    let (problem, how) = (near_and_far::<f32>(), Retrieval::new(2.5));
    for how in [how, how.with_gain(1.5)] {
        let learned = |context: &mut Context<f32>, spread: Option<&mut [f32]>| {
            let (mut memory, mut recall) = (problem.memory(), Recall::new());
            let outputs = Outputs::new();
            let outputs = match spread {
                Some(spread) => outputs.with_spread(spread),
                None => outputs,
            };
            how.recall(problem.view(), &memory, outputs, &mut recall, context).unwrap();
            Plasticity::default().learn(&recall, &mut memory, None, context).unwrap();
            memory.to_rows()
        };
        let mut context = Context::new();
        let expected = learned(&mut context, None);
        assert!(expected != problem.patterns);
        for context in [&mut context, &mut Context::new()] {
            assert!(learned(context, Some(&mut [0.0; 26])) == expected);
            assert!(learned(context, None) == expected);
        }
    }
}

#[test]
fn probes_that_resemble_no_pattern_are_streamed() {
    far_probes_are_streamed::<f32>();
    far_probes_are_streamed::<f64>();
}

#[test]
fn never_and_always_are_taken_at_their_word() {
    let problem = Problem::<f32>::new(Kind::Near, (4, 40, 300), 7);
    let memory = problem.memory().with_codes(Codes::Eight).unwrap();
    let mut context = Context::new();
    let run = |screening, beta: f32, context: &mut Context<f32>| {
        context.reset_counters();
        let retrieval = Retrieval::new(beta).with_screening(screening);
        told(&retrieval, problem.view(), &memory, context);
        context.counters()
    };
    let counters = run(Screening::Never, 50.0, &mut context);
    assert_eq!((counters.probes, counters.listed), (0, 0));
    let counters = run(Screening::Always, 50.0, &mut context);
    assert_eq!((counters.probes, counters.dense), (4, 0));
    assert!(counters.kept >= 4 && counters.listed >= counters.kept && counters.listed < 300);
    // Everything has a weight, so nothing can be left out.
    let counters = run(Screening::Auto, 1e-3, &mut context);
    assert_eq!(counters.probes, 0);
    let counters = run(Screening::Always, 1e-3, &mut context);
    assert_eq!((counters.listed, counters.kept), (1200, 1200));
}

#[test]
fn few_or_short_patterns_are_streamed() {
    for (dim, count) in [(31, 400), (64, 255)] {
        let problem = Problem::<f32>::new(Kind::Near, (2, dim, count), 9);
        let memory = problem.memory().with_codes(Codes::Eight).unwrap();
        let mut context = Context::new();
        told(&Retrieval::new(100.0), problem.view(), &memory, &mut context);
        assert_eq!(context.counters().probes, 0);
    }
}

/// What a masked pattern holds has no influence on the choice.
#[test]
fn a_masked_pattern_changes_no_strategy() {
    let mut problem = Problem::<f32>::new(Kind::Near, (3, 64, 1600), 9);
    let keep: Vec<bool> = (0..1600).map(|n| n != 300).collect();
    let how = Retrieval::new(9.0).with_mask(&keep);
    let run = |problem: &Problem<f32>| {
        let memory = problem.memory().with_codes(Codes::Eight).unwrap();
        let mut context = Context::new();
        let told = told(&how, problem.view(), &memory, &mut context);
        (told, context.counters())
    };
    let expected = run(&problem);
    assert!(expected.1.probes > 0);
    for broken in [f32::NAN, f32::INFINITY, 1e18] {
        // The sample has every hundredth pattern.
        problem.patterns[64 * 300] = broken;
        let (told, counters) = run(&problem);
        assert_eq!(counters.probes, expected.1.probes);
        assert!(told == expected.0, "{broken}");
    }
}

/// Without norms nothing is known of the highest score.
#[test]
fn borrowed_patterns_without_norms_are_streamed() {
    let problem = Problem::<f32>::new(Kind::Near, (2, 64, 400), 9);
    let rows = Borrowed::new(&problem.patterns, 400, 64, 64).unwrap();
    let never = Retrieval::new(100.0).with_screening(Screening::Never);
    let expected = told(&never, problem.view(), &rows, &mut Context::new());
    let found = told(&Retrieval::new(100.0), problem.view(), &rows, &mut Context::new());
    assert!(found == expected);
}

#[test]
fn hints_are_checked() {
    let problem = Problem::<f32>::new(Kind::Near, (3, 8, 20), 1);
    let mut probes = problem.probes.clone();
    let refused =
        Retrieval::new(1.0).with_hints(&[Some(1), None]).apply(&problem.memory(), &mut probes);
    assert_eq!(refused.unwrap_err().to_string(), "hints: expected 3 elements, got 2");
    assert_eq!(probes, problem.probes);
}

/// A hint saves the patterns that would be scored before the best one is found.
#[test]
fn a_good_hint_saves_work() {
    let problem = Problem::<f32>::new(Kind::Near, (1, 64, 30_000), 3);
    let memory = problem.memory().with_codes(Codes::Four).unwrap();
    let best = 29_999;
    let probe = MatRef::new(memory.pattern(best), 1, 64).unwrap();
    let mut listed = [0; 2];
    for (listed, hints) in listed.iter_mut().zip([[None], [Some(best)]]) {
        let mut context = Context::new();
        let retrieval = Retrieval::new(20.0).with_screening(Screening::Always).with_hints(&hints);
        told(&retrieval, probe, &memory, &mut context);
        *listed = context.counters().listed;
    }
    assert!(listed[1] <= listed[0], "{listed:?}");
}
