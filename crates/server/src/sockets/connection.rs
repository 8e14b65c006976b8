//! A connection: frames in, frames out, and what the protocol's state machine asks for in between.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use domain::kernel::ids::{SessionId, SigningKeyId};
use domain::kernel::time::{ServerTime, seconds};
use realtime::frames::{FrameError, Vsn};
use realtime::record::Change;
use realtime::refusal::Refusal;
use realtime::socket::{AccessToken, Action, ChangeRequest, ChannelId, Grant, Socket};
use realtime::topic::{self, PaymentIntent};
use store::StoreError;
use store::clock;
use store::reads::watched::WatchedPayment;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tungstenite::error::{Error as SocketError, ProtocolError};

use crate::app::App;
use crate::credentials::realtime::{PaymentToken, channel_of, read_payment_token};
use crate::sockets::watches::{Mailbox, Subscriber, TooMany, Watch, Watched};
use crate::sockets::{Place, public_status};

/// How long a frame may take to be written. A client that takes nothing for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How long the other side has to answer a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// A refused client tries again at once. It gets the answer so much later.
const REFUSE_AFTER: Duration = Duration::from_secs(1);
/// How long a socket may be open without a channel.
const ALONE_MAX: Duration = Duration::from_secs(60);
/// The same while more than half of the places are taken.
const ALONE_MAX_CROWDED: Duration = Duration::from_secs(10);

const TRY_AGAIN: u16 = 1013;
const POLICY: u16 = 1008;

/// A channel that was let in.
struct Joined {
    /// What opened it.
    token: PaymentToken,
    _watch: Watch,
}

pub(super) struct Connection {
    app: App,
    websocket: WebSocket,
    socket: Socket,
    apikey: String,
    /// The key that signed the `apikey`.
    signing_key: SigningKeyId,
    mailbox: Mailbox,
    changes: mpsc::Receiver<(ChannelId, Arc<Change>)>,
    joined: HashMap<ChannelId, Joined>,
    /// Refusals that are answered later, the next one first.
    refused: VecDeque<(Instant, ChannelId, Refusal)>,
    /// Since when it has no channel that was let in: asking for others again and again keeps no place.
    alone_since: Instant,
    _place: Place,
}

/// The connection is over.
struct Over;

/// What woke a connection.
enum Event {
    Received(Option<Result<Message, axum::Error>>),
    Changed(ChannelId, Arc<Change>),
    Time,
    KeysReplaced,
    Stopping,
}

