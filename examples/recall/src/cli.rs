//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::error::ErrorKind;

use crate::Result;
use crate::weighing::Weighing;

/// Recalls corrupted images from a modern Hopfield network.
///
/// Without options: stores the handwritten digits of examples/recall/data, recalls them from
/// corrupted probes, prints a table and writes recall.png.
#[derive(Parser)]
#[command(name = "recall", version)]
struct Options {
    /// Start from random patterns and learn the digits by the delta rule
    #[arg(long, conflicts_with_all = ["patterns", "probes", "out"])]
    #[arg(conflicts_with_all = ["separation", "similarity"])]
    learn: bool,
    #[command(flatten)]
    weighing: Weighing,
    #[command(flatten)]
    arrays: Option<Task>,
}

/// A recall of the user's own arrays.
#[derive(clap::Args)]
pub struct Task {
    /// Patterns to recall from: an N x D array of numbers of any type
    ///
    /// Values are used as they are: nothing is centred, normalised or scaled.
    #[arg(long, value_name = "P.npy", required = false, requires_all = ["probes", "out"])]
    pub patterns: PathBuf,
    /// Probes to recall: a B x D array of numbers of any type
    #[arg(long, value_name = "Q.npy", required = false, requires_all = ["patterns", "out"])]
    pub probes: PathBuf,
    /// Where the recalled probes (B x D) are to be written: float64 if one of the arrays is, or has
    /// integers of 32 or 64 bits, else float32
    #[arg(long, value_name = "R.npy", required = false, requires_all = ["patterns", "probes"])]
    pub out: PathBuf,
    /// Inverse temperature: the higher, the more a probe recalls a single pattern
    #[arg(long, value_name = "F", default_value_t = 8.0, requires = "patterns")]
    #[arg(allow_negative_numbers = true)]
    pub beta: f64,
    /// Updates of every probe [default: until it moves no more, at most 1000]
    #[arg(long, value_name = "N", requires = "patterns")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: Option<u32>,
    /// Values of the patterns: an N x E array of numbers of any type, a row for each pattern
    ///
    /// What is written is B x E then: for each probe the sum of the values, weighted as their
    /// patterns are. The last of the --steps reads them out, and the others update the probe: with
    /// --steps 1 this is attention. Without --steps, they are read out where the probe moves no
    /// more.
    #[arg(long, value_name = "V.npy", requires = "patterns")]
    pub values: Option<PathBuf>,
}

/// What to do.
pub enum Job {
    Help(String),
    Digits(Weighing),
    Learn,
    Arrays(Task, Weighing),
}

/// Reads the command line. An error is one line.
pub fn parse() -> Result<Job> {
    match Options::try_parse() {
        Ok(Options { learn: true, .. }) => Ok(Job::Learn),
        Ok(Options { arrays: Some(task), weighing, .. }) => Ok(Job::Arrays(task, weighing)),
        Ok(Options { weighing, .. }) => Ok(Job::Digits(weighing)),
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Job::Help(e.to_string()))
        }
        Err(e) => {
            // Of clap's paragraphs, the first says what is wrong.
            let text = e.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<_> = first.trim_start_matches("error: ").split_whitespace().collect();
            Err(format!("{} (--help tells more)", words.join(" ")).into())
        }
    }
}
