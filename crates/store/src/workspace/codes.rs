//! Enums that are stored as small integers, in the tables that have rows for each payment.

use domain::kernel::names::Operation;

use crate::StoreError;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql_value::{ColumnType, SqlValue};

/// An enum whose members are stored as small integers.
pub trait Coded: Copy + 'static {
    /// The name of the type in the table `stored_codes`, which lists the codes for people.
    const TYPE: &'static str;

    /// All members with their codes.
    const CODES: &'static [(Self, i64)];

    fn code(self) -> i64;

    /// Reads a column with the code of a member.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`] for a code that no member has.
    fn read_code(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let code = i64::read(reader)?;
        let found = Self::CODES.iter().find(|(_, other)| *other == code);
        found
            .map(|(member, _)| *member)
            .ok_or_else(|| reader.inconsistent(format!("{code} is not a code of {}", Self::TYPE)))
    }
}

/// Enums with their codes. A code is never changed and never given to another member, even if its
/// member is gone: stored rows keep it. The codes of a new member or a new type are inserted into
/// `stored_codes` by a migration.
macro_rules! codes {
    ($($name:literal: $path:path { $($variant:ident = $code:literal),+ $(,)? })+) => {
        $(
            impl Coded for $path {
                const TYPE: &'static str = $name;
                const CODES: &'static [(Self, i64)] = &[$((Self::$variant, $code)),+];

                fn code(self) -> i64 {
                    match self { $(Self::$variant => $code),+ }
                }
            }
        )+

        /// Type, code and name of every member: the rows of `stored_codes`.
        pub fn stored_codes() -> Vec<(&'static str, i64, &'static str)> {
            let mut rows = Vec::new();
            $(rows.extend(<$path>::CODES.iter().map(|(member, code)| ($name, *code, member.as_str())));)+
            rows
        }
    };
}

/// Types that are stored as codes in every table.
macro_rules! code_columns {
    ($($path:path),+ $(,)?) => {$(
        impl Column for $path {
            fn types(types: &mut Vec<ColumnType>) {
                types.push(ColumnType::Code);
            }

            fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
                values.push(SqlValue::Int(self.code()));
            }

            fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
                Self::read_code(reader)
            }
        }
    )+};
}

