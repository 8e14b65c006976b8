//! Invoices, orders, their items, checkouts and pages.

use domain::decision::command::Output;
use domain::kernel::ids::SourceId;
use domain::kernel::money::Money;
use domain::kernel::names::FeeBearer;
use domain::kernel::refusal::Subject;
use domain::kernel::time::MerchantTime;
use domain::sales::create_checkout::NewCheckout;
use domain::sales::create_source::NewSource;
use domain::sales::edit_items::{ItemChanges, NewItem};
use domain::sales::find_source::SourceRef;
use domain::sales::source::SourceStatus;
use domain::sales::update_source::SourceChanges;

use super::model::{Item, Mismatch, Model, Source};
use super::{Observed, Reason, output, reasons};

/// In microseconds, as all times here.
const DAY: i64 = 86_400_000_000;

impl Model {
    /// Checks that an invoice or order has the next number of the merchant's year.
    fn next_number(
        &mut self,
        merchant: i64,
        new: &domain::sales::source::Source,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let seen =
            new.number.get(4..8).and_then(|year| year.parse().ok()).filter(|_| observed.lenient);
        let year = seen.unwrap_or_else(|| MerchantTime(self.time(merchant, observed.now)).year());
        let last = self.numbers.entry((merchant, new.kind, year)).or_default();
        *last += 1;
        let prefix =
            if new.kind == domain::sales::source::SourceType::Invoice { "INV" } else { "ORD" };
        let expected = format!("{prefix}-{year}-{last:05}");
        if new.number == expected {
            Ok(())
        } else {
            Err(format!("{} instead of {expected}", new.number))
        }
    }

    pub(super) fn source_created(
        &mut self,
        merchant: i64,
        new: &NewSource,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let known = self
            .counterparties
            .get(&new.counterparty_id.0)
            .is_some_and(|(owner, _)| *owner == merchant);
        if observed.check_acceptance(reasons(&[(!known, (Subject::Counterparty, "not_found"))]))? {
            let made = output!(observed, Output::CreateSource(made) => made);
            self.next_number(merchant, &made, observed)?;
            self.add_source(&made);
        }
        Ok(())
    }

    fn add_source(&mut self, made: &domain::sales::source::Source) {
        let source = Source {
            merchant: made.merchant_id.0,
            kind: made.kind,
            counterparty: made.counterparty_id.0,
            currency: made.currency,
            total: 0,
            status: SourceStatus::Idle,
            bearer: made.fee_bearer,
            items: vec![],
            link: None,
            cancel_at: None,
        };
        self.sources.insert(made.id.0, source);
        self.merchant(made.merchant_id.0).sources.push(made.id.0);
    }

    pub(super) fn source_at(&self, which: SourceRef) -> Option<&Source> {
        self.sources
            .get(&which.id.0)
            .filter(|source| source.merchant == which.merchant_id.0 && source.kind == which.kind)
    }

    /// The reason against a change of a source that must be in one of these states.
    fn in_state(&self, which: SourceRef, states: &[SourceStatus]) -> Vec<Reason> {
        match self.source_at(which) {
            None => vec![(Subject::Target, "not_found")],
            Some(source) if !states.contains(&source.status) => vec![(Subject::Source, "state")],
            Some(_) => vec![],
        }
    }

    fn set_source(&mut self, id: SourceId, change: impl FnOnce(&mut Source)) {
        if let Some(source) = self.sources.get_mut(&id.0) {
            change(source);
        }
    }

    pub(super) fn source_updated(
        &mut self,
        which: SourceRef,
        changes: &SourceChanges,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(self.in_state(which, &[SourceStatus::Idle]))? {
            self.set_source(which.id, |source| {
                source.bearer = changes.fee_bearer.unwrap_or(source.bearer)
            });
        }
        Ok(())
    }

