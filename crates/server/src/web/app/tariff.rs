//! `/app/tariff`: fees, rates, markets and phone prefixes with their dates, for who runs the
//! installation; what a payment would cost; and how all of that is changed.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::decision::command::ListedDecision;
use domain::directory::roles::Action;
use domain::kernel::country::Country;
use domain::kernel::currency::Currency;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{FeeBearer, Method, Operation, Provider};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::ServerTime;
use domain::tariff::assign_phone_prefix::AssignPhonePrefix;
use domain::tariff::close_market::CloseMarket;
use domain::tariff::end_phone_prefix::EndPhonePrefix;
use domain::tariff::fees::{self, Quote, QuoteRequest, Route};
use domain::tariff::open_market::OpenMarket;
use domain::tariff::set_gateway_fee::SetGatewayFee;
use domain::tariff::set_platform_fee::SetPlatformFee;
use domain::tariff::set_rate::SetRate;
use domain::tariff::{Effective, Fee, NewMethodNeeds, Tariff, TariffFault, percent};
use store::schema::market::{Digits, DisplayName, FromText, NetworkCode, Percentage, as_shipped};

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter;
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::networks;
use crate::web::app::payment_words;
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::app::typed::{NameField, number, too_large};
use crate::web::form::Form;
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;

/// How many rows of a list stand on a page.
const PAGE: usize = 50;
/// The most decimals of a rate that are shown: a rate that was written as a decimal number has no
/// more.
const DECIMALS_MAX: u32 = 63;

/// The pages of the tariff.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Fees,
    Rates,
    Markets,
    Phones,
}

impl Part {
    const ALL: [Self; 4] = [Self::Fees, Self::Rates, Self::Markets, Self::Phones];

    const fn path(self) -> &'static str {
        match self {
            Self::Fees => "/app/tariff",
            Self::Rates => "/app/tariff/rates",
            Self::Markets => "/app/tariff/markets",
            Self::Phones => "/app/tariff/phones",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Fees => "Fees",
            Self::Rates => "Exchange rates",
            Self::Markets => "Markets",
            Self::Phones => "Phone prefixes",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Fees => {
                "What the platform and the networks take of a payment. A change is a new row: what \
                 was paid before keeps its price."
            }
            Self::Rates => {
                "What currencies are worth. A rate also gives the opposite direction. Declared \
                 payments keep the rate that they were shown."
            }
            Self::Markets => {
                "Which methods are offered, for what and in which currency. A closed market takes \
                 no new payments; those under way go on."
            }
            Self::Phones => {
                "Which operator a phone number probably is of. The longest prefix that fits counts."
            }
        }
    }
}

#[derive(Template)]
#[template(path = "app/tariff.html")]
struct TariffTemplate<'a> {
    app: &'a AppFrame,
    part: Part,
    parts: Vec<Link>,
    rows: Vec<Row>,
    /// Whether rows are shown that hold no more.
    all: bool,
    more: Option<String>,
    may_change: bool,
    tiers: Vec<&'a str>,
    methods: Vec<Method>,
    /// Those that have a market, and so a network and fees.
    priced: Vec<MethodChoice>,
    price: Option<Price>,
    fault: Fault,
    typed: Typed,
}

impl TariffTemplate<'_> {
    /// The methods with the one that stands in a field chosen.
    fn choices(&self, field: &str) -> Vec<(&str, &str, bool)> {
        let chosen = self.typed.of(field);
        let choices = self.priced.iter();
        choices.map(|of| (of.name.as_str(), of.words.as_str(), of.name == chosen)).collect()
    }

    fn is_fees(&self) -> bool {
        self.part == Part::Fees
    }

    fn is_rates(&self) -> bool {
        self.part == Part::Rates
    }

    fn is_markets(&self) -> bool {
        self.part == Part::Markets
    }

    fn is_phones(&self) -> bool {
        self.part == Part::Phones
    }
}

/// A method to choose.
struct MethodChoice {
    name: String,
    words: String,
}

struct Link {
    path: &'static str,
    title: &'static str,
    is_here: bool,
}

struct Row {
    id: i64,
    what: String,
    says: String,
    period: String,
    /// For a row that can be ended.
    end: Option<End>,
}

