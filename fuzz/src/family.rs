//! Every separation with every similarity, with masks and numbers that are none: weights are those
//! of the separation as a function of rows, what is retrieved is the update by its definition, and
//! codes change no bit.

use hopfield_kernels::{
    Codes, Context, Error, Gradients, MatMut, MatRef, Memory, Outputs, Retrieval, Separation,
    Settled, Similarity, Stop, Upstream,
};

use crate::input::Input;

/// Compares a recall with plain sums, and then recalls, iterates and differentiates what may not be
/// a number.
pub fn family(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (_, mut context) = input.context::<f64>();
    let (b, d, mut n) = (input.between(1, 4), input.between(1, 40), input.between(1, 40));
    if input.seldom(8) {
        n = input.pick(&[255, 256, 257, 400]);
    }
    let separation = separation(&mut input);
    let similarity = input.pick(&Similarity::ALL);
    let beta = input.positive(-3.0, 3.0);
    let mut patterns: Vec<f64> = (0..n * d).map(|_| input.number(-1.0, 1.0)).collect();
    let mut probes: Vec<f64> = (0..b * d).map(|_| input.number(-1.5, 1.5)).collect();
    let masks: Vec<bool> = (0..b * n).map(|_| !input.seldom(4)).collect();
    let hints: Vec<_> = (0..b).map(|_| input.flag().then(|| input.between(0, n))).collect();
    let all = Retrieval::new(beta).with_separation(separation).with_similarity(similarity);
    let all = all.with_screening(input.screening()).with_hints(&hints);
    let how = all.with_masks(MatRef::new(&masks, b, n).expect("a mask for each"));
    let member = (separation, similarity, beta);
    check((&how, member), (&probes, &patterns, &masks), [b, d, n], &mut context);
    let (codes, ways) = (input.codes(), [all, all.with_mask(&masks[..n]), how]);
    let memory = Memory::from_slice(&patterns, d).expect("whole patterns");
    same_with_codes(&ways, &probes, &memory, codes, &mut context);
    let wrong = input.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e-310, 0.0]);
    let at = input.between(0, probes.len() - 1);
    probes[at] = wrong;
    if input.flag() {
        let at = input.between(0, patterns.len() - 1);
        patterns[at] = input.pick(&[f64::NAN, f64::INFINITY, 1e200, 0.0]);
    }
    strange(&how, (&probes, &patterns), [b, d, n], &mut context);
    let memory = Memory::from_slice(&patterns, d).expect("whole patterns");
    same_with_codes(&ways, &probes, &memory, codes, &mut context);
}

fn separation(input: &mut Input<'_>) -> Separation {
    let number = input.number(0.0, 1.0);
    let count = input.between(1, 12);
    match input.between(0, 12) {
        0 => Separation::Softmax,
        1 => Separation::SoftmaxPlus(3.0 * number),
        2 => Separation::Sparsemax,
        3 => Separation::Entmax(1.0 + 4.0 * number),
        4 => Separation::Normmax(1.05 + 5.0 * number),
        5 => Separation::KSubsets(0.05 + number * count as f64),
        6 => Separation::TopK(count),
        7 => Separation::HardTopK(count),
        8 => Separation::Max,
        9 => Separation::Polynomial(2.0 + 6.0 * number),
        10 => Separation::Power(0.25 + 4.0 * number),
        11 => Separation::Epanechnikov(1.0 + 3.0 * number),
        _ => Separation::ClippedSoftmax { gamma: -0.2 * number, eta: 1.0 + number },
    }
}

