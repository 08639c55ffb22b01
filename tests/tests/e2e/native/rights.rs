//! A client has a session by cookie, and loses rights.

use tidings_client::{Client, Delivery, Settings};
use tidings_server::{AccessError, Authorize, Credentials, HubSettings, Identity, OriginRule, hub::Revoke};
use tidings_shared::{Topic as _, TopicName, domains::staff};
use uuid::Uuid;

use super::run;
use crate::embedded::Embedded;

const ORIGIN: &str = "https://app.example.com";

/// Knows people by the cookie of their session. Teams are secret.
#[derive(Debug)]
struct Sessions;

impl Authorize for Sessions {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Identity, AccessError> {
        let user = credentials.cookie("session").ok_or_else(|| AccessError::unauthorized("sign in"))?;
        Ok(Identity::new(user, "acme".parse().unwrap()))
    }

    async fn may_subscribe(&self, _: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        Ok(topics.iter().map(|topic| *topic != staff::Topic::Teams.name()).collect())
    }

    async fn may_publish(&self, _: &Identity, topics: &[TopicName]) -> Result<Vec<bool>, AccessError> {
        Ok(vec![false; topics.len()])
    }
}

#[test]
fn a_session_by_cookie_loses_topics_one_by_one_and_then_the_client_is_closed() {
    let embedded = Embedded::start_hub(HubSettings::new("acme".parse().unwrap()), Sessions, |settings| {
        settings.origins = OriginRule::Exact(vec![ORIGIN.to_owned()]);
    });
    let hub = &embedded.hub;
    run(async {
        let settings = || Settings::new(format!("http://{}", embedded.address).parse().unwrap());
        let with_session =
            settings().header("cookie", "session=anna").unwrap().header("origin", ORIGIN).unwrap();
        let client = Client::new(with_session);
        let topics = [staff::Topic::People, staff::Topic::Departments, staff::Topic::Teams];
        let mut all = client.subscribe::<staff::Event>(&topics).unwrap();
        let error = all.ready().await.unwrap_err();
        assert!(error.code() == "forbidden" && error.message().contains("staff:teams"), "{error}");
        assert_eq!(all.next().await.unwrap().unwrap_err(), error);
        let event = staff::Event::PersonCreated(staff::Person { uuid: Uuid::now_v7() });
        assert_eq!(client.publish(&event).await.unwrap_err().code(), "forbidden");

        hub.revoke_topics("anna", &[staff::Topic::Departments.name()]).now_or_never().unwrap().unwrap();
        let error = all.next().await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.is_final()), ("forbidden", true));
        assert!(error.message().contains("staff:departments"), "{error}");
        hub.announce(&event);
        assert!(matches!(all.next().await, Some(Ok(Delivery::Event { .. }))), "the rest goes on");

        hub.revoke(&Revoke::Subject("anna".to_owned())).now_or_never().unwrap().unwrap();
        let last = loop {
            let error = all.next().await.expect("an error comes before the end").unwrap_err();
            if error.is_final() {
                break error;
            }
        };
        assert_eq!(last.code(), "forbidden");
        assert!(all.next().await.is_none());
        assert_eq!(client.subscribe_raw(&["staff:people"]).unwrap_err(), last);

        // Without the page's origin, a cookie counts for nothing.
        let client = Client::new(settings().header("cookie", "session=anna").unwrap());
        let mut people = client.subscribe::<staff::Event>(&[staff::Topic::People]).unwrap();
        assert_eq!(people.ready().await.unwrap_err().code(), "unauthorized");
    });
    embedded.stop();
}
