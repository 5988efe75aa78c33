//! Recall by the online softmax: the dense driver.

use crate::driver::energy::SubMemory;
use crate::driver::input::Input;
use crate::driver::outputs::Outputs;
use crate::driver::run::run;
use crate::driver::scratch::grow;
use crate::driver::streaming::Streaming;
use crate::error::Result;
use crate::matrix::MatMut;
use crate::retrieval::Context;
use crate::retrieval::call::Call;
use crate::retrieval::update::to_sphere;
use crate::separation::state::SoftmaxParams;
use crate::simd::Element;
use crate::similarity::definition::ProbeUpdate;
use crate::similarity::scoring::{Scoring, least_unmasked};

impl<T: Element> Call<'_, T> {
    /// By the online softmax.
    pub fn dense(
        &self,
        mut outputs: Outputs<'_, T>,
        scoring: &Scoring<'_, T>,
        kept_lse: &mut Vec<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let (retrieval, memory, batch) = (self.retrieval, self.memory, self.probes.rows());
        let params = SoftmaxParams {
            entropy_sum: outputs.entropy.is_some(),
            best: outputs.best.is_some() || outputs.best_weight.is_some(),
            null: retrieval.null(),
            ..retrieval.params(memory.patterns())
        };
        let mut shared = self.shared(Streaming::softmax(params), scoring, context.level()?);
        let on_sphere =
            retrieval.probe_update() == ProbeUpdate::UnitSphere && shared.values.is_none();
        if on_sphere {
            shared.value_factors = scoring.pattern_factors;
        }
        if shared.scoring.is_none() {
            let most = memory.known_max_squared_norm_of(retrieval.keep);
            shared.separation = Streaming::softmax(params.among(most, memory.dim()));
        }
        // Where masks differ from probe to probe, so do the constants of the energy.
        let energy = if scoring.has_bias() { outputs.energy.take() } else { None };
        if outputs.energy.is_some() {
            shared.sub_memory = Some(SubMemory::of(memory, retrieval.keep));
        }
        if energy.is_some() {
            grow!(*kept_lse, batch as u64, T::ZERO);
        }
        let mut lse = outputs.lse.take();
        let wanted_lse = match (&mut lse, energy.is_some()) {
            (Some(lse), _) => Some(&mut lse[..]),
            (None, true) => Some(&mut kept_lse[..batch]),
            (None, false) => None,
        };
        let mut retrieved = outputs.retrieved.take();
        let passed = Outputs {
            retrieved: retrieved.as_mut().map(MatMut::reborrow),
            lse: wanted_lse,
            ..outputs
        };
        let parallelism = context.parallelism();
        run(&shared, Input::Probes(self.probes), passed, parallelism, &mut context.memory)?;
        if let Some(retrieved) = retrieved.as_mut().filter(|_| on_sphere) {
            let states = &context.memory.states[..batch];
            for (b, probe) in self.probes.iter().enumerate() {
                // All masked: zeros.
                if states[b].row_max >= least_unmasked() {
                    to_sphere(probe, retrieved.row_mut(b));
                }
            }
        }
        if let Some(energy) = energy {
            let lse = lse.as_deref().unwrap_or(kept_lse);
            self.energies(energy, |b| lse[b].to_f64());
        }
        Ok(())
    }
}
