//! Context: the memory that calls use beside their operands, kept from one call to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::driver::parallel::Parallelism;
use crate::driver::scratch::Scratch;
use crate::driver::update::DriftScratch;
use crate::error::{Error, Result};
use crate::retrieval::Recall;
use crate::retrieval::screening::Counters;
use crate::retrieval::work::Work;
use crate::simd::{Element, Level};

/// Scratch memory and the choices of how to run, for any number of calls.
///
/// The first call with some shapes allocates what it needs; later ones with the same or smaller
/// shapes allocate nothing, as long as their probes are recalled in the same way. No result depends
/// on earlier calls. The time may: a recall that can be computed in two ways begins with the one
/// that the last recall of its size took (see [`Screening`](crate::Screening)).
///
/// ```
/// use hopfield_kernels::{Level, Parallelism, Context};
///
/// let context = Context::<f32>::new()
///     .with_level("portable".parse::<Level>()?)
///     .with_parallelism(Parallelism::Serial);
/// assert_eq!(context.level()?.name(), "portable");
/// assert_eq!(context.parallelism(), Parallelism::Serial);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Context<T> {
    level: Option<Level>,
    parallelism: Parallelism,
    pub(crate) memory: Scratch<T>,
    /// What learning keeps while it recalls: padded vectors and states.
    pub(crate) learning: Scratch<T>,
    /// What is recalled and learned from in one call, and its similarities.
    pub(crate) recall: Recall<T>,
    pub(crate) similarities: Vec<T>,
    /// `None` during a call, which takes it, and before the first call.
    pub(crate) work: Option<Box<Work<T>>>,
    /// A copy of probes that are replaced by what is recalled from them.
    pub(crate) probes: Vec<T>,
    pub(crate) counters: Counters,
    pub(crate) drift: DriftScratch,
    stop: Option<Arc<AtomicBool>>,
}

impl<T: Element> Default for Context<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Context<T> {
    /// Empty, for [`Level::detect`] and the default [`Parallelism`].
    pub fn new() -> Self {
        Self {
            level: None,
            parallelism: Parallelism::default(),
            memory: Scratch::default(),
            learning: Scratch::default(),
            recall: Recall::new(),
            similarities: Vec::new(),
            work: None,
            probes: Vec::new(),
            counters: Counters::default(),
            drift: DriftScratch::default(),
            stop: None,
        }
    }

    /// Forces a level.
    #[must_use]
    pub fn with_level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// Chooses whether calls use threads.
    #[must_use]
    pub fn with_parallelism(mut self, parallelism: Parallelism) -> Self {
        self.parallelism = parallelism;
        self
    }

    /// The level that calls run at.
    ///
    /// # Errors
    /// [`Error::Level`](crate::Error::Level) when none is forced and the environment names one that
    /// this machine lacks.
    pub fn level(&self) -> Result<Level> {
        self.level.map_or_else(Level::detect, Ok)
    }

    /// What screening has done in all calls so far, or since [`reset_counters`].
    ///
    /// [`reset_counters`]: Self::reset_counters
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sets the counters to 0.
    ///
    /// ```
    /// # use hopfield_kernels::{Context, Memory, Retrieval};
    /// let mut context = Context::new();
    /// let memory = Memory::from_slice(&[0.5; 32 * 256], 32)?;
    /// Retrieval::new(1.0).apply_with(&memory, &mut [1.0; 32], &mut context)?;
    /// assert_eq!(context.counters().dense, 1);
    /// context.reset_counters();
    /// assert_eq!(context.counters().dense, 0);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// A flag by which another thread ends calls: once it is true, a call returns
    /// [`Error::Stopped`] before its next recall or gradient. A recall that has begun runs to its
    /// end. [`top_k`](crate::top_k) and [`similarities`](crate::similarities) do not read the flag.
    ///
    /// `settle` has then made some of its updates. `Growth::grow` has stored some probes, and has
    /// not counted their usage. No other call has changed a memory. Outputs may have been written.
    ///
    /// ```
    /// # use hopfield_kernels::{Context, Error, Memory, Retrieval, Settled, Stop};
    /// # use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// let memory = Memory::from([[1.0, 0.0], [0.0, 1.0]]);
    /// let (mut context, mut settled) = (Context::new(), Settled::new());
    /// let flag = Arc::new(AtomicBool::new(false));
    /// context.set_stop(Some(flag.clone()));
    /// flag.store(true, Ordering::Relaxed); // as another thread does
    /// let call = Retrieval::new(4.0);
    /// let found = call.settle(&memory, &mut [0.6, 0.5], Stop::new(), &mut settled, &mut context);
    /// assert!(matches!(found, Err(Error::Stopped)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_stop(&mut self, stop: Option<Arc<AtomicBool>>) {
        self.stop = stop;
    }

    /// `Error::Stopped` once the flag is true.
    pub(crate) fn go_on(&self) -> Result<()> {
        match &self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(Error::Stopped),
            _ => Ok(()),
        }
    }

    /// Whether calls use threads.
    pub fn parallelism(&self) -> Parallelism {
        self.parallelism
    }
}
