//! A memory behind a lock that calls share, and what they keep from one to the next.

use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use hopfield_kernels::{Context, Memory, Parallelism, Usage};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::Number;
use crate::counting;
use crate::threads::{Call, Turn};
use crate::watch::{AT_ONCE, watched};

/// A memory, how often it has changed, and how often it has learned.
pub struct Versioned<T> {
    pub memory: Memory<T>,
    pub version: u64,
    pub updates: u64,
    pub usage: Usage,
    /// max_d Σ_n M[n,d]², once it has been asked for.
    feature_norm: OnceLock<T>,
}

/// A memory behind a lock, and contexts for calls, which are kept from one to the next.
pub struct Kept<T> {
    state: RwLock<Versioned<T>>,
    contexts: Mutex<Vec<Box<Context<T>>>>,
}

impl<T: Number> Kept<T> {
    /// The memory, of which no call has been made.
    pub fn new(memory: Memory<T>) -> Self {
        let feature_norm = OnceLock::new();
        let state = RwLock::new(Versioned {
            memory,
            version: 0,
            updates: 0,
            usage: Usage::new(),
            feature_norm,
        });
        Self { state, contexts: Mutex::new(Vec::new()) }
    }

    /// A call for `batch` probes, which shares the memory with other calls, without the
    /// interpreter.
    pub fn read<R: Send>(
        &self,
        py: Python<'_>,
        batch: usize,
        work: impl FnOnce(&Versioned<T>, &mut Context<T>) -> R + Send,
    ) -> R {
        py.detach(|| self.read_here(batch, work))
    }

    /// `read`, for a call of so many recalls in all, which an interrupt ends if it is long.
    pub fn read_long<R: Send>(
        &self,
        py: Python<'_>,
        recalls: usize,
        work: impl FnOnce(&Versioned<T>, &mut Context<T>) -> PyResult<R> + Send,
    ) -> PyResult<R> {
        let run = |turn: Turn, state: &Versioned<T>, context: &mut Context<T>| {
            watched(state.multiply_adds(recalls), |flag| {
                context.set_stop(flag);
                let result = turn.run(|| work(state, context));
                context.set_stop(None);
                result
            })
        };
        py.detach(|| self.shared(recalls, run))?
    }

    /// `read`, by a thread that does not have the interpreter.
    pub fn read_here<R: Send>(
        &self,
        batch: usize,
        work: impl FnOnce(&Versioned<T>, &mut Context<T>) -> R + Send,
    ) -> R {
        self.shared(batch, |turn, state, context| turn.run(|| work(state, context)))
    }

    /// A call that reads the memory, in a context of its own.
    fn shared<R>(
        &self,
        recalls: usize,
        run: impl FnOnce(Turn, &Versioned<T>, &mut Context<T>) -> R,
    ) -> R {
        let _call = Call::begin();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let turn = Turn::of(state.multiply_adds(recalls));
        let mut context = self.context(turn.parallelism());
        context.reset_counters();
        let result = run(turn, &state, &mut context);
        counting::add(context.counters());
        self.keep(context);
        result
    }

    /// A call that changes the memory, without the interpreter.
    pub fn write<R: Send>(
        &self,
        py: Python<'_>,
        batch: usize,
        work: impl FnOnce(&mut Versioned<T>, &mut Context<T>) -> PyResult<R> + Send,
    ) -> PyResult<R> {
        py.detach(|| self.write_here(batch, work))
    }

    /// `write`, for a call of so many recalls in all, which an interrupt ends if it is long. It
    /// changes the memory at its end alone, or not at all.
    pub fn write_long<R: Send>(
        &self,
        py: Python<'_>,
        recalls: usize,
        work: impl FnOnce(&mut Versioned<T>, &mut Context<T>) -> PyResult<R> + Send,
    ) -> PyResult<R> {
        let run = |turn: Turn, state: &mut Versioned<T>, context: &mut Context<T>| {
            watched(state.multiply_adds(recalls), |flag| {
                context.set_stop(flag);
                let result = turn.run(|| state.change(context, work));
                context.set_stop(None);
                result
            })
        };
        py.detach(|| self.alone(recalls, run))?
    }

    /// `write`, by a thread that does not have the interpreter.
    pub fn write_here<R: Send, E: Send>(
        &self,
        batch: usize,
        work: impl FnOnce(&mut Versioned<T>, &mut Context<T>) -> Result<R, E> + Send,
    ) -> Result<R, E> {
        self.alone(batch, |turn, state, context| turn.run(|| state.change(context, work)))
    }

    /// A call while there is no other.
    fn alone<R>(
        &self,
        recalls: usize,
        run: impl FnOnce(Turn, &mut Versioned<T>, &mut Context<T>) -> R,
    ) -> R {
        let _call = Call::begin();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let turn = Turn::of(state.multiply_adds(recalls));
        let mut context = self.context(turn.parallelism());
        context.reset_counters();
        let result = run(turn, &mut state, &mut context);
        counting::add(context.counters());
        self.keep(context);
        result
    }

    /// A context that is kept, or a new one. Boxed, as it is larger than what a small call moves.
    fn context(&self, parallelism: Parallelism) -> Box<Context<T>> {
        let kept = self.contexts.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut context = kept.unwrap_or_default();
        if context.parallelism() != parallelism {
            *context = std::mem::take(&mut *context).with_parallelism(parallelism);
        }
        context
    }

    fn keep(&self, context: Box<Context<T>>) {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner).push(context);
    }
}

impl<T: Number> Versioned<T> {
    /// Those of so many recalls.
    fn multiply_adds(&self, batch: usize) -> usize {
        batch.saturating_mul(self.memory.patterns()).saturating_mul(self.memory.dim())
    }

    /// N.
    pub fn patterns(&self) -> usize {
        self.memory.patterns()
    }

    /// Whether so many recalls are long: an interrupt ends them.
    pub fn is_long(&self, recalls: usize) -> bool {
        self.multiply_adds(recalls) > AT_ONCE
    }

    /// Changes the memory, which is then another version unless that fails.
    fn change<R, E>(
        &mut self,
        context: &mut Context<T>,
        work: impl FnOnce(&mut Self, &mut Context<T>) -> Result<R, E>,
    ) -> Result<R, E> {
        let result = work(self, context)?;
        self.version += 1;
        self.feature_norm = OnceLock::new();
        Ok(result)
    }

    /// How many probes are recalled at once, so that a call of many can be interrupted.
    pub fn at_once(&self) -> usize {
        (AT_ONCE / self.multiply_adds(1).max(1)).max(1)
    }

    /// The version, as programs of JAX carry it.
    pub fn token(&self) -> i32 {
        self.version as i32
    }

    /// max_d Σ_n M[n,d]², which ngc-learn's energy has.
    pub fn feature_norm(&self) -> Result<T, String> {
        if let Some(norm) = self.feature_norm.get() {
            return Ok(*norm);
        }
        let norm = self.memory.max_squared_feature_norm().map_err(|error| error.to_string())?;
        Ok(*self.feature_norm.get_or_init(|| norm))
    }

    /// An error unless the memory is as it was when a recall was made.
    pub fn expect_version(&self, version: u64) -> PyResult<()> {
        if self.version == version {
            return Ok(());
        }
        let expected = "expected one of this memory as it is now";
        Err(PyValueError::new_err(format!("recall: {expected}, got one from before it changed")))
    }
}
