//! The application's routes in one table, and the checks of a request before it reaches the store.

use std::{path::PathBuf, str::FromStr, time::Duration};

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use rusqlite::{Connection, Transaction};
use serde::Serialize;
use serde_json::Value;
use tidings_server::origin_tag;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::{Filter, Rejection, Reply, reply::Response};

use crate::{
    database::Database,
    events::Events,
    fault::Fault,
    store::{catalogue, crm, links, projects, staff},
    table::Body,
};

/// The most bytes of a request's body: several times the longest text of a form. A longer body gets 413.
const MAX_BODY_BYTES: usize = 32 * 1024;

/// How long the whole body of a request may take. A slower one gets 408.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The page may load from and connect to this server only. `wasm-unsafe-eval` allows WebAssembly and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
     object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The store's function behind a route. It gets the key in the path as text.
#[derive(Clone, Copy)]
enum Call {
    List(fn(&Connection) -> Result<Value, Fault>),
    Read(fn(&Connection, &str) -> Result<Value, Fault>),
    Create(fn(&Transaction<'_>, &Body, &Events<'_>) -> Result<Value, Fault>),
    Update(fn(&Transaction<'_>, &str, &Body, &Events<'_>) -> Result<Value, Fault>),
    Delete(fn(&Transaction<'_>, &str, &Events<'_>) -> Result<(), Fault>),
}
use Call::{Create, Delete, List, Read, Update};

/// Makes the call of a store's function. It parses the key, and returns the function's record as JSON.
macro_rules! call {
    (List $function:path) => {
        List(|db| to_json($function(db)?))
    };
    (Read $function:path) => {
        Read(|db, key| to_json($function(db, parse_key(key)?)?))
    };
    (Create $function:path) => {
        Create(|tx, body, events| to_json($function(tx, body, events)?))
    };
    (Update $function:path) => {
        Update(|tx, key, body, events| to_json($function(tx, parse_key(key)?, body, events)?))
    };
    (Delete $function:path) => {
        Delete(|tx, key, events| $function(tx, parse_key(key)?, events))
    };
}

fn parse_key<K: FromStr>(key: &str) -> Result<K, Fault> {
    let rule = "this path must name a record by its uuid, or a link by its number";
    key.parse().map_err(|_| Fault::new(400, "invalid_path", rule))
}

fn to_json(record: impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(record).map_err(|_| Fault::internal())
}

