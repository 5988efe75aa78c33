//! Replays a recorded trace: for each step t, inputs := x[t], `advance_state`, `evolve`, and every
//! compartment is written down.
//!
//! ```text
//! replay IN.npz OUT.npz --rule delta|contrastive --eta F --beta F --reg-lambda F
//!        [--l1-lambda F] [--semantics ngc-learn|standard]
//! ```
//!
//! IN holds `W0` (D x N) and `x` (T x B x D): float32, or other numbers
//! that it holds exactly. OUT holds, for each t, `outputs_t`,
//! `similarities_t`, `memory_weights_t`, `energy_t`, `dWeights_t` and `weights_t`, float32, in
//! ngc-learn's shapes. What is wrong is said in one line; the exit code is then 2, and OUT is what
//! it was.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;
use example_arrays::Source;
use hopfield_kernels::{HopfieldSynapse, MatRef, Semantics};
use ndarray::{Array, Array2, Array3, ArrayView2, Axis, Dimension};
use ndarray_npy::{NpzReader, NpzWriter, ReadNpyError, ReadNpzError, ReadableElement};

/// Replay a trace of a HopfieldSynapse and write down its compartments.
#[derive(Debug, Parser)]
#[command(name = "replay")]
struct Arguments {
    /// A .npz with float32 arrays W0 (D x N) and x (T x B x D)
    #[arg(value_name = "IN.npz")]
    input: PathBuf,
    /// The .npz to write: COMPARTMENT_t for each step t
    #[arg(value_name = "OUT.npz")]
    output: PathBuf,
    /// The update rule
    #[arg(long, value_parser = ["delta", "contrastive"])]
    rule: String,
    /// The learning rate
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    eta: f32,
    /// The inverse temperature
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    beta: f32,
    /// The weight decay of a step
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    reg_lambda: f32,
    /// The weight decay at a constant rate
    #[arg(long, value_name = "F", allow_hyphen_values = true, default_value_t = 0.0)]
    l1_lambda: f32,
    /// What the component computes: ngc-learn's meaning or the papers'
    #[arg(long, value_parser = ["ngc-learn", "standard"], default_value = "ngc-learn")]
    semantics: String,
}

/// The compartments that are written, by ngc-learn's names.
const COMPARTMENTS: [&str; 6] =
    ["outputs", "similarities", "memory_weights", "energy", "dWeights", "weights"];

/// What is wrong, in words.
type Refusal = Box<dyn std::error::Error>;

/// The exit code for a command line, its first word included.
pub fn respond(command: impl IntoIterator<Item = OsString>, complaints: &mut impl Write) -> u8 {
    let result = match Arguments::try_parse_from(command) {
        Ok(arguments) => replay(&arguments),
        Err(asked) if matches!(asked.kind(), ErrorKind::DisplayHelp) => {
            print!("{asked}");
            return 0;
        }
        Err(refused) => Err(without_usage(&refused).into()),
    };
    let Err(reason) = result else { return 0 };
    let line = reason.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    // Where even stderr is gone, the exit code has to do.
    let _ = writeln!(complaints, "replay: {line}");
    2
}

/// What clap found, without its advice on how to call.
fn without_usage(refused: &clap::Error) -> String {
    let message = refused.to_string();
    let message = message.split("\n\n").next().unwrap_or(&message);
    message.trim_start_matches("error: ").to_string()
}

fn replay(arguments: &Arguments) -> Result<(), Refusal> {
    let (weights, probes) = read(&arguments.input)
        .map_err(|reason| format!("{}: {reason}", arguments.input.display()))?;
    let trace = trace(arguments, &weights, &probes)?;
    write(&arguments.output, &trace)
        .map_err(|reason| format!("{}: {reason}", arguments.output.display()).into())
}

/// W0 and x.
fn read(path: &Path) -> Result<(Array2<f32>, Array3<f32>), Refusal> {
    let mut npz = NpzReader::new(BufReader::new(File::open(path)?))?;
    let weights: Array2<f32> = member(&mut npz, "W0", "float32, D x N")?;
    let probes: Array3<f32> = member(&mut npz, "x", "float32, T x B x D")?;
    let (dim, (_, _, features)) = (weights.nrows(), probes.dim());
    if features != dim {
        return Err(format!("x: expected T x B x {dim}, as W0 has rows, got {features}").into());
    }
    Ok((weights, probes))
}

/// An array of numbers, in row-major order.
fn member<D: Dimension>(
    npz: &mut NpzReader<BufReader<File>>,
    name: &str,
    expected: &str,
) -> Result<Array<f32, D>, Refusal> {
    let array: Array<f32, D> = example_arrays::read(&mut Member { npz, name })
        .map_err(|reason| format!("{name} ({expected}): {reason}"))?;
    Ok(array.as_standard_layout().into_owned())
}

/// A member of an archive.
struct Member<'a> {
    npz: &'a mut NpzReader<BufReader<File>>,
    name: &'a str,
}

impl Source for Member<'_> {
    fn read<A: ReadableElement, D: Dimension>(&mut self) -> Result<Array<A, D>, ReadNpyError> {
        self.npz.by_name(self.name).map_err(|error| match error {
            ReadNpzError::Npy(error) => error,
            ReadNpzError::Zip(error) => ReadNpyError::Io(io::Error::other(error)),
        })
    }
}

/// Each compartment after each step, with its name.
fn trace(
    arguments: &Arguments,
    weights: &Array2<f32>,
    probes: &Array3<f32>,
) -> Result<Vec<(String, Array2<f32>)>, Refusal> {
    let standard = arguments.semantics == "standard";
    let mut synapse = HopfieldSynapse::builder("replay", weights.dim())
        .initial_patterns(matrix(weights.view())?)
        .update_rule(arguments.rule.parse()?)
        .eta(arguments.eta)
        .beta(arguments.beta)
        .reg_lambda(arguments.reg_lambda)
        .l1_lambda(arguments.l1_lambda)
        .semantics(if standard { Semantics::Standard } else { Semantics::NgcLearn })
        .build()?;
    let mut trace = Vec::new();
    for (t, probes) in probes.axis_iter(Axis(0)).enumerate() {
        synapse.set_inputs(matrix(probes)?)?;
        synapse.advance_state()?;
        synapse.evolve()?;
        for name in COMPARTMENTS {
            let compartment = synapse.compartment(name)?;
            let values = compartment.values().to_vec();
            trace.push((
                format!("{name}_{t}"),
                Array2::from_shape_vec(compartment.shape(), values)?,
            ));
        }
    }
    Ok(trace)
}

/// A view of an array in row-major order.
fn matrix(array: ArrayView2<'_, f32>) -> Result<MatRef<'_, f32>, Refusal> {
    let slice = array.to_slice().ok_or("expected an array in row-major order")?;
    Ok(MatRef::new(slice, array.nrows(), array.ncols())?)
}

/// Writes the file whole, so that a failure leaves what was there.
fn write(path: &Path, trace: &[(String, Array2<f32>)]) -> Result<(), Refusal> {
    let contents = |file: &mut BufWriter<&File>| {
        let mut npz = NpzWriter::new(file);
        for (name, array) in trace {
            npz.add_array(name.as_str(), array)?;
        }
        npz.finish().map(drop)
    };
    Ok(example_arrays::write(path, |file| contents(file).map_err(|reason| reason.to_string()))?)
}
