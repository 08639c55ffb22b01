//! Every type that a payload can have, in a real browser, by the table `tests/vectors/types.json`: `cargo xtask test wasm`.

#![cfg(target_arch = "wasm32")]

use every_type::{Case, cases};
use serde_json::Value;
use tidings_client_wasm::js::{Core, register};
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

    fn forge(text: &str);
}

impl TestHost {
    async fn next(&self, kind: &str) -> Value {
        let text = JsFuture::from(self.next_promise(kind)).await.unwrap_throw().as_string();
        serde_json::from_str(&text.unwrap_throw()).unwrap_throw()
    }
}

const TOPIC: &str = "every_type:all";

/// Makes a client that knows the domain. The server does not know it, and lets everything pass.
async fn client() -> (Core, TestHost) {
    register(tidings_client_wasm::domains_of!(every_type::Event));
    let url = option_env!("TIDINGS_TEST_URL").expect_throw("`cargo xtask test wasm` names a server");
    let host = TestHost::new();
    let url = format!("{}/v1/ws", url.replacen("http", "ws", 1));
    let core = Core::new(host.clone().unchecked_into(), url, None, false, JsValue::UNDEFINED);
    core.subscribe(topics(), false, None, None, false).unwrap_throw();
    core.run();
    host.next("ready").await;
    (core, host)
}

fn topics() -> JsValue {
    js_sys::Array::of1(&TOPIC.into()).into()
}

fn key() -> String {
    let random = || (js_sys::Math::random() * f64::from(u32::MAX)) as u128;
    uuid::Uuid::from_u128(random() << 96 | random() << 64 | random() << 32 | random()).to_string()
}

/// The payload as JavaScript reads it and writes it.
fn normal(payload: &str) -> Value {
    let text = js_sys::JSON::stringify(&js_sys::JSON::parse(payload).unwrap_throw()).unwrap_throw();
    serde_json::from_str(&String::from(text)).unwrap_throw()
}

fn publish(core: &Core, case: &Case) -> Result<f64, String> {
    core.publish(case.text(), topics(), &key(), None).map_err(|error| {
        let text = js_sys::JSON::stringify(&error).unwrap_throw();
        let error: Value = serde_json::from_str(&String::from(text)).unwrap_throw();
        assert_eq!(error["code"], "invalid_event", "{}", case.name);
        error["message"].as_str().unwrap_throw().to_owned()
    })
}

fn verdict(faults: &[String]) {
    assert!(faults.is_empty(), "{}:\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
}

#[wasm_bindgen_test]
async fn each_value_of_each_type_is_sent_or_refused_in_the_browser() {
    let (core, _host) = client().await;
    let mut faults = Vec::new();
    for case in cases() {
        match (publish(&core, &case), case.accepted) {
            (Ok(id), true) => core.cancel(id),
            (Err(message), false) if case.explains(&message) => {}
            (other, _) => faults.push(format!("{}: {other:?}", case.name)),
        }
    }
    verdict(&faults);
}

#[wasm_bindgen_test]
async fn each_value_of_each_type_arrives_as_it_is_or_is_a_typed_error() {
    let (_core, host) = client().await;
    let mut faults = Vec::new();
    for case in cases() {
        let frame = format!(
            r#"{{"op":"event","position":"p","key":"{}","at":1,"topics":["{TOPIC}"],"event":{}}}"#,
            key(),
            case.text()
        );
        forge(&frame);
        let told = if host.count("event") > 0 {
            let heard = host.next("event").await;
            assert_eq!(heard["meta"]["decoded"], true, "{}", case.name);
            assert_eq!(heard["event"]["payload"], normal(&case.payload), "{}", case.name);
            Ok(())
        } else {
            let error = host.next("malformed").await["error"].take();
            assert_eq!(error["code"], "invalid_event", "{}", case.name);
            let message = error["message"].as_str().unwrap_throw();
            let what = "An event arrived that is not what its domain declares: ";
            Err(message.strip_prefix(what).unwrap_throw().to_owned())
        };
        match (told, case.accepted) {
            (Ok(()), true) => {}
            (Err(message), false) if case.explains(&message) => {}
            (other, _) => faults.push(format!("{}: {other:?}", case.name)),
        }
    }
    verdict(&faults);
}

#[wasm_bindgen_test]
async fn every_type_goes_through_a_server_and_comes_back_decoded() {
    let (core, host) = client().await;
    for event in <every_type::Event as tidings_shared::Event>::NAMES {
        let case = cases().into_iter().find(|case| case.event == *event && case.accepted).unwrap_throw();
        publish(&core, &case).unwrap_throw();
        core.run();
        let heard = host.next("event").await;
        assert_eq!(heard["meta"]["decoded"], true, "{}", case.name);
        assert_eq!(heard["event"]["payload"], normal(&case.payload), "{}", case.name);
    }
}
