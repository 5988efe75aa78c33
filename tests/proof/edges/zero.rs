//! A weight of exactly 0 contributes nothing to what is learned, whatever it is multiplied by and
//! on whichever path; nor does a rate of 0. A masked pattern does not learn.

use hopfield_kernels::{
    LearningInput, Level, MatMut, MatRef, Memory, OuterProducts, Outputs, Plasticity, Recall,
    Retrieval, Update, UpdateRule, outer_product_update,
};

use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels::{self, serial};
use testkit::subject::Shape;

/// The reports, number for number.
#[test]
fn an_infinite_vector_that_has_no_weight() {
    for level in levels::all() {
        for (decay, kept, learned) in [(0.0, [1.0, 2.0], 5.0), (0.5, [0.5, 1.0], 3.0)] {
            for asks in [false, true] {
                let mut memory =
                    Memory::from_rows(MatRef::new(&[1.0_f32, 2.0, 3.0, 4.0], 2, 2).unwrap())
                        .unwrap();
                let weights = MatRef::new(&[0.0, 1.0], 1, 2).unwrap();
                let vectors = MatRef::new(&[f32::INFINITY, 1.0], 1, 2).unwrap();
                let factors = Update::default().with_reg_lambda(decay);
                let mut delta = [f32::NAN; 4];
                let to = asks.then(|| MatMut::new(&mut delta, 2, 2).unwrap());
                let context = &mut serial(level);
                outer_product_update(
                    &mut memory,
                    OuterProducts::new(weights, vectors).with_delta(to),
                    factors,
                    context,
                )
                .unwrap();
                let expected = [kept[0], kept[1], f32::INFINITY, learned];
                assert_eq!(memory.to_rows(), expected, "{level}: {decay} {asks}");
                if asks {
                    assert_eq!(delta, [0.0, 0.0, f32::INFINITY, 1.0], "{level}");
                }
            }
        }
    }
}

#[test]
fn a_masked_pattern_beside_a_probe_that_is_not_a_number() {
    for level in levels::all() {
        for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
            for (reg_lambda, expected) in [(0.0, [3.0, 4.0]), (1e-3, [2.997, 3.996])] {
                for asks in [false, true] {
                    let rows = [1.0_f32, 2.0, 3.0, 4.0];
                    let mut memory = Memory::from_rows(MatRef::new(&rows, 2, 2).unwrap()).unwrap();
                    let probes = MatRef::new(&[0.5, f32::NAN, 0.1, 0.2], 2, 2).unwrap();
                    let update = Update::default().with_reg_lambda(reg_lambda);
                    let learns = Plasticity::default().with_rule(rule).with_update(update);
                    let (mut recall, context) = (Recall::new(), &mut serial(level));
                    Retrieval::new(1.0)
                        .with_mask(&[true, false])
                        .recall(probes, &memory, Outputs::default(), &mut recall, context)
                        .unwrap();
                    let mut delta = [777.0; 4];
                    let to = asks.then(|| MatMut::new(&mut delta, 2, 2).unwrap());
                    learns.learn(&recall, &mut memory, to, context).unwrap();
                    assert_eq!(memory.pattern(1), expected, "{level} {rule:?}");
                    assert!(memory.pattern(0).iter().all(|x| x.is_nan()));
                    assert!(!asks || delta[2..] == [0.0, 0.0], "{level} {rule:?}: {delta:?}");
                }
            }
        }
    }
}

/// What an update makes of one pattern, where Z is finite and nothing is skipped.
fn expected<T: Real>(
    patterns: &Matrix<T>,
    (weights, vectors): (&Matrix<T>, &Matrix<T>),
    factors: Update<T>,
    level: Level,
) -> Memory<T> {
    let mut memory = Memory::from_rows(patterns.view()).unwrap();
    let (p, z) = (weights.view(), vectors.view());
    outer_product_update(&mut memory, OuterProducts::new(p, z), factors, &mut serial(level))
        .unwrap();
    memory
}

