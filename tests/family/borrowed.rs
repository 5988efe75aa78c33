//! Patterns that are read where they are recall as a memory does.

use hopfield_kernels::{
    Borrowed, BorrowedMut, Context, Element, MatMut, MatRef, Memory, OuterProducts, Outputs,
    Parallelism, Plasticity, Recall, Retrieval, Update, UpdateRule, outer_product_update,
};
use testkit::data::Real;
use testkit::levels;

use testkit::members::{Problem, Random, all, retrieval};

fn retrieved<T: Element>(
    how: &Retrieval<'_, T>,
    probes: &[T],
    memory: &Memory<T>,
    context: &mut Context<T>,
) -> Vec<T> {
    let batch = probes.len() / memory.dim();
    let (mut to, mut energy) = (vec![T::NAN; probes.len()], vec![T::NAN; batch]);
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut to, batch, memory.dim()).unwrap())
        .with_energy(&mut energy);
    let probes = MatRef::new(probes, batch, memory.dim()).unwrap();
    how.run(probes, memory, outputs, context).unwrap();
    to.extend(energy);
    to
}

fn check<T: Real>() {
    let mut random = Random::new(51);
    // In place, in place with gaps, copied.
    for (dim, stride) in [(32, 32), (48, 80), (30, 30), (33, 40)] {
        for (batch, count) in [(1, 900), (7, 40), (60, 300)] {
            let problem = Problem::<T>::new((batch, dim, count), &mut random);
            let mut rows = vec![T::NAN; count * stride];
            for (row, pattern) in rows.chunks_mut(stride).zip(problem.patterns.chunks(dim)) {
                row[..dim].copy_from_slice(pattern);
            }
            let memory = problem.memory();
            let unknown = Borrowed::new(&rows, count, dim, stride).unwrap();
            let known = Borrowed::new(&rows, count, dim, stride).unwrap();
            let known = known.with_squared_norms(memory.squared_norms()).unwrap();
            for level in levels::all() {
                let context = &mut levels::serial(level);
                // A small β, so that all probes have small scores, and a larger one.
                for beta in [1e-3, 2.0] {
                    let how = Retrieval::new(T::from_f64(beta));
                    let expected = retrieved(&how, &problem.probes, &memory, context);
                    let got = retrieved(&how, &problem.probes, &known, context);
                    let same = |a: &T, b: &T| a.bits() == b.bits();
                    assert!(got.iter().zip(&expected).all(|(a, b)| same(a, b)), "{level}");
                    let got = retrieved(&how, &problem.probes, &unknown, context);
                    // The energy has lse / β and ln N / β, which all but cancel where β is small.
                    let of_energy = 8.0 * (1.0 + (count as f64).ln()) / beta;
                    for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
                        let off = (got.to_f64() - expected.to_f64()).abs();
                        let more = if at < problem.probes.len() { 0.0 } else { of_energy };
                        let roundings = 256.0 * (1.0 + expected.to_f64().abs()) + more;
                        assert!(off <= roundings * T::UNIT, "{level}: {got} {expected}");
                    }
                }
            }
            let context = &mut Context::new();
            for member in all() {
                let how = retrieval::<T>(0.4, member);
                let expected = retrieved(&how, &problem.probes[..dim], &memory, context);
                let got = retrieved(&how, &problem.probes[..dim], &known, context);
                let same = |a: &T, b: &T| a.bits() == b.bits() || a.is_nan() && b.is_nan();
                assert!(got.iter().zip(&expected).all(|(a, b)| same(a, b)), "{member:?}");
            }
        }
    }
}

#[test]
fn borrowed_patterns_are_the_same_bits_where_the_norms_are_known() {
    check::<f32>();
    check::<f64>();
}

