//! Merchants, their keys and passcodes, wallets, parties and payment accounts.

use domain::decision::command::Output;
use domain::directory::create_merchant::CreateMerchant;
use domain::directory::create_party::NewParty;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::update_merchant::MerchantChanges;
use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::names::{FeeBearer, Method, Mode, Operation, Provider};
use domain::kernel::patch::Patch;
use domain::kernel::refusal::Subject;
use domain::ledger::account::AccountKind;
use domain::ledger::wallet::WalletStatus;
use domain::payments::reserve_passcode_attempt::PasscodeReservation;

use super::model::{Account, Mismatch, Model, Passcode};
use super::{Observed, Reason, figures, first, output, reasons};

const HALF_A_MINUTE: i64 = 30 * 1_000_000;
const QUARTER_HOUR: i64 = 15 * 60 * 1_000_000;
const DAY: i64 = 96 * QUARTER_HOUR;

/// From when on an attempt counts as wrong: one that nobody reported on does so after half a
/// minute.
fn wrong_since((_, _, at, wrong): &(i64, i64, i64, bool), now: i64) -> Option<i64> {
    if *wrong { Some(*at) } else { Some(at + HALF_A_MINUTE).filter(|at| now >= *at) }
}

fn is_attempt_refused(attempts: &[(i64, i64, i64, bool)], key: i64, now: i64) -> bool {
    let of_key = |one: &&(i64, i64, i64, bool)| one.1 == key;
    let mut all: Vec<i64> = attempts.iter().filter_map(|one| wrong_since(one, now)).collect();
    let mut own: Vec<i64> =
        attempts.iter().filter(of_key).filter_map(|one| wrong_since(one, now)).collect();
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
    let crowd = attempts.iter().filter(|one| counted(one, DAY)).count() >= 20;
    day || quarter
        || crowd
        || attempts.iter().filter(of_key).filter(|one| counted(one, QUARTER_HOUR)).count() >= 5
}

/// Why a method takes no new account with this number: no market is open for it, or the number is
/// that of a phone abroad.
pub(super) fn reasons_against_number(
    method: Method,
    operation: Operation,
    number: Option<&str>,
) -> Vec<Reason> {
    let mut currencies = ["USD", "LRD", "RWF"].iter().filter_map(|code| Currency::parse(code));
    let market = currencies.any(|currency| figures::is_supported(method, operation, currency));
    let code_and_number = figures::calling_code(method).zip(number).filter(|_| market);
    let abroad = code_and_number.is_some_and(|(code, number)| !number.starts_with(code));
    reasons(&[(!market, (Subject::Method, "market")), (abroad, (Subject::AccountNumber, "phone"))])
}

impl Model {
    pub(super) fn merchant_created(
        &mut self,
        new: &CreateMerchant,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let phone = new.phone.clone().unwrap_or_default();
        let real_mode = Some(new.mode).filter(|mode| *mode != Mode::Sandbox);
        if !observed.check_acceptance(reasons(&[(
            self.phones.contains_key(&(real_mode, phone.clone())),
            (Subject::Phone, "duplicate"),
        )]))? {
            return Ok(());
        }
        let (merchant, wallets) =
            output!(observed, Output::CreateMerchant(made) => (made.merchant, made.wallets));
        let id = merchant.id.0;
        self.phones.insert((real_mode, phone.clone()), id);
        let known = self.merchant(id);
        known.real_mode = real_mode;
        known.verified = new.verified;
        known.phone = phone;
        self.dependencies_version += 1;
        for (wallet, currency) in wallets {
            self.add_wallet(wallet.0, id, None, currency);
        }
        Ok(())
    }

