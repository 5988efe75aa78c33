//! The component, through any sequence of operations, beside the [`Model`].

use hopfield_kernels::{
    Distribution, Element, HopfieldSynapse, MatRef, Record, Semantics, Update, UpdateRule,
};

use crate::input::{Input, folder};
use crate::model::{Model, Rates, Recalled, Rows};
use testkit::data::{Matrix, Random, Real};
use testkit::names::NAMES;

type Synapse = HopfieldSynapse<f64>;

/// Elements larger than this end a sequence: what follows would only measure conditioning.
const LARGE: f64 = 8.0;
/// Of sums of a few hundred products of such numbers, and of their exponentials.
const TOLERANCE: f64 = 1e-7;

/// Compares a component with the model.
pub fn synapse(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let shape @ (dim, patterns) = (input.between(1, 20), input.between(1, 24));
    let semantics = input.pick(&[Semantics::NgcLearn, Semantics::Standard]);
    let standard = semantics == Semantics::Standard;
    let rule = input.pick(&[UpdateRule::Delta, UpdateRule::Contrastive]);
    let [similarities, memory_weights, energy, d_weights] =
        std::array::from_fn(|_| input.between(0, 3) > 0);
    let record = match input.seldom(4) {
        true => Record::nothing(),
        false => Record::nothing()
            .with_similarities(similarities)
            .with_memory_weights(memory_weights)
            .with_energy(energy)
            .with_d_weights(d_weights),
    };
    let negative_steps = if standard { input.between(1, 3) } else { 1 };
    let batch_size = input.between(1, 5);
    let p_conn = input.pick(&[1.0, 0.5]);
    let resist_scale = input.pick(&[1.0, 1.0, 0.5, 2.0]);
    let rates = rates(&mut input);
    let mut synapse = Synapse::builder("W", shape)
        .semantics(semantics)
        .update_rule(rule)
        .record(record)
        .negative_steps(negative_steps)
        .batch_size(batch_size)
        .p_conn(p_conn)
        .resist_scale(resist_scale)
        .weight_init(Distribution::Uniform { low: -1.0, high: 1.0 })
        .seed(input.seed())
        .beta(rates.beta)
        .eta(rates.update.eta)
        .reg_lambda(rates.update.reg_lambda)
        .l1_lambda(rates.update.l1_lambda)
        .build()
        .expect("a synapse");
    let zeros = |rows, cols| vec![vec![0.0; cols]; rows];
    let mut model = Model {
        semantics,
        rule,
        record,
        negative_steps,
        gain: if standard { resist_scale } else { 1.0 },
        batch_size,
        connected: synapse.connections().map(<[bool]>::to_vec),
        rates,
        compiled: None,
        driven: false,
        recalled: Recalled::Never,
        recall_beta: rates.beta,
        tick: 0,
        memory: rows(synapse.memory().as_mat()),
        inputs: zeros(batch_size, dim),
        outputs: zeros(batch_size, dim),
        similarities: zeros(batch_size, patterns),
        memory_weights: zeros(batch_size, patterns),
        energies: vec![0.0; batch_size],
        delta: zeros(patterns, dim),
    };
    assert_eq!(model.connected.is_some(), standard && p_conn < 1.0);
    compare(&synapse, &mut model);
    for _ in 0..24 {
        if input.is_empty() || model.memory.iter().flatten().any(|m| m.abs() > LARGE) {
            return;
        }
        operate(&mut synapse, &mut model, &mut input);
        compare(&synapse, &mut model);
    }
}

fn rates(input: &mut Input<'_>) -> Rates {
    let beta = input.positive(-3.0, 2.0);
    Rates { beta, update: input.factors() }
}

fn numbers(shape: (usize, usize), input: &mut Input<'_>) -> Matrix<f64> {
    let mut random = Random(input.seed());
    let gap = input.between(0, 3);
    Matrix::from_fn((shape.0, shape.1, gap), |_, _| random.between(-1.5, 1.5))
}

/// One operation on both.
fn operate(synapse: &mut Synapse, model: &mut Model, input: &mut Input<'_>) {
    let (dim, patterns) = synapse.shape();
    match input.between(0, 13) {
        0..=2 => {
            let batch = input.between(0, 9);
            let probes = numbers((batch, dim), input);
            synapse.set_inputs(probes.view()).expect("probes");
            model.inputs = rows(probes.view());
            model.changed();
        }
        3 | 4 => {
            synapse.advance_state().expect("a recall");
            model.advance();
        }
        5 | 6 => {
            assert_eq!(synapse.evolve().is_ok(), model.can_evolve(), "{:?}", model.recalled);
            if model.can_evolve() {
                model.evolve();
            }
        }
        7 => {
            synapse.advance_and_evolve().expect("a recall");
            model.advance();
            model.evolve();
        }
        8 => {
            synapse.reset();
            model.reset();
        }
        9 => {
            model.rates = rates(input);
            let Rates { beta, update } = model.rates;
            synapse.set_beta(beta).unwrap();
            synapse.set_eta(update.eta).unwrap();
            synapse.set_reg_lambda(update.reg_lambda).unwrap();
            synapse.set_l1_lambda(update.l1_lambda).unwrap();
            assert!(synapse.set_beta(input.pick(&[0.0, -1.0, f64::NAN, f64::INFINITY])).is_err());
            assert!(synapse.set_eta(f64::NAN).is_err());
        }
        10 => {
            synapse.compile();
            if model.semantics == Semantics::NgcLearn {
                model.compiled = Some(model.rates);
            }
        }
        11 => {
            model.driven = input.flag();
            synapse.set_inputs_driven(model.driven);
        }
        12 => {
            let weights = numbers((patterns, dim), input);
            synapse.set_weight_rows(weights.view()).expect("patterns");
            model.memory = rows(weights.view());
            model.disconnect();
            model.changed();
            assert!(synapse.set_weight_rows(numbers((patterns + 1, dim), input).view()).is_err());
        }
        _ => {
            *synapse = saved_and_loaded(synapse);
            model.changed();
        }
    }
}

