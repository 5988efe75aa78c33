//! Masked patterns are not listed, whatever they or the probes hold.

use hopfield_kernels::{
    Codes, Context, MatMut, MatRef, Memory, Outputs, Retrieval, Separation, Similarity,
};

/// Patterns and features.
const SHAPE: (usize, usize) = (5, 3);

/// The second-best similarities and the support of some probes, as bits.
fn told(memory: &Memory<f64>, probes: &[f64], how: Retrieval<'_, f64>) -> Vec<u64> {
    let (n, d) = SHAPE;
    let batch = probes.len() / d;
    let (mut second, mut weights) = (vec![7.0; batch], vec![7.0; batch * n]);
    let outputs = Outputs::new()
        .with_second(&mut second)
        .with_memory_weights(MatMut::new(&mut weights, batch, n).unwrap());
    let rows = MatRef::new(probes, batch, d).unwrap();
    how.run(rows, memory, outputs, &mut Context::new()).unwrap();
    let bits = |x: &f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
    second.iter().chain(&weights).map(bits).collect()
}

#[test]
fn masked_patterns_have_no_influence_on_what_is_listed() {
    let (n, d) = SHAPE;
    let numbers: Vec<f64> = (0..n * d).map(|i| (i as f64).sin()).collect();
    for broken in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let mut patterns = numbers.clone();
        if let Some(broken) = broken {
            patterns[d] = broken;
        }
        let plain = Memory::from_slice(&patterns, d).unwrap();
        for codes in [Codes::Four, Codes::Eight] {
            let coded = plain.clone().with_codes(codes).unwrap();
            for first in [0.5, f64::NAN, f64::INFINITY] {
                let mut probes = vec![0.1; 3 * d];
                probes[0] = first;
                for kept in [0, 1, 2] {
                    // The broken pattern, which is the second one, is masked.
                    let keep: Vec<bool> = (0..n).map(|at| at > n - 1 - kept).collect();
                    for separation in [Separation::Sparsemax, Separation::TopK(2)] {
                        for similarity in [Similarity::Dot, Similarity::NegHalfSquaredL2] {
                            let how = Retrieval::new(5.5)
                                .with_similarity(similarity)
                                .with_separation(separation)
                                .with_mask(&keep);
                            assert_eq!(
                                told(&coded, &probes, how),
                                told(&plain, &probes, how),
                                "{codes:?}, {broken:?}, {first}, {kept} patterns, {how:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
