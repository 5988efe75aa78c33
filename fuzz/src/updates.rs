//! Softmax, sums of patterns, outer products and learning.

use hopfield_kernels::{Context, Plasticity, UpdateRule};

use crate::input::{Input, sharpest};
use crate::recall::assert_within;
use testkit::checks;
use testkit::data::{Matrix, Real};
use testkit::subject::Case;

/// Compares updates with the reference.
pub fn updates(bytes: &[u8]) {
    of_either_type!(of, bytes);
}

fn of<T: Real>(input: &mut Input<'_>) {
    let (level, mut context) = input.context::<T>();
    let context = &mut context;
    let mut case = input.case::<T>();
    let shape = (case.probes.rows, case.patterns.rows);
    let factors = input.factors::<T>();
    let what = input.between(0, 3);
    let ratios = match what {
        0 => {
            let scores = input.matrix((shape.0.min(3), shape.1));
            checks::softmax(&scores, case.how.beta, level, context).to_vec()
        }
        1 => {
            let weights = input.matrix(shape);
            let mut ratios = vec![checks::combine(&weights, &case, level, context)];
            ratios.extend(checks::update(&case, &weights, factors, level, context));
            ratios
        }
        _ => {
            // Learning is followed through two or three recalls of every probe.
            case.probes = few(&case.probes, 4_000 / (shape.1 * case.patterns.cols));
            let plasticity = Plasticity::default()
                .with_rule(input.pick(&[UpdateRule::Delta, UpdateRule::Contrastive]))
                .with_update(factors)
                .with_negative_beta(
                    input
                        .flag()
                        .then(|| T::from_f64(input.positive(-5.0, 2.0).min(sharpest(&case)))),
                )
                .with_negative_steps(input.between(1, 3));
            at_once(&case, &plasticity, context);
            checks::learn(&case, plasticity, input.flag(), level, context).to_vec()
        }
    };
    assert_within::<T>(level, &ratios);
}

/// The first probes, at least one.
fn few<T: Real>(probes: &Matrix<T>, most: usize) -> Matrix<T> {
    probes.select(&(0..probes.rows.min(most.max(1))).collect::<Vec<_>>())
}

/// Recalling and learning at once has the bits of one after the other.
fn at_once<T: Real>(case: &Case<T>, plasticity: &Plasticity<T>, context: &mut Context<T>) {
    let shape = (case.probes.rows, case.patterns.cols);
    let mut memories = [case.memory.clone(), case.memory.clone()];
    let mut retrieved = Matrix::unwritten(shape.0, shape.1, 2);
    plasticity
        .recall_and_learn(
            &case.retrieval(),
            case.probes.view(),
            retrieved.view_mut(),
            &mut memories[0],
            context,
        )
        .expect("it fits");
    retrieved.assert_holes_untouched();
    let told = case.run(context);
    assert_eq!(retrieved.bits(), told.retrieved.bits());
    let recall = case.recall(context);
    plasticity.learn(&recall, &mut memories[1], None, context).expect("it fits");
    let bits = |at: usize| memories[at].to_rows().into_iter().map(T::bits).collect::<Vec<_>>();
    assert_eq!(bits(0), bits(1));
}
