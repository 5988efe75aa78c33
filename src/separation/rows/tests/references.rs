//! Weights against bisection, sorts and closed forms.

use super::*;

#[test]
fn entmax_is_the_bisected_threshold() {
    let mut random = Random(1);
    let mut worst = [0.0f64; 5];
    for _ in 0..100 {
        let t = random.any_row();
        for (i, alpha) in [1.2f64, 1.37, 1.5, 2.0, 2.5].into_iter().enumerate() {
            let a = alpha - 1.0;
            let weight = |x: f64| (a * x).max(0.0).powf(1.0 / a);
            let expected = scaled(reference(&t, 1.0 / a, weight, 1.0));
            worst[i] = worst[i].max(distance(&weights(&Entmax { alpha }, &t), &expected));
        }
    }
    println!("entmax, bisected: {worst:?}");
    assert!(worst[..4].iter().all(|&w| w < 1e-14) && worst[4] < 1e-10, "{worst:?}");
}

/// The threshold that each weight implies is the same, and not below the scores outside.
#[test]
fn entmax_is_optimal_for_every_alpha() {
    let mut random = Random(2);
    for alpha in entmaxes().into_iter().filter(|&alpha| alpha > 1.01) {
        let (a, mut worst) = (alpha - 1.0, 0.0f64);
        for _ in 0..100 {
            let t = random.any_row();
            let p = weights(&Entmax { alpha }, &t);
            let top = t.iter().copied().fold(MASK, f64::max);
            let gap = |(t, p): (&f64, &f64)| a * (t - top) - p.powf(a);
            let on = || t.iter().zip(&p).filter(|(_, p)| **p > 0.0).map(gap);
            let (low, high) = (on().fold(f64::INFINITY, f64::min), on().fold(MASK, f64::max));
            worst = worst.max(high - low);
            let outside = t.iter().zip(&p).filter(|(_, p)| **p == 0.0);
            assert!(outside.map(|(t, _)| a * (t - top)).all(|z| z <= high + 1e-13), "{alpha}");
        }
        println!("entmax {alpha}, optimality: {worst:e}");
        assert!(worst < 2e-15 * alpha.max(2.0) * 4.0, "{alpha}: {worst}");
    }
}

/// The smallest weight by bisection, for every support, where no threshold is exact.
#[test]
fn entmax_above_2_is_the_bisected_smallest_weight() {
    let mut random = Random(3);
    let mut worst = 0.0f64;
    for alpha in [2.001, 3.0, 6.0, 10.0, 30.0, 1e3] {
        let a: f64 = alpha - 1.0;
        for _ in 0..60 {
            let t = random.any_row();
            let mut sorted = t.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let sum = |j: usize, u: f64| -> f64 {
                let d = sorted[..=j].iter().map(|t| a * (t - sorted[j]));
                d.map(|d| if d == 0.0 { u } else { (d + u.powf(a)).powf(1.0 / a) }).sum()
            };
            let j = (0..t.len()).rev().find(|&j| sum(j, 0.0) < 1.0).unwrap();
            let u = bisect(0.0, 1.0, |u| 1.0 - sum(j, u));
            let expected = t.iter().map(|&t| match a * (t - sorted[j]) {
                d if d < 0.0 => 0.0,
                0.0 => u,
                d => (d + u.powf(a)).powf(1.0 / a),
            });
            let expected: Vec<f64> = expected.collect();
            worst = worst.max(distance(&weights(&Entmax { alpha }, &t), &expected));
        }
    }
    println!("entmax above 2: {worst:e}");
    assert!(worst < 1e-14);
}

#[test]
fn two_scores_have_closed_forms() {
    for d in [0.0, 0.1, 0.5, 0.9, 1.0, 1.5, 1.99, 2.0, 3.0] {
        let t = [5.0, 5.0 - d];
        let soft = 1.0 / (1.0 + f64::exp(-d));
        close(weights(&Softmax, &t)[0], soft, 1e-15, &d);
        let sparse = f64::min((1.0 + d) / 2.0, 1.0);
        close(weights(&Sparsemax, &t)[0], sparse, 1e-15, &d);
        // √p - √(1-p) = d/2
        let x = (d / 2.0 + (2.0 - d * d / 4.0).max(0.0).sqrt()) / 2.0;
        let entmax = if d >= 2.0 { 1.0 } else { x * x };
        close(weights(&Entmax { alpha: 1.5 }, &t)[0], entmax, 1e-15, &d);
        // p² - (1-p)² = 2 d
        close(
            weights(&Entmax { alpha: 3.0 }, &t)[0],
            f64::min((1.0 + 2.0 * d) / 2.0, 1.0),
            1e-15,
            &d,
        );
        let plus = 1.0 / (1.0 + (-d).exp() + 3.0 * (-5.0f64).exp());
        close(weights(&SoftmaxPlus { c: 3.0 }, &t)[0], plus, 1e-15, &d);
    }
}

