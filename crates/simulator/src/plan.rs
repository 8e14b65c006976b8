//! The events that a run starts by itself (requests, jobs, clocks, faults), recorded so that the run
//! can be repeated without some of them. What follows from them (answers, callbacks, retries) is not
//! recorded: it follows again.
//!
//! Ids change when an event is left out. Requests are therefore recorded with names instead of ids:
//! each row is named after the request that created it. A request that names a missing row is left
//! out too.

use std::collections::BTreeMap;
use std::rc::Rc;

use domain::decision::command::{Command, Output};
use domain::directory::advance_clock::AdvanceClock;
use domain::directory::api_keys::CreateApiKey;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::counterparties::UpdateCounterparty;
use domain::directory::create_party::CreateParty;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::merchant_limits::SetMerchantLimits;
use domain::directory::principal::Principal;
use domain::directory::set_passcode::ReplacePasscode;
use domain::directory::set_passcode::SetPasscode;
use domain::directory::set_passcode::UnlockPasscode;
use domain::directory::try_passcode::FinishPasscodeAttempt;
use domain::directory::try_passcode::ReservePasscodeChange;
use domain::directory::update_merchant::UpdateMerchant;
use domain::directory::use_payment_account::DeactivateAccount;
use domain::exceptions::resolve_review::ResolveReview;
use domain::kernel::ids::{MerchantId, NetworkAccountId};
use domain::kernel::patch::Patch;
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::set_wallet_status::SetWalletStatus;
use domain::payments::authenticate_card::AuthenticateCard;
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::cancel_session::CancelSession;
use domain::payments::check_now::CheckNow;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::create_session::CreateSession;
use domain::payments::create_session::NewSession;
use domain::payments::decide_approval::{Approve, ExpireApproval, Refuse};
use domain::payments::defer_send::DeferSend;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::expire_session::ExpireSession;
use domain::payments::leave_card_page::LeaveCardPage;
use domain::payments::pay_on_page::PayOnPage;
use domain::payments::record_outcome::RecordOutcome;
use domain::payments::reserve_passcode_attempt::ReservePasscodeAttempt;
use domain::people::accept_invitation::{AcceptInvitation, Guest};
use domain::people::access::Person;
use domain::people::change_member::ChangeMember;
use domain::people::change_password::ChangePassword;
use domain::people::disable_user::DisableUser;
use domain::people::end_login::{EndLogin, TouchLogin};
use domain::people::invitation::InvitedTo;
use domain::people::invite::{CancelInvitation, ConfirmInvitation, Invite};
use domain::people::log_in::FinishLogin;
use domain::people::second_factor::{
    ConfirmSecondFactor, GiveCode, ReserveCode, SetUpSecondFactor,
};
use domain::sales::cancel_source::CancelSource;
use domain::sales::cancel_unpaid_order::CancelUnpaidOrder;
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_payment_link::CreatePaymentLink;
use domain::sales::create_source::CreateSource;
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::edit_items::AddItem;
use domain::sales::edit_items::RemoveItem;
use domain::sales::edit_items::UpdateItem;
use domain::sales::find_source::SourceRef;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::pay_link::PayLink;
use domain::sales::publish_source::PublishSource;
use domain::sales::update_source::UpdateSource;
use domain::webhooks::change_endpoint::{
    DeleteWebhookEndpoint, RotateWebhookSecret, UpdateWebhookEndpoint,
};
use domain::webhooks::create_endpoint::{CreateWebhookEndpoint, TestWebhookEndpoint};
use domain::webhooks::resend::ResendDeliveries;

use crate::db::{Commit, Map};
use crate::never_sent::never_sent;
use crate::of_people::of_people_alone;
use crate::of_statements::of_statements;
use crate::queued_command::{Origin, QueuedCommand, Try};
use crate::real_networks::Trouble;
use crate::rng::{hash, hash_text};

/// A step, and the number of the event in it.
pub type Id = (u64, u32);

