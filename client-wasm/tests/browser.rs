//! The client in a real browser, against a real server: `cargo xtask test wasm`.
//!
//! The server's address is compiled in from `TIDINGS_TEST_URL`, because a browser has no environment.

#![cfg(target_arch = "wasm32")]

use std::rc::Rc;

use serde_json::{Value, json};
use tidings_client_wasm::js::Core;
use tidings_shared::domains::SHIPPED;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(module = "/tests/browser/host.js")]
extern "C" {
    #[derive(Clone)]
    type TestHost;

    #[wasm_bindgen(constructor)]
    fn new() -> TestHost;

    #[wasm_bindgen(method, js_name = next)]
    fn next_promise(this: &TestHost, kind: &str) -> js_sys::Promise;

    #[wasm_bindgen(method)]
    fn count(this: &TestHost, kind: &str) -> u32;

    #[wasm_bindgen(method, js_name = onEvent)]
    fn on_event(this: &TestHost, callback: &JsValue);

    #[wasm_bindgen(method, setter)]
    fn set_tell(this: &TestHost, tell: &JsValue);

    fn forge(text: &str);
}

impl TestHost {
    /// Lets the host report to this core what its WebSockets and its timer do, as long as the core exists.
    fn tell(&self, core: &Rc<Core>) {
        let weak = Rc::downgrade(core);
        let tell = move |name: String, connection: f64, about: JsValue| {
            let Some(core) = weak.upgrade() else { return };
            match name.as_str() {
                "opened" => core.opened(connection),
                "message" => core.message(connection, about),
                "failed" => core.failed(connection),
                "closed" => core.closed(connection, about.as_f64().unwrap_throw() as u16),
                _ => core.timeout(),
            }
        };
        let tell = Closure::<dyn Fn(String, f64, JsValue)>::new(tell);
        self.set_tell(&tell.into_js_value());
    }

    /// Waits for the next call of this kind to the host.
    async fn next(&self, kind: &str) -> Value {
        let text = JsFuture::from(self.next_promise(kind)).await.unwrap_throw().as_string();
        serde_json::from_str(&text.unwrap_throw()).unwrap_throw()
    }

    async fn status(&self, status: &str) {
        while self.next("status").await["status"] != status {}
    }
}

/// Makes a client of the test server.
fn client() -> (Rc<Core>, TestHost) {
    let url = option_env!("TIDINGS_TEST_URL").expect_throw(
        "TIDINGS_TEST_URL names no server, such as http://127.0.0.1:7700: `cargo xtask test wasm` starts one",
    );
    let host = TestHost::new();
    let url = format!("{}/v1/ws", url.replacen("http", "ws", 1));
    let domains: js_sys::Array = SHIPPED.iter().map(data).collect();
    let core = Core::new(host.clone().unchecked_into(), url, None, false, domains.into());
    let core = Rc::new(core.unwrap_throw());
    host.tell(&core);
    (core, host)
}

/// A domain as the page has it.
fn data(domain: &tidings_generate::DomainSchema) -> JsValue {
    js_sys::JSON::parse(&tidings_generate::data(domain).to_string()).unwrap_throw()
}

/// A UUID that no other test uses. So tests that run at the same time do not hear each other.
fn uuid(test: u128) -> String {
    uuid::Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 | test).to_string()
}

/// A new key, which no earlier run against the same server has used.
fn key() -> String {
    let random = || (js_sys::Math::random() * f64::from(u32::MAX)) as u128;
    uuid::Uuid::from_u128(random() << 96 | random() << 64 | random() << 32 | random()).to_string()
}

fn subscribe(core: &Core, topics: &[&str]) -> f64 {
    let topics: js_sys::Array = topics.iter().map(|topic| JsValue::from_str(topic)).collect();
    let id = core.subscribe(topics.into(), false, None, None, false).unwrap_throw();
    core.run();
    id
}

fn try_publish(core: &Core, event: &Value, topics: &[&str]) -> Result<f64, Value> {
    let topics = match topics {
        [] => JsValue::UNDEFINED,
        topics => topics.iter().map(|topic| JsValue::from_str(topic)).collect::<js_sys::Array>().into(),
    };
    let id = core.publish(event.to_string(), topics, &key(), None).map_err(|error| read(&error))?;
    core.run();
    Ok(id)
}

