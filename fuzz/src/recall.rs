//! Recall with any outputs, shapes, strides, masks and gains, on numbers and on what are none.

use hopfield_kernels::{Context, Level};

use crate::input::Input;
use testkit::checks::{self, Ratio};
use testkit::data::Real;
use testkit::subject::{Case, Told};

/// Compares a recall with the reference.
pub fn recall(bytes: &[u8]) {
    of_either_type!(of, bytes);
}

fn of<T: Real>(input: &mut Input<'_>) {
    let (level, mut context) = input.context::<T>();
    let mut case = input.case::<T>();
    let first = input.between(0, case.probes.rows - 1);
    let exact: Vec<_> = [first].map(|b| (b, case.exact(b))).into();
    let ratios = checks::recall(&case, level, &mut context, &exact);
    assert_within::<T>(level, &ratios);
    checks::similarities(&case, &mut context);
    some_outputs(&case, input, &mut context);
    if input.flag() {
        strange_probe(&mut case, first, input, &mut context);
    } else {
        strange_pattern(&mut case, input, &mut context);
    }
}

/// That no bound is broken.
pub fn assert_within<T: Real>(level: Level, ratios: &[Ratio]) {
    for (kernel, ratio) in ratios {
        assert!(*ratio <= 1.0, "{kernel} is {ratio} times its bound: {level}, {}", T::NAME);
    }
}

/// What else is asked for changes no bit of an output.
fn some_outputs<T: Real>(case: &Case<T>, input: &mut Input<'_>, context: &mut Context<T>) {
    let (all, mut some) = (case.run(context), case.run(context));
    let mut outputs = some.outputs();
    outputs.retrieved = outputs.retrieved.filter(|_| input.flag());
    outputs.similarities = outputs.similarities.filter(|_| input.flag());
    outputs.memory_weights = outputs.memory_weights.filter(|_| input.flag());
    outputs.lse = outputs.lse.filter(|_| input.flag());
    outputs.energy = outputs.energy.filter(|_| input.flag());
    outputs.entropy = outputs.entropy.filter(|_| input.flag());
    outputs.best = outputs.best.filter(|_| input.flag());
    outputs.best_weight = outputs.best_weight.filter(|_| input.flag());
    outputs.support = outputs.support.filter(|_| input.flag());
    case.retrieval().run(case.probes.view(), &case.memory, outputs, context).expect("it fits");
    assert_same_bits(&some, &all, 0..case.probes.rows);
}

fn assert_same_bits<T: Real>(
    told: &Told<T>,
    expected: &Told<T>,
    probes: impl Iterator<Item = usize>,
) {
    for b in probes {
        assert!(told.bits(b) == expected.bits(b), "other bits for probe {b}");
    }
}

/// What is no number stays in its probe's row.
fn strange_probe<T: Real>(
    case: &mut Case<T>,
    probe: usize,
    input: &mut Input<'_>,
    context: &mut Context<T>,
) {
    let before = case.run(context);
    let col = input.between(0, case.patterns.cols - 1);
    case.probes.row_mut(probe)[col] = T::from_f64(f64::NAN);
    let after = case.run(context);
    let others = (0..case.probes.rows).filter(|&b| b != probe);
    assert_same_bits(&after, &before, others);
    if case.how.keep.as_ref().is_none_or(|keep| keep.contains(&true)) {
        assert_nan(&after, case, probe);
    }
}

/// A pattern that is not a number is seen by every probe, unless it is masked.
fn strange_pattern<T: Real>(case: &mut Case<T>, input: &mut Input<'_>, context: &mut Context<T>) {
    let before = case.run(context);
    let (n, col) =
        (input.between(0, case.patterns.rows - 1), input.between(0, case.patterns.cols - 1));
    let mut pattern = case.patterns.row(n).to_vec();
    pattern[col] = T::from_f64(f64::NAN);
    case.memory.set_pattern(n, &pattern).expect("a pattern");
    let after = case.run(context);
    for b in 0..case.probes.rows {
        match case.how.keeps(n) {
            true => assert_nan(&after, case, b),
            // Similarities are told of masked patterns too, and the energy knows all norms.
            false => assert!(after.lse[b].bits() == before.lse[b].bits()),
        }
    }
}

fn assert_nan<T: Real>(told: &Told<T>, case: &Case<T>, b: usize) {
    let nan = |numbers: &[T]| numbers.iter().all(|x| x.to_f64().is_nan());
    assert!(nan(told.retrieved.row(b)), "retrieved");
    assert!(nan(&[told.lse[b], told.energy[b], told.entropy[b], told.best_weight[b]]), "numbers");
    assert_eq!(told.best[b], None);
    let weights = told.weights.row(b).iter().enumerate();
    for (n, weight) in weights {
        let expected =
            if case.how.keeps(n) { weight.to_f64().is_nan() } else { *weight == T::ZERO };
        assert!(expected, "memory weight {n}: {weight}");
    }
}
