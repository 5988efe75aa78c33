//! Similarities x separations x loads: the capacity figures of Universal Hopfield Networks
//! (Millidge et al. 2022, arXiv 2202.04557), on the digits of 8 x 8 pixels.
//!
//! The first N images are stored as they are, ink from 0 to 1. A query is a stored image with
//! noise, clipped to [0, 1], or without its lower rows; the weights of one pass read out the
//! patterns. The paper counts a query as retrieved if the squared error is at most 60 for 28 x 28
//! pixels, which for 8 x 8 pixels is 60 · 64 / 784 = 4.9. That is more than the squared error of
//! the mean image, on average, so that a second count has a tenth of that as its bound.

use hopfield_kernels::{Context, Retrieval, Separation, Similarity};

use crate::common::digits::{Corruption, Digits, PIXELS};
use crate::common::plot::{Axis, Figure, Panel};
use crate::common::recall::{Readout, name, squared_distance};
use crate::common::table::{Table, percent};
use crate::common::{Result, Setting};

const SIMILARITIES: [Similarity; 5] = [
    Similarity::Dot,
    Similarity::Cosine,
    Similarity::NegHalfSquaredL2,
    Similarity::NegL2,
    Similarity::NegL1,
];
/// Separations, and the inverse temperatures that they have, which are multiplied by
/// [`COSINES`] for cosines. Those of a maximum and of a polynomial have no influence.
const SEPARATIONS: [(Separation, f64); 6] = [
    (Separation::Max, 1.0),
    (Separation::Softmax, 100.0),
    (Separation::Sparsemax, 2.0),
    (Separation::Entmax(1.5), 2.0),
    (Separation::Polynomial(3.0), 1.0),
    (Separation::Polynomial(10.0), 1.0),
];
/// About the product of the norms of two images.
const COSINES: f64 = 16.0;
const CORRUPTIONS: [Corruption; 4] = [
    Corruption::Noise(0.2),
    Corruption::Noise(0.5),
    Corruption::Masked(0.25),
    Corruption::Masked(0.5),
];
const LOADS: [usize; 7] = [10, 30, 100, 300, 600, 1000, 1797];
const QUICK_LOADS: [usize; 3] = [10, 30, 100];
/// The squared error up to which a query counts as retrieved in the paper, for 64 pixels.
const BOUND: f64 = 60.0 * PIXELS as f64 / 784.0;

/// How often queries were retrieved.
struct Cell {
    similarity: Similarity,
    separation: Separation,
    corruption: Corruption,
    load: usize,
    /// The share of squared errors up to the paper's bound, and that up to a tenth of it.
    shares: [f64; 2],
}

/// Runs the experiment.
pub fn run(setting: &Setting) -> Result<()> {
    let digits = Digits::read()?;
    let loads = setting.pick(&LOADS[..], &QUICK_LOADS[..]);
    let bar =
        setting.bar("similarities", loads.iter().map(|load| load * CORRUPTIONS.len()).sum())?;
    let mut cells = Vec::new();
    for &load in loads {
        let readout = Readout::new(digits.pixels(0, load), PIXELS)?;
        for corruption in CORRUPTIONS {
            let trial = Trial { images: digits.pixels(0, load), corruption };
            cells.extend(trial.cells(&readout)?);
            bar.inc(load as u64);
        }
    }
    bar.finish_and_clear();
    let most = loads[loads.len() - 1];
    let mean = mean_image(digits.pixels(0, most));
    setting.report("similarities", &summary(&cells, most, mean), &numbers(&cells))?;
    figure(&cells, loads).write(&setting.path("similarities.svg"))
}

/// Images that are stored, corrupted and read out.
struct Trial<'a> {
    images: &'a [f64],
    corruption: Corruption,
}

impl Trial<'_> {
    /// The cells of all similarities and separations.
    fn cells(&self, readout: &Readout) -> Result<Vec<Cell>> {
        let queries = self.corruption.corrupt(self.images, 1)?;
        let (mut context, mut cells) = (Context::new(), Vec::new());
        for similarity in SIMILARITIES {
            for (separation, beta) in SEPARATIONS {
                let Some(scored) = scored_by(similarity, separation) else { continue };
                let beta = if similarity == Similarity::Cosine { COSINES * beta } else { beta };
                let retrieval =
                    Retrieval::new(beta).with_similarity(scored).with_separation(separation);
                let retrieved = readout.of(&retrieval, &queries, &mut context)?;
                let shares =
                    [BOUND, BOUND / 10.0].map(|bound| share(self.images, &retrieved, bound));
                let (corruption, load) = (self.corruption, self.images.len() / PIXELS);
                cells.push(Cell { similarity, separation, corruption, load, shares });
            }
        }
        Ok(cells)
    }
}

/// The similarity that a separation takes in place of another. Polynomials are 0 for the negative
/// numbers that distances are, and take their reciprocals, as the code of the paper does; for the
/// Euclidean distance itself there is none.
fn scored_by(similarity: Similarity, separation: Separation) -> Option<Similarity> {
    match (similarity, separation) {
        (Similarity::NegHalfSquaredL2, Separation::Polynomial(_)) => {
            Some(Similarity::UhnReciprocalSquaredL2)
        }
        (Similarity::NegL1, Separation::Polynomial(_)) => Some(Similarity::UhnReciprocalL1),
        (Similarity::NegL2, Separation::Polynomial(_)) => None,
        (similarity, _) => Some(similarity),
    }
}

