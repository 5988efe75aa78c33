//! What recalls tell of their weights, and what is proved of them, against plain sums.

use hopfield_kernels::{Context, MatMut, MatRef, Outputs, Separation, Similarity, theory};

use testkit::members::{CONVEX, Problem, Random, retrieval};

#[test]
fn statistics_are_those_of_the_weights() {
    let mut random = Random::new(11);
    let (b, d, n) = (6, 12, 50);
    for separation in CONVEX {
        for similarity in [Similarity::Dot, Similarity::Cosine, Similarity::NegL1] {
            let problem = Problem::<f64>::new((b, d, n), &mut random);
            let memory = problem.memory();
            let keep: Vec<bool> = (0..n).map(|n| n % 5 != 2).collect();
            let (mut weights, mut similarities) = (vec![0.0; b * n], vec![0.0; b * n]);
            let (mut second, mut sum_p2, mut spread) = (vec![0.0; b], vec![0.0; b], vec![0.0; b]);
            let (mut k90, mut usage) = (vec![0; b], vec![0.0; n]);
            let outputs = Outputs::new()
                .with_memory_weights(MatMut::new(&mut weights, b, n).unwrap())
                .with_similarities(MatMut::new(&mut similarities, b, n).unwrap())
                .with_second(&mut second)
                .with_sum_p2(&mut sum_p2)
                .with_spread(&mut spread)
                .with_k90(&mut k90)
                .with_usage(&mut usage);
            let how = retrieval(1.5, (separation, similarity)).with_mask(&keep);
            let probes = MatRef::new(&problem.probes, b, d).unwrap();
            how.run(probes, &memory, outputs, &mut Context::new()).unwrap();
            let what = format!("{separation:?} {similarity:?}");
            let close = |name: &str, got: f64, expected: f64| {
                assert!((got - expected).abs() < 1e-12, "{what}: {name} {got} {expected}");
            };
            for row in 0..b {
                let p = &weights[row * n..][..n];
                close("sum_p2", sum_p2[row], p.iter().map(|p| p * p).sum());
                let mut s: Vec<f64> = similarities[row * n..][..n]
                    .iter()
                    .zip(&keep)
                    .filter_map(|(s, keep)| keep.then_some(*s))
                    .collect();
                s.sort_by(|a, b| b.total_cmp(a));
                assert_eq!(second[row], s[1], "{what}");
                let mut falling = p.to_vec();
                falling.sort_by(|a, b| b.total_cmp(a));
                let total: f64 = p.iter().sum();
                let mut sum = 0.0;
                let least = falling.iter().take_while(|p| {
                    let more = sum < 0.9 * total - 1e-12;
                    sum += **p;
                    more
                });
                assert_eq!(k90[row], least.count(), "{what}");
                let mean: Vec<f64> = (0..d)
                    .map(|d_| (0..n).map(|n_| p[n_] * memory.pattern(n_)[d_]).sum())
                    .collect();
                let squares: f64 = (0..n).map(|n_| p[n_] * memory.squared_norms()[n_]).sum();
                let of_mean: f64 = mean.iter().map(|x| x * x).sum();
                close("spread", spread[row], (squares - of_mean).max(0.0));
            }
            for (n_, usage) in usage.iter().enumerate() {
                close("usage", *usage, (0..b).map(|row| weights[row * n + n_]).sum());
            }
        }
    }
}

