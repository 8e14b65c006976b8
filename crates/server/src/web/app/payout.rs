//! `/app/payouts/{merchant}/account/{account}` and `/customer/{counterparty}`: a new payout to an
//! account, or a transfer to a customer's wallet. First its price, then it is confirmed.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::principal::Principal;
use domain::directory::roles::Action;
use domain::kernel::ids::{
    ApiKeyId, CounterpartyId, ExecutionId, MerchantId, PartyId, PaymentAccountId, WalletId,
};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::minutes;
use domain::kernel::uuids::ReferenceId;
use domain::ledger::wallet::{OwnerType, Wallet};
use domain::payments::approval::{self, ApprovalLimit};
use domain::payments::attempt::WithAttempt;
use domain::payments::cancel_session::CancelSession;
use domain::payments::create_session::{CreateSession, NewSession};
use domain::payments::execute::{Execute, Executed, OperationDetails, ShownPrice};
use domain::payments::execution::Execution;
use domain::payments::reserve_passcode_attempt::ReservePasscodeAttempt;
use domain::payments::session::{Intent, SessionKind};
use domain::tariff::fees::{self, Quote, Route};
use serde_json::json;
use store::reads::pages::Page;
use store::reads::wallets::WalletFilter;

use crate::api::error::ApiError;
use crate::api::executions::{first_outcome, run_to_completion};
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Reference};
use crate::api::passcode::{PasscodeCheck, check_code};
use crate::api::routes::Routes;
use crate::api::search::typed_amount;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{FromQuery, Query};
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words;
use crate::web::app::payments::path as payments_path;
use crate::web::app::payouts;
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::typed::too_large;
use crate::web::checkout::steps::draw_key;
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;

/// The most wallets that a form offers: the merchant's own, one for each currency, and the recipient's.
const WALLETS: u32 = 200;

/// Whom a payout or transfer is for, as the address names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A payout to this account.
    Account(i64),
    /// A transfer to the wallet of this counterparty.
    Customer(i64),
}

impl Target {
    /// The path of the form.
    pub fn path(self, merchant: i64) -> String {
        let path = payouts::path(merchant);
        match self {
            Self::Account(id) => format!("{path}/account/{id}"),
            Self::Customer(id) => format!("{path}/customer/{id}"),
        }
    }

    /// The path of the page with the price.
    fn price_path(self, merchant: i64, wallet: WalletId, minor: i64) -> String {
        format!("{}/{wallet}/{minor}", self.path(merchant))
    }
}

/// Whom a payout or transfer is for.
struct Recipient {
    target: Target,
    party: PartyId,
    name: String,
    number: Option<String>,
    provider: Provider,
    method: Method,
}

impl Recipient {
    const fn operation(&self) -> Operation {
        match self.target {
            Target::Account(_) => Operation::Payout,
            Target::Customer(_) => Operation::Transfer,
        }
    }

    /// The session that declares it.
    fn session(
        &self,
        at: &AtMerchant<'_>,
        me: &LoggedIn,
        wallet: &Wallet,
        amount: Money,
    ) -> NewSession {
        match self.target {
            Target::Account(id) => NewSession::Payout {
                wallet_id: Some(wallet.id),
                account_id: PaymentAccountId(id),
                amount,
                expires_at: None,
            },
            Target::Customer(id) => NewSession::Transfer {
                wallet_id: wallet.id,
                counterparty_id: CounterpartyId(id),
                amount,
                expires_at: at.merchant.time(me.now).plus(minutes(15)),
            },
        }
    }
}

/// What somebody may not, or what is not there.
type NotFound = Result<Failure, ApiError>;

/// The recipient with the merchant, for whoever may pay out.
async fn find<'a>(
    app: &'a App,
    me: &LoggedIn,
    (merchant, target): (i64, Target),
) -> Result<(AtMerchant<'a>, Recipient), NotFound> {
    let at = me.at_merchant(app, merchant, Action::PayOut).await.map_err(Ok)?;
    let recipient = match target {
        Target::Account(id) => {
            let found = at.reads.payment_account(id).await.map_err(|error| Err(error.into()))?;
            let account = found.filter(|account| account.operation == Operation::Payout);
            account.map(|account| Recipient {
                target,
                party: account.party_id,
                name: account.account_name,
                number: account.account_number,
                provider: account.provider,
                method: account.method,
            })
        }
        Target::Customer(id) => {
            let found = at.reads.counterparty(CounterpartyId(id)).await;
            let (_, party) = found.map_err(|error| Err(error.into()))?.unzip();
            party.flatten().map(|party| Recipient {
                target,
                party: party.id,
                name: party.fullname,
                number: Some(party.phone),
                provider: Provider::Platform,
                method: Method::WALLET,
            })
        }
    };
    let recipient = recipient.ok_or(Err(ApiError::NotFound))?;
    Ok((at, recipient))
}

