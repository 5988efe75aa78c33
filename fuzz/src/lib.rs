//! The bodies of the fuzz targets. Each takes any bytes, makes of them something to compute, and
//! compares what the crate computes with a naive model: a crash is one finding among others.
//!
//! | target | against |
//! | --- | --- |
//! | [`recall`] | double-double arithmetic, within the derived bounds; probes and patterns that are not numbers |
//! | [`updates`] | the same, for `combine`, the softmax, outer products and both rules of learning |
//! | [`views`] | a `Vec` of `Vec`s |
//! | [`synapse`] | the component in `f64`, one operation after another |
//! | [`family`] | plain sums, for every member; a memory without codes; no panic on NaN |
//! | [`files`] | a plain memory of the same patterns: a file is patterns or an error |
//! | [`npz`] | nothing: a file is a synapse or an error, and a synapse that was saved is loaded as it was |
//!
//! The reference, its bounds and the compartments' names are those of the crate's own tests.

/// A body for either element type, as the first bit of its bytes says.
macro_rules! of_either_type {
    ($of:ident, $bytes:expr) => {{
        let mut input = $crate::input::Input::new($bytes);
        match input.flag() {
            false => $of::<f32>(&mut input),
            true => $of::<f64>(&mut input),
        }
    }};
}

mod family;
mod files;
mod input;
mod model;
mod npz;
mod recall;
mod synapse;
mod updates;
mod views;

pub use family::family;
pub use files::files;
pub use npz::npz;
pub use recall::recall;
pub use synapse::synapse;
pub use updates::updates;
pub use views::views;

/// AddressSanitizer ends a process that asks for more memory than there can be, unless it is told
/// not to. The crate does ask, of a batch size that it reads from a file, and takes no for an
/// answer.
///
/// It calls this as it starts.
#[cfg(feature = "libfuzzer")]
#[unsafe(no_mangle)]
extern "C" fn __asan_default_options() -> *const std::ffi::c_char {
    c"allocator_may_return_null=1".as_ptr()
}

/// A target's name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("recall", recall),
    ("updates", updates),
    ("views", views),
    ("synapse", synapse),
    ("npz", npz),
    ("family", family),
    ("files", files),
];
