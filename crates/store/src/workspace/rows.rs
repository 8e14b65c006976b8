//! The columns of every row type: which fields never change, which may change, and which columns
//! are the alternate key. All statements of both databases come from these lists.

use std::borrow::Cow;
use std::net::IpAddr;

use domain::audit::{Changes, FieldChange, Values};
use domain::decision::command::RequestId;
use domain::decision::event::{Actor, ActorKind, EventType};
use domain::directory::passcode::{PasscodeTries, PasscodeTry};
use domain::directory::roles::{Operations, Rights, Role};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    ApiKeyId, LoginTryId, MerchantId, NetworkAccountId, PasscodeTryId, UserId,
};
use domain::kernel::names::Operation;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::Fingerprint;
use domain::network_accounts::account::BoundAccounts;
use domain::network_accounts::exchange::Said;
use domain::network_accounts::operator_terms::{Availability, Terms};
use domain::people::invitation::InvitedTo;
use domain::people::login_tries::{LoginTry, Tries};
use domain::people::user::{RecoveryCodes, SealedTotp, Totp};
use domain::reconciliation::statement::Counts;
use domain::sales::payment_link::LinkPrice;
use domain::webhooks::attempt::Attempted;
use domain::webhooks::endpoint::EventTypes;

use crate::StoreError;
use crate::workspace::codes::Coded;
use crate::workspace::record::{
    Column, PartlyChanging, Record, RowReader, Statements, record, types_of,
};
use crate::workspace::sql_value::{ColumnType, SqlValue};

// The command line adds and retires signing keys. Decisions do not load the secret.
record!(domain::directory::signing_key::SigningKey, "signing_keys",
    fixed { id: "id" }
    changing { retired_at: "retired_at" }
    alt_key {});

record!(domain::directory::merchant::Merchant, "merchants",
    fixed { id: "id", name: "name", kind: "type", mode: "mode", phone: "phone", email: "email", created_at: "created_at" }
    changing {
        verified: "verified", fee_tier: "fee_tier", fee_tier_assigned_at: "fee_tier_assigned_at", fee_bearer: "fee_bearer",
        recipients_full_at: "recipients_full_at",
        clock_offset_us: "clock_offset_us", display_name: "display_name", colour: "colour", logo: "logo",
        network_accounts: "pawapay_account_id" "stripe_account_id", owners: "owners", updated_at: "updated_at",
    }
    alt_key { "mode" "phone" });

record!(domain::directory::brand::Logo, "logos",
    fixed { merchant_id: "merchant_id" }
    changing { fingerprint: "fingerprint", png: "png", updated_at: "updated_at" }
    alt_key {});

record!(domain::directory::merchant::ApiKey, "api_keys",
    fixed { id: "id", merchant_id: "merchant_id", client_id: "client_id", secret_hash: "secret_hash", rights: "role" "operations", made_by: "made_by_kind" "made_by_id", created_at: "created_at" }
    changing { revoked_at: "revoked_at", event_count: "event_count" }
    alt_key { "client_id" });

/// The role, and the names of the operations separated by commas, or null for all of them.
impl Column for Rights {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Text, ColumnType::Text]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let names = self.operations.as_ref().map(|operations| operations.names().join(","));
        values.push(SqlValue::Text(Cow::Borrowed(self.role.as_str())));
        values.push(names.map_or(SqlValue::Null, |names| SqlValue::Text(Cow::Owned(names))));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (role, names) = <(Role, Option<String>)>::read(reader)?;
        let operations =
            names.map(|names| Operations::new(names.split(',').map(ToOwned::to_owned)));
        Ok(Self { role, operations })
    }
}

record!(domain::directory::merchant_limits::MerchantLimits, "merchant_limits",
    fixed { id: "id", merchant_id: "merchant_id", currency: "currency" }
    changing {
        support_refund_minor: "support_refund_minor", payment_minor: "payment_minor", day_minor: "day_minor",
        bind_api_keys: "bind_api_keys", updated_at: "updated_at",
    }
    alt_key { "merchant_id" "currency" });

record!(domain::people::user::User, "users",
    fixed { id: "id", email: "email", name: "name", created_at: "created_at" }
    changing {
        password_hash: "password_hash", totp: "totp_sealed" "totp_key_id" "totp_confirmed_at",
        pending_totp: "pending_totp_sealed" "pending_totp_key_id", totp_step: "totp_step",
        recovery_codes: "recovery_codes", role: "role", login_generation: "login_generation", reset: "reset_token", disabled_at: "disabled_at",
        updated_at: "updated_at",
    }
    alt_key { "email" });

/// The secret, and since when its codes are asked for.
impl Column for Totp {
    const WIDTH: usize = SealedTotp::WIDTH + ServerTime::WIDTH;

    fn types(types: &mut Vec<ColumnType>) {
        SealedTotp::types(types);
        ServerTime::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.secret.write(values);
        self.confirmed_at.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self { secret: Column::read(reader)?, confirmed_at: Column::read(reader)? })
    }
}

