//! What members have in common, and where one member is another.

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, Outputs, Retrieval, Separation, Similarity,
};
use proptest::prelude::*;

use testkit::members::{CONVEX, KERNELS, POWERS};

/// A row of up to 30 scores, with ties.
fn row() -> impl Strategy<Value = Vec<f64>> {
    let score = prop_oneof![4 => -5.0..5.0_f64, 1 => (-3..3_i32).prop_map(f64::from)];
    prop::collection::vec(score, 3..30)
}

fn weights(separation: Separation, row: &[f64]) -> Vec<f64> {
    let mut weights = row.to_vec();
    separation.weights(&mut weights).expect("a separation within its domain");
    weights
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64) -> Result<(), TestCaseError> {
    for (a, b) in a.iter().zip(b) {
        prop_assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} is not {b}");
    }
    Ok(())
}

/// What the weights sum to.
fn total(separation: Separation) -> Option<f64> {
    match separation {
        Separation::KSubsets(k) => Some(k),
        Separation::SoftmaxPlus(_) => None,
        _ => Some(1.0),
    }
}

proptest! {
    #[test]
    fn weights_are_a_distribution_that_shifts_and_permutations_do_not_change(
        row in row(), shift in -50.0..50.0_f64, turn in 0..30_usize,
    ) {
        for separation in CONVEX {
            let p = weights(separation, &row);
            prop_assert!(p.iter().all(|p| *p >= 0.0), "{separation:?}");
            let sum: f64 = p.iter().sum();
            match total(separation) {
                Some(total) => prop_assert!((sum - total).abs() <= 1e-12, "{separation:?}: {sum}"),
                None => prop_assert!(sum < 1.0),
            }
            if total(separation).is_some() {
                let shifted: Vec<f64> = row.iter().map(|t| t + shift).collect();
                // A tie may be broken by the rounding of the shift where the choice is hard.
                let hard = matches!(separation, Separation::HardTopK(_) | Separation::TopK(_) | Separation::Max);
                if !hard {
                    assert_close(&weights(separation, &shifted), &p, 1e-9)?;
                }
            }
            let hard = matches!(separation, Separation::HardTopK(_) | Separation::TopK(_) | Separation::Max);
            if !hard {
                let mut turned = row.clone();
                turned.rotate_left(turn % row.len());
                let mut expected = p.clone();
                expected.rotate_left(turn % row.len());
                assert_close(&weights(separation, &turned), &expected, 1e-12)?;
            }
        }
    }

    #[test]
    fn members_that_are_the_same_agree(row in row()) {
        let softmax = weights(Separation::Softmax, &row);
        prop_assert_eq!(&weights(Separation::Entmax(1.0), &row), &softmax);
        assert_close(&weights(Separation::TopK(row.len()), &row), &softmax, 1e-14)?;
        assert_close(&weights(Separation::SoftmaxPlus(0.0), &row), &softmax, 1e-14)?;
        assert_close(&weights(Separation::Entmax(1.0 + 1e-9), &row), &softmax, 1e-6)?;
        let sparsemax = weights(Separation::Sparsemax, &row);
        prop_assert_eq!(&weights(Separation::Entmax(2.0), &row), &sparsemax);
        assert_close(&weights(Separation::KSubsets(1.0), &row), &sparsemax, 1e-12)?;
        // A pattern of zeros beside the others.
        let mut beside = row.clone();
        beside.push(0.0);
        let mut expected = weights(Separation::Softmax, &beside);
        expected.pop();
        assert_close(&weights(Separation::SoftmaxPlus(1.0), &row), &expected, 1e-14)?;
        // normmax(2) of t is the root of entmax(1.5) of 2 t, normalised.
        let doubled: Vec<f64> = row.iter().map(|t| 2.0 * t).collect();
        let roots: Vec<f64> =
            weights(Separation::Entmax(1.5), &doubled).iter().map(|p| p.sqrt()).collect();
        let sum: f64 = roots.iter().sum();
        let expected: Vec<f64> = roots.iter().map(|p| p / sum).collect();
        assert_close(&weights(Separation::Normmax(2.0), &row), &expected, 1e-9)?;
        prop_assert_eq!(weights(Separation::HardTopK(1), &row), weights(Separation::Max, &row));
    }

    #[test]
    fn every_member_becomes_the_maximum_as_scores_grow(row in row()) {
        let mut sorted = row.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        prop_assume!(sorted[0] - sorted[1] > 1e-3);
        let steep: Vec<f64> = row.iter().map(|t| 1e6 * t).collect();
        let best = weights(Separation::Max, &row);
        let single = [
            Separation::Softmax,
            Separation::Sparsemax,
            Separation::Entmax(1.5),
            Separation::Entmax(3.0),
            Separation::Normmax(2.0),
        ];
        for separation in single {
            assert_close(&weights(separation, &steep), &best, 1e-12)?;
        }
    }

    #[test]
    fn masked_scores_are_as_if_removed(row in row(), masked in prop::collection::vec(any::<bool>(), 30)) {
        let mut with = row.clone();
        let kept: Vec<usize> = (0..row.len()).filter(|n| !masked[*n]).collect();
        (0..row.len()).filter(|n| masked[*n]).for_each(|n| with[n] = f64::NEG_INFINITY);
        for &separation in CONVEX.iter().chain(&POWERS).chain(&KERNELS) {
            // Fewer patterns than k are a different question.
            if kept.len() < 3 {
                continue;
            }
            let without: Vec<f64> = kept.iter().map(|n| row[*n]).collect();
            let p = weights(separation, &with);
            let expected = weights(separation, &without);
            let got: Vec<f64> = kept.iter().map(|n| p[*n]).collect();
            prop_assert_eq!(got, expected, "{:?}", separation);
            prop_assert!((0..row.len()).all(|n| !masked[n] || p[n] == 0.0));
        }
    }

    /// Fenchel and Young: G(t) = p·t - Ω(p), and G is convex.
    #[test]
    fn potentials_are_convex_and_conjugate(a in row(), b in row(), share in 0.0..1.0_f64) {
        let count = a.len().min(b.len());
        let (a, b) = (&a[..count], &b[..count]);
        let between: Vec<f64> =
            a.iter().zip(b).map(|(a, b)| share * a + (1.0 - share) * b).collect();
        for &separation in CONVEX.iter().chain(&POWERS) {
            let g = |row: &[f64]| separation.potential(row).expect("within its domain");
            let above = share * g(a) + (1.0 - share) * g(b);
            prop_assert!(g(&between) <= above + 1e-9 * (1.0 + above.abs()), "{separation:?}");
            if let Some(omega) = separation.conjugate(&weights(separation, a)) {
                let p = weights(separation, a);
                let dot: f64 = p.iter().zip(a).map(|(p, t)| p * t).sum();
                prop_assert!((dot - omega - g(a)).abs() <= 1e-10 * (1.0 + dot.abs()), "{separation:?}");
            }
        }
    }
}

