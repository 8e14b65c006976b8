//! What an account at pawaPay can do: operators, currencies, bounds, and whether they work now. What
//! is not understood is left out, so that a payment is refused here rather than sent to fail.

use domain::kernel::currency::Currency;
use domain::kernel::money::{AmountFault, Decimal};
use domain::kernel::names::Operation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{list_at, text_at};

/// The answer to [`active_conf`](super::requests::active_conf).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActiveConf {
    pub company_name: String,
    /// Whether pawaPay refuses initiations that are not signed.
    pub signed_requests_only: bool,
    /// Whether pawaPay signs its callbacks.
    pub signed_callbacks: bool,
    pub operations: Vec<OperationConf>,
    /// What was left out and why, for the operator.
    pub left_out: Vec<String>,
}

/// What the account can do with one operator in one currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperationConf {
    /// ISO 3166 in three letters.
    pub country: String,
    /// The calling code, digits only.
    pub prefix: String,
    /// pawaPay's code of the operator.
    pub provider: String,
    pub display_name: String,
    /// Who asks, as the payer's phone shows it.
    pub name_for_customer: Option<String>,
    pub currency: Currency,
    pub operation: Operation,
    pub availability: Availability,
    /// In minor units of the currency; `None` without a bound.
    pub min_minor: Option<i64>,
    /// In minor units of the currency; `None` without a bound.
    pub max_minor: Option<i64>,
    /// How many decimals an amount may have; never more than the currency has.
    pub decimals: u32,
    /// Collections only.
    pub authorisation: Option<Authorisation>,
    /// Collections only: how the payer is asked for the PIN, where pawaPay tells it.
    pub pin_prompt: Option<PinPrompt>,
    /// Where pawaPay sends the callbacks, which only its dashboard can change.
    pub callback_url: Option<String>,
}

impl OperationConf {
    /// Whether a payment can be sent. A payout or refund to an operator that is delayed can: it waits
    /// in pawaPay's queue. Collections need an operator that asks the payer on the phone.
    #[must_use]
    pub const fn takes_payments(&self) -> bool {
        let asks_on_phone = matches!(self.authorisation, None | Some(Authorisation::OnPhone));
        match self.availability {
            Availability::Operational => asks_on_phone,
            Availability::Delayed => !matches!(self.operation, Operation::Collection),
            Availability::Closed => false,
        }
    }
}

/// Whether an operator works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Availability {
    Operational,
    /// Collections are refused; payouts and refunds wait in pawaPay's queue.
    Delayed,
    /// Also for a status that is not known here.
    Closed,
}

/// How a payer approves a collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authorisation {
    /// By the PIN, on the phone.
    OnPhone,
    /// By a code that the payer must get from the operator first. Not supported.
    Preauthorised,
    /// On a page of the operator. Not supported.
    Redirected,
    /// In a way that is not known here.
    Unknown,
}

/// How the payer is asked for the PIN.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PinPrompt {
    /// Whether the request appears on the phone by itself. If not, the payer follows the steps.
    pub automatic: bool,
    /// Whether the steps show a request again that was missed.
    pub revivable: bool,
    pub channels: Vec<PromptChannel>,
}

/// A way to a request for the PIN.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PromptChannel {
    /// `USSD`.
    pub kind: String,
    /// What may be dialled to be there at once.
    pub quick_link: Option<String>,
    pub title: Translated<String>,
    pub steps: Translated<Vec<String>>,
}

/// The languages that pawaPay writes in.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Translated<T> {
    pub en: T,
    pub fr: T,
}

