//! Finding payments by what people know of them: one text for everything.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use domain::api_enum;
use domain::directory::party::Party;
use domain::directory::payment_account::PaymentAccount;
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::ExecutionId;
use domain::kernel::money::Decimal;
use domain::kernel::names::Operation;
use domain::kernel::uuids::ReferenceId;
use domain::payments::execution::Execution;
use domain::payments::receipt_code::{ReceiptCode, ReceiptCodes};
use domain::sales::source::{Source, SourceStatus, SourceType};
use domain::tariff::Tariff;
use schemars::JsonSchema;
use serde::Serialize;
use store::reads::executions::ExecutionFilter;
use store::reads::pages::Page;
use store::reads::scope::MerchantReads;
use store::reads::sources::SourceFilter;
use uuid::Uuid;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{Name, Text};
use crate::api::payment_intents::PaymentIntentResponse;
use crate::api::payments::{self, Payment};
use crate::api::response::JsonResult;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;

/// The most payments that are found.
const FOUND_MAX: usize = 50;
/// The most accounts whose payments are looked for.
const ACCOUNTS_MAX: usize = 20;
/// The fewest characters of a name that is looked for.
const NAME_MIN: usize = 2;
/// The fewest digits of a phone number that is looked for.
const PHONE_MIN: usize = 7;

api_enum! {
    /// By what a payment was found.
    FoundBy {
        /// Its reference, its number here, or the number that its network or kola gave it there.
        Number = "NUMBER",
        /// The code of its receipt.
        ReceiptCode = "RECEIPT_CODE",
        /// The number or the reference of its invoice or order.
        Source = "SOURCE",
        /// The number of a phone.
        Phone = "PHONE",
        /// The beginning of a name.
        Name = "NAME",
        /// Its amount.
        Amount = "AMOUNT",
    }
}

crate::api_names! { FoundBy }

/// What a text finds: first what it names exactly.
pub struct Found {
    pub payments: Vec<(FoundBy, Payment)>,
    /// Invoices and orders of this number or reference, paid or not.
    pub sources: Vec<Source>,
    /// Who has this phone number or name, with payments or without; nobody for who may not see names.
    pub parties: Vec<Party>,
    /// Whether the text is an amount, of which older payments may be.
    pub amount: Option<(Decimal, Option<Currency>)>,
}

/// An amount as people write it, with or without its currency: `120`, `1,200.50 USD`, `USD 120`. A
/// comma or a space stands only between thousands: to somebody who types `19,50` it is no one thousand
/// nine hundred and fifty.
#[must_use]
pub fn typed_amount(text: &str) -> Option<(Decimal, Option<Currency>)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let of = |word: &str| Currency::parse(&word.to_ascii_uppercase());
    let (words, currency) = match words.as_slice() {
        [first, rest @ ..] if of(first).is_some() => (rest, of(first)),
        [rest @ .., last] if of(last).is_some() => (rest, of(last)),
        all => (all, None),
    };
    let number = words.join(" ");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, "0"));
    let groups: Vec<&str> = whole.split([',', ' ']).collect();
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let are_thousands = match groups.as_slice() {
        [_] => true,
        [first, rest @ ..] => {
            (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3)
        }
        [] => false,
    };
    let parts = groups.iter().chain([&fraction]);
    if !are_thousands || !parts.copied().all(is_number) {
        return None;
    }
    Some((Decimal::parse(&number.replace([',', ' '], ""))?, currency))
}

/// The numbers that a phone number may be stored as: as it was typed, and for one that is dialled
/// within a country with each of the codes of the markets.
pub(crate) fn phone_numbers(text: &str, tariff: &Tariff) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_digit() || "+ -().\u{a0}/".contains(c);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() < PHONE_MIN || !text.chars().all(is_part) {
        return vec![];
    }
    let digits = digits.strip_prefix("00").unwrap_or(&digits);
    let Some(national) = digits.strip_prefix('0') else { return vec![digits.to_owned()] };
    let starts = tariff.markets.iter().filter_map(|market| market.number_start());
    let mut numbers: Vec<String> = starts.map(|start| format!("{start}{national}")).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Whom a text names.
pub(crate) struct People {
    /// By which of them they were found.
    by: FoundBy,
    /// Who has this phone number, or whose name begins like that.
    pub(crate) parties: Vec<Party>,
    /// The accounts of this number, whoever has them.
    accounts: Vec<PaymentAccount>,
}

/// Finds people among all of a merchant's: by a phone number, or by the beginning of a name or of what
/// follows its first word. A text with letters is a name.
pub(crate) async fn people(
    reads: &MerchantReads<'_>,
    tariff: &Tariff,
    text: &str,
) -> Result<People, ApiError> {
    // What stands in no text of ours, and PostgreSQL takes none.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    if let Some(start) = name_start(&text) {
        let parties = reads.parties_by_name(&start).await?;
        return Ok(People { by: FoundBy::Name, parties, accounts: vec![] });
    }
    let mut found = People { by: FoundBy::Phone, parties: vec![], accounts: vec![] };
    for number in phone_numbers(&text, tariff) {
        found.accounts.extend(reads.accounts_by_number(&number).await?);
        found.parties.extend(reads.parties_by_phone(&number).await?);
    }
    Ok(found)
}

