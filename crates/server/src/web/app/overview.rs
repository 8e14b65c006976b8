//! `/app/overview/{merchant}`: how a merchant's payments go today and in the last 30 days. Each figure
//! is a link to the rows that it is made from.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::roles::Action;
use domain::exceptions::review::ReviewStatus;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, WebhookEndpointId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{MerchantTime, ServerTime, seconds};
use domain::ledger::wallet::OwnerType;
use domain::payments::approval::ApprovalStatus;
use domain::payments::attempt::WithAttempt;
use domain::webhooks::delivery::DeliveryStatus;
use store::reads::figures::{FigureKey, WAITING_LOOKED_AT, WITHIN_SECONDS};
use store::reads::pages::{Page, PageOfRows};
use store::reads::reviews::ReviewFilter;
use store::reads::wallets::WalletFilter;
use store::reads::webhooks::DeliveryFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::figures::day_name;
use crate::api::routes::Routes;
use crate::app::App;
use crate::figures::{PAGE_WAITS, Snapshot, Sums, SumsByKey, Within, sum_of};
use crate::net::limits::CountPageRequest;
use crate::web::app::figure_words::{amount, number, percent, tenths, within};
use crate::web::app::filter;
use crate::web::app::frame::{self, AppFrame};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words::{self, Until, When};
use crate::web::app::person::{AtMerchant, LoggedIn};
use crate::web::app::plot::{self, About, Points, Series};
use crate::web::language::texts::Html;
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;

/// Up to how many of something are counted by reading them: as many as its list shows at once.
const COUNTED: u32 = 50;
/// How many wallets and endpoints are shown.
const SHOWN: u32 = 100;

#[derive(Template)]
#[template(path = "app/overview.html")]
struct OverviewTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    /// Up to when the figures go, to the second; `None` while nothing is counted.
    figures_until: Option<Second>,
    /// Whether not all days are counted yet.
    is_counting: bool,
    waiting: Option<Waiting>,
    /// What else waits for people.
    notes: Vec<Figure>,
    balances: Vec<Balance>,
    rows: Vec<Row>,
    rates: Vec<Rate>,
    plots: Vec<Plot>,
}

/// A point in time to the second.
struct Second {
    words: String,
    machine: String,
}

impl Second {
    fn new(at: MerchantTime) -> Self {
        let machine = at.to_string();
        let words = match (machine.get(..10), machine.get(11..19)) {
            (Some(day), Some(time)) => format!("{day} {time} UTC"),
            _ => machine.clone(),
        };
        Self { words, machine }
    }
}

/// The payment that has waited longest.
struct Waiting {
    path: String,
    amount: String,
    since: When,
    /// Why it waits, and until when.
    why: Option<String>,
    until: Option<Until>,
    /// Whether there are more than were looked at.
    are_more: bool,
}

/// A number with the list of what it counts.
struct Figure {
    words: String,
    path: String,
}

struct Balance {
    path: String,
    available: String,
    held: Option<String>,
}

/// A row of the table of today and of 30 days.
struct Row {
    name: String,
    /// Without a path while it is not counted yet.
    cells: [Option<Figure>; 2],
}

/// How many payments of a method completed.
struct Rate {
    name: String,
    rate: String,
    completed: Figure,
    failed: Figure,
}

/// A plot with its numbers.
struct Plot {
    title: String,
    svg: Html,
    /// What the columns of the table are, beside the day or name.
    heads: Vec<&'static str>,
    first: &'static str,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    cells: Vec<Figure>,
}

/// A span of days, and the addresses of the payments that were made in it.
#[derive(Clone)]
struct Span {
    merchant: i64,
    from: String,
    until: String,
}

impl Span {
    fn new(merchant: i64, from: MerchantTime, last: MerchantTime) -> Self {
        let until = last.plus(seconds(86_400));
        Self { merchant, from: day_name(from), until: day_name(until) }
    }

