//! The compartments: reading and setting them.

use std::borrow::Cow;

use super::table::Table;
use super::{HopfieldSynapse, Recalled};
use crate::error::{Error, Result};
use crate::matrix::MatRef;
use crate::matrix::check::expect_shape;
use crate::memory::Memory;
use crate::simd::Element;

/// A compartment's values in ngc-learn's orientation, as [`HopfieldSynapse::compartment`] gives
/// them.
///
/// ```
/// # use hopfield_kernels::{HopfieldSynapse, MatRef};
/// let patterns = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // two of three features
/// let synapse = HopfieldSynapse::<f32>::builder("W", (3, 2))
///     .initial_pattern_rows(MatRef::new(&patterns, 2, 3)?)
///     .build()?;
/// let weights = synapse.compartment("weights")?;
/// assert_eq!(weights.shape(), (3, 2));
/// assert_eq!(weights.values(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
/// assert_eq!(weights.as_mat().row(0), [1.0, 4.0]);
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Compartment<'a, T: Clone> {
    shape: (usize, usize),
    values: Cow<'a, [T]>,
}

impl<T: Element> Compartment<'_, T> {
    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Row after row.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The values as a matrix.
    pub fn as_mat(&self) -> MatRef<'_, T> {
        MatRef::new(&self.values, self.shape.0, self.shape.1)
            .expect("a compartment has rows x columns values")
    }
}

/// The names that [`HopfieldSynapse::compartment`] knows.
const NAMES: &str = "inputs, outputs, weights, similarities, memory_weights, energy, i_tick, \
                     dWeights, key";

