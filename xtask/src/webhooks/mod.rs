//! Merchants that are told by webhooks: their endpoints, and whether they were told everything.

pub mod receiver;

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::trade::{Shop, in_days};
use receiver::{Receiver, Told};

/// What the second endpoint of a merchant wants.
const ENDS: [&str; 2] = ["execution.completed", "execution.failed"];
/// How many events are read at once.
const PAGE: usize = 100;
/// How much of what is missing or wrong is shown.
const SHOWN: usize = 5;

/// The settings of a server that tells these endpoints: how many seconds it waits for an answer, and
/// the file of the key that secrets are encrypted with.
pub const fn settings<'a>(seconds: &'a str, key: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("KOLA_WEBHOOKS_PRIVATE_ADDRESSES", "true"),
        ("KOLA_WEBHOOK_SECONDS", seconds),
        ("KOLA_SECRETS_KEY_FILE", key),
    ]
}

/// An event as the API lists it.
#[derive(Clone, Debug)]
struct Event {
    id: u64,
    kind: String,
    subject: (String, u64),
    position: u64,
    sequence: u64,
}

impl Event {
    fn read(row: &Value) -> Option<Self> {
        let number = |name: &str| row.get(name)?.as_u64();
        let text = |name: &str| row.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            id: number("id")?,
            kind: text("type")?,
            subject: (text("subject_type")?, number("subject_id")?),
            position: number("position")?,
            sequence: number("sequence")?,
        })
    }
}

struct Endpoint {
    id: u64,
    /// The path of its URL, by which the receiver knows it.
    path: String,
    /// None for everything.
    types: Option<&'static [&'static str]>,
    /// It is told what happened after this position.
    since: u64,
}

impl Endpoint {
    fn wants(&self, event: &Event) -> bool {
        event.position > self.since
            && self.types.is_none_or(|types| types.contains(&event.kind.as_str()))
    }
}

/// A merchant with endpoints: one for everything, and one for the ends of executions.
pub struct Listener {
    endpoints: Vec<Endpoint>,
    /// All events of the merchant, in the order of their positions.
    events: Vec<Event>,
}

/// How much was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// The events since the endpoints were created.
    pub events: u64,
    /// An event at an endpoint that wants it.
    pub deliveries: u64,
    /// The requests that arrived.
    pub requests: u64,
}

impl Figures {
    pub const fn repeats(self) -> u64 {
        self.requests.saturating_sub(self.deliveries)
    }

    pub const fn plus(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            deliveries: self.deliveries + other.deliveries,
            requests: self.requests + other.requests,
        }
    }
}

impl Listener {
    /// Creates the endpoints of a merchant. Nobody else may act for the merchant meanwhile.
    pub async fn create(
        client: &mut Client,
        shop: &Shop,
        receiver: &Receiver,
        name: &str,
    ) -> anyhow::Result<Self> {
        let mut listener = Self { endpoints: Vec::new(), events: Vec::new() };
        listener.read_events(client, shop).await?;
        let since = listener.position();
        for (number, types) in [None, Some(&ENDS[..])].into_iter().enumerate() {
            let path = format!("/{name}/{number}");
            let url = format!("http://{}{path}", receiver.address);
            let body = json!({ "url": url, "event_types": types }).to_string();
            let made = client.post(&shop.token, "/v1/webhook-endpoints/create", &body).await?;
            listener.endpoints.push(Endpoint { id: made.id()?, path, types, since });
        }
        Ok(listener)
    }

    fn position(&self) -> u64 {
        self.events.last().map_or(0, |event| event.position)
    }

