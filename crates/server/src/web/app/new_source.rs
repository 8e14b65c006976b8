//! `/app/invoices/{merchant}/new` and `/app/orders/{merchant}/new`: the form of a new invoice or order.
//! It works without script: a customer is looked for and rows for items are added by buttons that
//! send what was typed so far.

use askama::Template;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use std::convert::Infallible;

use domain::directory::create_party::NewParty;
use domain::directory::party::{Party, Relationship};
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, PartyId};
use domain::kernel::names::Operation;
use domain::kernel::phone::is_phone;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::kernel::uuids::ReferenceId;
use domain::ledger::wallet::OwnerType;
use domain::sales::checkout::PageMode;
use domain::sales::create_checkout::{Checkout, CreateCheckout, MAX_CHECKOUT_ITEMS, NewCheckout};
use domain::sales::source::{SourceStatus, SourceType};
use domain::tariff::{Market, Tariff};
use serde_json::json;
use store::reads::pages::Page;
use store::reads::sources::SourceFilter;
use store::reads::wallets::WalletFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Reference};
use crate::api::links::draw_token;
use crate::api::routes::Routes;
use crate::api::search::{people, phone_numbers};
use crate::api::sources::kind::{Invoices, Kind, Orders};
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::Choice;
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::items::{ItemRow, Rows};
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::sources::{Words, due, note, path_of, reference};
use crate::web::app::typed::NameField;
use crate::web::checkout::steps::draw_key;
use crate::web::form::Form;
use crate::web::language::Visitor;

/// How much of a typed field is shown again.
const SHOWN_AGAIN: usize = 2_000;
/// How many wallets of a merchant are looked at for the currency to begin with.
const WALLETS: u32 = 50;

#[derive(Template)]
#[template(path = "app/new_source.html")]
struct NewSourceTemplate<'a> {
    app: &'a AppFrame,
    words: &'static Words,
    path: String,
    is_invoice: bool,
    is_verified: bool,
    key: String,
    currencies: Vec<Choice>,
    typed: &'a Typed,
    /// The customers to choose from.
    found: Vec<Found>,
    /// Whether somebody was looked for and nobody is known.
    nobody: bool,
    /// Whether none of the customers is chosen.
    is_new: bool,
    items: Vec<ItemRow>,
    may_have_more: bool,
    fault: Fault,
}

/// A customer to choose.
struct Found {
    id: i64,
    name: String,
    phone: String,
    is_chosen: bool,
}

/// What was typed so far.
#[derive(Default)]
struct Typed {
    key: Option<ReferenceId>,
    currency: String,
    /// Who is looked for among the customers.
    who: String,
    /// The id of the customer who was chosen.
    party: String,
    name: String,
    phone: String,
    note: String,
    reference: String,
    due: String,
    until: String,
    rows: Rows,
}

impl Typed {
    fn read(form: &Form) -> Self {
        let text = |name: &str| -> String {
            form.field(name).unwrap_or_default().chars().take(SHOWN_AGAIN).collect()
        };
        Self {
            key: key_of(form),
            currency: text("currency"),
            who: text("who"),
            party: text("party"),
            name: text("name"),
            phone: text("phone"),
            note: text("note"),
            reference: text("reference"),
            due: text("due"),
            until: text("until"),
            rows: Rows::read(form, MAX_CHECKOUT_ITEMS),
        }
    }

    /// Whether a new customer is typed.
    fn types_new(&self) -> bool {
        !self.name.is_empty() || !self.phone.is_empty()
    }

    fn party(&self) -> Option<PartyId> {
        self.party.parse().ok().map(PartyId)
    }
}

/// The key in a form that makes something.
pub fn key_of(form: &Form) -> Option<ReferenceId> {
    let key = form.field("key").map(|key| Reference::read(&json!(key)));
    key.and_then(Result::ok).map(|Reference(key)| key)
}

/// The key of a form: the one that it has, or a new one.
pub fn key_for(key: Option<ReferenceId>) -> Result<String, ApiError> {
    Ok(match key {
        Some(key) => key.to_string(),
        None => ReferenceId(draw_key()?).to_string(),
    })
}

