//! A synapse as one `.npz`: a member for each compartment, named and oriented as in ngc-learn, and
//! one for each hyper-parameter.

mod claims;
mod reader;

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayView1, ArrayView2, aview0, aview1, aview2};
use ndarray_npy::{NpzWriter, ReadableElement, WritableElement, WriteNpzError};

use super::init::Distribution;
use super::settings::{Rates, Settings};
use super::table::Table;
use super::{HopfieldSynapse, Recalled, Record, Semantics, WeightInit};
use crate::{Element, Error, Memory, Result, UpdateRule, Workspace};
use reader::Reader;

/// The member that says what the file is, and the version of its layout.
const MARK: &str = "hopfield_synapse";
const VERSION: u32 = 1;

/// # Files (feature `npz`)
impl<T: Element + WritableElement + ReadableElement> HopfieldSynapse<T> {
    /// Writes the synapse to a `.npz` file: a member for each recorded compartment, with ngc-learn's
    /// name, shape and orientation (`key` is the seed's two 32-bit words), and one for each
    /// hyper-parameter.
    ///
    /// The file is written beside `path` and renamed when it is whole: what `path` held before is
    /// lost only to a file that can be loaded.
    ///
    /// ```
    /// # use hopfield_kernels::HopfieldSynapse;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("memory.npz");
    /// let synapse = HopfieldSynapse::<f32>::builder("W", (3, 5)).eta(0.1).seed(9).build()?;
    /// synapse.save(&path)?;
    /// let same = HopfieldSynapse::<f32>::load(&path)?;
    /// assert_eq!((same.name(), same.eta(), same.weights()), ("W", 0.1, synapse.weights()));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let beside = sibling(path)?;
        let written =
            self.write_new(&beside).and_then(|()| fs::rename(&beside, path).map_err(text));
        written.map_err(|reason| {
            // It may not exist: then there is nothing to remove.
            let _ = fs::remove_file(&beside);
            file_error(path, format!("expected to write a synapse, got {reason}"))
        })
    }

    /// Reads a synapse that [`save`](Self::save) has written, with a new [`Workspace`].
    ///
    /// What was recalled can be learned from where the memory weights were recorded.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is not there, is not whole, is something else's, or has a
    /// member of another type or shape; it names what was expected and what came.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        read(path).map_err(|reason| file_error(path, reason))
    }

    fn write_new(&self, path: &Path) -> std::result::Result<(), String> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(text)?;
        let mut npz = NpzWriter::new(BufWriter::new(file));
        self.write(&mut npz).map_err(text)?;
        let mut writer = npz.finish().map_err(text)?;
        writer.flush().map_err(text)?;
        writer.get_ref().sync_all().map_err(text)
    }

    fn write(
        &self,
        npz: &mut NpzWriter<BufWriter<File>>,
    ) -> std::result::Result<(), WriteNpzError> {
        npz.add_array(MARK, &aview0(&VERSION))?;
        self.write_compartments(npz)?;
        self.write_settings(npz)?;
        npz.add_array("recalled", &aview0(&(self.recalled != Recalled::Never)))?;
        npz.add_array("recall_beta", &aview0(&self.recall_beta))?;
        npz.add_array("inputs_driven", &aview0(&self.inputs_driven))?;
        if let Some(compiled) = &self.compiled {
            npz.add_array("compiled", &aview1(&rates_list(compiled)))?;
        }
        if let Some(permutation) = &self.permutation {
            let permutation: Vec<u64> = permutation.iter().map(|&n| n as u64).collect();
            npz.add_array("permutation", &aview1(&permutation))?;
        }
        if let Some(connected) = &self.connected {
            // As W: features by patterns.
            let (dim, patterns) = self.shape();
            let rows = ArrayView2::from_shape((patterns, dim), connected);
            npz.add_array("connections", &rows.expect("one for each weight").t())?;
        }
        Ok(())
    }

    fn write_compartments(
        &self,
        npz: &mut NpzWriter<BufWriter<File>>,
    ) -> std::result::Result<(), WriteNpzError> {
        let Record { similarities, memory_weights, energy, d_weights } = self.settings.record;
        let seed = self.settings.seed;
        npz.add_array("inputs", &array(&self.inputs))?;
        npz.add_array("outputs", &array(&self.outputs))?;
        let rows = Table::new(self.memory.to_rows(), (self.memory.patterns(), self.memory.dim()));
        npz.add_array("weights", &array(&rows).t())?;
        if similarities {
            npz.add_array("similarities", &array(&self.similarities))?;
        }
        if memory_weights {
            npz.add_array("memory_weights", &array(&self.memory_weights))?;
        }
        if energy {
            npz.add_array("energy", &aview2(&[[self.energy]]))?;
            npz.add_array("energies", &ArrayView1::from(&self.energies))?;
        }
        if d_weights {
            npz.add_array("dWeights", &array(&self.d_weights).t())?;
        }
        npz.add_array("i_tick", &aview2(&[[self.tick]]))?;
        npz.add_array("key", &aview1(&[(seed >> 32) as u32, seed as u32]))
    }

    fn write_settings(
        &self,
        npz: &mut NpzWriter<BufWriter<File>>,
    ) -> std::result::Result<(), WriteNpzError> {
        let settings = &self.settings;
        let Record { similarities, memory_weights, energy, d_weights } = settings.record;
        let standard = settings.semantics == Semantics::Standard;
        npz.add_array("name", &aview1(settings.name.as_bytes()))?;
        npz.add_array("standard", &aview0(&standard))?;
        npz.add_array("contrastive", &aview0(&(settings.rule == UpdateRule::Contrastive)))?;
        npz.add_array("eta", &aview0(&settings.rates.eta))?;
        npz.add_array("beta", &aview0(&settings.rates.beta))?;
        npz.add_array("reg_lambda", &aview0(&settings.rates.reg_lambda))?;
        npz.add_array("l1_lambda", &aview0(&settings.rates.l1_lambda))?;
        npz.add_array("resist_scale", &aview0(&settings.resist_scale))?;
        npz.add_array("p_conn", &aview0(&settings.p_conn))?;
        npz.add_array("weight_init", &aview1(&init_list(&settings.weight_init)))?;
        npz.add_array("batch_size", &aview0(&(settings.batch_size as u64)))?;
        npz.add_array("negative_steps", &aview0(&(settings.negative_steps as u64)))?;
        npz.add_array("record", &aview1(&[similarities, memory_weights, energy, d_weights]))
    }
}

