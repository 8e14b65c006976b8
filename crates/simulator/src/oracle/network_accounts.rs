//! Accounts at real networks: which of them a payment goes through, what they take, and how operators
//! change them.

use domain::decision::command::Output;
use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::names::{Method, Mode, Operation, Provider};
use domain::kernel::refusal::Subject;
use domain::network_accounts::account::{AccountStatus, NetworkAccount};
use domain::network_accounts::change_account::{AccountChange, ChangeNetworkAccount};
use domain::network_accounts::operator_terms::{Availability, OperatorTerms, Terms};
use domain::network_accounts::record_terms::RecordTerms;

use super::model::{Execution, Mismatch, Model};
use super::{Observed, Reason, first, network, output};

/// For so long after a backup was put back each request is asked about before it is sent.
const ASK_FIRST: i64 = 30 * 86_400_000_000;

/// An account at a real network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contract {
    pub network: Provider,
    pub mode: Mode,
    pub status: AccountStatus,
    pub held: bool,
    /// Since when its token is refused.
    pub refused: Option<i64>,
    pub restored: Option<i64>,
    pub signed: bool,
    pub calls_per_second: i64,
    pub updated: i64,
    /// What its network says that it can do.
    pub terms: Vec<Terms>,
}

/// A payment that is about to begin, as a network sees it.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub provider: Provider,
    pub method: Method,
    pub operation: Operation,
    pub amount: i64,
    pub currency: Currency,
    /// Of a refund the account of its payment.
    pub of_payment: Option<i64>,
}

impl Contract {
    pub fn new(row: &NetworkAccount, terms: &[OperatorTerms]) -> Self {
        let own = terms.iter().filter(|terms| terms.network_account_id == row.id);
        Self {
            network: row.network,
            mode: row.mode,
            status: row.status,
            held: row.held,
            refused: row.token_refused_at.map(|at| at.0),
            restored: row.restored_at.map(|at| at.0),
            signed: row.signed_callbacks,
            calls_per_second: row.calls_per_second,
            updated: row.updated_at.0,
            terms: own.map(|row| row.terms.clone()).collect(),
        }
    }

    /// Whether nothing may be sent through it.
    const fn is_stopped(&self) -> bool {
        self.held || self.refused.is_some()
    }

    /// Whether a row says the same.
    pub fn is_as(&self, row: &NetworkAccount) -> bool {
        let times = (row.token_refused_at.map(|at| at.0), row.updated_at.0);
        (row.status, row.held, row.calls_per_second)
            == (self.status, self.held, self.calls_per_second)
            && times == (self.refused, self.updated)
    }
}

impl Model {
    /// The account through which a new payment of a merchant goes: the one that it is bound to, or the
    /// oldest that takes payments. `None` where there is none.
    pub fn account_for(&self, merchant: i64, provider: Provider) -> Option<i64> {
        let known = self.merchants.get(&merchant)?;
        let Some(mode) = known.real_mode else {
            return network::sandbox_account(provider);
        };
        let fits = |id: &i64| {
            self.contracts.get(id).is_some_and(|contract| {
                (contract.network, contract.mode, contract.status)
                    == (provider, mode, AccountStatus::Active)
            })
        };
        match known.bound.iter().find(|(network, _)| *network == provider) {
            Some((_, bound)) => Some(*bound).filter(fits),
            None => self.contracts.keys().copied().filter(fits).min(),
        }
    }

    /// Whether a merchant's payments go to real networks.
    pub(super) fn is_real(&self, merchant: i64) -> bool {
        self.merchants.get(&merchant).is_some_and(|known| known.real_mode.is_some())
    }

    /// Why the network of a payment does not give back so much of it now.
    pub(super) fn reason_against_refund_at(
        &self,
        payment: &Execution,
        amount: i64,
    ) -> Option<Reason> {
        let account = payment.account.and_then(|id| self.accounts.get(&id))?;
        let asked = Asked {
            provider: payment.provider,
            method: account.method,
            operation: Operation::Refund,
            amount,
            currency: payment.outside_currency,
            of_payment: payment.network_account,
        };
        self.reason_against_network(payment.merchant, asked)
    }

    /// Whether nothing may be sent for an execution, because its account is held or its token refused.
    pub(super) fn is_stopped(&self, own: &Execution) -> bool {
        let contract = own.network_account.and_then(|id| self.contracts.get(&id));
        contract.is_some_and(Contract::is_stopped)
    }

    /// Whether the network is asked about a request before it is first sent.
    pub(super) fn is_asked_first(&self, own: &Execution, now: i64) -> bool {
        let contract = own.network_account.and_then(|id| self.contracts.get(&id));
        let restored = contract.and_then(|contract| contract.restored);
        own.provider == Provider::PawaPay && restored.is_some_and(|at| now - at < ASK_FIRST)
    }

    /// How many payments of an account are under way.
    pub fn open_payments_at(&self, account: i64) -> i64 {
        let is_open = |own: &&Execution| own.network_account == Some(account) && !own.is_final();
        i64::try_from(self.executions.values().filter(is_open).count()).unwrap_or(0)
    }

    /// What the network of a merchant's collection takes whole multiples of, in minor units of a
    /// currency. Only a currency with two decimals can have more than its network takes.
    pub fn unit_of(
        &self,
        merchant: i64,
        (provider, method): (Provider, Method),
        currency: Currency,
    ) -> i64 {
        let code = method.to_string();
        let contract = self.account_for(merchant, provider).and_then(|id| self.contracts.get(&id));
        let takes_whole = contract.into_iter().flat_map(|contract| &contract.terms).any(|terms| {
            (&terms.operator, terms.currency, terms.operation)
                == (&code, currency, Operation::Collection)
                && terms.decimals == 0
        });
        if provider == Provider::PawaPay && takes_whole && currency.exponent() == 2 {
            100
        } else {
            1
        }
    }

