//! The table of errors and edges, row by row.
//!
//! | input | answer |
//! | --- | --- |
//! | what does not fit | an error that names the operand, what was expected and what came; nothing changed |
//! | B = 0 | nothing to do but to write outputs |
//! | NaN or an infinite similarity in one probe | that row is NaN, the others have the bits they would have |
//! | NaN in a pattern | every probe's row is NaN |
//! | outputs | only written |
//! | a masked pattern | weighs exactly 0; all masked: zeros, lse = -inf |
//! | panics | none: every test here calls the public interface |
//!
//! | module | rows |
//! | --- | --- |
//! | [`refused`] | what does not fit |
//! | [`masked`] | masked patterns |
//! | [`special`] | special values in every lane |
//! | [`zero`] | a weight of 0 beside what is not finite, and decay below the normal range |
//! | here | the others |

mod masked;
mod refused;
mod special;
mod zero;

use hopfield_kernels::{
    Context, LearningInput, Level, MatMut, MatRef, Memory, OuterProducts, Outputs, Plasticity,
    Recall, Retrieval, Update, UpdateRule, combine, energy, outer_product_update, similarities,
    softmax, softmax_into,
};

use testkit::data::{Kind, Matrix, Real};
use testkit::levels::{self, serial};
use testkit::naive::How;
use testkit::subject::{Case, Told};

/// Two patterns of three features.
fn small() -> Memory<f32> {
    let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    Memory::from_rows(MatRef::new(&rows, 2, 3).unwrap()).unwrap()
}

fn zeros(rows: usize, cols: usize) -> Matrix<f32> {
    Matrix::from_fn((rows, cols, 0), |_, _| 0.0)
}

/// β is any finite number above 0, however large or small.
#[test]
fn extreme_betas() {
    for level in levels::all() {
        let context = &mut serial(level);
        for beta in [f32::MAX, 1e38, f32::MIN_POSITIVE, f32::from_bits(1)] {
            let mut row = [1.0_f32, 1.0, -1.0, 0.5];
            let weights = MatMut::new(&mut row, 1, 4).unwrap();
            hopfield_kernels::softmax(weights, beta, &mut *context).unwrap();
            let expected = if beta > 1.0 { [0.5, 0.5, 0.0, 0.0] } else { [0.25; 4] };
            assert_eq!(row, expected, "{level}, β = {beta:e}");
        }
        let mut row = [1.0_f64, 1.0, -1.0, 0.5];
        let weights = MatMut::new(&mut row, 1, 4).unwrap();
        hopfield_kernels::softmax(weights, f64::MAX, &mut serial(level)).unwrap();
        assert_eq!(row, [0.5, 0.5, 0.0, 0.0], "{level}, β = {:e}", f64::MAX);
    }
}

#[test]
fn no_probes() {
    let nothing: [f32; 0] = [];
    let mut nowhere: [f32; 0] = [];
    let empty = |cols| MatRef::new(&nothing, 0, cols).unwrap();
    for level in levels::all() {
        let mut memory = small();
        let context = &mut serial(level);
        let mut told = Told::unwritten((0, 3, 2), 0);
        let retrieval = Retrieval::new(1.0);
        retrieval.run(empty(3), &memory, told.outputs(), context).unwrap();
        similarities(empty(3), &memory, MatMut::new(&mut nowhere, 0, 2).unwrap(), None).unwrap();
        combine(empty(2), &memory, MatMut::new(&mut nowhere, 0, 3).unwrap(), None).unwrap();
        softmax(MatMut::new(&mut nowhere, 0, 9).unwrap(), 1.0, None).unwrap();
        softmax(MatMut::new(&mut nowhere, 9, 0).unwrap(), 1.0, None).unwrap();
        softmax_into(empty(0), 1.0, MatMut::new(&mut nowhere, 0, 0).unwrap(), None).unwrap();
        energy(empty(3), &memory, 1.0, &mut [], None).unwrap();
        // Not even decay: nothing is done but that outputs are written.
        let update = Update::default().with_reg_lambda(0.5);
        outer_product_update(&mut memory, OuterProducts::new(empty(2), empty(3)), update, None)
            .unwrap();
        let cleared = |work: &mut dyn FnMut(MatMut<'_, f32>)| {
            let mut delta = [777.0; 6];
            work(MatMut::new(&mut delta, 2, 3).unwrap());
            assert_eq!(delta, [0.0; 6], "{level}");
        };
        cleared(&mut |delta| {
            let (p, z) = (empty(2), empty(3));
            outer_product_update(
                &mut memory,
                OuterProducts::new(p, z).with_delta(delta),
                update,
                &mut *context,
            )
            .unwrap();
        });
        for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
            let learns = Plasticity::default().with_rule(rule).with_update(update);
            let to = MatMut::new(&mut nowhere, 0, 3).unwrap();
            learns.recall_and_learn(&retrieval, empty(3), to, &mut memory, context).unwrap();
            let mut recall = Recall::new();
            retrieval.recall(empty(3), &memory, Outputs::default(), &mut recall, context).unwrap();
            cleared(&mut |delta| {
                learns.learn(&recall, &mut memory, Some(delta), context).unwrap();
            });
            cleared(&mut |delta| {
                let (probes, retrieved, memory_weights) = (empty(3), empty(3), empty(2));
                let delta = Some(delta);
                let input = LearningInput::new(probes, retrieved, memory_weights).with_delta(delta);
                learns.learn_from(&retrieval, input, &mut memory, context).unwrap();
            });
        }
        assert_eq!(memory.to_rows(), small().to_rows());
    }
}

