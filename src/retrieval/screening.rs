//! Whether recall leaves out patterns, and what has been left out.

use crate::driver::sparse::{Kind, Screened, SparseScratch};

/// Whether recall leaves out patterns that cannot matter.
///
/// A softmax weight below 2^-(24 + log2 N) of the highest (53 for 24 in `f64`) is exactly 0, so the
/// patterns whose scores are lower than the highest by more than (24 + log2 N) ln 2 / β have no
/// part in a recall. If these are most, [`Auto`](Self::Auto) computes the scores first and projects
/// the few others; with [codes](crate::Memory::with_codes) it reads these alone.
///
/// # When it pays
/// - **β.** The window is (24 + log2 N) ln 2 / β: 27.7 / β for 60,000 patterns in `f32`. Scores of
///   unit vectors differ by 2 at most, so that below a β of about 40 there is little to skip in
///   principle. Separations whose weights are mostly 0 have narrower windows: 2 / β for 1.5-entmax,
///   1 / β for sparsemax.
/// - **Data.** Probes that resemble a few patterns. A probe that resembles none has all patterns in
///   the window and is not screened; but its highest score has to be known first. A
///   [`Context`](crate::Context) remembers which way most probes took in its last recalls, and the
///   next one of the same size and β begins with that: a first call, or one with other probes than
///   the last one, may take up to twice as long.
/// - **Size.** At least 256 patterns of 32 features; the more the better.
///
/// docs/PERFORMANCE.md has figures for images and for embeddings of sentences.
///
/// ```
/// use hopfield_kernels::{Codes, Context, MatRef, Memory, Outputs, Retrieval, Screening};
///
/// let patterns: Vec<f32> = (0..64_000_u64).map(|i| ((i * i) as f32).sin()).collect();
/// let memory = Memory::from_slice(&patterns, 64)?.with_codes(Codes::Eight)?;
/// let (mut context, mut best) = (Context::new(), [None]);
/// let outputs = Outputs::default().with_best(&mut best);
/// let probes = MatRef::new(memory.pattern(123), 1, 64)?;
/// Retrieval::new(8.0)
///     .with_screening(Screening::Auto)
///     .run(probes, &memory, outputs, &mut context)?;
/// assert_eq!(best, [Some(123)]);
/// assert!(context.counters().listed < 100, "of 1,000 patterns");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Screening {
    /// The strategy that a test of the probe and of a few patterns chooses, and codes if the memory
    /// has any. Which codes it has, and whether, changes no bit of a result.
    #[default]
    Auto,
    /// Every pattern is scored, and weights are computed block by block. Codes are not used.
    Never,
    /// The scores of a softmax first, without the test, and codes if the memory has any.
    Always,
}

/// What screening has done since the counters were last reset: sums over all recalls, and over all
/// searches by [`top_k`](crate::top_k).
///
/// Each probe of each of them counts once, in `probes` or in `dense`. What is recalled in steps
/// counts in every step. What a call reads besides is not counted: for statistics, for the weights
/// that learning takes, and for gradients. All numbers but `listed` are the same for any number of
/// threads, and after any other calls.
///
/// ```
/// use hopfield_kernels::{Codes, Context, MatMut, MatRef, Memory, top_k};
///
/// let patterns: Vec<f32> = (0..64_000_u64).map(|i| ((i * i) as f32).sin()).collect();
/// let memory = Memory::from_slice(&patterns, 64)?.with_codes(Codes::Eight)?;
/// let (mut found, mut scores, mut context) = ([None; 3], [0.0; 3], Context::new());
/// let probes = MatRef::new(memory.pattern(123), 1, 64)?;
/// let (to, scores) = (MatMut::new(&mut found, 1, 3)?, MatMut::new(&mut scores, 1, 3)?);
/// top_k(probes, &memory, to, scores, &mut context)?;
/// let counters = context.counters();
/// assert_eq!((counters.probes, counters.dense, counters.kept), (1, 0, 3));
/// assert!(counters.listed < 100, "of 1,000 patterns");
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Probes whose patterns were screened by codes.
    pub probes: u64,
    /// Probes whose patterns were all scored.
    pub dense: u64,
    /// Patterns whose scores were computed after screening. Those that two threads or two scans
    /// have scored count twice. A probe with more candidates than there is room for is scanned
    /// again, without codes.
    pub listed: u64,
    /// Patterns that had a weight for the probes that were screened.
    pub kept: u64,
}

impl Counters {
    /// Adds probes whose patterns were all scored.
    pub(crate) fn add_dense(&mut self, probes: usize) {
        self.dense += probes as u64;
    }

    /// Adds the probes whose supports have been found.
    pub(crate) fn add<T>(&mut self, sparse: &SparseScratch<T>) {
        let Screened { probes, dense, listed } = sparse.screened;
        // Those that are streamed after all are counted there.
        let facts = sparse.supports.facts.iter();
        let streamed = facts.filter(|fact| fact.kind == Kind::Streamed).count() as u64;
        self.probes += probes.saturating_sub(streamed);
        self.dense += dense.saturating_sub(streamed);
        self.listed += listed;
        // Codes are used for all probes of a call or for none.
        if probes > 0 {
            self.kept += sparse.supports.indices.len() as u64;
        }
    }
}
