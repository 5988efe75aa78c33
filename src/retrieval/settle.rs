//! Recall, iterated until nothing moves.

use crate::driver::outputs::Outputs;
use crate::driver::scratch::grow;
use crate::error::{Error, Result};
use crate::matrix::check::expect_length;
use crate::matrix::ranges::product;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::{Context, Retrieval};
use crate::simd::Element;

/// When a probe has been updated enough, and how far an update goes.
///
/// A probe is finished after the update that moves it by at most `tolerance` (1 + ‖x‖), and after
/// `max_steps` updates in any case. An update is x ← (1 - a) x + a T(x), where T is recall and a
/// the damping.
///
/// ```
/// use hopfield_kernels::Stop;
///
/// let stop = Stop::new().tolerance(1e-4_f32).max_steps(50).damping(0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop<T> {
    tolerance: T,
    max_steps: u32,
    damping: T,
}

impl<T: Element> Default for Stop<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Stop<T> {
    /// A tolerance of 10⁻⁶, at most 1,000 steps, no damping (a = 1).
    pub fn new() -> Self {
        Self { tolerance: T::from_f64(1e-6), max_steps: 1000, damping: T::ONE }
    }

    /// Sets the tolerance. With 0, a probe is updated until it is its own recall, bit for bit.
    #[must_use]
    pub fn tolerance(self, tolerance: T) -> Self {
        Self { tolerance, ..self }
    }

    /// Sets the largest number of updates.
    #[must_use]
    pub fn max_steps(self, max_steps: u32) -> Self {
        Self { max_steps, ..self }
    }

    /// Sets the damping a, above 0 and at most 1.
    #[must_use]
    pub fn damping(self, damping: T) -> Self {
        Self { damping, ..self }
    }

    fn check(&self) -> Result<()> {
        let refuse = |name, expected, found: T| {
            Err(Error::Parameter { name, expected, found: found.to_f64() })
        };
        if !(self.tolerance >= T::ZERO && self.tolerance.is_finite()) {
            return refuse("tolerance", "a finite number, 0 or more", self.tolerance);
        }
        if !(self.damping > T::ZERO && self.damping <= T::ONE) {
            return refuse("damping", "a number above 0 and at most 1", self.damping);
        }
        Ok(())
    }
}

/// Why the updates of a probe have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The last update has moved it by no more than the tolerance.
    Converged,
    /// It is a fixed point: the last update has given the probe itself, bit for bit.
    Exact,
    /// It still moved when the largest number of updates was reached.
    MaxSteps,
    /// An element has become NaN or infinite.
    NotANumber,
}

/// The outcome of [`Retrieval::settle`] for each probe. Its allocations are reused by later calls.
#[derive(Debug, Clone)]
pub struct Settled<T> {
    steps: Vec<u32>,
    status: Vec<Status>,
    /// Energies, B to a step, where they are wanted.
    trace: Option<Vec<T>>,
    /// The probes that still move: their indices, their elements, and their next elements.
    moving: Vec<usize>,
    states: Vec<T>,
    next: Vec<T>,
    energies: Vec<T>,
    /// The best pattern of each probe that moves, as hints for the next step, where codes make use
    /// of them.
    best: Vec<Option<usize>>,
    hints: Vec<Option<usize>>,
    rows: GatheredMasks<T>,
}

/// The biases and masks of the probes that still move.
#[derive(Debug, Clone)]
struct GatheredMasks<T> {
    biases: Vec<T>,
    masks: Vec<bool>,
}

impl<T: Element> GatheredMasks<T> {
    /// The retrieval for these probes alone, if it has something for each probe.
    fn gather<'r>(
        &'r mut self,
        retrieval: &Retrieval<'r, T>,
        probes: &[usize],
    ) -> Result<Option<Retrieval<'r, T>>> {
        if !retrieval.masks_differ() {
            return Ok(None);
        }
        let mut moving = *retrieval;
        if let Some(biases) = retrieval.biases {
            self.biases.clear();
            probes.iter().for_each(|&b| self.biases.extend_from_slice(biases.row(b)));
            moving.biases = Some(MatRef::new(&self.biases, probes.len(), biases.cols())?);
        }
        if let Some(masks) = retrieval.masks {
            self.masks.clear();
            probes.iter().for_each(|&b| self.masks.extend_from_slice(masks.row(b)));
            moving.masks = Some(MatRef::new(&self.masks, probes.len(), masks.cols())?);
        }
        Ok(Some(moving))
    }
}