impl Connection {
    pub(super) fn new(
        app: App,
        websocket: WebSocket,
        vsn: Vsn,
        apikey: String,
        signing_key: SigningKeyId,
        place: Place,
    ) -> Self {
        let (mailbox, changes) = Mailbox::new();
        Self {
            app,
            websocket,
            socket: Socket::new(vsn, now_ms()),
            apikey,
            signing_key,
            mailbox,
            changes,
            joined: HashMap::new(),
            refused: VecDeque::new(),
            alone_since: Instant::now(),
            _place: place,
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) {
        let mut stopping = self.app.stopping.subscribe();
        let mut replaced = self.app.tokens.replacements();
        loop {
            let event = if *stopping.borrow_and_update() {
                Event::Stopping
            } else {
                self.next_event(&mut stopping, &mut replaced).await
            };
            if self.handle(event).await.is_err() {
                return;
            }
        }
    }

    async fn next_event(
        &mut self,
        stopping: &mut watch::Receiver<bool>,
        replaced: &mut watch::Receiver<()>,
    ) -> Event {
        let wait = self.time_to_wait();
        tokio::select! {
            received = self.websocket.recv() => Event::Received(received),
            // It never ends: this connection holds a sender.
            Some((channel, change)) = self.changes.recv() => Event::Changed(channel, change),
            () = sleep(wait) => Event::Time,
            _ = replaced.changed() => Event::KeysReplaced,
            _ = stopping.changed() => Event::Stopping,
        }
    }

    /// Until something is due.
    fn time_to_wait(&self) -> Duration {
        let deadline = self.socket.deadline().unwrap_or(i64::MAX);
        let left = u64::try_from(deadline.saturating_sub(now_ms())).unwrap_or(0);
        let mut wait = Duration::from_millis(left);
        if let Some((at, _, _)) = self.refused.front() {
            wait = wait.min(at.saturating_duration_since(Instant::now()));
        }
        if self.joined.is_empty() {
            wait = wait.min(self.alone_max().saturating_sub(self.alone_since.elapsed()));
        }
        wait
    }

    fn alone_max(&self) -> Duration {
        if self.app.sockets.is_crowded() { ALONE_MAX_CROWDED } else { ALONE_MAX }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Over> {
        let had_channels = !self.joined.is_empty();
        let actions = match event {
            Event::Received(None) => return Err(Over),
            Event::Received(Some(Ok(message))) => match message {
                Message::Text(text) => self.socket.receive(text.as_str(), now_ms()),
                Message::Binary(_) => self.socket.refuse_frame(FrameError::Binary),
                // The library answers both.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) => vec![],
            },
            Event::Received(Some(Err(error))) => match reason(error) {
                Some(error) => self.socket.refuse_frame(error),
                None => return Err(Over),
            },
            Event::Changed(channel, change) => self.socket.changed(channel, &change),
            Event::Time => self.what_is_due(),
            Event::KeysReplaced => self.after_a_replacement(),
            Event::Stopping => self.socket.drain(),
        };
        self.carry_out(actions).await?;
        if self.mailbox.is_full() {
            return self.close(TRY_AGAIN, "too slow").await;
        }
        if self.joined.is_empty() {
            if had_channels {
                self.alone_since = Instant::now();
            }
            if self.alone_since.elapsed() >= self.alone_max() {
                return self.close(TRY_AGAIN, "no channel").await;
            }
        }
        Ok(())
    }

    fn what_is_due(&mut self) -> Vec<Action> {
        let mut actions = self.socket.tick(now_ms());
        while self.refused.front().is_some_and(|(at, _, _)| *at <= Instant::now()) {
            if let Some((_, channel, refusal)) = self.refused.pop_front() {
                actions.extend(self.socket.authorized(channel, Err(refusal)));
            }
        }
        actions
    }

    /// What a key signed ends with it.
    fn after_a_replacement(&mut self) -> Vec<Action> {
        let tokens = &self.app.tokens;
        if !tokens.has_key(self.signing_key) {
            let (code, reason) = (POLICY, "the apikey is not in use any more");
            return vec![Action::Close { code, reason }];
        }
        let ended = |(channel, joined): (&ChannelId, &Joined)| {
            (!tokens.has_key(joined.token.signing_key)).then_some(*channel)
        };
        let ended: Vec<ChannelId> = self.joined.iter().filter_map(ended).collect();
        ended
            .into_iter()
            .flat_map(|channel| self.socket.token_refused(channel, &Refusal::malformed_token()))
            .collect()
    }

    async fn carry_out(&mut self, actions: Vec<Action>) -> Result<(), Over> {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Send(text) => self.send(Message::text(text)).await?,
                Action::Authorize { channel, topic, changes, access_token } => {
                    let more =
                        self.authorize(channel, &topic, &changes, access_token.as_ref()).await;
                    actions.extend(more);
                }
                Action::TokenChanged { channel, token } => {
                    actions.extend(self.change_token(channel, &token).await);
                }
                Action::Left { channel } => {
                    self.joined.remove(&channel);
                }
                Action::Close { code, reason } => return self.close(code, reason).await,
            }
        }
        Ok(())
    }

    async fn authorize(
        &mut self,
        channel: ChannelId,
        topic: &str,
        changes: &[ChangeRequest],
        token: Option<&AccessToken>,
    ) -> Vec<Action> {
        match self.let_in(channel, topic, changes, token).await {
            Ok((joined, row)) => {
                let grant = Grant { token_ends_ms: Some(ms(joined.token.until)) };
                self.joined.insert(channel, joined);
                let mut actions = self.socket.authorized(channel, Ok(grant));
                if let Some(row) = row {
                    actions.extend(self.socket.changed(channel, &row));
                }
                actions
            }
            Err(refusal) => {
                self.refused.push_back((Instant::now() + REFUSE_AFTER, channel, refusal));
                vec![]
            }
        }
    }