/// Reads the answer to [`active_conf`](super::requests::active_conf).
///
/// # Errors
/// Why it cannot be read at all, for the operator.
pub fn read_active_conf(body: &[u8]) -> Result<ActiveConf, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    if !answer.get("countries").is_some_and(Value::is_array) {
        return Err("it has no list of countries".to_owned());
    }
    let is_set = |name: &str| {
        answer.pointer(&format!("/signatureConfiguration/{name}")) == Some(&Value::Bool(true))
    };
    let mut conf = ActiveConf {
        company_name: text_at(&answer, "/companyName").unwrap_or_default(),
        signed_requests_only: is_set("signedRequestsOnly"),
        signed_callbacks: is_set("signedCallbacks"),
        operations: vec![],
        left_out: vec![],
    };
    for country in list_at(&answer, "/countries") {
        for provider in list_at(country, "/providers") {
            for currency in list_at(provider, "/currencies") {
                read_currency(country, provider, currency, &mut conf);
            }
        }
    }
    Ok(conf)
}

fn read_currency(country: &Value, provider: &Value, currency: &Value, conf: &mut ActiveConf) {
    let code = text_at(currency, "/currency").unwrap_or_default();
    let name = text_at(provider, "/provider").unwrap_or_default();
    let Some(known) = Currency::parse(&code) else {
        conf.left_out.push(format!("{name}: {code:?} is no currency that is known here"));
        return;
    };
    if name.is_empty() {
        conf.left_out.push("an operator without a code".to_owned());
        return;
    }
    for (operation, settings) in operation_types(currency) {
        match read_operation(country, provider, known, operation, settings) {
            Ok(operation) => conf.operations.push(operation),
            Err(reason) => conf.left_out.push(format!("{name} {code} {operation}: {reason}")),
        }
    }
}

/// The operations that kola has. They are a map; a list of objects that name their operation is the
/// form of version 1.
fn operation_types(currency: &Value) -> Vec<(Operation, &Value)> {
    let named = |name: &str| match name {
        "DEPOSIT" => Some(Operation::Collection),
        "PAYOUT" => Some(Operation::Payout),
        "REFUND" => Some(Operation::Refund),
        _ => None,
    };
    match currency.get("operationTypes") {
        Some(Value::Object(types)) => {
            types.iter().filter_map(|(name, settings)| Some((named(name)?, settings))).collect()
        }
        Some(Value::Array(types)) => types
            .iter()
            .filter_map(|settings| Some((named(&text_at(settings, "/operationType")?)?, settings)))
            .collect(),
        _ => vec![],
    }
}

fn read_operation(
    country: &Value,
    provider: &Value,
    currency: Currency,
    operation: Operation,
    settings: &Value,
) -> Result<OperationConf, String> {
    let decimals = match text_at(settings, "/decimalsInAmount").as_deref() {
        Some("NONE") => 0,
        Some("TWO_PLACES") => 2,
        other => return Err(format!("{:?} decimals", other.unwrap_or_default())),
    };
    let bound = |name: &str| match text_at(settings, &format!("/{name}")) {
        Some(text) => {
            bound_minor(&text, currency).ok_or_else(|| format!("{name} {text:?} is no amount"))
        }
        None => Ok(None),
    };
    let availability = match text_at(settings, "/status").as_deref() {
        Some("OPERATIONAL") => Availability::Operational,
        Some("DELAYED") => Availability::Delayed,
        _ => Availability::Closed,
    };
    let is_collection = operation == Operation::Collection;
    let authorisation = match text_at(settings, "/authType").as_deref() {
        None | Some("PROVIDER_AUTH") => Authorisation::OnPhone,
        Some("PREAUTH") => Authorisation::Preauthorised,
        Some("REDIRECT_AUTH") => Authorisation::Redirected,
        Some(_) => Authorisation::Unknown,
    };
    Ok(OperationConf {
        country: text_at(country, "/country").unwrap_or_default(),
        prefix: text_at(country, "/prefix").unwrap_or_default(),
        provider: text_at(provider, "/provider").unwrap_or_default(),
        display_name: text_at(provider, "/displayName").unwrap_or_default(),
        name_for_customer: text_at(provider, "/nameDisplayedToCustomer")
            .filter(|name| !name.is_empty()),
        currency,
        operation,
        availability,
        min_minor: bound("minAmount")?,
        max_minor: bound("maxAmount")?,
        decimals: decimals.min(currency.exponent()),
        authorisation: is_collection.then_some(authorisation),
        pin_prompt: if is_collection { read_pin_prompt(settings) } else { None },
        callback_url: text_at(settings, "/callbackUrl"),
    })
}

