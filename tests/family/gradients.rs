//! Gradients are those of PyTorch's automatic differentiation, and of differences in double
//! precision.

use hopfield_kernels::{
    Context, Element, Gradients, MatMut, MatRef, Memory, Outputs, Retrieval, Separation, Settled,
    Similarity, Stop, Upstream,
};

use crate::fixtures::{count, distance, list, numbers, read};
use crate::recall::Problem;
use crate::rows::separation;
use testkit::members::Random;

/// Room for all gradients.
struct Room<T> {
    shape: [usize; 4],
    probes: Vec<T>,
    patterns: Vec<T>,
    values: Vec<T>,
    bias: Vec<T>,
    biases: Vec<T>,
    beta: T,
}

impl<T: Element> Room<T> {
    fn new(shape: [usize; 4]) -> Self {
        let [b, d, n, e] = shape;
        let unwritten = |count: usize| vec![T::NAN; count];
        Self {
            shape,
            probes: unwritten(b * d),
            patterns: unwritten(n * d),
            values: unwritten(n * e),
            bias: unwritten(n),
            biases: unwritten(b * n),
            beta: T::NAN,
        }
    }

    fn gradients(&mut self, values: bool) -> Gradients<'_, T> {
        let [b, d, n, e] = self.shape;
        Gradients::new()
            .with_probes(MatMut::new(&mut self.probes, b, d).unwrap())
            .with_patterns(MatMut::new(&mut self.patterns, n, d).unwrap())
            .with_values(values.then(|| MatMut::new(&mut self.values, n, e).unwrap()))
            .with_bias(&mut self.bias)
            .with_biases(MatMut::new(&mut self.biases, b, n).unwrap())
            .with_beta(&mut self.beta)
    }
}

fn wide<T: Element>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|x| x.to_f64()).collect()
}

fn elements<T: Element>(numbers: &[f64]) -> Vec<T> {
    numbers.iter().map(|x| T::from_f64(*x)).collect()
}

fn check_recalls<T: Element>(tolerance: f64) {
    let file = read("recall");
    for value in list(&file, "problems") {
        let problem = Problem::<T>::of(value);
        let [b, d, n, e] = problem.shape;
        let memory = problem.memory();
        let (g, g_lse) = (
            elements::<T>(&numbers(&value["g_retrieved"])),
            elements::<T>(&numbers(&value["g_potential"])),
        );
        for result in list(value, "results") {
            let how = problem.retrieval(separation(result["sep"].as_str().unwrap(), f64::NAN));
            let mut room = Room::new([b, d, n, e]);
            let upstream =
                Upstream::new().with_retrieved(MatRef::new(&g, b, e).unwrap()).with_lse(&g_lse);
            let gradients = room.gradients(problem.values.is_some());
            let mut context = Context::new();
            how.backward(problem.probes(), &memory, upstream, gradients, &mut context).unwrap();
            let bias = if problem.per_probe[0] { &room.biases } else { &room.bias };
            let pairs: [(&str, &[T]); 5] = [
                ("dprobes", &room.probes),
                ("dpatterns", &room.patterns),
                ("dvalues", &room.values),
                ("dbias", bias),
                ("dbeta", std::slice::from_ref(&room.beta)),
            ];
            for (name, got) in pairs {
                if result[name].is_null() {
                    continue;
                }
                let expected = numbers(&result[name]);
                let most = expected.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
                let error = distance(&wide(got), &expected) / most;
                let what = format!("{} {} {}", T::NAME, value["name"], result["sep"]);
                assert!(error <= tolerance, "{what}: {name} {error:e}");
            }
        }
    }
}

#[test]
fn gradients_of_recalls_are_those_of_the_fixtures() {
    check_recalls::<f64>(1e-12);
    check_recalls::<f32>(1e-4);
}