/// The form that ends a row.
struct End {
    path: &'static str,
    button: &'static str,
    fields: Vec<(&'static str, String)>,
}

/// The fields of a form or an address, as they were typed.
#[derive(Default)]
struct Typed(Vec<(String, String)>);

impl Typed {
    fn of_query(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.trim().to_owned())).collect())
    }

    fn of_form(form: &Form, prefix: &str, names: &[&str]) -> Self {
        let field = |name: &&str| {
            let value = form.field(name).unwrap_or_default();
            (format!("{prefix}{name}"), value.to_owned())
        };
        Self(names.iter().map(field).collect())
    }

    fn of(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.of(name) == value
    }
}

/// What a payment would cost.
struct Price {
    /// When.
    on: Moment,
    lines: Vec<(&'static str, String)>,
}

/// When a row counts. One that was planned and replaced before it began never does.
fn periods(counts: &[Effective], now: ServerTime) -> String {
    let periods: Vec<String> = counts.iter().map(|period| words(*period, now)).collect();
    if periods.is_empty() {
        "never: another one took its place".to_owned()
    } else {
        periods.join("; ")
    }
}

fn words(effective: Effective, now: ServerTime) -> String {
    let from = match effective.from {
        ServerTime(..=0) => "since ever".to_owned(),
        from if from > now => format!("from {}", Moment(from).words()),
        from => format!("since {}", Moment(from).words()),
    };
    match effective.to {
        Some(to) => format!("{from}, until {}", Moment(to).words()),
        None => from,
    }
}

fn row(id: i64, what: String, says: String) -> Row {
    Row { id, what, says, period: String::new(), end: None }
}

fn fee_rows(tariff: &Tariff) -> Vec<(Vec<Effective>, Row)> {
    let platform = tariff.platform_fees.iter().map(|of| {
        let what = format!("Platform, {} in tier {}", of.operation.as_str(), of.tier);
        let says = format!("{}, exchange {}", of.fee, percent(of.fx_percentage_ppm));
        (tariff.platform_fee_counts(of), row(of.id.0, what, says))
    });
    let gateway = tariff.gateway_fees.iter().map(|of| {
        let what = format!("{}, {} by {}", of.method, of.operation.as_str(), of.provider.as_str());
        (tariff.gateway_fee_counts(of), row(of.id.0, what, of.fee.to_string()))
    });
    platform.chain(gateway).collect()
}

/// The rows of a page, with the times in which each of them counts.
fn rows(part: Part, tariff: &Tariff, now: ServerTime) -> Vec<(Vec<Effective>, Row)> {
    match part {
        Part::Fees => fee_rows(tariff),
        Part::Rates => {
            let rows = tariff.rates.iter().map(|of| {
                let says = format!("1 {} = {} {}", of.from, of.rate.to_text(DECIMALS_MAX), of.to);
                let what = format!("{} and {}", of.from, of.to);
                (tariff.rate_counts(of), row(of.id.0, what, says))
            });
            rows.collect()
        }
        Part::Markets => {
            let rows = tariff.markets.iter().map(|of| {
                let operation = of.operation.as_str();
                let what = format!("{}, {operation} in {}", of.method, of.currency);
                let says = format!(
                    "{} in {} by {}, {} decimals",
                    of.details.display_name,
                    of.country,
                    of.provider.as_str(),
                    of.decimals
                );
                let fields = vec![
                    ("method", of.method.to_string()),
                    ("operation", operation.to_owned()),
                    ("currency", of.currency.code().to_owned()),
                ];
                let path = "/app/tariff/markets/close";
                let end = of.effective.at(now).then_some(End { path, button: "Close", fields });
                (vec![of.effective], Row { end, ..row(of.id.0, what, says) })
            });
            rows.collect()
        }
        Part::Phones => {
            let rows = tariff.phone_prefixes.iter().map(|of| {
                let what = format!("{}, {} digits", of.prefix, of.digits);
                let says = format!("{}, {} in {}", of.carrier, of.method, of.country);
                let fields = vec![("prefix", of.prefix.clone()), ("digits", of.digits.to_string())];
                let path = "/app/tariff/phones/end";
                let button = "Take it away";
                let end = of.effective.at(now).then_some(End { path, button, fields });
                (vec![of.effective], Row { end, ..row(of.id.0, what, says) })
            });
            rows.collect()
        }
    }
}

/// What a page says beside the rows.
#[derive(Default)]
struct Beside {
    fault: Fault,
    typed: Typed,
    price: Option<Price>,
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    part: Part,
    Beside { fault, typed, price }: Beside,
) -> Result<Response, ApiError> {
    let rights = match me.in_installation(Action::ReadInstallation) {
        Ok(rights) => rights,
        Err(failure) => return me.not_permitted(failure, visitor, part.path()),
    };
    let tariff = app.queries.for_system().tariff().await?;
    let all = typed.is("all", "1");
    let mut fault = fault;
    if !all && !typed.of("all").is_empty() {
        fault = Fault::of_page("There is no such list.");
    }
    // What was planned and replaced before it began never held.
    let is_to_come = |period: &Effective| period.to.is_none_or(|to| to > me.now.max(period.from));
    let mut found: Vec<Row> = rows(part, &tariff, me.now)
        .into_iter()
        .filter(|(counts, _)| all || counts.iter().any(is_to_come))
        .map(|(counts, row)| Row { period: periods(&counts, me.now), ..row })
        .collect();
    if let Some(after) = filter::place(typed.of("after"), &mut fault) {
        match found.iter().position(|row| row.id == after) {
            Some(place) => drop(found.drain(..=place)),
            None => fault = Fault::of_page("There is no such place."),
        }
    }
    let status = if status == StatusCode::OK { fault.status() } else { status };
    let has_more = found.len() > PAGE;
    found.truncate(PAGE);
    let more = found.last().filter(|_| has_more).map(|last| {
        let all = if all { "all=1&" } else { "" };
        format!("{}?{all}after={}", part.path(), last.id)
    });
    let link = |of: Part| Link { path: of.path(), title: of.title(), is_here: of == part };
    let mut methods = tariff.methods();
    let names = Methods::new(Arc::clone(&tariff), me.now);
    let priced = methods.iter().filter(|of| has_price(&tariff, **of)).map(|of| MethodChoice {
        name: of.to_string(),
        words: format!("{of}: {}", names.name(*of, Language::English)),
    });
    let priced = priced.collect();
    let never_open = Method::SHIPPED.iter().copied().filter(|of| !methods.contains(of));
    methods.extend(never_open.collect::<Vec<_>>());
    let frame = me.frame(visitor, part.title()).at(part.path());
    let template = TariffTemplate {
        app: &frame,
        part,
        parts: Part::ALL.map(link).into(),
        rows: found,
        all,
        more,
        may_change: rights.role.may(Action::ManageInstallation),
        tiers: tariff.tiers.iter().map(|tier| tier.name.as_str()).collect(),
        methods,
        priced,
        price,
        fault,
        typed,
    };
    frame::render(status, &frame, &template)
}

/// Whether a payment by this method can have a price: it has a market, or is a transfer's.
fn has_price(tariff: &Tariff, method: Method) -> bool {
    method == Method::WALLET || tariff.markets.iter().any(|row| row.method == method)
}

/// The price of the payment that an address asks for, now or on the day or at the time that it names;
/// `None` if it asks for none.
fn price(typed: &Typed, tariff: &Tariff, now: ServerTime) -> Result<Option<Price>, Fault> {
    if typed.of("amount").is_empty() {
        return Ok(None);
    }
    let on = begins(typed, "on")?.unwrap_or(now);
    let currency = read_currency(typed, "currency")?;
    let target = match typed.of("target") {
        "" => currency,
        _ => read_currency(typed, "target")?,
    };
    let text = typed.of("amount");
    let amount = number(text).and_then(|amount| amount.to_money(currency).ok());
    let base = amount.ok_or_else(|| {
        let none = || {
            "An amount is a number such as 1250.50, with a point and the currency's decimals."
                .to_owned()
        };
        Fault::of_field("amount", too_large(text, currency).unwrap_or_else(none))
    })?;
    let method = read_method(typed, "method")?;
    let operation = Operation::parse(typed.of("operation"));
    let operation =
        operation.ok_or_else(|| Fault::of_field("operation", "Choose an operation."))?;
    let bearer = match typed.of("bearer") {
        "" => FeeBearer::Payer,
        name => FeeBearer::parse(name)
            .ok_or_else(|| Fault::of_field("bearer", "Choose who bears the fees."))?,
    };
    let tier = match typed.of("tier") {
        "" => tariff.default_tier(),
        name => match tariff.tier(name) {
            Some(tier) => tier.name.as_str(),
            None => return Err(Fault::of_field("tier", "There is no such tier.")),
        },
    };
    let latest = || tariff.latest_market(method, on).map(|row| row.provider);
    let provider = match method {
        Method::WALLET => Some(Provider::Platform),
        _ => tariff.provider_of(method, on).or_else(latest),
    };
    let provider = provider
        .ok_or_else(|| Fault::of_field("method", "This method has no market and so no price."))?;
    let unit_minor = tariff.network_unit(None, (provider, method), operation, target, on);
    let route = Route { tier, operation, provider, method, unit_minor };
    let question = QuoteRequest { base, target, bearer, route };
    let quote = fees::predict(question, tariff, on)
        .map_err(|refusal| Fault::of_field("amount", frame::sentence(&refusal)))?;
    Ok(Some(Price { on: Moment(on), lines: lines(&quote) }))
}

fn lines(quote: &Quote) -> Vec<(&'static str, String)> {
    let currency = quote.payee.currency;
    let money = payment_words::amount;
    let fee = |minor| money(Money::new(minor, currency));
    let mut lines = vec![
        ("The payer pays", money(quote.payer)),
        ("Platform fee", fee(quote.platform_fee)),
        ("Fee of the network", fee(quote.gateway_fee)),
    ];
    if quote.payer.currency != currency {
        lines.push(("Exchange fee", fee(quote.fx_fee)));
    }
    lines.push(("The payee gets", money(quote.payee)));
    lines
}

fn read_currency(typed: &Typed, name: &str) -> Result<Currency, Fault> {
    Currency::parse(&typed.of(name).to_uppercase())
        .ok_or_else(|| Fault::of_field(name, "A currency is a code of ISO 4217, such as USD."))
}

fn read_method(typed: &Typed, name: &str) -> Result<Method, Fault> {
    Method::parse(&typed.of(name).to_uppercase())
        .ok_or_else(|| Fault::of_field(name, "A method is a name such as MTN_MOMO_LBR."))
}

/// Each part has an address of its own, and they are shown alike.
async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    uri: Uri,
) -> Result<Response, ApiError> {
    let at = |part: &Part| part.path() == uri.path();
    let part = Part::ALL.into_iter().find(at).ok_or(ApiError::NotFound)?;
    let typed = Typed::of_query(&uri);
    let asks = part == Part::Fees && me.in_installation(Action::ReadInstallation).is_ok();
    let tariff = app.queries.for_system().tariff().await?;
    let found = if asks { price(&typed, &tariff, me.now) } else { Ok(None) };
    let (status, beside) = match found {
        Ok(price) => (StatusCode::OK, Beside { price, typed, fault: Fault::default() }),
        Err(fault) => (StatusCode::UNPROCESSABLE_ENTITY, Beside { price: None, typed, fault }),
    };
    render(status, &app, (&me, visitor), part, beside).await
}

