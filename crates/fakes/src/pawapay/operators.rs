//! The mobile-money operators that the fake account has a contract with.

use serde_json::{Map, Value, json};

use super::payment::Operation;
use crate::money::text_of;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OperatorStatus {
    Operational,
    /// Deposits are rejected; payouts and refunds are taken and wait.
    Delayed,
    /// Everything is rejected.
    Closed,
}

impl OperatorStatus {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Operational => "OPERATIONAL",
            Self::Delayed => "DELAYED",
            Self::Closed => "CLOSED",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Operational, Self::Delayed, Self::Closed].into_iter().find(|s| s.name() == name)
    }
}

/// How an operator takes one kind of payment. Amounts are in minor units.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub status: OperatorStatus,
    pub min: i64,
    pub max: i64,
    /// In hundredths of a percent.
    pub fee: i64,
}

/// An operator in one currency.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub provider: &'static str,
    pub name: &'static str,
    pub country: &'static Country,
    pub currency: &'static str,
    /// How many decimals it takes.
    pub decimals: u32,
    /// What the numbers that it gave out begin with, with the country code.
    ranges: &'static [&'static str],
    deposit: Terms,
    payout: Terms,
    refund: Terms,
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Country {
    /// ISO 3166-1 alpha-3.
    pub code: &'static str,
    name: (&'static str, &'static str),
    /// Calling code.
    pub prefix: &'static str,
    /// How long a number is with its calling code.
    pub number_length: usize,
}

static LIBERIA: Country =
    Country { code: "LBR", name: ("Liberia", "Libéria"), prefix: "231", number_length: 12 };
static RWANDA: Country =
    Country { code: "RWA", name: ("Rwanda", "Rwanda"), prefix: "250", number_length: 12 };
static ZAMBIA: Country =
    Country { code: "ZMB", name: ("Zambia", "Zambie"), prefix: "260", number_length: 12 };

/// The operators at the beginning. Liberian ones are in no list that pawaPay has published: their
/// codes follow the pattern of the others.
pub(crate) fn operators() -> Vec<Operator> {
    let operator = |provider, name, country, currency, decimals, ranges, min, max| {
        let terms = |fee| Terms { status: OperatorStatus::Operational, min, max, fee };
        Operator {
            provider,
            name,
            country,
            currency,
            decimals,
            ranges,
            deposit: terms(100),
            payout: terms(50),
            refund: terms(0),
        }
    };
    let mtn_lbr: &[&str] = &["23188", "23155"];
    let orange_lbr: &[&str] = &["23177", "23188"];
    vec![
        operator("MTN_MOMO_LBR", "MTN", &LIBERIA, "LRD", 2, mtn_lbr, 1_000, 50_000_000),
        operator("MTN_MOMO_LBR", "MTN", &LIBERIA, "USD", 2, mtn_lbr, 10, 250_000),
        operator("ORANGE_LBR", "Orange", &LIBERIA, "LRD", 2, orange_lbr, 1_000, 50_000_000),
        operator("ORANGE_LBR", "Orange", &LIBERIA, "USD", 2, orange_lbr, 10, 250_000),
        operator("MTN_MOMO_RWA", "MTN", &RWANDA, "RWF", 0, &["25078", "25079"], 5, 2_000_000),
        operator("AIRTEL_RWA", "Airtel", &RWANDA, "RWF", 0, &["25072", "25073"], 100, 1_500_000),
        operator("MTN_MOMO_ZMB", "MTN", &ZAMBIA, "ZMW", 2, &["26096", "26076"], 100, 2_000_000),
    ]
}

impl Operator {
    pub(crate) const fn terms(&self, operation: Operation) -> &Terms {
        match operation {
            Operation::Deposit => &self.deposit,
            Operation::Payout => &self.payout,
            Operation::Refund => &self.refund,
        }
    }

    pub(crate) const fn terms_mut(&mut self, operation: Operation) -> &mut Terms {
        match operation {
            Operation::Deposit => &mut self.deposit,
            Operation::Payout => &mut self.payout,
            Operation::Refund => &mut self.refund,
        }
    }

