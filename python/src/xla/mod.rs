//! XLA's foreign function interface: recall as an operation of JAX's compiled programs.
//!
//! | module | contains |
//! | --- | --- |
//! | [`abi`] | the C structs, as far as a handler on the CPU needs them |
//! | [`frame`] | a call's operands, results and attributes, checked |
//! | [`recall`] | the handler |

mod abi;
mod frame;
mod recall;

use std::ffi::c_void;

use pyo3::prelude::*;

/// The address of the handler, in a capsule without a name, as `jax.ffi.register_ffi_target` takes
/// it.
#[pyfunction]
pub fn xla_recall(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let handler: unsafe extern "C" fn(*mut abi::CallFrame) -> *mut abi::Error = recall::handler;
    // SAFETY: the pointer is that of a function, hence not null and valid for ever; there is
    // neither a name nor a destructor. The result is a new reference, or null with an exception.
    unsafe {
        let capsule = pyo3::ffi::PyCapsule_New(handler as *mut c_void, std::ptr::null(), None);
        Bound::from_owned_ptr_or_err(py, capsule)
    }
}