#[test]
fn iterated_and_settled_recalls_and_their_gradients_are_those_of_the_fixtures() {
    let file = read("settle");
    for value in list(&file, "problems") {
        let [b, d, n] = ["B", "D", "N"].map(|of| count(&value[of]));
        let shape = [b, d, n, d];
        let (probes, patterns) = (numbers(&value["probes"]), numbers(&value["patterns"]));
        let bias = (!value["bias"].is_null()).then(|| numbers(&value["bias"]));
        let memory = Memory::from_slice(&patterns, d).unwrap();
        let mut how = Retrieval::new(value["beta"].as_f64().unwrap())
            .with_separation(separation(value["sep"].as_str().unwrap(), f64::NAN));
        if let Some(bias) = &bias {
            how = how.with_bias(bias);
        }
        let mut context = Context::new();
        for step in list(value, "trace") {
            let mut x = probes.clone();
            let stop = Stop::new().tolerance(0.0).max_steps(count(&step["step"]) as u32);
            how.settle(&memory, &mut x, stop, &mut Settled::new(), &mut context).unwrap();
            let error = distance(&x, &numbers(&step["x"]));
            assert!(error <= 1e-12, "{} step {}: {error:e}", value["name"], step["step"]);
        }
        let compare = |of: &serde_json::Value, room: &Room<f64>, tolerance: f64| {
            let pairs: [(&str, &[f64]); 4] = [
                ("dprobes", &room.probes),
                ("dpatterns", &room.patterns),
                ("dbias", &room.bias),
                ("dbeta", std::slice::from_ref(&room.beta)),
            ];
            for (name, got) in pairs.into_iter().filter(|(name, _)| !of[name].is_null()) {
                let error = distance(got, &numbers(&of[name]));
                assert!(error <= tolerance, "{}: {name} {error:e}", value["name"]);
            }
        };
        let (unrolled, implicit) = (&value["unrolled"], &value["implicit"]);
        let g = numbers(&unrolled["g"]);
        let mut room = Room::new(shape);
        let upstream = Upstream::new().with_retrieved(MatRef::new(&g, b, d).unwrap());
        let rows = MatRef::new(&probes, b, d).unwrap();
        let steps = count(&unrolled["steps"]);
        let through = upstream.with_steps(steps);
        how.backward(rows, &memory, through, room.gradients(false), &mut context).unwrap();
        compare(unrolled, &room, 1e-11);

        let mut settled = probes.clone();
        let stop = Stop::new().tolerance(0.0).max_steps(2000);
        how.settle(&memory, &mut settled, stop, &mut Settled::new(), &mut context).unwrap();
        assert!(distance(&settled, &numbers(&implicit["x"])) <= 1e-12);
        let g = numbers(&implicit["g"]);
        let upstream = Upstream::new().with_retrieved(MatRef::new(&g, b, d).unwrap());
        let mut room = Room::new(shape);
        let gradients = room.gradients(false);
        let rows = MatRef::new(&settled, b, d).unwrap();
        how.backward_settled(rows, &memory, upstream, gradients, &mut context).unwrap();
        compare(implicit, &room, 1e-10);
    }
}

