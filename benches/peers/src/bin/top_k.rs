//! This crate's exact top-k as a worker of `reference/top_k.py`.
//!
//! Reads the arrays, writes a line of JSON with what it finds for every probe, and then answers
//! `go SECONDS` with the median time of a search. A search is for the next probes in turn.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use hopfield_kernels::{Codes, Context, MatMut, MatRef, Memory, Parallelism, top_k};
use hopfield_peers::{Result, machine, time_slice};
use ndarray::Array2;
use ndarray_npy::read_npy;
use serde_json::json;

/// Finds the k patterns that are most similar to each probe, when it is told to.
#[derive(Parser)]
struct Options {
    /// A .npy of N x D
    #[arg(long)]
    patterns: PathBuf,
    /// A .npy of so many probes x D
    #[arg(long)]
    probes: PathBuf,
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// Probes of a search
    #[arg(long, default_value_t = 1)]
    batch: usize,
    #[arg(long, default_value = "none")]
    codes: Bits,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bits {
    None,
    Eight,
    Four,
}

/// The memory, the probes, and what was found last.
struct Searcher {
    memory: Memory<f32>,
    probes: Array2<f32>,
    batch: usize,
    /// The first probe of the next search.
    next: usize,
    indices: Vec<Option<usize>>,
    scores: Vec<f32>,
    context: Context<f32>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut searcher = Searcher::new(&options)?;
    let mut found = Vec::new();
    for _ in 0..searcher.probes.nrows() / options.batch {
        searcher.search()?;
        found.extend(searcher.indices.chunks(options.k).map(<[_]>::to_vec));
    }
    let version = machine::peer_version("hopfield", None);
    say(&json!({ "indices": found, "version": version }))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["go", seconds] => {
                let mut search = || searcher.search().expect("it has searched before");
                say(&time_slice(seconds.parse()?, &mut search))?;
            }
            ["quit"] => break,
            _ => return Err(format!("unknown command: {line:?}").into()),
        }
    }
    Ok(())
}

impl Searcher {
    fn new(options: &Options) -> Result<Self> {
        let patterns = load(&options.patterns)?;
        let rows: Vec<f32> = patterns.iter().copied().collect();
        let memory = Memory::from_slice(&rows, patterns.ncols())?;
        let memory = match options.codes {
            Bits::None => memory,
            Bits::Eight => memory.with_codes(Codes::Eight)?,
            Bits::Four => memory.with_codes(Codes::Four)?,
        };
        let probes = load(&options.probes)?;
        if !(1..=probes.nrows()).contains(&options.batch) {
            return Err(format!("{} probes are no batch of {}", probes.nrows(), options.batch))?;
        }
        let found = options.batch * options.k;
        Ok(Self {
            memory,
            probes,
            batch: options.batch,
            next: 0,
            indices: vec![None; found],
            scores: vec![0.0; found],
            context: Context::new().with_parallelism(Parallelism::Serial),
        })
    }

    fn search(&mut self) -> Result<()> {
        if self.next + self.batch > self.probes.nrows() {
            self.next = 0;
        }
        let (dim, k) = (self.probes.ncols(), self.indices.len() / self.batch);
        let all = self.probes.as_slice().ok_or("the probes are not in C order")?;
        let probes = &all[self.next * dim..][..self.batch * dim];
        self.next += self.batch;
        top_k(
            MatRef::new(probes, self.batch, dim)?,
            &self.memory,
            MatMut::new(&mut self.indices, self.batch, k)?,
            MatMut::new(&mut self.scores, self.batch, k)?,
            &mut self.context,
        )?;
        Ok(())
    }
}

fn load(path: &Path) -> Result<Array2<f32>> {
    Ok(read_npy(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn say(answer: &impl serde::Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
