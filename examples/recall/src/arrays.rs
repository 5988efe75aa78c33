//! Recall of the user's own arrays.

use std::time::{Duration, Instant};

use hopfield_kernels::{
    Context, Element, MatMut, MatRef, Memory, Outputs, Retrieval, Settled, Stop,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ndarray::Array2;
use ndarray_npy::{WritableElement, WriteNpyExt};

use crate::Result;
use crate::cli::Task;
use crate::files;
use crate::npy::Matrix;
use crate::weighing::Weighing;

/// Probes recalled at a time, between two looks at the progress bar.
const CHUNK: usize = 1024;
/// Runs shorter than this have no progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// The arrays of a task, of one type.
struct Arrays<T> {
    patterns: Array2<T>,
    probes: Array2<T>,
    values: Option<Array2<T>>,
}

/// Recalls the probes and writes the result.
pub fn run(task: &Task, weighing: &Weighing) -> Result<()> {
    let (patterns, probes) = (Matrix::read(&task.patterns)?, Matrix::read(&task.probes)?);
    let values = task.values.as_deref().map(Matrix::read).transpose()?;
    files::check(&task.out)?;
    match (patterns, probes, values) {
        (Matrix::Single(patterns), Matrix::Single(probes), None) => {
            recall(task, weighing, Arrays { patterns, probes, values: None })
        }
        (Matrix::Single(patterns), Matrix::Single(probes), Some(Matrix::Single(values))) => {
            recall(task, weighing, Arrays { patterns, probes, values: Some(values) })
        }
        (patterns, probes, values) => {
            let (patterns, probes) = (patterns.into_double(), probes.into_double());
            let values = values.map(Matrix::into_double);
            recall(task, weighing, Arrays { patterns, probes, values })
        }
    }
}

fn recall<T: Element + WritableElement>(
    task: &Task,
    weighing: &Weighing,
    arrays: Arrays<T>,
) -> Result<()> {
    let memory = arrays.memory(task)?;
    weighing.check(memory.patterns())?;
    let mut probes = arrays.probes;
    let (batch, dim) = probes.dim();
    let mut values = memory.value_dim().map(|dim| Array2::from_elem((batch, dim), T::ZERO));

    let mut steps = Steps::new(task, weighing.retrieval(T::from_f64(task.beta)));
    let bar = ProgressBar::with_draw_target(Some(batch as u64), ProgressDrawTarget::hidden())
        .with_style(ProgressStyle::with_template(
            "{wide_bar} {human_pos}/{human_len} probes, {eta} left",
        )?);
    let start = Instant::now();
    let states = probes.as_slice_mut().ok_or("the probes are not contiguous")?;
    for (index, chunk) in states.chunks_mut(CHUNK * dim).enumerate() {
        steps.settle(&memory, chunk)?;
        if let Some(values) = &mut values {
            let width = values.ncols();
            let all = values.as_slice_mut().ok_or("the values are not contiguous")?;
            let rows = chunk.len() / dim;
            steps.read(&memory, chunk, &mut all[index * CHUNK * width..][..rows * width])?;
        }
        bar.inc((chunk.len() / dim) as u64);
        if bar.is_hidden() && start.elapsed() > PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();

    let recalled = values.as_ref().unwrap_or(&probes);
    files::write(&task.out, |file| Ok(recalled.write_npy(file)?))?;
    report(task, recalled, memory.patterns(), &steps, seconds);
    Ok(())
}

/// Says what has been written.
fn report<T: Element>(
    task: &Task,
    recalled: &Array2<T>,
    patterns: usize,
    steps: &Steps<'_, T>,
    seconds: f64,
) {
    let kind = if task.values.is_some() { "values" } else { "probes" };
    let (batch, dim) = recalled.dim();
    println!(
        "{}: {batch} {kind} of {dim} features recalled from {patterns} patterns in {seconds:.3} s, \
         {:.1} steps on average, {} at most",
        task.out.display(),
        steps.sum as f64 / (batch as f64).max(1.0),
        steps.most,
    );
    let lost = recalled.outer_iter().filter(|row| row.iter().any(|x| !x.is_finite())).count();
    if lost > 0 {
        eprintln!("recall: note: {lost} of the recalled {kind} are not finite numbers");
    }
}

impl<T: Element> Arrays<T> {
    /// The patterns, with their values if there are any; refuses arrays that do not fit.
    fn memory(&self, task: &Task) -> Result<Memory<T>> {
        let Self { patterns, probes, values } = self;
        let (count, dim) = patterns.dim();
        let patterns_name = task.patterns.display();
        if probes.ncols() != dim {
            let (probes_name, found) = (task.probes.display(), probes.ncols());
            return Err(format!(
                "{probes_name}: expected {dim} columns, as {patterns_name} has, got {found}"
            )
            .into());
        }
        let rows = MatRef::new(slice(patterns)?, count, dim)?;
        let memory = Memory::from_rows(rows).map_err(|e| format!("{patterns_name}: {e}"))?;
        let (Some(values), Some(path)) = (values, &task.values) else { return Ok(memory) };
        let (values_name, found) = (path.display(), values.nrows());
        if found != count {
            return Err(format!(
                "{values_name}: expected {count} rows, as {patterns_name} has, got {found}"
            )
            .into());
        }
        let rows = MatRef::new(slice(values)?, count, values.ncols())?;
        memory.with_values(rows).map_err(|e| format!("{values_name}: {e}").into())
    }
}

/// The steps that probes take, and how many these have been.
struct Steps<'k, T> {
    retrieval: Retrieval<'k, T>,
    stop: Stop<T>,
    settled: Settled<T>,
    context: Context<T>,
    sum: u64,
    most: u32,
}

impl<'k, T: Element> Steps<'k, T> {
    fn new(task: &Task, retrieval: Retrieval<'k, T>) -> Self {
        // The last step reads the values out, where there are any.
        let reads = u32::from(task.values.is_some());
        let stop = match task.steps {
            // A probe that is its own recall is not updated again.
            Some(steps) => Stop::new().tolerance(T::ZERO).max_steps(steps - reads),
            None => Stop::new(),
        };
        let (settled, context) = (Settled::new(), Context::new());
        Self { retrieval, stop, settled, context, sum: 0, most: 0 }
    }

    /// Updates the probes.
    fn settle(&mut self, memory: &Memory<T>, probes: &mut [T]) -> Result<()> {
        let Self { settled, context, .. } = self;
        self.retrieval.settle(memory, probes, self.stop, settled, context)?;
        let reads = u32::from(memory.value_dim().is_some());
        let steps = || settled.steps().iter().map(|&taken| taken + reads);
        self.sum += steps().map(u64::from).sum::<u64>();
        self.most = steps().fold(self.most, u32::max);
        Ok(())
    }

    /// Reads out the values.
    fn read(&mut self, memory: &Memory<T>, probes: &[T], values: &mut [T]) -> Result<()> {
        let batch = probes.len() / memory.dim();
        let width = values.len() / batch;
        let retrieved = Some(MatMut::new(values, batch, width)?);
        let outputs = Outputs::new().with_retrieved(retrieved);
        let probes = MatRef::new(probes, batch, memory.dim())?;
        self.retrieval.run(probes, memory, outputs, &mut self.context)?;
        Ok(())
    }
}

fn slice<T>(array: &Array2<T>) -> Result<&[T]> {
    array.as_slice().ok_or_else(|| "the array is not contiguous".into())
}
