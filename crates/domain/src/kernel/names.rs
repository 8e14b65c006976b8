//! Closed sets of names, spelt as the API spells them.

/// Declares an enum whose variants have API names: `as_str`, `parse`, `ALL`.
#[macro_export]
macro_rules! api_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every member, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the API and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The member of that name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

api_enum! {
    /// What an execution does with money.
    Operation {
        /// Takes money from a payer for an invoice or order.
        Collection = "COLLECTION",
        /// Sends money from a wallet to an account outside.
        Payout = "PAYOUT",
        /// Moves money between wallets.
        Transfer = "TRANSFER",
        /// Gives back a collection, wholly or in part.
        Refund = "REFUND",
    }
}

api_enum! {
    /// The network that moves the money.
    Provider {
        /// Mobile money.
        PawaPay = "PAWAPAY",
        /// Cards.
        Stripe = "STRIPE",
        /// kola's own wallets.
        Platform = "PLATFORM",
    }
}

api_enum! {
    /// How a payer pays or a payee is paid.
    Method {
        /// MTN mobile money, Liberia.
        MtnMomoLbr = "MTN_MOMO_LBR",
        /// Orange Money, Liberia.
        OrangeMoneyLbr = "ORANGE_MONEY_LBR",
        /// Airtel Money, Rwanda.
        AirtelRwa = "AIRTEL_RWA",
        /// MTN mobile money, Rwanda.
        MtnMomoRwa = "MTN_MOMO_RWA",
        /// Orange Money, Rwanda.
        OrangeMoneyRwa = "ORANGE_MONEY_RWA",
        /// A credit or debit card.
        CreditCard = "CREDIT_CARD",
        /// A wallet held here.
        Wallet = "WALLET",
    }
}

impl Method {
    /// Whether the method is mobile money.
    #[must_use]
    pub const fn is_mobile_money(self) -> bool {
        match self {
            Self::MtnMomoLbr
            | Self::OrangeMoneyLbr
            | Self::AirtelRwa
            | Self::MtnMomoRwa
            | Self::OrangeMoneyRwa => true,
            Self::CreditCard | Self::Wallet => false,
        }
    }

    /// The network that a request's `provider` names for this method: the network's own name, or
    /// for mobile money the method's name.
    #[must_use]
    pub fn network(self, provider: &str) -> Option<Provider> {
        if self.is_mobile_money() && provider == self.as_str() {
            Some(Provider::PawaPay)
        } else {
            Provider::parse(provider)
        }
    }
}

api_enum! {
    /// Who bears the fees of a collection.
    FeeBearer {
        /// They are added to what the payer pays.
        Payer = "PAYER",
        /// They are taken from what the payee gets.
        Payee = "PAYEE",
    }
}

api_enum! {
    /// Whether a merchant's money is real.
    Mode {
        /// Everything is played by the built-in provider.
        Sandbox = "SANDBOX",
        /// Real providers, real money.
        Live = "LIVE",
    }
}