fn publish(core: &Core, event: &Value, topics: &[&str]) -> f64 {
    try_publish(core, event, topics).unwrap_throw()
}

fn read(value: &JsValue) -> Value {
    let text = js_sys::JSON::stringify(value).unwrap_throw();
    serde_json::from_str(&String::from(text)).unwrap_throw()
}

/// Publishes an event, and expects it on the topic, decoded.
async fn arrives_decoded(event: Value, topic: &str, topics: &[&str]) {
    let (core, host) = client();
    let subscription = subscribe(&core, &[topic]);
    assert_eq!(host.next("ready").await["id"], subscription);
    let publish = publish(&core, &event, topics);
    let answer = host.next("published").await;
    assert_eq!(answer["id"], publish);
    let heard = host.next("event").await;
    assert_eq!(heard["id"], subscription);
    assert_eq!(heard["event"], event);
    assert_eq!(heard["meta"]["topics"], json!([topic]));
    assert_eq!(heard["meta"]["decoded"], true);
    assert_eq!(heard["meta"]["key"], answer["answer"]["key"]);
    assert_eq!(heard["meta"]["position"], answer["answer"]["position"]);
    assert!(heard["meta"]["at"].as_u64() > Some(1_700_000_000_000));
}

#[wasm_bindgen_test]
async fn an_event_of_the_catalogue_arrives_decoded() {
    let payload = json!({"kind": "item", "uuid": uuid(1), "parent": null});
    let event = json!({"domain": "catalogue", "event": "data_changed", "payload": payload});
    arrives_decoded(event, "catalogue", &[]).await;
}

#[wasm_bindgen_test]
async fn an_event_of_staff_arrives_decoded_and_with_the_keys_that_nobody_declared() {
    let payload = json!({
        "team_uuid": uuid(2), "staff_person_uuid": uuid(3), "note": "kept", "more": {"deep": [1, null, "ä"]},
    });
    let event = json!({"domain": "staff", "event": "team_person_added", "payload": payload});
    arrives_decoded(event, &format!("staff:person:{}", uuid(3)), &[]).await;
}

#[wasm_bindgen_test]
async fn an_event_of_projects_arrives_decoded() {
    let payload = json!({"uuid": uuid(4), "is_template": true});
    let event = json!({"domain": "projects", "event": "project_archived", "payload": payload});
    arrives_decoded(event, &format!("projects:project:{}", uuid(4)), &[]).await;
}

#[wasm_bindgen_test]
async fn an_event_of_crm_arrives_decoded() {
    let topic = format!("crm:contact:{}:interactions", uuid(5));
    let payload = json!({"interaction_uuid": uuid(6)});
    let event = json!({"domain": "crm", "event": "interaction_created", "payload": payload});
    arrives_decoded(event, &topic, &[&topic]).await;
}

#[wasm_bindgen_test]
async fn an_event_of_a_store_arrives_decoded_whatever_its_record() {
    let payload = json!({"schema": "browser_test", "key": "7", "record": [{"any": "thing"}, null]});
    let event = json!({"domain": "store", "event": "upserted", "payload": payload});
    arrives_decoded(event, "store:browser_test", &[]).await;
}

#[wasm_bindgen_test]
async fn an_event_of_another_domain_arrives_as_it_is() {
    let (core, host) = client();
    subscribe(&core, &["browser_test:queue"]);
    host.next("ready").await;
    let event = json!({"domain": "browser_test", "event": "anything", "payload": [1, 2]});
    publish(&core, &event, &["browser_test:queue"]);
    let heard = host.next("event").await;
    assert_eq!(heard["event"], event);
    assert_eq!(heard["meta"]["decoded"], false);
}

#[wasm_bindgen_test]
async fn after_an_unsubscribe_nothing_arrives() {
    let (core, host) = client();
    let topics = [format!("staff:person:{}", uuid(7)), format!("staff:person:{}", uuid(8))];
    let ended = subscribe(&core, &[&topics[0]]);
    let kept = subscribe(&core, &[&topics[1]]);
    host.next("ready").await;
    host.next("ready").await;
    core.unsubscribe(ended);
    core.unsubscribe(ended);
    for person in [uuid(7), uuid(8)] {
        let payload = json!({"uuid": person});
        publish(&core, &json!({"domain": "staff", "event": "person_updated", "payload": payload}), &[]);
    }
    assert_eq!(host.next("event").await["id"], kept);
    assert_eq!(host.count("event"), 0);
}

