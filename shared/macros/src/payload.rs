//! `#[derive(Payload)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    DeriveInput, Error, Field, Ident, Path, Result, Token, Type,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
};

use crate::attrs::{docs, expect_fields, expect_new, key, krate};

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

pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let fields = expect_fields(&input, "Payload")?;
    let settings = settings(&input)?;
    let (krate, name) = (krate(), &input.ident);
    let (mut seen, mut keys, mut schemas, mut shadow, mut written) = (vec![], vec![], vec![], vec![], vec![]);
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let (ty, FieldSettings { null, skip }) = (&field.ty, field_settings(field)?);
        if skip {
            shadow.push(quote!(#[serde(skip)] #ident: #ty));
            continue;
        }
        let (key, field_docs) = (key(ident)?, docs(&field.attrs));
        expect_new(&mut seen, &key, ident, "fields")?;
        let omits = is_option(ty) && !null;
        shadow.push(if omits {
            quote!(#[serde(skip_serializing_if = "::core::option::Option::is_none")] #ident: #ty)
        } else {
            quote!(#ident: #ty)
        });
        schemas.push(quote! {
            #krate::schema::FieldSchema {
                name: #key, ty: <#ty as #krate::derive::PayloadField>::TYPE, omits: #omits, docs: #field_docs
            }
        });
        keys.push(key);
        // With the type's name, a wrong type makes one error instead of two.
        written.push(quote!(<#ty as #krate::derive::PayloadField>::is_json(&self.#ident)));
    }
    let topics = fan_out(&settings, &krate);
    let topic = &settings.topic;
    let reaches = settings.reaches.iter().map(|Reach { variant, fields, condition }| {
        let (variant, fields) = (variant.to_string(), fields.iter().map(Ident::to_string));
        let condition = match condition.as_ref().map(Ident::to_string) {
            Some(field) => quote!(::core::option::Option::Some(#field)),
            None => quote!(::core::option::Option::None),
        };
        quote!(#krate::schema::ReachSchema { topic: #variant, fields: &[#(#fields),*], condition: #condition })
    });
    let type_docs = docs(&input.attrs);

    // Only type parameters get bounds. For other types the error appears at the field itself.
    let mut bounded = input.generics.clone();
    for parameter in input.generics.type_params() {
        let parameter = &parameter.ident;
        let bounds = quote!(
            #krate::derive::PayloadField + #krate::derive::serde::Serialize + #krate::derive::serde::de::DeserializeOwned
        );
        bounded.make_where_clause().predicates.push(parse_quote!(#parameter: #bounds));
    }
    let (_, type_generics, _) = input.generics.split_for_impl();
    let (impl_generics, _, where_clause) = bounded.split_for_impl();
    let mut of_lifetime = bounded.clone();
    of_lifetime.params.insert(0, parse_quote!('de));
    let (de_generics, _, _) = of_lifetime.split_for_impl();
    let shadow_name = format_ident!("__{}", name);
    let (generics, serde, remote) = (&input.generics, format!("{krate}::derive::serde"), name.to_string());
    let serde = serde.replace(' ', "");
    Ok(quote! {
        const _: () = {
            #[derive(#krate::derive::serde::Serialize, #krate::derive::serde::Deserialize)]
            #[serde(crate = #serde, remote = #remote)]
            struct #shadow_name #generics { #(#shadow),* }

            #[automatically_derived]
            impl #impl_generics #krate::derive::serde::Serialize for #name #type_generics #where_clause {
                fn serialize<S: #krate::derive::serde::Serializer>(
                    &self, serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    #(if !#written {
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

        #[automatically_derived]
        impl #impl_generics #krate::derive::Payload for #name #type_generics #where_clause {
            type Topic = #topic;
            const KEYS: &'static [&'static str] = &[#(#keys),*];
            const SCHEMA: &'static #krate::schema::PayloadSchema = &#krate::schema::PayloadSchema {
                name: #remote, docs: #type_docs, fields: &[#(#schemas),*], reaches: &[#(#reaches),*],
            };

            fn topics(&self) -> ::std::vec::Vec<#topic> {
                #topics
            }
        }
    })
}

fn fan_out(settings: &Settings, krate: &TokenStream) -> TokenStream {
    let topic = &settings.topic;
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