    /// Whether it gave out the number. Of two the first in the list counts.
    pub(crate) fn gave_out(&self, phone: &str) -> bool {
        self.ranges.iter().any(|range| phone.starts_with(range))
    }
}

impl Country {
    pub(crate) fn has_number(&self, phone: &str) -> bool {
        phone.len() == self.number_length
            && phone.starts_with(self.prefix)
            && phone.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// What `active-conf` or `availability` is asked for.
pub(crate) struct Filter<'a> {
    pub country: Option<&'a str>,
    pub operation: Option<&'a str>,
}

impl Filter<'_> {
    fn operations(&self) -> impl Iterator<Item = Operation> {
        let wanted = |operation: &Operation| self.operation.is_none_or(|o| o == operation.name());
        Operation::ALL.into_iter().filter(wanted)
    }

    fn countries<'o>(&self, operators: &'o [Operator]) -> Vec<&'o Operator> {
        let mut firsts: Vec<&Operator> = Vec::new();
        for operator in operators {
            let wanted = self.country.is_none_or(|country| country == operator.country.code);
            if wanted && !firsts.iter().any(|first| first.country == operator.country) {
                firsts.push(operator);
            }
        }
        firsts
    }
}

/// The operators of a country, each once whatever its currencies.
fn providers_of<'o>(operators: &'o [Operator], country: &Country) -> Vec<&'o Operator> {
    let mut firsts: Vec<&Operator> = Vec::new();
    for operator in operators.iter().filter(|operator| operator.country == country) {
        if !firsts.iter().any(|first| first.provider == operator.provider) {
            firsts.push(operator);
        }
    }
    firsts
}

/// The countries of `active-conf`. `callback_url` gives the account's for an operation.
pub(crate) fn active_conf(
    operators: &[Operator],
    filter: &Filter<'_>,
    callback_url: &dyn Fn(Operation) -> Option<String>,
) -> Value {
    let currency_of = |operator: &Operator| {
        let mut operations = Map::new();
        for operation in filter.operations() {
            let terms = operator.terms(operation);
            let text = |minor| text_of(minor, operator.currency, 0);
            let mut shown = json!({
                "minAmount": text(terms.min),
                "maxAmount": text(terms.max),
                "decimalsInAmount": if operator.decimals == 0 { "NONE" } else { "TWO_PLACES" },
                "status": terms.status.name(),
                "callbackUrl": callback_url(operation),
            });
            if operation == Operation::Deposit {
                for (name, value) in prompt(operator) {
                    if let Some(object) = shown.as_object_mut() {
                        object.insert(name.to_owned(), value);
                    }
                }
            }
            operations.insert(operation.name().to_owned(), shown);
        }
        json!({
            "currency": operator.currency,
            "displayName": operator.currency,
            "operationTypes": operations,
        })
    };
    let provider_of = |provider: &&Operator| {
        let currencies: Value = operators
            .iter()
            .filter(|operator| operator.provider == provider.provider)
            .map(currency_of)
            .collect();
        json!({
            "provider": provider.provider,
            "displayName": provider.name,
            "nameDisplayedToCustomer": "FAKE COMPANY",
            "logo": "https://static.example/logo.png",
            "currencies": currencies,
        })
    };
    let country_of = |first: &&Operator| {
        let providers: Value =
            providers_of(operators, first.country).iter().map(provider_of).collect();
        json!({
            "country": first.country.code,
            "displayName": { "en": first.country.name.0, "fr": first.country.name.1 },
            "prefix": first.country.prefix,
            "flag": "https://static.example/flag.svg",
            "providers": providers,
        })
    };
    filter.countries(operators).iter().map(country_of).collect()
}

