//! Setters of structs that users build.

/// Methods that set one field each and return the struct. An optional field (`field?`) takes its
/// value with or without `Some`; an optional slice (`field!`) without, so that it may be an array
/// or a vector.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* $with:ident($field:ident: $type:ty); $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $with(self, $field: $type) -> Self {
            Self { $field, ..self }
        }

        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $with:ident($field:ident?: $type:ty); $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $with(self, $field: impl Into<Option<$type>>) -> Self {
            Self { $field: $field.into(), ..self }
        }

        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* $with:ident($field:ident!: $type:ty); $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $with(self, $field: $type) -> Self {
            Self { $field: Some($field), ..self }
        }

        setters! { $($rest)* }
    };
}
pub(crate) use setters;
