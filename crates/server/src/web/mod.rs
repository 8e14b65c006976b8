//! HTML pages for payers: an invoice or order to pay, its receipt, and payment links. Whoever has the token in the
//! link may see the page.

pub(crate) mod amount;
pub(crate) mod app;
pub(crate) mod assets;
pub(crate) mod brand;
pub(crate) mod checkout;
pub(crate) mod countries;
pub(crate) mod form;
pub(crate) mod language;
pub(crate) mod methods;
pub(crate) mod movements;
pub(crate) mod page;
pub(crate) mod payment_link;
pub(crate) mod pdf;
pub(crate) mod qr;
pub(crate) mod receipt;
pub(crate) mod refusal;
pub(crate) mod statement;
pub(crate) mod text;
pub(crate) mod verify;

use crate::api::routes::Routes;

/// How many pages of one merchant may be in progress at once.
pub const IN_PROGRESS_MAX: usize = 64;

/// How many PDFs of one merchant may be made at once.
pub const PDFS_IN_PROGRESS_MAX: usize = 4;

#[must_use]
pub fn routes() -> Routes {
    checkout::routes()
        .and(payment_link::routes())
        .and(receipt::routes())
        .and(verify::routes())
        .and(assets::routes())
        .and(app::routes())
}
