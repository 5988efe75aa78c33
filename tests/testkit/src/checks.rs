//! Every kernel beside the reference: the largest error over its bound. Above 1 the bound is
//! broken.

use std::fmt::Debug;

use hopfield_kernels::{
    Context, LearningInput, Level, MatRef, OuterProducts, Outputs, Plasticity, Update, UpdateRule,
    outer_product_update, softmax_into,
};

use crate::bounds::{Arithmetic, size, times};
use crate::data::{Matrix, Real};
use crate::double::Double;
use crate::levels;
use crate::naive::{self, How, exact};
use crate::subject::{Case, of_weights, off, worst};

/// A kernel's name and its largest error over its bound.
pub type Ratio = (&'static str, f64);

/// Recall with every output, of some of the probes.
pub fn recall<T: Real>(
    case: &Case<T>,
    level: Level,
    context: &mut Context<T>,
    probes: &[(usize, naive::Recall)],
) -> Vec<Ratio> {
    let told = case.run(context);
    let arithmetic = Arithmetic::of::<T>(level);
    let mut ratios = Vec::new();
    for (b, exact) in probes {
        told.assert_consistent(*b, &case.how);
        ratios.extend(told.ratios(*b, exact, &case.bounds(arithmetic, *b, exact)));
    }
    ratios
}

/// Every probe of a case by itself and among the others, with every output and with one, at every
/// level: the same bits, and all within the bounds.
pub fn alone_and_together<T: Real>(case: &Case<T>, at: &dyn Debug) {
    // The reference takes longer than all that it is compared with.
    let exact: Vec<_> = (0..case.probes.rows).map(|b| case.exact(b)).collect();
    for level in levels::all() {
        let context = &mut levels::serial(level);
        let arithmetic = Arithmetic::of::<T>(level);
        let told = case.run(context);
        let plain = retrieved(case, case.probes.view(), context);
        assert_eq!(
            plain.bits(),
            told.retrieved.bits(),
            "what is retrieved, and no more: {level}, {at:?}"
        );
        for (b, exact) in exact.iter().enumerate() {
            let probe = case.probes.select(&[b]);
            let alone = case.run_with(probe.view(), context).unwrap();
            assert!(alone.bits(0) == told.bits(b), "probe {b} alone: {level}, {at:?}");
            let lonely = retrieved(case, probe.view(), context);
            assert!(lonely.bits() == plain.select(&[b]).bits(), "no more of {b}: {level}, {at:?}");
            told.assert_consistent(b, &case.how);
            for (what, ratio) in told.ratios(b, exact, &case.bounds(arithmetic, b, exact)) {
                assert!(ratio <= 1.0, "{what} of {b}: {ratio}, {level}, {at:?}");
            }
        }
    }
}

/// What is retrieved, and no other output.
fn retrieved<T: Real>(
    case: &Case<T>,
    probes: MatRef<'_, T>,
    context: &mut Context<T>,
) -> Matrix<T> {
    let mut retrieved = Matrix::unwritten(probes.rows(), case.patterns.cols, 0);
    let outputs = Outputs::new().with_retrieved(retrieved.view_mut());
    case.retrieval().run(probes, &case.memory, outputs, context).unwrap();
    retrieved
}

/// The stateless product, which has to have the bits of a recall's.
pub fn similarities<T: Real>(case: &Case<T>, context: &mut Context<T>) {
    let told = case.run(context);
    let mut similarities = Matrix::unwritten(case.probes.rows, case.patterns.rows, 3);
    hopfield_kernels::similarities(
        case.probes.view(),
        &case.memory,
        similarities.view_mut(),
        context,
    )
    .expect("it fits");
    similarities.assert_holes_untouched();
    if case.how.gain == T::ONE {
        assert_eq!(similarities.bits(), told.similarities.bits());
    }
}

/// Both forms of the softmax, which have to have the same bits.
pub fn softmax<T: Real>(
    scores: &Matrix<T>,
    beta: T,
    level: Level,
    context: &mut Context<T>,
) -> [Ratio; 2] {
    let mut weights = scores.clone();
    hopfield_kernels::softmax(weights.view_mut(), beta, &mut *context).expect("β");
    weights.assert_holes_untouched();
    let mut other = Matrix::unwritten(scores.rows, scores.cols, 4);
    softmax_into(scores.view(), beta, other.view_mut(), &mut *context).expect("β");
    other.assert_holes_untouched();
    assert_eq!(weights.bits(), other.bits(), "in place and out of place");
    let arithmetic = Arithmetic::of::<T>(level);
    let mut largest = [0.0_f64; 2];
    for (row, scores) in weights.iter().zip(scores.iter()) {
        let kept: Vec<_> = scores.iter().map(|&s| Some(exact(s))).collect();
        let (expected, _) = naive::softmax(&kept, exact(beta));
        let scores: Vec<_> = scores.iter().map(|s| s.to_f64()).collect();
        let bounds = arithmetic.softmax(&scores, beta.to_f64());
        let ratios = of_weights(row, &expected, &bounds);
        largest.iter_mut().zip(ratios).for_each(|(largest, ratio)| *largest = largest.max(ratio));
    }
    [("softmax", largest[0]), ("dropped weights", largest[1])]
}

/// Sums of weighted patterns.
pub fn combine<T: Real>(
    weights: &Matrix<T>,
    case: &Case<T>,
    level: Level,
    context: &mut Context<T>,
) -> Ratio {
    let (patterns, dim) = (case.patterns.rows, case.patterns.cols);
    let mut sums = Matrix::unwritten(weights.rows, dim, 2);
    hopfield_kernels::combine(weights.view(), &case.memory, sums.view_mut(), &mut *context)
        .expect("it fits");
    sums.assert_holes_untouched();
    let arithmetic = Arithmetic::of::<T>(level);
    let mut largest = 0.0_f64;
    for (sum, weights) in sums.iter().zip(weights.iter()) {
        let exact: Vec<_> = weights.iter().map(|&w| exact(w)).collect();
        let expected = naive::combine(&exact, &case.patterns);
        let mut sizes = vec![0.0; dim];
        for (w, pattern) in weights.iter().zip(case.patterns.iter()) {
            let terms = pattern.iter().map(|m| (w.to_f64() * m.to_f64()).abs());
            sizes.iter_mut().zip(terms).for_each(|(size, term)| *size += term);
        }
        let bounds: Vec<_> =
            sizes.into_iter().map(|size| arithmetic.combine(patterns, dim, size)).collect();
        largest = largest.max(worst(sum, &expected, &bounds));
    }
    ("combine", largest)
}

/// The weights of some outer products, what they may be wrong by, and the vectors.
struct Products {
    weights: Vec<Vec<Double>>,
    errors: Vec<Vec<f64>>,
    vectors: Vec<Vec<Double>>,
    /// B
    batch: usize,
}

impl Products {
    /// The errors of ΔM and of the patterns after the update, and of their norms, over their
    /// bounds. Where all weights were dropped, the error of ΔM is all of it and so is the bound: by
    /// itself.
    fn ratios<T: Real>(
        &self,
        arithmetic: Arithmetic,
        before: &Matrix<T>,
        after: &hopfield_kernels::Memory<T>,
        delta: &Matrix<T>,
        factors: Update<T>,
    ) -> [Ratio; 4] {
        let [mut of_delta, mut of_dropped, mut of_patterns, mut of_norms] = [0.0_f64; 4];
        for n in 0..before.rows {
            let weights = || self.weights.iter().map(|row| row[n]);
            for (d, &m) in before.row(n).iter().enumerate() {
                let vectors = self.vectors.iter().map(|row| row[d]);
                let (expected, size) = naive::outer_product(weights(), vectors, self.batch);
                let wrong = self.errors.iter().zip(&self.vectors);
                let wrong: f64 = wrong.map(|(e, z)| times(e[n], z[d].abs().to_f64())).sum();
                let bound = arithmetic.delta(self.vectors.len(), size, wrong / self.batch as f64);
                let computed = delta.row(n)[d];
                let largest = if computed == T::ZERO { &mut of_dropped } else { &mut of_delta };
                *largest = largest.max(off(computed, expected, bound));
                let bound = arithmetic.updated(m, size, bound, factors);
                let expected = naive::updated(m, expected, factors);
                of_patterns = of_patterns.max(off(after.pattern(n)[d], expected, bound));
            }
            let row = after.pattern(n);
            let bound = arithmetic.norm(row.len(), size(row, row));
            of_norms = of_norms.max(off(after.squared_norms()[n], naive::dot(row, row), bound));
        }
        [
            ("delta M", of_delta),
            ("dropped weights", of_dropped),
            ("update", of_patterns),
            ("norms", of_norms),
        ]
    }
}

/// An update with given weights.
pub fn update<T: Real>(
    case: &Case<T>,
    weights: &Matrix<T>,
    factors: Update<T>,
    level: Level,
    context: &mut Context<T>,
) -> [Ratio; 4] {
    let (patterns, dim) = (case.patterns.rows, case.patterns.cols);
    let mut delta = Matrix::unwritten(patterns, dim, 3);
    let mut with_delta = case.memory.clone();
    let (p, z) = (weights.view(), case.probes.view());
    let products = OuterProducts::new(p, z).with_delta(delta.view_mut());
    outer_product_update(&mut with_delta, products, factors, &mut *context).expect("it fits");
    delta.assert_holes_untouched();
    let mut memory = case.memory.clone();
    outer_product_update(&mut memory, OuterProducts::new(p, z), factors, &mut *context)
        .expect("it fits");
    // Where no probe weighs a pattern, one of the two may leave a -0 that the other makes a 0.
    assert_eq!(memory.to_rows(), with_delta.to_rows(), "ΔM is kept or not");
    let products = Products {
        weights: weights.iter().map(|row| row.iter().map(|&w| exact(w)).collect()).collect(),
        errors: vec![vec![0.0; patterns]; weights.rows],
        vectors: case.probes.iter().map(|row| row.iter().map(|&z| exact(z)).collect()).collect(),
        batch: weights.rows,
    };
    products.ratios(Arithmetic::of::<T>(level), &case.patterns, &memory, &delta, factors)
}

/// Learning from a recall, with its memory weights given or computed again.
pub fn learn<T: Real>(
    case: &Case<T>,
    plasticity: Plasticity<T>,
    given: bool,
    level: Level,
    context: &mut Context<T>,
) -> [Ratio; 4] {
    let (batch, patterns, dim) = (case.probes.rows, case.patterns.rows, case.patterns.cols);
    let arithmetic = Arithmetic::of::<T>(level);
    let contrastive = plasticity.rule == UpdateRule::Contrastive;
    let beta = plasticity.negative_beta.unwrap_or(case.how.beta);
    let mut negative = Case { how: How { beta, ..case.how.clone() }, ..case.clone() };
    negative.probes = case.run(context).retrieved;
    for _ in 1..plasticity.negative_steps {
        negative.probes = negative.run(context).retrieved;
    }
    let told = case.run(context);
    let mut memory = case.memory.clone();
    let mut delta = Matrix::unwritten(patterns, dim, 1);
    if given {
        let input =
            LearningInput::new(case.probes.view(), told.retrieved.view(), told.weights.view())
                .with_delta(delta.view_mut());
        plasticity.learn_from(&case.retrieval(), input, &mut memory, context).expect("it fits");
    } else {
        let (recall, delta) = (case.recall(context), Some(delta.view_mut()));
        plasticity.learn(&recall, &mut memory, delta, context).expect("it fits");
    }
    delta.assert_holes_untouched();

    let mut products =
        Products { weights: Vec::new(), errors: Vec::new(), vectors: Vec::new(), batch };
    for b in 0..batch {
        if given {
            products.weights.push(told.weights.row(b).iter().map(|&w| exact(w)).collect());
            products.errors.push(vec![0.0; patterns]);
        } else {
            let recall = case.exact(b);
            products.errors.push(case.bounds(arithmetic, b, &recall).weights);
            products.weights.push(recall.weights);
        }
        let pairs = case.probes.row(b).iter().zip(told.retrieved.row(b));
        let vector = |(&x, &x_hat): (&T, &T)| match contrastive {
            true => exact(x),
            false => exact(x) - exact(x_hat),
        };
        products.vectors.push(pairs.map(vector).collect());
    }
    for b in (0..batch).filter(|_| contrastive) {
        let recall = negative.exact(b);
        products.errors.push(negative.bounds(arithmetic, b, &recall).weights);
        products.weights.push(recall.weights);
        products.vectors.push(negative.probes.row(b).iter().map(|&x| -exact(x)).collect());
    }
    products.ratios(arithmetic, &case.patterns, &memory, &delta, plasticity.update)
}
