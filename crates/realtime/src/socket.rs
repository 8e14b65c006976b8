//! One connection of a client and its channels: a state machine over frames and a clock that is
//! passed in.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde_json::{Map, Value, json};

use crate::frames::{ClientFrame, FrameError, Ref, Vsn};
use crate::record::{Change, ChangeKind};
use crate::refusal::Refusal;
use crate::topic::{PREFIX, name};

/// How many channels a socket may have, those included that wait for the host.
pub const MAX_CHANNELS: usize = 100;
/// How many channels may wait for the host at a time. They hold more memory than others.
pub const MAX_JOINING: usize = 20;
/// How many joins a second a socket may ask for.
pub const MAX_JOINS_A_SECOND: usize = 10;
/// How many changes a join may ask for.
pub const MAX_CHANGES: usize = 10;
/// The longest topic, in characters.
pub const MAX_TOPIC: usize = 256;
/// The longest change that is asked for, as JSON in bytes. It is kept until the host answers.
pub const MAX_ENTRY: usize = 1024;
/// The longest token, in bytes. It is kept as long as its channel.
pub const MAX_TOKEN: usize = 4096;
/// A client sends a heartbeat each 25 or 30 seconds. One that is silent for so long is gone.
pub const IDLE_MS: i64 = 60_000;

/// A channel of one socket. A topic that is joined again is another channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(u64);

/// A token that a client sent. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Box<str>);

/// Which changes of a row are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventFilter {
    All,
    Only(ChangeKind),
}

/// What a client wants to be told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeRequest {
    pub event: EventFilter,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub filter: Option<String>,
    /// All of it, as the client wrote it.
    pub entry: Map<String, Value>,
}

/// The host lets a client join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// When the token ends, by the clock that is passed in. [`Socket::tick`] closes the channel
    /// then.
    pub token_ends_ms: Option<i64>,
}

/// What the host must do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send this text frame.
    Send(String),
    /// Find out whether the client may join, and answer by [`Socket::authorized`].
    Authorize {
        channel: ChannelId,
        topic: String,
        changes: Vec<ChangeRequest>,
        /// The token; without one, only the `apikey` of the handshake says who it is. It may be
        /// that same key, which the host must compare.
        access_token: Option<AccessToken>,
    },
    /// Check another token for the channel, and answer by [`Socket::token_ok`] or
    /// [`Socket::token_refused`]. One is checked at a time, and the `apikey` changes nothing.
    TokenChanged { channel: ChannelId, token: AccessToken },
    /// The channel is gone, for whatever reason. Each `Authorize` is followed by exactly one,
    /// unless the socket closes.
    Left { channel: ChannelId },
    /// Close the socket. All of its channels are gone, and it answers nothing more.
    Close { code: u16, reason: &'static str },
}

/// A connection. Its memory is bounded, whatever the client sends and however slow the host is.
pub struct Socket {
    vsn: Vsn,
    closed: bool,
    /// When the last frame came.
    seen_ms: i64,
    /// The times of the joins of the last second that were not refused for their number.
    joins: VecDeque<i64>,
    channels: BTreeMap<ChannelId, Channel>,
    last_channel: u64,
    last_binding: u64,
}

struct Channel {
    topic: Box<str>,
    join_ref: Ref,
    bindings: Vec<Binding>,
    state: State,
    /// The last token that the host was given.
    token: Option<AccessToken>,
    /// Whether the host is about to check a token.
    checking: bool,
    /// The newest token, if it came while another was checked.
    next_token: Option<AccessToken>,
    token_ends_ms: Option<i64>,
}

enum State {
    /// The host has not answered yet.
    Joining {
        reference: Ref,
        /// The payload of the reply if the host lets it join.
        reply: String,
    },
    Joined,
}

struct Binding {
    /// Never zero, and of this socket only. The client compares it strictly.
    id: u64,
    event: EventFilter,
}

/// A join that can be given to the host.
struct Join {
    changes: Vec<ChangeRequest>,
    access_token: Option<AccessToken>,
}

