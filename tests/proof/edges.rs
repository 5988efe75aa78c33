//! The table of errors and edges, row by row.
//!
//! | input | answer |
//! | --- | --- |
//! | what does not fit | an error that names the operand, what was expected and what came; nothing changed |
//! | B = 0 | nothing to do |
//! | NaN or an infinite similarity in one probe | that row is NaN, the others have the bits they would have |
//! | NaN in a pattern | every probe's row is NaN |
//! | outputs | only written |
//! | a masked pattern | weighs exactly 0; all masked: zeros, lse = -inf |
//! | panics | none: every test here calls the public interface |

use std::fmt::Debug;

use hopfield_kernels::{
    Error, Lesson, Level, MatMut, MatRef, Memory, Outputs, Plasticity, Result, Retrieval, Update,
    UpdateRule, Workspace, combine, energy, outer_product_update, outer_product_update_with,
    retrieve, similarities, softmax, softmax_into,
};

use crate::data::{Kind, Matrix, Random, Real};
use crate::levels::{self, serial};
use crate::naive::How;
use crate::subject::{Case, Told};

/// That a call was refused, and that its message has all of these in it.
fn assert_refused<R: Debug>(result: Result<R>, says: &[&str]) -> Error {
    let error = result.expect_err("it does not fit");
    let message = error.to_string();
    for part in says {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    error
}

/// Two patterns of three features.
fn small() -> Memory<f32> {
    let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    Memory::from_rows(MatRef::new(&rows, 2, 3).unwrap()).unwrap()
}

fn zeros(rows: usize, cols: usize) -> Matrix<f32> {
    Matrix::from_fn((rows, cols, 0), |_, _| 0.0)
}

fn assert_unwritten(matrix: &Matrix<f32>) {
    assert!(matrix.bits().iter().all(|&bits| bits == f32::CANARY.bits()), "written after all");
}

#[test]
fn shapes_of_products_that_do_not_fit() {
    let memory = small();
    // (probes or weights, output), and what the error has to say.
    for (input, output, says) in [
        ((4, 2), (4, 2), ["probes", "4 x 3", "4 x 2"]),
        ((4, 3), (4, 3), ["similarities", "4 x 2", "4 x 3"]),
        ((4, 3), (3, 2), ["similarities", "4 x 2", "3 x 2"]),
    ] {
        let (input, mut out) = (zeros(input.0, input.1), Matrix::unwritten(output.0, output.1, 0));
        assert_refused(similarities(input.view(), &memory, out.view_mut()), &says);
        assert_unwritten(&out);
    }
    for (input, output, says) in [
        ((4, 3), (4, 3), ["weights", "4 x 2", "4 x 3"]),
        ((4, 2), (4, 2), ["retrieved", "4 x 3", "4 x 2"]),
        ((4, 2), (5, 3), ["retrieved", "4 x 3", "5 x 3"]),
    ] {
        let (input, mut out) = (zeros(input.0, input.1), Matrix::unwritten(output.0, output.1, 0));
        assert_refused(combine(input.view(), &memory, out.view_mut()), &says);
        assert_unwritten(&out);
    }
    for (input, output, says) in [
        ((4, 2), (4, 3), ["probes", "4 x 3", "4 x 2"]),
        ((4, 3), (4, 4), ["retrieved", "4 x 3", "4 x 4"]),
    ] {
        let (input, mut out) = (zeros(input.0, input.1), Matrix::unwritten(output.0, output.1, 0));
        assert_refused(retrieve(input.view(), &memory, 1.0, out.view_mut()), &says);
        assert_unwritten(&out);
    }
    let mut out = Matrix::unwritten(4, 3, 0);
    let refused = softmax_into(zeros(4, 2).view(), 1.0, out.view_mut());
    assert_refused(refused, &["out", "4 x 2", "4 x 3"]);
    assert_unwritten(&out);
    let mut out = [f32::CANARY; 5];
    let refused = energy(zeros(4, 3).view(), &memory, 1.0, &mut out);
    assert_refused(refused, &["energy", "4", "5"]);
    assert!(out.iter().all(|x| x.bits() == f32::CANARY.bits()));
}

#[test]
fn outputs_that_do_not_fit() {
    let memory = small();
    let probes = zeros(4, 3);
    for (wrong, says) in [
        ("retrieved", ["4 x 3", "3 x 3"]),
        ("similarities", ["4 x 2", "3 x 2"]),
        ("memory_weights", ["4 x 2", "3 x 2"]),
        ("lse", ["4", "3"]),
        ("energy", ["4", "3"]),
        ("entropy", ["4", "3"]),
        ("best", ["4", "3"]),
        ("best_weight", ["4", "3"]),
        ("support", ["4", "3"]),
    ] {
        let mut fits = Told::<f32>::unwritten((4, 3, 2), 0);
        let mut short = Told::<f32>::unwritten((3, 3, 2), 0);
        let (mut outputs, short) = (fits.outputs(), short.outputs());
        match wrong {
            "retrieved" => outputs.retrieved = short.retrieved,
            "similarities" => outputs.similarities = short.similarities,
            "memory_weights" => outputs.memory_weights = short.memory_weights,
            "lse" => outputs.lse = short.lse,
            "energy" => outputs.energy = short.energy,
            "entropy" => outputs.entropy = short.entropy,
            "best" => outputs.best = short.best,
            "best_weight" => outputs.best_weight = short.best_weight,
            _ => outputs.support = short.support,
        }
        let retrieval = Retrieval::new(1.0).unwrap();
        let refused = retrieval.run(probes.view(), &memory, outputs, &mut Workspace::new());
        assert_refused(refused, &[wrong, says[0], says[1]]);
        let untouched = Told::<f32>::unwritten((4, 3, 2), 0);
        assert!((0..4).all(|b| fits.bits(b) == untouched.bits(b)), "{wrong}: written after all");
    }
    let mut out = Matrix::unwritten(4, 3, 0);
    let outputs = Outputs { retrieved: Some(out.view_mut()), ..Outputs::default() };
    let retrieval = Retrieval::new(1.0).unwrap().with_mask(&[true; 3]);
    let refused = retrieval.run(probes.view(), &memory, outputs, &mut Workspace::new());
    assert_refused(refused, &["mask", "2", "3"]);
    assert_unwritten(&out);
}

#[test]
fn updates_that_do_not_fit() {
    let before = small();
    let mut memory = before.clone();
    let workspace = &mut Workspace::new();
    let factors = Update { reg_lambda: 0.5, ..Update::default() };
    for (weights, vectors, delta, says) in [
        ((4, 3), (4, 3), (2, 3), ["weights", "4 x 2", "4 x 3"]),
        ((4, 2), (4, 2), (2, 3), ["vectors", "4 x 3", "4 x 2"]),
        ((4, 2), (5, 3), (2, 3), ["vectors", "4 x 3", "5 x 3"]),
        ((4, 2), (4, 3), (3, 2), ["delta", "2 x 3", "3 x 2"]),
    ] {
        let (weights, vectors) = (zeros(weights.0, weights.1), zeros(vectors.0, vectors.1));
        let mut delta = Matrix::unwritten(delta.0, delta.1, 0);
        let (p, z, to) = (weights.view(), vectors.view(), Some(delta.view_mut()));
        let refused = outer_product_update_with(&mut memory, p, z, factors, to, workspace);
        assert_refused(refused, &says);
        assert_unwritten(&delta);
    }
    let retrieval = Retrieval::new(1.0).unwrap();
    let learns = Plasticity { update: factors, ..Plasticity::default() };
    for (probes, retrieved, weights, delta, says) in [
        ((4, 2), (4, 3), (4, 2), (2, 3), ["probes", "4 x 3", "4 x 2"]),
        ((4, 3), (4, 2), (4, 2), (2, 3), ["retrieved", "4 x 3", "4 x 2"]),
        ((4, 3), (3, 3), (4, 2), (2, 3), ["retrieved", "4 x 3", "3 x 3"]),
        ((4, 3), (4, 3), (4, 3), (2, 3), ["memory_weights", "4 x 2", "4 x 3"]),
        ((4, 3), (4, 3), (4, 2), (2, 2), ["delta", "2 x 3", "2 x 2"]),
    ] {
        let [probes, retrieved, weights] =
            [probes, retrieved, weights].map(|(rows, cols)| zeros(rows, cols));
        let mut delta = Matrix::unwritten(delta.0, delta.1, 0);
        let lesson = Lesson {
            probes: probes.view(),
            retrieved: retrieved.view(),
            memory_weights: Some(weights.view()),
            delta: Some(delta.view_mut()),
        };
        assert_refused(learns.learn(&retrieval, lesson, &mut memory, workspace), &says);
        assert_unwritten(&delta);
    }
    let mut out = Matrix::unwritten(4, 2, 0);
    let probes = zeros(4, 3);
    let (x, to) = (probes.view(), out.view_mut());
    let refused = learns.recall_and_learn(&retrieval, x, to, &mut memory, workspace);
    assert_refused(refused, &["retrieved", "4 x 3", "4 x 2"]);
    assert_unwritten(&out);
    assert_eq!(memory.to_rows(), before.to_rows());
    assert_eq!(memory.squared_norms(), before.squared_norms());
}

#[test]
fn learning_without_a_recall() {
    let case = Case::<f32>::random((3, 5, 7), Kind::Uniform, 2.0, 1);
    let workspace = &mut Workspace::new();
    let told = case.run(workspace);
    let mut memory = case.memory.clone();
    let lesson = || Lesson {
        probes: case.probes.view(),
        retrieved: told.retrieved.view(),
        memory_weights: None,
        delta: None,
    };
    let learns = Plasticity::default();
    let fresh = &mut Workspace::new();
    let refused = learns.learn(&case.retrieval(), lesson(), &mut memory, fresh);
    assert!(matches!(refused, Err(Error::NoRecall { .. })));
    // The recall of four others.
    let other = Case::<f32>::random((4, 5, 7), Kind::Uniform, 2.0, 2);
    other.run(fresh);
    let refused = learns.learn(&case.retrieval(), lesson(), &mut memory, fresh);
    assert!(matches!(refused, Err(Error::NoRecall { .. })));
    assert_eq!(memory.to_rows(), case.memory.to_rows(), "nothing has changed");

    // What comes between a recall and the learning from it either does not matter or is refused.
    let mut expected = case.memory.clone();
    learns.learn(&case.retrieval(), lesson(), &mut expected, workspace).unwrap();
    for between in 0..3 {
        let workspace = &mut Workspace::new();
        case.run(workspace);
        let other = Case::<f32>::random((3, 6, 9), Kind::Cauchy, 7.0, 3);
        let mut out = Matrix::unwritten(3, if between == 0 { 9 } else { 6 }, 0);
        let (x, to) = (other.probes.view(), out.view_mut());
        match between {
            0 => hopfield_kernels::similarities_with(x, &other.memory, to, workspace).unwrap(),
            1 => {
                let weights = zeros(3, 9);
                let w = weights.view();
                hopfield_kernels::combine_with(w, &other.memory, to, workspace).unwrap();
            }
            _ => {
                let (mut memory, weights) = (other.memory.clone(), zeros(3, 9));
                let (w, factors) = (weights.view(), Update::default());
                outer_product_update_with(&mut memory, w, x, factors, None, workspace).unwrap();
            }
        }
        let mut memory = case.memory.clone();
        match learns.learn(&case.retrieval(), lesson(), &mut memory, workspace) {
            Err(error) => assert!(matches!(error, Error::NoRecall { .. })),
            Ok(()) => assert_eq!(memory.to_rows(), expected.to_rows(), "between: {between}"),
        }
    }
}

/// Given weights need no recall, and so no workspace that remembers one.
#[test]
fn learning_from_given_weights_with_a_new_workspace() {
    for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
        let case = Case::<f32>::random((3, 5, 7), Kind::Uniform, 2.0, 1);
        let workspace = &mut Workspace::new();
        let told = case.run(workspace);
        let learned = |workspace: &mut Workspace<f32>| {
            let mut memory = case.memory.clone();
            let lesson = Lesson {
                probes: case.probes.view(),
                retrieved: told.retrieved.view(),
                memory_weights: Some(told.weights.view()),
                delta: None,
            };
            let learns = Plasticity { rule, ..Plasticity::default() };
            learns.learn(&case.retrieval(), lesson, &mut memory, workspace).unwrap();
            memory.to_rows()
        };
        assert_eq!(learned(&mut Workspace::new()), learned(workspace), "{rule:?}");
    }
}