    /// The list of the payments of this span that a filter selects.
    fn list(&self, fields: &[(&str, &str)]) -> String {
        let mut all = fields.to_vec();
        all.extend([("from", self.from.as_str()), ("until", self.until.as_str())]);
        format!("/app/payments/{}{}", self.merchant, filter::query(&all))
    }

    fn completed(&self, operation: Operation) -> String {
        self.list(&[("state", "COMPLETED"), ("operation", operation.as_str())])
    }

    fn moved(&self, operation: Operation, currency: Currency) -> String {
        self.list(&[
            ("state", "COMPLETED"),
            ("operation", operation.as_str()),
            ("amount_currency", currency.code()),
        ])
    }

    fn fees(&self, currency: Currency) -> String {
        self.list(&[("state", "COMPLETED"), ("fee_currency", currency.code())])
    }
}

/// The step of a time on the scale of a plot.
fn step(found: Within) -> Option<usize> {
    match found {
        Within::Nothing => None,
        Within::Seconds(bound) => WITHIN_SECONDS.iter().position(|known| *known == bound),
        Within::Longer => Some(WITHIN_SECONDS.len()),
    }
}

fn step_name(step: usize) -> String {
    within(WITHIN_SECONDS.get(step).map_or(Within::Longer, |bound| Within::Seconds(*bound)))
}

/// What the sums of an operation are called.
const fn moved(operation: Operation) -> &'static str {
    match operation {
        Operation::Collection => "Paid by payers",
        Operation::Payout => "Paid out",
        Operation::Transfer => "Transferred",
        Operation::Refund => "Refunded",
    }
}

/// The days that are shown, with addresses.
struct Shown<'a> {
    snapshot: &'a Snapshot,
    today: Option<&'a SumsByKey>,
    total: Option<SumsByKey>,
    spans: [Span; 2],
    methods: &'a Methods,
}

impl<'a> Shown<'a> {
    fn new(merchant: i64, snapshot: &'a Snapshot, methods: &'a Methods) -> Option<Self> {
        let (first, last) = (snapshot.days.first()?.day, snapshot.days.last()?.day);
        let spans = [Span::new(merchant, last, last), Span::new(merchant, first, last)];
        let (today, total) = (snapshot.today(), snapshot.total());
        Some(Self { snapshot, today, total, spans, methods })
    }

    /// A row of figures of the payments that fit.
    fn row(
        &self,
        name: String,
        fits: impl Fn(&FigureKey) -> bool,
        words: impl Fn(&Sums) -> String,
        path: impl Fn(&Span) -> String,
    ) -> Row {
        let [today, all] = &self.spans;
        let cell = |sums: Option<&SumsByKey>, span: &Span| {
            let sums = sum_of(sums?, &fits);
            Some(Figure { words: words(&sums), path: path(span) })
        };
        Row { name, cells: [cell(self.today, today), cell(self.total.as_ref(), all)] }
    }

    /// What there is of something in these days.
    fn kinds<T: Ord>(&self, of: impl Fn(&FigureKey, &Sums) -> Option<T>) -> BTreeSet<T> {
        let sums = self.total.as_ref().or(self.today).into_iter().flatten();
        sums.filter_map(|(key, sums)| of(key, sums)).collect()
    }

