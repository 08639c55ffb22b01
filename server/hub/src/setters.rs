//! Builder methods of settings: one for each field, of the same name.

/// Writes the builder methods of a struct of settings, one for each field. A field that the list leaves out does not
/// compile, so no setting can be forgotten. A type that is written as `impl Into<…>` takes everything that converts.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    ($settings:ident { $( $field:ident: $type:ty ),+ $(,)? }) => {
        impl $settings {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field.into();
                    self
                }
            )+
        }

        const _: fn($settings) = |$settings { $( $field: _ ),+ }| ();
    };
}