#[test]
fn memories_that_do_not_fit() {
    let nothing: [f32; 0] = [];
    for (rows, cols) in [(0, 3), (3, 0), (0, 0)] {
        let empty = || MatRef::new(&nothing, rows, cols).unwrap();
        assert_refused(Memory::from_rows(empty()), &["at least one", "0"]);
        assert_refused(Memory::from_columns(empty()), &["at least one", "0"]);
        assert_refused(Memory::<f32>::zeros(rows, cols), &["at least one", "0"]);
    }
    for (patterns, dim) in [(usize::MAX, 2), (2, usize::MAX), (1 << 40, 1 << 40)] {
        assert_refused(Memory::<f32>::zeros(patterns, dim), &["memory"]);
    }
    let before = small();
    let mut memory = before.clone();
    assert_refused(memory.set_rows(zeros(3, 2).view()), &["rows", "2 x 3", "3 x 2"]);
    assert_refused(memory.set_columns(zeros(2, 3).view()), &["columns", "3 x 2", "2 x 3"]);
    assert_refused(memory.set_pattern(0, &[0.0; 4]), &["pattern", "3", "4"]);
    assert_refused(memory.set_pattern(2, &[0.0; 3]), &["index", "2"]);
    assert_eq!(memory.to_rows(), before.to_rows());
    assert_eq!(memory.squared_norms(), before.squared_norms());
}

