//! The rows of the table of `Semantics` that no other file has.

use hopfield_kernels::{Error, HopfieldSynapse, MatRef, Record, Semantics, UpdateRule};

use crate::naive::*;

const BOTH: [Semantics; 2] = [Semantics::NgcLearn, Semantics::Standard];

#[test]
fn similarities_are_shifted_or_not() {
    for beta in [0.5, 8.0] {
        for semantics in BOTH {
            let mut synapse = ready(builder(semantics).beta(beta));
            synapse.advance_state().unwrap();
            let m = rows(&patterns(), DIM);
            for (b, x) in rows(&probes(), DIM).iter().enumerate() {
                let s = similarities(&m, x);
                let shift = match semantics {
                    Semantics::NgcLearn => highest(s.iter().copied()),
                    _ => 0.0,
                };
                let expected: Vec<f64> = s.iter().map(|s| s - shift).collect();
                assert_near(synapse.similarities().unwrap().row(b), &expected);
                assert_near(synapse.memory_weights().unwrap().row(b), &softmax(beta, &s));
                assert_near(synapse.outputs().row(b), &recall(&m, beta, x));
            }
        }
    }
}

#[test]
fn connections_are_masked_at_first_or_for_ever() {
    let masked = |semantics| {
        let builder = builder(semantics).p_conn(0.5).seed(4).eta(0.5).reg_lambda(0.01);
        let mut synapse = builder.build().unwrap();
        synapse.set_inputs(MatRef::new(&probes(), 2, DIM).unwrap()).unwrap();
        synapse
    };
    for semantics in BOTH {
        let mut synapse = masked(semantics);
        let initial = synapse.memory().to_rows();
        let zeros = initial.iter().filter(|w| **w == 0.0).count();
        assert!(zeros > 2 && zeros < initial.len() - 2, "{zeros} of {} are masked", initial.len());
        synapse.advance_and_evolve().unwrap();
        let learned = synapse.memory().to_rows();
        let norms: Vec<f64> = rows(&learned, DIM).iter().map(|m| dot(m, m)).collect();
        assert_near(synapse.memory().squared_norms(), &norms);
        let change = synapse.d_weight_rows().unwrap().iter().flatten().copied();
        let still = |values: Vec<f64>| {
            let at_masked = initial.iter().zip(values).filter(|(initial, _)| **initial == 0.0);
            at_masked.filter(|(_, now)| *now == 0.0).count()
        };
        let expected = if semantics == Semantics::Standard { zeros } else { 0 };
        assert_eq!(still(learned.clone()), expected, "{semantics:?}: weights");
        assert_eq!(still(change.collect()), expected, "{semantics:?}: changes");
        synapse.set_weight_rows(MatRef::new(&[1.0; 15], PATTERNS, DIM).unwrap()).unwrap();
        assert_eq!(still(synapse.memory().to_rows()), expected, "{semantics:?}: set weights");
        let masks = synapse.connections().map(|kept| kept.iter().filter(|kept| !**kept).count());
        assert_eq!(masks, (semantics == Semantics::Standard).then_some(zeros));
    }
}

#[test]
fn preloaded_patterns_are_masked_in_standard_semantics_alone() {
    let ones = [1.0; PATTERNS * DIM];
    for semantics in BOTH {
        let synapse = builder(semantics)
            .p_conn(0.5)
            .initial_pattern_rows(MatRef::new(&ones, PATTERNS, DIM).unwrap())
            .build()
            .unwrap();
        let zeros = synapse.weights().contains(&0.0);
        assert_eq!(zeros, semantics == Semantics::Standard);
    }
}

/// ngc-learn masks for 0 < p_conn < 1 and ignores other numbers.
#[test]
fn other_probabilities_mean_one_or_are_refused() {
    for p_conn in [0.0, -0.5, 1.5] {
        let build = |semantics| builder(semantics).p_conn(p_conn).build();
        assert!(!build(Semantics::NgcLearn).unwrap().weights().contains(&0.0));
        let refused = build(Semantics::Standard).unwrap_err();
        assert!(matches!(refused, Error::Parameter { name: "p_conn", .. }), "{refused}");
    }
}

