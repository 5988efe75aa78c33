//! Compartments by name, their shapes, and what is recorded.

use hopfield_kernels::{
    Context, Error, HopfieldSynapse, Level, MatRef, Parallelism, Record, Semantics,
};

use crate::naive::{DIM, PATTERNS, assert_near, builder, patterns, probes, ready};
use testkit::names::NAMES;

fn shapes(synapse: &HopfieldSynapse<f64>) -> Vec<(usize, usize)> {
    NAMES.iter().map(|name| synapse.compartment(name).unwrap().shape()).collect()
}

fn shapes_for(batch: usize) -> Vec<(usize, usize)> {
    let (features, memories) = ((batch, DIM), (batch, PATTERNS));
    let weights = (DIM, PATTERNS);
    vec![features, features, weights, memories, memories, (1, 1), (1, 1), weights, (1, 4)]
}

#[test]
fn compartments_have_ngc_learns_names_and_shapes() {
    for semantics in [Semantics::NgcLearn, Semantics::Standard] {
        let mut synapse = builder(semantics).eta(0.1).build().unwrap();
        assert_eq!(shapes(&synapse), shapes_for(2), "at the beginning");
        synapse.set_inputs(MatRef::new(&[0.5; 7 * DIM], 7, DIM).unwrap()).unwrap();
        synapse.advance_state().unwrap();
        synapse.evolve().unwrap();
        assert_eq!(shapes(&synapse), shapes_for(7), "with another batch");
        synapse.reset();
        assert_eq!(shapes(&synapse), shapes_for(2), "after a reset");
        let unknown = synapse.compartment("biases").unwrap_err();
        assert!(matches!(unknown, Error::Unknown { what: "compartment", .. }), "{unknown}");
        assert!(unknown.to_string().contains("memory_weights"), "{unknown}");
    }
}

#[test]
fn compartments_are_what_the_methods_say() {
    let mut synapse = ready(builder(Semantics::NgcLearn).eta(0.1).seed(0x0001_0002_0003_0004));
    synapse.advance_and_evolve().unwrap();
    let values = |name| synapse.compartment(name).unwrap().values().to_vec();
    let flat = |matrix: MatRef<'_, f64>| matrix.iter().flatten().copied().collect::<Vec<_>>();
    assert_eq!(values("inputs"), probes());
    assert_eq!(values("inputs"), flat(synapse.inputs()));
    assert_eq!(values("outputs"), flat(synapse.outputs()));
    assert_eq!(values("similarities"), flat(synapse.similarities().unwrap()));
    assert_eq!(values("memory_weights"), flat(synapse.memory_weights().unwrap()));
    assert_eq!(values("energy"), [synapse.energy().unwrap()]);
    assert_eq!(values("i_tick"), [1.0]);
    assert_eq!(values("key"), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(values("weights"), synapse.memory().to_columns());
    assert_eq!(values("dWeights"), synapse.d_weights().unwrap());
    let rows = flat(synapse.d_weight_rows().unwrap());
    let transposed = (0..DIM).flat_map(|d| rows.iter().skip(d).step_by(DIM).copied());
    assert_eq!(values("dWeights"), transposed.collect::<Vec<_>>());
    assert!(rows.iter().any(|change| *change != 0.0));
    assert_eq!(synapse.compartment("weights").unwrap().as_mat().rows(), DIM);
}

#[test]
fn weights_are_set_in_either_orientation() {
    let mut rows = builder(Semantics::Standard).build().unwrap();
    rows.set_weight_rows(MatRef::new(&patterns(), PATTERNS, DIM).unwrap()).unwrap();
    let columns = rows.weights();
    assert_eq!(columns[1], patterns()[DIM]);
    let mut same = builder(Semantics::Standard).build().unwrap();
    same.set_weights(MatRef::new(&columns, DIM, PATTERNS).unwrap()).unwrap();
    assert_eq!(same.memory().to_rows(), patterns());
    assert_eq!(same.memory().squared_norms(), rows.memory().squared_norms());
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut synapse = ready(builder(Semantics::NgcLearn));
    let shape = |operand, expected, found| Error::Shape { operand, expected, found };
    let wrong = [0.0; 64];
    let matrix = |rows, cols| MatRef::new(&wrong, rows, cols).unwrap();
    assert_eq!(synapse.set_inputs(matrix(4, 2)).unwrap_err(), shape("inputs", (4, DIM), (4, 2)),);
    assert_eq!(
        synapse.set_weights(matrix(PATTERNS, DIM)).unwrap_err(),
        shape("weights", (DIM, PATTERNS), (PATTERNS, DIM)),
    );
    assert_eq!(
        synapse.set_weight_rows(matrix(DIM, PATTERNS)).unwrap_err(),
        shape("weights", (PATTERNS, DIM), (DIM, PATTERNS)),
    );
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(synapse.set_eta(bad).is_err());
        assert!(synapse.set_reg_lambda(bad).is_err());
        assert!(synapse.set_l1_lambda(bad).is_err());
    }
    for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        assert!(matches!(synapse.set_beta(bad), Err(Error::Parameter { name: "beta", .. })));
    }
    assert_eq!((synapse.eta(), synapse.beta()), (0.0, 3.0));
    assert_eq!((synapse.reg_lambda(), synapse.l1_lambda()), (0.0, 0.0));
    assert_eq!(synapse.memory().to_rows(), patterns());
    assert_eq!(synapse.compartment("inputs").unwrap().values(), probes());
}

