//! Growth: probes that are new to a memory become patterns.
//!
//! ```text
//! for each probe, in the order of the batch:
//!     if some test finds it new:
//!         append it, or where the memory is full: replace or merge a pattern, or refuse it
//!     otherwise it is known by its best pattern
//! usage = rho usage + (1 - rho) mean of the memory weights
//! ```
//!
//! The probes after a new one are tested against it too: of two equal new probes one is stored. The
//! tests are those of adaptive resonance (vigilance, Carpenter & Grossberg 1987) and of
//! energies and certificates of modern Hopfield networks.

use std::cmp::Ordering;

use crate::builder::setters;
use crate::driver::outputs::Outputs;
use crate::error::{Error, Result};
use crate::matrix::check::expect_shape;
use crate::matrix::{MatMut, MatRef};
use crate::memory::Memory;
use crate::retrieval::{Context, Retrieval};
use crate::separation::family::Separation;
use crate::simd::Element;
use crate::similarity::Similarity;

/// Most probes that are tested before the first new one is stored. A call with many probes can be
/// stopped between.
const AT_ONCE: usize = 1024;

/// When a probe is new to a memory, how many patterns there may be, and what happens then.
///
/// A probe is new if any of the tests that are set finds it new; with none set, nothing is.
///
/// ```
/// use hopfield_kernels::{
///     Context, Event, Growth, GrowthInput, MatRef, Memory, Retrieval, Usage, WhenFull};
///
/// // Two patterns at most. A probe that is far from its recall, or has a high energy, replaces the
/// // pattern that is used least.
/// let growth = Growth::new(2)
///     .residual(0.5)
///     .energy(0.4)
///     .best_weight(0.1)
///     .forgetting(0.5)
///     .when_full(WhenFull::ReplaceLeastUsed);
/// let mut memory = Memory::from([[1.0_f64, 0.0], [0.0, 1.0]]);
/// let (mut usage, mut context) = (Usage::new(), Context::new());
/// let mut grow = |probe: &[f64]| -> Result<_, hopfield_kernels::Error> {
///     let probe = GrowthInput::new(MatRef::new(probe, 1, 2)?);
///     growth.grow(&Retrieval::new(8.0), probe, &mut memory, &mut usage, &mut context)
/// };
/// assert_eq!(grow(&[1.0, 0.1])?, [Event::Known(0)]);
/// assert_eq!(grow(&[-1.0, 0.0])?, [Event::Replaced(1)]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
///
/// ```
/// use hopfield_kernels::{Context, Event, Growth, GrowthInput, MatRef, Memory, Retrieval, Usage};
///
/// let mut memory = Memory::from([[1.0_f32, 0.0], [0.0, 1.0]]);
/// let (mut usage, mut context) = (Usage::new(), Context::new());
/// let growth = Growth::new(10).vigilance(0.9);
/// let probes = [0.99, 0.01, -1.0, 0.2, -1.0, 0.2];
/// let probes = GrowthInput::new(MatRef::new(&probes, 3, 2)?);
/// let retrieval = Retrieval::new(8.0);
/// let events = growth.grow(&retrieval, probes, &mut memory, &mut usage, &mut context)?;
/// assert_eq!(events, [Event::Known(0), Event::Appended(2), Event::Known(2)]);
/// assert_eq!(memory.pattern(2), [-1.0, 0.2]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth<T> {
    capacity: usize,
    vigilance: Option<T>,
    energy: Option<T>,
    residual: Option<T>,
    best_weight: Option<T>,
    when_full: WhenFull,
    forgetting: f64,
}

/// What happens to a new probe where a memory is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is refused.
    #[default]
    Refuse,
    /// It replaces the pattern that is used least.
    ReplaceLeastUsed,
    /// It replaces the pattern that was stored first.
    ReplaceOldest,
    /// The two patterns of the highest cosine become one, their mean by usage, and it takes the
    /// place of the second.
    MergeNearest,
}

/// The probes that a memory grows by, and their values.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GrowthInput<'a, T> {
    /// X (B x D).
    pub probes: MatRef<'a, T>,
    /// Values (B x E), of a memory that has values.
    pub values: Option<MatRef<'a, T>>,
}

impl<'a, T: Element> GrowthInput<'a, T> {
    /// Probes without values.
    pub fn new(probes: MatRef<'a, T>) -> Self {
        Self { probes, values: None }
    }

