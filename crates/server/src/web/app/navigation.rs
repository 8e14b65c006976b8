//! The screens of a merchant, as its pages list them for whoever may see them.

use domain::directory::roles::{Action, Role};

/// A screen of a merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Screen {
    Overview,
    Payments,
    Invoices,
    Orders,
    Links,
    Customers,
    Search,
    Wallets,
    Payouts,
    Approvals,
    Team,
    Audit,
    Reviews,
    Disputes,
    Developers,
}

/// The screens in the order in which they are listed.
const SCREENS: &[Screen] = &[
    Screen::Overview,
    Screen::Payments,
    Screen::Invoices,
    Screen::Orders,
    Screen::Links,
    Screen::Customers,
    Screen::Search,
    Screen::Wallets,
    Screen::Payouts,
    Screen::Approvals,
    Screen::Reviews,
    Screen::Disputes,
    Screen::Developers,
    Screen::Team,
    Screen::Audit,
];

impl Screen {
    /// What it takes to see it.
    const fn action(self) -> Action {
        match self {
            Self::Overview | Self::Payments | Self::Search | Self::Payouts => Action::ReadPayments,
            Self::Invoices | Self::Orders | Self::Links | Self::Customers => Action::ReadPayments,
            Self::Wallets => Action::ReadWallets,
            Self::Approvals => Action::PayOut,
            Self::Team => Action::ManageMerchant,
            Self::Audit => Action::ReadAudit,
            Self::Reviews | Self::Disputes => Action::ReadReviews,
            Self::Developers => Action::ReadIntegration,
        }
    }

    /// The part of its path before the merchant.
    const fn part(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Payments => "payments",
            Self::Invoices => "invoices",
            Self::Orders => "orders",
            Self::Links => "links",
            Self::Customers => "customers",
            Self::Search => "search",
            Self::Wallets => "wallets",
            Self::Payouts => "payouts",
            Self::Approvals => "approvals",
            Self::Team => "team",
            Self::Audit => "audit",
            Self::Reviews => "reviews",
            Self::Disputes => "disputes",
            Self::Developers => "developers",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Payments => "Payments",
            Self::Invoices => "Invoices",
            Self::Orders => "Orders",
            Self::Links => "Links",
            Self::Customers => "Customers",
            Self::Search => "Search",
            Self::Wallets => "Wallets",
            Self::Payouts => "Payouts",
            Self::Approvals => "Approvals",
            Self::Team => "Team",
            Self::Audit => "Audit",
            Self::Reviews => "Reviews",
            Self::Disputes => "Disputes",
            Self::Developers => "Developers",
        }
    }
}

/// A link to a screen.
pub struct ScreenLink {
    pub path: String,
    pub words: &'static str,
    pub is_current: bool,
}

/// The screens of a merchant that a role may see.
pub fn links(merchant: i64, role: Role, current: Option<Screen>) -> Vec<ScreenLink> {
    let seen = SCREENS.iter().filter(|screen| role.may(screen.action()));
    let link = |screen: &Screen| ScreenLink {
        path: format!("/app/{}/{merchant}", screen.part()),
        words: screen.words(),
        is_current: current == Some(*screen),
    };
    seen.map(link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_shown_what_it_may_see() {
        for role in Role::ALL {
            for link in links(7, *role, None) {
                let screen = SCREENS.iter().find(|screen| screen.words() == link.words).unwrap();
                assert!(role.may(screen.action()), "{role:?} {}", link.path);
                assert!(!link.is_current);
            }
        }
        let of_owner = links(7, Role::Owner, Some(Screen::Team));
        let current: Vec<_> = of_owner.iter().filter(|link| link.is_current).collect();
        assert_eq!(current.len(), 1);
        assert_eq!(current[0].path, "/app/team/7");
        assert_eq!(of_owner.len(), SCREENS.len());
    }
}
