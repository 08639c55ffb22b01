//! Makes lists of limits that are constants and data at once: code uses the constants, PROTOCOL.md shows the data.

use std::time::Duration;

/// A limit as data, for the tables of PROTOCOL.md.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The name of the constant.
    pub name: &'static str,
    /// The doc comment of the constant, line by line. Its first paragraph is for users, the rest is for the next editor.
    pub docs: &'static str,
    /// The constant.
    pub value: LimitValue,
    /// The flag of `tidings serve` that changes the limit.
    pub setting: Option<&'static str>,
}

/// The value of a [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitValue {
    /// A count, or bytes if the constant's name ends in `_BYTES`.
    Number(u64),
    /// A time.
    Time(Duration),
}

/// Declares constants, and a list of them: `limits! { /// Docs… pub const LIST; … }`.
macro_rules! limits {
    (
        $(#[doc = $list_docs:literal])+
        pub const $list:ident;
        $(
            $(#[doc = $docs:literal])+
            $(#[setting($setting:literal)])?
            pub const $name:ident: $type:tt = $value:expr;
        )+
    ) => {
        $(
            $(#[doc = $docs])+
            pub const $name: $type = $value;
        )+

        $(#[doc = $list_docs])+
        pub const $list: &[Limit] = &[$(Limit {
            name: stringify!($name),
            docs: concat!($($docs, "\n"),+),
            value: limits!(@value $type $name),
            setting: limits!(@setting $($setting)?),
        }),+];
    };
    (@value Duration $name:ident) => { LimitValue::Time($name) };
    (@value $number:tt $name:ident) => { LimitValue::Number($name as u64) };
    (@setting) => { None };
    (@setting $setting:literal) => { Some($setting) };
}
