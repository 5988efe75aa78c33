//! What the tests of hopfield-kernels share with its fuzz targets.
//!
//! | module | holds |
//! | --- | --- |
//! | [`data`] | matrices with holes between their rows, and what they are filled with |
//! | [`double`] | double-double arithmetic |
//! | [`naive`] | the reference in that arithmetic |
//! | [`bounds`] | how far a result may be from it, with the derivation |
//! | [`subject`] | running the crate, and what one probe got out of it |
//! | [`checks`] | error over bound, kernel by kernel |
//! | [`levels`] | every level of the machine |
//! | [`members`] | the members of the family, and small random problems |
//! | [`names`] | the names of the compartments |

pub mod bounds;
pub mod checks;
pub mod data;
pub mod double;
pub mod levels;
pub mod members;
pub mod naive;
pub mod names;
pub mod subject;
