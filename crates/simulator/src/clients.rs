//! Draws the requests of clients and operators: mostly valid ones, on recent rows, so that requests
//! meet on the same rows.

use domain::decision::command::Command;
use domain::directory::advance_clock::AdvanceClock;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::brand::Colour;
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::counterparties::UpdateCounterparty;
use domain::directory::create_merchant::CreateMerchant;
use domain::directory::create_party::CreateParty;
use domain::directory::create_party::NewParty;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::merchant::MerchantType;
use domain::directory::party::Relationship;
use domain::directory::set_passcode::ReplacePasscode;
use domain::directory::set_passcode::SetPasscode;
use domain::directory::set_passcode::UnlockPasscode;
use domain::directory::try_passcode::ReservePasscodeChange;
use domain::directory::update_merchant::MerchantChanges;
use domain::directory::update_merchant::UpdateMerchant;
use domain::directory::use_payment_account::DeactivateAccount;
use domain::exceptions::resolve_review::ResolveReview;
use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    ApiKeyId, CounterpartyId, ExecutionId, ItemId, MerchantId, PartyId, PaymentAccountId,
    PaymentLinkId, ReviewId, SessionId, SourceId, WalletId,
};
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{FeeBearer, Method, Mode, Operation, Provider};
use domain::kernel::patch::Patch;
use domain::kernel::time::{MerchantTime, minutes, seconds};
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::set_wallet_status::SetWalletStatus;
use domain::ledger::wallet::WalletStatus;
use domain::payments::authenticate_card::{AuthenticateCard, CardResult};
use domain::payments::cancel_session::CancelSession;
use domain::payments::create_session::CreateSession;
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::reserve_passcode_attempt::ReservePasscodeAttempt;
use domain::payments::session::{SessionKind, SessionStatus};
use domain::sales::cancel_source::CancelSource;
use domain::sales::checkout::{PageMode, PageToken};
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_checkout::NewCheckout;
use domain::sales::create_payment_link::CreatePaymentLink;
use domain::sales::create_source::CreateSource;
use domain::sales::create_source::NewSource;
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::edit_items::AddItem;
use domain::sales::edit_items::RemoveItem;
use domain::sales::edit_items::UpdateItem;
use domain::sales::edit_items::{ItemChanges, NewItem};
use domain::sales::find_source::SourceRef;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::publish_source::PublishSource;
use domain::sales::source::SourceType;
use domain::sales::update_source::SourceChanges;
use domain::sales::update_source::UpdateSource;

use crate::oracle::Model;
use crate::oracle::model::Recipient;
use crate::queued_command::{Origin, QueuedCommand};
use crate::rng::Rng;
use crate::tariff;

mod exchange_round_trips;
pub mod network_accounts;
mod page_payments;
mod payment_links;
mod people;
mod webhooks;

/// How often each kind of request is made. The order is part of what a seed means.
const WEIGHTS: &[u32] = &[
    3, 2, 1, 5,
    1, // party, counterparty, its change, account, its end or a change of the merchant
    4, 6, 2, 1, 1, 4,
    1, // source, item, its change, its end, source's change, publish, cancel
    10, 1, // checkout, page
    12, 10, 8, 10, 2, // four kinds of sessions, cancel
    48, 5, 3, // execute, again, again with another body
    6, 2, 1, // fund, wallet status, clock
    1, 5, 4, 1,  // passcode, review, payer, keys
    12, // round trip of exchanges with small orders
    2, 8, 1,  // payment link, its payer, its end
    24, // payer on a page
    9,  // answer to a request for approval
];

/// How often people do something about themselves or each other instead, in thousandths.
const PEOPLE: u32 = 180;

/// A customer's phone: one of few, so that customers share them; some are those of merchants.
fn phone(rng: &mut Rng) -> String {
    if rng.chance(250) {
        format!("23177000000{}", rng.below(4))
    } else {
        format!("2318800000{:02}", rng.below(12))
    }
}

/// A merchant's own phone.
fn own_phone(index: usize) -> String {
    format!("23177000000{index}")
}

