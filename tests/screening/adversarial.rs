//! Codes that say nothing about their patterns, with bounds that say so.

use hopfield_kernels::{Codes, Memory, Retrieval, Screening, Separation};

/// Numbers of -1..1 that depend on their place.
fn number(at: usize) -> f32 {
    let mut x = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0) as f32
}

/// Random patterns, some with one large element, some of zeros, some that resemble the probe.
fn patterns(dim: usize, count: usize) -> Vec<f32> {
    let element = |n: usize, d: usize| match n % 4 {
        0 if d == n % dim => 100.0,
        1 => 0.0,
        2 => number(d) * number(n),
        _ => number(n * dim + d),
    };
    (0..count * dim).map(|at| element(at / dim, at % dim)).collect()
}

#[test]
fn codes_of_chance_change_no_bit() {
    let (dim, count) = (83, 700);
    let plain = Memory::from_slice(&patterns(dim, count), dim).unwrap();
    let probes: Vec<f32> = (0..4 * dim).map(number).collect();
    for codes in [Codes::Eight, Codes::Four] {
        let mut coded = plain.clone().with_codes(codes).unwrap();
        coded.scramble_codes();
        for separation in [Separation::Softmax, Separation::Entmax(1.5), Separation::TopK(5)] {
            for beta in [0.1, 3.0, 100.0] {
                let retrieval = Retrieval::new(beta)
                    .with_separation(separation)
                    .with_screening(Screening::Always);
                let (mut expected, mut found) = (probes.clone(), probes.clone());
                retrieval.apply(&plain, &mut expected).unwrap();
                retrieval.apply(&coded, &mut found).unwrap();
                assert_eq!(expected, found, "{codes:?} {separation:?} {beta}");
            }
        }
    }
}
