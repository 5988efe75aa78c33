//! Energies never rise under the update of the similarity, whatever the separation.

use hopfield_kernels::{Context, Separation, Settled, Similarity, Status, Stop};

use testkit::members::{Problem, Random, falling, retrieval};

/// Follows the energy of a few probes of random problems until they settle.
fn follow(member: (Separation, Similarity), runs: usize, damping: f64) {
    let mut random = Random::new(runs as u64);
    let (mut context, mut settled) = (Context::new(), Settled::new().with_trace());
    for run in 0..runs {
        let shape = (2, 1 + random.below(9), 3 + random.below(14));
        let mut problem = Problem::<f64>::new(shape, &mut random);
        let beta = 4.0_f64.powf(1.5 * random.number());
        if matches!(member.1, Similarity::Dot) && member.0 != Separation::Softmax {
            // Powers are updated on the sphere, where the energy is defined.
            for probe in problem.probes.chunks_mut(shape.1) {
                let norm = probe.iter().map(|x| x * x).sum::<f64>().sqrt();
                probe.iter_mut().for_each(|x| *x /= norm);
            }
        }
        let memory = problem.memory();
        let stop = Stop::new().tolerance(0.0).max_steps(30).damping(damping);
        retrieval(beta, member)
            .settle(&memory, &mut problem.probes, stop, &mut settled, &mut context)
            .expect("a settled recall");
        let trace: Vec<f64> = settled.trace().expect("it is asked for").collect();
        for pair in trace.chunks_exact(2).collect::<Vec<_>>().windows(2) {
            for (&before, &after) in pair[0].iter().zip(pair[1]) {
                // Outside all balls the energy is infinite, and the probe stays.
                let both_infinite = before == f64::INFINITY && after == before;
                let allowed = 1e-11 * (1.0 + before.abs());
                assert!(
                    both_infinite || after <= before + allowed,
                    "{member:?}, beta {beta}, run {run}: {before} rises to {after}"
                );
            }
        }
        assert!(settled.status().iter().all(|status| *status != Status::NotANumber), "{member:?}");
    }
}

#[test]
fn energies_never_rise() {
    falling().into_iter().for_each(|member| follow(member, 60, 1.0));
}

#[test]
fn damped_energies_of_dot_products_never_rise() {
    let dot = |member: &(Separation, Similarity)| {
        member.1 == Similarity::Dot
            && !matches!(member.0, Separation::Polynomial(_) | Separation::Power(_))
    };
    falling().into_iter().filter(dot).for_each(|member| follow(member, 60, 0.5));
}

/// Ten thousand runs a member: `cargo test --release --test family -- --ignored`.
#[test]
#[ignore = "a few minutes"]
fn energies_never_rise_in_ten_thousand_runs() {
    falling().into_iter().for_each(|member| follow(member, 10_000, 1.0));
}
