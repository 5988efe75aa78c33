//! `evolve`: the rules, what it learns from, rates that are edited, and the fused step.

use hopfield_kernels::{Context, Error, MatRef, Parallelism, Record, Semantics, UpdateRule};

use crate::naive::*;

const RULES: [UpdateRule; 2] = [UpdateRule::Delta, UpdateRule::Contrastive];
const BOTH: [Semantics; 2] = [Semantics::NgcLearn, Semantics::Standard];

/// ΔM and M afterwards.
fn naive_step(
    rule: UpdateRule,
    (beta, negative_beta, steps): (f64, f64, usize),
    (eta, reg_lambda, l1_lambda): (f64, f64, f64),
) -> (Vec<f64>, Vec<f64>) {
    let (m, x) = (rows(&patterns(), DIM), rows(&probes(), DIM));
    let p: Rows = x.iter().map(|x| softmax(beta, &similarities(&m, x))).collect();
    let mut retrieved: Rows = x.iter().map(|x| recall(&m, beta, x)).collect();
    let change = match rule {
        UpdateRule::Contrastive => {
            for _ in 1..steps {
                retrieved = retrieved.iter().map(|x| recall(&m, negative_beta, x)).collect();
            }
            let weights_of = |x: &Vec<f64>| softmax(negative_beta, &similarities(&m, x));
            let negative: Rows = retrieved.iter().map(weights_of).collect();
            minus(&outer(&p, &x), &outer(&negative, &retrieved))
        }
        _ => outer(&p, &minus(&x, &retrieved)),
    };
    let change = change.concat();
    let learn =
        |(m, change): (&f64, &f64)| m + eta * change - reg_lambda * m - l1_lambda * m.signum();
    let learned = patterns().iter().zip(&change).map(learn).collect();
    (change, learned)
}

#[test]
fn both_rules_learn_what_their_formulas_say() {
    for semantics in BOTH {
        for rule in RULES {
            for (reg_lambda, l1_lambda) in [(0.0, 0.0), (0.03, 0.0), (0.0, 0.002), (0.03, 0.002)] {
                let mut synapse = ready(
                    builder(semantics)
                        .eta(0.4)
                        .reg_lambda(reg_lambda)
                        .l1_lambda(l1_lambda)
                        .update_rule(rule),
                );
                synapse.advance_state().unwrap();
                synapse.evolve().unwrap();
                let negative_beta = if semantics == Semantics::NgcLearn { 1.0 } else { 3.0 };
                let rates = (0.4, reg_lambda, l1_lambda);
                let (change, learned) = naive_step(rule, (3.0, negative_beta, 1), rates);
                let found = synapse.d_weight_rows().unwrap();
                assert_near(&found.iter().flatten().copied().collect::<Vec<_>>(), &change);
                assert_near(&synapse.memory().to_rows(), &learned);
                let norms: Vec<f64> = rows(&learned, DIM).iter().map(|m| dot(m, m)).collect();
                assert_near(synapse.memory().squared_norms(), &norms);
            }
        }
    }
}

#[test]
fn the_standard_negative_phase_takes_as_many_steps_as_asked_for() {
    let mut found = Vec::new();
    for steps in 1..4 {
        let mut synapse = ready(
            builder(Semantics::Standard)
                .eta(1.0)
                .update_rule(UpdateRule::Contrastive)
                .negative_steps(steps),
        );
        synapse.advance_state().unwrap();
        synapse.evolve().unwrap();
        let (_, learned) = naive_step(UpdateRule::Contrastive, (3.0, 3.0, steps), (1.0, 0.0, 0.0));
        assert_near(&synapse.memory().to_rows(), &learned);
        found.push(synapse.weights());
    }
    assert!(found[0] != found[1] && found[1] != found[2], "each step changes something");
}

