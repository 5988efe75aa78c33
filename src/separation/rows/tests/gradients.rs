//! Gradients, potentials, margins and bounds.

use super::*;

/// A row whose scores are not near a kink of any member, most of the time.
fn smooth_row(random: &mut Random) -> Vec<f64> {
    let scale = [0.2, 0.6, 1.5][(random.uniform() * 3.0) as usize];
    random.row(8, scale)
}

/// What is done with an index and its two neighbours.
type Visit<'a> = dyn FnMut(usize, &[f64], &[f64]) + 'a;

/// Calls `f` with t - h and t + h at each index, where that leaves the support as it is and each
/// weight away from its kinks.
fn with_neighbours(member: &dyn RowSeparation, t: &[f64], h: f64, f: &mut Visit) {
    let kinks =
        |p: &[f64]| -> Vec<(bool, bool)> { p.iter().map(|&p| (p == 0.0, p == 1.0)).collect() };
    let p = weights(member, t);
    let highest = p.iter().copied().fold(0.0, f64::max);
    if p.iter().any(|&p| p > 0.0 && p < 0.02 * highest) {
        return;
    }
    for i in 0..t.len() {
        let (mut low, mut high) = (t.to_vec(), t.to_vec());
        low[i] -= h;
        high[i] += h;
        let same = |t: &[f64]| kinks(&weights(member, t)) == kinks(&p);
        // Not so close to a kink that the slope changes much.
        let change = distance(&weights(member, &low), &weights(member, &high));
        let gentle = change <= 30.0 * h * p.iter().copied().fold(1.0, f64::max);
        if gentle && same(&low) && same(&high) {
            f(i, &low, &high);
        }
    }
}

#[test]
fn the_pullback_is_the_derivative() {
    let mut random = Random(12);
    let h = 1e-6;
    for member in all() {
        let (mut checked, mut worst) = (0, 0.0f64);
        for _ in 0..200 {
            let (t, dp) = (smooth_row(&mut random), random.row(8, 1.0));
            let (p, mut dt) = (weights(&*member, &t), dp.clone());
            pull(&*member, &t, &p, &mut dt);
            with_neighbours(&*member, &t, h, &mut |i, low, high| {
                let up = dot(&weights(&*member, high), &dp);
                let expected = (up - dot(&weights(&*member, low), &dp)) / (2.0 * h);
                worst = worst.max((dt[i] - expected).abs() / (1.0 + expected.abs()));
                checked += 1;
            });
        }
        println!("{member:?}: {worst:e} in {checked}");
        assert!(checked > 15 && worst < 1e-4, "{member:?}: {worst:e} in {checked}");
    }
}

#[test]
fn the_gradient_of_the_potential_is_its_derivative() {
    let mut random = Random(13);
    let h = 1e-5;
    for member in all() {
        let (mut checked, mut worst) = (0, 0.0f64);
        for _ in 0..100 {
            let t = smooth_row(&mut random);
            let mut gradient = vec![0.0; t.len()];
            incline(&*member, &t, &weights(&*member, &t), &mut gradient);
            with_neighbours(&*member, &t, h, &mut |i, low, high| {
                let expected = (value(&*member, high) - value(&*member, low)) / (2.0 * h);
                if expected.is_finite() && value(&*member, &t).is_finite() {
                    worst = worst.max((gradient[i] - expected).abs() / (1.0 + expected.abs()));
                    checked += 1;
                }
            });
        }
        println!("{member:?}: {worst:e} in {checked}");
        let none = value(&*member, &[0.5]).is_nan();
        assert!((checked > 15 && worst < 1e-6) || none, "{member:?}: {worst:e} in {checked}");
    }
}

#[test]
fn potentials_are_convex_and_above_their_tangents() {
    let mut random = Random(14);
    for member in simplex().into_iter().chain(budgets()) {
        for _ in 0..60 {
            let (a, b) = (smooth_row(&mut random), smooth_row(&mut random));
            let rise: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
            let tangent = value(&*member, &a) + dot(&weights(&*member, &a), &rise);
            assert!(value(&*member, &b) >= tangent - 1e-13, "{member:?}");
        }
    }
}

