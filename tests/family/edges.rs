//! Edges: masks, NaN, infinities, nothing that takes part, ties, one pattern.

use hopfield_kernels::{
    Context, Element, Error, Gradients, MatMut, MatRef, Memory, Outputs, Retrieval, Separation,
    Similarity, Upstream, top_k,
};

use testkit::members::{Problem, Random, all, retrieval};

fn recall(
    how: &Retrieval<'_, f64>,
    probes: &[f64],
    memory: &Memory<f64>,
) -> (Vec<f64>, Vec<f64>, Vec<f64>, Vec<Option<usize>>) {
    let (dim, count) = (memory.dim(), memory.patterns());
    let (batch, width) = (probes.len() / dim, memory.value_dim().unwrap_or(dim));
    let (mut retrieved, mut weights) = (vec![7.0; batch * width], vec![7.0; batch * count]);
    let (mut lse, mut best) = (vec![7.0; batch], vec![Some(7); batch]);
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut retrieved, batch, width).unwrap())
        .with_memory_weights(MatMut::new(&mut weights, batch, count).unwrap())
        .with_lse(&mut lse)
        .with_best(&mut best);
    let probes = MatRef::new(probes, batch, dim).unwrap();
    how.run(probes, memory, outputs, &mut Context::new()).unwrap();
    (retrieved, weights, lse, best)
}