/// A recall of numbers against plain sums.
fn check(
    (how, (separation, similarity, beta)): (&Retrieval<'_, f64>, (Separation, Similarity, f64)),
    (probes, patterns, masks): (&[f64], &[f64], &[bool]),
    [batch, dim, count]: [usize; 3],
    context: &mut Context<f64>,
) {
    let memory = Memory::from_slice(patterns, dim).expect("whole patterns");
    let (mut retrieved, mut weights) = (vec![7.0; batch * dim], vec![7.0; batch * count]);
    let mut similarities = vec![7.0; batch * count];
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut retrieved, batch, dim).expect("room"))
        .with_memory_weights(MatMut::new(&mut weights, batch, count).expect("room"))
        .with_similarities(MatMut::new(&mut similarities, batch, count).expect("room"));
    let rows = MatRef::new(probes, batch, dim).expect("whole probes");
    match how.run(rows, &memory, outputs, context) {
        Ok(()) => {}
        Err(Error::Parameter { name: "k", .. } | Error::Count { name: "k", .. }) => return,
        Err(error) => panic!("{separation:?} {similarity:?}: {error}"),
    }
    for row in 0..batch {
        let (s, p) = (&similarities[row * count..][..count], &weights[row * count..][..count]);
        let mask = &masks[row * count..][..count];
        let mut expected: Vec<f64> = s
            .iter()
            .zip(mask)
            .map(|(s, keep)| if *keep { beta * s } else { f64::NEG_INFINITY })
            .collect();
        separation.weights(&mut expected).expect("it was taken before");
        let what = format!("{separation:?} {similarity:?} beta {beta}");
        for (p, expected) in p.iter().zip(&expected) {
            let error = (p - expected).abs();
            assert!(error <= 1e-9 * (1.0 + expected.abs()), "{what}: {p} is not {expected}");
        }
        let x = &probes[row * dim..][..dim];
        let y = update(similarity, separation, x, (p, patterns), mask.contains(&true));
        let most = p.iter().fold(1.0, |most: f64, p| most.max(p.abs())) * count as f64;
        for (got, expected) in retrieved[row * dim..].iter().zip(&y) {
            let error = (got - expected).abs();
            assert!(error <= 1e-7 * most, "{what}: retrieved {got} is not {expected}");
        }
    }
}

/// The update by its definition. `some` tells whether a pattern takes part.
fn update(
    similarity: Similarity,
    separation: Separation,
    x: &[f64],
    (p, patterns): (&[f64], &[f64]),
    some: bool,
) -> Vec<f64> {
    let dim = x.len();
    if !some {
        return vec![0.0; dim];
    }
    if p.iter().all(|p| *p == 0.0) {
        return x.to_vec();
    }
    let rows = || p.iter().zip(patterns.chunks_exact(dim)).filter(|(p, _)| **p != 0.0);
    let norm = |m: &[f64]| m.iter().map(|m| m * m).sum::<f64>().sqrt();
    let sum = |factor: &dyn Fn(f64, &[f64]) -> f64| -> Vec<f64> {
        let mut sum = vec![0.0; dim];
        for (&p, m) in rows() {
            let factor = factor(p, m);
            sum.iter_mut().zip(m).for_each(|(sum, m)| *sum += factor * m);
        }
        sum
    };
    let scaled = |y: Vec<f64>, by: f64| -> Vec<f64> { y.iter().map(|y| y / by).collect() };
    let on_sphere = |y: Vec<f64>| match norm(&y) {
        0.0 => x.to_vec(),
        length => scaled(y, length),
    };
    let total: f64 = p.iter().sum();
    match similarity {
        Similarity::Dot
            if matches!(separation, Separation::Polynomial(_) | Separation::Power(_)) =>
        {
            on_sphere(sum(&|p, _| p))
        }
        Similarity::Cosine => {
            on_sphere(sum(&|p, m| if norm(m) == 0.0 { 0.0 } else { p / norm(m) }))
        }
        Similarity::NegHalfSquaredL2 => scaled(sum(&|p, _| p), total),
        Similarity::NegL2 => {
            let distance = |m: &[f64]| -> f64 {
                m.iter().zip(x).map(|(m, x)| (m - x) * (m - x)).sum::<f64>().sqrt()
            };
            if rows().any(|(_, m)| distance(m) == 0.0) {
                return x.to_vec();
            }
            let total: f64 = rows().map(|(p, m)| p / distance(m)).sum();
            scaled(sum(&|p, m| p / distance(m)), total)
        }
        Similarity::NegL1 => (0..dim).map(|d| median(x[d], d, &rows, total)).collect(),
        _ => sum(&|p, _| p),
    }
}

