//! Threads: work that divides itself, on the caller's rayon pool.

/// Whether a call may use more than the thread that makes it.
///
/// Results do not depend on it, nor on the number of threads.
///
/// # What a caller of [`Rayon`](Self::Rayon) should know
///
/// - **Small calls stay on the calling thread** and do not touch rayon: they neither start its global
///   pool nor wait for it. Where the global pool cannot be started at all (a limit on the number of
///   processes, a target without threads), large calls stay on the calling thread as well.
/// - **Locks.** While a call waits for its other half, its thread may do other work of the same pool. A
///   mutex that is held over the call can be asked for again by that work, which is then a deadlock.
///   Release locks before the call, or use [`Serial`](Self::Serial).
/// - **A busy pool.** A call from outside the pool is queued behind the work that the pool already has. For
///   latency that does not depend on others, use [`Serial`](Self::Serial), or make the call in a pool of
///   its own with `ThreadPool::install`.
/// - **Forked children.** `fork` copies the calling thread alone, so that a pool that was started before
///   the fork has no threads in the child, and a call that waits for them never returns. Use
///   [`Serial`](Self::Serial) in forked children. (A child whose parent has made small calls only may
///   start a pool of its own.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parallelism {
    /// The calling thread alone.
    Serial,
    /// The rayon pool that the call is made in (`ThreadPool::install`), or else rayon's global one.
    /// Calls too small to gain from it stay on the calling thread.
    #[cfg(feature = "rayon")]
    Rayon,
}

impl Default for Parallelism {
    /// `Rayon` where the feature is on.
    fn default() -> Self {
        #[cfg(feature = "rayon")]
        return Self::Rayon;
        #[cfg(not(feature = "rayon"))]
        Self::Serial
    }
}

/// Multiply-adds below which a second thread costs more than it brings: about 20 µs of one core,
/// against 5 to 10 µs to wake another.
const WORTH_A_TASK: u64 = 1 << 20;
/// Bytes of patterns of which the same is true: a few probes take as long as reading does, and their splits
/// are coarse, so that a thread that wakes late ends late.
const WORTH_READING: u64 = 1 << 21;

impl Parallelism {
    /// Threads to divide so many multiply-adds among, with so many bytes of patterns.
    #[inline]
    pub(crate) fn threads(self, multiply_adds: u64, bytes: u64) -> usize {
        let worth = (multiply_adds / WORTH_A_TASK).max(bytes / WORTH_READING);
        let there_are = match self {
            Self::Serial => 1,
            // Asking rayon how many threads there are starts its global pool.
            #[cfg(feature = "rayon")]
            Self::Rayon if worth > 1 => pool_threads(),
            #[cfg(feature = "rayon")]
            Self::Rayon => 1,
        };
        usize::try_from(worth).unwrap_or(usize::MAX).clamp(1, there_are)
    }
}

/// Threads of the pool that this call is made in, or of the global one; 1 where that cannot be started.
#[cfg(feature = "rayon")]
fn pool_threads() -> usize {
    use std::error::Error;
    use std::sync::OnceLock;

    /// Whether there is a global pool.
    static GLOBAL: OnceLock<bool> = OnceLock::new();

    let is_worker = rayon::current_thread_index().is_some();
    let there_is_one = || {
        *GLOBAL.get_or_init(|| match rayon::ThreadPoolBuilder::new().build_global() {
            Ok(()) => true,
            // A cause is what the system said when a thread was to be started. Without one, somebody else
            // has been here before: rayon panics where they failed, and there is no other way to ask.
            Err(error) => {
                error.source().is_none()
                    && std::panic::catch_unwind(rayon::current_num_threads).is_ok()
            }
        })
    };
    if is_worker || there_is_one() { rayon::current_num_threads() } else { 1 }
}

/// Work that can be done in pieces.
pub(crate) trait Divide: Sized + Send {
    /// Pieces left in it.
    fn pieces(&self) -> usize;
    /// The first so many pieces, and the others.
    fn divide(self, pieces: usize) -> (Self, Self);
}

/// Does every piece of `work`. Nothing is allocated, and no piece runs inside rayon's frames with
/// instructions that these lack: a kernel is dispatched by `each`, within its task.
pub(crate) fn for_each_piece<W: Divide>(work: W, threads: usize, each: &(impl Fn(W) + Sync)) {
    let pieces = work.pieces();
    if pieces <= 1 {
        return each(work);
    }
    let (first, second) = work.divide(pieces / 2);
    both(
        threads,
        || for_each_piece(first, threads, each),
        || for_each_piece(second, threads, each),
    );
}

/// Calls both, at once where there are threads.
fn both(threads: usize, first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    #[cfg(feature = "rayon")]
    if threads > 1 {
        rayon::join(first, second);
        return;
    }
    #[cfg(not(feature = "rayon"))]
    debug_assert_eq!(threads, 1, "there is none to be had");
    first();
    second();
}