    /// Why a network does not take a payment of a merchant now.
    pub(super) fn reason_against_network(&self, merchant: i64, asked: Asked) -> Option<Reason> {
        let Asked { provider, method, operation, amount, currency, of_payment } = asked;
        self.merchants.get(&merchant)?.real_mode?;
        if provider == Provider::Platform {
            return None;
        }
        let account = match of_payment {
            // Whatever became of it since, unless it is over.
            Some(id) => Some(id).filter(|id| {
                let contract = self.contracts.get(id);
                contract.is_some_and(|contract| contract.status != AccountStatus::Closed)
            }),
            None => self.account_for(merchant, provider),
        };
        let Some(contract) = account.and_then(|id| self.contracts.get(&id)) else {
            return Some((Subject::Method, "network"));
        };
        if provider == Provider::Stripe {
            return None;
        }
        let code = method.to_string();
        let of = |terms: &&Terms| {
            (&terms.operator, terms.currency, terms.operation) == (&code, currency, operation)
        };
        let Some(terms) = contract.terms.iter().find(of) else {
            return Some((Subject::Method, "unavailable"));
        };
        let subject = match operation {
            Operation::Collection => Subject::Account,
            Operation::Payout | Operation::Transfer | Operation::Refund => Subject::Amount,
        };
        let unavailable = match terms.availability {
            Availability::Operational => false,
            Availability::Delayed => operation == Operation::Collection,
            Availability::Closed => true,
        };
        let outside = terms.min_minor.is_some_and(|min| amount < min)
            || terms.max_minor.is_some_and(|max| amount > max);
        // Only a currency with two decimals can have more than its network takes.
        let odd = terms.decimals == 0 && currency.exponent() == 2 && amount % 100 != 0;
        first(&[
            (unavailable, (Subject::Method, "unavailable")),
            (outside, (subject, "amount")),
            (odd, (subject, "decimal.max_places")),
        ])
        .first()
        .copied()
    }

    pub(super) fn network_account_changed(
        &mut self,
        request: &ChangeNetworkAccount,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let Some(known) = self.contracts.get(&request.account_id.0).cloned() else {
            return Err(format!("network account {} is not known", request.account_id));
        };
        let closed = known.status == AccountStatus::Closed;
        let refused = match request.change {
            AccountChange::Drain | AccountChange::Activate => closed,
            AccountChange::Close { open_payments } => {
                known.status == AccountStatus::Active || open_payments > 0
            }
            _ => false,
        };
        let reason = (refused, (Subject::NetworkAccount, "network_account"));
        if !observed.check_acceptance(first(&[reason]))? {
            return Ok(());
        }
        let before = known.clone();
        let after = match request.change {
            AccountChange::Drain => Contract { status: AccountStatus::Draining, ..known },
            AccountChange::Activate => Contract { status: AccountStatus::Active, ..known },
            AccountChange::Close { .. } => Contract { status: AccountStatus::Closed, ..known },
            AccountChange::Hold => Contract { held: true, ..known },
            AccountChange::Resume => Contract { held: false, ..known },
            // Who called did not know the newest token.
            AccountChange::TokenRefused { known_at } if known_at.0 < known.updated => known,
            AccountChange::TokenRefused { .. } => {
                Contract { refused: known.refused.or(Some(observed.now)), ..known }
            }
            AccountChange::CallsPerSecond(calls_per_second) => {
                Contract { calls_per_second, ..known }
            }
        };
        let updated = if after == before { before.updated } else { observed.now };
        let after = Contract { updated, ..after };
        let row = output!(observed, Output::ChangeNetworkAccount(row) => row);
        let seen = (row.status, row.held, row.token_refused_at.map(|at| at.0));
        if seen != (after.status, after.held, after.refused) {
            return Err(format!("{row:?}, {after:?} was expected"));
        }
        self.put_contract(request.account_id, after);
        Ok(())
    }

    fn put_contract(&mut self, id: NetworkAccountId, contract: Contract) {
        self.contracts.insert(id.0, contract);
        self.dependencies_version += 1;
    }

    /// A new token is tried at once.
    pub(super) fn network_secret_added(
        &mut self,
        id: NetworkAccountId,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])?
            && let Some(known) = self.contracts.get(&id.0).cloned()
        {
            let updated = observed.now;
            self.put_contract(id, Contract { refused: None, updated, ..known });
        }
        Ok(())
    }

    /// What a network names no longer is closed.
    pub(super) fn terms_recorded(
        &mut self,
        request: &RecordTerms,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let Some(mut known) = self.contracts.get(&request.account_id.0).cloned() else {
            return Err(format!("network account {} is not known", request.account_id));
        };
        let same = |a: &Terms, b: &Terms| {
            (&a.operator, a.currency, a.operation) == (&b.operator, b.currency, b.operation)
        };
        let mut changed = 0;
        for terms in &mut known.terms {
            let said = request.terms.iter().find(|said| same(said, terms)).cloned();
            let after = said
                .unwrap_or_else(|| Terms { availability: Availability::Closed, ..terms.clone() });
            changed += usize::from(after != *terms);
            *terms = after;
        }
        for said in &request.terms {
            if !known.terms.iter().any(|terms| same(terms, said)) {
                known.terms.push(said.clone());
                changed += 1;
            }
        }
        if output!(observed, Output::RecordTerms(count) => count) != changed {
            return Err(format!("{changed} changed terms were expected of {request:?}"));
        }
        self.put_contract(request.account_id, known);
        Ok(())
    }
}
