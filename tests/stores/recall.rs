//! Every store recalls as a plain memory of the same patterns does, bit for bit: at every level,
//! for one probe and for many, with every member of the family.

use hopfield_kernels::{
    Borrowed, Context, Element, Gradients, MatMut, MatRef, Memory, Outputs, Precision, Retrieval,
    Separation, Settled, Similarity, Stop, Upstream,
};
use testkit::data::Real;
use testkit::levels;

use testkit::members::{Problem, Random, all, retrieval};

/// All outputs of a recall, as bits. A NaN is a NaN, whatever its other bits.
fn told<T: Real>(
    how: &Retrieval<'_, T>,
    probes: &[T],
    memory: &Memory<T>,
    context: &mut Context<T>,
) -> Vec<u64> {
    let (dim, count) = (memory.dim(), memory.patterns());
    let batch = probes.len() / dim;
    let width = memory.value_dim().unwrap_or(dim);
    let mut rows = vec![T::NAN; batch * width];
    let mut per_pattern = [vec![T::NAN; batch * count], vec![T::NAN; batch * count]];
    let mut floats: [Vec<T>; 6] = std::array::from_fn(|_| vec![T::NAN; batch]);
    let (mut best, mut support) = (vec![None; batch], vec![0; batch]);
    let [similarities, weights] = &mut per_pattern;
    let [lse, energy, entropy, best_weight, second, sum_p2] = &mut floats;
    let outputs = Outputs::default()
        .with_retrieved(MatMut::new(&mut rows, batch, width).unwrap())
        .with_similarities(MatMut::new(similarities, batch, count).unwrap())
        .with_memory_weights(MatMut::new(weights, batch, count).unwrap())
        .with_lse(lse)
        .with_energy(energy)
        .with_entropy(entropy)
        .with_best(&mut best)
        .with_best_weight(best_weight)
        .with_support(&mut support)
        .with_second(second)
        .with_sum_p2(sum_p2);
    how.run(MatRef::new(probes, batch, dim).unwrap(), memory, outputs, context).unwrap();
    let bits = |x: &T| if x.is_nan() { u64::MAX } else { x.bits() };
    let floats = rows.iter().chain(per_pattern.iter().flatten()).chain(floats.iter().flatten());
    let best = best.iter().map(|best| best.map_or(u64::MAX, |best| best as u64));
    floats.map(bits).chain(best).chain(support.iter().map(|n| *n as u64)).collect()
}

/// The retrieved probes alone: fewer outputs take other paths.
fn retrieved<T: Real>(
    how: &Retrieval<'_, T>,
    probes: &[T],
    memory: &Memory<T>,
    context: &mut Context<T>,
) -> Vec<u64> {
    let width = memory.value_dim().unwrap_or(memory.dim());
    let batch = probes.len() / memory.dim();
    let mut rows = vec![T::NAN; batch * width];
    let to = MatMut::new(&mut rows, batch, width).unwrap();
    let outputs = Outputs::default().with_retrieved(to);
    let probes = MatRef::new(probes, batch, memory.dim()).unwrap();
    how.run(probes, memory, outputs, context).unwrap();
    rows.iter().map(|x| if x.is_nan() { u64::MAX } else { x.bits() }).collect()
}

/// A plain memory of the same patterns and values.
fn plain<T: Element>(memory: &Memory<T>) -> Memory<T> {
    let plain = Memory::from_slice(&memory.to_rows(), memory.dim()).unwrap();
    match memory.values() {
        Some(values) => plain.with_values(values).unwrap(),
        None => plain,
    }
}

