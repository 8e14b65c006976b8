//! `/app/merchants`: the merchants of the installation, for who runs it, and below it the settings
//! and wallets of each.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::directory::merchant::Merchant;
use domain::directory::roles::Action;
use domain::directory::update_merchant::{MerchantChanges, UpdateMerchant};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, WalletId};
use domain::kernel::money::Money;
use domain::kernel::names::Mode;
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::set_wallet_status::SetWalletStatus;
use domain::ledger::wallet::{Wallet, WalletStatus};
use store::clock;
use store::reads::pages::Page;
use store::reads::wallets::WalletFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::Places;
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::overview;
use crate::web::app::payment_words;
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::typed::{answer, number, too_large};
use crate::web::app::wallets::{Owners, WalletOwner};
use crate::web::language::Visitor;

/// How many rows stand on a page.
const PAGE: u32 = 50;

const OF_ALL: &str = "/app/merchants";

#[derive(Template)]
#[template(path = "app/merchants.html")]
struct MerchantsTemplate<'a> {
    app: &'a AppFrame,
    rows: Vec<Row>,
    more: Option<String>,
    fault: Fault,
}

struct Row {
    id: i64,
    name: String,
    mode: &'static str,
    verified: bool,
    tier: String,
    created: Moment,
}

impl From<Merchant> for Row {
    fn from(merchant: Merchant) -> Self {
        Self {
            id: merchant.id.0,
            name: merchant.name,
            mode: merchant.mode.as_str(),
            verified: merchant.verified,
            tier: merchant.fee_tier,
            created: Moment(merchant.created_at),
        }
    }
}

/// The place in a list, as it stands in the address.
fn after(uri: &Uri, fault: &mut Fault) -> Option<i64> {
    Places::of(uri, &["after"]).get("after", fault)
}

async fn list(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    uri: Uri,
) -> Result<Response, ApiError> {
    let reads = match me.of_installation(&app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, OF_ALL),
    };
    let mut fault = Fault::default();
    let last = MerchantId(after(&uri, &mut fault).unwrap_or(0));
    let found = reads.merchants_from(last, PAGE).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|len| len >= PAGE);
    let more = found.last().filter(|_| is_full).map(|last| format!("{OF_ALL}?after={}", last.id));
    let frame = me.frame(visitor, "Merchants").at(OF_ALL);
    let rows = found.into_iter().map(Row::from).collect();
    let template = MerchantsTemplate { app: &frame, rows, more, fault };
    frame::render(template.fault.status(), &frame, &template)
}

#[derive(Template)]
#[template(path = "app/merchant.html")]
struct MerchantTemplate<'a> {
    app: &'a AppFrame,
    row: Row,
    path: String,
    tiers: Vec<&'a str>,
    wallets: Vec<WalletRow>,
    older: Option<String>,
    may_change: bool,
    /// The page with the merchant's figures, for who may read payments.
    overview: Option<String>,
    /// Whether its wallets may be given money that is not real.
    may_fund: bool,
    fault: Fault,
    typed: Typed,
}

struct WalletRow {
    id: i64,
    /// Nothing for a wallet of the merchant's own.
    customer: Option<WalletOwner>,
    currency: Currency,
    available: String,
    held: String,
    status: WalletStatus,
    statuses: &'static [WalletStatus],
    /// What a funding is known by, so that sending the form twice gives the money once.
    key: String,
}

impl WalletRow {
    /// The id of the field for an amount.
    fn amount_field(&self) -> String {
        amount_field(self.id)
    }

    fn may_credit(&self) -> bool {
        self.status.allows_credit()
    }
}

fn amount_field(wallet: i64) -> String {
    format!("amount-{wallet}")
}

impl WalletRow {
    fn new(wallet: &Wallet, owners: &Owners, typed: &Typed) -> Result<Self, ApiError> {
        let is_again = typed.wallet == wallet.id.0 && !typed.key.is_empty();
        Ok(Self {
            key: if is_again { typed.key.clone() } else { draw_key()? },
            id: wallet.id.0,
            customer: owners.of(wallet),
            currency: wallet.currency,
            available: payment_words::amount(wallet.available()),
            held: payment_words::amount(Money::new(wallet.held_minor, wallet.currency)),
            status: wallet.status,
            statuses: WalletStatus::ALL,
        })
    }
}

/// A form of a funding that was not accepted.
#[derive(Default)]
struct Typed {
    wallet: i64,
    amount: String,
    key: String,
}

impl Typed {
    fn amount_of(&self, wallet: &WalletRow) -> &str {
        if self.wallet == wallet.id { &self.amount } else { "" }
    }
}

fn path(merchant: i64) -> String {
    format!("{OF_ALL}/{merchant}")
}

