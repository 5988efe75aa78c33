//! Sums, shifts, permutations, and where members are the same.

use super::*;

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
fn members_that_are_the_same_agree() {
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
