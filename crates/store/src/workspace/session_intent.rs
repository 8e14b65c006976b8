//! The columns of a session's intent: each kind of session uses some of them, and the others are
//! null.
//!
//! `payment_account_id` is the only one that changes: the account of a payout is fixed, but that of
//! a checkout or refund is known only when it is executed.

use domain::kernel::ids::{
    CounterpartyId, ExecutionId, PartyId, PaymentAccountId, SourceId, WalletId,
};
use domain::kernel::money::Money;
use domain::payments::session::{Intent, Recipient, SessionKind};

use crate::StoreError;
use crate::workspace::codes::Coded;
use crate::workspace::record::{Column, PartlyChanging, RowReader, none_left, required};
use crate::workspace::sql_value::{ColumnType, SqlValue};

/// The values to be written, besides the kind.
#[derive(Default)]
struct Written<'a> {
    source_id: Option<&'a SourceId>,
    wallet_id: Option<&'a WalletId>,
    counterparty_id: Option<&'a CounterpartyId>,
    party_id: Option<&'a PartyId>,
    recipient: Option<&'a Recipient>,
    original_execution_id: Option<&'a ExecutionId>,
    amount: Option<&'a Money>,
    reason: Option<&'a String>,
    payment_account_id: Option<&'a PaymentAccountId>,
}

impl<'a> Written<'a> {
    fn of(intent: &'a Intent) -> Self {
        match intent {
            Intent::Checkout { source_id, payer_account_id } => Self {
                source_id: Some(source_id),
                payment_account_id: payer_account_id.as_ref(),
                ..Self::default()
            },
            Intent::Payout { wallet_id, payee_account_id, amount } => Self {
                wallet_id: Some(wallet_id),
                amount: Some(amount),
                payment_account_id: Some(payee_account_id),
                ..Self::default()
            },
            Intent::Transfer { wallet_id, counterparty_id, party_id, recipient, amount } => Self {
                wallet_id: Some(wallet_id),
                counterparty_id: Some(counterparty_id),
                party_id: Some(party_id),
                recipient: recipient.as_ref(),
                amount: Some(amount),
                ..Self::default()
            },
            Intent::Refund {
                original_execution_id,
                wallet_id,
                amount,
                reason,
                payer_account_id,
            } => Self {
                wallet_id: Some(wallet_id),
                original_execution_id: Some(original_execution_id),
                amount: Some(amount),
                reason: reason.as_ref(),
                payment_account_id: payer_account_id.as_ref(),
                ..Self::default()
            },
        }
    }
}

/// The values that were read, besides the kind. Making the intent takes those that its kind has.
struct Read {
    source_id: Option<SourceId>,
    wallet_id: Option<WalletId>,
    counterparty_id: Option<CounterpartyId>,
    party_id: Option<PartyId>,
    recipient: Option<Recipient>,
    original_execution_id: Option<ExecutionId>,
    amount: Option<Money>,
    reason: Option<String>,
    payment_account_id: Option<PaymentAccountId>,
}

