//! The audit: who decided what about which object, and what that changed.
//!
//! One rule says what is in it. An accepted command leaves one row if a person, an API key or the
//! operator asked for it, if it is one of [`AuditedCommand`], and if it changed something. What is
//! refused changes nothing and leaves none, and neither does a repeated request. What servers,
//! networks and payers do leaves none: events and exchanges tell of it. [`subject::of`] says of every
//! command whether it is audited.

pub mod fields;
pub mod subject;

use std::net::IpAddr;

use crate::api_enum;
use crate::decision::command::{Output, Request, RequestId};
use crate::decision::event::Actor;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::{AuditId, MerchantId};
use crate::kernel::time::ServerTime;
use crate::mutant;

api_enum! {
    /// What a row of the audit is about.
    AuditEntity {
        Merchant = "MERCHANT",
        ApiKey = "API_KEY",
        /// The passcode of a merchant; its id is the merchant's.
        Passcode = "PASSCODE",
        Limits = "LIMITS",
        Party = "PARTY",
        Counterparty = "COUNTERPARTY",
        PaymentAccount = "PAYMENT_ACCOUNT",
        Wallet = "WALLET",
        /// An invoice or an order.
        Source = "SOURCE",
        Item = "ITEM",
        PaymentLink = "PAYMENT_LINK",
        Session = "SESSION",
        Execution = "EXECUTION",
        Review = "REVIEW",
        Approval = "APPROVAL",
        WebhookEndpoint = "WEBHOOK_ENDPOINT",
        WebhookDelivery = "WEBHOOK_DELIVERY",
        /// A person, and their role in a merchant.
        User = "USER",
        Login = "LOGIN",
        Invitation = "INVITATION",
        /// A filter that a person keeps.
        SavedFilter = "SAVED_FILTER",
        NetworkAccount = "NETWORK_ACCOUNT",
        Tariff = "TARIFF",
        Installation = "INSTALLATION",
        Statement = "STATEMENT",
    }
}

api_enum! {
    /// The commands that leave a row in the audit.
    AuditedCommand {
        CreateMerchant = "create_merchant",
        UpdateMerchant = "update_merchant",
        CreateApiKey = "create_api_key",
        RevokeApiKey = "revoke_api_key",
        SetPasscode = "set_passcode",
        UnlockPasscode = "unlock_passcode",
        ReplacePasscode = "replace_passcode",
        SetMerchantLimits = "set_merchant_limits",
        AdvanceClock = "advance_clock",
        CreateParty = "create_party",
        UpdateParty = "update_party",
        CreateCounterparty = "create_counterparty",
        UpdateCounterparty = "update_counterparty",
        CreateAccount = "create_account",
        DeactivateAccount = "deactivate_account",
        FundWallet = "fund_wallet",
        SetWalletStatus = "set_wallet_status",
        CreateSource = "create_source",
        UpdateSource = "update_source",
        PublishSource = "publish_source",
        CancelSource = "cancel_source",
        AddItem = "add_item",
        UpdateItem = "update_item",
        RemoveItem = "remove_item",
        CreateCheckout = "create_checkout",
        OpenCheckoutPage = "open_checkout_page",
        CreatePaymentLink = "create_payment_link",
        DeactivatePaymentLink = "deactivate_payment_link",
        CreateSession = "create_session",
        CancelSession = "cancel_session",
        Execute = "execute",
        CheckNow = "check_now",
        CancelEnqueued = "cancel_enqueued",
        Approve = "approve",
        Refuse = "refuse",
        AuthenticateCard = "authenticate_card",
        ResolveReview = "resolve_review",
        NoteEvidence = "note_evidence",
        SetPlatformFee = "set_platform_fee",
        SetGatewayFee = "set_gateway_fee",
        SetRate = "set_rate",
        OpenMarket = "open_market",
        CloseMarket = "close_market",
        AssignPhonePrefix = "assign_phone_prefix",
        EndPhonePrefix = "end_phone_prefix",
        AddNetworkAccount = "add_network_account",
        ChangeNetworkAccount = "change_network_account",
        AddNetworkSecret = "add_network_secret",
        RetireNetworkSecret = "retire_network_secret",
        ResealSecrets = "reseal_secrets",
        RecordTerms = "record_terms",
        CreateWebhookEndpoint = "create_webhook_endpoint",
        UpdateWebhookEndpoint = "update_webhook_endpoint",
        DeleteWebhookEndpoint = "delete_webhook_endpoint",
        RotateWebhookSecret = "rotate_webhook_secret",
        TestWebhookEndpoint = "test_webhook_endpoint",
        ResendDeliveries = "resend_deliveries",
        Invite = "invite",
        ConfirmInvitation = "confirm_invitation",
        CancelInvitation = "cancel_invitation",
        AcceptInvitation = "accept_invitation",
        FinishLogin = "finish_login",
        GiveCode = "give_code",
        SetUpSecondFactor = "set_up_second_factor",
        ConfirmSecondFactor = "confirm_second_factor",
        ChangePassword = "change_password",
        EndLogin = "end_login",
        ChangeMember = "change_member",
        DisableUser = "disable_user",
        SaveFilter = "save_filter",
        StopPayouts = "stop_payouts",
        ResumePayouts = "resume_payouts",
        RequestCheck = "request_check",
        AcceptStatement = "accept_statement",
        CloseDifference = "close_difference",
    }
}

