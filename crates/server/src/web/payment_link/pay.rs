//! `POST /l/{token}`: what a payer sends from the page of a payment link. Only the step `pay` makes
//! something: the order of this payer with its payment. The steps before it show what it would be.

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::directory::create_party::NewParty;
use domain::directory::principal::Principal;
use domain::kernel::money::{Decimal, Money};
use domain::kernel::phone::is_phone;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::seconds;
use domain::payments::attempt::WithAttempt;
use domain::payments::execute::Executed;
use domain::payments::pay_on_page::PagePayment;
use domain::payments::request_limit::RequestLimitKind;
use domain::sales::checkout::PageToken;
use domain::sales::pay_link::{PaidLink, PayLink};
use domain::sales::payment_link::LinkPrice;
use serde_json::Value;

use crate::api::error::ApiError;
use crate::api::executions::{first_outcome, run_to_completion};
use crate::api::extract::PathSegments;
use crate::api::fields::{FromValue, Text};
use crate::api::links::{draw_token, page_url, pay_path};
use crate::api::payment_links::link_path;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::{ClientAddress, CountPageRequest};
use crate::web::checkout::phone;
use crate::web::checkout::show::render;
use crate::web::checkout::steps::{self, Chosen};
use crate::web::checkout::view::{
    AmountFault, CheckoutPage, ClosedReason, Closing, LinkPayer, Notice, PageState, PhoneFault,
    PhoneForm, Review,
};
use crate::web::form::Form;
use crate::web::language::Visitor;
use crate::web::payment_link::show::{self, Loaded};
use crate::web::payment_link::{amount, own_order};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

async fn act(
    State(app): State<App>,
    _: CountPageRequest,
    ClientAddress(address): ClientAddress,
    visitor: Visitor,
    PathSegments([token]): PathSegments<1>,
    form: Form,
) -> Result<Response, ApiError> {
    let loaded = show::load(&app, &token).await?;
    let payer = Payer { app: &app, token: &token, visitor: &visitor, form: &form };
    let step = form.field("step");
    // Whoever sends a form twice is led to the order that it made, even if its use was the last one.
    if !loaded.rows.is_open() && step != Some("pay") {
        return Ok(see(&link_path(&token)));
    }
    let amount = match payer.amount(&loaded) {
        Ok(amount) => amount,
        Err(fault) => return payer.ask_amount(loaded, fault),
    };
    match step {
        Some("amount") => payer.choices(loaded, amount, None, StatusCode::OK),
        Some("method") => payer.choose(loaded, amount),
        Some("phone") => payer.give_phone(loaded, amount),
        Some("pay") => payer.pay(loaded, amount, address.to_string()).await,
        Some(_) | None => {
            payer.choices(loaded, amount, Some(Notice::FormIncomplete), UNPROCESSABLE)
        }
    }
}

/// Leads the browser to a page. A reload then sends no form again.
fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A payer who has sent a form.
struct Payer<'a> {
    app: &'a App,
    token: &'a str,
    visitor: &'a Visitor,
    form: &'a Form,
}

/// Who pays, as the form says it.
struct Named {
    name: String,
    phone: String,
}