/// Submits a change that a form asks for.
async fn change<D: ListedDecision>(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    part: Part,
    typed: Typed,
    decision: Result<D, Fault>,
) -> Result<Response, ApiError> {
    change_and_lead(app, (me, visitor), (part, part.path()), typed, decision).await
}

/// The same, and leads to another page afterwards.
async fn change_and_lead<D: ListedDecision>(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (part, to): (Part, &str),
    typed: Typed,
    decision: Result<D, Fault>,
) -> Result<Response, ApiError> {
    // Who may not is told so, whatever was typed.
    if let Err(failure) = me.in_installation(Action::ManageInstallation) {
        return me.not_permitted(failure, visitor, part.path());
    }
    let decision = match decision {
        Ok(decision) => decision,
        Err(fault) => {
            let beside = Beside { fault, typed, price: None };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return render(status, app, (me, visitor), part, beside).await;
        }
    };
    let Err(failure) = me.submit(app, None, decision).await else {
        return Ok(frame::lead_to(to));
    };
    let remedy = remedy(&failure);
    let page = async |status, sentence: String| {
        let fault = Fault::of_page(format!("{sentence}{remedy}"));
        render(status, app, (me, visitor), part, Beside { fault, typed, price: None }).await
    };
    frame::refused(failure, part.path())?.answer_read(page).await
}

