//! The one kind of channel that is served: `realtime:payment-intent:{session}:{reference}`.

use crate::record::{SCHEMA, TABLE};
use crate::refusal::Refusal;
use crate::socket::ChangeRequest;

/// What every topic of a channel begins with. Clients write it before the name of the channel.
pub const PREFIX: &str = "realtime:";

/// The payment that a channel is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PaymentIntent {
    pub session_id: i64,
    /// The reference in the form that UUIDs usually have: lower case, with hyphens.
    pub reference_id: String,
}

impl PaymentIntent {
    /// Reads what a client wants to join and watch. It may watch the payment of the topic, in the
    /// table of public statuses, and nothing else. Whether its token opens that payment is for the
    /// host to know.
    pub fn read(topic: &str, changes: &[ChangeRequest]) -> Result<Self, Refusal> {
        let payment = Self::of_topic(topic)?;
        for change in changes {
            if change.schema.as_deref() != Some(SCHEMA) || change.table.as_deref() != Some(TABLE) {
                return Err(unsupported(change));
            }
            let filter = change.filter.as_deref().and_then(|f| f.strip_prefix("reference_id=eq."));
            let Some(reference_id) = filter.and_then(uuid) else {
                return Err(unsupported(change));
            };
            if reference_id != payment.reference_id {
                return Err(Refusal::unauthorized(name(topic)));
            }
        }
        Ok(payment)
    }

    /// Reads a topic alone. One of another form is refused as a payment that nobody may see.
    pub fn of_topic(topic: &str) -> Result<Self, Refusal> {
        let read = || {
            let rest = topic.strip_prefix(PREFIX)?.strip_prefix("payment-intent:")?;
            let (session_id, reference_id) = rest.split_once(':')?;
            Some(Self { session_id: id(session_id)?, reference_id: uuid(reference_id)? })
        };
        read().ok_or_else(|| Refusal::unauthorized(name(topic)))
    }
}

/// The name of a channel: its topic without the prefix.
#[must_use]
pub fn name(topic: &str) -> &str {
    topic.strip_prefix(PREFIX).unwrap_or(topic)
}

/// A positive number in the one form in which it is usually written.
fn id(text: &str) -> Option<i64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if canonical { text.parse().ok() } else { None }
}

fn uuid(text: &str) -> Option<String> {
    let right = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    right.then(|| text.to_ascii_lowercase())
}

/// As Supabase refuses a table that is not published.
fn unsupported(change: &ChangeRequest) -> Refusal {
    let ChangeRequest { event, schema, table, filter, .. } = change;
    let [schema, table, filter] = [schema, table, filter].map(|t| t.as_deref().unwrap_or_default());
    let text = format!(
        "Unable to subscribe to changes with given parameters. Please check Realtime is enabled \
         for the given connect parameters: [event: {}, schema: {schema}, table: {table}, \
         filters: [{filter}]]",
        event.name()
    );
    Refusal::new("RealtimeDisabledForConfiguration", text)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::socket::EventFilter;

    const UUID: &str = "3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f";
    const OTHER: &str = "3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e60";

    fn request(schema: Option<&str>, table: Option<&str>, filter: Option<&str>) -> ChangeRequest {
        let [schema, table, filter] = [schema, table, filter].map(|t| t.map(str::to_owned));
        ChangeRequest { event: EventFilter::All, schema, table, filter, entry: Map::new() }
    }

    #[test]
    fn a_topic_names_a_session_and_a_reference() {
        let payment = PaymentIntent { session_id: 55, reference_id: UUID.to_owned() };
        for topic in [UUID.to_owned(), UUID.to_uppercase()] {
            let topic = format!("realtime:payment-intent:55:{topic}");
            assert_eq!(PaymentIntent::of_topic(&topic), Ok(payment.clone()));
        }
    }

    #[test]
    fn other_topics_are_not_open() {
        for name in [
            "",
            "payment-intent",
            "payment-intent:",
            "payment-intent:55",
            "payment-intent:55:",
            "payment-intent::3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "payment-intent:0:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "payment-intent:055:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "payment-intent:+5:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "payment-intent:-5:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "payment-intent:9223372036854775808:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "payment-intent:55:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f:",
            "payment-intent:55:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6",
            "payment-intent:55:3f1c2e9a7b544c1d9e0f1a2b3c4d5e6f",
            "payment-intent:55:{3f1c2e9-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "payment-intent:55:é1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "Payment-Intent:55:3f1c2e9a-7b54-4c1d-9e0f-1a2b3c4d5e6f",
            "room",
        ] {
            let refusal = PaymentIntent::of_topic(&format!("{PREFIX}{name}")).unwrap_err();
            let expected = format!(
                "Unauthorized: You do not have permissions to read from this Channel topic: {name}"
            );
            assert_eq!(refusal.to_string(), expected);
        }
    }

    #[test]
    fn only_the_payment_of_the_topic_is_watched() {
        let topic = format!("realtime:payment-intent:55:{UUID}");
        let own = format!("reference_id=eq.{UUID}");
        let own_in_capitals = format!("reference_id=eq.{}", UUID.to_uppercase());
        let others = format!("reference_id=eq.{OTHER}");
        let own_and_more = format!("{own},id=gt.0");
        let negated = format!("reference_id=not.eq.{UUID}");
        let list = format!("reference_id=in.({UUID})");
        let (public, table) = (Some("public"), Some(TABLE));
        for (schema, of, filter, code) in [
            (public, table, Some(own.as_str()), None),
            (public, table, Some(own_in_capitals.as_str()), None),
            (public, table, Some(others.as_str()), Some("Unauthorized")),
            (public, table, None, Some("RealtimeDisabledForConfiguration")),
            (public, table, Some(""), Some("RealtimeDisabledForConfiguration")),
            (public, table, Some("id=eq.1"), Some("RealtimeDisabledForConfiguration")),
            (public, table, Some(own_and_more.as_str()), Some("RealtimeDisabledForConfiguration")),
            (public, table, Some(negated.as_str()), Some("RealtimeDisabledForConfiguration")),
            (public, table, Some(list.as_str()), Some("RealtimeDisabledForConfiguration")),
            (public, None, Some(own.as_str()), Some("RealtimeDisabledForConfiguration")),
            (public, Some("*"), Some(own.as_str()), Some("RealtimeDisabledForConfiguration")),
            (Some("*"), table, Some(own.as_str()), Some("RealtimeDisabledForConfiguration")),
            (None, table, Some(own.as_str()), Some("RealtimeDisabledForConfiguration")),
        ] {
            // The first that is asked for is right each time.
            let changes = [request(public, table, Some(&own)), request(schema, of, filter)];
            let read = PaymentIntent::read(&topic, &changes);
            assert_eq!(
                read.err().map(|refusal| refusal.code),
                code,
                "{schema:?} {of:?} {filter:?}"
            );
        }
        assert!(PaymentIntent::read(&topic, &[]).is_ok());
    }

    #[test]
    fn the_refusal_says_what_was_asked_for() {
        let topic = format!("realtime:payment-intent:55:{UUID}");
        let refusal = PaymentIntent::read(&topic, &[request(Some("public"), Some("users"), None)]);
        assert_eq!(
            refusal.unwrap_err().to_string(),
            "RealtimeDisabledForConfiguration: Unable to subscribe to changes with given \
             parameters. Please check Realtime is enabled for the given connect parameters: \
             [event: *, schema: public, table: users, filters: []]"
        );
    }
}
