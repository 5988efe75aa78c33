//! Gradients of a recall over the supports of its weights, by vectors and on all threads.
//!
//! ```text
//! for some probes at a time:
//!     supports of their weights
//!     sums over d: those of the similarity, and z · m of what is retrieved
//!     factors of every entry                   # see `factors`: scalars
//!     dX: slopes over each probe's support     # threads have probes
//!     dM, dV: entries sorted by pattern        # threads have patterns
//! ```

use super::factors::{
    ProbeEntries, Retrieved, Scratch, pull_separation, pull_similarity, slopes_of, sphere,
};
use super::scratch::{ProbeFact, SupportScratch};
use super::{GradientSums, Upstream};
use crate::driver::blocking::Plan;
use crate::driver::divide::{for_each_task, ranges};
use crate::driver::scratch::{grow, pad};
use crate::driver::sparse::{Kind, Supports};
use crate::driver::supports::{Entries, EntryFactors, Slopes};
use crate::driver::supports_run::{
    How, Operands, PatternRows, PatternTerms, ProbeTerms, entry_sums, pattern_slopes, probe_slopes,
};
use crate::error::Result;
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::padded_cols;
use crate::memory::rows::Rows;
use crate::retrieval::Context;
use crate::retrieval::call::Call;
use crate::retrieval::medians::{MedianScratch, Weighted, for_each_median};
use crate::retrieval::work::Work;
use crate::separation::rows::RowSeparation;
use crate::simd::Element;
use crate::similarity::accumulate;
use crate::similarity::definition::ProbeUpdate;

/// Most entries that supports have room for in one go, unless the probes are few.
const MOST_ENTRIES: usize = 1 << 23;
const LEAST_PROBES: usize = 64;
/// What z · m adds up.
const PRODUCTS: accumulate::Sums = accumulate::Sums::Products;
/// Entries that are worth a thread: some tens of nanoseconds each.
const ENTRIES_OF_A_TASK: u64 = 128;

/// Some probes whose supports have been found, and what their gradients come from.
struct Chunk<'c, T> {
    call: &'c Call<'c, T>,
    how: How,
    separation: &'c dyn RowSeparation,
    supports: &'c Supports<T>,
    upstream: Upstream<'c, T>,
    update: ProbeUpdate,
    /// What is retrieved, if that is not the patterns themselves.
    values: Option<Rows<'c, T>>,
}

impl<T: Element> Call<'_, T> {
    /// Adds the gradients of this recall to `sums`; those of the probes are overwritten.
    pub(super) fn pull_supports(
        &self,
        upstream: Upstream<'_, T>,
        sums: &mut GradientSums<'_, T>,
        work: &mut Work<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let (batch, patterns) = (self.probes.rows(), self.memory.patterns());
        let most = (MOST_ENTRIES / patterns).max(LEAST_PROBES);
        let mut scratch = std::mem::take(&mut work.supports);
        for start in (0..batch).step_by(most) {
            let rows = start..batch.min(start + most);
            let retrieval = self.retrieval.for_probes(rows.clone());
            let probes = self.probes.subrows(rows.clone());
            let call = Call { retrieval: &retrieval, probes, memory: self.memory };
            call.supports(work, context)?;
            let how = How {
                level: context.level()?,
                plan: Plan::new::<T>(patterns, self.memory.dim()),
                parallelism: context.parallelism(),
            };
            let values = self.memory.value_rows().filter(|_| !retrieval.updates);
            let update = if values.is_some() { ProbeUpdate::Sum } else { retrieval.probe_update() };
            retrieval.separation_of_rows(patterns, |separation| {
                let some = Chunk {
                    call: &call,
                    how,
                    separation,
                    supports: &work.sparse.supports,
                    upstream: upstream.of(rows.clone()),
                    update,
                    values,
                };
                some.pull(Batch { call: self, first: start }, sums, &mut scratch)
            })?;
        }
        work.supports = scratch;
        Ok(())
    }
}

/// What is filled for one probe: the factors and dL/dt of its entries, and what is known of it.
struct Filled<'a, T> {
    factors: &'a mut [EntryFactors<T>],
    dt: &'a mut [f64],
    fact: &'a mut ProbeFact,
}

/// The call that some probes are a part of, and the index of the first.
#[derive(Clone, Copy)]
struct Batch<'a, T> {
    call: &'a Call<'a, T>,
    first: usize,
}

