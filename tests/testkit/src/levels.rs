//! Every level that this machine has; none is skipped in silence.

use hopfield_kernels::{Context, Element, Level, Parallelism};

/// Levels that have to be there, with commas between them: `avx512,avx2,portable`. Without it, an
/// absent level is only reported.
const REQUIRED: &str = "HOPFIELD_REQUIRE_LEVELS";

/// All the levels there are, on any machine.
const KNOWN: [&str; 3] = ["avx512", "avx2", "portable"];

/// The levels of this machine.
///
/// # Panics
/// When a level is absent that `HOPFIELD_REQUIRE_LEVELS` names, or that nobody knows.
pub fn all() -> Vec<Level> {
    let required = std::env::var(REQUIRED).unwrap_or_default();
    let required: Vec<&str> =
        required.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
    for name in required.iter().chain(&KNOWN) {
        assert!(KNOWN.contains(name), "{REQUIRED} names {name}, which is no level");
        if let Err(absent) = name.parse::<Level>() {
            assert!(!required.contains(name), "{REQUIRED}: {absent}");
            println!("not tested here: {absent}");
        }
    }
    Level::available().collect()
}

/// A context for a level, without threads.
pub fn serial<T: Element>(level: Level) -> Context<T> {
    Context::new().with_level(level).with_parallelism(Parallelism::Serial)
}

/// A context for a level, with the threads of the pool that it is used in.
pub fn threaded<T: Element>(level: Level) -> Context<T> {
    Context::new().with_level(level).with_parallelism(Parallelism::default())
}

/// Runs `work` in a pool of so many threads.
#[cfg(feature = "rayon")]
pub fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("a pool of threads").install(work)
}

/// Without rayon there are no threads to choose.
#[cfg(not(feature = "rayon"))]
pub fn in_pool<R: Send>(_: usize, work: impl FnOnce() -> R + Send) -> R {
    work()
}
