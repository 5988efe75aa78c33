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
use super::{Reach, RowSeparation, incline, pull, separate, value};

mod edges;
mod gradients;
mod invariants;
mod references;

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
    separate(member, &mut p);
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
