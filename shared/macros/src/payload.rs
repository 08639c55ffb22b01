//! `#[derive(Payload)]`.
//!
//! serde is derived for a shadow struct with the same fields. So an `Option` is absent or `null` on the wire exactly as the schema
//! says.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    DeriveInput, Error, Field, Generics, Ident, Path, Result, Token, Type,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
};

use crate::attrs::{bounded, docs, expect_fields, expect_new, is_any, key, krate, plain};

pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let fields = wire_fields(&input)?;
    let settings = settings(&input)?;
    let (krate, name, type_docs) = (krate(), &input.ident, docs(&input.attrs));
    let (name_text, topic) = (name.to_string(), &settings.topic);
    let (schemas, reaches) = (&fields.schemas, settings.reaches.iter().map(Reach::schema));
    let topics = fan_out(&settings);
    let bounded = bounded(&input, &[]);
    let (_, type_generics, _) = input.generics.split_for_impl();
    let (impl_generics, _, where_clause) = bounded.split_for_impl();
    let serde = serde_impls(&input, &fields, &bounded);
    Ok(quote! {
        #serde

        #[automatically_derived]
        impl #impl_generics #krate::derive::Payload for #name #type_generics #where_clause {
            type Topic = #topic;
            const SCHEMA: &'static #krate::schema::PayloadSchema = &#krate::schema::PayloadSchema {
                name: #name_text, docs: #type_docs, fields: &[#(#schemas),*], reaches: &[#(#reaches),*],
            };

            fn topics(&self) -> ::std::vec::Vec<#topic> {
                #topics
            }
        }
    })
}

/// What the struct's fields contribute. All lists except `shadow` leave out fields with `skip`.
#[derive(Default)]
struct WireFields {
    keys: Vec<String>,
    schemas: Vec<TokenStream>,
    /// The fields of the shadow struct, for which serde is derived.
    shadow: Vec<TokenStream>,
    /// Whether JSON can hold the field's value.
    is_json: Vec<TokenStream>,
}

