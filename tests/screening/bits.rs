//! Codes change no bit.

use hopfield_kernels::{
    Codes, Context, MatRef, Memory, Retrieval, Screening, Separation, Similarity,
};
use testkit::data::{Random, Real};
use testkit::levels;

use crate::problem::{KINDS, Kind, Problem, told};

/// Those that screening serves, and some that it leaves alone.
const SEPARATIONS: [Separation; 12] = [
    Separation::Softmax,
    Separation::SoftmaxPlus(0.5),
    Separation::Sparsemax,
    Separation::Entmax(1.25),
    Separation::Entmax(1.5),
    Separation::Entmax(3.0),
    Separation::Normmax(2.0),
    Separation::KSubsets(2.5),
    Separation::TopK(7),
    Separation::HardTopK(3),
    Separation::Max,
    Separation::Epanechnikov(1.0),
];

/// Patterns of whole and of partial vectors, panels and lines, in one split and in several.
const SHAPES: [(usize, usize, usize); 4] =
    [(5, 40, 300), (9, 33, 257), (3, 64, 6000), (7, 130, 1000)];

fn same<T: Real>(kind: Kind, shape: (usize, usize, usize), betas: &[f64]) {
    let problem = Problem::<T>::new(kind, shape, 3);
    let plain = problem.memory();
    let coded = [Codes::Eight, Codes::Four].map(|codes| plain.clone().with_codes(codes).unwrap());
    for level in levels::all() {
        let mut context = levels::serial(level);
        for separation in SEPARATIONS {
            for similarity in Similarity::ALL {
                for &beta in betas {
                    let retrieval = Retrieval::new(T::from_f64(beta))
                        .with_separation(separation)
                        .with_similarity(similarity)
                        .with_screening(Screening::Always);
                    let expected = told(&retrieval, problem.view(), &plain, &mut context);
                    for memory in &coded {
                        let found = told(&retrieval, problem.view(), memory, &mut context);
                        let what = (kind, shape, separation, similarity, beta, memory.codes());
                        assert!(found == expected, "{level}: {what:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn codes_change_no_bit_of_any_member() {
    for kind in KINDS {
        same::<f32>(kind, SHAPES[0], &[0.3, 5.0]);
        same::<f64>(kind, SHAPES[1], &[0.3, 5.0]);
    }
}

#[test]
fn codes_change_no_bit_in_any_shape() {
    for shape in SHAPES {
        same::<f32>(Kind::Near, shape, &[2.0]);
        same::<f64>(Kind::Norms, shape, &[2.0]);
    }
}

/// β from so low that every pattern is kept to so high that one is.
#[test]
#[ignore = "takes minutes: cargo test --release --test screening -- --ignored"]
fn codes_change_no_bit_at_any_temperature() {
    for kind in KINDS {
        for shape in SHAPES {
            same::<f32>(kind, shape, &[1e-3, 0.1, 1.0, 10.0, 300.0]);
            same::<f64>(kind, shape, &[1e-3, 0.1, 1.0, 10.0, 300.0]);
        }
    }
}

#[test]
fn masks_biases_values_and_hints_change_nothing_about_that() {
    let shape @ (batch, _, count) = (6, 48, 700);
    let mut random = Random(8);
    let keep: Vec<bool> = (0..count).map(|_| random.below(4) > 0).collect();
    let masks: Vec<bool> =
        (0..batch * count).map(|at| at / count != 2 && random.below(3) > 0).collect();
    let bias: Vec<f32> = (0..count).map(|_| random.between(-2.0, 2.0) as f32).collect();
    let biases: Vec<f32> = (0..batch * count)
        .map(|at| if at % 9 == 0 { f32::NEG_INFINITY } else { random.between(-3.0, 3.0) as f32 })
        .collect();
    let values: Vec<f32> = (0..count * 5).map(|_| random.between(-1.0, 1.0) as f32).collect();
    for kind in KINDS {
        let problem = Problem::<f32>::new(kind, shape, 4);
        let plain = problem.memory().with_values(MatRef::new(&values, count, 5).unwrap()).unwrap();
        let coded = plain.clone().with_codes(Codes::Eight).unwrap();
        let hints = [Some(0), Some(count - 1), Some(count), Some(usize::MAX), None, Some(300)];
        for similarity in [Similarity::Dot, Similarity::Cosine, Similarity::NegHalfSquaredL2] {
            for separation in [Separation::Softmax, Separation::Entmax(1.5), Separation::TopK(4)] {
                let base = Retrieval::new(4.0)
                    .with_separation(separation)
                    .with_similarity(similarity)
                    .with_screening(Screening::Always);
                let rows = |all| MatRef::new(all, batch, count).unwrap();
                let retrievals = [
                    base.with_mask(&keep),
                    base.with_masks(MatRef::new(&masks, batch, count).unwrap()),
                    base.with_bias(&bias),
                    base.with_biases(rows(&biases)).with_mask(&keep).with_bias(&bias),
                    base.with_hints(&hints),
                    base.with_hints(&hints).with_biases(rows(&biases)),
                ];
                for (at, retrieval) in retrievals.iter().enumerate() {
                    let mut context = Context::new();
                    let expected = told(retrieval, problem.view(), &plain, &mut context);
                    let found = told(retrieval, problem.view(), &coded, &mut context);
                    assert!(found == expected, "{kind:?} {similarity:?} {separation:?} {at}");
                }
            }
        }
    }
}

/// A bias that is finite, but not when it is divided by β.
#[test]
fn codes_hide_no_score_that_is_not_finite() {
    let problem = Problem::<f32>::new(Kind::Near, (4, 48, 700), 4);
    let plain = problem.memory();
    let coded = plain.clone().with_codes(Codes::Eight).unwrap();
    for extreme in [f32::MIN, f32::MAX] {
        let mut bias = vec![0.0; 700];
        bias[123] = extreme;
        let how = Retrieval::new(0.01).with_screening(Screening::Always).with_bias(&bias);
        let expected = told(&how, problem.view(), &plain, &mut Context::new());
        assert!(f32::from_bits(expected[0][0] as u32).is_nan(), "{extreme}");
        let found = told(&how, problem.view(), &coded, &mut Context::new());
        assert!(found == expected, "{extreme}");
    }
}

/// What is masked may hold anything.
#[test]
fn a_broken_pattern_that_is_masked_has_no_effect() {
    let problem = Problem::<f32>::new(Kind::Broken, (8, 40, 500), 1);
    let keep: Vec<bool> =
        problem.patterns.chunks_exact(40).map(|row| row.iter().all(|x| x.is_finite())).collect();
    assert_eq!(keep.iter().filter(|keep| !**keep).count(), 3);
    let memory = problem.memory().with_codes(Codes::Eight).unwrap();
    let retrieval = Retrieval::new(8.0).with_mask(&keep).with_screening(Screening::Always);
    let mut probes = problem.probes.clone();
    retrieval.apply(&memory, &mut probes).unwrap();
    assert!(probes.iter().all(|x| x.is_finite()));
}

fn threads_and_position<T: Real>(codes: Option<Codes>) {
    let (batch, dim, count) = (13, 100, 9000);
    let problem = Problem::<T>::new(Kind::Near, (batch, dim, count), 6);
    let memory = problem.memory();
    let memory: Memory<T> = match codes {
        Some(codes) => memory.with_codes(codes).unwrap(),
        None => memory,
    };
    for screening in [Screening::Auto, Screening::Always] {
        for separation in [Separation::Softmax, Separation::Entmax(1.5), Separation::TopK(5)] {
            let retrieval = Retrieval::new(T::from_f64(1.5))
                .with_separation(separation)
                .with_screening(screening);
            let level = levels::all()[0];
            let mut serial = levels::serial(level);
            let expected = told(&retrieval, problem.view(), &memory, &mut serial);
            for threads in [2, 3, 8] {
                let found = levels::in_pool(threads, || {
                    told(&retrieval, problem.view(), &memory, &mut levels::threaded(level))
                });
                assert!(found == expected, "{threads} threads, {screening:?} {separation:?}");
            }
            for (b, expected) in expected.iter().enumerate() {
                let probe = problem.view().subrows(b..b + 1);
                let alone = told(&retrieval, probe, &memory, &mut serial);
                assert!(alone[0] == *expected, "probe {b} alone, {screening:?} {separation:?}");
            }
        }
    }
}

#[test]
fn threads_batch_and_position_change_nothing() {
    threads_and_position::<f32>(None);
    threads_and_position::<f32>(Some(Codes::Eight));
    threads_and_position::<f64>(Some(Codes::Four));
}

#[test]
fn levels_with_fused_multiply_add_give_the_same_bits() {
    let problem = Problem::<f32>::new(Kind::Near, (6, 72, 3000), 2);
    let memory = problem.memory().with_codes(Codes::Eight).unwrap();
    let retrieval = Retrieval::new(1.0).with_screening(Screening::Always);
    let told = |level| told(&retrieval, problem.view(), &memory, &mut levels::serial(level));
    let fused: Vec<_> =
        levels::all().into_iter().filter(|level| level.has_fused_multiply_add()).collect();
    for level in &fused {
        assert!(told(*level) == told(fused[0]), "{level}");
    }
}

/// The bits of peaked recalls, as they are committed. They are written anew with
/// `HOPFIELD_WRITE_BITS=1`.
#[test]
fn the_bits_of_peaked_recalls_are_those_committed() {
    fn hash<T: Real>(kind: Kind, context: &mut Context<T>) -> String {
        let problem = Problem::<T>::new(kind, (9, 100, 5000), 21);
        let retrieval = Retrieval::new(T::from_f64(2.0)).with_screening(Screening::Always);
        let told = told(&retrieval, problem.view(), &problem.memory(), context);
        let hash = told.iter().flatten().fold(0xcbf2_9ce4_8422_2325_u64, |hash, bits| {
            (hash ^ bits).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{kind:?} {} {hash:016x}\n", T::NAME)
    }
    let Some(level) = levels::all().into_iter().find(|l| l.has_fused_multiply_add()) else {
        println!("not tested here: no level with fused multiply-add");
        return;
    };
    let lines: String = KINDS
        .into_iter()
        .flat_map(|kind| {
            [
                hash::<f32>(kind, &mut levels::serial(level)),
                hash::<f64>(kind, &mut levels::serial(level)),
            ]
        })
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/screening/bits.txt");
    if std::env::var_os("HOPFIELD_WRITE_BITS").is_some() {
        std::fs::write(path, &lines).unwrap();
    }
    assert_eq!(lines, std::fs::read_to_string(path).unwrap());
}