/// What to add to why a change was refused.
fn remedy(failure: &Failure) -> String {
    let Failure::Refused(reasons) = failure else { return String::new() };
    match reasons.as_slice() {
        [Refusal::Tariff(TariffFault::NewMethod { needs, .. })] => {
            let word = |need: &NewMethodNeeds| match need {
                NewMethodNeeds::Network => "its network",
                NewMethodNeeds::NetworkCode => "the network's code",
                NewMethodNeeds::Country => "its country",
                NewMethodNeeds::DialPrefix => "what its numbers begin with",
                NewMethodNeeds::Decimals => "the decimals",
                NewMethodNeeds::DisplayName => "its name",
            };
            format!(" Say {}.", needs.iter().map(word).collect::<Vec<_>>().join(", "))
        }
        [Refusal::Tariff(TariffFault::NoGatewayFee { .. })] => {
            " Say what the network takes, 0 if nothing.".to_owned()
        }
        _ => String::new(),
    }
}

/// A field that may be left out.
fn optional<T>(
    typed: &Typed,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
    sentence: &str,
) -> Result<Option<T>, Fault> {
    match typed.of(name) {
        "" => Ok(None),
        text => read(text).map(Some).ok_or_else(|| Fault::of_field(name, sentence)),
    }
}

const PERCENTAGE: &str = "A percentage is a number from 0 to 100 with at most four decimals.";
const TIME: &str = "Give a day as 2027-01-01, in UTC, or a time as 2027-01-01T18:00:00Z.";

