//! What the audit shows of objects: the fields of each, by the names of the API or the command line.

use std::sync::Arc;

use crate::audit::{FieldChange, Values};
use crate::decision::workspace::{Loaded, Workspace};
use crate::directory::merchant::{ApiKey, Merchant};
use crate::directory::merchant_limits::MerchantLimits;
use crate::directory::party::{Counterparty, Party};
use crate::directory::passcode::Passcode;
use crate::directory::payment_account::PaymentAccount;
use crate::exceptions::review::Review;
use crate::kernel::currency::Currency;
use crate::kernel::money::Money;
use crate::ledger::installation_check::InstallationCheck;
use crate::ledger::wallet::Wallet;
use crate::network_accounts::account::NetworkAccount;
use crate::payments::approval::Approval;
use crate::payments::execution::Execution;
use crate::payments::session::Session;
use crate::people::invitation::{Invitation, InvitedTo};
use crate::people::login::Login;
use crate::people::membership::Membership;
use crate::people::saved_filter::SavedFilter;
use crate::people::user::User;
use crate::reconciliation::difference::Difference;
use crate::reconciliation::statement::Statement;
use crate::sales::payment_link::{LinkPrice, PaymentLink};
use crate::sales::source::{Item, Source};
use crate::webhooks::endpoint::WebhookEndpoint;

/// No value is kept longer than this, in characters.
const VALUE_MAX: usize = 200;

/// The value of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Field {
    Shown(Option<String>),
    /// A secret, or something of a person that not everybody may see. It is compared, and the row
    /// says only that it changed.
    Hidden(Option<String>),
}

impl Field {
    const fn is_empty(&self) -> bool {
        matches!(self, Self::Shown(None) | Self::Hidden(None))
    }
}

/// A row that the audit shows the fields of.
pub trait Audited: Loaded {
    fn fields(&self) -> Vec<(&'static str, Field)>;
}

/// What the command has changed of an object; nothing if it did not touch it.
pub fn changes<R: Audited>(id: R::Id, work: &Workspace) -> Vec<FieldChange> {
    let Some(after) = work.drafted::<R>(id) else { return vec![] };
    let before: Option<Arc<R>> = work.accepted(id);
    let before = before.map(|row| row.fields());
    let mut changed = vec![];
    for (index, (name, after)) in after.fields().into_iter().enumerate() {
        let before = before.as_ref().and_then(|fields| fields.get(index)).map(|(_, field)| field);
        let differs = before.map_or(!after.is_empty(), |before| *before != after);
        if differs {
            let values = match after {
                Field::Shown(after) => Some(Values { before: before.and_then(shown), after }),
                Field::Hidden(_) => None,
            };
            changed.push(FieldChange { field: name.to_owned(), values: values.map(cut) });
        }
    }
    changed
}

fn shown(field: &Field) -> Option<String> {
    match field {
        Field::Shown(value) => value.clone(),
        Field::Hidden(_) => None,
    }
}

/// Something that was done, where no field of the object says it.
pub fn done(field: &str, what: impl ToString) -> FieldChange {
    let values = Values { before: None, after: Some(what.to_string()) };
    FieldChange { field: field.to_owned(), values: Some(cut(values)) }
}

/// A change of what nobody sees.
pub fn hidden(field: &str) -> FieldChange {
    FieldChange { field: field.to_owned(), values: None }
}

fn cut(values: Values) -> Values {
    let cut = |text: String| match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    };
    Values { before: values.before.map(cut), after: values.after.map(cut) }
}

fn show(value: impl ToString) -> Field {
    Field::Shown(Some(value.to_string()))
}

fn show_option(value: Option<impl ToString>) -> Field {
    Field::Shown(value.map(|value| value.to_string()))
}

fn hide(value: impl ToString) -> Field {
    Field::Hidden(Some(value.to_string()))
}

fn hide_option(value: Option<impl ToString>) -> Field {
    Field::Hidden(value.map(|value| value.to_string()))
}

fn amount(minor: i64, currency: Currency) -> Field {
    show(format!("{} {currency}", Money::new(minor, currency)))
}