/// A mask, a mask of each probe and a bias of -∞ leave out a pattern as if it were not there, and
/// nothing of a NaN in it is seen.
#[test]
fn masked_patterns_are_as_if_removed_even_if_they_are_nan() {
    let mut random = Random::new(1);
    let problem = Problem::<f64>::new((9, 20, 40), &mut random);
    let keep: Vec<bool> = (0..40).map(|n| n % 3 != 1).collect();
    let mut patterns = problem.patterns.clone();
    for n in (0..40).filter(|n| !keep[*n]) {
        patterns[n * 20..][..20].fill(if n % 2 == 0 { f64::NAN } else { f64::INFINITY });
    }
    let memory = Memory::from_slice(&patterns, 20).unwrap();
    let mut removed = problem.memory();
    let out: Vec<usize> = (0..40).filter(|n| !keep[*n]).collect();
    removed.remove(&out).unwrap();
    let bias: Vec<f64> = keep.iter().map(|k| if *k { 0.0 } else { f64::NEG_INFINITY }).collect();
    let masks: Vec<bool> = (0..9).flat_map(|_| keep.clone()).collect();
    let biases: Vec<f64> = (0..9).flat_map(|_| bias.clone()).collect();
    for member in all() {
        let how = retrieval(0.6, member);
        let expected = recall(&how, &problem.probes, &removed);
        let masked = [
            how.with_mask(&keep),
            how.with_bias(&bias),
            how.with_masks(MatRef::new(&masks, 9, 40).unwrap()),
            how.with_biases(MatRef::new(&biases, 9, 40).unwrap()),
        ];
        for (kind, how) in masked.iter().enumerate() {
            let got = recall(how, &problem.probes, &memory);
            let what = format!("{member:?}, mask {kind}");
            for (got, expected) in got.0.iter().zip(&expected.0) {
                let error = (got - expected).abs();
                assert!(error <= 1e-12 * (1.0 + expected.abs()), "{what}: {got} {expected}");
            }
            for (b, row) in got.1.chunks(40).enumerate() {
                let kept = row.iter().zip(&keep).filter(|(_, k)| **k).map(|(p, _)| p);
                for (got, expected) in kept.zip(&expected.1[b * removed.patterns()..]) {
                    assert!((got - expected).abs() <= 1e-11 * (1.0 + expected.abs()), "{what}");
                }
                assert!(row.iter().zip(&keep).all(|(p, k)| *k || *p == 0.0), "{what}");
            }
            for (got, expected) in got.2.iter().zip(&expected.2) {
                let same = got == expected || got.is_nan() && expected.is_nan();
                assert!(same || (got - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{what}");
            }
        }
    }
}

#[test]
fn where_all_patterns_are_masked_there_are_zeros_and_zero_gradients() {
    let problem = Problem::<f64>::new((3, 5, 7), &mut Random::new(2));
    let memory = problem.memory();
    let masks: Vec<bool> = (0..21).map(|at| at / 7 != 1).collect();
    for member in all() {
        let how = retrieval(0.6, member);
        let how = how.with_masks(MatRef::new(&masks, 3, 7).unwrap());
        let (retrieved, weights, lse, best) = recall(&how, &problem.probes, &memory);
        assert!(retrieved[5..10].iter().all(|x| *x == 0.0), "{member:?}");
        assert!(weights[7..14].iter().all(|p| *p == 0.0), "{member:?}");
        assert_eq!(best[1], None);
        match member.0 {
            Separation::SoftmaxPlus(c) => assert!((lse[1] - c.ln()).abs() < 1e-15, "{member:?}"),
            Separation::ClippedSoftmax { .. } => assert!(lse[1].is_nan()),
            _ => assert_eq!(lse[1], f64::NEG_INFINITY, "{member:?}"),
        }
        let g = vec![1.0; 15];
        let (mut dx, mut dm) = (vec![7.0; 15], vec![7.0; 35]);
        let upstream = Upstream::new().with_retrieved(MatRef::new(&g, 3, 5).unwrap());
        let gradients = Gradients::new()
            .with_probes(MatMut::new(&mut dx, 3, 5).unwrap())
            .with_patterns(MatMut::new(&mut dm, 7, 5).unwrap());
        let probes = MatRef::new(&problem.probes, 3, 5).unwrap();
        how.backward(probes, &memory, upstream, gradients, &mut Context::new()).unwrap();
        assert!(dx[5..10].iter().all(|g| *g == 0.0), "{member:?}");
        assert!(dx.iter().chain(&dm).all(|g| g.is_finite()), "{member:?}");
    }
}

#[test]
fn a_probe_that_is_not_finite_is_nan_and_the_others_are_untouched() {
    let problem = Problem::<f64>::new((4, 6, 30), &mut Random::new(3));
    let memory = problem.memory();
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for member in all() {
            let how = retrieval(0.6, member);
            let expected = recall(&how, &problem.probes, &memory);
            let mut probes = problem.probes.clone();
            probes[6 + 2] = wrong;
            let got = recall(&how, &probes, &memory);
            assert!(got.0[6..12].iter().all(|x| x.is_nan()), "{member:?} {wrong}");
            assert!(got.1[30..60].iter().all(|p| p.is_nan()), "{member:?} {wrong}");
            assert_eq!(got.3[1], None, "{member:?} {wrong}");
            for b in [0, 2, 3] {
                assert_eq!(got.0[b * 6..][..6], expected.0[b * 6..][..6], "{member:?} {wrong}");
                assert_eq!(got.1[b * 30..][..30], expected.1[b * 30..][..30], "{member:?}");
            }
        }
    }
}

/// Where the highest score leads by the margin, the pattern itself is retrieved, bit for bit.
#[test]
fn a_margin_retrieves_the_pattern_itself() {
    let mut random = Random::new(4);
    let sparse = [
        Separation::Sparsemax,
        Separation::Entmax(1.5),
        Separation::Entmax(1.2),
        Separation::Entmax(4.0),
        Separation::Normmax(2.0),
        Separation::KSubsets(1.0),
        Separation::TopK(1),
        Separation::HardTopK(1),
        Separation::Max,
    ];
    for separation in sparse {
        let margin = separation.margin().expect("there is one");
        for _ in 0..50 {
            let problem = Problem::<f32>::new((1, 8, 20), &mut random);
            let memory = problem.memory();
            let similarity = |m: &[f32]| -> f64 {
                m.iter().zip(&problem.probes).map(|(m, x)| f64::from(*m) * f64::from(*x)).sum()
            };
            let mut scores: Vec<(f64, usize)> =
                memory.as_mat().iter().enumerate().map(|(n, m)| (similarity(m), n)).collect();
            scores.sort_by(|a, b| b.0.total_cmp(&a.0));
            let gap = scores[0].0 - scores[1].0;
            if gap < 1e-3 {
                continue;
            }
            let beta = (margin.max(1e-6) / gap * 1.001) as f32;
            let mut probe = problem.probes.clone();
            Retrieval::new(beta).with_separation(separation).apply(&memory, &mut probe).unwrap();
            let expected = memory.pattern(scores[0].1);
            assert!(
                probe.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{separation:?}"
            );
        }
    }
}

#[test]
fn outside_all_balls_a_probe_stays() {
    let memory = Memory::from([[0.0_f64, 0.0], [1.0, 0.0]]);
    let how = Retrieval::new(8.0)
        .with_separation(Separation::Epanechnikov(1.0))
        .with_similarity(Similarity::NegHalfSquaredL2);
    let (mut energy, mut retrieved) = ([0.0], [0.0; 2]);
    let outputs = Outputs::new()
        .with_energy(&mut energy)
        .with_retrieved(MatMut::new(&mut retrieved, 1, 2).unwrap());
    let probe = [0.5, 3.0];
    let rows = MatRef::new(&probe, 1, 2).unwrap();
    how.run(rows, &memory, outputs, &mut Context::new()).unwrap();
    assert_eq!((energy, retrieved), ([f64::INFINITY], probe));
    // In one ball alone, its pattern is retrieved exactly.
    let mut probe = [0.9, 0.3];
    how.apply(&memory, &mut probe).unwrap();
    assert_eq!(probe, [1.0, 0.0]);
}

#[test]
fn parameters_outside_their_domains_are_refused_by_name() {
    let memory = Memory::from([[1.0_f64, 0.0], [0.0, 1.0]]);
    let refused = [
        (Separation::SoftmaxPlus(-1.0), "c"),
        (Separation::Entmax(0.5), "alpha"),
        (Separation::Entmax(f64::NAN), "alpha"),
        (Separation::Normmax(1.0), "alpha"),
        (Separation::KSubsets(0.0), "k"),
        (Separation::KSubsets(2.5), "k"),
        (Separation::TopK(0), "k"),
        (Separation::HardTopK(0), "k"),
        (Separation::Polynomial(1.0), "n"),
        (Separation::Power(0.0), "p"),
        (Separation::Epanechnikov(0.0), "k"),
        (Separation::ClippedSoftmax { gamma: 0.1, eta: 1.0 }, "gamma"),
        (Separation::ClippedSoftmax { gamma: 0.0, eta: 0.5 }, "eta"),
    ];
    for (separation, name) in refused {
        let mut probe = [0.3, 0.4];
        let how = Retrieval::new(1.0).with_separation(separation);
        match how.apply(&memory, &mut probe) {
            Err(Error::Parameter { name: found, .. } | Error::Count { name: found, .. }) => {
                assert_eq!(found, name, "{separation:?}");
            }
            other => panic!("{separation:?}: {other:?}"),
        }
        assert_eq!(probe, [0.3, 0.4]);
        assert!(separation.weights(&mut [0.5_f64, 0.5]).is_err());
    }
}

#[test]
fn the_k_most_similar_patterns_are_those_of_a_sort() {
    fn check<T: Element>() {
        let mut random = Random::new(9);
        for (b, d, n) in [(1, 3, 5), (7, 16, 300), (2, 8, 5000), (130, 4, 700)] {
            let mut problem = Problem::<T>::new((b, d, n), &mut random);
            // Ties.
            let (first, rest) = problem.patterns.split_at_mut(d);
            rest[(n / 2 - 1) * d..][..d].copy_from_slice(first);
            let memory = problem.memory();
            let mut all = vec![T::ZERO; b * n];
            let outputs = Outputs::new().with_similarities(MatMut::new(&mut all, b, n).unwrap());
            let probes = MatRef::new(&problem.probes, b, d).unwrap();
            let mut context = Context::new();
            Retrieval::new(T::ONE).run(probes, &memory, outputs, &mut context).unwrap();
            for k in [1, 2, 10.min(n), n] {
                let (mut indices, mut scores) = (vec![None; b * k], vec![T::ZERO; b * k]);
                let to = MatMut::new(&mut indices, b, k).unwrap();
                let to_scores = MatMut::new(&mut scores, b, k).unwrap();
                top_k(probes, &memory, to, to_scores, &mut context).unwrap();
                for row in 0..b {
                    let mut expected: Vec<usize> = (0..n).collect();
                    let of = |n_: &usize| all[row * n + n_].to_f64();
                    expected.sort_by(|a, b| of(b).total_cmp(&of(a)).then(a.cmp(b)));
                    let found = indices[row * k..][..k].iter().map(|n| n.unwrap());
                    assert!(found.eq(expected[..k].iter().copied()), "{b} {d} {n} {k}");
                    for (score, n_) in scores[row * k..].iter().zip(&expected[..k]) {
                        assert_eq!(*score, all[row * n + n_]);
                    }
                }
            }
        }
        let memory = Memory::<T>::zeros(2, 3).unwrap();
        let (mut indices, mut scores) = ([None; 3], [T::ZERO; 3]);
        let to = MatMut::new(&mut indices, 1, 3).unwrap();
        let to_scores = MatMut::new(&mut scores, 1, 3).unwrap();
        let probe = [T::ONE; 3];
        let probe = MatRef::new(&probe, 1, 3).unwrap();
        let refused = top_k(probe, &memory, to, to_scores, None);
        assert!(matches!(refused, Err(Error::Count { name: "k", .. })));
    }
    check::<f32>();
    check::<f64>();
}
