//! Which probes are bounded.

use crate::kernel::norms::squared_norm;
use crate::memory::padded_cols;
use crate::separation::state::{SoftmaxParams, State};
use crate::simd::{Element, Kernel, Level, Simd};

/// Whether a padded probe is bounded.
struct Bounded<'a, T>(&'a [T], SoftmaxParams<T>);

impl<T: Element> Kernel<T> for Bounded<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> bool {
        State::of(squared_norm(simd, self.0), self.1).bounded
    }
}

/// Tries ever longer probes along the longest pattern. The last one that is bounded scores at most
/// half the depth, and nearly that much where squares are normal numbers.
#[test]
fn a_bounded_probe_scores_half_the_depth_at_most() {
    fn check<T: Element>(level: Level, dim: usize, size: f64, beta: f64) {
        let square = T::from_f64(size) * T::from_f64(size) * T::from_f64(dim as f64);
        let params = SoftmaxParams::<T>::new(beta, 1000).among(square, dim);
        let half = 0.5 * params.depth.to_f64();
        let score = |x: T| dim as f64 * x.to_f64() * T::from_f64(size).to_f64();
        let bounded = |x: T| {
            let mut probe = vec![T::ZERO; padded_cols::<T>(dim)];
            probe[..dim].fill(x);
            T::dispatch(level, Bounded(&probe, params))
        };
        let length = half / score(T::ONE);
        let lengths = (-900..900).map(|step| T::from_f64((f64::from(step) / 50.0).exp2() * length));
        let inside = lengths.filter(|&x| bounded(x)).map(score);
        let most = inside.fold(0.0, f64::max);
        let at = (level, dim, size, beta, most, half);
        assert!(most <= half, "{at:?}");
        let normal = |square: f64| (1e-30..1e30).contains(&square);
        if normal(square.to_f64()) && normal(dim as f64 * length * length) {
            assert!(most >= 0.97 * half, "{at:?}");
        }
    }
    for level in Level::available() {
        for dim in [1, 17, 1000] {
            for size in [1e-44, 1e-30, 1e-19, 1e-5, 1.0, 1e4, 1e18, 1e25] {
                for beta in [1e-30, 1e-3, 1.0, 50.0, 1e30] {
                    check::<f32>(level, dim, size, beta);
                    check::<f64>(level, dim, size, beta);
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_not_bounded() {
    fn check<T: Element>(level: Level) {
        let infinity = T::ONE / T::ZERO;
        let params = SoftmaxParams::new(1.0, 10);
        let bounded = |x: T, square: T| {
            let mut probe = vec![T::ZERO; T::LANES];
            probe[T::LANES - 1] = x;
            T::dispatch(level, Bounded(&probe, params.among(square, 1)))
        };
        assert!(bounded(T::ZERO, T::ONE) && bounded(T::ONE, T::ZERO), "{level}");
        for strange in [infinity, T::NAN] {
            assert!(!bounded(strange, T::ONE) && !bounded(strange, T::ZERO), "{level}");
            assert!(!bounded(T::ZERO, strange) && !bounded(T::ONE, strange), "{level}");
        }
        // Nor is any probe bounded before `among` has set the bound.
        let probe = vec![T::ZERO; T::LANES];
        assert!(!T::dispatch(level, Bounded(&probe, params)), "{level}");
    }
    for level in Level::available() {
        check::<f32>(level);
        check::<f64>(level);
    }
}
