//! `/app/links/{merchant}`: payment links, which many payers can pay, for who reads payments; who may
//! sell makes and deactivates them.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, PaymentLinkId};
use domain::kernel::money::Money;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::MerchantTime;
use domain::kernel::uuids::ReferenceId;
use domain::sales::checkout::PageToken;
use domain::sales::create_payment_link::{
    CreatePaymentLink, CreatedPaymentLink, NewLinkPrice, NewPaymentLink,
};
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::payment_link::{
    LinkPrice, LinkState, MAX_LINK_ITEMS, PaymentLink, PaymentLinkItem,
};
use serde_json::json;
use store::reads::pages::Page;

use crate::api::checkouts::WebUrl;
use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::FromValue;
use crate::api::links::draw_token;
use crate::api::payment_links::link_path;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{self, Choice};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::items::{ItemRow, Rows, WRONG_QUANTITY, price, quantity, wrong_price};
use crate::web::app::navigation::Screen;
use crate::web::app::new_source::{
    currencies, currency_choices, currency_of, first_currency, key_for, key_of, until, wrong_until,
};
use crate::web::app::payment_words;
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::sources::{ToCopy, bearer_words, moment};
use crate::web::app::typed::NameField;
use crate::web::form::Form;
use crate::web::language::Visitor;

/// How many rows stand on a page.
const PAGE: u32 = 50;
/// How much of a typed field is shown again.
const SHOWN_AGAIN: usize = 2_000;

fn list_path(merchant: i64) -> String {
    format!("/app/links/{merchant}")
}

/// The page of a payment link.
pub fn path_of(merchant: i64, id: PaymentLinkId) -> String {
    format!("{}/{id}", list_path(merchant))
}

const fn state_words(state: LinkState) -> &'static str {
    match state {
        LinkState::Open => "can be paid",
        LinkState::UsedUp => "used up",
        LinkState::Expired => "its time is over",
        LinkState::Deactivated => "deactivated",
    }
}

/// A payment link in a list.
struct LinkLine {
    path: String,
    title: String,
    price: String,
    state: &'static str,
    paid: i64,
    reserved: i64,
    most: Option<i64>,
    until: Option<Moment>,
    created: Moment,
}

impl LinkLine {
    fn new(merchant: i64, link: &PaymentLink, time: MerchantTime) -> Self {
        let money = |minor| payment_words::amount(Money::new(minor, link.currency));
        Self {
            path: path_of(merchant, link.id),
            title: link.title.clone(),
            price: match link.price {
                LinkPrice::Items { total_minor, .. } => money(total_minor),
                LinkPrice::Open { min_minor, max_minor } => {
                    format!("{} to {}", money(min_minor), money(max_minor))
                }
            },
            state: state_words(link.state(time)),
            paid: link.uses_paid,
            reserved: link.uses_reserved,
            most: link.max_uses,
            until: link.expires_at.map(moment),
            created: moment(link.created_at),
        }
    }
}

#[derive(Template)]
#[template(path = "app/links.html")]
struct LinksTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    rows: Vec<LinkLine>,
    may_sell: bool,
    is_first: bool,
    older: Option<String>,
    fault: Fault,
}