/// Calls `each` with these patterns in every store that there is.
fn in_every_store<T: Real>(patterns: &[T], dim: usize, mut each: impl FnMut(&str, &Memory<T>)) {
    let count = patterns.len() / dim;
    let memory = || Memory::from_slice(patterns, dim).unwrap();
    for precision in [Precision::Bf16, Precision::F16] {
        each(&format!("{precision:?}"), &memory().with_precision(precision).unwrap());
    }
    let norms = memory();
    for stride in [dim, dim + 3] {
        let mut rows = vec![T::NAN; count * stride];
        for (row, pattern) in rows.chunks_mut(stride).zip(patterns.chunks(dim)) {
            row[..dim].copy_from_slice(pattern);
        }
        let borrowed = Borrowed::new(&rows, count, dim, stride).unwrap();
        let borrowed = borrowed.with_squared_norms(norms.squared_norms()).unwrap();
        each(&format!("borrowed at {stride}"), &borrowed);
    }
    #[cfg(feature = "files")]
    {
        let folder = tempfile::tempdir().unwrap();
        for (name, precision) in [
            ("full.npy", Precision::Full),
            ("half.npy", Precision::F16),
            ("full.safetensors", Precision::Full),
            ("half.safetensors", Precision::Bf16),
        ] {
            let path = folder.path().join(name);
            memory().with_precision(precision).unwrap().save(&path).unwrap();
            each(name, &Memory::map(&path).unwrap());
        }
        // The same array at every byte within a vector: no number is aligned.
        let path = folder.path().join("full.npy");
        let bytes = std::fs::read(&path).unwrap();
        let moved = folder.path().join("moved.npy");
        let at = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = [&bytes[..8], &[bytes[8] - 3, bytes[9]], &bytes[10..at - 4], b"\n"].concat();
        std::fs::write(&moved, [&header, &bytes[at..]].concat()).unwrap();
        let memory = Memory::<T>::map(&moved).unwrap();
        assert!(memory.try_as_mat().is_none(), "numbers that begin at no multiple of their size");
        each("moved.npy", &memory);
    }
}

fn check_shapes<T: Real>() {
    let mut random = Random::new(71);
    for (dim, count) in [(1, 1), (5, 40), (16, 33), (48, 700), (64, 800), (100, 300), (784, 200)] {
        for batch in [1, 2, 7, 60] {
            let problem = Problem::<T>::new((batch, dim, count), &mut random);
            let keep: Vec<bool> = (0..count).map(|n| n == 0 || n % 3 != 1).collect();
            in_every_store(&problem.patterns, dim, |name, memory| {
                let plain = plain(memory);
                assert_eq!(memory.squared_norms(), plain.squared_norms(), "{name}");
                assert_eq!(
                    memory.max_squared_feature_norm().unwrap(),
                    plain.max_squared_feature_norm().unwrap()
                );
                for level in levels::all() {
                    let context = &mut levels::serial(level);
                    for beta in [1e-3, 0.5, 8.0] {
                        let how = Retrieval::new(T::from_f64(beta));
                        let masked = how.with_mask(&keep);
                        for how in [&how, &masked] {
                            let at = format!("{name}, {level}: {batch} x {dim} x {count}, {beta}");
                            let expected = told(how, &problem.probes, &plain, context);
                            assert_eq!(
                                told(how, &problem.probes, memory, context),
                                expected,
                                "{at}"
                            );
                            let expected = retrieved(how, &problem.probes, &plain, context);
                            let got = retrieved(how, &problem.probes, memory, context);
                            assert_eq!(got, expected, "{at}");
                        }
                    }
                }
            });
        }
    }
}

#[test]
fn softmax_recalls_are_those_of_a_plain_memory() {
    check_shapes::<f32>();
    check_shapes::<f64>();
}

fn check_members<T: Real>() {
    let mut random = Random::new(72);
    let (dim, count) = (37, 300);
    for batch in [1, 9] {
        let problem = Problem::<T>::new((batch, dim, count), &mut random);
        let values: Vec<T> = random.numbers(count * 21);
        in_every_store(&problem.patterns, dim, |name, memory| {
            let with_values =
                memory.clone().with_values(MatRef::new(&values, count, 21).unwrap()).unwrap();
            for memory in [memory, &with_values] {
                let plain = plain(memory);
                for member in all() {
                    let how = retrieval::<T>(0.7, member);
                    let context = &mut Context::new();
                    let expected = told(&how, &problem.probes, &plain, context);
                    let got = told(&how, &problem.probes, memory, context);
                    assert_eq!(got, expected, "{name}: {member:?}");
                }
            }
        });
    }
}

#[test]
fn every_member_recalls_as_from_a_plain_memory() {
    check_members::<f32>();
    check_members::<f64>();
}

