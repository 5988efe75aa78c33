//! What is proved of modern Hopfield networks, as functions.

use hopfield_kernels::theory;
use hopfield_kernels::theory::Class;
use pyo3::prelude::*;

use crate::arrays::per_probe;
use crate::memory::PyMemory;
use crate::refused;

/// Δ of every pattern.
#[pyfunction]
pub fn separations<'py>(memory: &Bound<'py, PyMemory>) -> PyResult<Bound<'py, PyAny>> {
    let py = memory.py();
    let found = memory.get().read(
        py,
        |memory, context| theory::separations(memory, context).map(Found::Single),
        |memory, context| theory::separations(memory, context).map(Found::Double),
    );
    match found.map_err(refused)? {
        Found::Single(found) => per_probe(py, false, found),
        Found::Double(found) => per_probe(py, false, found),
    }
}

enum Found {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

/// The radius of the sphere around a pattern that recall maps into itself.
#[pyfunction]
pub fn radius(beta: f64, patterns: usize, max_norm: f64) -> f64 {
    theory::radius(beta, patterns, max_norm)
}

/// The separation from which on a pattern is well separated.
#[pyfunction]
pub fn needed_separation(beta: f64, patterns: usize, max_norm: f64) -> f64 {
    theory::needed_separation(beta, patterns, max_norm)
}

/// The least β at which patterns of a separation are well separated.
#[pyfunction]
pub fn needed_beta(separation: f64, patterns: usize, max_norm: f64) -> Option<f64> {
    theory::needed_beta(separation, patterns, max_norm)
}

/// A bound on the distance of what is retrieved from the pattern.
#[pyfunction]
pub fn retrieval_error(beta: f64, patterns: usize, max_norm: f64, gap: f64, distance: f64) -> f64 {
    theory::retrieval_error(beta, patterns, max_norm, gap, distance)
}

/// A bound on that distance from the weight of the best pattern.
#[pyfunction]
pub fn weight_bound(best_weight: f64, max_norm: f64) -> f64 {
    theory::weight_bound(best_weight, max_norm)
}

/// A bound on that distance from the gap between the two best similarities.
#[pyfunction]
pub fn gap_bound(beta: f64, patterns: usize, max_norm: f64, gap: f64) -> f64 {
    theory::gap_bound(beta, patterns, max_norm, gap)
}

/// A bound on the norm of the Jacobian of an update.
#[pyfunction]
pub fn contraction(beta: f64, spread: f64) -> f64 {
    theory::contraction(beta, spread)
}

/// Whether all probes end at one fixed point.
#[pyfunction]
pub fn has_one_fixed_point(memory: &Bound<'_, PyMemory>, beta: f64) -> bool {
    memory.get().read(
        memory.py(),
        |memory, _| theory::has_one_fixed_point(memory, beta),
        |memory, _| theory::has_one_fixed_point(memory, beta),
    )
}

/// The class of a metastable state.
#[pyfunction]
pub fn state_class(k90: usize, patterns: usize) -> &'static str {
    match theory::class(k90, patterns) {
        Class::Global => "global",
        Class::Large => "large",
        Class::Medium => "medium",
        _ => "small",
    }
}

/// The base c of the number of random patterns that can be stored.
#[pyfunction]
pub fn capacity_base(beta: f64, k: f64, dim: usize, p: f64) -> PyResult<f64> {
    theory::capacity_base(beta, k, dim, p).map_err(refused)
}

/// The number of random patterns that can be stored.
#[pyfunction]
pub fn capacity(beta: f64, k: f64, dim: usize, p: f64) -> PyResult<f64> {
    theory::capacity(beta, k, dim, p).map_err(refused)
}
