//! Taking a phone prefix from its mobile-money operator.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::tariff::change::{self, Change};
use crate::tariff::{PhonePrefix, TariffFault};

/// Takes a phone prefix from its mobile-money operator from now on. A row that begins later is still
/// in effect when its time comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndPhonePrefix {
    /// The first digits, with the country code.
    pub prefix: String,
    /// The total number of digits of such a number.
    pub digits: i64,
}

impl Decision for EndPhonePrefix {
    /// When the prefix is an operator's again.
    type Output = Option<ServerTime>;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<Option<ServerTime>, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let (prefix, digits) = (&self.prefix, self.digits);
        let is_it = |row: &PhonePrefix| (&row.prefix, row.digits) == (prefix, digits);
        if !change.end(is_it)? {
            let prefix = prefix.clone();
            return Err(Refusal::Tariff(TariffFault::PrefixNotAssigned { prefix, digits }).into());
        }
        let again = change.next_start(is_it);
        change.finish(format!("phone prefix {prefix} of {digits} digits: no operator"))?;
        Ok(again)
    }
}
