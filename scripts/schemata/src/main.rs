//! Mutation testing with one build for all mutants, instead of one for each.
//!
//! cargo-mutants names the mutants (`cargo mutants --list --json`). Each is woven into a copy of the
//! sources, where a number decides at run time which of them is alive: the *mutant schemata* of Untch,
//! Offutt & Harrold (ISSTA 1993).
//!
//! ```text
//! a + b            becomes   match (a, b) { (l, r) => match mutant() { 17 => l - r, 18 => l * r, _ => l + r } }
//! !a               becomes   match a { x => match mutant() { 19 => x, _ => !x } }
//! fn f() { ... }   becomes   fn f() { if mutant() == 20 { return default; } ... }
//! arm => ...       becomes   arm if mutant() != 21 => ...
//! ```
//!
//! What is constant cannot ask at run time, fields of structs are not woven, and what does not compile is
//! left out: all of it is printed, for cargo-mutants itself to be run on.

mod run;
mod weave;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A mutant, as cargo-mutants lists it.
#[derive(Debug, Clone, Deserialize)]
pub struct Mutant {
    pub name: String,
    pub file: String,
    pub genre: String,
    pub replacement: String,
    pub span: Span,
}

/// Where: lines and columns count from 1.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Span {
    pub start: Place,
    pub end: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

fn read(list: &str) -> Result<Vec<Mutant>> {
    let text = fs::read_to_string(list).with_context(|| format!("reading {list}"))?;
    serde_json::from_str(&text).with_context(|| format!("{list} is not a list of mutants"))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["weave", list, copy] => weave::weave(&read(list)?, Path::new(copy)),
        ["run", list, copy, ref binaries @ ..] if !binaries.is_empty() => {
            run::run(&read(list)?, Path::new(copy), binaries)
        }
        _ => bail!(
            "usage: schemata weave MUTANTS.json COPY | schemata run MUTANTS.json COPY BINARY ..."
        ),
    }
}

/// The numbers of the mutants that are woven in, one a line.
fn woven(copy: &Path) -> PathBuf {
    copy.join("woven.txt")
}
