//! What goes over the wire to a network, without a connection: adapters make requests and read
//! responses, and `client` carries them.

use std::fmt;

use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::kernel::uuids::Uuid;

/// The most of a message that the record of exchanges keeps, in bytes.
pub const RECORD_MAX_BYTES: usize = 4_096;

/// A request to a network, relative to the base URL of the network account.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: &'static str,
    /// Begins with `/`, and includes the query.
    pub path: String,
    /// Lower-case names.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl HttpRequest {
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: vec![], body: vec![] }
    }

    #[must_use]
    pub fn post(path: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { method: "POST", path: path.into(), headers, body: body.into() }
    }

    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The request with the account's token or secret key. Adapters never see it.
    #[must_use]
    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header("authorization", format!("Bearer {token}"))
    }

    /// `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| *header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Headers and body may have secrets and personal data, which a log must not have.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method, self.path, self.body.len())
    }
}

/// A network's whole response.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Like a request's: without its content.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// All that an adapter needs to know of a payment. It owns its values, so that adapters do not
/// depend on the rows of the domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    /// The idempotency key at the network.
    pub request_id: Uuid,
    /// Refund: the request id of the collection.
    pub original_request_id: Option<Uuid>,
    /// Refund: the network's own id of the collection (`pi_…`).
    pub original_reference: Option<String>,
    /// The network's own id of this request, once it is known.
    pub reference: Option<String>,
    pub operation: Operation,
    /// What moves outside.
    pub amount: Money,
    /// How many decimals the network takes of the currency. Never more than the currency has.
    pub decimals: u32,
    /// The payer's or payee's number: digits with the calling code, without `+`.
    pub phone: Option<String>,
    /// pawaPay's code of the operator (`MTN_MOMO_RWA`).
    pub network_code: Option<String>,
    /// Stripe's id of the payment method (`pm_…`).
    pub card: Option<String>,
    pub merchant_id: i64,
    pub execution_id: i64,
    /// The caller's idempotency key.
    pub reference_id: Uuid,
    pub merchant_name: String,
    /// A card that is entered on a page of the network: the page of ours that the payer comes back
    /// to.
    pub page_url: Option<String>,
    /// When that page of ours ends, in seconds since 1970.
    pub page_ends_at: Option<i64>,
}

/// Why a payment cannot be said in the network's terms. Nothing was sent, and sending it later would
/// not help.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsendable {
    /// In words for the merchant.
    pub reason: String,
}

impl Unsendable {
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unsendable {}

/// A message for the record of exchanges: text, cut at [`RECORD_MAX_BYTES`].
#[must_use]
pub fn cut_for_record(text: &str) -> String {
    const MARK: &str = "…";
    if text.len() <= RECORD_MAX_BYTES {
        return text.to_owned();
    }
    let mut end = RECORD_MAX_BYTES - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

/// An account number for the record of exchanges: a star for each character but the last three.
#[must_use]
pub fn mask_account_number(number: &str) -> String {
    let hidden = number.chars().count().saturating_sub(3);
    number.chars().enumerate().map(|(at, c)| if at < hidden { '*' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_by_name() {
        let request = HttpRequest::post("/v2/payouts", "application/json", "{}").with_bearer("t");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some("Bearer t"));
        assert_eq!(request.header("date"), None);
    }

    #[test]
    fn a_log_never_has_what_a_message_says() {
        let request = HttpRequest::post("/v2/payouts", "application/json", "250783456789")
            .with_bearer("secret");
        assert_eq!(format!("{request:?}"), "POST /v2/payouts (12 bytes)");
        let response = HttpResponse {
            status: 200,
            headers: vec![("x".to_owned(), "secret".to_owned())],
            body: b"secret".to_vec(),
        };
        assert_eq!(format!("{response:?}"), "200 (6 bytes)");
    }

    #[test]
    fn a_record_is_cut_between_characters() {
        assert_eq!(cut_for_record("short"), "short");
        let exact = "x".repeat(RECORD_MAX_BYTES);
        assert_eq!(cut_for_record(&exact), exact);
        for text in ["x".repeat(RECORD_MAX_BYTES + 1), "é".repeat(RECORD_MAX_BYTES)] {
            let cut = cut_for_record(&text);
            assert!(cut.len() <= RECORD_MAX_BYTES && cut.ends_with('…'), "{}", cut.len());
        }
    }

    #[test]
    fn the_last_three_digits_of_a_number_stay() {
        for (number, masked) in
            [("250783456789", "*********789"), ("789", "789"), ("", ""), ("é783", "*783")]
        {
            assert_eq!(mask_account_number(number), masked);
        }
    }
}
