//! Codes stay true under every change.

use hopfield_kernels::{
    Codes, Context, MatMut, MatRef, Memory, OuterProducts, Outputs, Plasticity, Recall, Retrieval,
    Screening, Separation, Update, UpdateRule, outer_product_update,
};
use testkit::data::{Random, Real};

use crate::problem::{Kind, Problem, told};

/// One change of a memory, the same for every copy of it.
fn change<T: Real>(step: usize, seed: u64, memory: &mut Memory<T>) {
    let mut random = Random(seed);
    let dim = memory.dim();
    let mut numbers = |count: usize| -> Vec<T> {
        (0..count).map(|_| T::from_f64(random.between(-1.0, 1.0))).collect()
    };
    let mut context = Context::new();
    match step % 8 {
        0 | 1 => {
            let probes = numbers(3 * dim);
            let probes = MatRef::new(&probes, 3, dim).unwrap();
            let retrieval = Retrieval::new(T::from_f64(2.0)).with_screening(Screening::Never);
            let mut recall = Recall::new();
            retrieval
                .recall(probes, memory, Outputs::default(), &mut recall, &mut context)
                .unwrap();
            let mut rule = Plasticity::default();
            rule.rule =
                if step.is_multiple_of(2) { UpdateRule::Delta } else { UpdateRule::Contrastive };
            rule.update.eta = T::from_f64(0.3);
            rule.learn(&recall, memory, None, &mut context).unwrap();
        }
        2 => {
            let rates = Update::default()
                .with_eta(T::ZERO)
                .with_reg_lambda(T::from_f64(0.01))
                .with_l1_lambda(T::from_f64(0.002));
            let (weights, vectors) = (vec![T::ZERO; memory.patterns()], numbers(dim));
            let weights = MatRef::new(&weights, 1, memory.patterns()).unwrap();
            let vectors = MatRef::new(&vectors, 1, dim).unwrap();
            let products = OuterProducts::new(weights, vectors);
            outer_product_update(memory, products, rates, &mut context).unwrap();
        }
        3 => {
            let mut weights = vec![T::ZERO; 2 * memory.patterns()];
            weights[5] = T::from_f64(0.7);
            weights[memory.patterns() + 9] = T::from_f64(-40.0);
            let vectors = numbers(2 * dim);
            let mut delta = vec![T::ZERO; memory.patterns() * dim];
            let to = MatMut::new(&mut delta, memory.patterns(), dim).unwrap();
            let weights = MatRef::new(&weights, 2, memory.patterns()).unwrap();
            let vectors = MatRef::new(&vectors, 2, dim).unwrap();
            let rates = Update::default();
            let products = OuterProducts::new(weights, vectors).with_delta(to);
            outer_product_update(memory, products, rates, &mut context).unwrap();
        }
        4 => memory.set_pattern(seed as usize % memory.patterns(), &numbers(dim)).unwrap(),
        5 => {
            let more = numbers(21 * dim);
            memory.append(MatRef::new(&more, 21, dim).unwrap(), None).unwrap();
        }
        6 => memory.remove(&[0, 7, memory.patterns() - 1]).unwrap(),
        _ => {
            let rows = numbers(memory.patterns() * dim);
            memory.set_rows(MatRef::new(&rows, memory.patterns(), dim).unwrap()).unwrap();
        }
    }
}

fn stay_true<T: Real>(codes: Codes) {
    let problem = Problem::<T>::new(Kind::Near, (5, 50, 400), 11);
    let (mut plain, mut coded) = (problem.memory(), problem.memory().with_codes(codes).unwrap());
    let mut random = Random(12);
    for step in 0..120 {
        let (kind, seed) = (random.below(8), random.below(1 << 30) as u64);
        // Mostly learning, so that drifts add up.
        let kind = if step % 3 == 0 { kind } else { kind % 4 };
        change(kind, seed, &mut plain);
        change(kind, seed, &mut coded);
        assert_eq!(plain.to_rows(), coded.to_rows(), "step {step}");
        let mut probes = problem.probes.clone();
        probes[..50].copy_from_slice(coded.pattern(step % coded.patterns()));
        let probes = MatRef::new(&probes, 5, 50).unwrap();
        for separation in [Separation::Softmax, Separation::Entmax(1.5), Separation::TopK(9)] {
            let retrieval = Retrieval::new(T::from_f64(3.0))
                .with_separation(separation)
                .with_screening(Screening::Always);
            let mut context = Context::new();
            let expected = told(&retrieval, probes, &plain, &mut context);
            context.reset_counters();
            let found = told(&retrieval, probes, &coded, &mut context);
            assert!(found == expected, "step {step} of kind {kind}, {separation:?}");
            assert_eq!(context.counters().probes, 5, "they are screened");
        }
    }
}

#[test]
fn codes_stay_true_under_every_change() {
    stay_true::<f32>(Codes::Eight);
    stay_true::<f32>(Codes::Four);
    stay_true::<f64>(Codes::Eight);
}

/// Learning that changes little does not make screening useless.
#[test]
fn drift_widens_the_bounds_by_little() {
    let problem = Problem::<f32>::new(Kind::Near, (1, 64, 4000), 2);
    let mut memory = problem.memory().with_codes(Codes::Eight).unwrap();
    let (mut context, mut recall) = (Context::new(), Recall::new());
    let retrieval = Retrieval::new(8.0).with_screening(Screening::Always);
    let rule = Plasticity::default().with_update(Update::default().with_eta(1e-3));
    for _ in 0..50 {
        let probes = problem.view();
        retrieval.recall(probes, &memory, Outputs::default(), &mut recall, &mut context).unwrap();
        rule.learn(&recall, &mut memory, None, &mut context).unwrap();
    }
    let counters = context.counters();
    assert_eq!(counters.probes, 50);
    assert!(counters.listed < 50 * 40, "{counters:?}");
}