impl Read {
    /// The intent, or what contradicts the kind.
    fn into_intent(mut self, kind: SessionKind) -> Result<Intent, String> {
        let intent = match kind {
            SessionKind::Checkout => Intent::Checkout {
                source_id: required(self.source_id.take(), "source_id")?,
                payer_account_id: self.payment_account_id.take(),
            },
            SessionKind::Payout => Intent::Payout {
                wallet_id: required(self.wallet_id.take(), "wallet_id")?,
                payee_account_id: required(self.payment_account_id.take(), "payment_account_id")?,
                amount: required(self.amount.take(), "amount_minor")?,
            },
            SessionKind::Transfer => Intent::Transfer {
                wallet_id: required(self.wallet_id.take(), "wallet_id")?,
                counterparty_id: required(self.counterparty_id.take(), "counterparty_id")?,
                party_id: required(self.party_id.take(), "party_id")?,
                recipient: self.recipient.take(),
                amount: required(self.amount.take(), "amount_minor")?,
            },
            SessionKind::Refund => Intent::Refund {
                original_execution_id: required(
                    self.original_execution_id.take(),
                    "original_execution_id",
                )?,
                wallet_id: required(self.wallet_id.take(), "wallet_id")?,
                amount: required(self.amount.take(), "amount_minor")?,
                reason: self.reason.take(),
                payer_account_id: self.payment_account_id.take(),
            },
        };
        none_left(&[
            (self.source_id.is_some(), "source_id"),
            (self.wallet_id.is_some(), "wallet_id"),
            (self.counterparty_id.is_some(), "counterparty_id"),
            (self.party_id.is_some(), "party_id"),
            (self.recipient.is_some(), "recipient_type"),
            (self.original_execution_id.is_some(), "original_execution_id"),
            (self.amount.is_some(), "amount_minor"),
            (self.reason.is_some(), "reason"),
            (self.payment_account_id.is_some(), "payment_account_id"),
        ])?;
        Ok(intent)
    }
}

impl Column for Intent {
    const WIDTH: usize = 13;

    fn types(types: &mut Vec<ColumnType>) {
        SessionKind::types(types);
        SourceId::types(types);
        WalletId::types(types);
        CounterpartyId::types(types);
        PartyId::types(types);
        Recipient::types(types);
        ExecutionId::types(types);
        Money::types(types);
        String::types(types);
        PaymentAccountId::types(types);
    }

    fn write<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        let written = Written::of(self);
        values.push(SqlValue::Int(self.kind().code()));
        Column::write_option(written.source_id, values);
        Column::write_option(written.wallet_id, values);
        Column::write_option(written.counterparty_id, values);
        Column::write_option(written.party_id, values);
        Column::write_option(written.recipient, values);
        Column::write_option(written.original_execution_id, values);
        Column::write_option(written.amount, values);
        Column::write_option(written.reason, values);
        Column::write_option(written.payment_account_id, values);
    }

    fn read(reader: &mut RowReader<'_>) -> Result<Self, StoreError> {
        let kind = SessionKind::read(reader)?;
        let read = Read {
            source_id: Column::read(reader)?,
            wallet_id: Column::read(reader)?,
            counterparty_id: Column::read(reader)?,
            party_id: Column::read(reader)?,
            recipient: Column::read(reader)?,
            original_execution_id: Column::read(reader)?,
            amount: Column::read(reader)?,
            reason: Column::read(reader)?,
            payment_account_id: Column::read(reader)?,
        };
        read.into_intent(kind).map_err(|what| reader.inconsistent(format!("{kind}: {what}")))
    }
}