#[test]
fn strides_that_overlap_and_slices_that_are_short() {
    let mut numbers = [0.0_f32; 11];
    assert_refused(MatRef::with_stride(&numbers, 2, 3, 2), &["stride", "columns", "2"]);
    assert_refused(MatMut::with_stride(&mut numbers, 2, 3, 2), &["stride", "columns", "2"]);
    assert_refused(MatRef::with_stride(&numbers, 3, 3, 5), &["3 x 3", "13", "11"]);
    assert_refused(MatMut::new(&mut numbers, 3, 4), &["3 x 4", "12", "11"]);
    assert!(MatRef::with_stride(&numbers, usize::MAX, 1, usize::MAX).is_err());
    assert!(MatRef::new(&numbers, 2, usize::MAX).is_err());
}

#[test]
fn parameters_outside_their_domain() {
    let before = small();
    let mut memory = before.clone();
    let workspace = &mut Workspace::new();
    for beta in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut out = Matrix::unwritten(1, 2, 0);
        assert_refused(softmax(out.view_mut(), beta), &["beta", "above 0"]);
        assert_refused(softmax_into(zeros(1, 2).view(), beta, out.view_mut()), &["beta"]);
        assert_unwritten(&out);
        let mut out = Matrix::unwritten(1, 3, 0);
        assert_refused(retrieve(zeros(1, 3).view(), &memory, beta, out.view_mut()), &["beta"]);
        assert_unwritten(&out);
        assert_refused(energy(zeros(1, 3).view(), &memory, beta, &mut [0.0]), &["beta"]);
        assert_refused(Retrieval::new(beta), &["beta"]);
        assert_refused(Retrieval::new(1.0).unwrap().with_gain(beta), &["gain"]);
    }
    let mut learns = Vec::new();
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (name, update) in [
            ("eta", Update { eta: wrong, ..Update::default() }),
            ("reg_lambda", Update { reg_lambda: wrong, ..Update::default() }),
            ("l1_lambda", Update { l1_lambda: wrong, ..Update::default() }),
        ] {
            let (p, z) = (zeros(1, 2), zeros(1, 3));
            let refused = outer_product_update(&mut memory, p.view(), z.view(), update);
            assert_refused(refused, &[name, "finite"]);
            learns.push((name, Plasticity { update, ..Plasticity::default() }));
        }
        let negative_beta = Some(wrong);
        learns.push(("beta", Plasticity { negative_beta, ..Plasticity::default() }));
    }
    learns.push(("negative_steps", Plasticity { negative_steps: 0, ..Plasticity::default() }));
    for (name, learns) in learns {
        let retrieval = Retrieval::new(1.0).unwrap();
        let (probes, weights, mut out) = (zeros(1, 3), zeros(1, 2), Matrix::unwritten(1, 3, 0));
        let (x, to) = (probes.view(), out.view_mut());
        let refused = learns.recall_and_learn(&retrieval, x, to, &mut memory, workspace);
        assert_refused(refused, &[name]);
        assert_unwritten(&out);
        let memory_weights = Some(weights.view());
        let lesson = Lesson { probes: x, retrieved: x, memory_weights, delta: None };
        assert_refused(learns.learn(&retrieval, lesson, &mut memory, workspace), &[name]);
    }
    assert_eq!(memory.to_rows(), before.to_rows());
    assert!("avx1024".parse::<Level>().is_err());
}

