//! Long calls, which an interrupt ends.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;

/// Multiply-adds of a call up to which it is not interrupted: a fraction of a second of one thread.
pub const AT_ONCE: usize = 1 << 33;

/// How long a signal may wait.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `work`, with a flag that stops it if it is long. Signals are handled meanwhile, as far as
/// this is the thread that handles them. What a handler raises stops the work, and is the result
/// once that has ended. Called without the interpreter.
///
/// A handler must not use the memory of the call: it would wait for it for ever.
pub fn watched<R: Send>(
    multiply_adds: usize,
    work: impl FnOnce(Option<Arc<AtomicBool>>) -> R + Send,
) -> PyResult<R> {
    if multiply_adds <= AT_ONCE {
        return Ok(work(None));
    }
    let flag = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        let (ends, ended) = channel::<()>();
        let given = Arc::clone(&flag);
        let worker = scope.spawn(move || {
            // Dropped when the work has ended, even by a panic.
            let _ends = ends;
            work(Some(given))
        });
        let mut raised = None;
        while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
            if raised.is_none() {
                raised = Python::attach(|py| py.check_signals()).err();
                flag.store(raised.is_some(), Ordering::Relaxed);
            }
        }
        let result = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        raised.map_or(Ok(result), Err)
    })
}
