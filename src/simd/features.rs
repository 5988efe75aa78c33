//! Functions compiled for an instruction set.

/// Gives a token its `vectorize`: compiles work for the token's target features.
macro_rules! with_features {
    ($token:ident, $features:literal) => {
        impl $token {
            /// As [`Simd::vectorize`] has it.
            #[inline(always)]
            pub(super) fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
                #[inline(never)]
                #[target_feature(enable = $features)]
                fn featured<R>(work: impl FnOnce() -> R) -> R {
                    work()
                }
                // SAFETY: a token exists only where detection has found these features.
                unsafe { featured(work) }
            }
        }
    };
}
pub(super) use with_features;