impl PartlyChanging for Intent {
    fn write_changing<'a>(&'a self, values: &mut Vec<SqlValue<'a>>) {
        Column::write_option(Written::of(self).payment_account_id, values);
    }
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;
    use domain::kernel::ids::{MerchantId, SessionId};
    use domain::kernel::time::MerchantTime;
    use domain::ledger::wallet::Owner;
    use domain::payments::session::{Session, SessionStatus};

    use super::*;
    use crate::workspace::record::Record;
    use crate::workspace::sql_value::ResultRow;

    struct Values(Vec<SqlValue<'static>>);

    impl ResultRow for Values {
        fn value(&self, index: usize) -> Result<SqlValue<'_>, StoreError> {
            Ok(self.0[index].clone())
        }
    }

    fn session(intent: Intent) -> Session {
        Session {
            id: SessionId(7),
            merchant_id: MerchantId(1),
            status: SessionStatus::Active,
            intent,
            expires_at: MerchantTime(3),
            event_count: 4,
            created_at: MerchantTime(1),
            updated_at: MerchantTime(2),
        }
    }

    fn checkout() -> Intent {
        Intent::Checkout { source_id: SourceId(11), payer_account_id: None }
    }

    fn payout() -> Intent {
        Intent::Payout {
            wallet_id: WalletId(12),
            payee_account_id: PaymentAccountId(13),
            amount: Money::new(500, Currency::parse("USD").unwrap()),
        }
    }

    fn transfer() -> Intent {
        Intent::Transfer {
            wallet_id: WalletId(12),
            counterparty_id: CounterpartyId(14),
            party_id: PartyId(15),
            recipient: Some(Recipient { owner: Owner::Party(PartyId(15)), name: "Ama".to_owned() }),
            amount: Money::new(500, Currency::parse("USD").unwrap()),
        }
    }

    fn refund() -> Intent {
        Intent::Refund {
            original_execution_id: ExecutionId(16),
            wallet_id: WalletId(12),
            amount: Money::new(500, Currency::parse("USD").unwrap()),
            reason: Some("returned".to_owned()),
            payer_account_id: None,
        }
    }

    fn written(session: &Session) -> Vec<SqlValue<'static>> {
        let mut values = vec![];
        session.write(&mut values);
        values.into_iter().map(SqlValue::into_owned).collect()
    }

    #[test]
    fn a_session_is_read_as_it_was_written() {
        let account = Some(PaymentAccountId(17));
        for intent in [checkout(), payout(), transfer(), refund()] {
            for session in [session(intent.clone()), session(intent).with_payer_account(account)] {
                let values = written(&session);
                assert_eq!(values.len(), Session::WIDTH);
                assert_eq!(values.len(), Session::statements().all.len());
                assert_eq!(Session::from_row(&Values(values), 0).unwrap(), session);
            }
        }
    }

    #[test]
    fn only_the_payment_account_of_an_intent_is_written_again() {
        let statements = Session::statements();
        let changing: Vec<_> =
            statements.all[statements.fixed..].iter().map(|(column, _)| *column).collect();
        assert_eq!(changing, ["payment_account_id", "status", "event_count", "updated_at"]);
        let session = session(refund()).with_payer_account(Some(PaymentAccountId(17)));
        let mut values = vec![];
        session.write_changes(&mut values);
        let expected = [
            SqlValue::Int(17),
            SqlValue::Int(0),
            SqlValue::Int(4),
            SqlValue::Int(2),
            SqlValue::Int(7),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn what_contradicts_the_kind_is_an_error_that_names_it() {
        let missing = SqlValue::Null;
        let some = SqlValue::Int(99);
        let text = SqlValue::Text("why".into());
        for (intent, column, value, expected) in [
            (checkout(), "source_id", &missing, "CHECKOUT: source_id is null"),
            (checkout(), "wallet_id", &some, "CHECKOUT: wallet_id is not null"),
            (checkout(), "reason", &text, "CHECKOUT: reason is not null"),
            (payout(), "wallet_id", &missing, "PAYOUT: wallet_id is null"),
            (payout(), "payment_account_id", &missing, "PAYOUT: payment_account_id is null"),
            (payout(), "amount_minor", &missing, "PAYOUT: amount_minor is null"),
            (payout(), "counterparty_id", &some, "PAYOUT: counterparty_id is not null"),
            (transfer(), "counterparty_id", &missing, "TRANSFER: counterparty_id is null"),
            (transfer(), "party_id", &missing, "TRANSFER: party_id is null"),
            (transfer(), "payment_account_id", &some, "TRANSFER: payment_account_id is not null"),
            (refund(), "original_execution_id", &missing, "REFUND: original_execution_id is null"),
            (refund(), "wallet_id", &missing, "REFUND: wallet_id is null"),
            (refund(), "source_id", &some, "REFUND: source_id is not null"),
        ] {
            let mut values = written(&session(intent));
            let columns = &Session::statements().all;
            let at = columns.iter().position(|(name, _)| *name == column).unwrap();
            values[at] = value.clone();
            match Session::from_row(&Values(values), 0) {
                Err(StoreError::Inconsistent { table: "sessions", id: 7, what }) => {
                    assert_eq!(what, expected);
                }
                other => panic!("{expected}: {other:?}"),
            }
        }
    }
}