/// The currencies in which payers can pay now.
pub fn currencies(tariff: &Tariff, now: ServerTime) -> Vec<Currency> {
    let is_open =
        |market: &&Market| market.operation == Operation::Collection && market.effective.at(now);
    let open = tariff.markets.iter().filter(is_open);
    let mut known: Vec<Currency> = open.map(|market| market.currency).collect();
    known.sort_unstable_by(|one, other| one.code().cmp(other.code()));
    known.dedup();
    known
}

/// The currencies as options.
pub fn currency_choices(known: &[Currency], chosen: &str) -> Vec<Choice> {
    let choice = |currency: &Currency| Choice {
        name: currency.code().to_owned(),
        words: currency.code().to_owned(),
        is_chosen: currency.code() == chosen,
    };
    known.iter().map(choice).collect()
}

/// The currency that was chosen.
pub fn currency_of(typed: &str, known: &[Currency]) -> Result<Currency, Fault> {
    let chosen = Currency::parse(typed).filter(|currency| known.contains(currency));
    chosen.ok_or_else(|| Fault::of_field("currency", "Choose a currency."))
}

/// The day in a form from which no payment is taken, as the beginning of that day in UTC.
pub fn until(form: &Form) -> Result<Option<MerchantTime>, Fault> {
    let Some(text) = form.field("until") else { return Ok(None) };
    let time = MerchantTime::parse(text);
    time.map(Some).ok_or_else(|| Fault::of_field("until", "Give a day as 2026-12-24."))
}

/// A phone number as people write it, with the code of its country.
pub fn phone_of(text: &str, tariff: &Tariff) -> Result<String, Fault> {
    let numbers = phone_numbers(text, tariff);
    let mut fitting = numbers.into_iter().filter(|number| is_phone(number));
    match (fitting.next(), fitting.next()) {
        (Some(number), None) => Ok(number),
        (Some(_), Some(_)) => {
            let which = "Give the number with the code of its country: there are several.";
            Err(Fault::of_field("phone", which))
        }
        (None, _) => {
            let sentence =
                "Give a phone number with the code of its country, such as 231880000001.";
            Err(Fault::of_field("phone", sentence))
        }
    }
}

/// Who looks at the form of which merchant.
struct Asked<'a> {
    app: &'a App,
    me: &'a LoggedIn,
    visitor: Visitor,
    merchant: i64,
    kind: SourceType,
}

impl<'a> Asked<'a> {
    fn words(&self) -> &'static Words {
        Words::of(self.kind)
    }

    fn path(&self) -> String {
        format!("{}/new", self.words().path(self.merchant))
    }

    async fn at(&self) -> Result<AtMerchant<'a>, Failure> {
        self.me.at_merchant(self.app, self.merchant, Action::Sell).await
    }

    fn not_permitted(&self, failure: Failure) -> Result<Response, ApiError> {
        self.me.not_permitted(failure, self.visitor.clone(), &self.path())
    }
}

async fn render(
    status: StatusCode,
    asked: &Asked<'_>,
    at: &AtMerchant<'_>,
    typed: &Typed,
    fault: Fault,
) -> Result<Response, ApiError> {
    let tariff = asked.app.queries.for_system().tariff().await?;
    let mut found = people(&at.reads, &tariff, &typed.who).await?.parties;
    let mut chosen = typed.party();
    if let ([only], None, true) = (found.as_slice(), chosen, !typed.types_new()) {
        chosen = Some(only.id);
    }
    if let Some(id) = chosen.filter(|id| !found.iter().any(|party| party.id == *id)) {
        found.extend(at.reads.party(id).await?);
    }
    if fault.beside("party-new").is_some()
        && let Ok(phone) = phone_of(&typed.phone, &tariff)
    {
        // Whose number was typed, to go on with them.
        let known = at.reads.parties_by_phone(&phone).await?.into_iter();
        let is_new = |party: &Party| !found.iter().any(|other| other.id == party.id);
        let known: Vec<Party> = known.filter(is_new).collect();
        found.extend(known);
    }
    let nobody = found.is_empty() && !typed.who.is_empty();
    let known = currencies(&tariff, asked.me.now);
    let currency = match typed.currency.as_str() {
        "" => last_currency(at, asked.kind).await?,
        typed => typed.to_owned(),
    };
    let words = asked.words();
    let frame = asked.me.frame(asked.visitor.clone(), &format!("New {}", words.one));
    let frame = frame.at(&asked.path()).of(at, words.screen());
    let template = NewSourceTemplate {
        app: &frame,
        words,
        path: words.path(asked.merchant),
        is_invoice: asked.kind == SourceType::Invoice,
        is_verified: at.merchant.verified,
        key: key_for(typed.key)?,
        currencies: currency_choices(&known, &currency),
        found: found
            .into_iter()
            .map(|party| Found {
                id: party.id.0,
                is_chosen: Some(party.id) == chosen,
                name: party.fullname,
                phone: party.phone,
            })
            .collect(),
        nobody,
        is_new: chosen.is_none(),
        items: typed.rows.shown(&fault),
        may_have_more: typed.rows.count() < MAX_CHECKOUT_ITEMS,
        typed,
        fault,
    };
    frame::render(status, &frame, &template)
}