    fn rows(&self) -> Vec<Row> {
        let all = |_: &FigureKey| true;
        let mut rows = vec![
            self.row("Made".to_owned(), all, |sums| number(sums.count), |span| span.list(&[])),
            self.row(
                "Completed".to_owned(),
                all,
                |sums| number(sums.completed),
                |span| span.list(&[("state", "COMPLETED")]),
            ),
            self.row(
                "Failed".to_owned(),
                all,
                |sums| number(sums.failed),
                |span| span.list(&[("state", "FAILED")]),
            ),
            self.row(
                "Under way".to_owned(),
                all,
                |sums| number(sums.open()),
                |span| span.list(&[("is_final", "false")]),
            ),
        ];
        let is_done = |sums: &Sums| sums.completed > 0;
        let volumes =
            self.kinds(|key, sums| is_done(sums).then_some((key.operation, key.currency)));
        for (operation, currency) in volumes {
            rows.push(self.row(
                format!("{}, {currency}", moved(operation)),
                |key| key.operation == operation && key.currency == currency,
                |sums| amount(sums.amount, currency),
                |span| span.moved(operation, currency),
            ));
        }
        for currency in self.fee_currencies() {
            rows.push(self.row(
                format!("Fees, {currency}"),
                |key| key.fee_currency == currency,
                |sums| amount(sums.fees(), currency),
                |span| span.fees(currency),
            ));
        }
        let of_payers = |key: &FigureKey| key.operation == Operation::Collection;
        for (name, share) in [
            ("Half of the payments completed within", 50),
            ("95 of 100 payments completed within", 95),
        ] {
            rows.push(self.row(
                name.to_owned(),
                of_payers,
                |sums| within(sums.within_for(share)),
                |span| span.completed(Operation::Collection),
            ));
        }
        rows
    }

    fn fee_currencies(&self) -> BTreeSet<Currency> {
        self.kinds(|key, sums| (sums.fees() > 0).then_some(key.fee_currency))
    }

    /// Each method with what was done by it, and how much of it completed.
    fn by_method(&self) -> Vec<(String, Method, Operation, Sums)> {
        let Some(total) = &self.total else { return vec![] };
        let ended = |sums: &Sums| sums.completed + sums.failed > 0;
        let kinds = self.kinds(|key, sums| ended(sums).then_some((key.operation, key.method)));
        let found = kinds.into_iter().map(|(operation, method)| {
            let fits = |key: &FigureKey| key.operation == operation && key.method == method;
            let name = self.methods.name(method, Language::English);
            let name = format!("{}s, {name}", payment_words::operation(operation));
            (name, method, operation, sum_of(total, fits))
        });
        found.collect()
    }

    fn rates(&self) -> Vec<Rate> {
        let [_, all] = &self.spans;
        let rate = |(name, method, operation, sums): (String, Method, Operation, Sums)| {
            let list = |state| {
                all.list(&[
                    ("state", state),
                    ("operation", operation.as_str()),
                    ("method", method.as_str()),
                ])
            };
            let figure = |count, state| Figure { words: number(count), path: list(state) };
            Some(Rate {
                name,
                rate: percent(tenths(&sums)?),
                completed: figure(sums.completed, "COMPLETED"),
                failed: figure(sums.failed, "FAILED"),
            })
        };
        self.by_method().into_iter().filter_map(rate).collect()
    }

    /// The sums of each day, with its span.
    fn days(&self, fits: impl Fn(&FigureKey) -> bool) -> Vec<(Span, Sums)> {
        let [today, _] = &self.spans;
        let merchant = today.merchant;
        let days = self.snapshot.days.iter().map(|day| {
            let sums = day.sums.as_ref().map_or(Sums::NONE, |sums| sum_of(sums, &fits));
            (Span::new(merchant, day.day, day.day), sums)
        });
        days.collect()
    }

    fn plots(&self) -> Vec<Plot> {
        // Days that are not counted yet would be seen as days without payments.
        if self.total.is_none() {
            return vec![];
        }
        let of_payers = |key: &FigureKey, sums: &Sums| {
            let is_paid = key.operation == Operation::Collection && sums.completed > 0;
            is_paid.then_some(key.currency)
        };
        let mut plots: Vec<Plot> =
            self.kinds(of_payers).into_iter().map(|currency| self.volume(currency)).collect();
        plots.extend(self.success());
        plots.extend(self.times());
        plots.extend(self.fee_currencies().into_iter().map(|currency| self.fees(currency)));
        plots
    }

