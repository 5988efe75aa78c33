//! Threads: pools of a chosen size, and forks.
//!
//! `fork` copies only the thread that calls it. Two things are done about that: a fork waits until
//! no other thread is in a call (so that neither a lock is held nor a memory half changed in the
//! child), and a child never waits for a pool that its parent has started.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use hopfield_kernels::{Level, Parallelism};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::refused;

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);
/// The calls that are running.
static CALLS: Mutex<Calls> = Mutex::new(Calls { running: 0, awaited: false });
/// Notified when no call is running any more, if a fork waits for that.
static IDLE: Condvar = Condvar::new();
/// Pools by generation and number of threads.
type Pools = HashMap<(u64, usize), Arc<ThreadPool>>;
/// The pools there are. They are kept for as long as the process runs.
static POOLS: Mutex<Option<Pools>> = Mutex::new(None);

thread_local! {
    /// The lock that a fork holds, from before to after.
    static HELD: RefCell<Option<MutexGuard<'static, Calls>>> = const { RefCell::new(None) };
    /// The choices of the `threads` blocks that this thread is in.
    static CHOSEN: RefCell<Vec<Choice>> = const { RefCell::new(Vec::new()) };
}

/// How many threads calls of this thread use.
#[derive(Clone)]
enum Choice {
    One,
    Pool { pool: Arc<ThreadPool>, generation: u64 },
}

/// How many calls are running, and whether a fork waits for them.
struct Calls {
    running: usize,
    awaited: bool,
}

/// A running call. A fork waits until there is none.
pub struct Call;

impl Call {
    /// Counts this call until it is dropped.
    pub fn begin() -> Self {
        lock(&CALLS).running += 1;
        Self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut calls = lock(&CALLS);
        calls.running -= 1;
        // A notification is a system call, which takes longer than the rest of a small call.
        if calls.running == 0 && calls.awaited {
            IDLE.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Multiply-adds of a call below which it is not handed over to a pool, which takes longer than it
/// gains.
const WORTH_A_POOL: usize = 1 << 21;

/// Where a call runs.
pub enum Turn {
    /// On the calling thread, which may ask the global pool for help.
    Here(Parallelism),
    /// In a pool of a chosen number of threads.
    In(Arc<ThreadPool>),
}

impl Turn {
    /// Where this thread wants a call with this number of multiply-adds to run.
    pub fn of(multiply_adds: usize) -> Self {
        let generation = GENERATION.load(Ordering::Acquire);
        match CHOSEN.with_borrow(|chosen| chosen.last().cloned()) {
            None if generation == 0 => Self::Here(Parallelism::Rayon),
            Some(Choice::Pool { pool, generation: of })
                if of == generation && multiply_adds >= WORTH_A_POOL =>
            {
                Self::In(pool)
            }
            _ => Self::Here(Parallelism::Serial),
        }
    }

    /// The parallelism of the call's context.
    pub fn parallelism(&self) -> Parallelism {
        match self {
            Self::Here(parallelism) => *parallelism,
            Self::In(_) => Parallelism::Rayon,
        }
    }

    /// Runs the call. It must take no locks: a thread of a pool that waits runs other calls.
    pub fn run<R: Send>(self, work: impl FnOnce() -> R + Send) -> R {
        match self {
            Self::Here(_) => work(),
            Self::In(pool) => pool.install(work),
        }
    }
}

/// Calls of this thread use so many threads, until `pop_threads`.
#[pyfunction]
pub fn push_threads(py: Python<'_>, count: usize) -> PyResult<()> {
    if count == 0 {
        return Err(PyValueError::new_err("threads: expected at least 1, got 0"));
    }
    let choice = if count == 1 { Choice::One } else { py.detach(|| pool(count))? };
    CHOSEN.with_borrow_mut(|chosen| chosen.push(choice));
    Ok(())
}

/// Ends the last `push_threads` of this thread.
#[pyfunction]
pub fn pop_threads() {
    CHOSEN.with_borrow_mut(Vec::pop);
}

fn pool(count: usize) -> PyResult<Choice> {
    let _call = Call::begin();
    let generation = GENERATION.load(Ordering::Acquire);
    let mut pools = lock(&POOLS);
    let pools = pools.get_or_insert_default();
    let key = (generation, count);
    if let Some(pool) = pools.get(&key) {
        return Ok(Choice::Pool { pool: Arc::clone(pool), generation });
    }
    let built = ThreadPoolBuilder::new().num_threads(count).build();
    let refused = |error| PyValueError::new_err(format!("threads: {error}"));
    let pool = Arc::new(built.map_err(refused)?);
    pools.insert(key, Arc::clone(&pool));
    Ok(Choice::Pool { pool, generation })
}

/// Waits until no call is running, and lets none begin.
#[pyfunction]
pub fn before_fork() {
    let mut calls = lock(&CALLS);
    calls.awaited = true;
    while calls.running > 0 {
        calls = IDLE.wait(calls).unwrap_or_else(PoisonError::into_inner);
    }
    calls.awaited = false;
    HELD.set(Some(calls));
}

/// Lets calls begin again.
#[pyfunction]
pub fn after_fork_in_parent() {
    HELD.take();
}

/// Lets calls begin in the child, without the pools of the parent, whose threads it does not have.
#[pyfunction]
pub fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    HELD.take();
}

/// The name of the level that calls run at.
#[pyfunction]
pub fn level() -> PyResult<&'static str> {
    Level::detect().map(Level::name).map_err(refused)
}

/// The names of the levels that this machine has.
#[pyfunction]
pub fn levels() -> Vec<&'static str> {
    Level::available().map(Level::name).collect()
}

/// The version of the package.
#[pyfunction]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
