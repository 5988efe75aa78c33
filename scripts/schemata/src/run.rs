//! Runs the tests once for each mutant, until the first that fails.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{Mutant, woven};

/// Longer than any of the binaries takes without a mutant.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Runs the test binaries (each with its arguments, in one string), one after another, for every woven
/// mutant that has no outcome yet in `COPY/outcomes.txt`.
pub fn run(mutants: &[Mutant], copy: &Path, binaries: &[&str]) -> Result<()> {
    let path = copy.join("outcomes.txt");
    let known = fs::read_to_string(&path).unwrap_or_default();
    let known: Vec<&str> = known.lines().filter_map(|line| line.split(' ').next()).collect();
    let numbers = fs::read_to_string(woven(copy)).context("nothing is woven yet")?;
    let numbers: Vec<&str> = numbers.lines().filter(|number| !known.contains(number)).collect();
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some(number) = numbers.get(next.fetch_add(1, Relaxed)) {
                let begun = Instant::now();
                let outcome = binaries.iter().find_map(|binary| outcome(number, binary, copy));
                let outcome = outcome.unwrap_or_else(|| "SURVIVED".into());
                let index: usize = number.parse()?;
                let name = &mutants[index - 1].name;
                let line = format!("{number} {outcome} after {:.0?}: {name}\n", begun.elapsed());
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&path)?
                    .write_all(line.as_bytes())?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker"))
    })
}

/// How the tests notice, if they do.
fn outcome(number: &str, binary: &str, copy: &Path) -> Option<String> {
    let mut words = binary.split(' ');
    let mut child = Command::new(words.next()?)
        .args(words)
        .args(["--test-threads", "1"])
        .env("SCHEMATA_MUTANT", number)
        // What proptest writes down of a mutant's failure stays in the copy.
        .current_dir(copy)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a test binary");
    let output = child.stdout.take().expect("it is piped");
    let (lines, said) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + TIMEOUT;
    let noticed = loop {
        match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.ends_with("FAILED") => {
                break Some(format!("caught by {}", line.replace("test ", "")));
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => break Some("timed out".into()),
            // The end: of the process itself where a test has ended it.
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait().expect("a child");
                return (!status.success()).then(|| format!("ended by {status}"));
            }
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    noticed
}
