//! This crate beside what the machine could do at most.
//!
//! T_roof = max(operations / FMA peak, bytes of the patterns / bandwidth of where they live), and
//! the share of the roof = T_roof / T. The limits are measured before and after every turn of the
//! crate, on the same thread: a machine that slows down for a while slows both.

mod bandwidth;
mod fma;
mod streams;

use std::path::PathBuf;

use bandwidth::{Buffers, Place};
use clap::Parser;
use hopfield_kernels::Level;
use hopfield_peers::{
    Data, Dtype, ETA, Hopfield, Op, Peer, Result, Row, Scalar, Setting, Shape, Sizes, machine,
    median, time_slice, warm_up,
};
use serde_json::{Value, json};
use streams::Access;

/// Measures this machine's limits, and this crate's share of them, on one thread.
#[derive(Parser)]
struct Options {
    /// table, quick, or [OP:]BxDxN,...
    #[arg(long, default_value = "table")]
    sizes: Sizes,
    /// Operations
    #[arg(long, value_delimiter = ',', default_values = ["recall", "evolve", "step"])]
    only: Vec<Op>,
    #[arg(long, value_delimiter = ',', default_values = ["f32", "f64"])]
    dtype: Vec<Dtype>,
    /// Levels for all sizes [default: the best; and the others for one size]
    #[arg(long, value_delimiter = ',')]
    level: Vec<Level>,
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 0.2)]
    slice: f64,
    #[arg(long, default_value_t = 8.0)]
    beta: f64,
    /// Write the results to a file
    #[arg(long, value_name = "OUT.json")]
    json: Option<PathBuf>,
}

/// The size that is measured at every level.
const EVERY_LEVEL: Shape = Shape { batch: 128, dim: 784, patterns: 10000 };

fn main() -> Result<()> {
    let options = Options::parse();
    let mut buffers = Buffers::new(options.slice / 4.0);
    let mut report = json!({ "machine": machine::describe(),
        "versions": { "hopfield": machine::version("hopfield-kernels") },
        "settings": { "rounds": options.rounds, "slice": options.slice, "beta": options.beta },
        "limits": limits(&mut buffers, &options), "rows": [] });
    println!("\nshare of the roof, one thread");
    for (row, level) in rows(&options) {
        let result = match row.dtype {
            Dtype::F32 => measure::<f32>(row, level, &mut buffers, &options),
            Dtype::F64 => measure::<f64>(row, level, &mut buffers, &options),
        }?;
        report["rows"].as_array_mut().expect("made above").push(result);
        if let Some(path) = &options.json {
            std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
        }
    }
    Ok(())
}

/// All limits, once, to be printed.
fn limits(buffers: &mut Buffers, options: &Options) -> Value {
    let (mut peaks, mut bandwidths) = (Vec::new(), Vec::new());
    for level in Level::available() {
        for dtype in [Dtype::F32, Dtype::F64] {
            let rates: Vec<f64> = (0..options.rounds)
                .map(|_| fma::rate(level, dtype, options.slice / 4.0) / 1e9)
                .collect();
            println!("FMA peak {level:8} {dtype:?}  {:7.1} GF/s", median(&rates));
            peaks.push(json!({ "level": level.name(), "dtype": dtype, "gflops": rates }));
        }
    }
    for place in Place::ALL {
        for access in [Access::Read, Access::ReadWrite] {
            let rates: Vec<f64> = (0..options.rounds)
                .map(|_| buffers.rate(place, access, options.slice / 4.0) / 1e9)
                .collect();
            let streams = buffers.streams(place, access);
            println!("{access:9?} {place:4?}  {:7.1} GB/s  ({streams} streams)", median(&rates));
            bandwidths.push(json!({ "place": place, "access": access, "streams": streams,
                "gbytes": rates }));
        }
    }
    json!({ "fma": peaks, "bandwidth": bandwidths })
}

fn rows(options: &Options) -> Vec<(Row, Level)> {
    let best = Level::available().next();
    let mut rows = Vec::new();
    for &dtype in &options.dtype {
        for (op, shape) in options.sizes.with_ops(&options.only) {
            let levels: Vec<Level> = match (shape == EVERY_LEVEL, &options.level[..]) {
                (true, []) if op == Op::Recall => Level::available().collect(),
                (_, []) => best.into_iter().collect(),
                (_, forced) => forced.to_vec(),
            };
            let row = Row { op, shape, dtype, threads: 1 };
            rows.extend(levels.into_iter().map(|level| (row, level)));
        }
    }
    rows
}

fn measure<T: Scalar>(
    row: Row,
    level: Level,
    buffers: &mut Buffers,
    options: &Options,
) -> Result<Value> {
    let Row { op, shape, dtype, .. } = row;
    let data = Data::<T>::random(shape, options.beta, 1.0);
    let setting = Setting { beta: options.beta, eta: ETA, threads: 1, level: Some(level) };
    let mut crate_ = Hopfield::new(&data, setting)?;
    crate_.associate();
    warm_up(&mut || crate_.call(op));

    let bytes = (shape.patterns * shape.dim * dtype.bytes()) as f64;
    let place = Place::of(bytes);
    // Patterns are read to recall, and read and written to learn.
    let accesses: &[(Access, f64)] = match op {
        Op::Recall => &[(Access::Read, 1.0)],
        Op::Evolve => &[(Access::ReadWrite, 2.0)],
        Op::Step => &[(Access::Read, 1.0), (Access::ReadWrite, 2.0)],
    };
    let mut floors = || {
        let arithmetic = shape.flops(op) / fma::rate(level, dtype, options.slice / 4.0);
        let seconds = |&(access, passes): &(Access, f64)| {
            passes * bytes / buffers.rate(place, access, options.slice / 4.0)
        };
        (arithmetic, accesses.iter().map(seconds).sum::<f64>())
    };
    let (mut times, mut roofs, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    let mut bounds = Vec::new();
    let mut before = floors();
    for _ in 0..options.rounds {
        let seconds = time_slice(options.slice, &mut || crate_.call(op)).seconds;
        let after = floors();
        let (arithmetic, memory) = ((before.0 + after.0) / 2.0, (before.1 + after.1) / 2.0);
        before = after;
        let roof = f64::max(arithmetic, memory);
        times.push(seconds);
        roofs.push(roof);
        shares.push(roof / seconds);
        bounds.push(arithmetic / memory);
    }
    let bound = if median(&bounds) > 1.0 { "FMA".to_string() } else { format!("{place:?}") };
    println!(
        "{row} {level:8} {:11.1} us  {:6.1} GF/s  {:6.1} GB/s  {:5.1}% of {bound}",
        1e6 * median(&times),
        shape.flops(op) / median(&times) / 1e9,
        accesses.iter().map(|access| access.1).sum::<f64>() * bytes / median(&times) / 1e9,
        100.0 * median(&shares)
    );
    let mut result = serde_json::to_value(row)?;
    result["level"] = level.name().into();
    result["bound"] = bound.into();
    result["seconds"] = json!({ "hopfield": times });
    result["roof_seconds"] = json!(roofs);
    result["share"] = json!(shares);
    Ok(result)
}
