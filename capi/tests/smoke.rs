//! The C program beside this file, compiled against the header and linked with the library.

use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) {
    let output = command.output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
}

/// Builds the static library, which `cargo test` does not, and which needs no search path when the
/// program runs.
fn build(directory: &Path) {
    let target = directory.parent().expect("it is in the target directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", "hopfield-kernels-capi", "--target-dir"]).arg(target);
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    run(&mut cargo);
}

#[cfg(unix)]
#[test]
fn a_program_in_c() {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    if Command::new(&cc).arg("--version").output().is_err() {
        eprintln!("there is no C compiler");
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let test = std::env::current_exe().expect("a test is a file");
    let built = test.ancestors().nth(2).expect("it is in a directory of the build's");
    build(built);
    let directory = tempfile::tempdir().expect("there is room for a file");
    let program = directory.path().join("smoke");
    run(Command::new(&cc)
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror"])
        .arg("-I")
        .arg(here.join("include"))
        .arg(here.join("tests/smoke.c"))
        .arg(built.join("libhopfield_kernels.a"))
        .args(["-lm", "-lpthread", "-ldl", "-o"])
        .arg(&program));
    run(&mut Command::new(program));
}