/// Every member, with weights that are all away from kinks, against central differences of
/// L = Σ g x̂ + r lse + e E.
#[test]
fn gradients_are_those_of_differences() {
    let [b, d, n, e] = [2, 5, 6, 3];
    let wave = |count: usize, step: f64, shift: f64| -> Vec<f64> {
        (0..count).map(|i| (i as f64 * step + shift).sin()).collect()
    };
    let (probes, patterns) = (wave(b * d, 1.7, 0.3), wave(n * d, 2.3, 0.9));
    let (values, bias) = (wave(n * e, 0.9, 0.1), wave(n, 1.1, 0.2));
    let separations = [
        (Separation::Softmax, 1.3),
        (Separation::SoftmaxPlus(0.7), 1.3),
        (Separation::Sparsemax, 0.6),
        (Separation::Entmax(1.5), 0.6),
        (Separation::Entmax(2.6), 0.3),
        (Separation::Normmax(2.0), 0.6),
        (Separation::KSubsets(2.0), 0.5),
        (Separation::TopK(3), 1.1),
        (Separation::HardTopK(2), 1.0),
        (Separation::Max, 1.0),
        (Separation::Polynomial(3.0), 0.8),
        (Separation::Power(3.0), 0.8),
        (Separation::Epanechnikov(3.0), 0.2),
        (Separation::ClippedSoftmax { gamma: -0.03, eta: 1.1 }, 1.2),
    ];
    for (separation, beta) in separations {
        for similarity in Similarity::ALL {
            for with_values in [false, true] {
                let width = if with_values { e } else { d };
                let (g, r, energy) =
                    (wave(b * width, 0.7, 0.5), wave(b, 0.4, 0.3), wave(b, 0.6, 0.8));
                // Clipped softmax has neither a potential nor an energy.
                let has_energy = !matches!(separation, Separation::ClippedSoftmax { .. });
                let loss = |x: &[f64], m: &[f64], v: &[f64], bias: &[f64], beta: f64| -> f64 {
                    let memory = Memory::from_slice(m, d).unwrap();
                    let memory = match with_values {
                        true => memory.with_values(MatRef::new(v, n, e).unwrap()).unwrap(),
                        false => memory,
                    };
                    let (mut retrieved, mut lse) = (vec![0.0; b * width], vec![0.0; b]);
                    let mut energies = vec![0.0; b];
                    let outputs = Outputs::new()
                        .with_retrieved(MatMut::new(&mut retrieved, b, width).unwrap())
                        .with_lse(&mut lse)
                        .with_energy(&mut energies);
                    Retrieval::new(beta)
                        .with_separation(separation)
                        .with_similarity(similarity)
                        .with_bias(bias)
                        .run(MatRef::new(x, b, d).unwrap(), &memory, outputs, &mut Context::new())
                        .unwrap();
                    let sum =
                        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                    let of_energy =
                        if has_energy { sum(&r, &lse) + sum(&energy, &energies) } else { 0.0 };
                    sum(&g, &retrieved) + of_energy
                };
                let base = loss(&probes, &patterns, &values, &bias, beta);
                if !base.is_finite() {
                    // Outside all balls the energy is infinite.
                    assert!(matches!(separation, Separation::Epanechnikov(_)), "{separation:?}");
                    continue;
                }
                let memory = Memory::from_slice(&patterns, d).unwrap();
                let memory = match with_values {
                    true => memory.with_values(MatRef::new(&values, n, e).unwrap()).unwrap(),
                    false => memory,
                };
                let mut room = Room::new([b, d, n, e]);
                let mut upstream =
                    Upstream::new().with_retrieved(MatRef::new(&g, b, width).unwrap());
                if has_energy {
                    upstream = upstream.with_lse(&r).with_energy(&energy);
                }
                Retrieval::new(beta)
                    .with_separation(separation)
                    .with_similarity(similarity)
                    .with_bias(&bias)
                    .backward(
                        MatRef::new(&probes, b, d).unwrap(),
                        &memory,
                        upstream,
                        room.gradients(with_values),
                        &mut Context::new(),
                    )
                    .unwrap();
                let step = 1e-6;
                let difference =
                    |change: &dyn Fn(f64) -> f64| (change(step) - change(-step)) / (2.0 * step);
                let moved = |of: &[f64], at: usize, by: f64| {
                    let mut of = of.to_vec();
                    of[at] += by;
                    of
                };
                let what = format!("{separation:?} {similarity:?} values: {with_values}");
                let close = |name: &str, at: usize, got: f64, expected: f64| {
                    let most = 2e-6 * (1.0 + expected.abs());
                    assert!(
                        (got - expected).abs() <= most,
                        "{what}: {name} {at}: {got} is not {expected}"
                    );
                };
                for at in 0..b * d {
                    let by = |h| loss(&moved(&probes, at, h), &patterns, &values, &bias, beta);
                    close("probes", at, room.probes[at], difference(&by));
                }
                for at in 0..n * d {
                    let by = |h| loss(&probes, &moved(&patterns, at, h), &values, &bias, beta);
                    close("patterns", at, room.patterns[at], difference(&by));
                }
                for at in 0..if with_values { n * e } else { 0 } {
                    let by = |h| loss(&probes, &patterns, &moved(&values, at, h), &bias, beta);
                    close("values", at, room.values[at], difference(&by));
                }
                for at in 0..n {
                    let by = |h| loss(&probes, &patterns, &values, &moved(&bias, at, h), beta);
                    close("bias", at, room.bias[at], difference(&by));
                }
                let by = |h| loss(&probes, &patterns, &values, &bias, beta + h);
                close("beta", 0, room.beta, difference(&by));
            }
        }
    }
}

