//! The kit itself: its arithmetic, its bounds and the levels that it finds.

use hopfield_kernels::{Level, Update};
use testkit::bounds::{Arithmetic, ratio, times};
use testkit::data::Matrix;
use testkit::double::Double;
use testkit::levels::all;
use testkit::naive::{How, recall};

/// β times the error of a score is large here, and every weight may be anything: no result is
/// refused.
#[test]
fn what_is_unbounded_has_no_bound_that_is_not_a_number() {
    assert_eq!(times(f64::INFINITY, 0.0), f64::INFINITY);
    assert_eq!(ratio(f64::INFINITY, f64::INFINITY), 0.0);
    assert_eq!(ratio(f64::NAN, f64::INFINITY), f64::INFINITY);
    let row = |x: f32| Matrix::from_fn((1, 2, 0), |_, d| if d == 0 { x } else { 0.0 });
    let patterns = Matrix::from_fn((3, 2, 0), |n, d| if d == 0 { n as f32 } else { 0.0 });
    let how = How::<f32>::beta(1e30);
    let probe = row(1.0);
    let exact = recall(probe.row(0), &patterns, &how);
    for level in Level::available() {
        let arithmetic = Arithmetic::of::<f32>(level);
        let bounds = arithmetic.recall(probe.row(0), &patterns, &how, &exact);
        assert_eq!(bounds.retrieved, [f64::INFINITY; 2], "the second feature of all patterns is 0");
        let numbers = [bounds.lse, bounds.energy, bounds.entropy];
        assert!(numbers.iter().chain(&bounds.weights).all(|bound| !bound.is_nan()), "{bounds:?}");
        let update = Update::default().with_eta(0.0_f32).with_reg_lambda(0.0).with_l1_lambda(0.0);
        assert_eq!(arithmetic.updated(0.0_f32, 0.0, f64::INFINITY, update), f64::INFINITY);
    }
}

#[test]
fn a_hundred_bits_survive() {
    let near = |a: Double, b: Double| ((a - b) / b).abs().to_f64() < 1e-29;
    let third = Double::ONE / Double::new(3.0);
    assert!(near(third + third + third, Double::ONE));
    assert!(near((third * third) / third, third));
    // e and ln 10, to 32 digits and as hi + lo.
    let e = Double::from_parts(std::f64::consts::E, 1.4456468917292502e-16);
    let ln_10 = Double::from_parts(std::f64::consts::LN_10, -2.1707562233822494e-16);
    assert!(near(Double::ONE.exp(), e));
    assert!(near(Double::new(10.0).ln(), ln_10));
    for x in [-650.3, -30.1, -0.7, -1e-9, 1e-20, 3.3, 200.9] {
        let x = Double::new(x);
        // ln(e^x) - x is an absolute error: an ulp of e^x.
        assert!((x.exp().ln() - x).abs().to_f64() < 1e-29 * (1.0 + x.abs().to_f64()), "{x:?}");
        assert!(near(x.exp() * (-x).exp(), Double::ONE), "{x:?}");
    }
    assert_eq!((Double::new(f64::INFINITY) + Double::ONE).to_f64(), f64::INFINITY);
    assert_eq!((Double::new(f64::INFINITY) * Double::ONE).to_f64(), f64::INFINITY);
    assert!((Double::new(f64::INFINITY) - Double::new(f64::INFINITY)).to_f64().is_nan());
}

#[test]
fn required_levels_are_there() {
    assert!(all().iter().any(|level| level.name() == "portable"));
}
