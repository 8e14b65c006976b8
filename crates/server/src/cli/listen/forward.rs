//! Forwards events to a receiver, as a webhook of the server would come.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use networks::client::system_roots;
use networks::webhooks::sender::system_lookup;
use networks::webhooks::signature::{self, HmacSecret};
use networks::webhooks::{Attempt, EndpointUrl, Failed, FailureKind, Reach, Sender, SigningSecret};
use rustls::RootCertStore;

use super::api::shortened;
use super::sse::StreamedEvent;
use crate::cli::output;
use store::clock;

/// How long a receiver may take to answer. It is what a server allows by default.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long is waited before each further attempt when nobody listens at the receiver's address: as
/// long as a program takes to start again.
const WAITS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// What messages to a receiver are signed by.
#[derive(Args)]
pub struct Signing {
    /// The secret that messages are signed with, in the form of Standard Webhooks: whsec_... Without
    /// it one is drawn and printed.
    // Parsed after clap, which would print a secret that it refuses.
    #[arg(long, env = "KOLA_WEBHOOK_SECRET", hide_env_values = true, value_name = "whsec_...")]
    secret: Option<String>,
}

/// Sends events to a URL.
pub struct Forwarder {
    sender: Sender,
    url: EndpointUrl,
    secrets: [SigningSecret; 1],
    /// Whether the secret was drawn here, so that the receiver cannot know it.
    is_drawn: bool,
}

impl Forwarder {
    /// A forwarder to this URL. It says where it sends to, and shows a secret that was drawn.
    ///
    /// # Errors
    /// The URL or the secret cannot be one, or there are no certificates for `https`.
    pub fn new(url: &str, signing: &Signing) -> anyhow::Result<Self> {
        let url = EndpointUrl::parse(url, Reach::PrivateToo)
            .map_err(|refused| anyhow::anyhow!("--forward-to: {refused}"))?;
        let secret = match &signing.secret {
            Some(text) => {
                HmacSecret::parse(text.trim()).context("--secret, or KOLA_WEBHOOK_SECRET")?
            }
            None => HmacSecret::from_bytes(&clock::random()?),
        };
        let is_https = url.as_str().to_ascii_lowercase().starts_with("https:");
        let roots = roots_for(is_https)?;
        let sender = Sender::without_pool(roots, system_lookup()).map_err(anyhow::Error::msg)?;
        let shown = match signing.secret {
            Some(_) => "signed by the secret that was given".to_owned(),
            None => format!("signed by the secret {}", secret.text()),
        };
        output::notice(&format!("forwarding to {}, {shown}", url.as_str()))?;
        let is_drawn = signing.secret.is_none();
        Ok(Self { sender, url, secrets: [secret.into()], is_drawn })
    }

    /// What to say of a receiver that has refused an event.
    pub const fn hint(&self) -> &'static str {
        if self.is_drawn {
            ": it was signed by a new secret, and --secret signs by the one that the receiver knows"
        } else {
            ""
        }
    }

    /// Posts an event once.
    pub async fn send(&self, event: &StreamedEvent) -> Attempt {
        let body = event.data.as_bytes();
        let headers =
            signature::headers(&event.id, clock::now().whole_seconds(), body, &self.secrets);
        self.sender.deliver(&self.url, &headers, body.to_vec().into(), ANSWER_TIMEOUT).await
    }

    /// Posts an event, and tries again for a while where nobody listens.
    pub async fn deliver(&self, event: &StreamedEvent) -> Attempt {
        deliver(
            async || self.send(event).await,
            |failed, wait| {
                output::warn(&format!("{}: again in {} s", failed.reason, wait.as_secs()));
            },
        )
        .await
    }
}

/// The certificates for a client that needs them only for `https`: a machine without any can do
/// without them otherwise.
pub fn roots_for(is_https: bool) -> anyhow::Result<RootCertStore> {
    if is_https { system_roots().map_err(anyhow::Error::msg) } else { Ok(RootCertStore::empty()) }
}

/// Repeats an attempt for which there was no connection. Anything else may have arrived.
async fn deliver(send: impl AsyncFn() -> Attempt, on_retry: impl Fn(&Failed, Duration)) -> Attempt {
    for wait in WAITS {
        let attempt = send().await;
        match &attempt.result {
            Err(failed) if failed.kind == FailureKind::Connection => on_retry(failed, wait),
            _ => return attempt,
        }
        tokio::time::sleep(wait).await;
    }
    send().await
}

/// What came of an attempt, in one line: the status, the time that it took, and what a receiver said
/// that did not take the event.
pub fn summary(attempt: &Attempt) -> String {
    let took = format!("{} ms", attempt.took.as_millis());
    match &attempt.result {
        Ok(answered) if attempt.is_success() || answered.text.trim().is_empty() => {
            format!("{}  {took}", answered.status)
        }
        Ok(answered) => format!("{}  {took}  {}", answered.status, shortened(&answered.text)),
        Err(failed) => format!("not delivered  {took}  {}", failed.reason),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use networks::webhooks::Answered;
    use tokio::time::Instant;

    use super::*;

    fn attempt(result: Result<u16, FailureKind>) -> Attempt {
        let answered =
            |status| Answered { status, retry_after: None, text: "said\u{1b}\nmore".to_owned() };
        let failed = |kind| Failed { reason: "no connection to localhost".to_owned(), kind };
        Attempt { result: result.map(answered).map_err(failed), took: Duration::from_millis(12) }
    }

    /// How many attempts are made by a receiver that answers so after some refusals, how long they
    /// take, and what comes of them.
    async fn tried(refusals: usize, last: Result<u16, FailureKind>) -> (usize, u64, Attempt) {
        let (count, begun) = (Cell::new(0), Instant::now());
        let send = async || {
            count.set(count.get() + 1);
            attempt(if count.get() > refusals { last } else { Err(FailureKind::Connection) })
        };
        let made = deliver(send, |_, _| {}).await;
        (count.get(), begun.elapsed().as_secs(), made)
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_is_down_is_tried_a_few_times() {
        for (refusals, attempts, seconds) in [(0, 1, 0), (1, 2, 1), (2, 3, 3), (3, 4, 7)] {
            let (count, took, made) = tried(refusals, Ok(204)).await;
            assert_eq!((count, took), (attempts, seconds));
            assert!(made.is_success());
        }
        let (count, took, made) = tried(9, Ok(204)).await;
        assert_eq!((count, took, made.result.unwrap_err().kind), (4, 7, FailureKind::Connection));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_arrived_is_not_sent_again() {
        for last in [
            Ok(500),
            Ok(302),
            Err(FailureKind::Timeout),
            Err(FailureKind::Answer),
            Err(FailureKind::Tls),
            Err(FailureKind::Lookup),
        ] {
            assert_eq!(tried(0, last).await.0, 1, "{last:?}");
        }
    }

    #[test]
    fn an_attempt_is_told_in_one_line() {
        assert_eq!(summary(&attempt(Ok(200))), "200  12 ms");
        assert_eq!(summary(&attempt(Ok(500))), "500  12 ms  said  more");
        assert_eq!(
            summary(&attempt(Err(FailureKind::Connection))),
            "not delivered  12 ms  no connection to localhost"
        );
    }
}