/// β is any finite number above 0, however large or small.
#[test]
fn extreme_betas() {
    for level in levels::all() {
        let workspace = &mut serial(level);
        for beta in [f32::MAX, 1e38, f32::MIN_POSITIVE, f32::from_bits(1)] {
            let mut row = [1.0_f32, 1.0, -1.0, 0.5];
            let weights = MatMut::new(&mut row, 1, 4).unwrap();
            hopfield_kernels::softmax_with(weights, beta, workspace).unwrap();
            let expected = if beta > 1.0 { [0.5, 0.5, 0.0, 0.0] } else { [0.25; 4] };
            assert_eq!(row, expected, "{level}, β = {beta:e}");
        }
        let mut row = [1.0_f64, 1.0, -1.0, 0.5];
        let weights = MatMut::new(&mut row, 1, 4).unwrap();
        hopfield_kernels::softmax_with(weights, f64::MAX, &mut serial(level)).unwrap();
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
        let workspace = &mut serial(level);
        let mut told = Told::unwritten((0, 3, 2), 0);
        let retrieval = Retrieval::new(1.0).unwrap();
        retrieval.run(empty(3), &memory, told.outputs(), workspace).unwrap();
        similarities(empty(3), &memory, MatMut::new(&mut nowhere, 0, 2).unwrap()).unwrap();
        combine(empty(2), &memory, MatMut::new(&mut nowhere, 0, 3).unwrap()).unwrap();
        softmax(MatMut::new(&mut nowhere, 0, 9).unwrap(), 1.0).unwrap();
        softmax(MatMut::new(&mut nowhere, 9, 0).unwrap(), 1.0).unwrap();
        softmax_into(empty(0), 1.0, MatMut::new(&mut nowhere, 0, 0).unwrap()).unwrap();
        energy(empty(3), &memory, 1.0, &mut []).unwrap();
        // Not even decay: nothing is done.
        let update = Update { reg_lambda: 0.5, ..Update::default() };
        outer_product_update(&mut memory, empty(2), empty(3), update).unwrap();
        for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
            let learns = Plasticity { rule, update, ..Plasticity::default() };
            let to = MatMut::new(&mut nowhere, 0, 3).unwrap();
            learns.recall_and_learn(&retrieval, empty(3), to, &mut memory, workspace).unwrap();
            for memory_weights in [None, Some(empty(2))] {
                let (probes, retrieved) = (empty(3), empty(3));
                let lesson = Lesson { probes, retrieved, memory_weights, delta: None };
                learns.learn(&retrieval, lesson, &mut memory, workspace).unwrap();
            }
        }
        assert_eq!(memory.to_rows(), small().to_rows());
    }
}

