//! The division of learning into tasks.

use super::*;

/// The number of patterns of each task, when 100 patterns, 7 vectors of `f32`, become some tasks.
fn patterns_of(tasks: usize) -> Vec<usize> {
    let first = |task| first_pattern::<f32>(task, tasks, 100);
    (0..tasks).map(|task| first(task + 1) - first(task)).collect()
}

#[test]
fn tasks_have_equal_shares_of_whole_vectors() {
    assert_eq!(patterns_of(1), [100]);
    assert_eq!(patterns_of(2), [48, 52]);
    assert_eq!(patterns_of(3), [32, 32, 36]);
    assert_eq!(patterns_of(7), [16, 16, 16, 16, 16, 16, 4]);
}