fn wire_fields(input: &DeriveInput) -> Result<WireFields> {
    let (krate, mut wire, mut seen) = (krate(), WireFields::default(), Vec::new());
    for field in &expect_fields(input, "Payload")?.named {
        let Some(ident) = &field.ident else { continue };
        let (ty, FieldSettings { null, skip }) = (&field.ty, field_settings(field)?);
        if skip {
            wire.shadow.push(quote!(#[serde(skip)] #ident: #ty));
            continue;
        }
        let (key, field_docs) = (key(ident)?, docs(&field.attrs));
        expect_new(&mut seen, &key, ident, "fields")?;
        let omits = is_option(ty) && !null;
        wire.shadow.push(if omits {
            quote!(#[serde(skip_serializing_if = "::core::option::Option::is_none")] #ident: #ty)
        } else {
            quote!(#ident: #ty)
        });
        let is_any = is_any_parameter(input, ty);
        let schema = match is_any {
            true => quote!(#krate::schema::Type::Any),
            false => quote!(<#ty as #krate::derive::PayloadField>::TYPE),
        };
        wire.schemas.push(quote! {
            #krate::schema::FieldSchema { name: #key, ty: #schema, docs: #field_docs }
        });
        if is_any {
            continue;
        }
        wire.keys.push(key);
        // With the type's name, a wrong type makes one error instead of two.
        wire.is_json.push(quote!(<#ty as #krate::derive::PayloadField>::is_json(&self.#ident)));
    }
    Ok(wire)
}

/// Whether a type is a type parameter with the attribute `any`.
fn is_any_parameter(input: &DeriveInput, ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    input.generics.type_params().any(|parameter| is_any(parameter) && path.path.is_ident(&parameter.ident))
}

/// Implements serde by a shadow struct, for which serde's own derives do the work.
fn serde_impls(input: &DeriveInput, fields: &WireFields, bounded: &Generics) -> TokenStream {
    let (krate, name, generics) = (krate(), &input.ident, plain(&input.generics));
    let WireFields { keys, shadow, is_json, .. } = fields;
    let (_, type_generics, _) = generics.split_for_impl();
    let (impl_generics, _, where_clause) = bounded.split_for_impl();
    let mut of_lifetime = bounded.clone();
    of_lifetime.params.insert(0, parse_quote!('de));
    let (de_generics, _, _) = of_lifetime.split_for_impl();
    let (shadow_name, remote) = (format_ident!("__{}", name), name.to_string());
    let serde = format!("{krate}::derive::serde").replace(' ', "");
    quote! {
        const _: () = {
            #[derive(#krate::derive::serde::Serialize, #krate::derive::serde::Deserialize)]
            #[serde(crate = #serde, remote = #remote)]
            struct #shadow_name #generics { #(#shadow),* }

            #[automatically_derived]
            impl #impl_generics #krate::derive::serde::Serialize for #name #type_generics #where_clause {
                fn serialize<S: #krate::derive::serde::Serializer>(
                    &self, serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    #(if !#is_json {
                        return ::core::result::Result::Err(#krate::derive::not_json(#keys));
                    })*
                    #shadow_name::serialize(self, serializer)
                }
            }

            #[automatically_derived]
            impl #de_generics #krate::derive::serde::Deserialize<'de> for #name #type_generics #where_clause {
                fn deserialize<D: #krate::derive::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    #shadow_name::deserialize(deserializer)
                }
            }
        };
    }
}

/// Writes the body of `topics`.
fn fan_out(settings: &Settings) -> TokenStream {
    let (krate, topic) = (krate(), &settings.topic);
    if let Some(method) = &settings.method {
        return quote!(self.#method());
    }
    let steps = settings.reaches.iter().map(|Reach { variant, fields, condition }| {
        let mut step = if fields.is_empty() {
            quote!(topics.push(#topic::#variant);)
        } else {
            // The span makes the compiler show an error at the field's name.
            let argument = |field: &Ident| {
                quote_spanned!(field.span()=> #krate::derive::TopicArgument::argument(&self.#field))
            };
            let (arguments, names): (Vec<_>, Vec<_>) = fields.iter().map(|field| (argument(field), field)).unzip();
            quote! {
                if let (#(::core::option::Option::Some(#names),)*) = (#(#arguments,)*) {
                    topics.push(#topic::#variant(#(::core::clone::Clone::clone(#names)),*));
                }
            }
        };
        if let Some(condition) = condition {
            let span = condition.span();
            step = quote_spanned!(span=> if #krate::derive::Condition::holds(&self.#condition) { #step });
        }
        step
    });
    quote! {
        let mut topics = ::std::vec::Vec::new();
        #(#steps)*
        topics
    }
}

/// The settings in the struct's attribute.
struct Settings {
    topic: Path,
    reaches: Vec<Reach>,
    method: Option<Ident>,
}

/// `Variant`, `Variant(field, …)`, `Variant(…) if field`.
struct Reach {
    variant: Ident,
    fields: Punctuated<Ident, Token![,]>,
    condition: Option<Ident>,
}

impl Parse for Reach {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let variant = input.parse()?;
        let mut fields = Punctuated::new();
        if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            fields = content.parse_terminated(Ident::parse, Token![,])?;
        }
        let condition =
            if input.parse::<Option<Token![if]>>()?.is_some() { Some(input.parse()?) } else { None };
        Ok(Self { variant, fields, condition })
    }
}

impl Reach {
    fn schema(&self) -> TokenStream {
        let (krate, Self { variant, fields, condition }) = (krate(), self);
        let (variant, fields) = (variant.to_string(), fields.iter().map(Ident::to_string));
        let condition = match condition.as_ref().map(Ident::to_string) {
            Some(field) => quote!(::core::option::Option::Some(#field)),
            None => quote!(::core::option::Option::None),
        };
        quote!(#krate::schema::ReachSchema { topic: #variant, fields: &[#(#fields),*], condition: #condition })
    }
}

fn settings(input: &DeriveInput) -> Result<Settings> {
    let mut settings = Settings { topic: parse_quote!(Topic), reaches: vec![], method: None };
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("payload")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("reaches") {
                let content;
                syn::parenthesized!(content in meta.input);
                let reaches: Punctuated<Reach, Token![,]> =
                    content.parse_terminated(Reach::parse, Token![,])?;
                settings.reaches = reaches.into_iter().collect();
                Ok(())
            } else if meta.path.is_ident("topics") {
                settings.method = Some(meta.value()?.parse()?);
                Ok(())
            } else if meta.path.is_ident("topic") {
                settings.topic = meta.value()?.parse()?;
                Ok(())
            } else {
                Err(meta.error("unknown attribute: use `reaches(…)`, `topics = method` or `topic = Type`"))
            }
        })?;
    }
    if settings.reaches.is_empty() && settings.method.is_none() {
        let message = "missing topics: add `#[payload(reaches(Topic, Topic(field)))]`, or name a method that returns \
                       them: `#[payload(topics = method)]`";
        return Err(Error::new(input.ident.span(), message));
    }
    Ok(settings)
}

#[derive(Default)]
struct FieldSettings {
    null: bool,
    skip: bool,
}

fn field_settings(field: &Field) -> Result<FieldSettings> {
    let mut settings = FieldSettings::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("payload")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("null") && is_option(&field.ty) {
                settings.null = true;
                Ok(())
            } else if meta.path.is_ident("skip") {
                settings.skip = true;
                Ok(())
            } else {
                Err(meta.error("unknown attribute: use `skip`, or `null` on an `Option`"))
            }
        })?;
    }
    Ok(settings)
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Option"))
}