/// A merchant that is there from the beginning.
pub fn first_merchant(index: usize, rng: &mut Rng) -> QueuedCommand {
    let mode = match rng.below(10) {
        0..=2 => Mode::Test,
        3 if index > 0 => Mode::Live,
        _ => Mode::Sandbox,
    };
    new_merchant(index, own_phone(index), mode, rng)
}

/// Some merchants lack a wallet, which is then opened when it is needed.
fn new_merchant(index: usize, phone: String, mode: Mode, rng: &mut Rng) -> QueuedCommand {
    let codes = ["USD", "LRD", "RWF"].iter().enumerate();
    let chosen: Vec<&str> = codes
        .filter(|(at, _)| index == 0 || *at == 0 || rng.chance(600))
        .map(|(_, code)| *code)
        .collect();
    QueuedCommand::from_client(Command::CreateMerchant(CreateMerchant {
        name: "M".to_owned(),
        kind: MerchantType::Organization,
        mode,
        phone: Some(phone),
        email: None,
        verified: index < 3,
        client_id: format!("client-{index}-{}", rng.next()),
        secret_hash: String::new(),
        currencies: chosen.into_iter().filter_map(Currency::parse).collect(),
    }))
}

fn currency(rng: &mut Rng) -> Option<Currency> {
    Currency::parse(rng.pick(&["USD", "USD", "LRD", "RWF"])?)
}

/// Small amounts that nevertheless exhaust the wallets.
fn money(currency: Currency, rng: &mut Rng) -> Money {
    let most = match currency.code() {
        "LRD" => 4_000,
        "RWF" => 150,
        _ => 300,
    };
    Money::new(rng.between(1, most), currency)
}

pub struct Clients<'a> {
    pub model: &'a Model,
    pub rng: &'a mut Rng,
    pub now: i64,
    pub merchants: &'a [i64],
    /// Whether operators close frozen wallets in this step, instead of changing their status
    /// otherwise.
    pub closing: bool,
    /// How often an operator changes the tariff instead, in thousandths.
    pub prices: u32,
    /// How often an operator does something about accounts at real networks instead.
    pub contracts: u32,
}

