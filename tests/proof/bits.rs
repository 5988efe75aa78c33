//! The same bits for any threads, batch, position in it and level with fused multiply-add.

use hopfield_kernels::{
    Element, Level, Memory, OuterProducts, Outputs, Update, outer_product_update,
};

use crate::hashes::hashes;
use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels::{self, in_pool, serial, threaded};
use testkit::subject::{Case, Shape};

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

/// Sizes with one split and with many, a few probes and many.
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
        let context = &mut serial(level);
        let alone: Vec<_> = (0..most)
            .map(|b| case.run_with(case.probes.select(&[b]).view(), context).unwrap().bits(0))
            .collect();
        for batch in 1..=most {
            // In the largest batch every probe comes at every position, in smaller ones at some.
            let step = if batch == most { 1 } else { 5 };
            for turn in (0..most).step_by(step) {
                let order: Vec<_> = (0..batch).map(|at| (at + turn) % most).collect();
                let probes = case.probes.select(&order);
                let told = case.run_with(probes.view(), context).unwrap();
                for (at, &b) in order.iter().enumerate() {
                    assert!(told.bits(at) == alone[b], "{level}: probe {b} as {at} of {batch}");
                }
            }
        }
    }
}

#[test]
fn the_batch_and_the_position_in_it_change_nothing() {
    // One split of two blocks, and two splits.
    the_batch_changes_nothing::<f32>((33, 20, 530));
    the_batch_changes_nothing::<f32>((33, 50, 7000));
    the_batch_changes_nothing::<f64>((33, 20, 530));
    // Rows of two chunks.
    the_batch_changes_nothing::<f32>((21, 1100, 250));
    the_batch_changes_nothing::<f64>((21, 600, 250));
}

/// Each of many probes, alone.
fn alone_and_together<T: Real>(level: Level, (batch, dim, patterns): Shape) {
    let case = Case::<T>::random((batch, dim, patterns), Kind::LogNormal, 0.3, 5);
    let context = &mut serial(level);
    let together = case.run(context);
    for b in 0..batch {
        let probe = case.probes.select(&[b]);
        let alone = case.run_with(probe.view(), context).unwrap();
        let shape = (b, batch, dim, patterns);
        assert!(together.bits(b) == alone.bits(0), "{level}: probe {shape:?}");
    }
}

/// Short patterns are transposed for many probes: every tail of a tile, a panel and a lane group.
#[test]
fn panels_of_patterns_change_nothing() {
    for level in levels::all() {
        for (at, dim) in [1, 7, 8, 9, 16, 17, 63, 64, 100, 192, 193].into_iter().enumerate() {
            for patterns in [1, 8, 15, 17, 31, 33, 48, 530] {
                let shape = (47 + (at + patterns) % 7, dim, patterns);
                alone_and_together::<f32>(level, shape);
                alone_and_together::<f64>(level, shape);
            }
        }
    }
}

/// More probes than a probe block has: of short patterns, of longer ones whose
/// probes are more than a task takes at a time, and of those that have two chunks.
#[test]
fn blocks_of_probes_change_nothing() {
    for level in levels::all() {
        for shape in [(131, 20, 530), (250, 400, 300), (200, 1100, 250)] {
            alone_and_together::<f32>(level, shape);
            alone_and_together::<f64>(level, shape);
        }
    }
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
            let mut outputs = Outputs::new();
            match lonely {
                0 => outputs.retrieved = all.retrieved,
                1 => outputs.similarities = all.similarities,
                2 => outputs.memory_weights = all.memory_weights,
                3 => outputs.lse = all.lse,
                4 => outputs.energy = all.energy,
                5 => outputs.entropy = all.entropy,
                6 => outputs.best = all.best,
                7 => outputs.best_weight = all.best_weight,
                _ => outputs.support = all.support,
            }
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

/// A pattern learns what it learns, whatever lies before and after it: many patterns are updated in
/// two streams when the probes are few.
#[test]
fn the_other_patterns_change_nothing_in_an_update() {
    fn check<T: Real>(level: Level) {
        let context = &mut serial(level);
        for (batch, patterns, dim) in [(1, 31_003, 70), (1, 300, 20), (3, 31_000, 70)] {
            let mut random = Random(batch as u64);
            let start = Kind::Uniform.matrix::<T>((patterns, dim, 0), &mut random);
            let vectors = Kind::Uniform.matrix::<T>((batch, dim, 0), &mut random);
            let weight = |_: usize, n: usize| match n % 5 {
                0 => T::ZERO,
                _ => T::from_f64(random.unit()),
            };
            let weights = Matrix::from_fn((batch, patterns, 0), weight);
            for (decay, keeps) in [(0.0, false), (0.0, true), (0.01, false)] {
                let update = Update::default()
                    .with_eta(T::from_f64(0.3))
                    .with_reg_lambda(T::from_f64(decay))
                    .with_l1_lambda(T::from_f64(decay / 7.0));
                let mut learned = |rows: std::ops::Range<usize>| {
                    let few = start.select(&rows.clone().collect::<Vec<_>>());
                    let mut memory = Memory::from_rows(few.view()).unwrap();
                    let mut delta = Matrix::<T>::unwritten(rows.len(), dim, 0);
                    outer_product_update(
                        &mut memory,
                        OuterProducts::new(weights.view().subcols(rows), vectors.view())
                            .with_delta(keeps.then(|| delta.view_mut())),
                        update,
                        &mut *context,
                    )
                    .unwrap();
                    (memory, delta)
                };
                let (all, delta) = learned(0..patterns);
                for first in [0, 90, patterns / 2 - 40, patterns - 64] {
                    let (some, its_delta) = learned(first..first + 64);
                    for n in 0..64 {
                        let at = (level, batch, patterns, decay, keeps, first + n);
                        let bits = |row: &[T]| row.iter().map(|x| x.bits()).collect::<Vec<_>>();
                        assert_eq!(bits(some.pattern(n)), bits(all.pattern(first + n)), "{at:?}");
                        let norms = [some.squared_norms()[n], all.squared_norms()[first + n]];
                        assert_eq!(norms[0].bits(), norms[1].bits(), "{at:?}");
                        assert_eq!(bits(its_delta.row(n)), bits(delta.row(first + n)), "{at:?}");
                    }
                }
            }
        }
    }
    for level in levels::all() {
        check::<f32>(level);
        check::<f64>(level);
    }
}

/// A context that has served other shapes, types of calls and sizes leaves no trace.
#[test]
fn what_a_context_did_before_changes_nothing() {
    fn reused<T: Element + Real>(level: Level) {
        let mut random = Random(3);
        let context = &mut serial(level);
        for seed in 0..60 {
            let batch = [1 + random.below(9), 48 + random.below(9)][random.below(2)];
            let shape = (batch, 1 + random.below(90), 1 + random.below(700));
            let case = Case::<T>::random(shape, Kind::Uniform, 3.0, seed);
            assert_eq!(hashes(&case, context), hashes(&case, &mut serial(level)), "{shape:?}");
        }
    }
    for level in levels::all() {
        reused::<f32>(level);
        reused::<f64>(level);
    }
}