    /// Reads the events that are new.
    pub async fn read_events(&mut self, client: &mut Client, shop: &Shop) -> anyhow::Result<()> {
        loop {
            let after = self.position();
            let path = format!("/v1/events/list?limit={PAGE}&after_position={after}");
            let answer = client.get(&shop.token, &path).await?;
            let rows: Vec<Value> = serde_json::from_slice(answer.0)?;
            for row in &rows {
                self.events.push(Event::read(row).with_context(|| format!("an event: {row}"))?);
            }
            if rows.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Asks for another attempt of everything that has failed.
    pub async fn recover(&self, client: &mut Client, shop: &Shop) -> anyhow::Result<()> {
        let body = json!({ "since": in_days(-1)? }).to_string();
        for endpoint in &self.endpoints {
            let path = format!("/v1/webhook-endpoints/recover/{}", endpoint.id);
            client.post(&shop.token, &path, &body).await?;
        }
        Ok(())
    }

    /// What an endpoint wants and was not told yet.
    pub fn missing(&self, receiver: &Receiver) -> Vec<String> {
        let mut missing = vec![];
        for endpoint in &self.endpoints {
            let told = receiver.told_at(&endpoint.path);
            let wanted = self.events.iter().filter(|event| endpoint.wants(event));
            let not_told =
                wanted.filter(|event| told.get(&event.id).is_none_or(|told| told.taken == 0));
            missing.extend(not_told.map(|event| format!("{} of {event:?}", endpoint.path)));
        }
        missing
    }

    /// Fails unless each endpoint was told of every event that it wants, and of no other, in the
    /// same words whenever and wherever, and unless positions and sequences are without gaps. All
    /// events must have been read, and nothing be under way.
    pub fn check(&self, receiver: &Receiver) -> anyhow::Result<Figures> {
        let missing = self.missing(receiver);
        ensure!(missing.is_empty(), "{} not told: {}", missing.len(), shown(&missing));
        let told = self.endpoints.iter().map(|endpoint| receiver.told_at(&endpoint.path));
        let told: Vec<_> = told.collect();
        let mut wrong = gaps(&self.events);
        for (endpoint, told) in self.endpoints.iter().zip(&told) {
            wrong.extend(contradictions(endpoint, &self.events, told));
        }
        if let [all, some] = &told[..] {
            let other = |(id, told): &(&u64, &Told)| {
                all.get(id).is_none_or(|other| other.body != told.body)
            };
            let others = some.iter().filter(other);
            wrong.extend(others.map(|(id, _)| format!("{id} has two bodies at two endpoints")));
        }
        ensure!(wrong.is_empty(), "{} wrong: {}", wrong.len(), shown(&wrong));
        let since = self.endpoints.first().map_or(0, |endpoint| endpoint.since);
        let events = self.events.iter().filter(|event| event.position > since).count();
        Ok(Figures {
            events: u64::try_from(events)?,
            deliveries: u64::try_from(told.iter().map(HashMap::len).sum::<usize>())?,
            requests: told.iter().flat_map(HashMap::values).map(|told| told.requests).sum(),
        })
    }
}

fn shown(what: &[String]) -> String {
    what.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// Positions and sequences that do not count from 1.
fn gaps(events: &[Event]) -> Vec<String> {
    let mut wrong = vec![];
    let mut last_of: BTreeMap<&(String, u64), u64> = BTreeMap::new();
    for (event, position) in events.iter().zip(1..) {
        let last = last_of.entry(&event.subject).or_default();
        *last += 1;
        if (event.position, event.sequence) != (position, *last) {
            wrong.push(format!("{event:?} is number {position}, and {last} of its object"));
        }
    }
    wrong
}

/// What an endpoint was told although there is no such event for it, or with another sequence.
fn contradictions(endpoint: &Endpoint, events: &[Event], told: &HashMap<u64, Told>) -> Vec<String> {
    let wanted: HashMap<u64, u64> = events
        .iter()
        .filter(|event| endpoint.wants(event))
        .map(|event| (event.id, event.sequence))
        .collect();
    let wrong = told.iter().filter(|(id, told)| wanted.get(id) != Some(&told.sequence));
    wrong.map(|(id, told)| format!("{} of {id}: {told:?}", endpoint.path)).collect()
}

/// How much is left to be told: messages without their deliveries, and deliveries that are tried
/// again.
pub fn left_to_tell(database: &Database) -> anyhow::Result<i64> {
    database.number(
        "SELECT (SELECT count(*) FROM webhook_messages WHERE fanned_out_at IS NULL) \
         + (SELECT count(*) FROM webhook_deliveries WHERE next_attempt_at IS NOT NULL)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64, subject: u64, sequence: u64) -> Event {
        Event {
            id: 100 + position,
            kind: if position == 3 { ENDS[0] } else { "session.created" }.to_owned(),
            subject: ("EXECUTION".to_owned(), subject),
            position,
            sequence,
        }
    }

    #[test]
    fn a_gap_and_a_repeat_are_found() {
        let whole = [event(1, 7, 1), event(2, 8, 1), event(3, 7, 2)];
        assert_eq!(gaps(&whole).len(), 0);
        assert_eq!(gaps(&[event(1, 7, 1), event(3, 7, 2)]).len(), 1);
        assert_eq!(gaps(&[event(1, 7, 1), event(2, 7, 1)]).len(), 1);
        assert_eq!(gaps(&[event(1, 7, 2)]).len(), 1);
    }

    #[test]
    fn only_what_is_wanted_may_be_told() {
        let events = [event(1, 7, 1), event(2, 8, 1), event(3, 7, 2)];
        let endpoint = Endpoint { id: 1, path: "/a".to_owned(), types: Some(&ENDS), since: 1 };
        let told = |id: u64, sequence: u64| {
            HashMap::from([(id, Told { requests: 1, taken: 1, body: 5, sequence })])
        };
        assert!(contradictions(&endpoint, &events, &told(103, 2)).is_empty());
        assert_eq!(contradictions(&endpoint, &events, &told(103, 1)).len(), 1);
        assert_eq!(contradictions(&endpoint, &events, &told(102, 1)).len(), 1, "not of its types");
        assert_eq!(contradictions(&endpoint, &events, &told(109, 1)).len(), 1, "no event");
        let all = Endpoint { types: None, ..endpoint };
        assert_eq!(contradictions(&all, &events, &told(101, 1)).len(), 1, "before it was there");
        assert!(contradictions(&all, &events, &told(102, 1)).is_empty());
    }
}