/// The encrypted text, and the id of its key.
impl Column for SealedTotp {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        String::types(types);
        String::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.sealed.write(values);
        self.key_id.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self { sealed: String::read(reader)?, key_id: String::read(reader)? })
    }
}

/// Fingerprints in one text column: they are read and written together, and there are never more
/// than ten.
impl Column for RecoveryCodes {
    fn types(types: &mut Vec<ColumnType>) {
        String::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let codes: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        values.push(SqlValue::Text(Cow::Owned(codes.join(","))));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let text = String::read(reader)?;
        let codes = text.split(',').filter(|code| !code.is_empty());
        let codes = codes.map(|code| code.parse().ok().map(Fingerprint)).collect::<Option<_>>();
        codes.map(Self).ok_or_else(|| reader.inconsistent("recovery codes".to_owned()))
    }
}

record!(domain::people::membership::Membership, "memberships",
    fixed { id: "id", user_id: "user_id", merchant_id: "merchant_id", created_at: "created_at" }
    changing { role: "role", updated_at: "updated_at" }
    alt_key { "user_id" "merchant_id" });

record!(domain::people::saved_filter::SavedFilter, "saved_filters",
    fixed { id: "id", user_id: "user_id", merchant_id: "merchant_id", name: "name", created_at: "created_at" }
    changing { query: "query", updated_at: "updated_at" }
    alt_key { "user_id" "merchant_id" "name" });

record!(domain::people::login::Login, "logins",
    fixed {
        id: "id", user_id: "user_id", generation: "generation", token: "token", address: "address", browser: "browser", created_at: "created_at",
    }
    changing { second_factor_at: "second_factor_at", last_used_at: "last_used_at", ended_at: "ended_at" }
    alt_key { "token" });

record!(domain::people::invitation::Invitation, "invitations",
    fixed {
        id: "id", token: "token", to: "merchant_id" "role" "user_id", invited_by: "invited_by", created_at: "created_at", takes_two: "takes_two",
    }
    changing { confirmed_at: "confirmed_at", confirmed_by: "confirmed_by", ended_at: "ended_at" }
    alt_key { "token" });

/// The merchant and the role, the role alone, or the person who begins anew.
impl Column for InvitedTo {
    const WIDTH: usize = 3;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int, ColumnType::Text, ColumnType::Int]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let (merchant, role, user) = match self {
            Self::Merchant(merchant, role) => (Some(merchant.0), Some(role), None),
            Self::Installation(role) => (None, Some(role), None),
            Self::Reset(user) => (None, None, Some(user.0)),
        };
        values.push(merchant.map_or(SqlValue::Null, SqlValue::Int));
        values
            .push(role.map_or(SqlValue::Null, |role| SqlValue::Text(Cow::Borrowed(role.as_str()))));
        values.push(user.map_or(SqlValue::Null, SqlValue::Int));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let merchant = Option::<MerchantId>::read(reader)?;
        let role = Option::<Role>::read(reader)?;
        let user = Option::<UserId>::read(reader)?;
        match (merchant, role, user) {
            (Some(merchant), Some(role), None) => Ok(Self::Merchant(merchant, role)),
            (None, Some(role), None) => Ok(Self::Installation(role)),
            (None, None, Some(user)) => Ok(Self::Reset(user)),
            other => Err(reader.inconsistent(format!("an invitation to {other:?}"))),
        }
    }
}

record!(domain::people::login_tries::LoginTries, "login_tries",
    fixed { id: "id", subject: "subject" }
    changing { tries: "tries", updated_at: "updated_at" }
    alt_key { "subject" });

/// The tries in one text column, each its id and its time: there are never more than fifty.
impl Column for Tries {
    fn types(types: &mut Vec<ColumnType>) {
        String::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let tries: Vec<String> =
            self.0.iter().map(|one| format!("{} {}", one.id, one.at.0)).collect();
        values.push(SqlValue::Text(Cow::Owned(tries.join(","))));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let text = String::read(reader)?;
        let one = |text: &str| {
            let (id, at) = text.split_once(' ')?;
            let id = LoginTryId(id.parse().ok()?);
            Some(LoginTry { id, at: ServerTime(at.parse().ok()?) })
        };
        let tries = text.split(',').filter(|one| !one.is_empty()).map(one);
        let tries = tries.collect::<Option<Vec<_>>>();
        tries.map(Self).ok_or_else(|| reader.inconsistent(format!("{text:?} are no tries")))
    }
}

record!(domain::directory::passcode::Passcode, "passcodes",
    fixed { merchant_id: "merchant_id" }
    changing {
        hash: "hash", attempts: "attempts", locked_until: "locked_until", tries: "tries", removed_at: "removed_at",
        updated_at: "updated_at",
    }
    alt_key {});

/// How the column marks a try whose passcode was wrong.
const WRONG: &str = "wrong";
/// How the column marks a try whose passcode is still being compared.
const RESERVED: &str = "reserved";

