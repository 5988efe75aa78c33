//! The C program beside this file, compiled against the header and linked with the library.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory of the libraries, which `cargo test` does not build: as a user links them.
fn built() -> PathBuf {
    static BUILD: Once = Once::new();
    let test = std::env::current_exe().expect("a test is a file");
    let target = test.ancestors().nth(3).expect("it is in the target directory");
    BUILD.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--package", "hopfield-kernels-capi", "--target-dir"]);
        output(cargo.arg(target));
    });
    target.join("release")
}

/// Whether there is such a program.
fn there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("there is no {program}");
    }
    found
}

fn compiler() -> Option<String> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    there(&cc).then_some(cc)
}

/// Compiles the program with these arguments, and runs it.
fn run(cc: &str, arguments: &[String]) {
    let directory = tempfile::tempdir().expect("there is room for a file");
    let program = directory.path().join("smoke");
    output(
        Command::new(cc)
            .args(["-std=c99", "-g", "-Wall", "-Wextra", "-Werror"])
            .arg(here().join("tests/smoke.c"))
            .args(arguments)
            .args(["-lm", "-lpthread", "-ldl", "-o"])
            .arg(&program),
    );
    output(&mut Command::new(program));
}

/// The header, and the static library, which needs no search path when the program runs.
fn static_library() -> Vec<String> {
    let header = format!("-I{}", here().join("include").display());
    vec![header, built().join("libhopfield_kernels.a").display().to_string()]
}

#[test]
fn a_program_in_c() {
    if let Some(cc) = compiler() {
        run(&cc, &static_library());
    }
}

#[test]
fn a_program_in_c_under_the_address_sanitizer() {
    let Some(cc) = compiler() else { return };
    let directory = tempfile::tempdir().expect("there is room for a file");
    let source = directory.path().join("empty.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").expect("the file is written");
    let mut try_it = Command::new(&cc);
    try_it.arg("-fsanitize=address").arg(source).arg("-o").arg(directory.path().join("empty"));
    if !try_it.status().is_ok_and(|status| status.success()) {
        eprintln!("{cc} has no address sanitizer");
        return;
    }
    let mut arguments = static_library();
    arguments.insert(0, "-fsanitize=address".to_string());
    run(&cc, &arguments);
}

#[test]
fn the_package_is_found_by_pkg_config() {
    let Some(cc) = compiler() else { return };
    if !there("pkg-config") {
        return;
    }
    // What an installation looks like.
    let prefix = tempfile::tempdir().expect("there is room for files");
    for folder in ["include", "lib/pkgconfig"] {
        std::fs::create_dir_all(prefix.path().join(folder)).expect("the folder is made");
    }
    let copy = |from: PathBuf, to: &str| {
        std::fs::copy(from, prefix.path().join(to)).expect("the file is copied");
    };
    copy(here().join("include/hopfield_kernels.h"), "include/hopfield_kernels.h");
    copy(built().join("libhopfield_kernels.a"), "lib/libhopfield_kernels.a");
    let template = std::fs::read_to_string(here().join("hopfield_kernels.pc.in"));
    let text = template
        .expect("there is a template")
        .replace("@prefix@", &prefix.path().display().to_string())
        .replace("@version@", env!("CARGO_PKG_VERSION"));
    let folder = prefix.path().join("lib/pkgconfig");
    std::fs::write(folder.join("hopfield_kernels.pc"), text).expect("the file is written");
    let ask = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        output(command.args(arguments).arg("hopfield_kernels").env("PKG_CONFIG_PATH", &folder))
    };
    assert_eq!(ask(&["--modversion"]).trim(), env!("CARGO_PKG_VERSION"));
    let flags = ask(&["--cflags", "--libs", "--static"]);
    let flags: Vec<String> = flags.split_whitespace().map(str::to_string).collect();
    run(&cc, &flags);
}

/// The names in a text that begin with `hk_`, wherever one ends with `end`.
fn names(text: &str, end: &str) -> BTreeSet<String> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split_inclusive(|c| !of_name(c))
        .filter(|word| word.starts_with("hk_") && (end.is_empty() || word.ends_with(end)))
        .map(|word| word.trim_end_matches(|c| !of_name(c)).to_string())
        .collect()
}

#[test]
fn the_header_declares_what_the_library_exports() {
    let library = built().join("libhopfield_kernels.so");
    if !there("nm") || !library.exists() {
        return;
    }
    let symbols = output(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    let header = std::fs::read_to_string(here().join("include/hopfield_kernels.h"));
    let declared = names(&header.expect("there is a header"), "(");
    assert_eq!(names(&symbols, ""), declared);
    assert!(declared.len() >= 22, "{declared:?}");
}
