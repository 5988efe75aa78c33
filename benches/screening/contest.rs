//! The ways to recall, turn by turn.

use std::time::Instant;

use hopfield_kernels::{
    Codes, Context, Counters, Element, MatMut, MatRef, Memory, Outputs, Parallelism, Retrieval,
    Screening,
};

use crate::Result;
use crate::arrays::Arrays;
use crate::rows::Row;

/// The head of the table. Ratios are times of `dense` over times of the others.
pub const HEAD: &str = "\
| data | B x D x N | type | β | dense | no codes | 8 bits | 4 bits \
| listed, 8 bits | listed, 4 bits | kept | streamed |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

/// How long it is measured.
#[derive(Clone, Copy)]
pub struct Settings {
    pub rounds: usize,
    /// Seconds of a turn.
    pub seconds: f64,
}

/// A memory's codes, and what is asked of the recall.
#[derive(Clone, Copy)]
struct Way {
    codes: Option<Codes>,
    screening: Screening,
}

/// Dense, and the three ways that are measured beside it.
const WAYS: [Way; 4] = [
    Way { codes: None, screening: Screening::Never },
    Way { codes: None, screening: Screening::Auto },
    Way { codes: Some(Codes::Eight), screening: Screening::Auto },
    Way { codes: Some(Codes::Four), screening: Screening::Always },
];

/// One way, and what it has taken.
struct Contestant<'m, T> {
    way: Way,
    memory: &'m Memory<T>,
    context: Context<T>,
    retrieved: Vec<T>,
    /// Probes of all calls since the counters were reset.
    probes: usize,
    /// The median of each turn.
    seconds: Vec<f64>,
}

/// The probes and β of all ways.
struct Task<T> {
    batch: usize,
    dim: usize,
    probes: Vec<T>,
    beta: T,
}

/// Measures the row and prints its lines.
pub fn measure<T: Element>(row: &Row, arrays: Arrays, settings: Settings) -> Result<()> {
    let Arrays { dim, patterns, probes } = arrays;
    let convert = |from: Vec<f32>| -> Vec<T> {
        from.into_iter().map(|x| T::from_f64(f64::from(x))).collect()
    };
    let probes = convert(probes);
    let plain = Memory::from_slice(&convert(patterns), dim)?;
    let eight = plain.clone().with_codes(Codes::Eight)?;
    let four = plain.clone().with_codes(Codes::Four)?;
    let mut task = Task { batch: row.batch, dim, probes, beta: T::ONE };
    for &beta in row.betas {
        task.beta = T::from_f64(beta);
        let mut contestants = WAYS.map(|way| {
            let memory = match way.codes {
                None => &plain,
                Some(Codes::Eight) => &eight,
                Some(_) => &four,
            };
            Contestant::new(way, memory, &task)
        });
        check(&mut contestants, &plain, &task)?;
        compete(&mut contestants, &task, settings)?;
        print(row, beta, &contestants, &task);
    }
    Ok(())
}

impl<'m, T: Element> Contestant<'m, T> {
    fn new(way: Way, memory: &'m Memory<T>, task: &Task<T>) -> Self {
        let context = Context::new().with_parallelism(Parallelism::Serial);
        let retrieved = vec![T::ZERO; task.batch * task.dim];
        Self { way, memory, context, retrieved, probes: 0, seconds: Vec::new() }
    }

    fn call(&mut self, task: &Task<T>) -> Result<()> {
        let retrieved = MatMut::new(&mut self.retrieved, task.batch, task.dim)?;
        let probes = MatRef::new(&task.probes, task.batch, task.dim)?;
        Retrieval::new(task.beta).with_screening(self.way.screening).run(
            probes,
            self.memory,
            Outputs::new().with_retrieved(retrieved),
            &mut self.context,
        )?;
        self.probes += task.batch;
        Ok(())
    }

    /// A call that is not timed, and the calls of a slice of time: at least one.
    fn turn(&mut self, task: &Task<T>, seconds: f64) -> Result<()> {
        self.call(task)?;
        let (begin, mut times) = (Instant::now(), Vec::new());
        while times.is_empty() || begin.elapsed().as_secs_f64() < seconds {
            let begin = Instant::now();
            self.call(task)?;
            times.push(begin.elapsed().as_secs_f64());
        }
        self.seconds.push(median(times));
        Ok(())
    }

    /// Probes that were screened by codes.
    fn screened(&self) -> u64 {
        self.context.counters().probes
    }

    fn bits(&self) -> impl Iterator<Item = u64> {
        self.retrieved.iter().map(|x| x.to_f64().to_bits())
    }
}

/// Codes change no bit: of what the test chooses, and where every probe is screened.
fn check<T: Element>(
    contestants: &mut [Contestant<'_, T>; 4],
    plain: &Memory<T>,
    task: &Task<T>,
) -> Result<()> {
    let mut always = Contestant::new(Way { codes: None, ..WAYS[3] }, plain, task);
    always.call(task)?;
    for contestant in contestants.iter_mut() {
        contestant.call(task)?;
        contestant.context.reset_counters();
        contestant.probes = 0;
    }
    let [_, auto, eight, four] = contestants;
    if !auto.bits().eq(eight.bits()) || !always.bits().eq(four.bits()) {
        return Err("recall with codes and without differ".into());
    }
    Ok(())
}

fn compete<T: Element>(
    contestants: &mut [Contestant<'_, T>; 4],
    task: &Task<T>,
    settings: Settings,
) -> Result<()> {
    for round in 0..settings.rounds {
        for turn in 0..contestants.len() {
            contestants[(round + turn) % WAYS.len()].turn(task, settings.seconds)?;
        }
    }
    Ok(())
}

fn print<T: Element>(row: &Row, beta: f64, contestants: &[Contestant<'_, T>; 4], task: &Task<T>) {
    let [dense, auto, eight, four] = contestants;
    let ratio = |other: &Contestant<'_, T>| {
        let pairs = dense.seconds.iter().zip(&other.seconds);
        format!("{:.2}", median(pairs.map(|(dense, other)| dense / other).collect()))
    };
    let listed = |of: &Contestant<'_, T>| share(of, |counters| counters.listed);
    // If the test streams all probes, those that are screened all the same tell.
    let screened = if eight.screened() > 0 { eight } else { four };
    println!(
        "| {} | {} x {} x {} | {} | {beta} | {} | {} | {} | {} | {} | {} | {} | {:.0}% |",
        row.source.name(),
        task.batch,
        task.dim,
        dense.memory.patterns(),
        if row.is_double { "f64" } else { "f32" },
        time(median(dense.seconds.clone())),
        ratio(auto),
        ratio(eight),
        ratio(four),
        listed(eight),
        listed(four),
        share(screened, |counters| counters.kept),
        100.0 - 100.0 * eight.screened() as f64 / eight.probes as f64,
    );
}

/// The share of the patterns, in percent, for the probes that were screened.
fn share<T: Element>(of: &Contestant<'_, T>, count: impl Fn(Counters) -> u64) -> String {
    let counters = of.context.counters();
    if of.screened() == 0 {
        return "-".into();
    }
    let all = of.screened() as f64 * of.memory.patterns() as f64;
    match 100.0 * count(counters) as f64 / all {
        percent if percent >= 10.0 => format!("{percent:.0}%"),
        percent if percent >= 0.095 => format!("{percent:.1}%"),
        percent => format!("{percent:.4}%"),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", 1e6 * s),
        s => format!("{:.2} ms", 1e3 * s),
    }
}

/// The median; NaN of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