/// A new synapse from a file, or what is wrong with it.
fn read<T>(path: &Path) -> std::result::Result<HopfieldSynapse<T>, String>
where
    T: Element + ReadableElement,
{
    let mut npz = Reader::open(path)?;
    let (settings, weights) = (read_settings(&mut npz)?, npz.matrix::<T>("weights", (None, None))?);
    let shape @ (dim, patterns) = weights.shape();
    let memory = Memory::from_columns(weights.view()).map_err(text)?;
    settings.check(shape).map_err(text)?;
    let record = settings.record;
    let mut synapse = HopfieldSynapse::at_rest(settings, memory, Workspace::new());

    synapse.inputs = npz.matrix("inputs", (None, Some(dim)))?;
    synapse.outputs = npz.matrix("outputs", (None, Some(dim)))?;
    let batch = synapse.outputs.rows();
    if record.similarities {
        synapse.similarities = npz.matrix("similarities", (Some(batch), Some(patterns)))?;
    }
    if record.memory_weights {
        synapse.memory_weights = npz.matrix("memory_weights", (Some(batch), Some(patterns)))?;
    }
    if record.energy {
        synapse.energy = npz.matrix("energy", (Some(1), Some(1)))?.values()[0];
        synapse.energies = npz.list("energies", Some(batch))?;
    }
    if record.d_weights {
        let columns: Table<T> = npz.matrix("dWeights", (Some(dim), Some(patterns)))?;
        synapse.d_weights = Table::new(columns.transposed(), (patterns, dim));
    }
    synapse.tick = npz.matrix::<u64>("i_tick", (Some(1), Some(1)))?.values()[0];
    if npz.scalar("recalled")? {
        synapse.recalled = Recalled::Before("a file that was loaded since");
    }
    synapse.recall_beta = npz.scalar("recall_beta")?;
    crate::energy::beta_of(synapse.recall_beta).map_err(|error| format!("recall_{error}"))?;
    synapse.inputs_driven = npz.scalar("inputs_driven")?;
    if npz.has("compiled") {
        let rates: Vec<T> = npz.list("compiled", Some(4))?;
        synapse.compiled = Some(rates_of(&rates).checked().map_err(text)?);
    }
    if npz.has("permutation") {
        synapse.permutation = Some(read_permutation(&mut npz, patterns)?);
    }
    if npz.has("connections") || synapse.settings.masks_for_ever() {
        let columns: Table<bool> = npz.matrix("connections", (Some(dim), Some(patterns)))?;
        let connected = columns.transposed();
        synapse.memory.disconnect(&connected).map_err(text)?;
        synapse.connected = Some(connected);
    }
    Ok(synapse)
}

