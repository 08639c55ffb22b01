//! `#[derive(Event)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Fields, LitStr, Result, Type, Variant, parse_quote};

use crate::attrs::{MAX_NAME_BYTES, bounded, docs, expect_enum, expect_new, is_segment, krate, snake_case};

pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let data = expect_enum(&input, "Event")?;
    let (krate, name) = (krate(), &input.ident);
    let settings = settings(&input)?;
    let (mut seen, mut variants, mut payloads, mut schemas) = (vec![], vec![], vec![], vec![]);
    for variant in &data.variants {
        let wire = wire_name(variant)?;
        expect_new(&mut seen, &wire, &variant.ident, "events")?;
        let payload = payload_of(variant)?;
        let event_docs = docs(&variant.attrs);
        schemas.push(quote! {
            #krate::schema::EventSchema {
                name: #wire, docs: #event_docs, payload: <#payload as #krate::derive::Payload>::SCHEMA
            }
        });
        variants.push(&variant.ident);
        payloads.push(payload);
    }
    let Some(first) = payloads.first() else { unreachable!("an enum without variants was refused") };
    let (fan_out, type_docs, closed) = (settings.fan_out, docs(&input.attrs), settings.closed);
    let bounded = bounded(&input, &[parse_quote!(::core::fmt::Debug)]);
    let (_, type_generics, _) = input.generics.split_for_impl();
    let (impl_generics, _, where_clause) = bounded.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Event for #name #type_generics #where_clause {
            type Topic = <#first as #krate::derive::Payload>::Topic;
            const NAMES: &'static [&'static str] = &[#(#seen),*];
            const FAN_OUT: #krate::FanOut = #krate::FanOut::#fan_out;
            const CLOSED: bool = #closed;
            const SCHEMA: &'static [#krate::schema::EventSchema] = &[#(#schemas),*];
            const DOCS: &'static str = #type_docs;

            fn name(&self) -> &'static str {
                match self { #(Self::#variants(..) => #seen,)* }
            }

            fn topics(&self) -> ::std::vec::Vec<Self::Topic> {
                match self { #(Self::#variants(payload) => #krate::derive::Payload::topics(payload),)* }
            }

            fn decode<'de, D: #krate::derive::serde::Deserializer<'de>>(
                name: &str, payload: D,
            ) -> ::core::result::Result<::core::option::Option<Self>, D::Error> {
                ::core::result::Result::Ok(::core::option::Option::Some(match name {
                    #(#seen => Self::#variants(#krate::derive::serde::Deserialize::deserialize(payload)?),)*
                    _ => return ::core::result::Result::Ok(::core::option::Option::None),
                }))
            }

            fn encode<S: #krate::derive::serde::Serializer>(
                &self, serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                match self {
                    #(Self::#variants(payload) =>
                        #krate::derive::serde::Serialize::serialize(payload, serializer),)*
                }
            }
        }
    })
}

struct Settings {
    closed: bool,
    fan_out: TokenStream,
}

fn settings(input: &DeriveInput) -> Result<Settings> {
    let mut settings = Settings { closed: false, fan_out: quote!(Computed) };
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("closed") {
                settings.closed = true;
            } else if meta.path.is_ident("named") {
                settings.fan_out = quote!(Named);
            } else if meta.path.is_ident("computed_or_named") {
                settings.fan_out = quote!(ComputedOrNamed);
            } else {
                return Err(meta.error("unknown attribute: use `closed`, `named` or `computed_or_named`"));
            }
            Ok(())
        })?;
    }
    Ok(settings)
}

fn wire_name(variant: &Variant) -> Result<String> {
    let mut name = snake_case(&variant.ident);
    for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("unknown attribute: use `name = \"…\"`"));
            }
            let given: LitStr = meta.value()?.parse()?;
            name = given.value();
            if !is_segment(&name) || name.len() > MAX_NAME_BYTES {
                let message =
                    format!("an event's name has 1 to {MAX_NAME_BYTES} characters of A-Z a-z 0-9 _ . ~ -");
                return Err(Error::new_spanned(given, message));
            }
            Ok(())
        })?;
    }
    Ok(name)
}

fn payload_of(variant: &Variant) -> Result<&Type> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(&fields.unnamed[0].ty),
        _ => {
            let message = "an event holds one payload, a struct with `#[derive(Payload)]`: `Opened(Ticket)`";
            Err(Error::new_spanned(variant, message))
        }
    }
}
