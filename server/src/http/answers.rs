//! The answers of the routes: problem details (RFC 9457), and small texts.

use hyper::{
    StatusCode,
    header::{
        ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use serde_json::{Value, json};
use tidings_hub::problem::Problem;
use tidings_shared::Code;
use warp::{Reply, reply::Response};

use super::page;

/// Returns the answer for a refusal: problem details, with the protocol's code as the member `code`.
pub(super) fn refusal(refused: &Problem) -> Response {
    let mut answer = problem(status_of(refused), body_of(refused));
    // RFC 9110, sections 15.5.2 and 15.6.4.
    let (name, value) = match status_of(refused) {
        StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, "5"),
        StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, "Bearer"),
        _ => return answer,
    };
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}

fn status_of(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns the body of a refusal.
pub(super) fn body_of(problem: &Problem) -> Value {
    problem_body(status_of(problem), problem.code.as_str(), problem.code.meaning(), &problem.message)
}

pub(super) fn problem_body(status: StatusCode, code: &str, title: &str, detail: &str) -> Value {
    json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail })
}

pub(super) fn problem(status: StatusCode, body: Value) -> Response {
    answer_json(status, "application/problem+json", body.to_string())
}

pub(super) fn answer_json(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = body.into_response();
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page::for_pages(response)
}

/// Returns the answer for a body that came too slowly. Only HTTP has this status, so it has no code of the protocol.
pub(super) fn late() -> Response {
    let status = StatusCode::REQUEST_TIMEOUT;
    let title = "The body did not arrive in time.";
    let detail = "send the request again, and its body without pauses";
    let mut answer = problem(status, problem_body(status, "request_timeout", title, detail));
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Returns the answer for a compressed body. Only HTTP has this status, so it has no code of the protocol.
pub(super) fn encoded() -> Response {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let title = "The server does not take a body with this content coding.";
    let detail = "send the body uncompressed, without Content-Encoding";
    let mut answer = problem(status, problem_body(status, "unsupported_media_type", title, detail));
    // RFC 9110, sections 15.5.16 and 12.5.3.
    answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    answer
}

pub(super) fn text(status: StatusCode, body: &'static str) -> Response {
    warp::reply::with_status(body, status).into_response()
}

/// Returns the answer for a path that takes these methods, and no others.
pub(super) fn wrong_method(allow: &'static str) -> Response {
    let mut answer = method_not_allowed(&format!("the path takes {allow}"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

pub(super) fn method_not_allowed(detail: &str) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let title = "The path is right, but the method is wrong.";
    problem(status, problem_body(status, "method_not_allowed", title, detail))
}

pub(super) fn not_found() -> Response {
    let status = StatusCode::NOT_FOUND;
    problem(status, problem_body(status, "not_found", "Nothing is here.", "no such path"))
}

pub(super) fn draining() -> Problem {
    Problem::new(Code::GoingAway, "this server is draining")
}