/// The currency of the newest of them, in which the next one probably is, too.
async fn last_currency(at: &AtMerchant<'_>, kind: SourceType) -> Result<String, ApiError> {
    let page = Page { limit: 1, after_id: None };
    let newest = at.reads.sources(kind, SourceFilter::default(), page).await?.rows.pop();
    match newest {
        Some(source) => Ok(source.currency.code().to_owned()),
        None => first_currency(at).await,
    }
}

/// The currency of the merchant's oldest wallet, for the first thing that it sells. Of the wallet
/// nothing else is told.
pub async fn first_currency(at: &AtMerchant<'_>) -> Result<String, ApiError> {
    let own = WalletFilter { owner: Some(OwnerType::Merchant), ..WalletFilter::default() };
    let found = at.reads.wallets(own, Page { limit: WALLETS, after_id: None }).await?;
    Ok(found.rows.last().map(|wallet| wallet.currency.code().to_owned()).unwrap_or_default())
}

/// The customer in the address, for whom the form is opened.
struct ForParty(String);

impl<S: Send + Sync> FromRequestParts<S> for ForParty {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let mut fields = form_urlencoded::parse(query.as_bytes());
        let party = fields.find(|(name, _)| name == "party").map(|(_, id)| id.into_owned());
        let is_id = |id: &String| id.len() <= 19 && id.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Self(party.filter(is_id).unwrap_or_default()))
    }
}

async fn form<K: Kind>(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    ForParty(party): ForParty,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant, kind: K::TYPE };
    let at = match asked.at().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let typed = Typed { party, ..Typed::default() };
    render(StatusCode::OK, &asked, &at, &typed, Fault::default()).await
}

/// Reads the whole form.
async fn read(
    asked: &Asked<'_>,
    at: &AtMerchant<'_>,
    form: &Form,
    typed: &Typed,
    as_draft: bool,
) -> Result<Result<NewCheckout, Fault>, ApiError> {
    let tariff = asked.app.queries.for_system().tariff().await?;
    let Some(key) = typed.key else {
        return Ok(Err(Fault::of_page(frame::INCOMPLETE)));
    };
    let token = draw_token()?;
    let known = currencies(&tariff, asked.me.now);
    // Everything is read before anything is said: who typed three mistakes is told of three.
    let mut faults = vec![];
    let payer = kept(payer(at, &tariff, typed).await?, &mut faults);
    let currency = kept(currency_of(&typed.currency, &known), &mut faults);
    let items = currency.and_then(|currency| match typed.rows.items(currency) {
        Ok(items) if items.is_empty() && !as_draft => {
            let sentence = "Say at least one thing that is to be paid.";
            faults.push(Fault::of_field("item-1", sentence));
            None
        }
        Ok(items) => Some(items),
        Err(wrong) => {
            faults.extend(wrong);
            None
        }
    });
    let due_date = match asked.kind {
        SourceType::Invoice => kept(due(form), &mut faults),
        SourceType::Order => Some(None),
    };
    let expires_at = kept(until(form), &mut faults);
    let reference_id = kept(reference(form), &mut faults);
    let note = kept(note(form), &mut faults);
    let read = || {
        let (party_id, party) = payer?;
        Some(NewCheckout {
            party,
            relationship: Relationship::Customer,
            counterparty_id: None,
            party_id,
            kind: asked.kind,
            currency: currency?,
            note: note?.unwrap_or_default(),
            reference_id: reference_id?,
            due_date: due_date?,
            items: items?,
            mode: PageMode::Hosted,
            success_url: None,
            cancel_url: None,
            expires_at: expires_at?,
            token,
            idempotency_key: Some(key),
            as_draft,
        })
    };
    let incomplete = || Fault::of_page(frame::INCOMPLETE);
    Ok(read().ok_or_else(|| Fault::of_all(faults).unwrap_or_else(incomplete)))
}

