//! Learning from any recall, growth, and heads, against plain sums.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hopfield_kernels::{
    Context, Error, Event, Growth, GrowthInput, Heads, MatMut, MatRef, Memory, Outputs, Plasticity,
    Recall, Retrieval, Separation, Similarity, UpdateRule, Usage, WhenFull,
};

use testkit::members::{Problem, Random, all, retrieval};

/// Σ_b p_bn z_bd / B
fn outer(weights: &[f64], z: &[f64], (b, d, n): (usize, usize, usize)) -> Vec<f64> {
    let mut sum = vec![0.0; n * d];
    for row in 0..b {
        for n_ in 0..n {
            for d_ in 0..d {
                sum[n_ * d + d_] += weights[row * n + n_] * z[row * d + d_] / b as f64;
            }
        }
    }
    sum
}

fn weights_of(how: &Retrieval<'_, f64>, x: &[f64], memory: &Memory<f64>) -> (Vec<f64>, Vec<f64>) {
    let (d, n) = (memory.dim(), memory.patterns());
    let b = x.len() / d;
    let (mut retrieved, mut weights) = (vec![0.0; b * d], vec![0.0; b * n]);
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut retrieved, b, d).unwrap())
        .with_memory_weights(MatMut::new(&mut weights, b, n).unwrap());
    how.run(MatRef::new(x, b, d).unwrap(), memory, outputs, &mut Context::new()).unwrap();
    (retrieved, weights)
}