    fn volume(&self, currency: Currency) -> Plot {
        let operation = Operation::Collection;
        let days = self.days(|key| key.operation == operation && key.currency == currency);
        let values: Vec<i128> = days.iter().map(|(_, sums)| sums.amount).collect();
        let (most, sum) = (values.iter().max().copied().unwrap_or(0), values.iter().sum());
        let title = format!("Paid by payers by day, {currency}");
        let about = About {
            id: format!("volume-{}", currency.code().to_lowercase()),
            description: format!(
                "{} in 30 days, on no day more than {}. The table has each day.",
                amount(sum, currency),
                amount(most, currency)
            ),
            title: title.clone(),
        };
        let names: Vec<String> = days.iter().map(|(span, _)| span.from.clone()).collect();
        let series = [Series { name: "all", values }];
        let line = |(span, sums): &(Span, Sums)| Line {
            name: span.from.clone(),
            cells: vec![Figure {
                words: amount(sums.amount, currency),
                path: span.moved(operation, currency),
            }],
        };
        Plot {
            title,
            svg: plot::bars(&about, &names, &series, &amount(most, currency)),
            heads: vec!["Paid by payers"],
            first: "Day (UTC)",
            lines: days.iter().rev().map(line).collect(),
        }
    }

    fn success(&self) -> Option<Plot> {
        let [_, all] = &self.spans;
        let found = self.by_method();
        let shares: Vec<(String, i64)> = found
            .iter()
            .filter_map(|(name, _, _, sums)| {
                tenths(sums).map(|tenths| (format!("{name}: {}", percent(tenths)), tenths))
            })
            .collect();
        if shares.is_empty() {
            return None;
        }
        let title = "Success rate by method".to_owned();
        let described: Vec<&str> = shares.iter().map(|(name, _)| name.as_str()).collect();
        let about = About {
            id: "success".to_owned(),
            description: format!("Of 30 days. {}.", described.join("; ")),
            title: title.clone(),
        };
        let line = |(name, method, operation, sums): &(String, Method, Operation, Sums)| {
            let path = all.list(&[
                ("is_final", "true"),
                ("operation", operation.as_str()),
                ("method", method.as_str()),
            ]);
            let words = percent(tenths(sums).unwrap_or(0));
            Line { name: name.clone(), cells: vec![Figure { words, path }] }
        };
        Some(Plot {
            title,
            svg: plot::shares(&about, &shares),
            heads: vec!["Completed, of what ended"],
            first: "Method",
            lines: found.iter().map(line).collect(),
        })
    }

    fn times(&self) -> Option<Plot> {
        let days = self.days(|key| key.operation == Operation::Collection);
        let steps = |share| days.iter().map(|(_, sums)| step(sums.within_for(share))).collect();
        let rows = [
            Points { name: "half of them", steps: steps(50) },
            Points { name: "95 of 100", steps: steps(95) },
        ];
        if rows.iter().all(|row| row.steps.iter().all(Option::is_none)) {
            return None;
        }
        let total = days.iter().fold(Sums::NONE, |mut total, (_, sums)| {
            total.add(sums);
            total
        });
        let title = "Time until payments completed".to_owned();
        let about = About {
            id: "times".to_owned(),
            description: format!(
                "In 30 days half of the payments completed within {}, and 95 of 100 within {}. \
                 The table has each day.",
                within(total.within_for(50)),
                within(total.within_for(95))
            ),
            title: title.clone(),
        };
        let names: Vec<String> = days.iter().map(|(span, _)| span.from.clone()).collect();
        let line = |(span, sums): &(Span, Sums)| {
            let cell = |share| Figure {
                words: within(sums.within_for(share)),
                path: span.completed(Operation::Collection),
            };
            Line { name: span.from.clone(), cells: vec![cell(50), cell(95)] }
        };
        Some(Plot {
            title,
            svg: plot::points(&about, &names, &rows, step_name),
            heads: vec!["Half within", "95 of 100 within"],
            first: "Day (UTC)",
            lines: days.iter().rev().map(line).collect(),
        })
    }

