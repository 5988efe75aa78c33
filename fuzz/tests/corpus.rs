//! Every target's body over its corpus, and over pseudo-random bytes: what a stable compiler can
//! run.
//!
//! `cargo test --no-default-features` leaves libFuzzer out.

use std::path::Path;

use hopfield_fuzz::TARGETS;

fn run(name: &str) {
    let (_, body) = TARGETS.into_iter().find(|target| target.0 == name).expect("a target");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = std::fs::read_dir(&corpus).expect("a corpus").map(|file| file.unwrap().path());
    let mut count = 0;
    for file in files {
        println!("{}", file.display());
        body(&std::fs::read(file).unwrap());
        count += 1;
    }
    assert!(count > 0, "{name} has no corpus");

    // SplitMix64: lengths from nothing to a few hundred bytes.
    let mut state = 0_u64;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u8
    };
    for length in 0..200 {
        let bytes: Vec<u8> = (0..2 * length).map(|_| random()).collect();
        println!("{name}: {bytes:?}");
        body(&bytes);
    }
}

#[test]
fn recall() {
    run("recall");
}

#[test]
fn updates() {
    run("updates");
}

#[test]
fn views() {
    run("views");
}

#[test]
fn synapse() {
    run("synapse");
}

#[test]
fn npz() {
    run("npz");
}

#[test]
fn family() {
    run("family");
}

#[test]
fn files() {
    run("files");
}
