//! Kernels compiled to machine code in this crate.
//!
//! A generic function is compiled in the crate that calls it. A function made by `compiled!` is
//! compiled here, once for `f32` and once for `f64`, whatever the number of crates and calls that
//! use it.

/// Defines functions that run a kernel at a level.
macro_rules! compiled {
    ($($(#[$doc:meta])* $name:ident($kernel:ident) $(-> $output:ty)?;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name<T: $crate::simd::Element>(
            level: $crate::simd::Level, kernel: $kernel<'_, T>,
        ) $(-> $output)? {
            #[inline(never)]
            fn single(level: $crate::simd::Level, kernel: $kernel<'_, f32>) $(-> $output)? {
                <f32 as $crate::simd::Lanes>::dispatch(level, kernel)
            }
            #[inline(never)]
            fn double(level: $crate::simd::Level, kernel: $kernel<'_, f64>) $(-> $output)? {
                <f64 as $crate::simd::Lanes>::dispatch(level, kernel)
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
    )*};
}
pub(crate) use compiled;