#[test]
fn a_clone_is_a_memory_that_may_change() {
    let rows: Vec<f64> = (0..32).map(f64::from).collect();
    let borrowed = Borrowed::new(&rows, 4, 8, 8).unwrap();
    let mut memory: Memory<f64> = (*borrowed).clone();
    memory.set_pattern(1, &[1.0; 8]).unwrap();
    memory.append(MatRef::new(&rows[..8], 1, 8).unwrap(), None).unwrap();
    memory.remove(&[0]).unwrap();
    assert_eq!(borrowed.pattern(1), &rows[8..16]);
    assert_eq!((memory.pattern(0), memory.squared_norms()[0]), (&[1.0; 8][..], 8.0));
    // The last row ends before the next would begin.
    let gaps = Borrowed::new(&rows[..20], 2, 8, 12).unwrap();
    let mut memory: Memory<f64> = (*gaps).clone();
    memory.append(MatRef::new(&rows[..8], 1, 8).unwrap(), None).unwrap();
    assert_eq!(memory.to_rows()[..16], [&rows[..8], &rows[12..20]].concat());
    assert!(Borrowed::new(&rows, 0, 8, 8).is_err());
    assert!(Borrowed::new(&rows, 5, 8, 8).is_err());
    assert!(Borrowed::new(&rows, 4, 8, 8).unwrap().with_squared_norms(&[1.0]).is_err());
}

/// Rows of zeros to whole vectors, and the number of elements from one to the next.
fn padded<T: Real>(patterns: &[T], dim: usize) -> (Vec<T>, usize) {
    let stride = dim.next_multiple_of(64 / size_of::<T>());
    let row = |row: &[T]| [row, &vec![T::ZERO; stride - dim]].concat();
    (patterns.chunks(dim).flat_map(row).collect(), stride)
}

fn check_update<T: Real>() {
    let mut random = Random::new(52);
    for (batch, dim, count) in [(1, 48, 900), (7, 33, 40), (60, 5, 300)] {
        let problem = Problem::<T>::new((batch, dim, count), &mut random);
        let mut memory = problem.memory();
        let (mut rows, stride) = padded(&problem.patterns, dim);
        let norms = memory.squared_norms().to_vec();
        let weights: Vec<T> =
            (0..batch * count).map(|i| T::from_f64((i as f64).sin().max(0.0))).collect();
        let weights = MatRef::new(&weights, batch, count).unwrap();
        let probes = MatRef::new(&problem.probes, batch, dim).unwrap();
        let (eta, reg_lambda) = (T::from_f64(0.3), T::from_f64(0.01));
        let factors = Update::default().with_eta(eta).with_reg_lambda(reg_lambda);
        let products = OuterProducts::new(weights, probes);
        outer_product_update(&mut memory, products, factors, None).unwrap();
        for norms in [Some(norms), None] {
            let (mut rows, _) = padded(&problem.patterns, dim);
            let mut lent = BorrowedMut::padded(&mut rows, count, dim, stride).unwrap();
            if let Some(norms) = norms {
                lent = lent.with_squared_norms(&norms).unwrap();
            }
            lent.update(weights, probes, factors, &mut Context::new()).unwrap();
            assert_eq!(lent.to_rows(), memory.to_rows());
            assert_eq!(lent.squared_norms(), memory.squared_norms());
            let clone = (*lent).clone();
            drop(lent);
            assert_eq!(rows, padded(&memory.to_rows(), dim).0);
            rows.fill(T::ZERO);
            assert_eq!(clone.to_rows(), memory.to_rows());
        }
        let borrowed = Borrowed::padded(&rows, count, dim, stride).unwrap();
        assert!(borrowed.to_rows() == problem.patterns);
        drop(borrowed);
        assert!(Borrowed::padded(&rows, count + 1, dim, stride).is_err());
        assert!(Borrowed::padded(&rows, count, dim, stride - 1).is_err());
        assert!(BorrowedMut::padded(&mut rows, count, 0, stride).is_err());
    }
}

#[test]
fn patterns_learn_where_they_are() {
    check_update::<f32>();
    check_update::<f64>();
}