/// The synapse that a file makes of a synapse, which is the same.
pub fn saved_and_loaded<T>(synapse: &HopfieldSynapse<T>) -> HopfieldSynapse<T>
where
    T: Real + Element,
    HopfieldSynapse<T>: Files,
{
    let folder = folder();
    let path = folder.path().join("synapse.npz");
    synapse.write(&path);
    let same = HopfieldSynapse::read(&path).expect("a whole file");
    let bits = |values: &[T]| values.iter().map(|x| x.bits()).collect::<Vec<_>>();
    for name in NAMES {
        match (synapse.compartment(name), same.compartment(name)) {
            (Ok(before), Ok(after)) => {
                assert_eq!(before.shape(), after.shape(), "{name}");
                assert_eq!(bits(before.values()), bits(after.values()), "{name}");
            }
            (before, after) => assert_eq!(before.is_err(), after.is_err(), "{name}"),
        }
    }
    assert_eq!(synapse.permutation(), same.permutation());
    assert_eq!(synapse.connections(), same.connections());
    assert_eq!(synapse.name(), same.name());
    let settings = |s: &HopfieldSynapse<T>| {
        let counts = (s.batch_size(), s.negative_steps(), s.inputs_driven(), s.key(), s.i_tick());
        let rates = [s.eta(), s.beta(), s.reg_lambda(), s.l1_lambda(), s.resist_scale()];
        (counts, rates.map(T::bits), s.semantics(), s.update_rule(), s.record())
    };
    assert_eq!(settings(synapse), settings(&same));
    same
}

/// Files, for either element type.
pub trait Files: Sized {
    fn write(&self, path: &std::path::Path);
    fn read(path: &std::path::Path) -> hopfield_kernels::Result<Self>;
}

macro_rules! files {
    ($($t:ty)*) => {$(impl Files for HopfieldSynapse<$t> {
        fn write(&self, path: &std::path::Path) {
            self.save(path).expect("a file");
        }

        fn read(path: &std::path::Path) -> hopfield_kernels::Result<Self> {
            Self::load(path)
        }
    })*};
}

files!(f32 f64);

fn rows(matrix: MatRef<'_, f64>) -> Rows {
    matrix.iter().map(<[f64]>::to_vec).collect()
}

/// Compares every compartment, and lets the model go on from what the synapse has: errors are those
/// of one operation.
fn compare(synapse: &Synapse, model: &mut Model) {
    let record = model.record;
    assert_eq!(synapse.i_tick(), model.tick);
    assert_eq!(synapse.inputs_driven(), model.driven);
    let Update { eta, reg_lambda, l1_lambda, .. } = model.rates.update;
    assert_eq!((synapse.beta(), synapse.eta()), (model.rates.beta, eta));
    assert_eq!((synapse.reg_lambda(), synapse.l1_lambda()), (reg_lambda, l1_lambda));
    assert_eq!(rows(synapse.inputs()), model.inputs);
    near("outputs", synapse.outputs(), &mut model.outputs);
    near("weights", synapse.memory().as_mat(), &mut model.memory);
    assert_eq!(synapse.similarities().is_ok(), record.similarities);
    if let Ok(similarities) = synapse.similarities() {
        near("similarities", similarities, &mut model.similarities);
    }
    assert_eq!(synapse.memory_weights().is_ok(), record.memory_weights);
    if let Ok(weights) = synapse.memory_weights() {
        near("memory_weights", weights, &mut model.memory_weights);
    }
    assert_eq!(synapse.d_weight_rows().is_ok(), record.d_weights);
    if let Ok(delta) = synapse.d_weight_rows() {
        near("dWeights", delta, &mut model.delta);
    }
    assert_eq!(synapse.energies().is_ok(), record.energy);
    if let (Ok(energies), Ok(energy)) = (synapse.energies(), synapse.energy()) {
        assert_eq!(energies.len(), model.energies.len());
        for (energy, expected) in energies.iter().zip(&model.energies) {
            assert!((energy - expected).abs() <= TOLERANCE * (1.0 + expected.abs()), "energy");
        }
        let mean = energies.iter().sum::<f64>() / energies.len().max(1) as f64;
        assert!((energy - mean).abs() <= TOLERANCE * (1.0 + mean.abs()), "energy");
        model.energies = energies.to_vec();
    }
}

fn near(what: &str, computed: MatRef<'_, f64>, expected: &mut Rows) {
    assert_eq!(computed.rows(), expected.len(), "{what}: rows");
    for (b, (computed, expected)) in computed.iter().zip(&*expected).enumerate() {
        assert_eq!(computed.len(), expected.len(), "{what}: columns");
        for (computed, expected) in computed.iter().zip(expected) {
            let off = (computed - expected).abs();
            // A difference that is not a number is not near.
            let near = off <= TOLERANCE * (1.0 + expected.abs());
            assert!(near, "{what}, row {b}: {computed} instead of {expected}");
        }
    }
    *expected = rows(computed);
}
