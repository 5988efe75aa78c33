//! 2^t in ulps, seen through the public interface.
//!
//! With β = ln 2, β log2 e is exactly 1, and a softmax's weights are 2^s / mass for scores s whose
//! highest is 0. Further scores are chosen so that the mass is a power of two: then weights are 2^s
//! but for an exact factor. That reaches down to where weights are dropped; what lies below serves
//! only to rescale, and shows in a recall whose second block has a higher peak than its first.

use hopfield_kernels::{Context, Level, MatMut, MatRef, Memory, Outputs, Retrieval, softmax};

use testkit::data::Real;
use testkit::double::Double;
use testkit::levels::{self, serial};

/// Scores in a row.
const ROW: usize = 1 << 12;

/// The error of `computed` as 2^t, in ulps of it.
fn ulps<T: Real>(computed: T, t: T) -> f64 {
    let exact = match size_of::<T>() {
        // Double precision is exact enough, and quick enough for all of them.
        4 => Double::new(t.to_f64().exp2()),
        _ => (Double::new(t.to_f64()) * Double::new(2.0).ln()).exp(),
    };
    let ulp = 2.0 * T::UNIT * exact.to_f64().log2().floor().exp2();
    ((exact - Double::new(computed.to_f64())) / Double::new(ulp)).abs().to_f64()
}

/// The largest error of 2^t over these t, which are not many more than `ROW`.
fn worst<T: Real>(exponents: &[T], context: &mut Context<T>) -> f64 {
    let beta = T::from_f64(std::f64::consts::LN_2);
    let sum: f64 = 1.0 + exponents.iter().map(|t| t.to_f64().exp2()).sum::<f64>();
    let mass = (sum + 1.0).log2().ceil().exp2();
    let mut fillers = mass - sum;
    for attempt in 0..60 {
        // Scores whose weights are what is missing: ones, and the rest in two steps.
        let mut row = [&[T::ZERO], exponents].concat();
        row.resize(row.len() + fillers as usize, T::ZERO);
        let coarse = T::from_f64(fillers.fract().log2());
        let fine = T::from_f64((fillers.fract() - coarse.to_f64().exp2()).max(1e-6).log2());
        row.extend([coarse, fine]);
        let cols = row.len();
        softmax(MatMut::new(&mut row, 1, cols).unwrap(), beta, &mut *context).unwrap();
        let unit = row[0].to_f64();
        if unit * mass == 1.0 {
            let weights = row[1..].iter().map(|w| T::from_f64(w.to_f64() / unit));
            let errors = weights.zip(exponents).map(|(w, &t)| ulps(w, t));
            return errors.fold(0.0, f64::max);
        }
        // Rounding has made another mass of it. Steps differ in size, so that none is repeated.
        fillers += (mass - 1.0 / unit) * (0.3 + 0.15 * f64::from(attempt % 5));
    }
    panic!("no power of two for {:?}..{:?}", exponents[0], exponents[exponents.len() - 1]);
}

/// The largest error of 2^t as a factor of rescaling.
fn worst_rescale<T: Real>(exponents: &[T], context: &mut Context<T>) -> f64 {
    // Two patterns that take part, far apart: [1, 1], whose score is t, and [0, 0].
    const APART: usize = 1100;
    let mut memory = Memory::zeros(APART, 2).unwrap();
    memory.set_pattern(0, &[T::ONE, T::ONE]).unwrap();
    let keep: Vec<_> = (0..APART).map(|n| n == 0 || n + 1 == APART).collect();
    let beta = T::from_f64(std::f64::consts::LN_2);
    let probes: Vec<_> = exponents.iter().flat_map(|&t| [t, T::ZERO]).collect();
    let mut retrieved = vec![T::NAN; probes.len()];
    let outputs =
        Outputs::new().with_retrieved(MatMut::new(&mut retrieved, exponents.len(), 2).unwrap());
    let probes = MatRef::new(&probes, exponents.len(), 2).unwrap();
    Retrieval::new(beta).with_mask(&keep).run(probes, &memory, outputs, context).unwrap();
    // Below the cut the mass is 1, and the second feature the factor itself.
    let factors = retrieved.chunks_exact(2).map(|features| features[1]);
    factors.zip(exponents).map(|(factor, &t)| ulps(factor, t)).fold(0.0, f64::max)
}

