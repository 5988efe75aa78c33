//! Energy, log-sum-exp, entropy and the like of a probe, from its softmax state and the norms.

use crate::driver::outputs::Outputs;
use crate::memory::Memory;
use crate::separation::state::State;
use crate::simd::Element;

/// What the energy depends on besides the probe: the patterns that are not masked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubMemory {
    /// N.
    pub patterns: usize,
    /// M*², or NaN if a pattern is NaN.
    pub max_squared_norm: f64,
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
    /// c of [`SoftmaxParams::null`].
    null: f64,
    /// Whether the energy has the terms of the dot product, ½ x·x and ½ M*².
    quadratic: bool,
    /// The patterns that take part, if energies are wanted.
    memory: Option<SubMemory>,
    element: std::marker::PhantomData<T>,
}

impl<T: Element> Energies<T> {
    /// `memory` is needed for energies only.
    pub fn new(beta: T, gain: T, memory: Option<SubMemory>) -> Self {
        let (beta, gain) = (beta.to_f64(), gain.to_f64());
        let (null, quadratic) = (0.0, true);
        Self { beta, gain, null, quadratic, memory, element: std::marker::PhantomData }
    }

    /// With a pattern of zeros of weight `null`, and without the terms of the dot product unless
    /// `quadratic`.
    #[must_use]
    pub fn with(self, null: T, quadratic: bool) -> Self {
        Self { null: null.to_f64(), quadratic, ..self }
    }

    /// ½ gain² M*² + β⁻¹ ln (N + c)
    fn constant(&self, memory: SubMemory) -> f64 {
        let half_norm = 0.5 * self.gain * self.gain * memory.max_squared_norm;
        let count = memory.patterns as f64 + self.null;
        let count = if count == 0.0 { 1.0 } else { count };
        (if self.quadratic { half_norm } else { 0.0 }) + count.ln() / self.beta
    }

    /// -Σ_n p_n ln p_n = Σ p ln row_sum - Σ w ln w / row_sum, over the patterns of the memory.
    fn entropy(&self, state: &State<T>) -> f64 {
        let row_sum = state.row_sum.to_f64();
        if row_sum == 0.0 || row_sum.is_nan() {
            return row_sum;
        }
        let (mut entropy_sum, mut sum_p) = (state.entropy_sum.to_f64(), 1.0);
        if self.null > 0.0 {
            // The pattern of zeros has a score of 0.
            let t = -state.shift.to_f64() * self.beta * self.gain * std::f64::consts::LOG2_E;
            let weight = self.null * t.exp2();
            entropy_sum -= if weight == 0.0 { 0.0 } else { weight * t };
            sum_p -= weight / row_sum;
        }
        (sum_p * row_sum.ln() - std::f64::consts::LN_2 * entropy_sum / row_sum).max(0.0)
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
        if let Some(lse) = &mut outputs.lse {
            lse[b] = T::from_f64(self.lse(state));
        }
        if let (Some(energy), Some(memory)) = (&mut outputs.energy, self.memory) {
            let square: f64 = probe.iter().map(|x| x.to_f64() * x.to_f64()).sum();
            let square = if self.quadratic { 0.5 * square } else { 0.0 };
            energy[b] = T::from_f64(square - self.lse(state) / self.beta + self.constant(memory));
        }
        if let Some(entropy) = &mut outputs.entropy {
            entropy[b] = T::from_f64(self.entropy(state));
        }
        if let Some(best) = &mut outputs.best {
            best[b] = state.best().filter(|_| !state.row_sum.is_nan());
        }
        if let Some(support) = &mut outputs.support {
            support[b] = state.support;
        }
    }
}
