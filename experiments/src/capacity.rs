//! Random patterns on a sphere: how many of them are fixed points, and Ramsauer's law (Ramsauer et
//! al. 2020, arXiv 2008.02217, theorem 3).
//!
//! N patterns are drawn on the sphere of radius K √(d - 1). A pattern counts as stored if the fixed
//! point that its state settles on is within a hundredth of the radius. The theorem says that with
//! probability 1 - p at least √p c^((d - 1) / 4) patterns can be stored, where c = b / W₀(exp(a +
//! ln b)), a = 2 / (d - 1) · (1 + ln(2 β K² p (d - 1))), b = 2 K² β / 5 and W₀ is Lambert's
//! function.

use hopfield_kernels::{Context, Memory, Retrieval, Settled, Stop};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use crate::common::plot::{Axis, Figure, Panel};
use crate::common::recall::squared_distance;
use crate::common::table::{Table, percent};
use crate::common::{Result, Setting};

const BETA: f64 = 1.0;
/// K, and the dimensions of the patterns. (The figure has a row for each.)
const RADII: [(f64, &[usize]); 2] = [(1.0, &[4, 8, 12, 16, 20, 24]), (2.0, &[4, 5, 6, 7, 8, 10])];
/// p of the law.
const FAILURE: f64 = 0.001;
/// How far from a pattern its fixed point may be, in radii.
const TOLERANCE: f64 = 0.01;
/// Patterns that are tested of those stored.
const TESTED: usize = 200;

/// The share of the patterns that are stored, for a number of them in a dimension.
struct Point {
    k: f64,
    dim: usize,
    patterns: usize,
    share: f64,
}

