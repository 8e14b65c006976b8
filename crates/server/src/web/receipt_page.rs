//! The receipt of an invoice or order as a page.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::kernel::money::Money;
use domain::kernel::time::MerchantTime;
use domain::payments::execution::Execution;
use domain::sales::source::{Item, Source, SourceStatus, SourceType};
use store::reads::checkouts::PageReads;

use crate::api::error::ApiError;
use crate::api::extract::PathSegments;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::language::{Language, Visitor};
use crate::web::page::{self, Frame};
use crate::web::receipt_payment as payment;
use crate::web::text::{self, Day, Zone, escape};

/// The maximum number of items shown. New invoices and orders cannot have more; older ones may.
const LINES_MAX: usize = 200;

#[derive(Template)]
#[template(path = "receipt_page.html")]
struct ReceiptTemplate<'a> {
    frame: &'a Frame,
    body: String,
}

/// The data of a receipt.
struct SourcePage {
    source: Source,
    items: Vec<Item>,
    /// The collection that paid it.
    paid: Option<Execution>,
    /// Refunds of that collection, completed or in progress.
    refunds: Vec<Execution>,
}

/// Day and time in UTC, such as `6 November 2026, 07:05 UTC`.
pub fn date(at: MerchantTime) -> String {
    Zone::Utc.at(at).in_words(Language::English)
}

pub fn money(amount: Money) -> String {
    text::money(amount, Language::English)
}

impl SourcePage {
    fn state(&self) -> String {
        match (self.source.status, self.source.paid_at) {
            (SourceStatus::Paid, Some(at)) => format!("Paid on {}", date(at)),
            (SourceStatus::Paid, None) => "Paid".to_owned(),
            (SourceStatus::Canceled, _) => "Canceled: nothing is to be paid".to_owned(),
            (SourceStatus::Idle, _) => "Not open for payment yet".to_owned(),
            (SourceStatus::Active | SourceStatus::Processing, _) => "Not paid".to_owned(),
        }
    }

    fn heading(&self) -> &'static str {
        match self.source.kind {
            SourceType::Invoice => "Receipt: Invoice",
            SourceType::Order => "Receipt: Order",
        }
    }

    fn lines(&self) -> String {
        let row = |item: &Item| {
            let of = |minor| money(Money::new(minor, self.source.currency));
            // The source's total is the sum of these, and was checked for overflow.
            let line = item.amount_minor.saturating_mul(item.qty);
            format!(
                "<tr><td dir=auto>{}<td class=n>{}<td class=n>{}<td class=n>{}",
                escape(&item.name),
                item.qty,
                of(item.amount_minor),
                of(line)
            )
        };
        let rows: String = self.items.iter().take(LINES_MAX).map(row).collect();
        let more = if self.items.len() > LINES_MAX {
            "<tr><td colspan=4>There are more items than are shown here."
        } else {
            ""
        };
        format!(
            "<table class=items><thead><tr><th>Item<th class=n>Qty<th class=n>Unit price<th class=n>Amount<tbody>{rows}{more}\
             <tfoot><tr class=sum><th colspan=3>Total<td class=n>{}</table>",
            money(self.source.total())
        )
    }

    fn payment(&self) -> String {
        match &self.paid {
            Some(paid) => {
                payment::figures(paid, self.source.fee_bearer)
                    + payment::given_back(paid, &self.refunds).as_str()
            }
            None => String::new(),
        }
    }

    fn html(&self) -> String {
        let due = self.source.due_date.map(Day);
        let due = due
            .map(|day| format!("<p>Due on {}", day.in_words(Language::English)))
            .unwrap_or_default();
        let note = if self.source.note.is_empty() {
            String::new()
        } else {
            format!("<p class=note dir=auto>{}", escape(&self.source.note))
        };
        format!(
            "<h1>{kind} <span class=n>{number}</span></h1><p class=state>{state}{due}{note}{lines}{payment}",
            kind = self.heading(),
            number = escape(&self.source.number),
            state = self.state(),
            lines = self.lines(),
            payment = self.payment(),
        )
    }
}

async fn receipt(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    PathSegments([token]): PathSegments<1>,
) -> Result<Response, ApiError> {
    let Some(reads) = app.queries.for_page(&token).await? else {
        return Err(ApiError::NotFound);
    };
    let Some(permit) = app.pages.acquire(reads.merchant.id).await else {
        return Err(ApiError::TooMany(1));
    };
    let items = reads.items(u32::try_from(LINES_MAX + 1).ok()).await?;
    let paid = match reads.source.status {
        SourceStatus::Paid => reads.collection().await?,
        _ => None,
    };
    let refunds = match &paid {
        Some(paid) => reads.refunds_of(paid).await?,
        None => vec![],
    };
    let PageReads { merchant, source, .. } = reads;
    let view = SourcePage { source, items, paid, refunds };
    let title = format!("{} {}", view.heading(), view.source.number);
    let frame = Frame::of(&merchant, visitor, title);
    let template = ReceiptTemplate { frame: &frame, body: view.html() };
    page::render(StatusCode::OK, &frame, &template, Some(permit))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/receipt/{token}", receipt)
}