impl<T: Element> Default for Settled<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Settled<T> {
    /// Empty, without a trace.
    pub fn new() -> Self {
        Self {
            steps: Vec::new(),
            status: Vec::new(),
            trace: None,
            moving: Vec::new(),
            states: Vec::new(),
            next: Vec::new(),
            energies: Vec::new(),
            best: Vec::new(),
            hints: Vec::new(),
            rows: GatheredMasks { biases: Vec::new(), masks: Vec::new() },
        }
    }

    /// Keeps the energies of every step, which takes one recall more at the end.
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Retrieval, Settled, Stop, Context};
    ///
    /// let memory = Memory::from([[1.0, 0.0], [0.0, 1.0]]);
    /// let (mut probe, mut settled) = ([0.6, 0.5], Settled::new().with_trace());
    /// Retrieval::new(4.0)
    ///     .settle(&memory, &mut probe, Stop::new(), &mut settled, &mut Context::new())?;
    /// let energies: Vec<f64> = settled.trace().expect("it was asked for").collect();
    /// assert_eq!(energies.len(), settled.steps()[0] as usize + 1);
    /// assert!(energies.windows(2).all(|pair| pair[1] <= pair[0] + 1e-12), "energy never rises");
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    #[must_use]
    pub fn with_trace(self) -> Self {
        Self { trace: Some(Vec::new()), ..self }
    }

    /// The updates of each probe (B).
    pub fn steps(&self) -> &[u32] {
        &self.steps
    }

    /// Why each probe is updated no more (B).
    pub fn status(&self) -> &[Status] {
        &self.status
    }

    /// The standard energies of the probes before the first update, after the first, and so on
    /// ((steps + 1) x B, row after row; a probe that is finished keeps its energy). Nothing unless
    /// the trace was asked for.
    pub fn trace(&self) -> Option<impl ExactSizeIterator<Item = T> + '_> {
        self.trace.as_ref().map(|trace| trace.iter().copied())
    }

    /// Makes room for B probes of dimension D, all of which move.
    fn begin(&mut self, probes: &[T], dim: usize) -> Result<()> {
        let batch = probes.len() / dim;
        for buffer in [&mut self.states, &mut self.next] {
            grow!(*buffer, product([batch, dim]), T::ZERO);
        }
        grow!(self.energies, batch as u64, T::ZERO);
        self.states[..probes.len()].copy_from_slice(probes);
        self.steps.clear();
        self.steps.resize(batch, 0);
        self.status.clear();
        self.status.resize(batch, Status::MaxSteps);
        self.moving.clear();
        self.moving.extend(0..batch);
        self.trace.iter_mut().for_each(Vec::clear);
        self.hints.clear();
        Ok(())
    }

    /// Appends an energy for each probe: the new one if it moves, otherwise its last one again.
    fn record(&mut self) {
        let Some(trace) = &mut self.trace else { return };
        let (batch, before) = (self.steps.len(), trace.len());
        match before.checked_sub(batch) {
            Some(last) => trace.extend_from_within(last..),
            None => trace.resize(batch, T::NAN),
        }
        for (&b, &energy) in self.moving.iter().zip(&self.energies) {
            trace[before + b] = energy;
        }
    }
}

