//! `POST /pay/{token}`: what a payer sends from the page of an invoice or order. Only the step `pay`
//! asks a network for money; the steps before it show what would be asked for.

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::directory::principal::Principal;
use domain::kernel::ids::PaymentAccountId;
use domain::kernel::money::Money;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::seconds;
use domain::payments::attempt::WithAttempt;
use domain::payments::authenticate_card::{AuthenticateCard, CardResult};
use domain::payments::check_now::CheckNow;
use domain::payments::execute::Executed;
use domain::payments::leave_card_page::LeaveCardPage;
use domain::payments::pay_on_page::{self, PagePayment, PayOnPage};
use domain::payments::record_outcome::RecordedOutcome;
use domain::payments::request_limit::RequestLimitKind;

use crate::api::error::ApiError;
use crate::api::executions::{first_outcome, run_to_completion};
use crate::api::extract::PathSegments;
use crate::api::links::{page_url, pay_path};
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::{ClientAddress, CountPageRequest};
use crate::web::checkout::show::{self, Loaded};
use crate::web::checkout::steps::{self, Chosen};
use crate::web::checkout::view::{
    CardPayment, CardPlace, CheckoutPage, ClosedReason, Closing, Notice, PageState, PhoneFault,
    PhoneForm, Review,
};
use crate::web::checkout::words::CARD_DECLINES;
use crate::web::form::Form;
use crate::web::language::Visitor;

/// Handles the form of a page.
///
/// # Errors
/// [`ApiError`], which is shown as a page.
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
    match form.field("step") {
        Some("check") => payer.check(&loaded).await,
        Some("card") => payer.play_card(loaded).await,
        Some("leave_card") => payer.leave_card(&loaded).await,
        // The page may have been open for long: it shows how things stand now.
        Some("method" | "phone" | "pay") if !loaded.rows.state().is_open() => payer.see_page(),
        Some("method") => payer.choose(loaded).await,
        Some("phone") => payer.give_phone(loaded),
        Some("pay") => payer.pay(loaded, address.to_string()).await,
        Some(_) | None => {
            payer.again(loaded, Notice::FormIncomplete, StatusCode::UNPROCESSABLE_ENTITY)
        }
    }
}

/// A payer who has sent a form.
struct Payer<'a> {
    app: &'a App,
    token: &'a str,
    visitor: &'a Visitor,
    form: &'a Form,
}

