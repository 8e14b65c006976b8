//! `GET /pay/{token}`: shows the page of an invoice or order, and changes nothing.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::merchant::Merchant;
use domain::payments::attempt::WithAttempt;
use domain::payments::execution::ExecutionStatus;
use domain::sales::source::{Item, SourceStatus};
use store::clock;
use store::reads::checkouts::PageReads;

use crate::api::error::ApiError;
use crate::api::extract::PathSegments;
use crate::api::links::pay_path;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::net::response_permits::ResponsePermit;
use crate::web::checkout::state::Rows;
use crate::web::checkout::view::{
    CardPlace, CheckoutPage, ClosedReason, Contact, ItemList, PageState, Revive,
};
use crate::web::language::Visitor;
use crate::web::language::texts::{Foreign, Texts, Unbroken};
use crate::web::methods::Methods;
use crate::web::page::{self, Frame};
use crate::web::text::PhoneNumber;
use crate::web::{pdf, qr, receipt};

/// How many items a page shows.
pub const ITEMS_SHOWN: usize = 20;
/// How many are shown in all parts. New invoices and orders cannot have more; older ones may.
const LINES_MAX: usize = 200;

#[derive(Template)]
#[template(path = "checkout.html")]
struct CheckoutTemplate<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a CheckoutPage,
}

#[derive(Template)]
#[template(path = "items.html")]
struct ItemsTemplate<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    page: &'a CheckoutPage,
}

/// What was read for a page.
pub struct Loaded {
    /// In a box, because they are large and handed on several times.
    pub rows: Box<Rows>,
    token: String,
    permit: ResponsePermit,
}

impl Loaded {
    /// The page as its rows are.
    #[must_use]
    pub fn page(self, visitor: Visitor) -> CheckoutPage {
        let state = self.rows.state();
        self.page_in(state, visitor)
    }

    /// The page in another state, such as a step of a form.
    #[must_use]
    pub fn page_in(self, state: PageState, visitor: Visitor) -> CheckoutPage {
        let Self { rows, token, permit } = self;
        let Rows { checkout, merchant, source, items, tariff, now, .. } = *rows;
        let mut page = CheckoutPage {
            frame: Frame::of(&merchant, visitor, ""),
            contact: contact(&merchant),
            token,
            kind: source.kind,
            total: source.total(),
            fee_bearer: source.fee_bearer,
            due_date: source.due_date,
            number: source.number,
            note: source.note,
            items: part_of(items, 1),
            until: checkout.expires_at,
            cancel_url: checkout.cancel_url,
            notice: None,
            state,
            methods: Methods::new(tariff, now),
            link: None,
            permit: Some(permit),
        };
        page.frame.title = page.title();
        page
    }
}

/// How a payer reaches the merchant.
#[must_use]
pub fn contact(merchant: &Merchant) -> Option<Contact> {
    let phone = merchant.phone.clone().map(Contact::Phone);
    phone.or_else(|| merchant.email.clone().map(Contact::Email))
}

/// The part of the items with this number, from 1; the first for a number that there is not.
#[must_use]
pub fn part_of(items: Vec<Item>, part: usize) -> ItemList {
    let (count, has_more) = (items.len().min(LINES_MAX), items.len() > LINES_MAX);
    let part = if (1..=count.div_ceil(ITEMS_SHOWN)).contains(&part) { part } else { 1 };
    let listed = items.into_iter().take(count);
    let shown = listed.skip((part - 1) * ITEMS_SHOWN).take(ITEMS_SHOWN).collect();
    ItemList { shown, part, count, has_more }
}

/// Reads what the page of a token is made from.
///
/// # Errors
/// 404 for an unknown token, 429 when too many pages of the merchant are being answered.
pub async fn load(app: &App, token: &str) -> Result<Loaded, ApiError> {
    let Some(reads) = app.queries.for_page(token).await? else {
        return Err(ApiError::NotFound);
    };
    let Some(permit) = app.pages.acquire(reads.merchant.id).await else {
        return Err(ApiError::TooMany(1));
    };
    let items = reads.items(u32::try_from(LINES_MAX + 1).ok()).await?;
    let last = reads.last_collection().await?;
    let account = match &last {
        Some(WithAttempt { execution, .. }) if execution.status != ExecutionStatus::Completed => {
            reads.account_of(execution).await?
        }
        Some(_) | None => None,
    };
    let party_phone = if account.is_some() { reads.party_phone().await? } else { None };
    let reviews = if last.is_some() { reads.reviews().await? } else { vec![] };
    let paid = match reads.source.status {
        SourceStatus::Paid => reads.collection().await?,
        _ => None,
    };
    let receipt_code = paid.as_ref().and_then(|paid| app.receipt_codes.code(paid.id));
    let refunds = match &paid {
        Some(paid) => reads.refunds_of(paid).await?,
        None => vec![],
    };
    let link = reads.payment_link().await?;
    let wallet = match reads.source.status {
        SourceStatus::Active | SourceStatus::Processing => reads.wallet().await?,
        SourceStatus::Idle | SourceStatus::Paid | SourceStatus::Canceled => None,
    };
    let tariff = app.queries.for_system().tariff().await?;
    let PageReads { checkout, merchant, source, .. } = reads;
    let action_us = app.config.settings.deadlines.action_us;
    let now = clock::now();
    let rows = Box::new(Rows {
        checkout,
        merchant,
        source,
        link,
        items,
        wallet_status: wallet.map(|wallet| wallet.status),
        last,
        account,
        paid,
        receipt_code,
        refunds,
        reviews,
        party_phone,
        tariff,
        action_us,
        now,
    });
    Ok(Loaded { rows, token: token.to_owned(), permit })
}

/// Renders a page in its state.
///
/// # Errors
/// [`ApiError`] when the template cannot be rendered.
pub fn render(mut page: CheckoutPage, status: StatusCode) -> Result<Response, ApiError> {
    let permit = page.permit.take();
    let template = CheckoutTemplate { frame: &page.frame, t: page.texts(), page: &page };
    page::render(status, &page.frame, &template, permit)
}

/// Renders the page with a part of the items alone.
pub(super) fn render_items(mut page: CheckoutPage) -> Result<Response, ApiError> {
    let permit = page.permit.take();
    let template = ItemsTemplate { frame: &page.frame, t: page.texts(), page: &page };
    page::render(StatusCode::OK, &page.frame, &template, permit)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    RawQuery(query): RawQuery,
    PathSegments([token]): PathSegments<1>,
) -> Result<Response, ApiError> {
    if let Some(token) = token.strip_suffix(pdf::PDF) {
        return receipt::invoice_pdf(&app, token, visitor.language).await;
    }
    let mut loaded = load(&app, &token).await?;
    let query = query.unwrap_or_default();
    let part = query.split('&').find_map(|pair| pair.strip_prefix("items=")?.parse().ok());
    match part {
        Some(part) if !loaded.rows.items.is_empty() => {
            let items = part_of(std::mem::take(&mut loaded.rows.items), part);
            render_items(CheckoutPage { items, ..loaded.page(visitor) })
        }
        _ => render(loaded.page(visitor), StatusCode::OK),
    }
}

/// The link of the page as a QR code, to go on with a phone.
async fn code(
    State(app): State<App>,
    _: CountPageRequest,
    PathSegments([token]): PathSegments<1>,
) -> Result<Response, ApiError> {
    if app.queries.for_page(&token).await?.is_none() {
        return Err(ApiError::NotFound);
    }
    qr::of_page(&format!("{}{}", app.config.public_url, pay_path(&token)))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/pay/{token}", show).page("/pay/{token}/qr.svg", code)
}
