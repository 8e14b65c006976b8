//! Payment links: what they offer, and how often they may be paid.

use domain::decision::command::Output;
use domain::kernel::ids::SourceId;
use domain::kernel::money::{AmountFault, Decimal};
use domain::kernel::names::FeeBearer;
use domain::kernel::refusal::Subject;
use domain::sales::create_payment_link::{NewLinkPrice, NewPaymentLink};
use domain::sales::find_source::SourceRef;
use domain::sales::pay_link::{PaidLink, PayLink};
use domain::sales::payment_link::{LinkPrice, LinkStatus};
use domain::sales::source::{SourceStatus, SourceType};

use super::model::{Link, Mismatch, Model, Source};
use super::page_payments::{Expected, Payer};
use super::{Observed, Reason, first, output, reasons};

/// In microseconds, as all times here.
const DAY: i64 = 86_400_000_000;
/// An id that no row has, in the place of those of rows that are yet to be created.
const NEW: i64 = -1;

impl Model {
    /// How many uses of a link are reserved and paid: those of its orders that are being collected
    /// for, and those that are paid.
    pub fn link_uses(&self, id: i64) -> (usize, usize) {
        let orders = self.links.get(&id).map(|link| link.orders.as_slice()).unwrap_or_default();
        let count = |status| {
            let is = |order: &&i64| self.sources.get(order).is_some_and(|own| own.status == status);
            orders.iter().filter(is).count()
        };
        (count(SourceStatus::Processing), count(SourceStatus::Paid))
    }

    /// Whether no payment for an order of a link may begin.
    pub(super) fn is_link_closed(&self, id: Option<i64>) -> bool {
        let Some(link) = id.and_then(|id| self.links.get(&id)) else { return false };
        let (reserved, paid) = self.link_uses(id.unwrap_or(0));
        link.deactivated || link.max_uses.is_some_and(|most| reserved + paid >= most)
    }

    pub(super) fn link_created(
        &mut self,
        merchant: i64,
        new: &NewPaymentLink,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let (time, end) = (self.time(merchant, observed.now), new.expires_at.map(|end| end.0));
        let mut refused =
            first(&[(!self.merchant(merchant).verified, (Subject::Caller, "not_verified"))]);
        if refused.is_empty() {
            let bad_end = end.is_some_and(|end| end <= time || end > time + 366 * DAY);
            let upside_down =
                matches!(&new.price, NewLinkPrice::Open { min, max } if min.minor > max.minor);
            refused = reasons(&[
                (bad_end, (Subject::Expiry, "expires_at")),
                (upside_down, (Subject::Amount, "amount")),
            ]);
        }
        if !observed.check_acceptance(refused)? {
            return Ok(());
        }
        let made = output!(observed, Output::CreatePaymentLink(made) => made.link);
        let bearer =
            if self.merchant(merchant).payee_bears { FeeBearer::Payee } else { FeeBearer::Payer };
        let bearer = new.fee_bearer.unwrap_or(bearer);
        if made.fee_bearer != bearer && !observed.lenient {
            return Err(format!("{} bears the fees instead of {bearer}", made.fee_bearer));
        }
        let (least, most, is_open) = match &new.price {
            NewLinkPrice::Items(items) => {
                let total = items.iter().map(|item| item.qty * item.amount.minor).sum();
                (total, total, false)
            }
            NewLinkPrice::Open { min, max } => (min.minor, max.minor, true),
        };
        let same = match made.price {
            LinkPrice::Items { total_minor, .. } => !is_open && total_minor == least,
            LinkPrice::Open { min_minor, max_minor } => {
                is_open && (min_minor, max_minor) == (least, most)
            }
        };
        if !same {
            return Err(format!("{least} to {most}, open: {is_open}, was expected: {made:?}"));
        }
        let link = Link {
            merchant,
            currency: new.currency,
            least,
            most,
            is_open,
            bearer: made.fee_bearer,
            max_uses: new.max_uses.and_then(|uses| usize::try_from(uses).ok()),
            end,
            deactivated: false,
            orders: vec![],
        };
        self.links.insert(made.id.0, link);
        self.merchant(merchant).links.push(made.id.0);
        Ok(())
    }

