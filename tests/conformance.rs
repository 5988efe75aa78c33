//! Replays traces of the real ngc-learn and compares every compartment after every step.
//!
//! `tests/conformance/` says how the fixtures were made. Each tells how far float32 JAX itself was
//! from the same equations in float64: where that is next to nothing, this crate has to agree with
//! ngc-learn; where the trace amplifies rounding, it may differ as much as float32 does.

use std::fs::File;
use std::path::{Path, PathBuf};

use hopfield_kernels::{Context, Element, HopfieldSynapse, Level, MatRef, UpdateRule};
use ndarray::{Array0, Array2, Array3, Axis, OwnedRepr};
use ndarray_npy::{NpzReader, ReadableElement};

const COMPARTMENTS: [&str; 6] =
    ["outputs", "similarities", "memory_weights", "energy", "dWeights", "weights"];

/// How near to ngc-learn a compartment has to be ...
const TOLERANCE: f64 = 2e-5;
/// ... where ngc-learn is this near to float64 ...
const RELIABLE: f64 = 1e-5;
/// ... and how many times ngc-learn's own error it may be away elsewhere.
const MARGIN: f64 = 4.0;

/// A recorded trace.
struct Fixture {
    name: String,
    npz: NpzReader<File>,
}

impl Fixture {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/fixtures");
        let entries = std::fs::read_dir(&folder).expect("a folder of fixtures");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "npz"));
        paths.sort();
        assert!(!paths.is_empty(), "no fixtures in {}", folder.display());
        paths.iter().map(|path| Self::open(path)).collect()
    }

    fn open(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Self { name, npz: NpzReader::new(File::open(path).unwrap()).unwrap() }
    }

    fn scalar<A: ReadableElement + Copy>(&mut self, name: &str) -> A {
        let array: Array0<A> = self.npz.by_name(name).unwrap_or_else(|error| {
            panic!("{}: {name}: {error}", self.name);
        });
        array.into_scalar()
    }

    fn matrix(&mut self, name: &str) -> Array2<f64> {
        let array = self.npz.by_name::<OwnedRepr<f32>, _>(name);
        let array = array.unwrap_or_else(|error| panic!("{}: {name}: {error}", self.name));
        array.mapv(f64::from)
    }

    /// Runs the trace, and calls `check` with each compartment after each step.
    fn replay<T: Element>(
        &mut self,
        context: Context<T>,
        mut check: impl FnMut(&mut Self, &str, usize, Array2<f64>),
    ) {
        let W0 { values, shape } = W0::of(self.matrix("W0"));
        let x: Array3<f32> = self.npz.by_name("x").unwrap();
        let mut number = |name| T::from_f64(self.scalar(name));
        let rates = ["eta", "beta", "reg_lambda", "l1_lambda"].map(&mut number);
        let rule = match self.scalar::<i64>("rule") {
            1 => UpdateRule::Contrastive,
            2 => UpdateRule::Delta,
            rule => panic!("{}: rule {rule}", self.name),
        };
        let mut synapse = HopfieldSynapse::builder("W", shape)
            .initial_patterns(MatRef::new(&values, shape.0, shape.1).unwrap())
            .eta(rates[0])
            .beta(rates[1])
            .reg_lambda(rates[2])
            .l1_lambda(rates[3])
            .update_rule(rule)
            .context(context)
            .build()
            .unwrap();
        for (t, probes) in x.axis_iter(Axis(0)).enumerate() {
            let values: Vec<T> = probes.iter().map(|&value| T::from_f64(value.into())).collect();
            let probes = MatRef::new(&values, probes.nrows(), probes.ncols()).unwrap();
            synapse.set_inputs(probes).unwrap();
            synapse.advance_state().unwrap();
            synapse.evolve().unwrap();
            for name in COMPARTMENTS {
                let compartment = synapse.compartment(name).unwrap();
                let values = compartment.values().iter().map(|value| value.to_f64()).collect();
                let ours = Array2::from_shape_vec(compartment.shape(), values).unwrap();
                check(self, name, t, ours);
            }
        }
    }
}

/// Initial weights as elements.
struct W0<T> {
    values: Vec<T>,
    shape: (usize, usize),
}