#[test]
fn normmax_is_the_bisected_threshold() {
    let mut random = Random(4);
    for alpha in normmaxes() {
        let (q, mut worst, mut relative) = (1.0 / (alpha - 1.0), 0.0f64, 0.0f64);
        for _ in 0..100 {
            let t = random.any_row();
            let top = t.iter().copied().fold(MASK, f64::max);
            let f = |tau: f64| {
                t.iter().map(|t| (t - top - tau).max(0.0).powf(q + 1.0)).sum::<f64>() - 1.0
            };
            let tau = bisect(-1.0, 0.0, f);
            let of = |t: &f64| if t - top > tau { (t - top - tau).powf(q) } else { 0.0 };
            let expected = scaled(t.iter().map(of).collect());
            worst = worst.max(distance(&weights(&Normmax { alpha }, &t), &expected));
            relative = relative.max((value(&Normmax { alpha }, &t) - (top + tau + 1.0)).abs());
        }
        println!("normmax {alpha}: {worst:e}, potential {relative:e}");
        assert!(worst < 1e-13 && relative < 1e-13, "{alpha}: {worst} {relative}");
    }
}

#[test]
fn k_subsets_is_the_bisected_threshold() {
    let mut random = Random(5);
    let mut worst = 0.0f64;
    for _ in 0..300 {
        let t = random.any_row();
        for k in [0.3, 1.0, 1.5, 2.0, 3.7, 7.0] {
            let p = weights(&KSubsets { k }, &t);
            let total: f64 = p.iter().sum();
            if k >= t.len() as f64 {
                assert_eq!(p, vec![1.0; t.len()]);
                continue;
            }
            close(total, k, 1e-14, &(&t, k));
            let width = t.iter().map(|x| x.abs()).fold(1.0, f64::max) * 3.0;
            let clip = |x: f64| x.clamp(0.0, 1.0);
            worst = worst.max(distance(&p, &reference(&t, width, clip, k)) / width);
        }
    }
    println!("k-subsets: {worst:e}");
    assert!(worst < 1e-14);
}

#[test]
fn k_subsets_with_a_gap_are_a_subset() {
    let t = [4.0, 0.5, 3.0, 2.0, 1.0, -7.0];
    assert_eq!(weights(&KSubsets { k: 3.0 }, &t), [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_ne!(
        weights(&KSubsets { k: 3.0 }, &[4.0, 1.5, 3.0, 2.0, 1.0]),
        [1.0, 0.0, 1.0, 1.0, 0.0]
    );
}

/// The k highest by a stable sort of the indices.
#[test]
fn top_k_is_the_sorted_top() {
    let mut random = Random(6);
    for _ in 0..300 {
        // Rounded, for ties.
        let t: Vec<f64> = random.any_row().iter().map(|t| (t * 2.0).round() / 2.0).collect();
        for k in [1, 2, 3, 7, 100] {
            let mut order: Vec<usize> = (0..t.len()).collect();
            order.sort_by(|&a, &b| t[b].partial_cmp(&t[a]).unwrap());
            let chosen = &order[..k.min(t.len())];
            let (mut soft, mut hard) = (vec![MASK; t.len()], vec![0.0; t.len()]);
            for &i in chosen {
                soft[i] = t[i];
                hard[i] = 1.0 / chosen.len() as f64;
            }
            assert_eq!(weights(&TopK { k }, &t), weights(&Softmax, &soft));
            assert_eq!(value(&TopK { k }, &t), value(&Softmax, &soft));
            assert_eq!(weights(&HardTopK { k }, &t), hard);
            close(value(&HardTopK { k }, &t), dot(&hard, &t), 1e-14, &t);
        }
        assert_eq!(weights(&Max, &t), weights(&HardTopK { k: 1 }, &t));
    }
}
