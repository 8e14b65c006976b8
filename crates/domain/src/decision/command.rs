//! The list of all decisions, and the types that are made from it.

use std::net::IpAddr;

use crate::audit;
use crate::decision::event::Actor;
use crate::decision::preview::Preview;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::principal::Principal;
use crate::directory::roles::Action;
use crate::kernel::trace::TraceContext;
use crate::mutant;

/// The list of all decisions: calls a macro with the name and the type of each.
#[macro_export]
macro_rules! each_decision {
    ($macro:ident) => {
        $macro! {
            CreateMerchant = $crate::directory::create_merchant::CreateMerchant,
            UpdateMerchant = $crate::directory::update_merchant::UpdateMerchant,
            CreateApiKey = $crate::directory::api_keys::CreateApiKey,
            RevokeApiKey = $crate::directory::api_keys::RevokeApiKey,
            SetPasscode = $crate::directory::set_passcode::SetPasscode,
            UnlockPasscode = $crate::directory::set_passcode::UnlockPasscode,
            ReservePasscodeChange = $crate::directory::try_passcode::ReservePasscodeChange,
            ReplacePasscode = $crate::directory::set_passcode::ReplacePasscode,
            ReservePasscodeAttempt =
                $crate::payments::reserve_passcode_attempt::ReservePasscodeAttempt,
            FinishPasscodeAttempt = $crate::directory::try_passcode::FinishPasscodeAttempt,
            AdvanceClock = $crate::directory::advance_clock::AdvanceClock,
            CreateParty = $crate::directory::create_party::CreateParty,
            UpdateParty = $crate::directory::update_party::UpdateParty,
            CreateCounterparty = $crate::directory::counterparties::CreateCounterparty,
            UpdateCounterparty = $crate::directory::counterparties::UpdateCounterparty,
            CreateAccount = $crate::directory::create_payment_account::CreateAccount,
            DeactivateAccount = $crate::directory::use_payment_account::DeactivateAccount,
            FundWallet = $crate::ledger::fund_wallet::FundWallet,
            SetWalletStatus = $crate::ledger::set_wallet_status::SetWalletStatus,
            CreateSource = $crate::sales::create_source::CreateSource,
            UpdateSource = $crate::sales::update_source::UpdateSource,
            PublishSource = $crate::sales::publish_source::PublishSource,
            CancelSource = $crate::sales::cancel_source::CancelSource,
            AddItem = $crate::sales::edit_items::AddItem,
            UpdateItem = $crate::sales::edit_items::UpdateItem,
            RemoveItem = $crate::sales::edit_items::RemoveItem,
            CreateCheckout = $crate::sales::create_checkout::CreateCheckout,
            CreatePaymentLink = $crate::sales::create_payment_link::CreatePaymentLink,
            DeactivatePaymentLink = $crate::sales::deactivate_payment_link::DeactivatePaymentLink,
            PayLink = $crate::sales::pay_link::PayLink,
            CancelUnpaidOrder = $crate::sales::cancel_unpaid_order::CancelUnpaidOrder,
            OpenCheckoutPage = $crate::sales::open_checkout_page::OpenCheckoutPage,
            CreateSession = $crate::payments::create_session::CreateSession,
            CancelSession = $crate::payments::cancel_session::CancelSession,
            ExpireSession = $crate::payments::expire_session::ExpireSession,
            Execute = $crate::payments::execute::Execute,
            PayOnPage = $crate::payments::pay_on_page::PayOnPage,
            LeaveCardPage = $crate::payments::leave_card_page::LeaveCardPage,
            CheckNow = $crate::payments::check_now::CheckNow,
            ClaimExecution = $crate::payments::claim_execution::ClaimExecution,
            Approve = $crate::payments::decide_approval::Approve,
            Refuse = $crate::payments::decide_approval::Refuse,
            ExpireApproval = $crate::payments::decide_approval::ExpireApproval,
            CancelEnqueued = $crate::payments::cancel_enqueued::CancelEnqueued,
            DeferSend = $crate::payments::defer_send::DeferSend,
            RecordOutcome = $crate::payments::record_outcome::RecordOutcome,
            AuthenticateCard = $crate::payments::authenticate_card::AuthenticateCard,
            RecordDispute = $crate::exceptions::dispute::RecordDispute,
            ResolveReview = $crate::exceptions::resolve_review::ResolveReview,
            NoteEvidence = $crate::exceptions::note_evidence::NoteEvidence,
            SetPlatformFee = $crate::tariff::set_platform_fee::SetPlatformFee,
            SetGatewayFee = $crate::tariff::set_gateway_fee::SetGatewayFee,
            SetRate = $crate::tariff::set_rate::SetRate,
            OpenMarket = $crate::tariff::open_market::OpenMarket,
            CloseMarket = $crate::tariff::close_market::CloseMarket,
            AssignPhonePrefix = $crate::tariff::assign_phone_prefix::AssignPhonePrefix,
            EndPhonePrefix = $crate::tariff::end_phone_prefix::EndPhonePrefix,
            AddNetworkAccount = $crate::network_accounts::add_account::AddNetworkAccount,
            ChangeNetworkAccount = $crate::network_accounts::change_account::ChangeNetworkAccount,
            AddNetworkSecret = $crate::network_accounts::secret::AddNetworkSecret,
            RetireNetworkSecret = $crate::network_accounts::secret::RetireNetworkSecret,
            ResealSecrets = $crate::network_accounts::secret::ResealSecrets,
            RecordTerms = $crate::network_accounts::record_terms::RecordTerms,
            KeepUnmatchedCallback =
                $crate::network_accounts::unmatched_callback::KeepUnmatchedCallback,
            StopPayouts = $crate::payments::payouts_stop::StopPayouts,
            ResumePayouts = $crate::payments::payouts_stop::ResumePayouts,
            ClaimCheck = $crate::ledger::installation_check::ClaimCheck,
            RecordCheck = $crate::ledger::installation_check::RecordCheck,
            RequestCheck = $crate::ledger::installation_check::RequestCheck,
            ClaimReconciliation = $crate::reconciliation::run::ClaimReconciliation,
            BeginStatement = $crate::reconciliation::run::BeginStatement,
            RecordLines = $crate::reconciliation::record_lines::RecordLines,
            RecordMissing = $crate::reconciliation::record_lines::RecordMissing,
            EndStatement = $crate::reconciliation::run::EndStatement,
            AcceptStatement = $crate::reconciliation::accept::AcceptStatement,
            PostLines = $crate::reconciliation::post_lines::PostLines,
            CloseDifference = $crate::reconciliation::close_difference::CloseDifference,
            RecordBalances = $crate::reconciliation::balance::RecordBalances,
            ChainBatches = $crate::ledger::batch_chain::ChainBatches,
            DeleteRetained = $crate::decision::retention::DeleteRetained,
            CreateWebhookEndpoint = $crate::webhooks::create_endpoint::CreateWebhookEndpoint,
            UpdateWebhookEndpoint = $crate::webhooks::change_endpoint::UpdateWebhookEndpoint,
            DeleteWebhookEndpoint = $crate::webhooks::change_endpoint::DeleteWebhookEndpoint,
            RotateWebhookSecret = $crate::webhooks::change_endpoint::RotateWebhookSecret,
            TestWebhookEndpoint = $crate::webhooks::create_endpoint::TestWebhookEndpoint,
            FanOutMessages = $crate::webhooks::fan_out_messages::FanOutMessages,
            ClaimDeliveries = $crate::webhooks::claim_deliveries::ClaimDeliveries,
            RecordDeliveryAttempt = $crate::webhooks::record_attempt::RecordDeliveryAttempt,
            ResendDeliveries = $crate::webhooks::resend::ResendDeliveries,
            SetMerchantLimits = $crate::directory::merchant_limits::SetMerchantLimits,
            Invite = $crate::people::invite::Invite,
            ConfirmInvitation = $crate::people::invite::ConfirmInvitation,
            CancelInvitation = $crate::people::invite::CancelInvitation,
            AcceptInvitation = $crate::people::accept_invitation::AcceptInvitation,
            ReserveLogin = $crate::people::log_in::ReserveLogin,
            FinishLogin = $crate::people::log_in::FinishLogin,
            ReserveCode = $crate::people::second_factor::ReserveCode,
            GiveCode = $crate::people::second_factor::GiveCode,
            SetUpSecondFactor = $crate::people::second_factor::SetUpSecondFactor,
            ConfirmSecondFactor = $crate::people::second_factor::ConfirmSecondFactor,
            ChangePassword = $crate::people::change_password::ChangePassword,
            EndLogin = $crate::people::end_login::EndLogin,
            TouchLogin = $crate::people::end_login::TouchLogin,
            ChangeMember = $crate::people::change_member::ChangeMember,
            DisableUser = $crate::people::disable_user::DisableUser,
            SaveFilter = $crate::people::saved_filter::SaveFilter,
        }
    };
}