impl<T: Element> Retrieval<'_, T> {
    /// Updates every probe (B x D, in place) until it settles, each for itself: a probe that is
    /// finished leaves the batch, and no bit of its result depends on what else is in it.
    ///
    /// The energy of the member never rises on the way (docs/FAMILY.md has which). Under powers and
    /// polynomials of dot products it is one on the sphere: it may rise in the first update of a
    /// probe that is not at norm 1.
    ///
    /// ```
    /// use hopfield_kernels::{Memory, Retrieval, Settled, Status, Stop, Context};
    ///
    /// let memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
    /// let (mut probes, mut settled) = ([0.9, 0.2, 0.1, 0.6], Settled::new());
    /// Retrieval::new(16.0)
    ///     .settle(&memory, &mut probes, Stop::new(), &mut settled, &mut Context::new())?;
    /// assert!(probes[0] > 0.9999 && probes[3] > 0.999);
    /// assert!(settled.status().iter().all(|status| *status != Status::MaxSteps));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Length`] unless `probes` is a whole number of rows of D elements,
    /// [`Error::Parameter`] for a rule outside its domain, and as for [`run`](Self::run). The
    /// probes have not changed then, but for [`Error::Stopped`].
    pub fn settle(
        &self,
        memory: &Memory<T>,
        probes: &mut [T],
        stop: Stop<T>,
        settled: &mut Settled<T>,
        context: &mut Context<T>,
    ) -> Result<()> {
        let dim = memory.dim();
        stop.check()?;
        let batch = self.check_rows(probes, memory)?;
        self.hints.map_or(Ok(()), |hints| expect_length("hints", hints.len(), batch))?;
        context.level()?;
        settled.begin(probes, dim)?;
        for step in 1..=stop.max_steps {
            if settled.moving.is_empty() {
                break;
            }
            self.update(memory, settled, true, context)?;
            settled.record();
            let Settled { moving, states, next, steps, status, best, hints, .. } = settled;
            let (mut row, mut kept) = (0, 0);
            moving.retain(|&b| {
                let from = row * dim;
                row += 1;
                let next = &mut next[from..][..dim];
                damp(&states[from..][..dim], next, stop.damping);
                probes[b * dim..][..dim].copy_from_slice(next);
                steps[b] = step;
                let found = finished(&states[from..][..dim], next, stop.tolerance);
                if let Some(found) = found {
                    status[b] = found;
                    return false;
                }
                states[kept * dim..][..dim].copy_from_slice(next);
                if let Some(&best) = best.get(from / dim) {
                    hints[kept] = best;
                }
                kept += 1;
                true
            });
        }
        if settled.trace.is_some() && !settled.steps.is_empty() {
            settled.moving.clear();
            settled.hints.clear();
            settled.moving.extend(0..settled.steps.len());
            settled.states[..probes.len()].copy_from_slice(probes);
            self.update(memory, settled, false, context)?;
            settled.record();
        }
        Ok(())
    }

    /// Recalls the probes that move, and finds their energies where they are traced.
    fn update(
        &self,
        memory: &Memory<T>,
        settled: &mut Settled<T>,
        retrieves: bool,
        context: &mut Context<T>,
    ) -> Result<()> {
        let (batch, dim) = (settled.moving.len(), memory.dim());
        let next = &mut settled.next;
        let retrieved = if retrieves { Some(MatMut::new(next, batch, dim)?) } else { None };
        let energies = &mut settled.energies[..batch];
        let energy = if settled.trace.is_some() { Some(energies) } else { None };
        let probes = MatRef::new(&settled.states, batch, dim)?;
        let hinted = memory.codes().is_some();
        settled.best.resize(if hinted { batch } else { 0 }, None);
        if settled.hints.is_empty() {
            settled.hints.extend_from_slice(self.hints.unwrap_or_default());
        }
        settled.hints.resize(settled.hints.len().max(settled.best.len()), None);
        let best = hinted.then(|| &mut settled.best[..]);
        let outputs = Outputs { retrieved, energy, best, ..Outputs::default() };
        let moving = settled.rows.gather(self, &settled.moving)?.unwrap_or(*self);
        let hints = hinted.then(|| &settled.hints[..batch]);
        Retrieval { hints, ..moving.updating() }.run(probes, memory, outputs, context)
    }
}

/// x̂ ← (1 - a) x + a x̂; with a = 1, x̂ as it is.
fn damp<T: Element>(x: &[T], retrieved: &mut [T], damping: T) {
    if damping != T::ONE {
        for (&x, retrieved) in x.iter().zip(retrieved) {
            *retrieved = x + damping * (*retrieved - x);
        }
    }
}

/// Whether the update from `x` to `next` was the last one, and why.
fn finished<T: Element>(x: &[T], next: &[T], tolerance: T) -> Option<Status> {
    let norm = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let moved = norm(&mut x.iter().zip(next).map(|(x, next)| next.to_f64() - x.to_f64()));
    if moved.is_nan() || next.iter().any(|x| !x.is_finite()) {
        return Some(Status::NotANumber);
    }
    if moved == 0.0 {
        return Some(Status::Exact);
    }
    let most = tolerance.to_f64() * (1.0 + norm(&mut x.iter().map(|x| x.to_f64())));
    (moved <= most).then_some(Status::Converged)
}
