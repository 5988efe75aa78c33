//! The same bits for any threads, batch, position in it and level with fused multiply-add.

use hopfield_kernels::{
    Element, Lesson, Level, Memory, Outputs, Plasticity, Update, UpdateRule, Workspace,
    combine_with, outer_product_update_with, similarities_with,
};

use crate::data::{Kind, Matrix, Random, Real};
use crate::levels::{self, in_pool, serial, threaded};
use crate::subject::{Case, Shape};

/// Bits of a hash (Fowler, Noll & Vo), over whole numbers.
fn hash(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ number ^ number >> 29).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
    })
}

fn hash_of_memory<T: Real>(memory: &Memory<T>) -> u64 {
    hash(memory.to_rows().into_iter().chain(memory.squared_norms().iter().copied()).map(T::bits))
}

/// A hash of every kernel's results.
fn hashes<T: Real>(case: &Case<T>, workspace: &mut Workspace<T>) -> Vec<(&'static str, u64)> {
    let (batch, dim, patterns) = (case.probes.rows, case.patterns.cols, case.patterns.rows);
    let told = case.run(workspace);
    let mut hashes = vec![("recall", hash((0..batch).flat_map(|b| told.bits(b))))];

    let mut scores = Matrix::unwritten(batch, patterns, 0);
    similarities_with(case.probes.view(), &case.memory, scores.view_mut(), workspace).unwrap();
    hashes.push(("similarities", hash(scores.bits())));
    let mut sums = Matrix::unwritten(batch, dim, 0);
    combine_with(scores.view(), &case.memory, sums.view_mut(), workspace).unwrap();
    hashes.push(("combine", hash(sums.bits())));

    let update = Update {
        eta: T::from_f64(0.1),
        reg_lambda: T::from_f64(0.01),
        l1_lambda: T::from_f64(0.001),
    };
    let mut memory = case.memory.clone();
    let vectors = case.probes.view();
    outer_product_update_with(&mut memory, scores.view(), vectors, update, None, workspace)
        .unwrap();
    hashes.push(("update", hash_of_memory(&memory)));
    for rule in [UpdateRule::Delta, UpdateRule::Contrastive] {
        let plasticity = Plasticity { rule, update, ..Plasticity::default() };
        let (mut memory, mut retrieved) = (case.memory.clone(), Matrix::unwritten(batch, dim, 0));
        let to = retrieved.view_mut();
        plasticity
            .recall_and_learn(&case.retrieval(), case.probes.view(), to, &mut memory, workspace)
            .unwrap();
        hashes.push(("recall and learn", hash_of_memory(&memory)));

        let mut memory = case.memory.clone();
        let told = case.run(workspace);
        let lesson = Lesson {
            probes: case.probes.view(),
            retrieved: told.retrieved.view(),
            memory_weights: None,
            delta: None,
        };
        plasticity.learn(&case.retrieval(), lesson, &mut memory, workspace).unwrap();
        hashes.push(("learn", hash_of_memory(&memory)));
    }
    hashes
}

fn threads_change_nothing<T: Real>(shapes: &[Shape]) {
    for (at, &shape) in shapes.iter().enumerate() {
        let mut case = Case::<T>::random(shape, Kind::Uniform, 2.0, at as u64);
        if at == 0 {
            case.how.keep = Some((0..shape.2).map(|n| n % 7 != 3).collect());
        }
        let mut fused = None;
        for level in levels::all() {
            let alone = hashes(&case, &mut serial(level));
            for threads in [1, 2, 3, 8] {
                let together = in_pool(threads, || hashes(&case, &mut threaded(level)));
                assert_eq!(together, alone, "{shape:?}, {level}, {threads} threads");
            }
            if level.has_fused_multiply_add() {
                let first = fused.get_or_insert_with(|| alone.clone());
                assert_eq!(&alone, first, "{shape:?}, {level}");
            }
        }
    }
}

