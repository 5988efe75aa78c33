//! The two strategies of softmax recall, and which of them a probe takes.
//!
//! *Streaming* weighs every pattern as its score is computed, relative to the highest score so far
//! (see `driver::forward`). *Peaked* computes the scores first and weighs those patterns alone that
//! are within reach of the highest one (see `driver::sparse`): the codes of a memory save it most
//! of the scores, and without codes it saves most of the projection.
//!
//! The two round differently. Which one a probe takes therefore depends on the probe, the memory, β,
//! biases and masks alone: not on codes, the batch, threads, the level, or earlier calls.
//!
//! ```text
//! few or short patterns, or a probe that is bounded       streaming
//! S patterns at a fixed stride, of which more than 1/8    streaming
//!   have scores within reach of that of a pattern of
//!   usual norm in the direction of the probe
//! otherwise                                               peaked
//! ```

use crate::driver::listed::Scored;
use crate::driver::sparse::{Screened, SparseScratch};
use crate::error::Result;
use crate::matrix::MatRef;
use crate::memory::padded_cols;
use crate::retrieval::call::Call;
use crate::separation::state::SoftmaxParams;
use crate::simd::{Element, Level};
use crate::similarity::Similarity;
use crate::similarity::scoring::{Scoring, masked};

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
/// - **Data.** Probes that resemble a few patterns; a probe that resembles none has all patterns in
///   the window, and what screening has read is lost: a batch then takes up to twice as long.
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
    /// Every pattern is scored, and weighed as its score is computed. Codes are not used.
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
/// threads.
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
    /// Patterns whose scores were computed for the probes that were screened, those that two
    /// threads or two scans have scored twice. A probe with more candidates than there is room for
    /// is scanned again, without codes.
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
        self.probes += probes;
        self.dense += dense;
        self.listed += listed;
        // Codes are used for all probes of a call or for none.
        if probes > 0 {
            self.kept += sparse.supports.indices.len() as u64;
        }
    }
}

/// Fewer patterns, or patterns of fewer features, are always streamed.
const LEAST_PATTERNS: usize = 256;
const LEAST_FEATURES: usize = 32;
/// The sample has one pattern in 128, but at least 16 and at most 256.
const SAMPLE_SHARE: usize = 128;
const FEWEST: usize = 16;
const MOST: usize = 256;
/// A probe is streamed if more than one pattern of the sample in this many is within the window.
const DENSE_SHARE: usize = 8;

/// Scratch for the choice, and its result.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice<T> {
    probe: Vec<T>,
    scored: Scored<T>,
    list: Vec<u32>,
    /// Whether each probe is peaked.
    pub peaked: Vec<bool>,
}

impl<T> Choice<T> {
    /// Number of peaked probes.
    pub fn count(&self) -> usize {
        self.peaked.iter().filter(|peaked| **peaked).count()
    }
}

impl<T: Element> Call<'_, T> {
    /// Whether all probes are streamed, as far as can be told without looking at them.
    pub fn never_peaked(&self) -> bool {
        let retrieval = self.retrieval;
        let few = self.memory.patterns() < LEAST_PATTERNS || self.memory.dim() < LEAST_FEATURES;
        let unbounded = !self.memory.max_is_known() && retrieval.similarity == Similarity::Dot;
        match retrieval.screening {
            Screening::Never => true,
            Screening::Always => retrieval.null() != T::ZERO,
            Screening::Auto => retrieval.null() != T::ZERO || few || unbounded,
        }
    }

    /// Chooses the strategy of every probe.
    pub fn choose(
        &self,
        scoring: &Scoring<'_, T>,
        level: Level,
        choice: &mut Choice<T>,
    ) -> Result<()> {
        let batch = self.probes.rows();
        choice.peaked.clear();
        if self.never_peaked() || self.retrieval.screening == Screening::Always {
            choice.peaked.resize(batch, !self.never_peaked());
            return Ok(());
        }
        let patterns = self.memory.patterns();
        let params = self.retrieval.params(patterns);
        let most = match self.retrieval.similarity {
            Similarity::Dot => self.memory.max_squared_norm_of(self.retrieval.keep),
            _ => T::ZERO,
        };
        let sample = (patterns / SAMPLE_SHARE).clamp(FEWEST, MOST);
        choice.list.clear();
        choice.list.extend((0..sample).map(|i| (i * patterns / sample) as u32));
        // What is masked may hold anything. If all of the sample is, this is not a number.
        let norms = self.memory.squared_norms();
        let kept = |n: usize| self.retrieval.keep.is_none_or(|keep| keep[n]);
        let (mut sum, mut count) = (0.0, 0.0);
        for n in choice.list.iter().map(|&n| n as usize).filter(|&n| kept(n)) {
            sum += norms[n].to_f64();
            count += 1.0;
        }
        let usual: f64 = sum / count;
        let params = params.among(most, self.memory.dim());
        let test = Test { call: self, params, usual, scoring, level };
        for b in 0..batch {
            let peaked = test.is_peaked(b, choice);
            choice.peaked.push(peaked);
        }
        Ok(())
    }

    /// The highest bias of probe `b`, over β.
    fn highest_bias(&self, b: usize) -> f64 {
        let retrieval = self.retrieval;
        let highest = |bias: &[T]| {
            let most =
                bias.iter().fold(T::NEG_INFINITY, |most, &x| if x > most { x } else { most });
            most.to_f64() / retrieval.total_beta()
        };
        retrieval.bias.map_or(0.0, highest)
            + retrieval.biases.map_or(0.0, |biases| highest(biases.row(b)))
    }
}

