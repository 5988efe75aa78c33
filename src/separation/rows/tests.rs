//! The members against naive references, closed forms, differences, and each other.

use super::clipped::Clipped;
use super::entmax::Entmax;
use super::epanechnikov::Epanechnikov;
use super::hard_top_k::{HardTopK, Max};
use super::k_subsets::KSubsets;
use super::normmax::Normmax;
use super::polynomial::Polynomial;
use super::power::Power;
use super::softmax::{Softmax, SoftmaxPlus};
use super::sparsemax::Sparsemax;
use super::top_k::TopK;
use super::{Reach, RowSeparation, incline, pull, value, weigh};

const MASK: f64 = f64::NEG_INFINITY;

/// xorshift64*
struct Random(u64);

impl Random {
    /// A number in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, of deviation `scale`.
    fn row(&mut self, n: usize, scale: f64) -> Vec<f64> {
        (0..n).map(|_| scale * ((0..12).map(|_| self.uniform()).sum::<f64>() - 6.0)).collect()
    }

    /// A row of any of several lengths and scales.
    fn any_row(&mut self) -> Vec<f64> {
        let n = 1 + (self.uniform() * 40.0) as usize;
        let scale = [0.01, 0.1, 0.5, 1.0, 3.0, 30.0][(self.uniform() * 6.0) as usize];
        self.row(n, scale)
    }
}

type Member = Box<dyn RowSeparation>;

fn entmaxes() -> Vec<f64> {
    vec![
        1.0,
        1.0 + f64::EPSILON,
        1.0 + 1e-10,
        1.0001,
        1.05,
        1.2,
        1.25,
        4.0 / 3.0,
        1.37,
        1.5,
        1.75,
        1.999,
        2.0,
        2.001,
        2.5,
        3.0,
        6.0,
        10.0,
        30.0,
        1e3,
    ]
}

fn normmaxes() -> Vec<f64> {
    vec![1.01, 1.2, 1.5, 1.9, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, f64::INFINITY]
}

/// Those whose weights are the gradient of the potential, and sum to 1.
fn simplex() -> Vec<Member> {
    let mut all: Vec<Member> = vec![Box::new(Softmax), Box::new(Sparsemax), Box::new(Max)];
    all.extend(entmaxes().into_iter().map(|alpha| Box::new(Entmax { alpha }) as Member));
    all.extend(normmaxes().into_iter().map(|alpha| Box::new(Normmax { alpha }) as Member));
    all.extend([1, 2, 3, 7].map(|k| Box::new(TopK { k }) as Member));
    all.extend([1, 2, 3, 7].map(|k| Box::new(HardTopK { k }) as Member));
    all
}

fn budgets() -> Vec<Member> {
    [0.3, 1.0, 1.5, 2.0, 3.7, 7.0].map(|k| Box::new(KSubsets { k }) as Member).into()
}

fn others() -> Vec<Member> {
    let mut all: Vec<Member> = vec![Box::new(Clipped { gamma: -0.05, eta: 1.02 })];
    all.extend([0.0, 1e-30, 0.5, 1.0, 1e5].map(|c| Box::new(SoftmaxPlus { c }) as Member));
    all.extend([2.0, 2.5, 3.0, 10.0].map(|n| Box::new(Polynomial { n }) as Member));
    all.extend([0.5, 1.0, 2.0, 3.0, 4.5].map(|p| Box::new(Power { p }) as Member));
    all.extend([1.0, 1.5, 2.0, 3.0].map(|k| Box::new(Epanechnikov { k }) as Member));
    all
}

fn all() -> Vec<Member> {
    simplex().into_iter().chain(budgets()).chain(others()).collect()
}

fn weights(member: &dyn RowSeparation, t: &[f64]) -> Vec<f64> {
    let mut p = t.to_vec();
    weigh(member, &mut p);
    p
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |max, d| if d > max || d.is_nan() { d } else { max })
}

fn close(a: f64, b: f64, tolerance: f64, what: &dyn std::fmt::Debug) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} is not {b}: {what:?}");
}

fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|x| x.to_bits()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).filter(|(a, _)| **a != 0.0).map(|(a, b)| a * b).sum()
}