/// A URL without what may be a password in it: its query, and what stands behind that.
fn address_of(url: &str) -> Field {
    show(url.split(['?', '#']).next().unwrap_or_default())
}

// Payments are many: their rows say what became of the object, and the ledger what that cost.

impl Audited for Session {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![("status", show(self.status))]
    }
}

impl Audited for Execution {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![("status", show(self.status))]
    }
}

impl Audited for Merchant {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("name", show(&self.name)),
            ("type", show(self.kind)),
            ("mode", show(self.mode)),
            ("phone", hide_option(self.phone.as_ref())),
            ("email", hide_option(self.email.as_ref())),
            ("verified", show(self.verified)),
            ("fee_tier", show(&self.fee_tier)),
            ("fee_bearer", show(self.fee_bearer)),
            ("display_name", show_option(self.display_name.as_ref())),
            ("colour", show_option(self.colour)),
            ("logo", hide_option(self.logo)),
            ("pawapay_account", show_option(self.network_accounts.pawapay)),
            ("stripe_account", show_option(self.network_accounts.stripe)),
            ("clock_offset_seconds", show(self.clock_offset_us / 1_000_000)),
        ]
    }
}

impl Audited for ApiKey {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        let operations = self.rights.operations.as_ref();
        vec![
            ("client_id", show(&self.client_id)),
            ("role", show(self.rights.role)),
            ("operations", show_option(operations.map(|names| names.names().join(",")))),
            ("revoked_at", show_option(self.revoked_at)),
        ]
    }
}

impl Audited for Statement {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("account_id", show(self.network_account_id)),
            ("accepted_at", show_option(self.accepted_at)),
        ]
    }
}

impl Audited for Difference {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("difference", show(self.id)),
            ("status", show(self.status)),
            ("resolution", show_option(self.resolution)),
            ("evidence", show_option(self.evidence.as_deref())),
        ]
    }
}

impl Audited for InstallationCheck {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("check", show(self.kind)),
            ("outcome", show_option(self.outcome)),
            ("violations", show(self.violations)),
            ("ended_at", show_option(self.ended_at)),
            ("requested_at", show_option(self.requested_at)),
        ]
    }
}

impl Audited for Passcode {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![("passcode", hide(&self.hash)), ("tries", hide(format!("{:?}", self.tries)))]
    }
}

impl Audited for MerchantLimits {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        let most = |minor: Option<i64>| match minor {
            Some(minor) => amount(minor, self.currency),
            None => Field::Shown(None),
        };
        vec![
            ("support_refund", amount(self.support_refund_minor, self.currency)),
            ("payment", most(self.payment_minor)),
            ("day", most(self.day_minor)),
            ("bind_api_keys", show(self.bind_api_keys)),
        ]
    }
}

impl Audited for Party {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("fullname", hide(&self.fullname)),
            ("phone", hide(&self.phone)),
            ("email", hide_option(self.email.as_ref())),
            ("country_code", show_option(self.country_code.as_ref())),
        ]
    }
}

impl Audited for Counterparty {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("party_id", show_option(self.party_id)),
            ("relationship_type", show(self.relationship)),
        ]
    }
}

impl Audited for PaymentAccount {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("party_id", show(self.party_id)),
            ("account_name", hide(&self.account_name)),
            ("account_number", hide_option(self.account_number.as_ref())),
            ("provider", show(self.provider)),
            ("method", show(self.method)),
            ("operation_type", show(self.operation)),
            ("country_code", show_option(self.country_code.as_ref())),
            ("is_active", show(self.is_active)),
        ]
    }
}

impl Audited for Wallet {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![("status", show(self.status))]
    }
}

impl Audited for Source {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("number", show(&self.number)),
            ("status", show(self.status)),
            ("counterparty_id", show(self.counterparty_id)),
            ("total_amount", amount(self.total_minor, self.currency)),
            ("fee_bearer", show(self.fee_bearer)),
            ("note", hide_option(Some(&self.note).filter(|note| !note.is_empty()))),
            ("reference_id", show_option(self.reference_id.as_ref())),
            ("due_date", show_option(self.due_date)),
        ]
    }
}