/// The tries of a passcode in one text column: they are read and written together, and there are
/// never more than some twenty. Each try is its id, its API key, its time and one of the marks.
impl Column for PasscodeTries {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Text);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let one = |one: &PasscodeTry| {
            format!(
                "{} {} {} {}",
                one.id,
                one.key,
                one.at.0,
                if one.wrong { WRONG } else { RESERVED }
            )
        };
        values.push(SqlValue::Text(Cow::Owned(
            self.0.iter().map(one).collect::<Vec<_>>().join(", "),
        )));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let text = String::read(reader)?;
        let tries = text
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(one_try)
            .collect::<Option<_>>();
        tries.map(Self).ok_or_else(|| StoreError::Inconsistent {
            table: "passcodes",
            id: 0,
            what: format!("{text:?} are no tries of a passcode"),
        })
    }
}

fn one_try(text: &str) -> Option<PasscodeTry> {
    let mut words = text.split(' ');
    let mut number = || words.next()?.parse::<i64>().ok();
    let (id, key, at) = (PasscodeTryId(number()?), ApiKeyId(number()?), ServerTime(number()?));
    let wrong = match (words.next()?, words.next()) {
        (WRONG, None) => true,
        (RESERVED, None) => false,
        _ => return None,
    };
    Some(PasscodeTry { id, key, at, wrong })
}

record!(domain::directory::party::Party, "parties",
    fixed { id: "id", merchant_id: "merchant_id", phone: "phone", found_by: "found_by", created_at: "created_at" }
    changing {
        fullname: "fullname", email: "email", country_code: "country_code", recipient_told_at: "recipient_told_at",
        updated_at: "updated_at",
    }
    alt_key { "merchant_id" "found_by" }
    masked domain::directory::party::Party::without_contacts);

record!(domain::directory::party::Counterparty, "counterparties",
    fixed { id: "id", merchant_id: "merchant_id", created_at: "created_at" }
    changing { party_id: "party_id", relationship: "relationship_type", updated_at: "updated_at" }
    alt_key {});

record!(domain::directory::payment_account::PaymentAccount, "payment_accounts",
    fixed {
        id: "id", merchant_id: "merchant_id", party_id: "party_id", account_name: "account_name", provider: "provider",
        method: "method", operation: "operation_type", country_code: "country_code", account_number: "account_number",
        created_at: "created_at",
    }
    changing { is_active: "is_active", updated_at: "updated_at" }
    alt_key {}
    masked domain::directory::payment_account::PaymentAccount::without_contacts);

record!(domain::sales::source::Counter, "counters",
    fixed { id: "id", merchant_id: "merchant_id", kind: "type", year: "year" }
    changing { last: "last" }
    alt_key { "merchant_id" "type" "year" });

record!(domain::sales::source::Source, "sources",
    fixed {
        id: "id", merchant_id: "merchant_id", kind: "type", number: "number", counterparty_id: "counterparty_id",
        currency: "currency", as_payment_link: "as_payment_link", created_at: "created_at",
        payment_link_id: "payment_link_id", idempotency_key: "idempotency_key",
    }
    changing {
        total_minor: "total_minor", item_count: "item_count", status: "status", note: "note", fee_bearer: "fee_bearer", reference_id: "reference_id",
        due_date: "due_date", paid_at: "paid_at", open_reviews: "open_reviews", cancel_at: "cancel_at", event_count: "event_count", updated_at: "updated_at",
    }
    alt_key { "merchant_id" "idempotency_key" });

record!(domain::sales::source::Item, "source_items",
    fixed {
        id: "id", merchant_id: "merchant_id", source_id: "source_id", currency: "currency", created_at: "created_at",
    }
    changing { name: "name", qty: "qty", amount_minor: "amount_minor", removed: "removed", updated_at: "updated_at" }
    alt_key {});

record!(domain::sales::checkout::CheckoutConfig, "checkout_configs",
    fixed {
        id: "id", merchant_id: "merchant_id", source_id: "source_id", mode: "mode", success_url: "success_url",
        cancel_url: "cancel_url", expires_at: "expires_at", token: "token" "token_hash", created_at: "created_at",
    }
    changing { link_token: "link_token" "link_token_hash", linked_at: "linked_at" }
    alt_key { "source_id" });

record!(domain::payments::request_limit::RequestLimit, "request_limits",
    fixed { id: "id", merchant_id: "merchant_id", kind: "kind", subject: "subject" }
    changing { full_at: "full_at" }
    alt_key { "merchant_id" "kind" "subject" });
/// Four columns, of which either the first two or the last two are null.
impl Column for LinkPrice {
    const WIDTH: usize = 4;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int; 4]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let (items, open) = match self {
            Self::Items { count, total_minor } => (Some((count, total_minor)), None),
            Self::Open { min_minor, max_minor } => (None, Some((min_minor, max_minor))),
        };
        for pair in [items, open] {
            i64::write_option(pair.map(|(first, _)| first), values);
            i64::write_option(pair.map(|(_, second)| second), values);
        }
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (items, open) = <(Option<(i64, i64)>, Option<(i64, i64)>) as Column>::read(reader)?;
        match (items, open) {
            (Some((count, total_minor)), None) => Ok(Self::Items { count, total_minor }),
            (None, Some((min_minor, max_minor))) => Ok(Self::Open { min_minor, max_minor }),
            _ => {
                Err(reader.inconsistent("it has items and limits of an amount, or none".to_owned()))
            }
        }
    }
}