#[test]
fn what_is_not_recorded_is_learned_from_all_the_same() {
    for semantics in BOTH {
        for rule in RULES {
            let start = |record| {
                let mut synapse = ready(
                    builder(semantics)
                        .eta(0.4)
                        .reg_lambda(0.01)
                        .update_rule(rule)
                        .record(record)
                        .context(Context::new().with_parallelism(Parallelism::Serial)),
                );
                for _ in 0..3 {
                    synapse.advance_state().unwrap();
                    synapse.evolve().unwrap();
                }
                synapse
            };
            let recorded = start(Record::everything());
            let unrecorded = start(Record::nothing());
            assert_near(&unrecorded.weights(), &recorded.weights());

            // One call for both, whether it is fused or not.
            for record in [Record::everything(), Record::nothing()] {
                let mut fused = ready(
                    builder(semantics).eta(0.4).reg_lambda(0.01).update_rule(rule).record(record),
                );
                for _ in 0..3 {
                    fused.advance_and_evolve().unwrap();
                }
                assert_near(&fused.weights(), &recorded.weights());
                assert_near(fused.outputs().row(1), recorded.outputs().row(1));
                assert_eq!(fused.i_tick(), 3);
            }
        }
    }
}

#[test]
fn a_large_batch_is_fused_too() {
    let (dim, patterns, batch) = (9, 31, 50);
    let probes = numbers(batch * dim, 8);
    let step = |record| {
        let mut synapse = hopfield_kernels::HopfieldSynapse::builder("W", (dim, patterns))
            .eta(0.4)
            .update_rule(UpdateRule::Contrastive)
            .record(record)
            .build()
            .unwrap();
        synapse.set_inputs(MatRef::new(&probes, batch, dim).unwrap()).unwrap();
        synapse.advance_and_evolve().unwrap();
        synapse.weights()
    };
    assert_near(&step(Record::nothing()), &step(Record::everything()));
}

/// As in ngc-learn, the compartments are what is learned from, whenever they were set.
#[test]
fn recorded_memory_weights_are_learned_from_however_old() {
    for semantics in BOTH {
        let mut synapse = ready(builder(semantics).eta(1.0));
        synapse.advance_state().unwrap();
        let p = synapse.memory_weights().unwrap();
        let p: Rows = p.iter().map(<[f64]>::to_vec).collect();
        let retrieved: Rows = synapse.outputs().iter().map(<[f64]>::to_vec).collect();
        let (later, weights) = (numbers(2 * DIM, 20), numbers(PATTERNS * DIM, 21));
        synapse.set_inputs(MatRef::new(&later, 2, DIM).unwrap()).unwrap();
        synapse.set_weight_rows(MatRef::new(&weights, PATTERNS, DIM).unwrap()).unwrap();
        let change = outer(&p, &minus(&rows(&later, DIM), &retrieved)).concat();
        for round in 1..3 {
            synapse.evolve().unwrap();
            let times = f64::from(round);
            let learned: Vec<f64> =
                weights.iter().zip(&change).map(|(m, change)| m + times * change).collect();
            assert_near(&synapse.memory().to_rows(), &learned);
        }
    }
}

#[test]
fn unrecorded_memory_weights_have_to_be_of_now() {
    for semantics in BOTH {
        let record = Record::everything().with_memory_weights(false);
        let advanced = || {
            let mut synapse = ready(builder(semantics).eta(1.0).record(record));
            synapse.advance_state().unwrap();
            synapse
        };
        let refused = |mut synapse: hopfield_kernels::HopfieldSynapse<f64>, what: &str| {
            let before = synapse.weights();
            let error = synapse.evolve().unwrap_err();
            assert!(matches!(error, Error::NoRecall { .. }), "{error}");
            assert!(error.to_string().contains(what), "{error}");
            assert_eq!(synapse.weights(), before);
        };
        let mut synapse = advanced();
        synapse.set_inputs(MatRef::new(&probes(), 2, DIM).unwrap()).unwrap();
        refused(synapse, "inputs");
        let mut synapse = advanced();
        synapse.set_weight_rows(MatRef::new(&patterns(), PATTERNS, DIM).unwrap()).unwrap();
        refused(synapse, "weights");
        let mut synapse = advanced();
        synapse.evolve().unwrap();
        refused(synapse, "weights");
        let mut synapse = advanced();
        synapse.set_context(Context::new());
        refused(synapse, "context");
        let mut synapse = advanced();
        synapse.evolve().unwrap();
        synapse.advance_state().unwrap();
        synapse.evolve().unwrap();
    }
}

