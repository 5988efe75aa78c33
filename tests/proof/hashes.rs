//! Every kernel's results as one number, for comparisons between processes and with what is
//! committed.

use hopfield_kernels::{
    Context, Memory, OuterProducts, Plasticity, Update, UpdateRule, combine, outer_product_update,
    similarities, softmax,
};

use testkit::data::{Matrix, Real};
use testkit::subject::Case;

/// A kernel, and the hash of its results.
pub type Hash = (&'static str, u64);

/// What has a logarithm in it, which is the platform's: in double precision its last bit may be
/// another elsewhere. Rounded to single precision, it is `logarithms`.
pub const OF_THE_PLATFORM: [&str; 2] = ["recall-logarithms", "energy"];

/// Bits of a hash (after Fowler, Noll & Vo), over whole numbers.
pub fn hash(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        (hash ^ number ^ number >> 29).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
    })
}

fn hash_of<T: Real>(numbers: &[T]) -> u64 {
    hash(numbers.iter().map(|x| x.bits()))
}

fn hash_of_memory<T: Real>(memory: &Memory<T>) -> u64 {
    hash(memory.to_rows().into_iter().chain(memory.squared_norms().iter().copied()).map(T::bits))
}

/// The hashes of every kernel's results.
pub fn hashes<T: Real>(case: &Case<T>, context: &mut Context<T>) -> Vec<Hash> {
    let mut hashes = recall(case, context);
    hashes.extend(products(case, context));
    hashes.extend(learning(case, context));
    hashes
}

/// Recall with all that comes of the same pass, and the energy alone.
fn recall<T: Real>(case: &Case<T>, context: &mut Context<T>) -> Vec<Hash> {
    let batch = case.probes.rows;
    let told = case.run(context);
    let best = told.best.iter().map(|best| best.map_or(u64::MAX, |best| best as u64));
    let places = best.chain(told.support.iter().map(|&support| support as u64));
    let logarithms = [&told.lse[..], &told.entropy, &told.energy].concat();
    let rounded = logarithms.iter().map(|x| (x.to_f64() as f32).to_bits().into());
    let mut energy = vec![T::CANARY; batch];
    let (probes, beta) = (case.probes.view(), case.how.beta);
    hopfield_kernels::energy(probes, &case.memory, beta, &mut energy, &mut *context).unwrap();
    vec![
        ("recall", hash(told.retrieved.bits())),
        ("recall-similarities", hash(told.similarities.bits())),
        ("recall-weights", hash(told.weights.bits())),
        ("recall-best", hash(told.best_weight.iter().map(|x| x.bits()).chain(places))),
        ("recall-logarithms", hash_of(&logarithms)),
        ("logarithms", hash(rounded)),
        ("energy", hash_of(&energy)),
    ]
}

/// The parts of a recall, one by one, and the norms.
fn products<T: Real>(case: &Case<T>, context: &mut Context<T>) -> Vec<Hash> {
    let (batch, dim, patterns) = (case.probes.rows, case.patterns.cols, case.patterns.rows);
    let mut scores = Matrix::unwritten(batch, patterns, 0);
    similarities(case.probes.view(), &case.memory, scores.view_mut(), &mut *context).unwrap();
    let similarities = hash(scores.bits());
    softmax(scores.view_mut(), case.how.beta, &mut *context).unwrap();
    let mut sums = Matrix::unwritten(batch, dim, 0);
    combine(scores.view(), &case.memory, sums.view_mut(), &mut *context).unwrap();
    vec![
        ("similarities", similarities),
        ("softmax", hash(scores.bits())),
        ("combine", hash(sums.bits())),
        ("norms", hash_of(case.memory.squared_norms())),
        ("feature-norm", hash_of(&[case.memory.max_squared_feature_norm().unwrap()])),
    ]
}

/// An update with given weights, and both rules: from a recall, and with it.
fn learning<T: Real>(case: &Case<T>, context: &mut Context<T>) -> Vec<Hash> {
    let (batch, dim, patterns) = (case.probes.rows, case.patterns.cols, case.patterns.rows);
    let update = Update::default()
        .with_eta(T::from_f64(0.1))
        .with_reg_lambda(T::from_f64(0.01))
        .with_l1_lambda(T::from_f64(0.001));
    let mut weights = Matrix::unwritten(batch, patterns, 0);
    similarities(case.probes.view(), &case.memory, weights.view_mut(), &mut *context).unwrap();
    let mut memory = case.memory.clone();
    let vectors = case.probes.view();
    outer_product_update(
        &mut memory,
        OuterProducts::new(weights.view(), vectors),
        update,
        &mut *context,
    )
    .unwrap();
    let mut hashes = vec![("update", hash_of_memory(&memory))];
    for (rule, [learned, delta, at_once]) in [
        (UpdateRule::Delta, ["delta-rule", "delta-rule-change", "recall-and-delta-rule"]),
        (
            UpdateRule::Contrastive,
            ["contrastive-rule", "contrastive-rule-change", "recall-and-contrastive-rule"],
        ),
    ] {
        let plasticity = Plasticity::default().with_rule(rule).with_update(update);
        let recall = case.recall(context);
        let (mut memory, mut change) = (case.memory.clone(), Matrix::unwritten(patterns, dim, 0));
        plasticity.learn(&recall, &mut memory, Some(change.view_mut()), context).unwrap();
        hashes.push((learned, hash_of_memory(&memory)));
        hashes.push((delta, hash(change.bits())));

        let (mut memory, mut retrieved) = (case.memory.clone(), Matrix::unwritten(batch, dim, 0));
        let to = retrieved.view_mut();
        plasticity
            .recall_and_learn(&case.retrieval(), case.probes.view(), to, &mut memory, context)
            .unwrap();
        hashes.push((at_once, hash_of_memory(&memory)));
    }
    hashes
}