/// An event that a step starts.
#[derive(Clone, Debug)]
pub enum Event {
    /// One request of a client to a process, or two at once.
    Requests(Vec<(usize, QueuedCommand)>),
    /// A process's job claims at most so many due executions.
    Claims(usize, usize),
    /// A process's jobs expire sessions and cancel unpaid orders.
    Sweep(usize),
    /// A process's job makes the deliveries of messages.
    FanOut(usize),
    /// A process's job claims deliveries that are due.
    Deliver(usize),
    /// A process's clock is off by so many microseconds from now on.
    Clock(usize, i64),
    /// The queue of the last process is full.
    Full,
    /// The database is away for so many microseconds.
    Outage(i64),
    /// Something happens to an account at a real network.
    Trouble(NetworkAccountId, Trouble),
    /// A fault in the middle of a batch.
    Fault(CallSite, Fault),
}

/// A call of a lane to its store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreCall {
    Reserve,
    Open,
    Load,
    Confirm,
    Persist,
    Commit,
}

/// The `nth` call of its kind in a process's batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallSite {
    pub process: usize,
    pub call: StoreCall,
    pub nth: u32,
}

/// What goes wrong at a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Another process runs a batch first.
    Interleave,
    /// The process dies before.
    Crash,
    /// The process dies after the commit: the client never gets an answer.
    CrashAfter,
    /// The transaction has to be run again.
    Conflict,
    /// A row is locked for too long.
    Busy,
    /// The connection is lost.
    Away,
    /// The commit has no answer: whether it took place, and how many questions about it have no
    /// answer either.
    Unknown(bool, u32),
    /// A call while the database is away; it follows from [`Event::Outage`].
    InOutage,
}

/// The events of a run, in order.
pub type Plan = BTreeMap<Id, Rc<Event>>;

/// Where the events of a run come from.
#[derive(Clone)]
pub enum Script {
    /// Drawn at random.
    Draw,
    /// Drawn and recorded.
    Record,
    /// Recorded before.
    Replay(Rc<Plan>),
}

/// Names of rows, and their ids.
#[derive(Default)]
pub struct RowNames {
    names: Map<i64, i64>,
    ids: Map<i64, i64>,
}

impl RowNames {
    fn assign(&mut self, id: i64, parts: &[u64]) {
        if self.names.contains_key(&id) {
            return;
        }
        let mut chosen = hash(parts);
        // A client that retries after a crash may create a second row.
        while self.ids.contains_key(&chosen.cast_signed()) {
            chosen = hash(&[chosen]);
        }
        self.names.insert(id, chosen.cast_signed());
        self.ids.insert(chosen.cast_signed(), id);
    }

    /// Names the rows that a request has created.
    pub fn record_created(&mut self, tag: u64, answer: &Output) {
        let ids = match answer {
            Output::CreateMerchant(made) => vec![made.merchant.id.0],
            Output::CreateApiKey(row) | Output::RevokeApiKey(row) => vec![row.id.0],
            Output::CreateParty(row) => vec![row.id.0],
            Output::CreateCounterparty(row) | Output::UpdateCounterparty(row) => vec![row.id.0],
            Output::CreateAccount(row) | Output::DeactivateAccount(row) => vec![row.id.0],
            Output::CreateSource(row)
            | Output::UpdateSource(row)
            | Output::PublishSource(row)
            | Output::CancelSource(row) => vec![row.id.0],
            Output::AddItem(row) | Output::UpdateItem(row) => vec![row.id.0],
            Output::CreateCheckout(made) => {
                vec![made.source.id.0, made.party.id.0, made.counterparty.id.0]
            }
            Output::CreatePaymentLink(made) => vec![made.link.id.0],
            Output::DeactivatePaymentLink(row) => vec![row.id.0],
            Output::PayLink(paid) => {
                let (order, execution) = (&paid.order, &paid.executed.execution);
                let account = execution.payment_account_id().map(|id| id.0);
                let ids =
                    [order.id.0, order.counterparty_id.0, execution.id.0, execution.session_id.0];
                ids.into_iter().chain(account).collect()
            }
            Output::CreateSession(row) | Output::CancelSession(row) => vec![row.id.0],
            Output::Execute(done) => vec![done.execution.id.0],
            Output::PayOnPage(done) => {
                let account = done.execution.payment_account_id();
                let session = done.execution.session_id;
                [done.execution.id.0, session.0].into_iter().chain(account.map(|id| id.0)).collect()
            }
            Output::CreateWebhookEndpoint(row) => vec![row.id.0],
            Output::Invite(row) => vec![row.id.0],
            Output::AcceptInvitation(row) => vec![row.id.0],
            Output::FinishLogin(Some(row)) | Output::ChangePassword(row) => vec![row.id.0],
            _ => vec![],
        };
        for (id, ordinal) in ids.into_iter().zip(1..) {
            self.assign(id, &[tag, ordinal]);
        }
    }