    setters! {
        /// Sets the values.
        with_values(values?: MatRef<'a, T>);
    }
}

/// What became of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// It is not new: this is its best pattern.
    Known(usize),
    /// It has been appended as the pattern with this index.
    Appended(usize),
    /// It has replaced the pattern with this index.
    Replaced(usize),
    /// The pattern `freed` has been merged into the pattern `kept`, and the probe has its place.
    Merged {
        /// The index of the mean of both.
        kept: usize,
        /// The index of the probe.
        freed: usize,
    },
    /// It is new, but the memory is full.
    Refused,
    /// It is not finite, and is not stored.
    NotANumber,
}

/// How much each pattern of a memory is used, and since when it has been there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    usage: Vec<f64>,
    stored: Vec<u64>,
    clock: u64,
}

impl Usage {
    /// The usage of a memory whose patterns have not been used.
    pub fn new() -> Self {
        Self::default()
    }

    /// The running mean of each pattern's memory weight.
    ///
    /// ```
    /// assert!(hopfield_kernels::Usage::new().usage().is_empty());
    /// ```
    pub fn usage(&self) -> &[f64] {
        &self.usage
    }

    /// Adapts to a memory that other calls have made larger or smaller.
    fn follow(&mut self, patterns: usize) {
        self.usage.resize(patterns, 0.0);
        self.stored.resize(patterns, self.clock);
    }

    /// A pattern that is new here starts with the mean usage, so that it is not the first to go.
    fn store(&mut self, index: usize) {
        let mean = self.usage.iter().sum::<f64>() / self.usage.len().max(1) as f64;
        self.clock += 1;
        self.follow(self.usage.len().max(index + 1));
        (self.usage[index], self.stored[index]) = (mean, self.clock);
    }

    fn least_used(&self) -> usize {
        first_of(&self.usage, f64::total_cmp)
    }

    fn oldest(&self) -> usize {
        first_of(&self.stored, u64::cmp)
    }
}

/// The first of the least elements.
fn first_of<V>(of: &[V], compare: impl Fn(&V, &V) -> Ordering) -> usize {
    let least = (0..of.len()).reduce(|a, b| if compare(&of[b], &of[a]).is_lt() { b } else { a });
    least.unwrap_or(0)
}

