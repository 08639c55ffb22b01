//! `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Fields, Result};

use crate::attrs::{expect_enum, expect_new, krate, snake_case};

pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let data = expect_enum(&input, "Choice")?;
    let (krate, name) = (krate(), &input.ident);
    let (mut names, mut variants, mut other) = (vec![], vec![], None);
    for variant in &data.variants {
        match &variant.fields {
            Fields::Unit => {
                let wire = snake_case(&variant.ident);
                expect_new(&mut names, &wire, &variant.ident, "variants")?;
                variants.push(&variant.ident);
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 && other.is_none() => {
                other = Some(&variant.ident)
            }
            _ => {
                let message = "a choice has variants without fields; one of them may hold a `String`, for names of a later version";
                return Err(Error::new_spanned(variant, message));
            }
        }
    }
    let (write_other, read_other) = match other {
        Some(other) => (quote!(Self::#other(name) => name,), quote!(_ => Some(Self::#other(name.into())))),
        None => (quote!(), quote!(_ => None)),
    };
    let is_open = other.is_some();
    Ok(quote! {
        impl #name {
            /// Returns the name on the wire.
            pub fn as_str(&self) -> &str {
                match self { #(Self::#variants => #names,)* #write_other }
            }

            fn from_wire(name: &str) -> ::core::option::Option<Self> {
                match name { #(#names => Some(Self::#variants),)* #read_other }
            }
        }

        #[automatically_derived]
        impl #krate::derive::serde::Serialize for #name {
            fn serialize<S: #krate::derive::serde::Serializer>(
                &self, serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[automatically_derived]
        impl<'de> #krate::derive::serde::Deserialize<'de> for #name {
            fn deserialize<D: #krate::derive::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                #krate::derive::read_choice(deserializer, Self::from_wire, &[#(#names),*])
            }
        }

        #[automatically_derived]
        impl #krate::derive::PayloadField for #name {
            const TYPE: #krate::schema::Type =
                #krate::schema::Type::Choice { names: &[#(#names),*], is_open: #is_open };
        }
    })
}