/// The weighted median of a feature, or x where that is one.
fn median<'r, I: Iterator<Item = (&'r f64, &'r [f64])>>(
    x: f64,
    d: usize,
    rows: &dyn Fn() -> I,
    total: f64,
) -> f64 {
    let side = |of: &dyn Fn(f64) -> bool| -> f64 {
        rows().filter(|(_, m)| of(m[d])).map(|(p, _)| p).sum()
    };
    if side(&|m| m < x) <= total / 2.0 && side(&|m| m > x) <= total / 2.0 {
        return x;
    }
    let mut column: Vec<(f64, f64)> = rows().map(|(p, m)| (m[d], *p)).collect();
    column.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut so_far = 0.0;
    let reached = column.iter().find(|(_, p)| {
        so_far += p;
        so_far >= total / 2.0
    });
    reached.or(column.last()).map_or(x, |(m, _)| *m)
}

/// Recalls with codes and without are the same bits.
fn same_with_codes(
    ways: &[Retrieval<'_, f64>],
    probes: &[f64],
    plain: &Memory<f64>,
    codes: Codes,
    context: &mut Context<f64>,
) {
    let coded = plain.clone().with_codes(codes).expect("room for codes");
    for how in ways {
        let expected = told(how, probes, plain, context);
        assert_eq!(told(how, probes, &coded, context), expected, "{codes:?}: {how:?}");
    }
}

/// What a recall tells besides similarities, as bits; nothing if it is refused.
fn told(
    how: &Retrieval<'_, f64>,
    probes: &[f64],
    memory: &Memory<f64>,
    context: &mut Context<f64>,
) -> Option<Vec<u64>> {
    let (dim, count) = (memory.dim(), memory.patterns());
    let batch = probes.len() / dim;
    let (mut retrieved, mut weights) = (vec![7.0; batch * dim], vec![7.0; batch * count]);
    let mut floats: [Vec<f64>; 5] = std::array::from_fn(|_| vec![7.0; batch]);
    let (mut best, mut support) = (vec![None; batch], vec![7; batch]);
    let [lse, energy, entropy, best_weight, second] = &mut floats;
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut retrieved, batch, dim).expect("room"))
        .with_memory_weights(MatMut::new(&mut weights, batch, count).expect("room"))
        .with_lse(lse)
        .with_energy(energy)
        .with_entropy(entropy)
        .with_best_weight(best_weight)
        .with_second(second)
        .with_best(&mut best)
        .with_support(&mut support);
    how.run(MatRef::new(probes, batch, dim).expect("whole probes"), memory, outputs, context)
        .ok()?;
    let bits = |x: &f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
    let numbers = retrieved.iter().chain(&weights).chain(floats.iter().flatten()).map(bits);
    let best = best.iter().map(|best| best.map_or(u64::MAX, |best| best as u64));
    Some(numbers.chain(best).chain(support.iter().map(|n| *n as u64)).collect())
}

/// Recall, iteration and gradients of anything: results or NaN, no panic.
fn strange(
    how: &Retrieval<'_, f64>,
    (probes, patterns): (&[f64], &[f64]),
    [batch, dim, count]: [usize; 3],
    context: &mut Context<f64>,
) {
    let memory = Memory::from_slice(patterns, dim).expect("whole patterns");
    let rows = MatRef::new(probes, batch, dim).expect("whole probes");
    let (mut retrieved, mut lse) = (vec![7.0; batch * dim], vec![7.0; batch]);
    let (mut second, mut spread, mut usage) =
        (vec![7.0; batch], vec![7.0; batch], vec![7.0; count]);
    let outputs = Outputs::new()
        .with_retrieved(MatMut::new(&mut retrieved, batch, dim).expect("room"))
        .with_lse(&mut lse)
        .with_second(&mut second)
        .with_spread(&mut spread)
        .with_usage(&mut usage);
    if how.run(rows, &memory, outputs, context).is_err() {
        return;
    }
    let mut states = probes.to_vec();
    let stop = Stop::new().max_steps(5);
    how.settle(&memory, &mut states, stop, &mut Settled::new().with_trace(), context)
        .expect("it has been recalled");
    let (mut dx, mut dm, mut db) =
        (vec![7.0; batch * dim], vec![7.0; count * dim], vec![7.0; count]);
    let upstream = Upstream::new().with_retrieved(rows).with_lse(&lse);
    let gradients = Gradients::new()
        .with_probes(MatMut::new(&mut dx, batch, dim).expect("room"))
        .with_patterns(MatMut::new(&mut dm, count, dim).expect("room"))
        .with_bias(&mut db);
    how.backward(rows, &memory, upstream, gradients, context).expect("it has been recalled");
}
