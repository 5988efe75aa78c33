//! A synapse as one `.npz`: a member for each compartment, named and oriented as in ngc-learn, and
//! one for each hyper-parameter.

mod limits;
mod numbers;
mod reader;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use ndarray::{ArrayView1, ArrayView2, aview0, aview1, aview2};
use ndarray_npy::{NpzWriter, WritableElement, WriteNpzError};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::init::Distribution;
use super::settings::{Rates, Settings};
use super::table::Table;
use super::{HopfieldSynapse, Recalled, Record, Semantics, WeightInit};
use crate::error::{Error, Result};
use crate::learning::UpdateRule;
use crate::memory::Memory;
use crate::retrieval::Context;
use crate::simd::Element;
use crate::whole;
use numbers::Target;
use reader::Reader;

/// What archives are written through.
type Writer<'a, 'f> = NpzWriter<&'a mut BufWriter<&'f File>>;

/// The member that says what the file is, and the version of its layout.
const MARK: &str = "hopfield_synapse";
const VERSION: u32 = 1;

/// # Files (feature `synapse`)
impl<T: Element + WritableElement + Target> HopfieldSynapse<T> {
    /// Writes the synapse to a `.npz` file: a member for each recorded compartment, with
    /// ngc-learn's name, shape and orientation (`key` is the seed's two 32-bit words), and one for
    /// each hyper-parameter.
    ///
    /// The file is written beside `path` and renamed when it is complete: what `path` held before
    /// is lost only to a file that can be loaded. Its mode and owner stay, symbolic links are
    /// followed, and what is no regular file is refused. Where nothing can be created in the
    /// folder, or `path` cannot be renamed over (a bind mount) or has other names (hard links), the
    /// complete file is copied into it: then, and only then, a failure halfway (a full disk) leaves
    /// an incomplete file.
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
        whole::write(path, |file| {
            // Members of 4 GiB and more, as NumPy writes all of them.
            let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            let mut npz = NpzWriter::new_with_options(file, stored.large_file(true));
            self.write(&mut npz).map_err(text)?;
            npz.finish().map(drop).map_err(text)
        })
        .map_err(|reason| file_error(path, format!("expected to write a synapse, got {reason}")))
    }

    /// Reads a synapse that [`save`](Self::save) has written, with a new [`Context`].
    ///
    /// What was recalled can be learned from where the memory weights were recorded.
    ///
    /// A file that ngc-learn's component has saved has its compartments alone: the result has its
    /// `weights`, the file's name (`W.npz` is of the component `W`), and the builder's defaults for
    /// everything else (β = 8, η = 0 ...). [`load_weights`](Self::load_weights) takes such a file's
    /// weights into a synapse that has been built.
    ///
    /// Numbers may be of any NumPy type (bool, integers, float16 to float64) that the wanted type
    /// holds exactly.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is not there, is not whole, is something else's, or has a
    /// member of another type or shape, or a number that does not fit; it names the member, what
    /// was expected and what came.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        read(path).map_err(|reason| file_error(path, reason))
    }

    /// Sets the weights (D x N) from the member `weights` of a `.npz` file: ngc-learn's, or one
    /// that [`save`](Self::save) has written.
    ///
    /// ```
    /// # use hopfield_kernels::HopfieldSynapse;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("memory.npz");
    /// let trained = HopfieldSynapse::<f32>::builder("W", (3, 5)).seed(9).build()?;
    /// trained.save(&path)?;
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (3, 5)).beta(4.0).build()?;
    /// synapse.load_weights(&path)?;
    /// assert_eq!((synapse.weights(), synapse.beta()), (trained.weights(), 4.0));
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`load`](Self::load), and when the weights are not D x N.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let (dim, patterns) = self.shape();
        let rows: Table<T> = Reader::open(path)
            .and_then(|mut npz| npz.transposed("weights", (Some(dim), Some(patterns))))
            .map_err(|reason| file_error(path, reason))?;
        self.set_weight_rows(rows.view())
    }

    fn write(&self, npz: &mut Writer<'_, '_>) -> std::result::Result<(), WriteNpzError> {
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
        npz: &mut Writer<'_, '_>,
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

    fn write_settings(&self, npz: &mut Writer<'_, '_>) -> std::result::Result<(), WriteNpzError> {
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
fn read<T: Element + Target>(path: &Path) -> std::result::Result<HopfieldSynapse<T>, String> {
    let mut npz = Reader::open(path)?;
    if !npz.has(MARK) {
        return read_ngc_learns(path, &mut npz);
    }
    npz.check_version()?;
    let settings = read_settings(&mut npz)?;
    let memory = read_memory(&mut npz)?;
    let (dim, patterns) = (memory.dim(), memory.patterns());
    settings.check((dim, patterns)).map_err(text)?;
    let record = settings.record;
    let mut synapse = HopfieldSynapse::at_rest(settings, memory, Context::new());

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
        synapse.d_weights = npz.transposed("dWeights", (Some(dim), Some(patterns)))?;
    }
    synapse.tick = npz.matrix::<u64>("i_tick", (Some(1), Some(1)))?.values()[0];
    if npz.scalar("recalled")? {
        synapse.recalled = Recalled::Before("a file that was loaded since");
    }
    synapse.recall_beta = npz.scalar("recall_beta")?;
    crate::simd::beta_of(synapse.recall_beta).map_err(|error| format!("recall_{error}"))?;
    synapse.inputs_driven = npz.scalar("inputs_driven")?;
    if npz.has("compiled") {
        let rates: Vec<T> = npz.list("compiled", Some(4))?;
        synapse.compiled = Some(rates_of(&rates).checked().map_err(text)?);
    }
    if npz.has("permutation") {
        synapse.permutation = Some(read_permutation(&mut npz, patterns)?);
    }
    if npz.has("connections") || synapse.settings.masks_for_ever() {
        let connected: Table<bool> = npz.transposed("connections", (Some(dim), Some(patterns)))?;
        let connected = connected.values().to_vec();
        synapse.memory.disconnect(&connected).map_err(text)?;
        synapse.connected = Some(connected);
    }
    Ok(synapse)
}

/// The synapse that ngc-learn has saved in a file: compartments, of which the weights are taken.
fn read_ngc_learns<T: Element + Target>(
    path: &Path,
    npz: &mut Reader,
) -> std::result::Result<HopfieldSynapse<T>, String> {
    let memory = read_memory(npz).map_err(|reason| npz.no_synapse(&reason))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let settings = Settings::new(name);
    settings.check((memory.dim(), memory.patterns())).map_err(text)?;
    Ok(HopfieldSynapse::at_rest(settings, memory, Context::new()))
}

/// The member `weights` (D x N), as patterns.
fn read_memory<T: Element + Target>(npz: &mut Reader) -> std::result::Result<Memory<T>, String> {
    let rows: Table<T> = npz.transposed("weights", (None, None))?;
    Memory::from_rows(rows.view()).map_err(text)
}

fn read_settings<T: Element + Target>(
    npz: &mut Reader,
) -> std::result::Result<Settings<T>, String> {
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
    ArrayView2::from_shape(table.shape(), table.values())
        .expect("a table has rows x columns values")
}

fn file_error(path: &Path, reason: String) -> Error {
    Error::File { path: path.display().to_string(), reason }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