/// The wallets that can pay the recipient: the merchant's own, and for a payout those of whoever has
/// the account.
async fn wallets(at: &AtMerchant<'_>, recipient: &Recipient) -> Result<Vec<Wallet>, ApiError> {
    let page = Page { limit: WALLETS, after_id: None };
    let own = WalletFilter { owner: Some(OwnerType::Merchant), ..WalletFilter::default() };
    let mut found = at.reads.wallets(own, page).await?.rows;
    found.sort_by(|a, b| a.currency.code().cmp(b.currency.code()));
    if recipient.operation() == Operation::Payout {
        let theirs = WalletFilter { party: Some(recipient.party), ..WalletFilter::default() };
        found.extend(at.reads.wallets(theirs, page).await?.rows);
    }
    Ok(found)
}

/// What was typed, in the address or in a form that was not accepted.
#[derive(Clone, Default)]
struct Asked {
    wallet: String,
    amount: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "wallet" => &mut self.wallet,
            "amount" => &mut self.amount,
            _ => return None,
        })
    }
}

impl Asked {
    fn of(wallet: &Wallet, amount: Money) -> Self {
        Self { wallet: wallet.id.to_string(), amount: amount.to_string() }
    }

    /// The wallet and the amount in its currency.
    fn read(&self, wallets: &[Wallet]) -> Result<(Wallet, Money), Fault> {
        let wallet = wallets.iter().find(|wallet| wallet.id.to_string() == self.wallet);
        let wallet = wallet.ok_or_else(|| Fault::of_field("wallet", "Choose a wallet."))?;
        let currency = wallet.currency;
        let wrong = || {
            let example = payment_words::example(currency);
            let none = || format!("Give an amount above zero in {currency}, {example}.");
            Fault::of_field("amount", too_large(&self.amount, currency).unwrap_or_else(none))
        };
        let (number, named) = typed_amount(&self.amount).ok_or_else(wrong)?;
        let amount = number.to_money(currency).map_err(|_| wrong())?;
        if named.is_some_and(|named| named != currency) {
            return Err(wrong());
        }
        Ok((wallet.clone(), amount))
    }
}

/// What a payout or transfer would cost now.
struct Price {
    quote: Quote,
    /// The limit that it is above, so that somebody else has to approve it.
    above: Option<ApprovalLimit>,
}

impl Price {
    const fn shown(&self) -> ShownPrice {
        ShownPrice::new(&self.quote, self.above)
    }

    /// The price as one text, by which the form that confirms it tells whether it is still the one
    /// that was shown.
    fn figures(&self) -> String {
        let ShownPrice { payer, payee, platform_fee_minor, gateway_fee_minor, needs_approval } =
            self.shown();
        let approval = if needs_approval { "-approval" } else { "" };
        let (payer, payee) = (payer.minor, payee.minor);
        format!("{payer}-{payee}-{platform_fee_minor}-{gateway_fee_minor}{approval}")
    }
}

/// What is said where it is not the price that was shown any more.
const OTHER_PRICE: &str = "The price has changed, so nothing was done yet. Look at what it is now, \
    and confirm it if you want it so.";

