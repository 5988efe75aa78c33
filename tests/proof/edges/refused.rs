//! What does not fit is an error that names the operand, what was expected and what came; and
//! nothing has changed.

use std::fmt::Debug;

use hopfield_kernels::{
    Context, Error, LearningInput, Level, MatMut, MatRef, Memory, OuterProducts, Outputs,
    Plasticity, Recall, Result, Retrieval, Settled, Stop, Update, UpdateRule, combine, energy,
    outer_product_update, retrieve, similarities, softmax, softmax_into,
};

use super::{small, zeros};
use testkit::data::{Kind, Matrix, Real};
use testkit::subject::{Case, Told};

/// That a call was refused, and that its message has all of these in it.
fn assert_refused<R: Debug>(result: Result<R>, says: &[&str]) -> Error {
    let error = result.expect_err("it does not fit");
    let message = error.to_string();
    for part in says {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
    error
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
        assert_refused(similarities(input.view(), &memory, out.view_mut(), None), &says);
        assert_unwritten(&out);
    }
    for (input, output, says) in [
        ((4, 3), (4, 3), ["weights", "4 x 2", "4 x 3"]),
        ((4, 2), (4, 2), ["retrieved", "4 x 3", "4 x 2"]),
        ((4, 2), (5, 3), ["retrieved", "4 x 3", "5 x 3"]),
    ] {
        let (input, mut out) = (zeros(input.0, input.1), Matrix::unwritten(output.0, output.1, 0));
        assert_refused(combine(input.view(), &memory, out.view_mut(), None), &says);
        assert_unwritten(&out);
    }
    for (input, output, says) in [
        ((4, 2), (4, 3), ["probes", "4 x 3", "4 x 2"]),
        ((4, 3), (4, 4), ["retrieved", "4 x 3", "4 x 4"]),
    ] {
        let (input, mut out) = (zeros(input.0, input.1), Matrix::unwritten(output.0, output.1, 0));
        assert_refused(retrieve(input.view(), &memory, 1.0, out.view_mut(), None), &says);
        assert_unwritten(&out);
    }
    let mut out = Matrix::unwritten(4, 3, 0);
    let refused = softmax_into(zeros(4, 2).view(), 1.0, out.view_mut(), None);
    assert_refused(refused, &["out", "4 x 2", "4 x 3"]);
    assert_unwritten(&out);
    let mut out = [f32::CANARY; 5];
    let refused = energy(zeros(4, 3).view(), &memory, 1.0, &mut out, None);
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
        let retrieval = Retrieval::new(1.0);
        let refused = retrieval.run(probes.view(), &memory, outputs, &mut Context::new());
        assert_refused(refused, &[wrong, says[0], says[1]]);
        let untouched = Told::<f32>::unwritten((4, 3, 2), 0);
        assert!((0..4).all(|b| fits.bits(b) == untouched.bits(b)), "{wrong}: written after all");
    }
    let mut out = Matrix::unwritten(4, 3, 0);
    let outputs = Outputs::new().with_retrieved(out.view_mut());
    let retrieval = Retrieval::new(1.0).with_mask(&[true; 3]);
    let refused = retrieval.run(probes.view(), &memory, outputs, &mut Context::new());
    assert_refused(refused, &["mask", "2", "3"]);
    assert_unwritten(&out);
}

#[test]
fn updates_that_do_not_fit() {
    let before = small();
    let mut memory = before.clone();
    let context = &mut Context::new();
    let factors = Update::default().with_reg_lambda(0.5);
    for (weights, vectors, delta, says) in [
        ((4, 3), (4, 3), (2, 3), ["weights", "4 x 2", "4 x 3"]),
        ((4, 2), (4, 2), (2, 3), ["vectors", "4 x 3", "4 x 2"]),
        ((4, 2), (5, 3), (2, 3), ["vectors", "4 x 3", "5 x 3"]),
        ((4, 2), (4, 3), (3, 2), ["delta", "2 x 3", "3 x 2"]),
    ] {
        let (weights, vectors) = (zeros(weights.0, weights.1), zeros(vectors.0, vectors.1));
        let mut delta = Matrix::unwritten(delta.0, delta.1, 0);
        let (p, z, to) = (weights.view(), vectors.view(), Some(delta.view_mut()));
        let refused = outer_product_update(
            &mut memory,
            OuterProducts::new(p, z).with_delta(to),
            factors,
            &mut *context,
        );
        assert_refused(refused, &says);
        assert_unwritten(&delta);
    }
    let retrieval = Retrieval::new(1.0);
    let learns = Plasticity::default().with_update(factors);
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
        let input = LearningInput::new(probes.view(), retrieved.view(), weights.view())
            .with_delta(delta.view_mut());
        assert_refused(learns.learn_from(&retrieval, input, &mut memory, context), &says);
        assert_unwritten(&delta);
    }
    let mut out = Matrix::unwritten(4, 2, 0);
    let probes = zeros(4, 3);
    let (x, to) = (probes.view(), out.view_mut());
    let refused = learns.recall_and_learn(&retrieval, x, to, &mut memory, context);
    assert_refused(refused, &["retrieved", "4 x 3", "4 x 2"]);
    assert_unwritten(&out);
    assert_eq!(memory.to_rows(), before.to_rows());
    assert_eq!(memory.squared_norms(), before.squared_norms());
}

