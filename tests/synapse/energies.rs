//! The two energies, and the identity between them.

use hopfield_kernels::{HopfieldSynapse, MatRef, Semantics};
use proptest::prelude::*;

use crate::naive::*;

#[test]
fn each_energy_is_its_formula() {
    let (m, x) = (rows(&patterns(), DIM), rows(&probes(), DIM));
    let ln_n = (PATTERNS as f64).ln();
    let largest_pattern = highest(m.iter().map(|m| dot(m, m)));
    let largest_feature = highest((0..DIM).map(|d| m.iter().map(|m| m[d] * m[d]).sum()));
    assert!((largest_pattern - largest_feature).abs() > 0.1, "the two constants differ");
    for beta in [0.5, 3.0, 40.0] {
        let standard = x.iter().map(|x| {
            let lse = lse(beta, &similarities(&m, x));
            -lse / beta + 0.5 * dot(x, x) + ln_n / beta + 0.5 * largest_pattern
        });
        let ngc_learn = x.iter().map(|x| {
            let s = similarities(&m, x);
            let peak = highest(s.iter().copied());
            let shifted: Vec<f64> = s.iter().map(|s| s - peak).collect();
            let overlap = dot(x, &recall(&m, beta, x));
            -lse(beta, &shifted) / beta + 0.5 * overlap + ln_n / beta + 0.5 * largest_feature
        });
        let cases: [(_, Vec<f64>); 2] =
            [(Semantics::Standard, standard.collect()), (Semantics::NgcLearn, ngc_learn.collect())];
        for (semantics, expected) in cases {
            let mut synapse = ready(builder(semantics).beta(beta));
            synapse.advance_state().unwrap();
            assert_near(synapse.energies().unwrap(), &expected);
            let mean = (expected[0] + expected[1]) / 2.0;
            assert_near(&[synapse.energy().unwrap()], &[mean]);
            assert_near(synapse.compartment("energy").unwrap().values(), &[mean]);
        }
    }
}

/// The norm of the largest feature is remembered between recalls: not beyond a change of weights.
#[test]
fn the_energys_constant_follows_the_weights() {
    let mut synapse = ready(builder(Semantics::NgcLearn).eta(0.5).reg_lambda(0.1));
    synapse.advance_state().unwrap();
    let fresh_energy = |synapse: &HopfieldSynapse<f64>| {
        let mut fresh = ready(builder(Semantics::NgcLearn));
        fresh.set_weights(MatRef::new(&synapse.weights(), DIM, PATTERNS).unwrap()).unwrap();
        fresh.advance_state().unwrap();
        fresh.energy().unwrap()
    };
    synapse.evolve().unwrap();
    synapse.advance_state().unwrap();
    assert_eq!(synapse.energy().unwrap(), fresh_energy(&synapse), "after learning");
    let doubled: Vec<f64> = synapse.weights().iter().map(|w| 2.0 * w).collect();
    synapse.set_weights(MatRef::new(&doubled, DIM, PATTERNS).unwrap()).unwrap();
    synapse.advance_state().unwrap();
    assert_eq!(synapse.energy().unwrap(), fresh_energy(&synapse), "after setting weights");
    synapse.set_weight_rows(MatRef::new(&patterns(), PATTERNS, DIM).unwrap()).unwrap();
    synapse.advance_state().unwrap();
    assert_eq!(synapse.energy().unwrap(), fresh_energy(&synapse), "after setting rows");
}

/// A recall's energy under both semantics, in one precision.
macro_rules! energies {
    ($t:ty, $weights:expr, $probes:expr, $shape:expr, $batch:expr, $beta:expr) => {{
        let (dim, patterns) = $shape;
        let weights: Vec<$t> = $weights.iter().map(|&w| w as $t).collect();
        let probes: Vec<$t> = $probes.iter().map(|&x| x as $t).collect();
        [Semantics::Standard, Semantics::NgcLearn].map(|semantics| {
            let mut synapse = HopfieldSynapse::<$t>::builder("W", (dim, patterns))
                .initial_pattern_rows(MatRef::new(&weights, patterns, dim).unwrap())
                .beta($beta as $t)
                .semantics(semantics)
                .build()
                .unwrap();
            synapse.set_inputs(MatRef::new(&probes, $batch, dim).unwrap()).unwrap();
            synapse.advance_state().unwrap();
            f64::from(synapse.energy().unwrap())
        })
    }};
}

/// The right-hand side of
/// E_standard - E_ngc = -mean max_n x·m_n + ½ mean (x·x - x·x̂) + ½ (max_n ‖m_n‖² - max_d ‖W_d‖²)
fn difference(m: &Rows, x: &Rows, beta: f64) -> f64 {
    let per_probe = x.iter().map(|x| {
        let overlap = dot(x, x) - dot(x, &recall(m, beta, x));
        0.5 * overlap - highest(similarities(m, x))
    });
    let mean = per_probe.sum::<f64>() / x.len() as f64;
    let pattern = highest(m.iter().map(|m| dot(m, m)));
    let feature = highest((0..m[0].len()).map(|d| m.iter().map(|m| m[d] * m[d]).sum()));
    mean + 0.5 * (pattern - feature)
}

proptest! {
    #[test]
    fn the_energies_differ_by_the_identity(
        (dim, patterns, batch) in (1_usize..40, 1_usize..40, 1_usize..9),
        salt in 0_usize..1000,
        beta in 0.1_f64..40.0,
        scale in 0.01_f64..3.0,
    ) {
        let draw = |count, salt| -> Vec<f64> {
            numbers(count, salt).iter().map(|v| f64::from((v * scale) as f32)).collect()
        };
        let (weights, probes) = (draw(patterns * dim, salt), draw(batch * dim, salt + 1));
        let beta = f64::from(beta as f32);
        let expected = difference(&rows(&weights, dim), &rows(&probes, dim), beta);
        let size = scale * scale * dim.max(patterns) as f64 + (patterns as f64).ln() / beta;
        let [standard, ngc] = energies!(f64, weights, probes, (dim, patterns), batch, beta);
        prop_assert!((standard - ngc - expected).abs() <= 1e-13 * size, "{} {expected}", standard - ngc);
        let [standard, ngc] = energies!(f32, weights, probes, (dim, patterns), batch, beta);
        prop_assert!((standard - ngc - expected).abs() <= 2e-5 * size, "{} {expected}", standard - ngc);
    }

    /// The standard energy is a Lyapunov function of recall.
    #[test]
    fn the_standard_energy_never_rises(salt in 0_usize..1000, beta in 0.1_f64..20.0) {
        let (dim, patterns) = (7, 12);
        let weights = numbers(patterns * dim, salt);
        let mut synapse = HopfieldSynapse::builder("W", (dim, patterns))
            .initial_pattern_rows(MatRef::new(&weights, patterns, dim).unwrap())
            .beta(beta)
            .semantics(Semantics::Standard)
            .build()
            .unwrap();
        let mut probe = numbers(dim, salt + 7);
        let mut before = f64::INFINITY;
        for _ in 0..6 {
            synapse.set_inputs(MatRef::new(&probe, 1, dim).unwrap()).unwrap();
            synapse.advance_state().unwrap();
            let energy = synapse.energy().unwrap();
            prop_assert!(energy <= before + 1e-12, "{before} {energy}");
            before = energy;
            probe = synapse.outputs().row(0).to_vec();
        }
    }
}