impl AccessToken {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the member of a payload. Nothing, and a key of the form of Supabase's, mean the
    /// `apikey`.
    fn read(payload: &Map<String, Value>) -> Result<Option<Self>, Refusal> {
        match payload.get("access_token") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(token)) if token.is_empty() || token.starts_with("sb_") => Ok(None),
            Some(Value::String(token)) if token.len() <= MAX_TOKEN => {
                Ok(Some(Self(token.as_str().into())))
            }
            Some(_) => Err(Refusal::malformed_token()),
        }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

impl EventFilter {
    /// The name of it in the protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::Only(kind) => kind.name(),
        }
    }

    /// Whether a change of this kind was asked for.
    #[must_use]
    pub fn matches(self, kind: ChangeKind) -> bool {
        self == Self::All || self == Self::Only(kind)
    }

    fn read(value: Option<&Value>) -> Option<Self> {
        let name = value?.as_str()?;
        [
            Self::All,
            Self::Only(ChangeKind::Insert),
            Self::Only(ChangeKind::Update),
            Self::Only(ChangeKind::Delete),
        ]
        .into_iter()
        .find(|event| event.name() == name)
    }
}

impl Socket {
    /// A socket after its handshake.
    #[must_use]
    pub const fn new(vsn: Vsn, now_ms: i64) -> Self {
        Self {
            vsn,
            closed: false,
            seen_ms: now_ms,
            joins: VecDeque::new(),
            channels: BTreeMap::new(),
            last_channel: 0,
            last_binding: 0,
        }
    }

    /// A text frame came.
    pub fn receive(&mut self, text: &str, now_ms: i64) -> Vec<Action> {
        if self.closed {
            return Vec::new();
        }
        self.seen_ms = now_ms;
        match self.vsn.parse(text) {
            Ok(frame) => self.handle(&frame, now_ms),
            Err(error) => self.refuse_frame(error),
        }
    }

    /// A frame came that is not worth giving to [`receive`](Self::receive): it is binary, too
    /// large, or no UTF-8.
    pub fn refuse_frame(&mut self, error: FrameError) -> Vec<Action> {
        self.close(error.code(), error.reason())
    }

    /// The host answers `Authorize`. Nothing happens if the channel is gone meanwhile.
    ///
    /// The host watches the payment before it answers, and gives its present state to
    /// [`changed`](Self::changed) afterwards: then nothing is lost in between.
    pub fn authorized(
        &mut self,
        channel: ChannelId,
        answer: Result<Grant, Refusal>,
    ) -> Vec<Action> {
        let vsn = self.vsn;
        let Some(joining) = self.channels.get_mut(&channel) else { return Vec::new() };
        let State::Joining { reference, reply } = &joining.state else { return Vec::new() };
        let send = |payload: &str| {
            let text =
                vsn.write(&joining.join_ref, reference, &joining.topic, "phx_reply", payload);
            Action::Send(text)
        };
        match answer {
            Ok(grant) => {
                let mut actions = vec![send(reply)];
                joining.state = State::Joined;
                joining.token_ends_ms = grant.token_ends_ms;
                if !joining.bindings.is_empty() {
                    let message = "Subscribed to PostgreSQL";
                    actions.push(joining.system(vsn, "postgres_changes", "ok", message));
                }
                actions.extend(joining.token_checked(channel));
                actions
            }
            Err(refusal) => {
                let actions = vec![send(&error_payload(&refusal)), Action::Left { channel }];
                self.channels.remove(&channel);
                actions
            }
        }
    }

    /// The host answers `TokenChanged`: the token opens the channel until this time.
    pub fn token_ok(&mut self, channel: ChannelId, token_ends_ms: Option<i64>) -> Vec<Action> {
        let Some(joined) = self.channels.get_mut(&channel) else { return Vec::new() };
        if !joined.checking || !joined.is_joined() {
            return Vec::new();
        }
        joined.token_ends_ms = token_ends_ms;
        joined.token_checked(channel).into_iter().collect()
    }

    /// The host answers `TokenChanged`, or found at any other time that the token opens the channel
    /// no more. The client does not join again by itself.
    pub fn token_refused(&mut self, channel: ChannelId, refusal: &Refusal) -> Vec<Action> {
        let Some(joined) = self.channels.get(&channel) else { return Vec::new() };
        if !joined.is_joined() {
            // The client still waits for the reply to its join.
            return self.authorized(channel, Err(refusal.clone()));
        }
        let mut actions = vec![joined.system(self.vsn, "system", "error", &refusal.to_string())];
        actions.extend(self.end(channel));
        actions
    }