/// The x in `low..high` at which a falling function passes 0.
fn bisect(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..2000 {
        let middle = low + (high - low) / 2.0;
        if f(middle) > 0.0 { low = middle } else { high = middle }
    }
    low
}

fn reference(t: &[f64], width: f64, weight: impl Fn(f64) -> f64, total: f64) -> Vec<f64> {
    let top = t.iter().copied().fold(MASK, f64::max);
    let sum = |tau: f64| t.iter().map(|t| weight(t - top - tau)).sum::<f64>() - total;
    let tau = bisect(-width, 0.0, sum);
    t.iter().map(|t| weight(t - top - tau)).collect()
}

fn scaled(mut p: Vec<f64>) -> Vec<f64> {
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    p
}

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

#[test]
fn rows_sum_to_one_and_are_not_negative() {
    let mut random = Random(7);
    for member in simplex() {
        for _ in 0..50 {
            let t = random.any_row();
            let p = weights(&*member, &t);
            close(p.iter().sum(), 1.0, 1e-14, &member);
            assert!(p.iter().all(|&p| (0.0..=1.0).contains(&p)), "{member:?}");
        }
    }
}

#[test]
fn a_shift_changes_only_the_potential() {
    let mut random = Random(8);
    for (member, by) in simplex()
        .into_iter()
        .map(|m| (m, 1.0))
        .chain([1.0, 2.0, 3.0].map(|k| (Box::new(KSubsets { k }) as Member, k)))
    {
        // Multiples of 2⁻²⁰, so that scores shifted by 1e8 are exact.
        let t: Vec<f64> =
            random.row(9, 0.7).iter().map(|t| (t * 1048576.0).round() / 1048576.0).collect();
        for shift in [1e8, -1e8] {
            let shifted: Vec<f64> = t.iter().map(|t| t + shift).collect();
            let (p, q) = (weights(&*member, &t), weights(&*member, &shifted));
            assert_eq!(bits(&p), bits(&q), "{member:?}");
            close(value(&*member, &shifted), value(&*member, &t) + by * shift, 1e-14, &member);
        }
    }
}

#[test]
fn a_permutation_permutes() {
    let mut random = Random(9);
    for member in all() {
        for _ in 0..20 {
            let t = random.any_row();
            let reversed: Vec<f64> = t.iter().rev().copied().collect();
            let mut p = weights(&*member, &reversed);
            p.reverse();
            let expected = weights(&*member, &t);
            let highest = expected.iter().copied().fold(1.0, f64::max);
            assert!(distance(&p, &expected) <= 1e-14 * highest, "{member:?}");
        }
    }
}

#[test]
fn members_meet() {
    let mut random = Random(10);
    for _ in 0..200 {
        let t = random.any_row();
        let sparse = weights(&Sparsemax, &t);
        assert_eq!(bits(&sparse), bits(&weights(&Entmax { alpha: 2.0 }, &t)));
        if t.len() > 1 {
            assert!(distance(&sparse, &weights(&KSubsets { k: 1.0 }, &t)) < 1e-14);
        }
        // From both sides, where the algorithms differ.
        for alpha in [2.0 - 1e-13, 2.0 + 1e-13] {
            assert!(distance(&sparse, &weights(&Entmax { alpha }, &t)) < 2e-12, "{t:?}");
        }
        let soft = weights(&Softmax, &t);
        assert_eq!(bits(&soft), bits(&weights(&Entmax { alpha: 1.0 }, &t)));
        assert_eq!(bits(&soft), bits(&weights(&SoftmaxPlus { c: 0.0 }, &t)));
        assert_eq!(bits(&soft), bits(&weights(&TopK { k: t.len() }, &t)));
        assert!(distance(&soft, &weights(&Entmax { alpha: 1.0 + f64::EPSILON }, &t)) < 1e-14);
        assert!(distance(&soft, &weights(&Entmax { alpha: 1.0 + 1e-10 }, &t)) < 1e-8);
        assert!(distance(&soft, &weights(&Clipped { gamma: 0.0, eta: 1.0 }, &t)) == 0.0);
        let twice: Vec<f64> = t.iter().map(|t| 2.0 * t).collect();
        let root =
            scaled(weights(&Entmax { alpha: 1.5 }, &twice).iter().map(|p| p.sqrt()).collect());
        assert!(distance(&root, &weights(&Normmax { alpha: 2.0 }, &t)) < 1e-13);
        // An added zero pattern.
        let mut more = t.clone();
        more.push(0.0);
        let beside = weights(&Softmax, &more);
        assert!(distance(&beside[..t.len()], &weights(&SoftmaxPlus { c: 1.0 }, &t)) < 1e-15);
        let sharp: Vec<f64> = t.iter().map(|t| 1e9 * t).collect();
        assert!(distance(&weights(&Softmax, &sharp), &weights(&Max, &t)) < 1e-12);
    }
}

