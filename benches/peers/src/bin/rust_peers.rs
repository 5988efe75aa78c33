//! This crate beside compositions over matrixmultiply, gemm and faer, and beside plain loops.
//!
//! Every peer's results are compared with this crate's before anything is timed. Then, in each
//! round, everybody computes for a slice of time; who begins changes from round to round.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser;
use hopfield_kernels::{Context, MatRef, Memory, Outputs, Retrieval};
use hopfield_peers::{
    Data, Dtype, ETA, Op, Peer, RUST_PEERS, Result, Row, Scalar, Setting, Shape, Sizes, Slice,
    checksum, digits, learned, machine, median, on_threads, time_slice, warm_up,
};
use serde_json::{Value, json};

/// Times this crate and its Rust peers, turn by turn in one run.
#[derive(Parser)]
struct Options {
    /// table, quick, or [OP:]BxDxN,...
    #[arg(long, default_value = "table")]
    sizes: Sizes,
    /// Operations
    #[arg(long, value_delimiter = ',', default_values = ["recall", "evolve", "step"])]
    only: Vec<Op>,
    #[arg(long, value_delimiter = ',', default_values = ["f32"])]
    dtype: Vec<Dtype>,
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 0.3)]
    slice: f64,
    #[arg(long, default_value_t = 8.0)]
    beta: f64,
    /// Standard deviation of beta S
    #[arg(long, default_value_t = 1.0)]
    spread: f64,
    /// Leave out the digits, whose weights are mostly zero
    #[arg(long)]
    no_digits: bool,
    /// Write the results to a file
    #[arg(long, value_name = "OUT.json")]
    json: Option<PathBuf>,
}

/// Probes of the rows with digits.
const DIGITS: usize = 256;

/// Who takes part in a row.
struct Contestant<'d, T> {
    name: &'static str,
    peer: Box<dyn Peer<T> + 'd>,
    slices: Vec<Slice>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let versions: BTreeMap<_, _> =
        RUST_PEERS.map(|peer| (peer, machine::peer_version(peer, None))).into();
    let settings = json!({ "rounds": options.rounds, "slice": options.slice,
        "beta": options.beta, "spread": options.spread });
    let mut report = json!({ "machine": machine::describe(), "versions": versions,
        "settings": settings, "rows": [] });
    println!("{}", report["machine"]);
    for (row, with_digits) in rows(&options) {
        let result = on_threads(row.threads, || match row.dtype {
            Dtype::F32 => measure::<f32>(row, with_digits, &options),
            Dtype::F64 => measure::<f64>(row, with_digits, &options),
        })?;
        report["rows"].as_array_mut().expect("made above").push(result);
        // After every row: a run that is cut short is not lost.
        if let Some(path) = &options.json {
            std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
        }
    }
    Ok(())
}

/// The rows of the run; `true` for those with digits.
fn rows(options: &Options) -> Vec<(Row, bool)> {
    let mut rows = Vec::new();
    for &dtype in &options.dtype {
        for &threads in &options.threads {
            let row = |op, shape| Row { op, shape, dtype, threads };
            let sizes = options.sizes.with_ops(&options.only).into_iter();
            rows.extend(sizes.map(|(op, shape)| (row(op, shape), false)));
            if !options.no_digits && options.only.contains(&Op::Recall) {
                let shape = Shape { batch: DIGITS, dim: 64, patterns: 1797 };
                rows.push((row(Op::Recall, shape), true));
            }
        }
    }
    rows
}