#[test]
fn the_resistance_is_kept_or_applied() {
    let scale = 2.5;
    let advanced = |semantics, resist_scale: f64, factor: f64| {
        let mut synapse = ready(builder(semantics).resist_scale(resist_scale));
        let weights: Vec<f64> = patterns().iter().map(|w| w * factor).collect();
        synapse.set_weight_rows(MatRef::new(&weights, PATTERNS, DIM).unwrap()).unwrap();
        synapse.advance_state().unwrap();
        synapse
    };
    for (semantics, factor) in [(Semantics::NgcLearn, 1.0), (Semantics::Standard, scale)] {
        let scaled = advanced(semantics, scale, 1.0);
        assert_eq!(scaled.resist_scale(), scale);
        assert_eq!(scaled.memory().to_rows(), patterns(), "the weights are not scaled");
        let plain = advanced(semantics, 1.0, factor);
        for name in ["outputs", "similarities", "memory_weights", "energy"] {
            let found = scaled.compartment(name).unwrap();
            assert_near(found.values(), plain.compartment(name).unwrap().values());
        }
        assert_near(scaled.energies().unwrap(), plain.energies().unwrap());
    }
    for bad in [0.0, -1.0] {
        let refused = builder(Semantics::Standard).resist_scale(bad).build().unwrap_err();
        assert!(matches!(refused, Error::Parameter { name: "resist_scale", .. }), "{refused}");
        assert!(builder(Semantics::NgcLearn).resist_scale(bad).build().is_ok());
    }
}

/// With a resistance, what is learned from is what was recalled: x̂ of r M. The same in two calls,
/// in one, and in the fused one.
#[test]
fn a_scaled_memory_learns_from_what_it_recalls() {
    let (m, x) = (rows(&patterns(), DIM), rows(&probes(), DIM));
    let doubled: Rows = m.iter().map(|m| m.iter().map(|w| 2.0 * w).collect()).collect();
    let p: Rows = x.iter().map(|x| softmax(3.0, &similarities(&doubled, x))).collect();
    let retrieved: Rows = x.iter().map(|x| recall(&doubled, 3.0, x)).collect();
    let change = outer(&p, &minus(&x, &retrieved)).concat();
    let learned: Vec<f64> = patterns().iter().zip(&change).map(|(m, c)| m + c).collect();
    for record in [Record::everything(), Record::nothing()] {
        let start =
            || ready(builder(Semantics::Standard).resist_scale(2.0).eta(1.0).record(record));
        let mut apart = start();
        apart.advance_state().unwrap();
        apart.evolve().unwrap();
        assert_near(&apart.memory().to_rows(), &learned);
        let mut at_once = start();
        at_once.advance_and_evolve().unwrap();
        assert_near(&at_once.memory().to_rows(), &learned);
    }
}

#[test]
fn a_masked_memory_learns_the_same_when_fused() {
    let learned = |record| {
        let mut synapse = builder(Semantics::Standard)
            .p_conn(0.5)
            .update_rule(UpdateRule::Contrastive)
            .eta(0.5)
            .record(record)
            .build()
            .unwrap();
        synapse.set_inputs(MatRef::new(&probes(), 2, DIM).unwrap()).unwrap();
        for _ in 0..3 {
            synapse.advance_and_evolve().unwrap();
        }
        synapse.weights()
    };
    let (apart, fused) = (learned(Record::everything()), learned(Record::nothing()));
    assert_near(&fused, &apart);
    assert!(fused.contains(&0.0));
}

