//! A masked pattern weighs exactly 0, whatever it holds.

use hopfield_kernels::{Level, Memory, Plasticity, Screening};

use testkit::data::{Kind, Matrix, Real};
use testkit::levels::{self, serial};
use testkit::naive::How;
use testkit::subject::Case;

#[test]
fn a_masked_pattern_weighs_nothing_whatever_it_holds() {
    fn weighs_nothing<T: Real>(level: Level) {
        let shape = (7, 2 * T::LANES + 3, 3 * T::LANES + 5);
        let places = [0, 1, T::LANES - 1, T::LANES, 2 * T::LANES + 1, 3 * T::LANES + 4];
        // With scores all over, and all near 0.
        for (masked, beta) in places.into_iter().flat_map(|n| [(n, 3.0), (n, 0.1)]) {
            let mut case = Case::<T>::random(shape, Kind::Uniform, beta, 4);
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
                let context = &mut serial(level);
                learns.recall_and_learn(&case.retrieval(), x, to, &mut memory, context).unwrap();
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
            assert!(told.best.iter().all(Option::is_none));
            assert!(told.support.iter().all(|&support| support == 0));
        }
    }
}

/// Four splits of 1 MiB, of which one takes part, and none; with scores all near 0, and all over.
#[test]
fn splits_that_are_masked_leave_the_others_as_they_are() {
    for level in levels::all() {
        masked_splits(level, 0.05);
        masked_splits(level, 0.3);
    }
}

fn masked_splits(level: Level, beta: f64) {
    const SPLIT: usize = 1024;
    let (batch, dim) = (2, 256);
    let mut case = Case::<f32>::random((batch, dim, 4 * SPLIT), Kind::Uniform, beta, 4);
    // Which patterns are weighed together depends on their number.
    case.screening = Screening::Never;
    for split in 0..4 {
        case.how.keep = Some((0..4 * SPLIT).map(|n| n / SPLIT == split).collect());
        let told = case.run(&mut serial(level));
        let patterns =
            Matrix::from_fn((SPLIT, dim, 0), |n, d| case.patterns.row(split * SPLIT + n)[d]);
        let mut alone = Case::new(case.probes.clone(), patterns, How::beta(beta));
        alone.screening = Screening::Never;
        let expected = alone.run(&mut serial(level));
        assert_eq!(told.retrieved.bits(), expected.retrieved.bits(), "{level}: {split}");
        assert_eq!(told.support, vec![SPLIT; batch], "{level}: {split}");
        for b in 0..batch {
            assert_eq!(
                told.best[b],
                expected.best[b].map(|best| best + split * SPLIT),
                "{level}: {split}"
            );
            for (told, expected) in [
                (told.lse[b], expected.lse[b]),
                (told.entropy[b], expected.entropy[b]),
                (told.best_weight[b], expected.best_weight[b]),
            ] {
                assert_eq!(told.to_bits(), expected.to_bits(), "{level}: {split}");
            }
        }
    }
    case.how.keep = Some(vec![false; 4 * SPLIT]);
    let told = case.run(&mut serial(level));
    assert!(told.retrieved.bits().iter().all(|&bits| bits == 0), "{level}");
    assert!(told.lse.iter().all(|&lse| lse == f32::NEG_INFINITY), "{level}");
    assert_eq!((told.best, told.support), (vec![None; batch], vec![0; batch]), "{level}");
}

/// A split without one score that is a number is not one without patterns.
#[test]
fn a_split_of_nan_is_not_an_empty_one() {
    let shape = (2, 256, 4096);
    for level in levels::all() {
        for split in [0, 3] {
            let mut case = Case::<f32>::random(shape, Kind::Uniform, 0.05, 4);
            for n in split * 1024..(split + 1) * 1024 {
                case.patterns.row_mut(n).fill(f32::NAN);
            }
            case.memory = Memory::from_rows(case.patterns.view()).unwrap();
            let told = case.run(&mut serial(level));
            let rows = (0..shape.0).flat_map(|b| told.retrieved.row(b));
            assert!(rows.into_iter().all(|x| x.is_nan()), "{level}: {split}");
            assert!(told.lse.iter().all(|lse| lse.is_nan()), "{level}: {split}");
        }
    }
}
