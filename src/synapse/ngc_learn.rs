//! What ngc-learn means where that is not what a recall tells.

use std::cmp::Ordering;

use super::HopfieldSynapse;
use super::table::Table;
use crate::error::Result;
use crate::simd::Element;

impl<T: Element> HopfieldSynapse<T> {
    /// Turns the weight of each probe's best pattern into ngc-learn's energy of that probe.
    ///
    /// ln Σ_n exp(β (s_n - max s)) is -ln of that weight: nothing has to be subtracted again.
    pub(super) fn ngc_learn_energies(&mut self, beta: T) -> Result<()> {
        let norm = match self.feature_norm {
            Some(norm) => norm,
            None => self.memory.max_squared_feature_norm()?,
        };
        self.feature_norm = Some(norm);
        let beta = beta.to_f64();
        let constant = (self.memory.patterns() as f64).ln() / beta + 0.5 * norm.to_f64();
        let (inputs, outputs) = (self.inputs.view(), self.outputs.view());
        for (energy, (x, retrieved)) in
            self.energies.iter_mut().zip(inputs.iter().zip(outputs.iter()))
        {
            let overlap: f64 = x.iter().zip(retrieved).map(|(x, y)| x.to_f64() * y.to_f64()).sum();
            let lse = -energy.to_f64().ln();
            *energy = T::from_f64(-lse / beta + 0.5 * overlap + constant);
        }
        Ok(())
    }
}

/// Makes the highest of every row 0: NaN where one is NaN.
pub(super) fn subtract_row_maxima<T: Element>(table: &mut Table<T>) {
    let mut rows = table.view_mut();
    for b in 0..rows.rows() {
        let row = rows.row_mut(b);
        let highest = row.iter().copied().fold(T::NEG_INFINITY, |a, b| match a.partial_cmp(&b) {
            Some(Ordering::Less) => b,
            Some(_) => a,
            None => T::NAN,
        });
        row.iter_mut().for_each(|s| *s = *s - highest);
    }
}
