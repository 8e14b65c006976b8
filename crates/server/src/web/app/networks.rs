//! `/app/networks`: how payments go through each network account, for who runs the installation.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Mode, Operation};
use domain::kernel::time::{ServerTime, seconds};
use domain::network_accounts::account::{AccountStatus, NetworkAccount};
use domain::network_accounts::operator_terms::{Availability, Terms};
use domain::payments::execution::ExecutionStatus;
use domain::tariff::{Market, Tariff};
use networks::accounts::CalledAccount;
use store::reads::figures::{RECENT_LOOKED_AT, RecentGroup, UnderWay};

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::figures::Sums;
use crate::net::limits::CountPageRequest;
use crate::web::app::figure_words::{number, percent, tenths, within};
use crate::web::app::frame::{self, AppFrame, Moment};
use crate::web::app::payment_words;
use crate::web::app::person::LoggedIn;
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;

const PATH: &str = "/app/networks";

/// The page with the markets of a method.
pub fn path_of(method: Method) -> String {
    format!("{PATH}#market-{method}")
}

#[derive(Template)]
#[template(path = "app/networks.html")]
struct NetworksTemplate<'a> {
    app: &'a AppFrame,
    accounts: Vec<Account>,
    methods: Vec<MarketsOfMethod>,
    /// Since when payments are counted, where not all of a day are.
    counted_since: Option<Moment>,
    looked_at: String,
    may_change: bool,
}

struct Account {
    name: String,
    network: &'static str,
    mode: &'static str,
    /// What keeps it from taking payments, or that nothing does.
    state: String,
    circuit: &'static str,
    counters: String,
    calls_per_second: i64,
    lines: Vec<Line>,
    terms: Vec<TermsLine>,
}

/// How payments of a method go.
struct Line {
    name: String,
    hour: Success,
    day: Success,
    half: String,
    most: String,
    under_way: String,
}

/// How many payments completed of those that ended.
struct Success {
    rate: String,
    ended: String,
}

struct TermsLine {
    name: String,
    availability: &'static str,
    bounds: String,
    said: Moment,
}

/// The markets of a method.
struct MarketsOfMethod {
    /// The method's own name, to lead to it.
    id: String,
    name: String,
    markets: Vec<MarketLine>,
}

struct MarketLine {
    method: Method,
    operation: Operation,
    currency: Currency,
    words: String,
    is_open: bool,
}

impl Success {
    fn new(sums: &Sums) -> Self {
        let ended = sums.completed + sums.failed;
        let rate = tenths(sums).map_or_else(|| "\u{2013}".to_owned(), percent);
        Self { rate, ended: number(ended) }
    }
}

/// The sums of an account's payments by one method.
#[derive(Clone)]
struct Counted {
    hour: Sums,
    day: Sums,
    under_way: i64,
}

impl Counted {
    const NONE: Self = Self { hour: Sums::NONE, day: Sums::NONE, under_way: 0 };
}

/// Adds payments to a sum.
fn add(sums: &mut Sums, group: &RecentGroup) {
    sums.count += group.count;
    match group.status {
        ExecutionStatus::Completed => {
            sums.completed += group.count;
            if let Some(times) = sums.within.get_mut(group.within) {
                *times += group.count;
            }
        }
        ExecutionStatus::Failed => sums.failed += group.count,
        ExecutionStatus::Pending | ExecutionStatus::Processing => {}
    }
}

type ByMethod = BTreeMap<(NetworkAccountId, Method), Counted>;

/// What payments are through each account, by method.
fn by_method(recent: &[RecentGroup], under_way: &[UnderWay]) -> ByMethod {
    let mut found = ByMethod::new();
    for group in recent.iter().filter(|group| group.in_last_day) {
        let Some(account) = group.account else { continue };
        let counted = found.entry((account, group.method)).or_insert(Counted::NONE);
        add(&mut counted.day, group);
        if group.in_last_hour {
            add(&mut counted.hour, group);
        }
    }
    for UnderWay { account, method, count } in under_way {
        found.entry((*account, *method)).or_insert(Counted::NONE).under_way += count;
    }
    found
}

