//! `#[derive(Topic)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, Fields, LitStr, Result, Variant, spanned::Spanned};

use crate::attrs::{docs, expect_enum, key, krate};

/// One segment of a pattern.
enum Part {
    Word(String),
    Field(String),
}

/// A variant and its pattern.
struct Pattern {
    parts: Vec<Part>,
    /// The pattern without the names of its fields. Two topics of one shape could not be told apart.
    shape: String,
}

pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let data = expect_enum(&input, "Topic")?;
    let domain = domain(&input)?;
    let (krate, name) = (krate(), &input.ident);
    let mut shapes: Vec<String> = Vec::new();
    let (mut patterns, mut schemas, mut readers, mut writers) = (vec![], vec![], vec![], vec![]);
    for variant in &data.variants {
        let text = pattern_of(variant)?;
        let pattern = parse(&text)?;
        if shapes.contains(&pattern.shape) {
            let message = "two topics have the same pattern: a name must belong to one topic";
            return Err(Error::new_spanned(&text, message));
        }
        shapes.push(pattern.shape.clone());
        let full = if text.value().is_empty() {
            domain.value()
        } else {
            format!("{}:{}", domain.value(), text.value())
        };
        let bindings = bindings(variant, &pattern, &text)?;
        let ident = &variant.ident;
        let (variant_name, variant_docs) = (ident.to_string(), docs(&variant.attrs));
        let read_parts = pattern.parts.iter().enumerate().map(|(index, part)| match part {
            Part::Word(word) => quote!(#word),
            Part::Field(_) => {
                let segment = format_ident!("segment_{index}");
                quote!(#segment)
            }
        });
        let read_fields: Vec<TokenStream> = pattern
            .parts
            .iter()
            .enumerate()
            .filter_map(|(index, part)| match part {
                Part::Word(_) => None,
                Part::Field(_) => {
                    let segment = format_ident!("segment_{index}");
                    Some(quote!(#krate::derive::TopicField::read(#segment)?))
                }
            })
            .collect();
        let build = match &variant.fields {
            Fields::Unit => quote!(Self::#ident),
            Fields::Unnamed(_) => quote!(Self::#ident(#(#read_fields),*)),
            Fields::Named(_) => {
                let names = bindings.iter();
                quote!(Self::#ident { #(#names: #read_fields),* })
            }
        };
        let reader = quote!([#(#read_parts),*] => ::core::option::Option::Some(#build));
        // Words come before fields: `list:all` is not the list with the name `all`.
        let fields: Vec<bool> = pattern.parts.iter().map(|part| matches!(part, Part::Field(_))).collect();
        readers.push((fields, reader));
        let take = match &variant.fields {
            Fields::Unit => quote!(Self::#ident),
            Fields::Unnamed(_) => quote!(Self::#ident(#(#bindings),*)),
            Fields::Named(_) => quote!(Self::#ident { #(#bindings),* }),
        };
        let mut next = bindings.iter();
        let write_parts = pattern.parts.iter().map(|part| match part {
            Part::Word(word) => quote!(#word),
            Part::Field(_) => {
                let binding = next.next();
                quote!(&#krate::derive::TopicField::write(#binding))
            }
        });
        writers.push(quote!(#take => #krate::TopicName::from_segments(&[#domain, #(#write_parts),*])));
        let builder = crate::attrs::snake_case(ident);
        schemas.push(quote! {
            #krate::schema::TopicSchema { name: #variant_name, builder: #builder, pattern: #full, docs: #variant_docs }
        });
        patterns.push(full);
    }
    let type_docs = docs(&input.attrs);
    readers.sort_by(|(a, _), (b, _)| a.cmp(b));
    let readers = readers.iter().map(|(_, reader)| reader);
    Ok(quote! {
        #[automatically_derived]
        impl #krate::Topic for #name {
            const DOMAIN: &'static str = #domain;
            const PATTERNS: &'static [&'static str] = &[#(#patterns),*];
            const SCHEMA: &'static [#krate::schema::TopicSchema] = &[#(#schemas),*];
            const DOCS: &'static str = #type_docs;

            fn from_segments(segments: &[&str]) -> ::core::option::Option<Self> {
                match *segments {
                    #(#readers,)*
                    _ => ::core::option::Option::None,
                }
            }

            fn name(&self) -> #krate::TopicName {
                match self { #(#writers,)* }
            }
        }
    })
}

fn domain(input: &DeriveInput) -> Result<LitStr> {
    let mut domain: Option<LitStr> = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("topic")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("domain") {
                domain = Some(meta.value()?.parse()?);
                Ok(())
            } else {
                Err(meta.error("unknown attribute: use `#[topic(domain = \"…\")]`"))
            }
        })?;
    }
    let missing = || Error::new(input.ident.span(), "missing domain: add `#[topic(domain = \"…\")]`");
    let domain = domain.ok_or_else(missing)?;
    if !is_word(&domain.value()) || domain.value().len() > 64 {
        return Err(Error::new_spanned(&domain, "a domain has 1 to 64 characters of A-Z a-z 0-9 _ . ~ -"));
    }
    if domain.value() == "tidings" {
        return Err(Error::new_spanned(&domain, "the domain `tidings` is reserved for Tidings itself"));
    }
    Ok(domain)
}

fn pattern_of(variant: &Variant) -> Result<LitStr> {
    let attribute = variant.attrs.iter().find(|attribute| attribute.path().is_ident("topic"));
    let missing = || {
        Error::new(
            variant.span(),
            "missing pattern: add `#[topic(\"…\")]`, for example `#[topic(\"ticket:{uuid}\")]`",
        )
    };
    attribute.ok_or_else(missing)?.parse_args()
}

fn parse(text: &LitStr) -> Result<Pattern> {
    let value = text.value();
    let fail = |message: String| Err(Error::new_spanned(text, message));
    let mut parts = Vec::new();
    for segment in value.split(':').filter(|_| !value.is_empty()) {
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(field) if is_word(field) => parts.push(Part::Field(field.to_owned())),
            None if is_word(segment) => parts.push(Part::Word(segment.to_owned())),
            _ => {
                return fail(format!(
                    "`{segment}` is not a segment: a pattern has words of A-Z a-z 0-9 _ . ~ - and fields in braces, \
                     joined by `:`, without the domain"
                ));
            }
        }
    }
    let words: usize =
        parts.iter().map(|part| if let Part::Word(word) = part { word.len() } else { 0 }).sum();
    let fields = parts.iter().filter(|part| matches!(part, Part::Field(_))).count();
    if words > 64 || fields > 3 || parts.len() > 8 {
        return fail("a pattern has at most 8 segments, 64 characters of words and 3 fields".to_owned());
    }
    let shape = parts.iter().map(|part| if let Part::Word(word) = part { word.as_str() } else { "{}" });
    let shape = shape.collect::<Vec<_>>().join(":");
    Ok(Pattern { parts, shape })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.~-".contains(c))
}

/// Returns a name for each field of the variant, in the order of the pattern.
fn bindings(variant: &Variant, pattern: &Pattern, text: &LitStr) -> Result<Vec<syn::Ident>> {
    let wanted: Vec<&String> = pattern
        .parts
        .iter()
        .filter_map(|part| if let Part::Field(name) = part { Some(name) } else { None })
        .collect();
    if wanted.len() != variant.fields.len() {
        let message = format!(
            "the pattern names {} field(s) and the variant has {}: name each field once, in braces",
            wanted.len(),
            variant.fields.len()
        );
        return Err(Error::new_spanned(text, message));
    }
    match &variant.fields {
        Fields::Named(fields) => wanted
            .iter()
            .map(|name| {
                let found = fields.named.iter().filter_map(|field| field.ident.clone());
                let missing = || Error::new_spanned(text, format!("the variant has no field `{name}`"));
                let mut found = found.filter(|ident| key(ident).is_ok_and(|key| key == **name));
                found.next().ok_or_else(missing)
            })
            .collect(),
        _ => Ok(wanted.iter().enumerate().map(|(index, _)| format_ident!("field_{index}")).collect()),
    }
}
