//! This crate as a worker of `peers.py`: the protocol is in `workers.py`.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use clap::Parser;
use hopfield_kernels::Level;
use hopfield_peers::{
    Data, Dtype, ETA, Op, RUST_PEERS, Result, Row, Scalar, Setting, Shape, checksum, learned,
    machine, on_threads, time_slice, warm_up,
};
use serde_json::json;

/// One worker of the comparison: computes when it is told to.
#[derive(Parser)]
struct Options {
    /// Who computes
    #[arg(long, default_value = "hopfield", value_parser = RUST_PEERS)]
    peer: String,
    #[arg(long)]
    op: Op,
    #[arg(long)]
    batch: usize,
    #[arg(long)]
    dim: usize,
    #[arg(long)]
    patterns: usize,
    #[arg(long)]
    dtype: Dtype,
    #[arg(long)]
    threads: usize,
    #[arg(long, default_value_t = 8.0)]
    beta: f64,
    /// A .npz with M (N x D) and X (B x D) [default: random ones]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Level of this crate's kernels [default: the best]
    #[arg(long)]
    level: Option<Level>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    on_threads(options.threads, || match options.dtype {
        Dtype::F32 => serve::<f32>(&options),
        Dtype::F64 => serve::<f64>(&options),
    })
}

fn serve<T: Scalar>(options: &Options) -> Result<()> {
    let &Options { ref peer, op, batch, dim, patterns, dtype, threads, beta, level, .. } = options;
    let shape = Shape { batch, dim, patterns };
    let row = Row { op, shape, dtype, threads };
    let data = match &options.data {
        Some(path) => Data::<T>::read(path, shape)?,
        None => Data::random(shape, beta, 1.0),
    };
    let setting = Setting { beta, eta: ETA, threads, level };
    let mut worker = setting.peer(peer, row, &data)?.ok_or("this peer leaves this row out")?;
    worker.associate();
    let mut ready = json!({
        "ready": true,
        "checksum": checksum(worker.recalled()),
        "version": machine::peer_version(peer, level),
    });
    if op != Op::Recall {
        let update = learned(peer, row, &data, setting)?;
        ready["update_checksum"] = update.map(|update| checksum(&update)).into();
    }
    let mut call = || worker.call(op);
    warm_up(&mut call);
    say(&ready)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["go", seconds] => say(&time_slice(seconds.parse()?, &mut call))?,
            ["quit"] => break,
            _ => return Err(format!("unknown command: {line:?}").into()),
        }
    }
    Ok(())
}

fn say(answer: &impl serde::Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
