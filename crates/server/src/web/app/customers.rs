//! `/app/customers/{merchant}`: the parties that a merchant deals with, for who reads payments; who may
//! edit customers makes new ones and their accounts, changes their names and deactivates their accounts.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::directory::create_party::{CreateParty, NewParty};
use domain::directory::create_payment_account::{CreateAccount, NewAccount};
use domain::directory::party::Party;
use domain::directory::payment_account::PaymentAccount;
use domain::directory::roles::Action;
use domain::directory::update_party::{PartyChanges, ShownParty, UpdateParty};
use domain::directory::use_payment_account::DeactivateAccount;
use domain::kernel::country::Country;
use domain::kernel::ids::{ExecutionId, MerchantId, PartyId, PaymentAccountId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation};
use domain::kernel::patch::Patch;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::ledger::wallet::Wallet;
use domain::payments::execution::Execution;
use domain::tariff::{Market, Tariff};
use serde_json::json;
use store::reads::pages::Page;
use store::reads::payment_accounts::PaymentAccountFilter;
use store::reads::scope::MerchantReads;
use store::reads::wallets::WalletFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::{Email, FromValue};
use crate::api::payments;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{self, Choice, Places};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::new_source::{is_same_name, phone_of};
use crate::web::app::payment_words;
use crate::web::app::payments::PaymentLine;
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::app::sources::moment;
use crate::web::app::typed::NameField;
use crate::web::form::Form;
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;

/// How many rows stand on a page.
const PAGE: u32 = 50;
/// How many wallets and accounts of a customer are shown at a time. The payments are those with the
/// accounts that are shown.
const OF_CUSTOMER: u32 = 20;
/// How many payments are shown at a time.
const PAYMENTS: usize = 50;
/// How much of a typed field is shown again.
const SHOWN_AGAIN: usize = 300;

fn list_path(merchant: i64) -> String {
    format!("/app/customers/{merchant}")
}

/// The page of a customer.
pub fn path_of(merchant: i64, id: PartyId) -> String {
    format!("{}/{id}", list_path(merchant))
}

/// A customer in a list.
pub struct CustomerLine {
    pub path: String,
    pub name: String,
    pub phone: String,
    pub since: Moment,
}

impl CustomerLine {
    pub fn new(merchant: i64, party: Party) -> Self {
        Self {
            path: path_of(merchant, party.id),
            name: party.fullname,
            phone: party.phone,
            since: moment(party.created_at),
        }
    }
}

#[derive(Template)]
#[template(path = "app/customers.html")]
struct CustomersTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    /// The path of the search, for who may look for people.
    search: Option<String>,
    /// The form of a new invoice, for who may sell.
    new_invoice: Option<String>,
    /// For who may edit customers.
    new: Option<NewForm>,
    rows: Vec<CustomerLine>,
    is_first: bool,
    older: Option<String>,
    fault: Fault,
}

/// The form of a new customer.
#[derive(Default)]
struct NewForm {
    name: String,
    phone: String,
    /// Who has this phone already.
    known: Option<CustomerLine>,
    is_open: bool,
}

async fn list(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut fault = Fault::default();
    let after_id = Places::of(&uri, &["after"]).get("after", &mut fault);
    let said = (fault, NewForm::default());
    render_list(said.0.status(), &app, (&me, visitor), (merchant, after_id), said).await
}

async fn render_list(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (merchant, after_id): (i64, Option<i64>),
    (fault, new): (Fault, NewForm),
) -> Result<Response, ApiError> {
    let path = list_path(merchant);
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let found = at.reads.parties(None, Page { limit: PAGE, after_id }).await?;
    let older = found.next_after(PAGE, |party| party.id.0);
    let may = |action| at.rights.role.may(action);
    let title = format!("Customers of {}", at.merchant.name);
    let frame = me.frame(visitor, &title).of(&at, Screen::Customers);
    let template = CustomersTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        search: may(Action::SeeContacts).then(|| format!("/app/search/{merchant}")),
        new_invoice: may(Action::Sell).then(|| format!("/app/invoices/{merchant}/new")),
        new: may(Action::EditCustomers).then_some(new),
        rows: found.rows.into_iter().map(|party| CustomerLine::new(merchant, party)).collect(),
        is_first: after_id.is_none(),
        older: older.map(|id| format!("{path}{}", filter::query(&[("after", &id.to_string())]))),
        path,
        fault,
    };
    frame::render(status, &frame, &template)
}

