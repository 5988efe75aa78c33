//! Learning from a recall.

use hopfield_kernels::{Context, Noise, Outputs, Plasticity, Recall, Update};
use pyo3::prelude::*;

use crate::arrays::{Number, Rows};
use crate::memory::{Kept, Versioned};
use crate::refused;
use crate::weighing::{Borrowed, Weighing};

/// The rule and its rates, as Python gives them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Rule {
    rule: String,
    eta: f64,
    reg_lambda: f64,
    l1_lambda: f64,
    negative_steps: usize,
    negative_beta: Option<f64>,
    negative_winners: Option<usize>,
    noise: f64,
    seed: u64,
}

impl Rule {
    /// The crate's rule, for the update that follows `updates` others.
    fn plasticity<T: Number>(&self, updates: u64) -> hopfield_kernels::Result<Plasticity<T>> {
        let noise = Noise::new(T::from_f64(self.noise), self.seed).with_step(updates);
        Ok(Plasticity::default()
            .with_rule(self.rule.parse()?)
            .with_update(
                Update::default()
                    .with_eta(T::from_f64(self.eta))
                    .with_reg_lambda(T::from_f64(self.reg_lambda))
                    .with_l1_lambda(T::from_f64(self.l1_lambda)),
            )
            .with_negative_beta(self.negative_beta.map(T::from_f64))
            .with_negative_steps(self.negative_steps)
            .with_negative_winners(self.negative_winners)
            .with_noise((self.noise != 0.0).then_some(noise)))
    }
}

/// Recalls `probes` once more and learns from that recall.
pub fn learn<T: Number>(
    kept: &Kept<T>,
    (probes, weighing): (&Bound<'_, PyAny>, &Bound<'_, Weighing>),
    rule: &Rule,
    version: u64,
) -> PyResult<()> {
    let py = probes.py();
    let probes = Rows::<T>::new("probes", probes)?;
    let rows = probes.view()?;
    let borrowed = Borrowed::<T>::new(py, weighing.get())?;
    let retrieval = borrowed.views(weighing.get())?.retrieval();
    let work = |state: &mut Versioned<T>, context: &mut Context<T>| {
        state.expect_version(version)?;
        let plasticity = rule.plasticity(state.updates).map_err(refused)?;
        let (mut recall, outputs) = (Recall::new(), Outputs::default());
        let memory = &mut state.memory;
        retrieval.recall(rows, memory, outputs, &mut recall, context).map_err(refused)?;
        plasticity.learn(&recall, memory, None, context).map_err(refused)?;
        state.updates += 1;
        Ok(())
    };
    kept.write(py, rows.rows(), work)
}
