//! What the experiments have in common.
//!
//! | module | contains |
//! | --- | --- |
//! | [`digits`] | the digits that the repository ships, and corruptions of them |
//! | [`plot`] | figures of line charts |
//! | [`recall`] | readouts of weights, and distances |
//! | [`table`] | tables for the terminal and for files |

pub mod digits;
pub mod plot;
pub mod recall;
pub mod table;

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use table::Table;

/// The result type of all experiments.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How the experiments are run.
pub struct Setting {
    /// Whether small versions are wanted.
    pub quick: bool,
    /// The directory for tables and figures.
    pub out: PathBuf,
}

impl Setting {
    /// One value for the full version, another for the small one.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A progress bar of so many steps, on standard error. It is hidden where that is no terminal.
    pub fn bar(&self, name: &'static str, steps: usize) -> Result<ProgressBar> {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left")?;
        Ok(ProgressBar::new(steps as u64).with_style(style).with_message(name))
    }

    /// The path of the file of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// Prints a table, and writes the numbers behind it to `NAME.csv`.
    pub fn report(&self, name: &str, table: &Table, numbers: &Table) -> Result<()> {
        let path = self.path(&format!("{name}.csv"));
        std::fs::write(&path, numbers.to_csv()).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{table}");
        println!("{}: the numbers; {name}.svg: the figure", path.display());
        Ok(())
    }
}
