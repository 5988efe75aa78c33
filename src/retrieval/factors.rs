//! What a similarity needs of probes and patterns besides the sum over d: norms.

use crate::driver::scratch::grow;
use crate::error::Result;
use crate::matrix::MatRef;
use crate::memory::Memory;
use crate::simd::Element;
use crate::similarity::Similarity;
use crate::similarity::accumulate::Sums;
use crate::similarity::scoring::{Scoring, Shape};

/// Factors or terms of some probes and of all patterns, in memory that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Factors<T> {
    probes: Vec<T>,
    patterns: Vec<T>,
}

impl<T> Default for Factors<T> {
    fn default() -> Self {
        Self { probes: Vec::new(), patterns: Vec::new() }
    }
}

impl<T: Element> Factors<T> {
    /// Computes what `similarity` needs.
    pub fn prepare(
        &mut self,
        similarity: Similarity,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
    ) -> Result<()> {
        let of = match similarity {
            Similarity::Cosine => inverse_norm::<T>,
            Similarity::NegHalfSquaredL2 => neg_half::<T>,
            _ => return Ok(()),
        };
        grow!(self.probes, probes.rows() as u64, T::ZERO);
        grow!(self.patterns, memory.patterns() as u64, T::ZERO);
        for (to, probe) in self.probes.iter_mut().zip(probes.iter()) {
            *to = of(probe.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>());
        }
        for (to, norm) in self.patterns.iter_mut().zip(memory.squared_norms()) {
            *to = of(norm.to_f64());
        }
        Ok(())
    }

    /// How sums over d become similarities. `exact` differences cost more than products and lose
    /// nothing where a probe is close to a pattern.
    pub fn scoring(
        &self,
        similarity: Similarity,
        exact: bool,
        probes: usize,
        patterns: usize,
    ) -> Scoring<'_, T> {
        let dot = Scoring::DOT;
        let squares = |shape| Scoring { sums: Sums::SquaredDifferences, shape, ..dot };
        let absolutes = |shape| Scoring { sums: Sums::AbsoluteDifferences, shape, ..dot };
        match similarity {
            Similarity::Dot => dot,
            Similarity::Cosine => Scoring {
                probe_factors: Some(&self.probes[..probes]),
                pattern_factors: Some(&self.patterns[..patterns]),
                ..dot
            },
            Similarity::NegHalfSquaredL2 if exact => squares(Shape::NegHalf),
            Similarity::NegHalfSquaredL2 => Scoring {
                probe_terms: Some(&self.probes[..probes]),
                pattern_terms: Some(&self.patterns[..patterns]),
                ..dot
            },
            Similarity::NegL2 => squares(Shape::NegRoot),
            Similarity::NegL1 => absolutes(Shape::Negated),
            Similarity::UhnReciprocalSquaredL2 => squares(Shape::Reciprocal),
            Similarity::UhnReciprocalL1 => absolutes(Shape::Reciprocal),
        }
    }
}

fn inverse_norm<T: Element>(square: f64) -> T {
    T::from_f64(if square == 0.0 { 0.0 } else { 1.0 / square.sqrt() })
}

fn neg_half<T: Element>(square: f64) -> T {
    T::from_f64(-0.5 * square)
}
