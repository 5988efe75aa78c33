//! Energies from potentials, where the patterns that take part may differ from probe to probe.

use crate::driver::energy::SubMemory;
use crate::retrieval::call::Call;
use crate::simd::Element;

impl<T: Element> Call<'_, T> {
    /// E(x) = R(x) - G(t) / β + C, where the patterns that take part may differ from probe to
    /// probe.
    pub fn energies(&self, energy: &mut [T], potential: impl Fn(usize) -> f64) {
        let retrieval = self.retrieval;
        let (beta, gain) = (retrieval.beta.to_f64(), retrieval.gain.to_f64());
        let quadratic = retrieval.is_quadratic();
        let mut shared = None;
        for (b, probe) in self.probes.iter().enumerate() {
            let SubMemory { patterns, max_squared_norm } = match shared {
                Some(shared) if !retrieval.masks_differ() => shared,
                _ => self.participants(b),
            };
            shared = Some(SubMemory { patterns, max_squared_norm });
            let square: f64 = probe.iter().map(|x| x.to_f64() * x.to_f64()).sum();
            let constant = retrieval.separation.with_rows(|rows| rows.constant(patterns));
            let constant = if patterns == 0 { 0.0 } else { constant };
            let quadratic_terms = 0.5 * (square + gain * gain * max_squared_norm);
            let quadratic_terms = if quadratic { quadratic_terms } else { 0.0 };
            energy[b] = T::from_f64(quadratic_terms - potential(b) / beta + constant / beta);
        }
    }

    /// The patterns that take part for probe `b`.
    fn participants(&self, b: usize) -> SubMemory {
        let norms = self.memory.squared_norms();
        let (mut patterns, mut most) = (0, 0.0_f64);
        let part = |n: &usize| self.retrieval.takes_part(b, *n);
        for norm in (0..norms.len()).filter(part).map(|n| norms[n]) {
            patterns += 1;
            let norm = norm.to_f64();
            most = if norm > most || norm.is_nan() { norm } else { most };
        }
        SubMemory { patterns, max_squared_norm: most }
    }
}