/// Rows of Z that hold an infinity and a NaN, of which some patterns have a weight and others have
/// none.
fn a_bad_vector_spoils_the_patterns_that_weigh_it<T: Real>((batch, dim, count): Shape) {
    let mut random = Random(7);
    let patterns = Kind::Uniform.matrix::<T>((count, dim, 0), &mut random);
    let clean = Kind::Uniform.matrix::<T>((batch, dim, 0), &mut random);
    let mut weights = Kind::Uniform.matrix::<T>((batch, count, 3), &mut random);
    // The last vector is the bad one: every third pattern weighs it.
    let bad = batch - 1;
    let weighs = |n: usize| n.is_multiple_of(3);
    for n in (0..count).filter(|&n| !weighs(n)) {
        weights.row_mut(bad)[n] = T::ZERO;
    }
    let mut vectors = clean.clone();
    vectors.row_mut(bad)[0] = T::from_f64(f64::INFINITY);
    vectors.row_mut(bad)[dim - 1] = T::NAN;
    let half = T::from_f64(0.5);
    for level in levels::all() {
        for (reg_lambda, l1_lambda) in [(T::ZERO, T::ZERO), (half, T::ZERO), (T::ZERO, half)] {
            let factors = Update::default()
                .with_eta(half)
                .with_reg_lambda(reg_lambda)
                .with_l1_lambda(l1_lambda);
            let expected = expected(&patterns, (&weights, &clean), factors, level);
            for asks in [false, true] {
                let mut memory = Memory::from_rows(patterns.view()).unwrap();
                let mut delta = Matrix::unwritten(count, dim, 1);
                let (p, z) = (weights.view(), vectors.view());
                let to = asks.then(|| delta.view_mut());
                let context = &mut levels::threaded(level);
                outer_product_update(
                    &mut memory,
                    OuterProducts::new(p, z).with_delta(to),
                    factors,
                    context,
                )
                .unwrap();
                for n in 0..count {
                    let what = format!("{level}, {batch} x {dim} x {count}, {asks}: pattern {n}");
                    let row = memory.pattern(n);
                    if weighs(n) {
                        assert!(!row[0].is_finite() && row[dim - 1].is_nan(), "{what}");
                        assert!(row[1..dim - 1].iter().all(|x| x.is_finite()), "{what}");
                    } else {
                        assert_eq!(row, expected.pattern(n), "{what}");
                        // What is not touched keeps the norm that the machine's best level has
                        // found.
                        let norms = [memory.squared_norms()[n], expected.squared_norms()[n]];
                        let same = norms[0] == norms[1] || !level.has_fused_multiply_add();
                        assert!(same, "{what}: {norms:?}");
                        assert!(!asks || delta.row(n).iter().all(|x| x.is_finite()), "{what}");
                    }
                }
            }
        }
    }
}

/// Updates of a few probes and of many, of one block and of several; of two streams.
#[test]
fn a_vector_that_is_not_finite_on_every_path() {
    for batch in [1, 2, 4, 5, 6, 13] {
        a_bad_vector_spoils_the_patterns_that_weigh_it::<f32>((batch, 37, 50));
        a_bad_vector_spoils_the_patterns_that_weigh_it::<f64>((batch, 37, 50));
    }
    a_bad_vector_spoils_the_patterns_that_weigh_it::<f32>((7, 300, 700));
    a_bad_vector_spoils_the_patterns_that_weigh_it::<f32>((2, 300, 8000));
}

/// η = 0: nothing is learned, and ΔM is what it is.
#[test]
fn a_rate_of_zero() {
    for level in levels::all() {
        for batch in [1, 7] {
            for (vector, reg_lambda) in
                [(f32::INFINITY, 0.0), (f32::NAN, 0.5), (2.0, 0.0), (2.0, 0.5)]
            {
                for asks in [false, true] {
                    let patterns = Kind::Uniform.matrix::<f32>((20, 5, 0), &mut Random(3));
                    let mut memory = Memory::from_rows(patterns.view()).unwrap();
                    let weights = Matrix::from_fn((batch, 20, 0), |_, n| (n % 2) as f32);
                    let vectors = Matrix::from_fn((batch, 5, 0), |_, _| vector);
                    let mut delta = Matrix::unwritten(20, 5, 0);
                    let factors = Update::default()
                        .with_eta(0.0)
                        .with_reg_lambda(reg_lambda)
                        .with_l1_lambda(0.0);
                    let (p, z) = (weights.view(), vectors.view());
                    let to = asks.then(|| delta.view_mut());
                    let context = &mut serial(level);
                    outer_product_update(
                        &mut memory,
                        OuterProducts::new(p, z).with_delta(to),
                        factors,
                        context,
                    )
                    .unwrap();
                    let left = patterns.iter().flatten().map(|x| x - reg_lambda * x);
                    assert!(memory.to_rows().into_iter().eq(left), "{level} {batch} {vector}");
                    for n in 0..20 {
                        let change = if n % 2 == 0 { 0.0 } else { vector };
                        let same = |&x: &f32| x.to_bits() == change.to_bits() || x == change;
                        let same = |x: &f32| same(x) || x.is_nan() && change.is_nan();
                        assert!(!asks || delta.row(n).iter().all(same), "{level} {vector}");
                    }
                }
            }
        }
    }
}

