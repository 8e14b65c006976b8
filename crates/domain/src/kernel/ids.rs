//! Identifiers. Each row type has its own id type, so that the compiler tells a wallet's id from a
//! session's.

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
    /// An attempt at a passcode.
    PasscodeTryId
    /// A key that signs access tokens.
    SigningKeyId
    /// A person or company that a merchant deals with.
    PartyId
    /// The relation of a merchant to a party.
    CounterpartyId
    /// A mobile-money account, card or wallet that payments come from or go to.
    PaymentAccountId
    /// An invoice or an order.
    SourceId
    /// One line of a source.
    ItemId
    /// The page on which a source is shown and paid.
    CheckoutConfigId
    /// A link that many payers can pay.
    PaymentLinkId
    /// One line of a payment link.
    PaymentLinkItemId
    /// A limit of the payments that are begun on pages.
    RequestLimitId
    /// A declared payment intent.
    SessionId
    /// An executed session; the API calls it a payment intent.
    ExecutionId
    /// An account at a network: one contract with it, or its stand-in in the sandbox.
    NetworkAccountId
    /// A secret of a network account.
    NetworkSecretId
    /// A call to a network or a callback of it, as it was said.
    ExchangeId
    /// A callback about a payment that is not known.
    UnmatchedCallbackId
    /// What a network says that an operator can do for an account.
    OperatorTermsId
    /// A row of the audit.
    AuditId
    /// A balance of a merchant or of a party under a merchant.
    WalletId
    /// A credit of sandbox money under an idempotency key.
    FundingId
    /// A system account of the ledger.
    AccountId
    /// One line of a ledger transaction.
    EntryId
    /// An event. A ledger transaction has the id of the event that caused it.
    EventId
    /// A case for an operator: a provider contradicted itself, or gave no final outcome.
    ReviewId
    /// The tariff of the installation, of which there is one.
    TariffId
    /// A row of the platform's fees.
    PlatformFeeId
    /// A row of the networks' fees.
    GatewayFeeId
    /// A row of the exchange rates.
    RateId
    /// A row of the open markets.
    MarketId
    /// A row of the phone prefixes of mobile-money operators.
    PhonePrefixId
    /// Where a merchant wants to be told.
    WebhookEndpointId
    /// What deliveries to an endpoint are signed with.
    WebhookSecretId
    /// A message on its way to an endpoint.
    WebhookDeliveryId
    /// An attempt to deliver.
    WebhookAttemptId
    /// Limits that a merchant sets in a currency.
    MerchantLimitsId
    /// A request for approval.
    ApprovalId
    /// A person who logs in.
    UserId
    /// A person in a merchant.
    MembershipId
    /// A filter that somebody keeps.
    SavedFilterId
    /// A browser that somebody has logged in with.
    LoginId
    /// A link by which somebody joins.
    InvitationId
    /// What was tried in vain at an account or from an address.
    LoginTriesId
    /// A try at a password or a code.
    LoginTryId
    /// A batch of the chain: the first id of its range.
    BatchId
    /// The end of the chain of batches, of which there is one.
    BatchChainId
    /// A key that links of the chain were made with.
    ChainKeyId
    /// What is known of one kind of checks of the installation.
    InstallationCheckId
    /// A statement of an account at a network.
    StatementId
    /// A line of a statement.
    StatementLineId
    /// What a statement and the ledger do not agree on.
    DifferenceId
    /// The balance of an account at its network in a currency.
    NetworkBalanceId
}

impl MerchantId {
    /// Whom events belong to that are about the whole installation. No merchant has this id, so no
    /// merchant reads them.
    pub const INSTALLATION: Self = Self(0);
}
