//! Experiments of the literature on modern Hopfield networks, reproduced with this crate:
//! `cargo run --release -p experiments`.
//!
//! Each experiment prints a table, and writes a CSV with all of its numbers and an SVG with a
//! figure. `-- NAME` runs one of them, `-- --quick` a small version of each.

mod basins;
mod capacity;
mod common;
mod energies;
mod metastable;
mod similarities;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use common::{Result, Setting};

/// What an experiment is called, and the function that runs it.
type Experiment = (&'static str, fn(&Setting) -> Result<()>);

const EXPERIMENTS: [Experiment; 5] = [
    ("similarities", similarities::run),
    ("metastable", metastable::run),
    ("capacity", capacity::run),
    ("energies", energies::run),
    ("basins", basins::run),
];

/// Reproduces experiments of the literature on modern Hopfield networks.
///
/// Each prints a table, and writes NAME.csv and NAME.svg.
#[derive(Parser)]
#[command(name = "experiments", version)]
struct Options {
    /// Experiments to run [default: all of them]
    #[arg(value_name = "NAME", value_parser = EXPERIMENTS.map(|(name, _)| name))]
    names: Vec<String>,
    /// Run small versions, which take seconds
    #[arg(long)]
    quick: bool,
    /// Directory for the tables and figures; it is made if it is not there
    #[arg(long, value_name = "DIR", default_value = "target/experiments")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("experiments: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let out = &options.out;
    std::fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    let setting = Setting { quick: options.quick, out: out.clone() };
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|n| n == name);
    for (name, experiment) in EXPERIMENTS.into_iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        experiment(&setting).map_err(|e| format!("{name}: {e}"))?;
        println!("{name}: {:.1} s\n", start.elapsed().as_secs_f64());
    }
    Ok(())
}