/// Checks a payout or transfer by the decision that declares it, which is dropped, and says what it
/// costs.
async fn price(
    app: &App,
    (at, me): (&AtMerchant<'_>, &LoggedIn),
    recipient: &Recipient,
    (wallet, amount): (&Wallet, Money),
) -> Result<Result<Price, Fault>, Failure> {
    let merchant_id = at.merchant.id;
    let by = Principal::User(me.person(Some(merchant_id)));
    let session = recipient.session(at, me, wallet, amount);
    let declare = CreateSession { merchant_id, session };
    app.engine.preview(merchant_id, by, declare).await?;
    let unavailable = |error: store::StoreError| Failure::Unavailable(error.to_string());
    let tariff = app.queries.for_system().tariff().await.map_err(unavailable)?;
    let route = Route {
        tier: &at.merchant.fee_tier,
        operation: recipient.operation(),
        provider: recipient.provider,
        method: recipient.method,
        unit_minor: 1,
    };
    let quote = fees::quote_outgoing(amount, route, &tariff, me.now)
        .map_err(|refusal| Failure::Refused(vec![refusal]))?;
    if quote.payer.minor > wallet.available_minor {
        let words = format!(
            "Wallet {} has {} available, and this takes {} with its fees.",
            wallet.id,
            payment_words::amount(wallet.available()),
            payment_words::amount(quote.payer)
        );
        return Ok(Err(Fault::of_field("amount", words)));
    }
    let limits = at.reads.limits().await.map_err(unavailable)?;
    let limits = limits.iter().find(|limits| limits.currency == wallet.currency);
    let time = at.merchant.time(me.now);
    let above = limits.and_then(|limits| approval::exceeded(limits, wallet, amount, time));
    Ok(Ok(Price { quote, above }))
}

/// The id of what a refusal is about on the form.
const fn field_of(refusal: &Refusal) -> Option<&'static str> {
    match refusal.subject() {
        Subject::Wallet | Subject::Currency => Some("wallet"),
        Subject::Amount => Some("amount"),
        Subject::Account
        | Subject::AccountWallet
        | Subject::AccountNumber
        | Subject::Method
        | Subject::Counterparty
        | Subject::Phone => Some("recipient"),
        _ => None,
    }
}

#[derive(Template)]
#[template(path = "app/payout.html")]
struct FormTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    others: String,
    is_transfer: bool,
    name: &'a str,
    number: Option<&'a str>,
    method: String,
    wallets: Vec<WalletChoice>,
    /// Whether the wallet is still to be chosen: they are in several currencies.
    asks_wallet: bool,
    amount: &'a str,
    fault: Fault,
}

struct WalletChoice {
    id: i64,
    words: String,
    is_chosen: bool,
}

impl WalletChoice {
    fn new(wallet: &Wallet, chosen: &str) -> Self {
        let available = payment_words::amount(wallet.available());
        let whose = match wallet.owner_type {
            OwnerType::Merchant => "",
            OwnerType::Party => " of the recipient",
        };
        Self {
            id: wallet.id.0,
            words: format!("{available} available in wallet {}{whose}", wallet.id),
            is_chosen: wallet.id.to_string() == chosen,
        }
    }
}

/// Whether a form chooses none of these wallets by itself: the amount that is typed is in the
/// currency of the wallet, and the first of several would be a guess.
fn asks_wallet(wallets: &[Wallet], chosen: &str) -> bool {
    let is_chosen = wallets.iter().any(|wallet| wallet.id.to_string() == chosen);
    let mut currencies = wallets.iter().map(|wallet| wallet.currency);
    let first = currencies.next();
    !is_chosen && currencies.any(|currency| Some(currency) != first)
}

/// The name of how somebody is paid.
async fn method_words(app: &App, me: &LoggedIn, recipient: &Recipient) -> Result<String, ApiError> {
    if recipient.operation() == Operation::Transfer {
        return Ok("their wallet here, or that of the merchant whose phone this is".to_owned());
    }
    let methods = Methods::new(app.queries.for_system().tariff().await?, me.now);
    Ok(methods.name(recipient.method, Language::English))
}

