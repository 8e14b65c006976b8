//! Recording what a network says that an account can do.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{NetworkAccountId, OperatorTermsId};
use crate::network_accounts::account::NetworkAccount;
use crate::network_accounts::change_account;
use crate::network_accounts::operator_terms::{Availability, OperatorTerms, Terms};
use crate::tariff::change::{self, Change};

/// Records the terms of an account. What the network names no longer is closed. The output is how
/// many rows have changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordTerms {
    pub account_id: NetworkAccountId,
    /// Whether the network signs callbacks.
    pub signed_callbacks: bool,
    pub terms: Vec<Terms>,
}

impl Decision for RecordTerms {
    type Output = usize;

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<usize, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let account = change_account::find(self.account_id, &change)?;
        let known: Vec<OperatorTerms> = change
            .tariff
            .operator_terms
            .iter()
            .filter(|row| row.network_account_id == account.id)
            .cloned()
            .collect();
        let mut changed = Vec::new();
        for row in &known {
            let said = self.terms.iter().find(|terms| is_same(terms, &row.terms));
            let terms = match said {
                Some(terms) => terms.clone(),
                None => Terms { availability: Availability::Closed, ..row.terms.clone() },
            };
            if terms != row.terms {
                changed.push(OperatorTerms { terms, updated_at: change.now, ..row.clone() });
            }
        }
        for terms in &self.terms {
            if !known.iter().any(|row| is_same(&row.terms, terms)) {
                changed.push(OperatorTerms {
                    id: OperatorTermsId(change.new_id()?),
                    network_account_id: account.id,
                    terms: terms.clone(),
                    updated_at: change.now,
                });
            }
        }
        let signing_changed = account.signed_callbacks != self.signed_callbacks;
        if changed.is_empty() && !signing_changed {
            return Ok(0);
        }
        let count = changed.len();
        let note = format!("network account {}: {count} terms changed", account.name);
        for row in changed {
            change.put_terms(row)?;
        }
        if signing_changed {
            let signed_callbacks = self.signed_callbacks;
            change.put_account(NetworkAccount { signed_callbacks, ..account })?;
        }
        change.finish(note)?;
        Ok(count)
    }
}

fn is_same(a: &Terms, b: &Terms) -> bool {
    a.operator == b.operator && (a.currency, a.operation) == (b.currency, b.operation)
}