#[test]
fn copies_are_a_bias() {
    let t = [0.3, -0.4, 1.0];
    let copies = weights(&Softmax, &[0.3, 0.3, 0.3, -0.4, 1.0]);
    let bias = weights(&Softmax, &[t[0] + 3f64.ln(), t[1], t[2]]);
    close(copies[..3].iter().sum(), bias[0], 1e-15, &copies);
}

/// The bits of a row and of what is within reach are the same.
#[test]
fn what_is_out_of_reach_does_not_count() {
    let mut random = Random(11);
    let mut dropped = 0;
    for member in all() {
        for round in 0..60 {
            let offset = [0.0, 0.0, 1e3, -1e8, 1e15, 1e17][round % 6];
            let mut t: Vec<f64> = random.any_row().iter().map(|t| t + offset).collect();
            if round % 7 == 0 {
                t.extend_from_within(..);
            }
            let keep = within(member.reach(), &t);
            let subset: Vec<f64> = t.iter().zip(&keep).filter(|k| *k.1).map(|k| *k.0).collect();
            dropped += t.len() - subset.len();
            let mut expected = weights(&*member, &subset).into_iter();
            let spread: Vec<f64> =
                keep.iter().map(|&k| if k { expected.next().unwrap() } else { 0.0 }).collect();
            assert_eq!(bits(&weights(&*member, &t)), bits(&spread), "{member:?} {t:?}");
            if subset.is_empty() {
                continue;
            }
            let (full, part) = (value(&*member, &t), value(&*member, &subset));
            assert!(full.to_bits() == part.to_bits() || full.is_nan(), "{member:?} {full} {part}");
        }
    }
    assert!(dropped > 1000);
}

fn within(reach: Reach, t: &[f64]) -> Vec<bool> {
    let top = t.iter().copied().fold(MASK, f64::max);
    match reach {
        Reach::All => vec![true; t.len()],
        Reach::Width(width) => t.iter().map(|&t| t > top - width || t == top).collect(),
        Reach::Above(bound) => t.iter().map(|&t| t > bound).collect(),
        Reach::KthWidth { k, width } => {
            let mut order: Vec<usize> = (0..t.len()).collect();
            order.sort_by(|&a, &b| t[b].partial_cmp(&t[a]).unwrap());
            order.truncate(k);
            let kth = t[order[order.len() - 1]];
            let above = |t: f64| t > kth - width || (width > 0.0 && t == kth);
            (0..t.len()).map(|i| above(t[i]) || order.contains(&i)).collect()
        }
    }
}

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
    assert!(TopK { k: 0 }.check().is_err() && TopK { k: 1 }.check().is_ok());
    assert!(HardTopK { k: 0 }.check().is_err() && HardTopK { k: 1 }.check().is_ok());
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

/// Whoever prunes by `t > top - width` loses nothing that survives, and nothing survives at a
/// distance of the width.
#[test]
fn survivors_are_above_the_rounded_bound() {
    let mut random = Random(20);
    for _ in 0..10_000 {
        let width = [1.0, 1.0 / 0.37, 2.0][(random.uniform() * 3.0) as usize];
        let top = 10f64.powf(12.0 * random.uniform() - 2.0);
        let bound: f64 = top - width;
        assert!(!super::survives(bound, top, width), "{top} {width}");
        let above = bound.next_up();
        assert!(above - top > -width || !super::survives(above, top, width), "{top} {width}");
        assert!(super::survives(top, top, width));
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
