//! Learning the digits from random patterns, by the delta rule.

use std::time::Instant;

use hopfield_kernels::{Context, MatMut, MatRef, Memory, Plasticity, Retrieval, Update, retrieve};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64;

use crate::Result;
use crate::digits::{Digits, PIXELS};
use crate::reading::distance;

/// Patterns to learn: fewer than images, so that they have to be shared.
const PATTERNS: usize = 256;
const BATCH: usize = 32;
const EPOCHS: usize = 20;
/// Lower than for recall: a probe has to move all the patterns that are anything like it, or most
/// of them would never be used.
const BETA: f32 = 8.0;
/// Of the first epoch; it falls to 0 linearly. The update is a mean over the batch, of which a
/// pattern has a small share: hence a rate above 1.
const ETA: f32 = 8.0;
/// Of the random patterns' elements; an image's are about 1/8.
const DEVIATION: f32 = 0.1;

/// Learns, and prints the reconstruction error of every epoch.
pub fn run() -> Result<()> {
    let digits = Digits::read()?;
    let count = digits.images.nrows();
    let images = digits.patterns(count);
    let mut random = Pcg64::seed_from_u64(3);
    let normal = Normal::new(0.0, DEVIATION)?;
    let start: Vec<f32> = normal.sample_iter(&mut random).take(PATTERNS * PIXELS).collect();
    let mut memory = Memory::from_rows(MatRef::new(&start, PATTERNS, PIXELS)?)?;

    let (retrieval, mut context) = (Retrieval::new(BETA), Context::new());
    let mut order: Vec<usize> = (0..count).collect();
    let mut retrieved = vec![0.0; BATCH * PIXELS];

    println!(
        "{PATTERNS} random patterns learn {count} digits: delta rule, batches of {BATCH}, eta {ETA}, beta {BETA}."
    );
    println!("Error: mean squared distance of an image (norm 1) to what is recalled from it.");
    println!();
    println!("epoch   error");
    report(0, error(&images, &memory, &mut context)?);
    let clock = Instant::now();
    for epoch in 1..=EPOCHS {
        let eta = ETA * (1.0 - (epoch - 1) as f32 / EPOCHS as f32);
        let update = Update::default().with_eta(eta);
        let plasticity = Plasticity::default().with_update(update);
        order.shuffle(&mut random);
        for batch in order.chunks(BATCH) {
            let probes: Vec<f32> =
                batch.iter().flat_map(|&b| &images[b * PIXELS..][..PIXELS]).copied().collect();
            plasticity.recall_and_learn(
                &retrieval,
                MatRef::new(&probes, batch.len(), PIXELS)?,
                MatMut::new(&mut retrieved, batch.len(), PIXELS)?,
                &mut memory,
                &mut context,
            )?;
        }
        report(epoch, error(&images, &memory, &mut context)?);
    }
    println!();
    println!("{EPOCHS} epochs in {:.2} s.", clock.elapsed().as_secs_f64());
    Ok(())
}

/// Mean ‖x - x̂‖² over the images.
fn error(images: &[f32], memory: &Memory<f32>, context: &mut Context<f32>) -> Result<f64> {
    let count = images.len() / PIXELS;
    let mut retrieved = vec![0.0; images.len()];
    let out = MatMut::new(&mut retrieved, count, PIXELS)?;
    retrieve(MatRef::new(images, count, PIXELS)?, memory, BETA, out, &mut *context)?;
    let pairs = images.chunks_exact(PIXELS).zip(retrieved.chunks_exact(PIXELS));
    Ok(pairs.map(|(x, retrieved)| distance(x, retrieved).powi(2)).sum::<f64>() / count as f64)
}

fn report(epoch: usize, error: f64) {
    println!("{epoch:>5}  {error:.4}  {}", "#".repeat((error * 50.0).round() as usize));
}