fn percentage(typed: &Typed, name: &str) -> Result<Option<Percentage>, Fault> {
    let read = |text: &str| number(text).and_then(|_| Percentage::parse(text));
    optional(typed, name, read, PERCENTAGE)
}

/// The fee in the fields whose names begin with `prefix`; `None` without a percentage.
fn fee(typed: &Typed, prefix: &str) -> Result<Option<Fee>, Fault> {
    let name = |of: &str| format!("{prefix}{of}");
    let Some(percentage) = percentage(typed, &name("percentage"))? else { return Ok(None) };
    let fixed = match typed.of(&name("fixed")) {
        "" => None,
        text => {
            let currency = read_currency(typed, &name("fixed_currency"))?;
            let money = number(text).and_then(|amount| amount.to_money(currency).ok());
            let money = money.filter(|money| money.minor >= 0);
            let none =
                || "The fixed part is an amount such as 0.30, with its currency's decimals.".into();
            let sentence = || too_large(text, currency).unwrap_or_else(none);
            let money = money.ok_or_else(|| Fault::of_field(name("fixed"), sentence()))?;
            (money.minor > 0).then_some((money.minor, currency))
        }
    };
    Ok(Some(Fee { percentage_ppm: percentage.ppm, fixed }))
}

fn required_fee(typed: &Typed, prefix: &str) -> Result<Fee, Fault> {
    fee(typed, prefix)?.ok_or_else(|| Fault::of_field(format!("{prefix}percentage"), PERCENTAGE))
}

fn operation(typed: &Typed, name: &str) -> Result<Operation, Fault> {
    Operation::parse(typed.of(name)).ok_or_else(|| Fault::of_field(name, "Choose an operation."))
}

fn begins(typed: &Typed, name: &str) -> Result<Option<ServerTime>, Fault> {
    optional(typed, name, ServerTime::parse, TIME)
}

