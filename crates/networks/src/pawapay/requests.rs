//! What pawaPay is asked. Its bodies are strict: an unknown field is refused.

use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::kernel::uuids::Uuid;
use serde::Serialize;

use super::Kind;
use crate::exchange::{HttpRequest, Payment, Unsendable};

const JSON: &str = "application/json";

/// The most characters of a message to the payer or payee, and the fewest.
const MESSAGE_MAX: usize = 22;
const MESSAGE_MIN: usize = 4;

/// The body of an initiation. The order of its fields is the order on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initiation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    payout_id: Option<HyphenatedId<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<HyphenatedId<'a>>,
    /// Of a refund, the deposit that is given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_id: Option<HyphenatedId<'a>>,
    amount: String,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payer: Option<Account<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<Account<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_message: Option<String>,
    client_reference_id: String,
    metadata: [Metadata; 2],
}

/// A UUID, which is written with hyphens and in lower case.
struct HyphenatedId<'a>(&'a Uuid);

impl Serialize for HyphenatedId<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.as_hyphenated())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account<'a> {
    r#type: &'static str,
    account_details: AccountDetails<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountDetails<'a> {
    phone_number: &'a str,
    provider: &'a str,
}

/// Each object has one field.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Metadata {
    MerchantId(String),
    ExecutionId(String),
}

/// The request that moves money. Its body is stored before it is first sent, and is sent again as it
/// was by [`initiation_with_body`].
///
/// # Errors
/// [`Unsendable`]
pub fn initiation(payment: &Payment) -> Result<HttpRequest, Unsendable> {
    let kind = kind(payment.operation)?;
    let (account, message) = match kind {
        // A refund goes back to where the deposit came from.
        Kind::Refund => (None, None),
        Kind::Deposit | Kind::Payout => {
            (Some(account(payment)?), customer_message(&payment.merchant_name))
        }
    };
    let id = HyphenatedId(&payment.request_id);
    let mut body = Initiation {
        payout_id: None,
        refund_id: None,
        deposit_id: None,
        amount: amount_text(payment.amount, payment.decimals)?,
        currency: payment.amount.currency.code(),
        payer: None,
        recipient: None,
        customer_message: message,
        client_reference_id: payment.reference_id.as_hyphenated().to_string(),
        // Nothing personal: pawaPay shows it to its own staff.
        metadata: [
            Metadata::MerchantId(payment.merchant_id.to_string()),
            Metadata::ExecutionId(payment.execution_id.to_string()),
        ],
    };
    match kind {
        Kind::Deposit => (body.deposit_id, body.payer) = (Some(id), account),
        Kind::Payout => (body.payout_id, body.recipient) = (Some(id), account),
        Kind::Refund => {
            let original = payment.original_request_id.as_ref();
            let original = original.ok_or_else(|| Unsendable::new("it refunds no payment"))?;
            (body.refund_id, body.deposit_id) = (Some(id), Some(HyphenatedId(original)));
        }
    }
    let body = serde_json::to_vec(&body).map_err(|error| Unsendable::new(error.to_string()))?;
    initiation_with_body(payment.operation, body)
}

/// The request that moves money, with a body that [`initiation`] made before.
///
/// # Errors
/// pawaPay has no such operation.
pub fn initiation_with_body(
    operation: Operation,
    body: Vec<u8>,
) -> Result<HttpRequest, Unsendable> {
    Ok(HttpRequest::post(kind(operation)?.path(), JSON, body))
}

/// The question how a payment stands.
///
/// # Errors
/// pawaPay has no such operation.
pub fn status(operation: Operation, request_id: Uuid) -> Result<HttpRequest, Unsendable> {
    let path = kind(operation)?.path();
    Ok(HttpRequest::get(format!("{path}/{}", request_id.as_hyphenated())))
}

/// Takes a payout or refund out of pawaPay's queue, where it waits for an operator that is delayed.
/// The answer is about the queue only; that the payment has failed is told by its status.
///
/// # Errors
/// Only payouts and refunds are queued.
pub fn fail_enqueued(operation: Operation, request_id: Uuid) -> Result<HttpRequest, Unsendable> {
    let kind = kind(operation)?;
    if kind == Kind::Deposit {
        return Err(Unsendable::new("the network queues no collections"));
    }
    let path = format!("{}/fail-enqueued/{}", kind.path(), request_id.as_hyphenated());
    Ok(HttpRequest { method: "POST", ..HttpRequest::get(path) })
}