    pub(super) fn merchant_updated(
        &mut self,
        id: i64,
        changes: &MerchantChanges,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let no_tier = changes.fee_tier.as_ref().is_some_and(|tier| tier != "default");
        let mode = self.merchants.get(&id).and_then(|known| known.real_mode);
        let of = |account: &NetworkAccountId| self.contracts.get(&account.0);
        let fits = |account: &NetworkAccountId| of(account).map(|of| of.mode) == mode;
        let other_mode = !changes.network_accounts.iter().all(fits);
        let named = changes.network_accounts.iter();
        let bound: Vec<(Provider, i64)> =
            named.filter_map(|account| Some((of(account)?.network, account.0))).collect();
        if observed.check_acceptance(first(&[
            (no_tier, (Subject::FeeTier, "fee_tier")),
            (other_mode, (Subject::NetworkAccount, "network_account")),
        ]))? {
            let known = self.merchant(id);
            known.bound.retain(|(network, _)| {
                !changes.unbound_networks.contains(network)
                    && !bound.iter().any(|(other, _)| other == network)
            });
            known.bound.extend(bound);
            known.verified = changes.verified.unwrap_or(known.verified);
            known.payee_bears =
                changes.fee_bearer.map_or(known.payee_bears, |bearer| bearer == FeeBearer::Payee);
            let brand = &mut known.brand;
            brand.name = changes.display_name.clone().apply_to(brand.name.take());
            brand.colour = changes.colour.apply_to(brand.colour);
            brand.picture = changes.logo.clone().set().or(brand.picture.take());
            match changes.logo {
                Patch::Keep => {}
                Patch::Clear => brand.has_logo = false,
                Patch::Set(_) => brand.has_logo = true,
            }
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn passcode_set(
        &mut self,
        merchant: i64,
        hash: Option<&str>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])? {
            let known = self.merchant(merchant);
            if hash.is_some() || known.passcode.is_some() {
                known.passcode = Some(Passcode { hash: hash.map(str::to_owned), attempts: vec![] });
            }
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn passcode_unlocked(
        &mut self,
        merchant: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])?
            && let Some(passcode) = &mut self.merchant(merchant).passcode
        {
            passcode
                .attempts
                .retain(|(_, _, at, wrong)| !wrong && observed.now < at + HALF_A_MINUTE);
        }
        Ok(())
    }

    pub(super) fn passcode_replaced(
        &mut self,
        merchant: i64,
        replaces: Option<&str>,
        hash: Option<&str>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let stored = self.merchant(merchant).passcode_hash();
        if observed.check_acceptance(reasons(&[(
            stored.as_deref() != replaces,
            (Subject::Caller, "passcode"),
        )]))? {
            if hash.is_some() || stored.is_some() {
                self.merchant(merchant).passcode.get_or_insert_default().hash =
                    hash.map(str::to_owned);
            }
            self.dependencies_version += 1;
        }
        Ok(())
    }

    /// Five wrong attempts of a key within a quarter of an hour lock the key for as long. Twenty of
    /// all keys within a day lock all of them until an operator unlocks them. An attempt without a
    /// report counts as wrong after half a minute. Wrong and open attempts together never exceed
    /// these limits.
    pub(super) fn attempt_reserved(
        &mut self,
        merchant: i64,
        key: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let known =
            self.merchant(merchant).passcode.clone().filter(|passcode| passcode.hash.is_some());
        let refused = known
            .as_ref()
            .is_some_and(|passcode| is_attempt_refused(&passcode.attempts, key, observed.now));
        if !observed.check_acceptance(reasons(&[(refused, (Subject::Caller, "passcode"))]))? {
            return Ok(());
        }
        let attempt = output!(observed, Output::ReservePasscodeChange(attempt)
            | Output::ReservePasscodeAttempt(PasscodeReservation::Reserved(attempt)) => attempt);
        let (hash, expected) = (
            attempt.as_ref().map(|attempt| &attempt.hash),
            known.as_ref().and_then(|known| known.hash.as_ref()),
        );
        if hash != expected && !observed.lenient {
            return Err(format!("the passcode of merchant {merchant} is another"));
        }
        // Where no passcode was set yet when it was read, nothing was counted.
        if let (Some(attempt), Some(passcode)) = (attempt, &mut self.merchant(merchant).passcode) {
            passcode.attempts.retain(|one| {
                wrong_since(one, observed.now).is_none_or(|at| observed.now < at + DAY)
            });
            passcode.attempts.push((attempt.id.0, key, observed.now, false));
        }
        Ok(())
    }

