//! What `replay` writes, and what it refuses.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use hopfield_kernels::{HopfieldSynapse, MatRef, Semantics, UpdateRule};
use ndarray::{Array2, Array3, ArrayD, array};
use ndarray_npy::{NpzReader, NpzWriter};
use tempfile::TempDir;

/// Runs the command line after the files' names: the exit code and what was said.
fn run(input: &Path, output: &Path, options: &str) -> (u8, String) {
    let words = options.split_whitespace().map(OsString::from);
    let files = [input, output].map(|path| path.as_os_str().to_owned());
    let command = std::iter::once("replay".into()).chain(files).chain(words);
    let mut said = Vec::new();
    let code = replay::respond(command, &mut said);
    (code, String::from_utf8(said).unwrap())
}

struct Files {
    folder: TempDir,
    input: PathBuf,
    output: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (input, output) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
        let files = Self { folder, input, output };
        files.write(&weights(), &probes());
        files
    }

    fn write(&self, weights: &Array2<f32>, probes: &Array3<f32>) {
        let mut npz = NpzWriter::new(File::create(&self.input).unwrap());
        npz.add_array("W0", weights).unwrap();
        npz.add_array("x", probes).unwrap();
        npz.finish().unwrap();
    }

    /// Asserts that the command is refused in one line, and leaves nothing behind.
    #[track_caller]
    fn refused(&self, options: &str, because: &str) {
        let (code, said) = run(&self.input, &self.output, options);
        assert_eq!(code, 2, "{options}: {said}");
        assert_eq!(said.matches('\n').count(), 1, "{options}: {said}");
        assert!(said.ends_with('\n') && said.contains(because), "{options}: {said}");
        let left: Vec<_> = fs::read_dir(self.folder.path()).unwrap().collect();
        assert!(left.len() <= 1 && !self.output.exists(), "{options}: {left:?}");
    }
}

fn weights() -> Array2<f32> {
    array![[0.5, -0.2, 0.1, 0.9], [0.3, 0.8, -0.7, 0.0], [-0.4, 0.6, 0.2, 0.1]]
}

fn probes() -> Array3<f32> {
    let values = (0..3 * 2 * 3).map(|i| ((i * 7 % 11) as f32 - 5.0) / 5.0).collect();
    Array3::from_shape_vec((3, 2, 3), values).unwrap()
}

const OPTIONS: &str = "--rule delta --eta 0.1 --beta 4 --reg-lambda 0.01";

#[test]
fn a_trace_is_the_synapses() {
    let files = Files::new();
    for (rule, name) in [(UpdateRule::Delta, "delta"), (UpdateRule::Contrastive, "contrastive")] {
        for (semantics, flag) in [
            (Semantics::NgcLearn, ""),
            (Semantics::NgcLearn, "--semantics ngc-learn"),
            (Semantics::Standard, "--semantics standard"),
        ] {
            let options = format!(
                "--rule {name} --eta 0.1 --beta 4 --reg-lambda 0.01 --l1-lambda 0.001 {flag}"
            );
            assert_eq!(run(&files.input, &files.output, &options), (0, String::new()));
            let mut npz = NpzReader::new(File::open(&files.output).unwrap()).unwrap();
            assert_eq!(npz.len(), 3 * 6);
            let weights = weights();
            let mut synapse = HopfieldSynapse::builder("W", (3, 4))
                .initial_patterns(MatRef::new(weights.as_slice().unwrap(), 3, 4).unwrap())
                .update_rule(rule)
                .semantics(semantics)
                .eta(0.1)
                .beta(4.0)
                .reg_lambda(0.01)
                .l1_lambda(0.001)
                .build()
                .unwrap();
            for (t, probes) in probes().outer_iter().enumerate() {
                let probes = probes.to_slice().unwrap();
                synapse.set_inputs(MatRef::new(probes, 2, 3).unwrap()).unwrap();
                synapse.advance_and_evolve().unwrap();
                for name in
                    ["outputs", "similarities", "memory_weights", "energy", "dWeights", "weights"]
                {
                    let found: Array2<f32> = npz.by_name(&format!("{name}_{t}")).unwrap();
                    let expected = synapse.compartment(name).unwrap();
                    assert_eq!(found.dim(), expected.shape(), "{name}_{t}");
                    assert!(found.iter().eq(expected.values()), "{name}_{t}");
                }
            }
        }
    }
}

#[test]
fn arrays_in_either_order_are_the_same() {
    let files = Files::new();
    assert_eq!(run(&files.input, &files.output, OPTIONS).0, 0);
    let expected = fs::read(&files.output).unwrap();
    let columns = weights().t().as_standard_layout().into_owned().reversed_axes();
    assert!(!columns.is_standard_layout());
    files.write(&columns, &probes());
    assert_eq!(run(&files.input, &files.output, OPTIONS).0, 0);
    assert_eq!(fs::read(&files.output).unwrap(), expected);
}

