//! Energies and the other numbers of a probe, from its softmax's state and the norms.

use crate::kernel::separation::State;
use crate::{Element, Error, Outputs, Result};

/// Refuses an inverse temperature that is none.
pub(crate) fn beta_of<T: Element>(beta: T) -> Result<T> {
    if beta > T::ZERO && beta.is_finite() {
        return Ok(beta);
    }
    let expected = "a finite number above 0";
    Err(Error::Parameter { name: "beta", expected, found: beta.to_f64() })
}

/// The terms of the energy that all probes share. Sums of few terms: in double precision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Energies<T> {
    /// β, without the gain.
    beta: f64,
    gain: f64,
    /// ½ gain² M*² + β⁻¹ ln N
    constant: f64,
    element: std::marker::PhantomData<T>,
}

impl<T: Element> Energies<T> {
    /// Without M*², for everything but energies.
    pub fn new(beta: T, gain: T, patterns: usize, max_squared_norm: Option<T>) -> Self {
        let (beta, gain) = (beta.to_f64(), gain.to_f64());
        let norm = max_squared_norm.map_or(f64::NAN, T::to_f64);
        let constant = 0.5 * gain * gain * norm + (patterns as f64).ln() / beta;
        Self { beta, gain, constant, element: std::marker::PhantomData }
    }

    /// ln Σ_n exp(β s_n)
    fn lse(&self, state: &State<T>) -> f64 {
        match state.mass == T::ZERO {
            true => f64::NEG_INFINITY,
            false => self.beta * self.gain * state.peak.to_f64() + state.mass.to_f64().ln(),
        }
    }

    /// Writes the numbers of probe `b` that are asked for.
    pub fn write(&self, state: &State<T>, probe: &[T], b: usize, outputs: &mut Outputs<'_, T>) {
        let mass = state.mass.to_f64();
        if let Some(lse) = &mut outputs.lse {
            lse[b] = T::from_f64(self.lse(state));
        }
        if let Some(energy) = &mut outputs.energy {
            let square: f64 = probe.iter().map(|x| x.to_f64() * x.to_f64()).sum();
            energy[b] = T::from_f64(0.5 * square - self.lse(state) / self.beta + self.constant);
        }
        if let Some(entropy) = &mut outputs.entropy {
            // p = w / mass: -Σ p ln p = ln mass - Σ w ln w / mass.
            let heat = std::f64::consts::LN_2 * state.heat.to_f64();
            let nats = if mass == 0.0 { 0.0 } else { (mass.ln() - heat / mass).max(0.0) };
            entropy[b] = T::from_f64(if mass.is_nan() { f64::NAN } else { nats });
        }
        if let Some(best) = &mut outputs.best {
            best[b] = if mass.is_nan() { usize::MAX } else { state.best };
        }
        if let Some(best_weight) = &mut outputs.best_weight {
            best_weight[b] = state.normaliser();
        }
        if let Some(support) = &mut outputs.support {
            support[b] = state.support;
        }
    }
}
