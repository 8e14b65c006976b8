//! What networks say that they hold, beside what the ledger says.

use crate::decision::row::{Lookup, Row};
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{NetworkAccountId, NetworkBalanceId};
use crate::kernel::time::ServerTime;

/// The balance of an account at its network in one currency, when it was last asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkBalance {
    pub id: NetworkBalanceId,
    pub network_account_id: NetworkAccountId,
    pub currency: Currency,
    /// What the network says that it holds.
    pub network_minor: i64,
    /// What the ledger's clearing accounts say that it holds.
    pub ledger_minor: i64,
    /// What lines of statements will change of that when they are booked.
    pub unposted_minor: i64,
    pub read_at: ServerTime,
    /// Since when the two sides do not agree; `None` while they do.
    pub differs_since: Option<ServerTime>,
}

impl Row for NetworkBalance {
    type Id = NetworkBalanceId;
    type AltKey = (NetworkAccountId, Currency);

    fn id(&self) -> NetworkBalanceId {
        self.id
    }

    fn alt_key(&self) -> Option<(NetworkAccountId, Currency)> {
        Some((self.network_account_id, self.currency))
    }
}

impl NetworkBalance {
    /// What the network holds beyond what the ledger will say when all lines are booked.
    #[must_use]
    pub fn difference(&self) -> i128 {
        i128::from(self.network_minor)
            - i128::from(self.ledger_minor)
            - i128::from(self.unposted_minor)
    }
}

/// A balance that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadBalance {
    pub currency: Currency,
    pub network_minor: i64,
    pub ledger_minor: i64,
    pub unposted_minor: i64,
}

/// Keeps the balances of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordBalances {
    pub account_id: NetworkAccountId,
    /// At most one of each currency.
    pub balances: Vec<ReadBalance>,
}

impl Decision for RecordBalances {
    type Output = Vec<NetworkBalance>;

    fn hints(&self) -> Vec<RowKey> {
        let key = |read: &ReadBalance| {
            RowKey::NetworkBalance(Lookup::AltKey((self.account_id, read.currency)))
        };
        self.balances.iter().map(key).collect()
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Vec<NetworkBalance>, Stop> {
        let mut kept = vec![];
        for read in &self.balances {
            let known = work.find::<NetworkBalance>(&(self.account_id, read.currency))?;
            let id = match &known {
                Some(known) => known.id,
                None => NetworkBalanceId(work.new_id()?),
            };
            let mut balance = NetworkBalance {
                id,
                network_account_id: self.account_id,
                currency: read.currency,
                network_minor: read.network_minor,
                ledger_minor: read.ledger_minor,
                unposted_minor: read.unposted_minor,
                read_at: context.now,
                differs_since: None,
            };
            if balance.difference() != 0 {
                let since = known.and_then(|known| known.differs_since);
                balance.differs_since = since.or(Some(context.now));
            }
            work.put(balance.clone());
            kept.push(balance);
        }
        Ok(kept)
    }
}