/// # Compartments
///
/// ```
/// # use hopfield_kernels::{HopfieldSynapse, MatRef};
/// let mut synapse = HopfieldSynapse::<f64>::builder("W", (2, 1))
///     .initial_patterns(MatRef::new(&[3.0, 4.0], 2, 1)?)
///     .seed(7)
///     .build()?;
/// synapse.set_inputs(MatRef::new(&[1.0, 0.5], 1, 2)?)?;
/// synapse.advance_state()?;
/// assert_eq!(synapse.outputs().row(0), [3.0, 4.0], "there is no other pattern");
/// assert_eq!(synapse.memory_weights()?.row(0), [1.0]);
/// assert_eq!(synapse.similarities()?.row(0), [0.0], "ngc-learn's: less the highest of the row");
/// assert_eq!(synapse.energy()?, 0.5 * 5.0 + 0.5 * 16.0);
/// synapse.evolve()?; // η is 0
/// assert_eq!(synapse.d_weight_rows()?.row(0), [-2.0, -3.5]);
/// assert_eq!(synapse.d_weights()?, [-2.0, -3.5]);
/// assert_eq!((synapse.weights(), synapse.i_tick(), synapse.key()), (vec![3.0, 4.0], 1, 7));
/// # Ok::<(), hopfield_kernels::Error>(())
/// ```
impl<T: Element> HopfieldSynapse<T> {
    /// A compartment by ngc-learn's name, in ngc-learn's shape.
    ///
    /// | name | shape |
    /// | --- | --- |
    /// | `inputs`, `outputs` | B x D |
    /// | `weights`, `dWeights` | D x N |
    /// | `similarities`, `memory_weights` | B x N |
    /// | `energy`, `i_tick` | 1 x 1 |
    /// | `key` | 1 x 4: the seed's 16-bit words, the highest first (each fits every element type) |
    ///
    /// ```
    /// # use hopfield_kernels::HopfieldSynapse;
    /// let synapse = HopfieldSynapse::<f32>::builder("W", (3, 5)).seed(0x1_0002).build()?;
    /// assert_eq!(synapse.compartment("weights")?.shape(), (3, 5));
    /// assert_eq!(synapse.compartment("key")?.values(), [0.0, 0.0, 1.0, 2.0]);
    /// assert!(synapse.compartment("biases").is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`] for any other name, [`Error::NotRecorded`] for one that
    /// [`Record`](super::Record) leaves out.
    pub fn compartment(&self, name: &str) -> Result<Compartment<'_, T>> {
        let whole = |matrix: &'_ Table<T>| matrix.shape();
        let (dim, patterns) = self.shape();
        Ok(match name {
            "inputs" => borrowed(whole(&self.inputs), self.inputs.values()),
            "outputs" => borrowed(whole(&self.outputs), self.outputs.values()),
            "weights" => owned((dim, patterns), self.weights()),
            "similarities" => {
                self.similarities()?;
                borrowed(whole(&self.similarities), self.similarities.values())
            }
            "memory_weights" => {
                self.memory_weights()?;
                borrowed(whole(&self.memory_weights), self.memory_weights.values())
            }
            "energy" => owned((1, 1), vec![self.energy()?]),
            "i_tick" => owned((1, 1), vec![T::from_f64(self.tick as f64)]),
            "dWeights" => owned((dim, patterns), self.d_weights()?),
            "key" => owned((1, 4), self.key_words()),
            _ => {
                let (what, found) = ("compartment", name.to_string());
                return Err(Error::Unknown { what, known: NAMES, found });
            }
        })
    }

    fn key_words(&self) -> Vec<T> {
        let words = [48, 32, 16, 0].map(|shift| (self.key() >> shift) as u16);
        words.map(|word| T::from_f64(word.into())).to_vec()
    }

    /// X, the probes (B x D).
    pub fn inputs(&self) -> MatRef<'_, T> {
        self.inputs.view()
    }

    /// Sets the probes: any number of them.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (2, 5)).build()?;
    /// let probes = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    /// synapse.set_inputs(MatRef::new(&probes, 3, 2)?)?;
    /// let refused = synapse.set_inputs(MatRef::new(&probes, 2, 3)?).unwrap_err();
    /// assert_eq!(refused.to_string(), "inputs: expected shape 2 x 2, got 2 x 3");
    /// assert_eq!(synapse.inputs().rows(), 3);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when they do not have D features, [`Error::Allocation`] when there is no
    /// memory for them.
    pub fn set_inputs(&mut self, probes: MatRef<'_, T>) -> Result<()> {
        expect_shape("inputs", probes.shape(), (probes.rows(), self.memory.dim()))?;
        self.inputs.reserve(probes.rows())?;
        self.inputs.copy_from(probes);
        self.changed("inputs that were set since");
        Ok(())
    }

    /// Whether `reset` leaves the inputs alone.
    pub fn inputs_driven(&self) -> bool {
        self.inputs_driven
    }

    /// Says whether something else drives the inputs (in ngc-learn: whether a cable ends in them,
    /// so that the compartment is `targeted`). Then `reset` leaves them alone.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (1, 2)).build()?;
    /// synapse.set_inputs(MatRef::new(&[1.0], 1, 1)?)?;
    /// synapse.set_inputs_driven(true);
    /// assert!(synapse.inputs_driven());
    /// synapse.reset();
    /// assert_eq!(synapse.inputs().row(0), [1.0]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    pub fn set_inputs_driven(&mut self, driven: bool) {
        self.inputs_driven = driven;
    }

    /// X̂, the retrieved probes (B x D).
    pub fn outputs(&self) -> MatRef<'_, T> {
        self.outputs.view()
    }

    /// A copy of W, the weights (D x N, row after row).
    pub fn weights(&self) -> Vec<T> {
        self.memory.to_columns()
    }

    /// M = Wᵀ, the patterns as they are stored.
    pub fn memory(&self) -> &Memory<T> {
        &self.memory
    }

    /// Sets the weights (D x N). Those of connections that do not exist stay 0.
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (1, 3)).build()?;
    /// synapse.set_weights(MatRef::new(&[0.1, 0.2, 0.3], 1, 3)?)?;
    /// assert_eq!(synapse.memory().pattern(2), [0.3]);
    /// assert!(synapse.set_weights(MatRef::new(&[0.1, 0.2, 0.3], 3, 1)?).is_err());
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when they are not D x N.
    pub fn set_weights(&mut self, weights: MatRef<'_, T>) -> Result<()> {
        expect_shape("weights", weights.shape(), self.shape())?;
        self.memory.set_columns(weights)?;
        self.weights_set()
    }

    /// Sets the weights from patterns, one a row (N x D).
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef};
    /// let mut synapse = HopfieldSynapse::<f32>::builder("W", (2, 1)).build()?;
    /// synapse.set_weight_rows(MatRef::new(&[0.1, 0.2], 1, 2)?)?;
    /// assert_eq!(synapse.memory().pattern(0), [0.1, 0.2]);
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when they are not N x D.
    pub fn set_weight_rows(&mut self, patterns: MatRef<'_, T>) -> Result<()> {
        let (dim, count) = self.shape();
        expect_shape("weights", patterns.shape(), (count, dim))?;
        self.memory.set_rows(patterns)?;
        self.weights_set()
    }

    fn weights_set(&mut self) -> Result<()> {
        self.feature_norm = None;
        self.changed("weights that were set since");
        self.connected.as_ref().map_or(Ok(()), |connected| self.memory.disconnect(connected))
    }

    /// Remembers that the last recall was not of what there is now.
    pub(super) fn changed(&mut self, what: &'static str) {
        if self.recalled != Recalled::Never {
            self.recalled = Recalled::Before(what);
        }
    }

    /// S (B x N): under [`Semantics::NgcLearn`](super::Semantics::NgcLearn) minus the maximum of
    /// each row.
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn similarities(&self) -> Result<MatRef<'_, T>> {
        recorded("similarities", self.settings.record.similarities)?;
        Ok(self.similarities.view())
    }

    /// P (B x N).
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn memory_weights(&self) -> Result<MatRef<'_, T>> {
        recorded("memory_weights", self.settings.record.memory_weights)?;
        Ok(self.memory_weights.view())
    }

    /// The mean energy of the probes of the last recall, before their update; 0 without probes.
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn energy(&self) -> Result<T> {
        recorded("energy", self.settings.record.energy)?;
        Ok(self.energy)
    }

    /// The energy of each probe (B), whose mean is [`energy`](Self::energy).
    ///
    /// ```
    /// # use hopfield_kernels::{HopfieldSynapse, MatRef, Semantics};
    /// let mut synapse = HopfieldSynapse::<f64>::builder("W", (2, 2))
    ///     .initial_pattern_rows(MatRef::new(&[1.0, 0.0, 0.0, 1.0], 2, 2)?)
    ///     .semantics(Semantics::Standard)
    ///     .build()?;
    /// synapse.set_inputs(MatRef::new(&[1.0, 0.0, 0.5, 0.5], 2, 2)?)?;
    /// synapse.advance_state()?;
    /// let energies = synapse.energies()?;
    /// assert!(energies[0] < energies[1], "a stored pattern lies lower than what is between two");
    /// # Ok::<(), hopfield_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn energies(&self) -> Result<&[T]> {
        recorded("energy", self.settings.record.energy)?;
        Ok(&self.energies)
    }

    /// Calls of `advance_state`. No reset sets it back.
    pub fn i_tick(&self) -> u64 {
        self.tick
    }

    /// A copy of ΔW, the last change before η and decay (D x N, row after row).
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn d_weights(&self) -> Result<Vec<T>> {
        recorded("dWeights", self.settings.record.d_weights)?;
        Ok(self.d_weights.transposed())
    }

    /// ΔM = ΔWᵀ, as it is stored (N x D).
    ///
    /// # Errors
    /// [`Error::NotRecorded`].
    pub fn d_weight_rows(&self) -> Result<MatRef<'_, T>> {
        recorded("dWeights", self.settings.record.d_weights)?;
        Ok(self.d_weights.view())
    }

    /// The seed that everything random was drawn from.
    pub fn key(&self) -> u64 {
        self.settings.seed
    }
}

fn borrowed<T: Element>(shape: (usize, usize), values: &[T]) -> Compartment<'_, T> {
    Compartment { shape, values: Cow::Borrowed(values) }
}

fn owned<T: Element>(shape: (usize, usize), values: Vec<T>) -> Compartment<'static, T> {
    Compartment { shape, values: Cow::Owned(values) }
}

fn recorded(compartment: &'static str, recorded: bool) -> Result<()> {
    if recorded { Ok(()) } else { Err(Error::NotRecorded { compartment }) }
}
