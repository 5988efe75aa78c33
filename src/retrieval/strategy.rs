//! The two strategies of softmax recall, and which of them a probe takes.
//!
//! *Streaming* turns scores into weights block by block, relative to the highest score so far (see
//! `driver::forward`). *Peaked* computes the scores first, and then weights for scores within the
//! width of the softmax below the highest (see `driver::sparse`). Codes then save most of the
//! scores; without codes, most of the projection is saved.
//!
//! The two round differently. Which one a probe takes therefore depends on the probe, the memory,
//! β, biases and masks alone: not on codes, the batch, threads, the level, or earlier calls.
//!
//! ```text
//! few or short patterns, or a probe that is bounded       streaming
//! more than 1/8 of S patterns at a fixed stride score     streaming
//!   within the width below the score of a pattern of
//!   usual norm in the direction of the probe
//! otherwise                                               peaked
//! ```

use crate::error::Result;
use crate::matrix::MatRef;
use crate::memory::padded_cols;
use crate::retrieval::call::Call;
use crate::retrieval::screening::Screening;
use crate::retrieval::work::Choice;
use crate::separation::state::SoftmaxParams;
use crate::simd::{Element, Level};
use crate::similarity::Similarity;
use crate::similarity::scoring::{Scoring, masked};

/// Fewer patterns, or patterns of fewer features, are always streamed.
const LEAST_PATTERNS: usize = 256;
const LEAST_FEATURES: usize = 32;
/// The sample has one pattern in 128, but at least 16 and at most 256.
const SAMPLE_SHARE: usize = 128;
const FEWEST: usize = 16;
const MOST: usize = 256;
/// A probe is streamed if more than one pattern of the sample in this many is within the window.
const DENSE_SHARE: usize = 8;

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
        let best = self.call.retrieval.similarity.definition().best(square, self.usual);
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
