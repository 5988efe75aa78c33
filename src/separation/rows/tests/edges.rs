//! Masks, infinities, long rows, steep slopes and parameters.

use super::*;

#[test]
fn masks_are_as_if_removed() {
    let mut random = Random(17);
    for member in all() {
        for _ in 0..30 {
            let t = random.any_row();
            let mut masked = vec![MASK];
            t.iter().for_each(|&t| masked.extend([t, MASK]));
            let odd =
                |row: &[f64]| -> Vec<f64> { row.iter().skip(1).step_by(2).copied().collect() };
            let (p, q) = (weights(&*member, &t), weights(&*member, &masked));
            assert_eq!(bits(&odd(&q)), bits(&p), "{member:?}");
            assert!(q.iter().step_by(2).all(|q| q.to_bits() == 0), "{member:?}");
            let (a, b) = (value(&*member, &t), value(&*member, &masked));
            assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{member:?} {a} {b}");
            let mut g = random.row(t.len(), 1.0);
            let mut h = vec![f64::NAN; masked.len()];
            g.iter().enumerate().for_each(|(i, &g)| h[2 * i + 1] = g);
            pull(&*member, &t, &p, &mut g);
            pull(&*member, &masked, &q, &mut h);
            assert_eq!(bits(&odd(&h)), bits(&g), "{member:?}");
            assert!(h.iter().step_by(2).all(|h| *h == 0.0), "{member:?}");
            let (mut m, mut n) = (vec![1.0; t.len()], vec![1.0; masked.len()]);
            incline(&*member, &t, &p, &mut m);
            incline(&*member, &masked, &q, &mut n);
            assert_eq!(bits(&odd(&n)), bits(&m), "{member:?}");
            assert!(n.iter().step_by(2).all(|n| *n == 0.0), "{member:?}");
        }
    }
}

#[test]
fn edges() {
    for member in all() {
        for broken in [f64::NAN, f64::INFINITY] {
            let t = [0.0, broken, MASK];
            assert!(weights(&*member, &t).iter().all(|p| p.is_nan()), "{member:?}");
            assert!(value(&*member, &t).is_nan());
            let mut g = [1.0; 3];
            pull(&*member, &t, &t, &mut g);
            assert!(g.iter().all(|g| g.is_nan()));
        }
        for t in [&[][..], &[MASK; 3]] {
            assert_eq!(weights(&*member, t), vec![0.0; t.len()]);
            let mut g = vec![1.0; t.len()];
            pull(&*member, t, t, &mut g);
            assert_eq!(g, vec![0.0; t.len()]);
        }
    }
    for member in simplex().iter().chain(&budgets()) {
        assert_eq!(value(&**member, &[MASK; 2]), MASK);
    }
    for member in simplex() {
        assert_eq!(weights(&*member, &[3.5]), [1.0], "{member:?}");
        close(value(&*member, &[3.5]), 3.5, 1e-15, &member);
        let ties = weights(&*member, &[2.0; 4]);
        let spread = ties.iter().all(|&p| (p - 0.25).abs() < 1e-15);
        let first = ties[0] > 0.0 && ties.windows(2).all(|w| w[0] >= w[1]);
        assert!(
            spread || (first && format!("{member:?}").contains(['K', 'M'])),
            "{member:?} {ties:?}"
        );
    }
    assert_eq!(value(&SoftmaxPlus { c: 3.0 }, &[]), 3f64.ln());
    assert_eq!(value(&Epanechnikov { k: 2.0 }, &[-1.0, -2.0]), MASK);
    assert_eq!(weights(&Epanechnikov { k: 1.0 }, &[-1.0, -2.0]), [0.0, 0.0]);
    assert_eq!(weights(&Epanechnikov { k: 1.0 }, &[-1.0, -0.5, 0.0]), [0.0, 0.5, 0.5]);
    assert_eq!(weights(&HardTopK { k: 2 }, &[1.0, 0.0, 1.0, 1.0]), [0.5, 0.0, 0.5, 0.0]);
    // No overflow, no 0 / 0.
    assert_eq!(weights(&SoftmaxPlus { c: 1.0 }, &[-800.0, -900.0])[1], 0.0);
    assert_eq!(weights(&SoftmaxPlus { c: 1.0 }, &[800.0, 0.0])[0], 1.0);
    close(
        weights(&SoftmaxPlus { c: 1e-300 }, &[-740.0])[0],
        (-740.0 - 1e-300f64.ln()).exp(),
        1e-12,
        &0,
    );
}

