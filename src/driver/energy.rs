//! Energy, log-sum-exp, entropy and the like of a probe, from its softmax state and the norms.

use crate::driver::outputs::Outputs;
use crate::memory::Memory;
use crate::separation::state::State;
use crate::simd::Element;

/// What the energy depends on besides the probe: the patterns that are not masked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubMemory {
    /// N.
    patterns: usize,
    /// M*², or NaN if a pattern is NaN.
    max_squared_norm: f64,
}

impl SubMemory {
    pub fn of<T: Element>(memory: &Memory<T>, keep: Option<&[bool]>) -> Self {
        let patterns =
            keep.map_or(memory.patterns(), |keep| keep.iter().filter(|&&keep| keep).count());
        let max_squared_norm = memory.max_squared_norm_of(keep).to_f64();
        Self { patterns, max_squared_norm }
    }
}

/// The terms of the energy that all probes share. These sums have few terms: they are in `f64`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Energies<T> {
    /// β, not multiplied by the gain.
    beta: f64,
    gain: f64,
    /// ½ gain² M*² + β⁻¹ ln N
    constant: f64,
    element: std::marker::PhantomData<T>,
}

impl<T: Element> Energies<T> {
    /// `memory` is needed for energies only.
    pub fn new(beta: T, gain: T, memory: Option<SubMemory>) -> Self {
        let (beta, gain) = (beta.to_f64(), gain.to_f64());
        let constant = memory.map_or(f64::NAN, |memory| {
            let half_norm = 0.5 * gain * gain * memory.max_squared_norm;
            half_norm + (memory.patterns.max(1) as f64).ln() / beta
        });
        Self { beta, gain, constant, element: std::marker::PhantomData }
    }

    /// ln Σ_n exp(β s_n)
    fn lse(&self, state: &State<T>) -> f64 {
        match state.row_sum == T::ZERO {
            true => f64::NEG_INFINITY,
            false => self.beta * self.gain * state.shift.to_f64() + state.row_sum.to_f64().ln(),
        }
    }

    /// Writes the outputs of probe `b` that are asked for.
    pub fn write(&self, state: &State<T>, probe: &[T], b: usize, outputs: &mut Outputs<'_, T>) {
        let row_sum = state.row_sum.to_f64();
        if let Some(lse) = &mut outputs.lse {
            lse[b] = T::from_f64(self.lse(state));
        }
        if let Some(energy) = &mut outputs.energy {
            let square: f64 = probe.iter().map(|x| x.to_f64() * x.to_f64()).sum();
            energy[b] = T::from_f64(0.5 * square - self.lse(state) / self.beta + self.constant);
        }
        if let Some(entropy) = &mut outputs.entropy {
            // p = w / row_sum: -Σ p ln p = ln row_sum - Σ w ln w / row_sum.
            let entropy_sum = std::f64::consts::LN_2 * state.entropy_sum.to_f64();
            let nats =
                if row_sum == 0.0 { 0.0 } else { (row_sum.ln() - entropy_sum / row_sum).max(0.0) };
            entropy[b] = T::from_f64(if row_sum.is_nan() { f64::NAN } else { nats });
        }
        if let Some(best) = &mut outputs.best {
            best[b] = if row_sum.is_nan() { usize::MAX } else { state.best };
        }
        if let Some(support) = &mut outputs.support {
            support[b] = state.support;
        }
    }
}
