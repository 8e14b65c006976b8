//! The page of a payment link: `/l/{token}`. It asks for what the order of a payer is made of, in the
//! steps of the page of an order (`checkout`); the last one makes the order and leads to its page.

pub mod amount;
pub mod own_order;
pub mod pay;
pub mod show;

use crate::api::routes::Routes;

#[must_use]
pub fn routes() -> Routes {
    show::routes().and(pay::routes())
}
