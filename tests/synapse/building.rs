//! Builders: defaults, random beginnings, preloaded patterns, and what is refused.

use hopfield_kernels::{
    Distribution, Error, HopfieldSynapse, MatRef, Semantics, UpdateRule, WeightInit,
};

use crate::naive::numbers;

fn weights(init: impl Into<WeightInit>, shape: (usize, usize)) -> Vec<f64> {
    let builder = HopfieldSynapse::builder("W", shape).weight_init(init).seed(3);
    builder.build().unwrap().memory().to_rows()
}

fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt())
}

#[test]
fn defaults_are_ngc_learns() {
    let synapse = HopfieldSynapse::<f64>::builder("W", (4, 6)).build().unwrap();
    assert_eq!((synapse.name(), synapse.shape()), ("W", (4, 6)));
    assert_eq!((synapse.beta(), synapse.eta()), (8.0, 0.0));
    assert_eq!((synapse.reg_lambda(), synapse.l1_lambda()), (0.0, 0.0));
    assert_eq!((synapse.resist_scale(), synapse.p_conn()), (1.0, 1.0));
    assert_eq!((synapse.batch_size(), synapse.negative_steps(), synapse.key()), (1, 1, 0));
    assert_eq!(synapse.update_rule(), UpdateRule::Delta);
    assert_eq!(synapse.semantics(), Semantics::NgcLearn);
    assert_eq!(synapse.weight_init(), Distribution::Uniform { low: 0.025, high: 0.8 }.into());
    assert_eq!((synapse.permutation(), synapse.connections()), (None, None));
    assert!(synapse.weights().iter().all(|w| (0.025..0.8).contains(w)));
}

/// Computed by NumPy's PCG64 from the generator, seeding and formulas in the documentation.
#[test]
fn a_seed_means_the_same_for_ever() {
    let synapse = HopfieldSynapse::<f64>::builder("W", (3, 2)).seed(42).build().unwrap();
    let expected = [
        0.2501219303339739,
        0.6491563960888328,
        0.701284094860313,
        0.6937426627991384,
        0.34065454906242176,
        0.6041392431446129,
    ];
    for (found, expected) in synapse.memory().to_rows().iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    }
    let rounded = HopfieldSynapse::<f32>::builder("W", (3, 2)).seed(42).build().unwrap();
    let single: Vec<f32> = synapse.weights().iter().map(|&weight| weight as f32).collect();
    assert_eq!(rounded.weights(), single);

    let masked = HopfieldSynapse::<f64>::builder("W", (2, 4))
        .semantics(Semantics::Standard)
        .p_conn(0.5)
        .seed(42)
        .build()
        .unwrap();
    let connected = [false, false, true, true, true, false, false, true];
    assert_eq!(masked.connections(), Some(&connected[..]));

    let preloaded = HopfieldSynapse::<f64>::builder("W", (1, 8))
        .initial_patterns(MatRef::new(&[1.0], 1, 1).unwrap())
        .seed(42)
        .build()
        .unwrap();
    assert_eq!(preloaded.permutation(), Some(&[4, 5, 7, 6, 3, 0, 2, 1][..]));
}

#[test]
fn seeds_differ_and_repeat() {
    let weights = |seed, p_conn| {
        let builder = HopfieldSynapse::<f32>::builder("W", (5, 7)).seed(seed).p_conn(p_conn);
        builder.build().unwrap().weights()
    };
    assert_eq!(weights(1, 1.0), weights(1, 1.0));
    assert_ne!(weights(1, 1.0), weights(2, 1.0));
    // A mask takes weights away and moves none.
    let (all, some) = (weights(1, 1.0), weights(1, 0.5));
    assert!(all.iter().zip(&some).all(|(all, some)| some == all || *some == 0.0));
    assert!(some.contains(&0.0) && some.iter().any(|weight| *weight != 0.0));
}