/// That a probe's outputs are not numbers (its similarities are what they are).
fn assert_poisoned<T: Real>(told: &Told<T>, b: usize, keeps: impl Fn(usize) -> bool, what: &str) {
    let weights = told.weights.row(b).iter().enumerate();
    let weights = weights.filter(|(n, _)| keeps(*n)).map(|(_, weight)| weight);
    let numbers = [told.lse[b], told.energy[b], told.entropy[b], told.best_weight[b]];
    let all = told.retrieved.row(b).iter().chain(weights).chain(&numbers);
    assert!(
        all.into_iter().all(|x| x.to_f64().is_nan()),
        "{what}: probe {b} has a number: {told:?}"
    );
    assert_eq!(told.best[b], usize::MAX, "{what}");
}

/// A bad probe at every place of batches of all sizes.
fn only_the_bad_row_is_poisoned<T: Real>(level: Level) {
    let inf = T::from_f64(f64::INFINITY);
    let max = T::MAX;
    for patterns in [5, 40, 600] {
        for batch in [1, 2, 3, 5, 6, 7, 13] {
            let case = Case::<T>::random((batch, 20, patterns), Kind::High, 0.1, 7);
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
                    assert_poisoned(&told, bad, |_| true, what);
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
        let (batch, dim) = (7, 2 * T::GROUP + 3);
        let case = Case::<T>::random((batch, dim, 2 * T::GROUP + 3), Kind::High, 0.1, 3);
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
        let (x, workspace) = (case.probes.view(), &mut serial(level));
        case.retrieval().run(x, &case.memory, outputs, workspace).unwrap();
        (0..7).for_each(|b| assert_eq!(again.bits(b), told.bits(b)));
    }
}

#[test]
fn a_masked_pattern_weighs_nothing_whatever_it_holds() {
    fn weighs_nothing<T: Real>(level: Level) {
        let shape = (7, 2 * T::GROUP + 3, 3 * T::GROUP + 5);
        for masked in [0, 1, T::GROUP - 1, T::GROUP, 2 * T::GROUP + 1, 3 * T::GROUP + 4] {
            let mut case = Case::<T>::random(shape, Kind::Uniform, 3.0, 4);
            case.how.keep = Some((0..shape.2).map(|n| n != masked && n % 5 != 2).collect());
            let clean = case.run(&mut serial(level));
            for poison in [T::NAN, T::from_f64(f64::INFINITY), T::NEG_INFINITY, T::MAX] {
                let mut case = case.clone();
                case.patterns.row_mut(masked).fill(poison);
                case.memory = Memory::from_rows(case.patterns.view()).unwrap();
                let mut told = case.run(&mut serial(level));
                for b in 0..shape.0 {
                    assert_eq!(told.weights.row(b)[masked].bits(), T::ZERO.bits());
                    // What is not of the weights: the masked similarity, and M* in the energy.
                    told.similarities.row_mut(b)[masked] = clean.similarities.row(b)[masked];
                    told.energy[b] = clean.energy[b];
                    assert!(told.bits(b) == clean.bits(b), "{level}: {poison} in pattern {masked}");
                }
                // Learning does not touch it either.
                let mut memory = case.memory.clone();
                let mut retrieved = Matrix::unwritten(shape.0, shape.1, 0);
                let (x, to) = (case.probes.view(), retrieved.view_mut());
                let learns = Plasticity::default();
                let workspace = &mut serial(level);
                learns.recall_and_learn(&case.retrieval(), x, to, &mut memory, workspace).unwrap();
                let untouched = memory.pattern(masked).iter().map(|x| x.bits());
                assert!(untouched.eq(case.patterns.row(masked).iter().map(|x| x.bits())));
                let others = (0..shape.2).filter(|&n| n != masked);
                assert!(others.flat_map(|n| memory.pattern(n)).all(|x| x.is_finite()));
            }
        }
    }
    for level in levels::all() {
        weighs_nothing::<f32>(level);
        weighs_nothing::<f64>(level);
    }
}

#[test]
fn all_patterns_masked() {
    for level in levels::all() {
        for patterns in [1, 5, 16, 40, 2000] {
            let mut case = Case::<f32>::random((7, 20, patterns), Kind::Uniform, 3.0, 4);
            case.patterns.row_mut(0)[3] = f32::NAN;
            case.memory = Memory::from_rows(case.patterns.view()).unwrap();
            case.how.keep = Some(vec![false; patterns]);
            let told = case.run(&mut serial(level));
            let zero = |matrix: &Matrix<f32>| matrix.bits().iter().all(|&bits| bits == 0);
            assert!(zero(&told.retrieved) && zero(&told.weights));
            assert!(told.lse.iter().all(|&lse| lse == f32::NEG_INFINITY));
            assert!(told.entropy.iter().chain(&told.best_weight).all(|&x| x == 0.0));
            assert!(told.best.iter().all(|&best| best == usize::MAX));
            assert!(told.support.iter().all(|&support| support == 0));
        }
    }
}

#[test]
fn softmax_of_rows_that_are_not_finite() {
    fn poisoned<T: Real>(level: Level) {
        for cols in 1..=2 * T::GROUP + 1 {
            let rows = Kind::Uniform.matrix::<T>((3, cols, 2), &mut Random(cols as u64));
            let mut clean = rows.clone();
            let beta = T::from_f64(2.0);
            hopfield_kernels::softmax_with(clean.view_mut(), beta, &mut serial(level)).unwrap();
            for at in 0..cols {
                for poison in [T::NAN, T::from_f64(f64::INFINITY), T::NEG_INFINITY] {
                    let mut rows = rows.clone();
                    rows.row_mut(1)[at] = poison;
                    let workspace = &mut serial(level);
                    hopfield_kernels::softmax_with(rows.view_mut(), beta, workspace).unwrap();
                    assert!(
                        rows.row(1).iter().all(|x| x.to_f64().is_nan()),
                        "{level}: {poison} at {at}"
                    );
                    assert_eq!(rows.select(&[0, 2]).bits(), clean.select(&[0, 2]).bits());
                }
            }
        }
    }
    for level in levels::all() {
        poisoned::<f32>(level);
        poisoned::<f64>(level);
    }
}

/// A weight of exactly 0 leaves its pattern out, whatever that holds and whoever else weighs it.
#[test]
fn a_weight_of_zero_in_combine() {
    for level in levels::all() {
        for batch in 1..=8 {
            let mut patterns = Kind::Uniform.matrix::<f32>((20, 9, 0), &mut Random(1));
            patterns.row_mut(3).fill(f32::NAN);
            patterns.row_mut(4).fill(f32::INFINITY);
            let memory = Memory::from_rows(patterns.view()).unwrap();
            // The last probe alone weighs the bad patterns.
            let weights =
                Matrix::from_fn((batch, 20, 0), |b, n| match (n == 3 || n == 4, b + 1 == batch) {
                    (true, false) => 0.0,
                    _ => 0.5,
                });
            let mut sums = Matrix::unwritten(batch, 9, 0);
            let (w, to) = (weights.view(), sums.view_mut());
            hopfield_kernels::combine_with(w, &memory, to, &mut serial(level)).unwrap();
            assert!(sums.row(batch - 1).iter().all(|x| x.is_nan()));
            for b in 0..batch - 1 {
                assert!(sums.row(b).iter().all(|x| x.is_finite()), "{level}: {b} of {batch}");
            }
        }
    }
}

/// NaN, an infinity of either sign, or finite.
fn class(x: f64) -> &'static str {
    match x {
        _ if x.is_nan() => "NaN",
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => "finite",
    }
}