impl<T: Element> Growth<T> {
    /// Growth up to `capacity` patterns. No test is set.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            vigilance: None,
            energy: None,
            residual: None,
            best_weight: None,
            when_full: WhenFull::Refuse,
            forgetting: 0.9,
        }
    }

    /// A probe is new if its cosine with every pattern is below this.
    #[must_use]
    pub fn vigilance(self, least_cosine: T) -> Self {
        Self { vigilance: Some(least_cosine), ..self }
    }

    /// A probe is new if its energy is above this (under an Epanechnikov separation with +∞: if it
    /// is in no pattern's ball).
    #[must_use]
    pub fn energy(self, highest_energy: T) -> Self {
        Self { energy: Some(highest_energy), ..self }
    }

    /// A probe is new if ‖x - T(x)‖ is above this.
    #[must_use]
    pub fn residual(self, longest: T) -> Self {
        Self { residual: Some(longest), ..self }
    }

    /// A probe is new if no pattern has a memory weight of this or more.
    #[must_use]
    pub fn best_weight(self, least: T) -> Self {
        Self { best_weight: Some(least), ..self }
    }

    /// What happens where the memory is full.
    #[must_use]
    pub fn when_full(self, when_full: WhenFull) -> Self {
        Self { when_full, ..self }
    }

    /// ρ of the running mean of usage, 0 <= ρ <= 1; 0.9 if it is not set.
    #[must_use]
    pub fn forgetting(self, rho: f64) -> Self {
        Self { forgetting: rho, ..self }
    }

    fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.forgetting) {
            let (name, expected) = ("forgetting", "a number between 0 and 1");
            return Err(Error::Parameter { name, expected, found: self.forgetting });
        }
        let named = [
            ("vigilance", self.vigilance),
            ("energy", self.energy),
            ("residual", self.residual),
            ("best_weight", self.best_weight),
        ];
        match named.into_iter().find(|(_, bound)| bound.is_some_and(|bound| bound.is_nan())) {
            Some((name, _)) => {
                let expected = "a number";
                Err(Error::Parameter { name, expected, found: f64::NAN })
            }
            None => Ok(()),
        }
    }

    /// Stores the probes (B x D) that are new, with their values (B x E) if the memory has values,
    /// and updates the usage of all patterns. Returns what became of each probe.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a bound that is NaN or a ρ outside 0 to 1, [`Error::Length`] for a
    /// retrieval with a mask or a bias, [`Error::Shape`] for probes or values that do not fit,
    /// [`Error::Slice`] where there is no room, [`Error::Store`] where patterns belong to a file,
    /// and as for [`Retrieval::run`]. Neither the memory nor its usage has changed then, but for
    /// [`Error::Stopped`].
    pub fn grow(
        &self,
        retrieval: &Retrieval<'_, T>,
        input: GrowthInput<'_, T>,
        memory: &mut Memory<T>,
        usage: &mut Usage,
        context: &mut Context<T>,
    ) -> Result<Vec<Event>> {
        self.check()?;
        let GrowthInput { probes, values } = input;
        let batch = probes.rows();
        expect_shape("probes", probes.shape(), (batch, memory.dim()))?;
        let expected =
            (if memory.value_dim().is_some() { batch } else { 0 }, memory.value_dim().unwrap_or(0));
        expect_shape("values", values.map_or((0, expected.1), |values| values.shape()), expected)?;
        retrieval.check_growing(memory)?;
        context.level()?;
        let room = self.capacity.saturating_sub(memory.patterns()).min(batch);
        memory.reserve(room)?;
        usage.follow(memory.patterns());
        let (mut events, mut at_once) = (Vec::with_capacity(batch), AT_ONCE);
        while events.len() < batch {
            let start = events.len();
            let rest = probes.subrows(start..batch.min(start + at_once));
            at_once = AT_ONCE.min(2 * at_once);
            let found = self.classify(retrieval, rest, memory, context)?;
            for (b, found) in found.into_iter().enumerate() {
                match found {
                    Found::Known(index) => events.push(Event::Known(index)),
                    Found::NotANumber => events.push(Event::NotANumber),
                    Found::New => {
                        let value = values.map(|values| values.row(start + b));
                        let event = self.store(rest.row(b), value, memory, usage, context)?;
                        events.push(event);
                        if event != Event::Refused {
                            // The rest is tested again with it stored. The next may be new too.
                            at_once = 1;
                            break;
                        }
                    }
                }
            }
        }
        self.count(retrieval, probes, memory, usage, context)?;
        Ok(events)
    }

    /// Whether each probe is new to the memory as it is.
    fn classify(
        &self,
        retrieval: &Retrieval<'_, T>,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        context: &mut Context<T>,
    ) -> Result<Vec<Found>> {
        let (batch, dim) = (probes.rows(), memory.dim());
        let elements = || vec![T::ZERO; batch];
        let (mut energy, mut weight, mut best) = (elements(), elements(), vec![None; batch]);
        let (mut cosine, mut retrieved) = (elements(), vec![T::ZERO; batch * dim]);
        let outputs = Outputs {
            retrieved: Some(MatMut::new(&mut retrieved, batch, dim)?),
            energy: Some(&mut energy),
            best_weight: Some(&mut weight),
            best: Some(&mut best),
            ..Outputs::default()
        };
        retrieval.updating().run(probes, memory, outputs, context)?;
        if self.vigilance.is_some() {
            let outputs = Outputs { lse: Some(&mut cosine), ..Outputs::default() };
            let nearest = Retrieval::new(T::ONE)
                .with_similarity(Similarity::Cosine)
                .with_separation(Separation::Max);
            nearest.run(probes, memory, outputs, context)?;
        }
        let found = |b: usize| {
            let x = probes.row(b);
            let Some(best) = best[b] else { return Found::NotANumber };
            let moved: f64 = x
                .iter()
                .zip(&retrieved[b * dim..])
                .map(|(x, y)| (x.to_f64() - y.to_f64()).powi(2))
                .sum();
            let is_new = self.vigilance.is_some_and(|least| cosine[b] < least)
                || self.energy.is_some_and(|most| energy[b] > most)
                || self.residual.is_some_and(|most| moved.sqrt() > most.to_f64())
                || self.best_weight.is_some_and(|least| weight[b] < least);
            if is_new { Found::New } else { Found::Known(best) }
        };
        Ok((0..batch).map(found).collect())
    }

    /// Stores a new probe, or refuses it.
    fn store(
        &self,
        probe: &[T],
        value: Option<&[T]>,
        memory: &mut Memory<T>,
        usage: &mut Usage,
        context: &mut Context<T>,
    ) -> Result<Event> {
        let patterns = memory.patterns();
        if patterns < self.capacity {
            let value = value.map(|value| MatRef::new(value, 1, value.len())).transpose()?;
            memory.append(MatRef::new(probe, 1, probe.len())?, value)?;
            usage.store(patterns);
            return Ok(Event::Appended(patterns));
        }
        let (index, event) = match self.when_full {
            WhenFull::Refuse => return Ok(Event::Refused),
            WhenFull::ReplaceLeastUsed => {
                let index = usage.least_used();
                (index, Event::Replaced(index))
            }
            WhenFull::ReplaceOldest => {
                let index = usage.oldest();
                (index, Event::Replaced(index))
            }
            WhenFull::MergeNearest => match nearest_pair(memory, context)? {
                Some((kept, freed)) => {
                    merge(memory, usage, kept, freed)?;
                    (freed, Event::Merged { kept, freed })
                }
                None => return Ok(Event::Refused),
            },
        };
        memory.set_pattern(index, probe)?;
        if let Some(value) = value {
            memory.set_value(index, value)?;
        }
        usage.store(index);
        Ok(event)
    }

    /// Takes the memory weights of a batch into the usage.
    fn count(
        &self,
        retrieval: &Retrieval<'_, T>,
        probes: MatRef<'_, T>,
        memory: &Memory<T>,
        usage: &mut Usage,
        context: &mut Context<T>,
    ) -> Result<()> {
        usage.follow(memory.patterns());
        if probes.rows() == 0 {
            return Ok(());
        }
        let (mut sums, mut of_some) =
            (vec![0.0; memory.patterns()], vec![T::ZERO; memory.patterns()]);
        for start in (0..probes.rows()).step_by(AT_ONCE) {
            let some = start..probes.rows().min(start + AT_ONCE);
            let outputs = Outputs { usage: Some(&mut of_some), ..Outputs::default() };
            retrieval.run(probes.subrows(some), memory, outputs, context)?;
            sums.iter_mut().zip(&of_some).for_each(|(sum, some)| *sum += some.to_f64());
        }
        let rho = self.forgetting;
        for (usage, sum) in usage.usage.iter_mut().zip(sums).filter(|(_, sum)| sum.is_finite()) {
            *usage = rho * *usage + (1.0 - rho) * sum / probes.rows() as f64;
        }
        Ok(())
    }
}

