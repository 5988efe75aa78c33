//! The drivers, as machine code.

use crate::driver::backward::Backward;
use crate::driver::finish::Finish;
use crate::driver::forward::Forward;
use crate::driver::merge::Merge;
use crate::driver::project::Project;
use crate::driver::screen::code_scan::CodeScan;
use crate::driver::small::Small;
use crate::driver::supports::{EntrySums, PatternSlopes, ProbeSlopes};
use crate::driver::update::Learn;
use crate::kernel::softmax::Softmax;
use crate::simd::compiled::compiled;
use crate::simd::integers;

compiled! {
    /// Recall from some of the patterns.
    recall(Forward);
    /// Recall of one probe from few short patterns.
    small(Small) -> bool;
    /// Merging of the recalls from two splits.
    merge(Merge);
    /// Projection of sparse weights.
    project(Project);
    /// Sums become retrieved probes.
    finish(Finish);
    /// The softmax of rows.
    softmax(Softmax);
    /// Learning.
    learn(Learn);
    /// Gradients from some of the patterns.
    backward(Backward);
    /// Sums over d, for the patterns of supports.
    entry_sums(EntrySums);
    /// Gradients of probes over their supports.
    probe_slopes(ProbeSlopes);
    /// Gradients of the patterns of supports.
    pattern_slopes(PatternSlopes);
}

compiled! {
    by integers::dispatch:
    /// Screening of patterns by their codes.
    code_scan(CodeScan);
}
