use crate::kernel::codes::CodeProducts;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::memory::codes::{Codes, ProbeCodes};
use crate::retrieval::{Retrieval, Screening};
use crate::separation::family::Separation;
use crate::simd::integers::{IntegerKernel, Integers, PANEL, dispatch};
use crate::simd::{Element, Level};

/// Numbers of -1..1 that depend on their place.
fn number(at: usize) -> f64 {
    let mut x = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

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

/// Codes that have nothing to do with the patterns, with radii that say so.
#[test]
fn codes_of_chance_change_no_bit() {
    let (dim, count) = (83, 700);
    let (patterns, probes) = difficult::<f32>(dim, count);
    let plain = Memory::from_slice(&patterns, dim).unwrap();
    for codes in [Codes::Eight, Codes::Four] {
        let mut coded = plain.clone().with_codes(codes).unwrap();
        coded.scramble_codes();
        for separation in [Separation::Softmax, Separation::Entmax(1.5), Separation::TopK(5)] {
            for beta in [0.1, 3.0, 100.0] {
                let retrieval = Retrieval::new(beta)
                    .with_separation(separation)
                    .with_screening(Screening::Always);
                let (mut expected, mut found) = (probes.clone(), probes.clone());
                retrieval.apply(&plain, &mut expected).unwrap();
                retrieval.apply(&coded, &mut found).unwrap();
                assert_eq!(expected, found, "{codes:?} {separation:?} {beta}");
            }
        }
    }
}

impl<T: Element> Memory<T> {
    /// Replaces the codes by others, and the bounds of what remains by those of these.
    fn scramble_codes(&mut self) {
        let rows: Vec<Vec<T>> = self.as_mat().iter().map(<[T]>::to_vec).collect();
        let store = self.codes.as_mut().expect("codes");
        store.scramble(|n, codes, scale| {
            let most = codes.iter().map(|code| code.unsigned_abs()).max().unwrap_or(0).max(1);
            for (d, code) in codes.iter_mut().enumerate() {
                *code = (number(n * 1000 + d) * f64::from(most)) as i8;
            }
            let rest = rows[n].iter().zip(&*codes).map(|(x, &c)| {
                let r = x.to_f64() - f64::from(scale) * f64::from(c);
                r * r
            });
            rest.sum::<f64>().sqrt() * (1.0 + 1e-9) / f64::from(scale)
        });
    }
}