    /// Names rows by other rows: parties whom nobody created by merchant and phone, pages by source,
    /// wallets by owner and currency, reviews by execution and kind.
    pub fn record_derived(&mut self, commits: &[Commit]) {
        let of =
            |names: &Self, id: i64| names.names.get(&id).map_or(0, |name| name.cast_unsigned());
        for (_, row) in commits
            .iter()
            .flat_map(|commit| &commit.changes.parties)
            .filter(|(before, _)| before.is_none())
        {
            let parts = [of(self, row.merchant_id.0), hash_text(&row.phone)];
            self.assign(row.id.0, &parts);
        }
        for (_, row) in commits
            .iter()
            .flat_map(|commit| &commit.changes.checkout_configs)
            .filter(|(before, _)| before.is_none())
        {
            let parts = [of(self, row.source_id.0), hash_text("page")];
            self.assign(row.id.0, &parts);
        }
        for (_, row) in commits
            .iter()
            .flat_map(|commit| &commit.changes.wallets)
            .filter(|(before, _)| before.is_none())
        {
            let parts = [of(self, row.owner_id), hash_text(row.currency.code())];
            self.assign(row.id.0, &parts);
        }
        for (_, row) in commits
            .iter()
            .flat_map(|commit| &commit.changes.reviews)
            .filter(|(before, _)| before.is_none())
        {
            let parts = [of(self, row.execution_id.0), hash_text(row.kind.as_str())];
            self.assign(row.id.0, &parts);
        }
        for (_, row) in commits
            .iter()
            .flat_map(|commit| &commit.changes.approvals)
            .filter(|(before, _)| before.is_none())
        {
            let parts = [of(self, row.execution_id.0), hash_text("approval")];
            self.assign(row.id.0, &parts);
        }
    }

    /// Names deliveries by their endpoint and by what they are about: the object, and the event's place
    /// among those of it.
    pub fn record_deliveries(&mut self, commits: &[Commit]) {
        let of =
            |names: &Self, id: i64| names.names.get(&id).map_or(0, |name| name.cast_unsigned());
        for commit in commits {
            if !commit.changes.webhook_messages.is_empty() {
                for event in &commit.events {
                    let sequence = event.sequence.cast_unsigned();
                    let parts = [of(self, event.entity_id), sequence, hash_text("event")];
                    self.assign(event.id.0, &parts);
                }
            }
            for (before, row) in &commit.changes.webhook_deliveries {
                if before.is_none() {
                    let parts = [of(self, row.endpoint_id.0), of(self, row.event_id.0)];
                    self.assign(row.id.0, &parts);
                }
            }
        }
    }

    /// A request with names in the place of ids; `None` where a row has no name.
    pub fn to_names(&self, item: &QueuedCommand) -> Option<QueuedCommand> {
        translated(item, &self.names)
    }

    /// A request with ids in the place of names; `None` where a row does not exist.
    pub fn to_ids(&self, item: &QueuedCommand) -> Option<QueuedCommand> {
        translated(item, &self.ids)
    }
}