#[test]
fn rules_learn_from_every_member() {
    let shape @ (b, d, n) = (5, 7, 40);
    let mut random = Random::new(21);
    let bias: Vec<f64> = random.numbers(n);
    let masks: Vec<bool> = (0..b * n).map(|at| at % 6 != 1).collect();
    let rules = [
        Plasticity::default().with_rule(UpdateRule::Delta),
        Plasticity::default().with_rule(UpdateRule::Energy),
        Plasticity::default().with_rule(UpdateRule::Contrastive),
        Plasticity::default().with_rule(UpdateRule::Contrastive).with_negative_steps(3),
        Plasticity::default()
            .with_rule(UpdateRule::Contrastive)
            .with_negative_beta(0.9)
            .with_negative_winners(3),
    ];
    for member in all() {
        let problem = Problem::<f64>::new(shape, &mut random);
        let masks = MatRef::new(&masks, b, n).unwrap();
        for biased in [false, true] {
            let at = |beta: f64| match biased {
                false => retrieval(beta, member),
                true => retrieval(beta, member).with_bias(&bias).with_masks(masks),
            };
            let how = at(0.7);
            let memory = problem.memory();
            let (retrieved, weights) = weights_of(&how, &problem.probes, &memory);
            for rule in rules {
                let mut learned = memory.clone();
                let (mut recall, mut context) = (Recall::new(), Context::new());
                let probes = MatRef::new(&problem.probes, b, d).unwrap();
                how.recall(probes, &memory, Outputs::default(), &mut recall, &mut context).unwrap();
                let mut delta = vec![f64::NAN; n * d];
                let to = Some(MatMut::new(&mut delta, n, d).unwrap());
                rule.learn(&recall, &mut learned, to, &mut context).unwrap();
                let difference: Vec<f64> =
                    problem.probes.iter().zip(&retrieved).map(|(x, y)| x - y).collect();
                let expected = match rule.rule {
                    UpdateRule::Delta => outer(&weights, &difference, shape),
                    UpdateRule::Energy => outer(&weights, &problem.probes, shape),
                    _ => {
                        let phase = rule.negative_beta.map_or(how, at);
                        let mut negative = retrieved.clone();
                        for _ in 1..rule.negative_steps {
                            negative = weights_of(&phase, &negative, &memory).0;
                        }
                        let mut p = match rule.negative_winners {
                            Some(k) => {
                                let winners = phase.with_separation(Separation::HardTopK(k));
                                weights_of(&winners, &negative, &memory).1
                            }
                            None => weights_of(&phase, &negative, &memory).1,
                        };
                        if let Some(k) = rule.negative_winners {
                            p.iter_mut().for_each(|p| *p *= k as f64);
                        }
                        let positive = outer(&weights, &problem.probes, shape);
                        let negative = outer(&p, &negative, shape);
                        positive.iter().zip(negative).map(|(a, b)| a - b).collect()
                    }
                };
                for (got, expected) in delta.iter().zip(&expected) {
                    let allowed = 1e-10 * (1.0 + expected.abs());
                    assert!(
                        (got - expected).abs() <= allowed,
                        "{member:?} {rule:?}: {got} is not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_energy_rule_lowers_the_energy_of_what_was_recalled() {
    let problem = Problem::<f64>::new((4, 6, 10), &mut Random::new(22));
    let mut memory = problem.memory();
    let how = retrieval(1.2, (Separation::Softmax, Similarity::Dot));
    // Without the constant, which the longest pattern moves.
    let lse = |memory: &Memory<f64>| -> f64 {
        let mut lse = [0.0; 4];
        let outputs = Outputs::new().with_lse(&mut lse);
        let probes = MatRef::new(&problem.probes, 4, 6).unwrap();
        how.run(probes, memory, outputs, &mut Context::new()).unwrap();
        lse.iter().sum()
    };
    let before = lse(&memory);
    let (mut recall, mut context) = (Recall::new(), Context::new());
    let probes = MatRef::new(&problem.probes, 4, 6).unwrap();
    how.recall(probes, &memory, Outputs::default(), &mut recall, &mut context).unwrap();
    let mut rule = Plasticity::default().with_rule(UpdateRule::Energy);
    rule.update.eta = 1e-3;
    rule.learn(&recall, &mut memory, None, &mut context).unwrap();
    assert!(lse(&memory) > before, "a higher log-sum-exp is a lower energy");
}

#[test]
fn two_like_new_probes_give_one_pattern_and_a_full_memory_does_as_it_is_told() {
    let mut context = Context::new();
    let how = Retrieval::new(20.0_f64);
    let start = || Memory::from([[1.0, 0.0, 0.0], [0.99, 0.1, 0.0], [0.0, 1.0, 0.0]]);
    let new = [0.0, 0.0, 1.0, 0.0, 0.01, 1.0, 1.0, 0.02, 0.0];
    let probes = GrowthInput::new(MatRef::new(&new, 3, 3).unwrap());

    let (mut memory, mut usage) = (start(), Usage::new());
    let growth = Growth::new(8).vigilance(0.9);
    let events = growth.grow(&how, probes, &mut memory, &mut usage, &mut context).unwrap();
    assert_eq!(events, [Event::Appended(3), Event::Known(3), Event::Known(0)]);
    assert_eq!((memory.patterns(), memory.pattern(3)), (4, &[0.0, 0.0, 1.0][..]));
    assert_eq!(usage.usage().len(), 4);

    let full = Growth::new(3).vigilance(0.9);
    for (when, expected) in [
        (WhenFull::Refuse, [Event::Refused, Event::Refused, Event::Known(0)]),
        (WhenFull::ReplaceOldest, [Event::Replaced(0), Event::Known(0), Event::Known(1)]),
        (
            WhenFull::MergeNearest,
            [Event::Merged { kept: 0, freed: 1 }, Event::Known(1), Event::Known(0)],
        ),
    ] {
        let (mut memory, mut usage) = (start(), Usage::new());
        let growth = full.when_full(when);
        let events = growth.grow(&how, probes, &mut memory, &mut usage, &mut context).unwrap();
        assert_eq!(events, expected, "{when:?}");
        assert_eq!(memory.patterns(), 3);
    }

    // What is used least goes: the first two patterns have been used.
    let (mut memory, mut usage) = (start(), Usage::new());
    let used = [1.0, 0.0, 0.0, 0.99, 0.1, 0.0];
    let used = GrowthInput::new(MatRef::new(&used, 2, 3).unwrap());
    let growth = full.when_full(WhenFull::ReplaceLeastUsed);
    growth.grow(&how, used, &mut memory, &mut usage, &mut context).unwrap();
    let events = growth.grow(&how, probes, &mut memory, &mut usage, &mut context).unwrap();
    assert_eq!(events[0], Event::Replaced(2));

    // Nothing changes on an error.
    let (mut memory, mut usage) = (start(), Usage::new());
    let version = memory.to_rows();
    let wrong = Growth::new(9).vigilance(f64::NAN);
    assert!(wrong.grow(&how, probes, &mut memory, &mut usage, &mut context).is_err());
    let values = MatRef::new(&new, 3, 3).unwrap();
    let too_many = probes.with_values(values);
    assert!(growth.grow(&how, too_many, &mut memory, &mut usage, &mut context).is_err());
    assert_eq!((memory.to_rows(), usage), (version, Usage::new()));
}

#[test]
fn every_test_of_novelty_finds_what_it_is_for() {
    let mut context = Context::new();
    let probe = [0.0, 0.0, 2.0];
    let probes = GrowthInput::new(MatRef::new(&probe, 1, 3).unwrap());
    let known = [1.0, 0.0, 0.0];
    let known = GrowthInput::new(MatRef::new(&known, 1, 3).unwrap());
    let how = Retrieval::new(20.0_f64);
    let growths = [
        Growth::new(9).vigilance(0.5),
        Growth::new(9).energy(0.5),
        Growth::new(9).residual(0.5),
        Growth::new(9).best_weight(0.7),
    ];
    for growth in growths {
        let mut memory = Memory::from([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        let mut usage = Usage::new();
        let events = growth.grow(&how, known, &mut memory, &mut usage, &mut context).unwrap();
        assert_eq!(events, [Event::Known(0)], "{growth:?}");
        let events = growth.grow(&how, probes, &mut memory, &mut usage, &mut context).unwrap();
        assert_eq!(events, [Event::Appended(2)], "{growth:?}");
    }
    let balls = Retrieval::new(8.0_f64)
        .with_separation(Separation::Epanechnikov(1.0))
        .with_similarity(Similarity::NegHalfSquaredL2);
    let mut memory = Memory::from([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    let growth = Growth::new(9).energy(f64::MAX);
    let mut usage = Usage::new();
    let events = growth.grow(&balls, known, &mut memory, &mut usage, &mut context).unwrap();
    assert_eq!(events, [Event::Known(0)]);
    let events = growth.grow(&balls, probes, &mut memory, &mut usage, &mut context).unwrap();
    assert_eq!(events, [Event::Appended(2)]);
}

#[test]
fn a_memory_grows_and_shrinks_as_rows_do() {
    let mut random = Random::new(23);
    let (d, e) = (5, 3);
    let rows = |memory: &Memory<f32>| memory.to_rows();
    let first: Vec<f32> = random.numbers(2 * d);
    let values: Vec<f32> = random.numbers(2 * e);
    let mut memory = Memory::from_slice(&first, d)
        .unwrap()
        .with_values(MatRef::new(&values, 2, e).unwrap())
        .unwrap();
    let (mut expected, mut expected_values) = (first, values);
    for round in 0..40 {
        let count = random.below(30);
        let (more, value): (Vec<f32>, Vec<f32>) =
            (random.numbers(count * d), random.numbers(count * e));
        let value_rows = Some(MatRef::new(&value, count, e).unwrap());
        memory.append(MatRef::new(&more, count, d).unwrap(), value_rows).unwrap();
        expected.extend(&more);
        expected_values.extend(&value);
        let out: Vec<usize> =
            (0..random.below(9)).map(|_| random.below(memory.patterns())).collect();
        if out.len() < memory.patterns() {
            memory.remove(&out).unwrap();
            let keep = |rows: &[f32], width: usize| -> Vec<f32> {
                let kept = rows.chunks(width).enumerate().filter(|(n, _)| !out.contains(n));
                kept.flat_map(|(_, row)| row.to_vec()).collect()
            };
            expected = keep(&expected, d);
            expected_values = keep(&expected_values, e);
        }
        assert_eq!(rows(&memory), expected, "{round}");
        let values: Vec<f32> = memory.values().unwrap().iter().flatten().copied().collect();
        assert_eq!(values, expected_values, "{round}");
        let fresh = Memory::from_slice(&expected, d).unwrap();
        assert_eq!(memory.squared_norms(), fresh.squared_norms());
        assert_eq!(memory.max_squared_norm(), fresh.max_squared_norm());
    }
    assert!(memory.remove(&[memory.patterns()]).is_err());
    assert!(memory.append(MatRef::new(&expected[..d], 1, d).unwrap(), None).is_err());
}

#[test]
fn heads_are_recalls_of_columns() {
    let mut random = Random::new(24);
    let (b, n, heads, d) = (4, 9, 3, 5);
    let (patterns, probes): (Vec<f64>, Vec<f64>) =
        (random.numbers(n * heads * d), random.numbers(b * heads * d));
    let betas = [0.5, 2.0, 7.0];
    let patterns = MatRef::new(&patterns, n, heads * d).unwrap();
    let probes = MatRef::new(&probes, b, heads * d).unwrap();
    let mut retrieved = vec![f64::NAN; b * heads * d];
    let to = MatMut::new(&mut retrieved, b, heads * d).unwrap();
    let how = Retrieval::new(1.0).with_separation(Separation::Entmax(1.5));
    let split = Heads::split(patterns, &betas).unwrap();
    split.run(&how, probes, to, &mut Context::new()).unwrap();
    for (h, &beta) in betas.iter().enumerate() {
        let columns = h * d..(h + 1) * d;
        let memory = Memory::from_rows(patterns.subcols(columns.clone())).unwrap();
        let mut alone: Vec<f64> =
            probes.subcols(columns.clone()).iter().flatten().copied().collect();
        Retrieval::new(beta)
            .with_separation(Separation::Entmax(1.5))
            .apply(&memory, &mut alone)
            .unwrap();
        for row in 0..b {
            assert_eq!(retrieved[row * heads * d..][columns.clone()], alone[row * d..][..d]);
        }
    }
    assert!(Heads::split(patterns, &[1.0, 2.0]).is_err());
}

/// Probes of ones and patterns of zeros: all patterns have the same weight, and the retrieved
/// probes are 0. The patterns are so many that two streams of them learn together, from
/// similarities that are kept.
#[test]
fn two_streams_learn_from_a_few_probes() {
    let (patterns, dim) = ((32 << 10) + 1, 64);
    for probes in 1..=5 {
        let mut memory = Memory::<f32>::zeros(patterns, dim).unwrap();
        let (ones, mut retrieved) = (vec![1.0; probes * dim], vec![0.0; probes * dim]);
        let plasticity = Plasticity::default();
        let eta = plasticity.update.eta;
        let x = MatRef::new(&ones, probes, dim).unwrap();
        let to = MatMut::new(&mut retrieved, probes, dim).unwrap();
        let (how, context) = (Retrieval::new(1.0), &mut Context::new());
        plasticity.recall_and_learn(&how, x, to, &mut memory, context).unwrap();
        let (rows, expected) = (memory.to_rows(), eta / patterns as f32);
        assert!(rows.iter().all(|&x| x == rows[0]), "{probes}");
        assert!((rows[0] / expected - 1.0).abs() < 1e-6, "{probes}: {}", rows[0]);
    }
}

/// Once the flag of a context is set, a recall that is kept and what learns from one refuse to
/// begin, and change nothing.
#[test]
fn a_stopped_context_recalls_and_learns_nothing() {
    let mut memory = Memory::from([[1.0, 0.0], [0.0, 1.0]]);
    let (flag, mut context) = (Arc::new(AtomicBool::new(false)), Context::new());
    context.set_stop(Some(flag.clone()));
    let (how, plasticity, mut recall) =
        (Retrieval::new(16.0), Plasticity::default(), Recall::new());
    let probes = MatRef::new(&[0.9, 0.2], 1, 2).unwrap();
    how.recall(probes, &memory, Outputs::new(), &mut recall, &mut context).unwrap();
    flag.store(true, Ordering::Relaxed);
    let refused = how.recall(probes, &memory, Outputs::new(), &mut recall, &mut context);
    assert_eq!(refused, Err(Error::Stopped));
    let mut retrieved = [7.0; 2];
    let to = MatMut::new(&mut retrieved, 1, 2).unwrap();
    let refused = plasticity.recall_and_learn(&how, probes, to, &mut memory, &mut context);
    assert_eq!(refused, Err(Error::Stopped));
    assert_eq!((memory.to_rows(), retrieved), (vec![1.0, 0.0, 0.0, 1.0], [7.0; 2]));
    flag.store(false, Ordering::Relaxed);
    how.recall(probes, &memory, Outputs::new(), &mut recall, &mut context).unwrap();
    plasticity.learn(&recall, &mut memory, None, &mut context).unwrap();
    assert!(memory.pattern(0)[1] > 0.19);
}