// On SQLite 0 and 1 take no space, so what is there most often has them.
codes! {
    "actor_kind": domain::decision::event::ActorKind {
        ApiKey = 1, Operator = 2, Network = 3, System = 4, Payer = 5, User = 6,
    }
    "event_entity": domain::decision::event::EventEntity {
        Session = 1, Execution = 2, Source = 3, Wallet = 4, Review = 5, Tariff = 6, PaymentLink = 7,
        WebhookEndpoint = 8, ApiKey = 9, Statement = 10,
    }
    "event_type": domain::decision::event::EventType {
        SessionCreated = 1,
        SessionExpired = 2,
        SessionCanceled = 3,
        ExecutionPending = 4,
        ExecutionProcessing = 5,
        ExecutionRequiresAction = 6,
        ExecutionCompleted = 7,
        ExecutionFailed = 8,
        ExecutionSettled = 9,
        SourcePublished = 10,
        SourceProcessing = 11,
        SourcePaid = 12,
        SourceReopened = 13,
        SourceCanceled = 14,
        WalletFunded = 15,
        WalletStatus = 16,
        ReviewOpened = 17,
        ReviewUpdated = 18,
        ReviewResolved = 19,
        TariffChanged = 20,
        PaymentLinkCreated = 21,
        PaymentLinkDeactivated = 22,
        PaymentLinkUsedUp = 23,
        WebhookEndpointDisabled = 24,
        WebhookTest = 25,
        PayoutEnqueued = 26,
        WalletTransferReceived = 27,
        ApiKeyCreated = 28,
        ApiKeyRevoked = 29,
        StatementPosted = 30,
        DifferenceClosed = 31,
        ReviewEvidenceNoted = 32,
    }
    "session_kind": domain::payments::session::SessionKind {
        Checkout = 0, Transfer = 1, Payout = 2, Refund = 3,
    }
    "session_status": domain::payments::session::SessionStatus {
        Active = 0, Executed = 1, Expired = 2, Canceled = 3,
    }
    "operation": Operation { Collection = 0, Transfer = 1, Payout = 2, Refund = 3 }
    "execution_status": domain::payments::execution::ExecutionStatus {
        Pending = 0, Completed = 1, Processing = 2, Failed = 3,
    }
    "line_kind": domain::reconciliation::reported::LineKind {
        Collection = 0,
        Payout = 1,
        Refund = 2,
        Reversal = 3,
        DisputeWithdrawn = 4,
        DisputeReinstated = 5,
        TopUp = 6,
        BankTransfer = 7,
        Fee = 8,
        Other = 9,
    }
    "line_standing": domain::reconciliation::line::LineStanding {
        Matched = 0, UnderWay = 1, Differs = 2, Explained = 3, NoPayment = 4,
    }
    "gate": domain::payments::attempt::Gate {
        Circuit = 1, Rate = 2, RefundQueue = 3, Approval = 4, Held = 5,
    }
    "audit_entity": domain::audit::AuditEntity {
        Merchant = 1,
        ApiKey = 2,
        Passcode = 3,
        Limits = 4,
        Party = 5,
        Counterparty = 6,
        PaymentAccount = 7,
        Wallet = 8,
        Source = 9,
        Item = 10,
        PaymentLink = 11,
        Session = 12,
        Execution = 13,
        Review = 14,
        WebhookEndpoint = 15,
        WebhookDelivery = 16,
        User = 17,
        Login = 18,
        Invitation = 19,
        NetworkAccount = 20,
        Tariff = 21,
        Installation = 22,
        Approval = 23,
        SavedFilter = 24,
        Statement = 25,
    }
    "audited_command": domain::audit::AuditedCommand {
        CreateMerchant = 1,
        UpdateMerchant = 2,
        CreateApiKey = 3,
        RevokeApiKey = 4,
        SetPasscode = 5,
        UnlockPasscode = 6,
        ReplacePasscode = 7,
        SetMerchantLimits = 8,
        AdvanceClock = 9,
        CreateParty = 10,
        CreateCounterparty = 11,
        UpdateCounterparty = 12,
        CreateAccount = 13,
        DeactivateAccount = 14,
        FundWallet = 15,
        SetWalletStatus = 16,
        CreateSource = 17,
        UpdateSource = 18,
        PublishSource = 19,
        CancelSource = 20,
        AddItem = 21,
        UpdateItem = 22,
        RemoveItem = 23,
        CreateCheckout = 24,
        OpenCheckoutPage = 25,
        CreatePaymentLink = 26,
        DeactivatePaymentLink = 27,
        CreateSession = 28,
        CancelSession = 29,
        Execute = 30,
        CheckNow = 31,
        CancelEnqueued = 32,
        AuthenticateCard = 33,
        ResolveReview = 34,
        NoteEvidence = 75,
        SetPlatformFee = 35,
        SetGatewayFee = 36,
        SetRate = 37,
        OpenMarket = 38,
        CloseMarket = 39,
        AssignPhonePrefix = 40,
        EndPhonePrefix = 41,
        AddNetworkAccount = 42,
        ChangeNetworkAccount = 43,
        AddNetworkSecret = 44,
        RetireNetworkSecret = 45,
        ResealSecrets = 46,
        RecordTerms = 47,
        CreateWebhookEndpoint = 48,
        UpdateWebhookEndpoint = 49,
        DeleteWebhookEndpoint = 50,
        RotateWebhookSecret = 51,
        TestWebhookEndpoint = 52,
        ResendDeliveries = 53,
        Invite = 54,
        ConfirmInvitation = 67,
        CancelInvitation = 55,
        AcceptInvitation = 56,
        FinishLogin = 57,
        GiveCode = 58,
        SetUpSecondFactor = 59,
        ConfirmSecondFactor = 60,
        ChangePassword = 61,
        EndLogin = 62,
        ChangeMember = 63,
        DisableUser = 64,
        Approve = 65,
        Refuse = 66,
        SaveFilter = 68,
        UpdateParty = 69,
        StopPayouts = 70,
        ResumePayouts = 71,
        RequestCheck = 72,
        AcceptStatement = 73,
        CloseDifference = 74,
    }
    "action": domain::directory::roles::Action {
        ReadPayments = 1,
        SeeContacts = 2,
        ReadWallets = 3,
        Sell = 4,
        EditCustomers = 5,
        FollowUp = 6,
        RefundWithinLimit = 7,
        Refund = 8,
        PayOut = 9,
        ApprovePayouts = 10,
        ReadIntegration = 11,
        ChangeIntegration = 12,
        ManageMerchant = 13,
        ReadReviews = 14,
        ResolveReviews = 15,
        ReadInstallation = 16,
        ManageInstallation = 17,
        ReadAudit = 18,
        LogIn = 19,
        UseOwnLogin = 20,
    }
    "bucket": domain::ledger::account::Bucket { System = 0, Available = 1, Held = 2 }
}
// An operation is stored by its code in executions, and by its name elsewhere.
code_columns!(
    domain::decision::event::ActorKind,
    domain::decision::event::EventEntity,
    domain::decision::event::EventType,
    domain::payments::session::SessionKind,
    domain::payments::session::SessionStatus,
    domain::payments::execution::ExecutionStatus,
    domain::reconciliation::reported::LineKind,
    domain::reconciliation::line::LineStanding,
    domain::payments::attempt::Gate,
    domain::ledger::account::Bucket,
    domain::audit::AuditEntity,
    domain::audit::AuditedCommand,
    domain::directory::roles::Action,
);

