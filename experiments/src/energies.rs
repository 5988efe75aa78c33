//! Energies of probes that settle, for similarities and separations: none of them ever rises
//! (Ramsauer et al. 2020, arXiv 2008.02217, theorem 1, for softmax and the dot product; Hoover et
//! al. 2025, arXiv 2506.10801, for the Epanechnikov kernel; Santos et al. 2024, arXiv 2411.08590,
//! for sparse separations).
//!
//! Stored are digits, from which the mean image has been subtracted; the probes are stored digits
//! with noise, treated alike.

use hopfield_kernels::{Context, Memory, Retrieval, Separation, Settled, Similarity, Stop};

use crate::common::digits::{Corruption, Digits, PIXELS};
use crate::common::plot::{Axis, Figure, Panel};
use crate::common::recall::name;
use crate::common::table::Table;
use crate::common::{Result, Setting};

/// Similarities, and an inverse temperature at which probes take several steps.
const SIMILARITIES: [(Similarity, f64); 5] = [
    (Similarity::Dot, 0.6),
    (Similarity::Cosine, 8.0),
    (Similarity::NegHalfSquaredL2, 0.6),
    (Similarity::NegL2, 3.0),
    (Similarity::NegL1, 0.6),
];
const SEPARATIONS: [Separation; 8] = [
    Separation::Softmax,
    Separation::Entmax(1.5),
    Separation::Sparsemax,
    Separation::Normmax(2.0),
    Separation::KSubsets(2.0),
    Separation::TopK(10),
    Separation::Polynomial(3.0),
    Separation::Epanechnikov(2.0),
];
/// Steps that are drawn.
const SHOWN: usize = 30;
/// A rise of this part of an energy, or of 1, is rounding.
const ROUNDING: f64 = 1e-12;

/// The energies of probes that settle.
struct Trace {
    similarity: Similarity,
    separation: Separation,
    /// Steps of each probe.
    steps: Vec<u32>,
    /// The energies of all probes before each step and after the last.
    energies: Vec<Vec<f64>>,
}

/// Runs the experiment.
pub fn run(setting: &Setting) -> Result<()> {
    let digits = Digits::read()?;
    let stored = setting.pick(1000, 100);
    let images = digits.pixels(0, stored);
    let mean = mean(images);
    let memory = Memory::from_slice(&centred(images, &mean), PIXELS)?;
    let noisy = Corruption::Noise(0.4).corrupt(&images[..setting.pick(100, 20) * PIXELS], 1)?;
    let probes = centred(&noisy, &mean);

    let pairs: Vec<_> = pairs().collect();
    let bar = setting.bar("energies", pairs.len())?;
    let mut traces = Vec::new();
    for (similarity, beta, separation) in pairs {
        let retrieval = Retrieval::new(beta_of(separation, beta))
            .with_similarity(similarity)
            .with_separation(separation);
        let start = start(similarity, separation, &probes);
        let (steps, energies) = trace(&retrieval, &memory, &start)?;
        traces.push(Trace { similarity, separation, steps, energies });
        bar.inc(1);
    }
    bar.finish_and_clear();
    setting.report("energies", &summary(&traces), &numbers(&traces))?;
    figure(&traces).write(&setting.path("energies.svg"))?;
    match traces.iter().find(|trace| trace.rise() > ROUNDING) {
        Some(Trace { similarity, separation, .. }) => {
            Err(format!("an energy rises: {similarity:?}, {separation:?}").into())
        }
        None => Ok(()),
    }
}

/// The pairs of a similarity, with its inverse temperature, and a separation.
fn pairs() -> impl Iterator<Item = (Similarity, f64, Separation)> {
    SIMILARITIES.into_iter().flat_map(|(similarity, beta)| {
        let fitting = SEPARATIONS.into_iter().filter(move |&it| fits(similarity, it));
        fitting.map(move |separation| (similarity, beta, separation))
    })
}

/// Whether a separation has weights for the scores of a similarity: polynomials are for positive
/// ones, the kernel is one of the squared distance.
fn fits(similarity: Similarity, separation: Separation) -> bool {
    let positive = matches!(similarity, Similarity::Dot | Similarity::Cosine);
    match separation {
        Separation::Polynomial(_) => positive,
        Separation::Epanechnikov(_) => similarity == Similarity::NegHalfSquaredL2,
        _ => true,
    }
}

/// The inverse temperature of a separation. The kernel's is that of balls of radius 3.7, which
/// noisy probes are within.
fn beta_of(separation: Separation, beta: f64) -> f64 {
    match separation {
        Separation::Epanechnikov(_) => 0.15,
        _ => beta,
    }
}

/// Where probes start: on the sphere of radius 1 for polynomials of dot products, as these energies
/// are compared there. (From elsewhere, the first update brings a probe to it.)
fn start(similarity: Similarity, separation: Separation, probes: &[f64]) -> Vec<f64> {
    if similarity != Similarity::Dot || !matches!(separation, Separation::Polynomial(_)) {
        return probes.to_vec();
    }
    let norm = |probe: &[f64]| probe.iter().map(|x| x * x).sum::<f64>().sqrt();
    let unit = |probe: &[f64]| probe.iter().map(|x| x / norm(probe)).collect::<Vec<_>>();
    probes.chunks_exact(PIXELS).flat_map(unit).collect()
}

fn mean(images: &[f64]) -> Vec<f64> {
    let count = (images.len() / PIXELS) as f64;
    let pixel = |at| images.chunks_exact(PIXELS).map(|image| image[at]).sum::<f64>() / count;
    (0..PIXELS).map(pixel).collect()
}

