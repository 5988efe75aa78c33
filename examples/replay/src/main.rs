//! The command line: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(replay::respond(std::env::args_os(), &mut std::io::stderr()))
}
