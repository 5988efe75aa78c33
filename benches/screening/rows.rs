//! What is measured.

use std::fmt;

use crate::arrays::Source;

/// Some patterns and a batch of probes, at some inverse temperatures.
pub struct Row {
    pub source: Source,
    /// B
    pub batch: usize,
    /// Whether numbers are `f64`.
    pub is_double: bool,
    pub betas: &'static [f64],
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_double { "f64" } else { "f32" };
        write!(f, "screening/{}/{kind}/{}", self.source.name(), self.batch)?;
        match self.source.shape() {
            Some((dim, patterns)) => write!(f, "x{dim}x{patterns}"),
            None => Ok(()),
        }
    }
}

fn row(source: Source, batch: usize, betas: &'static [f64]) -> Row {
    Row { source, batch, is_double: false, betas }
}

fn double(source: Source, batch: usize, betas: &'static [f64]) -> Row {
    Row { is_double: true, ..row(source, batch, betas) }
}

fn normal(dim: usize, patterns: usize) -> Source {
    Source::Normal { dim, patterns }
}

/// The lowest β of most rows is one at which nearly every pattern matters.
pub fn table() -> Vec<Row> {
    vec![
        row(normal(784, 60_000), 1, &[5.0, 20.0, 40.0, 100.0]),
        row(normal(784, 300_000), 1, &[40.0, 100.0]),
        row(normal(64, 1_000_000), 1, &[5.0, 20.0, 50.0, 100.0]),
        row(normal(784, 10_000), 128, &[5.0, 20.0, 40.0, 100.0]),
        row(Source::Digits, 256, &[0.5, 2.0, 8.0, 20.0, 50.0, 200.0]),
        double(normal(784, 60_000), 1, &[20.0, 60.0, 100.0]),
        double(normal(784, 10_000), 128, &[20.0, 60.0, 100.0]),
    ]
}

/// The same kinds of rows at sizes that take no time.
pub fn brief() -> Vec<Row> {
    vec![
        row(normal(784, 1_000), 1, &[5.0, 100.0]),
        row(normal(64, 10_000), 1, &[100.0]),
        row(normal(784, 500), 32, &[5.0, 100.0]),
        row(Source::Digits, 32, &[2.0, 50.0]),
        double(normal(784, 1_000), 8, &[100.0]),
    ]
}

/// Arrays of the folder.
pub fn real() -> Vec<Row> {
    vec![
        row(Source::Folder("patches"), 1, &[10.0, 40.0, 100.0, 200.0]),
        row(Source::Folder("patches"), 128, &[10.0, 40.0, 100.0, 200.0]),
        row(Source::Folder("sentences"), 1, &[10.0, 40.0, 100.0, 200.0]),
        row(Source::Folder("sentences"), 128, &[10.0, 40.0, 100.0, 200.0]),
    ]
}