    // This and what it calls takes `&mut self`, because a websocket is not `Sync`.
    /// Finds out whether a client may join. Returns the present state of the payment, too, if there
    /// is one: nobody has to wait for what has happened.
    async fn let_in(
        &mut self,
        channel: ChannelId,
        topic: &str,
        changes: &[ChangeRequest],
        token: Option<&AccessToken>,
    ) -> Result<(Joined, Option<Change>), Refusal> {
        let intent = PaymentIntent::read(topic, changes)?;
        let token = self.token_for(&intent, topic, token).await?;
        let payment = token.payment;
        // A reference is the same in capital letters, and two channels tell no more than one.
        if self.joined.values().any(|joined| joined.token.payment == payment) {
            let text = "This socket watches the payment already";
            return Err(Refusal::new("ChannelRateLimitReached", text));
        }
        let reads = self.app.queries.for_payment(payment);
        let source = reads.source().await.map_err(unavailable)?;
        let watched = Watched { payment, source_type: source.map(|(_, kind)| kind) };
        // First the position, then the watch, then the present state: what happens in between is
        // told twice rather than never.
        let position = reads.last_event_position().await.map_err(unavailable)?;
        let watches = &self.app.sockets.watches;
        let watch = watches
            .watch(watched, position, Subscriber::Channel(self.mailbox.clone(), channel))
            .map_err(|TooMany| Refusal::new("ChannelRateLimitReached", "Too many channels"))?;
        let now = reads.execution().await.map_err(unavailable)?;
        let row = now.map(|found| {
            let at = public_status::commit_timestamp(clock::now());
            public_status::of(&found, watched.source_type).updated(&at)
        });
        Ok((Joined { token, _watch: watch }, row))
    }

    /// The token, if it opens this payment.
    async fn token_for(
        &mut self,
        intent: &PaymentIntent,
        topic: &str,
        token: Option<&AccessToken>,
    ) -> Result<PaymentToken, Refusal> {
        let denied = || Refusal::unauthorized(topic::name(topic));
        let token = token.filter(|token| token.as_str() != self.apikey).ok_or_else(denied)?;
        let token = self.read(token).await?;
        let WatchedPayment { session_id, reference_id, .. } = token.payment;
        let opens = session_id == SessionId(intent.session_id)
            && reference_id.to_string() == intent.reference_id;
        if opens { Ok(token) } else { Err(denied()) }
    }

    async fn read(&mut self, token: &AccessToken) -> Result<PaymentToken, Refusal> {
        let reads = self.app.queries.for_system();
        let now = clock::now();
        let read = read_payment_token(&self.app.tokens, token.as_str(), now, reads).await;
        let token = read.map_err(unavailable)?.ok_or_else(Refusal::malformed_token)?;
        if now < token.until {
            Ok(token)
        } else {
            Err(Refusal::token_expired(now.since(token.until) / seconds(1)))
        }
    }

    /// A client renews its token. One for another payment does not open this channel.
    async fn change_token(&mut self, channel: ChannelId, token: &AccessToken) -> Vec<Action> {
        let read = self.read(token).await;
        let Some(joined) = self.joined.get_mut(&channel) else { return vec![] };
        match read {
            // It says nothing new.
            _ if token.as_str() == self.apikey => {}
            Ok(read) if read.payment == joined.token.payment => joined.token = read,
            Ok(_) => {
                let name = channel_of(joined.token.payment);
                return self.socket.token_refused(channel, &Refusal::unauthorized(&name));
            }
            Err(refusal) => return self.socket.token_refused(channel, &refusal),
        }
        self.socket.token_ok(channel, Some(ms(joined.token.until)))
    }

    async fn send(&mut self, message: Message) -> Result<(), Over> {
        match timeout(SEND_WITHIN, self.websocket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over),
        }
    }

    /// Closes the socket, and lets the other side answer.
    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Over> {
        self.joined.clear();
        self.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
        let answered = async { while let Some(Ok(_)) = self.websocket.recv().await {} };
        let _ = timeout(CLOSE_WITHIN, answered).await;
        Err(Over)
    }
}

/// The database is away. The client tries again.
fn unavailable(error: StoreError) -> Refusal {
    tracing::warn!(%error, "a realtime client could not be let in");
    Refusal::new("ServiceUnavailable", "The database cannot be read now")
}

/// Why a frame was not read; `None` for a connection that is gone.
fn reason(error: axum::Error) -> Option<FrameError> {
    match *error.into_inner().downcast::<SocketError>().ok()? {
        SocketError::Capacity(_) => Some(FrameError::TooLarge),
        SocketError::Utf8(_) => Some(FrameError::Malformed),
        SocketError::Protocol(error) if error != ProtocolError::ResetWithoutClosingHandshake => {
            Some(FrameError::Malformed)
        }
        _ => None,
    }
}

fn now_ms() -> i64 {
    ms(clock::now())
}

/// Unix milliseconds.
const fn ms(ServerTime(micros): ServerTime) -> i64 {
    micros / 1_000
}