record!(domain::sales::payment_link::PaymentLink, "payment_links",
    fixed {
        id: "id", merchant_id: "merchant_id", title: "title", currency: "currency",
        price: "item_count" "total_minor" "min_minor" "max_minor", max_uses: "max_uses", fee_bearer: "fee_bearer",
        expires_at: "expires_at", success_url: "success_url", token: "token" "token_hash",
        idempotency_key: "idempotency_key", created_at: "created_at",
    }
    changing {
        status: "status", uses_reserved: "uses_reserved", uses_paid: "uses_paid", event_count: "event_count",
        updated_at: "updated_at",
    }
    alt_key { "merchant_id" "idempotency_key" });

record!(domain::sales::payment_link::PaymentLinkItem, "payment_link_items",
    fixed {
        id: "id", merchant_id: "merchant_id", payment_link_id: "payment_link_id", position: "position", name: "name",
        qty: "qty", amount_minor: "amount_minor",
    }
    changing {}
    alt_key { "payment_link_id" "position" });

record!(domain::payments::session::Session, "sessions",
    fixed { id: "id", merchant_id: "merchant_id", expires_at: "expires_at", created_at: "created_at" }
    partly_changing {
        intent: fixed {
            "kind" "source_id" "wallet_id" "counterparty_id" "party_id" "recipient_type" "recipient_id" "recipient_name"
            "original_execution_id" "amount_minor" "currency" "reason"
        }
        changing { "payment_account_id" }
    }
    changing { status: "status", event_count: "event_count", updated_at: "updated_at" }
    alt_key {}
    masked domain::payments::session::Session::without_contacts);

record!(domain::payments::execution::Execution, "executions",
    fixed {
        id: "id", merchant_id: "merchant_id", reference_id: "reference_id", session_id: "session_id",
        payer: "payer_minor" "payer_currency", payee: "payee_minor" "payee_currency",
        total_minor: "total_minor", platform_fee_minor: "platform_fee_minor", gateway_fee_minor: "gateway_fee_minor",
        fx_fee_minor: "fx_fee_minor", rate: "rate_num" "rate_den", rules: "rules", unit_minor: "unit_minor", platform_fee_id: "platform_fee_id",
        gateway_fee_id: "gateway_fee_id", provider: "provider", method: "method", created_at: "created_at",
    }
    partly_changing {
        intent: fixed {
            "operation" "source_id" "payment_account_id" "original_execution_id" "counter_wallet_id"
        }
        changing {
            "wallet_id" "refunded_minor" "over_refunded_minor" "given_back_minor" "refunded_total_minor"
            "over_refunded_total_minor" "released_minor" "settled_by_review_at"
        }
    }
    changing {
        status: "status", provider_transaction_id: "provider_transaction_id", gateway_message: "gateway_message",
        wallet_message: "wallet_message", in_review: "in_review", waiting_for: "waiting_for",
        completed_at: "completed_at", event_count: "event_count", updated_at: "updated_at",
    }
    alt_key { "merchant_id" "reference_id" });

record!(domain::payments::attempt::ProviderAttempt, "provider_attempts",
    fixed {
        execution_id: "execution_id", merchant_id: "merchant_id", network_account_id: "network_account_id",
        request_id: "request_id", page_id: "page_id",
        trace: "trace_id" "span_id",
    }
    changing {
        network_reference: "network_reference", gate: "gate", send_count: "send_count", sent_at: "sent_at", body: "body",
        next_check_at: "next_check_at", lease_until: "lease_until", cancel_asked: "cancel_asked",
        requires_action: "requires_action", client_secret: "client_secret", asked_at: "asked_at",
        deadline_at: "deadline_at", last_refund_id: "last_refund_id",
    }
    alt_key {});

record!(domain::ledger::wallet::Wallet, "wallets",
    fixed {
        id: "id", merchant_id: "merchant_id", owner_type: "owner_type", owner_id: "owner_id", currency: "currency",
        created_at: "created_at",
    }
    changing {
        available_minor: "available_minor", held_minor: "held_minor", incoming_minor: "incoming_minor",
        open_reviews: "open_reviews", status: "status", sent_day: "sent_day", sent_minor: "sent_minor",
        last_entry_id: "last_entry_id", event_count: "event_count", updated_at: "updated_at",
    }
    alt_key { "owner_type" "owner_id" "currency" });

record!(domain::ledger::funding::Funding, "fundings",
    fixed {
        id: "id", merchant_id: "merchant_id", wallet_id: "wallet_id", key: "funding_key", amount: "amount_minor" "currency",
        created_at: "created_at",
    }
    changing {}
    alt_key { "funding_key" });

