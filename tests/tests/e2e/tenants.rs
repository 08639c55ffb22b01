//! Two tenants of one server never meet. One gets nothing of the other. The answers are the same as for things that do not
//! exist.

use serde_json::{Value, json};
use tidings_tests::{Client, EventStream, Request, Server, sample, token};

struct Tenant {
    token: String,
    client: Client,
}

impl Tenant {
    /// Somebody who may do everything in this tenant.
    fn new(server: &Server, name: &str) -> Self {
        let token = token(&["--tenant", name, "--subscribe", "*", "--publish", "*"]);
        Self { client: Client::with_token(server, &token), token }
    }

    fn request(&self, request: Request) -> Request {
        request.header("Authorization", &format!("Bearer {}", self.token))
    }

    /// Publishes over HTTP, which must be accepted.
    fn publish(&self, server: &Server, body: &Value) -> Value {
        let answer = self.request(Request::post("/v1/publish")).body(body.to_string()).send(server.address());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn stream(&self, server: &Server, topic: &str, since: Option<&str>) -> EventStream {
        let request = self.request(Request::get(&format!("/v1/events?topic={topic}")));
        let request = since.into_iter().fold(request, |request, id| request.header("Last-Event-ID", id));
        EventStream::send(server.address(), request)
    }

    /// What it hears next is its own; so nothing else was sent to it before.
    fn hears_nothing_but_its_own(&mut self, server: &Server, topic: &str) {
        let answer = self.publish(server, &json!({ "event": sample::ticked(0), "topics": [topic] }));
        let event = self.client.expect("event");
        assert_eq!((&event["position"], &event["key"]), (&answer["position"], &answer["key"]), "{event}");
    }
}

fn ticked(topic: &str, number: usize) -> Value {
    json!({ "event": sample::ticked(number), "topics": [topic] })
}

#[test]
fn the_same_topic_of_two_tenants_is_two_topics() {
    let server = Server::keyed(&[]);
    let (mut a, mut b) = (Tenant::new(&server, "a"), Tenant::new(&server, "b"));
    a.client.subscribe(&["clock", "staff:people"], None, "live");
    b.client.subscribe(&["clock", "staff:people"], None, "live");
    let mut stream = a.stream(&server, "clock", None);
    stream.expect("subscribed");
    for number in 0..10 {
        b.publish(&server, &ticked("clock", number));
        assert_eq!(b.client.expect("event")["event"]["payload"]["number"], number);
    }
    let answer =
        b.client.ask(&json!({ "op": "publish", "ref": 1, "event": sample::ticked(10), "topics": ["clock"] }));
    assert!(["published", "event"].contains(&answer["op"].as_str().unwrap()), "{answer}");
    a.hears_nothing_but_its_own(&server, "clock");
    assert_eq!(stream.expect("event").data["event"]["payload"]["number"], 0, "its own");
}

#[test]
fn a_position_of_another_tenant_is_no_position() {
    let server = Server::keyed(&[]);
    let (mut a, b) = (Tenant::new(&server, "a"), Tenant::new(&server, "b"));
    let own = a.publish(&server, &ticked("clock", 1))["position"].as_str().unwrap().to_owned();
    let foreign: Vec<String> = (0..3)
        .map(|number| b.publish(&server, &ticked("clock", number))["position"].as_str().unwrap().to_owned())
        .collect();
    // The epoch of one, the rest of the other.
    let (epoch, rest) = (own.split_once('.').unwrap().0, foreign[0].split_once('.').unwrap().1);
    let forged = format!("{epoch}.{rest}");
    let nonsense = "ffffffffffff.1.00000000".to_owned();
    for since in foreign.iter().chain([&forged, &nonsense]) {
        let mut client = Client::with_token(&server, &a.token);
        let answer = client.subscribe(&["clock"], Some(since), "sync");
        assert_eq!(answer["position"], json!(own), "the head of its own log: {answer}");
        let first = a.stream(&server, "clock", Some(since)).expect("sync");
        assert_eq!(first.data["position"], json!(own));
    }
    a.client.subscribe(&["clock"], Some(&foreign[2]), "sync");
    a.hears_nothing_but_its_own(&server, "clock");
}

#[test]
fn a_key_of_another_tenant_is_a_new_one() {
    let server = Server::keyed(&[]);
    let (mut a, mut b) = (Tenant::new(&server, "a"), Tenant::new(&server, "b"));
    a.client.subscribe(&["clock", "secret"], None, "live");
    b.client.subscribe(&["clock", "secret"], None, "live");
    let with_key =
        |topic: &str, key: &str| json!({ "event": sample::ticked(0), "topics": [topic], "key": key });
    let (used, unused) = (sample::uuid(), sample::uuid());
    let first = b.publish(&server, &with_key("secret", &used));
    b.client.expect("event");
    for key in [used, unused] {
        let answer = a.publish(&server, &with_key("clock", &key));
        assert_eq!(
            (&answer["topics"], &answer["key"]),
            (&json!(["clock"]), &json!(key)),
            "as if nobody had it"
        );
        assert_ne!(answer["position"], first["position"]);
        assert_eq!(a.client.expect("event")["position"], answer["position"]);
    }
    b.hears_nothing_but_its_own(&server, "clock");
}

#[test]
fn no_spelling_of_a_topic_leads_out_of_the_tenant() {
    let server = Server::keyed(&[]);
    let (mut a, b) = (Tenant::new(&server, "a"), Tenant::new(&server, "b"));
    // Good names of topics that only look like ways out; a topic of `a` each.
    let good = ["b:clock", "..:b:clock", "b.clock", "b~clock", "..", "tenant:b:clock", "b:staff:people"];
    let bad = [
        "*",
        ">",
        "#",
        "+",
        "clock:*",
        "clock:>",
        "*:*",
        "b/clock",
        "../b/clock",
        "/b/clock",
        "..%2fb%2fclock",
        "b%3aclock",
        "%63lock",
        "clock\u{0}",
        "b\u{0}clock",
        "clock ",
        " clock",
        "clock\n",
        "cl\u{43e}ck",
        "ｃlock",
        "clock\u{200b}",
        "b：clock",
        "\u{202e}kcolc",
        "",
        ":",
        "b::clock",
        ":clock",
        "clock:",
    ];
    let outcome = |answer: &Value, place: usize| {
        let topic = &answer["topics"][place];
        (topic["outcome"].clone(), topic["code"].clone())
    };
    let answer = a.client.ask(&json!({ "op": "subscribe", "ref": 1, "topics": bad }));
    for (place, topic) in bad.iter().enumerate() {
        assert_eq!(outcome(&answer, place), (json!("refused"), json!("invalid_topic")), "{topic:?}");
    }
    let answer = a.client.ask(&json!({ "op": "subscribe", "ref": 2, "topics": good }));
    for (place, topic) in good.iter().enumerate() {
        assert_eq!(outcome(&answer, place), (json!("live"), Value::Null), "{topic:?}");
    }
    for topic in bad {
        let body = json!({ "op": "publish", "ref": 3, "event": sample::ticked(0), "topics": [topic] });
        assert_eq!(a.client.ask(&body)["code"], "invalid_topic", "{topic:?}");
    }
    for topic in ["clock", "..", "b:clock", "tenant:b:clock"] {
        b.publish(&server, &ticked(topic, 0));
    }
    a.hears_nothing_but_its_own(&server, "b:clock");
}

#[test]
fn what_is_not_allowed_is_answered_as_what_does_not_exist() {
    let server = Server::keyed(&[]);
    let b = Tenant::new(&server, "b");
    b.publish(&server, &ticked("clock", 0));
    let narrow = token(&["--tenant", "a", "--subscribe", "mine:*", "--publish", "mine:*"]);
    let mut client = Client::with_token(&server, &narrow);
    let used_here = token(&["--tenant", "a", "--publish", "*"]);
    let body = ticked("private", 0).to_string();
    let answer =
        Request::post("/v1/publish").header("Authorization", &format!("Bearer {used_here}")).body(body);
    assert_eq!(answer.send(server.address()).status, 200);
    // One that the other tenant has, one that this tenant has, and one that nobody ever had.
    let topics = ["clock", "private", "never"];
    let refused: Vec<Value> = topics
        .iter()
        .map(|topic| json!({ "topic": topic, "outcome": "refused", "code": "forbidden" }))
        .collect();
    let answer = client.ask(&json!({ "op": "subscribe", "ref": 1, "topics": topics }));
    assert_eq!(answer["topics"], json!(refused));
    let publishes: Vec<Value> = topics
        .iter()
        .map(|topic| {
            client.ask(&json!({ "op": "publish", "ref": 2, "event": sample::ticked(0), "topics": [topic] }))
        })
        .collect();
    assert!(
        publishes.iter().all(|answer| answer == &publishes[2] && answer["code"] == "forbidden"),
        "{publishes:?}"
    );
}