/// The fused kernel over several splits and blocks, with masks, biases and values: within the
/// bounds of plain sums, and the same bits at every level with fused multiply-add and for any
/// threads.
#[test]
fn fused_gradients_are_plain_sums_with_the_same_bits_everywhere() {
    let [b, d, n, e] = [37, 150, 4100, 33];
    let mut random = Random::new(31);
    let problem = testkit::members::Problem::<f64>::new((b, d, n), &mut random);
    let (values, g) = (random.numbers::<f64>(n * e), random.numbers::<f64>(b * e));
    let (bias, r) = (random.numbers::<f64>(n), random.numbers::<f64>(b));
    let keep: Vec<bool> = (0..n).map(|n| n % 11 != 4).collect();
    let masks: Vec<bool> = (0..b * n).map(|at| at % 13 != 5).collect();
    let beta = 0.3;
    let memory = problem.memory().with_values(MatRef::new(&values, n, e).unwrap()).unwrap();
    let how = Retrieval::new(beta)
        .with_bias(&bias)
        .with_mask(&keep)
        .with_masks(MatRef::new(&masks, b, n).unwrap());
    let probes = MatRef::new(&problem.probes, b, d).unwrap();
    let upstream = Upstream::new().with_retrieved(MatRef::new(&g, b, e).unwrap()).with_lse(&r);
    let run = |context: &mut Context<f64>| {
        let mut room = Room::new([b, d, n, e]);
        how.backward(probes, &memory, upstream, room.gradients(true), context).unwrap();
        room
    };
    let mut expected: Option<Vec<u64>> = None;
    let mut found = None;
    for level in testkit::levels::all() {
        let serial = run(&mut testkit::levels::serial(level));
        let threaded = &mut testkit::levels::threaded(level);
        let parallel = testkit::levels::in_pool(3, || run(threaded));
        let bits = |room: &Room<f64>| -> Vec<u64> {
            let rows = [&room.probes, &room.patterns, &room.values, &room.bias, &room.biases];
            rows.into_iter().flatten().chain([&room.beta]).map(|x| x.to_bits()).collect()
        };
        assert!(bits(&serial) == bits(&parallel), "{level}: threads");
        if level.name() != "portable" {
            let first = expected.get_or_insert_with(|| bits(&serial));
            assert!(*first == bits(&serial), "{level}");
        }
        found = Some(serial);
    }
    let found = found.expect("the portable level is always there");
    // Plain sums.
    let mut room = Room::<f64>::new([b, d, n, e]);
    room.patterns.fill(0.0);
    room.values.fill(0.0);
    room.bias.fill(0.0);
    room.beta = 0.0;
    for row in 0..b {
        let x = probes.row(row);
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let s: Vec<f64> = (0..n).map(|n| dot(x, memory.pattern(n))).collect();
        let mut p: Vec<f64> = (0..n)
            .map(|n_| match keep[n_] && masks[row * n + n_] {
                true => beta * s[n_] + bias[n_],
                false => f64::NEG_INFINITY,
            })
            .collect();
        Separation::Softmax.weights(&mut p).unwrap();
        let g = &g[row * e..][..e];
        let dp: Vec<f64> = (0..n).map(|n| dot(g, &values[n * e..][..e])).collect();
        let mean: f64 = dot(&p, &dp);
        let dx = &mut room.probes[row * d..][..d];
        dx.fill(0.0);
        for n_ in 0..n {
            let dt = p[n_] * (dp[n_] - mean + r[row]);
            room.bias[n_] += dt;
            room.biases[row * n + n_] = dt;
            room.beta += dt * s[n_];
            for d_ in 0..d {
                dx[d_] += beta * dt * memory.pattern(n_)[d_];
                room.patterns[n_ * d + d_] += beta * dt * x[d_];
            }
            let of_value = room.values[n_ * e..].iter_mut().zip(g);
            of_value.for_each(|(to, g)| *to += p[n_] * g);
        }
    }
    let pairs = [
        ("probes", &found.probes, &room.probes),
        ("patterns", &found.patterns, &room.patterns),
        ("values", &found.values, &room.values),
        ("bias", &found.bias, &room.bias),
        ("biases", &found.biases, &room.biases),
    ];
    for (name, got, expected) in pairs {
        let most = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let error = distance(got, expected);
        assert!(error <= 1e-12 * most, "{name}: {error:e} of {most:e}");
    }
    assert!((found.beta - room.beta).abs() <= 1e-11 * (1.0 + room.beta.abs()));
}

