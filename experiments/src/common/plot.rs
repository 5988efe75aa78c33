//! Figures of line charts.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::Result;

const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 96, 20),
    RGBColor(44, 140, 60),
    RGBColor(190, 40, 50),
    RGBColor(130, 90, 180),
    RGBColor(120, 80, 60),
    RGBColor(215, 110, 185),
    RGBColor(90, 90, 90),
];
/// Of a panel.
const SIZE: (u32, u32) = (360, 280);
const TITLE: u32 = 34;
const LEGEND: u32 = 26;

/// The colour of line `index`.
pub fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// Panels in a grid, with one legend for all.
pub struct Figure<'a> {
    /// What all of it shows.
    pub title: &'a str,
    /// What the lines of each colour are.
    pub labels: Vec<String>,
    /// Panels in a row.
    pub columns: usize,
    /// Row after row.
    pub panels: Vec<Panel>,
}

/// A chart of lines.
pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    /// The label that each line belongs to, and its points.
    pub lines: Vec<(usize, Vec<(f64, f64)>)>,
}

/// An axis: its name, its range, and the base of its logarithm if it has one.
#[derive(Clone)]
pub struct Axis {
    pub name: String,
    pub range: Range<f64>,
    pub base: Option<f64>,
}

impl Axis {
    /// A linear axis.
    pub fn linear(name: &str, range: Range<f64>) -> Self {
        Self { name: name.into(), range, base: None }
    }

    /// A logarithmic axis over these numbers.
    pub fn log(name: &str, base: f64, range: Range<f64>) -> Self {
        let range = range.start.log(base)..range.end.log(base);
        Self { name: name.into(), range, base: Some(base) }
    }

    /// Where a number is on the axis; not finite where there is no such place.
    fn place(&self, number: f64) -> f64 {
        self.base.map_or(number, |base| number.log(base))
    }

    /// The label of a place.
    fn label(&self, place: f64) -> String {
        match self.base {
            Some(10.0) => format!("1e{place}"),
            Some(base) => format!("{}", (100.0 * base.powf(place)).round() / 100.0),
            None => format!("{}", (1000.0 * place).round() / 1000.0),
        }
    }

    /// Whether a place is within the range.
    fn shows(&self, place: f64) -> bool {
        self.range.start <= place && place <= self.range.end
    }
}

impl Figure<'_> {
    /// Draws the figure as SVG.
    pub fn write(&self, path: &Path) -> Result<()> {
        let rows = self.panels.len().div_ceil(self.columns);
        let size = (SIZE.0 * self.columns as u32, SIZE.1 * rows as u32 + TITLE + LEGEND);
        let root = page(path, size, self.title)?;
        let (legend, grid) = root.split_vertically(LEGEND);
        self.legend(&legend)?;
        for (panel, area) in self.panels.iter().zip(grid.split_evenly((rows, self.columns))) {
            panel.draw(&area)?;
        }
        root.present()?;
        Ok(())
    }

    fn legend(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
        let mut x = 20;
        for (index, label) in self.labels.iter().enumerate() {
            area.draw(&PathElement::new([(x, 12), (x + 22, 12)], colour(index).stroke_width(3)))?;
            area.draw(&Text::new(label.clone(), (x + 28, 6), ("sans-serif", 16)))?;
            x += 44 + 7 * label.chars().count() as i32;
        }
        Ok(())
    }
}

impl Panel {
    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .caption(&self.title, ("sans-serif", 17))
            .x_label_area_size(36)
            .y_label_area_size(50)
            .build_cartesian_2d(self.x.range.clone(), self.y.range.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_labels(8)
            .y_labels(6)
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 15))
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .x_label_formatter(&|&place| self.x.label(place))
            .y_label_formatter(&|&place| self.y.label(place))
            .draw()?;
        for (index, points) in &self.lines {
            let place = |&(x, y): &(f64, f64)| (self.x.place(x), self.y.place(y));
            let shown = |&(x, y): &(f64, f64)| self.x.shows(x) && self.y.shows(y);
            let places: Vec<_> = points.iter().map(place).filter(shown).collect();
            let style = colour(*index).stroke_width(2);
            chart.draw_series(LineSeries::new(places.iter().copied(), style))?;
            let dot = |&place| Circle::new(place, 2, colour(*index).filled());
            chart.draw_series(places.iter().map(dot))?;
        }
        Ok(())
    }
}

/// A white page with a title.
pub fn page<'a>(
    path: &'a Path,
    (width, height): (u32, u32),
    title: &str,
) -> Result<DrawingArea<SVGBackend<'a>, Shift>> {
    let root = SVGBackend::new(path, (width, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(TITLE);
    head.draw(&Text::new(title.to_owned(), (20, 10), ("sans-serif", 21)))?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_labels_of_a_logarithmic_axis() {
        let axis = Axis::log("n", 2.0, 2.0..16.0);
        assert_eq!(axis.range, 1.0..4.0);
        assert_eq!(axis.place(8.0), 3.0);
        assert_eq!(axis.label(3.0), "8");
        assert_eq!(Axis::log("n", 10.0, 0.01..1.0).label(-2.0), "1e-2");
        assert!(axis.shows(4.0) && !axis.shows(axis.place(0.0)));
        assert_eq!(Axis::linear("n", 0.0..1.0).label(0.25), "0.25");
    }
}
