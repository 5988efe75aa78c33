//! The two strategies of softmax recall, and which of them a probe takes.
//!
//! *Streaming* turns scores into weights block by block, relative to the highest score so far (see
//! `driver::forward`). *Peaked* computes the scores first, and then weights for scores within the
//! width of the softmax below the highest (see `driver::sparse`). Codes then save most of the
//! scores; without codes, most of the projection is saved.
//!
//! The two round differently. Which one a probe takes therefore depends on the probe, the memory,
//! β, biases and masks alone: not on codes, the batch, threads, the level, or earlier calls. Some
//! patterns at a fixed stride are a sample of all, of which 16 are looked at first.
//!
//! ```text
//! few or short patterns, or a probe that is bounded             streaming
//! many of the sample score within the width below the score     streaming
//!   of a pattern of usual norm in the probe's direction
//! many score within the width below the highest score           streaming
//! otherwise                                                     peaked
//! ```
//!
//! Many are more than 1/4 of the 16; or one of them, and more than 1/16 of the sample (1/32 of
//! short patterns).
//!
//! Either strategy finds the highest score, so that a probe that passes the first two tests may be
//! recalled by both: which of them is tried first changes only the time (see `peaked`).

use crate::matrix::MatRef;
use crate::memory::padded_cols;
use crate::retrieval::call::Call;
use crate::retrieval::screening::Screening;
use crate::retrieval::work::{Choice, Strategy};
use crate::separation::state::SoftmaxParams;
use crate::simd::{Element, Level};
use crate::similarity::Similarity;
use crate::similarity::scoring::{Scoring, masked};

/// Fewer patterns, or patterns of fewer features, are always streamed.
const LEAST_PATTERNS: usize = 256;
const LEAST_FEATURES: usize = 32;
/// The sample has one pattern in 128, but at least 64 and at most 256.
const SAMPLE_SHARE: usize = 128;
const LEAST: usize = 64;
const MOST: usize = 256;
/// Patterns of the sample whose scores are known first.
const FEW: usize = 16;
/// A probe is streamed if more than one pattern of the sample in this many is within the window.
/// The shorter the patterns are, the more their lists cost beside their products.
const fn dense_share(dim: usize) -> usize {
    if dim < 256 { 32 } else { 16 }
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

    /// Finds the probes that may be peaked, as far as can be told without the highest score.
    pub fn choose(&self, scoring: &Scoring<'_, T>, level: Level, choice: &mut Choice<T>) {
        let batch = self.probes.rows();
        let never = self.never_peaked();
        choice.begin(batch, if never { Strategy::Streaming } else { Strategy::Peaked });
        choice.is_open = !never && self.retrieval.screening == Screening::Auto;
        if !choice.is_open {
            return;
        }
        let patterns = self.memory.patterns();
        let params = self.retrieval.params(patterns);
        let most = match self.retrieval.similarity {
            Similarity::Dot => self.memory.max_squared_norm_of(self.retrieval.keep),
            _ => T::ZERO,
        };
        let sample = (patterns / SAMPLE_SHARE).clamp(LEAST, MOST);
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
        choice.scored.reserve(sample);
        choice.few.clear();
        choice.few.resize(batch * FEW, T::NAN);
        let sample = Sample { call: self, scoring, level };
        for b in 0..batch {
            let streams = self.reach(b, params, usual).is_none_or(|reach| {
                sample.score_few(b, choice);
                sample.is_dense(b, reach, choice)
            });
            if streams {
                choice.strategies[b] = Strategy::Streaming;
            }
        }
    }

    /// The least score that has a weight if the highest is that of a pattern of squared norm
    /// `usual` in the direction of probe `b`. `None` if the probe is streamed whatever its scores.
    fn reach(&self, b: usize, params: SoftmaxParams<T>, usual: f64) -> Option<f64> {
        let similarity = self.retrieval.similarity;
        let square: f64 = squared_norm(self.probes.row(b));
        if similarity == Similarity::Dot && T::from_f64(square) <= params.bound {
            return None;
        }
        let best = similarity.definition().best(square, usual);
        let reach = best + self.highest_bias(b) - params.depth.to_f64();
        reach.is_finite().then_some(reach)
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

/// The scores of the sample.
pub(super) struct Sample<'a, T> {
    pub call: &'a Call<'a, T>,
    pub scoring: &'a Scoring<'a, T>,
    pub level: Level,
}

impl<T: Element> Sample<'_, T> {
    /// Whether probe `b`, which has passed the tests of [`Call::choose`], is streamed, given the
    /// highest of all its scores.
    pub fn streams(&self, b: usize, row_max: T, choice: &mut Choice<T>) -> bool {
        let depth = self.call.retrieval.params(self.call.memory.patterns()).depth;
        self.is_dense(b, row_max.to_f64() - depth.to_f64(), choice)
    }

    /// Whether many of the scores of probe `b` are not below `reach`, as far as the sample tells.
    fn is_dense(&self, b: usize, reach: f64, choice: &mut Choice<T>) -> bool {
        if let Some(is_dense) = few_tell(choice.few(b), reach) {
            return is_dense;
        }
        let list = std::mem::take(&mut choice.list);
        self.score(b, &list, choice);
        let (found, of) = reaching(&choice.scored.scores[..list.len()], reach);
        choice.list = list;
        found * dense_share(self.call.memory.dim()) > of
    }

    /// Keeps the scores of a few patterns of the sample, which mostly tell.
    fn score_few(&self, b: usize, choice: &mut Choice<T>) {
        let step = choice.list.len() / FEW;
        let few: [u32; FEW] = std::array::from_fn(|i| choice.list[i * step]);
        self.score(b, &few, choice);
        choice.few[b * FEW..][..FEW].copy_from_slice(&choice.scored.scores[..FEW]);
    }

    /// Scores listed patterns.
    fn score(&self, b: usize, list: &[u32], choice: &mut Choice<T>) {
        let Choice { probe, scored, .. } = choice;
        let (call, patterns) = (self.call, self.call.memory.rows());
        probe.clear();
        probe.extend_from_slice(call.probes.row(b));
        probe.resize(padded_cols::<T>(call.probes.cols()), T::ZERO);
        let probe = MatRef::new(probe, 1, patterns.cols()).expect("the probe has been padded");
        scored.write(self.level, probe, patterns, list);
        let named = || list.iter().map(|&n| n as usize);
        if !self.scoring.is_dot() {
            for (score, n) in scored.scores.iter_mut().zip(named()) {
                let one = std::slice::from_mut(score);
                self.scoring.similarities(one, b, n);
                self.scoring.scores(one, b, n);
            }
        }
        if let Some(keep) = call.retrieval.keep {
            for (score, _) in scored.scores.iter_mut().zip(named()).filter(|(_, n)| !keep[*n]) {
                *score = masked();
            }
        }
    }
}

/// Whether many of a few scores are not below `reach`, or none; `None` if they do not tell.
fn few_tell<T: Element>(few: &[T], reach: f64) -> Option<bool> {
    match reaching(few, reach) {
        (found, of) if of == 0 || found * 4 > of => Some(true),
        (0, _) => Some(false),
        _ => None,
    }
}

/// How many scores are not below `reach`, and how many are not those of masked patterns. A score
/// that is not a number is within reach.
fn reaching<T: Element>(scores: &[T], reach: f64) -> (usize, usize) {
    let (mut found, mut of) = (0, 0);
    for score in scores.iter().filter(|score| **score != masked()) {
        let below = score.to_f64() < reach;
        (found, of) = (found + usize::from(!below), of + 1);
    }
    (found, of)
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