/// Through several steps, the parts of all steps are summed: also those of a bias for each probe.
#[test]
fn gradients_of_several_steps_are_those_of_differences() {
    let [b, d, n] = [2, 4, 6];
    let mut random = Random::new(61);
    let problem = testkit::members::Problem::<f64>::new((b, d, n), &mut random);
    let (biases, g) = (random.numbers::<f64>(b * n), random.numbers::<f64>(b * d));
    for separation in [Separation::Softmax, Separation::Entmax(1.5)] {
        let loss = |patterns: &[f64], biases: &[f64], beta: f64| -> f64 {
            let memory = Memory::from_slice(patterns, d).unwrap();
            let how = Retrieval::new(beta)
                .with_separation(separation)
                .with_biases(MatRef::new(biases, b, n).unwrap());
            let mut x = problem.probes.clone();
            (0..3).for_each(|_| how.apply(&memory, &mut x).unwrap());
            x.iter().zip(&g).map(|(x, g)| x * g).sum()
        };
        let (memory, beta) = (problem.memory(), 0.6);
        let how = Retrieval::new(beta)
            .with_separation(separation)
            .with_biases(MatRef::new(&biases, b, n).unwrap());
        let mut room = Room::new([b, d, n, d]);
        let upstream = Upstream::new().with_retrieved(MatRef::new(&g, b, d).unwrap());
        let probes = MatRef::new(&problem.probes, b, d).unwrap();
        let (upstream, gradients) = (upstream.with_steps(3), room.gradients(false));
        how.backward(probes, &memory, upstream, gradients, &mut Context::new()).unwrap();
        let step = 1e-6;
        let moved = |of: &[f64], at: usize, by: f64| {
            let mut of = of.to_vec();
            of[at] += by;
            of
        };
        let close = |name: &str, got: f64, up: f64, down: f64| {
            let expected = (up - down) / (2.0 * step);
            let off = (got - expected).abs();
            assert!(
                off <= 1e-7 * (1.0 + expected.abs()),
                "{separation:?} {name}: {got} {expected}"
            );
        };
        for at in 0..b * n {
            let at_bias = |by| loss(&problem.patterns, &moved(&biases, at, by), beta);
            close("biases", room.biases[at], at_bias(step), at_bias(-step));
        }
        for at in 0..n * d {
            let at_pattern = |by| loss(&moved(&problem.patterns, at, by), &biases, beta);
            close("patterns", room.patterns[at], at_pattern(step), at_pattern(-step));
        }
        let at_beta = |by| loss(&problem.patterns, &biases, beta + by);
        close("beta", room.beta, at_beta(step), at_beta(-step));
    }
}

/// The gradient of β is a sum over the patterns in one chain, wherever blocks are cut: with many
/// probes they are shorter, and on machines with a large L2 longer.
#[test]
fn the_gradient_of_beta_does_not_depend_on_the_blocks() {
    const B: usize = 600;
    let (d, n) = (64, 2000);
    let mut random = Random::new(29);
    let probes: Vec<f32> = random.numbers(B * d);
    let (patterns, mut g): (Vec<f32>, Vec<f32>) = (random.numbers(n * d), random.numbers(B * d));
    // The first probe alone has a gradient.
    g[d..].fill(0.0);
    let memory = Memory::from_slice(&patterns, d).unwrap();
    let of_beta = |batch: usize| {
        let (mut beta, mut context) = (0.0, Context::new());
        let x = MatRef::new(&probes[..batch * d], batch, d).unwrap();
        let upstream =
            Upstream::new().with_retrieved(MatRef::new(&g[..batch * d], batch, d).unwrap());
        let gradients = Gradients::new().with_beta(&mut beta);
        Retrieval::new(0.3_f32).backward(x, &memory, upstream, gradients, &mut context).unwrap();
        beta
    };
    let alone = of_beta(1);
    assert!(alone != 0.0);
    for batch in [2, 100, B] {
        assert_eq!(of_beta(batch).to_bits(), alone.to_bits(), "{batch} probes");
    }
}