/// Gradients with respect to everything, as bits.
fn gradients<T: Real>(
    how: &Retrieval<'_, T>,
    (probes, g): (&[T], &[T]),
    memory: &Memory<T>,
) -> Vec<u64> {
    let (dim, count) = (memory.dim(), memory.patterns());
    let batch = probes.len() / dim;
    let (mut of_probes, mut of_patterns) = (vec![T::NAN; batch * dim], vec![T::NAN; count * dim]);
    let mut beta = T::NAN;
    let upstream = Upstream::default().with_retrieved(MatRef::new(g, batch, dim).unwrap());
    let wanted = Gradients::default()
        .with_probes(MatMut::new(&mut of_probes, batch, dim).unwrap())
        .with_patterns(MatMut::new(&mut of_patterns, count, dim).unwrap())
        .with_beta(&mut beta);
    let probes = MatRef::new(probes, batch, dim).unwrap();
    how.backward(probes, memory, upstream, wanted, &mut Context::new()).unwrap();
    of_probes.iter().chain(&of_patterns).chain([&beta]).map(|x| x.bits()).collect()
}

fn check_backward_and_settle<T: Real>() {
    let mut random = Random::new(73);
    for (batch, dim, count) in [(1, 20, 90), (6, 32, 400), (3, 70, 40)] {
        let problem = Problem::<T>::new((batch, dim, count), &mut random);
        let g: Vec<T> = random.numbers(batch * dim);
        in_every_store(&problem.patterns, dim, |name, memory| {
            let plain = plain(memory);
            for member in [
                (Separation::Softmax, Similarity::Dot),
                (Separation::Softmax, Similarity::Cosine),
                (Separation::Sparsemax, Similarity::Dot),
                (Separation::Entmax(1.5), Similarity::NegL2),
                (Separation::TopK(3), Similarity::NegL1),
            ] {
                let how = retrieval::<T>(1.5, member);
                let expected = gradients(&how, (&problem.probes, &g), &plain);
                let got = gradients(&how, (&problem.probes, &g), memory);
                assert_eq!(got, expected, "{name}: {member:?}");
                let settle = |memory: &Memory<T>| {
                    let (mut x, mut settled) = (problem.probes.clone(), Settled::new());
                    let stop = Stop::new().max_steps(30);
                    how.settle(memory, &mut x, stop, &mut settled, &mut Context::new()).unwrap();
                    let x: Vec<u64> = x.iter().map(|x| x.bits()).collect();
                    (x, settled.steps().to_vec())
                };
                assert_eq!(settle(memory), settle(&plain), "{name}: {member:?}");
            }
        });
    }
}

#[test]
fn gradients_and_settled_probes_are_those_of_a_plain_memory() {
    check_backward_and_settle::<f32>();
    check_backward_and_settle::<f64>();
}

/// A NaN in a pattern does what it does in a plain memory, masked or not.
#[test]
fn patterns_that_are_not_numbers_do_what_they_do_in_a_plain_memory() {
    let mut random = Random::new(74);
    for (batch, dim, count) in [(1, 64, 50), (1, 19, 50), (9, 33, 200)] {
        let mut problem = Problem::<f32>::new((batch, dim, count), &mut random);
        problem.patterns[7 * dim + 3] = f32::NAN;
        problem.patterns[8 * dim] = f32::INFINITY;
        let keep: Vec<bool> = (0..count).map(|n| n != 7 && n != 8).collect();
        in_every_store(&problem.patterns, dim, |name, memory| {
            let plain = plain(memory);
            for separation in [Separation::Softmax, Separation::Sparsemax, Separation::TopK(2)] {
                let how = retrieval::<f32>(1.0, (separation, Similarity::Dot));
                for how in [&how, &how.with_mask(&keep)] {
                    let expected = told(how, &problem.probes, &plain, &mut Context::new());
                    let got = told(how, &problem.probes, memory, &mut Context::new());
                    assert_eq!(got, expected, "{name}: {separation:?}");
                }
            }
        });
    }
}

/// Enough patterns for several splits and threads.
#[test]
fn threads_change_nothing() {
    let mut random = Random::new(75);
    let (dim, count) = (90, 9000);
    for batch in [1, 40] {
        let problem = Problem::<f32>::new((batch, dim, count), &mut random);
        in_every_store(&problem.patterns, dim, |name, memory| {
            let plain = plain(memory);
            for separation in [Separation::Softmax, Separation::Sparsemax] {
                let how = retrieval::<f32>(2.0, (separation, Similarity::Dot));
                let level = levels::all()[0];
                let context = &mut levels::serial(level);
                let expected = retrieved(&how, &problem.probes, &plain, context);
                for threads in [1, 3] {
                    let got = levels::in_pool(threads, || {
                        let context = &mut levels::threaded(level);
                        retrieved(&how, &problem.probes, memory, context)
                    });
                    assert_eq!(got, expected, "{name}: {separation:?}, {threads} threads");
                }
            }
        });
    }
}
