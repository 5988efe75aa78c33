//! The same bits in processes of their own, one for each level and number of threads, as a
//! program's user would choose them; and the same bits as are committed, so that a change of bits
//! is always a decision.

use std::collections::BTreeMap;
use std::process::Command;

use hopfield_kernels::{Context, Element, Level, Screening};

use crate::hashes::{Hash, OF_THE_PLATFORM, hash, hashes};
use testkit::data::{Kind, Real};
use testkit::levels;
use testkit::subject::{Case, Shape};

/// Rewrites the committed hashes with those of this machine.
const WRITE: &str = "HOPFIELD_WRITE_BITS";
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proof/bits.txt");
/// The mark of a line that a child says.
const MARK: &str = "bits:";

/// Rows longer than a chunk in several splits of several blocks, many probes of several blocks, and
/// one probe with many splits.
fn shapes<T: Real>() -> [Shape; 3] {
    let chunk = 4096 / size_of::<T>();
    [(7, chunk + 6, 1100), (33, chunk / 16 + 6, 4500), (1, chunk / 8 - 28, 9001)]
}

/// Every kernel over all shapes: kernel by kernel, one hash.
///
/// The data are sums and products of whole numbers from a generator of whole numbers, so that they
/// are the same on every platform.
fn all_hashes<T: Real>() -> Vec<Hash> {
    // The level, the pool and the parallelism are those of the environment.
    let context = &mut Context::new();
    let mut all: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (at, shape) in shapes::<T>().into_iter().enumerate() {
        let mut case = Case::<T>::random(shape, Kind::Uniform, 0.75, at as u64);
        // Peaked recalls have bits of their own: tests/screening.
        case.screening = Screening::Never;
        if at == 1 {
            case.how.keep = Some((0..shape.2).map(|n| n % 7 != 3).collect());
            case.how.gain = T::from_f64(1.25);
        }
        for (kernel, hash) in hashes(&case, context) {
            all.entry(kernel).or_default().push(hash);
        }
    }
    // Probes whose softmax has a reference before the first pattern, in several blocks and splits.
    let mut near = Case::<T>::random((33, T::LANES + 4, 12_000), Kind::Uniform, 1.0, 3);
    near.screening = Screening::Never;
    for (kernel, hash) in hashes(&near, context) {
        match kernel {
            "recall" => all.entry("recall-confined").or_default().push(hash),
            "recall-weights" => all.entry("recall-weights-confined").or_default().push(hash),
            _ => {}
        }
    }
    all.into_iter().map(|(kernel, parts)| (kernel, hash(parts))).collect()
}

/// The hash of every probe's recall, which has to be the same in any batch and at any place in it.
fn hash_of_probes<T: Real>() -> u64 {
    const MOST: usize = 33;
    // Two splits, and work for several threads.
    let mut case = Case::<T>::random((MOST, T::LANES + 4, 12_000), Kind::Uniform, 2.0, 9);
    case.screening = Screening::Never;
    let context = &mut Context::new();
    let mut run = |order: &[usize]| {
        let probes = case.probes.select(order);
        let told = case.run_with(probes.view(), context).unwrap();
        (0..order.len()).map(|at| hash(told.bits(at))).collect::<Vec<_>>()
    };
    let alone: Vec<_> = (0..MOST).flat_map(|b| run(&[b])).collect();
    // Of all batches and all places, `bits` has the rest.
    for batch in [2, 5, 6, 7, 13, 18, MOST] {
        for turn in (0..MOST).step_by(11) {
            let order: Vec<_> = (0..batch).map(|at| (at + turn) % MOST).collect();
            let expected: Vec<_> = order.iter().map(|&b| alone[b]).collect();
            assert_eq!(run(&order), expected, "probes of a batch of {batch} from {turn} on");
        }
    }
    hash(alone)
}

