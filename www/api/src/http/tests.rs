//! Over a real socket, as a browser or `curl` would.

use std::{fs, net::SocketAddr};

use serde_json::{Value, json};
use tidings_server::{Delivery, DevAccess, Gateway, GatewaySettings, Hub};
use tidings_shared::domains::staff::Topic;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::*;
use crate::{
    coverage::Covered,
    testing::{Folder, new_hub, open},
};

/// A served demo, with a page of two files.
struct Served {
    address: SocketAddr,
    hub: Hub,
    _covered: Covered,
    _folder: Folder,
}

impl Served {
    async fn start() -> Self {
        let (folder, hub) = (Folder::new(), new_hub());
        let (database, _, covered) = open(&folder, &hub).await;
        let dist = folder.0.join("dist");
        fs::create_dir_all(dist.join("assets")).unwrap();
        fs::write(dist.join("index.html"), "<!doctype html>").unwrap();
        fs::write(dist.join("assets/main-1a2b.js"), "export {}").unwrap();
        let access = DevAccess::new(hub.home().clone());
        let gateway = Gateway::new(hub.clone(), access, GatewaySettings::development());
        let app = warp::service(routes(database, dist));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { gateway.serve(listener, app, std::future::pending()).await });
        Self { address, hub, _covered: covered, _folder: folder }
    }

    /// Sends a request and returns the status, the head and the body of the answer.
    async fn call(&self, request: &str, headers: &[&str], body: &str) -> (u16, String, String) {
        let mut head =
            format!("{request} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|header| header.starts_with("host:")) {
            head += &format!("host: {}\r\n", self.address);
        }
        if !headers.iter().any(|header| header.starts_with("content-type:")) {
            head += "content-type: application/json\r\n";
        }
        for header in headers {
            head += &format!("{header}\r\n");
        }
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    async fn json(&self, request: &str, body: Value) -> (u16, Value) {
        let (status, _, body) = self.call(request, &[], &body.to_string()).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn a_record_is_created_read_changed_listed_and_deleted() {
    let demo = Served::start().await;
    let (status, made) = demo.json("POST /api/people", json!({ "name": "Ada <b>" })).await;
    assert_eq!((status, &made["name"]), (201, &json!("Ada <b>")));
    let path = format!("/api/people/{}", made["uuid"].as_str().unwrap());
    assert_eq!(demo.json(&format!("PATCH {path}"), json!({ "role": "Poet" })).await.1["role"], "Poet");
    assert_eq!(demo.json(&format!("GET {path}"), json!(null)).await.1["name"], "Ada <b>");
    let (_, list) = demo.json("GET /api/people", json!(null)).await;
    assert!(list.as_array().unwrap().iter().any(|person| person["uuid"] == made["uuid"]));
    assert_eq!(demo.json(&format!("DELETE {path}"), json!(null)).await, (204, Value::Null));
    let (status, gone) = demo.json(&format!("GET {path}"), json!(null)).await;
    assert_eq!((status, &gone["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn a_link_is_created_changed_voted_for_listed_and_deleted_by_its_number() {
    let demo = Served::start().await;
    let body = json!({ "title": "A", "url": "https://example.org", "tags": [" x ", "y"] });
    let (status, made) = demo.json("POST /api/links", body).await;
    assert_eq!((status, &made["tags"], &made["votes"]), (201, &json!(["x", "y"]), &json!(0)));
    let path = format!("/api/links/{}", made["id"]);
    assert_eq!(demo.json(&format!("PATCH {path}"), json!({ "note": "N" })).await.1["note"], "N");
    assert_eq!(demo.json(&format!("POST {path}/vote"), json!({})).await.1["votes"], 1);
    let (_, list) = demo.json("GET /api/links", json!(null)).await;
    let wanted = json!({ "id": made["id"], "title": "A", "url": "https://example.org", "note": "N",
        "tags": ["x", "y"], "votes": 1 });
    assert_eq!(list[0], wanted, "the newest comes first");
    assert_eq!(demo.json(&format!("DELETE {path}"), json!(null)).await, (204, Value::Null));
    assert_eq!(demo.json(&format!("POST {path}/vote"), json!({})).await.0, 404);
}

#[tokio::test]
async fn what_is_no_link_is_refused_with_its_field() {
    let demo = Served::start().await;
    let nine: Vec<_> = (0..9).map(|n| n.to_string()).collect();
    for (body, field) in [
        (json!({ "title": "A" }), "url"),
        (json!({ "title": "A", "url": "javascript:alert(1)" }), "url"),
        (json!({ "title": "A", "url": "https://e.org", "tags": "x" }), "tags"),
        (json!({ "title": "A", "url": "https://e.org", "tags": ["x", 1] }), "tags"),
        (json!({ "title": "A", "url": "https://e.org", "tags": [" "] }), "tags"),
        (json!({ "title": "A", "url": "https://e.org", "tags": nine }), "tags"),
        (json!({ "title": "A", "url": "https://e.org", "votes": -1 }), "votes"),
    ] {
        let (status, problem) = demo.json("POST /api/links", body.clone()).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{body}: {problem}");
    }
}

#[tokio::test]
async fn the_tag_of_the_tab_that_wrote_travels_with_the_event() {
    let demo = Served::start().await;
    let mut people = demo.hub.subscribe(&Topic::People).await;
    demo.call("POST /api/people", &["tidings-origin: tab-7"], r#"{"name":"Ada"}"#).await;
    let Some(Delivery::Event { publication, .. }) = people.next().await else { panic!("no event") };
    assert_eq!(publication.origin.as_deref(), Some("tab-7"));

    let (status, _, body) =
        demo.call("POST /api/people", &["tidings-origin: a b"], r#"{"name":"Ada"}"#).await;
    assert_eq!(status, 201, "a write does not fail for the sake of a tag: {body}");
    let Some(Delivery::Event { publication, .. }) = people.next().await else { panic!("no event") };
    assert_eq!(publication.origin, None);
}

#[tokio::test]
async fn each_fault_is_a_problem_that_names_the_remedy() {
    let demo = Served::start().await;
    let big = format!("{{\"name\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES));
    for (request, body, status, code, hint) in [
        ("GET /api/nothing", "", 404, "not_found", "no such route"),
        ("GET /api/people/17", "", 400, "invalid_path", "uuid"),
        ("DELETE /api/links/x", "", 400, "invalid_path", "number"),
        ("PUT /api/people", "", 405, "method_not_allowed", "GET, POST"),
        ("POST /api/people", "{", 400, "invalid_body", "JSON"),
        ("POST /api/people", "[]", 400, "invalid_body", "JSON object"),
        ("POST /api/people", r#"{"name":" "}"#, 422, "invalid_field", "1 to 120"),
        ("POST /api/people", big.as_str(), 413, "too_large", "32768"),
    ] {
        let (answered, head, body) = demo.call(request, &[], body).await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{request}: {body}");
        assert!(problem["detail"].as_str().unwrap().contains(hint), "{request}: {body}");
        assert!(head.contains("application/problem+json"), "{head}");
    }
    let (status, _, _) =
        demo.call("POST /api/people", &["content-type: text/plain"], r#"{"name":"A"}"#).await;
    assert_eq!(status, 415, "another site's form could send this without asking");
}

#[tokio::test]
async fn a_page_of_another_site_reaches_neither_the_api_nor_the_socket() {
    let demo = Served::start().await;
    for header in
        ["origin: https://evil.example", "origin: null", "host: evil.example", "host: 10.0.0.1:7710"]
    {
        let (status, _, _) = demo.call("POST /api/people", &[header], r#"{"name":"Mallory"}"#).await;
        assert_eq!(status, 403, "{header}");
    }
    let port = demo.address.port();
    for header in [format!("origin: http://localhost:{port}"), format!("host: [::1]:{port}")] {
        let (status, _, _) = demo.call("GET /api/people", &[&header], "").await;
        assert_eq!(status, 200, "{header}");
    }
    let upgrade = [
        "origin: https://evil.example",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "connection: upgrade",
    ];
    assert_eq!(demo.call("GET /v1/ws", &upgrade, "").await.0, 403);
}

#[tokio::test]
async fn the_page_comes_with_its_policy_and_only_hashed_files_are_kept() {
    let demo = Served::start().await;
    let (status, head, body) = demo.call("GET /", &[], "").await;
    assert_eq!((status, body.as_str()), (200, "<!doctype html>"));
    assert!(head.contains("script-src 'self' 'wasm-unsafe-eval'"), "{head}");
    assert!(!head.contains("unsafe-inline") && head.contains("cache-control: no-cache"), "{head}");
    let (_, head, _) = demo.call("GET /assets/main-1a2b.js", &[], "").await;
    assert!(head.contains("immutable") && head.contains("nosniff"), "{head}");
    for path in ["GET /../Cargo.toml", "GET /%2e%2e/Cargo.toml", "GET /nothing"] {
        assert_eq!(demo.call(path, &[], "").await.0, 404, "{path}");
    }
}

#[test]
fn every_route_fits_one_pattern_and_no_other_of_its_method() {
    for (at, (method, pattern, _)) in ROUTES.iter().enumerate() {
        let again = ROUTES[at + 1..].iter().find(|(m, p, _)| m == method && p == pattern);
        assert!(again.is_none(), "{method} {pattern:?} is there twice");
        let path = pattern.join("/").replace('*', &Uuid::nil().to_string());
        assert!(find(method, &path).is_ok(), "{method} {path}");
    }
}