/// Runs the experiment.
pub fn run(setting: &Setting) -> Result<()> {
    let most: u32 = setting.pick(16, 8);
    let loads: Vec<usize> = (1..=most).map(|power| 1 << power).collect();
    let trials = RADII.iter().map(|(_, dims)| dims.len()).sum::<usize>();
    let bar = setting.bar("capacity", trials * loads.len())?;
    let mut points = Vec::new();
    for (k, dims) in RADII {
        for &dim in dims {
            for &patterns in &loads {
                points.push(Point { k, dim, patterns, share: share(k, dim, patterns)? });
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    setting.report("capacity", &summary(&points), &numbers(&points))?;
    figure(&points, loads[loads.len() - 1]).write(&setting.path("capacity.svg"))
}

/// Random patterns on the sphere of a radius, row after row.
fn sphere(radius: f64, dim: usize, patterns: usize, random: &mut Pcg64) -> Vec<f64> {
    let mut rows = Vec::with_capacity(patterns * dim);
    for _ in 0..patterns {
        let row: Vec<f64> = StandardNormal.sample_iter(&mut *random).take(dim).collect();
        let norm = row.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
        rows.extend(row.iter().map(|x| x * radius / norm));
    }
    rows
}

/// The share of the patterns of a random memory that are fixed points. Of small memories, several
/// are drawn.
fn share(k: f64, dim: usize, patterns: usize) -> Result<f64> {
    let radius = k * ((dim - 1) as f64).sqrt();
    let mut random = Pcg64::seed_from_u64((dim * patterns) as u64);
    let (mut context, mut settled) = (Context::new(), Settled::new());
    let (mut stored, mut tested) = (0, 0);
    while tested < TESTED {
        let rows = sphere(radius, dim, patterns, &mut random);
        let memory = Memory::from_slice(&rows, dim)?;
        let some = &rows[..patterns.min(TESTED) * dim];
        let mut states = some.to_vec();
        let stop = Stop::new().max_steps(200);
        Retrieval::new(BETA).settle(&memory, &mut states, stop, &mut settled, &mut context)?;
        let ends = some.chunks_exact(dim).zip(states.chunks_exact(dim));
        let near = |(pattern, end): &(&[f64], &[f64])| {
            squared_distance(pattern, end).sqrt() <= TOLERANCE * radius
        };
        stored += ends.filter(near).count();
        tested += patterns.min(TESTED);
    }
    Ok(stored as f64 / tested as f64)
}

/// Lambert's function W₀(e^y): the w for which w + ln w = y.
fn lambert_of_exp(y: f64) -> f64 {
    let mut w = if y > 1.0 { y } else { y.exp().min(1.0) };
    for _ in 0..60 {
        // Newton's step for w + ln w - y, which is concave: from any w it ends below the root, and
        // then rises.
        w = (w - (w + w.ln() - y) * w / (w + 1.0)).max(f64::MIN_POSITIVE);
    }
    w
}

/// c of the law.
fn base(beta: f64, k: f64, dim: usize, failure: f64) -> f64 {
    let freedom = (dim - 1) as f64;
    let a = 2.0 / freedom * (1.0 + (2.0 * beta * k * k * failure * freedom).ln());
    let b = 2.0 * k * k * beta / 5.0;
    b / lambert_of_exp(a + b.ln())
}

/// The number of patterns that the law promises.
fn promised(k: f64, dim: usize) -> f64 {
    FAILURE.sqrt() * base(BETA, k, dim, FAILURE).powf((dim - 1) as f64 / 4.0)
}

/// The number of patterns of which half are stored, between two loads; nothing if it is not between
/// the least and the most.
fn half(line: &[&Point]) -> Option<f64> {
    line.windows(2).find(|pair| pair[0].share >= 0.5 && pair[1].share < 0.5).map(|pair| {
        let [from, to] = [pair[0], pair[1]].map(|point| (point.patterns as f64).log2());
        let part = (pair[0].share - 0.5) / (pair[0].share - pair[1].share);
        (from + part * (to - from)).exp2()
    })
}

/// The points of a dimension.
fn line(points: &[Point], k: f64, dim: usize) -> Vec<&Point> {
    points.iter().filter(|point| point.k == k && point.dim == dim).collect()
}

/// The range that half are stored in, if that is beyond the loads.
fn outside(line: &[&Point]) -> String {
    match line {
        [first, ..] if first.share < 0.5 => format!("< {}", first.patterns),
        [.., last] => format!("> {}", last.patterns),
        [] => "-".into(),
    }
}

fn summary(points: &[Point]) -> Table {
    let heading = format!(
        "capacity: random patterns on a sphere of radius K sqrt(d - 1), beta {BETA}: the number N of\n\
         which half are fixed points, the shares at some N, and what theorem 3 promises (p {FAILURE})"
    );
    let shown = [4, 16, 64, 256, 1024, 16_384];
    let names = shown.map(|n| format!("N = {n}"));
    let columns: Vec<&str> = ["K", "d", "half at N"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .chain(["promised"])
        .collect();
    let mut table = Table::new(heading, &columns);
    for (k, dims) in RADII {
        for &dim in dims {
            let line = line(points, k, dim);
            let half = half(&line).map_or_else(|| outside(&line), |n| format!("{n:.0}"));
            let share = |n: usize| line.iter().find(|point| point.patterns == n).map(|p| p.share);
            let shares = shown.map(|n| share(n).map_or("-".into(), percent));
            let mut row = vec![k.to_string(), dim.to_string(), half];
            row.extend(shares);
            row.push(format!("{:.2}", promised(k, dim)));
            table.push(row);
        }
    }
    table
}

fn numbers(points: &[Point]) -> Table {
    let mut table = Table::new("", &["k", "d", "patterns", "share", "promised"]);
    for Point { k, dim, patterns, share } in points {
        let numbers = [*k, *dim as f64, *patterns as f64, *share, promised(*k, *dim)];
        table.push(numbers.map(|number| number.to_string()).into());
    }
    table
}

/// For each K, the shares against N by dimension, and N at one half and of the law against the
/// dimension.
fn figure(points: &[Point], most: usize) -> Figure<'static> {
    let [(_, upper), (_, lower)] = RADII;
    let mut labels: Vec<String> =
        upper.iter().zip(lower).map(|(upper, lower)| format!("d {upper}/{lower}")).collect();
    labels.extend(["half".into(), "theorem 3".into()]);
    let mut panels = Vec::new();
    for (k, dims) in RADII {
        let shares = dims.iter().enumerate().map(|(index, &dim)| {
            let line = line(points, k, dim);
            (index, line.iter().map(|p| (p.patterns as f64, p.share)).collect())
        });
        let title = format!("K {k}: share stored");
        panels.push(Panel {
            title,
            x: Axis::log("N", 2.0, 2.0..most as f64),
            y: Axis::linear("share that are fixed points", 0.0..1.05),
            lines: shares.collect(),
        });
        let measured = dims
            .iter()
            .filter_map(|&dim| Some((dim as f64, half(&line(points, k, dim))?)))
            .collect();
        let law = (dims[0]..=LAW_UP_TO).step_by(2).map(|dim| (dim as f64, promised(k, dim)));
        // Fewer than two patterns are no promise.
        let law = law.filter(|&(_, patterns)| patterns >= 2.0 && patterns <= most as f64);
        panels.push(Panel {
            title: format!("K {k}: half stored, and theorem 3"),
            x: Axis::linear("d", 0.0..LAW_UP_TO as f64),
            y: Axis::log("N", 2.0, 2.0..most as f64),
            lines: vec![(6, measured), (7, law.collect())],
        });
    }
    Figure {
        title: "Random patterns on a sphere that are fixed points (beta 1)",
        labels,
        columns: 2,
        panels,
    }
}

/// The largest dimension for which the law is drawn.
const LAW_UP_TO: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_has_the_papers_constants() {
        // The paper has four digits of them, the rest cut off.
        assert!((base(1.0, 3.0, 20, 0.001) - 3.1546).abs() < 1e-4);
        assert!((base(1.0, 1.0, 75, 0.001) - 1.3718).abs() < 1e-4);
    }

    #[test]
    fn lamberts_function_is_the_inverse_of_w_exp_w() {
        for w in [1e-3, 0.1, 0.567, 1.0, 3.0, 40.0_f64] {
            assert!((lambert_of_exp(w + w.ln()) / w - 1.0).abs() < 1e-12, "{w}");
        }
    }

    #[test]
    fn patterns_are_on_the_sphere() {
        let rows = sphere(3.0, 5, 7, &mut Pcg64::seed_from_u64(1));
        assert_eq!(rows.len(), 35);
        for row in rows.chunks(5) {
            assert!((row.iter().map(|x| x * x).sum::<f64>() - 9.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_few_patterns_far_apart_are_fixed_points_and_many_are_not() {
        assert_eq!(share(3.0, 30, 4).unwrap(), 1.0);
        assert_eq!(share(1.0, 4, 64).unwrap(), 0.0);
    }

    #[test]
    fn half_is_between_two_loads() {
        let point = |patterns, share| Point { k: 1.0, dim: 4, patterns, share };
        let points = [point(2, 1.0), point(8, 0.75), point(32, 0.25)];
        let line: Vec<_> = points.iter().collect();
        assert_eq!(half(&line), Some(16.0));
        assert_eq!(half(&line[..2]), None);
    }
}