macro_rules! commands {
    ($($name:ident = $decision:ty),+ $(,)?) => {
        /// Any decision. A lane takes commands of all kinds in one batch.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Command { $($name($decision)),+ }

        /// The output of any decision, or what it would post where that was asked for.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Output { $($name(<$decision as Decision>::Output)),+, Preview(Preview) }

        impl Command {
            /// The names of all commands, in the order of the list.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name)),+ }
            }

            /// See [`Decision::lock_key`].
            #[must_use]
            pub fn lock_key(&self) -> Option<LockKey> {
                match self { $(Self::$name(decision) => decision.lock_key()),+ }
            }

            /// See [`Decision::hints`].
            #[must_use]
            pub fn hints(&self) -> Vec<RowKey> {
                match self { $(Self::$name(decision) => decision.hints()),+ }
            }

            /// See [`Decision::likely_keys`].
            #[must_use]
            pub fn likely_keys(&self, work: &Workspace) -> Vec<RowKey> {
                match self { $(Self::$name(decision) => decision.likely_keys(work)),+ }
            }

            /// See [`Decision::action`].
            #[must_use]
            pub fn action(&self) -> Option<Action> {
                match self { $(Self::$name(decision) => decision.action()),+ }
            }

            /// See [`Decision::decide`].
            ///
            /// # Errors
            /// See [`Decision::decide`].
            pub fn decide(
                &self,
                work: &mut Workspace,
                context: &Context<'_>,
            ) -> Result<Output, Stop> {
                Ok(match self {
                    $(Self::$name(decision) => Output::$name(decision.decide(work, context)?)),+
                })
            }
        }

        $(impl From<$decision> for Command {
            fn from(decision: $decision) -> Self {
                Self::$name(decision)
            }
        }

        impl ListedDecision for $decision {
            fn output(output: Output) -> Option<Self::Output> {
                match output {
                    Output::$name(output) => Some(output),
                    _ => None,
                }
            }
        })+
    };
}

