//! `hopfield_kernels._core`: the kernels, as Python's NumPy users reach them.
//!
//! The package's Python files check and convert arguments and carry the documentation; what is here
//! turns arrays into views, releases the interpreter and calls the crate. Errors of the crate
//! become `ValueError` with their own message.

mod arrays;
mod backward;
mod borrowed;
mod counting;
mod growth;
mod kept;
mod learning;
mod memory;
mod places;
mod recall;
mod resident;
mod retrieve;
mod room;
mod rows;
mod store;
mod synapse;
mod theory;
mod threads;
mod watch;
mod weighing;
mod xla;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The crate's error, as the exception that it becomes.
fn refused(error: hopfield_kernels::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The extension module.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::borrowed::{backward_rows, retrieve_rows};
    #[pymodule_export]
    use crate::counting::{last_counters, reset_counters};
    #[pymodule_export]
    use crate::memory::PyMemory;
    #[pymodule_export]
    use crate::rows::{rows_potential, rows_vjp, rows_weights};
    #[pymodule_export]
    use crate::store::Store;
    #[pymodule_export]
    use crate::synapse::Synapse;
    #[pymodule_export]
    use crate::theory::{
        capacity, capacity_base, contraction, gap_bound, has_one_fixed_point, needed_beta,
        needed_separation, radius, retrieval_error, separations, state_class, weight_bound,
    };
    #[pymodule_export]
    use crate::threads::{
        after_fork_in_child, after_fork_in_parent, before_fork, level, levels, pop_threads,
        push_threads, version,
    };
    #[pymodule_export]
    use crate::weighing::Weighing;
    #[pymodule_export]
    use crate::xla::xla_handler;
}
