//! `GET /l/{token}`: shows what a payment link offers, and changes nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::directory::merchant::Merchant;
use domain::kernel::ids::{ItemId, SourceId};
use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::ledger::wallet::WalletStatus;
use domain::sales::payment_link::{LinkPrice, PaymentLink, PaymentLinkItem};
use domain::sales::source::{Item, SourceType};
use domain::tariff::{Market, Tariff};

use crate::api::error::ApiError;
use crate::api::extract::PathSegments;
use crate::api::payment_links::link_path;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::net::response_permits::ResponsePermit;
use crate::web::checkout::offers::Offers;
use crate::web::checkout::show::{contact, part_of, render};
use crate::web::checkout::view::{
    AmountFault, AmountForm, CheckoutPage, Choices, ClosedReason, Closing, LinkPayer, PageState,
};
use crate::web::language::Visitor;
use crate::web::methods::Methods;
use crate::web::page::Frame;
use crate::web::payment_link::own_order;
use crate::web::qr;
use store::clock;
use store::reads::payment_links::PaymentLinkReads;

/// What the page of a link is made from.
pub struct Rows {
    pub link: PaymentLink,
    pub merchant: Merchant,
    pub items: Vec<PaymentLinkItem>,
    /// Of the merchant's wallet that is to be paid into; `None` where there is none yet.
    pub wallet_status: Option<WalletStatus>,
    pub tariff: Arc<Tariff>,
    pub now: ServerTime,
}

impl Rows {
    #[must_use]
    pub const fn time(&self) -> MerchantTime {
        self.merchant.time(self.now)
    }

    /// Whether a payer can pay now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.end().is_none()
    }

    fn end(&self) -> Option<ClosedReason> {
        let end = ClosedReason::of_link(&self.link, self.time());
        end.or_else(|| ClosedReason::of_wallet(self.wallet_status))
    }

    /// What the page shows first.
    #[must_use]
    pub fn state(&self) -> PageState {
        match (self.end(), self.link.total()) {
            (Some(reason), _) => PageState::Closed(Closing { reason, nothing_taken: false }),
            (None, Some(total)) => PageState::Open(self.choices(total)),
            (None, None) => self.ask_amount(String::new(), None),
        }
    }

    /// The question for the amount.
    #[must_use]
    pub fn ask_amount(&self, typed: String, fault: Option<AmountFault>) -> PageState {
        let (min, max) = match self.link.price {
            LinkPrice::Open { min_minor, max_minor } => (min_minor, max_minor),
            LinkPrice::Items { total_minor, .. } => (total_minor, total_minor),
        };
        let money = |minor| Money::new(minor, self.link.currency);
        PageState::Amount(AmountForm { min: money(min), max: money(max), typed, fault })
    }

    /// Every method that the market offers, with its price for this amount.
    #[must_use]
    pub fn choices(&self, total: Money) -> Choices {
        let offers = Offers {
            total,
            bearer: self.link.fee_bearer,
            merchant: &self.merchant,
            tariff: &self.tariff,
            now: self.now,
        };
        offers.choices()
    }

    /// The calling code of the market's country, for a number that has none.
    #[must_use]
    pub fn home_code(&self) -> &str {
        let mut offered = self.tariff.markets.iter().filter(|market| {
            market.operation == Operation::Collection && market.effective.at(self.now)
        });
        offered.find_map(Market::number_start).unwrap_or_default()
    }
}

/// What was read for a page.
pub struct Loaded {
    pub rows: Rows,
    token: String,
    permit: ResponsePermit,
}

impl Loaded {
    /// The page in a state, with what the payer has given so far.
    #[must_use]
    pub fn page_in(self, state: PageState, payer: LinkPayer, visitor: Visitor) -> CheckoutPage {
        let Self { rows, token, permit } = self;
        let Rows { link, merchant, items, tariff, now, .. } = rows;
        let not_chosen = Money::new(0, link.currency);
        let mut page = CheckoutPage {
            frame: Frame::of(&merchant, visitor, ""),
            contact: contact(&merchant),
            token,
            kind: SourceType::Order,
            total: payer.amount.or(link.total()).unwrap_or(not_chosen),
            fee_bearer: link.fee_bearer,
            due_date: None,
            number: link.title.clone(),
            note: String::new(),
            items: part_of(items.iter().map(|item| as_item(item, &link)).collect(), 1),
            until: link.expires_at,
            cancel_url: None,
            notice: None,
            state,
            methods: Methods::new(tariff, now),
            link: Some(payer),
            permit: Some(permit),
        };
        page.frame.title = page.title();
        page
    }
}

/// The item that the order of a payer will have.
fn as_item(item: &PaymentLinkItem, link: &PaymentLink) -> Item {
    Item {
        id: ItemId(item.id.0),
        merchant_id: item.merchant_id,
        source_id: SourceId(0),
        name: item.name.clone(),
        qty: item.qty,
        amount_minor: item.amount_minor,
        currency: link.currency,
        removed: false,
        created_at: link.created_at,
        updated_at: link.created_at,
    }
}

/// Reads what the page of a token is made from.
///
/// # Errors
/// 404 for an unknown token, 429 when too many pages of the merchant are being answered.
pub async fn load(app: &App, token: &str) -> Result<Loaded, ApiError> {
    let Some(reads) = app.queries.for_payment_link(token).await? else {
        return Err(ApiError::NotFound);
    };
    let Some(permit) = app.pages.acquire(reads.merchant.id).await else {
        return Err(ApiError::TooMany(1));
    };
    let items = reads.items().await?;
    let wallet_status = reads.wallet().await?.map(|wallet| wallet.status);
    let tariff = app.queries.for_system().tariff().await?;
    let PaymentLinkReads { link, merchant, .. } = reads;
    let rows = Rows { link, merchant, items, wallet_status, tariff, now: clock::now() };
    Ok(Loaded { rows, token: token.to_owned(), permit })
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    headers: HeaderMap,
    PathSegments([token]): PathSegments<1>,
) -> Result<Response, ApiError> {
    let loaded = load(&app, &token).await?;
    let own_order = own_order::find(&app, &loaded.rows.link, &headers).await?;
    let state = loaded.rows.state();
    let payer = LinkPayer { own_order, ..LinkPayer::default() };
    render(loaded.page_in(state, payer, visitor), StatusCode::OK)
}

/// The link of the page as a QR code, to go on with a phone.
async fn code(
    State(app): State<App>,
    _: CountPageRequest,
    PathSegments([token]): PathSegments<1>,
) -> Result<Response, ApiError> {
    if app.queries.for_payment_link(&token).await?.is_none() {
        return Err(ApiError::NotFound);
    }
    qr::of_page(&format!("{}{}", app.config.public_url, link_path(&token)))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/l/{token}", show).page("/l/{token}/qr.svg", code)
}
