use crate::kernel::codes::CodeProducts;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::memory::codes::scramble::number;
use crate::memory::codes::{Codes, ProbeCodes};
use crate::simd::integers::{IntegerKernel, Integers, PANEL, dispatch};
use crate::simd::{Element, Level};

/// The bounds of some probes and all patterns.
struct AllBounds<'a, T> {
    memory: &'a Memory<T>,
    probes: MatRef<'a, T>,
}

impl<T: Element> IntegerKernel for AllBounds<'_, T> {
    /// For each probe and pattern, a bound from above and one from below.
    type Output = Vec<Vec<(f32, f32)>>;

    #[inline(always)]
    fn run<I: Integers>(self, integers: I) -> Self::Output {
        let store = self.memory.code_store().expect("codes");
        let (count, panels) = (self.memory.patterns(), self.memory.patterns().div_ceil(PANEL));
        let mut codes = ProbeCodes::default();
        codes.clear(store);
        for probe in self.probes.iter() {
            codes.push(probe, I::MOST, store, 1e-5);
        }
        let mut sums = vec![0; self.probes.rows() * panels * PANEL];
        let to = MatMut::new(&mut sums, self.probes.rows(), panels * PANEL).unwrap();
        let (format, probes) = (store.kind().format(), codes.words(0..self.probes.rows()));
        CodeProducts { format, probes, panels: store.panels(0..panels), sums: to }.run(integers);
        let bounds = store.bounds(0..count);
        (0..self.probes.rows())
            .map(|b| {
                let mut above = vec![0.0; count];
                bounds.write(&codes, b, &sums[b * panels * PANEL..][..count], &mut above);
                let below = |(n, &above): (usize, &f32)| bounds.below(&codes, b, n, above);
                let below = above.iter().enumerate().map(below).collect::<Vec<f32>>();
                above.into_iter().zip(below).collect()
            })
            .collect()
    }
}

/// Patterns and probes of several kinds: random ones, remainders along the probe, one large
/// element, zeros.
fn difficult<T: Element>(dim: usize, count: usize) -> (Vec<T>, Vec<T>) {
    let probe = |d: usize| number(d) * if d.is_multiple_of(7) { 3.0 } else { 1.0 };
    let pattern = |n: usize, d: usize| match n % 6 {
        // Remainders as large as they can be, and of the sign of the probe.
        0 => ((d % 100) as f64 + 0.499 * probe(d).signum()) / 127.0,
        1 => ((d % 6) as f64 + 0.499 * probe(d).signum()) / 7.0,
        2 => {
            if d == n % dim {
                100.0
            } else {
                number(n * dim + d)
            }
        }
        3 => 0.0,
        4 => probe(d) * number(n),
        _ => number(n * dim + d),
    };
    let patterns = (0..count * dim).map(|at| T::from_f64(pattern(at / dim, at % dim))).collect();
    let probes = (0..4 * dim).map(|at| match at / dim {
        0 => T::from_f64(probe(at)),
        1 => T::from_f64(number(at)),
        2 => T::from_f64(if at % dim == 3 { 50.0 } else { 0.01 * number(at) }),
        // Half of a step from every code.
        _ => T::from_f64(((at % 60) as f64 + 0.5) / 127.0),
    });
    (patterns, probes.collect())
}

/// The largest distance of a score from the middle of its bounds, over half of their width.
fn worst<T: Element>(codes: Codes, level: Level, scramble: bool) -> f64 {
    let (dim, count) = (83, 200);
    let (patterns, probes) = difficult::<T>(dim, count);
    let memory = Memory::from_slice(&patterns, dim).unwrap();
    let mut memory = memory.with_codes(codes).unwrap();
    if scramble {
        memory.scramble_codes();
    }
    let view = MatRef::new(&probes, 4, dim).unwrap();
    let all = dispatch(level, AllBounds { memory: &memory, probes: view });
    let mut worst = 0.0;
    for (b, bounds) in all.iter().enumerate() {
        for (n, &(above, below)) in bounds.iter().enumerate() {
            let row = memory.pattern(n).iter();
            let score: f64 = row.zip(view.row(b)).map(|(m, x)| m.to_f64() * x.to_f64()).sum();
            let (above, below) = (f64::from(above), f64::from(below));
            assert!(below <= score && score <= above, "{codes:?} {b} {n}: {below} {score} {above}");
            let (middle, half) = (0.5 * (above + below), 0.5 * (above - below));
            worst = f64::max(worst, (score - middle).abs() / half);
        }
    }
    worst
}

#[test]
fn every_score_is_within_its_bounds_and_some_nearly_reach_them() {
    for level in Level::available() {
        for codes in [Codes::Eight, Codes::Four] {
            for worst in [worst::<f32>(codes, level, false), worst::<f64>(codes, level, false)] {
                assert!(worst > 0.1, "{level} {codes:?}: the bounds are too wide: {worst}");
            }
            worst::<f32>(codes, level, true);
        }
    }
}