#[test]
fn a_recorded_recall_outlives_its_workspace() {
    let mut kept = ready(builder(Semantics::Standard).eta(1.0));
    kept.advance_state().unwrap();
    let mut moved = kept.clone();
    moved.set_context(Context::new());
    kept.evolve().unwrap();
    moved.evolve().unwrap();
    assert_eq!(moved.weights(), kept.weights());
}

#[test]
fn inputs_have_to_be_as_many_as_outputs() {
    for semantics in BOTH {
        let mut synapse = ready(builder(semantics).eta(1.0));
        synapse.advance_state().unwrap();
        synapse.set_inputs(MatRef::new(&[0.0; 3 * DIM], 3, DIM).unwrap()).unwrap();
        let (operand, expected, found) = ("inputs", (2, DIM), (3, DIM));
        assert_eq!(synapse.evolve(), Err(Error::Shape { operand, expected, found }));
    }
}

#[test]
fn rates_are_live() {
    for semantics in BOTH {
        let mut synapse = ready(builder(semantics));
        synapse.set_eta(0.4).unwrap();
        synapse.set_beta(2.0).unwrap();
        synapse.set_reg_lambda(0.03).unwrap();
        synapse.set_l1_lambda(0.002).unwrap();
        synapse.advance_and_evolve().unwrap();
        let (_, learned) = naive_step(UpdateRule::Delta, (2.0, 0.0, 1), (0.4, 0.03, 0.002));
        assert_near(&synapse.memory().to_rows(), &learned);
    }
}

#[test]
fn compiled_rates_are_live_or_baked_in() {
    let edited = |semantics: Semantics, record, compiles: bool| {
        let start = builder(semantics).eta(0.1).reg_lambda(0.01).l1_lambda(0.001).record(record);
        let mut synapse = ready(start);
        synapse.compile();
        synapse.set_eta(0.4).unwrap();
        synapse.set_beta(2.0).unwrap();
        synapse.set_reg_lambda(0.03).unwrap();
        synapse.set_l1_lambda(0.002).unwrap();
        assert_eq!((synapse.eta(), synapse.beta()), (0.4, 2.0));
        assert_eq!((synapse.reg_lambda(), synapse.l1_lambda()), (0.03, 0.002));
        if compiles {
            synapse.compile();
        }
        synapse.advance_and_evolve().unwrap();
        synapse.memory().to_rows()
    };
    let before = naive_step(UpdateRule::Delta, (3.0, 0.0, 1), (0.1, 0.01, 0.001)).1;
    let after = naive_step(UpdateRule::Delta, (2.0, 0.0, 1), (0.4, 0.03, 0.002)).1;
    for record in [Record::everything(), Record::nothing()] {
        assert_near(&edited(Semantics::NgcLearn, record, false), &before);
        assert_near(&edited(Semantics::NgcLearn, record, true), &after);
        assert_near(&edited(Semantics::Standard, record, false), &after);
    }
}

/// The recall was at one β, and the negative phase is at another.
#[test]
fn beta_may_change_between_recall_and_learning() {
    for record in [Record::everything(), Record::nothing()] {
        let rule = UpdateRule::Contrastive;
        let mut synapse =
            ready(builder(Semantics::Standard).eta(1.0).update_rule(rule).record(record));
        synapse.advance_state().unwrap();
        synapse.set_beta(1.5).unwrap();
        synapse.evolve().unwrap();
        let (_, learned) = naive_step(rule, (3.0, 1.5, 1), (1.0, 0.0, 0.0));
        assert_near(&synapse.memory().to_rows(), &learned);
    }
}
