//! Merchants, parties, accounts, wallets, invoices and orders.

use domain::decision::command::Output;
use domain::directory::create_merchant::NewMerchant;
use domain::directory::create_party::NewParty;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::update_merchant::MerchantChanges;
use domain::kernel::currency::Currency;
use domain::kernel::ids::SourceId;
use domain::kernel::money::Money;
use domain::kernel::names::FeeBearer;
use domain::kernel::patch::Patch;
use domain::kernel::time::Timestamp;
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::sales::create_checkout::NewCheckout;
use domain::sales::create_source::NewSource;
use domain::sales::edit_items::{ItemChanges, NewItem};
use domain::sales::find_source::SourceRef;
use domain::sales::source::SourceStatus;
use domain::sales::update_source::SourceChanges;

use super::books::{Account, Books, Item, Passcode, Source, Wrong};
use super::{Told, figures, first, reasons, taken};

const HALF_A_MINUTE: i64 = 30 * 1_000_000;
const QUARTER_HOUR: i64 = 15 * 60 * 1_000_000;
const DAY: i64 = 96 * QUARTER_HOUR;

/// From when on a try of a passcode is a wrong one.
fn wrong_since((_, _, at, wrong): &(i64, i64, i64, bool), now: i64) -> Option<i64> {
    if *wrong { Some(*at) } else { Some(at + HALF_A_MINUTE).filter(|at| now >= *at) }
}

fn no_try_left(tries: &[(i64, i64, i64, bool)], key: i64, now: i64) -> bool {
    let of_key = |one: &&(i64, i64, i64, bool)| one.1 == key;
    let mut all: Vec<i64> = tries.iter().filter_map(|one| wrong_since(one, now)).collect();
    let mut own: Vec<i64> =
        tries.iter().filter(of_key).filter_map(|one| wrong_since(one, now)).collect();
    all.sort_unstable();
    own.sort_unstable();
    let locks = |times: &[i64], span: i64| {
        times.last().zip(times.first()).is_some_and(|(last, first)| last - first < span)
    };
    let day = all.windows(20).any(|times| locks(times, DAY));
    let quarter = own.windows(5).any(|times| {
        locks(times, QUARTER_HOUR) && now < times.iter().max().unwrap_or(&0) + QUARTER_HOUR
    });
    let counted = |one: &&(i64, i64, i64, bool), span: i64| {
        wrong_since(one, now).is_none_or(|at| now < at + span)
    };
    let crowd = tries.iter().filter(|one| counted(one, DAY)).count() >= 20;
    day || quarter
        || crowd
        || tries.iter().filter(of_key).filter(|one| counted(one, QUARTER_HOUR)).count() >= 5
}

impl Books {
    pub(super) fn merchant_created(
        &mut self,
        new: &NewMerchant,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let phone = new.phone.clone().unwrap_or_default();
        if !told.accepted(reasons(&[(self.phones.contains_key(&phone), "duplicate")]))? {
            return Ok(());
        }
        let (merchant, wallets) =
            taken!(told, Output::Merchant(merchant, wallets) => (merchant, wallets));
        let id = merchant.id.0;
        self.phones.insert(phone.clone(), id);
        let known = self.merchant(id);
        known.verified = new.verified;
        known.phone = phone;
        self.soft += 1;
        for (wallet, currency) in wallets {
            self.add_wallet(wallet.0, id, None, currency);
        }
        Ok(())
    }

    pub(super) fn merchant_updated(
        &mut self,
        id: i64,
        changes: &MerchantChanges,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let no_tier = changes.fee_tier.as_ref().is_some_and(|tier| tier != "default");
        if told.accepted(reasons(&[(no_tier, "fee_tier")]))? {
            let known = self.merchant(id);
            known.verified = changes.verified.unwrap_or(known.verified);
            known.payee_bears =
                changes.fee_bearer.map_or(known.payee_bears, |bearer| bearer == FeeBearer::Payee);
            self.soft += 1;
        }
        Ok(())
    }

    pub(super) fn key_created(&mut self, merchant: i64, told: Told<'_>) -> Result<(), Wrong> {
        if told.accepted(vec![])? {
            let key = taken!(told, Output::ApiKey(key) => key);
            self.merchant(merchant).keys.push(key.id.0);
        }
        Ok(())
    }

