//! What a similarity needs of probes and patterns besides the sum over d: norms.

use crate::driver::scratch::grow;
use crate::error::Result;
use crate::matrix::MatRef;
use crate::memory::Memory;
use crate::simd::Element;
use crate::similarity::Similarity;
use crate::similarity::definition::Norms;
use crate::similarity::scoring::Scoring;

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
        let Some(Norms::Factors(of) | Norms::Terms(of)) = similarity.definition().norms() else {
            return Ok(());
        };
        grow!(self.probes, probes.rows() as u64, T::ZERO);
        grow!(self.patterns, memory.patterns() as u64, T::ZERO);
        for (to, probe) in self.probes.iter_mut().zip(probes.iter()) {
            *to = T::from_f64(of(probe.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>()));
        }
        for (to, norm) in self.patterns.iter_mut().zip(memory.squared_norms()) {
            *to = T::from_f64(of(norm.to_f64()));
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
        let definition = similarity.definition();
        let of_probes = || Some(&self.probes[..probes]);
        let of_patterns = || Some(&self.patterns[..patterns]);
        match definition.norms() {
            Some(Norms::Factors(_)) => Scoring {
                probe_factors: of_probes(),
                pattern_factors: of_patterns(),
                ..Scoring::DOT
            },
            Some(Norms::Terms(_)) if !exact => {
                Scoring { probe_terms: of_probes(), pattern_terms: of_patterns(), ..Scoring::DOT }
            }
            _ => Scoring { sums: definition.sums(), shape: definition.shape(), ..Scoring::DOT },
        }
    }
}
