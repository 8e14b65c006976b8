//! Enumerations with the names that the API and the database use.

/// Declares an enum whose variants have API names: `as_str`, `parse`, `ALL`.
#[macro_export]
macro_rules! api_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All members, in the order of the documentation.
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
        /// Collects money from a payer for an invoice or order.
        Collection = "COLLECTION",
        /// Sends money from a wallet to a payment account.
        Payout = "PAYOUT",
        /// Moves money between wallets.
        Transfer = "TRANSFER",
        /// Gives back a collection, in full or in part.
        Refund = "REFUND",
    }
}

api_enum! {
    /// The network that moves the money.
    Provider {
        /// For mobile money.
        PawaPay = "PAWAPAY",
        /// For cards.
        Stripe = "STRIPE",
        /// Between wallets of kola, without an external network.
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

    /// The network that a request's `provider` field means for this method: the network's name, or for
    /// mobile money also the method's own name.
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
        /// Fees are added to what the payer pays.
        Payer = "PAYER",
        /// Fees are deducted from what the payee gets.
        Payee = "PAYEE",
    }
}

api_enum! {
    /// Whether a merchant's money is real.
    Mode {
        /// Test money: the built-in provider simulates the networks.
        Sandbox = "SANDBOX",
        /// A network's own test system: real calls, no real money.
        Test = "TEST",
        /// Real money over real networks.
        Live = "LIVE",
    }
}