/// What was read, or else its fault is kept with the others.
fn kept<T>(read: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

/// Who is to pay: a customer who was chosen, or a new one.
async fn payer(
    at: &AtMerchant<'_>,
    tariff: &Tariff,
    typed: &Typed,
) -> Result<Result<(Option<PartyId>, NewParty), Fault>, ApiError> {
    if typed.party.is_empty() {
        return match new_party(tariff, typed) {
            Ok(party) => known_by_number(at, party, !typed.name.is_empty()).await,
            Err(fault) => Ok(Err(fault)),
        };
    }
    let found = match typed.party() {
        Some(id) => at.reads.party(id).await?,
        None => None,
    };
    let Some(party) = found else {
        return Ok(Err(Fault::of_field("who", "There is no such customer.")));
    };
    // Whoever chooses the customer whose number was typed has answered whom it is for.
    let is_of_number = phone_of(&typed.phone, tariff).is_ok_and(|phone| phone == party.phone);
    if typed.types_new() && !is_of_number {
        let sentence = "A customer is chosen and a new one is typed. Leave one of them out.";
        return Ok(Err(Fault::of_field("party-new", sentence)));
    }
    Ok(Ok((Some(party.id), as_new(party))))
}

/// A customer who is there, as one who is made.
fn as_new(party: Party) -> NewParty {
    NewParty {
        fullname: party.fullname,
        phone: party.phone,
        email: party.email,
        country_code: party.country_code,
    }
}

/// The customer whom a number belongs to, or else a new one. Where it is somebody of another name
/// than was typed, whoever typed it is asked: it may be the wrong number.
async fn known_by_number(
    at: &AtMerchant<'_>,
    typed: NewParty,
    has_name: bool,
) -> Result<Result<(Option<PartyId>, NewParty), Fault>, ApiError> {
    let known = at.reads.parties_by_phone(&typed.phone).await?;
    if !has_name {
        return Ok(Ok((None, typed)));
    }
    if let Some(party) = known.iter().find(|party| is_same_name(&party.fullname, &typed.fullname)) {
        return Ok(Ok((Some(party.id), as_new(party.clone()))));
    }
    // The first is the one who is found by the number; who gave no name is called by it.
    let Some(other) = known.first().filter(|first| first.fullname != first.phone) else {
        return Ok(Ok((None, typed)));
    };
    // The name is isolated: it does not change how the sentence reads.
    let sentence = format!(
        "This number is of \u{2068}{}\u{2069}. Choose them to go on, or give another number.",
        other.fullname
    );
    Ok(Err(Fault::of_field("party-new", sentence)))
}

/// Whether two names are one, as people write it: in upper or lower case, with spaces here or
/// there.
pub fn is_same_name(one: &str, other: &str) -> bool {
    let letters = |name: &str| -> String {
        name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
    };
    letters(one) == letters(other)
}

fn new_party(tariff: &Tariff, typed: &Typed) -> Result<NewParty, Fault> {
    if typed.phone.is_empty() {
        let sentence = "Choose a customer, or give the phone number of a new one.";
        return Err(Fault::of_field("phone", sentence));
    }
    let phone = phone_of(&typed.phone, tariff)?;
    let fullname = match typed.name.as_str() {
        // A party must have a name: without one its phone is used.
        "" => phone.clone(),
        name => {
            let wrong = "A name has at most 255 characters, in one line.";
            NameField { id: "name", max: 255, what: "The name", wrong }.read(name)?
        }
    };
    Ok(NewParty { fullname, phone, email: None, country_code: None })
}

/// Why no payment can be taken until a day, in the words of the field.
pub fn wrong_until(reason: Option<&Refusal>, sentence: String) -> Fault {
    let words = match reason {
        Some(Refusal::ExpiryInPast { .. }) => {
            "Choose a later day: this one has begun already in UTC, so nothing could be paid."
                .to_owned()
        }
        Some(Refusal::ExpiryTooFar { days }) => {
            format!("Choose an earlier day, at most {days} days from now.")
        }
        _ => sentence,
    };
    Fault::of_field("until", words)
}

/// The field that a refusal is about.
fn fault_of(failure: &Failure, sentence: String) -> Fault {
    let Failure::Refused(reasons) = failure else { return Fault::of_page(sentence) };
    match reasons.first().map(Refusal::subject) {
        Some(Subject::Amount) => Fault::of_field("price-1", sentence),
        Some(Subject::Expiry) => wrong_until(reasons.first(), sentence),
        Some(Subject::Party) => Fault::of_field("who", sentence),
        _ => Fault::of_page(sentence),
    }
}

async fn create<K: Kind>(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant, kind: K::TYPE };
    let at = match asked.at().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let typed = Typed::read(&form);
    let as_draft = match form.field("step") {
        Some("publish") => false,
        Some("draft") => true,
        // Enter looks for who was typed since, and else keeps what there is.
        Some("enter") if typed.who == form.field("looked").unwrap_or_default() => true,
        Some("more") => {
            let typed = Typed { rows: typed.rows.with_more(MAX_CHECKOUT_ITEMS), ..typed };
            return render(StatusCode::OK, &asked, &at, &typed, Fault::default()).await;
        }
        _ => return render(StatusCode::OK, &asked, &at, &typed, Fault::default()).await,
    };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let checkout = match read(&asked, &at, &form, &typed, as_draft).await? {
        Ok(checkout) => checkout,
        Err(fault) => return render(status, &asked, &at, &typed, fault).await,
    };
    let merchant_id = MerchantId(merchant);
    let decision = CreateCheckout { merchant_id, checkout: checkout.clone() };
    match me.submit(&app, Some(merchant_id), decision).await {
        Ok(made) if is_it(&at, &made, &checkout).await? => {
            Ok(frame::lead_to(&path_of(&made.source)))
        }
        Ok(made) => {
            let fault = Fault::sent_before(path_of(&made.source));
            // With another key: whoever wants this one, too, sends it once more.
            render(status, &asked, &at, &Typed { key: None, ..typed }, fault).await
        }
        Err(failure) => {
            let fault = |sentence| fault_of(&failure, sentence);
            let page =
                async |status, sentence| render(status, &asked, &at, &typed, fault(sentence)).await;
            frame::refused(failure.clone(), &asked.path())?.answer_read(page).await
        }
    }
}