/// That a probe's outputs are not numbers (its similarities are what they are), but for the weights
/// of masked patterns, which are 0.
fn assert_poisoned<T: Real>(told: &Told<T>, b: usize, keeps: impl Fn(usize) -> bool, what: &str) {
    let (weights, masked): (Vec<_>, Vec<_>) =
        told.weights.row(b).iter().enumerate().partition(|(n, _)| keeps(*n));
    assert!(masked.iter().all(|(_, weight)| **weight == T::ZERO), "{what}: a masked weight");
    let weights = weights.into_iter().map(|(_, weight)| weight);
    let numbers = [told.lse[b], told.energy[b], told.entropy[b], told.best_weight[b]];
    let all = told.retrieved.row(b).iter().chain(weights).chain(&numbers);
    assert!(
        all.into_iter().all(|x| x.to_f64().is_nan()),
        "{what}: probe {b} has a number: {told:?}"
    );
    assert_eq!(told.best[b], None, "{what}");
}

/// A bad probe at every place of batches of all sizes.
fn only_the_bad_row_is_poisoned<T: Real>(level: Level) {
    let inf = T::from_f64(f64::INFINITY);
    let max = T::MAX;
    for (patterns, masks) in [(5, false), (40, false), (600, false), (40, true), (600, true)] {
        let keeps = |n: usize| !masks || n % 3 != 1;
        for batch in [1, 2, 3, 5, 6, 7, 13] {
            let mut case = Case::<T>::random((batch, 20, patterns), Kind::High, 0.1, 7);
            case.how.keep = masks.then(|| (0..patterns).map(keeps).collect());
            let clean = case.run(&mut serial(level));
            for bad in 0..batch {
                // The patterns are above 0: NaN, +inf alone, -inf alone, both, overflow either way.
                for (what, poison) in [
                    ("NaN", vec![T::NAN]),
                    ("inf", vec![inf]),
                    ("-inf", vec![-inf]),
                    ("inf - inf", vec![inf, -inf]),
                    ("overflow", vec![max]),
                    ("negative overflow", vec![-max]),
                ] {
                    let mut case = case.clone();
                    let at = bad * 7 % 19;
                    case.probes.row_mut(bad)[at..at + poison.len()].copy_from_slice(&poison);
                    let told = case.run(&mut serial(level));
                    assert_poisoned(&told, bad, keeps, what);
                    for b in (0..batch).filter(|&b| b != bad) {
                        assert!(told.bits(b) == clean.bits(b), "{level}, {what}: {b} of {batch}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_bad_probe_spoils_its_own_row_alone() {
    for level in levels::all() {
        only_the_bad_row_is_poisoned::<f32>(level);
        only_the_bad_row_is_poisoned::<f64>(level);
    }
}

/// One similarity of -inf weighs nothing, and must not be overlooked for that.
#[test]
fn a_single_similarity_of_minus_infinity() {
    for level in levels::all() {
        for patterns in [1, 2, 17, 40, 2000] {
            for at in [0, patterns / 2, patterns - 1] {
                let probes =
                    Matrix::from_fn(
                        (3, 2, 0),
                        |b, d| if b == 1 && d == 0 { f32::MAX } else { 0.5 },
                    );
                let rows = Matrix::from_fn((patterns, 2, 0), |n, d| match (n == at, d) {
                    (true, 0) => -2.0,
                    (false, 0) => 0.0,
                    _ => 1.0,
                });
                let mut case = Case::new(probes, rows, How::beta(1.0));
                let told = case.run(&mut serial(level));
                assert_eq!(told.similarities.row(1)[at], f32::NEG_INFINITY);
                assert_poisoned(&told, 1, |_| true, "one -inf");
                assert!(told.lse[0].is_finite() && told.lse[2].is_finite());
                // Masked, it is not there.
                case.how.keep = Some((0..patterns).map(|n| n != at).collect());
                let told = case.run(&mut serial(level));
                assert_eq!(told.weights.row(1)[at], 0.0);
                assert!(patterns == 1 || told.lse[1].is_finite(), "a masked -inf counts");
            }
        }
    }
}

#[test]
fn a_bad_pattern_spoils_every_row() {
    fn spoils<T: Real>(level: Level) {
        let (batch, dim) = (7, 2 * T::LANES + 3);
        let case = Case::<T>::random((batch, dim, 2 * T::LANES + 3), Kind::High, 0.1, 3);
        for n in 0..case.patterns.rows {
            let mut case = case.clone();
            case.patterns.row_mut(n)[n % dim] = T::NAN;
            case.memory = Memory::from_rows(case.patterns.view()).unwrap();
            let told = case.run(&mut serial(level));
            (0..batch).for_each(|b| assert_poisoned(&told, b, |_| true, "NaN in a pattern"));
        }
    }
    for level in levels::all() {
        spoils::<f32>(level);
        spoils::<f64>(level);
    }
}

#[test]
fn outputs_are_only_written() {
    // Everywhere else they hold NaN before; here they hold numbers, with the same result.
    for level in levels::all() {
        let case = Case::<f32>::random((7, 37, 600), Kind::Uniform, 5.0, 9);
        let told = case.run(&mut serial(level));
        let mut again = told.clone();
        for matrix in [&mut again.retrieved, &mut again.similarities, &mut again.weights] {
            (0..7).for_each(|b| matrix.row_mut(b).fill(123.0));
        }
        let outputs = again.outputs();
        let (x, context) = (case.probes.view(), &mut serial(level));
        case.retrieval().run(x, &case.memory, outputs, context).unwrap();
        (0..7).for_each(|b| assert_eq!(again.bits(b), told.bits(b)));
    }
}

/// Two equal patterns in two splits of 1 MiB.
#[test]
fn the_first_of_equal_patterns_is_the_best() {
    for level in levels::all() {
        let mut case = Case::<f32>::random((2, 256, 2048), Kind::Uniform, 0.05, 4);
        for n in [100, 1500] {
            let probe = case.probes.row(0).to_vec();
            case.patterns.row_mut(n).iter_mut().zip(&probe).for_each(|(x, probe)| *x = 9.0 * probe);
        }
        case.memory = Memory::from_rows(case.patterns.view()).unwrap();
        assert_eq!(case.run(&mut serial(level)).best[0], Some(100), "{level}");
    }
}

/// Weights that are given have no softmax by which splits could be merged: 2.5 MB of patterns have
/// two.
#[test]
fn given_weights_are_added_up_over_all_splits() {
    let (patterns, dim) = (40_000, 16);
    let rows: Vec<f32> = (0..patterns * dim).map(|i| (i % dim) as f32).collect();
    let memory = Memory::from_rows(MatRef::new(&rows, patterns, dim).unwrap()).unwrap();
    // All of them once, the last one, none.
    let mut weights = zeros(3, patterns);
    weights.row_mut(0).fill(1.0);
    weights.row_mut(1)[patterns - 1] = 0.5;
    for level in levels::all() {
        let check = |context: &mut Context<f32>| {
            let mut retrieved = zeros(3, dim);
            combine(weights.view(), &memory, retrieved.view_mut(), &mut *context).unwrap();
            for d in 0..dim {
                let sums = [0, 1, 2].map(|b| retrieved.row(b)[d]);
                assert_eq!(sums, [(patterns * d) as f32, d as f32 / 2.0, 0.0], "{level}: {d}");
            }
        };
        check(&mut serial(level));
        levels::in_pool(3, || check(&mut levels::threaded(level)));
    }
}