/// The beginning of a name, if it is long enough to be looked for.
fn name_start(text: &str) -> Option<String> {
    let start = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_name = start.chars().any(char::is_alphabetic) && start.chars().count() >= NAME_MIN;
    is_name.then_some(start)
}

impl People {
    /// The accounts of the number and those of the parties that fit, each once and at most so many that
    /// a page shows them.
    pub(crate) async fn accounts(
        &self,
        reads: &MerchantReads<'_>,
        fits: impl Fn(&PaymentAccount) -> bool,
    ) -> Result<Vec<PaymentAccount>, ApiError> {
        let mut seen = HashSet::new();
        let mut is_new = |account: &PaymentAccount| fits(account) && seen.insert(account.id);
        let mut found: Vec<PaymentAccount> = self.accounts.clone();
        found.retain(&mut is_new);
        for party in &self.parties {
            if found.len() >= ACCOUNTS_MAX {
                break;
            }
            found.extend(reads.accounts_of_party(party.id).await?.into_iter().filter(&mut is_new));
        }
        found.truncate(ACCOUNTS_MAX);
        Ok(found)
    }
}

/// Payments in the order in which they were found, each once.
#[derive(Default)]
struct Hits {
    found: Vec<(FoundBy, Execution)>,
    seen: HashSet<ExecutionId>,
}