/// Whether what was made is what is asked for: the form may have made something else before. What
/// was kept as a draft may have been published since.
async fn is_it(
    at: &AtMerchant<'_>,
    made: &Checkout,
    asked: &NewCheckout,
) -> Result<bool, ApiError> {
    if made.config.token == asked.token {
        return Ok(true);
    }
    let source = &made.source;
    let is_theirs = match asked.party_id {
        Some(id) => made.party.id == id,
        None => made.party.phone == asked.party.phone,
    };
    let is_alike = (source.kind, source.currency) == (asked.kind, asked.currency)
        && source.note == asked.note
        && source.reference_id == asked.reference_id
        && source.due_date == asked.due_date
        && (asked.as_draft || source.status != SourceStatus::Idle)
        && (made.config.expires_at == asked.expires_at || made.config.link_token.is_some());
    if !is_theirs || !is_alike {
        return Ok(false);
    }
    let items = at.reads.items(source.id, None).await?;
    Ok(items.len() == asked.items.len()
        && items.iter().zip(&asked.items).all(|(item, asked)| {
            item.name == asked.name
                && (item.qty, item.amount_minor) == (asked.qty, asked.amount.minor)
        }))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/invoices/{merchant}/new", form::<Invoices>)
        .form("/app/invoices/{merchant}/new", create::<Invoices>)
        .page("/app/orders/{merchant}/new", form::<Orders>)
        .form("/app/orders/{merchant}/new", create::<Orders>)
}
