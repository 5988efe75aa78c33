//! The shift of the online softmax, wherever it changes: one probe, which takes a few patterns at a
//! time, has the bits of many, which take a block, and all results lie within the error bounds.

use testkit::checks::alone_and_together;
use testkit::data::{Matrix, Random, Real};
use testkit::naive::How;
use testkit::subject::Case;

/// The scores of N patterns for a probe of 1, in bits: β is ln 2.
fn scores(course: usize, count: usize) -> Vec<f64> {
    let mut random = Random(course as u64);
    let mut walk = 0.0;
    let score = |n: usize| {
        let last = n + 1 == count;
        match course {
            // Up a little, up much, down; up to the rescale threshold, and beyond it, again and
            // again.
            0 => n as f64 * 3.0,
            1 => n as f64 * 40.0,
            2 => -(n as f64) * 5.0,
            3 => (n / 2) as f64 * 8.0,
            4 => n as f64 * 8.000_1,
            // A walk; leaps; a maximum in the last place, in the middle of a row strip, of a
            // section.
            5 => {
                walk += random.between(-9.0, 10.0);
                walk
            }
            6 => random.between(-1.0, 1.0) * [1.0, 300.0][random.below(2)],
            7 => f64::from(u8::from(last)) * 500.0,
            8 => f64::from(u8::from(n == 45 || n == 46)) * 30.0,
            _ => f64::from(u8::from(n == 32)) * 9.0 - f64::from(u8::from(n == 31)) * 60.0,
        }
    };
    (0..count).map(score).collect()
}

fn wherever_it_changes<T: Real>() {
    for course in 0..10 {
        for count in [1, 31, 32, 33, 47, 64, 100, 530, 1100] {
            // Rows of one vector and of several: eight or four of them are a strip. Rows of two
            // chunks, for each of which there is a loop over the probe tiles.
            for (dim, most) in [(3, 1100), (300, 100), (900, 100), (1100, 530)] {
                if count > most {
                    continue;
                }
                let scores = scores(course, count);
                let of = |n: usize, d: usize| if d == 0 { scores[n] } else { (n + d) as f64 % 7.0 };
                let patterns = Matrix::from_fn((count, dim, 0), |n, d| T::from_f64(of(n, d)));
                let factors = [1.0, 0.5, -1.0, 2.0, 0.01, 1.0, -0.3];
                let probe = |b: usize, d: usize| if d == 0 { factors[b] } else { 0.0 };
                let probes = Matrix::from_fn((7, dim, 0), |b, d| T::from_f64(probe(b, d)));
                let case = Case::new(probes, patterns, How::beta(std::f64::consts::LN_2));
                alone_and_together(&case, &(course, count, dim));
            }
        }
    }
}

#[test]
fn wherever_the_shift_changes_bits_and_bounds_hold() {
    wherever_it_changes::<f32>();
    wherever_it_changes::<f64>();
}