fn platform_fee(typed: &Typed) -> Result<SetPlatformFee, Fault> {
    Ok(SetPlatformFee {
        tier: typed.of("p_tier").to_owned(),
        operation: operation(typed, "p_operation")?,
        fee: required_fee(typed, "p_")?,
        fx_percentage_ppm: percentage(typed, "p_exchange")?.map(|share| share.ppm),
        from: begins(typed, "p_from")?,
    })
}

fn gateway_fee(typed: &Typed) -> Result<SetGatewayFee, Fault> {
    Ok(SetGatewayFee {
        method: read_method(typed, "g_method")?,
        operation: operation(typed, "g_operation")?,
        fee: required_fee(typed, "g_")?,
        from: begins(typed, "g_from")?,
    })
}

fn rate(typed: &Typed) -> Result<SetRate, Fault> {
    let rate = number(typed.of("r_rate")).and_then(Decimal::to_ratio);
    let sentence = "A rate is a number above zero, such as 192.5.";
    Ok(SetRate {
        from: read_currency(typed, "r_from")?,
        to: read_currency(typed, "r_to")?,
        rate: rate
            .filter(|rate| rate.num() > 0)
            .ok_or_else(|| Fault::of_field("r_rate", sentence))?,
        since: begins(typed, "r_since")?,
    })
}

fn market(typed: &Typed) -> Result<OpenMarket, Fault> {
    let provider = "Choose a network.";
    let decimals = "The decimals are a number such as 2.";
    let country = format!("The country is {}.", Country::WHAT);
    let prefix = format!("The beginning of numbers is {}.", Digits::WHAT);
    let code = format!("The network's code is {}.", NetworkCode::WHAT);
    let name = format!("The name is {}.", DisplayName::WHAT);
    let field = NameField { id: "m_name", max: DisplayName::MAX, what: "The name", wrong: &name };
    Ok(OpenMarket {
        method: read_method(typed, "m_method")?,
        operation: operation(typed, "m_operation")?,
        currency: read_currency(typed, "m_currency")?,
        provider: optional(typed, "m_provider", Provider::parse, provider)?,
        country: optional(typed, "m_country", Country::from_text, &country)?,
        dial_prefix: optional(typed, "m_prefix", Digits::from_text, &prefix)?.map(|of| of.0),
        network_code: optional(typed, "m_code", NetworkCode::from_text, &code)?.map(|of| of.0),
        display_name: match typed.of("m_name") {
            "" => None,
            text => Some(field.read(text)?),
        },
        decimals: optional(typed, "m_decimals", |text| text.parse::<u8>().ok(), decimals)?
            .map(i64::from),
        fee: fee(typed, "m_")?,
    })
}

fn digits(typed: &Typed, name: &str) -> Result<i64, Fault> {
    let digits = typed.of(name).parse().ok().filter(|digits| (8..=15).contains(digits));
    digits.ok_or_else(|| Fault::of_field(name, "A whole number has 8 to 15 digits."))
}

fn phone(typed: &Typed) -> Result<AssignPhonePrefix, Fault> {
    let sentence = format!("A prefix is {}.", Digits::WHAT);
    let prefix = Digits::from_text(typed.of("n_prefix"));
    let country = format!("The country is {}.", Country::WHAT);
    let wrong = "The operator's name has 1 to 255 characters.";
    let field = NameField { id: "n_carrier", max: 255, what: "The operator's name", wrong };
    let carrier = field.read(typed.of("n_carrier"))?;
    Ok(AssignPhonePrefix {
        prefix: prefix.ok_or_else(|| Fault::of_field("n_prefix", sentence))?.0,
        digits: digits(typed, "n_digits")?,
        carrier,
        country: Country::from_text(typed.of("n_country"))
            .ok_or_else(|| Fault::of_field("n_country", country))?,
        method: read_method(typed, "n_method")?,
    })
}

async fn set_platform_fee(
    Posted { app, visitor, me, form, .. }: Posted<0>,
) -> Result<Response, ApiError> {
    let names = ["tier", "operation", "percentage", "fixed", "fixed_currency", "exchange", "from"];
    let typed = Typed::of_form(&form, "p_", &names);
    let decision = platform_fee(&typed);
    change(&app, (&me, visitor), Part::Fees, typed, decision).await
}