impl Hits {
    fn add(&mut self, by: FoundBy, executions: impl IntoIterator<Item = Execution>) {
        for execution in executions {
            if self.found.len() < FOUND_MAX && self.seen.insert(execution.id) {
                self.found.push((by, execution));
            }
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= FOUND_MAX
    }
}

/// Looks a text up in all that a merchant's payments are known by, of all time. People are found
/// only by who may see their names.
///
/// # Errors
/// [`ApiError`].
pub async fn find(
    reads: &MerchantReads<'_>,
    sees_contacts: bool,
    (codes, tariff): (&ReceiptCodes, &Tariff),
    text: &str,
) -> Result<Found, ApiError> {
    let text = text.trim();
    let mut hits = Hits::default();
    by_number(reads, text, &mut hits).await?;
    if let Some(id) = ReceiptCode::parse(text).map(|code| codes.execution(code)) {
        let is_paid =
            |found: &Execution| found.operation() == Operation::Collection && found.is_settled();
        hits.add(FoundBy::ReceiptCode, reads.execution(id).await?.filter(is_paid));
    }
    let sources = sources(reads, text).await?;
    for source in &sources {
        hits.add(FoundBy::Source, reads.executions_of_source(source.id).await?);
    }
    let parties =
        if sees_contacts { by_people(reads, tariff, text, &mut hits).await? } else { vec![] };
    let amount = typed_amount(text);
    if let Some((number, currency)) = amount
        && !hits.is_full()
    {
        let filter =
            ExecutionFilter { amount: Some(number), currency, ..ExecutionFilter::default() };
        let page = Page { limit: u32::try_from(FOUND_MAX).unwrap_or(u32::MAX), after_id: None };
        hits.add(FoundBy::Amount, reads.executions(filter, page).await?.rows);
    }
    let (by, executions): (Vec<FoundBy>, Vec<Execution>) = hits.found.into_iter().unzip();
    let payments = payments::with_others(reads, executions).await?;
    Ok(Found { payments: by.into_iter().zip(payments).collect(), sources, parties, amount })
}

/// By ids: of a payment here, of its request, and of what the network made of it.
async fn by_number(reads: &MerchantReads<'_>, text: &str, hits: &mut Hits) -> Result<(), ApiError> {
    if text.is_empty() {
        return Ok(());
    }
    if let Ok(uuid) = Uuid::try_parse(text) {
        let of_reference = reads.execution_of_reference(ReferenceId(uuid)).await?;
        hits.add(FoundBy::Number, of_reference);
        hits.add(FoundBy::Number, reads.execution_of_request(uuid).await?);
    }
    hits.add(FoundBy::Number, reads.executions_by_network_id(text).await?);
    if let Ok(id) = text.parse::<i64>() {
        hits.add(FoundBy::Number, reads.execution(ExecutionId(id)).await?);
    }
    Ok(())
}

/// Invoices and orders by their numbers, which people write in small letters, too, and by the
/// merchant's own references.
async fn sources(reads: &MerchantReads<'_>, text: &str) -> Result<Vec<Source>, ApiError> {
    let mut found: Vec<Source> = vec![];
    if text.is_empty() {
        return Ok(found);
    }
    let page = Page { limit: 10, after_id: None };
    for kind in SourceType::ALL {
        found.extend(reads.source_by_number(*kind, &text.to_uppercase()).await?);
        let reference = Some(text.to_owned());
        let filter = SourceFilter { reference, ..SourceFilter::default() };
        found.extend(reads.sources(*kind, filter, page).await?.rows);
    }
    let mut seen = HashSet::new();
    found.retain(|source| seen.insert(source.id));
    Ok(found)
}

/// By the numbers and names of payers and of who is paid. Who they are is the answer.
async fn by_people(
    reads: &MerchantReads<'_>,
    tariff: &Tariff,
    text: &str,
    hits: &mut Hits,
) -> Result<Vec<Party>, ApiError> {
    let people = people(reads, tariff, text).await?;
    let mut found = vec![];
    for account in people.accounts(reads, |_| true).await? {
        found.extend(reads.executions_of_account(account.id).await?);
    }
    found.sort_by_key(|execution| std::cmp::Reverse((execution.created_at, execution.id)));
    hits.add(people.by, found);
    Ok(people.parties)
}

payload! {
    /// What is looked for.
    pub struct Search {
        /// A phone number, a reference, the number of a network, of an invoice or of an order, the
        /// code of a receipt, the beginning of a name, or an amount.
        q: Text<100>,
    }
}

/// What was found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SearchAnswer")]
pub struct SearchResponse {
    /// At most 50: first what was named exactly, then the newest.
    payments: Vec<FoundPaymentResponse>,
    /// The invoices and orders of this number or reference.
    sources: Vec<FoundSourceResponse>,
}

/// A payment that was found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FoundPaymentAnswer")]
pub struct FoundPaymentResponse {
    found_by: Name<FoundBy>,
    payment_intent: PaymentIntentResponse,
}

/// An invoice or order that was found.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FoundSourceAnswer")]
pub struct FoundSourceResponse {
    source_id: i64,
    source_type: Name<SourceType>,
    source_number: String,
    status: Name<SourceStatus>,
}

async fn search(
    State(app): State<App>,
    tenant: Tenant,
    Query(query): Query<Search>,
) -> JsonResult<SearchResponse> {
    let _permit = app.lists.acquire(tenant.id()).await.ok_or(ApiError::TooManyLists)?;
    let reads = tenant.reads(&app, Action::ReadPayments)?;
    let tariff = app.queries.for_system().tariff().await?;
    let known = (&app.receipt_codes, &*tariff);
    let found = find(&reads, tenant.may(Action::SeeContacts), known, &query.q.0).await?;
    let payment = |(by, payment): (FoundBy, Payment)| FoundPaymentResponse {
        found_by: Name(by),
        payment_intent: PaymentIntentResponse::new(&app, payment.into()),
    };
    let source = |source: Source| FoundSourceResponse {
        source_id: source.id.0,
        source_type: Name(source.kind),
        source_number: source.number,
        status: Name(source.status),
    };
    Ok(Json(SearchResponse {
        payments: found.payments.into_iter().map(payment).collect(),
        sources: found.sources.into_iter().map(source).collect(),
    }))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().get(
        "/v1/search",
        search,
        op("search_payments", "Find payments by what people know of them").details(
            "Of all time. Names and phone numbers find nothing for who may not see them. An amount is looked for among \
             the newest 5,000 payments; the list of payment intents has a filter for older ones.",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        let read = |text| {
            let (number, currency) = typed_amount(text)?;
            let money = number.to_money(currency.unwrap_or(Currency::USD)).ok()?;
            Some((money.minor, currency.map(|currency| currency.to_string())))
        };
        let usd = || Some("USD".to_owned());
        assert_eq!(read("120"), Some((12_000, None)));
        assert_eq!(read("120.50"), Some((12_050, None)));
        assert_eq!(read("1,200.50 usd"), Some((120_050, usd())));
        assert_eq!(read("USD 1 200"), Some((120_000, usd())));
        assert_eq!(read("5000 RWF"), Some((5_000, Some("RWF".to_owned()))));
        assert_eq!(read("1,200,300"), Some((120_030_000, None)));
        for other in ["", "USD", "a", "12 abc", "1e3", "-5", "12 USD USD", "+1", "."] {
            assert_eq!(read(other), None, "{other}");
        }
        for other in
            ["19,50", "19 50", "19.50,000", "1,2345", "1234,567", ",500", "1,,000", "1 200,5"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_has_letters_and_single_blanks() {
        let start = |text: &str| name_start(text);
        for text in ["Ama Ko", "  Ama \u{a0} Ko ", "3 Brothers", "محمد", "世界", "O'", "Ño"]
        {
            let blanks = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(start(text), Some(blanks), "{text}");
        }
        for other in ["", " ", "A", " A ", "12", "231880000001", "+231 88", "19.50", "--"] {
            assert_eq!(start(other), None, "{other}");
        }
        // No text is both, so that whoever types a number is shown nobody of another one.
        let tariff = Tariff::default();
        for text in ["231880000001", "(231) 880000001", "+231\u{a0}88 000 0001"] {
            assert!(!phone_numbers(text, &tariff).is_empty() && start(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_phone_number_is_read_as_people_write_it() {
        let tariff = Tariff::default();
        let read = |text| phone_numbers(text, &tariff);
        for text in ["231880000001", "+231 88 000 0001", "00231-88-000-0001", "(231) 880000001"] {
            assert_eq!(read(text), ["231880000001"], "{text}");
        }
        for other in ["", "12345", "103.00 USD", "INV-2026", "ama", "231880000001x"] {
            assert!(read(other).is_empty(), "{other}");
        }
    }
}