/// What a child says: not a test by itself.
#[test]
#[ignore = "run by the others, in processes of their own"]
fn says_its_bits() {
    fn say<T: Real>() {
        let mut hashes = all_hashes::<T>();
        hashes.push(("probes", hash_of_probes::<T>()));
        for (kernel, hash) in hashes {
            println!("\n{MARK} {kernel} {} {hash:016x}", T::NAME);
        }
    }
    say::<f32>();
    say::<f64>();
}

/// The hashes of a child at a level, with so many threads: by kernel and type.
fn bits_of_a_child(level: Level, threads: usize) -> BTreeMap<String, String> {
    let this = std::env::current_exe().expect("a test binary");
    let child = Command::new(this)
        .args(["--exact", "processes::says_its_bits", "--ignored", "--nocapture"])
        .env(Level::VARIABLE, level.name())
        .env("RAYON_NUM_THREADS", threads.to_string())
        .output()
        .expect("a child process");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{level}, {threads} threads: {said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let hashes: BTreeMap<_, _> = said
        .lines()
        .filter_map(|line| line.strip_prefix(MARK)?.trim().rsplit_once(' '))
        .map(|(kernel, hash)| (kernel.to_string(), hash.to_string()))
        .collect();
    let last = format!("probes {}", f64::NAME);
    assert!(hashes.contains_key(&last), "{level}, {threads} threads: a child that stopped: {said}");
    hashes
}

#[test]
fn threads_and_levels_change_nothing_between_processes() {
    let mut fused = None;
    for level in levels::all() {
        let alone = bits_of_a_child(level, 1);
        for threads in [2, 3, 8] {
            assert_eq!(bits_of_a_child(level, threads), alone, "{level}, {threads} threads");
        }
        if level.has_fused_multiply_add() {
            assert_eq!(fused.get_or_insert_with(|| alone.clone()), &alone, "{level}");
        }
    }
}

/// The committed hashes: a line `kernel type class hash` for each.
fn committed() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(k, h)| (k.into(), h.into())).collect()
}

/// At every level, since another level may have been right when the file was written.
#[test]
fn bits_are_those_that_are_committed() {
    let expected = committed();
    let mut found = BTreeMap::new();
    for level in levels::all() {
        let class = if level.has_fused_multiply_add() { "fused" } else { "unfused" };
        for (kernel, hash) in bits_of_a_child(level, 2) {
            let (name, _) = kernel.split_once(' ').expect("a kernel and a type");
            if OF_THE_PLATFORM.contains(&name) || name == "probes" {
                continue;
            }
            let line = format!("{kernel} {class}");
            let same = found.insert(line.clone(), hash.clone()).is_none_or(|other| other == hash);
            assert!(same, "{line}: {level} has other bits than the level before");
        }
    }
    if std::env::var_os(WRITE).is_some() {
        // What this machine cannot compute stays as it is.
        let all: BTreeMap<_, _> = expected.into_iter().chain(found).collect();
        let mut text = String::from(
            "# kernel, element, class of level, hash: see docs/TESTING.md. Written by the test.\n",
        );
        for (line, hash) in all {
            text += &format!("{line} {hash}\n");
        }
        return std::fs::write(COMMITTED, text).expect("a file that can be written");
    }
    let classes: Vec<_> = found.keys().filter_map(|line| line.rsplit_once(' ')).collect();
    let ours = |line: &str| classes.iter().any(|(_, class)| line.ends_with(&format!(" {class}")));
    let expected: BTreeMap<_, _> = expected.into_iter().filter(|(line, _)| ours(line)).collect();
    let lines = expected.keys().chain(found.keys());
    let mut changed: Vec<_> =
        lines.filter(|line| expected.get(*line) != found.get(*line)).collect();
    changed.sort_unstable();
    changed.dedup();
    assert!(
        changed.is_empty(),
        "other bits than those that are committed: {changed:#?}\nWhere that was meant, write them \
         anew: {WRITE}=1 cargo test --test proof bits_are_those_that_are_committed"
    );
}