    pub(super) fn key_revoked(
        &mut self,
        merchant: i64,
        key: i64,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let known = self.merchant(merchant).keys.contains(&key);
        told.accepted(reasons(&[(!known, "not_found")])).map(|_| ())
    }

    pub(super) fn passcode_set(
        &mut self,
        merchant: i64,
        hash: Option<&str>,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if told.accepted(vec![])? {
            let known = self.merchant(merchant);
            if hash.is_some() || known.passcode.is_some() {
                known.passcode = Some(Passcode { hash: hash.map(str::to_owned), tries: vec![] });
            }
            self.soft += 1;
        }
        Ok(())
    }

    pub(super) fn passcode_unlocked(&mut self, merchant: i64, told: Told<'_>) -> Result<(), Wrong> {
        if told.accepted(vec![])?
            && let Some(passcode) = &mut self.merchant(merchant).passcode
        {
            passcode.tries.retain(|(_, _, at, wrong)| !wrong && told.now < at + HALF_A_MINUTE);
        }
        Ok(())
    }

    pub(super) fn passcode_replaced(
        &mut self,
        merchant: i64,
        replaces: Option<&str>,
        hash: Option<&str>,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let stored = self.merchant(merchant).passcode_hash();
        if told.accepted(reasons(&[(stored.as_deref() != replaces, "passcode")]))? {
            if hash.is_some() || stored.is_some() {
                self.merchant(merchant).passcode.get_or_insert_default().hash =
                    hash.map(str::to_owned);
            }
            self.soft += 1;
        }
        Ok(())
    }

    /// Five wrong ones of a key in a quarter of an hour lock it for as long, twenty of all keys in
    /// a day all of them until that is lifted. One that nobody has spoken of for half a minute is a
    /// wrong one; wrong ones and open ones together are never more than lock.
    pub(super) fn attempt_reserved(
        &mut self,
        merchant: i64,
        key: i64,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let known =
            self.merchant(merchant).passcode.clone().filter(|passcode| passcode.hash.is_some());
        let refused =
            known.as_ref().is_some_and(|passcode| no_try_left(&passcode.tries, key, told.now));
        if !told.accepted(reasons(&[(refused, "passcode")]))? {
            return Ok(());
        }
        let attempt = taken!(told, Output::Passcode(attempt) => attempt);
        let (hash, expected) = (
            attempt.as_ref().map(|attempt| &attempt.hash),
            known.as_ref().and_then(|known| known.hash.as_ref()),
        );
        if hash != expected && !told.lenient {
            return Err(format!("the passcode of merchant {merchant} is another"));
        }
        // Where none was set yet when it was looked for, nothing was counted.
        if let (Some(attempt), Some(passcode)) = (attempt, &mut self.merchant(merchant).passcode) {
            passcode
                .tries
                .retain(|one| wrong_since(one, told.now).is_none_or(|at| told.now < at + DAY));
            passcode.tries.push((attempt.id.0, key, told.now, false));
        }
        Ok(())
    }

    pub(super) fn attempt_ended(
        &mut self,
        merchant: i64,
        id: i64,
        right: bool,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if told.accepted(vec![])?
            && let Some(passcode) = &mut self.merchant(merchant).passcode
            && let Some(place) = passcode.tries.iter().position(|one| one.0 == id)
        {
            if right {
                passcode.tries.remove(place);
            } else if let Some(one) = passcode.tries.get_mut(place) {
                (one.2, one.3) = (wrong_since(one, told.now).unwrap_or(told.now), true);
            }
        }
        Ok(())
    }

    pub(super) fn clock_advanced(
        &mut self,
        merchant: i64,
        by_seconds: i64,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let ahead = self.merchant(merchant).offset + by_seconds * 1_000_000;
        if told.accepted(first(&[(ahead > 36_600 * 86_400 * 1_000_000, "clock")]))? {
            self.merchant(merchant).offset = ahead;
            self.soft += 1;
            let time = taken!(told, Output::Time(time) => time);
            if time.0 != self.time(merchant, told.now) {
                return Err(format!("the clock of merchant {merchant} shows {time}"));
            }
        }
        Ok(())
    }

