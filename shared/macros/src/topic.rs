//! `#[derive(Topic)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, Fields, Ident, LitStr, Result, Variant, spanned::Spanned};

use crate::attrs::{MAX_NAME_BYTES, docs, expect_enum, is_segment, key, krate, snake_case};

/// Bounds of a pattern. A name with three segments of the default length fits in the limit of a topic's name.
const MAX_SEGMENTS: usize = 8;
const MAX_WORD_BYTES: usize = 64;
const MAX_FIELDS: usize = 3;

pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let data = expect_enum(&input, "Topic")?;
    let domain = domain(&input)?;
    let (krate, name, type_docs) = (krate(), &input.ident, docs(&input.attrs));
    let mut topics: Vec<Topic<'_>> = Vec::new();
    for variant in &data.variants {
        let topic = Topic::of(variant)?;
        if topics.iter().any(|earlier| earlier.shape() == topic.shape()) {
            let message = "two topics have the same pattern: a name must belong to one topic";
            return Err(Error::new_spanned(&topic.pattern, message));
        }
        topics.push(topic);
    }
    let patterns: Vec<String> = topics.iter().map(|topic| topic.full_pattern(&domain)).collect();
    let schemas = topics.iter().zip(&patterns).map(|(topic, pattern)| topic.schema(pattern));
    let writers = topics.iter().map(|topic| topic.writer(&domain));
    // Words come before fields: `list:all` is not the list with the name `all`.
    let mut by_words: Vec<&Topic<'_>> = topics.iter().collect();
    by_words.sort_by_key(|topic| topic.parts.iter().map(Part::is_field).collect::<Vec<_>>());
    let readers = by_words.into_iter().map(Topic::reader);
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
    if !is_segment(&domain.value()) || domain.value().len() > MAX_NAME_BYTES {
        let message = format!("a domain has 1 to {MAX_NAME_BYTES} characters of A-Z a-z 0-9 _ . ~ -");
        return Err(Error::new_spanned(&domain, message));
    }
    if domain.value() == "tidings" {
        return Err(Error::new_spanned(&domain, "the domain `tidings` is reserved for Tidings itself"));
    }
    Ok(domain)
}

/// A variant with its pattern.
struct Topic<'a> {
    variant: &'a Variant,
    /// The pattern in the attribute.
    pattern: LitStr,
    parts: Vec<Part>,
    /// A name for each field of the variant, in the order of the pattern.
    bindings: Vec<Ident>,
}

/// One segment of a pattern.
enum Part {
    Word(String),
    Field(String),
}

impl Part {
    fn is_field(&self) -> bool {
        matches!(self, Self::Field(_))
    }
}

impl<'a> Topic<'a> {
    fn of(variant: &'a Variant) -> Result<Self> {
        let attribute = variant.attrs.iter().find(|attribute| attribute.path().is_ident("topic"));
        let missing = || {
            let message = "missing pattern: add `#[topic(\"…\")]`, for example `#[topic(\"ticket:{uuid}\")]`";
            Error::new(variant.span(), message)
        };
        let pattern: LitStr = attribute.ok_or_else(missing)?.parse_args()?;
        let parts = parts(&pattern)?;
        let bindings = bindings(variant, &pattern, &parts)?;
        Ok(Self { variant, pattern, parts, bindings })
    }

    /// Returns the pattern without the names of its fields. Two topics of one shape would have the same names.
    fn shape(&self) -> String {
        let part = |part: &Part| if let Part::Word(word) = part { word.clone() } else { "{}".to_owned() };
        self.parts.iter().map(part).collect::<Vec<_>>().join(":")
    }

    fn full_pattern(&self, domain: &LitStr) -> String {
        let (domain, pattern) = (domain.value(), self.pattern.value());
        if pattern.is_empty() { domain } else { format!("{domain}:{pattern}") }
    }

