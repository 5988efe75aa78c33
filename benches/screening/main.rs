//! Recall that leaves out what cannot matter, beside recall that scores and weighs every pattern.
//!
//! ```text
//! cargo bench -p benches --bench screening                        the table, on random patterns
//! cargo bench -p benches --bench screening -- --data FOLDER       and on real ones
//! cargo bench -p benches --bench screening -- --brief             small sizes: does it work?
//! cargo bench -p benches --bench screening -- 1x784x60000         the rows with this in their name
//! ```
//!
//! `benches/peers/reference/real_data.py` fills the folder. One process, one thread: the ways take
//! turns, and who begins changes from round to round. A turn is a call that is not timed, which
//! brings the patterns or codes back into the caches that can hold them, and the median of the
//! calls of a slice of time. The largest row takes 5 GB of memory.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::contest::Settings;
use crate::rows::Row;

mod arrays;
mod contest;
mod rows;

/// Whatever went wrong, to be printed.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Times recall with and without screening, turn by turn in one run.
#[derive(Parser)]
struct Options {
    /// Rows whose name contains this
    filter: Option<String>,
    /// Small sizes and short turns
    #[arg(long, alias = "quick")]
    brief: bool,
    /// A folder with real arrays
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 0.1)]
    slice: f64,
    // What `cargo bench` and criterion's other programs are told.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, hide = true)]
    noplot: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut rows = if options.brief { rows::brief() } else { rows::table() };
    if options.data.is_some() {
        rows.extend(rows::real());
    }
    let filter = options.filter.as_deref().unwrap_or_default();
    rows.retain(|row| row.to_string().contains(filter));
    if rows.is_empty() {
        return Ok(());
    }
    let settings = match options.brief {
        true => Settings { rounds: 3, seconds: 0.01 },
        false => Settings { rounds: options.rounds, seconds: options.slice },
    };
    println!("{}", contest::HEAD);
    for row in rows {
        measure(&row, options, settings)?;
    }
    Ok(())
}

fn measure(row: &Row, options: &Options, settings: Settings) -> Result<()> {
    let arrays = row.source.arrays(row.batch, options.data.as_deref())?;
    if row.is_double {
        contest::measure::<f64>(row, arrays, settings)
    } else {
        contest::measure::<f32>(row, arrays, settings)
    }
}