    /// The token of a channel ended. [`tick`](Self::tick) finds that itself if it was told when.
    pub fn token_expired(&mut self, channel: ChannelId) -> Vec<Action> {
        self.token_refused(channel, &Refusal::token_expired(0))
    }

    /// A row changed that the channel watches. Whether it does is for the host to know.
    #[must_use]
    pub fn changed(&self, channel: ChannelId, change: &Change) -> Vec<Action> {
        let Some(joined) = self.channels.get(&channel).filter(|channel| channel.is_joined()) else {
            return Vec::new();
        };
        let ids: Vec<String> = joined
            .bindings
            .iter()
            .filter(|binding| binding.event.matches(change.kind()))
            .map(|binding| binding.id.to_string())
            .collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let payload = format!(r#"{{"ids":[{}],"data":{}}}"#, ids.join(","), change.data());
        vec![joined.push(self.vsn, "postgres_changes", &payload)]
    }

    /// The server stops. Clients connect again by themselves, which they would not after the end of
    /// single channels.
    pub fn drain(&mut self) -> Vec<Action> {
        self.close(1012, "service restart")
    }

    /// Ends channels whose tokens ended, and a socket that is silent for a minute. It is called at
    /// the [`deadline`](Self::deadline), or every second.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Action> {
        // With 1000 a client that only slept would not connect again.
        if now_ms.saturating_sub(self.seen_ms) >= IDLE_MS {
            return self.close(1001, "idle");
        }
        let ended: Vec<(ChannelId, i64)> = self
            .channels
            .iter()
            .filter_map(|(id, channel)| Some((*id, channel.token_ends_ms?)))
            .filter(|(_, ends_ms)| *ends_ms <= now_ms)
            .collect();
        let mut actions = Vec::new();
        for (channel, ends_ms) in ended {
            let seconds_ago = now_ms.saturating_sub(ends_ms) / 1000;
            actions.extend(self.token_refused(channel, &Refusal::token_expired(seconds_ago)));
        }
        actions
    }

    /// When [`tick`](Self::tick) has something to do at the earliest. Nothing, if it is closed.
    #[must_use]
    pub fn deadline(&self) -> Option<i64> {
        if self.closed {
            return None;
        }
        let idle = self.seen_ms.saturating_add(IDLE_MS);
        self.channels.values().filter_map(|channel| channel.token_ends_ms).chain([idle]).min()
    }