    pub(super) fn link_deactivated(
        &mut self,
        merchant: i64,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let known = self.links.get(&id).is_some_and(|link| link.merchant == merchant);
        if observed.check_acceptance(reasons(&[(!known, (Subject::Target, "not_found"))]))? {
            let made = output!(observed, Output::DeactivatePaymentLink(made) => made);
            if made.status != LinkStatus::Deactivated {
                return Err(format!("it is not deactivated: {made:?}"));
            }
            self.links.entry(id).and_modify(|link| link.deactivated = true);
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn link_paid(
        &mut self,
        request: &PayLink,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let PayLink { merchant_id, link_id, payer, amount, payment, .. } = request;
        let (merchant, id) = (merchant_id.0, link_id.0);
        if let Some(begun) = self.references.get(&(merchant, payment.reference_id)).copied() {
            let order = self.executions.get(&begun).and_then(|own| own.source).filter(|order| {
                self.sources.get(order).is_some_and(|order| order.link == Some(id))
            });
            return self.replayed_on_page(begun, order, payment, observed);
        }
        let time = self.payment_time(merchant, observed);
        let expected = self.expected_of_link(request, time, observed.now);
        let Some(done) = self.page_payment_accepted(expected, payment, observed)? else {
            return Ok(());
        };
        let PaidLink { order, page, .. } = output!(observed, Output::PayLink(paid) => paid);
        let link = self.links.get(&id).cloned().ok_or("an order of a link that is not known")?;
        let total = link.price(*amount).ok_or("an order of an amount that is not allowed")?;
        let seen = (order.fee_bearer, order.currency, order.total_minor);
        if seen != (link.bearer, link.currency, total) {
            return Err(format!("{total} {} was expected: {order:?}", link.currency));
        }
        let cancel_at = order.created_at.0 + DAY;
        if order.cancel_at.map(|at| at.0) != Some(cancel_at) {
            return Err(format!("it is not canceled after a day: {order:?}"));
        }
        if order.status != SourceStatus::Processing && !observed.read_back {
            return Err(format!("it is not being paid: {order:?}"));
        }
        let account = done.execution.payment_account_id().map_or(0, |id| id.0);
        let known = self.accounts.get(&account).map(|account| account.party);
        let party = known
            .or_else(|| self.made_accounts.get(&account).copied())
            .ok_or_else(|| format!("paid without an account: {:?}", done.execution))?;
        self.add_payer(merchant, &payer.phone, party, order.counterparty_id.0)?;
        self.add_checkout(&order, page.id.0, total, link.end, observed)?;
        self.sources.entry(order.id.0).and_modify(|source| {
            (source.link, source.cancel_at) = (Some(id), Some(cancel_at));
        });
        self.links.entry(id).and_modify(|link| link.orders.push(order.id.0));
        self.link_forms.insert(done.execution.id.0, request.clone());
        let which = SourceRef { merchant_id: *merchant_id, kind: order.kind, id: order.id };
        self.page_payment_begun(which, page.id.0, payment, &done, observed)
    }

    /// What must become of a payment through a link: what becomes of one on the page of its order,
    /// as if that were there.
    fn expected_of_link(
        &mut self,
        request: &PayLink,
        time: i64,
        now: i64,
    ) -> Result<Expected, Vec<Reason>> {
        let PayLink { merchant_id, link_id, payer, amount, payment, .. } = request;
        let (merchant, id) = (merchant_id.0, link_id.0);
        let link = self.links.get(&id).filter(|link| link.merchant == merchant).cloned();
        let closed = link.as_ref().is_some_and(|link| {
            self.is_link_closed(Some(id)) || link.end.is_some_and(|end| end <= time)
        });
        let price = link.as_ref().and_then(|link| link.price(*amount));
        // A form for another link may have cents that this one's currency has not.
        let is_too_fine =
            link.as_ref().filter(|link| link.is_open).zip(*amount).is_some_and(|(link, amount)| {
                let money = amount.to_money(link.currency);
                matches!(money, Err(AmountFault::TooManyDecimals { .. }))
            });
        let refused = first(&[
            (link.is_none(), (Subject::Target, "not_found")),
            (closed, (Subject::Source, "payment_link")),
            (is_too_fine, (Subject::Amount, "decimal.max_places")),
            (price.is_none(), (Subject::Amount, "amount")),
        ]);
        let (Some(link), Some(total), true) = (link, price, refused.is_empty()) else {
            return Err(refused);
        };
        let order = link.order(id, NEW, total);
        let known = self.first_party.get(&(merchant, payer.phone.clone())).copied();
        self.counterparties.insert(NEW, (merchant, known.or(Some(NEW))));
        self.sources.insert(NEW, order.clone());
        self.page_ends.extend(link.end.map(|end| (NEW, end)));
        let which = SourceRef { merchant_id: *merchant_id, kind: order.kind, id: SourceId(NEW) };
        let expected = self.expected_on_page(which, &order, payment, time, now);
        self.counterparties.remove(&NEW);
        self.sources.remove(&NEW);
        self.page_ends.remove(&NEW);
        expected.map(|expected| match known {
            Some(_) => expected,
            None => expected.by(Payer::New),
        })
    }

    pub(super) fn unpaid_canceled(
        &mut self,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let Some(order) = self.sources.get(&id) else {
            return Err(format!("source {id} is not known"));
        };
        let waits = order.status == SourceStatus::Active && self.open_reviews_of(id) == 0;
        let over = order.cancel_at.is_some_and(|at| self.time(order.merchant, observed.now) >= at);
        let canceled = output!(observed, Output::CancelUnpaidOrder(canceled) => canceled);
        if canceled != (waits && over) && !(observed.lenient && waits) {
            return Err(format!("source {id}: canceled {canceled}, its time is over {over}"));
        }
        if canceled {
            self.set_source_status(Some(id), SourceStatus::Canceled);
        }
        Ok(())
    }
}

impl Link {
    /// The order of a payer before it is paid.
    pub fn order(&self, id: i64, counterparty: i64, total: i64) -> Source {
        Source {
            merchant: self.merchant,
            kind: SourceType::Order,
            counterparty,
            currency: self.currency,
            total,
            status: SourceStatus::Active,
            bearer: self.bearer,
            items: vec![],
            link: Some(id),
            cancel_at: None,
        }
    }

    /// What its payer pays who has chosen an amount, in minor units; `None` for an amount that may
    /// not be chosen.
    pub fn price(&self, amount: Option<Decimal>) -> Option<i64> {
        if !self.is_open {
            return Some(self.most);
        }
        let chosen = amount?.to_money(self.currency).ok()?.minor;
        (self.least..=self.most).contains(&chosen).then_some(chosen)
    }
}