#[test]
fn huge_scores_are_no_nan() {
    for member in all() {
        for t in [[1e300, -1e300, 0.0, 1e300], [-1e300; 4], [1e300; 4], [0.0, -1e300, 1e-300, 1.0]]
        {
            let p = weights(&*member, &t);
            assert!(p.iter().all(|p| !p.is_nan()), "{member:?} {p:?}");
            let unbounded = format!("{member:?}").starts_with("Po");
            assert!(unbounded || p.iter().all(|p| *p <= 1.0 && *p >= 0.0), "{member:?}");
            let mut g = [1.0, 0.0, -2.0, 0.5];
            pull(&*member, &t, &p, &mut g);
            assert!(g.iter().all(|g| !g.is_nan()), "{member:?} {t:?} {g:?}");
            let potential = value(&*member, &t);
            assert!(!potential.is_nan() || member.empty_potential().is_nan(), "{member:?} {t:?}");
        }
    }
}

/// Long rows of equals and near equals end, and are right.
#[test]
fn long_rows() {
    let mut random = Random(18);
    for member in simplex().iter().filter(|m| !format!("{m:?}").contains("TopK")) {
        for scale in [0.0, 1e-9, 1e-3, 0.1] {
            let t = random.row(20_000, scale);
            let p = weights(&**member, &t);
            close(p.iter().sum(), 1.0, 1e-11, member);
            if scale == 0.0 && format!("{member:?}") != "Max" {
                assert!(p.iter().all(|p| (p * 20_000.0 - 1.0).abs() < 1e-9), "{member:?}");
            }
        }
    }
}

/// The pullback of steep slopes: gradients that cancel are not lost.
#[test]
fn steep_slopes_do_not_cancel() {
    // Two weights: p^(α-1) - (1-p)^(α-1) = (α-1) d, so dp/dd = 1 / (p^(α-2) + (1-p)^(α-2)).
    for alpha in [3.0, 6.0, 10.0, 30.0f64] {
        for p in [0.9, 0.99, 0.9999] {
            let d = (f64::powf(p, alpha - 1.0) - f64::powf(1.0 - p, alpha - 1.0)) / (alpha - 1.0);
            let mut g = [1.0, -0.3];
            pull(&Entmax { alpha }, &[d, 0.0], &[p, 1.0 - p], &mut g);
            let slope = 1.3 / (f64::powf(p, alpha - 2.0) + f64::powf(1.0 - p, alpha - 2.0));
            close(g[0], slope, 1e-13, &alpha);
            close(g[1], -slope, 1e-13, &alpha);
        }
    }
}

#[test]
fn border_entries_are_outside() {
    // τ = -0.25 exactly, which is the third score.
    let t = [0.5, 0.0, -0.25, -0.25];
    for member in [&Sparsemax as &dyn RowSeparation, &KSubsets { k: 1.0 }] {
        let p = weights(member, &t);
        assert_eq!(p, [0.75, 0.25, 0.0, 0.0]);
        let mut g = [1.0, 0.0, 50.0, f64::NAN];
        pull(member, &t, &p, &mut g);
        assert_eq!(g, [0.5, -0.5, 0.0, 0.0]);
    }
}

