//! Single precision within derived bounds of double precision, and no bound that says nothing.
//!
//! With u the unit roundoff and γ_k = k u / (1 - k u), a dot product of D terms is off by at most e
//! = γ_h |x|·|m| with h = ⌈D/16⌉ + 5, and so is t = β s by β e and a rounding of s. No weight of a
//! separation is then off by more than its `error_bound` of the largest of these, and u of itself.
//! A retrieved feature is off by Σ |Δp| |M| and by γ_(N + 4) Σ p |M| of its own sum.

use hopfield_kernels::{Context, MatMut, MatRef, Memory, Outputs, Separation, Similarity};
use testkit::levels;

use testkit::members::{Problem, Random, retrieval};

const UNIT: f64 = (f32::EPSILON / 2.0) as f64;

fn gamma(k: usize) -> f64 {
    k as f64 * UNIT / (1.0 - k as f64 * UNIT)
}

/// The largest errors of weights and of retrieved features over their bounds.
fn ratios(separation: Separation, beta: f64, random: &mut Random) -> [f64; 2] {
    let (b, d, n) = (5, 1 + random.below(200), 3 + random.below(1500));
    let problem = Problem::<f32>::new((b, d, n), random);
    let memory = Memory::from_slice(&problem.patterns, d).unwrap();
    let mut worst = [0.0_f64; 2];
    for level in levels::all() {
        let (mut retrieved, mut weights) = (vec![0.0_f32; b * d], vec![0.0_f32; b * n]);
        let outputs = Outputs::new()
            .with_retrieved(MatMut::new(&mut retrieved, b, d).unwrap())
            .with_memory_weights(MatMut::new(&mut weights, b, n).unwrap());
        let probes = MatRef::new(&problem.probes, b, d).unwrap();
        let mut context = Context::new().with_level(level);
        retrieval(beta, (separation, Similarity::Dot))
            .run(probes, &memory, outputs, &mut context)
            .unwrap();
        // β as the crate has it.
        let beta = f64::from(beta as f32);
        for row in 0..b {
            let x = probes.row(row);
            let pairs = |n: usize| {
                x.iter().zip(memory.pattern(n)).map(|(x, m)| (f64::from(*x), f64::from(*m)))
            };
            let mut p: Vec<f64> =
                (0..n).map(|n| beta * pairs(n).map(|(x, m)| x * m).sum::<f64>()).collect();
            let off = (0..n).map(|n| {
                let absolute: f64 = pairs(n).map(|(x, m)| (x * m).abs()).sum();
                // Without fused multiply-add a product is rounded as well.
                beta * gamma(d.div_ceil(16) + 6) * absolute
            });
            let off = off.fold(0.0, f64::max);
            separation.weights(&mut p).unwrap();
            let bound = separation.error_bound(off);
            let mut changes = vec![0.0; n];
            for ((change, p), got) in changes.iter_mut().zip(&p).zip(&weights[row * n..]) {
                let got = f64::from(*got);
                let allowed = bound + 1e-12 + UNIT * p;
                worst[0] = worst[0].max((got - p).abs() / allowed);
                *change = if *p == 0.0 && got == 0.0 { 0.0 } else { allowed };
            }
            for k in 0..d {
                let column = |n: usize| f64::from(memory.pattern(n)[k]);
                let exact: f64 = (0..n).map(|n| p[n] * column(n)).sum();
                let allowed: f64 =
                    (0..n).map(|n| (changes[n] + gamma(n + 4) * p[n]) * column(n).abs()).sum();
                let error = (f64::from(retrieved[row * d + k]) - exact).abs();
                worst[1] = worst[1].max(error / (allowed + 1e-30));
            }
        }
    }
    worst
}

#[test]
fn errors_are_within_their_bounds_and_the_bounds_tell_something() {
    let members = [
        Separation::Sparsemax,
        Separation::Entmax(1.25),
        Separation::Entmax(1.5),
        Separation::KSubsets(3.0),
    ];
    for separation in members {
        let mut random = Random::new(41);
        let mut worst = [0.0_f64; 2];
        for _ in 0..12 {
            let beta = 4.0_f64.powf(random.number());
            let ratios = ratios(separation, beta, &mut random);
            worst = [worst[0].max(ratios[0]), worst[1].max(ratios[1])];
        }
        println!(
            "{separation:?}: weights {:.3}, retrieved {:.3} of their bounds",
            worst[0], worst[1]
        );
        assert!(worst.iter().all(|worst| *worst <= 1.0), "{separation:?}: {worst:?}");
        assert!(worst[0] > 0.01 && worst[1] > 1e-3, "{separation:?}: {worst:?}");
    }
}