#[test]
fn the_tick_counts_recalls_and_survives_resets() {
    for semantics in BOTH {
        let mut synapse = ready(builder(semantics));
        for round in 1..4 {
            synapse.advance_state().unwrap();
            synapse.evolve().unwrap();
            synapse.reset();
            assert_eq!(synapse.i_tick(), round);
            assert_eq!(synapse.compartment("i_tick").unwrap().values(), [round as f64]);
        }
    }
}

#[test]
fn a_reset_zeroes_everything_but_weights_and_tick() {
    for semantics in BOTH {
        for driven in [false, true] {
            let mut synapse = ready(builder(semantics).eta(0.1));
            let many = numbers(7 * DIM, 5);
            synapse.set_inputs(MatRef::new(&many, 7, DIM).unwrap()).unwrap();
            synapse.set_inputs_driven(driven);
            assert_eq!(synapse.inputs_driven(), driven);
            synapse.advance_and_evolve().unwrap();
            let (weights, zeroed) = (
                synapse.weights(),
                ["outputs", "similarities", "memory_weights", "energy", "dWeights"],
            );
            for name in zeroed {
                let values = synapse.compartment(name).unwrap();
                assert!(values.values().iter().any(|value| *value != 0.0), "{name}");
            }
            synapse.reset();
            for name in zeroed {
                let values = synapse.compartment(name).unwrap();
                assert!(values.values().iter().all(|value| *value == 0.0), "{name}");
            }
            assert_eq!(synapse.energies().unwrap(), [0.0; 2]);
            let inputs = synapse.compartment("inputs").unwrap();
            match driven {
                true => assert_eq!(inputs.values(), many),
                false => assert_eq!(inputs.values(), [0.0; 2 * DIM]),
            }
            assert_eq!(synapse.weights(), weights);
            assert_eq!(synapse.i_tick(), 1);
        }
    }
}

#[test]
fn learning_before_recall_decays_or_is_refused() {
    for record in [Record::everything(), Record::nothing()] {
        for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
            for after_reset in [false, true] {
                let start = |semantics| {
                    let builder = builder(semantics).eta(0.5).reg_lambda(0.1).l1_lambda(0.01);
                    let mut synapse = ready(builder.update_rule(rule).record(record));
                    if after_reset {
                        synapse.advance_state().unwrap();
                        synapse.reset();
                        let probes = probes();
                        synapse.set_inputs(MatRef::new(&probes, 2, DIM).unwrap()).unwrap();
                    }
                    synapse
                };
                let mut refusing = start(Semantics::Standard);
                let refused = refusing.evolve().unwrap_err();
                assert!(matches!(refused, Error::NoRecall { .. }), "{refused}");
                assert_eq!(refusing.memory().to_rows(), patterns());

                let mut decaying = start(Semantics::NgcLearn);
                decaying.evolve().unwrap();
                let decayed: Vec<f64> =
                    patterns().iter().map(|m| m - 0.1 * m - 0.01 * m.signum()).collect();
                assert_near(&decaying.memory().to_rows(), &decayed);
                if record.d_weights {
                    assert_eq!(decaying.d_weights().unwrap(), [0.0; PATTERNS * DIM]);
                }
                decaying.evolve().unwrap();
                assert_ne!(decaying.memory().to_rows(), decayed, "and again");
                decaying.advance_and_evolve().unwrap();
            }
        }
    }
}

/// The negative phase of ngc-learn has temperature 1, whatever β is.
#[test]
fn the_negative_phase_has_its_own_temperature() {
    let learned = |semantics| {
        let mut synapse = ready(builder(semantics).eta(1.0).update_rule(UpdateRule::Contrastive));
        synapse.advance_and_evolve().unwrap();
        synapse.d_weights().unwrap()
    };
    let far = |a: &[f64], b: &[f64]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 0.01);
    assert!(far(&learned(Semantics::NgcLearn), &learned(Semantics::Standard)));
    let refused = HopfieldSynapse::<f32>::builder("W", (2, 2)).negative_steps(2).build();
    assert!(matches!(refused, Err(Error::Count { name: "negative_steps", .. })));
}
