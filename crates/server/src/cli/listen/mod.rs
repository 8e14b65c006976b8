//! `kola listen`: forwards the events of a server to a program on the developer's own machine, as
//! webhooks that no endpoint, no tunnel and no account elsewhere is needed for.

mod api;
mod forward;
mod sse;

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use domain::decision::event::EventType;
use networks::client::Client;
use networks::webhooks::Attempt;
use serde_json::Value;
use tokio::time::Instant;

pub use self::api::server_url;
use self::api::{Api, Credentials, Next, Start, Stream, Trouble};
use self::forward::summary;
pub use self::forward::{Forwarder, Signing, roots_for};
use self::sse::StreamedEvent;
use crate::api::fields::is_refused_in_line;
use crate::cli::serve::stop_signal;
use crate::cli::{arguments, input, output};

/// How long is waited before each attempt to connect again; the last one is repeated.
const RECONNECT_WAITS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];
/// A stream that lived so long was a good one: the waits begin anew.
const GOOD_STREAM: Duration = Duration::from_secs(10);
/// How long `kola events resend` waits for its event, which the stream begins with.
const EVENT_TIMEOUT: Duration = Duration::from_secs(15);
/// How often it is looked whether anybody still reads the answer.
const READER_CHECK: Duration = Duration::from_secs(1);

const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// A server and the API key of a merchant there. The client secret is in `KOLA_CLIENT_SECRET`, or is
/// typed or piped in: on a command line others would see it.
#[derive(Args)]
pub struct ApiKey {
    /// The URL of the server.
    #[arg(long, env = "KOLA_URL", default_value = DEFAULT_URL, value_parser = server_url)]
    url: String,
    /// The client id that the server printed, or KOLA_CLIENT_ID. Its secret is read from
    /// KOLA_CLIENT_SECRET, or from standard input.
    #[arg(long, env = "KOLA_CLIENT_ID", value_name = "ID")]
    client_id: String,
}

#[derive(Args)]
pub struct Listen {
    /// Post each event to this URL, http or https: http://localhost:3000/hooks. Without it events
    /// are only printed.
    #[arg(long, value_name = "URL")]
    forward_to: Option<String>,
    /// Only events of these types, separated by commas.
    #[arg(long, value_name = "TYPES", value_delimiter = ',', value_parser = arguments::event_type)]
    types: Vec<EventType>,
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    key: ApiKey,
}

impl ApiKey {
    /// The arguments with which another command reaches the same server by the same key.
    fn arguments(&self) -> String {
        let Self { url, client_id } = self;
        let of_url = if url == DEFAULT_URL { String::new() } else { format!(" --url {url}") };
        format!("{of_url} --client-id {client_id}")
    }

    fn connect(self) -> anyhow::Result<Api> {
        let url = self.url;
        let given = std::env::var("KOLA_CLIENT_SECRET").ok().filter(|secret| !secret.is_empty());
        let client_secret = match given {
            Some(secret) => secret,
            None => input::known_secret("client secret", "KOLA_CLIENT_SECRET")?,
        };
        if api::is_readable_on_its_way(&url) {
            output::warn(&format!("the client secret is sent to {url} without encryption"));
        }
        let roots = roots_for(url.starts_with("https:"))?;
        let client = Client::with_roots(roots, None).map_err(anyhow::Error::msg)?;
        Ok(Api::new(client, url, Credentials { client_id: self.client_id, client_secret }))
    }
}

impl Listen {
    pub fn run(self) -> anyhow::Result<()> {
        let arguments = self.key.arguments();
        let api = self.key.connect()?;
        let forwarder = match &self.forward_to {
            Some(url) => Some(Forwarder::new(url, &self.signing)?),
            None => None,
        };
        let again =
            format!(" --forward-to {}{arguments}", self.forward_to.as_deref().unwrap_or_default());
        until_stopped(async move {
            let mut listener = Listener {
                api,
                types: self.types,
                forwarder,
                again,
                start: Start { position: 0, last_seen: None },
            };
            listener.run().await
        })
    }
}

