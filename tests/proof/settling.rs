//! Iterated recall: each probe for itself, its status, damping and trace; and recall in place.

use hopfield_kernels::{Context, Error, Memory, Retrieval, Settled, Status, Stop};
use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels::{self, serial};
use testkit::subject::Case;

/// The rows of a matrix, one after another.
fn flat<T: Real>(matrix: &Matrix<T>) -> Vec<T> {
    matrix.iter().flatten().copied().collect()
}

/// In place is the same as into another matrix.
#[test]
fn recall_in_place() {
    for level in levels::all() {
        let case = Case::<f32>::random((13, 37, 600), Kind::Uniform, 2.0, 4);
        let context = &mut serial(level);
        let mut probes = flat(&case.probes);
        case.retrieval().apply_with(&case.memory, &mut probes, context).unwrap();
        assert_eq!(probes, flat(&case.run(context).retrieved), "{level}");
    }
    let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    let mut three = [1.0; 3];
    let refused = Retrieval::new(1.0).apply(&memory, &mut three).unwrap_err();
    assert!(matches!(refused, Error::Length { operand: "probes", expected: 2, found: 3 }));
    assert_eq!(three, [1.0; 3]);
    Retrieval::new(1.0).apply(&memory, &mut []).unwrap();
}

/// What settling is, one probe and one step at a time.
fn by_hand<T: Real>(case: &Case<T>, probe: &[T], stop: (f64, u32)) -> (Vec<T>, u32, Status) {
    let mut x = probe.to_vec();
    for step in 1..=stop.1 {
        let mut next = x.clone();
        case.retrieval().apply(&case.memory, &mut next).unwrap();
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let moved = norm(&mut x.iter().zip(&next).map(|(a, b)| b.to_f64() - a.to_f64()));
        let size = norm(&mut x.iter().map(|x| x.to_f64()));
        x = next;
        if moved == 0.0 {
            return (x, step, Status::Exact);
        }
        if moved <= stop.0 * (1.0 + size) {
            return (x, step, Status::Converged);
        }
    }
    (x, stop.1, Status::MaxSteps)
}

/// The bits, steps and status of a probe are those that it has alone, whatever else is in the
/// batch.
#[test]
fn each_probe_settles_for_itself() {
    fn check<T: Real>() {
        for beta in [0.3, 3.0, 30.0] {
            let case = Case::<T>::random((17, 20, 100), Kind::Uniform, beta, 9);
            for (tolerance, most) in [(1e-3, 100), (0.0, 40), (1e-6, 3)] {
                let tolerance = T::from_f64(tolerance);
                let stop = Stop::new().tolerance(tolerance).max_steps(most);
                let (mut probes, mut settled) = (flat(&case.probes), Settled::new());
                let context = &mut Context::new();
                case.retrieval()
                    .settle(&case.memory, &mut probes, stop, &mut settled, context)
                    .unwrap();
                for (b, found) in probes.chunks(20).enumerate() {
                    let (x, steps, status) =
                        by_hand(&case, case.probes.row(b), (tolerance.to_f64(), most));
                    let same = found.iter().zip(&x).all(|(a, b)| a.bits() == b.bits());
                    assert!(same, "probe {b}, β = {beta}");
                    assert_eq!((settled.steps()[b], settled.status()[b]), (steps, status), "{b}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn status_of_probes_that_are_fixed_and_of_those_that_are_no_numbers() {
    let memory = Memory::from([[1.0_f64, 0.0], [0.0, 1.0]]);
    let (mut probes, mut settled) = ([1.0, 0.0, f64::NAN, 0.0, 0.5, 0.5, 0.9, 0.2], Settled::new());
    let (stop, context) = (Stop::new().max_steps(2), &mut Context::new());
    Retrieval::new(200.0).settle(&memory, &mut probes, stop, &mut settled, context).unwrap();
    let expected = [Status::Exact, Status::NotANumber, Status::Exact, Status::Exact];
    assert_eq!(settled.status(), expected);
    assert_eq!(settled.steps(), [1, 1, 1, 2]);
    assert_eq!(probes[6..], [1.0, 0.0]);
    // No step, no probe.
    let mut probe = [0.9, 0.2];
    let none = Stop::new().max_steps(0);
    Retrieval::new(2.0).settle(&memory, &mut probe, none, &mut settled, context).unwrap();
    assert_eq!(
        (probe, settled.status(), settled.steps()),
        ([0.9, 0.2], &[Status::MaxSteps][..], &[0][..])
    );
    Retrieval::new(2.0).settle(&memory, &mut [], Stop::new(), &mut settled, context).unwrap();
    assert!(settled.status().is_empty() && settled.steps().is_empty());
}

/// The energy never rises, damped or not; what is finished keeps its energy.
#[test]
fn the_trace_never_rises() {
    for damping in [1.0, 0.5, 0.1] {
        let case = Case::<f64>::random((9, 20, 60), Kind::Uniform, 2.0, 11);
        let stop = Stop::new().damping(damping).tolerance(1e-9).max_steps(200);
        let (mut probes, mut settled) = (flat(&case.probes), Settled::new().with_trace());
        let context = &mut Context::new();
        for _ in 0..2 {
            probes.copy_from_slice(&flat(&case.probes));
            case.retrieval()
                .settle(&case.memory, &mut probes, stop, &mut settled, context)
                .unwrap();
        }
        let trace: Vec<f64> = settled.trace().unwrap().collect();
        let most = settled.steps().iter().copied().max().unwrap() as usize;
        assert_eq!(trace.len(), 9 * (most + 1));
        for b in 0..9 {
            let energies: Vec<_> = trace.iter().skip(b).step_by(9).collect();
            for pair in energies.windows(2) {
                assert!(*pair[1] <= *pair[0] + 1e-9 * (1.0 + pair[0].abs()), "{b}: {pair:?}");
            }
            assert!(energies[most] < energies[0], "{b}");
        }
    }
}

#[test]
fn rules_outside_their_domain_are_refused() {
    let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    let mut random = Random(1);
    for (stop, name) in [
        (Stop::new().tolerance(-1.0), "tolerance"),
        (Stop::new().tolerance(f32::NAN), "tolerance"),
        (Stop::new().tolerance(f32::INFINITY), "tolerance"),
        (Stop::new().damping(0.0), "damping"),
        (Stop::new().damping(1.5), "damping"),
        (Stop::new().damping(f32::NAN), "damping"),
    ] {
        let mut probe = [random.unit() as f32, 1.0];
        let before = probe;
        let (settled, context) = (&mut Settled::new(), &mut Context::new());
        let refused = Retrieval::new(2.0).settle(&memory, &mut probe, stop, settled, context);
        assert!(matches!(refused, Err(Error::Parameter { name: found, .. }) if found == name));
        assert_eq!(probe, before);
    }
}