async fn list(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let path = list_path(merchant);
    let at = match me.at_merchant(&app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let query = uri.query().unwrap_or_default();
    let mut fields = form_urlencoded::parse(query.as_bytes());
    let after = fields.find(|(name, _)| name == "after").map(|(_, value)| filter::typed(&value));
    let mut fault = Fault::default();
    let after_id = filter::place(after.as_deref().unwrap_or_default(), &mut fault);
    let found = at.reads.payment_links(Page { limit: PAGE, after_id }).await?;
    let older = found.next_after(PAGE, |link| link.id.0);
    let time = at.merchant.time(me.now);
    let title = format!("Payment links of {}", at.merchant.name);
    let frame = me.frame(visitor, &title).of(&at, Screen::Links);
    let template = LinksTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        rows: found.rows.iter().map(|link| LinkLine::new(merchant, link, time)).collect(),
        may_sell: at.rights.role.may(Action::Sell),
        is_first: after_id.is_none(),
        older: older.map(|id| format!("{path}{}", filter::query(&[("after", &id.to_string())]))),
        path,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

#[derive(Template)]
#[template(path = "app/link.html")]
struct LinkTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    line: LinkLine,
    items: Vec<ItemLine>,
    /// Nothing for a link that nobody can pay any more.
    to_copy: Option<ToCopy>,
    bearer: &'static str,
    success_url: Option<String>,
    may_deactivate: bool,
    fault: Fault,
}

struct ItemLine {
    name: String,
    qty: i64,
    price: String,
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (merchant, id): (i64, i64),
    fault: Fault,
) -> Result<Response, ApiError> {
    let id = PaymentLinkId(id);
    let path = path_of(merchant, id);
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let link = at.reads.payment_link(id).await?.ok_or(ApiError::NotFound)?;
    let items = at.reads.payment_link_items(id).await?;
    let state = link.state(at.merchant.time(me.now));
    let item = |item: PaymentLinkItem| ItemLine {
        name: item.name,
        qty: item.qty,
        price: payment_words::amount(Money::new(item.amount_minor, link.currency)),
    };
    let url = link_path(&link.token.0);
    let frame = me.frame(visitor, &format!("Payment link {}", link.title));
    let frame = frame.at(&path).of(&at, Screen::Links);
    let template = LinkTemplate {
        app: &frame,
        line: LinkLine::new(merchant, &link, at.merchant.time(me.now)),
        items: items.into_iter().map(item).collect(),
        to_copy: matches!(state, LinkState::Open | LinkState::UsedUp).then(|| ToCopy {
            url: format!("{}{url}", app.config.public_url),
            qr: format!("{url}/qr.svg"),
        }),
        bearer: bearer_words(link.fee_bearer),
        success_url: link.success_url,
        may_deactivate: at.rights.role.may(Action::Sell) && state != LinkState::Deactivated,
        path,
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
) -> Result<Response, ApiError> {
    render(StatusCode::OK, &app, (&me, visitor), (merchant, id), Fault::default()).await
}

async fn deactivate(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let merchant_id = MerchantId(merchant);
    let path = path_of(merchant, PaymentLinkId(id));
    let decision = DeactivatePaymentLink { merchant_id, link_id: PaymentLinkId(id) };
    match me.submit(&app, Some(merchant_id), decision).await {
        Ok(_) => Ok(frame::lead_to(&path)),
        Err(failure) => {
            let page = async |status, sentence| {
                let fault = Fault::of_page(sentence);
                render(status, &app, (&me, visitor), (merchant, id), fault).await
            };
            frame::refused(failure, &path)?.answer_read(page).await
        }
    }
}

#[derive(Template)]
#[template(path = "app/new_link.html")]
struct NewLinkTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    key: String,
    currencies: Vec<Choice>,
    typed: &'a Typed,
    items: Vec<ItemRow>,
    may_have_more: bool,
    fault: Fault,
}

/// What was typed so far.
#[derive(Default)]
struct Typed {
    key: Option<ReferenceId>,
    title: String,
    currency: String,
    min: String,
    max: String,
    uses: String,
    until: String,
    success_url: String,
    rows: Rows,
}

impl Typed {
    fn read(form: &Form) -> Self {
        let text = |name: &str| -> String {
            form.field(name).unwrap_or_default().chars().take(SHOWN_AGAIN).collect()
        };
        Self {
            key: key_of(form),
            title: text("title"),
            currency: text("currency"),
            min: text("min"),
            max: text("max"),
            uses: text("uses"),
            until: text("until"),
            success_url: text("success_url"),
            rows: Rows::read(form, MAX_LINK_ITEMS),
        }
    }

    /// What each payer pays: the items, or what the payer chooses.
    fn price(&self, currency: Currency) -> Result<NewLinkPrice, Fault> {
        let items = self
            .rows
            .items(currency)
            .map_err(|faults| Fault::of_all(faults).unwrap_or_default())?;
        match (items.is_empty(), self.min.is_empty() && self.max.is_empty()) {
            (false, true) => Ok(NewLinkPrice::Items(items)),
            (true, false) => {
                let limit = |name: &str, text: &str| {
                    if text.is_empty() {
                        let both = "Give both: the least and the most that a payer may choose.";
                        return Err(Fault::of_field(name, both));
                    }
                    let wrong = || Fault::of_field(name, wrong_price(text, currency));
                    price(text, currency).ok_or_else(wrong)
                };
                Ok(NewLinkPrice::Open {
                    min: limit("min", &self.min)?,
                    max: limit("max", &self.max)?,
                })
            }
            (true, true) => Err(Fault::of_field(
                "item-1",
                "Say what each payer pays for, or the limits of an amount that the payer chooses.",
            )),
            (false, false) => Err(Fault::of_field(
                "min",
                "There are items and limits of an amount. Leave one of them out.",
            )),
        }
    }

    fn link(
        &self,
        form: &Form,
        known: &[Currency],
        token: PageToken,
    ) -> Result<NewPaymentLink, Fault> {
        let incomplete = || Fault::of_page(frame::INCOMPLETE);
        let key = self.key.ok_or_else(incomplete)?;
        let wrong = "Give a title of at most 255 characters, in one line.";
        let field = NameField { id: "title", max: 255, what: "The title", wrong };
        let title = field.read(&self.title)?;
        let currency = currency_of(&self.currency, known)?;
        let price = self.price(currency)?;
        let max_uses = match self.uses.as_str() {
            "" => None,
            text => match quantity(text) {
                Some(uses) => Some(uses),
                None => return Err(Fault::of_field("uses", WRONG_QUANTITY)),
            },
        };
        let success_url = match self.success_url.as_str() {
            "" => None,
            text => match WebUrl::read(&json!(text)) {
                Ok(WebUrl(url)) => Some(url),
                Err(_) => {
                    let sentence = "Give an address that begins with https://.";
                    return Err(Fault::of_field("success_url", sentence));
                }
            },
        };
        Ok(NewPaymentLink {
            title,
            currency,
            price,
            max_uses,
            fee_bearer: None,
            expires_at: until(form)?,
            success_url,
            token,
            idempotency_key: Some(key),
        })
    }
}

async fn form_page(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    at: &AtMerchant<'_>,
    typed: &Typed,
    fault: Fault,
) -> Result<Response, ApiError> {
    let merchant = at.merchant.id.0;
    let path = list_path(merchant);
    let tariff = app.queries.for_system().tariff().await?;
    let known = currencies(&tariff, me.now);
    let currency = match typed.currency.as_str() {
        "" => {
            let newest = at.reads.payment_links(Page { limit: 1, after_id: None }).await?;
            match newest.rows.first() {
                Some(link) => link.currency.code().to_owned(),
                None => first_currency(at).await?,
            }
        }
        typed => typed.to_owned(),
    };
    let frame = me.frame(visitor, "New payment link");
    let frame = frame.at(&format!("{path}/new")).of(at, Screen::Links);
    let template = NewLinkTemplate {
        app: &frame,
        path,
        key: key_for(typed.key)?,
        currencies: currency_choices(&known, &currency),
        items: typed.rows.shown(&fault),
        may_have_more: typed.rows.count() < MAX_LINK_ITEMS,
        typed,
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn form(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
) -> Result<Response, ApiError> {
    let here = format!("{}/new", list_path(merchant));
    let at = match me.at_merchant(&app, merchant, Action::Sell).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &here),
    };
    let typed = Typed::default();
    form_page(StatusCode::OK, &app, (&me, visitor), &at, &typed, Fault::default()).await
}

/// The field that a refusal is about.
fn fault_of(failure: &Failure, sentence: String) -> Fault {
    let Failure::Refused(reasons) = failure else { return Fault::of_page(sentence) };
    match reasons.first() {
        Some(Refusal::AmountRangeEmpty) => Fault::of_field("max", sentence),
        Some(reason) => match reason.subject() {
            Subject::Amount => Fault::of_field("price-1", sentence),
            Subject::Expiry => wrong_until(Some(reason), sentence),
            _ => Fault::of_page(sentence),
        },
        None => Fault::of_page(sentence),
    }
}

async fn create(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let here = format!("{}/new", list_path(merchant));
    let at = match me.at_merchant(&app, merchant, Action::Sell).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &here),
    };
    let typed = Typed::read(&form);
    if form.field("step") != Some("create") {
        let rows = typed.rows.with_more(MAX_LINK_ITEMS);
        let typed = Typed { rows, ..typed };
        let fault = Fault::default();
        return form_page(StatusCode::OK, &app, (&me, visitor), &at, &typed, fault).await;
    }
    let tariff = app.queries.for_system().tariff().await?;
    let link = match typed.link(&form, &currencies(&tariff, me.now), draw_token()?) {
        Ok(link) => link,
        Err(fault) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return form_page(status, &app, (&me, visitor), &at, &typed, fault).await;
        }
    };
    let merchant_id = MerchantId(merchant);
    let decision = CreatePaymentLink { merchant_id, link: link.clone() };
    match me.submit(&app, Some(merchant_id), decision).await {
        Ok(made) if is_it(&made, &link) => Ok(frame::lead_to(&path_of(merchant, made.link.id))),
        Ok(made) => {
            let fault = Fault::sent_before(path_of(merchant, made.link.id));
            // With another key: whoever wants this one, too, sends it once more.
            let typed = Typed { key: None, ..typed };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            form_page(status, &app, (&me, visitor), &at, &typed, fault).await
        }
        Err(failure) => {
            let fault = |sentence| fault_of(&failure, sentence);
            let page = async |status, sentence| {
                form_page(status, &app, (&me, visitor), &at, &typed, fault(sentence)).await
            };
            frame::refused(failure.clone(), &here)?.answer_read(page).await
        }
    }
}

/// Whether the link that was made is the one that is asked for: the form may have made another
/// before.
fn is_it(made: &CreatedPaymentLink, asked: &NewPaymentLink) -> bool {
    let link = &made.link;
    let has_price = match (link.price, &asked.price) {
        (LinkPrice::Items { .. }, NewLinkPrice::Items(items)) => {
            made.items.len() == items.len()
                && made.items.iter().zip(items).all(|(item, asked)| {
                    item.name == asked.name
                        && (item.qty, item.amount_minor) == (asked.qty, asked.amount.minor)
                })
        }
        (LinkPrice::Open { min_minor, max_minor }, NewLinkPrice::Open { min, max }) => {
            (min_minor, max_minor) == (min.minor, max.minor)
        }
        _ => false,
    };
    has_price
        && link.title == asked.title
        && link.currency == asked.currency
        && link.max_uses == asked.max_uses
        && link.expires_at == asked.expires_at
        && link.success_url == asked.success_url
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/links/{merchant}", list)
        .page("/app/links/{merchant}/new", form)
        .form("/app/links/{merchant}/new", create)
        .page("/app/links/{merchant}/{id}", show)
        .form("/app/links/{merchant}/{id}/deactivate", deactivate)
}
