//! HTML pages for payers: an invoice or order to pay, and its receipt. Whoever has the token in the
//! link may see the page.

pub(crate) mod form;
pub(crate) mod page;
pub(crate) mod payment;
pub(crate) mod qr;
pub(crate) mod receipt;
pub(crate) mod refusal;
pub(crate) mod text;
pub(crate) mod verify;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::merchant::Merchant;
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Mode};
use domain::kernel::time::MerchantTime;
use domain::payments::attempt::WithAttempt;
use domain::payments::execution::Execution;
use domain::sales::checkout::CheckoutConfig;
use domain::sales::source::{Item, Source, SourceStatus, SourceType};

use crate::api::error::ApiError;
use crate::api::extract::PathSegments;
use crate::api::links::receipt_path;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use store::clock;
use store::reads::checkouts::PageReads;
use text::{date, day, escape, money, note};

/// The maximum number of items shown. New invoices and orders cannot have more; older ones may.
const LINES_MAX: usize = 200;
/// How many pages of one merchant may be in progress at once.
pub const IN_PROGRESS_MAX: usize = 64;

/// The data of a page.
struct SourcePage {
    page: CheckoutConfig,
    merchant: Merchant,
    source: Source,
    items: Vec<Item>,
    /// The collection that paid it, or else the last attempt.
    attempt: Option<Execution>,
    /// Whether the payer has to authenticate it.
    requires_action: bool,
    /// Refunds of that collection, completed or in progress.
    refunds: Vec<Execution>,
    time: MerchantTime,
}

impl SourcePage {
    /// The state in words for the payer.
    fn state(&self) -> String {
        match self.source.status {
            SourceStatus::Idle => "Not open for payment yet".to_owned(),
            SourceStatus::Active if self.is_in_review() => {
                "A payment is being looked into".to_owned()
            }
            SourceStatus::Active => match self.page.expires_at {
                Some(at) if self.is_over() => format!("This link expired on {}", date(at)),
                Some(at) => format!("To be paid by {}", date(at)),
                None => "To be paid".to_owned(),
            },
            SourceStatus::Processing => match &self.attempt {
                Some(_) if self.requires_action => {
                    "A payment waits for you to confirm it".to_owned()
                }
                _ => "A payment is being processed".to_owned(),
            },
            SourceStatus::Paid => match self.source.paid_at {
                Some(at) => format!("Paid on {}", date(at)),
                None => "Paid".to_owned(),
            },
            SourceStatus::Canceled => "Canceled: nothing is to be paid".to_owned(),
        }
    }

    fn is_over(&self) -> bool {
        self.page.expires_at.is_some_and(|at| at <= self.time)
    }

    /// Whether a review is open: it may have been paid, so nothing more is collected before the
    /// review is resolved.
    const fn is_in_review(&self) -> bool {
        matches!(self.source.status, SourceStatus::Active) && self.source.open_reviews > 0
    }

    /// Whether it can be paid on this page, now or after it is published.
    fn is_open(&self) -> bool {
        let unpaid = matches!(self.source.status, SourceStatus::Idle | SourceStatus::Active);
        unpaid && !self.is_over() && !self.is_in_review()
    }