/// When the oldest payment was made that was counted, if there are older ones of the last day.
fn counted_since(recent: &[RecentGroup], now: ServerTime) -> Option<ServerTime> {
    let count: i64 = recent.iter().map(|group| group.count).sum();
    let oldest = recent.iter().map(|group| group.oldest).min()?;
    let is_within = now.since(oldest) < seconds(86_400);
    (count >= RECENT_LOOKED_AT && is_within).then_some(oldest)
}

fn state(account: &NetworkAccount) -> String {
    let refused = account.token_refused_at.map(Moment);
    if account.status == AccountStatus::Closed {
        return "closed: it takes no payments any more".to_owned();
    }
    if let Some(at) = refused {
        return format!("stopped: its network refuses the token since {}", at.words());
    }
    if account.held {
        return "stopped by an operator: nothing is sent".to_owned();
    }
    match account.status {
        AccountStatus::Draining => "draining: it takes no new payments".to_owned(),
        _ => "takes payments".to_owned(),
    }
}

const fn availability(known: Availability) -> &'static str {
    match known {
        Availability::Operational => "works",
        Availability::Delayed => "delayed: payouts wait, nothing is collected",
        Availability::Closed => "closed",
    }
}

fn bounds(terms: &Terms) -> String {
    let money = |minor| payment_words::amount(Money::new(minor, terms.currency));
    match (terms.min_minor.map(money), terms.max_minor.map(money)) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("from {min}"),
        (None, Some(max)) => format!("up to {max}"),
        (None, None) => "any amount".to_owned(),
    }
}

impl Account {
    fn new(
        account: &NetworkAccount,
        called: Option<&CalledAccount>,
        (tariff, methods): (&Tariff, &Methods),
        counted: &ByMethod,
    ) -> Self {
        let own = counted.iter().filter(|((id, _), _)| *id == account.id);
        let line = |((_, method), counted): (&(NetworkAccountId, Method), &Counted)| Line {
            name: methods.name(*method, Language::English),
            hour: Success::new(&counted.hour),
            day: Success::new(&counted.day),
            half: within(counted.day.within_for(50)),
            most: within(counted.day.within_for(95)),
            under_way: number(counted.under_way),
        };
        let said = tariff.operator_terms.iter();
        let said = said.filter(|row| row.network_account_id == account.id).map(|row| TermsLine {
            name: format!(
                "{}, {}, {} in {}",
                row.terms.display_name,
                row.terms.country,
                payment_words::operation(row.terms.operation),
                row.terms.currency
            ),
            availability: availability(row.terms.availability),
            bounds: bounds(&row.terms),
            said: Moment(row.updated_at),
        });
        Self {
            name: account.name.clone(),
            network: account.network.as_str(),
            mode: account.mode.as_str(),
            state: state(account),
            circuit: match called.map(CalledAccount::circuit_is_open) {
                Some(true) => "open: the network fails, and payments wait until it answers again",
                Some(false) => "closed: payments are sent",
                None if account.mode == Mode::Sandbox => "none: the sandbox is built in",
                None => "none: this process does not call it",
            },
            counters: called.map(|called| called.counters.to_string()).unwrap_or_default(),
            calls_per_second: account.calls_per_second,
            lines: own.map(line).collect(),
            terms: said.collect(),
        }
    }
}