impl Payer<'_> {
    fn show(
        &self,
        loaded: Loaded,
        (state, payer): (PageState, LinkPayer),
        notice: Option<Notice>,
        status: StatusCode,
    ) -> Result<Response, ApiError> {
        let page = loaded.page_in(state, payer, self.visitor.clone());
        render(CheckoutPage { notice, ..page }, status)
    }

    /// The amount that the payer chose; `None` where the link has items.
    fn amount(&self, loaded: &Loaded) -> Result<Option<Money>, AmountFault> {
        let link = &loaded.rows.link;
        match link.price {
            LinkPrice::Items { .. } => Ok(None),
            LinkPrice::Open { .. } => {
                amount::read(self.form.field("amount").unwrap_or_default(), link).map(Some)
            }
        }
    }

    fn ask_amount(&self, loaded: Loaded, fault: AmountFault) -> Result<Response, ApiError> {
        let typed = self.form.field("amount").unwrap_or_default().to_owned();
        let state = loaded.rows.ask_amount(typed, Some(fault));
        self.show(loaded, (state, LinkPayer::default()), None, UNPROCESSABLE)
    }

    /// What the payer has given so far, beside what the form asks for again.
    fn so_far(&self, amount: Option<Money>) -> LinkPayer {
        let name = self.form.field("name").unwrap_or_default().to_owned();
        LinkPayer { amount, name, ..LinkPayer::default() }
    }

    fn choices(
        &self,
        loaded: Loaded,
        amount: Option<Money>,
        notice: Option<Notice>,
        status: StatusCode,
    ) -> Result<Response, ApiError> {
        let state = match amount {
            Some(amount) => PageState::Open(loaded.rows.choices(amount)),
            None => loaded.rows.state(),
        };
        let payer = LinkPayer { amount, ..LinkPayer::default() };
        self.show(loaded, (state, payer), notice, status)
    }

    /// The method that the form names, if it is offered now.
    fn chosen(&self, loaded: &Loaded, amount: Option<Money>) -> Result<Chosen, Notice> {
        let total = amount.or(loaded.rows.link.total()).ok_or(Notice::FormIncomplete)?;
        steps::chosen(self.form, &loaded.rows.choices(total))
    }

    fn choose(&self, loaded: Loaded, amount: Option<Money>) -> Result<Response, ApiError> {
        match self.chosen(&loaded, amount) {
            Ok(chosen) => {
                let payer = self.so_far(amount);
                self.ask_phone(loaded, chosen, payer, None, StatusCode::OK)
            }
            Err(notice) => self.choices(loaded, amount, Some(notice), UNPROCESSABLE),
        }
    }

    fn ask_phone(
        &self,
        loaded: Loaded,
        chosen: Chosen,
        payer: LinkPayer,
        fault: Option<PhoneFault>,
        status: StatusCode,
    ) -> Result<Response, ApiError> {
        let phone = self.form.field("phone").unwrap_or_default().to_owned();
        let Chosen { pay_with, price, .. } = chosen;
        let state = PageState::Phone(PhoneForm { pay_with, price, phone, fault });
        self.show(loaded, (state, payer), None, status)
    }

    /// Name and number of the form, in international form.
    fn named(&self, loaded: &Loaded, chosen: Chosen) -> Result<Named, (bool, Option<PhoneFault>)> {
        let rows = &loaded.rows;
        let phone = if chosen.pay_with.method.is_mobile_money() {
            steps::phone(self.form, chosen, &rows.tariff, rows.now)
        } else {
            contact_phone(self.form.field("phone").unwrap_or_default(), rows.home_code())
        };
        let name = self.form.field("name").unwrap_or_default();
        let name = Text::<255>::read(&Value::String(name.to_owned()));
        match (name, phone) {
            (Ok(Text(name)), Ok(phone)) => Ok(Named { name, phone }),
            (name, phone) => Err((name.is_err(), phone.err())),
        }
    }

    fn give_phone(&self, loaded: Loaded, amount: Option<Money>) -> Result<Response, ApiError> {
        let chosen = match self.chosen(&loaded, amount) {
            Ok(chosen) => chosen,
            Err(notice) => return self.choices(loaded, amount, Some(notice), UNPROCESSABLE),
        };
        match self.named(&loaded, chosen) {
            Ok(named) => self.review(loaded, amount, chosen, named, None),
            Err((name_fault, fault)) => {
                let payer = LinkPayer { name_fault, ..self.so_far(amount) };
                self.ask_phone(loaded, chosen, payer, fault, UNPROCESSABLE)
            }
        }
    }

    fn review(
        &self,
        loaded: Loaded,
        amount: Option<Money>,
        chosen: Chosen,
        named: Named,
        price_before: Option<Money>,
    ) -> Result<Response, ApiError> {
        let rows = &loaded.rows;
        let Chosen { pay_with, price, .. } = chosen;
        let Named { name, phone } = named;
        let asked = pay_with.method.is_mobile_money();
        let choices = amount.or(rows.link.total()).map(|total| rows.choices(total));
        let looks_like = choices.filter(|_| asked).and_then(|choices| {
            steps::looks_like(&phone, pay_with, &choices, &rows.tariff, rows.now)
        });
        let key = steps::draw_key()?;
        let (phone, contact_phone) = if asked { (Some(phone), None) } else { (None, Some(phone)) };
        let state =
            PageState::Review(Review { pay_with, price, phone, looks_like, price_before, key });
        let payer = LinkPayer { amount, name, contact_phone, ..LinkPayer::default() };
        self.show(loaded, (state, payer), None, StatusCode::OK)
    }

    async fn pay(
        &self,
        loaded: Loaded,
        amount: Option<Money>,
        address: String,
    ) -> Result<Response, ApiError> {
        let chosen = match self.chosen(&loaded, amount) {
            Ok(chosen) => chosen,
            Err(notice) => return self.choices(loaded, amount, Some(notice), UNPROCESSABLE),
        };
        let named = match self.named(&loaded, chosen) {
            Ok(named) => named,
            Err((name_fault, fault)) => {
                let payer = LinkPayer { name_fault, ..self.so_far(amount) };
                return self.ask_phone(loaded, chosen, payer, fault, UNPROCESSABLE);
            }
        };
        let sent = steps::key_and_quote(self.form, chosen.pay_with.currency);
        let Some((reference_id, quoted)) = sent else {
            return self.choices(loaded, amount, Some(Notice::FormIncomplete), UNPROCESSABLE);
        };
        let asked = chosen.pay_with.method.is_mobile_money();
        let token = draw_token()?;
        let command = PayLink {
            merchant_id: loaded.rows.merchant.id,
            link_id: loaded.rows.link.id,
            payer: NewParty {
                fullname: named.name.clone(),
                phone: named.phone.clone(),
                email: None,
                country_code: None,
            },
            amount: amount.and_then(|amount| Decimal::parse(&amount.to_string())),
            token: token.clone(),
            payment: PagePayment {
                reference_id,
                choice: chosen.by(asked.then(|| named.phone.clone())),
                quoted,
                account_id: None,
                address,
                page_url: page_url(&self.app.config.public_url, &token.0),
            },
        };
        let app = self.app.clone();
        match run_to_completion(async move { pay(&app, command).await }).await? {
            Ok(PageToken(order)) => {
                let mut response = see(&pay_path(&order));
                own_order::remember(&order, self.token, &mut response)?;
                Ok(response)
            }
            Err(Failure::Refused(refusals)) => {
                self.refused(loaded, amount, chosen, (named, quoted), &refusals).await
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// What is shown when the decision refused to pay: nothing was made.
    async fn refused(
        &self,
        loaded: Loaded,
        amount: Option<Money>,
        chosen: Chosen,
        (named, quoted): (Named, Money),
        refusals: &[Refusal],
    ) -> Result<Response, ApiError> {
        let time = loaded.rows.time();
        match refusals.first() {
            Some(Refusal::QuoteChanged) => {
                // The price is read again: it has changed since this page was loaded, or since it was
                // shown.
                drop(loaded);
                let loaded = show::load(self.app, self.token).await?;
                match self.chosen(&loaded, amount) {
                    Ok(chosen) => self.review(loaded, amount, chosen, named, Some(quoted)),
                    Err(notice) => self.choices(loaded, amount, Some(notice), UNPROCESSABLE),
                }
            }
            Some(Refusal::TooManyPayments { kind, seconds: wait }) => {
                let again_at = time.plus(seconds(*wait));
                let status = StatusCode::TOO_MANY_REQUESTS;
                let mut page = match kind {
                    RequestLimitKind::Phone => {
                        let fault = Some(PhoneFault::TooManyRequests { again_at });
                        self.ask_phone(loaded, chosen, self.so_far(amount), fault, status)
                    }
                    RequestLimitKind::Source | RequestLimitKind::Address => {
                        let notice = Some(Notice::TooManyPayments { again_at });
                        self.choices(loaded, amount, notice, status)
                    }
                }?;
                page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*wait));
                Ok(page)
            }
            Some(Refusal::PhoneOfOtherCountry { .. }) => {
                let fault = Some(PhoneFault::OtherCountry);
                self.ask_phone(loaded, chosen, self.so_far(amount), fault, UNPROCESSABLE)
            }
            Some(Refusal::AmountOutOfRange { .. }) => {
                self.ask_amount(loaded, AmountFault::OutOfRange)
            }
            // It was the last use, or the link has ended: the page says so.
            Some(
                Refusal::PaymentLinkClosed { .. } | Refusal::DuplicateReference | Refusal::NotFound,
            ) => Ok(see(&link_path(self.token))),
            refusal => match refusal.and_then(ClosedReason::of_refusal) {
                Some(reason) => {
                    let state = PageState::Closed(Closing { reason, nothing_taken: false });
                    self.show(loaded, (state, self.so_far(amount)), None, UNPROCESSABLE)
                }
                None => self.choices(loaded, amount, Some(Notice::MethodNotOffered), UNPROCESSABLE),
            },
        }
    }
}

