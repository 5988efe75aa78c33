//! Basins of attraction in the plane (as in Santos et al. 2024, arXiv 2402.13725 and 2411.08590,
//! with beta 4; Hoover et al. 2025, arXiv 2506.10801, for the Epanechnikov kernel and its memories
//! between patterns).
//!
//! Five patterns, squared Euclidean distances. Every point of a grid settles, and is coloured by
//! the fixed point that it reaches.

use hopfield_kernels::{Context, Memory, Retrieval, Separation, Settled, Similarity, Stop};
use plotters::prelude::*;

use crate::common::plot::{colour, page};
use crate::common::recall::{name, squared_distance};
use crate::common::table::{Table, percent};
use crate::common::{Result, Setting};

const PATTERNS: [[f64; 2]; 5] = [[-0.8, 0.7], [0.1, 0.9], [0.9, 0.2], [0.3, -0.7], [-0.5, -0.6]];
const SEPARATIONS: [Separation; 3] =
    [Separation::Softmax, Separation::Entmax(1.5), Separation::Epanechnikov(1.0)];
const BETAS: [f64; 2] = [4.0, 10.0];
/// The grid is from minus this to this.
const EDGE: f64 = 1.5;
/// Ends within this distance are the same fixed point.
const SAME: f64 = 1e-3;
/// A panel's side, in pixels, and the height of its title.
const SIDE: i32 = 400;
const HEAD: i32 = 24;
const GAP: i32 = 12;

/// Where the points of a grid settle.
struct Basins {
    separation: Separation,
    beta: f64,
    /// Fixed points that are reached from elsewhere.
    fixed: Vec<[f64; 2]>,
    /// Which of them each point reaches, row after row from the top; nothing where a point is
    /// outside of all kernels and stays where it is.
    reached: Vec<Option<usize>>,
    /// Steps of a point, on average.
    steps: f64,
}