/// The newest row of each market, by method.
fn markets(tariff: &Tariff, methods: &Methods, now: ServerTime) -> Vec<MarketsOfMethod> {
    let mut newest: BTreeMap<(Method, Operation, Currency), &Market> = BTreeMap::new();
    for market in tariff.markets.iter().filter(|market| market.effective.from <= now) {
        let key = (market.method, market.operation, market.currency);
        let known = newest.entry(key).or_insert(market);
        if market.effective.from >= known.effective.from {
            *known = market;
        }
    }
    let mut found: Vec<(Method, MarketsOfMethod)> = vec![];
    for ((method, operation, currency), market) in newest {
        let is_open = market.effective.at(now);
        let state = if is_open { "open" } else { "closed" };
        let words = format!("{}s in {currency}: {state}", payment_words::operation(operation));
        let line = MarketLine { method, operation, currency, words, is_open };
        match found.last_mut() {
            Some((known, of)) if *known == method => of.markets.push(line),
            _ => {
                let name = methods.name(method, Language::English);
                let id = method.to_string();
                found.push((method, MarketsOfMethod { id, name, markets: vec![line] }));
            }
        }
    }
    found.into_iter().map(|(_, of)| of).collect()
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
) -> Result<Response, ApiError> {
    let reads = match me.of_installation(&app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, PATH),
    };
    let recent = reads.recent_payments(me.now).await?;
    let counted = by_method(&recent, &reads.under_way().await?);
    let tariff = app.queries.for_system().tariff().await?;
    let methods = Methods::new(tariff.clone(), me.now);
    let called = app.dispatcher.networks().accounts.all();
    let accounts = tariff.network_accounts.iter().map(|account| {
        let called = called.iter().find(|called| called.account.id == account.id);
        Account::new(account, called.map(|called| &**called), (&tariff, &methods), &counted)
    });
    let frame = me.frame(visitor, "Networks").at(PATH);
    let role = me.user.role;
    let template = NetworksTemplate {
        app: &frame,
        accounts: accounts.collect(),
        methods: markets(&tariff, &methods, me.now),
        counted_since: counted_since(&recent, me.now).map(Moment),
        looked_at: number(RECENT_LOOKED_AT),
        may_change: role.is_some_and(|role| role.may(Action::ManageInstallation)),
    };
    frame::render(StatusCode::OK, &frame, &template)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/networks", show)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(age_hours: i64, count: i64, status: ExecutionStatus) -> RecentGroup {
        RecentGroup {
            account: Some(NetworkAccountId(1)),
            method: Method::MTN_MOMO_LBR,
            operation: Operation::Collection,
            status,
            within: 0,
            in_last_hour: age_hours < 1,
            in_last_day: age_hours < 24,
            count,
            oldest: NOW.plus(-seconds(age_hours * 3_600)),
        }
    }

    const NOW: ServerTime = ServerTime(seconds(1_780_000_000));

    #[test]
    fn the_last_hour_is_part_of_the_last_day() {
        use ExecutionStatus::{Completed, Failed, Processing};
        let recent = [
            group(0, 3, Completed),
            group(0, 1, Processing),
            group(5, 4, Completed),
            group(5, 1, Failed),
            group(30, 9, Failed),
            RecentGroup { account: None, ..group(0, 7, Completed) },
        ];
        let account = NetworkAccountId(1);
        let under_way = [UnderWay { account, method: Method::MTN_MOMO_LBR, count: 2 }];
        let found = by_method(&recent, &under_way);
        assert_eq!(found.len(), 1);
        let counted = &found[&(account, Method::MTN_MOMO_LBR)];
        assert_eq!((counted.hour.completed, counted.hour.failed, counted.hour.count), (3, 0, 4));
        assert_eq!((counted.day.completed, counted.day.failed), (7, 1));
        assert_eq!(counted.under_way, 2);
    }

    #[test]
    fn it_is_said_where_not_all_are_counted() {
        let many = group(5, RECENT_LOOKED_AT, ExecutionStatus::Completed);
        assert_eq!(counted_since(&[many], NOW), Some(many.oldest));
        let fewer = RecentGroup { count: RECENT_LOOKED_AT - 1, ..many };
        assert_eq!(counted_since(&[fewer], NOW), None);
        let older = group(25, RECENT_LOOKED_AT, ExecutionStatus::Completed);
        assert_eq!(counted_since(&[older], NOW), None);
        assert_eq!(counted_since(&[], NOW), None);
    }
}