/// Given weights of a masked pattern count as 0.
#[test]
fn given_weights_of_a_masked_pattern() {
    for level in levels::all() {
        for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
            for batch in [1, 3, 9] {
                let patterns = Kind::Uniform.matrix::<f32>((20, 5, 0), &mut Random(3));
                let mut memory = Memory::from_rows(patterns.view()).unwrap();
                let probes = Kind::Uniform.matrix::<f32>((batch, 5, 0), &mut Random(4));
                let weights =
                    Matrix::from_fn((batch, 20, 0), |_, n| if n == 3 { f32::NAN } else { 0.5 });
                let keep: Vec<_> = (0..20).map(|n| n != 3 && n != 4).collect();
                let mut delta = Matrix::unwritten(20, 5, 0);
                let input = LearningInput::new(
                    probes.view(),
                    patterns.view().subrows(0..batch),
                    weights.view(),
                )
                .with_delta(delta.view_mut());
                let learns = Plasticity::default().with_rule(rule);
                let retrieval = Retrieval::new(1.0).with_mask(&keep);
                learns.learn_from(&retrieval, input, &mut memory, &mut serial(level)).unwrap();
                for n in 0..20 {
                    let masked = n == 3 || n == 4;
                    assert_eq!(memory.pattern(n) == patterns.row(n), masked, "{level}: {n}");
                    assert_eq!(delta.row(n).iter().all(|&x| x == 0.0), masked, "{level}: {n}");
                    assert!(memory.pattern(n).iter().all(|x| x.is_finite()), "{level}: {n}");
                }
            }
        }
    }
}

/// Numbers that decay far below the normal range become 0, and do not make what follows slow.
#[test]
fn what_decays_below_the_normal_range_is_zero() {
    fn decays<T: Real>(level: Level, size: f64, batch: usize) {
        let lambda = 0.05;
        let factors = Update::default()
            .with_eta(T::ZERO)
            .with_reg_lambda(T::from_f64(lambda))
            .with_l1_lambda(T::ZERO);
        let first = |d: usize| size * [1.0, 1.02, 1.1, 2.0, 1e3, 0.0, -1.0, -1.1, -3.0][d % 9];
        let patterns = Matrix::<T>::from_fn((3, 37, 0), |_, d| T::from_f64(first(d)));
        let mut memory = Memory::from_rows(patterns.view()).unwrap();
        let (p, z) = (Matrix::from_fn((batch, 3, 0), |_, _| T::ZERO), patterns.view());
        let z = Matrix::from_fn((batch, 37, 0), |b, d| z.row(b % 3)[d]);
        let context = &mut serial(level);
        outer_product_update(
            &mut memory,
            OuterProducts::new(p.view(), z.view()),
            factors,
            &mut *context,
        )
        .unwrap();
        for d in 0..37 {
            let exact = first(d) * (1.0 - lambda);
            let found = memory.pattern(1)[d].to_f64();
            if exact.abs() < 0.99 * T::LEAST_NORMAL {
                assert_eq!(found, 0.0, "{level}: {exact:e}");
            } else {
                assert!(
                    (found - exact).abs() <= 1e-6 * exact.abs(),
                    "{level}: {exact:e} {found:e}"
                );
            }
        }
        // Squares below the normal range are 0 as well, from either way to find them.
        let fresh = Memory::from_rows(memory.as_mat()).unwrap();
        for (kept, fresh) in memory.squared_norms().iter().zip(fresh.squared_norms()) {
            let same = kept == fresh || !level.has_fused_multiply_add();
            assert!(same && (kept.to_f64() == 0.0 || kept.to_f64() >= T::LEAST_NORMAL), "{level}");
        }
    }
    for level in levels::all() {
        for batch in [1, 7] {
            decays::<f32>(level, f32::LEAST_NORMAL, batch);
            decays::<f64>(level, f64::LEAST_NORMAL, batch);
            // Squares of these are just below the normal range.
            decays::<f32>(level, 1e-19, batch);
            decays::<f64>(level, 1e-154, batch);
        }
    }
}