/// Reads the form of a new customer.
fn new_party(name: &str, phone: &str, tariff: &Tariff) -> Result<NewParty, Fault> {
    Ok(NewParty {
        fullname: name_of(name, "name")?,
        phone: phone_of(phone, tariff)?,
        email: None,
        country_code: None,
    })
}

fn name_of(text: &str, id: &str) -> Result<String, Fault> {
    let wrong = "Give a name, in at most 255 characters of one line.";
    NameField { id, max: 255, what: "The name", wrong }.read(text)
}

/// Makes a customer. Who has this phone already is led to, if it is the one that was typed, so that a
/// form that is sent twice makes one; or else is named.
async fn create(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let path = list_path(merchant);
    let at = match me.at_merchant(&app, merchant, Action::EditCustomers).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let text = |name| form.field(name).unwrap_or_default().chars().take(SHOWN_AGAIN).collect();
    let (name, phone): (String, String) = (text("name"), text("phone"));
    let page = async |status, fault, known| {
        let (name, phone) = (name.clone(), phone.clone());
        let new = NewForm { name, phone, known, is_open: true };
        render_list(status, &app, (&me, visitor.clone()), (merchant, None), (fault, new)).await
    };
    let tariff = app.queries.for_system().tariff().await?;
    let party = match new_party(&name, &phone, &tariff) {
        Ok(party) => party,
        Err(fault) => return page(StatusCode::UNPROCESSABLE_ENTITY, fault, None).await,
    };
    let merchant_id = MerchantId(merchant);
    let known = at.reads.parties_by_phone(&party.phone).await?;
    let of_name = known.iter().find(|known| is_same_name(&known.fullname, &party.fullname));
    let known = of_name.or(known.first()).cloned();
    let found = match known {
        Some(known) => Ok(known),
        None => {
            let party = party.clone();
            let decision = CreateParty { merchant_id, party, unless_known: true };
            me.submit(&app, Some(merchant_id), decision).await
        }
    };
    match found {
        Ok(found) if is_same_name(&found.fullname, &party.fullname) => {
            Ok(frame::lead_to(&path_of(merchant, found.id)))
        }
        Ok(found) => {
            let fault = Fault::of_field("phone", "Somebody else has this phone number already.");
            let known = Some(CustomerLine::new(merchant, found));
            page(StatusCode::UNPROCESSABLE_ENTITY, fault, known).await
        }
        Err(failure) => {
            let again = async |status, sentence| page(status, Fault::of_page(sentence), None).await;
            frame::refused(failure, &path)?.answer_read(again).await
        }
    }
}

#[derive(Template)]
#[template(path = "app/customer.html")]
struct CustomerTemplate<'a> {
    app: &'a AppFrame,
    path: &'a str,
    party: Shown,
    /// The path of a new invoice or order for them, for who may sell.
    new_invoice: Option<String>,
    new_order: Option<String>,
    /// Nothing for who may not read wallets.
    wallets: Option<Vec<WalletLine>>,
    accounts: Vec<AccountLine>,
    /// Whether these are not the newest accounts.
    older_accounts: Option<String>,
    of_older_accounts: bool,
    payments: Vec<PaymentLine>,
    older: Option<String>,
    of_older: bool,
    /// For who may edit customers.
    edit: Option<EditForm>,
    new_account: Option<AccountForm>,
    fault: Fault,
}

/// The form of a new account that is paid out to.
struct AccountForm {
    methods: Vec<Choice>,
    number: String,
    name: String,
    /// When the customer was changed last, which the form carries: see [`CreateAccount`].
    shown: i64,
    is_open: bool,
}

/// What was typed into it.
struct TypedAccount {
    method: String,
    number: String,
    name: String,
    shown: Option<i64>,
}

impl TypedAccount {
    fn read(form: &Form) -> Self {
        let text = |name| form.field(name).unwrap_or_default().chars().take(SHOWN_AGAIN).collect();
        Self {
            method: text("method"),
            number: text("number"),
            name: text("name"),
            shown: form.field("shown").and_then(|time| time.parse().ok()),
        }
    }

