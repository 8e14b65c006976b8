//! Assigning a phone prefix to a mobile-money operator.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::country::Country;
use crate::kernel::ids::PhonePrefixId;
use crate::kernel::names::Method;
use crate::kernel::refusal::Refusal;
use crate::tariff::change::{self, Change};
use crate::tariff::{Effective, PhonePrefix, TariffFault};

/// Assigns a phone prefix to a mobile-money operator from now on, until a later row of the same
/// prefix begins. An operator that has it now loses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssignPhonePrefix {
    /// The first digits, with the country code.
    pub prefix: String,
    /// The total number of digits of such a number.
    pub digits: i64,
    /// The operator's name.
    pub carrier: String,
    pub country: Country,
    pub method: Method,
}

impl Decision for AssignPhonePrefix {
    type Output = PhonePrefix;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<PhonePrefix, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let (prefix, digits) = (self.prefix.clone(), self.digits);
        if i64::try_from(prefix.len()).is_ok_and(|length| length > digits) {
            return Err(Refusal::Tariff(TariffFault::PrefixTooLong { prefix, digits }).into());
        }
        // A misspelt name would be a method of its own.
        let is_known = Method::SHIPPED.contains(&self.method)
            || change.tariff.latest_market(self.method, change.now).is_some();
        if !is_known {
            return Err(Refusal::Tariff(TariffFault::MethodWithoutMarket(self.method)).into());
        }
        let is_it = |row: &PhonePrefix| (&row.prefix, row.digits) == (&self.prefix, digits);
        change.end(is_it)?;
        let row = PhonePrefix {
            id: PhonePrefixId(change.new_id()?),
            prefix,
            digits,
            carrier: self.carrier.clone(),
            country: self.country.0.clone(),
            method: self.method,
            effective: Effective { from: change.now, to: change.next_start(is_it) },
        };
        change.add(row.clone());
        change.finish(format!(
            "phone prefix {} of {digits} digits: {}, {} in {}",
            row.prefix, row.carrier, row.method, row.country
        ))?;
        Ok(row)
    }
}