    const fn heading(&self) -> &'static str {
        match self.source.kind {
            SourceType::Invoice => "Invoice",
            SourceType::Order => "Order",
        }
    }

    /// What the payer can do about an expired link.
    fn renewal(&self) -> &'static str {
        if self.source.status == SourceStatus::Active && self.is_over() && !self.is_in_review() {
            "<p>Whoever sent it can send a new one."
        } else {
            ""
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

    /// Fees depend on the method, which is not chosen yet: they are announced in words.
    fn fees_to_come(&self) -> &'static str {
        if self.is_open() && self.source.fee_bearer == FeeBearer::Payer {
            "<p>Fees are added to this total when it is paid. How much they are depends on how you pay."
        } else {
            ""
        }
    }

    /// Back to where the payer came from, and on to the receipt.
    fn ways(&self) -> String {
        let mut ways = String::new();
        let mut way = |url: &str, text: &str| {
            ways.push_str(&format!("<p><a href=\"{}\">{text}</a>", escape(url)))
        };
        if self.source.status == SourceStatus::Paid {
            way(&receipt_path(&self.page.token.0), "Receipt");
            if let Some(url) = &self.page.success_url {
                way(url, "Continue");
            }
        } else if let Some(url) = &self.page.cancel_url {
            way(url, "Cancel and go back");
        }
        ways
    }

    /// What a payment in progress waits for, or why the last attempt failed.
    fn attempt(&self) -> String {
        match (&self.attempt, self.source.status) {
            _ if self.is_in_review() => "<p>Do not pay again.".to_owned(),
            (Some(attempt), SourceStatus::Processing) => {
                payment::waits_for(attempt, self.requires_action)
            }
            (Some(attempt), SourceStatus::Active) => payment::failed(attempt),
            _ => String::new(),
        }
    }

    fn payment(&self) -> String {
        match &self.attempt {
            Some(paid) if self.source.status == SourceStatus::Paid => {
                payment::figures(paid, self.source.fee_bearer)
                    + &payment::given_back(paid, &self.refunds)
            }
            _ => String::new(),
        }
    }

    fn html(&self) -> String {
        let due =
            self.source.due_date.map(|at| format!("<p>Due on {}", day(at))).unwrap_or_default();
        let sandbox = match self.merchant.mode {
            Mode::Sandbox => "<p class=aside>Sandbox: no real money moves here.",
            Mode::Live => "",
        };
        format!(
            "<h1 dir=auto>{merchant}</h1><h2>{kind} <span class=n>{number}</span></h2><p class=state>{state}{renewal}{attempt}{due}{note}{lines}{fees}{payment}{ways}{sandbox}",
            merchant = escape(&self.merchant.name),
            kind = self.heading(),
            number = escape(&self.source.number),
            state = self.state(),
            renewal = self.renewal(),
            attempt = self.attempt(),
            note = note(&self.source.note),
            lines = self.lines(),
            fees = self.fees_to_come(),
            payment = self.payment(),
            ways = self.ways(),
        )
    }
}

async fn show(app: &App, token: &str) -> Result<Response, ApiError> {
    let Some(reads) = app.queries.for_page(token).await? else {
        return Err(ApiError::NotFound);
    };
    let Some(permit) = app.pages.acquire(reads.merchant.id).await else {
        return Err(ApiError::TooMany(1));
    };
    let items = reads.items(u32::try_from(LINES_MAX + 1).ok()).await?;
    let mut requires_action = false;
    let attempt = match reads.source.status {
        SourceStatus::Paid => reads.collection().await?,
        SourceStatus::Active | SourceStatus::Processing => {
            reads.last_collection().await?.map(|WithAttempt { execution, attempt }| {
                requires_action = attempt.is_some_and(|attempt| attempt.requires_action);
                execution
            })
        }
        SourceStatus::Idle | SourceStatus::Canceled => None,
    };
    let refunds = match &attempt {
        Some(paid) if reads.source.status == SourceStatus::Paid => reads.refunds_of(paid).await?,
        _ => vec![],
    };
    let PageReads { checkout: page, merchant, source, .. } = reads;
    let time = merchant.time(clock::now());
    let view =
        SourcePage { page, merchant, source, items, attempt, requires_action, refunds, time };
    let title = format!("{} {}", view.heading(), escape(&view.source.number));
    page::render(StatusCode::OK, &title, &view.html(), Some(permit))
}

async fn pay(
    State(app): State<App>,
    _: CountPageRequest,
    PathSegments([token]): PathSegments<1>,
) -> Result<Response, ApiError> {
    match token.strip_suffix(receipt::PDF) {
        Some(token) => receipt::invoice_pdf(&app, token).await,
        None => show(&app, &token).await,
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/pay/{token}", pay)
        .page("/receipt/{token}", receipt::show)
        .page("/verify", verify::form)
        .form("/verify", verify::check)
}