/// Runs a command until it ends, a signal stops it, or nobody reads what it prints.
fn until_stopped(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let stop = stop_signal();
        tokio::select! {
            done = command => done,
            () = stop => Ok(()),
            () = nobody_reads() => Ok(()),
        }
    });
    // A lookup of a name may take longer than anybody wants to wait.
    runtime.shutdown_background();
    done
}

/// Resolves when the reader of standard output has closed its pipe. Without this a command that has
/// nothing to print would never notice.
async fn nobody_reads() {
    while !output::is_closed() {
        tokio::time::sleep(READER_CHECK).await;
    }
}

struct Listener {
    api: Api,
    types: Vec<EventType>,
    forwarder: Option<Forwarder>,
    /// The arguments of `kola events resend` for this receiver, without its secret.
    again: String,
    start: Start,
}

impl Listener {
    /// Never ends without an error.
    async fn run(&mut self) -> anyhow::Result<()> {
        // From here on no event is missed, also when the first stream breaks before it had one.
        self.start.position = self.api.last_position().await.map_err(Trouble::into_error)?;
        let mut stream =
            self.api.stream(self.start, &self.types).await.map_err(Trouble::into_error)?;
        output::notice("connected: events are printed as they happen, Ctrl-C ends this")?;
        let mut breaks = 0;
        loop {
            let begun = Instant::now();
            let reason = self.read(&mut stream).await?;
            if begun.elapsed() >= GOOD_STREAM {
                breaks = 0;
            }
            stream = self.connect_again(reason, &mut breaks).await?;
        }
    }

    /// Handles the events of a stream until it ends. Answers why it did; nothing where only the token
    /// has ended.
    async fn read(&mut self, stream: &mut Stream) -> anyhow::Result<Option<String>> {
        loop {
            match stream.next().await? {
                Next::Event(event) => {
                    self.handle(&event).await?;
                    // Only now: an event that was not dealt with comes again with the next stream.
                    if let Ok(id) = event.id.parse() {
                        self.start.last_seen = Some(id);
                    }
                }
                Next::TokenExpired => {
                    self.api.forget_token();
                    return Ok(None);
                }
                Next::Broken(reason) => return Ok(Some(reason)),
            }
        }
    }

    async fn handle(&self, event: &StreamedEvent) -> anyhow::Result<()> {
        let Some(forwarder) = &self.forwarder else {
            return print(event, None);
        };
        let attempt = forwarder.deliver(event).await;
        print(event, Some(&attempt))?;
        if !attempt.is_success() {
            let why = match &attempt.result {
                Ok(answered) => {
                    format!("the receiver answered {} to event {}", answered.status, event.id)
                }
                Err(failed) => format!("event {} was not delivered: {}", event.id, failed.reason),
            };
            output::warn(&format!(
                "{why}: `kola events resend {}{}` sends it again, with --secret and the secret that it \
                 was signed by",
                event.id, self.again
            ));
        }
        Ok(())
    }

    /// Waits and connects, again and again, until there is a stream. A token that has ended for the
    /// first time is no reason to wait.
    async fn connect_again(
        &mut self,
        mut reason: Option<String>,
        breaks: &mut usize,
    ) -> anyhow::Result<Stream> {
        loop {
            if reason.is_some() || *breaks > 0 {
                let last = RECONNECT_WAITS.len() - 1;
                let wait = RECONNECT_WAITS.get((*breaks).min(last)).copied().unwrap_or_default();
                let said = reason.as_deref().unwrap_or("the token ended at once");
                output::warn(&format!("{said}: connecting again in {} s", wait.as_secs()));
                tokio::time::sleep(wait).await;
            }
            *breaks += 1;
            match self.api.stream(self.start, &self.types).await {
                Ok(stream) => {
                    if reason.is_some() {
                        output::warn("connected again");
                    }
                    return Ok(stream);
                }
                Err(Trouble::Passing(error)) => reason = Some(format!("{error:#}")),
                Err(Trouble::Lasting(error)) => return Err(error),
            }
        }
    }
}

