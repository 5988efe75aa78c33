//! Every kernel against the reference, over shapes around every lane, tile, panel and block edge,
//! strides, masks, gains, element types, levels and threads.

use hopfield_kernels::{Context, Plasticity, Update, UpdateRule};
use proptest::prelude::*;
use proptest::sample::select;

use testkit::checks::{self, Ratio};
use testkit::data::{Kind, Matrix, Random, Real};
use testkit::levels;
use testkit::subject::{Case, Shape};

/// So many cases, or as many as `PROPTEST_CASES` says.
fn cases(count: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases: count, ..config },
    }
}

/// B, D and N: up to three lane groups and one more, and now and then around the edges of chunks
/// (4 KiB of a row) and blocks (512 patterns).
fn shape<T: Real>() -> impl Strategy<Value = Shape> {
    let (lanes, chunk) = (T::LANES, 4096 / size_of::<T>());
    let dim = prop_oneof![
        12 => 1..=3 * lanes + 1,
        1 => select(vec![chunk - 1, chunk, chunk + 1, 2 * chunk + 1, 1024]),
    ];
    let patterns = prop_oneof![
        12 => 1..=3 * lanes + 1,
        1 => select(vec![127, 128, 129, 511, 512, 513, 529, 1030]),
    ];
    let batch = prop_oneof![8 => 1_usize..=8, 1 => 9_usize..=14, 1 => Just(17_usize)];
    (batch, dim, patterns)
        .prop_map(|(batch, dim, n)| (batch.min(150_000 / (dim * n)).max(1), dim, n))
}

/// A recall, some with a mask or a gain.
fn case<T: Real>() -> impl Strategy<Value = Case<T>> {
    let beta = (0.01_f64.ln()..50_f64.ln()).prop_map(f64::exp);
    let mask = prop_oneof![3 => Just(None), 1 => (0.0..1.0).prop_map(Some)];
    let gain = prop_oneof![3 => Just(1.0), 1 => 0.1..10.0];
    let seed = any::<u64>();
    (shape::<T>(), Kind::any(), beta, mask, gain, seed).prop_map(
        |(shape, kind, beta, mask, gain, seed)| {
            let mut case = Case::random(shape, kind, beta, seed);
            let mut random = Random(seed);
            case.how.gain = T::from_f64(gain);
            case.how.keep = mask.map(|share| (0..shape.2).map(|_| random.unit() < share).collect());
            case
        },
    )
}

fn factors<T: Real>() -> impl Strategy<Value = Update<T>> {
    let decay = || prop_oneof![Just(0.0), 1e-4..0.5];
    (-1.0..1.0, decay(), decay()).prop_map(|(eta, reg_lambda, l1_lambda)| {
        Update::default()
            .with_eta(T::from_f64(eta))
            .with_reg_lambda(T::from_f64(reg_lambda))
            .with_l1_lambda(T::from_f64(l1_lambda))
    })
}

fn plasticity<T: Real>() -> impl Strategy<Value = Plasticity<T>> {
    let rule = select(vec![UpdateRule::Delta, UpdateRule::Contrastive]);
    let negative_beta = proptest::option::of((0.1..10.0).prop_map(T::from_f64));
    (rule, factors(), negative_beta, 1_usize..=3).prop_map(
        |(rule, update, negative_beta, negative_steps)| {
            Plasticity::default()
                .with_rule(rule)
                .with_update(update)
                .with_negative_beta(negative_beta)
                .with_negative_steps(negative_steps)
        },
    )
}

/// Weights of any size and sign, some zero.
fn weights<T: Real>(case: &Case<T>, seed: u64) -> Matrix<T> {
    let shape = (case.probes.rows, case.patterns.rows, seed as usize % 7);
    Kind::ZeroBlocks.matrix(shape, &mut Random(seed))
}

fn assert_within(ratios: impl IntoIterator<Item = Ratio>) {
    for (kernel, ratio) in ratios {
        assert!(ratio <= 1.0, "{kernel}: {ratio} times its bound");
    }
}

/// A context for every level, without threads and with.
fn contexts<T: Real>() -> Vec<Context<T>> {
    let levels = levels::all().into_iter();
    levels.flat_map(|level| [levels::serial(level), levels::threaded(level)]).collect()
}