/// The share of images that are retrieved with a squared error up to a bound.
fn share(images: &[f64], retrieved: &[f64], bound: f64) -> f64 {
    let pairs = images.chunks_exact(PIXELS).zip(retrieved.chunks_exact(PIXELS));
    let near = pairs.filter(|(image, found)| squared_distance(image, found) <= bound).count();
    near as f64 / (images.len() / PIXELS) as f64
}

/// The shares of images that are as near to the mean of all.
fn mean_image(images: &[f64]) -> [f64; 2] {
    let count = images.len() / PIXELS;
    let pixel = |at| images.chunks_exact(PIXELS).map(|image| image[at]).sum::<f64>() / count as f64;
    let mean: Vec<f64> = (0..PIXELS).map(pixel).collect();
    [BOUND, BOUND / 10.0].map(|bound| share(images, &mean.repeat(count), bound))
}

fn summary(cells: &[Cell], load: usize, mean: [f64; 2]) -> Table {
    let heading = format!(
        "similarities: share of {load} stored digits that are retrieved from corrupted queries,\n\
         with a squared error up to {BOUND:.2} / up to a tenth of that"
    );
    let names = CORRUPTIONS.map(|corruption| corruption.to_string());
    let columns: Vec<&str> =
        ["similarity", "separation"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new(heading, &columns).left(2);
    let text = |shares: [f64; 2]| shares.map(percent).join(" / ");
    for similarity in SIMILARITIES {
        for (separation, _) in SEPARATIONS {
            let of_pair = cells.iter().filter(|cell| {
                cell.similarity == similarity && cell.separation == separation && cell.load == load
            });
            let shares: Vec<String> = of_pair.map(|cell| text(cell.shares)).collect();
            if !shares.is_empty() {
                let row = [similarity.name().to_owned(), name(separation)];
                table.push(row.into_iter().chain(shares).collect());
            }
        }
    }
    let row = ["the mean image".to_owned(), String::new()];
    table.push(row.into_iter().chain(CORRUPTIONS.map(|_| text(mean))).collect());
    table
}

fn numbers(cells: &[Cell]) -> Table {
    let columns =
        ["similarity", "separation", "corruption", "stored", "retrieved", "retrieved_strictly"];
    let mut table = Table::new("", &columns);
    for cell in cells {
        table.push(vec![
            cell.similarity.name().into(),
            name(cell.separation),
            cell.corruption.to_string(),
            cell.load.to_string(),
            cell.shares[0].to_string(),
            cell.shares[1].to_string(),
        ]);
    }
    table
}

/// A row of panels for each corruption, a panel for each similarity.
fn figure(cells: &[Cell], loads: &[usize]) -> Figure<'static> {
    let mut panels = Vec::new();
    for corruption in CORRUPTIONS {
        for similarity in SIMILARITIES {
            let mut lines = Vec::new();
            for (index, (separation, _)) in SEPARATIONS.iter().enumerate() {
                let of_line = cells.iter().filter(|cell| {
                    cell.similarity == similarity
                        && cell.corruption == corruption
                        && cell.separation == *separation
                });
                lines.push((index, of_line.map(|c| (c.load as f64, c.shares[1])).collect()));
            }
            panels.push(Panel {
                title: format!("{}, {corruption}", similarity.name()),
                x: Axis::log("stored", 2.0, loads[0] as f64..loads[loads.len() - 1] as f64),
                y: Axis::linear("retrieved", 0.0..1.05),
                lines,
            });
        }
    }
    let title = "Share of stored digits that are retrieved with a squared error up to 0.49";
    let labels = SEPARATIONS.map(|(separation, _)| name(separation)).to_vec();
    Figure { title, labels, columns: SIMILARITIES.len(), panels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_errors_up_to_the_bound() {
        let images = [0.0; 2 * PIXELS];
        let mut retrieved = images;
        retrieved[0] = 2.0;
        assert_eq!(share(&images, &retrieved, 4.0), 1.0);
        assert_eq!(share(&images, &retrieved, 3.9), 0.5);
        retrieved[0] = f64::NAN;
        assert_eq!(share(&images, &retrieved, 4.0), 0.5, "no number is no image");
    }

    #[test]
    fn what_is_not_corrupted_is_retrieved_by_distances() {
        let digits = Digits::read().unwrap();
        let images = digits.pixels(0, 20);
        let trial = Trial { images, corruption: Corruption::Masked(0.0) };
        let cells = trial.cells(&Readout::new(images, PIXELS).unwrap()).unwrap();
        assert_eq!(cells.len(), 5 * 6 - 2);
        let of_distances = cells.iter().filter(|cell| {
            cell.separation == Separation::Max && cell.similarity != Similarity::Dot
        });
        of_distances.for_each(|cell| assert_eq!(cell.shares, [1.0, 1.0], "{:?}", cell.similarity));
    }
}