impl<T: Element> W0<T> {
    fn of(array: Array2<f64>) -> Self {
        let values = array.iter().map(|&value| T::from_f64(value)).collect();
        Self { values, shape: array.dim() }
    }
}

/// The worst row's largest difference, by the largest magnitude in that row of the reference. A row
/// of zeros is measured by the whole array, and an array of zeros by 1.
fn deviation(ours: &Array2<f64>, reference: &Array2<f64>) -> f64 {
    assert_eq!(ours.dim(), reference.dim());
    let largest =
        |values: ndarray::ArrayView1<'_, f64>| values.fold(0.0, |a: f64, b| a.max(b.abs()));
    let whole = reference.fold(0.0, |a: f64, b| a.max(b.abs()));
    let whole = if whole == 0.0 { 1.0 } else { whole };
    let mut worst = 0.0;
    for (ours, reference) in ours.rows().into_iter().zip(reference.rows()) {
        let magnitude = largest(reference);
        let magnitude = if magnitude == 0.0 { whole } else { magnitude };
        for (a, b) in ours.iter().zip(reference) {
            let difference = (a - b).abs() / magnitude;
            // NaN is the worst, and stays so.
            if difference > worst || difference.is_nan() {
                worst = difference;
            }
            if worst.is_nan() {
                return worst;
            }
        }
    }
    worst
}

#[test]
fn every_compartment_is_ngc_learns_after_every_step_at_every_level() {
    for level in Level::available() {
        let (mut worst, mut direct, mut total) = ((0.0, String::new()), 0, 0);
        for mut fixture in Fixture::all() {
            let context = Context::<f32>::new().with_level(level);
            fixture.replay(context, |fixture, name, t, ours| {
                let found = deviation(&ours, &fixture.matrix(&format!("{name}_{t}")));
                let noise: f64 = fixture.scalar(&format!("trace_noise_{name}_{t}"));
                let allowed = if noise <= RELIABLE { TOLERANCE } else { MARGIN * noise };
                let place = format!("{} {name}_{t}", fixture.name);
                assert!(
                    found <= allowed,
                    "{level}: {place}: {found:e} from ngc-learn, which is {noise:e} from float64"
                );
                direct += usize::from(noise <= RELIABLE);
                total += 1;
                if noise <= RELIABLE && found > worst.0 {
                    worst = (found, place);
                }
            });
        }
        println!("{level}: {direct} of {total} compared to {TOLERANCE:e}");
        println!("{level}: the worst of them {:e}, at {}", worst.0, worst.1);
        assert!(direct > total / 2, "{level}: most traces should be reliable");
    }
}

/// In double precision this crate is the exact model: its distance from ngc-learn is ngc-learn's
/// own error, as the fixtures have it from an independent float64 implementation.
#[test]
fn in_double_precision_the_distance_is_ngc_learns_own_error() {
    let mut worst = 0.0_f64;
    for mut fixture in Fixture::all() {
        fixture.replay(Context::<f64>::new(), |fixture, name, t, ours| {
            let theirs = fixture.matrix(&format!("{name}_{t}"));
            let noise: f64 = fixture.scalar(&format!("trace_noise_{name}_{t}"));
            // The fixtures measure by the float64 model: so do we.
            let found = deviation(&theirs, &ours);
            let off = (found - noise).abs() / (noise + 1e-9);
            assert!(off < 1e-3, "{} {name}_{t}: {found:e}, not {noise:e}", fixture.name);
            worst = worst.max(off);
        });
    }
    println!("worst distance from the float64 model, in units of ngc-learn's error: {worst:e}");
}

/// The comparison itself can fail.
#[test]
fn a_deviation_is_seen() {
    let reference = ndarray::array![[1.0, 100.0], [0.0, 0.0]];
    assert_eq!(deviation(&reference, &reference), 0.0);
    assert_eq!(deviation(&ndarray::array![[2.0, 100.0], [0.0, 0.0]], &reference), 0.01);
    assert_eq!(deviation(&ndarray::array![[1.0, 100.0], [0.0, 1.0]], &reference), 0.01);
    assert!(deviation(&ndarray::array![[f64::NAN, 100.0], [0.0, 0.0]], &reference).is_nan());
    assert!(deviation(&ndarray::array![[f64::NAN, 200.0], [9.0, 0.0]], &reference).is_nan());
}