/// How a payer is asked for the PIN.
fn prompt(operator: &Operator) -> [(&'static str, Value); 5] {
    let dial = if operator.name == "Airtel" { "*182*5*6*1#" } else { "*182*7*1#" };
    let instructions = json!({
        "channels": [{
            "type": "USSD",
            "displayName": { "en": "Approve the payment by USSD", "fr": "Approuver par USSD" },
            "instructions": {
                "en": [{
                    "text": format!("Dial {dial}"),
                    "template": "Dial {{shortCode}}",
                    "variables": { "shortCode": dial },
                }, {
                    "text": "Enter your PIN", "template": "Enter your PIN", "variables": {},
                }],
                "fr": [{
                    "text": format!("Composez {dial}"),
                    "template": "Composez {{shortCode}}",
                    "variables": { "shortCode": dial },
                }, {
                    "text": "Entrez votre PIN", "template": "Entrez votre PIN", "variables": {},
                }],
            },
        }],
    });
    [
        ("authType", json!("PROVIDER_AUTH")),
        ("pinPrompt", json!("AUTOMATIC")),
        ("pinPromptRevivable", json!(true)),
        ("pinPromptInstructions", instructions),
        ("authTokenInstructions", Value::Null),
    ]
}

/// The answer of `availability`: the worst status of an operator's currencies.
pub(crate) fn availability(operators: &[Operator], filter: &Filter<'_>) -> Value {
    let provider_of = |provider: &&Operator| {
        let mut operations = Map::new();
        for operation in filter.operations() {
            let statuses = operators
                .iter()
                .filter(|operator| operator.provider == provider.provider)
                .map(|operator| operator.terms(operation).status);
            let rank = |status: &OperatorStatus| match status {
                OperatorStatus::Operational => 0,
                OperatorStatus::Delayed => 1,
                OperatorStatus::Closed => 2,
            };
            let worst = statuses.max_by_key(rank).unwrap_or(OperatorStatus::Closed);
            operations.insert(operation.name().to_owned(), json!(worst.name()));
        }
        json!({ "provider": provider.provider, "operationTypes": operations })
    };
    let country_of = |first: &&Operator| {
        let providers: Value =
            providers_of(operators, first.country).iter().map(provider_of).collect();
        json!({ "country": first.country.code, "providers": providers })
    };
    filter.countries(operators).iter().map(country_of).collect()
}

/// What `predict-provider` makes of a number that somebody typed: the number as it must be sent,
/// and its operator. `None` where it is no number of a known country.
pub(crate) fn predict<'o>(
    operators: &'o [Operator],
    typed: &str,
) -> Option<(String, &'o Operator)> {
    let mut digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    for operator in operators {
        let country = operator.country;
        if let Some(national) = digits.strip_prefix(country.prefix) {
            // A national number that was written with its leading zero behind the calling code.
            digits = format!("{}{}", country.prefix, national.trim_start_matches('0'));
        }
        if !country.has_number(&digits) {
            continue;
        }
        let of_country = || operators.iter().filter(|other| other.country == country);
        let found = of_country().find(|other| other.gave_out(&digits));
        return found.or_else(|| of_country().next()).map(|operator| (digits, operator));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cleaned_and_their_operator_is_found() {
        let operators = operators();
        let predicted =
            |typed| predict(&operators, typed).map(|(phone, operator)| (phone, operator.provider));
        let mtn = Some(("250783456789".to_owned(), "MTN_MOMO_RWA"));
        assert_eq!(predicted("25007 834-56789a"), mtn);
        assert_eq!(predicted("+250 783 456 789"), mtn);
        assert_eq!(predicted("231771234567"), Some(("231771234567".to_owned(), "ORANGE_LBR")));
        assert_eq!(predicted("231881234567"), Some(("231881234567".to_owned(), "MTN_MOMO_LBR")));
        assert_eq!(predicted("4412345"), None);
        assert_eq!(predicted("25078345678"), None);
    }

    #[test]
    fn an_operator_with_two_currencies_is_listed_once() {
        let conf = active_conf(
            &operators(),
            &Filter { country: Some("LBR"), operation: Some("DEPOSIT") },
            &|_| None,
        );
        assert_eq!(conf.as_array().map(Vec::len), Some(1));
        let providers = conf.pointer("/0/providers").and_then(Value::as_array).unwrap();
        let names = providers.iter().map(|provider| provider["provider"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["MTN_MOMO_LBR", "ORANGE_LBR"]);
        let currencies = providers[0]["currencies"].as_array().unwrap();
        assert_eq!(currencies.len(), 2);
        assert_eq!(
            currencies[0].pointer("/operationTypes/DEPOSIT/minAmount"),
            Some(&json!("10.00"))
        );
        assert_eq!(currencies[0].pointer("/operationTypes/PAYOUT"), None);
    }
}
