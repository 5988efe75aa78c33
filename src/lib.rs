//! Hand-tuned CPU kernels for modern Hopfield networks.
mod element;
mod energy;
mod error;
mod kernel;
mod matrix;
mod memory;
mod parallel;
mod plan;
mod retrieval;
mod simd;
mod workspace;

pub use element::Element;
pub use error::{Error, Result};
pub use matrix::{MatMut, MatRef};
pub use memory::Memory;
pub use parallel::Parallelism;
pub use retrieval::{Outputs, Retrieval};
pub use simd::Level;
pub use workspace::Workspace;
