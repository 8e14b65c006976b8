//! Roles, and the one table that says which role may do what.
//!
//! A person has a role in each merchant, and an API key may be narrowed to one. A decision names its
//! [action](crate::decision::use_case::Decision::action) and a read is asked for by one, so a rule
//! that is changed here holds for people and programs alike.

use crate::api_enum;
use crate::kernel::names::Operation;
use crate::kernel::refusal::Refusal;

api_enum! {
    Role {
        /// Sees payments, without names and phone numbers.
        Viewer = "VIEWER",
        /// Answers payers.
        Support = "SUPPORT",
        /// Connects programs.
        Developer = "DEVELOPER",
        /// Pays out and keeps the books.
        Finance = "FINANCE",
        /// Sells.
        Manager = "MANAGER",
        /// Everything of a merchant.
        Owner = "OWNER",
        /// Runs the installation.
        Operator = "OPERATOR",
        /// Reads everything of the installation, and changes nothing.
        Auditor = "AUDITOR",
    }
}

api_enum! {
    /// What a role allows. The names stand in messages and in the documentation.
    Action {
        /// Payments, what they are for, and who is known as a customer.
        ReadPayments = "read payments",
        /// Whole names, phone numbers and e-mail addresses.
        SeeContacts = "see names and phone numbers",
        ReadWallets = "read wallets and their entries",
        /// Invoices, orders, checkouts and payment links, and collecting for them.
        Sell = "sell",
        /// Parties, counterparties and payment accounts.
        EditCustomers = "edit customers and accounts",
        /// Sending the link of a page or a receipt again, asking a network for the state of a payment.
        FollowUp = "send links and receipts or ask the network",
        /// Refunds up to the limit that the merchant sets for its support.
        RefundWithinLimit = "refund up to the support limit",
        Refund = "refund",
        /// Payouts and transfers.
        PayOut = "pay out and transfer",
        /// The payouts and transfers of another, where the merchant's limit needs a second person.
        ApprovePayouts = "approve payouts",
        /// API keys, webhooks and events.
        ReadIntegration = "read keys, webhooks and events",
        /// The same, and the clock and cards of the sandbox.
        ChangeIntegration = "change keys and webhooks",
        /// People and their roles, limits, the passcode.
        ManageMerchant = "manage the team, limits and settings",
        ReadReviews = "read reviews",
        ResolveReviews = "resolve reviews",
        ReadInstallation = "read the installation",
        /// Networks, the tariff, merchants, the status of wallets.
        ManageInstallation = "manage the installation",
        ReadAudit = "read the audit",
        /// Giving a code, and ending the own login.
        LogIn = "log in and out",
        /// The own name, password, phone and logins.
        UseOwnLogin = "change the own login",
    }
}

/// Who may do each action: every action once, in the order of [`Action::ALL`].
const TABLE: [(Action, &[Role]); 20] = {
    use Role::{Auditor, Developer, Finance, Manager, Operator, Owner, Support, Viewer};
    [
        (
            Action::ReadPayments,
            &[Viewer, Support, Developer, Finance, Manager, Owner, Operator, Auditor],
        ),
        (Action::SeeContacts, &[Support, Finance, Manager, Owner, Operator]),
        (Action::ReadWallets, &[Finance, Manager, Owner, Operator, Auditor]),
        (Action::Sell, &[Support, Manager, Owner]),
        (Action::EditCustomers, &[Support, Finance, Manager, Owner]),
        (Action::FollowUp, &[Support, Finance, Manager, Owner, Operator]),
        (Action::RefundWithinLimit, &[Support, Finance, Manager, Owner]),
        (Action::Refund, &[Finance, Manager, Owner]),
        (Action::PayOut, &[Finance, Manager, Owner]),
        (Action::ApprovePayouts, &[Finance, Owner]),
        (Action::ReadIntegration, &[Developer, Owner, Operator, Auditor]),
        (Action::ChangeIntegration, &[Developer, Owner]),
        (Action::ManageMerchant, &[Owner, Operator]),
        (Action::ReadReviews, &[Support, Finance, Manager, Owner, Operator, Auditor]),
        (Action::ResolveReviews, &[Operator]),
        (Action::ReadInstallation, &[Operator, Auditor]),
        (Action::ManageInstallation, &[Operator]),
        (Action::ReadAudit, &[Finance, Manager, Owner, Operator, Auditor]),
        (Action::LogIn, &[Viewer, Support, Developer, Finance, Manager, Owner, Operator, Auditor]),
        (
            Action::UseOwnLogin,
            &[Viewer, Support, Developer, Finance, Manager, Owner, Operator, Auditor],
        ),
    ]
};

impl Action {
    /// What declaring, executing or canceling a payment takes.
    #[must_use]
    pub const fn to(operation: Operation) -> Self {
        match operation {
            Operation::Collection => Self::Sell,
            Operation::Payout | Operation::Transfer => Self::PayOut,
            Operation::Refund => Self::RefundWithinLimit,
        }
    }

    /// Whether a person is asked for a code again, if they have not given one a moment ago.
    #[must_use]
    pub const fn asks_again(self) -> bool {
        matches!(
            self,
            Self::Refund
                | Self::PayOut
                | Self::ApprovePayouts
                | Self::ChangeIntegration
                | Self::ManageMerchant
                | Self::ManageInstallation
        )
    }
}

