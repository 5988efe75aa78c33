//! Functions compiled for an instruction set.

/// Gives a token its `vectorize`, which compiles work with the token's target features.
macro_rules! with_features {
    ($token:ident, $features:literal) => {
        impl $token {
            /// See [`Simd::vectorize`].
            #[inline(always)]
            pub(super) fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
                #[inline(never)]
                #[target_feature(enable = $features)]
                fn featured<R>(work: impl FnOnce() -> R) -> R {
                    work()
                }
                // SAFETY: a token is only created by `detect`, after it has found these features.
                unsafe { featured(work) }
            }
        }
    };
}
pub(super) use with_features;
