//! Kernels compiled to machine code in this crate.
//!
//! A generic function is compiled in the crate that calls it. A function made by `compiled!` is
//! compiled here, once for `f32` and once for `f64`, whatever the number of crates and calls that
//! use it.

/// Defines functions that run a kernel at a level, or `by` another function than
/// [`Lanes::dispatch`](super::Lanes::dispatch).
macro_rules! compiled {
    (by $dispatch:path: $(#[$doc:meta])* $name:ident($kernel:ident);) => {
        compiled!(@ ($dispatch, $dispatch) $(#[$doc])* $name($kernel));
    };
    ($($(#[$doc:meta])* $name:ident($kernel:ident) $(-> $output:ty)?;)*) => {$(
        compiled!(
            @ (
                <f32 as $crate::simd::Lanes>::dispatch,
                <f64 as $crate::simd::Lanes>::dispatch
            )
            $(#[$doc])* $name($kernel) $(-> $output)?
        );
    )*};
    (
        @ ($single:expr, $double:expr)
        $(#[$doc:meta])* $name:ident($kernel:ident) $(-> $output:ty)?
    ) => {
        $(#[$doc])*
        pub(crate) fn $name<T: $crate::simd::Element>(
            level: $crate::simd::Level, kernel: $kernel<'_, T>,
        ) $(-> $output)? {
            #[inline(never)]
            fn single(level: $crate::simd::Level, kernel: $kernel<'_, f32>) $(-> $output)? {
                $single(level, kernel)
            }
            #[inline(never)]
            fn double(level: $crate::simd::Level, kernel: $kernel<'_, f64>) $(-> $output)? {
                $double(level, kernel)
            }
            let kernel = std::mem::ManuallyDrop::new(kernel);
            // SAFETY:
            // - `T` is the type that the `TypeId`s are compared with, so source and target of each
            //   `transmute_copy` are the same type, up to the name of `T`.
            // - The original is in a `ManuallyDrop`, so the copy alone is dropped.
            unsafe {
                if std::any::TypeId::of::<T>() == std::any::TypeId::of::<f32>() {
                    single(level, std::mem::transmute_copy(&*kernel))
                } else {
                    assert!(std::any::TypeId::of::<T>() == std::any::TypeId::of::<f64>(), "`Element` is sealed");
                    double(level, std::mem::transmute_copy(&*kernel))
                }
            }
        }
    };
}
pub(crate) use compiled;