/// The number of a payer who is not asked by it: of any country if it says so, else of this one.
fn contact_phone(text: &str, home_code: &str) -> Result<String, PhoneFault> {
    match phone::read(text, home_code) {
        Err(PhoneFault::OtherCountry) => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let digits = digits.strip_prefix("00").unwrap_or(&digits);
            if is_phone(digits) { Ok(digits.to_owned()) } else { Err(PhoneFault::NotANumber) }
        }
        read => read,
    }
}

/// Pays, and waits for the network's first word as long as an answer may take. Returns the token of
/// the order's page.
async fn pay(app: &App, command: PayLink) -> Result<PageToken, Failure> {
    let merchant = command.merchant_id;
    let paid = app.engine.submit_for(merchant, Principal::Payer, command).await?;
    let PaidLink { page, executed, .. } = paid;
    let Executed { execution, attempt, call, .. } = *executed;
    first_outcome(app, WithAttempt { execution, attempt }, call).await;
    Ok(page.current_token().clone())
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().form("/l/{token}", act)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_with_a_card_has_a_number_of_any_country() {
        for (text, expected) in [
            ("088 000 0001", Ok("231880000001")),
            ("+44 1632 960001", Ok("441632960001")),
            ("0044 1632 960001", Ok("441632960001")),
            ("call me", Err(PhoneFault::NotANumber)),
            ("", Err(PhoneFault::Missing)),
        ] {
            assert_eq!(contact_phone(text, "231"), expected.map(str::to_owned), "{text}");
        }
    }
}
