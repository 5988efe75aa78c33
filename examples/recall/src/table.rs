//! How well and how fast digits are recalled, for several loads and corruptions.

use std::time::Instant;

use hopfield_kernels::{Context, Memory, Settled, Stop};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::Result;
use crate::digits::{Corruption, Digits, PIXELS};
use crate::reading::{Reading, distance};
use crate::weighing::Weighing;

/// The inverse temperature.
///
/// A stored pattern is a state of its own when β times what sets it apart, 1 minus its cosine with
/// the nearest other, is well above 1. Of the 1,797 digits all but 1% are set apart by 0.03, which
/// makes a weight of e⁻⁶ for the neighbour. At a quarter of this, tight clusters are recalled as
/// their means; at five times as much, recall is little more than a search for the nearest.
pub const BETA: f32 = 200.0;
/// Patterns have norm 1, and so has a probe that is near one: it has arrived when it moves by less
/// than 10⁻⁴.
pub fn stop() -> Stop<f32> {
    Stop::new().tolerance(5e-5).max_steps(100)
}

const LOADS: [usize; 3] = [10, 100, 500];
const CORRUPTIONS: [Corruption; 4] =
    [Corruption::Noise(0.1), Corruption::Noise(0.2), Corruption::Noise(0.3), Corruption::Erased];
/// Probes of a line, at least: every stored image as often as it takes.
const PROBES: usize = 1_797;
/// Recalls of a line, the fastest of which counts: the first ones wake threads and fill caches.
const RUNS: usize = 10;

/// Prints the table.
pub fn run(weighing: &Weighing) -> Result<()> {
    weighing.check(LOADS[0])?;
    let digits = Digits::read()?;
    let images = digits.images.nrows();
    let level = Context::<f32>::new().level()?;
    println!("{images} handwritten digits of {PIXELS} pixels; beta {BETA}, level {level}.");
    if !weighing.is_default() {
        println!("{weighing}.");
    }
    println!(
        "recalled  probes whose nearest stored pattern, once they have settled, is the right one"
    );
    println!("distance  from the settled probe to the right pattern (of norm 1), on average");
    println!("steps     updates until a probe settled, on average and at most");
    println!("energy    of the probe, and where it settled, on average");
    println!("probes/s  settled in a second, the fastest of {RUNS} runs");
    println!();
    println!(
        "{:>6}  {:17}  {:>8}  {:>8}  {:>10}  {:>14}  {:>10}",
        "stored", "corruption", "recalled", "distance", "steps", "energy", "probes/s"
    );
    for load in LOADS.into_iter().filter(|&load| load < images).chain([images]) {
        let memory = digits.memory(load)?;
        for corruption in CORRUPTIONS {
            let trial = Trial::of(&digits, &memory, corruption, weighing)?;
            let steps = format!("{:.1} / {}", trial.steps, trial.most_steps);
            let energy = format!("{:.3} -> {:.3}", trial.energy.0, trial.energy.1);
            println!(
                "{load:>6}  {corruption:17}  {:>6.1} %  {:>8.3}  {steps:>10}  {energy:>14}  {:>10}",
                100.0 * trial.right,
                trial.distance,
                thousands(trial.probes_per_second),
            );
        }
        println!();
    }
    Ok(())
}

/// A line of the table.
struct Trial {
    /// The part of the probes whose nearest pattern, in the end, is the image they come from.
    right: f64,
    distance: f64,
    steps: f64,
    most_steps: u32,
    /// Before and after.
    energy: (f64, f64),
    probes_per_second: f64,
}

impl Trial {
    fn of(
        digits: &Digits,
        memory: &Memory<f32>,
        corruption: Corruption,
        weighing: &Weighing,
    ) -> Result<Self> {
        let load = memory.patterns();
        let sources: Vec<usize> = (0..PROBES.next_multiple_of(load)).map(|b| b % load).collect();
        let mut random = Pcg64::seed_from_u64(1);
        let mut probes = Vec::with_capacity(sources.len() * PIXELS);
        for &source in &sources {
            let spoilt = corruption.spoil(&digits.pixels(source), &mut random)?;
            probes.extend(digits.pattern(&spoilt));
        }

        let (retrieval, mut context) = (weighing.retrieval(BETA), Context::new());
        let before = Reading::of(&retrieval, memory, &probes, &mut context)?;
        let (mut recalled, mut settled) = (probes.clone(), Settled::new());
        let mut seconds = f64::INFINITY;
        for _ in 0..RUNS {
            recalled.copy_from_slice(&probes);
            let start = Instant::now();
            retrieval.settle(memory, &mut recalled, stop(), &mut settled, &mut context)?;
            seconds = seconds.min(start.elapsed().as_secs_f64());
        }
        let steps = settled.steps();
        let after = Reading::of(&retrieval, memory, &recalled, &mut context)?;

        let right =
            after.best.iter().zip(&sources).filter(|(best, source)| **best == Some(**source));
        let ends = recalled.chunks_exact(PIXELS).zip(&sources);
        let distances = ends.map(|(end, &source)| distance(end, memory.pattern(source)));
        let count = sources.len() as f64;
        let mean = |energies: &[f32]| energies.iter().map(|&e| f64::from(e)).sum::<f64>() / count;
        Ok(Self {
            right: right.count() as f64 / count,
            distance: distances.sum::<f64>() / count,
            steps: f64::from(steps.iter().sum::<u32>()) / count,
            most_steps: steps.iter().copied().max().unwrap_or(0),
            energy: (mean(&before.energy), mean(&after.energy)),
            probes_per_second: count / seconds,
        })
    }
}

/// A number with its thousands set apart.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
