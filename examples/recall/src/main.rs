//! Recall of handwritten digits: `cargo run --release -p recall`.
//!
//! Stores images, corrupts them, recalls them from what is left, and prints how well and how fast;
//! `recall.png` shows a dozen. `--learn` learns the images instead of storing them, `--separation`
//! and `--similarity` weigh them in other ways, and `--patterns` recalls arrays of your own: see
//! `--help`.

mod arrays;
mod cli;
mod digits;
mod files;
mod learn;
mod npy;
mod picture;
mod reading;
mod table;
mod weighing;

use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let outcome = cli::parse().and_then(|job| match job {
        cli::Job::Help(text) => {
            print!("{text}");
            Ok(())
        }
        cli::Job::Digits(weighing) => {
            table::run(&weighing).and_then(|()| picture::run("recall.png".as_ref(), &weighing))
        }
        cli::Job::Learn => learn::run(),
        cli::Job::Arrays(task, weighing) => arrays::run(&task, &weighing),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("recall: {error}");
            ExitCode::from(2)
        }
    }
}