/// Whether a probe is new.
enum Found {
    Known(usize),
    New,
    NotANumber,
}

/// The two patterns of the highest cosine, the one with the lower index first.
fn nearest_pair<T: Element>(
    memory: &Memory<T>,
    context: &mut Context<T>,
) -> Result<Option<(usize, usize)>> {
    let count = memory.patterns();
    if count < 2 {
        return Ok(None);
    }
    let mut similarities = vec![T::ZERO; count];
    let cosine = Retrieval::new(T::ONE).with_similarity(Similarity::Cosine);
    let mut nearest: Option<(T, usize, usize)> = None;
    let mut buffer = Vec::new();
    for i in 0..count {
        let row = memory.pattern_in(i, &mut buffer);
        let outputs = Outputs {
            similarities: Some(MatMut::new(&mut similarities, 1, count)?),
            ..Outputs::default()
        };
        cosine.run(MatRef::new(row, 1, row.len())?, memory, outputs, context)?;
        for (j, &s) in similarities.iter().enumerate().skip(i + 1) {
            if nearest.is_none_or(|(most, ..)| s > most) {
                nearest = Some((s, i, j));
            }
        }
    }
    Ok(nearest.map(|(_, i, j)| (i, j)))
}

/// Replaces the pattern `kept` by the mean of both by usage, which is added up.
fn merge<T: Element>(
    memory: &mut Memory<T>,
    usage: &mut Usage,
    kept: usize,
    freed: usize,
) -> Result<()> {
    let (a, b) = (usage.usage[kept], usage.usage[freed]);
    let share = if a + b > 0.0 { a / (a + b) } else { 0.5 };
    let mean = |a: &[T], b: &[T]| -> Vec<T> {
        let mean = |(a, b): (&T, &T)| T::from_f64(share * a.to_f64() + (1.0 - share) * b.to_f64());
        a.iter().zip(b).map(mean).collect()
    };
    let (mut of_kept, mut of_freed) = (Vec::new(), Vec::new());
    let of_kept = memory.pattern_in(kept, &mut of_kept);
    let pattern = mean(of_kept, memory.pattern_in(freed, &mut of_freed));
    memory.set_pattern(kept, &pattern)?;
    if let Some(values) = memory.values() {
        let value = mean(values.row(kept), values.row(freed));
        memory.set_value(kept, &value)?;
    }
    usage.usage[kept] = a + b;
    Ok(())
}
