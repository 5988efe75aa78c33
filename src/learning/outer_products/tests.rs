//! The division of learning into tasks, kept similarities, and two streams of patterns.

use std::sync::Mutex;

use super::*;
use crate::{Plasticity, Retrieval};

/// The number of patterns of each task, when 100 patterns, 7 vectors of `f32`, become `pieces`
/// tasks.
fn shares(pieces: usize) -> Vec<usize> {
    let mut memory = Memory::<f32>::zeros(100, 3).expect("a small memory");
    let (patterns, norms) = memory.padded_mut().expect("padded rows");
    let cols = patterns.cols();
    let learn = Learn {
        sources: [None, None],
        keep: None,
        vectors: MatRef::new(&[], 0, cols).expect("no vectors"),
        patterns,
        norms,
        delta: None,
        step: Step { share: 1.0, rate: 1.0, decay: 0.0, l1: 0.0 },
        plain: true,
        block: 16,
        prefetches: false,
        streams: false,
        weights: &mut [],
        list: &mut [],
    };
    let shares = Mutex::new(Vec::new());
    for_each_piece(LearnTask { pieces, learn }, 1, &|task: LearnTask<'_, f32>| {
        assert_eq!(task.pieces(), 1);
        shares.lock().expect("one thread").push(task.learn.patterns.rows());
    });
    shares.into_inner().expect("one thread")
}

#[test]
fn tasks_have_equal_shares_of_whole_vectors() {
    assert_eq!(shares(1), [100]);
    assert_eq!(shares(2), [48, 52]);
    assert_eq!(shares(3), [32, 32, 36]);
    assert_eq!(shares(7), [16, 16, 16, 16, 16, 16, 4]);
}

/// Learns once from probes of ones, starting with patterns of zeros.
fn learn_from_ones((probes, patterns, dim): (usize, usize, usize)) -> (Memory<f32>, Context<f32>) {
    let mut memory = Memory::zeros(patterns, dim).expect("a memory");
    let (ones, mut retrieved) = (vec![1.0; probes * dim], vec![0.0; probes * dim]);
    let mut context = Context::new();
    Plasticity::default()
        .recall_and_learn(
            &Retrieval::new(1.0),
            MatRef::new(&ones, probes, dim).expect("rows"),
            MatMut::new(&mut retrieved, probes, dim).expect("rows"),
            &mut memory,
            &mut context,
        )
        .expect("operands that fit");
    (memory, context)
}

#[test]
fn similarities_that_are_few_are_kept_for_learning() {
    // At most 32 MiB are kept.
    for (probes, kept) in [(2, 2 << 12), (2048, 2048 << 12), (2049, 0)] {
        let (_, context) = learn_from_ones((probes, 1 << 12, 1));
        assert_eq!(context.kept.len(), kept, "{probes}");
    }
}

#[test]
fn two_streams_learn_from_a_few_probes() {
    let patterns = (32 << 10) + 1;
    for probes in [1, 2, 3, 4, 5] {
        let (memory, context) = learn_from_ones((probes, patterns, 64));
        assert!(Plan::new::<f32>(patterns, 64).is_large::<f32>());
        // All patterns have the same weight, and the retrieved probes are 0.
        let eta = Plasticity::<f32>::default().update.eta;
        let expected = eta / patterns as f32;
        let rows = memory.to_rows();
        assert!(rows.iter().all(|&x| x == rows[0]), "{probes}");
        assert!((rows[0] / expected - 1.0).abs() < 1e-6, "{probes}: {}", rows[0]);
        assert!(context.kept.len() >= probes * patterns);
    }
}
