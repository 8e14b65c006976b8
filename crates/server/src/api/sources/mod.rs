//! Invoices and orders: one module for both, because they differ only in their names and in the
//! due date.

pub(crate) mod handlers;
pub(crate) mod items;
pub(crate) mod kind;
pub(crate) mod payloads;
pub(crate) mod receipts;
pub(crate) mod responses;

pub use receipts::{rate_text, refundable};

use serde_json::{Value, json};

use crate::api::describe::op;
use crate::api::routes::Routes;
use handlers::{cancel, create, list_all, publish, retrieve, retrieve_by_number, update};
use kind::{Invoices, Orders};
use receipts::{receipt, receipt_by_number};

/// How many responses with all items may be in progress at once for one merchant.
pub const IN_PROGRESS_MAX: usize = 8;

#[must_use]
pub fn routes() -> Routes {
    invoices().and(orders())
}

/// An example of an item to add.
fn new_item() -> Value {
    json!({ "name": "Consulting", "currency": "USD", "qty": 2, "amount": 50 })
}

fn invoices() -> Routes {
    Routes::new()
        .post(
            "/v1/invoices/create",
            create::<Invoices>,
            op("create_invoice", "Create an invoice").example(json!({ "counterparty_id": 1, "currency": "USD", "note": "October", "fee_bearer": "PAYER", "as_payment_link": false })),
        )
        .get("/v1/invoices/list", list_all::<Invoices>, op("list_invoices", "List invoices"))
        .get("/v1/invoices/retrieve/{id}", retrieve::<Invoices>, op("retrieve_invoice", "Read an invoice"))
        .get(
            "/v1/invoices/retrieve/number/{invoice_number}",
            retrieve_by_number::<Invoices>,
            op("retrieve_invoice_by_number", "Read an invoice by its number"),
        )
        .put(
            "/v1/invoices/update/{id}",
            update::<Invoices>,
            op("update_invoice", "Change an invoice that is not published")
                .example(json!({ "note": "November" })),
        )
        .put(
            "/v1/invoices/publish/{id}",
            publish::<Invoices>,
            op("publish_invoice", "Publish an invoice: it can be paid"),
        )
        .delete("/v1/invoices/cancel/{id}", cancel::<Invoices>, op("cancel_invoice", "Cancel an invoice"))
        .get(
            "/v1/invoices/receipt/{id}",
            receipt::<Invoices>,
            op("retrieve_invoice_receipt", "Read the receipt of an invoice"),
        )
        .get(
            "/v1/invoices/receipt/number/{invoice_number}",
            receipt_by_number::<Invoices>,
            op("retrieve_invoice_receipt_by_number", "Read the receipt of an invoice by its number"),
        )
        .post(
            "/v1/invoices/{invoice_id}/items/add",
            items::add::<Invoices>,
            op("add_invoice_item", "Add an item to an invoice").example(new_item()),
        )
        .put(
            "/v1/invoices/{invoice_id}/items/{id}/update",
            items::update::<Invoices>,
            op("update_invoice_item", "Change an item of an invoice").example(json!({ "qty": 3 })),
        )
        .delete(
            "/v1/invoices/{invoice_id}/items/{id}/remove",
            items::remove::<Invoices>,
            op("remove_invoice_item", "Remove an item from an invoice"),
        )
}

fn orders() -> Routes {
    Routes::new()
        .post(
            "/v1/orders/create",
            create::<Orders>,
            op("create_order", "Create an order").example(json!({ "counterparty_id": 1, "currency": "USD", "note": "Two bags of rice", "fee_bearer": "PAYER", "as_payment_link": false })),
        )
        .get("/v1/orders/list", list_all::<Orders>, op("list_orders", "List orders"))
        .get("/v1/orders/retrieve/{id}", retrieve::<Orders>, op("retrieve_order", "Read an order"))
        .get(
            "/v1/orders/retrieve/number/{order_number}",
            retrieve_by_number::<Orders>,
            op("retrieve_order_by_number", "Read an order by its number"),
        )
        .put(
            "/v1/orders/update/{id}",
            update::<Orders>,
            op("update_order", "Change an order that is not published")
                .example(json!({ "note": "November" })),
        )
        .put(
            "/v1/orders/publish/{id}",
            publish::<Orders>,
            op("publish_order", "Publish an order: it can be paid"),
        )
        .delete("/v1/orders/cancel/{id}", cancel::<Orders>, op("cancel_order", "Cancel an order"))
        .get(
            "/v1/orders/receipt/{id}",
            receipt::<Orders>,
            op("retrieve_order_receipt", "Read the receipt of an order"),
        )
        .get(
            "/v1/orders/receipt/number/{order_number}",
            receipt_by_number::<Orders>,
            op("retrieve_order_receipt_by_number", "Read the receipt of an order by its number"),
        )
        .post(
            "/v1/orders/{order_id}/items/add",
            items::add::<Orders>,
            op("add_order_item", "Add an item to an order").example(new_item()),
        )
        .put(
            "/v1/orders/{order_id}/items/{id}/update",
            items::update::<Orders>,
            op("update_order_item", "Change an item of an order").example(json!({ "qty": 3 })),
        )
        .delete(
            "/v1/orders/{order_id}/items/{id}/remove",
            items::remove::<Orders>,
            op("remove_order_item", "Remove an item from an order"),
        )
}
