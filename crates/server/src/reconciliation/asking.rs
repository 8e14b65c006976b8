//! Asking a network for what takes a while: a question without an answer is asked again, until a
//! deadline. No question moves money.

use std::time::Duration;

use networks::accounts::CalledAccount;
use networks::calls::NetworkCalls;
use networks::exchange::{HttpRequest, HttpResponse};
use networks::reading::Reading;
use tokio::time::Instant;

use super::file::FileRefused;

/// The first pause between two questions. Each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Why there is no statement.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SourceFault {
    /// The network has not said it before the deadline. Asking again later may help.
    #[error("the network did not answer in time, the last time because {0}: try again later")]
    Late(String),
    /// The network will not say it. Asking again does not help by itself.
    #[error("{0}")]
    Refused(String),
    /// What it said is not all, or cannot be read.
    #[error("the statement is not complete: {0}")]
    Incomplete(String),
    /// What it said is no statement.
    #[error("the network's statement cannot be read: {0}")]
    File(#[from] FileRefused),
}

/// Questions to the network of an account, until a deadline.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    pub networks: &'a NetworkCalls,
    pub called: &'a CalledAccount,
    pub until: Instant,
}

/// The pauses between questions.
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(super) const fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }
}

impl Asker<'_> {
    /// Asks until the network answers. Three of four calls that the account may make are left to
    /// payments.
    pub(super) async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, SourceFault> {
        let mut pauses = Pauses::new();
        loop {
            let share = Duration::from_secs(3) / self.called.account.calls_per_second.max(1);
            tokio::time::sleep(share).await;
            let asking = self.networks.ask(self.called, request.clone());
            let why = match tokio::time::timeout_at(self.until, asking).await {
                Err(_) => return Err(SourceFault::Late("it gave no answer".to_owned())),
                Ok(Err(reason)) => reason,
                Ok(Ok(response)) => {
                    self.log(&request, response.status);
                    match response.status {
                        401 | 403 => {
                            return Err(SourceFault::Refused(format!(
                                "the network refuses the token ({}): `kola networks set-token` \
                                 gives another",
                                response.status
                            )));
                        }
                        429 | 500.. => format!("it answered {}", response.status),
                        _ => return Ok(response),
                    }
                }
            };
            self.pause(&mut pauses, &why).await?;
        }
    }

    /// Waits before the next question.
    ///
    /// # Errors
    /// It would come too late.
    pub(super) async fn pause(&self, pauses: &mut Pauses, why: &str) -> Result<(), SourceFault> {
        let pause = pauses.next;
        pauses.next = pause.saturating_mul(2).min(LONGEST_PAUSE);
        if Instant::now() + pause >= self.until {
            return Err(SourceFault::Late(why.to_owned()));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn log(&self, request: &HttpRequest, status: u16) {
        let account = &self.called.account.name;
        tracing::debug!(account, method = request.method, path = request.path, status, "asked");
    }
}

/// What an answer says that has not what was asked for, for the operator.
pub(super) fn said(reading: &Reading) -> String {
    match reading {
        Reading::Word(word) => match &word.alarm {
            Some(alarm) => alarm.clone(),
            None => "the network's answer has not what was asked for".to_owned(),
        },
        Reading::AccountRefused { reason } => reason.clone(),
        Reading::Later { .. } => "the network takes no questions now".to_owned(),
        Reading::RefundInProgress => "the network speaks of a refund".to_owned(),
    }
}
