//! Hand-tuned CPU kernels for modern Hopfield networks.
mod element;
mod energy;
mod error;
mod functions;
mod kernel;
mod matrix;
mod memory;
mod parallel;
mod plan;
mod plasticity;
mod retrieval;
mod simd;
mod synapse;
mod workspace;

pub use element::Element;
pub use error::{Error, Result};
pub use functions::{
    combine, combine_with, energy, energy_with, outer_product_update, outer_product_update_with,
    retrieve, retrieve_with, similarities, similarities_with, softmax, softmax_into,
    softmax_into_with, softmax_with,
};
pub use matrix::{MatMut, MatRef};
pub use memory::Memory;
pub use parallel::Parallelism;
pub use plasticity::{Lesson, Plasticity, Update, UpdateRule};
pub use retrieval::{Outputs, Retrieval};
pub use simd::Level;
pub use synapse::{
    Compartment, Distribution, Help, HopfieldSynapse, HopfieldSynapseBuilder, Record, Semantics,
    WeightInit,
};
pub use workspace::Workspace;