    /// The account, or the first field that is none.
    fn account(
        &self,
        party_id: PartyId,
        tariff: &Tariff,
        now: ServerTime,
    ) -> Result<NewAccount, Fault> {
        let market = paid_out(tariff, now).find(|market| market.method.as_str() == self.method);
        let market = market.ok_or_else(|| Fault::of_field("method", "Choose a method."))?;
        Ok(NewAccount {
            party_id,
            account_number: Some(phone_of(&self.number, tariff)?),
            account_name: name_of(&self.name, "account-name")?,
            provider: market.provider,
            method: market.method,
            operation: Operation::Payout,
            country_code: Some(market.country.clone()),
        })
    }
}

/// The markets in which accounts for mobile money are paid out to now.
fn paid_out(tariff: &Tariff, now: ServerTime) -> impl Iterator<Item = &Market> {
    tariff.markets.iter().filter(move |market| {
        market.operation == Operation::Payout
            && market.method.is_mobile_money()
            && market.effective.at(now)
    })
}

impl AccountForm {
    fn new(
        party: &Party,
        typed: Option<TypedAccount>,
        (tariff, methods): (&Tariff, &Methods),
        now: ServerTime,
    ) -> Self {
        let is_open = typed.is_some();
        let typed = typed.unwrap_or_else(|| TypedAccount {
            method: String::new(),
            number: party.phone.clone(),
            name: party.fullname.clone(),
            shown: None,
        });
        let mut known: Vec<Method> = paid_out(tariff, now).map(|market| market.method).collect();
        known.sort_unstable_by_key(|method| methods.name(*method, Language::English));
        known.dedup();
        let choice = |method: Method| Choice {
            name: method.to_string(),
            words: methods.name(method, Language::English),
            is_chosen: method.as_str() == typed.method,
        };
        Self {
            methods: known.into_iter().map(choice).collect(),
            number: typed.number,
            name: typed.name,
            shown: typed.shown.unwrap_or(party.updated_at.0),
            is_open,
        }
    }
}

struct Shown {
    name: String,
    phone: String,
    email: Option<String>,
    country: Option<String>,
    since: Moment,
}

/// The form that changes a customer.
struct EditForm {
    /// What it was filled with, which it carries: a value is changed only if it is still this one.
    shown: ShownParty,
    name: String,
    email: String,
    country: String,
    is_open: bool,
}

/// What was typed into the form: nothing where it was left as it was shown.
#[derive(Default)]
struct Typed {
    name: Option<String>,
    email: Option<String>,
    country: Option<String>,
}

impl EditForm {
    fn new(party: &Party, sent: Option<Sent>) -> Self {
        let is_open = sent.is_some();
        let Sent { typed, shown } = sent.unwrap_or_default();
        Self {
            shown: shown.unwrap_or_else(|| ShownParty::from(party)),
            name: typed.name.unwrap_or_else(|| party.fullname.clone()),
            email: typed.email.or_else(|| party.email.clone()).unwrap_or_default(),
            country: typed.country.or_else(|| party.country_code.clone()).unwrap_or_default(),
            is_open,
        }
    }
}

/// A form that was not accepted.
#[derive(Default)]
struct Sent {
    typed: Typed,
    /// What it was filled with; nothing where that is another by now and is to be looked at.
    shown: Option<ShownParty>,
}

/// What stands on a page beside its rows.
#[derive(Default)]
struct Beside {
    fault: Fault,
    sent: Option<Sent>,
    account: Option<TypedAccount>,
}

struct WalletLine {
    available: String,
    held: Option<String>,
    status: String,
}

struct AccountLine {
    id: i64,
    name: String,
    number: Option<String>,
    method: String,
    purpose: &'static str,
    is_active: bool,
    may_deactivate: bool,
}

const fn purpose(operation: Operation) -> &'static str {
    match operation {
        Operation::Collection => "pays from it",
        Operation::Payout => "is paid out to it",
        Operation::Transfer => "is sent transfers to it",
        Operation::Refund => "is given back to it",
    }
}

fn wallet_line(wallet: &Wallet) -> WalletLine {
    let money = |minor| payment_words::amount(Money::new(minor, wallet.currency));
    WalletLine {
        available: money(wallet.available_minor),
        held: (wallet.held_minor != 0).then(|| money(wallet.held_minor)),
        status: filter::plain(wallet.status.as_str()),
    }
}

