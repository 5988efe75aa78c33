//! What calls return, and the message of the last one that was refused.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call returns.
#[repr(C)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// An argument does not fit.
    Invalid = 1,
    /// A bug of the library.
    Panic = 2,
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// The message, which stays until the next call of this thread that is refused.
pub fn last_error() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}

/// Runs a call, and keeps the message where it is refused.
pub fn guard(work: impl FnOnce() -> Result<(), String>) -> Status {
    let (status, message) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(message)) => (Status::Invalid, message),
        Err(_) => (Status::Panic, "hopfield-kernels: a panic".to_string()),
    };
    LAST.set(CString::new(message).unwrap_or_default());
    status
}

/// A pointer that is null.
pub fn missing(name: &str) -> String {
    format!("{name}: expected a pointer, got NULL")
}