/// Rows that are not whole vectors, close together and with gaps, learn the bits that a memory
/// learns, from given weights and from a recall, and what is between them stays.
fn check_unpadded<T: Real>() {
    let mut random = Random::new(53);
    for (batch, dim, count, gap) in [(1, 5, 700, 0), (7, 33, 40, 3), (60, 47, 900, 1), (3, 1, 1, 0)]
    {
        let problem = Problem::<T>::new((batch, dim, count), &mut random);
        let stride = dim + gap;
        let spread = |patterns: &[T]| -> Vec<T> {
            let gap = vec![T::CANARY; gap];
            patterns.chunks(dim).flat_map(|row| [row, &gap].concat()).collect()
        };
        let probes = MatRef::new(&problem.probes, batch, dim).unwrap();
        let weights: Vec<T> =
            (0..batch * count).map(|i| T::from_f64((i as f64).sin().max(0.0))).collect();
        let weights = MatRef::new(&weights, batch, count).unwrap();
        let factors = Update::default()
            .with_eta(T::from_f64(0.3))
            .with_reg_lambda(T::from_f64(0.01))
            .with_l1_lambda(T::from_f64(0.001));
        let how = Retrieval::new(T::from_f64(0.7));
        for level in levels::all() {
            for threads in [Parallelism::Serial, Parallelism::default()] {
                let context = &mut levels::serial(level).with_parallelism(threads);
                let mut memory = problem.memory();
                let norms = memory.squared_norms().to_vec();
                let mut rows = spread(&problem.patterns);
                let lent = BorrowedMut::new(&mut rows, count, dim, stride).unwrap();
                let mut lent = lent.with_squared_norms(&norms).unwrap();
                let products = OuterProducts::new(weights, probes);
                outer_product_update(&mut memory, products, factors, Some(&mut *context)).unwrap();
                lent.update(weights, probes, factors, context).unwrap();
                for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
                    let plasticity = Plasticity::default().with_rule(rule).with_update(factors);
                    let mut deltas = [vec![T::NAN; count * dim], vec![T::NAN; count * dim]];
                    let [of_memory, of_lent] =
                        deltas.each_mut().map(|delta| MatMut::new(delta, count, dim).unwrap());
                    let mut recall = Recall::new();
                    how.recall(probes, &memory, Outputs::new(), &mut recall, context).unwrap();
                    plasticity.learn(&recall, &mut memory, Some(of_memory), context).unwrap();
                    how.recall(probes, &lent, Outputs::new(), &mut recall, context).unwrap();
                    lent.learn(&plasticity, &recall, Some(of_lent), context).unwrap();
                    assert!(lent.learn(&plasticity, &recall, None, context).is_err(), "stale");
                    let [of_memory, of_lent] = deltas;
                    assert_eq!(of_memory, of_lent, "{level}");
                }
                assert_eq!(lent.to_rows(), memory.to_rows(), "{level}");
                assert_eq!(lent.squared_norms(), memory.squared_norms(), "{level}");
                drop(lent);
                let expected = spread(&memory.to_rows());
                let same = rows.iter().zip(&expected).all(|(a, b)| a.bits() == b.bits());
                assert!(same, "{level}: the gaps");
            }
        }
    }
}

#[test]
fn patterns_of_any_length_learn_where_they_are() {
    check_unpadded::<f32>();
    check_unpadded::<f64>();
}

#[test]
fn rows_that_overlap_are_not_lent() {
    let mut rows = [0.0_f32; 12];
    assert!(BorrowedMut::new(&mut rows, 2, 5, 4).is_err());
    assert!(BorrowedMut::new(&mut rows, 2, 5, 0).is_err());
    assert!(BorrowedMut::new(&mut rows, 3, 5, 5).is_err());
    assert!(BorrowedMut::new(&mut rows, 0, 5, 5).is_err());
    assert!(BorrowedMut::new(&mut rows, 2, 0, 5).is_err());
    assert!(BorrowedMut::new(&mut rows, 1, 5, 0).is_ok());
}