    pub(super) fn source_published(
        &mut self,
        which: SourceRef,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let mut refused = self.in_state(which, &[SourceStatus::Idle]);
        if refused.is_empty() && self.source_at(which).is_some_and(|source| source.total == 0) {
            refused.push((Subject::Source, "empty"));
        }
        if observed.check_acceptance(refused)? {
            self.set_source(which.id, |source| source.status = SourceStatus::Active);
        }
        Ok(())
    }

    pub(super) fn source_canceled(
        &mut self,
        which: SourceRef,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed
            .check_acceptance(self.in_state(which, &[SourceStatus::Idle, SourceStatus::Active]))?
        {
            self.set_source(which.id, |source| source.status = SourceStatus::Canceled);
        }
        Ok(())
    }

    fn add_item(&mut self, source: SourceId, id: i64, qty: i64, amount: Money) {
        self.items.insert(id, Item { source: source.0, qty, amount: amount.minor, removed: false });
        self.set_source(source, |source| {
            source.items.push(id);
            source.total += qty * amount.minor;
        });
    }

    pub(super) fn item_added(
        &mut self,
        which: SourceRef,
        new: &NewItem,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let mut refused = self.in_state(which, &[SourceStatus::Idle]);
        if refused.is_empty()
            && self.source_at(which).is_some_and(|source| source.currency != new.currency)
        {
            refused.push((Subject::Currency, "currency"));
        }
        if observed.check_acceptance(refused)? {
            let made = output!(observed, Output::AddItem(made) => made);
            self.add_item(which.id, made.id.0, new.qty, new.amount);
        }
        Ok(())
    }

    fn current_item(&self, which: SourceRef, id: i64) -> Option<Item> {
        self.items.get(&id).copied().filter(|item| item.source == which.id.0 && !item.removed)
    }

    fn reasons_against_item(&self, which: SourceRef, id: i64) -> Vec<Reason> {
        match self.current_item(which, id) {
            None => vec![(Subject::Target, "not_found")],
            Some(_) => self.in_state(which, &[SourceStatus::Idle]),
        }
    }

    fn change_item(&mut self, which: SourceRef, id: i64, new: Item) {
        let Some(old) = self.items.insert(id, new) else { return };
        let worth = |item: Item| if item.removed { 0 } else { item.qty * item.amount };
        self.set_source(which.id, |source| source.total += worth(new) - worth(old));
    }

    pub(super) fn item_updated(
        &mut self,
        which: SourceRef,
        id: i64,
        changes: &ItemChanges,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(self.reasons_against_item(which, id))?
            && let Some(old) = self.current_item(which, id)
        {
            let answer = output!(observed, Output::UpdateItem(item) => item);
            let amount = if changes.amount.is_some() { answer.amount_minor } else { old.amount };
            self.change_item(
                which,
                id,
                Item { qty: changes.qty.unwrap_or(old.qty), amount, ..old },
            );
        }
        Ok(())
    }

    pub(super) fn item_removed(
        &mut self,
        which: SourceRef,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(self.reasons_against_item(which, id))?
            && let Some(old) = self.current_item(which, id)
        {
            self.change_item(which, id, Item { removed: true, ..old });
        }
        Ok(())
    }

