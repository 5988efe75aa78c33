//! The standard energy never rises under recall (Ramsauer et al. 2020, theorem 1).

use testkit::bounds::Arithmetic;
use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels;
use testkit::naive::How;
use testkit::subject::Case;

/// Iterated recalls of either element type: ten thousand together.
const RECALLS: u64 = 5_000;
const STEPS: usize = 4;

/// Two energies may each be wrong by their bound; and the next probe is not quite the recalled one:
/// it is off by e, and |E(x + e) - E(x)| <= ‖e‖ max ‖∇E‖, where ∇E(ξ) = ξ - X̂(ξ) is at most 2 M* +
/// ‖e‖ for ξ within ‖e‖ of the patterns' hull.
fn never_rises<T: Real>() {
    let mut random = Random(2020);
    let levels = levels::all();
    let (mut steps, mut told_apart) = (0, 0);
    for recall in 0..RECALLS {
        let level = levels[recall as usize % levels.len()];
        let arithmetic = Arithmetic::of::<T>(level);
        let context = &mut levels::serial(level);
        let [dim, patterns] = [40, 60].map(|most| 1 + random.below(most));
        let kind = [Kind::Uniform, Kind::LogNormal, Kind::ZeroBlocks][random.below(3)];
        let beta = random.log_between(0.01, 50.0);
        let rows: Matrix<T> = kind.matrix((patterns, dim, 0), &mut random);
        let probes = kind.matrix((1, dim, 0), &mut random);
        let mut case = Case::new(probes, rows, How::beta(beta));
        let radius = case.memory.max_squared_norm().to_f64().sqrt();
        let mut before: Option<(f64, f64)> = None;
        for _ in 0..STEPS {
            let exact = case.exact(0);
            let bounds = case.bounds(arithmetic, 0, &exact);
            let told = case.run(context);
            let energy = told.energy[0].to_f64();
            if let Some((last, slack)) = before {
                let slack = slack + bounds.energy;
                assert!(energy <= last + slack, "{recall}: {last} rose to {energy}, {slack}");
                steps += 1;
                told_apart += usize::from(last - energy > slack);
            }
            let off = bounds.retrieved.iter().map(|e| e * e).sum::<f64>().sqrt();
            before = Some((energy, bounds.energy + off * (2.0 * radius + off)));
            case.probes = told.retrieved;
        }
    }
    // A slack that no fall exceeds would hide a rise as well.
    assert!(3 * told_apart > steps, "{told_apart} of {steps} steps fall by more than the slack");
}

#[test]
fn energy_never_rises() {
    never_rises::<f32>();
    never_rises::<f64>();
}