/// Sizes with one shard and with many, a few probes and many.
#[test]
fn threads_and_levels_change_nothing() {
    threads_change_nothing::<f32>(&[
        (33, 70, 4500),
        (1, 100, 20_000),
        (7, 784, 3000),
        (3, 4100, 300),
        (50, 64, 900),
    ]);
    threads_change_nothing::<f64>(&[
        (33, 35, 4500),
        (1, 50, 20_000),
        (7, 390, 3000),
        (3, 2050, 300),
    ]);
}

fn the_batch_changes_nothing<T: Real>(shape: Shape) {
    let (most, ..) = shape;
    let case = Case::<T>::random(shape, Kind::LogNormal, 0.3, 5);
    for level in levels::all() {
        let workspace = &mut serial(level);
        let alone: Vec<_> = (0..most)
            .map(|b| case.run_with(case.probes.select(&[b]).view(), workspace).unwrap().bits(0))
            .collect();
        for batch in 1..=most {
            // In the largest batch every probe comes at every position, in smaller ones at some.
            let step = if batch == most { 1 } else { 5 };
            for turn in (0..most).step_by(step) {
                let order: Vec<_> = (0..batch).map(|at| (at + turn) % most).collect();
                let probes = case.probes.select(&order);
                let told = case.run_with(probes.view(), workspace).unwrap();
                for (at, &b) in order.iter().enumerate() {
                    assert!(told.bits(at) == alone[b], "{level}: probe {b} as {at} of {batch}");
                }
            }
        }
    }
}

#[test]
fn the_batch_and_the_position_in_it_change_nothing() {
    // One shard of two blocks, and two shards.
    the_batch_changes_nothing::<f32>((33, 20, 530));
    the_batch_changes_nothing::<f32>((33, 50, 5000));
    the_batch_changes_nothing::<f64>((33, 20, 530));
}

/// What else is asked for does not change an output.
#[test]
fn the_other_outputs_change_nothing() {
    fn alone<T: Real>(level: Level) {
        let case = Case::<T>::random((7, 37, 1100), Kind::Uniform, 4.0, 11);
        let told = case.run(&mut serial(level));
        for lonely in 0..9 {
            let mut one = case.run(&mut serial(level));
            let all = one.outputs();
            let outputs = match lonely {
                0 => Outputs { retrieved: all.retrieved, ..Outputs::default() },
                1 => Outputs { similarities: all.similarities, ..Outputs::default() },
                2 => Outputs { memory_weights: all.memory_weights, ..Outputs::default() },
                3 => Outputs { lse: all.lse, ..Outputs::default() },
                4 => Outputs { energy: all.energy, ..Outputs::default() },
                5 => Outputs { entropy: all.entropy, ..Outputs::default() },
                6 => Outputs { best: all.best, ..Outputs::default() },
                7 => Outputs { best_weight: all.best_weight, ..Outputs::default() },
                _ => Outputs { support: all.support, ..Outputs::default() },
            };
            case.retrieval()
                .run(case.probes.view(), &case.memory, outputs, &mut serial(level))
                .unwrap();
            for b in 0..case.probes.rows {
                assert!(one.bits(b) == told.bits(b), "{level}: output {lonely} alone, probe {b}");
            }
        }
    }
    for level in levels::all() {
        alone::<f32>(level);
        alone::<f64>(level);
    }
}

/// A workspace that has served other shapes, types of calls and sizes leaves no trace.
#[test]
fn what_a_workspace_did_before_changes_nothing() {
    fn reused<T: Element + Real>(level: Level) {
        let mut random = Random(3);
        let workspace = &mut serial(level);
        for seed in 0..60 {
            let shape = (1 + random.below(9), 1 + random.below(90), 1 + random.below(700));
            let case = Case::<T>::random(shape, Kind::Uniform, 3.0, seed);
            assert_eq!(hashes(&case, workspace), hashes(&case, &mut serial(level)), "{shape:?}");
        }
    }
    for level in levels::all() {
        reused::<f32>(level);
        reused::<f64>(level);
    }
}