#[test]
fn masks_that_do_not_fit_where_something_is_learned() {
    let before = small();
    let (probes, weights) = (zeros(4, 3), zeros(4, 2));
    let learns = Plasticity::default().with_update(Update::default().with_reg_lambda(0.5));
    for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
        let learns = learns.with_rule(rule);
        for length in [0, 1, 3, 1000] {
            let mask = vec![true; length];
            let retrieval = Retrieval::new(1.0).with_mask(&mask);
            let says = ["mask", "expected 2", &format!("got {length}")];
            let mut memory = before.clone();
            let (x, mut delta) = (probes.view(), Matrix::unwritten(2, 3, 0));
            let input = LearningInput::new(x, x, weights.view()).with_delta(delta.view_mut());
            let context = &mut Context::new();
            assert_refused(learns.learn_from(&retrieval, input, &mut memory, context), &says);
            assert_unwritten(&delta);
            let recall = &mut Recall::new();
            let refused = retrieval.recall(x, &memory, Outputs::default(), recall, context);
            assert_refused(refused, &says);
            let mut out = Matrix::unwritten(4, 3, 0);
            let (x, to, context) = (probes.view(), out.view_mut(), &mut Context::new());
            let refused = learns.recall_and_learn(&retrieval, x, to, &mut memory, context);
            assert_refused(refused, &says);
            assert_unwritten(&out);
            assert_eq!(memory.to_rows(), before.to_rows());
            assert_eq!(memory.squared_norms(), before.squared_norms());
        }
    }
}

/// Whether learning is refused, and that nothing has changed then.
fn assert_no_recall(
    rule: Plasticity<f32>,
    recall: &Recall<f32>,
    memory: &mut Memory<f32>,
    says: &str,
) {
    let (before, mut delta) = (memory.clone(), Matrix::unwritten(7, 5, 0));
    let refused = rule.learn(recall, memory, Some(delta.view_mut()), &mut Context::new());
    assert!(matches!(refused, Err(Error::NoRecall { .. })));
    assert_refused(refused, &["recall", "this memory as it is now", says]);
    assert_unwritten(&delta);
    assert_eq!(memory.to_rows(), before.to_rows());
    assert_eq!(memory.squared_norms(), before.squared_norms());
}

/// A recall is of one state of one memory. Whatever is recalled or computed between it and the
/// learning from it, by the same context or another, makes no difference.
#[test]
fn learning_from_what_is_no_recall_of_this_memory() {
    for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
        let rule = Plasticity::default().with_rule(rule);
        let case = Case::<f32>::random((3, 5, 7), Kind::Uniform, 2.0, 1);
        let other = Case::<f32>::random((3, 5, 7), Kind::Uniform, 2.0, 2);
        let context = &mut Context::new();
        let recall = case.recall(context);
        let mut expected = case.memory.clone();
        rule.learn(&recall, &mut expected, None, context).unwrap();

        // Other probes, as many, recalled with the same context since.
        let mut memory = case.memory.clone();
        case.run_with(other.probes.view(), context).unwrap();
        other.run(context);
        rule.learn(&recall, &mut memory, None, context).unwrap();
        assert_eq!(memory.to_rows(), expected.to_rows());

        // Once is enough: the memory has changed.
        assert_no_recall(rule, &recall, &mut memory, "before it changed");
        // No recall at all; another memory's; the memory before it was changed in any other way.
        let nothing = "nothing was recalled";
        assert_no_recall(rule, &Recall::new(), &mut case.memory.clone(), nothing);
        assert_no_recall(rule, &recall, &mut other.memory.clone(), "another memory");
        let row = case.patterns.row(6);
        type Change<'a> = &'a dyn Fn(&mut Memory<f32>);
        let changes: [Change<'_>; 4] = [
            &|memory| memory.set_pattern(6, row).unwrap(),
            &|memory| memory.set_rows(case.patterns.view()).unwrap(),
            &|memory| {
                let columns = memory.to_columns();
                memory.set_columns(MatRef::new(&columns, 5, 7).unwrap()).unwrap();
            },
            &|memory| {
                let (p, z) = (zeros(1, 7), zeros(1, 5));
                outer_product_update(
                    memory,
                    OuterProducts::new(p.view(), z.view()),
                    Update::default(),
                    None,
                )
                .unwrap();
            },
        ];
        for change in changes {
            let mut memory = case.memory.clone();
            change(&mut memory);
            assert_no_recall(rule, &recall, &mut memory, "before it changed");
        }
        // A recall that is refused leaves nothing to learn from.
        let mut recall = case.recall(context);
        let refused = case.retrieval().recall(
            zeros(3, 4).view(),
            &case.memory,
            Outputs::default(),
            &mut recall,
            context,
        );
        assert_refused(refused, &["probes", "3 x 5", "3 x 4"]);
        assert_no_recall(rule, &recall, &mut case.memory.clone(), nothing);
    }
}