/// What the reference says that a probe's outputs are, when they are elements.
fn assert_class<T: Real>(case: &Case<T>, told: &Told<T>, b: usize, what: &str) {
    let exact = case.exact(b);
    let element = |x: f64| T::from_f64(x).to_f64();
    let similarities: Vec<_> = exact.similarities.iter().map(|s| element(s.to_f64())).collect();
    for (computed, exact) in told.similarities.row(b).iter().zip(&similarities) {
        assert_eq!(class(computed.to_f64()), class(*exact), "{what}: similarity of probe {b}");
    }
    if !similarities.iter().all(|s| s.is_finite()) {
        return assert_poisoned(told, b, |_| true, what);
    }
    let computed = told.retrieved.row(b).iter().chain(told.weights.row(b));
    let expected = exact.retrieved.iter().chain(&exact.weights);
    for (computed, exact) in computed.zip(expected) {
        let exact = element(exact.to_f64());
        assert_eq!(class(computed.to_f64()), class(exact), "{what}: probe {b}");
    }
    let numbers = [(told.lse[b], exact.lse), (told.energy[b], exact.energy)];
    for (computed, exact) in numbers.into_iter().chain([(told.entropy[b], exact.entropy)]) {
        let exact = element(exact.to_f64());
        assert_eq!(class(computed.to_f64()), class(exact), "{what}: lse, energy, entropy of {b}");
    }
}

