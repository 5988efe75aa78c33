//! Threads, of the caller's rayon pool.

/// Whether a call may use threads other than the calling one.
///
/// Results depend neither on it nor on the number of threads.
///
/// # Notes on [`Rayon`](Self::Rayon)
///
/// - **Small calls stay on the calling thread** and do not touch rayon: they neither start its
///   global pool nor wait for it. If the global pool cannot be started (a limit on the number of
///   processes, a target without threads), large calls stay on the calling thread as well.
/// - **Locks.** While a call waits for its other half, its thread may run other work of the same
///   pool. If that work locks a mutex that is held during the call, there is a deadlock. Release
///   locks before the call, or use [`Serial`](Self::Serial).
/// - **A busy pool.** A call from outside the pool is queued behind the pool's other work. For
///   latency that does not depend on that work, use [`Serial`](Self::Serial), or make the call in a
///   separate pool with `ThreadPool::install`.
/// - **Forked children.** `fork` copies only the calling thread. A pool that was started before the
///   fork has no threads in the child, and a call that waits for them never returns. Use
///   [`Serial`](Self::Serial) in forked children. (If the parent has made only small calls, the
///   child can start a pool.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parallelism {
    /// Only the calling thread.
    Serial,
    /// The rayon pool in which the call is made (`ThreadPool::install`), or else rayon's global
    /// one. Calls too small to gain from it stay on the calling thread.
    #[cfg(feature = "rayon")]
    Rayon,
}

impl Default for Parallelism {
    /// `Rayon` if the feature is enabled, else `Serial`.
    fn default() -> Self {
        #[cfg(feature = "rayon")]
        return Self::Rayon;
        #[cfg(not(feature = "rayon"))]
        Self::Serial
    }
}

/// Multiply-adds per thread below which another thread costs more than it gains: about 20 µs of one
/// core, against 5 to 10 µs to wake another.
const WORTH_A_TASK: u64 = 1 << 20;
/// The same threshold in bytes of patterns, for a few probes, whose time is that of reading. Their
/// splits are coarse, so a thread that wakes late also ends late.
const WORTH_READING: u64 = 1 << 21;

impl Parallelism {
    /// The number of threads to use for a call with this number of multiply-adds and bytes of
    /// patterns.
    #[inline]
    pub(crate) fn threads(self, multiply_adds: u64, bytes: u64) -> usize {
        let worth = (multiply_adds / WORTH_A_TASK).max(bytes / WORTH_READING);
        let there_are = match self {
            Self::Serial => 1,
            // Asking rayon for its number of threads starts the global pool.
            #[cfg(feature = "rayon")]
            Self::Rayon if worth > 1 => pool_threads(),
            #[cfg(feature = "rayon")]
            Self::Rayon => 1,
        };
        usize::try_from(worth).unwrap_or(usize::MAX).clamp(1, there_are)
    }
}

/// Threads of the pool in which this call is made, or of the global one; 1 if that cannot be
/// started.
#[cfg(feature = "rayon")]
fn pool_threads() -> usize {
    use std::error::Error;
    use std::sync::OnceLock;

    /// Whether the global pool is running.
    static GLOBAL: OnceLock<bool> = OnceLock::new();

    let is_worker = rayon::current_thread_index().is_some();
    let there_is_one = || {
        *GLOBAL.get_or_init(|| match rayon::ThreadPoolBuilder::new().build_global() {
            Ok(()) => true,
            // An error with a source means that the system could not start a thread. Without one,
            // the pool was initialised before. If that failed, rayon panics, and there is no other
            // way to ask.
            Err(error) => {
                error.source().is_none()
                    && std::panic::catch_unwind(rayon::current_num_threads).is_ok()
            }
        })
    };
    if is_worker || there_is_one() { rayon::current_num_threads() } else { 1 }
}

/// Calls both, in parallel if there are threads.
pub(crate) fn both(threads: usize, first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    #[cfg(feature = "rayon")]
    if threads > 1 {
        rayon::join(first, second);
        return;
    }
    #[cfg(not(feature = "rayon"))]
    debug_assert_eq!(threads, 1, "threads need the feature `rayon`");
    first();
    second();
}