/// G(t) = t.p - Ω(p), and no other row of weights gives more.
#[test]
fn fenchel_and_young() {
    let mut random = Random(15);
    for member in simplex().into_iter().chain(budgets()) {
        let mut worst = 0.0f64;
        for _ in 0..60 {
            let t = smooth_row(&mut random);
            let score = |p: &[f64]| dot(p, &t) - member.conjugate(p).unwrap();
            let g = value(&*member, &t);
            worst = worst.max((g - score(&weights(&*member, &t))).abs());
            let other = weights(&*member, &smooth_row(&mut random));
            assert!(score(&other) <= g + 1e-12, "{member:?}");
        }
        println!("{member:?}: {worst:e}");
        assert!(worst < 2e-14, "{member:?}: {worst:e}");
    }
}

#[test]
fn constants_are_those_of_the_uniform_row() {
    for n in [1usize, 2, 5, 1000] {
        let uniform = vec![1.0 / n as f64; n];
        for member in simplex().iter().filter(|m| !format!("{m:?}").contains("TopK")) {
            close(member.constant(n), -member.conjugate(&uniform).unwrap(), 1e-12, member);
            let mut one_hot = vec![0.0; n];
            one_hot[n / 2] = 1.0;
            assert_eq!(member.conjugate(&one_hot).unwrap().abs(), 0.0, "{member:?}");
            // -Ω(u) = G(0)
            close(member.constant(n), value(&**member, &vec![0.0; n]), 1e-12, member);
        }
        let k = KSubsets { k: 2.5 };
        let n_real = n as f64;
        if n > 2 {
            close(k.constant(n), (2.5 - 2.5 * 2.5 / n_real) / 2.0, 1e-14, &n);
        }
        close(k.constant(n), value(&k, &vec![0.0; n]), 1e-12, &n);
        close(SoftmaxPlus { c: 3.0 }.constant(n), (n_real + 3.0).ln(), 1e-15, &n);
        close(TopK { k: 3 }.constant(n), value(&TopK { k: 3 }, &vec![0.0; n]), 1e-15, &n);
    }
}

#[test]
fn margins_are_exact() {
    for member in simplex().iter().chain(&budgets()) {
        let Some(margin) = member.margin() else { continue };
        if margin > 1e6 {
            continue;
        }
        for top in [0.0, 0.1, 7.3, -123.456, 1e5] {
            let below = top - margin;
            let below = if top - below < margin { below.next_down() } else { below };
            assert_eq!(weights(&**member, &[top, below, below])[0], 1.0, "{member:?} {top}");
            assert_eq!(weights(&**member, &[top, below, below])[1], 0.0, "{member:?} {top}");
        }
        // Not where the weight underflows.
        if margin > 0.0 && margin < 100.0 && format!("{member:?}") != "Normmax { alpha: inf }" {
            let closer = weights(&**member, &[-0.8 * margin, 0.0]);
            assert!(closer[0] > 0.0, "{member:?} {closer:?}");
        }
    }
}

#[test]
fn errors_are_within_their_bounds() {
    let mut random = Random(16);
    for member in all() {
        for e in [1e-6, 1e-3, 0.1] {
            let bound = member.error(e);
            for _ in 0..100 {
                let t = smooth_row(&mut random);
                let off: Vec<f64> =
                    t.iter().map(|t| t + e * (2.0 * random.uniform() - 1.0).signum()).collect();
                let error = distance(&weights(&*member, &t), &weights(&*member, &off));
                assert!(error <= bound * (1.0 + 1e-9) + 1e-14, "{member:?} {error} {bound}");
            }
        }
    }
    // Normmax has none: a thousandth on many tiny weights.
    let row = |fall: f64| [vec![0.0], vec![fall; 1000]].concat();
    let (a, b) = (
        weights(&Normmax { alpha: 2.0 }, &row(-0.999)),
        weights(&Normmax { alpha: 2.0 }, &row(-0.998)),
    );
    assert!(a[0] - b[0] > 0.1, "{} {}", a[0], b[0]);
}
