//! The family of memories: every separation and similarity against references and invariants.
//!
//! | module | shows |
//! | --- | --- |
//! | [`rows`] | separations as functions of rows are those of PyTorch, `entmax` and 60-digit arithmetic |
//! | [`recall`] | recalls with values, biases and masks are those of PyTorch; similarities are as defined |
//! | [`gradients`] | gradients are those of PyTorch, and of differences for every member |
//! | [`support_gradients`] | gradients over supports have the same bits everywhere |
//! | [`energies`] | the energy of every member falls under its update |
//! | [`invariants`] | sums, shifts, duplicates, limits and equal members |
//! | [`accuracy`] | single precision is within derived bounds |
//! | [`bits`] | the same bits for any level, threads, batch and position, and those committed |
//! | [`borrowed`] | patterns that are read where they are |
//! | [`edges`] | masks, NaN, nothing that takes part, margins, parameters outside their domains |
//! | [`gain`] | a gain is a memory of multiplied patterns |
//! | [`statistics`] | what recalls tell of their weights, and certificates |
//! | [`learning`] | learning from every member, growth, heads |
//!
//! The references are in tests/data/family ([`fixtures`]), the members in `testkit::members`.

mod accuracy;
mod bits;
mod borrowed;
mod edges;
mod energies;
mod fixtures;
mod gain;
mod gradients;
mod invariants;
mod learning;
mod recall;
mod rows;
mod statistics;
mod support_gradients;