impl Payer<'_> {
    /// Leads the browser to the page, which shows the truth. A reload then sends no form again.
    fn see_page(&self) -> Result<Response, ApiError> {
        Ok(Redirect::to(&pay_path(self.token)).into_response())
    }

    fn show(
        &self,
        loaded: Loaded,
        state: PageState,
        notice: Option<Notice>,
        status: StatusCode,
    ) -> Result<Response, ApiError> {
        let page = loaded.page_in(state, self.visitor.clone());
        show::render(CheckoutPage { notice, ..page }, status)
    }

    /// The page in its own state, with what came of the form.
    fn again(
        &self,
        loaded: Loaded,
        notice: Notice,
        status: StatusCode,
    ) -> Result<Response, ApiError> {
        let state = loaded.rows.state();
        self.show(loaded, state, Some(notice), status)
    }

    fn chosen(&self, loaded: &Loaded) -> Result<Chosen, Notice> {
        steps::chosen(self.form, &loaded.rows.choices())
    }

    async fn choose(&self, loaded: Loaded) -> Result<Response, ApiError> {
        let chosen = match self.chosen(&loaded) {
            Ok(chosen) => chosen,
            Err(notice) => return self.again(loaded, notice, StatusCode::UNPROCESSABLE_ENTITY),
        };
        if chosen.pay_with.method.is_mobile_money() {
            let phone = match self.form.field("phone") {
                Some(typed) => typed.to_owned(),
                None => self.known_phone(&loaded, chosen).await?.unwrap_or_default(),
            };
            self.ask_phone(loaded, chosen, phone, None, StatusCode::OK)
        } else {
            self.review(loaded, chosen, None, None)
        }
    }

    /// The number of the invoice's party, if it is one of the chosen network.
    async fn known_phone(
        &self,
        loaded: &Loaded,
        chosen: Chosen,
    ) -> Result<Option<String>, ApiError> {
        let Some(page) = self.app.queries.for_page(self.token).await? else { return Ok(None) };
        let phone = page.party_phone().await?;
        Ok(phone.filter(|phone| {
            let operator = loaded.rows.tariff.operator(phone, loaded.rows.now);
            operator.is_some_and(|row| row.method == chosen.pay_with.method)
        }))
    }

    fn ask_phone(
        &self,
        loaded: Loaded,
        chosen: Chosen,
        phone: String,
        fault: Option<PhoneFault>,
        status: StatusCode,
    ) -> Result<Response, ApiError> {
        let Chosen { pay_with, price, .. } = chosen;
        let form = PhoneForm { pay_with, price, phone, fault };
        self.show(loaded, PageState::Phone(form), None, status)
    }

    fn review(
        &self,
        loaded: Loaded,
        chosen: Chosen,
        phone: Option<String>,
        price_before: Option<Money>,
    ) -> Result<Response, ApiError> {
        let rows = &loaded.rows;
        let Chosen { pay_with, price, .. } = chosen;
        let looks_like = phone.as_deref().and_then(|phone| {
            steps::looks_like(phone, pay_with, &rows.choices(), &rows.tariff, rows.now)
        });
        let key = steps::draw_key()?;
        let review = Review { pay_with, price, phone, looks_like, price_before, key };
        self.show(loaded, PageState::Review(review), None, StatusCode::OK)
    }

    fn phone(&self, loaded: &Loaded, chosen: Chosen) -> Result<String, PhoneFault> {
        steps::phone(self.form, chosen, &loaded.rows.tariff, loaded.rows.now)
    }

    fn give_phone(&self, loaded: Loaded) -> Result<Response, ApiError> {
        let chosen = match self.chosen(&loaded) {
            Ok(chosen) => chosen,
            Err(notice) => return self.again(loaded, notice, StatusCode::UNPROCESSABLE_ENTITY),
        };
        if !chosen.pay_with.method.is_mobile_money() {
            return self.review(loaded, chosen, None, None);
        }
        match self.phone(&loaded, chosen) {
            Ok(phone) => self.review(loaded, chosen, Some(phone), None),
            Err(fault) => self.ask_phone_again(loaded, chosen, fault),
        }
    }

    fn ask_phone_again(
        &self,
        loaded: Loaded,
        chosen: Chosen,
        fault: PhoneFault,
    ) -> Result<Response, ApiError> {
        let typed = self.form.field("phone").unwrap_or_default().to_owned();
        self.ask_phone(loaded, chosen, typed, Some(fault), StatusCode::UNPROCESSABLE_ENTITY)
    }

    async fn pay(&self, loaded: Loaded, address: String) -> Result<Response, ApiError> {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        let chosen = match self.chosen(&loaded) {
            Ok(chosen) => chosen,
            Err(notice) => return self.again(loaded, notice, unprocessable),
        };
        let phone = if chosen.pay_with.method.is_mobile_money() {
            match self.phone(&loaded, chosen) {
                Ok(phone) => Some(phone),
                Err(fault) => return self.ask_phone_again(loaded, chosen, fault),
            }
        } else {
            None
        };
        let sent = steps::key_and_quote(self.form, chosen.pay_with.currency);
        let Some((reference_id, quoted)) = sent else {
            return self.again(loaded, Notice::FormIncomplete, unprocessable);
        };
        let rows = &loaded.rows;
        let command = PayOnPage {
            merchant_id: rows.merchant.id,
            page_id: rows.checkout.id,
            source_id: rows.source.id,
            payment: PagePayment {
                reference_id,
                choice: chosen.by(phone.clone()),
                quoted,
                account_id: account_of_last(&loaded, phone.as_deref()),
                address,
                page_url: page_url(&self.app.config.public_url, self.token),
            },
        };
        let app = self.app.clone();
        match run_to_completion(async move { pay(&app, command).await }).await? {
            Ok(()) => self.see_page(),
            Err(Failure::Refused(refusals)) => {
                self.refused(loaded, chosen, phone, quoted, &refusals).await
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// What is shown when the decision refused to pay: nothing was sent.
    async fn refused(
        &self,
        loaded: Loaded,
        chosen: Chosen,
        phone: Option<String>,
        quoted: Money,
        refusals: &[Refusal],
    ) -> Result<Response, ApiError> {
        let time = loaded.rows.time();
        match refusals.first() {
            Some(Refusal::QuoteChanged) => {
                // The price is read again: it has changed since this page was loaded, or since it was
                // shown.
                drop(loaded);
                let loaded = show::load(self.app, self.token).await?;
                match self.chosen(&loaded) {
                    Ok(chosen) => self.review(loaded, chosen, phone, Some(quoted)),
                    Err(notice) => self.again(loaded, notice, StatusCode::UNPROCESSABLE_ENTITY),
                }
            }
            Some(Refusal::TooManyPayments { kind, seconds: wait }) => {
                let again_at = time.plus(seconds(*wait));
                let mut page = match kind {
                    RequestLimitKind::Phone => {
                        let fault = PhoneFault::TooManyRequests { again_at };
                        let phone = phone.unwrap_or_default();
                        self.ask_phone(
                            loaded,
                            chosen,
                            phone,
                            Some(fault),
                            StatusCode::TOO_MANY_REQUESTS,
                        )
                    }
                    RequestLimitKind::Source | RequestLimitKind::Address => {
                        let notice = Notice::TooManyPayments { again_at };
                        self.again(loaded, notice, StatusCode::TOO_MANY_REQUESTS)
                    }
                }?;
                page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*wait));
                Ok(page)
            }
            Some(Refusal::PhoneOfOtherCountry { .. }) => {
                self.ask_phone_again(loaded, chosen, PhoneFault::OtherCountry)
            }
            Some(Refusal::PaymentLinkClosed { .. }) => {
                self.again(loaded, Notice::LinkClosed, StatusCode::UNPROCESSABLE_ENTITY)
            }
            // Somebody pays it, has paid it, or it has ended: the page says so.
            Some(
                Refusal::InvalidState { .. }
                | Refusal::InReview { .. }
                | Refusal::CheckoutExpired { .. }
                | Refusal::DuplicateReference
                | Refusal::NotFound,
            ) => self.see_page(),
            refusal => match refusal.and_then(ClosedReason::of_refusal) {
                Some(reason) => {
                    let state = PageState::Closed(Closing { reason, nothing_taken: false });
                    self.show(loaded, state, None, StatusCode::UNPROCESSABLE_ENTITY)
                }
                None => {
                    let status = StatusCode::UNPROCESSABLE_ENTITY;
                    self.again(loaded, Notice::MethodNotOffered, status)
                }
            },
        }
    }

    /// Asks the network how the payment stands, if that was not done a moment ago.
    async fn check(&self, loaded: &Loaded) -> Result<Response, ApiError> {
        let Some(last) = loaded.rows.last.as_ref().filter(|last| last.attempt.is_some()) else {
            return self.see_page();
        };
        let merchant_id = loaded.rows.merchant.id;
        let command =
            CheckNow { merchant_id, execution_id: last.execution.id, even_if_final: false };
        let call = self.app.engine.submit_for(merchant_id, Principal::Payer, command).await?;
        first_outcome(self.app, last.clone(), call).await;
        self.see_page()
    }

    /// Ends a card payment, so that another way can be chosen.
    async fn leave_card(&self, loaded: &Loaded) -> Result<Response, ApiError> {
        let Some(last) = loaded.rows.last.as_ref().filter(|last| last.attempt.is_some()) else {
            return self.see_page();
        };
        let merchant_id = loaded.rows.merchant.id;
        let command = LeaveCardPage { merchant_id, execution_id: last.execution.id };
        match self.app.engine.submit_for(merchant_id, Principal::Payer, command).await {
            Ok(call) => {
                first_outcome(self.app, last.clone(), call).await;
                self.see_page()
            }
            Err(Failure::Refused(_)) => self.see_page(),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Plays what a payer does on the network's page for cards: in the sandbox only.
    async fn play_card(&self, loaded: Loaded) -> Result<Response, ApiError> {
        let rows = &loaded.rows;
        let chosen = self.form.field("result");
        if chosen == Some("3ds")
            && let PageState::Card(card) = rows.state()
            && card.place == CardPlace::Sandbox
        {
            let state =
                PageState::Card(CardPayment { place: CardPlace::SandboxConfirmation, ..card });
            return self.show(loaded, state, None, StatusCode::OK);
        }
        let result = chosen.and_then(card_result);
        let (Some(WithAttempt { execution, attempt: Some(attempt) }), Some(result)) =
            (&rows.last, result)
        else {
            return self.see_page();
        };
        if !pay_on_page::is_on_card_page(attempt) {
            return self.see_page();
        }
        let command = AuthenticateCard {
            merchant_id: rows.merchant.id,
            reference_id: execution.reference_id,
            result,
        };
        match self.app.engine.submit_for(rows.merchant.id, Principal::Payer, command).await {
            Ok(RecordedOutcome { execution, attempt, call }) => {
                first_outcome(self.app, WithAttempt { execution, attempt }, call).await;
                self.see_page()
            }
            Err(Failure::Refused(_)) => self.see_page(),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The account of the last payment, if it has the number that is chosen now: then it is used again.
fn account_of_last(loaded: &Loaded, phone: Option<&str>) -> Option<PaymentAccountId> {
    let account = loaded.rows.account.as_ref()?;
    (account.account_number.as_deref() == phone).then_some(account.id)
}

async fn pay(app: &App, command: PayOnPage) -> Result<(), Failure> {
    let merchant = command.merchant_id;
    let executed = app.engine.submit_for(merchant, Principal::Payer, command).await?;
    let Executed { execution, attempt, call, .. } = executed;
    first_outcome(app, WithAttempt { execution, attempt }, call).await;
    Ok(())
}

fn card_result(text: &str) -> Option<CardResult> {
    match text {
        "succeed" => Some(CardResult::Authenticated),
        "authentication_failed" => Some(CardResult::NotAuthenticated),
        code => CARD_DECLINES.into_iter().find(|known| *known == code).map(CardResult::Declined),
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().form("/pay/{token}", act)
}
