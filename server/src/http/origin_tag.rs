//! The origin tag: a page recognizes its own changes among the events by it.

use std::convert::Infallible;

use hyper::HeaderMap;
use tidings_shared::{frame::ORIGIN_HEADER, limits::MAX_ORIGIN_BYTES};
use warp::Filter;

/// Extracts the [origin tag](origin_of) of a request, as a filter of warp.
///
/// ```
/// use tidings_server::{Hub, PublishOptions, origin_tag};
/// use tidings_shared::domains::staff;
/// use uuid::Uuid;
/// use warp::{Filter, Rejection, Reply};
///
/// fn save(hub: Hub) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
///     warp::path!("people" / Uuid).and(warp::put()).and(origin_tag()).map(move |uuid, origin| {
///         // Once the write has committed:
///         let event = staff::Event::PersonUpdated(staff::Person { uuid });
///         hub.announce_with(&event, PublishOptions::default().origin(origin));
///         "saved"
///     })
/// }
/// ```
pub fn origin_tag() -> impl Filter<Extract = (Option<String>,), Error = Infallible> + Clone {
    warp::header::headers_cloned().map(|headers: HeaderMap| origin_of(&headers))
}

/// Returns the origin tag of a request to the application's own API, for [`PublishOptions`](crate::PublishOptions). The
/// tab that sent the request finds its own change among the events by this tag. It is `None` if the header
/// `Tidings-Origin` is missing or malformed: no request fails because of it. Nothing authenticates the tag, and every
/// subscriber sees it.
///
/// ```
/// use axum::{extract::{Path, State}, http::HeaderMap};
/// use tidings_server::{Hub, PublishOptions, origin_of};
/// use tidings_shared::domains::staff;
/// use uuid::Uuid;
///
/// async fn save(State(hub): State<Hub>, Path(uuid): Path<Uuid>, headers: HeaderMap) {
///     // Once the write has committed:
///     let event = staff::Event::PersonUpdated(staff::Person { uuid });
///     hub.announce_with(&event, PublishOptions::default().origin(origin_of(&headers)));
/// }
/// # let _: axum::Router<Hub> = axum::Router::new().route("/people/{uuid}", axum::routing::put(save));
/// ```
pub fn origin_of(headers: &HeaderMap) -> Option<String> {
    let mut tags = headers.get_all(ORIGIN_HEADER).iter();
    let (Some(tag), None) = (tags.next(), tags.next()) else { return None };
    let is_good = (1..=MAX_ORIGIN_BYTES).contains(&tag.len());
    let text = tag.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    text.filter(|_| is_good).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn tag(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("tidings-origin", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        origin_of(&headers)
    }

    #[test]
    fn a_tag_is_a_few_visible_ascii_characters_and_anything_else_is_ignored() {
        let longest = "x".repeat(MAX_ORIGIN_BYTES);
        for good in ["tab-7", "!", "~", longest.as_str()] {
            assert_eq!(tag(&[good]).as_deref(), Some(good));
        }
        let longer = format!("{longest}x");
        for odd in [&[][..], &[""], &["a b"], &["a\tb"], &["é"], &[longer.as_str()], &["a", "b"]] {
            assert_eq!(tag(odd), None, "{odd:?}");
        }
    }
}
