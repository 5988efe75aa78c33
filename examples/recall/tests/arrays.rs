//! Arrays that `recall` writes with other separations, similarities and values, and command lines
//! that it refuses.

use std::path::PathBuf;
use std::process::{Command, Output};

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, Outputs, Retrieval, Separation, Similarity,
};
use ndarray::{Array2, array};
use ndarray_npy::{read_npy, write_npy};
use tempfile::TempDir;

/// A directory with patterns P.npy, probes Q.npy and values V.npy.
struct Files {
    folder: TempDir,
}

fn patterns() -> Array2<f32> {
    array![[1.0, 0.0, 0.5], [0.2, 1.0, -0.4], [-0.5, 0.3, 1.0], [0.1, -0.9, 0.2]]
}

fn probes() -> Array2<f32> {
    array![[0.9, 0.2, 0.1], [-0.1, 0.4, 0.8]]
}

fn values() -> Array2<f32> {
    array![[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [-1.0, 3.0]]
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: TempDir::new().unwrap() };
        write_npy(files.path("P.npy"), &patterns()).unwrap();
        write_npy(files.path("Q.npy"), &probes()).unwrap();
        write_npy(files.path("V.npy"), &values()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `recall` in the directory.
    fn run(&self, options: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recall"));
        command.current_dir(self.folder.path()).args(options.split_whitespace()).output().unwrap()
    }

    /// What it writes for the arrays and more options.
    #[track_caller]
    fn recalled(&self, options: &str) -> Array2<f32> {
        let output = self.run(&format!("{ARRAYS} {options}"));
        assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
        read_npy(self.path("R.npy")).unwrap()
    }

    /// Asserts that the command is refused in one line, and writes nothing.
    #[track_caller]
    fn refused(&self, options: &str, because: &str) {
        let output = self.run(options);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options}: {said}");
        assert_eq!(said.matches('\n').count(), 1, "{options}: {said}");
        assert!(said.starts_with("recall: ") && said.contains(because), "{options}: {said}");
        assert!(!self.path("R.npy").exists() && !self.path("recall.png").exists(), "{options}");
    }
}

const ARRAYS: &str = "--patterns P.npy --probes Q.npy --out R.npy";

fn matrix(array: &Array2<f32>) -> MatRef<'_, f32> {
    MatRef::new(array.as_slice().unwrap(), array.nrows(), array.ncols()).unwrap()
}

fn memory() -> Memory<f32> {
    Memory::from_rows(matrix(&patterns())).unwrap()
}

#[test]
fn separations_and_similarities_are_the_librarys() {
    let files = Files::new();
    let (entmax, l1) = (Separation::Entmax(1.5), Similarity::NegL1);
    for (options, separation, similarity) in [
        ("", Separation::Softmax, Similarity::Dot),
        ("--separation softmax --similarity dot", Separation::Softmax, Similarity::Dot),
        ("--separation entmax:1.5", entmax, Similarity::Dot),
        ("--similarity neg_l1", Separation::Softmax, l1),
        ("--separation top_k:2 --similarity cosine", Separation::TopK(2), Similarity::Cosine),
        (
            "--similarity neg_half_squared_l2 --separation entmax:1.5",
            entmax,
            Similarity::NegHalfSquaredL2,
        ),
    ] {
        let mut expected = probes();
        let retrieval = Retrieval::new(3.0).with_separation(separation).with_similarity(similarity);
        for _ in 0..2 {
            retrieval.apply(&memory(), expected.as_slice_mut().unwrap()).unwrap();
        }
        assert_eq!(files.recalled(&format!("--beta 3 --steps 2 {options}")), expected, "{options}");
    }
}

#[test]
fn values_are_read_out_in_the_last_step() {
    let files = Files::new();
    let memory = memory().with_values(matrix(&values())).unwrap();
    for steps in 1..=3 {
        let retrieval = Retrieval::new(3.0).with_separation(Separation::Sparsemax);
        let (mut states, mut expected) = (probes(), Array2::zeros((2, 2)));
        for _ in 1..steps {
            retrieval.apply(&memory, states.as_slice_mut().unwrap()).unwrap();
        }
        let retrieved = MatMut::new(expected.as_slice_mut().unwrap(), 2, 2).unwrap();
        let outputs = Outputs::new().with_retrieved(retrieved);
        retrieval.run(matrix(&states), &memory, outputs, &mut Context::new()).unwrap();
        let options = format!("--values V.npy --separation sparsemax --beta 3 --steps {steps}");
        assert_eq!(files.recalled(&options), expected, "{steps} steps");
    }
}

#[test]
fn many_probes_have_the_values_of_the_pattern_that_they_settle_on() {
    let files = Files::new();
    let probes = Array2::from_shape_fn((2500, 3), |(row, d)| patterns()[[row % 4, d]]);
    write_npy(files.path("Q.npy"), &probes).unwrap();
    let recalled = files.recalled("--values V.npy --beta 100");
    assert_eq!(recalled.dim(), (2500, 2));
    for (row, found) in recalled.outer_iter().enumerate() {
        assert_eq!(found, values().row(row % 4), "probe {row}");
    }
}

#[test]
fn double_precision_is_kept() {
    let files = Files::new();
    write_npy(files.path("V.npy"), &values().mapv(f64::from)).unwrap();
    let output = files.run(&format!("{ARRAYS} --values V.npy"));
    assert!(output.status.success(), "{output:?}");
    let found: Array2<f64> = read_npy(files.path("R.npy")).unwrap();
    assert_eq!(found.dim(), (2, 2));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("2 values of 2 features recalled from 4 patterns"), "{said}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let files = Files::new();
    write_npy(files.path("W.npy"), &probes()).unwrap();
    for (options, because) in [
        ("--separation relu", "'--separation <NAME[:PARAM]>'"),
        ("--separation relu", "expected one of softmax, softmax_plus:C"),
        ("--separation entmax", "entmax: expected a number after a colon"),
        ("--separation entmax:0.5", "--separation entmax:0.5: alpha: expected a finite number"),
        ("--separation entmax:nan", "alpha: expected a finite number"),
        ("--separation top_k:0", "--separation top_k:0: k: expected at least 1"),
        ("--separation k_subsets:5", "k: expected at most the number of patterns, got 5"),
        ("--similarity l1", "expected one of dot, cosine"),
        ("--values W.npy", "W.npy: expected 4 rows, as P.npy has, got 2"),
        ("--values none.npy", "none.npy: "),
    ] {
        files.refused(&format!("{ARRAYS} {options}"), because);
    }
    files.refused("--values V.npy", "--patterns");
    files.refused("--learn --patterns P.npy --probes Q.npy --out R.npy", "cannot be used with");
    files.refused("--learn --separation max", "cannot be used with");
    files.refused("--learn --similarity dot", "cannot be used with");
    files
        .refused("--separation k_subsets:20", "k: expected at most the number of patterns, got 20");
}