    fn fees(&self, currency: Currency) -> Plot {
        let days = self.days(|key| key.fee_currency == currency);
        let values =
            |of: fn(&Sums) -> i128| days.iter().map(|(_, sums)| of(sums)).collect::<Vec<_>>();
        let parts = [
            Series { name: "platform", values: values(|sums| sums.platform_fee) },
            Series { name: "network", values: values(|sums| sums.gateway_fee) },
            Series { name: "exchange", values: values(|sums| sums.fx_fee) },
        ];
        let all = values(Sums::fees);
        let (most, sum) = (all.iter().max().copied().unwrap_or(0), all.iter().sum());
        let title = format!("Fees by day, {currency}");
        let about = About {
            id: format!("fees-{}", currency.code().to_lowercase()),
            description: format!(
                "{} in 30 days, on no day more than {}. The table has each day.",
                amount(sum, currency),
                amount(most, currency)
            ),
            title: title.clone(),
        };
        let names: Vec<String> = days.iter().map(|(span, _)| span.from.clone()).collect();
        let line = |(span, sums): &(Span, Sums)| {
            let parts = [sums.platform_fee, sums.gateway_fee, sums.fx_fee];
            let cell = |minor| Figure { words: amount(minor, currency), path: span.fees(currency) };
            Line { name: span.from.clone(), cells: parts.into_iter().map(cell).collect() }
        };
        Plot {
            title,
            svg: plot::bars(&about, &names, &parts, &amount(most, currency)),
            heads: vec!["Platform", "Network", "Exchange"],
            first: "Day (UTC)",
            lines: days.iter().rev().map(line).collect(),
        }
    }
}

/// How many there are, where at most [`COUNTED`] were read.
fn counted<T>(found: &PageOfRows<T>) -> Option<String> {
    let count = found.rows.len();
    let is_more =
        u32::try_from(count).is_ok_and(|count| count >= COUNTED) || found.scanned_to.is_some();
    match (count, is_more) {
        (0, _) => None,
        (_, false) => Some(count.to_string()),
        (_, true) => Some(format!("{count} or more")),
    }
}

const FIRST: Page = Page { limit: COUNTED, after_id: None };

/// What waits for people, as far as who looks may read it.
async fn notes(at: &AtMerchant<'_>) -> Result<Vec<Figure>, ApiError> {
    let merchant = at.merchant.id.0;
    let role = at.rights.role;
    let mut notes = vec![];
    if role.may(Action::PayOut) {
        let found = at.reads.approvals(Some(ApprovalStatus::Requested), FIRST).await?;
        notes.extend(counted(&found).map(|count| Figure {
            words: format!("Wait for an approval: {count}"),
            path: format!("/app/approvals/{merchant}"),
        }));
    }
    if role.may(Action::ReadReviews) {
        let filter = ReviewFilter { status: Some(ReviewStatus::Open), kind: None };
        let found = at.reads.reviews(filter, FIRST).await?;
        notes.extend(counted(&found).map(|count| Figure {
            words: format!("Open reviews: {count}"),
            path: format!("/app/reviews/{merchant}?status=OPEN"),
        }));
    }
    if role.may(Action::ReadIntegration) {
        let page = Page { limit: SHOWN, after_id: None };
        for endpoint in at.reads.webhook_endpoints(page).await?.rows {
            notes.extend(failed_deliveries(at, endpoint.id, endpoint.url.as_str()).await?);
        }
    }
    Ok(notes)
}

/// The deliveries to an endpoint that failed, by whether another attempt follows.
async fn failed_deliveries(
    at: &AtMerchant<'_>,
    endpoint: WebhookEndpointId,
    url: &str,
) -> Result<Vec<Figure>, ApiError> {
    let merchant = at.merchant.id.0;
    let mut figures = vec![];
    for (status, words) in [
        (DeliveryStatus::Failed, "Deliveries that failed and are tried again"),
        (DeliveryStatus::Dead, "Deliveries that were given up"),
    ] {
        let filter = DeliveryFilter {
            endpoint_id: Some(endpoint),
            status: Some(status),
            ..DeliveryFilter::default()
        };
        let found = at.reads.webhook_deliveries(filter, FIRST).await?;
        figures.extend(counted(&found).map(|count| Figure {
            words: format!("{words}, {url}: {count}"),
            path: format!(
                "/app/developers/{merchant}/webhooks/{endpoint}?status={}",
                status.as_str()
            ),
        }));
    }
    Ok(figures)
}

