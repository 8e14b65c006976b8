//! What an event is about, as it was when the event happened.

use std::sync::Arc;

use crate::decision::event::{Event, EventEntity, EventPosition, EventType};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::{ApiKey, Merchant};
use crate::exceptions::review::Review;
use crate::kernel::ids::{
    ApiKeyId, ExecutionId, MerchantId, PaymentLinkId, ReviewId, SessionId, SourceId, WalletId,
    WebhookEndpointId,
};
use crate::kernel::time::MerchantTime;
use crate::ledger::wallet::Wallet;
use crate::payments::attempt::{self, WithAttempt};
use crate::payments::execution::Execution;
use crate::payments::session::{Intent, Session};
use crate::sales::payment_link::PaymentLink;
use crate::sales::source::{Source, SourceType};
use crate::webhooks::endpoint::WebhookEndpoint;

/// The object of an event, with what is needed to show it.
#[derive(Clone, Debug)]
pub enum Subject {
    Session { session: Arc<Session>, source_type: Option<SourceType>, time: MerchantTime },
    Execution(Box<WithAttempt>),
    Source { source: Arc<Source>, merchant: Arc<Merchant> },
    Wallet(Arc<Wallet>),
    Review(Arc<Review>),
    PaymentLink { link: Arc<PaymentLink>, time: MerchantTime },
    WebhookEndpoint(Arc<WebhookEndpoint>),
    ApiKey(Arc<ApiKey>),
}

/// Writes a message: the event, its object, and the status that the object had before, if it has
/// changed. The domain knows no JSON.
pub type MessageWriter = dyn Fn(&Event, &Subject, Option<&'static str>) -> String + Send + Sync;

impl Subject {
    /// The object of an event. `None` for what no merchant is told.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`], [`Stop::Inconsistent`] for an event about a row that is not there.
    pub fn of(event: &Event, work: &Workspace) -> Result<Option<Self>, Stop> {
        let id = event.entity_id;
        let merchant = || work.require::<Merchant>(event.merchant_id);
        Ok(Some(match event.entity {
            EventEntity::Session => {
                let session = work.require::<Session>(SessionId(id))?;
                let source_type = match session.intent {
                    Intent::Checkout { source_id, .. } => {
                        Some(work.require::<Source>(source_id)?.kind)
                    }
                    _ => None,
                };
                let time = merchant()?.time(event.created_at);
                Self::Session { session, source_type, time }
            }
            EventEntity::Execution => {
                let execution = (*work.require::<Execution>(ExecutionId(id))?).clone();
                let attempt = attempt::open_attempt(&execution, work)?;
                Self::Execution(Box::new(WithAttempt { execution, attempt }))
            }
            EventEntity::Source => Self::Source {
                source: work.require::<Source>(SourceId(id))?,
                merchant: merchant()?,
            },
            EventEntity::Wallet => Self::Wallet(work.require::<Wallet>(WalletId(id))?),
            EventEntity::Review => Self::Review(work.require::<Review>(ReviewId(id))?),
            EventEntity::PaymentLink => Self::PaymentLink {
                link: work.require::<PaymentLink>(PaymentLinkId(id))?,
                time: merchant()?.time(event.created_at),
            },
            EventEntity::WebhookEndpoint => {
                Self::WebhookEndpoint(work.require::<WebhookEndpoint>(WebhookEndpointId(id))?)
            }
            EventEntity::ApiKey => Self::ApiKey(work.require::<ApiKey>(ApiKeyId(id))?),
            EventEntity::Tariff | EventEntity::Statement => return Ok(None),
        }))
    }

    /// Its status, where it has one.
    #[must_use]
    pub fn status(&self) -> Option<&'static str> {
        Some(match self {
            Self::Session { session, .. } => session.status.as_str(),
            Self::Execution(found) => found.execution.status.as_str(),
            Self::Source { source, .. } => source.status.as_str(),
            Self::Wallet(wallet) => wallet.status.as_str(),
            Self::Review(review) => review.status.as_str(),
            Self::PaymentLink { link, .. } => link.status.as_str(),
            Self::WebhookEndpoint(_) | Self::ApiKey(_) => return None,
        })
    }

    /// The execution that it is, or is about.
    #[must_use]
    pub fn execution_id(&self) -> Option<ExecutionId> {
        match self {
            Self::Execution(found) => Some(found.execution.id),
            Self::Review(review) => Some(review.execution_id),
            _ => None,
        }
    }

    /// The endpoint that alone is told of an event of that type.
    #[must_use]
    pub fn only_endpoint(&self, kind: EventType) -> Option<WebhookEndpointId> {
        match self {
            Self::WebhookEndpoint(endpoint) if kind == EventType::WebhookTest => Some(endpoint.id),
            _ => None,
        }
    }
}

/// The status that an object had before the command that is being accepted.
#[must_use]
pub fn accepted_status(entity: EventEntity, id: i64, work: &Workspace) -> Option<&'static str> {
    match entity {
        EventEntity::Session => {
            work.accepted::<Session>(SessionId(id)).map(|row| row.status.as_str())
        }
        EventEntity::Execution => {
            work.accepted::<Execution>(ExecutionId(id)).map(|row| row.status.as_str())
        }
        EventEntity::Source => work.accepted::<Source>(SourceId(id)).map(|row| row.status.as_str()),
        EventEntity::Wallet => work.accepted::<Wallet>(WalletId(id)).map(|row| row.status.as_str()),
        EventEntity::Review => work.accepted::<Review>(ReviewId(id)).map(|row| row.status.as_str()),
        EventEntity::PaymentLink => {
            work.accepted::<PaymentLink>(PaymentLinkId(id)).map(|row| row.status.as_str())
        }
        EventEntity::WebhookEndpoint
        | EventEntity::ApiKey
        | EventEntity::Tariff
        | EventEntity::Statement => None,
    }
}

/// Whether the merchant of an event is told, by the row that each of its events changes.
///
/// # Errors
/// [`Stop::NotLoaded`].
pub fn listens(merchant: MerchantId, work: &Workspace) -> Result<bool, Stop> {
    let row = work.get::<EventPosition>(merchant)?;
    Ok(row.is_some_and(|row| row.endpoints > 0))
}