    pub(super) fn attempt_ended(
        &mut self,
        merchant: i64,
        id: i64,
        right: bool,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])?
            && let Some(passcode) = &mut self.merchant(merchant).passcode
            && let Some(place) = passcode.attempts.iter().position(|one| one.0 == id)
        {
            if right {
                passcode.attempts.remove(place);
            } else if let Some(one) = passcode.attempts.get_mut(place) {
                (one.2, one.3) = (wrong_since(one, observed.now).unwrap_or(observed.now), true);
            }
        }
        Ok(())
    }

    pub(super) fn clock_advanced(
        &mut self,
        merchant: i64,
        by_seconds: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let ahead = self.merchant(merchant).offset + by_seconds * 1_000_000;
        if observed.check_acceptance(first(&[
            // Only the sandbox has clocks of its own.
            (self.is_real(merchant), (Subject::Target, "not_found")),
            (ahead > 36_600 * 86_400 * 1_000_000, (Subject::ClockAdvance, "clock")),
        ]))? {
            self.merchant(merchant).offset = ahead;
            self.dependencies_version += 1;
            let time = output!(observed, Output::AdvanceClock(time) => time);
            if time.0 != self.time(merchant, observed.now) {
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
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let wallet = self.wallets.get(&id).copied();
        let owner = wallet.and_then(|wallet| self.merchants.get(&wallet.merchant));
        let real_money = owner.is_some_and(|owner| owner.real_mode == Some(Mode::Live));
        let closed = wallet.is_some_and(|wallet| {
            matches!(wallet.status, WalletStatus::Frozen | WalletStatus::Closed)
        });
        if !observed.check_acceptance(first(&[
            (wallet.is_none(), (Subject::Wallet, "not_found")),
            (real_money, (Subject::Wallet, "wallet")),
            (closed, (Subject::Wallet, "wallet")),
        ]))? {
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
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let wallet = self.wallets.get(&id).copied();
        let full = wallet.is_some_and(|wallet| {
            [wallet.available, wallet.held, wallet.incoming, wallet.open_reviews] != [0; 4]
        });
        let refused = first(&[
            (wallet.is_none(), (Subject::Wallet, "not_found")),
            (status == WalletStatus::Closed && full, (Subject::Wallet, "wallet")),
        ]);
        if observed.check_acceptance(refused)?
            && let Some(wallet) = self.wallets.get_mut(&id)
        {
            wallet.status = status;
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn party_created(
        &mut self,
        merchant: i64,
        new: &NewParty,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])? {
            let party = output!(observed, Output::CreateParty(party) => party);
            self.add_party(party.id.0, merchant, &new.phone);
        }
        Ok(())
    }

    pub(super) fn add_party(&mut self, id: i64, merchant: i64, phone: &str) {
        if self.parties.insert(id, (merchant, phone.to_owned())).is_none() {
            self.merchant(merchant).parties.push(id);
            self.first_party.entry((merchant, phone.to_owned())).or_insert(id);
            self.dependencies_version += 1;
        }
    }

    fn owns_party(&self, merchant: i64, party: i64) -> bool {
        self.parties.get(&party).is_some_and(|(owner, _)| *owner == merchant)
    }

    pub(super) fn counterparty_created(
        &mut self,
        merchant: i64,
        party: Option<i64>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let foreign = party.is_some_and(|party| !self.owns_party(merchant, party));
        if observed.check_acceptance(reasons(&[(foreign, (Subject::Party, "not_found"))]))? {
            let made = output!(observed, Output::CreateCounterparty(made) => made);
            self.add_counterparty(made.id.0, merchant, party);
        }
        Ok(())
    }

    pub(super) fn add_counterparty(&mut self, id: i64, merchant: i64, party: Option<i64>) {
        self.counterparties.insert(id, (merchant, party));
        self.merchant(merchant).counterparties.push(id);
        self.dependencies_version += 1;
    }

    pub(super) fn counterparty_updated(
        &mut self,
        merchant: i64,
        id: i64,
        party: Patch<i64>,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let known = self.counterparties.get(&id).is_some_and(|(owner, _)| *owner == merchant);
        let foreign = party.set().is_some_and(|party| !self.owns_party(merchant, party));
        if observed.check_acceptance(first(&[
            (!known, (Subject::Target, "not_found")),
            (foreign, (Subject::Party, "not_found")),
        ]))? && let Some(found) = self.counterparties.get_mut(&id)
        {
            found.1 = party.apply_to(found.1);
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn account_created(
        &mut self,
        merchant: i64,
        new: &NewAccount,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let foreign = !self.owns_party(merchant, new.party_id.0);
        let phone =
            self.parties.get(&new.party_id.0).filter(|_| !foreign).map(|(_, phone)| phone.clone());
        // A card or wallet has no number but the one that is given.
        let phone = phone.filter(|_| figures::calling_code(new.method).is_some());
        let number = new.account_number.clone().or(phone);
        let mut refused = reasons(&[(foreign, (Subject::Party, "not_found"))]);
        refused.extend(reasons_against_number(new.method, new.operation, number.as_deref()));
        if observed.check_acceptance(refused)? {
            let made = output!(observed, Output::CreateAccount(made) => made);
            let account = Account {
                merchant,
                party: new.party_id.0,
                provider: new.provider,
                method: new.method,
                operation: new.operation,
                number,
                active: true,
            };
            self.add_account(made.id.0, account);
        }
        Ok(())
    }

    pub(super) fn add_account(&mut self, id: i64, account: Account) {
        self.merchant(account.merchant).accounts.push(id);
        self.accounts.insert(id, account);
    }

    pub(super) fn account_deactivated(
        &mut self,
        merchant: i64,
        id: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let known = self.accounts.get(&id).is_some_and(|account| account.merchant == merchant);
        if observed.check_acceptance(reasons(&[(!known, (Subject::Target, "not_found"))]))?
            && let Some(account) = self.accounts.get_mut(&id)
        {
            account.active = false;
            self.dependencies_version += 1;
        }
        Ok(())
    }
}
