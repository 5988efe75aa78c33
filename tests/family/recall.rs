//! Recalls with values, biases and masks are those of PyTorch.

use hopfield_kernels::{
    Context, Element, MatMut, MatRef, Memory, Outputs, Retrieval, Separation, Similarity,
};
use serde_json::Value;

use crate::fixtures::{count, distance, flags, list, numbers, read};
use crate::rows::separation;

/// A problem of the fixtures.
pub struct Problem<T> {
    pub shape: [usize; 4],
    pub beta: f64,
    pub probes: Vec<T>,
    pub patterns: Vec<T>,
    pub values: Option<Vec<T>>,
    pub bias: Option<Vec<T>>,
    pub mask: Option<Vec<bool>>,
    pub per_probe: [bool; 2],
}

fn elements<T: Element>(value: &Value) -> Vec<T> {
    numbers(value).into_iter().map(T::from_f64).collect()
}

impl<T: Element> Problem<T> {
    pub fn of(value: &Value) -> Self {
        let given = |name: &str| (!value[name].is_null()).then(|| &value[name]);
        Self {
            shape: ["B", "D", "N", "E"].map(|of| count(&value[of])),
            beta: value["beta"].as_f64().expect("a number"),
            probes: elements(&value["probes"]),
            patterns: elements(&value["patterns"]),
            values: given("values").map(elements),
            bias: given("bias").map(elements),
            mask: given("mask").map(flags),
            per_probe: ["bias_shape", "mask_shape"].map(|of| value[of] == "bn"),
        }
    }

    pub fn memory(&self) -> Memory<T> {
        let [_, d, n, e] = self.shape;
        let memory = Memory::from_rows(MatRef::new(&self.patterns, n, d).unwrap()).unwrap();
        match &self.values {
            Some(values) => memory.with_values(MatRef::new(values, n, e).unwrap()).unwrap(),
            None => memory,
        }
    }

    pub fn retrieval(&self, separation: Separation) -> Retrieval<'_, T> {
        let [b, _, n, _] = self.shape;
        let mut how = Retrieval::new(T::from_f64(self.beta)).with_separation(separation);
        how = match (&self.bias, self.per_probe[0]) {
            (None, _) => how,
            (Some(bias), false) => how.with_bias(bias),
            (Some(bias), true) => how.with_biases(MatRef::new(bias, b, n).unwrap()),
        };
        match (&self.mask, self.per_probe[1]) {
            (None, _) => how,
            (Some(mask), false) => how.with_mask(mask),
            (Some(mask), true) => how.with_masks(MatRef::new(mask, b, n).unwrap()),
        }
    }

    pub fn probes(&self) -> MatRef<'_, T> {
        MatRef::new(&self.probes, self.shape[0], self.shape[1]).unwrap()
    }
}

fn check<T: Element>(tolerance: f64) {
    let file = read("recall");
    for value in list(&file, "problems") {
        let problem = Problem::<T>::of(value);
        let [b, _, n, e] = problem.shape;
        let memory = problem.memory();
        for result in list(value, "results") {
            let separation = separation(result["sep"].as_str().unwrap(), f64::NAN);
            let what = format!("{} {}, {separation:?}", T::NAME, value["name"]);
            let mut retrieved = vec![T::NAN; b * e];
            let (mut weights, mut lse) = (vec![T::NAN; b * n], vec![T::NAN; b]);
            let outputs = Outputs::new()
                .with_retrieved(MatMut::new(&mut retrieved, b, e).unwrap())
                .with_memory_weights(MatMut::new(&mut weights, b, n).unwrap())
                .with_lse(&mut lse);
            let how = problem.retrieval(separation);
            how.run(problem.probes(), &memory, outputs, &mut Context::new()).unwrap();
            let pairs = [("retrieved", &retrieved), ("weights", &weights), ("potential", &lse)];
            for (name, got) in pairs {
                let got: Vec<f64> = got.iter().map(|x| x.to_f64()).collect();
                let error = distance(&got, &numbers(&result[name]));
                assert!(error <= tolerance, "{what}: {name} {error:e}");
            }
        }
    }
}

#[test]
fn recalls_are_those_of_the_fixtures() {
    check::<f64>(1e-13);
    check::<f32>(3e-5);
}

/// The similarity as it is defined.
fn similarity(similarity: Similarity, x: &[f64], m: &[f64]) -> f64 {
    let pairs = || x.iter().zip(m);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let squares: f64 = pairs().map(|(x, m)| (x - m) * (x - m)).sum();
    let absolutes: f64 = pairs().map(|(x, m)| (x - m).abs()).sum();
    match similarity {
        Similarity::Dot => dot(x, m),
        Similarity::Cosine => dot(x, m) / (dot(x, x) * dot(m, m)).sqrt(),
        Similarity::NegHalfSquaredL2 => -0.5 * squares,
        Similarity::NegL2 => -squares.sqrt(),
        Similarity::NegL1 => -absolutes,
        Similarity::UhnReciprocalSquaredL2 => 1.0 / squares,
        Similarity::UhnReciprocalL1 => 1.0 / absolutes,
        _ => panic!("{similarity:?}"),
    }
}

#[test]
fn similarities_are_as_they_are_defined() {
    fn check<T: Element>(tolerance: f64) {
        for (b, d, n) in [(1, 1, 1), (1, 3, 7), (5, 17, 40), (7, 64, 33), (50, 20, 70)] {
            let wave = |count: usize, step: f64| -> Vec<T> {
                (0..count).map(|i| T::from_f64(((i + 1) as f64 * step).sin())).collect()
            };
            let (probes, patterns) = (wave(b * d, 0.73), wave(n * d, 1.37));
            let wide = |x: &[T]| x.iter().map(|x| x.to_f64()).collect::<Vec<_>>();
            let (x, m) = (wide(&probes), wide(&patterns));
            let memory = Memory::from_slice(&patterns, d).unwrap();
            for kind in Similarity::ALL {
                for separation in [Separation::Softmax, Separation::Sparsemax] {
                    let mut got = vec![T::NAN; b * n];
                    let outputs =
                        Outputs::new().with_similarities(MatMut::new(&mut got, b, n).unwrap());
                    Retrieval::new(T::ONE)
                        .with_similarity(kind)
                        .with_separation(separation)
                        .run(
                            MatRef::new(&probes, b, d).unwrap(),
                            &memory,
                            outputs,
                            &mut Context::new(),
                        )
                        .unwrap();
                    for (at, got) in got.iter().enumerate() {
                        let (x, m) = (&x[at / n * d..][..d], &m[at % n * d..][..d]);
                        let expected = similarity(kind, x, m);
                        let error = (got.to_f64() - expected).abs() / (1.0 + expected.abs());
                        let what = format!("{} {kind:?} {b} x {d} x {n} at {at}", T::NAME);
                        // A reciprocal magnifies the error of what it is taken of.
                        let allowed = tolerance * (1.0 + expected.abs());
                        assert!(error <= allowed, "{what}: {got} is not {expected}");
                    }
                }
            }
        }
    }
    check::<f64>(1e-13);
    check::<f32>(1e-4);
}
