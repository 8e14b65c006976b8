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

/// The most characters of a method's name.
const METHOD_CHARACTERS: usize = 40;

/// How a payer pays or a payee is paid, such as `MTN_MOMO_LBR`: 3 to 40 capital letters, digits and
/// underscores that begin with a letter. Which methods there are is said by the rows of the market,
/// so that an operator opens another without a new release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method {
    /// ASCII, filled up with zeros.
    name: [u8; METHOD_CHARACTERS],
}

impl Method {
    /// MTN mobile money, Liberia.
    pub const MTN_MOMO_LBR: Self = Self::known("MTN_MOMO_LBR");
    /// Orange Money, Liberia.
    pub const ORANGE_MONEY_LBR: Self = Self::known("ORANGE_MONEY_LBR");
    /// Airtel Money, Rwanda.
    pub const AIRTEL_RWA: Self = Self::known("AIRTEL_RWA");
    /// MTN mobile money, Rwanda.
    pub const MTN_MOMO_RWA: Self = Self::known("MTN_MOMO_RWA");
    /// Orange Money, Rwanda.
    pub const ORANGE_MONEY_RWA: Self = Self::known("ORANGE_MONEY_RWA");
    /// A credit or debit card.
    pub const CREDIT_CARD: Self = Self::known("CREDIT_CARD");
    /// A wallet held here.
    pub const WALLET: Self = Self::known("WALLET");

    /// The methods of the shipped market, in the order of the documentation.
    pub const SHIPPED: &'static [Self] = &[
        Self::MTN_MOMO_LBR,
        Self::ORANGE_MONEY_LBR,
        Self::AIRTEL_RWA,
        Self::MTN_MOMO_RWA,
        Self::ORANGE_MONEY_RWA,
        Self::CREDIT_CARD,
        Self::WALLET,
    ];

    /// The pattern of a name.
    pub const PATTERN: &'static str = "^[A-Z][A-Z0-9_]{2,39}$";

    /// The constant of a name; without a name if no method could have it, which a test would find.
    const fn known(text: &str) -> Self {
        match Self::read(text.as_bytes()) {
            Some(method) => method,
            None => Self { name: [0; METHOD_CHARACTERS] },
        }
    }

    const fn read(text: &[u8]) -> Option<Self> {
        if text.len() < 3 || text.len() > METHOD_CHARACTERS || !text[0].is_ascii_uppercase() {
            return None;
        }
        let mut name = [0; METHOD_CHARACTERS];
        let mut at = 0;
        while at < text.len() {
            let character = text[at];
            let permitted =
                character.is_ascii_uppercase() || character.is_ascii_digit() || character == b'_';
            if !permitted {
                return None;
            }
            name[at] = character;
            at += 1;
        }
        Some(Self { name })
    }

    /// The method of this name, if a method could have it.
    #[must_use]
    pub const fn parse(text: &str) -> Option<Self> {
        Self::read(text.as_bytes())
    }

    /// The name in the API and in the database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.name.iter().position(|byte| *byte == 0).unwrap_or(METHOD_CHARACTERS);
        self.name.get(..length).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    #[must_use]
    pub fn is_mobile_money(self) -> bool {
        self != Self::CREDIT_CARD && self != Self::WALLET
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

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_an_open_name() {
        for name in ["MTN_MOMO_ZMB", "M2P", "A23456789_123456789_123456789_123456789_"] {
            assert_eq!(Method::parse(name).map(|method| method.to_string()).as_deref(), Some(name));
        }
        for name in ["", "AB", "mtn_momo_zmb", "1TN", "_TN", "MTN MOMO", "MTN-MOMO", "MTN\0", "É23"]
        {
            assert_eq!(Method::parse(name), None, "{name}");
        }
        assert_eq!(Method::parse(&"A".repeat(41)), None);
        for method in Method::SHIPPED {
            assert_eq!(Method::parse(method.as_str()), Some(*method));
        }
        assert!(Method::parse("MTN_MOMO_ZMB").unwrap().is_mobile_money());
        assert!(!Method::CREDIT_CARD.is_mobile_money() && !Method::WALLET.is_mobile_money());
    }
}