/// A bound in minor units; `Some(None)` for zero, which bounds nothing.
fn bound_minor(text: &str, currency: Currency) -> Option<Option<i64>> {
    match Decimal::parse(text)?.to_money(currency) {
        Ok(money) => Some(Some(money.minor)),
        Err(AmountFault::NotPositive) if !text.contains('-') => Some(None),
        Err(_) => None,
    }
}

fn read_pin_prompt(settings: &Value) -> Option<PinPrompt> {
    let automatic = match text_at(settings, "/pinPrompt").as_deref() {
        Some("AUTOMATIC") => true,
        Some("MANUAL") => false,
        _ => return None,
    };
    let mut channels: Vec<PromptChannel> = vec![];
    for channel in list_at(settings, "/pinPromptInstructions/channels").iter().map(read_channel) {
        // Live answers have the same channel twice, with differences of case only.
        if !channels.iter().any(|known| is_same_way(known, &channel)) {
            channels.push(channel);
        }
    }
    let revivable = settings.get("pinPromptRevivable") == Some(&Value::Bool(true));
    Some(PinPrompt { automatic, revivable, channels })
}

fn read_channel(channel: &Value) -> PromptChannel {
    let title =
        |language: &str| text_at(channel, &format!("/displayName/{language}")).unwrap_or_default();
    let steps = |language: &str| {
        let steps = list_at(channel, &format!("/instructions/{language}")).iter();
        steps.filter_map(|step| text_at(step, "/text")).collect()
    };
    PromptChannel {
        kind: text_at(channel, "/type").unwrap_or_default(),
        quick_link: text_at(channel, "/quickLink").filter(|link| !link.is_empty()),
        title: Translated { en: title("en"), fr: title("fr") },
        steps: Translated { en: steps("en"), fr: steps("fr") },
    }
}