#[test]
fn what_is_not_recorded_cannot_be_read_and_changes_nothing_else() {
    for semantics in [Semantics::NgcLearn, Semantics::Standard] {
        let mut full = ready(builder(semantics).eta(0.3));
        full.advance_state().unwrap();
        full.evolve().unwrap();
        for bits in 0..16 {
            let bit = |at: usize| bits >> at & 1 == 1;
            let record = Record::nothing()
                .with_similarities(bit(0))
                .with_memory_weights(bit(1))
                .with_energy(bit(2))
                .with_d_weights(bit(3));
            let mut synapse = ready(builder(semantics).eta(0.3).record(record));
            synapse.advance_state().unwrap();
            synapse.evolve().unwrap();
            for name in NAMES {
                let kept = match name {
                    "similarities" => record.similarities,
                    "memory_weights" => record.memory_weights,
                    "energy" => record.energy,
                    "dWeights" => record.d_weights,
                    _ => true,
                };
                match synapse.compartment(name) {
                    Ok(found) if kept => {
                        let expected = full.compartment(name).unwrap();
                        assert_near(found.values(), expected.values());
                    }
                    Err(Error::NotRecorded { compartment }) if !kept => {
                        assert_eq!(compartment, name);
                    }
                    other => panic!("{name} with {record:?}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_probe_that_is_not_a_number_keeps_to_itself() {
    let mut alone = ready(builder(Semantics::NgcLearn));
    alone.advance_state().unwrap();
    let mut synapse = ready(builder(Semantics::NgcLearn));
    let mut values = probes();
    values[1] = f64::NAN;
    synapse.set_inputs(MatRef::new(&values, 2, DIM).unwrap()).unwrap();
    synapse.advance_state().unwrap();
    let (outputs, similarities) = (synapse.outputs(), synapse.similarities().unwrap());
    assert!(outputs.row(0).iter().chain(similarities.row(0)).all(|value| value.is_nan()));
    assert_eq!(outputs.row(1), alone.outputs().row(1));
    assert_eq!(similarities.row(1), alone.similarities().unwrap().row(1));
    assert!(synapse.energies().unwrap()[0].is_nan());
    assert_eq!(synapse.energies().unwrap()[1], alone.energies().unwrap()[1]);
    assert!(synapse.energy().unwrap().is_nan());
}

#[test]
fn no_probes_are_no_work() {
    for record in [Record::everything(), Record::nothing()] {
        let mut synapse = ready(builder(Semantics::NgcLearn).reg_lambda(0.1).record(record));
        synapse.set_inputs(MatRef::new(&[], 0, DIM).unwrap()).unwrap();
        synapse.advance_state().unwrap();
        synapse.evolve().unwrap();
        synapse.advance_and_evolve().unwrap();
        assert_eq!(synapse.outputs().rows(), 0);
        assert_eq!(synapse.memory().to_rows(), patterns());
    }
}

#[test]
fn every_level_and_any_threads_will_do() {
    let mut expected = ready(builder(Semantics::Standard).eta(0.1));
    expected.advance_and_evolve().unwrap();
    for level in Level::available() {
        let context = Context::new().with_level(level).with_parallelism(Parallelism::Serial);
        let mut synapse = ready(builder(Semantics::Standard).eta(0.1).context(context));
        synapse.advance_and_evolve().unwrap();
        assert_near(&synapse.weights(), &expected.weights());
    }
}

#[test]
fn help_has_the_keys_of_ngc_learns_dictionary() {
    let help = HopfieldSynapse::<f32>::help();
    let keys = |path: &[&str]| {
        let entry = path.iter().fold(help, |entry, key| entry.get(key).unwrap());
        entry.entries().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&[]), ["HopfieldSynapse", "compartments", "dynamics", "hyperparameters"]);
    assert_eq!(keys(&["HopfieldSynapse"]), ["synapse_type"]);
    assert_eq!(
        keys(&["compartments"]),
        ["input_compartments", "parameter_compartments", "output_compartments"],
    );
    assert_eq!(keys(&["compartments", "input_compartments"]), ["inputs", "key"]);
    assert_eq!(keys(&["compartments", "parameter_compartments"]), ["weights"]);
    assert_eq!(keys(&["compartments", "output_compartments"]), ["outputs"]);
    assert_eq!(
        keys(&["hyperparameters"]),
        [
            "shape",
            "batch_size",
            "weight_init",
            "resist_scale",
            "p_conn",
            "eta",
            "beta",
            "reg_lambda",
            "update_rule",
            "initial_patterns",
        ],
    );
    assert!(help.get("dynamics").unwrap().text().is_some());
    assert!(help.get("nonsense").is_none());
    let printed = help.to_string();
    assert!(printed.contains("\n  eta: "), "{printed}");
    assert!(printed.contains("\n  input_compartments:\n    inputs: "), "{printed}");
}

/// Compartments that no machine has room for: an error, and nothing has changed.
#[test]
fn compartments_that_are_too_large_are_refused() {
    let mut synapse = HopfieldSynapse::<f64>::builder("W", (1, 1 << 21)).build().unwrap();
    synapse.set_inputs(MatRef::new(&[0.5], 1, 1).unwrap()).unwrap();
    synapse.advance_state().unwrap();
    let before = synapse.outputs().row(0)[0];
    // As many similarities as would take 256 TiB, more than a process can address.
    let probes = vec![0.5; 1 << 24];
    synapse.set_inputs(MatRef::new(&probes, 1 << 24, 1).unwrap()).unwrap();
    let refused = synapse.advance_state().unwrap_err();
    assert!(
        matches!(refused, Error::Allocation { operand: "compartments", expected } if expected == 1 << 45)
    );
    assert_eq!((synapse.outputs().rows(), synapse.outputs().row(0)[0]), (1, before));
    assert_eq!((synapse.i_tick(), synapse.similarities().unwrap().rows()), (1, 1));
}