async fn balances(at: &AtMerchant<'_>) -> Result<Vec<Balance>, ApiError> {
    if !at.rights.role.may(Action::ReadWallets) {
        return Ok(vec![]);
    }
    let filter = WalletFilter { owner: Some(OwnerType::Merchant), ..WalletFilter::default() };
    let found = at.reads.wallets(filter, Page { limit: SHOWN, after_id: None }).await?;
    let money = |minor, currency| payment_words::amount(Money::new(minor, currency));
    let balance = |wallet: domain::ledger::wallet::Wallet| Balance {
        path: format!("/app/wallets/{}/{}", at.merchant.id, wallet.id),
        available: money(wallet.available_minor, wallet.currency),
        held: (wallet.held_minor > 0).then(|| money(wallet.held_minor, wallet.currency)),
    };
    Ok(found.rows.into_iter().map(balance).collect())
}

async fn waiting(at: &AtMerchant<'_>, methods: &Methods) -> Result<Option<Waiting>, ApiError> {
    let Some(found) = at.reads.oldest_waiting().await? else { return Ok(None) };
    let are_more = found.looked_at >= WAITING_LOOKED_AT;
    let WithAttempt { execution, attempt } = at.reads.with_attempt(found.execution).await?;
    let attempt = attempt.as_ref();
    Ok(Some(Waiting {
        path: format!("/app/payments/{}/{}", at.merchant.id, execution.id),
        amount: payment_words::amount(execution.outside_amount()),
        since: When::new(execution.created_at, execution.method, methods),
        why: payment_words::why(&execution, attempt),
        until: payment_words::until(&execution, attempt, methods),
        are_more,
    }))
}

pub fn path(merchant: MerchantId) -> String {
    format!("/app/overview/{merchant}")
}

/// When the figures end, at the merchant's clock.
fn until(at: &AtMerchant<'_>, as_of: ServerTime) -> Second {
    Second::new(at.merchant.time(as_of))
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
) -> Result<Response, ApiError> {
    let path = path(MerchantId(merchant));
    let at = match me.at_merchant(&app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let tariff = app.queries.for_system().tariff().await?;
    let methods = Methods::new(tariff, me.now);
    let snapshot = app.figures.of(&app.queries, &at.merchant, PAGE_WAITS).await?;
    let shown = snapshot.as_deref().and_then(|found| Shown::new(merchant, found, &methods));
    let frame = me.frame(visitor, &format!("Overview of {}", at.merchant.name));
    let frame = frame.of(&at, Screen::Overview);
    let template = OverviewTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        figures_until: snapshot.as_ref().map(|found| until(&at, found.as_of)),
        is_counting: shown.as_ref().is_none_or(|shown| shown.total.is_none()),
        waiting: waiting(&at, &methods).await?,
        notes: notes(&at).await?,
        balances: balances(&at).await?,
        rows: shown.as_ref().map(Shown::rows).unwrap_or_default(),
        rates: shown.as_ref().map(Shown::rates).unwrap_or_default(),
        plots: shown.as_ref().map(Shown::plots).unwrap_or_default(),
        path,
    };
    frame::render(StatusCode::OK, &frame, &template)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/overview/{merchant}", show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_step() {
        assert_eq!(step(Within::Nothing), None);
        assert_eq!(step(Within::Seconds(1)), Some(0));
        assert_eq!(step(Within::Longer), Some(WITHIN_SECONDS.len()));
        assert_eq!((step_name(0).as_str(), step_name(36).as_str()), ("1 s", "more than 7 d"));
    }
}
