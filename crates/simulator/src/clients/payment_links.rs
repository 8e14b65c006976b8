//! Payment links that are soon used up, and their payers, who sometimes send a form again.

use domain::decision::command::Command;
use domain::directory::create_party::NewParty;
use domain::kernel::ids::{MerchantId, PaymentLinkId};
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::FeeBearer;
use domain::sales::checkout::PageToken;
use domain::sales::create_payment_link::{NewLinkPrice, NewPaymentLink};
use domain::sales::edit_items::NewItem;
use domain::sales::pay_link::PayLink;

use super::{Clients, currency, money};
use crate::oracle::model::Execution;

impl Clients<'_> {
    /// A link that is soon used up.
    pub(super) fn payment_link(&mut self, id: i64) -> Option<NewPaymentLink> {
        let currency = currency(self.rng)?;
        let amount = money(currency, self.rng);
        let price = if self.rng.chance(500) {
            let item = NewItem { name: "I".to_owned(), currency, qty: 2, amount };
            NewLinkPrice::Items(vec![item.clone(), NewItem { qty: 1, ..item }])
        } else {
            let max = Money::new(amount.minor + self.rng.between(-1, 100), currency);
            NewLinkPrice::Open { min: amount, max }
        };
        Some(NewPaymentLink {
            title: "T".to_owned(),
            currency,
            price,
            max_uses: if self.rng.chance(800) { Some(self.rng.between(1, 3)) } else { None },
            fee_bearer: if self.rng.chance(500) { Some(FeeBearer::Payee) } else { None },
            expires_at: if self.rng.chance(100) { Some(self.expiry(id)) } else { None },
            success_url: None,
            token: PageToken(format!("link-{}", self.rng.next())),
            idempotency_key: None,
        })
    }

    /// A payer of a link.
    pub(super) fn pay_link(&mut self, id: i64) -> Option<Command> {
        if self.rng.chance(100) {
            return self.send_link_form_again(id);
        }
        let link_id = self.pick_recent(id, |merchant| &merchant.links)?;
        let link = self.model.links.get(&link_id)?;
        let chosen = if self.rng.chance(50) {
            self.rng.between(link.least - 1, link.most + 1)
        } else {
            self.rng.between(link.least.min(link.most), link.most)
        };
        let amount = Decimal::parse(&Money::new(chosen, link.currency).to_string());
        let total = if link.is_open { chosen } else { link.most };
        let order = link.order(link_id, 0, total);
        let choice = self.payer_choice(&order)?;
        let any = self.party();
        let phone = choice.phone.clone().filter(|_| self.rng.chance(950));
        let payer = NewParty { phone: phone.unwrap_or(any.phone), ..any };
        let party = self.model.first_party.get(&(link.merchant, payer.phone.clone())).copied();
        Some(Command::PayLink(PayLink {
            merchant_id: MerchantId(id),
            link_id: PaymentLinkId(link_id),
            payer,
            amount: amount.filter(|_| self.rng.chance(970)),
            token: PageToken(format!("order-{}", self.rng.next())),
            payment: self.page_payment(&order, party, choice)?,
        }))
    }

    /// The same form once more, sometimes with the same key for another link.
    fn send_link_form_again(&mut self, id: i64) -> Option<Command> {
        let forms = &self.model.link_forms;
        let began_here = |own: &Execution| own.page.is_some();
        let mut chosen = self.pick_execution(id, began_here)?;
        for _ in 0..20 {
            if forms.contains_key(&chosen.0) {
                break;
            }
            chosen = self.pick_execution(id, began_here)?;
        }
        let mut request = forms.get(&chosen.0)?.clone();
        if self.rng.chance(200) {
            request.link_id = PaymentLinkId(self.pick_recent(id, |merchant| &merchant.links)?);
        }
        Some(Command::PayLink(request))
    }
}