/// Runs the experiment.
pub fn run(setting: &Setting) -> Result<()> {
    let side = setting.pick(200, 40);
    let bar = setting.bar("basins", SEPARATIONS.len() * BETAS.len())?;
    let mut all = Vec::new();
    for beta in BETAS {
        for separation in SEPARATIONS {
            all.push(Basins::of(separation, beta, side)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    setting.report("basins", &summary(&all), &numbers(&all))?;
    draw(&all, side as i32, &setting.path("basins.svg"))
}

/// The points of the grid, row after row from the top.
fn grid(side: usize) -> Vec<f64> {
    let place = |index: usize| EDGE * ((2 * index + 1) as f64 / side as f64 - 1.0);
    (0..side)
        .flat_map(|row| (0..side).flat_map(move |column| [place(column), -place(row)]))
        .collect()
}

impl Basins {
    fn of(separation: Separation, beta: f64, side: usize) -> Result<Self> {
        let (memory, start) = (Memory::from(PATTERNS), grid(side));
        let (mut ends, mut settled) = (start.clone(), Settled::new());
        let stop = Stop::new().tolerance(1e-9).max_steps(10_000);
        Retrieval::new(beta)
            .with_similarity(Similarity::NegHalfSquaredL2)
            .with_separation(separation)
            .settle(&memory, &mut ends, stop, &mut settled, &mut Context::new())?;
        let steps = settled.steps().iter().map(|&steps| f64::from(steps)).sum::<f64>();
        let (fixed, reached) = cluster(&start, &ends);
        Ok(Self { separation, beta, fixed, reached, steps: steps / (side * side) as f64 })
    }

    /// The pattern that a fixed point is.
    fn pattern(&self, fixed: usize) -> Option<usize> {
        let at = &self.fixed[fixed];
        PATTERNS.iter().position(|pattern| squared_distance(pattern, at).sqrt() <= SAME)
    }

    /// The share of the grid that reaches what `is_one` says.
    fn share(&self, is_one: impl Fn(Option<usize>) -> bool) -> f64 {
        let count = self.reached.iter().filter(|&&reached| is_one(reached)).count();
        count as f64 / self.reached.len() as f64
    }
}

/// The fixed points that are among ends, and which of them each end is. Points that have not moved
/// are none, unless others end there.
fn cluster(start: &[f64], ends: &[f64]) -> (Vec<[f64; 2]>, Vec<Option<usize>>) {
    let mut fixed: Vec<[f64; 2]> = Vec::new();
    let near = |fixed: &[[f64; 2]], end: &[f64]| {
        fixed.iter().position(|at| squared_distance(at, end).sqrt() <= SAME)
    };
    for (from, end) in start.chunks_exact(2).zip(ends.chunks_exact(2)) {
        if from != end && near(&fixed, end).is_none() {
            fixed.push([end[0], end[1]]);
        }
    }
    let reached = ends.chunks_exact(2).map(|end| near(&fixed, end)).collect();
    (fixed, reached)
}

fn summary(all: &[Basins]) -> Table {
    let heading = "basins: fixed points of five patterns in the plane, and the shares of the grid that reach\n\
                   a pattern, that reach a fixed point between patterns, and that stay where they are";
    let columns = [
        "separation",
        "beta",
        "fixed points",
        "of them patterns",
        "patterns",
        "between",
        "stay",
        "steps, mean",
    ];
    let mut table = Table::new(heading, &columns);
    for basins in all {
        let is_pattern = |fixed: usize| basins.pattern(fixed).is_some();
        let patterns = (0..basins.fixed.len()).filter(|&fixed| is_pattern(fixed)).count();
        table.push(vec![
            name(basins.separation),
            basins.beta.to_string(),
            basins.fixed.len().to_string(),
            patterns.to_string(),
            percent(basins.share(|reached| reached.is_some_and(is_pattern))),
            percent(basins.share(|reached| reached.is_some_and(|fixed| !is_pattern(fixed)))),
            percent(basins.share(|reached| reached.is_none())),
            format!("{:.1}", basins.steps),
        ]);
    }
    table
}

/// A row for each fixed point.
fn numbers(all: &[Basins]) -> Table {
    let mut table = Table::new("", &["separation", "beta", "x", "y", "pattern", "share_of_grid"]);
    for basins in all {
        for (fixed, [x, y]) in basins.fixed.iter().enumerate() {
            table.push(vec![
                name(basins.separation),
                basins.beta.to_string(),
                x.to_string(),
                y.to_string(),
                basins.pattern(fixed).map_or(String::new(), |pattern| pattern.to_string()),
                basins.share(|reached| reached == Some(fixed)).to_string(),
            ]);
        }
    }
    table
}

/// A panel for each separation and inverse temperature.
fn draw(all: &[Basins], side: i32, path: &std::path::Path) -> Result<()> {
    let (columns, rows) = (SEPARATIONS.len() as i32, BETAS.len() as i32);
    let size = ((columns * (SIDE + GAP) + GAP) as u32, (rows * (SIDE + HEAD + GAP) + 60) as u32);
    let title =
        "Basins of five patterns (black) and fixed points (white); grey points stay where they are";
    let root = page(path, size, title)?;
    for (at, basins) in all.iter().enumerate() {
        let (column, row) = (at as i32 % columns, at as i32 / columns);
        let corner = (GAP + column * (SIDE + GAP), row * (SIDE + HEAD + GAP));
        let head = format!("{}, beta {}", name(basins.separation), basins.beta);
        root.draw(&Text::new(head, (corner.0, corner.1 + 6), ("sans-serif", 17)))?;
        let corner = (corner.0, corner.1 + HEAD);
        for (from, to, colour) in runs(basins, side) {
            let area = [(corner.0 + from.0, corner.1 + from.1), (corner.0 + to.0, corner.1 + to.1)];
            root.draw(&Rectangle::new(area, colour.filled()))?;
        }
        let place = |[x, y]: [f64; 2]| {
            let pixel = |z: f64| ((z / EDGE + 1.0) / 2.0 * f64::from(SIDE)).round() as i32;
            (corner.0 + pixel(x), corner.1 + pixel(-y))
        };
        for &at in &basins.fixed {
            root.draw(&Circle::new(place(at), 7, WHITE.filled()))?;
            root.draw(&Circle::new(place(at), 7, BLACK.stroke_width(1)))?;
        }
        for at in PATTERNS {
            root.draw(&Circle::new(place(at), 4, BLACK.filled()))?;
        }
    }
    root.present()?;
    Ok(())
}

/// Two corners of a rectangle, and its colour.
type Run = ((i32, i32), (i32, i32), RGBColor);

/// The points of each row of the grid that are next to one another and reach the same fixed point.
fn runs(basins: &Basins, side: i32) -> Vec<Run> {
    let pixel = |index: i32| index * SIDE / side;
    let mut runs = Vec::new();
    for (row, points) in basins.reached.chunks_exact(side as usize).enumerate() {
        let (row, mut column) = (row as i32, 0);
        for same in points.chunk_by(|a, b| a == b) {
            let end = column + same.len() as i32;
            let from = (pixel(column), pixel(row));
            runs.push((from, (pixel(end), pixel(row + 1)), shade(basins, same[0])));
            column = end;
        }
    }
    runs
}

/// The colour of a point: strong where it reaches a pattern, light where it reaches a mixture.
fn shade(basins: &Basins, reached: Option<usize>) -> RGBColor {
    let Some(fixed) = reached else { return RGBColor(225, 225, 225) };
    match basins.pattern(fixed) {
        Some(pattern) => colour(pattern),
        None => {
            let RGBColor(r, g, b) = colour(fixed);
            let mix = |channel: u8| 255 - (255 - channel) / 2;
            RGBColor(mix(r), mix(g), mix(b))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_begins_at_the_upper_left() {
        let grid = grid(3);
        assert_eq!(grid[..4], [-1.0, 1.0, 0.0, 1.0]);
        assert_eq!(grid[16..], [1.0, -1.0]);
    }

    #[test]
    fn ends_are_clustered_and_points_that_stay_are_not() {
        let (start, ends) = ([0.0, 0.0, 1.0, 1.0, 5.0, 5.0], [0.5, 0.5, 0.5, 0.5004, 5.0, 5.0]);
        let (fixed, reached) = cluster(&start, &ends);
        assert_eq!((fixed, reached), (vec![[0.5, 0.5]], vec![Some(0), Some(0), None]));
    }

    #[test]
    fn isolated_kernels_have_the_patterns_as_fixed_points() {
        let basins = Basins::of(Separation::Epanechnikov(1.0), 50.0, 50).unwrap();
        assert_eq!(basins.fixed.len(), 5);
        assert!((0..5).all(|fixed| basins.pattern(fixed).is_some()));
        // Five discs of radius 1/5 in a square of side 3.
        let area = 5.0 * std::f64::consts::PI * 0.04 / 9.0;
        assert!((basins.share(|reached| reached.is_some()) - area).abs() < 0.01);
    }
}