fn recall_is_within_its_bounds<T: Real>(case: &Case<T>) {
    let exact: Vec<_> = (0..case.probes.rows).map(|b| (b, case.exact(b))).collect();
    for mut context in contexts() {
        let level = context.level().unwrap();
        assert_within(checks::recall(case, level, &mut context, &exact));
        checks::similarities(case, &mut context);
    }
}

fn products_are_within_their_bounds<T: Real>(case: &Case<T>, factors: Update<T>, seed: u64) {
    let weights = weights(case, seed);
    let scores = Kind::LogNormal.matrix((3, case.patterns.rows, 2), &mut Random(seed));
    for mut context in contexts() {
        let level = context.level().unwrap();
        assert_within(checks::softmax(&scores, case.how.beta, level, &mut context));
        assert_within([checks::combine(&weights, case, level, &mut context)]);
        assert_within(checks::update(case, &weights, factors, level, &mut context));
    }
}

fn learning_is_within_its_bounds<T: Real>(case: &Case<T>, rule: Plasticity<T>, given: bool) {
    for level in levels::all() {
        assert_within(checks::learn(case, rule, given, level, &mut levels::threaded(level)));
    }
}

fn recalling_and_learning_is_one_after_the_other<T: Real>(case: &Case<T>, rule: Plasticity<T>) {
    let (batch, dim) = (case.probes.rows, case.patterns.cols);
    let retrieval = case.retrieval();
    for mut context in contexts() {
        let told = case.run(&mut context);
        let mut memory = case.memory.clone();
        let recall = case.recall(&mut context);
        rule.learn(&recall, &mut memory, None, &mut context).expect("it fits");

        let mut at_once = case.memory.clone();
        let mut retrieved = Matrix::unwritten(batch, dim, 1);
        let probes = case.probes.view();
        rule.recall_and_learn(&retrieval, probes, retrieved.view_mut(), &mut at_once, &mut context)
            .expect("it fits");
        retrieved.assert_holes_untouched();
        assert_eq!(retrieved.bits(), told.retrieved.bits(), "recall");
        let bits = |memory: &hopfield_kernels::Memory<T>| -> Vec<_> {
            memory.to_rows().into_iter().map(T::bits).collect()
        };
        assert_eq!(bits(&at_once), bits(&memory), "learning");
        assert_eq!(at_once.squared_norms(), memory.squared_norms(), "norms");
    }
}

/// Several blocks and splits, of which a few probes are compared.
fn large_shapes_are_within_their_bounds<T: Real>(shapes: [Shape; 3]) {
    for (at, shape) in shapes.into_iter().enumerate() {
        let (kind, beta) = [(Kind::Uniform, 0.7), (Kind::LogNormal, 0.05), (Kind::High, 0.2)][at];
        let mut case = Case::<T>::random(shape, kind, beta, at as u64);
        if at == 2 {
            case.how.keep = Some((0..shape.2).map(|n| n % 5 != 1).collect());
        }
        let exact: Vec<_> = [0, shape.0 / 2, shape.0 - 1].map(|b| (b, case.exact(b))).into();
        for level in levels::all() {
            assert_within(checks::recall(&case, level, &mut levels::serial(level), &exact));
            levels::in_pool(3, || {
                assert_within(checks::recall(&case, level, &mut levels::threaded(level), &exact));
            });
        }
    }
}

macro_rules! properties {
    ($($t:ident: $large:expr;)*) => {$(mod $t {
        use super::*;

        proptest! {
            #![proptest_config(cases(96))]

            #[test]
            fn recall_is_within_its_bounds(case in case::<$t>()) {
                super::recall_is_within_its_bounds(&case);
            }

            #[test]
            fn products_are_within_their_bounds(
                case in case::<$t>(), factors in factors(), seed in any::<u64>(),
            ) {
                super::products_are_within_their_bounds(&case, factors, seed);
            }

            #[test]
            fn learning_is_within_its_bounds(
                case in case::<$t>(), rule in plasticity(), given in any::<bool>(),
            ) {
                super::learning_is_within_its_bounds(&case, rule, given);
            }

            #[test]
            fn recalling_and_learning_is_one_after_the_other(
                case in case::<$t>(), rule in plasticity(),
            ) {
                super::recalling_and_learning_is_one_after_the_other(&case, rule);
            }
        }

        #[test]
        fn large_shapes_are_within_their_bounds() {
            super::large_shapes_are_within_their_bounds::<$t>($large);
        }
    })*};
}