    fn schema(&self, pattern: &str) -> TokenStream {
        let (krate, ident) = (krate(), &self.variant.ident);
        let (name, builder, docs) = (ident.to_string(), snake_case(ident), docs(&self.variant.attrs));
        quote!(#krate::schema::TopicSchema { name: #name, builder: #builder, pattern: #pattern, docs: #docs })
    }

    /// Writes the arm that reads the segments of a name.
    fn reader(&self) -> TokenStream {
        let krate = krate();
        let segments = self.segments(|binding| quote!(#binding));
        let topic = self.value(|binding| quote!(#krate::derive::TopicField::read(#binding)?));
        quote!([#(#segments),*] => ::core::option::Option::Some(#topic))
    }

    /// Writes the arm that makes a name.
    fn writer(&self, domain: &LitStr) -> TokenStream {
        let krate = krate();
        let topic = self.value(|binding| quote!(#binding));
        let segments = self.segments(|binding| quote!(&#krate::derive::TopicField::write(#binding)));
        quote!(#topic => #krate::TopicName::from_segments(&[#domain, #(#segments),*]))
    }

    /// Writes the segments after the domain, each field by `field`.
    fn segments(&self, field: impl Fn(&Ident) -> TokenStream) -> Vec<TokenStream> {
        let mut bindings = self.bindings.iter();
        let segment = |part: &Part| match part {
            Part::Word(word) => quote!(#word),
            Part::Field(_) => bindings.next().map(&field).unwrap_or_default(),
        };
        self.parts.iter().map(segment).collect()
    }

    /// Writes the variant as a value or a pattern, each field by `field`.
    fn value(&self, field: impl Fn(&Ident) -> TokenStream) -> TokenStream {
        let (ident, bindings) = (&self.variant.ident, &self.bindings);
        let fields = bindings.iter().map(field);
        match &self.variant.fields {
            Fields::Unit => quote!(Self::#ident),
            Fields::Unnamed(_) => quote!(Self::#ident(#(#fields),*)),
            Fields::Named(_) => quote!(Self::#ident { #(#bindings: #fields),* }),
        }
    }
}

fn parts(pattern: &LitStr) -> Result<Vec<Part>> {
    let text = pattern.value();
    let (mut parts, mut word_bytes, mut fields) = (Vec::new(), 0, 0);
    // The empty pattern is the topic that has the domain's name.
    for segment in text.split(':').filter(|_| !text.is_empty()) {
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(field) if is_segment(field) => {
                fields += 1;
                parts.push(Part::Field(field.to_owned()));
            }
            None if is_segment(segment) => {
                word_bytes += segment.len();
                parts.push(Part::Word(segment.to_owned()));
            }
            _ => {
                let message = format!(
                    "`{segment}` is not a segment: a pattern has words of A-Z a-z 0-9 _ . ~ - and fields in braces, \
                     joined by `:`, without the domain"
                );
                return Err(Error::new_spanned(pattern, message));
            }
        }
    }
    if word_bytes > MAX_WORD_BYTES || fields > MAX_FIELDS || parts.len() > MAX_SEGMENTS {
        let message = format!(
            "a pattern has at most {MAX_SEGMENTS} segments, {MAX_WORD_BYTES} characters of words and {MAX_FIELDS} fields"
        );
        return Err(Error::new_spanned(pattern, message));
    }
    Ok(parts)
}

fn bindings(variant: &Variant, pattern: &LitStr, parts: &[Part]) -> Result<Vec<Ident>> {
    let names = parts.iter().filter_map(|part| if let Part::Field(name) = part { Some(name) } else { None });
    let names: Vec<&String> = names.collect();
    if names.len() != variant.fields.len() {
        let message = format!(
            "the pattern names {} field(s) and the variant has {}: name each field once, in braces",
            names.len(),
            variant.fields.len()
        );
        return Err(Error::new_spanned(pattern, message));
    }
    let Fields::Named(fields) = &variant.fields else {
        return Ok((0..names.len()).map(|index| format_ident!("field_{index}")).collect());
    };
    let field = |name: &&String| {
        let mut idents = fields.named.iter().filter_map(|field| field.ident.clone());
        let found = idents.find(|ident| key(ident).is_ok_and(|key| key == **name));
        found.ok_or_else(|| Error::new_spanned(pattern, format!("the variant has no field `{name}`")))
    };
    names.iter().map(field).collect()
}
