//! Zeros of either sign, the smallest and largest numbers, infinities and NaN, in every lane and
//! tail.

use hopfield_kernels::{Level, MatMut, Memory};

use super::assert_poisoned;
use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels::{self, serial};
use testkit::subject::{Case, Told};

#[test]
fn softmax_of_rows_that_are_not_finite() {
    fn poisoned<T: Real>(level: Level) {
        for cols in 1..=2 * T::LANES + 1 {
            let rows = Kind::Uniform.matrix::<T>((3, cols, 2), &mut Random(cols as u64));
            let mut clean = rows.clone();
            let beta = T::from_f64(2.0);
            hopfield_kernels::softmax(clean.view_mut(), beta, &mut serial(level)).unwrap();
            for at in 0..cols {
                for poison in [T::NAN, T::from_f64(f64::INFINITY)] {
                    let mut rows = rows.clone();
                    rows.row_mut(1)[at] = poison;
                    let context = &mut serial(level);
                    hopfield_kernels::softmax(rows.view_mut(), beta, &mut *context).unwrap();
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

/// A score of -inf is a mask, as users of PyTorch, JAX and SciPy write it.
#[test]
fn softmax_of_rows_with_scores_of_minus_infinity() {
    fn masked<T: Real>(level: Level) {
        let beta = T::from_f64(2.0);
        for cols in 1..=2 * T::LANES + 1 {
            for at in 0..cols {
                // The row without the score is the softmax of all others.
                let row = Kind::Uniform.matrix::<T>((1, cols, 0), &mut Random(cols as u64));
                let others = row.row(0).iter().enumerate().filter(|(n, _)| *n != at);
                let mut others: Vec<_> = others.map(|(_, &score)| score).collect();
                let view = MatMut::new(&mut others, 1, cols - 1).unwrap();
                hopfield_kernels::softmax(view, beta, &mut serial(level)).unwrap();
                let mut masked = row.clone();
                masked.row_mut(0)[at] = T::NEG_INFINITY;
                let context = &mut serial(level);
                hopfield_kernels::softmax(masked.view_mut(), beta, &mut *context).unwrap();
                let weights = masked.row(0);
                assert_eq!(weights[at].bits(), T::ZERO.bits(), "{level}: {at} of {cols}");
                let rest = weights.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, w)| w);
                for (weight, other) in rest.zip(&others) {
                    let off = (weight.to_f64() - other.to_f64()).abs();
                    assert!(off <= 8.0 * T::UNIT * other.to_f64(), "{level}: {at} of {cols}");
                }
                // Everywhere, and beside what is not a number.
                for (other, expected) in [
                    (T::NEG_INFINITY, T::ZERO),
                    (T::NAN, T::NAN),
                    (T::from_f64(f64::INFINITY), T::NAN),
                ] {
                    let mut row = Matrix::from_fn((1, cols, 0), |_, _| T::NEG_INFINITY);
                    row.row_mut(0)[at] = other;
                    hopfield_kernels::softmax(row.view_mut(), beta, &mut *context).unwrap();
                    let same = |x: &T| match expected.is_nan() {
                        true => x.is_nan(),
                        false => x.bits() == expected.bits(),
                    };
                    assert!(row.row(0).iter().all(same), "{level}: {other} at {at} of {cols}");
                }
            }
        }
        // Even where β is so small that no finite score is too low.
        let mut row = [T::NEG_INFINITY, T::ONE];
        let view = MatMut::new(&mut row, 1, 2).unwrap();
        let least = T::from_f64(T::LEAST_NORMAL);
        hopfield_kernels::softmax(view, least, &mut serial(level)).unwrap();
        assert_eq!(row, [T::ZERO, T::ONE], "{level}");
    }
    for level in levels::all() {
        masked::<f32>(level);
        masked::<f64>(level);
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
            hopfield_kernels::combine(w, &memory, to, &mut serial(level)).unwrap();
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
    let context = &mut serial(level);
    for dim in [1, T::LANES - 1, T::LANES, T::LANES + 1, 2 * T::LANES + 3] {
        for patterns in [1, T::LANES, T::LANES + 3] {
            let case = Case::<T>::random((3, dim, patterns), Kind::Uniform, 0.5, dim as u64);
            for at in 0..dim {
                for value in special {
                    let what = format!("{level}, D = {dim}, N = {patterns}: {value} at {at}");
                    let mut probes = case.clone();
                    probes.probes.row_mut(1)[at] = value;
                    let told = probes.run(context);
                    (0..3).for_each(|b| assert_class(&probes, &told, b, &what));
                    let mut stored = case.clone();
                    stored.patterns.row_mut(at % patterns)[at] = value;
                    stored.memory = Memory::from_rows(stored.patterns.view()).unwrap();
                    let told = stored.run(context);
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