fn is_same_way(one: &PromptChannel, other: &PromptChannel) -> bool {
    let key = |channel: &PromptChannel| {
        let steps = [channel.steps.en.join("\n"), channel.steps.fr.join("\n")];
        (channel.kind.clone(), steps.map(|steps| steps.to_lowercase()))
    };
    one.quick_link == other.quick_link && key(one) == key(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frame of an answer around the operations of one operator.
    fn conf(currency: &str, operation_types: &str) -> ActiveConf {
        let body = format!(
            r#"{{"companyName":"Kola","signatureConfiguration":{{"signedRequestsOnly":false,"signedCallbacks":true}},
            "countries":[{{"country":"RWA","displayName":{{"en":"Rwanda","fr":"Rwanda"}},"prefix":"250","flag":"x",
            "providers":[{{"provider":"MTN_MOMO_RWA","displayName":"MTN","nameDisplayedToCustomer":"KOLA LTD","logo":"x",
            "currencies":[{{"currency":"{currency}","displayName":"R","operationTypes":{operation_types}}}]}}]}}]}}"#
        );
        read_active_conf(body.as_bytes()).unwrap()
    }

    fn deposit(fields: &str) -> Result<OperationConf, String> {
        let mut conf = conf("RWF", &format!(r#"{{"DEPOSIT":{{{fields}}}}}"#));
        conf.operations.pop().ok_or_else(|| conf.left_out.pop().unwrap_or_default())
    }

    #[test]
    fn an_operator_with_all_it_says() {
        let conf = conf(
            "RWF",
            r##"{"DEPOSIT":{"minAmount":"5","maxAmount":"2000000","decimalsInAmount":"NONE","status":"OPERATIONAL",
            "callbackUrl":"https://kola.example/callbacks/pawapay/3/x","authType":"PROVIDER_AUTH","pinPrompt":"AUTOMATIC",
            "pinPromptRevivable":true,"pinPromptInstructions":{"channels":[
            {"type":"USSD","displayName":{"en":"No prompt?","fr":"Pas de demande ?"},"quickLink":"*182*7*1#",
             "variables":{"shortCode":"*182#"},"instructions":{"en":[{"text":"Dial *182*7*1#","template":"Dial {{shortCode}}"},{"text":"Enter PIN"}],
             "fr":[{"text":"Composez *182*7*1#"}]}},
            {"type":"USSD","displayName":{"en":"No prompt?","fr":"Pas de demande ?"},"quickLink":"*182*7*1#",
             "instructions":{"en":[{"text":"Dial *182*7*1#"},{"text":"Enter Pin"}],"fr":[{"text":"Composez *182*7*1#"}]}}]}},
            "PAYOUT":{"minAmount":"100","maxAmount":"1500000","decimalsInAmount":"NONE","status":"DELAYED"},
            "REMITTANCE":{"minAmount":"1","maxAmount":"2","decimalsInAmount":"NONE","status":"OPERATIONAL"}}"##,
        );
        assert_eq!((conf.company_name.as_str(), conf.signed_requests_only), ("Kola", false));
        assert!(conf.signed_callbacks && conf.left_out.is_empty());
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let payout = OperationConf {
            country: "RWA".to_owned(),
            prefix: "250".to_owned(),
            provider: "MTN_MOMO_RWA".to_owned(),
            display_name: "MTN".to_owned(),
            name_for_customer: Some("KOLA LTD".to_owned()),
            currency: Currency::parse("RWF").unwrap(),
            operation: Operation::Payout,
            availability: Availability::Delayed,
            min_minor: Some(100),
            max_minor: Some(1_500_000),
            decimals: 0,
            authorisation: None,
            pin_prompt: None,
            callback_url: None,
        };
        let deposit = OperationConf {
            operation: Operation::Collection,
            availability: Availability::Operational,
            min_minor: Some(5),
            max_minor: Some(2_000_000),
            authorisation: Some(Authorisation::OnPhone),
            pin_prompt: Some(PinPrompt {
                automatic: true,
                revivable: true,
                channels: vec![PromptChannel {
                    kind: "USSD".to_owned(),
                    quick_link: Some("*182*7*1#".to_owned()),
                    title: Translated {
                        en: "No prompt?".to_owned(),
                        fr: "Pas de demande ?".to_owned(),
                    },
                    steps: Translated {
                        en: texts(&["Dial *182*7*1#", "Enter PIN"]),
                        fr: texts(&["Composez *182*7*1#"]),
                    },
                }],
            }),
            callback_url: Some("https://kola.example/callbacks/pawapay/3/x".to_owned()),
            ..payout.clone()
        };
        assert_eq!(conf.operations, [deposit, payout]);
    }

    #[test]
    fn who_takes_payments() {
        use Operation::{Collection, Payout, Refund};
        for (status, operation, takes) in [
            ("OPERATIONAL", Collection, true),
            ("OPERATIONAL", Payout, true),
            ("OPERATIONAL", Refund, true),
            ("DELAYED", Collection, false),
            ("DELAYED", Payout, true),
            ("DELAYED", Refund, true),
            ("CLOSED", Collection, false),
            ("CLOSED", Payout, false),
            ("CLOSED", Refund, false),
            ("ON_HOLIDAY", Payout, false),
        ] {
            let name = match operation {
                Collection => "DEPOSIT",
                Payout => "PAYOUT",
                _ => "REFUND",
            };
            let types =
                format!(r#"{{"{name}":{{"decimalsInAmount":"NONE","status":"{status}"}}}}"#);
            let conf = conf("RWF", &types);
            let read = conf.operations.iter().map(|it| (it.operation, it.takes_payments()));
            assert_eq!(read.collect::<Vec<_>>(), [(operation, takes)], "{status}");
        }
    }

    #[test]
    fn a_payer_who_is_not_asked_on_the_phone_cannot_pay() {
        for (auth, expected, takes) in [
            (r#""authType":"PROVIDER_AUTH","#, Authorisation::OnPhone, true),
            ("", Authorisation::OnPhone, true),
            (r#""authType":"PREAUTH","#, Authorisation::Preauthorised, false),
            (r#""authType":"REDIRECT_AUTH","#, Authorisation::Redirected, false),
            (r#""authType":"BY_OWL","#, Authorisation::Unknown, false),
        ] {
            let fields = format!(r#"{auth}"decimalsInAmount":"NONE","status":"OPERATIONAL""#);
            let deposit = deposit(&fields).unwrap();
            assert_eq!((deposit.authorisation, deposit.takes_payments()), (Some(expected), takes));
        }
    }

    #[test]
    fn bounds_and_decimals_are_those_of_the_currency() {
        for (currency, decimals, min, max, expected) in [
            ("RWF", "NONE", "5", "2000000", (Some(5), Some(2_000_000), 0)),
            ("ZMW", "TWO_PLACES", "0.5", "10000.00", (Some(50), Some(1_000_000), 2)),
            ("ZMW", "NONE", "1", "0", (Some(100), None, 0)),
            ("RWF", "TWO_PLACES", "5", "10", (Some(5), Some(10), 0)),
        ] {
            let types = format!(
                r#"{{"PAYOUT":{{"minAmount":"{min}","maxAmount":"{max}","decimalsInAmount":"{decimals}","status":"OPERATIONAL"}}}}"#
            );
            let conf = conf(currency, &types);
            let read = conf.operations.first().unwrap();
            assert_eq!((read.min_minor, read.max_minor, read.decimals), expected);
        }
    }

    #[test]
    fn what_is_not_understood_is_left_out_and_told() {
        for (fields, reason) in [
            (r#""status":"OPERATIONAL""#, r#""" decimals"#),
            (r#""decimalsInAmount":"THREE","status":"OPERATIONAL""#, r#""THREE" decimals"#),
            (
                r#""decimalsInAmount":"NONE","minAmount":"few","status":"OPERATIONAL""#,
                r#"minAmount "few" is no amount"#,
            ),
            (
                r#""decimalsInAmount":"NONE","maxAmount":"-1","status":"OPERATIONAL""#,
                r#"maxAmount "-1" is no amount"#,
            ),
            (
                r#""decimalsInAmount":"NONE","minAmount":"0.5","status":"OPERATIONAL""#,
                r#"minAmount "0.5" is no amount"#,
            ),
        ] {
            let reason = format!("MTN_MOMO_RWA RWF COLLECTION: {reason}");
            assert_eq!(deposit(fields), Err(reason));
        }
        let unknown = conf("XXX", r#"{"DEPOSIT":{"decimalsInAmount":"NONE"}}"#);
        assert_eq!(
            (unknown.operations.len(), unknown.left_out),
            (0, vec![r#"MTN_MOMO_RWA: "XXX" is no currency that is known here"#.to_owned()])
        );
    }

    #[test]
    fn operations_may_be_a_list() {
        let conf = conf(
            "RWF",
            r#"[{"operationType":"PAYOUT","decimalsInAmount":"NONE","status":"OPERATIONAL"}]"#,
        );
        assert_eq!(conf.operations.first().unwrap().operation, Operation::Payout);
    }

    #[test]
    fn an_account_without_operators() {
        let conf = read_active_conf(br#"{"countries":[]}"#).unwrap();
        assert_eq!(
            (conf.operations.len(), conf.left_out.len(), conf.signed_callbacks),
            (0, 0, false)
        );
        for (body, reason) in [
            ("<html>", "no JSON"),
            ("{}", "it has no list of countries"),
            (r#"{"countries":{}}"#, "it has no list of countries"),
        ] {
            assert!(read_active_conf(body.as_bytes()).unwrap_err().starts_with(reason), "{body}");
        }
    }
}
