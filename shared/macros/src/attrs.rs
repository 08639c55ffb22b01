//! Reading of names, attributes and doc comments, for all derives.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{
    Attribute, Data, DataEnum, DataStruct, DeriveInput, Error, Expr, ExprLit, Fields, FieldsNamed, Generics,
    Lit, Meta, Result, TypeParam, TypeParamBound, parse_quote,
};

/// Names that JavaScript objects use themselves.
const RESERVED: [&str; 3] = ["__proto__", "constructor", "prototype"];

/// The limit of a domain's and an event's name, as `tidings_shared::limits::MAX_NAME_BYTES` has it.
pub(crate) const MAX_NAME_BYTES: usize = 64;

/// Returns whether a text may be a segment of a topic.
pub(crate) fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.~-".contains(c))
}

/// Returns the text of the doc comment, with its lines joined.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Returns the enum, or refuses another type.
pub(crate) fn expect_enum<'a>(input: &'a DeriveInput, derive: &str) -> Result<&'a DataEnum> {
    match &input.data {
        Data::Enum(data) if !data.variants.is_empty() => Ok(data),
        _ => Err(Error::new_spanned(
            &input.ident,
            format!("{derive} is for an enum with at least one variant"),
        )),
    }
}

/// Returns the named fields of the struct, or refuses another type.
pub(crate) fn expect_fields<'a>(input: &'a DeriveInput, derive: &str) -> Result<&'a FieldsNamed> {
    match &input.data {
        Data::Struct(DataStruct { fields: Fields::Named(fields), .. }) => Ok(fields),
        _ => Err(Error::new_spanned(&input.ident, format!("{derive} is for a struct with named fields"))),
    }
}

/// Writes `PersonUpdated` as `person_updated`.
pub(crate) fn snake_case(ident: &Ident) -> String {
    let mut name = String::new();
    for (index, c) in ident.to_string().chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Writes an identifier as a key on the wire: `r#type` is `type`.
pub(crate) fn key(ident: &Ident) -> Result<String> {
    let text = ident.to_string();
    let text = text.strip_prefix("r#").unwrap_or(&text).to_owned();
    if RESERVED.contains(&text.as_str()) {
        let message = format!("`{text}` is reserved: JavaScript objects have a member of that name");
        return Err(Error::new_spanned(ident, message));
    }
    Ok(text)
}

/// Refuses a name that is in `seen`, and adds it otherwise.
pub(crate) fn expect_new(
    seen: &mut Vec<String>,
    name: &str,
    at: &dyn quote::ToTokens,
    what: &str,
) -> Result<()> {
    if seen.iter().any(|earlier| earlier == name) {
        let mut tokens = TokenStream::new();
        at.to_tokens(&mut tokens);
        return Err(Error::new_spanned(tokens, format!("two {what} have the name `{name}`")));
    }
    seen.push(name.to_owned());
    Ok(())
}

/// Adds the bounds of a payload's field, and `more`, to the type parameters. Other types get none, so that their error
/// appears at the field itself. A parameter with `any` is a type of the caller: serde can read and write it.
pub(crate) fn bounded(input: &DeriveInput, more: &[TypeParamBound]) -> Generics {
    let (krate, mut bounded) = (krate(), plain(&input.generics));
    for parameter in input.generics.type_params() {
        let field = (!is_any(parameter)).then(|| quote!(#krate::derive::PayloadField +));
        let parameter = &parameter.ident;
        bounded.make_where_clause().predicates.push(parse_quote!(
            #parameter: #(#more +)* #field #krate::derive::serde::Serialize + #krate::derive::serde::de::DeserializeOwned
        ));
    }
    bounded
}

/// Returns whether a type parameter has the attribute `any`.
pub(crate) fn is_any(parameter: &TypeParam) -> bool {
    parameter.attrs.iter().any(|attribute| attribute.path().is_ident("any"))
}

/// Returns the parameters without their attributes.
pub(crate) fn plain(generics: &Generics) -> Generics {
    let mut plain = generics.clone();
    plain.type_params_mut().for_each(|parameter| parameter.attrs.clear());
    plain
}

/// Returns the path of the crate that the generated code uses.
pub(crate) fn krate() -> TokenStream {
    quote!(::tidings_shared)
}