#[wasm_bindgen_test]
async fn a_view_loads_when_it_is_in_force_and_not_after_a_reconnect_that_missed_nothing() {
    let (core, host) = client();
    let topic = format!("staff:person:{}", uuid(10));
    let view = core.subscribe(vec![topic].into(), true, None, None, false).unwrap_throw();
    core.run();
    host.next("ready").await;
    let load = host.next("load").await;
    assert_eq!(load["id"], view);
    core.reload(view, false);
    core.loaded(view, load["load"].as_f64().unwrap_throw(), true, false);
    let load = host.next("load").await;
    core.loaded(view, load["load"].as_f64().unwrap_throw(), true, false);
    core.page(false);
    core.page(true);
    assert_eq!(host.next("resumed").await["id"], view);
    assert_eq!(host.count("load"), 0);
}

#[wasm_bindgen_test]
async fn an_event_that_is_not_what_its_domain_declares_is_not_sent() {
    let (core, host) = client();
    let error = |event: Value| try_publish(&core, &event, &[]).expect_err("it must not be sent");
    let staff = |payload: Value| json!({"domain": "staff", "event": "person_updated", "payload": payload});
    let missing = error(staff(json!({})));
    assert_eq!(missing["code"], "invalid_event");
    assert_eq!(missing["retryable"], false);
    let message = "payload of person_updated: `uuid` is missing: expected a UUID with hyphens, 8-4-4-4-12";
    assert_eq!(missing["message"], message);
    for payload in [json!({"uuid": 7}), json!({"uuid": "7"}), json!([uuid(1)]), json!("text"), json!(null)] {
        assert_eq!(error(staff(payload))["code"], "invalid_event");
    }
    assert_eq!(error(json!({"domain": "staff"}))["code"], "invalid_event");
    assert_eq!(error(json!([]))["code"], "invalid_event");
    assert_eq!(host.count("status"), 0);
}

#[wasm_bindgen_test]
async fn a_malformed_event_is_a_typed_error_and_the_stream_goes_on() {
    let (core, host) = client();
    let topic = format!("staff:person:{}", uuid(9));
    let subscription = subscribe(&core, &[&topic]);
    host.next("ready").await;
    let frame = |event: &str, payload: Value| {
        let event = json!({"domain": "staff", "event": event, "payload": payload});
        let frame = json!({
            "op": "event", "position": "p", "key": key(), "at": 1, "topics": [topic], "event": event,
        });
        frame.to_string()
    };
    // The server refuses such events. So the test plays the server.
    forge(&frame("person_updated", json!({"uuid": [1]})));
    let malformed = host.next("malformed").await;
    assert_eq!(malformed["id"], subscription);
    assert_eq!(malformed["error"]["code"], "invalid_event");
    assert_eq!(malformed["error"]["topic"], topic.as_str());

    forge(&frame("person_promoted", json!(7)));
    assert_eq!(host.next("event").await["meta"]["decoded"], false);
    forge(&frame("person_updated", json!({"uuid": uuid(9), "__proto__": {"kept": true}})));
    assert_eq!(host.next("event").await["meta"]["decoded"], true);
    forge("{\"op\":\"event\"}");
    assert_eq!(host.next("sync").await["sync"]["topics"], json!([topic]));
    assert_eq!(host.next("error").await["error"]["code"], "invalid_frame");
    forge("{\"op\":\"of_next_year\",\"ref\":{}}");

    for (frame, reason) in [
        (json!({"op": "published", "ref": "7"}), "`ref`: expected u64"),
        (json!({"op": "published", "ref": 1.5}), "`ref`: expected u64"),
        (json!({"op": "published", "ref": -1}), "`ref`: expected u64"),
        (json!({"op": "published", "ref": 9_007_199_254_740_992_u64}), "`ref`: expected u64"),
        (json!({"op": "published", "ref": 1, "key": "k", "position": 7}), "`position`: expected a string"),
        (json!({"op": "sync", "position": "p", "topics": ["a", 7]}), "`topics`: expected a string"),
        (json!({"op": "event"}), "`event`: "),
        (json!({"op": "event", "event": "x"}), "`event`: "),
        (json!({"op": "event", "event": []}), "`event`: `domain` is missing"),
        (json!({"op": "event", "event": {"domain": 7}}), "`event`: `domain`: expected a string"),
        (json!({"op": "event", "event": {"domain": "a"}}), "`event`: `event` is missing"),
        (json!({"op": "event", "event": {"domain": "a", "event": "b"}}), "`event`: `payload` is missing"),
        (
            json!({"op": "subscribed", "ref": 1, "position": "p", "topics": [{"topic": "a"}]}),
            "`topics`: missing field `outcome`",
        ),
        (
            json!({"op": "subscribed", "ref": 1, "position": "p", "topics": [{"topic": 7, "outcome": "live"}]}),
            "`topics`: `topic`: expected a string",
        ),
    ] {
        forge(&frame.to_string());
        let error = host.next("error").await["error"].take();
        assert_eq!(error["code"], "invalid_frame", "{frame}");
        assert!(error["message"].as_str().unwrap_throw().contains(reason), "{frame}: {error}");
        if host.count("sync") > 0 {
            host.next("sync").await;
        }
    }

    publish(&core, &json!({"domain": "staff", "event": "person_updated", "payload": {"uuid": uuid(9)}}), &[]);
    assert_eq!(host.next("event").await["meta"]["decoded"], true);
    assert_eq!(host.count("sync") + host.count("error"), 0);
}

