//! `HopfieldSynapse`: every compartment and hyper-parameter, and every row of the table of
//! [`Semantics`](hopfield_kernels::Semantics), against a naive model.

#[cfg(feature = "npz")]
#[path = "synapse/archive.rs"]
mod archive;
#[path = "synapse/building.rs"]
mod building;
#[path = "synapse/compartments.rs"]
mod compartments;
#[path = "synapse/energies.rs"]
mod energies;
#[path = "synapse/learning.rs"]
mod learning;
#[path = "synapse/naive.rs"]
mod naive;
#[path = "synapse/names.rs"]
mod names;
#[path = "synapse/replaying.rs"]
mod replaying;
#[cfg(feature = "npz")]
#[path = "synapse/saving.rs"]
mod saving;
#[path = "synapse/semantics.rs"]
mod semantics;