impl Clients<'_> {
    /// Draws a request; `None` where the rows that it needs do not exist.
    pub fn draw(&mut self) -> Option<QueuedCommand> {
        let item = self.draw_request()?;
        Some(self.by_somebody(item))
    }

    fn draw_request(&mut self) -> Option<QueuedCommand> {
        if self.rng.chance(self.prices) {
            return tariff::change(self.rng).map(QueuedCommand::from_client);
        }
        let at = self.rng.below(self.merchants.len());
        let id = *self.merchants.get(at)?;
        let merchant = MerchantId(id);
        if self.rng.chance(self.contracts) {
            return self.network_operator(id);
        }
        if self.rng.chance(PEOPLE) {
            return self.people(id);
        }
        let command = match self.rng.weighted(WEIGHTS) {
            0 => Command::CreateParty(CreateParty {
                merchant_id: merchant,
                party: self.party(),
                unless_known: false,
            }),
            1 => {
                let party = if self.rng.chance(900) { self.recent_party(id) } else { None };
                Command::CreateCounterparty(CreateCounterparty {
                    merchant_id: merchant,
                    relationship: Relationship::Customer,
                    party_id: party,
                    shown: None,
                })
            }
            2 => {
                let party = match self.recent_party(id) {
                    Some(party) if self.rng.chance(950) => Patch::Set(party),
                    Some(_) => Patch::Clear,
                    None => Patch::Keep,
                };
                Command::UpdateCounterparty(UpdateCounterparty {
                    merchant_id: merchant,
                    counterparty_id: self.counterparty(id)?,
                    relationship: None,
                    party_id: party,
                })
            }
            3 => Command::CreateAccount(CreateAccount {
                merchant_id: merchant,
                account: self.account(id)?,
                shown: None,
            }),
            4 if self.rng.chance(300) => Command::DeactivateAccount(DeactivateAccount {
                merchant_id: merchant,
                account_id: PaymentAccountId(self.pick_recent(id, |m| &m.accounts)?),
            }),
            4 => Command::UpdateMerchant(UpdateMerchant {
                merchant_id: merchant,
                changes: self.merchant_changes(),
            }),
            5 => Command::CreateSource(CreateSource {
                merchant_id: merchant,
                source: self.source(id)?,
            }),
            6 => {
                let (source, item) = (self.pick_source(id)?, self.new_item()?);
                Command::AddItem(AddItem { source, item, shown: None })
            }
            7 => {
                let which = self.pick_source_with_items(id)?;
                Command::UpdateItem(UpdateItem {
                    source: which,
                    item_id: self.item(which)?,
                    changes: self.item_changes(),
                })
            }
            8 => {
                let which = self.pick_source_with_items(id)?;
                Command::RemoveItem(RemoveItem { source: which, item_id: self.item(which)? })
            }
            9 => Command::UpdateSource(UpdateSource {
                source: self.pick_source(id)?,
                changes: self.source_changes(),
                shown: None,
            }),
            10 => {
                Command::PublishSource(PublishSource { source: self.pick_source(id)?, shown: None })
            }
            11 => {
                Command::CancelSource(CancelSource { source: self.pick_source(id)?, shown: None })
            }
            12 => Command::CreateCheckout(CreateCheckout {
                merchant_id: merchant,
                checkout: self.checkout(id)?,
            }),
            13 => Command::OpenCheckoutPage(OpenCheckoutPage {
                source: self.pick_source(id)?,
                token: PageToken(format!("page-{}", self.rng.next())),
            }),
            14 => {
                let which = self.pick_source(id)?;
                Command::CreateSession(CreateSession {
                    merchant_id: merchant,
                    session: NewSession::Checkout { kind: which.kind, source_id: which.id },
                })
            }
            15 => Command::CreateSession(CreateSession {
                merchant_id: merchant,
                session: self.payout(id)?,
            }),
            16 => Command::CreateSession(CreateSession {
                merchant_id: merchant,
                session: self.transfer(id)?,
            }),
            17 => Command::CreateSession(CreateSession {
                merchant_id: merchant,
                session: self.refund(id)?,
            }),
            18 => self.cancel(id)?,
            19 => return self.execute(id),
            20 => return self.repeat_execution(id, false),
            21 => return self.repeat_execution(id, true),
            22 => {
                let own = self.model.own_wallet(id, currency(self.rng)?).map(|(id, _)| id);
                let wallet = own
                    .filter(|_| self.rng.chance(600))
                    .or_else(|| self.pick_recent(id, |m| &m.wallets))?;
                let currency = self.model.wallets.get(&wallet)?.currency;
                Command::FundWallet(FundWallet {
                    wallet_id: WalletId(wallet),
                    amount: money(currency, self.rng),
                    key: None,
                })
            }
            23 => self.wallet_status(id)?,
            24 => self.advance(merchant),
            25 => self.passcode(id),
            26 => self.resolve()?,
            27 => return self.authenticate(id),
            28 if self.rng.chance(500) => Command::RevokeApiKey(RevokeApiKey {
                merchant_id: merchant,
                api_key_id: ApiKeyId(self.pick_recent(id, |m| &m.keys)?),
            }),
            28 if self.rng.chance(150) && self.merchants.len() < 7 => {
                return Some(self.newcomer(id));
            }
            28 => self.new_key(merchant),
            29 => return self.exchange_round_trip(id),
            30 => Command::CreatePaymentLink(CreatePaymentLink {
                merchant_id: merchant,
                link: self.payment_link(id)?,
            }),
            31 => self.pay_link(id)?,
            32 => Command::DeactivatePaymentLink(DeactivatePaymentLink {
                merchant_id: merchant,
                link_id: PaymentLinkId(self.pick_recent(id, |merchant| &merchant.links)?),
            }),
            33 => return self.payer_on_page(id),
            34 => return self.answer_approval(id),
            _ => return None,
        };
        Some(QueuedCommand::from_client(command))
    }

    /// A merchant that is created during the run: often with the phone of a party to whom another
    /// merchant has an open transfer session.
    fn newcomer(&mut self, other: i64) -> QueuedCommand {
        let sessions = self
            .model
            .merchants
            .get(&other)
            .into_iter()
            .flat_map(|merchant| merchant.sessions.iter().rev());
        let mut waiting = sessions.filter_map(|id| self.model.sessions.get(id)).filter(|session| {
            session.status == SessionStatus::Active
                && matches!(session.recipient, Some(Recipient::Party(_)))
        });
        let party = waiting.next().and_then(|session| self.model.parties.get(&session.party?));
        let awaited = party.map(|(_, phone)| phone.clone()).filter(|_| self.rng.chance(700));
        let index = self.merchants.len();
        // A transfer finds merchants of the sender's mode.
        let mode = self.model.merchants.get(&other).and_then(|merchant| merchant.real_mode);
        let mode = mode.filter(|_| self.rng.chance(900)).unwrap_or(Mode::Sandbox);
        new_merchant(index, awaited.unwrap_or_else(|| own_phone(index)), mode, self.rng)
    }

    fn pick_recent(
        &mut self,
        merchant: i64,
        list: impl Fn(&crate::oracle::model::Merchant) -> &Vec<i64>,
    ) -> Option<i64> {
        // Occasionally another merchant's.
        let merchant = if self.rng.chance(15) { self.rng.pick(self.merchants)? } else { merchant };
        self.rng.recent(list(self.model.merchants.get(&merchant)?))
    }

    fn party(&mut self) -> NewParty {
        NewParty {
            fullname: "P".to_owned(),
            phone: phone(self.rng),
            email: None,
            country_code: None,
        }
    }

    fn recent_party(&mut self, id: i64) -> Option<PartyId> {
        self.pick_recent(id, |merchant| &merchant.parties).map(PartyId)
    }

    fn counterparty(&mut self, id: i64) -> Option<CounterpartyId> {
        self.pick_recent(id, |merchant| &merchant.counterparties).map(CounterpartyId)
    }

    fn account(&mut self, id: i64) -> Option<NewAccount> {
        let (method, provider) = self.rng.pick(&[
            (Method::MTN_MOMO_LBR, Provider::PawaPay),
            (Method::MTN_MOMO_LBR, Provider::PawaPay),
            (Method::MTN_MOMO_RWA, Provider::PawaPay),
            (Method::CREDIT_CARD, Provider::Stripe),
            (Method::WALLET, Provider::Platform),
            (Method::WALLET, Provider::Platform),
        ])?;
        let operation =
            if self.rng.chance(550) { Operation::Collection } else { Operation::Payout };
        let account_name = "A".to_owned();
        let party_id = self.recent_party(id)?;
        // Otherwise the number is the party's phone, which is of another country and is refused.
        let rwandan = method == Method::MTN_MOMO_RWA && self.rng.chance(950);
        let account_number = rwandan.then(|| "250780000001".to_owned());
        Some(NewAccount {
            party_id,
            account_name,
            provider,
            method,
            operation,
            country_code: None,
            account_number,
        })
    }

    fn kind(&mut self) -> SourceType {
        if self.rng.chance(700) { SourceType::Invoice } else { SourceType::Order }
    }

    fn source(&mut self, id: i64) -> Option<NewSource> {
        Some(NewSource {
            kind: self.kind(),
            counterparty_id: self.counterparty(id)?,
            currency: currency(self.rng)?,
            note: String::new(),
            fee_bearer: if self.rng.chance(500) { FeeBearer::Payer } else { FeeBearer::Payee },
            as_payment_link: false,
            reference_id: None,
            idempotency_key: None,
            due_date: None,
        })
    }

    fn pick_source(&mut self, id: i64) -> Option<SourceRef> {
        let source = self.pick_recent(id, |merchant| &merchant.sources)?;
        let kind =
            if self.rng.chance(10) { self.kind() } else { self.model.sources.get(&source)?.kind };
        Some(SourceRef { merchant_id: MerchantId(id), kind, id: SourceId(source) })
    }

    /// A source with items, if one is found within a few tries.
    fn pick_source_with_items(&mut self, id: i64) -> Option<SourceRef> {
        let mut chosen = self.pick_source(id)?;
        for _ in 0..8 {
            if self.model.sources.get(&chosen.id.0).is_some_and(|source| !source.items.is_empty()) {
                break;
            }
            chosen = self.pick_source(id)?;
        }
        Some(chosen)
    }

    fn new_item(&mut self) -> Option<NewItem> {
        let currency = currency(self.rng)?;
        Some(NewItem {
            name: "I".to_owned(),
            currency,
            qty: self.rng.between(1, 3),
            amount: money(currency, self.rng),
        })
    }

    fn item(&mut self, which: SourceRef) -> Option<ItemId> {
        // Occasionally an item of another source.
        let other = if self.rng.chance(50) {
            self.pick_recent(which.merchant_id.0, |merchant| &merchant.sources)?
        } else {
            which.id.0
        };
        self.rng.recent(&self.model.sources.get(&other)?.items).map(ItemId)
    }

    fn item_changes(&mut self) -> ItemChanges {
        let amount = if self.rng.chance(500) {
            Decimal::parse(&self.rng.between(1, 3).to_string())
        } else {
            None
        };
        let qty = if self.rng.chance(500) { Some(self.rng.between(1, 4)) } else { None };
        ItemChanges { name: None, qty, amount }
    }

    fn source_changes(&mut self) -> SourceChanges {
        let fee_bearer = if self.rng.chance(500) { Some(FeeBearer::Payee) } else { None };
        SourceChanges { fee_bearer, note: Patch::Set("N".to_owned()), ..SourceChanges::default() }
    }

    fn checkout(&mut self, id: i64) -> Option<NewCheckout> {
        let currency = currency(self.rng)?;
        let item = |rng: &mut Rng| NewItem {
            name: "I".to_owned(),
            currency,
            qty: 1,
            amount: money(currency, rng),
        };
        let items = (0..self.rng.between(1, 2)).map(|_| item(self.rng)).collect();
        let counterparty_id = if self.rng.chance(200) { self.counterparty(id) } else { None };
        let expires_at = if self.rng.chance(200) { Some(self.expiry(id)) } else { None };
        Some(NewCheckout {
            party: self.party(),
            relationship: Relationship::Customer,
            counterparty_id,
            party_id: None,
            kind: self.kind(),
            currency,
            note: String::new(),
            reference_id: None,
            due_date: None,
            items,
            mode: PageMode::Hosted,
            success_url: None,
            cancel_url: None,
            expires_at,
            token: PageToken(format!("token-{}", self.rng.next())),
            idempotency_key: None,
            as_draft: false,
        })
    }

    fn expiry(&mut self, merchant: i64) -> MerchantTime {
        let time = self.model.time(merchant, self.now);
        MerchantTime(match self.rng.below(20) {
            0 => time - self.rng.between(0, seconds(3)),
            1 => time + minutes(367 * 24 * 60),
            2..=8 => time + self.rng.between(1, seconds(20)),
            _ => time + self.rng.between(seconds(10), minutes(40)),
        })
    }

    fn account_for(&mut self, id: i64, operation: Operation) -> Option<i64> {
        for _ in 0..4 {
            let account = self.pick_recent(id, |merchant| &merchant.accounts)?;
            if self
                .model
                .accounts
                .get(&account)
                .is_some_and(|found| found.operation == operation && found.active)
            {
                return Some(account);
            }
        }
        self.pick_recent(id, |merchant| &merchant.accounts)
    }

    fn payout(&mut self, id: i64) -> Option<NewSession> {
        let account = self.account_for(id, Operation::Payout)?;
        let method = self.model.accounts.get(&account)?.method;
        let currency = match method {
            Method::MTN_MOMO_RWA if self.rng.chance(900) => Currency::parse("RWF")?,
            Method::MTN_MOMO_LBR if self.rng.chance(900) => {
                Currency::parse(self.rng.pick(&["USD", "LRD"])?)?
            }
            _ => currency(self.rng)?,
        };
        let wallet = self.pick_recent(id, |merchant| &merchant.wallets)?;
        let fits =
            self.model.wallets.get(&wallet).is_some_and(|wallet| wallet.currency == currency);
        let wallet_id = if fits && self.rng.chance(600) || self.rng.chance(50) {
            Some(WalletId(wallet))
        } else {
            None
        };
        let expires_at = if self.rng.chance(500) { Some(self.expiry(id)) } else { None };
        let account_id = PaymentAccountId(account);
        let amount = money(currency, self.rng);
        Some(NewSession::Payout { wallet_id, account_id, amount, expires_at })
    }

    fn transfer(&mut self, id: i64) -> Option<NewSession> {
        let own = self.model.own_wallet(id, currency(self.rng)?).map(|(id, _)| id);
        let wallet = own
            .filter(|_| self.rng.chance(900))
            .or_else(|| self.pick_recent(id, |merchant| &merchant.wallets))?;
        let currency = self.model.wallets.get(&wallet)?.currency;
        let counterparty_id = self.counterparty(id)?;
        let amount = money(currency, self.rng);
        Some(NewSession::Transfer {
            wallet_id: WalletId(wallet),
            counterparty_id,
            amount,
            expires_at: self.expiry(id),
        })
    }

    fn refund(&mut self, id: i64) -> Option<NewSession> {
        let mut chosen = None;
        for _ in 0..6 {
            let execution = self.pick_recent(id, |merchant| &merchant.executions)?;
            let found = self.model.executions.get(&execution)?;
            // A payment whose refund failed or is under way: room that was taken is given back, and
            // asked for again.
            if let Some((original, found)) = found
                .original
                .filter(|_| self.rng.chance(300))
                .and_then(|id| Some((id, self.model.executions.get(&id)?)))
            {
                chosen = Some((
                    original,
                    (found.figures.payer - found.refunded).max(0),
                    found.outside_currency,
                ));
            }
            if found.operation == Operation::Collection
                && (found.is_settled() || self.rng.chance(40))
            {
                chosen = Some((
                    execution,
                    (found.figures.payer - found.refunded).max(0),
                    found.outside_currency,
                ));
            }
        }
        let (original, left, currency) = chosen?;
        let amount = match self.rng.below(8) {
            0 | 1 => left.max(1),
            2 => left + 1,
            // So little that it is worth less than a unit of the wallet.
            3 | 4 => self.rng.between(1, left.clamp(1, 5)),
            _ => self.rng.between(1, left.max(1)),
        };
        let amount = Decimal::parse(&Money::new(amount, currency).to_string())?;
        Some(NewSession::Refund {
            original_id: ExecutionId(original),
            amount,
            expires_at: self.expiry(id),
            reason: None,
        })
    }

    fn cancel(&mut self, id: i64) -> Option<Command> {
        let session = self.pick_recent(id, |merchant| &merchant.sessions)?;
        let kind = self.model.sessions.get(&session)?.kind;
        Some(Command::CancelSession(CancelSession {
            merchant_id: MerchantId(id),
            kind,
            session_id: SessionId(session),
        }))
    }

    fn details(&mut self, id: i64, session: i64) -> Option<OperationDetails> {
        let session = self.model.sessions.get(&session)?;
        Some(match session.kind {
            SessionKind::Checkout => {
                let account = self.account_for(id, Operation::Collection)?;
                let source = self.model.sources.get(&session.source?)?;
                let currency = match self.model.accounts.get(&account)?.method {
                    Method::MTN_MOMO_RWA if self.rng.chance(900) => Currency::parse("RWF")?,
                    _ if self.rng.chance(650) => source.currency,
                    _ => currency(self.rng)?,
                };
                OperationDetails::Collection { account_id: PaymentAccountId(account), currency }
            }
            SessionKind::Payout => {
                let account_id =
                    if self.rng.chance(500) { session.account.map(PaymentAccountId) } else { None };
                OperationDetails::Payout { account_id, passcode_verified: false }
            }
            SessionKind::Transfer => OperationDetails::Transfer,
            SessionKind::Refund => OperationDetails::Refund,
        })
    }

    fn execute(&mut self, id: i64) -> Option<QueuedCommand> {
        let session = self.pick_recent(id, |merchant| &merchant.sessions)?;
        let details = self.details(id, session)?;
        let request = Execute {
            merchant_id: MerchantId(id),
            reference_id: self.rng.reference_id(),
            session_id: SessionId(session),
            details,
            shown: None,
        };
        Some(self.with_passcode(request))
    }

    /// A payout's passcode is tried first, where one is set.
    fn with_passcode(&mut self, request: Execute) -> QueuedCommand {
        let set = self
            .model
            .merchants
            .get(&request.merchant_id.0)
            .is_some_and(|merchant| merchant.passcode_hash().is_some());
        if matches!(request.details, OperationDetails::Payout { .. }) && set && self.rng.chance(900)
        {
            let right = self.rng.chance(700);
            let key = self.api_key();
            return QueuedCommand::untagged(
                Command::ReservePasscodeAttempt(ReservePasscodeAttempt {
                    execute: request.clone(),
                    api_key_id: key,
                }),
                Origin::PasscodeAttempt(request, right),
            );
        }
        QueuedCommand::from_client(Command::Execute(request))
    }

    /// A request with an idempotency key that was used before, with the same body or with another.
    fn repeat_execution(&mut self, id: i64, other: bool) -> Option<QueuedCommand> {
        let execution = self.pick_recent(id, |merchant| &merchant.executions)?;
        let known = self.model.executions.get(&execution)?;
        let session = if other {
            self.pick_recent(known.merchant, |merchant| &merchant.sessions)?
        } else {
            known.session
        };
        let same = match known.operation {
            Operation::Collection => OperationDetails::Collection {
                account_id: PaymentAccountId(known.account?),
                currency: known.outside_currency,
            },
            Operation::Payout => {
                OperationDetails::Payout { account_id: None, passcode_verified: false }
            }
            Operation::Transfer => OperationDetails::Transfer,
            Operation::Refund => OperationDetails::Refund,
        };
        let details = if other { self.details(known.merchant, session)? } else { same };
        let merchant_id = MerchantId(known.merchant);
        let request = Execute {
            merchant_id,
            reference_id: known.reference,
            session_id: SessionId(session),
            details,
            shown: None,
        };
        Some(self.with_passcode(request))
    }

    fn wallet_status(&mut self, id: i64) -> Option<Command> {
        let wallet = self.pick_recent(id, |merchant| &merchant.wallets)?;
        let frozen = self
            .model
            .wallets
            .get(&wallet)
            .is_some_and(|wallet| wallet.status == WalletStatus::Frozen);
        if self.closing {
            return frozen.then_some(Command::SetWalletStatus(SetWalletStatus {
                wallet_id: WalletId(wallet),
                status: WalletStatus::Closed,
            }));
        }
        let status = match self.rng.below(12) {
            0 => WalletStatus::Restricted,
            1 => WalletStatus::Frozen,
            _ => WalletStatus::Active,
        };
        Some(Command::SetWalletStatus(SetWalletStatus { wallet_id: WalletId(wallet), status }))
    }

    fn advance(&mut self, merchant: MerchantId) -> Command {
        let by = match self.rng.below(10) {
            0 => self.rng.between(3_600, 25 * 3_600),
            1 if self.rng.chance(100) => self.rng.between(86_400, 300 * 86_400),
            2..=4 => self.rng.between(60, 1_800),
            _ => self.rng.between(1, 60),
        };
        Command::AdvanceClock(AdvanceClock { merchant_id: merchant, by_seconds: by })
    }

    /// Merchants are mostly verified, so that they can pay out.
    /// Rarely something, and then sometimes nothing instead of what was.
    fn changed_to<T>(&mut self, value: T) -> Patch<T> {
        let is_set = self.rng.chance(700);
        match self.rng.chance(200) {
            true if is_set => Patch::Set(value),
            true => Patch::Clear,
            false => Patch::Keep,
        }
    }

    fn merchant_changes(&mut self) -> MerchantChanges {
        MerchantChanges {
            verified: if self.rng.chance(300) { Some(self.rng.chance(800)) } else { None },
            fee_tier: if self.rng.chance(100) {
                self.rng.pick(&["default", "gold"]).map(str::to_owned)
            } else {
                None
            },
            fee_bearer: if self.rng.chance(700) { self.rng.pick(FeeBearer::ALL) } else { None },
            display_name: self.changed_to("Kola Shop".to_owned()),
            colour: self.changed_to(Colour(0x0B_5C_4B)),
            logo: self.changed_to("iVBORw0KGgo=".to_owned()),
            ..MerchantChanges::default()
        }
    }

    /// One of few, so that some get locked.
    fn api_key(&mut self) -> ApiKeyId {
        ApiKeyId(self.rng.between(1, 3))
    }

    fn passcode(&mut self, id: i64) -> Command {
        let merchant = MerchantId(id);
        let hash = Some(format!("hash-{}", self.rng.below(3))).filter(|_| self.rng.chance(800));
        let stored = self.model.merchants.get(&id).and_then(|known| known.passcode_hash());
        match self.rng.below(5) {
            0 if id % 2 == 0 => Command::SetPasscode(SetPasscode { merchant_id: merchant, hash }),
            1 => Command::ReservePasscodeChange(ReservePasscodeChange {
                merchant_id: merchant,
                api_key_id: self.api_key(),
            }),
            2 if stored.is_some() => Command::ReplacePasscode(ReplacePasscode {
                merchant_id: merchant,
                replaces: stored,
                hash,
            }),
            3 => Command::UnlockPasscode(UnlockPasscode { merchant_id: merchant }),
            _ => Command::ReplacePasscode(ReplacePasscode {
                merchant_id: merchant,
                replaces: Some("another".to_owned()),
                hash,
            }),
        }
    }

    fn resolve(&mut self) -> Option<Command> {
        let id = self.rng.recent(&self.model.review_list)?;
        let (_, kind) = *self.model.review_ids.get(&id)?;
        let deadline = kind == ReviewKind::DeadlinePassed;
        let of_money = if self.rng.chance(50) { deadline } else { !deadline };
        let first = self.rng.chance(500);
        let how = match (of_money, first) {
            (true, true) => Resolution::ToWallet,
            (true, false) => Resolution::ToPayer,
            (false, true) => Resolution::Completed,
            (false, false) => Resolution::Failed,
        };
        Some(Command::ResolveReview(ResolveReview {
            review_id: ReviewId(id),
            resolution: how,
            evidence: "seen".to_owned(),
        }))
    }

    fn authenticate(&mut self, id: i64) -> Option<QueuedCommand> {
        let mut chosen = None;
        for _ in 0..6 {
            let execution = self.pick_recent(id, |merchant| &merchant.executions)?;
            if chosen.is_none()
                || self.model.executions.get(&execution).is_some_and(|found| found.requires_action)
            {
                chosen = Some(execution);
            }
        }
        let execution = chosen?;
        let known = self.model.executions.get(&execution)?;
        let command = Command::AuthenticateCard(AuthenticateCard {
            merchant_id: MerchantId(known.merchant),
            reference_id: known.reference,
            result: match self.rng.below(10) {
                0..=5 => CardResult::Authenticated,
                6..=8 => CardResult::NotAuthenticated,
                _ => CardResult::Declined("insufficient_funds"),
            },
        });
        Some(QueuedCommand::untagged(command, Origin::CardPayer(ExecutionId(execution))))
    }
}