record!(domain::ledger::account::Account, "accounts",
    fixed { id: "id", merchant_id: "merchant_id", kind: "kind" "network_account_id", currency: "currency", created_at: "created_at" }
    changing { balance_minor: "balance_minor", balance_rounds: "balance_rounds", updated_at: "updated_at" }
    alt_key { "merchant_id" "kind" "network_account_id" "currency" });

record!(domain::exceptions::review::Review, "reviews",
    fixed {
        id: "id", merchant_id: "merchant_id", execution_id: "execution_id", kind: "kind", created_at: "created_at",
    }
    changing {
        status: "status", amount: "amount_minor" "currency", earlier_minor: "earlier_minor",
        earlier_returned_minor: "earlier_returned_minor", reason: "reason", resolution: "resolution", evidence: "evidence",
        resolved_at: "resolved_at", event_count: "event_count", dispute_id: "dispute_id",
        dispute_withdrawn: "dispute_withdrawn", dispute_reinstated: "dispute_reinstated",
        dispute_told_at: "dispute_told_at", dispute_standing: "dispute_standing", dispute_status: "dispute_status",
        dispute_reason: "dispute_reason", dispute_amount_minor: "dispute_amount_minor", dispute_due_at: "dispute_due_at",
        dispute_link: "dispute_link", dispute_notes: "dispute_notes",
    }
    alt_key { "execution_id" "kind" });

record!(domain::payments::approval::Approval, "approvals",
    fixed {
        id: "id", merchant_id: "merchant_id", execution_id: "execution_id", above: "above",
        requested_by: "requested_by_kind" "requested_by_id", created_at: "created_at",
    }
    changing {
        status: "status", decided_by: "decided_by_kind" "decided_by_id", note: "note", decided_at: "decided_at",
    }
    alt_key { "execution_id" });

record!(domain::decision::event::EventPosition, "event_positions",
    fixed { merchant_id: "merchant_id" }
    changing { last: "last", endpoints: "endpoints" }
    alt_key {});

/// Two columns: the kind, and the id of an API key or of a person.
impl Column for Actor {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        ActorKind::types(types);
        i64::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Int(self.kind().code()));
        values.push(self.id().map_or(SqlValue::Null, SqlValue::Int));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (kind, id) = <(ActorKind, Option<i64>) as Column>::read(reader)?;
        Self::from_parts(kind, id)
            .ok_or_else(|| reader.inconsistent(format!("{kind} with {id:?} is not an actor")))
    }
}

record!(domain::decision::event::Event, "events",
    fixed {
        id: "id", merchant_id: "merchant_id", kind: "type", entity: "subject_type", entity_id: "subject_id", note: "note",
        position: "position", sequence: "sequence", actor: "actor_kind" "actor_id", created_at: "created_at",
    }
    changing {}
    alt_key {});

record!(domain::ledger::account::Entry, "entries",
    fixed {
        id: "id", merchant_id: "merchant_id", transaction_id: "transaction_id", execution_id: "execution_id",
        account_id: "account_id", bucket: "bucket", amount_minor: "amount_minor", currency: "currency",
        balance_minor: "balance_minor", previous_entry_id: "previous_entry_id",
    }
    changing {}
    alt_key {});

record!(domain::audit::AuditRow, "audit",
    fixed {
        id: "id", merchant_id: "merchant_id", created_at: "created_at", actor: "actor_kind" "actor_id", address: "address",
        request_id: "request_id", command: "command", action: "action", entity: "entity", entity_id: "entity_id",
        changes: "changes",
    }
    changing {}
    alt_key {});

impl Column for IpAddr {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Text);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Text(Cow::Owned(self.to_string())));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let text = String::read(reader)?;
        text.parse().map_err(|_| reader.inconsistent(format!("{text:?} is no address")))
    }
}

/// Its bits, as an integer with a sign.
impl Column for RequestId {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Int);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        values.push(SqlValue::Int(self.0.cast_signed()));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self(i64::read(reader)?.cast_unsigned()))
    }
}

/// A line for each field: its name, and after tabs the values before and after, each behind `=`. A
/// field whose values nobody sees is its name alone. Null for no fields, which is what most rows of
/// payments would not be worth a text for.
impl Column for Changes {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Text);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let lines: Vec<String> = self.0.iter().map(line_of).collect();
        let text = Some(lines.join("\n")).filter(|text| !text.is_empty());
        values.push(text.map_or(SqlValue::Null, |text| SqlValue::Text(Cow::Owned(text))));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let Some(text) = Option::<String>::read(reader)? else { return Ok(Self::default()) };
        let lines = text.split('\n').map(change_of).collect::<Option<_>>();
        lines.map(Self).ok_or_else(|| reader.inconsistent(format!("{text:?} are no changes")))
    }
}

fn line_of(change: &FieldChange) -> String {
    let Some(values) = &change.values else { return change.field.clone() };
    let value = |value: &Option<String>| {
        value.as_ref().map_or_else(String::new, |text| format!("={}", escaped(text)))
    };
    format!("{}\t{}\t{}", change.field, value(&values.before), value(&values.after))
}

