//! `HopfieldSynapse`: every compartment and hyper-parameter, and every row of the table of
//! [`Semantics`](hopfield_kernels::Semantics), against a naive model.

mod archive;
mod building;
mod compartments;
mod energies;
mod learning;
mod naive;
mod saving;
mod semantics;
