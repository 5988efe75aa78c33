//! A synapse that grows: inputs that are new to its memory become patterns.

use super::table::Table;
use super::{HopfieldSynapse, Recalled, Semantics};
use crate::error::{Error, Result};
use crate::learning::{Event, Growth, GrowthInput, Usage};
use crate::simd::Element;

impl<T: Element> HopfieldSynapse<T> {
    /// Stores those of the inputs that are new, as `growth` says, and returns what became of each.
    ///
    /// The number of patterns, and with it the width of `similarities` and `memory_weights`,
    /// follows; what these held is of other patterns, so they become zeros. There has to be a
    /// recall again before the next [`evolve`](Self::evolve).
    ///
    /// ```
    /// use hopfield_kernels::{Event, Growth, HopfieldSynapse, MatRef, Semantics, Usage};
    ///
    /// let patterns = [1.0, 0.0, 0.0, 1.0];
    /// let mut synapse = HopfieldSynapse::<f64>::builder("W", (2, 2))
    ///     .semantics(Semantics::Standard)
    ///     .initial_patterns(MatRef::new(&patterns, 2, 2)?)
    ///     .build()?;
    /// synapse.set_inputs(MatRef::new(&[-1.0, 0.0], 1, 2)?)?;
    /// let growth = Growth::new(5).vigilance(0.5);
    /// assert_eq!(synapse.grow(&growth, &mut Usage::new())?, [Event::Appended(2)]);
    /// assert_eq!(synapse.shape(), (2, 3));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] under [`Semantics::NgcLearn`], which knows no growth; otherwise as for
    /// [`Growth::grow`]. Nothing has changed then.
    pub fn grow(&mut self, growth: &Growth<T>, usage: &mut Usage) -> Result<Vec<Event>> {
        if self.settings.semantics != Semantics::Standard {
            let found = "ngc_learn".to_owned();
            return Err(Error::Unknown { what: "semantics that grow", known: "standard", found });
        }
        let retrieval = self.retrieval(self.rates().beta)?;
        let before = self.memory.patterns();
        let inputs = GrowthInput::new(self.inputs.view());
        let events = growth.grow(&retrieval, inputs, &mut self.memory, usage, &mut self.context)?;
        let stored = |event: &Event| !matches!(event, Event::Known(_) | Event::Refused);
        if events.iter().any(stored) {
            self.grown(before);
        }
        Ok(events)
    }

    /// Follows a memory that has grown from `before` patterns, or has others.
    fn grown(&mut self, before: usize) {
        let (patterns, dim) = (self.memory.patterns(), self.memory.dim());
        if patterns != before {
            let widen = |table: &Table<T>| Table::zeros(table.rows(), patterns);
            self.similarities = widen(&self.similarities);
            self.memory_weights = widen(&self.memory_weights);
            if self.settings.record.d_weights {
                self.d_weights = Table::zeros(patterns, dim);
            }
            if let Some(connected) = &mut self.connected {
                connected.resize(patterns * dim, true);
            }
        }
        self.feature_norm = None;
        self.recalled = Recalled::Never;
    }
}