fn draw_key() -> Result<String, ApiError> {
    let bytes = clock::random().map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

/// What a page says beside its rows.
#[derive(Default)]
struct Beside {
    after: Option<i64>,
    fault: Fault,
    typed: Typed,
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    Beside { after, fault, typed }: Beside,
) -> Result<Response, ApiError> {
    let at = match me.at_merchant(app, merchant, Action::ReadInstallation).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path(merchant)),
    };
    let page = Page { limit: PAGE, after_id: after };
    let found = at.reads.wallets(WalletFilter::default(), page).await?;
    let older = found.next_after(PAGE, |wallet| wallet.id.0);
    let owners = Owners::read(&at, &found.rows).await?;
    let wallets = found.rows.iter().map(|wallet| WalletRow::new(wallet, &owners, &typed));
    let tariff = app.queries.for_system().tariff().await?;
    let path = path(merchant);
    let may_change = at.rights.role.may(Action::ManageInstallation);
    let frame = me.frame(visitor, &at.merchant.name).at(&path);
    let template = MerchantTemplate {
        app: &frame,
        older: older.map(|id| format!("{path}?after={id}")),
        path,
        tiers: tariff.tiers.iter().map(|tier| tier.name.as_str()).collect(),
        wallets: wallets.collect::<Result<_, _>>()?,
        may_change,
        overview: at.rights.role.may(Action::ReadPayments).then(|| overview::path(at.merchant.id)),
        may_fund: may_change && at.merchant.mode != Mode::Live,
        row: at.merchant.into(),
        fault,
        typed,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut fault = Fault::default();
    let after = after(&uri, &mut fault);
    let (status, typed) = (fault.status(), Typed::default());
    render(status, &app, (&me, visitor), merchant, Beside { after, fault, typed }).await
}

/// The page after a change, or again with why it was refused.
async fn after_change(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    done: Result<(), Failure>,
) -> Result<Response, ApiError> {
    let Err(failure) = done else { return Ok(frame::lead_to(&path(merchant))) };
    let page = async |status, sentence| {
        let beside = Beside { fault: Fault::of_page(sentence), ..Beside::default() };
        render(status, app, (me, visitor), merchant, beside).await
    };
    frame::refused(failure, &path(merchant))?.answer_read(page).await
}

async fn at_fault(
    app: &App,
    who: (&LoggedIn, Visitor),
    merchant: i64,
    (fault, typed): (Fault, Typed),
) -> Result<Response, ApiError> {
    let beside = Beside { fault, typed, after: None };
    render(StatusCode::UNPROCESSABLE_ENTITY, app, who, merchant, beside).await
}

async fn change(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let merchant_id = MerchantId(merchant);
    let verified = match answer(&form, "verified") {
        Ok(verified) => verified,
        Err(sentence) => {
            let said = (Fault::of_field("verified", sentence), Typed::default());
            return at_fault(&app, (&me, visitor), merchant, said).await;
        }
    };
    let fee_tier = form.field("tier").map(str::to_owned);
    let changes = MerchantChanges { verified, fee_tier, ..MerchantChanges::default() };
    let decision = UpdateMerchant { merchant_id, changes };
    let done = me.submit(&app, Some(merchant_id), decision).await.map(drop);
    after_change(&app, (&me, visitor), merchant, done).await
}

/// The merchant's wallet, for who may change it.
async fn wallet<'a>(
    app: &'a App,
    me: &LoggedIn,
    (merchant, id): (i64, i64),
) -> Result<(AtMerchant<'a>, Wallet), Result<Failure, ApiError>> {
    let at = me.at_merchant(app, merchant, Action::ManageInstallation).await.map_err(Ok)?;
    let found = at.reads.wallet(WalletId(id)).await.map_err(|error| Err(error.into()))?;
    Ok((at, found.ok_or(Err(ApiError::NotFound))?))
}

async fn set_status(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let found = match wallet(&app, &me, (merchant, id)).await {
        Ok((_, found)) => found,
        Err(why) => return me.not_permitted(why?, visitor, &path(merchant)),
    };
    let Some(status) = form.field("status").and_then(WalletStatus::parse) else {
        let said = (Fault::of_page("Choose a state of the wallet."), Typed::default());
        return at_fault(&app, (&me, visitor), merchant, said).await;
    };
    let decision = SetWalletStatus { wallet_id: found.id, status };
    let done = me.submit(&app, Some(MerchantId(merchant)), decision).await.map(drop);
    after_change(&app, (&me, visitor), merchant, done).await
}

async fn fund(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let found = match wallet(&app, &me, (merchant, id)).await {
        Ok((_, found)) => found,
        Err(why) => return me.not_permitted(why?, visitor, &path(merchant)),
    };
    let key = form.field("reference_id").and_then(|key| uuid::Uuid::parse_str(key).ok());
    let Some(key) = key.map(|key| key.to_string()) else {
        let fault = Fault::of_page("Open the page again: this form has no number.");
        let said = (fault, Typed::default());
        return at_fault(&app, (&me, visitor), merchant, said).await;
    };
    let amount = form.field("amount").unwrap_or_default().to_owned();
    let typed = Typed { wallet: id, amount, key: key.clone() };
    let amount = number(&typed.amount).and_then(|typed| typed.to_money(found.currency).ok());
    let Some(amount) = amount.filter(|amount| amount.minor > 0) else {
        let none = || match found.currency.exponent() {
            0 => "An amount is a whole number above zero.".to_owned(),
            places => format!("An amount is above zero and has at most {places} decimals."),
        };
        let sentence = too_large(&typed.amount, found.currency).unwrap_or_else(none);
        let said = (Fault::of_field(amount_field(id), sentence), typed);
        return at_fault(&app, (&me, visitor), merchant, said).await;
    };
    let decision = FundWallet { wallet_id: found.id, amount, key: Some(key) };
    let done = me.submit(&app, Some(MerchantId(merchant)), decision).await.map(drop);
    after_change(&app, (&me, visitor), merchant, done).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page(OF_ALL, list)
        .page("/app/merchants/{merchant}", show)
        .form("/app/merchants/{merchant}/change", change)
        .form("/app/merchants/{merchant}/wallets/{id}/status", set_status)
        .form("/app/merchants/{merchant}/wallets/{id}/fund", fund)
}