impl<T: Element> Chunk<'_, T> {
    fn entries(&self) -> Entries<'_> {
        let rows = self.supports.rows();
        Entries { starts: rows.starts, indices: rows.indices }
    }

    /// Adds all gradients.
    fn pull(
        &self,
        whole: Batch<'_, T>,
        sums: &mut GradientSums<'_, T>,
        scratch: &mut SupportScratch<T>,
    ) -> Result<()> {
        self.prepare(scratch)?;
        self.fill_factors(scratch);
        if self.update == ProbeUpdate::Median {
            self.pull_medians(whole.first, sums);
        }
        self.pull_probes(scratch)?;
        self.pull_rows(scratch, sums)?;
        self.add_biases(whole.first, scratch, sums);
        self.finish(whole, scratch, sums);
        Ok(())
    }

    /// Padded rows and sums over d.
    fn prepare(&self, scratch: &mut SupportScratch<T>) -> Result<()> {
        let (memory, entries) = (self.call.memory, self.entries());
        let (batch, count) = (entries.probes() as u64, entries.indices.len() as u64);
        let cols = padded_cols::<T>(memory.dim());
        grow!(scratch.probes, product([batch as usize, cols]), T::ZERO);
        grow!(scratch.d_probes, product([batch as usize, cols]), T::ZERO);
        grow!(scratch.sums, count, T::ZERO);
        grow!(scratch.along, count, T::ZERO);
        grow!(scratch.dt, count, 0.0);
        scratch.factors.clear();
        grow!(scratch.factors, count, EntryFactors::default());
        scratch.facts.clear();
        grow!(scratch.facts, batch, ProbeFact::default());
        pad(self.call.probes, &mut scratch.probes, cols);
        let probes = MatRef::new(&scratch.probes, batch as usize, cols)?;
        let of_probes = Operands { probes, rows: memory.rows(), entries };
        let kind = self.call.retrieval.similarity.definition().sums();
        let to = &mut scratch.sums[..count as usize];
        entry_sums(self.how, of_probes, kind, to, &mut scratch.rows);
        let Some(g) = self.upstream.retrieved.filter(|_| self.update != ProbeUpdate::Median) else {
            return Ok(());
        };
        let rows = self.values.unwrap_or(memory.rows());
        let cols = rows.cols();
        grow!(scratch.upstream, product([batch as usize, cols]), T::ZERO);
        pad(g, &mut scratch.upstream, cols);
        if matches!(self.update, ProbeUpdate::Sphere | ProbeUpdate::UnitSphere) {
            self.spheres(scratch)?;
        }
        let probes = MatRef::new(&scratch.upstream, batch as usize, cols)?;
        let of_upstream = Operands { probes, rows, entries };
        let to = &mut scratch.along[..count as usize];
        entry_sums(self.how, of_upstream, PRODUCTS, to, &mut scratch.rows);
        Ok(())
    }

    /// Replaces the gradients of points on the sphere by those of the sums that they come from.
    fn spheres(&self, scratch: &mut SupportScratch<T>) -> Result<()> {
        let (entries, memory) = (self.entries(), self.call.memory);
        let (batch, cols) = (entries.probes(), padded_cols::<T>(memory.dim()));
        for b in 0..batch {
            let range = self.supports.range(b);
            let of = self.probe(b, &scratch.sums, &[]);
            let scale = |at| match self.update {
                ProbeUpdate::UnitSphere => of.inverse_norm(at),
                _ => 1.0,
            };
            let most = of.weights.iter().fold(0.0, |most: f64, p| most.max(p.abs()));
            scratch.facts[b].most = most;
            let factors = &mut scratch.factors[range];
            for (at, (factor, p)) in factors.iter_mut().zip(of.weights).enumerate() {
                // The direction of the sum does not depend on a common factor.
                factor.slope = T::from_f64(if most == 0.0 { 0.0 } else { p / most * scale(at) });
            }
        }
        let sums = &mut scratch.d_probes[..batch * cols];
        sums.fill(T::ZERO);
        let probes = MatRef::new(&scratch.probes, batch, cols)?;
        let operands = Operands { probes, rows: memory.rows(), entries };
        let to = MatMut::new(&mut *sums, batch, cols)?;
        let terms = ProbeTerms { slopes: Slopes::Other, factors: &scratch.factors };
        probe_slopes(self.how, operands, terms, to, &mut scratch.rows);
        let rows = sums.chunks_exact(cols).zip(scratch.upstream.chunks_exact_mut(cols));
        for (b, (sum, g)) in rows.enumerate() {
            scratch.facts[b].stays = !sphere(sum, g);
        }
        scratch.factors.fill(EntryFactors::default());
        Ok(())
    }

    /// Probe `b` and its entries, given sums over d of all entries.
    fn probe<'s>(&'s self, b: usize, sums: &'s [T], along: &'s [T]) -> ProbeEntries<'s, T> {
        let (retrieval, range) = (self.call.retrieval, self.supports.range(b));
        let similarity = retrieval.similarity.definition();
        let norms = similarity.pulls_norms();
        let squares = self.call.probes.row(b).iter().map(|x| x.to_f64() * x.to_f64());
        ProbeEntries {
            similarity,
            beta: retrieval.beta.to_f64(),
            norm: if norms { squares.sum::<f64>().sqrt() } else { 0.0 },
            squared_norms: if norms { self.call.memory.squared_norms() } else { &[] },
            indices: &self.supports.indices[range.clone()],
            weights: &self.supports.weights[range.clone()],
            scores: &self.supports.scores[range.clone()],
            sums: &sums[range.clone()],
            along: along.get(range).unwrap_or_default(),
        }
    }

    /// From sums over d to dL/dt and the factors of every entry.
    fn fill_factors(&self, scratch: &mut SupportScratch<T>) {
        let entries = self.entries();
        let (batch, count) = (entries.probes(), entries.indices.len());
        let worth = product([count]).saturating_mul(ENTRIES_OF_A_TASK);
        let threads = self.how.parallelism.threads(worth, 0).min(batch.max(1));
        let probe = move |task: usize| batch * task / threads;
        let entry = move |task: usize| entries.starts[probe(task)];
        let SupportScratch { sums, along, factors, dt, facts, .. } = scratch;
        let (sums, along) = (&sums[..], &along[..]);
        let views = (
            ranges(&mut factors[..], entry),
            ranges(&mut dt[..count], entry),
            ranges(&mut facts[..], probe),
        );
        for_each_task(threads, threads, views, |task, (mut factors, mut dt, facts)| {
            let mut scratch = Scratch::default();
            for (b, fact) in (probe(task)..).zip(facts) {
                let of = self.probe(b, sums, along);
                let (now, rest) = factors.split_at_mut(of.indices.len());
                let (dt_now, dt_rest) = dt.split_at_mut(of.indices.len());
                (factors, dt) = (rest, dt_rest);
                let to = Filled { factors: now, dt: dt_now, fact };
                self.fill_one(b, of, to, &mut scratch);
            }
        });
    }

    fn fill_one(
        &self,
        b: usize,
        of: ProbeEntries<'_, T>,
        Filled { factors, dt, fact }: Filled<'_, T>,
        scratch: &mut Scratch,
    ) {
        dt.fill(0.0);
        if self.upstream.retrieved.is_some() {
            fact.stays |= of.indices.is_empty() && self.values.is_none();
            if self.update == ProbeUpdate::Weiszfeld {
                let pairs = of.weights.iter().zip(of.sums);
                let sum: f64 = pairs.map(|(p, square)| p / square.to_f64().sqrt()).sum();
                fact.stays |= sum.is_infinite();
            }
            if !fact.stays {
                let retrieved = Retrieved { update: self.update, most: fact.most };
                retrieved.pull(of, dt, factors);
            }
        }
        // E has G with the factor -1/β.
        let energy = self.upstream.energy.map_or(0.0, |g| g[b].to_f64());
        let r = self.upstream.lse.map_or(0.0, |g| g[b].to_f64()) - energy / of.beta;
        pull_separation(self.separation, of, r, dt, scratch);
        fact.terms = pull_similarity(of, dt, factors);
    }

    /// Under medians, every feature of x̂ is an element of one pattern or of the probe, and weights
    /// have no gradient. Overwrites dX.
    fn pull_medians(&self, first: usize, sums: &mut GradientSums<'_, T>) {
        let (memory, dim) = (self.call.memory, self.call.memory.dim());
        let mut scratch = MedianScratch::default();
        for (b, probe) in self.call.probes.iter().enumerate() {
            let dx = &mut sums.probes[(first + b) * dim..][..dim];
            dx.fill(0.0);
            let range = self.supports.range(b);
            let Some(g) = self.upstream.retrieved.filter(|_| !range.is_empty()) else { continue };
            let indices = &self.supports.indices[range.clone()];
            let of = Weighted { probe, indices, weights: &self.supports.weights[range] };
            let patterns = &mut sums.patterns;
            for_each_median(of, memory, &mut scratch, |d, median, column| {
                let g = g.row(b)[d];
                let Some(median) = median else {
                    dx[d] = g.to_f64();
                    return;
                };
                let at = column.iter().position(|x| *x == median);
                if let (Some(rows), Some(at)) = (patterns.as_mut(), at) {
                    rows.row_mut(indices[at] as usize)[d] += g;
                }
            });
        }
    }

    /// The part of dX that is a sum of slopes.
    fn pull_probes(&self, scratch: &mut SupportScratch<T>) -> Result<()> {
        let (entries, memory) = (self.entries(), self.call.memory);
        let (batch, cols) = (entries.probes(), padded_cols::<T>(memory.dim()));
        let to = &mut scratch.d_probes[..batch * cols];
        to.fill(T::ZERO);
        let probes = MatRef::new(&scratch.probes, batch, cols)?;
        let operands = Operands { probes, rows: memory.rows(), entries };
        let slopes = slopes_of(self.call.retrieval.similarity.definition());
        let terms = ProbeTerms { slopes, factors: &scratch.factors };
        let to = MatMut::new(to, batch, cols)?;
        probe_slopes(self.how, operands, terms, to, &mut scratch.rows);
        Ok(())
    }

    /// dM and dV.
    fn pull_rows(
        &self,
        scratch: &mut SupportScratch<T>,
        sums: &mut GradientSums<'_, T>,
    ) -> Result<()> {
        if sums.patterns.is_none() && sums.values.is_none() {
            return Ok(());
        }
        let (entries, memory) = (self.entries(), self.call.memory);
        let batch = entries.probes();
        let columns = scratch.columns.sort(entries, memory.patterns());
        let summed = self.upstream.retrieved.is_some() && self.update != ProbeUpdate::Median;
        let cols = self.values.unwrap_or(memory.rows()).cols();
        let upstream = match summed {
            true => Some(MatRef::new(&scratch.upstream, batch, cols)?),
            false => None,
        };
        let slopes = slopes_of(self.call.retrieval.similarity.definition());
        let probes = MatRef::new(&scratch.probes, batch, padded_cols::<T>(memory.dim()))?;
        let factors = &scratch.factors[..];
        if let Some(to) = &mut sums.patterns {
            let own = self.call.retrieval.similarity.definition().pulls_norms();
            let upstream = upstream.filter(|_| self.values.is_none());
            let patterns = Some(PatternRows { rows: memory.rows(), own });
            let terms = PatternTerms { patterns, slopes, probes, upstream, factors };
            pattern_slopes(self.how, columns, terms, to.reborrow(), &mut scratch.rows);
        }
        let of_values = upstream.filter(|_| self.values.is_some());
        if let (Some(to), Some(upstream)) = (&mut sums.values, of_values) {
            let (patterns, slopes) = (None, Slopes::Other);
            let upstream = Some(upstream);
            let terms = PatternTerms { patterns, slopes, probes, upstream, factors };
            pattern_slopes(self.how, columns, terms, to.reborrow(), &mut scratch.rows);
        }
        Ok(())
    }

    /// The gradients of biases: dL/dt.
    fn add_biases(
        &self,
        first: usize,
        scratch: &SupportScratch<T>,
        sums: &mut GradientSums<'_, T>,
    ) {
        if sums.bias.is_empty() && sums.biases.is_none() {
            return;
        }
        let entries = self.entries();
        for b in 0..entries.probes() {
            let range = self.supports.range(b);
            for (&n, &dt) in entries.indices[range.clone()].iter().zip(&scratch.dt[range]) {
                if let Some(bias) = sums.bias.get_mut(n as usize) {
                    *bias += dt;
                }
                if let Some(biases) = &mut sums.biases {
                    biases.row_mut(first + b)[n as usize] += T::from_f64(dt);
                }
            }
        }
    }

    /// dX and dβ, and what the energy has besides the potential.
    fn finish(
        &self,
        Batch { call: whole, first }: Batch<'_, T>,
        scratch: &SupportScratch<T>,
        sums: &mut GradientSums<'_, T>,
    ) {
        let dim = self.call.memory.dim();
        let cols = padded_cols::<T>(dim);
        let mut dx = vec![0.0; dim];
        for (b, fact) in scratch.facts.iter().enumerate() {
            let of = self.supports.facts[b];
            if of.kind == Kind::NotFinite {
                whole.poison(first + b, sums);
                continue;
            }
            let x = self.call.probes.row(b);
            let slopes = &scratch.d_probes[b * cols..][..dim];
            for (dx, (slope, x)) in dx.iter_mut().zip(slopes.iter().zip(x)) {
                *dx = slope.to_f64() + fact.terms.probe * x.to_f64();
            }
            let proper = of.kind == Kind::Proper;
            if let Some(g) = self.upstream.retrieved.filter(|_| proper && fact.stays) {
                dx.iter_mut().zip(g.row(b)).for_each(|(dx, g)| *dx += g.to_f64());
            }
            sums.beta += fact.terms.beta;
            let energy = self.upstream.energy.map_or(0.0, |g| g[b].to_f64());
            if proper && energy != 0.0 {
                whole.pull_energy(first + b, energy, of.potential, &mut dx, sums);
            }
            let to = &mut sums.probes[(first + b) * dim..][..dim];
            match self.update == ProbeUpdate::Median {
                // `pull_medians` has written the gradient of the probe's own elements.
                true => to.iter_mut().zip(&dx).for_each(|(to, dx)| *to += dx),
                false => to.copy_from_slice(&dx),
            }
        }
    }
}