    /// How many channels it has, those included that wait for the host.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    fn handle(&mut self, frame: &ClientFrame, now_ms: i64) -> Vec<Action> {
        let ClientFrame { join_ref, topic, event, .. } = frame;
        if topic == "phoenix" && event == "heartbeat" {
            return vec![self.reply(&Ref::null(), frame, OK)];
        }
        if event == "phx_join" {
            return self.join(frame, now_ms);
        }
        let Some(id) = self.find(topic) else {
            return vec![match &**event {
                // What is wanted is so already.
                "phx_leave" => self.reply(join_ref, frame, OK),
                _ => self.unmatched(frame),
            }];
        };
        match &**event {
            "phx_leave" => self.leave(id, frame),
            "access_token" => self.change_token(id, frame),
            // Other code of the client may send them and wait for the reply. Nobody gets them.
            "presence" | "broadcast" => match self.channels.get(&id) {
                Some(channel) => vec![self.reply(&channel.join_ref, frame, OK)],
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn join(&mut self, frame: &ClientFrame, now_ms: i64) -> Vec<Action> {
        if !frame.topic.starts_with(PREFIX) {
            return vec![self.unmatched(frame)];
        }
        // The client has given up the channel that it had, even if it gets no other now.
        let mut actions = match self.find(&frame.topic) {
            Some(id) => self.end(id),
            None => Vec::new(),
        };
        let join_ref = if frame.join_ref.is_null() { &frame.reference } else { &frame.join_ref };
        match self.accept(frame, now_ms) {
            Ok(Join { changes, access_token }) => {
                actions.push(self.authorize(join_ref, frame, changes, access_token));
            }
            Err(refusal) => {
                actions.push(self.reply(join_ref, frame, &error_payload(&refusal)));
            }
        }
        actions
    }

    /// Checks all of a join that needs no host.
    fn accept(&mut self, frame: &ClientFrame, now_ms: i64) -> Result<Join, Refusal> {
        // A time that is yet to come is of a clock that was set back.
        self.joins.retain(|at| (0..1000).contains(&now_ms.saturating_sub(*at)));
        if self.joins.len() >= MAX_JOINS_A_SECOND {
            return Err(Refusal::new("ClientJoinRateLimitReached", "Too many joins per second"));
        }
        self.joins.push_back(now_ms);
        if self.channels.len() >= MAX_CHANNELS {
            return Err(Refusal::new("ChannelRateLimitReached", "Too many channels"));
        }
        let joining = self.channels.values().filter(|channel| !channel.is_joined()).count();
        if joining >= MAX_JOINING {
            return Err(Refusal::new("ClientJoinRateLimitReached", "Too many joins at a time"));
        }
        if name(&frame.topic).is_empty() {
            return Err(Refusal::new("TopicNameRequired", "You must provide a topic name"));
        }
        if frame.topic.chars().count() > MAX_TOPIC {
            let text = format!("The topic has more than {MAX_TOPIC} characters");
            return Err(Refusal::new("InvalidTopic", text));
        }
        let changes = change_requests(&frame.payload)?;
        Ok(Join { changes, access_token: AccessToken::read(&frame.payload)? })
    }

    /// Makes the channel, which waits for the host.
    fn authorize(
        &mut self,
        join_ref: &Ref,
        frame: &ClientFrame,
        changes: Vec<ChangeRequest>,
        access_token: Option<AccessToken>,
    ) -> Action {
        let mut bindings = Vec::with_capacity(changes.len());
        let mut entries = Vec::with_capacity(changes.len());
        for change in &changes {
            self.last_binding += 1;
            bindings.push(Binding { id: self.last_binding, event: change.event });
            // The client compares each entry with what it asked for, member by member.
            let mut entry = change.entry.clone();
            entry.shift_insert(0, "id".to_owned(), self.last_binding.into());
            entries.push(Value::Object(entry).to_string());
        }
        let entries = entries.join(",");
        let reply = format!(r#"{{"status":"ok","response":{{"postgres_changes":[{entries}]}}}}"#);
        self.last_channel += 1;
        let channel = ChannelId(self.last_channel);
        self.channels.insert(
            channel,
            Channel {
                topic: frame.topic.as_str().into(),
                join_ref: join_ref.clone(),
                bindings,
                state: State::Joining { reference: frame.reference.clone(), reply },
                token: access_token.clone(),
                checking: true,
                next_token: None,
                token_ends_ms: None,
            },
        );
        Action::Authorize { channel, topic: frame.topic.clone(), changes, access_token }
    }

    fn leave(&mut self, id: ChannelId, frame: &ClientFrame) -> Vec<Action> {
        let Some(channel) = self.channels.get(&id) else { return Vec::new() };
        if !frame.join_ref.is_null() && frame.join_ref != channel.join_ref {
            // It is about a former channel of the topic, which is gone.
            return vec![self.reply(&frame.join_ref, frame, OK)];
        }
        let close = channel.close(self.vsn);
        let reply = self.reply(&channel.join_ref, frame, OK);
        self.channels.remove(&id);
        vec![reply, close, Action::Left { channel: id }]
    }

    /// No reply is expected, whatever comes of it.
    fn change_token(&mut self, id: ChannelId, frame: &ClientFrame) -> Vec<Action> {
        let token = match AccessToken::read(&frame.payload) {
            Ok(Some(token)) => token,
            Ok(None) => return Vec::new(),
            Err(refusal) => return self.token_refused(id, &refusal),
        };
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        if channel.next_token.as_ref().or(channel.token.as_ref()) == Some(&token) {
            return Vec::new();
        }
        channel.next_token = Some(token);
        // The host checks one at a time, so that a flood of them costs little.
        if channel.checking {
            return Vec::new();
        }
        channel.token_checked(id).into_iter().collect()
    }

    /// Ends a channel of which the client does not know it.
    fn end(&mut self, id: ChannelId) -> Vec<Action> {
        let Some(channel) = self.channels.remove(&id) else { return Vec::new() };
        let left = Action::Left { channel: id };
        // The Python client does not look at the reference: it would take the end of a join that
        // was never answered for the end of the next one.
        if channel.is_joined() { vec![channel.close(self.vsn), left] } else { vec![left] }
    }

    fn close(&mut self, code: u16, reason: &'static str) -> Vec<Action> {
        if self.closed {
            return Vec::new();
        }
        self.closed = true;
        self.channels.clear();
        vec![Action::Close { code, reason }]
    }

    fn find(&self, topic: &str) -> Option<ChannelId> {
        self.channels.iter().find(|(_, channel)| &*channel.topic == topic).map(|(id, _)| *id)
    }

    fn reply(&self, join_ref: &Ref, frame: &ClientFrame, payload: &str) -> Action {
        Action::Send(self.vsn.write(join_ref, &frame.reference, &frame.topic, "phx_reply", payload))
    }

    fn unmatched(&self, frame: &ClientFrame) -> Action {
        let payload = r#"{"status":"error","response":{"reason":"unmatched topic"}}"#;
        self.reply(&Ref::null(), frame, payload)
    }
}

impl Channel {
    const fn is_joined(&self) -> bool {
        matches!(self.state, State::Joined)
    }

    /// The host has checked a token, or has none to check: it may check the next one.
    fn token_checked(&mut self, channel: ChannelId) -> Option<Action> {
        let next = self.next_token.take();
        self.checking = next.is_some();
        let token = next?;
        self.token = Some(token.clone());
        Some(Action::TokenChanged { channel, token })
    }

    /// What answers nothing has no references: a client drops what belongs to another join.
    fn push(&self, vsn: Vsn, event: &str, payload: &str) -> Action {
        Action::Send(vsn.write(&Ref::null(), &Ref::null(), &self.topic, event, payload))
    }

    fn system(&self, vsn: Vsn, extension: &str, status: &str, message: &str) -> Action {
        let channel = name(&self.topic);
        let payload = json!({
            "extension": extension, "status": status, "message": message, "channel": channel,
        })
        .to_string();
        self.push(vsn, "system", &payload)
    }

    /// The end of the channel. A client looks for the reference of its join in both places.
    fn close(&self, vsn: Vsn) -> Action {
        Action::Send(vsn.write(&self.join_ref, &self.join_ref, &self.topic, "phx_close", "{}"))
    }
}

/// The payload of a reply that has nothing to say.
const OK: &str = r#"{"status":"ok","response":{}}"#;

fn error_payload(refusal: &Refusal) -> String {
    json!({"status": "error", "response": {"reason": refusal.to_string()}}).to_string()
}

/// Reads `config.postgres_changes`. What is not known there is left alone.
fn change_requests(payload: &Map<String, Value>) -> Result<Vec<ChangeRequest>, Refusal> {
    let invalid = |text: &'static str| Refusal::new("InvalidJoinPayload", text);
    let config = match payload.get("config") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(config)) => config,
        Some(_) => return Err(invalid("config is not an object")),
    };
    let entries = match config.get("postgres_changes") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(invalid("postgres_changes is not a list")),
    };
    if entries.len() > MAX_CHANGES {
        return Err(invalid("postgres_changes has more than 10 entries"));
    }
    entries
        .iter()
        .map(|entry| {
            if entry.to_string().len() > MAX_ENTRY {
                return Err(invalid("an entry of postgres_changes is too long"));
            }
            let entry = entry
                .as_object()
                .ok_or_else(|| invalid("an entry of postgres_changes is not an object"))?;
            let event = EventFilter::read(entry.get("event"))
                .ok_or_else(|| invalid("event is none of *, INSERT, UPDATE, DELETE"))?;
            let text = |name| match entry.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(_) => Err(invalid("schema, table or filter is not a string")),
            };
            let [schema, table, filter] = [text("schema")?, text("table")?, text("filter")?];
            Ok(ChangeRequest { event, schema, table, filter, entry: entry.clone() })
        })
        .collect()
}

#[cfg(test)]
mod tests;