properties! {
    f32: [(5, 784, 3000), (64, 100, 20_000), (3, 4100, 300)];
    f64: [(5, 390, 3000), (64, 50, 20_000), (3, 2050, 300)];
}

/// Of shapes, batches of all sizes at every level: the first probe and the last, and of the largest
/// batch one in the middle. (That a probe's place in the batch changes nothing is shown in `bits`.)
fn these_shapes_are_within_their_bounds<T: Real>(shapes: impl IntoIterator<Item = (usize, usize)>) {
    const MOST: usize = 17;
    let contexts: Vec<_> = levels::all().into_iter().map(|at| (at, levels::serial(at))).collect();
    for (dim, patterns) in shapes {
        let seed = (dim * 100 + patterns) as u64;
        // Also says how far apart rows are: from not at all to 38 elements.
        let case = Case::<T>::random((MOST, dim, patterns), Kind::Uniform, 3.0, seed);
        // The reference takes longer than all that it is compared with.
        let exact = [0, MOST / 2, MOST - 1].map(|b| case.exact(b));
        for batch in [1, 2, 3, 5, 6, 7, 8, MOST] {
            let mut probes = vec![(0, exact[0].clone()), (batch - 1, exact[2].clone())];
            probes.drain(..usize::from(batch == 1));
            if batch == MOST {
                probes.push((MOST / 2, exact[1].clone()));
            }
            let order: Vec<_> = (0..batch - 1).chain([MOST - 1]).collect();
            let part = Case { probes: case.probes.select(&order), ..case.clone() };
            for (level, context) in &mut contexts.clone() {
                assert_within(checks::recall(&part, *level, context, &probes));
            }
        }
    }
}

/// All D and N up to twice a lanes, and with it a panel and a tile, and one more.
fn small_shapes<T: Real>() -> impl Iterator<Item = (usize, usize)> {
    let small = || 1..=2 * T::LANES + 1;
    small().flat_map(move |dim| small().map(move |patterns| (dim, patterns)))
}

/// Around every edge of a chunk of D, and of a block of patterns: 512 short ones, 512 KiB of longer
/// ones or of the chunks of the longest, and half as many where they are updated.
fn edges_of_chunks_and_blocks<T: Real>() -> impl Iterator<Item = (usize, usize)> {
    let chunk = 4096 / size_of::<T>();
    let around = |at: usize| [at - 1, at, at + 1];
    let short = [1, T::LANES + 1, chunk / 8 - T::LANES];
    let blocks_of_short = around(512).into_iter().chain(around(1024));
    let longer = [around(chunk / 4).to_vec(), around(chunk).to_vec(), around(2 * chunk).to_vec()];
    let blocks_of_longer = move |dim: usize| {
        let row = (dim * size_of::<T>()).next_multiple_of(64);
        let chunk = row / row.div_ceil(4096);
        let edges = move |bytes: usize| around((bytes / chunk).min(512) / T::LANES * T::LANES);
        edges(256 << 10).into_iter().chain(edges(512 << 10))
    };
    let longer = longer.into_iter().flatten();
    blocks_of_short
        .flat_map(move |patterns| short.map(|dim| (dim, patterns)))
        .chain(longer.flat_map(move |dim| blocks_of_longer(dim).map(move |n| (dim, n))))
}

#[test]
fn every_small_shape_is_within_its_bounds() {
    these_shapes_are_within_their_bounds::<f32>(small_shapes::<f32>());
    these_shapes_are_within_their_bounds::<f64>(small_shapes::<f64>());
}

#[test]
fn every_edge_of_a_block_is_within_its_bounds() {
    these_shapes_are_within_their_bounds::<f32>(edges_of_chunks_and_blocks::<f32>());
    these_shapes_are_within_their_bounds::<f64>(edges_of_chunks_and_blocks::<f64>());
}
