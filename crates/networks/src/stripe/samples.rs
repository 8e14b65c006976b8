//! Payments for the tests.

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::kernel::uuids::Uuid;

use crate::exchange::{HttpResponse, Payment};

pub(super) const REQUEST_ID: &str = "6f0c1a52-3b1e-4a7d-9c55-0b8f6f1f2a10";

/// A collection that Stripe.js confirms in the payer's browser.
pub(super) fn client_payment() -> Payment {
    Payment {
        request_id: Uuid::try_parse(REQUEST_ID).unwrap(),
        original_request_id: None,
        original_reference: None,
        reference: None,
        operation: Operation::Collection,
        amount: Money::new(1_000, Currency::parse("USD").unwrap()),
        decimals: 2,
        phone: None,
        network_code: None,
        card: None,
        merchant_id: 7,
        execution_id: 42,
        reference_id: Uuid::try_parse("0d9b1ad2-5a7c-4e5c-8a41-6f3f2b7c9d11").unwrap(),
        merchant_name: "Fruit & Veg".to_owned(),
        page_url: None,
        page_ends_at: None,
    }
}

/// A collection from a card that is known.
pub(super) fn card_payment() -> Payment {
    Payment { card: Some("pm_card_visa".to_owned()), ..client_payment() }
}

/// A collection on Stripe's page.
pub(super) fn page_payment() -> Payment {
    Payment {
        page_url: Some("https://pay.example/p/abc?x=1&y=2".to_owned()),
        page_ends_at: Some(1_790_003_600),
        ..client_payment()
    }
}

pub(super) fn refund() -> Payment {
    Payment {
        operation: Operation::Refund,
        original_reference: Some("pi_orig".to_owned()),
        ..client_payment()
    }
}

pub(super) fn response(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() }
}

pub(super) fn with_header(mut response: HttpResponse, name: &str, value: &str) -> HttpResponse {
    response.headers.push((name.to_owned(), value.to_owned()));
    response
}