    pub(super) fn wallet_funded(
        &mut self,
        id: i64,
        amount: i64,
        currency: Currency,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let wallet = self.wallets.get(&id).copied();
        let closed = wallet.is_some_and(|wallet| {
            matches!(wallet.status, WalletStatus::Frozen | WalletStatus::Closed)
        });
        if !told.accepted(first(&[(wallet.is_none(), "not_found"), (closed, "wallet")]))? {
            return Ok(());
        }
        let merchant = wallet.map_or(0, |wallet| wallet.merchant);
        self.add(id, amount, 0)?;
        self.credit(merchant, AccountKind::Funding, currency, -amount);
        Ok(())
    }

    pub(super) fn wallet_status(
        &mut self,
        id: i64,
        status: WalletStatus,
        open: bool,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let wallet = self.wallets.get(&id).copied();
        let full = wallet.is_some_and(|wallet| wallet.available != 0 || wallet.held != 0) || open;
        let refused = first(&[
            (wallet.is_none(), "not_found"),
            (status == WalletStatus::Closed && full, "wallet"),
        ]);
        if told.accepted(refused)?
            && let Some(wallet) = self.wallets.get_mut(&id)
        {
            wallet.status = status;
            self.soft += 1;
        }
        Ok(())
    }

    pub(super) fn party_created(
        &mut self,
        merchant: i64,
        new: &NewParty,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if told.accepted(vec![])? {
            let party = taken!(told, Output::Party(party) => party);
            self.add_party(party.id.0, merchant, &new.phone);
        }
        Ok(())
    }

    fn add_party(&mut self, id: i64, merchant: i64, phone: &str) {
        if self.parties.insert(id, (merchant, phone.to_owned())).is_none() {
            self.merchant(merchant).parties.push(id);
            self.first_party.entry((merchant, phone.to_owned())).or_insert(id);
            self.soft += 1;
        }
    }

    fn owns_party(&self, merchant: i64, party: i64) -> bool {
        self.parties.get(&party).is_some_and(|(owner, _)| *owner == merchant)
    }

    pub(super) fn counterparty_created(
        &mut self,
        merchant: i64,
        party: Option<i64>,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let foreign = party.is_some_and(|party| !self.owns_party(merchant, party));
        if told.accepted(reasons(&[(foreign, "not_found")]))? {
            let made = taken!(told, Output::Counterparty(made) => made);
            self.add_counterparty(made.id.0, merchant, party);
        }
        Ok(())
    }

    fn add_counterparty(&mut self, id: i64, merchant: i64, party: Option<i64>) {
        self.counterparties.insert(id, (merchant, party));
        self.merchant(merchant).counterparties.push(id);
        self.soft += 1;
    }

    pub(super) fn counterparty_updated(
        &mut self,
        merchant: i64,
        id: i64,
        party: Patch<i64>,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let known = self.counterparties.get(&id).is_some_and(|(owner, _)| *owner == merchant);
        let foreign = party.set().is_some_and(|party| !self.owns_party(merchant, party));
        if told.accepted(first(&[(!known, "not_found"), (foreign, "not_found")]))?
            && let Some(found) = self.counterparties.get_mut(&id)
        {
            found.1 = party.apply_to(found.1);
            self.soft += 1;
        }
        Ok(())
    }

    pub(super) fn account_created(
        &mut self,
        merchant: i64,
        new: &NewAccount,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let open = ["USD", "LRD", "RWF"].iter().filter_map(|code| Currency::parse(code));
        let market =
            open.into_iter().any(|currency| figures::takes(new.method, new.operation, currency));
        let foreign = !self.owns_party(merchant, new.party_id.0);
        let phone =
            self.parties.get(&new.party_id.0).filter(|_| !foreign).map(|(_, phone)| phone.clone());
        let number = new.account_number.clone().or(phone);
        let abroad = market
            && figures::code(new.method)
                .zip(number)
                .is_some_and(|(code, number)| !number.starts_with(code));
        if told.accepted(reasons(&[
            (foreign, "not_found"),
            (!market, "market"),
            (abroad, "phone"),
        ]))? {
            let made = taken!(told, Output::Account(made) => made);
            let account = Account {
                merchant,
                party: new.party_id.0,
                provider: new.provider,
                method: new.method,
                operation: new.operation,
                active: true,
            };
            self.accounts.insert(made.id.0, account);
            self.merchant(merchant).accounts.push(made.id.0);
        }
        Ok(())
    }

