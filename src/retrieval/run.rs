//! A recall as a whole: the scoring that its similarity needs, the driver that its separation
//! takes, and statistics if they are wanted.

use crate::driver::compiled;
use crate::driver::outputs::Outputs;
use crate::driver::small::{self, Small};
use crate::error::Result;
use crate::retrieval::Context;
use crate::retrieval::call::Call;
use crate::retrieval::statistics;
use crate::retrieval::work::Work;
use crate::simd::Element;

impl<T: Element> Call<'_, T> {
    /// Recalls, and writes what is asked for.
    pub fn run(
        &self,
        outputs: Outputs<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let Work { factors, .. } = work;
        factors.prepare(self.retrieval.similarity, self.probes, self.memory)?;
        let factors = std::mem::take(factors);
        let scoring = &self.scoring(&factors);
        let result = match outputs.has_statistics() {
            true => statistics::run(self, outputs, scoring, work, context),
            false => self.recall(outputs, scoring, work, context),
        };
        work.factors = factors;
        result
    }

    /// Recalls one probe from few short patterns, if no more than X̂ is wanted. Returns whether it
    /// has.
    pub fn small(&self, outputs: &mut Outputs<'_, T>, context: &mut Context<T>) -> Result<bool> {
        let (retrieval, memory) = (self.retrieval, self.memory);
        let patterns = memory.rows().padded();
        let fits = patterns.filter(|rows| small::is_small(rows.rows(), rows.cols()));
        let (Some(patterns), 1) = (fits, self.probes.rows()) else { return Ok(false) };
        let differs = retrieval.keep.is_some() || retrieval.value_dim(memory).is_some();
        if differs || !retrieval.is_plain() || !self.never_peaked() {
            return Ok(false);
        }
        let Some(retrieved) = outputs.only_retrieved() else { return Ok(false) };
        let most = memory.known_max_squared_norm_of(None);
        let level = context.level()?;
        context.memory.reserve(small::SCRATCH as u64, 0, 0)?;
        let recall = Small {
            probe: self.probes.row(0),
            patterns,
            params: retrieval.params(memory.patterns()).among(most, memory.dim()),
            gain: retrieval.gain,
            scratch: &mut context.memory.elements[..small::SCRATCH],
            retrieved: retrieved.row_mut(0),
        };
        let done = compiled::small(level, recall);
        context.counters.add_dense(usize::from(done));
        Ok(done)
    }
}