fn translated(item: &QueuedCommand, by: &Map<i64, i64>) -> Option<QueuedCommand> {
    let mut item = item.clone();
    let mut complete = true;
    let mut change = |id: &mut i64| match by.get(id) {
        Some(found) => *id = *found,
        None => complete = false,
    };
    ids(&mut item.command, &mut change);
    match &mut item.by {
        Some(Principal::User(person)) => ids_of_person(person, &mut change),
        Some(Principal::ApiKey(caller)) => {
            change(&mut caller.merchant_id.0);
            change(&mut caller.api_key_id.0);
        }
        _ => {}
    }
    match &mut item.origin {
        Origin::PasscodeAttempt(request, _) | Origin::PasscodeVerified(request) => {
            ids_of_request(request, &mut change)
        }
        Origin::CardPayer(id) => change(&mut id.0),
        Origin::Try(
            Try::Code { by, .. } | Try::FirstCode { by, .. } | Try::NewPassword { by, .. },
        ) => ids_of_person(by, &mut change),
        Origin::Try(Try::Password { .. } | Try::Guesses(_)) => {}
        Origin::Client(_)
        | Origin::CallSequence(_)
        | Origin::Callback
        | Origin::Hint
        | Origin::Claim
        | Origin::FanOut
        | Origin::DeliveryClaim
        | Origin::DeliveryAttempt(_)
        | Origin::Statement
        | Origin::Sweep => {}
    }
    complete.then_some(item)
}

fn ids_of_person(person: &mut Person, visit: &mut impl FnMut(&mut i64)) {
    visit(&mut person.user_id.0);
    visit(&mut person.login_id.0);
    person.merchant_id.iter_mut().for_each(|id| visit(&mut id.0));
}

