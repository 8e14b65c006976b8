//! `/app`: pages for the people of merchants and of the installation. What they change is a decision
//! by them, and what they see is a read within their role.

mod approvals;
mod audit;
mod customers;
mod developers;
mod disputes;
mod figure_words;
mod filter;
mod frame;
mod home;
mod installation;
mod invitation;
mod items;
mod kept_words;
mod links;
mod login;
mod merchants;
mod navigation;
mod networks;
mod new_source;
mod overview;
mod payment;
mod payment_words;
mod payments;
mod payout;
mod payouts;
mod person;
mod plot;
mod profile;
mod reconciliation;
mod refund;
mod reviews;
mod sandbox;
mod search;
mod second_factor;
mod sources;
mod tariff;
mod team;
mod typed;
mod wallets;

pub use team::link;

use crate::api::routes::Routes;

#[must_use]
pub fn routes() -> Routes {
    home::routes()
        .and(login::routes())
        .and(second_factor::routes())
        .and(invitation::routes())
        .and(profile::routes())
        .and(team::routes())
        .and(approvals::routes())
        .and(audit::routes())
        .and(reviews::routes())
        .and(disputes::routes())
        .and(developers::routes())
        .and(sandbox::routes())
        .and(tariff::routes())
        .and(merchants::routes())
        .and(networks::routes())
        .and(reconciliation::routes())
        .and(installation::routes())
        .and(overview::routes())
        .and(payments::routes())
        .and(payment::routes())
        .and(refund::routes())
        .and(search::routes())
        .and(wallets::routes())
        .and(payouts::routes())
        .and(payout::routes())
        .and(sources::routes())
        .and(new_source::routes())
        .and(links::routes())
        .and(customers::routes())
        .answered_by(second_factor::carry_form)
}
