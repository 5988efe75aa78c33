//! The drivers, as machine code.

use crate::driver::backward::Backward;
use crate::driver::finish::Finish;
use crate::driver::forward::Forward;
use crate::driver::merge::Merge;
use crate::driver::update::Learn;
use crate::kernel::softmax::Softmax;
use crate::simd::compiled::compiled;

compiled! {
    /// Recall from some of the patterns.
    recall(Forward);
    /// The sum of two recalls.
    merge(Merge);
    /// Sums become retrieved probes.
    finish(Finish);
    /// The softmax of rows.
    softmax(Softmax);
    /// Learning.
    learn(Learn);
    /// Gradients from some of the patterns.
    backward(Backward);
}