/// Every certificate bounds what it says it bounds.
#[test]
fn certificates_hold() {
    let mut random = Random::new(12);
    let mut context = Context::new();
    let (mut near, mut contracting) = (0, 0);
    for _ in 0..300 {
        let (d, n) = (2 + random.below(10), 2 + random.below(30));
        let problem = Problem::<f64>::new((1, d, n), &mut random);
        let memory = problem.memory();
        let beta = 8.0_f64.powf(random.number() + 0.5);
        let how = retrieval(beta, (Separation::Softmax, Similarity::Dot));
        let mut retrieved = vec![0.0; d];
        let (mut weight, mut best, mut second) = ([0.0], [None], [0.0]);
        let (mut spread, mut similarities) = ([0.0], vec![0.0; n]);
        let outputs = Outputs::new()
            .with_retrieved(MatMut::new(&mut retrieved, 1, d).unwrap())
            .with_best_weight(&mut weight)
            .with_best(&mut best)
            .with_second(&mut second)
            .with_spread(&mut spread)
            .with_similarities(MatMut::new(&mut similarities, 1, n).unwrap());
        let probes = MatRef::new(&problem.probes, 1, d).unwrap();
        how.run(probes, &memory, outputs, &mut context).unwrap();
        let max_norm = memory.max_squared_norm().sqrt();
        let best = best[0].unwrap();
        let pattern = memory.pattern(best);
        let off = |a: &[f64], b: &[f64]| -> f64 {
            a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
        };
        let error = off(&retrieved, pattern);
        assert!(error <= theory::weight_bound(weight[0], max_norm) + 1e-12);
        let gap = similarities[best] - second[0];
        assert!(error <= theory::gap_bound(beta, n, max_norm, gap) + 1e-12);
        near += usize::from(theory::weight_bound(weight[0], max_norm) < 0.5);
        // The Jacobian, by differences along a random direction.
        let direction: Vec<f64> = random.numbers(d);
        let h = 1e-6 / off(&direction, &vec![0.0; d]);
        let mut moved: Vec<f64> =
            problem.probes.iter().zip(&direction).map(|(x, v)| x + h * v).collect();
        how.apply(&memory, &mut moved).unwrap();
        let slope = off(&moved, &retrieved) / 1e-6;
        let bound = theory::contraction(beta, spread[0]);
        assert!(slope <= bound + 1e-4 * (1.0 + bound), "{slope} {bound}");
        contracting += usize::from(bound < 1.0);
        if theory::has_one_fixed_point(&memory, beta) {
            assert!(bound <= 1.0 + 1e-12);
        }
    }
    assert!(near > 20 && contracting > 20, "{near} {contracting}: the bounds tell something");
}

#[test]
fn well_separated_patterns_are_fixed_points_in_their_spheres() {
    let mut random = Random::new(13);
    let (d, n) = (40, 30);
    let mut problem = Problem::<f64>::new((1, d, n), &mut random);
    for pattern in problem.patterns.chunks_mut(d) {
        let norm = pattern.iter().map(|x| x * x).sum::<f64>().sqrt();
        pattern.iter_mut().for_each(|x| *x /= norm);
    }
    let memory = problem.memory();
    let mut context = Context::new();
    let separations = theory::separations(&memory, &mut context).unwrap();
    for (i, found) in separations.iter().enumerate() {
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let others = (0..n).filter(|j| *j != i).map(|j| dot(memory.pattern(i), memory.pattern(j)));
        let expected = memory.squared_norms()[i] - others.fold(f64::NEG_INFINITY, f64::max);
        assert!((found - expected).abs() < 1e-12);
    }
    let least = separations.iter().copied().fold(f64::INFINITY, f64::min);
    let beta = theory::needed_beta(least, n, 1.0).unwrap();
    let radius = theory::radius(beta, n, 1.0);
    let how = retrieval(beta, (Separation::Softmax, Similarity::Dot));
    for (i, &gap) in separations.iter().enumerate() {
        let pattern = memory.pattern(i);
        let mut probe: Vec<f64> = random.numbers(d);
        let norm = probe.iter().map(|x| x * x).sum::<f64>().sqrt();
        probe.iter_mut().zip(pattern).for_each(|(x, m)| *x = m + 0.99 * radius * *x / norm);
        for _ in 0..3 {
            how.apply(&memory, &mut probe).unwrap();
            let off = |x: &[f64]| -> f64 {
                x.iter().zip(pattern).map(|(x, m)| (x - m) * (x - m)).sum::<f64>().sqrt()
            };
            assert!(off(&probe) <= radius, "recall maps the sphere into itself");
            let bound = theory::retrieval_error(beta, n, 1.0, gap, radius);
            assert!(off(&probe) <= bound + 1e-12);
        }
    }
}