each_decision!(commands);

/// A decision that is in the list. Implemented by the list.
pub trait ListedDecision: Decision + Into<Command> {
    /// The output of this decision; `None` if it is the output of another.
    fn output(output: Output) -> Option<Self::Output>;
}

/// The id of an HTTP request, which its answer and the log lines about it have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestId(pub u64);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A command, who asks for it, and the HTTP request that it came with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub principal: Principal,
    /// For the log and the audit. `None` for what jobs and the command line ask for.
    pub request_id: Option<RequestId>,
    /// Where the HTTP request came from, as the server saw it. For the audit.
    pub address: Option<IpAddr>,
    /// What an attempt at a network that it begins continues later. `None` where nothing is traced.
    pub trace: Option<TraceContext>,
    /// Whether it is only to be found out what the command would post.
    pub is_preview: bool,
    pub command: Command,
}

impl Request {
    #[must_use]
    pub fn new(principal: Principal, command: impl Into<Command>) -> Self {
        let command = command.into();
        Self { principal, request_id: None, address: None, trace: None, is_preview: false, command }
    }

    /// Asks what the command would post. It is decided like any other, with the same rights, and
    /// changes nothing.
    #[must_use]
    pub fn preview(self) -> Self {
        Self { is_preview: true, ..self }
    }

    /// The command of an HTTP request.
    #[must_use]
    pub fn with_origin(self, request_id: Option<RequestId>, address: Option<IpAddr>) -> Self {
        Self { request_id, address, ..self }
    }

    /// The command as part of a trace.
    #[must_use]
    pub fn with_trace(self, trace: Option<TraceContext>) -> Self {
        Self { trace, ..self }
    }

    /// The keys that deciding it will certainly read.
    #[must_use]
    pub fn hints(&self) -> Vec<RowKey> {
        let mut keys = self.command.hints();
        keys.extend(self.principal.keys());
        keys
    }

    /// Decides the command, if the principal's credentials are valid now and allow it, and leaves its
    /// row in the audit.
    ///
    /// # Errors
    /// See [`Decision::decide`].
    pub fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Output, Stop> {
        let action = self.command.action();
        let rights = self.principal.check(action, work, context.now)?;
        if let (Some(rights), Some(action)) = (&rights, action) {
            rights.check(action)?;
        }
        let lost = mutant!(ActorLost) && self.principal == Principal::Network;
        let actor = if lost { Actor::System } else { self.principal.actor() };
        work.set_actor(actor, rights);
        work.set_trace(self.trace);
        if let Principal::User(person) = self.principal {
            work.set_person(person);
        }
        let output = self.command.decide(work, context)?;
        if self.is_preview {
            let preview = Preview::of_draft(work)?;
            work.discard_draft();
            return Ok(Output::Preview(preview));
        }
        audit::record(self, &output, work, context.now)?;
        Ok(output)
    }
}
