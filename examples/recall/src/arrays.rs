//! Recall of the user's own arrays.

use std::time::{Duration, Instant};

use hopfield_kernels::{Context, Element, MatRef, Memory, Retrieval, Settled, Stop};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ndarray::Array2;
use ndarray_npy::{WritableElement, WriteNpyExt};

use crate::Result;
use crate::cli::Task;
use crate::files;
use crate::npy::Matrix;

/// Probes recalled at a time, between two looks at the progress bar.
const CHUNK: usize = 1024;
/// Runs shorter than this have no progress bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// Recalls the probes and writes the result.
pub fn run(task: &Task) -> Result<()> {
    let (patterns, probes) = (Matrix::read(&task.patterns)?, Matrix::read(&task.probes)?);
    files::check(&task.out)?;
    match (patterns, probes) {
        (Matrix::Single(patterns), Matrix::Single(probes)) => recall(task, &patterns, probes),
        (patterns, probes) => recall(task, &patterns.into_double(), probes.into_double()),
    }
}

fn recall<T: Element + WritableElement>(
    task: &Task,
    patterns: &Array2<T>,
    mut probes: Array2<T>,
) -> Result<()> {
    let dim = patterns.ncols();
    if probes.ncols() != dim {
        let (probes_name, patterns_name) = (task.probes.display(), task.patterns.display());
        let found = probes.ncols();
        return Err(format!(
            "{probes_name}: expected {dim} columns, as {patterns_name} has, got {found}"
        )
        .into());
    }
    let retrieval = Retrieval::new(T::from_f64(task.beta));
    let rows = MatRef::new(slice(patterns)?, patterns.nrows(), dim)?;
    let memory =
        Memory::from_rows(rows).map_err(|e| format!("{}: {e}", task.patterns.display()))?;
    let stop = match task.steps {
        // A probe that is its own recall is not updated again.
        Some(steps) => Stop::new().tolerance(T::ZERO).max_steps(steps),
        None => Stop::new(),
    };

    let (mut settled, mut context) = (Settled::new(), Context::new());
    let bar =
        ProgressBar::with_draw_target(Some(probes.nrows() as u64), ProgressDrawTarget::hidden())
            .with_style(ProgressStyle::with_template(
                "{wide_bar} {human_pos}/{human_len} probes, {eta} left",
            )?);
    let start = Instant::now();
    let (mut steps, mut most) = (0, 0);
    let states = probes.as_slice_mut().ok_or("the probes are not contiguous")?;
    for chunk in states.chunks_mut(CHUNK * dim) {
        retrieval.settle(&memory, chunk, stop, &mut settled, &mut context)?;
        steps += settled.steps().iter().map(|&taken| u64::from(taken)).sum::<u64>();
        most = settled.steps().iter().copied().fold(most, u32::max);
        bar.inc((chunk.len() / dim) as u64);
        if bar.is_hidden() && start.elapsed() > PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();

    let lost = probes.outer_iter().filter(|row| row.iter().any(|x| !x.is_finite())).count();
    files::write(&task.out, |file| Ok(probes.write_npy(file)?))?;
    println!(
        "{}: {} probes of {dim} features recalled from {} patterns in {seconds:.3} s, \
         {:.1} steps on average, {most} at most",
        task.out.display(),
        probes.nrows(),
        memory.patterns(),
        steps as f64 / (probes.nrows() as f64).max(1.0),
    );
    if lost > 0 {
        eprintln!("recall: note: {lost} of the recalled probes are not finite numbers");
    }
    Ok(())
}

fn slice<T>(array: &Array2<T>) -> Result<&[T]> {
    array.as_slice().ok_or_else(|| "the array is not contiguous".into())
}
