//! XLA's foreign function interface: recall and learning as operations of JAX's compiled programs.
//!
//! | module | contains |
//! | --- | --- |
//! | [`abi`] | the C structs, as far as a handler on the CPU needs them |
//! | [`frame`] | a call's operands, results and attributes, checked |
//! | [`operands`] | the operands of a recall |
//! | [`recall`] | one recall, of which one output is wanted |
//! | [`backward`] | the gradients of one recall |
//! | [`learning`] | patterns that have learned from one recall |
//! | [`component`] | the methods of ngc-learn's component |

mod abi;
mod backward;
mod component;
mod frame;
mod learning;
mod operands;
mod recall;

use std::ffi::c_void;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The address of the handler of this name, in a capsule without a name, as
/// `jax.ffi.register_ffi_target` takes it.
#[pyfunction]
pub fn xla_handler<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let handler: unsafe extern "C" fn(*mut abi::CallFrame) -> *mut abi::Error = match name {
        "recall" => recall::handler,
        "backward" => backward::handler,
        "update" => learning::handler,
        "advance" => component::advance,
        "evolve" => component::evolve,
        "advance_resident" => component::advance_resident,
        "evolve_resident" => component::evolve_resident,
        "read_resident" => component::read_resident,
        _ => {
            let message = format!("name: expected that of a handler, got {name:?}");
            return Err(PyValueError::new_err(message));
        }
    };
    // SAFETY: the pointer is that of a function, hence not null and valid for ever; there is
    // neither a name nor a destructor. The result is a new reference, or null with an exception.
    unsafe {
        let capsule = pyo3::ffi::PyCapsule_New(handler as *mut c_void, std::ptr::null(), None);
        Bound::from_owned_ptr_or_err(py, capsule)
    }
}