/// Method, path below `/api/` (`*` is a key), and function.
const ROUTES: &[(Method, &[&str], Call)] = &[
    (Method::GET, &["departments"], call!(List staff::departments)),
    (Method::POST, &["departments"], call!(Create staff::create_department)),
    (Method::GET, &["departments", "*"], call!(Read staff::department)),
    (Method::PATCH, &["departments", "*"], call!(Update staff::update_department)),
    (Method::DELETE, &["departments", "*"], call!(Delete staff::delete_department)),
    (Method::GET, &["teams"], call!(List staff::teams)),
    (Method::POST, &["teams"], call!(Create staff::create_team)),
    (Method::GET, &["teams", "*"], call!(Read staff::team)),
    (Method::PATCH, &["teams", "*"], call!(Update staff::update_team)),
    (Method::DELETE, &["teams", "*"], call!(Delete staff::delete_team)),
    (Method::GET, &["people"], call!(List staff::people)),
    (Method::POST, &["people"], call!(Create staff::create_person)),
    (Method::GET, &["people", "*"], call!(Read staff::person)),
    (Method::PATCH, &["people", "*"], call!(Update staff::update_person)),
    (Method::DELETE, &["people", "*"], call!(Delete staff::delete_person)),
    (Method::POST, &["memberships"], call!(Create staff::create_membership)),
    (Method::DELETE, &["memberships", "*"], call!(Delete staff::delete_membership)),
    (Method::GET, &["projects"], call!(List projects::projects)),
    (Method::POST, &["projects"], call!(Create projects::create_project)),
    (Method::GET, &["projects", "*"], call!(Read projects::project)),
    (Method::PATCH, &["projects", "*"], call!(Update projects::update_project)),
    (Method::DELETE, &["projects", "*"], call!(Delete projects::delete_project)),
    (Method::POST, &["projects", "*", "action"], call!(Update projects::act_on_project)),
    (Method::PUT, &["projects", "*", "order"], call!(Update projects::order_assignments)),
    (Method::POST, &["assignments"], call!(Create projects::create_assignment)),
    (Method::PATCH, &["assignments", "*"], call!(Update projects::update_assignment)),
    (Method::DELETE, &["assignments", "*"], call!(Delete projects::delete_assignment)),
    (Method::GET, &["tasks"], call!(List projects::tasks)),
    (Method::POST, &["tasks"], call!(Create projects::create_task)),
    (Method::GET, &["tasks", "*"], call!(Read projects::task)),
    (Method::PATCH, &["tasks", "*"], call!(Update projects::update_task)),
    (Method::DELETE, &["tasks", "*"], call!(Delete projects::delete_task)),
    (Method::GET, &["catalogues"], call!(List catalogue::catalogues)),
    (Method::POST, &["catalogues"], call!(Create catalogue::create_catalogue)),
    (Method::GET, &["catalogues", "*"], call!(Read catalogue::catalogue)),
    (Method::PATCH, &["catalogues", "*"], call!(Update catalogue::update_catalogue)),
    (Method::DELETE, &["catalogues", "*"], call!(Delete catalogue::delete_catalogue)),
    (Method::POST, &["categories"], call!(Create catalogue::create_category)),
    (Method::DELETE, &["categories", "*"], call!(Delete catalogue::delete_category)),
    (Method::GET, &["manufacturers"], call!(List catalogue::manufacturers)),
    (Method::POST, &["manufacturers"], call!(Create catalogue::create_manufacturer)),
    (Method::DELETE, &["manufacturers", "*"], call!(Delete catalogue::delete_manufacturer)),
    (Method::POST, &["items"], call!(Create catalogue::create_item)),
    (Method::GET, &["items", "*"], call!(Read catalogue::item)),
    (Method::PATCH, &["items", "*"], call!(Update catalogue::update_item)),
    (Method::DELETE, &["items", "*"], call!(Delete catalogue::delete_item)),
    (Method::GET, &["contacts"], call!(List crm::contacts)),
    (Method::POST, &["contacts"], call!(Create crm::create_contact)),
    (Method::GET, &["contacts", "*"], call!(Read crm::contact)),
    (Method::PATCH, &["contacts", "*"], call!(Update crm::update_contact)),
    (Method::DELETE, &["contacts", "*"], call!(Delete crm::delete_contact)),
    (Method::GET, &["contacts", "*", "interactions"], call!(Read crm::interactions)),
    (Method::POST, &["interactions"], call!(Create crm::create_interaction)),
    (Method::PATCH, &["interactions", "*"], call!(Update crm::update_interaction)),
    (Method::DELETE, &["interactions", "*"], call!(Delete crm::delete_interaction)),
    (Method::GET, &["links"], call!(List links::links)),
    (Method::POST, &["links"], call!(Create links::create_link)),
    (Method::PATCH, &["links", "*"], call!(Update links::update_link)),
    (Method::DELETE, &["links", "*"], call!(Delete links::delete_link)),
    (Method::POST, &["links", "*", "vote"], call!(Update links::vote)),
    (Method::GET, &["database"], call!(List links::database)),
];

/// The demo's own routes: its API and its page.
pub(crate) fn routes(
    database: Database,
    dist: PathBuf,
) -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
    api(database).or(page(dist))
}

/// `/api/…`.
fn api(database: Database) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    warp::path("api")
        .and(warp::method())
        .and(warp::path::tail())
        .and(warp::header::headers_cloned())
        .and(origin_tag())
        .and(warp::body::stream())
        .then(move |method: Method, path: warp::path::Tail, headers: HeaderMap, origin, body| {
            let database = database.clone();
            async move {
                let answer = answer(&database, &method, path.as_str(), &headers, origin, body).await;
                answer.unwrap_or_else(|fault| problem(&fault))
            }
        })
}

/// The built page. Browsers keep the files that Vite named after their content, and ask for the others each time.
fn page(dist: PathBuf) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    let mut always = HeaderMap::new();
    always.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    always.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    always.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let kept = warp::reply::with::header("cache-control", "public, max-age=31536000, immutable");
    let asked = warp::reply::with::header("cache-control", "no-cache");
    let assets = warp::path("assets").and(warp::fs::dir(dist.join("assets"))).with(kept);
    let rest = warp::fs::dir(dist).with(asked);
    assets.or(rest).with(warp::reply::with::headers(always))
}