#[test]
fn distributions_are_what_they_are_called() {
    assert_eq!(weights(Distribution::Constant { value: 0.3 }, (2, 3)), [0.3; 6]);

    let uniform = weights(Distribution::Uniform { low: -2.0, high: 4.0 }, (100, 200));
    let (mean, std) = mean_and_std(&uniform);
    assert!(uniform.iter().all(|w| (-2.0..4.0).contains(w)));
    assert!((mean - 1.0).abs() < 0.05 && (std - 3.0_f64.sqrt()).abs() < 0.05, "{mean} {std}");

    let (mean, std) =
        mean_and_std(&weights(Distribution::Gaussian { mean: 2.0, std: 0.5 }, (100, 200)));
    assert!((mean - 2.0).abs() < 0.02 && (std - 0.5).abs() < 0.02, "{mean} {std}");

    let log = weights(Distribution::LogGaussian { sigma: 0.5 }, (100, 200));
    assert!(log.iter().all(|w| *w > 0.0));
    let logarithms: Vec<f64> = log.iter().map(|w| w.ln()).collect();
    let (mean, std) = mean_and_std(&logarithms);
    assert!(mean.abs() < 0.02 && (std - 0.5).abs() < 0.02, "{mean} {std}");

    // The fan is N for one and D for the other, as in ngc-learn.
    let fan = weights(Distribution::FanInUniform, (100, 400));
    let widest = fan.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    assert!(widest <= 0.05 && widest > 0.0499, "{widest}");
    let (mean, std) = mean_and_std(&weights(Distribution::FanInGaussian, (100, 400)));
    assert!(mean.abs() < 0.002 && (std - 0.1).abs() < 0.002, "{mean} {std}");
}

#[test]
fn weights_are_clipped() {
    let gaussian = WeightInit::from(Distribution::Gaussian { mean: 0.0, std: 1.0 });
    let free = weights(gaussian, (10, 20));
    let clip = |low: f64, high: f64| free.iter().map(|w| w.clamp(low, high)).collect::<Vec<_>>();
    let infinity = f64::INFINITY;
    let clipped = |amin, amax| weights(gaussian.clipped(amin, amax), (10, 20));
    assert_eq!(clipped(Some(-0.5), Some(0.7)), clip(-0.5, 0.7));
    assert_eq!(clipped(Some(0.1), None), clip(0.1, infinity));
    assert_eq!(clipped(None, Some(0.1)), clip(-infinity, 0.1));
    assert_ne!(free, clip(-0.5, 0.7));
}

#[test]
fn as_many_patterns_are_the_memory() {
    let rows = numbers(12, 3);
    for semantics in [Semantics::NgcLearn, Semantics::Standard] {
        let builder = || HopfieldSynapse::builder("W", (3, 4)).semantics(semantics);
        let by_rows =
            builder().initial_pattern_rows(MatRef::new(&rows, 4, 3).unwrap()).build().unwrap();
        assert_eq!(by_rows.memory().to_rows(), rows);
        assert_eq!(by_rows.permutation(), None);
        let columns = by_rows.weights();
        let by_columns =
            builder().initial_patterns(MatRef::new(&columns, 3, 4).unwrap()).build().unwrap();
        assert_eq!(by_columns.weights(), columns);
    }
}

#[test]
fn fewer_patterns_are_shuffled_into_the_initial_weights() {
    let rows = numbers(2 * 3, 4);
    for semantics in [Semantics::NgcLearn, Semantics::Standard] {
        let builder = || HopfieldSynapse::builder("W", (3, 6)).semantics(semantics).seed(5);
        let initial = builder().build().unwrap().memory().to_rows();
        let synapse =
            builder().initial_pattern_rows(MatRef::new(&rows, 2, 3).unwrap()).build().unwrap();
        let concatenated = [&rows[..], &initial[..4 * 3]].concat();
        let order = synapse.permutation().unwrap();
        for (n, &from) in order.iter().enumerate() {
            assert_eq!(synapse.memory().pattern(n), &concatenated[from * 3..][..3]);
        }
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        assert_ne!(order, sorted, "this seed moves something");
    }
}

#[test]
fn no_patterns_are_as_if_not_given() {
    let builder = || HopfieldSynapse::<f64>::builder("W", (3, 6));
    let none = builder().initial_patterns(MatRef::new(&[], 3, 0).unwrap()).build().unwrap();
    assert_eq!(none.weights(), builder().build().unwrap().weights());
    assert_eq!(none.permutation(), None);
}

#[test]
fn more_patterns_replace_the_memory_or_are_refused() {
    let rows = numbers(7 * 3, 4);
    let build = |semantics| {
        HopfieldSynapse::builder("W", (3, 5))
            .semantics(semantics)
            .initial_pattern_rows(MatRef::new(&rows, 7, 3).unwrap())
            .build()
    };
    let mut replaced = build(Semantics::NgcLearn).unwrap();
    assert_eq!(replaced.shape(), (3, 7));
    assert_eq!(replaced.memory().to_rows(), rows);
    replaced.advance_state().unwrap();
    replaced.evolve().unwrap();
    assert_eq!(replaced.similarities().unwrap().cols(), 7);
    assert_eq!(
        build(Semantics::Standard).unwrap_err(),
        Error::TooManyPatterns { expected: 5, found: 7 },
    );
}

