//! The same bits at every level with fused multiply-add, for any threads, batch and position, and
//! those that are committed.

use std::collections::BTreeMap;

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, Outputs, Parallelism, Separation, Similarity,
};
use testkit::data::Real;
use testkit::levels;

use testkit::members::{Problem, Random, all, retrieval};

/// Every output of a recall that has numbers, as bits, probe by probe.
fn bits<T: Real>(
    member: (Separation, Similarity),
    beta: f64,
    (probes, memory): (&[T], &Memory<T>),
    context: &mut Context<T>,
) -> Vec<Vec<u64>> {
    let (dim, count) = (memory.dim(), memory.patterns());
    let batch = probes.len() / dim;
    let (mut retrieved, mut weights) = (vec![T::NAN; batch * dim], vec![T::NAN; batch * count]);
    let floats = || vec![T::NAN; batch];
    let (mut lse, mut energy, mut entropy, mut weight) = (floats(), floats(), floats(), floats());
    let (mut best, mut support) = (vec![None; batch], vec![0; batch]);
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut retrieved, batch, dim).unwrap())
        .with_memory_weights(MatMut::new(&mut weights, batch, count).unwrap())
        .with_lse(&mut lse)
        .with_energy(&mut energy)
        .with_entropy(&mut entropy)
        .with_best_weight(&mut weight)
        .with_best(&mut best)
        .with_support(&mut support);
    retrieval(beta, member)
        .run(MatRef::new(probes, batch, dim).unwrap(), memory, outputs, context)
        .unwrap();
    (0..batch)
        .map(|b| {
            let rows = retrieved[b * dim..][..dim].iter().chain(&weights[b * count..][..count]);
            let numbers = [lse[b], energy[b], entropy[b], weight[b]];
            let bits: Vec<u64> = rows.chain(&numbers).map(|x| x.bits()).collect();
            let best = best[b].map_or(u64::MAX, |best| best as u64);
            [bits, vec![best, support[b] as u64]].concat()
        })
        .collect()
}

/// Several splits of several blocks; one chunk of d and a partial vector.
const SHAPE: (usize, usize, usize) = (13, 150, 4100);

fn check<T: Real>() -> BTreeMap<String, u64> {
    let problem = Problem::<T>::new(SHAPE, &mut Random::new(5));
    let memory = problem.memory();
    let mut hashes = BTreeMap::new();
    for member in all() {
        // A median over thousands of patterns takes long, and there is nothing in it to
        // parallelise.
        if member.1 == Similarity::NegL1 && matches!(member.0, Separation::SoftmaxPlus(_)) {
            continue;
        }
        let beta = 0.7;
        let mut expected: Option<Vec<Vec<u64>>> = None;
        for level in levels::all() {
            let fused = level.name() != "portable";
            let serial =
                &mut Context::new().with_level(level).with_parallelism(Parallelism::Serial);
            let got = bits(member, beta, (&problem.probes, &memory), serial);
            match &expected {
                Some(expected) if fused => assert!(*expected == got, "{member:?} at {level}"),
                _ => {}
            }
            let threaded = &mut levels::threaded(level);
            let parallel =
                levels::in_pool(3, || bits(member, beta, (&problem.probes, &memory), threaded));
            assert!(got == parallel, "{member:?} at {level} with threads");
            // The last probes alone, and in another order.
            let from = (SHAPE.0 - 3) * SHAPE.1;
            let some = bits(member, beta, (&problem.probes[from..], &memory), serial);
            assert!(got[SHAPE.0 - 3..] == some, "{member:?} at {level}: another batch");
            if fused && expected.is_none() {
                let hash = got.iter().flatten().fold(0xcbf2_9ce4_8422_2325, |hash: u64, bits| {
                    (hash ^ bits).wrapping_mul(0x0100_0000_01b3)
                });
                hashes.insert(format!("{:?} {:?} {}", member.0, member.1, T::NAME), hash);
                expected = Some(got);
            }
        }
    }
    hashes
}

/// The committed bits are written anew with `HOPFIELD_WRITE_BITS=1`.
#[test]
fn bits_do_not_depend_on_level_threads_batch_or_position_and_are_those_committed() {
    let mut hashes = check::<f32>();
    hashes.extend(check::<f64>());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/family/bits.txt");
    let text: String = hashes.iter().map(|(of, hash)| format!("{of}: {hash:016x}\n")).collect();
    if std::env::var_os("HOPFIELD_WRITE_BITS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    if hashes.is_empty() {
        println!("not tested here: no level with fused multiply-add");
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap();
    for (line, committed) in text.lines().zip(committed.lines()) {
        assert_eq!(line, committed);
    }
    assert_eq!(text.lines().count(), committed.lines().count());
}