#[test]
fn no_steps_and_no_probes_are_no_error() {
    let files = Files::new();
    for (shape, members) in [((0, 2, 3), 0), ((2, 0, 3), 12)] {
        files.write(&weights(), &Array3::zeros(shape));
        assert_eq!(run(&files.input, &files.output, OPTIONS), (0, String::new()));
        let npz = NpzReader::new(File::open(&files.output).unwrap()).unwrap();
        assert_eq!(npz.len(), members);
    }
}

#[test]
fn bad_arguments_are_refused() {
    let files = Files::new();
    files.refused("", "--rule");
    files.refused("--rule delta --eta 0.1 --beta 4", "--reg-lambda");
    files.refused(&format!("{OPTIONS} --rule hebbian"), "--rule");
    files.refused(&OPTIONS.replace("delta", "hebbian"), "hebbian");
    files.refused(&OPTIONS.replace("0.1", "fast"), "--eta");
    files.refused(&OPTIONS.replace("0.1", "nan"), "eta: expected a finite number");
    files.refused(
        &OPTIONS.replace("--beta 4", "--beta -4"),
        "beta: expected a finite number above 0",
    );
    files.refused(&OPTIONS.replace("--beta 4", "--beta 0"), "beta: expected");
    files.refused(&OPTIONS.replace("0.01", "-inf"), "reg_lambda: expected a finite number");
    files.refused(&format!("{OPTIONS} --l1-lambda inf"), "l1_lambda: expected");
    files.refused(&format!("{OPTIONS} --semantics other"), "--semantics");
    files.refused(&format!("{OPTIONS} --reg_lambda 1"), "--reg_lambda");
    files.refused(&format!("{OPTIONS} one more"), "one");
    let (code, said) = run(&files.input, &files.output, &OPTIONS.replace("0.01", "-0.01"));
    assert_eq!((code, said.as_str()), (0, ""), "a negative number is a number");
}

#[test]
fn bad_files_are_refused() {
    let files = Files::new();
    fs::remove_file(&files.input).unwrap();
    files.refused(OPTIONS, "in.npz: ");
    fs::write(&files.input, "no archive").unwrap();
    files.refused(OPTIONS, "in.npz: ");
    let written = |name: &str, other: &dyn Fn(&mut NpzWriter<File>)| {
        let mut npz = NpzWriter::new(File::create(&files.input).unwrap());
        match name {
            "W0" => npz.add_array("x", &probes()).unwrap(),
            _ => npz.add_array("W0", &weights()).unwrap(),
        }
        other(&mut npz);
        npz.finish().unwrap();
    };
    for name in ["W0", "x"] {
        written(name, &|_| ());
        files.refused(OPTIONS, &format!("{name} (float32"));
        let tenths = ArrayD::from_elem(vec![3; if name == "W0" { 2 } else { 3 }], 0.1_f64);
        written(name, &|npz| npz.add_array(name, &tenths).unwrap());
        files.refused(OPTIONS, "got float64 0.1, which float32 does not hold exactly");
        written(name, &|npz| npz.add_array(name, &ArrayD::<f32>::zeros(vec![3; 4])).unwrap());
        files.refused(OPTIONS, &format!("{name} (float32"));
        // Numbers of another type that it holds are numbers.
        written(name, &|npz| npz.add_array(name, &tenths.mapv(|x| (10.0 * x) as i16)).unwrap());
        let (code, said) = run(&files.input, &files.output, OPTIONS);
        assert_eq!((code, said.as_str()), (0, ""), "{name}");
        fs::remove_file(&files.output).unwrap();
    }
    files.write(&weights(), &Array3::zeros((2, 2, 4)));
    files.refused(OPTIONS, "x: expected T x B x 3");
    files.write(&Array2::zeros((3, 0)), &probes());
    files.refused(OPTIONS, "expected at least one");
    files.write(&weights(), &probes());
    let whole = fs::read(&files.input).unwrap();
    for length in (0..whole.len()).step_by(41) {
        fs::write(&files.input, &whole[..length]).unwrap();
        files.refused(OPTIONS, "in.npz: ");
    }
}

#[test]
fn what_cannot_be_written_leaves_the_old_file_alone() {
    let files = Files::new();
    fs::create_dir(&files.output).unwrap();
    let (code, said) = run(&files.input, &files.output, OPTIONS);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("out.npz: "), "{said}");
    assert_eq!(fs::read_dir(files.folder.path()).unwrap().count(), 2, "in and the folder");
    fs::remove_dir(&files.output).unwrap();
    fs::write(&files.output, "old").unwrap();
    assert_eq!(run(&files.input, &files.output, "--rule delta").0, 2);
    assert_eq!(fs::read(&files.output).unwrap(), b"old");
    let nowhere = files.folder.path().join("nowhere").join("out.npz");
    assert_eq!(run(&files.input, &nowhere, OPTIONS).0, 2);
}