/// Gradients of weights that are 0 reach nothing and are 0, where that is promised.
#[test]
fn gradients_stay_in_the_support() {
    let mut random = Random(19);
    let mut outside = 0;
    for member in all() {
        let name = format!("{member:?}");
        if name.starts_with("Clipped") || name == "Power { p: 1.0 }" {
            continue;
        }
        for _ in 0..30 {
            let t = random.any_row();
            let p = weights(&*member, &t);
            let mut g: Vec<f64> =
                p.iter().map(|&p| if p == 0.0 { f64::NAN } else { 1.5 }).collect();
            if name.starts_with("Po") {
                g.iter_mut().filter(|g| g.is_nan()).for_each(|g| *g = 7.0);
            }
            pull(&*member, &t, &p, &mut g);
            for (g, _) in g.iter().zip(&p).filter(|(_, p)| **p == 0.0) {
                assert_eq!(*g, 0.0, "{member:?}");
                outside += 1;
            }
            assert!(g.iter().all(|g| !g.is_nan()), "{member:?}");
        }
    }
    assert!(outside > 1000);
}

#[test]
fn parameters_are_checked() {
    let nan = f64::NAN;
    for alpha in [0.9, nan, f64::INFINITY] {
        assert_eq!(Entmax { alpha }.check().unwrap_err().0, "alpha");
    }
    assert!(Entmax { alpha: 1.0 }.check().is_ok());
    assert!(Normmax { alpha: 1.0 }.check().is_err() && Normmax { alpha: nan }.check().is_err());
    assert!(Normmax { alpha: f64::INFINITY }.check().is_ok());
    assert!(KSubsets { k: 0.0 }.check().is_err() && KSubsets { k: 0.1 }.check().is_ok());
    assert!(SoftmaxPlus { c: -1.0 }.check().is_err() && SoftmaxPlus { c: 0.0 }.check().is_ok());
    assert!(SoftmaxPlus { c: f64::INFINITY }.check().is_err());
    assert!(Polynomial { n: 1.9 }.check().is_err() && Polynomial { n: 2.0 }.check().is_ok());
    assert!(Power { p: 0.0 }.check().is_err() && Power { p: 0.5 }.check().is_ok());
    assert!(Epanechnikov { k: 0.9 }.check().is_err() && Epanechnikov { k: 1.0 }.check().is_ok());
    assert!(Clipped { gamma: 0.1, eta: 1.0 }.check().is_err());
    assert_eq!(
        Clipped { gamma: 0.0, eta: 0.9 }.check(),
        Err(("eta", "a finite number that is at least 1", 0.9))
    );
    assert!(Clipped { gamma: -0.1, eta: 1.1 }.check().is_ok());
}

/// Whoever prunes by `t > top - width` loses nothing within reach, and nothing is at a
/// distance of the width.
#[test]
fn what_is_within_reach_is_above_the_rounded_bound() {
    let mut random = Random(20);
    for _ in 0..10_000 {
        let width = [1.0, 1.0 / 0.37, 2.0][(random.uniform() * 3.0) as usize];
        let top = 10f64.powf(12.0 * random.uniform() - 2.0);
        let bound: f64 = top - width;
        assert!(!super::super::survives(bound, top, width), "{top} {width}");
        let above = bound.next_up();
        assert!(
            above - top > -width || !super::super::survives(above, top, width),
            "{top} {width}"
        );
        assert!(super::super::survives(top, top, width));
    }
}

/// A gradient that is the same everywhere moves nothing, however steep the slopes are.
#[test]
fn equal_gradients_cancel_exactly() {
    let mut random = Random(21);
    for alpha in entmaxes().into_iter().filter(|&alpha| alpha > 2.0) {
        for _ in 0..100 {
            let (t, gradient) = (random.row(10, 0.1), random.uniform());
            let mut g = [gradient; 10];
            pull(&Entmax { alpha }, &t, &weights(&Entmax { alpha }, &t), &mut g);
            assert_eq!(g, [0.0; 10], "{alpha}");
        }
    }
}
