//! Similarities of one probe with one pattern and their vector-Jacobian products, in double
//! precision.

use crate::simd::Element;
use crate::similarity::Similarity;

/// Σ a b
pub(super) fn dot<A: Element, B: Element>(a: &[A], b: &[B]) -> f64 {
    // Several chains: a single one would be waited for.
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let (a_rest, b_rest) = (a_chunks.remainder(), b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a.to_f64() * b.to_f64();
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a.to_f64() * b.to_f64()).sum();
    sums.iter().sum::<f64>() + rest
}

/// to += factor x
pub(super) fn add<A: Element>(to: &mut [f64], factor: f64, x: &[A]) {
    if factor != 0.0 {
        to.iter_mut().zip(x).for_each(|(to, x)| *to += factor * x.to_f64());
    }
}

/// to += factor x, where the sum is an element.
pub(super) fn add_to<T: Element, A: Element>(to: &mut [T], factor: f64, x: &[A]) {
    if factor != 0.0 {
        for (to, x) in to.iter_mut().zip(x) {
            *to = T::from_f64(to.to_f64() + factor * x.to_f64());
        }
    }
}

/// s(x, m)
pub(super) fn similarity<T: Element>(similarity: Similarity, x: &[T], m: &[T]) -> f64 {
    let differences = || x.iter().zip(m).map(|(x, m)| x.to_f64() - m.to_f64());
    let squares = || differences().map(|d| d * d).sum::<f64>();
    let absolutes = || differences().map(f64::abs).sum::<f64>();
    let most = T::MAX.to_f64().sqrt();
    match similarity {
        Similarity::Dot => dot(x, m),
        Similarity::Cosine => {
            let norms = (dot(x, x) * dot(m, m)).sqrt();
            if norms == 0.0 { 0.0 } else { dot(x, m) / norms }
        }
        Similarity::NegHalfSquaredL2 => -0.5 * squares(),
        Similarity::NegL2 => -squares().sqrt(),
        Similarity::NegL1 => -absolutes(),
        Similarity::UhnReciprocalSquaredL2 => (1.0 / squares()).min(most),
        Similarity::UhnReciprocalL1 => (1.0 / absolutes()).min(most),
    }
}

/// A probe and a pattern.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a, T> {
    pub x: &'a [T],
    pub m: &'a [T],
}

/// Given ds = dL/ds, adds dL/dx to `dx` and, where it is wanted, dL/dm to `dm`.
///
/// Where a similarity has a kink (x = m under `NegL2`, equal features under `NegL1`) its gradient
/// counts as 0, as does that of a cosine with a vector of zeros.
pub(super) fn pull<T: Element>(
    similarity: Similarity,
    Pair { x, m }: Pair<'_, T>,
    ds: f64,
    dx: &mut [f64],
    dm: Option<&mut [T]>,
) {
    match similarity {
        Similarity::Dot => {
            add(dx, ds, m);
            if let Some(dm) = dm {
                add_to(dm, ds, x);
            }
        }
        Similarity::Cosine => {
            let (xx, mm) = (dot(x, x).sqrt(), dot(m, m).sqrt());
            if xx == 0.0 || mm == 0.0 {
                return;
            }
            let s = dot(x, m) / (xx * mm);
            add(dx, ds / (xx * mm), m);
            add(dx, -ds * s / (xx * xx), x);
            if let Some(dm) = dm {
                add_to(dm, ds / (xx * mm), x);
                add_to(dm, -ds * s / (mm * mm), m);
            }
        }
        _ => pull_distance(similarity, Pair { x, m }, ds, dx, dm),
    }
}

/// The same of a distance: its gradient is a factor of x - m, or of the signs of that.
fn pull_distance<T: Element>(
    kind: Similarity,
    Pair { x, m }: Pair<'_, T>,
    ds: f64,
    dx: &mut [f64],
    mut dm: Option<&mut [T]>,
) {
    let s = similarity(kind, x, m);
    let signs = matches!(kind, Similarity::NegL1 | Similarity::UhnReciprocalL1);
    let factor = ds
        * match kind {
            Similarity::NegL2 if s == 0.0 => 0.0,
            Similarity::NegL2 => 1.0 / s,
            Similarity::UhnReciprocalSquaredL2 => -2.0 * s * s,
            Similarity::UhnReciprocalL1 => -s * s,
            _ => -1.0,
        };
    for (d, dx) in dx.iter_mut().enumerate() {
        let difference = x[d].to_f64() - m[d].to_f64();
        let slope = match signs {
            true if difference == 0.0 => 0.0,
            true => difference.signum(),
            false => difference,
        };
        *dx += factor * slope;
        if let Some(dm) = &mut dm {
            dm[d] = T::from_f64(dm[d].to_f64() - factor * slope);
        }
    }
}
