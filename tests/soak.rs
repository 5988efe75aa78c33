//! Hours in minutes: threads that recall from one memory and learn in others, over random shapes.
//!
//! `SOAK_MINUTES=10 cargo test --release --test soak -- --ignored --nocapture`

use std::time::{Duration, Instant};

use hopfield_kernels::{Context, Memory, Plasticity, Update, UpdateRule, retrieve};
use testkit::data::{Kind, Matrix, Random, Real};

/// So many threads share the memory.
const THREADS: usize = 4;
/// Rounds before resident memory is looked at: by then contexts have grown.
const WARM: usize = 50;
/// What resident memory may grow by after that, in bytes: less than a byte for each round would be.
const GROWTH: usize = 32 << 20;

fn hash(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ number ^ number >> 29).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
    })
}

/// Bytes of resident memory, where the system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kilobytes| kilobytes << 10)
}

/// A recall from the shared memory, and learning in a memory of its own: everything follows from
/// `seed`.
fn round(shared: &Memory<f32>, seed: u64, context: &mut Context<f32>) -> u64 {
    let mut random = Random(seed);
    let batch = 1 + random.below(40);
    let probes: Matrix<f32> = Kind::Uniform.matrix((batch, shared.dim(), 3), &mut random);
    let mut retrieved = Matrix::unwritten(batch, shared.dim(), 1);
    retrieve(probes.view(), shared, 2.0, retrieved.view_mut(), &mut *context).expect("it fits");

    let (dim, patterns) = (1 + random.below(300), 1 + random.below(1500));
    let rows: Matrix<f32> = Kind::Uniform.matrix((patterns, dim, 0), &mut random);
    let probes: Matrix<f32> = Kind::LogNormal.matrix((batch, dim, 0), &mut random);
    let mut memory = Memory::from_rows(rows.view()).expect("patterns");
    let plasticity = Plasticity::default()
        .with_rule([UpdateRule::Delta, UpdateRule::Contrastive][random.below(2)])
        .with_update(Update::default().with_eta(0.1).with_reg_lambda(1e-3).with_l1_lambda(0.0));
    let retrieval = hopfield_kernels::Retrieval::new(0.5);
    let mut learned = Matrix::unwritten(batch, dim, 0);
    for _ in 0..3 {
        let to = learned.view_mut();
        plasticity
            .recall_and_learn(&retrieval, probes.view(), to, &mut memory, context)
            .expect("it fits");
    }
    let numbers = memory.to_rows().into_iter().map(Real::bits);
    hash(retrieved.bits().into_iter().chain(learned.bits()).chain(numbers))
}

#[test]
#[ignore = "takes SOAK_MINUTES, 10 unless given"]
fn hours_change_nothing() {
    let minutes = std::env::var("SOAK_MINUTES").map_or(10.0, |m| m.parse().expect("minutes"));
    let until = Instant::now() + Duration::from_secs_f64(60.0 * minutes);
    let rows: Matrix<f32> = Kind::Uniform.matrix((5000, 200, 0), &mut Random(0));
    let shared = Memory::from_rows(rows.view()).expect("patterns");
    let before = hash(shared.to_rows().into_iter().map(Real::bits));
    // What the rounds that come again and again have to give.
    let expected: Vec<u64> =
        (0..WARM as u64).map(|seed| round(&shared, seed, &mut Context::new())).collect();

    let worker = |number: usize| {
        let (shared, expected) = (&shared, &expected);
        move || {
            let mut context = Context::new();
            let (mut rounds, mut warm) = (0, None);
            while Instant::now() < until || rounds < 2 * WARM {
                // Every thread in an order of its own.
                let seed = (rounds * (2 * number + 1) + number) % WARM;
                let hash = round(shared, seed as u64, &mut context);
                assert_eq!(hash, expected[seed], "thread {number}, round {rounds}");
                rounds += 1;
                if rounds == WARM {
                    warm = resident();
                }
            }
            (rounds, warm)
        }
    };
    let ended: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(worker(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    assert_eq!(hash(shared.to_rows().into_iter().map(Real::bits)), before, "the shared memory");
    let (rounds, warm) =
        ended.iter().fold((0, None), |(sum, most), (rounds, warm)| (sum + rounds, most.max(*warm)));
    let after = resident();
    println!("{rounds} rounds of {THREADS} threads in {minutes} minutes");
    println!("resident: {warm:?} bytes after {WARM} rounds, {after:?} at the end");
    if let (Some(warm), Some(after)) = (warm, after) {
        assert!(after <= warm + GROWTH, "resident memory grew from {warm} to {after}");
    }
}