    pub(super) fn account_deactivated(
        &mut self,
        merchant: i64,
        id: i64,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let known = self.accounts.get(&id).is_some_and(|account| account.merchant == merchant);
        if told.accepted(reasons(&[(!known, "not_found")]))?
            && let Some(account) = self.accounts.get_mut(&id)
        {
            account.active = false;
            self.soft += 1;
        }
        Ok(())
    }

    /// The next number of the merchant's year.
    fn next_number(
        &mut self,
        merchant: i64,
        new: &domain::sales::source::Source,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let seen = new.number.get(4..8).and_then(|year| year.parse().ok()).filter(|_| told.lenient);
        let year = seen.unwrap_or_else(|| Timestamp(self.time(merchant, told.now)).year());
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
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let known = self
            .counterparties
            .get(&new.counterparty_id.0)
            .is_some_and(|(owner, _)| *owner == merchant);
        if told.accepted(reasons(&[(!known, "not_found")]))? {
            let made = taken!(told, Output::Source(made) => made);
            self.next_number(merchant, &made, told)?;
            self.add_source(&made);
        }
        Ok(())
    }

    fn add_source(&mut self, made: &domain::sales::source::Source) {
        let source = Source {
            merchant: made.merchant_id.0,
            kind: made.kind,
            currency: made.currency,
            total: 0,
            status: SourceStatus::Idle,
            bearer: made.fee_bearer,
            items: vec![],
        };
        self.sources.insert(made.id.0, source);
        self.merchant(made.merchant_id.0).sources.push(made.id.0);
    }

    pub(super) fn source_at(&self, which: SourceRef) -> Option<&Source> {
        self.sources
            .get(&which.id.0)
            .filter(|source| source.merchant == which.merchant_id.0 && source.kind == which.kind)
    }

    /// The reasons against a change of a source that needs one of these states.
    fn in_state(&self, which: SourceRef, states: &[SourceStatus]) -> Vec<&'static str> {
        match self.source_at(which) {
            None => vec!["not_found"],
            Some(source) if !states.contains(&source.status) => vec!["state"],
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
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if told.accepted(self.in_state(which, &[SourceStatus::Idle]))? {
            self.set_source(which.id, |source| {
                source.bearer = changes.fee_bearer.unwrap_or(source.bearer)
            });
        }
        Ok(())
    }

    pub(super) fn source_published(
        &mut self,
        which: SourceRef,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let mut refused = self.in_state(which, &[SourceStatus::Idle]);
        if refused.is_empty() && self.source_at(which).is_some_and(|source| source.total == 0) {
            refused.push("empty");
        }
        if told.accepted(refused)? {
            self.set_source(which.id, |source| source.status = SourceStatus::Active);
        }
        Ok(())
    }

    pub(super) fn source_canceled(
        &mut self,
        which: SourceRef,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if told.accepted(self.in_state(which, &[SourceStatus::Idle, SourceStatus::Active]))? {
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
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let mut refused = self.in_state(which, &[SourceStatus::Idle]);
        if refused.is_empty()
            && self.source_at(which).is_some_and(|source| source.currency != new.currency)
        {
            refused.push("currency");
        }
        if told.accepted(refused)? {
            let made = taken!(told, Output::Item(made) => made);
            self.add_item(which.id, made.id.0, new.qty, new.amount);
        }
        Ok(())
    }

    fn line(&self, which: SourceRef, id: i64) -> Option<Item> {
        self.items.get(&id).copied().filter(|item| item.source == which.id.0 && !item.removed)
    }

    fn against_line(&self, which: SourceRef, id: i64) -> Vec<&'static str> {
        match self.line(which, id) {
            None => vec!["not_found"],
            Some(_) => self.in_state(which, &[SourceStatus::Idle]),
        }
    }

    fn change_line(&mut self, which: SourceRef, id: i64, new: Item) {
        let Some(old) = self.items.insert(id, new) else { return };
        let worth = |item: Item| if item.removed { 0 } else { item.qty * item.amount };
        self.set_source(which.id, |source| source.total += worth(new) - worth(old));
    }

