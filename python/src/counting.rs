//! What the last call of a thread has read.

use std::cell::Cell;

use hopfield_kernels::Counters;
use pyo3::prelude::*;

thread_local! {
    /// Sums over the parts of the last call: probes, dense, listed, kept.
    static LAST: Cell<[u64; 4]> = const { Cell::new([0; 4]) };
}

/// Adds what a part of a call has counted.
pub fn add(counters: Counters) {
    let Counters { probes, dense, listed, kept, .. } = counters;
    let mut sums = LAST.get();
    sums.iter_mut().zip([probes, dense, listed, kept]).for_each(|(sum, count)| *sum += count);
    LAST.set(sums);
}

/// A call begins.
#[pyfunction]
pub fn reset_counters() {
    LAST.set([0; 4]);
}

/// The sums: probes, dense, listed, kept.
#[pyfunction]
pub fn last_counters() -> (u64, u64, u64, u64) {
    LAST.get().into()
}
