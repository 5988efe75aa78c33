//! A dozen recalls, to look at: original, corrupted, recalled.

use std::path::Path;

use hopfield_kernels::{Context, Settled};
use image::{ImageFormat, Rgb, RgbImage};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use crate::Result;
use crate::digits::{Corruption, Digits, PIXELS, SIDE};
use crate::files;
use crate::reading::Reading;
use crate::table::{BETA, stop};
use crate::weighing::Weighing;

const COLUMNS: usize = 12;
const ROWS: usize = 3;
/// Screen pixels of an image's pixel.
const SCALE: usize = 9;
const TILE: usize = SCALE * SIDE;
const GAP: usize = 10;
/// Between the noisy half of the dozen and the erased one.
const GUTTER: usize = 24;
/// Height of the mark below a recalled image.
const MARK: usize = 4;

const PAGE: Rgb<u8> = Rgb([228, 230, 235]);
const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [18, 32, 76];
const ERASED: Rgb<u8> = Rgb([206, 209, 216]);
const RIGHT: Rgb<u8> = Rgb([0, 150, 136]);
const WRONG: Rgb<u8> = Rgb([230, 97, 0]);

/// Recalls a dozen digits from among all of them, and draws the picture.
pub fn run(path: &Path, weighing: &Weighing) -> Result<()> {
    let digits = Digits::read()?;
    let memory = digits.memory(digits.images.nrows())?;
    let mut random = Pcg64::seed_from_u64(2);
    let mut spoilt = Vec::new();
    for index in 0..COLUMNS {
        let erased = index >= COLUMNS / 2;
        let corruption = if erased { Corruption::Erased } else { Corruption::Noise(0.3) };
        spoilt.push(corruption.spoil(&digits.pixels(index), &mut random)?);
    }
    let mut probes: Vec<f32> = spoilt.iter().flat_map(|image| digits.pattern(image)).collect();
    let (retrieval, mut context) = (weighing.retrieval(BETA), Context::new());
    retrieval.settle(&memory, &mut probes, stop(), &mut Settled::new(), &mut context)?;
    let best = Reading::of(&retrieval, &memory, &probes, &mut context)?.best;

    let width = COLUMNS * (TILE + GAP) + GAP + GUTTER;
    let height = ROWS * (TILE + GAP) + GAP + MARK;
    let mut page = RgbImage::from_pixel(width as u32, height as u32, PAGE);
    for (column, recalled) in probes.chunks_exact(PIXELS).enumerate() {
        let recalled = digits.image(recalled, best[column].unwrap_or(column));
        let gutter = if column >= COLUMNS / 2 { GUTTER } else { 0 };
        let left = GAP + column * (TILE + GAP) + gutter;
        for (row, image) in
            [&digits.pixels(column), &spoilt[column], &recalled].into_iter().enumerate()
        {
            draw(&mut page, (left, GAP + row * (TILE + GAP)), image);
        }
        let mark = if best[column] == Some(column) { RIGHT } else { WRONG };
        fill(&mut page, (left, ROWS * (TILE + GAP)), (TILE, MARK), mark);
    }
    files::write(path, |file| Ok(page.write_to(file, ImageFormat::Png)?))?;
    println!(
        "{}: originals, corrupted (noise 0.3; lower half erased), recalled from among all {};",
        path.display(),
        memory.patterns()
    );
    println!("underlined in green where the right one was recalled, else in orange.");
    Ok(())
}

/// Draws an image with its upper left corner at a place.
fn draw(page: &mut RgbImage, (left, top): (usize, usize), image: &[f32]) {
    for (at, &ink) in image.iter().enumerate() {
        let colour = if ink.is_nan() { ERASED } else { shade(ink.clamp(0.0, 1.0)) };
        let corner = (left + at % SIDE * SCALE, top + at / SIDE * SCALE);
        fill(page, corner, (SCALE, SCALE), colour);
    }
}

fn shade(ink: f32) -> Rgb<u8> {
    let mix = |channel: usize| {
        let (paper, full) = (f32::from(PAPER[channel]), f32::from(INK[channel]));
        (paper + (full - paper) * ink).round() as u8
    };
    Rgb([mix(0), mix(1), mix(2)])
}

fn fill(
    page: &mut RgbImage,
    (left, top): (usize, usize),
    (width, height): (usize, usize),
    colour: Rgb<u8>,
) {
    for y in top..top + height {
        for x in left..left + width {
            page.put_pixel(x as u32, y as u32, colour);
        }
    }
}
