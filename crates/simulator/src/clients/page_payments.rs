//! Payers on pages: few phones at few addresses, who pay, send a form again, open a second tab, ask
//! how it stands, and leave the card page.

use domain::decision::command::Command;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{CheckoutConfigId, ExecutionId, MerchantId, PaymentAccountId, SourceId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Provider};
use domain::payments::check_now::CheckNow;
use domain::payments::leave_card_page::LeaveCardPage;
use domain::payments::pay_on_page::{PagePayment, PayOnPage, PayerChoice};
use domain::sales::checkout::PageToken;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::source::SourceStatus;

use super::Clients;
use crate::oracle::Model;
use crate::oracle::model::{Execution, Source};
use crate::queued_command::QueuedCommand;

/// How often a payer does each: pay, send a form again, ask, leave the card page, act at it.
const WEIGHTS: &[u32] = &[14, 2, 3, 2, 3];

impl Clients<'_> {
    /// The next step of a payer.
    pub(super) fn payer_on_page(&mut self, id: i64) -> Option<QueuedCommand> {
        let merchant_id = MerchantId(id);
        let command = match self.rng.weighted(WEIGHTS) {
            0 => self.pay_on_page(id)?,
            1 => self.send_form_again(id)?,
            2 => {
                let execution_id = self.pick_execution(id, |own| !own.is_final())?;
                Command::CheckNow(CheckNow { merchant_id, execution_id, even_if_final: false })
            }
            3 => {
                let on_card_page = |own: &Execution| own.requires_action && own.page.is_some();
                let execution_id = self.pick_execution(id, on_card_page)?;
                Command::LeaveCardPage(LeaveCardPage { merchant_id, execution_id })
            }
            _ => return self.authenticate(id),
        };
        Some(QueuedCommand::from_client(command))
    }

    /// A recent execution, mostly one that `fits`.
    pub(super) fn pick_execution(
        &mut self,
        id: i64,
        fits: impl Fn(&Execution) -> bool,
    ) -> Option<ExecutionId> {
        let mut chosen = self.pick_recent(id, |merchant| &merchant.executions)?;
        for _ in 0..8 {
            if self.model.executions.get(&chosen).is_some_and(&fits) {
                break;
            }
            chosen = self.pick_recent(id, |merchant| &merchant.executions)?;
        }
        Some(ExecutionId(chosen))
    }

    fn pay_on_page(&mut self, id: i64) -> Option<Command> {
        let mut chosen = self.pick_recent(id, |merchant| &merchant.sources)?;
        for _ in 0..6 {
            let found = self.model.sources.get(&chosen)?;
            if found.status == SourceStatus::Active {
                break;
            }
            chosen = self.pick_recent(id, |merchant| &merchant.sources)?;
        }
        let source = self.model.sources.get(&chosen)?;
        let Some(page) = self.model.pages.get(&chosen) else {
            return Some(Command::OpenCheckoutPage(OpenCheckoutPage {
                source: domain::sales::find_source::SourceRef {
                    merchant_id: MerchantId(source.merchant),
                    kind: source.kind,
                    id: SourceId(chosen),
                },
                token: PageToken(format!("page-{}", self.rng.next())),
            }));
        };
        let choice = self.payer_choice(source)?;
        let party = self.model.paying_party(source, &choice);
        let payment = self.page_payment(source, party, choice)?;
        // Occasionally the page of another source.
        let source_id = if self.rng.chance(10) {
            self.pick_recent(id, |merchant| &merchant.sources)?
        } else {
            chosen
        };
        Some(Command::PayOnPage(PayOnPage {
            merchant_id: MerchantId(id),
            page_id: CheckoutConfigId(*page),
            source_id: SourceId(source_id),
            payment,
        }))
    }

    /// What a payer sends from the page of a source.
    pub(super) fn page_payment(
        &mut self,
        source: &Source,
        party: Option<i64>,
        choice: PayerChoice,
    ) -> Option<PagePayment> {
        Some(PagePayment {
            reference_id: self.rng.reference_id(),
            quoted: self.quote(source, &choice)?,
            account_id: party.and_then(|party| self.payer_account(source, party, &choice)),
            address: format!("192.0.2.{}", self.rng.below(3)),
            choice,
            page_url: "https://pay.example/pay/token".to_owned(),
        })
    }

    pub(super) fn payer_choice(&mut self, source: &Source) -> Option<PayerChoice> {
        let liberian = if self.rng.chance(700) {
            format!("2318800000{:02}", self.rng.below(3))
        } else {
            super::phone(self.rng)
        };
        let rwandan = format!("25078000000{}", self.rng.below(2));
        let any = super::currency(self.rng)?;
        let (method, provider, phone) = match self.rng.below(20) {
            0..=8 => (Method::MTN_MOMO_LBR, Provider::PawaPay, Some(liberian)),
            9..=11 => (Method::MTN_MOMO_RWA, Provider::PawaPay, Some(rwandan)),
            // A number of another country; a method that the market has not, or no page offers.
            12 => (Method::MTN_MOMO_LBR, Provider::PawaPay, Some(rwandan)),
            13 if self.rng.chance(300) => {
                (Method::ORANGE_MONEY_LBR, Provider::PawaPay, Some(liberian))
            }
            13 if self.rng.chance(300) => (Method::WALLET, Provider::Platform, None),
            _ => (Method::CREDIT_CARD, Provider::Stripe, None),
        };
        let currency = match method {
            Method::MTN_MOMO_RWA if self.rng.chance(950) => Currency::parse("RWF")?,
            Method::MTN_MOMO_LBR if any.code() == "RWF" && self.rng.chance(950) => {
                Currency::parse("LRD")?
            }
            _ if self.rng.chance(500) => source.currency,
            _ => any,
        };
        Some(PayerChoice { method, provider, currency, phone })
    }

    /// The price that the payer was shown: mostly today's, sometimes that of before a fee or rate was
    /// changed, and sometimes no price at all.
    fn quote(&mut self, source: &Source, choice: &PayerChoice) -> Option<Money> {
        let today = self.model.prices.at(self.now);
        let prices = if self.rng.chance(50) {
            self.model.prices.before_last_changes(self.now).next().unwrap_or(today)
        } else {
            today
        };
        let network = (choice.provider, choice.method);
        let unit = self.model.unit_of(source.merchant, network, choice.currency);
        let price = Model::page_price(&prices, source, choice.method, choice.currency, unit)
            .unwrap_or(Money::new(1, choice.currency));
        Some(match self.rng.below(40) {
            0 => Money::new(price.minor + 1, price.currency),
            1 => Money::new(price.minor - 1, price.currency),
            2 => Money::new(price.minor, super::currency(self.rng)?),
            _ => price,
        })
    }

    /// An account that a page has found for the payer: mostly the right one, if there is one.
    fn payer_account(
        &mut self,
        source: &Source,
        party: i64,
        choice: &PayerChoice,
    ) -> Option<PaymentAccountId> {
        if self.rng.chance(300) {
            return None;
        }
        let accounts = &self.model.merchants.get(&source.merchant)?.accounts;
        let usable = |id: &&i64| self.model.account_to_use_again(**id, party, choice).is_some();
        let found = accounts.iter().rev().take(40).find(usable).copied();
        let any = self.rng.chance(100).then(|| self.rng.recent(accounts)).flatten();
        any.or(found).map(PaymentAccountId)
    }

    /// The same form once more: a reload, a step back, or a second click after the answer was lost.
    /// Sometimes with the same key for something else.
    fn send_form_again(&mut self, id: i64) -> Option<Command> {
        let began_on_page = |own: &Execution| own.page.is_some();
        let execution = self.pick_execution(id, began_on_page)?;
        let mut request = self.model.page_forms.get(&execution.0)?.clone();
        if self.rng.chance(200) {
            let other = super::currency(self.rng)?;
            request.payment.choice.currency = other;
            request.payment.quoted.currency = other;
        } else if self.rng.chance(300) {
            // Who comes back later has found another account, and perhaps another address.
            request.payment.account_id = None;
            request.payment.address = format!("192.0.2.{}", self.rng.below(3));
        }
        Some(Command::PayOnPage(request))
    }
}