#[test]
fn patterns_of_another_dimension_are_refused() {
    let rows = numbers(24, 4);
    for semantics in [Semantics::NgcLearn, Semantics::Standard] {
        for count in [1, 4, 6] {
            let refused = HopfieldSynapse::builder("W", (3, 4))
                .semantics(semantics)
                .initial_pattern_rows(MatRef::new(&rows, count, 4).unwrap())
                .build()
                .unwrap_err();
            let (operand, expected, found) = ("initial_patterns", (count, 3), (count, 4));
            assert_eq!(refused, Error::Shape { operand, expected, found });
        }
    }
}

#[test]
fn an_unknown_rule_means_delta_or_is_refused() {
    let build = |semantics, name| {
        let builder = HopfieldSynapse::<f32>::builder("W", (2, 2));
        builder.semantics(semantics).update_rule_named(name).build()
    };
    for semantics in [Semantics::NgcLearn, Semantics::Standard] {
        let contrastive = build(semantics, "contrastive").unwrap();
        assert_eq!(contrastive.update_rule(), UpdateRule::Contrastive);
        assert_eq!(build(semantics, "delta").unwrap().update_rule(), UpdateRule::Delta);
    }
    let unknown = build(Semantics::NgcLearn, "Contrastive").unwrap();
    assert_eq!(unknown.update_rule(), UpdateRule::Delta);
    let refused = build(Semantics::Standard, "Contrastive").unwrap_err();
    assert!(matches!(refused, Error::Unknown { what: "update_rule", .. }), "{refused}");
}

#[test]
fn parameters_outside_their_domain_are_refused() {
    type Builder = hopfield_kernels::HopfieldSynapseBuilder<'static, f64>;
    let refused = |name: &str, change: &dyn Fn(Builder) -> Builder| {
        for semantics in [Semantics::NgcLearn, Semantics::Standard] {
            let builder = HopfieldSynapse::builder("W", (2, 3)).semantics(semantics);
            match change(builder).build() {
                Err(Error::Parameter { name: found, .. } | Error::Count { name: found, .. }) => {
                    assert_eq!(found, name);
                }
                other => panic!("{name}: {:?}", other.map(|_| ())),
            }
        }
    };
    let nan = f64::NAN;
    refused("eta", &|b| b.eta(nan));
    refused("beta", &|b| b.beta(0.0));
    refused("reg_lambda", &|b| b.reg_lambda(f64::INFINITY));
    refused("l1_lambda", &|b| b.l1_lambda(nan));
    refused("resist_scale", &|b| b.resist_scale(nan));
    refused("p_conn", &|b| b.p_conn(nan));
    refused("batch_size", &|b| b.batch_size(0));
    refused("batch_size", &|b| b.batch_size(usize::MAX));
    // Fits into the address space, and into no machine: an error, not the end of the process.
    refused("batch_size", &|b| b.batch_size(1 << 46));
    refused("negative_steps", &|b| b.negative_steps(0));
    refused("weight_init value", &|b| b.weight_init(Distribution::Constant { value: nan }));
    refused("weight_init high", &|b| b.weight_init(Distribution::Uniform { low: 1.0, high: 0.0 }));
    refused("weight_init std", &|b| b.weight_init(Distribution::Gaussian { mean: 0.0, std: -1.0 }));
    refused("weight_init sigma", &|b| b.weight_init(Distribution::LogGaussian { sigma: nan }));
    refused("weight_init amin", &|b| b.weight_init(WeightInit::default().clipped(Some(nan), None)));
    refused("weight_init amax", &|b| {
        b.weight_init(WeightInit::default().clipped(Some(1.0), Some(0.0)))
    });
    for (shape, operand) in [((2, 0), "patterns"), ((0, 2), "features of a pattern")] {
        let empty = HopfieldSynapse::<f32>::builder("W", shape).build().unwrap_err();
        assert_eq!(empty, Error::Empty { operand });
    }
    let too_large = HopfieldSynapse::<f32>::builder("W", (usize::MAX / 2, 9)).build();
    assert!(too_large.is_err());
}