async fn answer<B: Buf>(
    database: &Database,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    origin: Option<String>,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Fault> {
    refuse_other_sites(headers)?;
    let (call, key) = find(method, path)?;
    let body = read_body(body).await?;
    let (status, value) = match call {
        List(list) => (StatusCode::OK, database.read(list).await?),
        Read(read) => (StatusCode::OK, database.read(move |db| read(db, &key)).await?),
        Create(create) => {
            let body = parse_body(headers, &body)?;
            (StatusCode::CREATED, database.write(origin, move |tx, events| create(tx, &body, events)).await?)
        }
        Update(update) => {
            let body = parse_body(headers, &body)?;
            let write = database.write(origin, move |tx, events| update(tx, &key, &body, events));
            (StatusCode::OK, write.await?)
        }
        Delete(delete) => {
            let write = move |tx: &Transaction<'_>, events: &Events<'_>| {
                delete(tx, &key, events).map(|()| Value::Null)
            };
            database.write(origin, write).await?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    };
    Ok(json(status, "application/json", &value))
}

/// The route, and the key in its path. A path without one gives an empty key.
fn find(method: &Method, path: &str) -> Result<(Call, String), Fault> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let fits = |pattern: &[&str]| {
        pattern.len() == segments.len() && pattern.iter().zip(&segments).all(|(p, s)| *p == "*" || p == s)
    };
    let here: Vec<_> = ROUTES.iter().filter(|(_, pattern, _)| fits(pattern)).collect();
    let Some((_, pattern, call)) = here.iter().find(|(m, _, _)| m == method) else {
        let methods: Vec<_> = here.iter().map(|(method, _, _)| method.as_str()).collect();
        return Err(match methods[..] {
            [] => Fault::new(404, "not_found", "the API has no such route"),
            _ => Fault::new(405, "method_not_allowed", format!("this path takes {}", methods.join(", "))),
        });
    };
    let key = pattern.iter().zip(&segments).find(|(part, _)| **part == "*");
    Ok((*call, key.map_or_else(String::new, |(_, segment)| (*segment).to_owned())))
}

/// There is no login, so a foreign page must not reach the API through the user's browser. The check of `Origin` refuses
/// its requests. The check of `Host` refuses DNS rebinding: a foreign host name that resolves to this machine.
fn refuse_other_sites(headers: &HeaderMap) -> Result<(), Fault> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or(""));
    let origin = origin.map(|origin| origin.strip_prefix("http://").unwrap_or(""));
    if host.is_some_and(is_loopback) && origin.is_none_or(is_loopback) {
        return Ok(());
    }
    Err(Fault::new(
        403,
        "forbidden",
        "the demo serves pages of this machine only: open it at http://127.0.0.1",
    ))
}

/// Whether `host` or `host:port` is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

async fn read_body<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> Result<Vec<u8>, Fault> {
    let read = async {
        let mut bytes = Vec::new();
        let mut body = std::pin::pin!(body);
        while let Some(part) = body.next().await {
            let mut part =
                part.map_err(|_| Fault::new(400, "invalid_body", "the body is incomplete; send it again"))?;
            if bytes.len() + part.remaining() > MAX_BODY_BYTES {
                return Err(Fault::new(
                    413,
                    "too_large",
                    format!("a body has at most {MAX_BODY_BYTES} bytes"),
                ));
            }
            while part.has_remaining() {
                let chunk = part.chunk();
                bytes.extend_from_slice(chunk);
                let length = chunk.len();
                part.advance(length);
            }
        }
        Ok(bytes)
    };
    let late =
        || Fault::new(408, "timeout", format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()));
    tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or_else(|_| Err(late()))
}

fn parse_body(headers: &HeaderMap, body: &[u8]) -> Result<Body, Fault> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Fault::new(
            415,
            "unsupported_media_type",
            "send the body as `Content-Type: application/json`",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| Fault::new(400, "invalid_body", format!("the body is not a JSON object: {error}")))
}

fn problem(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, "application/problem+json", &fault.to_json());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn json(status: StatusCode, content_type: &'static str, value: &Value) -> Response {
    let mut response = Response::new(value.to_string().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