    pub(super) fn checkout_created(
        &mut self,
        merchant: i64,
        new: &NewCheckout,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let given = new.counterparty_id.map(|id| id.0);
        let known = given
            .and_then(|id| self.counterparties.get(&id))
            .filter(|(owner, _)| *owner == merchant)
            .copied();
        let phone_of = |party: i64| self.parties.get(&party).map(|(_, phone)| phone.clone());
        let other = known
            .and_then(|(_, party)| party)
            .is_some_and(|id| phone_of(id).as_ref() != Some(&new.party.phone));
        let (time, end) = (self.time(merchant, observed.now), new.expires_at.map(|end| end.0));
        let bad_end = end.is_some_and(|end| end <= time || end > time + 366 * DAY);
        let mut refused = reasons(&[
            (bad_end, (Subject::Expiry, "expires_at")),
            (given.is_some() && known.is_none(), (Subject::Counterparty, "not_found")),
        ]);
        if refused.is_empty() && other {
            refused.push((Subject::Counterparty, "party"));
        }
        if !observed.check_acceptance(refused)? {
            return Ok(());
        }
        let made = output!(observed, Output::CreateCheckout(made) => made);
        let phone = &new.party.phone;
        match given {
            None => self.add_payer(merchant, phone, made.party.id.0, made.counterparty.id.0)?,
            Some(id) => {
                let party = made.party.id.0;
                let first = self.first_party.get(&(merchant, phone.clone())).copied();
                let expected = known.and_then(|(_, party)| party).or(first);
                // A given counterparty may have got another party in the middle of the batch.
                if expected.is_some_and(|expected| expected != party) && !observed.lenient {
                    return Err(format!(
                        "party {party} instead of {expected:?}, who has the phone"
                    ));
                }
                self.add_party(party, merchant, phone);
                // A counterparty keeps the party that it has, even one from the middle of the batch.
                self.counterparties
                    .entry(id)
                    .and_modify(|(_, known)| *known = known.or(Some(party)));
                self.dependencies_version += 1;
            }
        }
        let bearer =
            if self.merchant(merchant).payee_bears { FeeBearer::Payee } else { FeeBearer::Payer };
        if made.source.fee_bearer != bearer && !observed.lenient {
            return Err(format!("{} bears the fees instead of {bearer}", made.source.fee_bearer));
        }
        let total: i64 = new.items.iter().map(|item| item.qty * item.amount.minor).sum();
        self.add_checkout(&made.source, made.config.id.0, total, end, observed)
    }

    /// Adds the payer of a checkout, with a new counterparty: the first party with the phone.
    pub(super) fn add_payer(
        &mut self,
        merchant: i64,
        phone: &str,
        party: i64,
        counterparty: i64,
    ) -> Result<(), Mismatch> {
        let first = self.first_party.get(&(merchant, phone.to_owned())).copied();
        if first.is_some_and(|first| first != party) {
            return Err(format!("party {party} instead of {first:?}, who has the phone"));
        }
        self.add_party(party, merchant, phone);
        self.add_counterparty(counterparty, merchant, Some(party));
        Ok(())
    }

    /// Adds the published source of a checkout and its page, which expires at `end`.
    pub(super) fn add_checkout(
        &mut self,
        made: &domain::sales::source::Source,
        page: i64,
        total: i64,
        end: Option<i64>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        self.next_number(made.merchant_id.0, made, observed)?;
        self.add_source(made);
        self.set_source(made.id, |source| {
            source.status = SourceStatus::Active;
            source.total = total;
        });
        if let Some(end) = end {
            self.page_ends.insert(made.id.0, end);
        }
        self.page(made.id, page)
    }

    pub(super) fn page_opened(
        &mut self,
        which: SourceRef,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(reasons(&[(
            self.source_at(which).is_none(),
            (Subject::Target, "not_found"),
        )]))? {
            let page = output!(observed, Output::OpenCheckoutPage(page) => page);
            self.page(which.id, page.id.0)?;
            let payable = self.source_at(which).is_some_and(|source| !source.status.is_final());
            let time = self.time(which.merchant_id.0, observed.now);
            let end = self.page_ends.get(&which.id.0).copied();
            let has_passed = payable && end.is_some_and(|end| end <= time);
            // Another process may have ended the source or advanced the merchant's clock in the
            // middle of the batch. Then the page is as if it had been opened a moment earlier.
            let seen = page.payable_until().map(|end| end.0);
            let is_unbound = match observed.overlapped {
                true => seen.is_none() || (has_passed && seen != end),
                false => has_passed,
            };
            if is_unbound {
                self.page_ends.remove(&which.id.0);
            }
            let bound = self.page_ends.contains_key(&which.id.0);
            if page.payable_until().is_some() != bound && !observed.lenient {
                return Err(format!(
                    "the page of source {} has the end {:?}",
                    which.id,
                    page.payable_until()
                ));
            }
        }
        Ok(())
    }
}
