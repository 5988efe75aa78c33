//! Screening by codes and the peaked strategy.
//!
//! | module | shows |
//! | --- | --- |
//! | [`adversarial`] | codes that say nothing about their patterns change no bit |
//! | [`bits`] | codes, hints, threads, batch and position change no bit, for every member |
//! | [`changes`] | codes stay true under every change of the patterns |
//! | [`strategies`] | which probes are peaked, batches with both strategies |
//! | [`counters`] | what is counted |
//! | [`masked`] | masked patterns are not listed |
//! | [`accuracy`] | both strategies are within the derived bounds |
//! | [`top_k`] | the most similar patterns are those of a sort |

mod accuracy;
mod adversarial;
mod bits;
mod changes;
mod counters;
mod masked;
mod problem;
mod strategies;
mod top_k;
