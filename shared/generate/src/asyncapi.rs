//! An AsyncAPI 3 document: the events that may appear on each topic.

use serde_json::{Map, Value, json};
use tidings_shared::schema::{DomainSchema, EventSchema, TopicSchema};

use crate::json_schema::{definition_name, definitions};

/// Writes topics as channels and events as messages. The document names no server: each user has their own.
pub fn asyncapi(domains: &[DomainSchema], version: &str) -> String {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for domain in domains {
        for event in domain.events {
            let name = definition_name(domain, event);
            let schema = format!("#/components/schemas/{name}");
            let message = json!({
                "name": name, "summary": event.docs, "contentType": "application/json", "payload": { "$ref": schema },
            });
            messages.insert(name, message);
        }
        for topic in domain.topics {
            let id = channel_id(domain, topic);
            operations.insert(
                format!("subscribe.{id}"),
                json!({
                    "action": "send",
                    "summary": topic.docs,
                    "channel": { "$ref": format!("#/channels/{id}") },
                }),
            );
            channels.insert(id, channel(domain, topic));
        }
    }
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidings",
            "version": version,
            "description": "Generated from the Rust definitions. Frames and HTTP are described in PROTOCOL.md.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": definitions(domains) },
    });
    crate::pretty(&document)
}

fn channel_id(domain: &DomainSchema, topic: &TopicSchema) -> String {
    format!("{}.{}", domain.name, topic.builder)
}

fn channel(domain: &DomainSchema, topic: &TopicSchema) -> Value {
    let on_topic = domain.events.iter().filter(|event| event.payload.may_reach(topic));
    let message = |event: &EventSchema| {
        let name = definition_name(domain, event);
        (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") }))
    };
    let messages: Map<String, Value> = on_topic.map(message).collect();
    let parameters: Map<String, Value> = topic.fields().map(|field| (field.to_owned(), json!({}))).collect();
    let mut channel = json!({ "address": topic.pattern, "description": topic.docs, "messages": messages });
    if !parameters.is_empty() {
        channel["parameters"] = Value::Object(parameters);
    }
    channel
}
