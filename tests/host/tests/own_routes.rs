//! The application's own routes stand beside the gateway's, in both modes, and every frame is looked up.

use std::process::Command;

use tidings_tests::{Client, EventStream, Request, Server, key_file, sample, token};

const HOSTS: [&str; 2] = [env!("CARGO_BIN_EXE_host-serve"), env!("CARGO_BIN_EXE_host-service")];

fn host(program: &str, flags: &[&str]) -> Server {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
    Server::run(command)
}

fn looked_up(server: &Server) -> usize {
    let answer = Request::get("/host/looked-up").send(server.address());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.parse().expect("a number")
}

#[test]
fn each_frame_about_topics_is_looked_up_once() {
    for program in HOSTS {
        let server = host(program, &["--dev"]);
        let mut session = Client::hello(&server);
        assert_eq!(looked_up(&server), 0);
        session.subscribe(&["staff:people", "staff:teams"], None, "live");
        assert_eq!(looked_up(&server), 1, "for a subscribe of two topics");
        server.publish(&sample::person_updated(&sample::uuid()));
        assert_eq!(looked_up(&server), 2, "for a publish");
        session.expect("event");
        EventStream::open(server.address(), &["staff:people"], None).expect("subscribed");
        assert_eq!(looked_up(&server), 3, "for an event stream");
        Request::get("/host").send(server.address()).assert_problem(404, "not_found");
    }
}

#[test]
fn two_tokens_of_one_subject_have_the_rights_of_each() {
    let tokens = ["staff:people", "clock"].map(|topic| token(&["--tenant", "acme", "--subscribe", topic]));
    for program in HOSTS {
        let server = host(program, &["--jwt-key-file", &key_file("secret")]);
        for (token, topic, other) in
            [(&tokens[0], "staff:people", "clock"), (&tokens[1], "clock", "staff:people")]
        {
            let mut session = Client::with_token(&server, token);
            session.subscribe(&[topic], None, "live");
            let frame = serde_json::json!({ "op": "subscribe", "ref": 2, "topics": [other] });
            assert_eq!(session.ask(&frame)["topics"][0]["code"], "forbidden");
        }
        assert_eq!(looked_up(&server), 4);
    }
}

#[test]
fn a_signal_drains_the_gateway_and_then_the_server() {
    for program in HOSTS {
        let mut server = host(program, &["--dev"]);
        let mut session = Client::subscribed(&server, &["staff:people"]);
        server.process().signal("TERM");
        session.expect("goaway");
        session.expect_close(1012);
        assert_eq!(server.exit_code(), Some(0), "{}", server.process().log());
    }
}