/// A changed field of an object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FieldChange {
    /// As the API or the command line names it.
    pub field: String,
    /// `None` for a field whose values nobody sees here: secrets, and the contacts of people.
    pub values: Option<Values>,
}

/// The value of a field before and after; `None` where it had none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Values {
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The fields that a command changed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Changes(pub Vec<FieldChange>);

/// A row of the audit. Rows are never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRow {
    pub id: AuditId,
    /// [`MerchantId::INSTALLATION`] for what is about no merchant.
    pub merchant_id: MerchantId,
    pub created_at: ServerTime,
    /// A person, an API key or the operator.
    pub actor: Actor,
    /// Where the request came from, as the server saw it; `None` at the command line.
    pub address: Option<IpAddr>,
    /// `None` at the command line.
    pub request_id: Option<RequestId>,
    pub command: AuditedCommand,
    /// What the role table asks for it; `None` for what only the operator at the command line does.
    pub action: Option<Action>,
    pub entity: AuditEntity,
    pub entity_id: i64,
    pub changes: Changes,
}

/// Whether decisions of an actor are audited.
#[must_use]
pub const fn is_audited(actor: Actor) -> bool {
    match actor {
        Actor::ApiKey(_) | Actor::User(_) | Actor::Operator => true,
        Actor::Network | Actor::System | Actor::Payer => false,
    }
}

/// Leaves the row of a command that was decided and is about to be accepted.
///
/// # Errors
/// [`Stop::Inconsistent`] when the block of ids is used up.
pub(crate) fn record(
    request: &Request,
    output: &Output,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    // Not the principal's: who logs in or joins is a person only once that is decided.
    let actor = work.actor();
    if !is_audited(actor) || !work.has_draft() {
        return Ok(());
    }
    let Some(subject) = subject::of(&request.command, output, work) else { return Ok(()) };
    if subject.changes.is_empty() && !work.has_draft_events() {
        return Ok(());
    }
    if mutant!(AuditMissing) && subject.command == AuditedCommand::SetWalletStatus {
        return Ok(());
    }
    let as_operator = mutant!(AuditByAnother) && subject.command == AuditedCommand::GiveCode;
    let actor = if as_operator { Actor::Operator } else { actor };
    let id = AuditId(work.new_id()?);
    work.audit.push(AuditRow {
        id,
        merchant_id: subject.merchant_id,
        created_at: now,
        actor,
        address: request.address,
        request_id: request.request_id,
        command: subject.command,
        action: request.command.action(),
        entity: subject.entity,
        entity_id: subject.id,
        changes: Changes(subject.changes),
    });
    Ok(())
}
