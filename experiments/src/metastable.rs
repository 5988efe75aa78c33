//! Metastable states by separation: the table of Santos et al. 2024 (Sparse and Structured Hopfield
//! Networks, arXiv 2402.13725, "Distribution of metastable state"), on the digits of 8 x 8 pixels.
//!
//! As in the paper's code, pixels are from -1 to 1, similarities are dot products, and patterns
//! count whose weight is above 0.01 under softmax, above 0 under sparse separations. The images
//! stored are the first ones, the probes are others. Probes settle here, where the code makes five
//! updates.

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, Outputs, Retrieval, Separation, Settled, Stop,
};

use crate::common::digits::{Digits, PIXELS};
use crate::common::plot::{Axis, Figure, Panel};
use crate::common::recall::name;
use crate::common::table::Table;
use crate::common::{Result, Setting};

const SEPARATIONS: [Separation; 6] = [
    Separation::Softmax,
    Separation::Entmax(1.5),
    Separation::Sparsemax,
    Separation::Normmax(2.0),
    Separation::KSubsets(2.0),
    Separation::KSubsets(4.0),
];
const BETAS: [f64; 2] = [0.1, 1.0];
/// Supports of this many patterns and more are one line of the table.
const MANY: usize = 11;

/// Runs the experiment.
pub fn run(setting: &Setting) -> Result<()> {
    let digits = Digits::read()?;
    let stored = setting.pick(1000, 100);
    let scale = |pixels: &[f64]| pixels.iter().map(|ink| 2.0 * ink - 1.0).collect::<Vec<f64>>();
    let memory = Memory::from_slice(&scale(digits.pixels(0, stored)), PIXELS)?;
    let probes = scale(digits.pixels(stored, setting.pick(100, 20)));
    let bar = setting.bar("metastable", BETAS.len() * SEPARATIONS.len())?;
    let mut counts = Vec::new();
    for beta in BETAS {
        for separation in SEPARATIONS {
            let sizes = sizes((beta, separation), &memory, &probes)?;
            counts.push((beta, separation, histogram(&sizes)));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let batch = probes.len() / PIXELS;
    let heading = format!(
        "metastable: share of {batch} probes that settle on so many of {stored} digits, by beta"
    );
    setting.report("metastable", &summary(heading, &counts, batch), &numbers(&counts))?;
    figure(&counts, batch).write(&setting.path("metastable.svg"))
}

type Counts = (f64, Separation, [usize; MANY + 1]);

/// How many patterns have a weight, for each probe once it has settled.
fn sizes(
    (beta, separation): (f64, Separation),
    memory: &Memory<f64>,
    probes: &[f64],
) -> Result<Vec<usize>> {
    let retrieval = Retrieval::new(beta).with_separation(separation);
    let (mut states, mut context) = (probes.to_vec(), Context::new());
    retrieval.settle(memory, &mut states, Stop::new(), &mut Settled::new(), &mut context)?;
    let (batch, patterns) = (probes.len() / PIXELS, memory.patterns());
    let mut weights = vec![0.0; batch * patterns];
    let outputs = Outputs::new().with_memory_weights(MatMut::new(&mut weights, batch, patterns)?);
    retrieval.run(MatRef::new(&states, batch, PIXELS)?, memory, outputs, &mut context)?;
    let least = if separation == Separation::Softmax { 0.01 } else { 0.0 };
    let above = |row: &[f64]| row.iter().filter(|&&p| p > least).count();
    Ok(weights.chunks_exact(patterns).map(above).collect())
}

/// How often each size occurs; the last count is that of [`MANY`] and more.
fn histogram(sizes: &[usize]) -> [usize; MANY + 1] {
    let mut counts = [0; MANY + 1];
    sizes.iter().for_each(|&size| counts[size.min(MANY)] += 1);
    counts
}

/// The name of a size.
fn label(size: usize) -> String {
    if size == MANY { format!("{MANY}+") } else { size.to_string() }
}

/// A row for each inverse temperature and separation, a column for each size.
fn summary(heading: String, counts: &[Counts], batch: usize) -> Table {
    let sizes: Vec<String> = (0..=MANY).map(label).collect();
    let columns: Vec<&str> =
        ["separation", "beta"].into_iter().chain(sizes.iter().map(String::as_str)).collect();
    let mut table = Table::new(heading, &columns);
    for (beta, separation, counts) in counts {
        let share = |&count: &usize| format!("{:.0}%", 100.0 * count as f64 / batch as f64);
        let row = [name(*separation), beta.to_string()];
        table.push(row.into_iter().chain(counts.iter().map(share)).collect());
    }
    table
}

fn numbers(counts: &[Counts]) -> Table {
    let mut table = Table::new("", &["separation", "beta", "patterns", "probes"]);
    for (beta, separation, counts) in counts {
        for (size, count) in counts.iter().enumerate() {
            let row = vec![name(*separation), beta.to_string(), label(size), count.to_string()];
            table.push(row);
        }
    }
    table
}

/// A panel for each inverse temperature: the share of probes that settle on at most so many
/// patterns.
fn figure(counts: &[Counts], batch: usize) -> Figure<'static> {
    let panel = |beta: f64| {
        let of_beta = counts.iter().filter(|(of, _, _)| *of == beta).enumerate();
        let line = |(index, (_, _, counts)): (usize, &Counts)| {
            let mut so_far = 0;
            let points = (0..MANY).map(|size| {
                so_far += counts[size];
                (size as f64, so_far as f64 / batch as f64)
            });
            (index, points.collect())
        };
        Panel {
            title: format!("beta {beta}"),
            x: Axis::linear("patterns, at most", 0.0..(MANY - 1) as f64),
            y: Axis::linear("share of probes", 0.0..1.05),
            lines: of_beta.map(line).collect(),
        }
    };
    Figure {
        title: "How many digits a settled probe is a mixture of",
        labels: SEPARATIONS.map(name).to_vec(),
        columns: BETAS.len(),
        panels: BETAS.map(panel).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted() {
        let counts = histogram(&[1, 1, 2, 10, 11, 500]);
        assert_eq!((counts[0], counts[1], counts[2], counts[10], counts[MANY]), (0, 2, 1, 1, 2));
    }

    #[test]
    fn a_probe_settles_on_one_pattern_or_on_two() {
        let (mut patterns, mut probe) = (vec![0.0; 3 * PIXELS], vec![0.0; PIXELS]);
        (0..3).for_each(|n| patterns[n * PIXELS + n] = 8.0);
        (probe[0], probe[1]) = (8.0, 4.0);
        let memory = Memory::from_slice(&patterns, PIXELS).unwrap();
        for (separation, size) in
            [(Separation::Softmax, 1), (Separation::Sparsemax, 1), (Separation::KSubsets(2.0), 2)]
        {
            assert_eq!(
                sizes((1.0, separation), &memory, &probe).unwrap(),
                [size],
                "{separation:?}"
            );
        }
    }
}
