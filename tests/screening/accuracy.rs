//! Both strategies are within the derived bounds, on difficult data.

use hopfield_kernels::Screening;
use testkit::checks;
use testkit::data::{Kind, Random, Real};
use testkit::levels;
use testkit::subject::{Case, Shape};

const SHAPES: [Shape; 6] =
    [(1, 1, 1), (4, 16, 16), (5, 33, 47), (2, 100, 700), (3, 811, 70), (2, 34, 2500)];

/// The largest error of a peaked recall over its bound.
fn peaked<T: Real>() -> f64 {
    let mut largest = 0.0;
    for (at, shape) in SHAPES.into_iter().enumerate() {
        for kind in Kind::ALL {
            let beta = Random(at as u64).log_between(0.01, 50.0);
            let mut case = Case::<T>::random(shape, kind, beta, 100 + at as u64);
            case.screening = Screening::Always;
            let exact: Vec<_> = (0..shape.0).map(|b| (b, case.exact(b))).collect();
            for level in levels::all() {
                let context = &mut levels::serial(level);
                for (kernel, ratio) in checks::recall(&case, level, context, &exact) {
                    let what = format!("{kernel}: {level}, {kind:?} {shape:?} β = {beta}");
                    assert!(ratio <= 1.0, "{ratio} times its bound: {what}");
                    largest = f64::max(largest, ratio);
                }
            }
        }
    }
    largest
}

#[test]
fn peaked_recalls_are_within_the_bounds() {
    for largest in [peaked::<f32>(), peaked::<f64>()] {
        assert!(largest > 0.05, "the bounds are vacuous: {largest}");
    }
}