fn read_settings<T>(npz: &mut Reader) -> std::result::Result<Settings<T>, String>
where
    T: Element + ReadableElement,
{
    let name = String::from_utf8(npz.list("name", None)?)
        .map_err(|error| format!("name: expected UTF-8, got {error}"))?;
    let [high, low] = npz.fixed::<u32, 2>("key")?;
    let [similarities, memory_weights, energy, d_weights] = npz.fixed("record")?;
    Ok(Settings {
        name,
        semantics: match npz.scalar("standard")? {
            true => Semantics::Standard,
            false => Semantics::NgcLearn,
        },
        rule: match npz.scalar("contrastive")? {
            true => UpdateRule::Contrastive,
            false => UpdateRule::Delta,
        },
        rates: Rates {
            eta: npz.scalar("eta")?,
            beta: npz.scalar("beta")?,
            reg_lambda: npz.scalar("reg_lambda")?,
            l1_lambda: npz.scalar("l1_lambda")?,
        },
        resist_scale: npz.scalar("resist_scale")?,
        p_conn: npz.scalar("p_conn")?,
        weight_init: init_of(npz.fixed("weight_init")?)?,
        batch_size: npz.count("batch_size")?,
        seed: u64::from(high) << 32 | u64::from(low),
        negative_steps: npz.count("negative_steps")?,
        record: Record { similarities, memory_weights, energy, d_weights },
    })
}

fn read_permutation(npz: &mut Reader, patterns: usize) -> std::result::Result<Vec<usize>, String> {
    let order: Vec<u64> = npz.list("permutation", Some(patterns))?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.iter().copied().ne(0..patterns as u64) {
        return Err(format!(
            "permutation: expected 0..{patterns} in some order, got other numbers"
        ));
    }
    Ok(order.into_iter().map(|n| n as usize).collect())
}

fn rates_list<T: Copy>(rates: &Rates<T>) -> [T; 4] {
    [rates.eta, rates.beta, rates.reg_lambda, rates.l1_lambda]
}

fn rates_of<T: Copy>(list: &[T]) -> Rates<T> {
    Rates { eta: list[0], beta: list[1], reg_lambda: list[2], l1_lambda: list[3] }
}

/// Number of the distribution, its parameters, and the bounds: NaN where there is none.
fn init_list(init: &WeightInit) -> [f64; 5] {
    let (kind, first, second) = match init.distribution {
        Distribution::Constant { value } => (0.0, value, 0.0),
        Distribution::Uniform { low, high } => (1.0, low, high),
        Distribution::Gaussian { mean, std } => (2.0, mean, std),
        Distribution::LogGaussian { sigma } => (3.0, sigma, 0.0),
        Distribution::FanInUniform => (4.0, 0.0, 0.0),
        Distribution::FanInGaussian => (5.0, 0.0, 0.0),
    };
    [kind, first, second, init.amin.unwrap_or(f64::NAN), init.amax.unwrap_or(f64::NAN)]
}

fn init_of([kind, first, second, amin, amax]: [f64; 5]) -> std::result::Result<WeightInit, String> {
    let distribution = match kind {
        0.0 => Distribution::Constant { value: first },
        1.0 => Distribution::Uniform { low: first, high: second },
        2.0 => Distribution::Gaussian { mean: first, std: second },
        3.0 => Distribution::LogGaussian { sigma: first },
        4.0 => Distribution::FanInUniform,
        5.0 => Distribution::FanInGaussian,
        _ => return Err(format!("weight_init: expected a distribution of 0 to 5, got {kind}")),
    };
    let bound = |bound: f64| (!bound.is_nan()).then_some(bound);
    Ok(WeightInit::from(distribution).clipped(bound(amin), bound(amax)))
}

fn array<T: Element>(table: &Table<T>) -> ArrayView2<'_, T> {
    ArrayView2::from_shape(table.shape(), table.values()).expect("tables are made to measure")
}

/// A file that does not exist yet, in the same folder, so that a rename is all that is left to do.
fn sibling(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(file_error(path, "expected the name of a file, got a folder".to_string()));
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.tmp", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(hidden))
}

fn file_error(path: &Path, reason: String) -> Error {
    Error::File { path: path.display().to_string(), reason }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