    pub(super) fn item_updated(
        &mut self,
        which: SourceRef,
        id: i64,
        changes: &ItemChanges,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if told.accepted(self.against_line(which, id))?
            && let Some(old) = self.line(which, id)
        {
            let answer = taken!(told, Output::Item(item) => item);
            let amount = if changes.amount.is_some() { answer.amount_minor } else { old.amount };
            self.change_line(
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
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        if told.accepted(self.against_line(which, id))?
            && let Some(old) = self.line(which, id)
        {
            self.change_line(which, id, Item { removed: true, ..old });
        }
        Ok(())
    }

    pub(super) fn checkout_created(
        &mut self,
        merchant: i64,
        new: &NewCheckout,
        told: Told<'_>,
    ) -> Result<(), Wrong> {
        let given = new.counterparty_id.map(|id| id.0);
        let known = given
            .and_then(|id| self.counterparties.get(&id))
            .filter(|(owner, _)| *owner == merchant)
            .copied();
        let phone_of = |party: i64| self.parties.get(&party).map(|(_, phone)| phone.clone());
        let other = known
            .and_then(|(_, party)| party)
            .is_some_and(|id| phone_of(id).as_ref() != Some(&new.party.phone));
        let (time, end) = (self.time(merchant, told.now), new.expires_at.map(|end| end.0));
        let bad_end = end.is_some_and(|end| end <= time || end > time + 366 * DAY);
        let mut refused =
            reasons(&[(bad_end, "expires_at"), (given.is_some() && known.is_none(), "not_found")]);
        if refused.is_empty() && other {
            refused.push("party");
        }
        if !told.accepted(refused)? {
            return Ok(());
        }
        let made = taken!(told, Output::Checkout(made) => made);
        let party = made.party.id.0;
        let first = self.first_party.get(&(merchant, new.party.phone.clone())).copied();
        let expected = known.and_then(|(_, party)| party).or(first);
        // Only a counterparty may have been given another party in the middle of this.
        if expected.is_some_and(|expected| expected != party) && !(told.lenient && given.is_some())
        {
            return Err(format!("party {party} instead of {expected:?}, who has the phone"));
        }
        self.add_party(party, merchant, &new.party.phone);
        match given {
            None => self.add_counterparty(made.counterparty.id.0, merchant, Some(party)),
            // One who has a party keeps it, also where another was given in the middle of this.
            Some(id) => {
                self.counterparties
                    .entry(id)
                    .and_modify(|(_, known)| *known = known.or(Some(party)));
            }
        }
        let bearer =
            if self.merchant(merchant).payee_bears { FeeBearer::Payee } else { FeeBearer::Payer };
        if made.source.fee_bearer != bearer && !told.lenient {
            return Err(format!("{} bears the fees instead of {bearer}", made.source.fee_bearer));
        }
        self.next_number(merchant, &made.source, told)?;
        self.add_source(&made.source);
        let total: i64 = new.items.iter().map(|item| item.qty * item.amount.minor).sum();
        self.set_source(made.source.id, |source| {
            source.status = SourceStatus::Active;
            source.total = total;
        });
        if let Some(end) = end {
            self.page_ends.insert(made.source.id.0, end);
        }
        self.page(made.source.id, made.config.id.0)
    }

    pub(super) fn page_opened(&mut self, which: SourceRef, told: Told<'_>) -> Result<(), Wrong> {
        if told.accepted(reasons(&[(self.source_at(which).is_none(), "not_found")]))? {
            let page = taken!(told, Output::Page(page) => page);
            self.page(which.id, page.id.0)?;
            let payable = self.source_at(which).is_some_and(|source| !source.status.is_final());
            let time = self.time(which.merchant_id.0, told.now);
            if payable && self.page_ends.get(&which.id.0).is_some_and(|end| *end <= time) {
                self.page_ends.remove(&which.id.0);
            }
            // Another process may have ended the source in the middle of it: then the page is as if
            // it had come a moment earlier.
            if told.overlapped && page.payable_until().is_none() {
                self.page_ends.remove(&which.id.0);
            }
            let bound = self.page_ends.contains_key(&which.id.0);
            if page.payable_until().is_some() != bound && !told.lenient {
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