impl Audited for Item {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("source_id", show(self.source_id)),
            ("name", show(&self.name)),
            ("qty", show(self.qty)),
            ("amount", amount(self.amount_minor, self.currency)),
            ("removed", show(self.removed)),
        ]
    }
}

impl Audited for PaymentLink {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        let (total, least, most) = match self.price {
            LinkPrice::Items { total_minor, .. } => (Some(total_minor), None, None),
            LinkPrice::Open { min_minor, max_minor } => (None, Some(min_minor), Some(max_minor)),
        };
        let amount = |minor: Option<i64>| {
            minor.map_or(Field::Shown(None), |minor| amount(minor, self.currency))
        };
        vec![
            ("title", show(&self.title)),
            ("status", show(self.status)),
            ("total_amount", amount(total)),
            ("min_amount", amount(least)),
            ("max_amount", amount(most)),
            ("max_uses", show_option(self.max_uses)),
            ("fee_bearer", show(self.fee_bearer)),
            ("expires_at", show_option(self.expires_at)),
        ]
    }
}

impl Audited for Review {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("status", show(self.status)),
            ("resolution", show_option(self.resolution.as_ref())),
            // The operator's, which the merchant does not read.
            ("evidence", hide_option(self.evidence.as_ref())),
            ("dispute_notes", show(self.dispute_notes)),
        ]
    }
}

impl Audited for Approval {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![("status", show(self.status)), ("note", show_option(self.note.as_ref()))]
    }
}

impl Audited for WebhookEndpoint {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        let types = self.event_types.as_ref();
        let types = types.map(|types| types.0.iter().map(ToString::to_string).collect::<Vec<_>>());
        vec![
            ("url", address_of(&self.url)),
            ("url_query", hide_option(self.url.split_once('?').map(|(_, query)| query))),
            ("event_types", show_option(types.map(|types| types.join(",")))),
            ("description", hide_option(self.description.as_ref())),
            ("enabled", show(self.disabled.is_none())),
            ("signing", show(self.signing)),
            ("deleted_at", show_option(self.deleted_at)),
        ]
    }
}

impl Audited for User {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        let secret = self.totp.as_ref().map(|totp| &totp.secret.sealed);
        let pending = self.pending_totp.as_ref().map(|secret| &secret.sealed);
        vec![
            ("name", hide(&self.name)),
            ("email", hide(&self.email)),
            ("password", hide(&self.password_hash)),
            ("second_factor", hide_option(secret)),
            ("second_factor_to_confirm", hide_option(pending)),
            ("recovery_codes", show(self.recovery_codes.0.len())),
            ("role", show_option(self.role)),
            ("disabled", show(self.disabled_at.is_some())),
        ]
    }
}

impl Audited for SavedFilter {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![("name", show(&self.name)), ("query", show_option(self.query.as_ref()))]
    }
}

impl Audited for Membership {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![("role", show_option(self.role))]
    }
}

impl Audited for Login {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("browser", show(&self.browser)),
            ("second_factor_at", show_option(self.second_factor_at)),
            ("ended_at", show_option(self.ended_at)),
        ]
    }
}

impl Audited for Invitation {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        let (role, user) = match self.to {
            InvitedTo::Merchant(_, role) | InvitedTo::Installation(role) => (Some(role), None),
            InvitedTo::Reset(user) => (None, Some(user)),
        };
        vec![
            ("role", show_option(role)),
            ("user_id", show_option(user)),
            ("takes_two", show_option(self.takes_two.then_some(true))),
            ("confirmed_at", show_option(self.confirmed_at)),
            ("ended_at", show_option(self.ended_at)),
        ]
    }
}

impl Audited for NetworkAccount {
    fn fields(&self) -> Vec<(&'static str, Field)> {
        vec![
            ("name", show(&self.name)),
            ("network", show(self.network)),
            ("mode", show(self.mode)),
            ("base_url", self.base_url.as_ref().map_or(Field::Shown(None), |url| address_of(url))),
            ("status", show(self.status)),
            ("held", show(self.held)),
            ("calls_per_second", show(self.calls_per_second)),
        ]
    }
}