fn centred(images: &[f64], mean: &[f64]) -> Vec<f64> {
    images.iter().zip(mean.iter().cycle()).map(|(x, mean)| x - mean).collect()
}

/// The steps of each probe, and the energies of all of them after each step.
fn trace(
    retrieval: &Retrieval<'_, f64>,
    memory: &Memory<f64>,
    probes: &[f64],
) -> Result<(Vec<u32>, Vec<Vec<f64>>)> {
    let (mut states, mut settled) = (probes.to_vec(), Settled::new().with_trace());
    retrieval.settle(memory, &mut states, Stop::new(), &mut settled, &mut Context::new())?;
    let energies: Vec<f64> = settled.trace().ok_or("there is no trace")?.collect();
    let rows = energies.chunks_exact(probes.len() / PIXELS).map(<[f64]>::to_vec);
    Ok((settled.steps().to_vec(), rows.collect()))
}

impl Trace {
    /// The largest rise of an energy in a step, as a part of the energy, or of 1 where that is
    /// less.
    fn rise(&self) -> f64 {
        let pairs = self.energies.windows(2).flat_map(|step| step[0].iter().zip(&step[1]));
        pairs.map(|(&before, &after)| rise(before, after)).fold(0.0, f64::max)
    }

    /// The energies above those where probes settle, as parts of those at the start, on average.
    fn falls(&self) -> Vec<f64> {
        let (first, last) = (&self.energies[0], &self.energies[self.energies.len() - 1]);
        let mean = |row: &Vec<f64>| {
            let parts = row
                .iter()
                .zip(first.iter().zip(last))
                .map(|(now, (first, last))| (now - last) / (first - last));
            let parts: Vec<f64> = parts.filter(|part| part.is_finite()).collect();
            parts.iter().sum::<f64>() / parts.len().max(1) as f64
        };
        self.energies.iter().map(mean).collect()
    }

    fn mean_energy(&self, row: &[f64]) -> f64 {
        row.iter().sum::<f64>() / row.len() as f64
    }
}

/// The rise between two energies, as a part of the first, or of 1 where that is less. From infinity
/// (outside of all balls of a kernel) there is none.
fn rise(before: f64, after: f64) -> f64 {
    match before == f64::INFINITY {
        true => 0.0,
        false => (after - before) / before.abs().max(1.0),
    }
}

fn summary(traces: &[Trace]) -> Table {
    let heading = "energies: of noisy digits that settle: before and after (means), steps, and the largest\n\
                   rise in a step as a part of the energy (below 1e-12: rounding)";
    let columns =
        ["similarity", "separation", "before", "after", "steps, mean", "most", "largest rise"];
    let mut table = Table::new(heading, &columns).left(2);
    for trace in traces {
        let [before, after] = [&trace.energies[0], &trace.energies[trace.energies.len() - 1]]
            .map(|row| format!("{:.4}", trace.mean_energy(row)));
        let mean = f64::from(trace.steps.iter().sum::<u32>()) / trace.steps.len() as f64;
        table.push(vec![
            trace.similarity.name().into(),
            name(trace.separation),
            before,
            after,
            format!("{mean:.1}"),
            trace.steps.iter().max().copied().unwrap_or(0).to_string(),
            if trace.rise() == 0.0 { "0".into() } else { format!("{:.1e}", trace.rise()) },
        ]);
    }
    table
}

/// The mean energy after each step.
fn numbers(traces: &[Trace]) -> Table {
    let columns = ["similarity", "separation", "step", "mean_energy", "share_of_the_fall_left"];
    let mut table = Table::new("", &columns);
    for trace in traces {
        for (step, (row, left)) in trace.energies.iter().zip(trace.falls()).enumerate() {
            table.push(vec![
                trace.similarity.name().into(),
                name(trace.separation),
                step.to_string(),
                trace.mean_energy(row).to_string(),
                left.to_string(),
            ]);
        }
    }
    table
}

/// A panel for each similarity.
fn figure(traces: &[Trace]) -> Figure<'static> {
    let panel = |(similarity, beta): (Similarity, f64)| {
        let line = |trace: &Trace| {
            let index = SEPARATIONS.iter().position(|it| *it == trace.separation).unwrap_or(0);
            let points = trace.falls().into_iter().enumerate().take(SHOWN + 1);
            (index, points.map(|(step, left)| (step as f64, left)).collect())
        };
        Panel {
            title: format!("{}, beta {beta}", similarity.name()),
            x: Axis::linear("step", 0.0..SHOWN as f64),
            y: Axis::log("share of the fall left", 10.0, 1e-6..1.0),
            lines: traces.iter().filter(|trace| trace.similarity == similarity).map(line).collect(),
        }
    };
    Figure {
        title: "Energies of noisy digits that settle: how much of their fall is left, on average",
        labels: SEPARATIONS.map(name).to_vec(),
        columns: 3,
        panels: SIMILARITIES.map(panel).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_are_parts_of_the_energy() {
        assert_eq!(rise(4.0, 5.0), 0.25);
        assert_eq!(rise(-0.5, 0.0), 0.5);
        assert!(rise(2.0, 1.0) < 0.0);
        assert_eq!(rise(f64::INFINITY, f64::INFINITY), 0.0);
        assert_eq!(rise(0.0, f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn centred_images_have_mean_0() {
        let digits = Digits::read().unwrap();
        let images = digits.pixels(0, 50);
        let centred = centred(images, &mean(images));
        assert!(mean(&centred).iter().all(|mean| mean.abs() < 1e-12));
        assert!((centred[70] - (images[70] - mean(images)[6])).abs() < 1e-15);
    }
}
