//! Receipts: the page, the PDF, and the invoice as PDF before it is paid. Whoever has the token in
//! the link may see them.

pub mod document;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::exceptions::review::Review;
use domain::kernel::money::Money;
use domain::payments::execution::Execution;
use domain::sales::payment_link::LinkState;
use domain::sales::source::{Item, SourceStatus};

use crate::api::error::ApiError;
use crate::api::extract::PathSegments;
use crate::api::links::{pay_path, receipt_path};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::net::response_permits::ResponsePermit;
use crate::web::checkout::show::ITEMS_SHOWN;
use crate::web::language::texts::Texts;
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;
use crate::web::page::{self, Frame};
use crate::web::pdf::{self, PDF};
use crate::web::qr::Qr;
use crate::web::text;
use document::{ITEMS_MAX, InvoiceDocument, ItemLine, PaidRows, ReceiptDocument, Rows};
use store::clock;
use store::reads::checkouts::PageReads;

/// The page of a receipt.
#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptTemplate<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    document: &'a ReceiptDocument,
    token: &'a str,
    success_url: Option<&'a str>,
    qr: Option<Qr>,
}

impl ReceiptTemplate<'_> {
    /// What the page shows of the items; the page of the payment has all of them.
    fn items(&self) -> &[ItemLine] {
        let items = self.document.bill.items.as_slice();
        items.get(..ITEMS_SHOWN).unwrap_or(items)
    }

    fn count(&self) -> usize {
        self.document.bill.items.len()
    }
}

/// What was read of an invoice or order.
struct Loaded<'a> {
    reads: PageReads<'a>,
    items: Vec<Item>,
    permit: ResponsePermit,
}

impl Loaded<'_> {
    fn rows(&self, language: Language) -> Rows<'_> {
        let PageReads { merchant, source, .. } = &self.reads;
        Rows { merchant, source, items: &self.items, language }
    }
}

async fn load<'a>(app: &'a App, token: &str) -> Result<Loaded<'a>, ApiError> {
    let reads = app.queries.for_page(token).await?.ok_or(ApiError::NotFound)?;
    let permit = app.pages.acquire(reads.merchant.id).await.ok_or(ApiError::TooMany(1))?;
    let items = reads.items(u32::try_from(ITEMS_MAX + 1).ok()).await?;
    Ok(Loaded { reads, items, permit })
}

/// The collection that paid it, with its refunds, and what the payer's bank has taken back of it.
async fn payment(
    reads: &PageReads<'_>,
) -> Result<Option<(Execution, Vec<Execution>, Option<Money>)>, ApiError> {
    if reads.source.status != SourceStatus::Paid {
        return Ok(None);
    }
    let Some(paid) = reads.collection().await? else { return Ok(None) };
    let refunds = reads.refunds_of(&paid).await?;
    let reviews = reads.reviews().await?;
    let of_payment = reviews.iter().filter(|review| review.execution_id == paid.id);
    let taken_back = of_payment.filter_map(Review::taken_back).next();
    Ok(Some((paid, refunds, taken_back)))
}

async fn document(
    app: &App,
    loaded: &Loaded<'_>,
    language: Language,
) -> Result<ReceiptDocument, ApiError> {
    let payment = payment(&loaded.reads).await?;
    let methods = Methods::new(app.queries.for_system().tariff().await?, clock::now());
    let paid = payment.as_ref().map(|(paid, refunds, taken_back)| PaidRows {
        taken_back: *taken_back,
        paid,
        refunds,
        code: app.receipt_codes.code(paid.id),
        methods: &methods,
    });
    let public_url = &app.config.public_url;
    let page_url = format!("{public_url}{}", receipt_path(&loaded.reads.checkout.token.0));
    Ok(ReceiptDocument::new(&loaded.rows(language), paid.as_ref(), page_url, public_url))
}

async fn page(app: &App, token: &str, visitor: Visitor) -> Result<Response, ApiError> {
    let loaded = load(app, token).await?;
    let document = document(app, &loaded, visitor.language).await?;
    let mut frame = Frame::of(&loaded.reads.merchant, visitor, document.bill.title.clone());
    // A receipt names the merchant itself, as its PDF does, and not only the name for payers.
    if let Some(brand) = &mut frame.brand {
        brand.name.clone_from(&document.bill.seller.name);
    }
    let template = ReceiptTemplate {
        frame: &frame,
        t: frame.texts(),
        token,
        success_url: loaded.reads.checkout.success_url.as_deref(),
        qr: document.verification.as_ref().and_then(|verification| Qr::new(&verification.url)),
        document: &document,
    };
    page::render(StatusCode::OK, &frame, &template, Some(loaded.permit))
}

async fn receipt_pdf(app: &App, token: &str, language: Language) -> Result<Response, ApiError> {
    let loaded = load(app, token).await?;
    let document = document(app, &loaded, language).await?;
    if document.payment.is_none() {
        // The page says how things stand.
        return Ok(Redirect::to(&receipt_path(token)).into_response());
    }
    let name = format!("receipt-{}", document.bill.number);
    let merchant = loaded.reads.merchant.id;
    // What waits for its turn keeps nobody from a page.
    drop(loaded);
    let permit = pdf::permit(app, merchant).await?;
    pdf::respond(permit, &name, move || pdf::receipt(&document)).await
}

/// The PDF of an invoice or order that can be paid. Any other leads to its page, which says how
/// things stand.
///
/// # Errors
/// [`ApiError`]
pub async fn invoice_pdf(app: &App, token: &str, language: Language) -> Result<Response, ApiError> {
    let loaded = load(app, token).await?;
    let PageReads { checkout, merchant, source, .. } = &loaded.reads;
    let time = merchant.time(clock::now());
    let link = loaded.reads.payment_link().await?;
    let is_open = source.status == SourceStatus::Active
        && link.is_none_or(|link| link.state(time) == LinkState::Open)
        && source.open_reviews == 0
        && checkout.expires_at.is_none_or(|at| time < at);
    if !is_open {
        return Ok(Redirect::to(&pay_path(token)).into_response());
    }
    let pay_url = format!("{}{}", app.config.public_url, pay_path(token));
    let document = InvoiceDocument::new(&loaded.rows(language), checkout.expires_at, pay_url);
    let name = document.bill.number.clone();
    let merchant = loaded.reads.merchant.id;
    // What waits for its turn keeps nobody from a page.
    drop(loaded);
    let permit = pdf::permit(app, merchant).await?;
    pdf::respond(permit, &name, move || pdf::invoice(&document)).await
}

/// `GET /receipt/{token}` and `GET /receipt/{token}.pdf`.
async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    PathSegments([token]): PathSegments<1>,
) -> Result<Response, ApiError> {
    match token.strip_suffix(PDF) {
        Some(token) => receipt_pdf(&app, token, visitor.language).await,
        None => page(&app, &token, visitor).await,
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/receipt/{token}", show)
}
