//! The page on which an invoice or order is paid: `/pay/{token}`.

pub mod pay;
pub mod phone;
pub mod show;
pub mod state;
pub mod view;
pub mod words;

use crate::api::routes::Routes;

#[must_use]
pub fn routes() -> Routes {
    show::routes().and(pay::routes())
}