impl Role {
    /// The roles that somebody has in a merchant.
    pub const OF_MERCHANTS: &'static [Self] = match Self::ALL {
        [of_merchants @ .., Self::Operator, Self::Auditor] => of_merchants,
        all => all,
    };

    #[must_use]
    pub fn may(self, action: Action) -> bool {
        TABLE.iter().any(|(of, roles)| *of == action && roles.contains(&self))
    }

    /// Whether it allows nothing that `other` does not: nobody gives more than they have.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        Action::ALL.iter().all(|action| other.may(*action) || !self.may(*action))
    }

    #[must_use]
    pub fn is_of_merchant(self) -> bool {
        Self::OF_MERCHANTS.contains(&self)
    }

    /// Whether who has it may give or take the other: owners all roles of their merchant, operators all
    /// there are.
    #[must_use]
    pub fn may_grant(self, other: Self) -> bool {
        match self {
            Self::Owner => other.is_of_merchant(),
            Self::Operator => true,
            _ => false,
        }
    }

    /// Whether giving it takes two people: whoever has it requests payouts or approves them, so that an
    /// owner who gives it alone would be both.
    #[must_use]
    pub fn takes_two_to_give(self) -> bool {
        self.may(Action::PayOut) || self.may(Action::ApprovePayouts)
    }

    /// Whether it needs codes of a phone beside the password.
    #[must_use]
    pub const fn needs_second_factor(self) -> bool {
        matches!(self, Self::Owner | Self::Finance | Self::Operator)
    }

    /// The role of a merchant of this name.
    #[must_use]
    pub fn parse_of_merchant(name: &str) -> Option<Self> {
        Self::parse(name).filter(|role| role.is_of_merchant())
    }
}

/// What somebody may do in a merchant: what the role allows, and of that only some operations of the
/// API, if they are named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights {
    pub role: Role,
    pub operations: Option<Operations>,
}

impl Rights {
    /// Everything that is the merchant's.
    pub const ALL: Self = Self { role: Role::Owner, operations: None };

    /// Whether they allow nothing that `other` does not.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let of_operations = match (&self.operations, &other.operations) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(others)) => own.0.iter().all(|name| others.contains(name)),
        };
        of_operations && self.role.is_within(other.role)
    }

    /// Refuses what the role does not allow.
    ///
    /// # Errors
    /// [`Refusal::NotPermitted`].
    pub fn check(&self, action: Action) -> Result<(), Refusal> {
        if self.role.may(action) {
            Ok(())
        } else {
            Err(Refusal::NotPermitted { role: self.role, action })
        }
    }
}

/// The names of some operations of the API, each once. Which names there are, the API knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operations(Vec<String>);

impl Operations {
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_action_once() {
        let actions: Vec<Action> = TABLE.iter().map(|(action, _)| *action).collect();
        assert_eq!(actions, Action::ALL);
        for (action, roles) in TABLE {
            let mut ordered = roles.to_vec();
            ordered.sort_unstable();
            ordered.dedup();
            assert_eq!(ordered, roles, "{action}");
        }
    }

    #[test]
    fn an_owner_may_all_that_is_the_merchants() {
        for role in Role::OF_MERCHANTS {
            assert!(role.is_within(Role::Owner), "{role}");
            assert_eq!(Role::Owner.is_within(*role), *role == Role::Owner, "{role}");
        }
        assert!(!Role::Operator.is_within(Role::Owner) && !Role::Owner.is_within(Role::Operator));
        assert_eq!(Role::parse_of_merchant("OPERATOR"), None);
        assert_eq!(Role::parse_of_merchant("FINANCE"), Some(Role::Finance));
    }

    #[test]
    fn rights_are_within_others_when_they_add_nothing() {
        let of = |role, names: Option<&[&str]>| Rights {
            role,
            operations: names.map(|names| Operations::new(names.iter().map(|&n| n.to_owned()))),
        };
        let (all, finance) = (Rights::ALL, of(Role::Finance, None));
        assert!(finance.is_within(&all) && all.is_within(&all) && !all.is_within(&finance));
        let one = of(Role::Owner, Some(&["a"]));
        let two = of(Role::Owner, Some(&["b", "a", "a"]));
        assert!(one.is_within(&two) && one.is_within(&all));
        assert!(!two.is_within(&one) && !all.is_within(&one) && !one.is_within(&finance));
        assert_eq!(two.operations.unwrap().names(), ["a", "b"]);
    }

    #[test]
    fn roles_by_which_money_leaves_take_two_to_give() {
        let of_two = |role: &&Role| role.takes_two_to_give();
        let roles: Vec<&Role> = Role::ALL.iter().filter(of_two).collect();
        assert_eq!(roles, [&Role::Finance, &Role::Manager, &Role::Owner]);
    }

    #[test]
    fn an_auditor_changes_nothing() {
        let reads = [
            Action::LogIn,
            Action::UseOwnLogin,
            Action::ReadPayments,
            Action::ReadWallets,
            Action::ReadIntegration,
            Action::ReadReviews,
            Action::ReadInstallation,
            Action::ReadAudit,
        ];
        for action in Action::ALL {
            assert_eq!(Role::Auditor.may(*action), reads.contains(action), "{action}");
        }
    }
}
