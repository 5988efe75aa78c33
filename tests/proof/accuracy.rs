//! The bounds over difficult data: none is broken, and none is so wide that nothing could break it.

use std::collections::BTreeMap;

use hopfield_kernels::{Plasticity, Update, UpdateRule};

use testkit::checks::{self, Ratio};
use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels;
use testkit::subject::{Case, Shape};

/// Below this everywhere, a bound shows nothing.
const VACUOUS: f64 = 1e-4;

const SHAPES: [Shape; 9] = [
    (1, 1, 1),
    (3, 1, 5),
    (2, 5, 1),
    (4, 16, 16),
    (5, 33, 47),
    (7, 64, 100),
    (2, 100, 700),
    (3, 811, 70),
    (2, 30, 2500),
];

/// The largest error over its bound, by kernel, level and element type.
#[derive(Debug, Default)]
struct Table(BTreeMap<(&'static str, &'static str, &'static str), f64>);

impl Table {
    fn add<T: Real>(&mut self, level: &'static str, what: &str, ratios: &[Ratio]) {
        for &(kernel, ratio) in ratios {
            assert!(ratio <= 1.0, "{kernel} is {ratio} times its bound: {level}, {what}");
            let largest = self.0.entry((kernel, level, T::NAME)).or_default();
            *largest = largest.max(ratio);
        }
    }

    /// One kind of data in every shape, at every level. Returns the highest ln Σ exp(β s) that
    /// there was.
    fn fill<T: Real>(&mut self, kind: Kind) -> f64 {
        let mut highest = f64::NEG_INFINITY;
        for (at, shape) in SHAPES.into_iter().enumerate() {
            let mut random = Random(at as u64);
            let beta = random.log_between(0.01, 50.0);
            let case = Case::<T>::random(shape, kind, beta, at as u64);
            let (batch, _, patterns) = shape;
            let exact: Vec<_> = (0..batch).map(|b| (b, case.exact(b))).collect();
            highest = exact.iter().fold(highest, |highest, (_, it)| highest.max(it.lse.to_f64()));
            let scores = kind.matrix::<T>((2, patterns, 1), &mut random);
            let weights: Matrix<T> = kind.matrix((batch, patterns, 0), &mut random);
            let factors = Update::default()
                .with_eta(T::from_f64(0.3))
                .with_reg_lambda(T::from_f64(if at % 2 == 0 { 0.0 } else { 0.01 }))
                .with_l1_lambda(T::from_f64(if at % 3 == 0 { 0.0 } else { 0.001 }));
            let what = format!("{kind:?} {shape:?} β = {beta}");
            for level in levels::all() {
                let context = &mut levels::serial(level);
                let mut ratios = checks::recall(&case, level, context, &exact);
                ratios.extend(checks::softmax(&scores, case.how.beta, level, context));
                ratios.push(checks::combine(&weights, &case, level, context));
                ratios.extend(checks::update(&case, &weights, factors, level, context));
                if batch * patterns * shape.1 < 50_000 {
                    for (rule, names) in [
                        (UpdateRule::Delta, ["delta rule", "delta rule, delta M"]),
                        (UpdateRule::Contrastive, ["contrastive rule", "contrastive, delta M"]),
                    ] {
                        let update = factors;
                        let rule = Plasticity::default().with_rule(rule).with_update(update);
                        let [delta, dropped, update, norms] =
                            checks::learn(&case, rule, false, level, context);
                        ratios.extend([(names[0], update.1), (names[1], delta.1), dropped, norms]);
                    }
                }
                self.add::<T>(level.name(), &what, &ratios);
            }
        }
        highest
    }
}

/// `cargo test --test proof accuracy -- --nocapture` prints the table.
#[test]
fn bounds_hold_and_are_nearly_reached() {
    let mut table = Table::default();
    let highest = |a: f64, b: f64| a.max(b);
    let single = Kind::ALL.map(|kind| table.fill::<f32>(kind)).into_iter().fold(0.0, highest);
    let double = Kind::ALL.map(|kind| table.fill::<f64>(kind)).into_iter().fold(0.0, highest);
    // The exponential of a score, by itself, would overflow.
    assert!(single > f64::from(f32::MAX).ln() && double > f64::MAX.ln(), "{single} {double}");
    println!("largest error / bound");
    for ((kernel, level, element), ratio) in &table.0 {
        println!("| {kernel} | {element} | {level} | {ratio:.4} |");
        assert!(*ratio >= VACUOUS, "the bound of {kernel} is vacuous: {element}, {level}");
    }
}
