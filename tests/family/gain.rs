//! Recall with a gain is recall from the patterns multiplied by it, by every strategy.

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, Outputs, Retrieval, Screening, Separation, Similarity,
};

use crate::fixtures::distance;
use testkit::members::{self, Random};

/// Patterns and features, so that softmax recall may be peaked.
const SHAPE: (usize, usize) = (300, 40);
const PROBES: usize = 5;

struct Recalled {
    retrieved: Vec<f64>,
    energy: Vec<f64>,
    best: Vec<Option<usize>>,
}

fn recalled(how: &Retrieval<'_, f64>, memory: &Memory<f64>, probes: &[f64]) -> Recalled {
    let cols = memory.values().map_or(SHAPE.1, |values| values.cols());
    let mut recalled = Recalled {
        retrieved: vec![f64::NAN; PROBES * cols],
        energy: vec![f64::NAN; PROBES],
        best: vec![None; PROBES],
    };
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut recalled.retrieved, PROBES, cols).unwrap())
        .with_energy(&mut recalled.energy)
        .with_best(&mut recalled.best);
    let probes = MatRef::new(probes, PROBES, SHAPE.1).unwrap();
    how.run(probes, memory, outputs, &mut Context::new()).unwrap();
    recalled
}

/// With a power of two nothing is rounded; the probes are near to patterns, so that a large β has
/// one pattern alone.
fn check(gain: f64, beta: f64, separation: Separation, with_values: bool) {
    let (n, d) = SHAPE;
    let mut random = Random::new(7);
    let patterns: Vec<f64> = (0..n * d).map(|_| random.number()).collect();
    let probes: Vec<f64> =
        patterns[..PROBES * d].iter().map(|m| m + 0.1 * random.number()).collect();
    let values: Vec<f64> = (0..n * 3).map(|_| random.number()).collect();
    let memory = |gain: f64| {
        let rows: Vec<f64> = patterns.iter().map(|m| gain * m).collect();
        let memory = Memory::from_slice(&rows, d).unwrap();
        match with_values {
            true => memory.with_values(MatRef::new(&values, n, 3).unwrap()).unwrap(),
            false => memory,
        }
    };
    let (plain, scaled) = (memory(1.0), memory(gain));
    for screening in [Screening::Auto, Screening::Never, Screening::Always] {
        let how = Retrieval::new(beta).with_separation(separation).with_screening(screening);
        let with_gain = recalled(&how.with_gain(gain), &plain, &probes);
        let expected = recalled(&how, &scaled, &probes);
        let what = format!("{separation:?}, β {beta}, gain {gain}, {screening:?}, {with_values}");
        assert_eq!(with_gain.best, expected.best, "{what}");
        let largest = expected.retrieved.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
        let off = distance(&with_gain.retrieved, &expected.retrieved);
        assert!(off <= 1e-10 * largest, "{what}: retrieved is {off} away");
        if matches!(separation, Separation::ClippedSoftmax { .. }) {
            continue; // It has no energy.
        }
        let largest = expected.energy.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
        let off = distance(&with_gain.energy, &expected.energy);
        assert!(off <= 1e-10 * largest, "{what}: the energy is {off} away");
    }
}

#[test]
fn a_gain_multiplies_the_patterns() {
    let mut separations: Vec<_> =
        members::all().into_iter().map(|(separation, _)| separation).collect();
    separations.dedup();
    for separation in separations {
        if matches!(separation, Separation::Epanechnikov(_)) {
            continue;
        }
        for beta in [0.01, 1.0, 1000.0] {
            for gain in [2.0, 0.25, 1.7] {
                check(gain, beta, separation, false);
                check(gain, beta, separation, true);
            }
        }
    }
}

#[test]
fn other_similarities_refuse_it() {
    let memory = Memory::<f64>::from_slice(&[1.0; 6], 3).unwrap();
    for similarity in Similarity::ALL.into_iter().filter(|of| *of != Similarity::Dot) {
        let how = Retrieval::new(1.0).with_similarity(similarity).with_gain(2.0);
        let error = how.apply(&memory, &mut [1.0; 3]).unwrap_err();
        assert!(error.to_string().contains("gain"), "{similarity:?}: {error}");
    }
}