fn retrieved(how: &Retrieval<'_, f64>, probe: &[f64], memory: &Memory<f64>) -> Vec<f64> {
    let width = memory.value_dim().unwrap_or(memory.dim());
    let mut to = vec![0.0; width];
    let outputs = Outputs::new().with_retrieved(MatMut::new(&mut to, 1, width).unwrap());
    let probes = MatRef::new(probe, 1, probe.len()).unwrap();
    how.run(probes, memory, outputs, &mut Context::new()).unwrap();
    to
}

/// k copies of a pattern are a bias of ln k under a softmax; values that are the patterns are
/// auto-association; squared distances are dot products with a bias.
#[test]
fn equal_memories_recall_the_same() {
    let rows = [[1.0, 0.5, -0.25], [0.0, 1.0, 0.5], [-1.0, 0.25, 0.75]];
    let memory = Memory::from(rows);
    let copies = Memory::from([rows[0], rows[1], rows[1], rows[1], rows[2]]);
    let (probe, bias) = ([0.3, 0.8, 0.1], [0.0, 3.0_f64.ln(), 0.0]);
    let how = Retrieval::new(2.0);
    let close = |a: &[f64], b: &[f64], what: &str| {
        let error = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error < 1e-14, "{what}: {error:e}");
    };
    let many = retrieved(&how, &probe, &copies);
    close(&many, &retrieved(&how.with_bias(&bias), &probe, &memory), "copies");

    let own = memory.clone().with_values(memory.as_mat()).unwrap();
    for separation in CONVEX {
        let how = how.with_separation(separation);
        close(&retrieved(&how, &probe, &own), &retrieved(&how, &probe, &memory), "values");
    }
    let halves: Vec<f64> = memory.squared_norms().iter().map(|norm| -0.5 * 2.0 * norm).collect();
    for separation in [Separation::Softmax, Separation::Sparsemax, Separation::Entmax(1.5)] {
        let how = how.with_separation(separation);
        let distances = how.with_similarity(Similarity::NegHalfSquaredL2);
        let dots = retrieved(&how.with_bias(&halves), &probe, &memory);
        close(&dots, &retrieved(&distances, &probe, &memory), "squared distances");
    }
}
