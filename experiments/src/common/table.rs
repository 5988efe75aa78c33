//! Tables for the terminal and for files.

use std::fmt;

/// A table of texts, with a heading and a name for each column.
pub struct Table {
    heading: String,
    /// How many columns, from the first one, are aligned to the left.
    left: usize,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table, whose first column is aligned to the left and the others to the right.
    pub fn new(heading: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Self { heading: heading.into(), left: 1, columns, rows: Vec::new() }
    }

    /// Aligns so many columns to the left.
    pub fn left(self, left: usize) -> Self {
        Self { left, ..self }
    }

    /// Appends a row, which has a text for each column.
    pub fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.columns.len(), "{row:?}");
        self.rows.push(row);
    }

    /// The table as comma-separated values, without the heading.
    pub fn to_csv(&self) -> String {
        let lines = std::iter::once(&self.columns).chain(&self.rows);
        lines
            .map(|row| row.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",") + "\n")
            .collect()
    }
}

/// A text as a field of comma-separated values.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].chars().count()).max();
        let widths: Vec<_> = (0..self.columns.len()).map(|c| width(c).unwrap_or(0)).collect();
        writeln!(f, "{}\n", self.heading)?;
        for row in lines() {
            let mut line = String::new();
            for (column, (text, &width)) in row.iter().zip(&widths).enumerate() {
                let gap = if column > 0 { "  " } else { "" };
                line += &match column < self.left {
                    true => format!("{gap}{text:width$}"),
                    false => format!("{gap}{text:>width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A share as per cent.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Heading.", &["name", "n"]);
        table.push(vec!["a, b".into(), "10".into()]);
        table.push(vec!["c".into(), "3".into()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(table().to_string(), "Heading.\n\nname   n\na, b  10\nc      3\n");
        assert_eq!(table().left(2).to_string(), "Heading.\n\nname  n\na, b  10\nc     3\n");
    }

    #[test]
    fn fields_with_commas_are_quoted() {
        assert_eq!(table().to_csv(), "name,n\n\"a, b\",10\nc,3\n");
        assert_eq!(quoted("say \"x\""), "\"say \"\"x\"\"\"");
    }

    #[test]
    fn shares_are_per_cent() {
        assert_eq!(percent(0.1234), "12.3%");
    }
}
