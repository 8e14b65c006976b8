//! Identifiers. Each row type has an id type of its own, so that a wallet's id cannot be passed for
//! a session's.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A merchant: the tenant that every other row belongs to.
    MerchantId
    /// A pair of client id and client secret.
    ApiKeyId
    /// A try of a passcode.
    PasscodeTryId
    /// A key that signs access tokens.
    SigningKeyId
    /// A person or firm that a merchant deals with.
    PartyId
    /// The relation of a merchant to a party.
    CounterpartyId
    /// A mobile-money account, card or wallet that money is taken from or sent to.
    PaymentAccountId
    /// An invoice or an order.
    SourceId
    /// One line of a source.
    ItemId
    /// The page on which a source is shown and paid.
    CheckoutConfigId
    /// A declared intent.
    SessionId
    /// An executed intent; the API calls it a payment intent.
    ExecutionId
    /// A balance of a merchant or of a party under a merchant.
    WalletId
    /// Sandbox money that was put into a wallet under a key.
    FundingId
    /// A system account of the ledger.
    AccountId
    /// One line of a ledger transaction.
    EntryId
    /// Something that happened. A ledger transaction has the id of the event that moved the money.
    EventId
    /// A case for a human: a provider contradicted itself, or never answered.
    ReviewId
}
