//! Learning from a recall.

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, Noise, Outputs, Plasticity, Recall, Result, Update,
};
use pyo3::prelude::*;

use crate::arrays::{Number, Rows};
use crate::kept::Kept;
use crate::refused;
use crate::weighing::{Borrowed, Views, Weighing};

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
    /// How many recalls it takes to learn from so many probes, with the update itself.
    fn recalls(&self, batch: usize) -> usize {
        batch.saturating_mul(self.negative_steps.saturating_add(3))
    }

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
    let views = borrowed.views(weighing.get())?;
    let batch = rows.rows();
    kept.write_long(py, rule.recalls(batch), |state, context| {
        state.expect_version(version)?;
        let plasticity = rule.plasticity(state.updates).map_err(refused)?;
        if state.is_long(batch) {
            let each = state.at_once();
            let parts = Parts { views, rows, each };
            parts.learn(plasticity, &mut state.memory, context).map_err(refused)?;
        } else {
            let (mut recall, outputs, memory) =
                (Recall::new(), Outputs::default(), &mut state.memory);
            let retrieval = views.retrieval();
            retrieval.recall(rows, memory, outputs, &mut recall, context).map_err(refused)?;
            plasticity.learn(&recall, memory, None, context).map_err(refused)?;
        }
        state.updates += 1;
        Ok(())
    })
}

/// Many probes, of which some are recalled at a time, so that it can be stopped.
struct Parts<'a, T> {
    views: Views<'a, T>,
    rows: MatRef<'a, T>,
    each: usize,
}

impl<T: Number> Parts<'_, T> {
    /// Learns from a recall of all, and changes the memory at the end.
    fn learn(
        &self,
        plasticity: Plasticity<T>,
        memory: &mut Memory<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        // Rates are refused as they are with no probes at all.
        let (none, mut recall) = (self.rows.subrows(0..0), Recall::new());
        let retrieval = self.views.part(0..0).retrieval();
        retrieval.recall(none, memory, Outputs::default(), &mut recall, context)?;
        plasticity.learn(&recall, memory, None, context)?;
        let (mut change, mut rows) = (self.change(plasticity, memory, context)?, memory.to_rows());
        let Update { eta, reg_lambda, l1_lambda, .. } = plasticity.update;
        for (m, change) in rows.iter_mut().zip(&mut change) {
            *m = *m + eta * *change - reg_lambda * *m - l1_lambda * sign(*m);
        }
        memory.set_rows(MatRef::new(&rows, memory.patterns(), memory.dim())?)?;
        plasticity.noise.map_or(Ok(()), |noise| noise.add(memory))
    }

    /// ΔM: the mean of what is learned from the probes of every part.
    fn change(
        &self,
        plasticity: Plasticity<T>,
        memory: &Memory<T>,
        context: &mut Context<T>,
    ) -> Result<Vec<T>> {
        let (patterns, dim, batch) = (memory.patterns(), memory.dim(), self.rows.rows());
        // It learns at a rate of 0: ΔM is told, and no pattern changes.
        let still = plasticity.with_update(Update::default().with_eta(T::ZERO)).with_noise(None);
        let (mut memory, mut recall) = (memory.clone().without_codes(), Recall::new());
        let (mut all, mut some) = (vec![T::ZERO; patterns * dim], vec![T::ZERO; patterns * dim]);
        for start in (0..batch).step_by(self.each) {
            let part = start..batch.min(start + self.each);
            let (retrieval, rows) =
                (self.views.part(part.clone()), self.rows.subrows(part.clone()));
            let retrieval = retrieval.retrieval();
            retrieval.recall(rows, &memory, Outputs::default(), &mut recall, context)?;
            let delta = MatMut::new(&mut some, patterns, dim)?;
            still.learn(&recall, &mut memory, Some(delta), context)?;
            let share = T::from_f64(part.len() as f64 / batch as f64);
            all.iter_mut().zip(&some).for_each(|(all, some)| *all += share * *some);
        }
        Ok(all)
    }
}

fn sign<T: Number>(x: T) -> T {
    match x {
        x if x > T::ZERO => T::ONE,
        x if x < T::ZERO => -T::ONE,
        x => x,
    }
}
