//! Threads: work that divides itself, on the caller's rayon pool.

/// Whether a call may use more than the thread that makes it.
///
/// Results do not depend on it, nor on the number of threads.
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
const WORTH_A_TASK: usize = 1 << 20;
/// Bytes of patterns of which the same is true: a few probes take as long as reading does, and their shards
/// are coarse, so that a thread that wakes late ends late.
const WORTH_READING: usize = 1 << 21;

impl Parallelism {
    /// Threads to divide so many multiply-adds among, with so many bytes of patterns.
    pub(crate) fn threads(self, multiply_adds: usize, bytes: usize) -> usize {
        let worth = (multiply_adds / WORTH_A_TASK).max(bytes / WORTH_READING).max(1);
        let there_are = match self {
            Self::Serial => 1,
            #[cfg(feature = "rayon")]
            Self::Rayon => rayon::current_num_threads(),
        };
        worth.min(there_are)
    }
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