fn change_of(line: &str) -> Option<FieldChange> {
    let mut parts = line.split('\t');
    let field = parts.next().filter(|field| !field.is_empty())?.to_owned();
    let values = match (parts.next(), parts.next(), parts.next()) {
        (None, None, None) => None,
        (Some(before), Some(after), None) => {
            Some(Values { before: value_of(before)?, after: value_of(after)? })
        }
        _ => return None,
    };
    Some(FieldChange { field, values })
}

/// The value behind `=`, or no value; `None` for what is neither.
fn value_of(text: &str) -> Option<Option<String>> {
    match text.strip_prefix('=') {
        Some(value) => unescaped(value).map(Some),
        None => text.is_empty().then_some(None),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn unescaped(text: &str) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        value.push(match next {
            '\\' => match rest.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                _ => return None,
            },
            other => other,
        });
    }
    Some(value)
}
record!(domain::ledger::batch_chain::Batch, "batches",
    fixed {
        id: "id", end_id: "end_id", previous_id: "previous_id", created_at: "created_at", digest: "digest_1" "digest_2",
        marks: "marks",
    }
    changing { position: "position", link: "link_1" "link_2", link_key_id: "link_key_id" }
    alt_key {});

record!(domain::ledger::batch_chain::BatchChain, "batch_chain",
    fixed { id: "id" }
    changing {
        position: "position", link: "link_1" "link_2", link_key_id: "link_key_id", older_next_id: "older_next_id",
        older_end_id: "older_end_id", holder: "holder", leased_until: "leased_until",
    }
    alt_key {});

record!(domain::ledger::installation_check::InstallationCheck, "installation_checks",
    fixed { id: "id", kind: "kind" }
    changing {
        begun_at: "begun_at", ended_at: "ended_at", outcome: "outcome", violations: "violations", detail: "detail",
        good_at: "good_at", requested_at: "requested_at", holder: "holder", leased_until: "leased_until",
    }
    alt_key {});

record!(domain::reconciliation::run::Reconciliation, "reconciliations",
    fixed { id: "id" }
    changing {
        holder: "holder", leased_until: "leased_until", nightly_at: "nightly_at", completed_at: "completed_at",
    }
    alt_key {});

record!(domain::reconciliation::statement::Statement, "statements",
    fixed {
        id: "id", network_account_id: "network_account_id", source: "source", name: "name", digest: "digest",
        from_at: "from_at", to_at: "to_at", begun_at: "begun_at",
    }
    changing {
        status: "status", counts: "lines" "new_lines" "matched" "under_way" "differences", problem: "problem",
        accepted_at: "accepted_at", event_count: "event_count", ended_at: "ended_at",
    }
    alt_key {});

impl Column for Counts {
    const WIDTH: usize = 5;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int; 5]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let Self { lines, new, matched, under_way, differences } = *self;
        values.extend([lines, new, matched, under_way, differences].map(SqlValue::Int));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (lines, new, matched) = <(i64, i64, i64)>::read(reader)?;
        let (under_way, differences) = <(i64, i64)>::read(reader)?;
        Ok(Self { lines, new, matched, under_way, differences })
    }
}

record!(domain::reconciliation::line::StatementLine, "statement_lines",
    fixed {
        id: "id", network_account_id: "network_account_id", identity: "identity", kind: "kind", line_id: "line_id",
    }
    changing {
        statement_id: "statement_id",
        request_id: "request_id", reference: "reference", amount: "amount_minor" "currency",
        settled: "settled_minor" "settled_currency", fee: "fee_minor" "fee_currency", occurred_at: "occurred_at",
        standing: "standing", merchant_id: "merchant_id", execution_id: "execution_id", event_id: "event_id",
    }
    alt_key { "network_account_id" "identity" });

record!(domain::reconciliation::difference::Difference, "statement_differences",
    fixed {
        id: "id", network_account_id: "network_account_id", kind: "kind", subject: "subject",
        statement_id: "statement_id", line_id: "line_id",
    }
    changing {
        merchant_id: "merchant_id", execution_id: "execution_id", ours: "ours_minor" "ours_currency",
        theirs: "theirs_minor" "theirs_currency", reason: "reason", found_at: "found_at",
        status: "status", resolution: "resolution", evidence: "evidence", event_id: "event_id", closed_at: "closed_at",
    }
    alt_key { "network_account_id" "kind" "subject" });

record!(domain::reconciliation::balance::NetworkBalance, "network_balances",
    fixed { id: "id", network_account_id: "network_account_id", currency: "currency" }
    changing {
        network_minor: "network_minor", ledger_minor: "ledger_minor", unposted_minor: "unposted_minor",
        read_at: "read_at", differs_since: "differs_since",
    }
    alt_key { "network_account_id" "currency" });

record!(domain::ledger::batch_chain::ChainKey, "chain_keys",
    fixed { id: "id", key_id: "key_id" }
    changing { sealed: "sealed", sealed_key_id: "sealed_key_id" }
    alt_key {});

record!(domain::tariff::TariffVersion, "tariff",
    fixed { id: "id" }
    changing {
        version: "version", event_count: "event_count", payouts_stopped_at: "payouts_stopped_at",
        payouts_stopped_for: "payouts_stopped_for",
    }
    alt_key {});

