//! The page on which an invoice or order is paid: `/pay/{token}`. The page of a payment link has the
//! same first steps.

pub mod changes;
pub mod offers;
pub mod pay;
pub mod phone;
#[cfg(test)]
mod render_tests;
#[cfg(test)]
pub mod samples;
pub mod show;
pub mod state;
#[cfg(test)]
mod state_tests;
pub mod steps;
pub mod view;
pub mod words;

use crate::api::routes::Routes;

#[must_use]
pub fn routes() -> Routes {
    show::routes().and(pay::routes()).and(changes::routes())
}