/// The question what the account can do: operators, currencies, bounds, whether they work.
#[must_use]
pub fn active_conf() -> HttpRequest {
    HttpRequest::get("/v2/active-conf")
}

/// The question how much money the account has.
#[must_use]
pub fn wallet_balances() -> HttpRequest {
    HttpRequest::get("/v2/wallet-balances")
}

/// The question which keys pawaPay signs callbacks with.
#[must_use]
pub fn public_keys() -> HttpRequest {
    HttpRequest::get("/v2/public-key/http")
}

fn kind(operation: Operation) -> Result<Kind, Unsendable> {
    Kind::of(operation).ok_or_else(|| Unsendable::new("transfers stay between wallets"))
}

fn account(payment: &Payment) -> Result<Account<'_>, Unsendable> {
    let phone = payment.phone.as_deref().ok_or_else(|| Unsendable::new("it has no number"))?;
    let provider = payment.network_code.as_deref();
    let provider =
        provider.ok_or_else(|| Unsendable::new("the network's code of the operator is missing"))?;
    let digits = phone.bytes().all(|byte| byte.is_ascii_digit());
    // The longest international number has 15 digits, and none begins with a zero.
    if !digits || !(7..=15).contains(&phone.len()) || phone.starts_with('0') {
        return Err(Unsendable::new("the number is no international number in digits"));
    }
    Ok(Account { r#type: "MMO", account_details: AccountDetails { phone_number: phone, provider } })
}

/// An amount in major units in its shortest form. pawaPay refuses zeros at the end of decimals, and
/// more decimals than the operator takes.
fn amount_text(amount: Money, decimals: u32) -> Result<String, Unsendable> {
    if amount.minor <= 0 {
        return Err(Unsendable::new("the amount is not above zero"));
    }
    let text = amount.to_string();
    let Some((whole, fraction)) = text.split_once('.') else { return Ok(text) };
    let fraction = fraction.trim_end_matches('0');
    if u32::try_from(fraction.len()).is_ok_and(|places| places > decimals) {
        return Err(Unsendable::new(format!(
            "the mobile operator takes {decimals} decimals, and the amount is {text}"
        )));
    }
    Ok(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

/// What the payer or payee reads beside the payment, made from the merchant's name: pawaPay takes 4
/// to 22 letters, digits and spaces. `None` for a name that nothing is left of.
fn customer_message(name: &str) -> Option<String> {
    let plain: String = name.chars().flat_map(|c| plain_letters(c).chars()).collect();
    let words = plain.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let message = match words.len() {
        0 => return None,
        1..MESSAGE_MIN => format!("Payment {words}"),
        _ => words,
    };
    // Only ASCII is left, so that bytes are characters.
    Some(message.get(..MESSAGE_MAX).unwrap_or(&message).trim_end().to_owned())
}

/// A letter or digit without its accent. What joins words becomes a space, and other signs are
/// dropped.
fn plain_letters(c: char) -> &'static str {
    /// The characters that pawaPay takes, so that each can be returned as a part of it.
    const PLAIN: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    match c {
        'À'..='Å' | 'Ā' => "A",
        'à'..='å' | 'ā' => "a",
        'Æ' => "AE",
        'æ' => "ae",
        'Ç' => "C",
        'ç' => "c",
        'È'..='Ë' | 'Ē' => "E",
        'è'..='ë' | 'ē' => "e",
        'Ì'..='Ï' | 'Ī' => "I",
        'ì'..='ï' | 'ī' => "i",
        'Ñ' => "N",
        'ñ' => "n",
        'Ò'..='Ö' | 'Ø' | 'Ō' => "O",
        'ò'..='ö' | 'ø' | 'ō' => "o",
        'Œ' => "OE",
        'œ' => "oe",
        'Ù'..='Ü' | 'Ū' => "U",
        'ù'..='ü' | 'ū' => "u",
        'Ý' | 'Ÿ' => "Y",
        'ý' | 'ÿ' => "y",
        'ß' => "ss",
        // "Mama's" stays one word.
        '\'' | '’' => "",
        _ if c.is_ascii_alphanumeric() => {
            PLAIN.find(c).and_then(|at| PLAIN.get(at..=at)).unwrap_or("")
        }
        _ if c.is_whitespace() || c.is_ascii_punctuation() => " ",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;

    use super::*;

    const ID: Uuid = Uuid::from_u128(0xafb5_7b93_7849_49aa_babb_4c3c_cbfe_3d79);
    const ORIGINAL: Uuid = Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111);

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, Currency::parse(code).unwrap())
    }

    fn payment(operation: Operation) -> Payment {
        Payment {
            request_id: ID,
            original_request_id: (operation == Operation::Refund).then_some(ORIGINAL),
            original_reference: None,
            reference: None,
            operation,
            amount: money(1_500, "RWF"),
            decimals: 0,
            phone: Some("250783456789".to_owned()),
            network_code: Some("MTN_MOMO_RWA".to_owned()),
            card: None,
            merchant_id: 7,
            execution_id: 42,
            reference_id: Uuid::from_u128(0x2222_2222_2222_4222_8222_2222_2222_2222),
            merchant_name: "Kigali Books".to_owned(),
            page_url: None,
            page_ends_at: None,
        }
    }

    fn body(request: &HttpRequest) -> &str {
        std::str::from_utf8(&request.body).unwrap()
    }

    #[test]
    fn a_collection_is_a_deposit() {
        let request = initiation(&payment(Operation::Collection)).unwrap();
        assert_eq!((request.method, request.path.as_str()), ("POST", "/v2/deposits"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(
            body(&request),
            r#"{"depositId":"afb57b93-7849-49aa-babb-4c3ccbfe3d79","amount":"1500","currency":"RWF","payer":{"type":"MMO","accountDetails":{"phoneNumber":"250783456789","provider":"MTN_MOMO_RWA"}},"customerMessage":"Kigali Books","clientReferenceId":"22222222-2222-4222-8222-222222222222","metadata":[{"merchantId":"7"},{"executionId":"42"}]}"#
        );
    }

    #[test]
    fn a_payout_has_a_recipient() {
        let payment = Payment {
            amount: money(1_050, "ZMW"),
            decimals: 2,
            phone: Some("260763456789".to_owned()),
            network_code: Some("MTN_MOMO_ZMB".to_owned()),
            ..payment(Operation::Payout)
        };
        let request = initiation(&payment).unwrap();
        assert_eq!((request.method, request.path.as_str()), ("POST", "/v2/payouts"));
        assert_eq!(
            body(&request),
            r#"{"payoutId":"afb57b93-7849-49aa-babb-4c3ccbfe3d79","amount":"10.5","currency":"ZMW","recipient":{"type":"MMO","accountDetails":{"phoneNumber":"260763456789","provider":"MTN_MOMO_ZMB"}},"customerMessage":"Kigali Books","clientReferenceId":"22222222-2222-4222-8222-222222222222","metadata":[{"merchantId":"7"},{"executionId":"42"}]}"#
        );
    }

    #[test]
    fn a_refund_names_its_deposit_and_nobody() {
        let request = initiation(&payment(Operation::Refund)).unwrap();
        assert_eq!((request.method, request.path.as_str()), ("POST", "/v2/refunds"));
        assert_eq!(
            body(&request),
            r#"{"refundId":"afb57b93-7849-49aa-babb-4c3ccbfe3d79","depositId":"11111111-1111-4111-8111-111111111111","amount":"1500","currency":"RWF","clientReferenceId":"22222222-2222-4222-8222-222222222222","metadata":[{"merchantId":"7"},{"executionId":"42"}]}"#
        );
    }

    #[test]
    fn a_stored_body_is_sent_as_it_was() {
        for operation in [Operation::Collection, Operation::Payout, Operation::Refund] {
            let first = initiation(&payment(operation)).unwrap();
            assert_eq!(initiation_with_body(operation, first.body.clone()), Ok(first));
        }
    }

    #[test]
    fn what_cannot_be_said_is_not_sent() {
        let good = payment(Operation::Collection);
        for (wrong, reason) in [
            (payment(Operation::Transfer), "transfers stay between wallets"),
            (Payment { phone: None, ..good.clone() }, "it has no number"),
            (
                Payment { network_code: None, ..good.clone() },
                "the network's code of the operator is missing",
            ),
            (Payment { amount: money(0, "RWF"), ..good.clone() }, "the amount is not above zero"),
            (
                Payment { amount: money(1_050, "LRD"), decimals: 0, ..good.clone() },
                "the mobile operator takes 0 decimals, and the amount is 10.50",
            ),
            (
                Payment { amount: money(1_055, "LRD"), decimals: 1, ..good.clone() },
                "the mobile operator takes 1 decimals, and the amount is 10.55",
            ),
            (
                Payment { original_request_id: None, ..payment(Operation::Refund) },
                "it refunds no payment",
            ),
        ] {
            assert_eq!(initiation(&wrong).unwrap_err().reason, reason);
        }
        for phone in
            ["+250783456789", "0783456789", "250 783456789", "25078", "2507834567891234", ""]
        {
            let wrong = Payment { phone: Some(phone.to_owned()), ..good.clone() };
            assert_eq!(
                initiation(&wrong).unwrap_err().reason,
                "the number is no international number in digits",
                "{phone}"
            );
        }
    }

    #[test]
    fn amounts_are_as_short_as_they_can_be() {
        for (minor, code, decimals, text) in [
            (500, "LRD", 2, "5"),
            (550, "LRD", 2, "5.5"),
            (555, "LRD", 2, "5.55"),
            (50, "LRD", 2, "0.5"),
            (5, "LRD", 2, "0.05"),
            (500, "LRD", 0, "5"),
            (550, "LRD", 1, "5.5"),
            (10_000, "LRD", 0, "100"),
            (100, "RWF", 0, "100"),
            (1_500, "KWD", 2, "1.5"),
            (1_000_000_000_000_000, "RWF", 0, "1000000000000000"),
        ] {
            assert_eq!(amount_text(money(minor, code), decimals).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_message_is_the_name_in_letters_that_every_phone_shows() {
        for (name, message) in [
            ("Kigali Books", Some("Kigali Books")),
            ("Café Élan & Fils", Some("Cafe Elan Fils")),
            ("Mama's Kitchen", Some("Mamas Kitchen")),
            ("MTN", Some("Payment MTN")),
            ("X", Some("Payment X")),
            ("Four", Some("Four")),
            ("  a - b . c  ", Some("a b c")),
            ("A very long name of a merchant", Some("A very long name of a")),
            ("Twenty two characters!", Some("Twenty two characters")),
            ("Œuvre d’Été 2026", Some("OEuvre dEte 2026")),
            ("商店", None),
            ("…", None),
            ("", None),
        ] {
            assert_eq!(customer_message(name).as_deref(), message, "{name}");
        }
        let taken = |message: &str| {
            (MESSAGE_MIN..=MESSAGE_MAX).contains(&message.len())
                && message.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
        };
        for c in (0..0x2_100).filter_map(char::from_u32) {
            let message = customer_message(&format!("{c}ab{c}"));
            assert!(message.is_some_and(|message| taken(&message)), "{c:?}");
        }
    }

    #[test]
    fn questions_have_the_id_in_their_path() {
        for (operation, path) in [
            (Operation::Collection, "/v2/deposits/afb57b93-7849-49aa-babb-4c3ccbfe3d79"),
            (Operation::Payout, "/v2/payouts/afb57b93-7849-49aa-babb-4c3ccbfe3d79"),
            (Operation::Refund, "/v2/refunds/afb57b93-7849-49aa-babb-4c3ccbfe3d79"),
        ] {
            assert_eq!(status(operation, ID), Ok(HttpRequest::get(path)));
        }
        assert!(status(Operation::Transfer, ID).is_err());
    }

    #[test]
    fn only_payouts_and_refunds_are_taken_out_of_a_queue() {
        for (operation, path) in [
            (Operation::Payout, "/v2/payouts/fail-enqueued/afb57b93-7849-49aa-babb-4c3ccbfe3d79"),
            (Operation::Refund, "/v2/refunds/fail-enqueued/afb57b93-7849-49aa-babb-4c3ccbfe3d79"),
        ] {
            let request = fail_enqueued(operation, ID).unwrap();
            assert_eq!((request.method, request.path.as_str()), ("POST", path));
            assert!(request.body.is_empty());
        }
        assert!(fail_enqueued(Operation::Collection, ID).is_err());
        assert!(fail_enqueued(Operation::Transfer, ID).is_err());
    }

    #[test]
    fn questions_about_the_account() {
        for (request, path) in [
            (active_conf(), "/v2/active-conf"),
            (wallet_balances(), "/v2/wallet-balances"),
            (public_keys(), "/v2/public-key/http"),
        ] {
            assert_eq!(request, HttpRequest::get(path));
        }
    }
}