/// Calls `visit` for every id in a command.
fn ids(command: &mut Command, visit: &mut impl FnMut(&mut i64)) {
    if let Some(merchant) = merchant_of(command) {
        visit(&mut merchant.0);
    }
    match command {
        Command::RevokeApiKey(RevokeApiKey { api_key_id: id, .. }) => visit(&mut id.0),
        Command::FundWallet(FundWallet { wallet_id: id, .. })
        | Command::SetWalletStatus(SetWalletStatus { wallet_id: id, .. }) => visit(&mut id.0),
        Command::CreateCounterparty(CreateCounterparty { party_id: Some(party), .. }) => {
            visit(&mut party.0)
        }
        Command::UpdateCounterparty(UpdateCounterparty {
            counterparty_id: id,
            party_id: party,
            ..
        }) => {
            visit(&mut id.0);
            if let Patch::Set(party) = party {
                visit(&mut party.0);
            }
        }
        Command::CreateAccount(CreateAccount { account: new, .. }) => visit(&mut new.party_id.0),
        Command::DeactivateAccount(DeactivateAccount { account_id: id, .. }) => visit(&mut id.0),
        Command::CreateSource(CreateSource { source: new, .. }) => {
            visit(&mut new.counterparty_id.0)
        }
        Command::CreateCheckout(CreateCheckout { checkout: new, .. }) => {
            new.counterparty_id.iter_mut().for_each(|id| visit(&mut id.0))
        }
        Command::DeactivatePaymentLink(DeactivatePaymentLink { link_id: id, .. }) => {
            visit(&mut id.0)
        }
        Command::PayLink(PayLink { link_id: id, payment, .. }) => {
            visit(&mut id.0);
            payment.account_id.iter_mut().for_each(|id| visit(&mut id.0));
        }
        Command::CancelUnpaidOrder(CancelUnpaidOrder { source_id: id }) => visit(&mut id.0),
        Command::UpdateSource(UpdateSource { source: SourceRef { id, .. }, .. })
        | Command::PublishSource(PublishSource { source: SourceRef { id, .. }, .. })
        | Command::CancelSource(CancelSource { source: SourceRef { id, .. }, .. })
        | Command::AddItem(AddItem { source: SourceRef { id, .. }, .. })
        | Command::OpenCheckoutPage(OpenCheckoutPage { source: SourceRef { id, .. }, .. }) => {
            visit(&mut id.0)
        }
        Command::UpdateItem(UpdateItem { source: which, item_id: id, .. })
        | Command::RemoveItem(RemoveItem { source: which, item_id: id }) => {
            visit(&mut which.id.0);
            visit(&mut id.0);
        }
        Command::CreateSession(CreateSession { session: request, .. }) => {
            ids_of_new_session(request, visit)
        }
        Command::CancelSession(CancelSession { session_id: id, .. })
        | Command::ExpireSession(ExpireSession { session_id: id }) => visit(&mut id.0),
        Command::Execute(request)
        | Command::ReservePasscodeAttempt(ReservePasscodeAttempt { execute: request, .. }) => {
            ids_of_request(request, visit)
        }
        Command::PayOnPage(PayOnPage { page_id, source_id, payment, .. }) => {
            visit(&mut page_id.0);
            visit(&mut source_id.0);
            payment.account_id.iter_mut().for_each(|id| visit(&mut id.0));
        }
        Command::LeaveCardPage(LeaveCardPage { execution_id: id, .. })
        | Command::CheckNow(CheckNow { execution_id: id, .. })
        | Command::ClaimExecution(ClaimExecution { execution_id: id })
        | Command::RecordOutcome(RecordOutcome { execution_id: id, .. }) => visit(&mut id.0),
        Command::ResolveReview(ResolveReview { review_id: id, .. }) => visit(&mut id.0),
        Command::UpdateWebhookEndpoint(UpdateWebhookEndpoint { endpoint_id: id, .. })
        | Command::DeleteWebhookEndpoint(DeleteWebhookEndpoint { endpoint_id: id, .. })
        | Command::RotateWebhookSecret(RotateWebhookSecret { endpoint_id: id, .. })
        | Command::TestWebhookEndpoint(TestWebhookEndpoint { endpoint_id: id, .. }) => {
            visit(&mut id.0)
        }
        Command::ResendDeliveries(ResendDeliveries { ids, .. }) => {
            ids.iter_mut().for_each(|id| visit(&mut id.0));
        }
        Command::DeferSend(DeferSend { execution_id: id, .. }) => visit(&mut id.0),
        Command::Approve(Approve { approval_id: id, .. })
        | Command::Refuse(Refuse { approval_id: id, .. })
        | Command::ExpireApproval(ExpireApproval { approval_id: id }) => visit(&mut id.0),
        Command::Invite(Invite { to: InvitedTo::Merchant(id, _), .. }) => visit(&mut id.0),
        Command::Invite(Invite { to: InvitedTo::Reset(id), .. })
        | Command::ChangeMember(ChangeMember { user_id: id, .. })
        | Command::DisableUser(DisableUser { user_id: id, .. }) => visit(&mut id.0),
        Command::ConfirmInvitation(ConfirmInvitation { invitation_id: id, .. })
        | Command::CancelInvitation(CancelInvitation { invitation_id: id, .. }) => visit(&mut id.0),
        Command::AcceptInvitation(AcceptInvitation { by: Guest::Known(by), .. }) => {
            ids_of_person(by, visit);
        }
        Command::EndLogin(EndLogin { by, login_id: id }) => {
            ids_of_person(by, visit);
            visit(&mut id.0);
        }
        Command::FinishLogin(FinishLogin { user_id: id, .. }) => visit(&mut id.0),
        Command::ReserveCode(ReserveCode { by, .. })
        | Command::GiveCode(GiveCode { by, .. })
        | Command::SetUpSecondFactor(SetUpSecondFactor { by, .. })
        | Command::ConfirmSecondFactor(ConfirmSecondFactor { by, .. })
        | Command::ChangePassword(ChangePassword { by, .. })
        | Command::TouchLogin(TouchLogin { by }) => ids_of_person(by, visit),
        Command::Invite(Invite { to: InvitedTo::Installation(_), .. })
        | Command::AcceptInvitation(_)
        | Command::ReserveLogin(_)
        | Command::CreateMerchant(_)
        | Command::UpdateMerchant(..)
        | Command::CreateApiKey(..)
        | Command::SetMerchantLimits(_)
        | Command::SetPasscode(..)
        | Command::UnlockPasscode(_)
        | Command::ReservePasscodeChange(..)
        | Command::ReplacePasscode(..)
        | Command::FinishPasscodeAttempt(..)
        | Command::AdvanceClock(..)
        | Command::CreateParty(..)
        | Command::CreateCounterparty(..)
        | Command::CreatePaymentLink(..)
        | Command::SetPlatformFee(_)
        | Command::SetGatewayFee(_)
        | Command::SetRate(_)
        | Command::OpenMarket(_)
        | Command::CloseMarket(_)
        | Command::AssignPhonePrefix(_)
        | Command::EndPhonePrefix(_)
        | Command::CancelEnqueued(_)
        | Command::CreateWebhookEndpoint(_)
        | Command::FanOutMessages(_)
        | Command::ChainBatches(_)
        | Command::ClaimDeliveries(_)
        | Command::RecordDeliveryAttempt(_)
        | never_sent!()
        | of_statements!()
        | Command::ChangeNetworkAccount(_)
        | Command::AddNetworkSecret(_)
        | Command::RecordTerms(_)
        | Command::AuthenticateCard(..) => {}
    }
}

