//! When rayon's global pool is started, and when it is left alone: each case in a process of its
//! own.

#![cfg(all(feature = "rayon", target_os = "linux"))]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use hopfield_kernels::{
    Context, MatMut, MatRef, Memory, OuterProducts, Plasticity, Retrieval, Update, energy,
    outer_product_update, retrieve, similarities, softmax,
};

/// Says which case a child process is to run.
const CASE: &str = "HOPFIELD_THREADS_CASE";

/// Threads of the global pool, where a case may start it.
const POOL: usize = 3;

/// Threads of this process.
fn threads() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
    line.trim().parse().unwrap()
}

/// Every kind of call, of a size that is not worth a second thread.
fn small_calls() {
    let mut memory =
        Memory::from_rows(MatRef::new(&[1.0_f32, 0.0, 0.0, 1.0], 2, 2).unwrap()).unwrap();
    let probe = [0.9, 0.2];
    let probes = MatRef::new(&probe, 1, 2).unwrap();
    let mut out = [0.0; 2];
    retrieve(probes, &memory, 16.0, MatMut::new(&mut out, 1, 2).unwrap(), None).unwrap();
    assert!(out[0] > 0.9999);
    similarities(probes, &memory, MatMut::new(&mut out, 1, 2).unwrap(), None).unwrap();
    softmax(MatMut::new(&mut out, 1, 2).unwrap(), 1.0, None).unwrap();
    energy(probes, &memory, 16.0, &mut out[..1], None).unwrap();
    outer_product_update(&mut memory, OuterProducts::new(probes, probes), Update::default(), None)
        .unwrap();
    let (retrieval, context) = (Retrieval::new(16.0), &mut Context::new());
    let to = MatMut::new(&mut out, 1, 2).unwrap();
    Plasticity::default().recall_and_learn(&retrieval, probes, to, &mut memory, context).unwrap();
}

/// A recall that is worth several threads: the pattern that each probe is.
fn large_call() {
    let (batch, dim, patterns) = (64, 128, 4096);
    let row = |n: usize, d: usize| if n % dim == d { 1.0_f32 + (n / dim) as f32 } else { 0.0 };
    let rows: Vec<_> = (0..patterns * dim).map(|i| row(i / dim, i % dim)).collect();
    let memory = Memory::from_rows(MatRef::new(&rows, patterns, dim).unwrap()).unwrap();
    let probes = MatRef::new(&rows[(patterns - batch) * dim..], batch, dim).unwrap();
    let mut out = vec![0.0; batch * dim];
    retrieve(probes, &memory, 50.0, MatMut::new(&mut out, batch, dim).unwrap(), None).unwrap();
    assert!(out.chunks(dim).zip(probes.iter()).all(|(out, probe)| out == probe));
}

/// What a child process does.
fn run(case: &str) {
    let before = threads();
    small_calls();
    assert_eq!(threads(), before, "small calls start no thread");
    match case {
        "build_global" => {
            rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
            large_call();
        }
        "limited" => {
            large_call();
            assert_eq!(threads(), before, "no thread could be started");
            assert!(rayon::ThreadPoolBuilder::new().build_global().is_err());
            large_call();
        }
        // Somebody else has tried to start the pool, and failed.
        "failed before" => {
            assert!(rayon::ThreadPoolBuilder::new().build_global().is_err());
            large_call();
            assert_eq!(threads(), before, "no thread could be started");
        }
        "fork" => {
            // SAFETY: this process has one thread, so that the child has all there is.
            match unsafe { libc::fork() } {
                0 => {
                    large_call();
                    // SAFETY: ends the child without the test harness's say.
                    unsafe { libc::_exit(0) };
                }
                child => {
                    let mut status = 0;
                    // SAFETY: the child is this process's own, and the status is written to.
                    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
                    assert_eq!(status, 0, "the child has not ended well");
                }
            }
        }
        "large" => {
            large_call();
            assert_eq!(threads(), before + POOL, "the pool that the environment asks for");
        }
        _ => panic!("a case: {case}"),
    }
}

/// What the parent runs in processes of its own: not a test by itself.
#[test]
#[ignore = "run by the others, in processes of their own"]
fn child() {
    if let Ok(case) = std::env::var(CASE) {
        run(&case);
    }
}

/// A program as a child that runs one case in its main thread.
fn child_of(
    program: impl AsRef<std::ffi::OsStr>,
    before: &[&std::ffi::OsStr],
    case: &str,
) -> Command {
    let mut command = Command::new(program);
    command.args(before);
    command.args(["child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(CASE, case).env("RAYON_NUM_THREADS", POOL.to_string());
    command
}

fn assert_well(output: &Output) {
    let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy);
    assert!(output.status.success() && said[0].contains("1 passed"), "{}{}", said[0], said[1]);
}

fn assert_case(case: &str) {
    // A child that waits for threads that it does not have never ends.
    let this = std::env::current_exe().unwrap();
    assert_well(&child_of("timeout", &["60".as_ref(), this.as_ref()], case).output().unwrap());
}

#[test]
fn small_calls_leave_the_global_pool_to_the_program() {
    assert_case("build_global");
}

#[test]
fn large_calls_may_start_it() {
    assert_case("large");
}

#[test]
fn a_forked_child_of_small_calls_may_recall() {
    assert_case("fork");
}

/// A user who may have no further thread: calls are serial, and none panics.
#[test]
fn where_no_thread_can_be_started_calls_are_serial() {
    // What limits a user does not limit root, who becomes nobody with a copy of the program.
    // SAFETY: asks for a number.
    let root = unsafe { libc::geteuid() } == 0;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("threads");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for case in ["limited", "failed before"] {
        let mut command = child_of(&program, &[], case);
        command.current_dir(folder.path());
        if root {
            command.uid(65_534).gid(65_534);
        }
        // SAFETY: `setrlimit` may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let one = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
                match libc::setrlimit(libc::RLIMIT_NPROC, &one) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        assert_well(&command.output().unwrap());
    }
}