// No command changes the tiers.
record!(domain::tariff::Tier, "fee_tiers",
    fixed { id: "id", name: "name", is_default: "is_default", created_at: "created_at", updated_at: "updated_at" }
    changing {}
    alt_key {});

record!(domain::tariff::PlatformFee, "platform_fees",
    fixed {
        id: "id", tier: "tier", operation: "operation", fee: "percentage_ppm" "fixed_minor" "fixed_currency",
        fx_percentage_ppm: "fx_percentage_ppm", created_at: "created_at",
    }
    partly_changing { effective: fixed { "effective_from" } changing { "effective_to" } }
    changing {}
    alt_key {});

record!(domain::tariff::GatewayFee, "gateway_fees",
    fixed {
        id: "id", provider: "provider", method: "method", operation: "operation",
        fee: "percentage_ppm" "fixed_minor" "fixed_currency", created_at: "created_at",
    }
    partly_changing { effective: fixed { "effective_from" } changing { "effective_to" } }
    changing { updated_at: "updated_at" }
    alt_key {});

record!(domain::tariff::Rate, "rates",
    fixed {
        id: "id", from: "from_currency", to: "to_currency", rate: "num" "den", created_at: "created_at",
    }
    partly_changing { effective: fixed { "effective_from" } changing { "effective_to" } }
    changing {}
    alt_key {});

record!(domain::tariff::Market, "markets",
    fixed {
        id: "id", method: "method", provider: "provider", operation: "operation", currency: "currency", country: "country",
        dial_prefix: "dial_prefix", details: "network_code" "display_name", decimals: "decimals",
    }
    partly_changing { effective: fixed { "effective_from" } changing { "effective_to" } }
    changing {}
    alt_key {});

record!(domain::tariff::PhonePrefix, "phone_prefixes",
    fixed {
        id: "id", prefix: "prefix", digits: "digits", carrier: "carrier", country: "country", method: "method",
    }
    partly_changing { effective: fixed { "effective_from" } changing { "effective_to" } }
    changing {}
    alt_key {});

record!(domain::network_accounts::account::NetworkAccount, "network_accounts",
    fixed {
        id: "id", network: "network", mode: "mode", name: "name", base_url: "base_url", callback_token: "callback_token",
        parameters: "parameters", created_at: "created_at",
    }
    changing {
        status: "status", held: "held", token_refused_at: "token_refused_at", restored_at: "restored_at", signed_callbacks: "signed_callbacks",
        calls_per_second: "calls_per_second", updated_at: "updated_at",
    }
    alt_key {});

/// Two columns, one for each network.
impl Column for BoundAccounts {
    const WIDTH: usize = 2;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int; 2]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.pawapay.write(values);
        self.stripe.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let (pawapay, stripe) =
            <(Option<NetworkAccountId>, Option<NetworkAccountId>)>::read(reader)?;
        Ok(Self { pawapay, stripe })
    }
}

record!(domain::network_accounts::secret::NetworkSecret, "network_secrets",
    fixed { id: "id", network_account_id: "network_account_id", kind: "kind", created_at: "created_at" }
    changing { sealed: "sealed", key_id: "key_id", retired_at: "retired_at" }
    alt_key {});

/// The columns of the terms, in the order of their fields.
impl Column for Terms {
    const WIDTH: usize = 11;

    fn types(types: &mut Vec<ColumnType>) {
        String::types(types);
        Currency::types(types);
        Operation::types(types);
        Availability::types(types);
        types.extend([ColumnType::Int; 3]);
        types.extend([ColumnType::Text; 4]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.operator.write(values);
        self.currency.write(values);
        self.operation.write(values);
        self.availability.write(values);
        self.min_minor.write(values);
        self.max_minor.write(values);
        self.decimals.write(values);
        self.country.write(values);
        self.prefix.write(values);
        self.display_name.write(values);
        self.pin_prompt.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            operator: Column::read(reader)?,
            currency: Column::read(reader)?,
            operation: Column::read(reader)?,
            availability: Column::read(reader)?,
            min_minor: Column::read(reader)?,
            max_minor: Column::read(reader)?,
            decimals: Column::read(reader)?,
            country: Column::read(reader)?,
            prefix: Column::read(reader)?,
            display_name: Column::read(reader)?,
            pin_prompt: Column::read(reader)?,
        })
    }
}

record!(domain::network_accounts::operator_terms::OperatorTerms, "operator_terms",
    fixed { id: "id", network_account_id: "network_account_id" }
    changing {
        terms: "operator" "currency" "operation" "availability" "min_minor" "max_minor" "decimals" "country" "prefix"
            "display_name" "pin_prompt",
        updated_at: "updated_at",
    }
    alt_key {});