fn ids_of_new_session(request: &mut NewSession, visit: &mut impl FnMut(&mut i64)) {
    match request {
        NewSession::Checkout { source_id, .. } => visit(&mut source_id.0),
        NewSession::Payout { wallet_id, account_id, .. } => {
            wallet_id.iter_mut().for_each(|id| visit(&mut id.0));
            visit(&mut account_id.0);
        }
        NewSession::Transfer { wallet_id, counterparty_id, .. } => {
            visit(&mut wallet_id.0);
            visit(&mut counterparty_id.0);
        }
        NewSession::Refund { original_id, .. } => visit(&mut original_id.0),
    }
}

fn ids_of_request(request: &mut Execute, visit: &mut impl FnMut(&mut i64)) {
    visit(&mut request.merchant_id.0);
    visit(&mut request.session_id.0);
    match &mut request.details {
        OperationDetails::Collection { account_id, .. }
        | OperationDetails::Payout { account_id: Some(account_id), .. } => visit(&mut account_id.0),
        OperationDetails::Payout { account_id: None, .. }
        | OperationDetails::Transfer
        | OperationDetails::Refund => {}
    }
}

/// The merchant that a command names, except for requests to execute.
pub fn merchant_of(command: &mut Command) -> Option<&mut MerchantId> {
    match command {
        Command::UpdateMerchant(UpdateMerchant { merchant_id: id, .. })
        | Command::CreateApiKey(CreateApiKey { merchant_id: id, .. })
        | Command::RevokeApiKey(RevokeApiKey { merchant_id: id, .. })
        | Command::SetPasscode(SetPasscode { merchant_id: id, .. })
        | Command::UnlockPasscode(UnlockPasscode { merchant_id: id })
        | Command::ReservePasscodeChange(ReservePasscodeChange { merchant_id: id, .. })
        | Command::ReplacePasscode(ReplacePasscode { merchant_id: id, .. })
        | Command::FinishPasscodeAttempt(FinishPasscodeAttempt { merchant_id: id, .. })
        | Command::AdvanceClock(AdvanceClock { merchant_id: id, .. })
        | Command::CreateParty(CreateParty { merchant_id: id, .. })
        | Command::CreateCounterparty(CreateCounterparty { merchant_id: id, .. })
        | Command::UpdateCounterparty(UpdateCounterparty { merchant_id: id, .. })
        | Command::CreateAccount(CreateAccount { merchant_id: id, .. })
        | Command::DeactivateAccount(DeactivateAccount { merchant_id: id, .. })
        | Command::CreateSource(CreateSource { merchant_id: id, .. })
        | Command::CreateCheckout(CreateCheckout { merchant_id: id, .. })
        | Command::CreatePaymentLink(CreatePaymentLink { merchant_id: id, .. })
        | Command::DeactivatePaymentLink(DeactivatePaymentLink { merchant_id: id, .. })
        | Command::PayLink(PayLink { merchant_id: id, .. })
        | Command::CreateSession(CreateSession { merchant_id: id, .. })
        | Command::CancelSession(CancelSession { merchant_id: id, .. })
        | Command::PayOnPage(PayOnPage { merchant_id: id, .. })
        | Command::LeaveCardPage(LeaveCardPage { merchant_id: id, .. })
        | Command::CheckNow(CheckNow { merchant_id: id, .. })
        | Command::AuthenticateCard(AuthenticateCard { merchant_id: id, .. })
        | Command::CreateWebhookEndpoint(CreateWebhookEndpoint { merchant_id: id, .. })
        | Command::UpdateWebhookEndpoint(UpdateWebhookEndpoint { merchant_id: id, .. })
        | Command::DeleteWebhookEndpoint(DeleteWebhookEndpoint { merchant_id: id, .. })
        | Command::RotateWebhookSecret(RotateWebhookSecret { merchant_id: id, .. })
        | Command::TestWebhookEndpoint(TestWebhookEndpoint { merchant_id: id, .. })
        | Command::ResendDeliveries(ResendDeliveries { merchant_id: id, .. })
        | Command::ConfirmInvitation(ConfirmInvitation { merchant_id: id, .. })
        | Command::CancelInvitation(CancelInvitation { merchant_id: id, .. })
        | Command::ChangeMember(ChangeMember { merchant_id: id, .. })
        | Command::SetMerchantLimits(SetMerchantLimits { merchant_id: id, .. })
        | Command::Approve(Approve { merchant_id: id, .. })
        | Command::Refuse(Refuse { merchant_id: id, .. })
        | Command::CancelEnqueued(CancelEnqueued { merchant_id: id, .. }) => Some(id),
        Command::UpdateSource(UpdateSource { source: which, .. })
        | Command::PublishSource(PublishSource { source: which, .. })
        | Command::CancelSource(CancelSource { source: which, .. })
        | Command::AddItem(AddItem { source: which, .. })
        | Command::UpdateItem(UpdateItem { source: which, .. })
        | Command::RemoveItem(RemoveItem { source: which, .. })
        | Command::OpenCheckoutPage(OpenCheckoutPage { source: which, .. }) => {
            Some(&mut which.merchant_id)
        }
        Command::Execute(_)
        | Command::ReservePasscodeAttempt(..)
        | Command::CreateMerchant(_)
        | Command::FundWallet(..)
        | Command::SetWalletStatus(..)
        | Command::ExpireSession(_)
        | Command::CancelUnpaidOrder(_)
        | Command::ExpireApproval(_)
        | Command::ClaimExecution(_)
        | Command::RecordOutcome(..)
        | Command::SetPlatformFee(_)
        | Command::SetGatewayFee(_)
        | Command::SetRate(_)
        | Command::OpenMarket(_)
        | Command::CloseMarket(_)
        | Command::AssignPhonePrefix(_)
        | Command::EndPhonePrefix(_)
        | Command::DeferSend(_)
        | Command::FanOutMessages(_)
        | Command::ChainBatches(_)
        | Command::ClaimDeliveries(_)
        | Command::RecordDeliveryAttempt(_)
        | never_sent!()
        | of_statements!()
        | Command::ChangeNetworkAccount(_)
        | Command::AddNetworkSecret(_)
        | Command::RecordTerms(_)
        | of_people_alone!()
        | Command::ResolveReview(..) => None,
    }
}