/// What the tests of all probes share.
struct Test<'a, T> {
    call: &'a Call<'a, T>,
    params: SoftmaxParams<T>,
    /// The mean of ‖m‖² over those of the sample that are not masked.
    usual: f64,
    scoring: &'a Scoring<'a, T>,
    level: Level,
}

impl<T: Element> Test<'_, T> {
    fn is_peaked(&self, b: usize, choice: &mut Choice<T>) -> bool {
        let probe = self.call.probes.row(b);
        let square: f64 = squared_norm(probe);
        let dot = self.call.retrieval.similarity == Similarity::Dot;
        if dot && T::from_f64(square) <= self.params.bound {
            return false;
        }
        let best = match self.call.retrieval.similarity {
            Similarity::Dot => (square * self.usual).sqrt(),
            Similarity::Cosine => 1.0,
            _ => 0.0,
        };
        let reach = best + self.call.highest_bias(b) - self.params.depth.to_f64();
        if !reach.is_finite() {
            return false;
        }
        let cols = padded_cols::<T>(probe.len());
        choice.probe.clear();
        choice.probe.extend_from_slice(probe);
        choice.probe.resize(cols, T::ZERO);
        // A few patterns of the sample first, which mostly tell.
        let all = std::mem::take(&mut choice.list);
        let step = all.len() / FEWEST;
        let few: [u32; FEWEST] = std::array::from_fn(|i| all[i * step]);
        let (found, of) = self.reaching(b, reach, &few, choice);
        let peaked = match found {
            0 => of > 0,
            _ if found * 2 > of => false,
            _ => {
                let (found, of) = self.reaching(b, reach, &all, choice);
                found * DENSE_SHARE <= of
            }
        };
        choice.list = all;
        peaked
    }

    /// How many of some patterns have scores that are not below `reach`, and how many take part.
    fn reaching(
        &self,
        b: usize,
        reach: f64,
        list: &[u32],
        choice: &mut Choice<T>,
    ) -> (usize, usize) {
        let Choice { probe, scored, .. } = choice;
        let patterns = self.call.memory.rows();
        let probe = MatRef::new(probe, 1, patterns.cols()).expect("the probe has been padded");
        scored.write(self.level, probe, patterns, list);
        let (mut found, mut of) = (0, 0);
        for (score, &n) in scored.scores.iter_mut().zip(list) {
            let n = n as usize;
            let score = std::slice::from_mut(score);
            self.scoring.similarities(score, b, n);
            self.scoring.scores(score, b, n);
            if score[0] == masked() || self.call.retrieval.keep.is_some_and(|keep| !keep[n]) {
                continue;
            }
            of += 1;
            // A score that is not a number is within reach.
            let below = score[0].to_f64() < reach;
            found += usize::from(!below);
        }
        (found, of)
    }
}

/// |x|², in lanes.
fn squared_norm<T: Element>(probe: &[T]) -> f64 {
    let (chunks, rest) = probe.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x.to_f64() * x.to_f64());
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>()
}
