use tidings_shared::schema::{EventSchema, FanOut, FieldSchema};

use super::*;

const TICKET: PayloadSchema = PayloadSchema {
    name: "Ticket",
    docs: "A ticket.",
    fields: &[FieldSchema { name: "uuid", ty: Type::Uuid, docs: "Its id." }],
    reaches: &[],
};

const HELPDESK: DomainSchema = DomainSchema {
    name: "help-desk",
    topic_docs: "The topics of tickets.",
    event_docs: "The changes of tickets.",
    topics: &[
        TopicSchema { name: "All", builder: "all", pattern: "help-desk", docs: "All tickets." },
        TopicSchema { name: "Queue", builder: "queue_of", pattern: "help-desk:{class}:{segment}", docs: "" },
    ],
    events: &[
        EventSchema { name: "opened", docs: "A ticket was opened.", payload: &TICKET },
        EventSchema { name: "closed", docs: "A ticket was closed.", payload: &TICKET },
    ],
    fan_out: FanOut::Computed,
    closed: true,
};

#[test]
fn a_domain_is_a_constant_with_its_topics_and_its_data() {
    let text = typescript(&[HELPDESK], Home::User);
    let data = crate::data(&HELPDESK);
    let constant = format!(
        "/** The domain `help-desk`, for `createClient({{ domains: [helpDesk] }})`. */
export const helpDesk: HelpDeskDomain = {{
  name: \"help-desk\",
  fingerprint: {},
  topics: {{
    all: \"help-desk\" as Topic<HelpDeskEvent>,
    queueOf: (class_, segment) => `help-desk:${{_segment(\"`class` of help-desk:{{class}}:{{segment}}\", class_)}}:\
         ${{_segment(\"`segment` of help-desk:{{class}}:{{segment}}\", segment)}}` as Topic<HelpDeskQueueEvent>,
  }},
  events: [
    [[\"opened\", \"closed\"], [[\"uuid\", \"uuid\"]]],
  ],
}};
",
        data["fingerprint"]
    );
    assert!(text.contains(&constant), "{text}");
    let types = "export interface HelpDeskDomain extends Domain<\"help-desk\", HelpDeskEvent, HelpDeskTopics, \"closed\"> {
  /** The topics of tickets. */
  readonly topics: {
    /** All tickets. */
    readonly all: Topic<HelpDeskEvent>;
    readonly queueOf: (class_: string, segment: string) => Topic<HelpDeskQueueEvent>;
  };
}
";
    assert!(text.contains(types), "{text}");
}

#[test]
fn a_module_imports_types_only() {
    for (home, from) in [(Home::User, "tidings"), (Home::Package, "./topics.js")] {
        let text = typescript(&[HELPDESK], home);
        let imports: Vec<&str> = text.lines().filter(|line| line.contains("import ")).collect();
        assert_eq!(imports, [format!("import type {{ Domain, Topic }} from {from:?};")]);
    }
}

#[test]
fn a_name_that_typescript_refuses_gets_an_underscore() {
    for (name, expected) in
        [("delete", "delete_"), ("2fa", "_2fa"), ("~", "_"), ("new-item", "newItem"), ("segment", "segment")]
    {
        let text = typescript(&[DomainSchema { name, ..HELPDESK }], Home::User);
        assert!(text.contains(&format!("\nexport const {expected}: ")), "{name}: {text}");
    }
}