fn account_line(account: PaymentAccount, may_edit: bool, methods: &Methods) -> AccountLine {
    AccountLine {
        id: account.id.0,
        name: account.account_name,
        number: account.account_number,
        method: methods.name(account.method, Language::English),
        purpose: purpose(account.operation),
        is_active: account.is_active,
        may_deactivate: may_edit && account.is_active,
    }
}

/// The newest payments with these accounts, after a place in their list. Of each account the newest are
/// read by its index, and the newest of all of them are shown.
async fn payments_with(
    reads: &MerchantReads<'_>,
    accounts: &[PaymentAccountId],
    after: Option<(MerchantTime, ExecutionId)>,
) -> Result<(Vec<Execution>, bool), ApiError> {
    let mut found: Vec<Execution> = vec![];
    for account in accounts {
        found.extend(match after {
            None => reads.executions_of_account(*account).await?,
            Some(place) => reads.executions_of_account_before(*account, place).await?,
        });
    }
    found.sort_by_key(|execution| std::cmp::Reverse((execution.created_at, execution.id)));
    // Each read finds as many as a page has: a full one may have left some out.
    let has_more = found.len() >= PAYMENTS;
    found.truncate(PAYMENTS);
    Ok((found, has_more))
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (merchant, id): (i64, i64),
    places: &Places,
    Beside { mut fault, sent, account }: Beside,
) -> Result<Response, ApiError> {
    let party_id = PartyId(id);
    let path = path_of(merchant, party_id);
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let party = at.reads.party(party_id).await?.ok_or(ApiError::NotFound)?;
    let may = |action| at.rights.role.may(action);
    let accounts_after = places.get("accounts", &mut fault);
    let after = places.get("after", &mut fault);
    let status = if fault.sentence().is_some() && status == StatusCode::OK {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        status
    };
    let filter = PaymentAccountFilter { party: Some(party_id), ..PaymentAccountFilter::default() };
    let page = Page { limit: OF_CUSTOMER, after_id: accounts_after };
    let accounts = at.reads.payment_accounts(filter, page).await?;
    let older_accounts = accounts.next_after(OF_CUSTOMER, |account| account.id.0);
    let place = match after {
        None => None,
        Some(id) => {
            let last = at.reads.execution(ExecutionId(id)).await?.ok_or(ApiError::NotFound)?;
            Some((last.created_at, last.id))
        }
    };
    let ids: Vec<PaymentAccountId> = accounts.rows.iter().map(|account| account.id).collect();
    let (found, has_more) = payments_with(&at.reads, &ids, place).await?;
    let last = found.last().filter(|_| has_more).map(|last| last.id);
    let wallets = if may(Action::ReadWallets) {
        let filter = WalletFilter { party: Some(party_id), ..WalletFilter::default() };
        let page = Page { limit: OF_CUSTOMER, after_id: None };
        Some(at.reads.wallets(filter, page).await?.rows.iter().map(wallet_line).collect())
    } else {
        None
    };
    let tariff = app.queries.for_system().tariff().await?;
    let methods = Methods::new(Arc::clone(&tariff), me.now);
    let found = payments::with_others(&at.reads, found).await?;
    let accounts_place = accounts_after.map(|id| id.to_string()).unwrap_or_default();
    let older = |id: ExecutionId| {
        let query = [("accounts", accounts_place.as_str()), ("after", &id.to_string())];
        format!("{path}{}", filter::query(&query))
    };
    let frame = me.frame(visitor, &format!("Customer {}", party.fullname));
    let frame = frame.at(&path).of(&at, Screen::Customers);
    let to_sell =
        |part| may(Action::Sell).then(|| format!("/app/{part}/{merchant}/new?party={party_id}"));
    let template = CustomerTemplate {
        app: &frame,
        path: &path,
        new_invoice: to_sell("invoices"),
        new_order: to_sell("orders"),
        wallets,
        accounts: accounts
            .rows
            .into_iter()
            .map(|account| account_line(account, may(Action::EditCustomers), &methods))
            .collect(),
        older_accounts: older_accounts
            .map(|id| format!("{path}{}", filter::query(&[("accounts", &id.to_string())]))),
        of_older_accounts: accounts_after.is_some(),
        payments: found.iter().map(|one| PaymentLine::new(merchant, one, &methods)).collect(),
        older: last.map(older),
        of_older: after.is_some(),
        // Whoever does not see a name does not change it.
        edit: (may(Action::EditCustomers) && may(Action::SeeContacts))
            .then(|| EditForm::new(&party, sent)),
        new_account: may(Action::EditCustomers)
            .then(|| AccountForm::new(&party, account, (&tariff, &methods), me.now)),
        party: Shown {
            name: party.fullname,
            phone: party.phone,
            email: party.email,
            country: party.country_code,
            since: moment(party.created_at),
        },
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let places = Places::of(&uri, &["accounts", "after"]);
    render(StatusCode::OK, &app, (&me, visitor), (merchant, id), &places, Beside::default()).await
}

/// What the form was filled with.
fn shown_in(form: &Form) -> Option<ShownParty> {
    let text = |name| form.verbatim(name).map(str::to_owned);
    let (email, country_code) = (text("shown-email"), text("shown-country"));
    Some(ShownParty { fullname: text("shown-name")?, email, country_code })
}

/// Reads the form: what was typed, and the changes to what was shown.
fn changes(form: &Form, shown: &ShownParty) -> (Typed, Result<PartyChanges, Fault>) {
    let typed = |name, shown: Option<&String>| {
        let text = form.field(name).unwrap_or_default();
        let is_other = text != shown.map_or("", |shown| shown.trim());
        is_other.then(|| text.chars().take(SHOWN_AGAIN).collect::<String>())
    };
    let typed = Typed {
        name: typed("name", Some(&shown.fullname)),
        email: typed("email", shown.email.as_ref()),
        country: typed("country", shown.country_code.as_ref()),
    };
    let changes = typed.changes();
    (typed, changes)
}

impl Typed {
    fn changes(&self) -> Result<PartyChanges, Fault> {
        let email = |text: &String| {
            let wrong = "Give an e-mail address such as ama@example.com, or none.";
            let read = Email::read(&json!(text));
            read.map(|Email(email)| email).map_err(|_| Fault::of_field("email", wrong))
        };
        let country = |text: &String| {
            let wrong = "Give a country by its two letters, such as LR, or none.";
            let read = Country::parse(text).map(|Country(letters)| letters);
            read.ok_or_else(|| Fault::of_field("country", wrong))
        };
        Ok(PartyChanges {
            fullname: self.name.as_ref().map(|name| name_of(name, "name")).transpose()?,
            email: patch(self.email.as_ref(), email)?,
            country_code: patch(self.country.as_ref(), country)?,
        })
    }
}

/// The change of a value that may be left out.
fn patch(
    typed: Option<&String>,
    read: impl Fn(&String) -> Result<String, Fault>,
) -> Result<Patch<String>, Fault> {
    Ok(match typed {
        None => Patch::Keep,
        Some(text) if text.is_empty() => Patch::Clear,
        Some(text) => Patch::Set(read(text)?),
    })
}

async fn update(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let (path, party_id) = (path_of(merchant, PartyId(id)), PartyId(id));
    let at = match me.at_merchant(&app, merchant, Action::EditCustomers).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    if at.reads.party(party_id).await?.is_none() {
        return Err(ApiError::NotFound);
    }
    let page = async |status, fault, sent| {
        let beside = Beside { fault, sent, account: None };
        render(status, &app, (&me, visitor), (merchant, id), &Places::default(), beside).await
    };
    let Some(shown) = shown_in(&form) else {
        let fault = Fault::of_page(frame::INCOMPLETE);
        return page(StatusCode::UNPROCESSABLE_ENTITY, fault, None).await;
    };
    let (typed, changes) = changes(&form, &shown);
    let changes = match changes {
        Ok(changes) => changes,
        Err(fault) => {
            let sent = Sent { typed, shown: Some(shown) };
            return page(StatusCode::UNPROCESSABLE_ENTITY, fault, Some(sent)).await;
        }
    };
    let merchant_id = MerchantId(merchant);
    let decision = UpdateParty { merchant_id, party_id, changes, shown: Some(shown.clone()) };
    let Err(failure) = me.submit(&app, Some(merchant_id), decision).await else {
        return Ok(frame::lead_to(&path));
    };
    let shown = Some(shown).filter(|_| !frame::was_changed(&failure));
    let again = async |status, sentence| {
        page(status, Fault::of_page(sentence), Some(Sent { typed, shown })).await
    };
    frame::refused(failure, &path)?.answer_read(again).await
}

/// Makes an account that is paid out to. A form that is sent twice makes one: it is for the customer as
/// its page showed them, and makes them another.
async fn new_account(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let (path, party_id) = (path_of(merchant, PartyId(id)), PartyId(id));
    let at = match me.at_merchant(&app, merchant, Action::EditCustomers).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    if at.reads.party(party_id).await?.is_none() {
        return Err(ApiError::NotFound);
    }
    let typed = TypedAccount::read(&form);
    let page = async |status, fault, typed| {
        let beside = Beside { fault, account: Some(typed), ..Beside::default() };
        render(status, &app, (&me, visitor), (merchant, id), &Places::default(), beside).await
    };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let Some(shown) = typed.shown.map(MerchantTime) else {
        let fault = Fault::of_page(frame::INCOMPLETE);
        return page(status, fault, typed).await;
    };
    let tariff = app.queries.for_system().tariff().await?;
    let account = match typed.account(party_id, &tariff, me.now) {
        Ok(account) => account,
        Err(fault) => return page(status, fault, typed).await,
    };
    let merchant_id = MerchantId(merchant);
    let decision = CreateAccount { merchant_id, account: account.clone(), shown: Some(shown) };
    let Err(failure) = me.submit(&app, Some(merchant_id), decision).await else {
        return Ok(frame::lead_to(&path));
    };
    let mut typed = typed;
    if frame::was_changed(&failure) {
        if has_account(&at.reads, &account).await? {
            return Ok(frame::lead_to(&path));
        }
        typed.shown = None;
    }
    let fault = fault_of_account(&failure);
    let again = async |status, sentence| page(status, fault(sentence), typed).await;
    frame::refused(failure.clone(), &path)?.answer_read(again).await
}

/// Whether the customer has such an account.
async fn has_account(reads: &MerchantReads<'_>, asked: &NewAccount) -> Result<bool, ApiError> {
    let filter = PaymentAccountFilter {
        party: Some(asked.party_id),
        method: Some(asked.method),
        operation: Some(asked.operation),
        is_active: Some(true),
    };
    let page = Page { limit: OF_CUSTOMER, after_id: None };
    let found = reads.payment_accounts(filter, page).await?.rows;
    Ok(found.iter().any(|account| {
        account.account_number == asked.account_number && account.account_name == asked.account_name
    }))
}

/// The field that a refusal of a new account is about.
fn fault_of_account(failure: &Failure) -> impl Fn(String) -> Fault + use<> {
    let first = match failure {
        Failure::Refused(reasons) => reasons.first(),
        _ => None,
    };
    let field = match first {
        Some(Refusal::PhoneOfOtherCountry { .. }) => Some("phone"),
        Some(Refusal::NoMarket { .. }) => Some("method"),
        _ => None,
    };
    move |sentence| match field {
        Some(field) => Fault::of_field(field, sentence),
        None => Fault::of_page(sentence),
    }
}

async fn deactivate(
    Posted { app, visitor, me, ids: [merchant, id, account], .. }: Posted<3>,
) -> Result<Response, ApiError> {
    let path = path_of(merchant, PartyId(id));
    let at = match me.at_merchant(&app, merchant, Action::EditCustomers).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let found = at.reads.payment_account(account).await?;
    if found.is_none_or(|account| account.party_id != PartyId(id)) {
        return Err(ApiError::NotFound);
    }
    let merchant_id = MerchantId(merchant);
    let decision = DeactivateAccount { merchant_id, account_id: PaymentAccountId(account) };
    match me.submit(&app, Some(merchant_id), decision).await {
        Ok(_) => Ok(frame::lead_to(&path)),
        Err(failure) => {
            let page = async |status, sentence| {
                let places = Places::default();
                let beside = Beside { fault: Fault::of_page(sentence), ..Beside::default() };
                render(status, &app, (&me, visitor), (merchant, id), &places, beside).await
            };
            frame::refused(failure, &path)?.answer_read(page).await
        }
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/customers/{merchant}", list)
        .form("/app/customers/{merchant}", create)
        .page("/app/customers/{merchant}/{id}", show)
        .form("/app/customers/{merchant}/{id}/update", update)
        .form("/app/customers/{merchant}/{id}/accounts", new_account)
        .form("/app/customers/{merchant}/{id}/accounts/{account}/deactivate", deactivate)
}