/// Given weights need no recall, and so no context that remembers one.
#[test]
fn learning_from_given_weights_with_a_new_context() {
    for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
        let case = Case::<f32>::random((3, 5, 7), Kind::Uniform, 2.0, 1);
        let context = &mut Context::new();
        let told = case.run(context);
        let learned = |context: &mut Context<f32>| {
            let mut memory = case.memory.clone();
            let input =
                LearningInput::new(case.probes.view(), told.retrieved.view(), told.weights.view());
            let learns = Plasticity::default().with_rule(rule);
            learns.learn_from(&case.retrieval(), input, &mut memory, context).unwrap();
            memory.to_rows()
        };
        assert_eq!(learned(&mut Context::new()), learned(context), "{rule:?}");
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
    // Beyond the address space in elements, in bytes, and in what a machine can map.
    for (patterns, dim) in
        [(usize::MAX, 2), (2, usize::MAX), (1 << 40, 1 << 40), (1 << 40, 1 << 20), (1 << 59, 1)]
    {
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
    let context = &mut Context::new();
    for beta in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut out = Matrix::unwritten(1, 2, 0);
        assert_refused(softmax(out.view_mut(), beta, None), &["beta", "above 0"]);
        assert_refused(softmax_into(zeros(1, 2).view(), beta, out.view_mut(), None), &["beta"]);
        assert_unwritten(&out);
        let mut out = Matrix::unwritten(1, 3, 0);
        assert_refused(
            retrieve(zeros(1, 3).view(), &memory, beta, out.view_mut(), None),
            &["beta"],
        );
        assert_unwritten(&out);
        assert_refused(energy(zeros(1, 3).view(), &memory, beta, &mut [0.0], None), &["beta"]);
        for (retrieval, name) in
            [(Retrieval::new(beta), "beta"), (Retrieval::new(1.0).with_gain(beta), "gain")]
        {
            let says = &[name, "above 0"];
            let (x, mut probe) = (zeros(1, 3), [1.0, 2.0, 3.0]);
            let outputs = Outputs::new().with_retrieved(out.view_mut());
            assert_refused(retrieval.run(x.view(), &memory, outputs, context), says);
            let (outputs, recall) = (Outputs::default(), &mut Recall::new());
            assert_refused(retrieval.recall(x.view(), &memory, outputs, recall, context), says);
            assert_refused(retrieval.apply(&memory, &mut probe), says);
            let (stop, settled) = (Stop::new(), &mut Settled::new());
            let refused = retrieval.settle(&memory, &mut probe, stop, settled, context);
            assert_refused(refused, says);
            assert_eq!(probe, [1.0, 2.0, 3.0]);
            let weights = zeros(1, 2);
            let input = LearningInput::new(x.view(), x.view(), weights.view());
            let learns = Plasticity::default();
            assert_refused(learns.learn_from(&retrieval, input, &mut memory, context), says);
            assert_unwritten(&out);
        }
    }
    let mut learns = Vec::new();
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (name, update) in [
            ("eta", Update::default().with_eta(wrong)),
            ("reg_lambda", Update::default().with_reg_lambda(wrong)),
            ("l1_lambda", Update::default().with_l1_lambda(wrong)),
        ] {
            let (p, z) = (zeros(1, 2), zeros(1, 3));
            let refused = outer_product_update(
                &mut memory,
                OuterProducts::new(p.view(), z.view()),
                update,
                None,
            );
            assert_refused(refused, &[name, "finite"]);
            learns.push((name, Plasticity::default().with_update(update)));
        }
        let negative_beta = Some(wrong);
        learns.push(("beta", Plasticity::default().with_negative_beta(negative_beta)));
    }
    learns.push(("negative_steps", Plasticity::default().with_negative_steps(0)));
    for (name, learns) in learns {
        let retrieval = Retrieval::new(1.0);
        let (probes, weights, mut out) = (zeros(1, 3), zeros(1, 2), Matrix::unwritten(1, 3, 0));
        let (x, to) = (probes.view(), out.view_mut());
        let refused = learns.recall_and_learn(&retrieval, x, to, &mut memory, context);
        assert_refused(refused, &[name]);
        assert_unwritten(&out);
        let memory_weights = weights.view();
        let input = LearningInput::new(x, x, memory_weights);
        assert_refused(learns.learn_from(&retrieval, input, &mut memory, context), &[name]);
        let mut recall = Recall::new();
        retrieval.recall(x, &memory, Outputs::default(), &mut recall, context).unwrap();
        assert_refused(learns.learn(&recall, &mut memory, None, context), &[name]);
    }
    assert_eq!(memory.to_rows(), before.to_rows());
    assert!("avx1024".parse::<Level>().is_err());
}