fn allowed(level: Level) -> f64 {
    if level.has_fused_multiply_add() { 1.0 } else { 1.1 }
}

/// The floats from -`high` to -`low`, each so many after the last.
fn floats(low: f32, high: f32, step: usize) -> impl Iterator<Item = f32> {
    (low.to_bits()..=high.to_bits()).step_by(step).map(|bits| -f32::from_bits(bits))
}

/// Down to -36 a row of `ROW` weights keeps them all; from -26 on they are too small to be part of
/// a mass of 1.
fn check_f32(level: Level, step: usize) -> [f64; 2] {
    let context = &mut serial(level);
    let (mut weights, mut factors) = (0.0_f64, 0.0_f64);
    let mut row = Vec::new();
    for t in floats(2.0_f32.powi(-27), 35.9, step) {
        row.push(t);
        if row.len() == ROW {
            weights = weights.max(worst(&row, context));
            row.clear();
        }
    }
    for t in floats(30.0, 126.0, step) {
        row.push(t);
        if row.len() == ROW {
            factors = factors.max(worst_rescale(&row, context));
            row.clear();
        }
    }
    [weights, factors]
}

#[test]
fn f32_within_an_ulp() {
    for level in levels::all() {
        let [weights, factors] = check_f32(level, 997);
        println!("2^t, float32, {level}: {weights:.3} ulp, rescaling {factors:.3} ulp");
        assert!(weights.max(factors) <= allowed(level));
    }
}

/// Every float of [-126, -2^-27]; above, 2^t is 1.
#[test]
#[ignore = "takes ten minutes: cargo test --release --test proof every_f32 -- --ignored --nocapture"]
fn every_f32_within_an_ulp() {
    for level in levels::all() {
        let [weights, factors] = check_f32(level, 1);
        println!("2^t, every float32, {level}: {weights:.4} ulp, rescaling {factors:.4} ulp");
        assert!(weights.max(factors) <= allowed(level));
    }
}

#[test]
fn f64_within_an_ulp() {
    for level in levels::all() {
        let context = &mut serial(level);
        let mut random = testkit::data::Random(64);
        let (mut weights, mut factors) = (0.0_f64, 0.0_f64);
        for _ in 0..4 {
            let row: Vec<f64> = (0..ROW).map(|_| -random.log_between(1e-17, 64.0)).collect();
            weights = weights.max(worst(&row, context));
            let row: Vec<f64> = (0..ROW).map(|_| -random.between(60.0, 1000.0)).collect();
            factors = factors.max(worst_rescale(&row, context));
        }
        println!("2^t, float64, {level}: {weights:.3} ulp, rescaling {factors:.3} ulp");
        assert!(weights.max(factors) <= allowed(level));
    }
}

#[test]
fn beta_of_ln_2_is_a_scale_of_one() {
    // What the module stands on: 2^-1 is exactly a half then.
    for level in levels::all() {
        let mut row = [0.0_f32, -1.0, -2.0, -2.0];
        let beta = std::f32::consts::LN_2;
        softmax(MatMut::new(&mut row, 1, 4).unwrap(), beta, &mut serial(level)).unwrap();
        assert_eq!(row, [0.5, 0.25, 0.125, 0.125]);
        let mut row = [0.0_f64, -1.0, -2.0, -2.0];
        let beta = std::f64::consts::LN_2;
        softmax(MatMut::new(&mut row, 1, 4).unwrap(), beta, &mut serial(level)).unwrap();
        assert_eq!(row, [0.5, 0.25, 0.125, 0.125]);
    }
}