/// Special values in every lane and tail of probes and of patterns.
fn special_values<T: Real>(level: Level) {
    let inf = T::from_f64(f64::INFINITY);
    let tiny = T::from_f64(T::TINY);
    let special = [T::ZERO, -T::ZERO, tiny, -tiny, T::MAX, -T::MAX, inf, -inf, T::NAN];
    let workspace = &mut serial(level);
    for dim in [1, T::GROUP - 1, T::GROUP, T::GROUP + 1, 2 * T::GROUP + 3] {
        for patterns in [1, T::GROUP, T::GROUP + 3] {
            let case = Case::<T>::random((3, dim, patterns), Kind::Uniform, 0.5, dim as u64);
            for at in 0..dim {
                for value in special {
                    let what = format!("{level}, D = {dim}, N = {patterns}: {value} at {at}");
                    let mut probes = case.clone();
                    probes.probes.row_mut(1)[at] = value;
                    let told = probes.run(workspace);
                    (0..3).for_each(|b| assert_class(&probes, &told, b, &what));
                    let mut stored = case.clone();
                    stored.patterns.row_mut(at % patterns)[at] = value;
                    stored.memory = Memory::from_rows(stored.patterns.view()).unwrap();
                    let told = stored.run(workspace);
                    (0..3).for_each(|b| assert_class(&stored, &told, b, &what));
                }
            }
        }
    }
}

#[test]
fn special_values_in_every_lane() {
    for level in levels::all() {
        special_values::<f32>(level);
        special_values::<f64>(level);
    }
}