#[wasm_bindgen_test]
async fn a_refused_topic_is_reported_with_its_code() {
    let (core, host) = client();
    subscribe(&core, &["staff:pepole"]);
    let failed = host.next("failed").await;
    assert_eq!(failed["error"]["code"], "invalid_topic");
    assert_eq!(failed["error"]["topic"], "staff:pepole");
}

#[wasm_bindgen_test]
async fn after_a_lost_connection_missed_events_arrive_once() {
    let (core, host) = client();
    let (publisher, publishers_host) = client();
    let person = uuid(10);
    let topic = format!("staff:person:{person}");
    let event =
        |n: u32| json!({"domain": "staff", "event": "person_updated", "payload": {"uuid": person, "n": n}});
    subscribe(&core, &[&topic]);
    host.next("ready").await;
    for n in 0..5 {
        core.drop_socket();
        publish(&publisher, &event(n), &[]);
        publishers_host.next("published").await;
        host.status("reconnecting").await;
        host.status("open").await;
        assert_eq!(host.next("event").await["event"]["payload"]["n"], n);
    }
    assert_eq!(host.count("event") + host.count("sync") + host.count("ready"), 0);
}

#[wasm_bindgen_test]
async fn a_publish_without_a_connection_is_sent_by_the_next_one() {
    let (core, host) = client();
    let person = uuid(11);
    let event = json!({"domain": "staff", "event": "person_updated", "payload": {"uuid": person}});
    publish(&core, &event, &[]);
    host.next("published").await;
    core.drop_socket();
    host.status("reconnecting").await;
    publish(&core, &event, &[]);
    host.next("published").await;
}

#[wasm_bindgen_test]
async fn a_callback_may_subscribe_publish_and_close_from_within() {
    let (core, host) = client();
    let core = std::rc::Rc::new(core);
    let person = uuid(12);
    let topic = format!("staff:person:{person}");
    let subscription = subscribe(&core, &[&topic]);
    host.next("ready").await;
    let within = core.clone();
    let callback = Closure::once(move || {
        within.unsubscribe(subscription);
        subscribe(&within, &["staff:people"]);
        within.close();
        assert_eq!(
            read(
                &within
                    .subscribe(js_sys::Array::of1(&"a".into()).into(), false, None, None, false)
                    .expect_err("closed")
            )["code"],
            "closed"
        );
    });
    host.on_event(callback.as_ref());
    publish(&core, &json!({"domain": "staff", "event": "person_updated", "payload": {"uuid": person}}), &[]);
    host.next("event").await;
    host.status("closed").await;
    drop(core);
}