async fn render_form(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (at, recipient): (&AtMerchant<'_>, &Recipient),
    asked: &Asked,
    fault: Fault,
) -> Result<Response, ApiError> {
    let merchant = at.merchant.id.0;
    let path = recipient.target.path(merchant);
    let wallets = wallets(at, recipient).await?;
    let is_transfer = recipient.operation() == Operation::Transfer;
    let title = if is_transfer { "New transfer" } else { "New payout" };
    let frame = me.frame(visitor, title).at(&path).of(at, Screen::Payouts);
    let template = FormTemplate {
        app: &frame,
        others: format!("{}/new", payouts::path(merchant)),
        path,
        is_transfer,
        name: &recipient.name,
        number: recipient.number.as_deref(),
        method: method_words(app, me, recipient).await?,
        asks_wallet: asks_wallet(&wallets, &asked.wallet),
        wallets: wallets.iter().map(|wallet| WalletChoice::new(wallet, &asked.wallet)).collect(),
        amount: &asked.amount,
        fault,
    };
    frame::render(status, &frame, &template)
}

/// The form again with why it was refused, beside what it is about.
async fn refused(
    app: &App,
    who: (&LoggedIn, Visitor),
    of: (&AtMerchant<'_>, &Recipient),
    asked: &Asked,
    (failure, here): (Failure, &str),
) -> Result<Response, ApiError> {
    let field = match &failure {
        Failure::Refused(reasons) => reasons.first().and_then(field_of),
        _ => None,
    };
    let page = async |status, sentence: String| {
        let fault = match field {
            Some(field) => Fault::of_field(field, sentence),
            None => Fault::of_page(sentence),
        };
        render_form(status, app, who, of, asked, fault).await
    };
    frame::refused(failure, here)?.answer_read(page).await
}

/// Whom an address names: an account that is paid out to, or a customer that is transferred to.
trait Kind {
    fn target(id: i64) -> Target;
}

struct Account;

impl Kind for Account {
    fn target(id: i64) -> Target {
        Target::Account(id)
    }
}

struct Customer;

impl Kind for Customer {
    fn target(id: i64) -> Target {
        Target::Customer(id)
    }
}

/// The form; with an amount in the address it leads to its price, or says why there is none.
async fn form<K: Kind>(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let target = K::target(id);
    let path = target.path(merchant);
    let (at, recipient) = match find(&app, &me, (merchant, target)).await {
        Ok(found) => found,
        Err(why) => return me.not_permitted(why?, visitor, &path),
    };
    let (who, of) = ((&me, visitor), (&at, &recipient));
    if asked.wallet.is_empty() && asked.amount.is_empty() {
        return render_form(StatusCode::OK, &app, who, of, &asked, Fault::default()).await;
    }
    let (wallet, amount) = match asked.read(&wallets(&at, &recipient).await?) {
        Ok(read) => read,
        Err(fault) => {
            return render_form(fault.status(), &app, who, of, &asked, fault).await;
        }
    };
    match price(&app, (&at, &me), &recipient, (&wallet, amount)).await {
        Ok(Ok(_)) => Ok(frame::lead_to(&target.price_path(merchant, wallet.id, amount.minor))),
        Ok(Err(fault)) => render_form(fault.status(), &app, who, of, &asked, fault).await,
        Err(failure) => refused(&app, who, of, &asked, (failure, &path)).await,
    }
}

#[derive(Template)]
#[template(path = "app/payout_price.html")]
struct PriceTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    form: String,
    is_transfer: bool,
    name: &'a str,
    number: Option<&'a str>,
    method: String,
    wallet: i64,
    amount: String,
    platform_fee: String,
    network_fee: String,
    total: String,
    left: String,
    /// Why somebody else has to approve it; nothing where nobody has to.
    above: Option<&'static str>,
    /// What the form sends as the reference of the payment: sent twice, it pays once.
    key: String,
    /// What the form carries of the price that is shown.
    figures: String,
    /// Whether a passcode is asked for.
    asks_passcode: bool,
    fault: Fault,
}

/// What the page with the price says again after a try.
#[derive(Default)]
struct Tried {
    key: Option<ReferenceId>,
    asks_passcode: bool,
    fault: Fault,
}

async fn render_price(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (at, recipient): (&AtMerchant<'_>, &Recipient),
    (wallet, amount, price): (&Wallet, Money, &Price),
    tried: Tried,
) -> Result<Response, ApiError> {
    let merchant = at.merchant.id.0;
    let path = recipient.target.price_path(merchant, wallet.id, amount.minor);
    let money = |minor| payment_words::amount(Money::new(minor, wallet.currency));
    let is_transfer = recipient.operation() == Operation::Transfer;
    let title = if is_transfer { "Confirm a transfer" } else { "Confirm a payout" };
    let frame = me.frame(visitor, title).at(&path).of(at, Screen::Payouts);
    let quote = &price.quote;
    let key = match tried.key {
        Some(ReferenceId(key)) => key,
        None => draw_key()?,
    };
    let template = PriceTemplate {
        app: &frame,
        path,
        form: recipient.target.path(merchant),
        is_transfer,
        name: &recipient.name,
        number: recipient.number.as_deref(),
        method: method_words(app, me, recipient).await?,
        wallet: wallet.id.0,
        amount: payment_words::amount(amount),
        platform_fee: money(quote.platform_fee),
        network_fee: money(quote.gateway_fee),
        total: payment_words::amount(quote.payer),
        left: money(wallet.available_minor.saturating_sub(quote.payer.minor)),
        above: price.above.map(|above| match above {
            ApprovalLimit::Payment => "It is above the limit of one payment",
            ApprovalLimit::Day => "It is above what this wallet may send in a day",
        }),
        key: key.to_string(),
        figures: price.figures(),
        asks_passcode: tried.asks_passcode,
        fault: tried.fault,
    };
    frame::render(status, &frame, &template)
}

/// The wallet and amount of an address; 404 for what no form leads to.
async fn of_address(
    (at, recipient): (&AtMerchant<'_>, &Recipient),
    (wallet, minor): (i64, i64),
) -> Result<(Wallet, Money), ApiError> {
    let found = wallets(at, recipient).await?;
    let wallet = found.into_iter().find(|found| found.id.0 == wallet).ok_or(ApiError::NotFound)?;
    let amount = Money::new(minor, wallet.currency);
    if minor <= 0 {
        return Err(ApiError::NotFound);
    }
    Ok((wallet, amount))
}

async fn show_price<K: Kind>(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id, wallet, minor]): Ids<4>,
) -> Result<Response, ApiError> {
    let target = K::target(id);
    let here = target.price_path(merchant, WalletId(wallet), minor);
    let (at, recipient) = match find(&app, &me, (merchant, target)).await {
        Ok(found) => found,
        Err(why) => return me.not_permitted(why?, visitor, &here),
    };
    let (who, of) = ((&me, visitor), (&at, &recipient));
    let (wallet, amount) = of_address(of, (wallet, minor)).await?;
    let asked = Asked::of(&wallet, amount);
    match price(&app, (&at, &me), &recipient, (&wallet, amount)).await {
        Ok(Ok(price)) => {
            let shown = (&wallet, amount, &price);
            render_price(StatusCode::OK, &app, who, of, shown, Tried::default()).await
        }
        Ok(Err(fault)) => render_form(fault.status(), &app, who, of, &asked, fault).await,
        Err(failure) => refused(&app, who, of, &asked, (failure, &here)).await,
    }
}

/// What a form with this key has made before.
enum MadeBefore {
    /// Just what is asked for.
    Same(ExecutionId),
    /// A payout or transfer that is another one.
    Other(ExecutionId),
}

async fn made_before(
    at: &AtMerchant<'_>,
    recipient: &Recipient,
    (wallet, amount): (&Wallet, Money),
    reference: ReferenceId,
) -> Result<Option<MadeBefore>, ApiError> {
    let found = at.reads.execution_by_reference(recipient.operation(), reference).await?;
    let Some(found) = found else { return Ok(None) };
    let is_theirs = match recipient.target {
        Target::Account(id) => found.payment_account_id() == Some(PaymentAccountId(id)),
        Target::Customer(_) => {
            let session = at.reads.session_by_id(found.session_id).await?;
            matches!(session.map(|session| session.intent),
                Some(Intent::Transfer { party_id, .. }) if party_id == recipient.party)
        }
    };
    let is_same = is_theirs && found.payee == amount && found.wallet_id() == Some(wallet.id);
    Ok(Some(if is_same { MadeBefore::Same(found.id) } else { MadeBefore::Other(found.id) }))
}

/// Why a payout or transfer was not made.
enum NotMade {
    Refused(Failure),
    /// The passcode is missing, wrong or locked.
    Passcode(String),
    Failed(ApiError),
}

/// What is submitted once it is confirmed.
struct Confirmed {
    merchant_id: MerchantId,
    by: Principal,
    /// Under what the tries of a passcode are counted.
    counted_as: ApiKeyId,
    session: NewSession,
    /// The price that was shown.
    shown: ShownPrice,
    reference: ReferenceId,
    target: Target,
    passcode: Option<String>,
}

impl Confirmed {
    /// Declares and carries out the payment. A declaration that cannot be carried out is canceled.
    async fn submit(self, app: &App) -> Result<Execution, NotMade> {
        let Self { merchant_id, by, .. } = self;
        let declare = CreateSession { merchant_id, session: self.session.clone() };
        let declared = app.engine.submit_for(merchant_id, by, declare).await;
        let session = declared.map_err(NotMade::Refused)?;
        let (kind, details) = match self.target {
            Target::Account(id) => (
                SessionKind::Payout,
                OperationDetails::Payout {
                    account_id: Some(PaymentAccountId(id)),
                    passcode_verified: false,
                },
            ),
            Target::Customer(_) => (SessionKind::Transfer, OperationDetails::Transfer),
        };
        let execute = Execute {
            merchant_id,
            reference_id: self.reference,
            session_id: session.id,
            details,
            shown: Some(self.shown),
        };
        let done = self.execute(app, execute).await;
        if done.is_err() {
            let cancel = CancelSession { merchant_id, kind, session_id: session.id };
            // It would expire in any case.
            if let Err(error) = app.engine.submit_for(merchant_id, by, cancel).await {
                tracing::debug!(%error, "a payment that was refused stays declared");
            }
        }
        done
    }

    async fn execute(&self, app: &App, execute: Execute) -> Result<Execution, NotMade> {
        let (merchant, by) = (self.merchant_id, self.by);
        let execute = match (&self.passcode, execute.details) {
            (Some(code), OperationDetails::Payout { account_id, .. }) => {
                let reserve = ReservePasscodeAttempt {
                    execute: execute.clone(),
                    api_key_id: self.counted_as,
                };
                let passcode_verified = match check_code(app, (merchant, by), &reserve, code).await
                {
                    Ok(PasscodeCheck::Replayed(found)) => return Ok(found.execution),
                    Ok(PasscodeCheck::Correct(_)) => true,
                    Ok(PasscodeCheck::NotSet) => false,
                    Err(ApiError::Forbidden(words)) => {
                        return Err(NotMade::Passcode(frame::as_sentence(&words)));
                    }
                    Err(ApiError::Locked(_, seconds)) => {
                        // That of everybody is told as one of a day.
                        let seconds = i64::try_from(seconds).ok();
                        let own = seconds.filter(|seconds| *seconds < 86_400);
                        return Err(NotMade::Passcode(frame::passcode_locked(own)));
                    }
                    Err(error) => return Err(NotMade::Failed(error)),
                };
                let details = OperationDetails::Payout { account_id, passcode_verified };
                Execute { details, ..execute }
            }
            _ => execute,
        };
        match app.engine.submit_for(merchant, by, execute).await {
            Ok(Executed { execution, attempt, call, .. }) => {
                Ok(first_outcome(app, WithAttempt { execution, attempt }, call).await.execution)
            }
            Err(Failure::Refused(reasons)) if reasons.contains(&Refusal::PasscodeRequired) => {
                let words = "This payout needs the passcode of the merchant.".to_owned();
                Err(NotMade::Passcode(words))
            }
            Err(failure) => Err(NotMade::Refused(failure)),
        }
    }
}

fn payment_path(merchant: i64, id: ExecutionId) -> String {
    format!("{}/{id}", payments_path(merchant))
}

async fn confirm<K: Kind>(
    Posted { app, visitor, me, ids: [merchant, id, wallet, minor], form }: Posted<4>,
) -> Result<Response, ApiError> {
    let target = K::target(id);
    let here = target.price_path(merchant, WalletId(wallet), minor);
    let (at, recipient) = match find(&app, &me, (merchant, target)).await {
        Ok(found) => found,
        Err(why) => return me.not_permitted(why?, visitor, &here),
    };
    let (who, of) = ((&me, visitor.clone()), (&at, &recipient));
    let (wallet, amount) = of_address(of, (wallet, minor)).await?;
    let asked = Asked::of(&wallet, amount);
    let key = form.field("key").map(|key| Reference::read(&json!(key)));
    let Some(Ok(Reference(reference))) = key else {
        let fault = Fault::of_page(frame::INCOMPLETE);
        return render_form(fault.status(), &app, who, of, &asked, fault).await;
    };
    // Before the price is looked at: what was paid is not in the wallet any more.
    let before = made_before(&at, &recipient, (&wallet, amount), reference).await?;
    if let Some(MadeBefore::Same(id)) = before {
        return Ok(frame::lead_to(&payment_path(merchant, id)));
    }
    let price = match price(&app, (&at, &me), &recipient, (&wallet, amount)).await {
        Ok(Ok(price)) => price,
        // The same form may have been sent at the same time, and have taken the money.
        other => {
            let before = made_before(&at, &recipient, (&wallet, amount), reference).await?;
            if let Some(MadeBefore::Same(id)) = before {
                return Ok(frame::lead_to(&payment_path(merchant, id)));
            }
            return match other {
                Ok(Err(fault)) => render_form(fault.status(), &app, who, of, &asked, fault).await,
                Err(failure) => refused(&app, who, of, &asked, (failure, &here)).await,
                Ok(Ok(_)) => Err(ApiError::internal("a price was both there and not")),
            };
        }
    };
    let again = async |price: &Price, tried| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        render_price(status, &app, (&me, visitor.clone()), of, (&wallet, amount, price), tried)
            .await
    };
    if let Some(MadeBefore::Other(id)) = before {
        // With another key: whoever wants this one, too, sends it once more.
        let fault = Fault::sent_before(payment_path(merchant, id));
        return again(&price, Tried { fault, ..Tried::default() }).await;
    }
    let asks_passcode = form.has("passcode");
    let with =
        |sentence| Tried { key: Some(reference), asks_passcode, fault: Fault::of_page(sentence) };
    match form.field("figures") {
        Some(figures) if figures == price.figures() => {}
        Some(_) => return again(&price, with(OTHER_PRICE)).await,
        None => return again(&price, with(frame::INCOMPLETE)).await,
    }
    let confirmed = Confirmed {
        merchant_id: at.merchant.id,
        by: Principal::User(me.person(Some(at.merchant.id))),
        // No API key has the id of a person: all ids are drawn from one row.
        counted_as: ApiKeyId(me.user.id.0),
        session: recipient.session(&at, &me, &wallet, amount),
        shown: price.shown(),
        reference,
        target,
        passcode: form.verbatim("passcode").filter(|code| !code.is_empty()).map(str::to_owned),
    };
    let own = app.clone();
    // A browser that goes away does not keep the payment from being sent.
    let done = run_to_completion(async move { confirmed.submit(&own).await }).await?;
    let not_made = match done {
        Ok(made) => return Ok(frame::lead_to(&payment_path(merchant, made.id))),
        Err(not_made) => not_made,
    };
    // The same form may have been sent at the same time.
    let before = made_before(&at, &recipient, (&wallet, amount), reference).await?;
    if let Some(MadeBefore::Same(id)) = before {
        return Ok(frame::lead_to(&payment_path(merchant, id)));
    }
    match not_made {
        // It was changed between the look at it and the decision.
        NotMade::Refused(failure) if frame::was_other_price(&failure) => {
            match self::price(&app, (&at, &me), &recipient, (&wallet, amount)).await {
                Ok(Ok(price)) => again(&price, with(OTHER_PRICE)).await,
                Ok(Err(fault)) => render_form(fault.status(), &app, who, of, &asked, fault).await,
                Err(failure) => refused(&app, who, of, &asked, (failure, &here)).await,
            }
        }
        NotMade::Refused(failure) => refused(&app, who, of, &asked, (failure, &here)).await,
        NotMade::Passcode(words) => {
            let fault = Fault::of_field("passcode", words);
            let tried = Tried { key: Some(reference), asks_passcode: true, fault };
            let status = StatusCode::FORBIDDEN;
            render_price(status, &app, who, of, (&wallet, amount, &price), tried).await
        }
        NotMade::Failed(error) => Err(error),
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/payouts/{merchant}/account/{id}", form::<Account>)
        .page("/app/payouts/{merchant}/account/{id}/{wallet}/{minor}", show_price::<Account>)
        .form("/app/payouts/{merchant}/account/{id}/{wallet}/{minor}", confirm::<Account>)
        .page("/app/payouts/{merchant}/customer/{id}", form::<Customer>)
        .page("/app/payouts/{merchant}/customer/{id}/{wallet}/{minor}", show_price::<Customer>)
        .form("/app/payouts/{merchant}/customer/{id}/{wallet}/{minor}", confirm::<Customer>)
}