fn measure<T: Scalar>(row: Row, with_digits: bool, options: &Options) -> Result<Value> {
    let dense = Data::<T>::random(row.shape, options.beta, options.spread);
    let digits = if with_digits { Some(digits(DIGITS)?) } else { None };
    let data = digits.as_ref().unwrap_or(&dense);
    let setting = Setting { beta: options.beta, eta: ETA, threads: row.threads, level: None };
    let counting = weights_that_count(data, options.beta)?;
    println!(
        "{row}{}  {:.0}% of the weights count",
        if with_digits { " digits" } else { "" },
        100.0 * counting
    );

    let mut contestants: Vec<Contestant<'_, T>> = Vec::new();
    let (mut ready, mut failures) = (BTreeMap::new(), BTreeMap::new());
    let mut reference: Option<(Vec<T>, Vec<T>)> = None;
    for name in RUST_PEERS {
        let Some(mut peer) = setting.peer(name, row, data)? else { continue };
        peer.associate();
        let recalled = peer.recalled().to_vec();
        let update = match row.op {
            Op::Recall => Vec::new(),
            _ => learned(name, row, data, setting)?.unwrap_or_default(),
        };
        ready.insert(
            name,
            json!({ "checksum": checksum(&recalled),
            "update_checksum": (row.op != Op::Recall).then(|| checksum(&update)) }),
        );
        let results = (recalled, update);
        let ours = reference.get_or_insert_with(|| results.clone());
        let difference = difference(&ours.0, &results.0).max(difference(&ours.1, &results.1));
        if difference <= T::TOLERANCE {
            contestants.push(Contestant { name, peer, slices: Vec::new() });
        } else {
            failures.insert(name, format!("its results differ by {difference:.1e}"));
        }
    }
    if with_digits {
        // The same size at dense weights, for what the zeros save.
        if let Some(mut peer) = setting.peer("hopfield", row, &dense)? {
            peer.associate();
            contestants.push(Contestant { name: "hopfield-dense", peer, slices: Vec::new() });
        }
    }
    compete(&mut contestants, row.op, options);
    for (name, failure) in &failures {
        println!("  {name:15} failed: {failure}");
    }
    let each = |value: fn(&Slice) -> Value| -> BTreeMap<_, Vec<_>> {
        let values = |who: &Contestant<'_, T>| (who.name, who.slices.iter().map(value).collect());
        contestants.iter().map(values).collect()
    };
    let mut result = serde_json::to_value(row)?;
    result["data"] = if with_digits { "digits" } else { "random" }.into();
    result["valid"] = failures.is_empty().into();
    result["ready"] = json!(ready);
    result["failures"] = json!(failures);
    result["weights_that_count"] = counting.into();
    result["seconds"] = json!(each(|slice| slice.seconds.into()));
    result["calls"] = json!(each(|slice| slice.calls.into()));
    show(row, &contestants);
    Ok(result)
}

/// Everybody's turns.
fn compete<T: Scalar>(contestants: &mut [Contestant<'_, T>], op: Op, options: &Options) {
    for contestant in contestants.iter_mut() {
        warm_up(&mut || contestant.peer.call(op));
    }
    let count = contestants.len();
    for round in 0..options.rounds {
        for turn in 0..count {
            let contestant = &mut contestants[(round + turn) % count];
            let slice = time_slice(options.slice, &mut || contestant.peer.call(op));
            contestant.slices.push(slice);
        }
    }
}

fn show<T>(row: Row, contestants: &[Contestant<'_, T>]) {
    let seconds = |who: &Contestant<'_, T>| -> Vec<f64> {
        who.slices.iter().map(|slice| slice.seconds).collect()
    };
    let ours = seconds(&contestants[0]);
    let mut table: Vec<_> = contestants.iter().map(|who| (who.name, seconds(who))).collect();
    table.sort_by(|a, b| median(&a.1).total_cmp(&median(&b.1)));
    for (name, theirs) in table {
        let ratios: Vec<f64> = theirs.iter().zip(&ours).map(|(t, o)| t / o).collect();
        let time = median(&theirs);
        let least = theirs.iter().copied().fold(f64::INFINITY, f64::min);
        let most = theirs.iter().copied().fold(0.0, f64::max);
        println!(
            "  {name:15} {:11.1} us  [{:.1} .. {:.1}]  {:6.1} GF/s  x{:.2}",
            1e6 * time,
            1e6 * least,
            1e6 * most,
            row.shape.flops(row.op) / time / 1e9,
            median(&ratios)
        );
    }
}

/// The largest difference, relative to the largest value.
fn difference<T: Scalar>(ours: &[T], theirs: &[T]) -> f64 {
    let largest = ours.iter().map(|value| value.to_f64().abs()).fold(0.0, f64::max);
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a.to_f64() - b.to_f64()).abs());
    let most = differences.fold(0.0, |a: f64, b| if b.is_nan() { f64::NAN } else { a.max(b) });
    if ours.is_empty() { 0.0 } else { most / largest }
}

/// The share of weights that this crate does not leave out.
fn weights_that_count<T: Scalar>(data: &Data<T>, beta: f64) -> Result<f64> {
    let Shape { batch, dim, patterns } = data.shape;
    let memory = Memory::from_rows(MatRef::new(&data.patterns, patterns, dim)?)?;
    let mut support = vec![0; batch];
    Retrieval::new(T::from_f64(beta)).run(
        MatRef::new(&data.probes, batch, dim)?,
        &memory,
        Outputs::new().with_support(&mut support),
        &mut Context::new(),
    )?;
    Ok(support.iter().sum::<usize>() as f64 / (batch * patterns) as f64)
}
