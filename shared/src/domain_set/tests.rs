use super::*;

const A: &str = "0198c0de-0000-7000-8000-00000000000a";
const B: &str = "0198c0de-0000-7000-8000-00000000000b";
const C: &str = "0198c0de-0000-7000-8000-00000000000c";

fn fan_out(event: &str, named: Option<&[&str]>) -> Result<Vec<String>, Code> {
    let event = RawEvent::parse(&event.replace("$A", A).replace("$B", B).replace("$C", C)).unwrap();
    let named: Option<Vec<TopicName>> =
        named.map(|topics| topics.iter().map(|topic| topic.replace("$A", A).parse().unwrap()).collect());
    let topics = Domains::shipped().fan_out(&event, named.as_deref()).map_err(|error| error.code())?;
    Ok(topics
        .iter()
        .map(|topic| topic.to_string().replace(A, "$A").replace(B, "$B").replace(C, "$C"))
        .collect())
}

fn reaches(domain: &str, names: &str, payload: &str, topics: &[&str]) {
    for name in names.split_whitespace() {
        let event = format!(r#"{{"domain":"{domain}","event":"{name}","payload":{payload}}}"#);
        assert_eq!(fan_out(&event, None).unwrap(), topics, "{event}");
    }
}

#[test]
fn staff_events_reach_the_lists_and_the_records_that_they_touch() {
    let each = "department_created department_updated department_deleted";
    reaches("staff", each, r#"{"uuid":"$A"}"#, &["staff:departments", "staff:department:$A"]);
    let each = "team_created team_updated team_deleted";
    reaches("staff", each, r#"{"uuid":"$A"}"#, &["staff:teams", "staff:team:$A"]);
    reaches(
        "staff",
        each,
        r#"{"uuid":"$A","department_uuid":"$B"}"#,
        &["staff:teams", "staff:team:$A", "staff:department:$B"],
    );
    reaches(
        "staff",
        each,
        r#"{"uuid":"$A","department_uuid":null,"previous_department_uuid":"$C"}"#,
        &["staff:teams", "staff:team:$A", "staff:department:$C"],
    );
    let each = "person_created person_updated person_deleted";
    reaches("staff", each, r#"{"uuid":"$A"}"#, &["staff:people", "staff:person:$A"]);
    reaches(
        "staff",
        "team_person_added team_person_removed",
        r#"{"team_uuid":"$A","staff_person_uuid":"$B"}"#,
        &["staff:teams", "staff:team:$A", "staff:people", "staff:person:$B"],
    );
}

#[test]
fn a_moved_team_reaches_its_old_and_its_new_department_each_once() {
    reaches(
        "staff",
        "team_updated",
        r#"{"uuid":"$A","department_uuid":"$B","previous_department_uuid":"$C"}"#,
        &["staff:teams", "staff:team:$A", "staff:department:$B", "staff:department:$C"],
    );
    reaches(
        "staff",
        "team_updated",
        r#"{"uuid":"$A","department_uuid":"$B","previous_department_uuid":"$B"}"#,
        &["staff:teams", "staff:team:$A", "staff:department:$B"],
    );
}

#[test]
fn project_events_reach_all_and_what_they_belong_to() {
    let each = "project_created project_updated project_deleted project_started project_completed \
                project_reopened project_archived project_unarchived project_status_changed";
    reaches("projects", each, r#"{"uuid":"$A"}"#, &["projects:all", "projects:project:$A"]);
    let not_template = r#"{"uuid":"$A","is_template":false}"#;
    reaches("projects", each, not_template, &["projects:all", "projects:project:$A"]);
    reaches(
        "projects",
        each,
        r#"{"uuid":"$A","is_template":true}"#,
        &["projects:all", "projects:project:$A", "projects:templates"],
    );
    let each = "task_created task_updated task_deleted";
    reaches("projects", each, r#"{"uuid":"$A"}"#, &["projects:all", "projects:tasks"]);
    let each = "assignment_created assignment_updated assignment_deleted assignment_reordered";
    reaches("projects", each, r#"{"project_uuid":"$B"}"#, &["projects:all", "projects:project:$B"]);
    let each = "dependency_added dependency_removed";
    reaches(
        "projects",
        each,
        r#"{"assignment_uuid":"$A","depends_on_uuid":"$C","project_uuid":"$B"}"#,
        &["projects:all", "projects:project:$B"],
    );
}

#[test]
fn catalogue_events_carry_no_record_data() {
    for payload in [
        r#"{"kind":"item","uuid":"$A","parent":"$B"}"#,
        r#"{"kind":"links","uuid":null}"#,
        r#"{"kind":"links"}"#,
        r#"{"kind":"a_kind_of_next_year","uuid":"$A"}"#,
    ] {
        reaches("catalogue", "data_changed", payload, &["catalogue"]);
    }
    for payload in [r#"{"kind":"item","price":3}"#, r#"{"kind":4}"#, "{}", r#"{"kind":"item","kind":"item"}"#]
    {
        let event = format!(r#"{{"domain":"catalogue","event":"data_changed","payload":{payload}}}"#);
        assert_eq!(fan_out(&event, None), Err(Code::InvalidEvent), "{payload}");
    }
}

#[test]
fn crm_events_go_where_the_publisher_says_and_tell_nobody_who_else_is_involved() {
    let event = r#"{"domain":"crm","event":"interaction_created","payload":{"interaction_uuid":"$B"}}"#;
    let contact = "crm:contact:$A:interactions";
    assert_eq!(fan_out(event, Some(&[contact, contact])).unwrap(), [contact]);
    assert_eq!(fan_out(event, None), Err(Code::InvalidEvent));
    assert_eq!(fan_out(event, Some(&[])), Err(Code::InvalidEvent));
    let telling = r#"{"domain":"crm","event":"interaction_created",
        "payload":{"interaction_uuid":"$B","contact_uuids":["$A"]}}"#;
    assert_eq!(fan_out(telling, Some(&[contact])), Err(Code::InvalidEvent));
}

#[test]
fn the_involved_contacts_are_the_subject_and_the_resolved_parties_each_once() {
    let [a, b, c] = [A, B, C].map(|text| text.parse().unwrap());
    let party = |contact| crm::Party { contact };
    let before = crm::Interaction { uuid: c, subject: Some(a), parties: None };
    let after = crm::Interaction {
        uuid: c,
        subject: None,
        parties: Some(vec![party(Some(b)), party(None), party(Some(b)), party(Some(a))]),
    };
    assert_eq!(before.contacts(), [a]);
    assert_eq!(after.contacts(), [b, a]);
    let event = crm::Event::InteractionUpdated(crm::Notice::of_change(&before, &after));
    assert_eq!(event.fan_out().len(), 2);
    let raw = RawEvent::from_event(&event).unwrap();
    assert_eq!(raw.payload.get(), format!(r#"{{"interaction_uuid":"{C}"}}"#));
}

#[test]
fn store_events_reach_their_schema_or_the_topics_that_the_publisher_names() {
    let event =
        r#"{"domain":"store","event":"upserted","payload":{"schema":"users","key":"7","record":{"a":1}}}"#;
    assert_eq!(fan_out(event, None).unwrap(), ["store:users"]);
    assert_eq!(fan_out(event, Some(&["helpdesk:queue"])).unwrap(), ["helpdesk:queue"]);
    assert_eq!(fan_out(event, Some(&["staff:people"])), Err(Code::InvalidTopic));
    let event = r#"{"domain":"store","event":"deleted","payload":{"schema":"a:b","key":"7"}}"#;
    assert_eq!(fan_out(event, None), Err(Code::InvalidEvent));
}

#[test]
fn events_of_other_domains_travel_to_the_topics_that_are_named() {
    let event = r#"{"domain":"helpdesk","event":"opened","payload":[1]}"#;
    assert_eq!(
        fan_out(event, Some(&["helpdesk:queue:a", "elsewhere"])).unwrap(),
        ["helpdesk:queue:a", "elsewhere"]
    );
    assert_eq!(fan_out(event, None), Err(Code::InvalidEvent));
    assert_eq!(fan_out(event, Some(&["staff:people"])), Err(Code::InvalidTopic));
    assert_eq!(
        fan_out(r#"{"domain":"a b","event":"x","payload":{}}"#, Some(&["a"])),
        Err(Code::InvalidEvent)
    );
    let many: Vec<String> = (0..=MAX_TOPICS_PER_PUBLICATION).map(|n| format!("t:{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(fan_out(event, Some(&many)), Err(Code::TooManyTopics));
    let most = &many[1..];
    assert_eq!(fan_out(event, Some(&[most, most].concat())).unwrap(), most, "each once, in their order");
}

#[test]
fn faults_of_an_event_have_their_codes() {
    let staff =
        |event: &str, payload: &str| format!(r#"{{"domain":"staff","event":"{event}","payload":{payload}}}"#);
    assert_eq!(fan_out(&staff("person_renamed", "{}"), None), Err(Code::UnknownEvent));
    for payload in [
        r#"{"uuid":"0198c0de00007000800000000000000a"}"#,
        r#"{"uuid":"{0198c0de-0000-7000-8000-00000000000a}"}"#,
        r#"{"uuid":"urn:uuid:0198c0de-0000-7000-8000-00000000000a"}"#,
        r#"{"uuid":"not-a-uuid"}"#,
        r#"{"uuid":7}"#,
        "{}",
        "null",
        "[]",
        r#"["$A"]"#,
        "7",
        r#"{"uuid":null}"#,
    ] {
        assert_eq!(fan_out(&staff("person_updated", payload), None), Err(Code::InvalidEvent), "{payload}");
    }
    let good = staff("person_updated", r#"{"uuid":"$A"}"#);
    assert_eq!(fan_out(&good, Some(&["staff:people"])), Err(Code::InvalidEvent));
}

#[test]
fn every_topic_round_trips_and_a_misspelt_one_names_the_right_ones() {
    let domains = Domains::shipped();
    for topic in [
        "catalogue",
        "staff:departments",
        "staff:teams",
        "staff:people",
        "staff:department:$A",
        "staff:team:$A",
        "staff:person:$A",
        "projects:all",
        "projects:tasks",
        "projects:templates",
        "projects:project:$A",
        "crm:contact:$A:interactions",
        "store:users",
        "staff:person:00000000-0000-0000-0000-000000000000",
        "staff:person:ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
        let name: TopicName = topic.replace("$A", A).parse().unwrap();
        assert_eq!(domains.check_topic(&name), Ok(()), "{name}");
        let written = match name.domain() {
            "catalogue" => catalogue::Topic::from_name(&name).unwrap().name(),
            "staff" => staff::Topic::from_name(&name).unwrap().name(),
            "projects" => projects::Topic::from_name(&name).unwrap().name(),
            "crm" => crm::Topic::from_name(&name).unwrap().name(),
            _ => store::Topic::from_name(&name).unwrap().name(),
        };
        assert_eq!(written, name);
    }
    for topic in [
        "catalogue:x",
        "staff",
        "staff:peple",
        "staff:person:7",
        "projects:project",
        "crm:contact:$A",
        "store",
    ] {
        let error = domains.check_topic(&topic.replace("$A", A).parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("its topics are"), "{error}");
    }
}

#[test]
fn a_fault_of_the_topics_quotes_the_domain_so_that_a_typo_is_seen() {
    let fault = |event: &str, named: Option<&[TopicName]>| {
        let event = serde_json::from_str(event).unwrap();
        Domains::shipped().fan_out(&event, named).unwrap_err().to_string()
    };
    let message = fault(r#"{"domain":"staf","event":"paid","payload":{}}"#, None);
    assert!(message.contains("the payload of an event of `staf` does not contain its topics"), "{message}");
    let event = r#"{"domain":"staff","event":"person_updated","payload":{"uuid":"0198c0de-0000-7000-8000-000000000001"}}"#;
    let message = fault(event, Some(&[]));
    assert!(message.contains("the topics of the events of `staff` follow from the payload"), "{message}");
}