/// Sends an event once more; for `kola events resend`.
///
/// # Errors
/// There is no such event, or the receiver did not take it.
pub fn resend(key: ApiKey, event_id: i64, url: &str, signing: &Signing) -> anyhow::Result<()> {
    let mut api = key.connect()?;
    let forwarder = Forwarder::new(url, signing)?;
    until_stopped(async move {
        let event = event(&mut api, event_id).await?;
        let attempt = forwarder.send(&event).await;
        print(&event, Some(&attempt))?;
        match &attempt.result {
            _ if attempt.is_success() => Ok(()),
            Ok(answered) => {
                let hint = forwarder.hint();
                anyhow::bail!("the receiver answered {} to event {event_id}{hint}", answered.status)
            }
            Err(failed) => anyhow::bail!("event {event_id} was not delivered: {}", failed.reason),
        }
    })
}

/// An event as the stream has it. It is the first one after the position before its own.
async fn event(api: &mut Api, event_id: i64) -> anyhow::Result<StreamedEvent> {
    let position = api.position(event_id).await.map_err(Trouble::into_error)?;
    let start = Start { position: position - 1, last_seen: None };
    let mut stream = api.stream(start, &[]).await.map_err(Trouble::into_error)?;
    let next = tokio::time::timeout(EVENT_TIMEOUT, stream.next()).await;
    match next.with_context(|| format!("event {event_id} did not come"))?? {
        Next::Event(event) if event.id == event_id.to_string() => Ok(event),
        Next::Event(_) => anyhow::bail!("the object of event {event_id} is not there any more"),
        Next::TokenExpired => anyhow::bail!("the API key was revoked meanwhile"),
        Next::Broken(reason) => anyhow::bail!("event {event_id} did not come: {reason}"),
    }
}

/// Prints an event in one line.
fn print(event: &StreamedEvent, attempt: Option<&Attempt>) -> anyhow::Result<()> {
    output::document(&event.data, &line(event, attempt))
}

/// When it happened, its id and type, the id of its object, and what the receiver answered.
fn line(event: &StreamedEvent, attempt: Option<&Attempt>) -> String {
    let message: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let time = message["timestamp"].as_str().map(output::moment).unwrap_or_default();
    let object = &message["data"]["object"];
    // An execution has no other id than that of its payment intent.
    let id = object["id"].as_i64().or_else(|| object["payment_intent_id"].as_i64());
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    let answer = attempt.map(summary).unwrap_or_default();
    let line = format!("{time:<23}  {:>6}  {:<28}  {id:>6}  {answer}", event.id, event.kind);
    // Whatever a server says that is none: a terminal obeys some characters.
    line.trim_end().chars().map(|c| if is_refused_in_line(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, object: &str) -> StreamedEvent {
        let data = format!(
            "{{\"timestamp\":\"2026-11-29T12:00:01.250000Z\",\"data\":{{\"object\":{object}}}}}"
        );
        StreamedEvent { id: "4711".to_owned(), kind: kind.to_owned(), data }
    }

    #[test]
    fn an_event_has_one_line() {
        let completed = event("execution.completed", r#"{"payment_intent_id":4700}"#);
        let funded = event("wallet.funded", r#"{"id":12,"payment_intent_id":null}"#);
        assert_eq!(
            line(&completed, None),
            "2026-11-29 12:00:01 UTC    4711  execution.completed             4700"
        );
        assert_eq!(
            line(&funded, None),
            "2026-11-29 12:00:01 UTC    4711  wallet.funded                     12"
        );
    }

    #[test]
    fn every_type_has_room_in_its_column() {
        for kind in EventType::OF_MERCHANTS {
            assert!(kind.as_str().len() <= 28, "{kind}");
        }
    }

    #[test]
    fn a_line_has_nothing_that_a_terminal_obeys() {
        let odd = event("\u{1b}[31mred\u{7}", r#"{"id":1}"#);
        assert!(!line(&odd, None).contains(char::is_control));
    }

    #[test]
    fn what_is_no_message_has_a_line_too() {
        let odd = StreamedEvent { id: String::new(), kind: "odd".to_owned(), data: "x".to_owned() };
        assert_eq!(line(&odd, None).trim_start(), "odd");
    }
}