async fn set_gateway_fee(
    Posted { app, visitor, me, form, .. }: Posted<0>,
) -> Result<Response, ApiError> {
    let names = ["method", "operation", "percentage", "fixed", "fixed_currency", "from"];
    let typed = Typed::of_form(&form, "g_", &names);
    let decision = gateway_fee(&typed);
    change(&app, (&me, visitor), Part::Fees, typed, decision).await
}

async fn set_rate(Posted { app, visitor, me, form, .. }: Posted<0>) -> Result<Response, ApiError> {
    let typed = Typed::of_form(&form, "r_", &["from", "to", "rate", "since"]);
    let decision = rate(&typed);
    change(&app, (&me, visitor), Part::Rates, typed, decision).await
}

async fn open_market(
    Posted { app, visitor, me, form, .. }: Posted<0>,
) -> Result<Response, ApiError> {
    let names = [
        "method",
        "operation",
        "currency",
        "provider",
        "country",
        "prefix",
        "code",
        "name",
        "decimals",
        "percentage",
        "fixed",
        "fixed_currency",
    ];
    let typed = Typed::of_form(&form, "m_", &names);
    let tariff = app.queries.for_system().tariff().await?;
    let decision = match market(&typed) {
        Ok(command) => Ok(as_shipped(command, &tariff, me.now).map_err(ApiError::internal)?),
        Err(fault) => Err(fault),
    };
    let to = back(&form, decision.as_ref().ok().map(|command| command.method));
    change_and_lead(&app, (&me, visitor), (Part::Markets, &to), typed, decision).await
}

/// Where a change of a market leads to: to the page whose form was sent.
fn back(form: &Form, method: Option<Method>) -> String {
    let of_networks = method.filter(|_| form.field("back") == Some("networks"));
    of_networks.map_or_else(|| Part::Markets.path().to_owned(), networks::path_of)
}

async fn close_market(
    Posted { app, visitor, me, form, .. }: Posted<0>,
) -> Result<Response, ApiError> {
    let typed = Typed::of_form(&form, "", &["method", "operation", "currency"]);
    let read = || {
        let method = read_method(&typed, "method")?;
        let currency = read_currency(&typed, "currency")?;
        Ok(CloseMarket { method, operation: operation(&typed, "operation")?, currency })
    };
    // The page has no fields for it.
    let decision =
        read().map_err(|_: Fault| Fault::of_page("Say which market: choose one of the list."));
    let to = back(&form, decision.as_ref().ok().map(|command| command.method));
    let page = (Part::Markets, to.as_str());
    change_and_lead(&app, (&me, visitor), page, Typed::default(), decision).await
}

async fn assign_phone(
    Posted { app, visitor, me, form, .. }: Posted<0>,
) -> Result<Response, ApiError> {
    let names = ["prefix", "digits", "carrier", "country", "method"];
    let typed = Typed::of_form(&form, "n_", &names);
    let decision = phone(&typed);
    change(&app, (&me, visitor), Part::Phones, typed, decision).await
}

async fn end_phone(Posted { app, visitor, me, form, .. }: Posted<0>) -> Result<Response, ApiError> {
    let typed = Typed::of_form(&form, "", &["prefix", "digits"]);
    let prefix = Digits::from_text(typed.of("prefix"));
    let decision = match (prefix, digits(&typed, "digits")) {
        (Some(prefix), Ok(digits)) => Ok(EndPhonePrefix { prefix: prefix.0, digits }),
        _ => Err(Fault::of_page("Say which prefix: choose one of the list.")),
    };
    change(&app, (&me, visitor), Part::Phones, Typed::default(), decision).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/tariff", show)
        .page("/app/tariff/rates", show)
        .page("/app/tariff/markets", show)
        .page("/app/tariff/phones", show)
        .form("/app/tariff/platform-fee", set_platform_fee)
        .form("/app/tariff/gateway-fee", set_gateway_fee)
        .form("/app/tariff/rates/set", set_rate)
        .form("/app/tariff/markets/open", open_market)
        .form("/app/tariff/markets/close", close_market)
        .form("/app/tariff/phones/assign", assign_phone)
        .form("/app/tariff/phones/end", end_phone)
}