/// SQL with the code of an enum's member in the place of `{type name}`, for example
/// `{event_type execution.completed}`.
pub fn with_codes(sql: &str) -> String {
    stored_codes().into_iter().fold(sql.to_owned(), |sql, (kind, code, name)| {
        sql.replace(&format!("{{{kind} {name}}}"), &code.to_string())
    })
}

#[cfg(test)]
mod tests {
    use domain::decision::event::ActorKind;

    use super::*;
    use crate::schema::copy::tables;
    use crate::testing::Stage;
    use crate::workspace::sql::{Dialect, OwnedRow};
    use crate::workspace::sql_value::params;

    fn read_kind(row: &OwnedRow) -> Result<ActorKind, StoreError> {
        ActorKind::read(&mut RowReader::new(row, "coded", 0))
    }

    #[test]
    fn codes_are_unique_and_fit_into_16_bits() {
        let rows = stored_codes();
        let keys: std::collections::BTreeSet<_> =
            rows.iter().map(|(kind, code, _)| (kind, code)).collect();
        assert_eq!(keys.len(), rows.len());
        assert!(rows.iter().all(|(_, code, _)| i16::try_from(*code).is_ok()));
    }

    #[test]
    fn the_table_of_codes_has_those_of_the_code() {
        for mut stage in Stage::both() {
            let rows = stage
                .sql
                .rows("SELECT type, code, name FROM stored_codes ORDER BY type, code", &vec![])
                .unwrap();
            let mut expected = stored_codes();
            expected.sort_unstable();
            let read = |row: &OwnedRow| {
                let mut reader = RowReader::new(row, "stored_codes", 0);
                <(String, i64, String)>::read(&mut reader).unwrap()
            };
            let found: Vec<_> = rows.iter().map(read).collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(kind, code, name)| (kind.to_owned(), code, name.to_owned()))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn codes_are_put_into_sql() {
        let sql = "SELECT '{}' WHERE type = {event_type wallet.funded} AND actor_kind = {actor_kind API_KEY}";
        assert_eq!(with_codes(sql), "SELECT '{}' WHERE type = 15 AND actor_kind = 1");
    }

    #[test]
    fn a_member_is_written_as_its_code_and_read_again_and_an_unknown_code_is_refused() {
        for mut stage in Stage::both() {
            let create = match stage.sql.dialect() {
                Dialect::Sqlite => "CREATE TABLE coded (kind INT, amount INTEGER) STRICT",
                Dialect::Postgres => "CREATE TABLE coded (kind SMALLINT, amount BIGINT)",
            };
            stage.sql.script(create).unwrap();
            let all = tables::columns(stage.sql.as_mut(), "coded").unwrap();
            let column = [("kind".to_owned(), ColumnType::Code)];
            assert_eq!(all, [("amount".to_owned(), ColumnType::Int), column[0].clone()]);
            for kind in ActorKind::ALL {
                let mut values = Vec::new();
                kind.write(&mut values);
                assert_eq!(values, [SqlValue::Int(kind.code())]);
                let rows = stage.sql.rows(&format!("SELECT {}", kind.code()), &vec![]).unwrap();
                stage.sql.append("coded", &column, &rows).unwrap();
                let stored = stage
                    .sql
                    .rows(
                        "SELECT kind FROM coded WHERE kind = :kind",
                        &params!["kind" = kind.code()],
                    )
                    .unwrap();
                assert_eq!(
                    stored.iter().map(|row| read_kind(row).unwrap()).collect::<Vec<_>>(),
                    [*kind]
                );
            }
            stage.sql.script("INSERT INTO coded (kind) VALUES (999)").unwrap();
            let rows = stage.sql.rows("SELECT kind FROM coded WHERE kind = 999", &vec![]).unwrap();
            let refused = read_kind(&rows[0]);
            assert!(matches!(refused, Err(StoreError::Inconsistent { .. })), "{refused:?}");
        }
    }
}
