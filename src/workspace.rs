//! Workspace: the memory that calls use beside their operands, kept from one call to the next.

use crate::kernel::state::State;
use crate::memory::Aligned;
use crate::{Element, Level, Parallelism, Result};

/// Scratch memory and the choices of how to run, for any number of calls.
///
/// The first call with some shapes allocates what it needs; later ones with the same or smaller
/// shapes allocate nothing.
///
/// ```
/// use hopfield_kernels::{Level, Parallelism, Workspace};
///
/// let workspace = Workspace::<f32>::new()
///     .with_level("portable".parse::<Level>()?)
///     .with_parallelism(Parallelism::Serial);
/// assert_eq!(workspace.level()?.name(), "portable");
/// assert_eq!(workspace.parallelism(), Parallelism::Serial);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Workspace<T> {
    level: Option<Level>,
    parallelism: Parallelism,
    pub(crate) memory: Scratch<T>,
    /// What learning keeps while it recalls: padded vectors and states.
    pub(crate) desk: Scratch<T>,
    /// Similarities kept from a recall to the learning from it.
    pub(crate) kept: Vec<T>,
}

/// The memory itself: floats, states and lists that only grow.
#[derive(Debug, Clone)]
pub(crate) struct Scratch<T> {
    pub floats: Aligned<T>,
    pub states: Vec<State<T>>,
    pub list: Vec<u32>,
    /// Probes of the last recall, whose states are still the first ones.
    pub recalled: usize,
}

impl<T: Element> Default for Workspace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> Workspace<T> {
    /// Empty, for [`Level::detect`] and the default [`Parallelism`].
    pub fn new() -> Self {
        Self {
            level: None,
            parallelism: Parallelism::default(),
            memory: Scratch::default(),
            desk: Scratch::default(),
            kept: Vec::new(),
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

    /// Whether calls use threads.
    pub fn parallelism(&self) -> Parallelism {
        self.parallelism
    }
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self { floats: Aligned::new(0), states: Vec::new(), list: Vec::new(), recalled: 0 }
    }
}

impl<T: Element> Scratch<T> {
    /// Makes room for so many of each.
    pub fn reserve(&mut self, floats: usize, states: usize, list: usize) {
        if self.floats.len() < floats {
            self.floats.resize(floats, T::ZERO);
        }
        if self.states.len() < states {
            self.states.resize(states, State::EMPTY);
        }
        if self.list.len() < list {
            self.list.resize(list, 0);
        }
    }
}

/// Takes the first `count` elements off a slice.
pub(crate) fn take<'a, T>(slice: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(slice).split_at_mut(count);
    *slice = tail;
    head
}