/// The columns of an exchange, in the order of their fields.
impl Column for Said {
    const WIDTH: usize = 8;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int; 4]);
        types.push(ColumnType::Text);
        types.push(ColumnType::Int);
        types.extend([ColumnType::Text; 2]);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.network_account_id.write(values);
        self.is_callback.write(values);
        self.begun_at.write(values);
        self.duration_us.write(values);
        self.request.write(values);
        self.status.write(values);
        self.answer.write(values);
        self.digest.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            network_account_id: Column::read(reader)?,
            is_callback: Column::read(reader)?,
            begun_at: Column::read(reader)?,
            duration_us: Column::read(reader)?,
            request: Column::read(reader)?,
            status: Column::read(reader)?,
            answer: Column::read(reader)?,
            digest: Column::read(reader)?,
        })
    }
}

record!(domain::network_accounts::exchange::Exchange, "exchanges",
    fixed {
        id: "id", merchant_id: "merchant_id", execution_id: "execution_id",
        said: "network_account_id" "is_callback" "begun_at" "duration_us" "request" "status" "answer" "digest",
    }
    changing {}
    alt_key {});

record!(domain::network_accounts::unmatched_callback::UnmatchedCallback, "unmatched_callbacks",
    fixed {
        id: "id", network_account_id: "network_account_id", received_at: "received_at", is_signed: "is_signed",
        request_id: "request_id", body: "body",
    }
    changing {}
    alt_key {});

/// The names of the types, separated by spaces.
impl Column for EventTypes {
    fn types(types: &mut Vec<ColumnType>) {
        types.push(ColumnType::Text);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let names: Vec<&str> = self.0.iter().map(|kind| kind.as_str()).collect();
        values.push(SqlValue::Text(names.join(" ").into()));
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let text = String::read(reader)?;
        let types: Option<Vec<EventType>> = text.split(' ').map(EventType::parse).collect();
        types
            .map(Self)
            .ok_or_else(|| reader.inconsistent(format!("{text} are not types of events")))
    }
}

record!(domain::webhooks::endpoint::WebhookEndpoint, "webhook_endpoints",
    fixed { id: "id", merchant_id: "merchant_id", signing: "signing", created_at: "created_at" }
    changing {
        url: "url", event_types: "event_types", description: "description", disabled: "disabled",
        public_key: "public_key", failing_since: "failing_since", event_count: "event_count", updated_at: "updated_at",
        deleted_at: "deleted_at",
    }
    alt_key {});

record!(domain::webhooks::secret::WebhookSecret, "webhook_secrets",
    fixed {
        id: "id", merchant_id: "merchant_id", endpoint_id: "endpoint_id", signing: "signing", created_at: "created_at",
    }
    changing { sealed: "sealed", key_id: "key_id", expires_at: "expires_at" }
    alt_key {});

record!(domain::webhooks::message::WebhookMessage, "webhook_messages",
    fixed {
        event_id: "event_id", merchant_id: "merchant_id", kind: "type", execution_id: "execution_id",
        only_endpoint_id: "only_endpoint_id", body: "body", created_at: "created_at",
    }
    changing { fanned_out_at: "fanned_out_at" }
    alt_key {});

record!(domain::webhooks::delivery::WebhookDelivery, "webhook_deliveries",
    fixed {
        id: "id", merchant_id: "merchant_id", endpoint_id: "endpoint_id", event_id: "event_id", kind: "type",
        execution_id: "execution_id", created_at: "created_at",
    }
    changing {
        status: "status", attempts: "attempts", failures: "failures", next_attempt_at: "next_attempt_at",
        is_under_way: "is_under_way", updated_at: "updated_at",
    }
    alt_key { "endpoint_id" "event_id" });

/// The columns of an attempt, in the order of their fields.
impl Column for Attempted {
    const WIDTH: usize = 4;

    fn types(types: &mut Vec<ColumnType>) {
        types.extend([ColumnType::Int; 3]);
        types.push(ColumnType::Text);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        self.begun_at.write(values);
        self.duration_us.write(values);
        self.status.write(values);
        self.said.write(values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            begun_at: Column::read(reader)?,
            duration_us: Column::read(reader)?,
            status: Column::read(reader)?,
            said: Column::read(reader)?,
        })
    }
}

record!(domain::webhooks::attempt::WebhookAttempt, "webhook_attempts",
    fixed {
        id: "id", merchant_id: "merchant_id", delivery_id: "delivery_id", number: "number",
        attempted: "begun_at" "duration_us" "status" "said",
    }
    changing {}
    alt_key {});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_they_were_written() {
        let values = |before: Option<&str>, after: Option<&str>| Values {
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let changed = |field: &str, values| FieldChange { field: field.to_owned(), values };
        let all = [
            changed("password", None),
            changed("status", Some(values(None, Some("ACTIVE")))),
            changed("note", Some(values(Some(""), None))),
            changed("name", Some(values(Some("a\tb\n\\t="), Some("=\\")))),
        ];
        for change in &all {
            let line = line_of(change);
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(change_of(&line).as_ref(), Some(change));
        }
        for none in ["", "\t", "a\tb", "a\t=\tb", "a\t\t=\\x", "a\t\t\t", "a\t=\\\t"] {
            assert_eq!(change_of(none), None, "{none:?}");
        }
    }
}
