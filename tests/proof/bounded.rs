//! Probes so short that all their scores are near 0: their softmax is bounded and needs no maximum.
//! On both sides of the bound, one probe alone has the bits of one among many, whatever outputs are
//! asked for, and all results lie within the error bounds.

use hopfield_kernels::{MatMut, MatRef, Memory, Outputs, Retrieval};

use testkit::checks::alone_and_together;
use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels::{self, serial};
use testkit::naive::How;
use testkit::subject::Case;

/// The largest score of a probe, over the largest for which its softmax is bounded.
const SIZES: [f64; 9] = [0.0, 1e-3, 0.5, 0.97, 0.9999, 1.0001, 1.03, 2.0, 30.0];

/// Probes of every size: some at random, some along the longest pattern or against it.
fn case<T: Real>((batch, dim, count): (usize, usize, usize), scale: f64) -> Case<T> {
    let random = &mut Random((batch + dim + count) as u64);
    let of = Kind::Uniform.matrix::<T>((count, dim, 0), random);
    let patterns =
        Matrix::from_fn((count, dim, 0), |n, d| T::from_f64(of.row(n)[d].to_f64() * scale));
    let norm = |row: &[T]| row.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt();
    let longest = patterns.iter().max_by(|a, b| norm(a).total_cmp(&norm(b))).expect("patterns");
    let bits = f64::from(T::DIGITS) + (count as f64).log2().ceil();
    let directions = Kind::Uniform.matrix::<T>((batch, dim, 0), random);
    let probes = Matrix::from_fn((batch, dim, 0), |b, d| {
        let direction = if b % 3 == 0 { directions.row(b) } else { longest };
        let sign = if b % 3 == 1 { -1.0 } else { 1.0 };
        // β log2 e is 1.
        let length = 0.5 * bits * SIZES[b % SIZES.len()] / norm(longest);
        T::from_f64(sign * direction[d].to_f64() / norm(direction) * length)
    });
    Case::new(probes, patterns, How::beta(std::f64::consts::LN_2))
}

fn near_where_it_ends<T: Real>() {
    // A few patterns and several blocks; short patterns, of which there are panels for many probes,
    // and long ones; elements whose squares are far below 1.
    for (dim, count, scale) in
        [(3, 1, 1.0), (20, 33, 1.0), (64, 1100, 1.0), (300, 700, 1.0), (20, 100, 1e-15)]
    {
        let mut case = case::<T>((54, dim, count), scale);
        for masked in [false, true] {
            case.how.keep = masked.then(|| (0..count).map(|n| n % 5 != 1).collect());
            alone_and_together(&case, &(dim, count, scale, masked));
        }
    }
}

#[test]
fn at_the_bound_of_bounded_probes_bits_and_bounds_hold() {
    near_where_it_ends::<f32>();
    near_where_it_ends::<f64>();
}

/// A probe of zeros is as short as can be, and 0 times infinity is not a number.
#[test]
fn nothing_is_bounded_among_patterns_that_are_not_finite() {
    fn check<T: Real>() {
        let infinity = T::ONE / T::ZERO;
        for level in levels::all() {
            for strange in [infinity, -infinity, T::NAN] {
                let patterns = [T::ONE, T::ZERO, T::ZERO, strange];
                let memory = Memory::from_rows(MatRef::new(&patterns, 2, 2).unwrap()).unwrap();
                let mut sum = [T::ZERO; 2];
                let mut lse = [T::ZERO];
                let outputs = Outputs::new()
                    .with_retrieved(MatMut::new(&mut sum, 1, 2).unwrap())
                    .with_lse(&mut lse);
                let probe = [T::ZERO; 2];
                Retrieval::new(T::ONE)
                    .run(MatRef::new(&probe, 1, 2).unwrap(), &memory, outputs, &mut serial(level))
                    .unwrap();
                assert!(sum.iter().chain(&lse).all(|x| x.is_nan()), "{level}: {sum:?} {lse:?}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
