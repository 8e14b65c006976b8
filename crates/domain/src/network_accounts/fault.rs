//! Why a change of a network account is refused.

use std::fmt;

use crate::decision::workspace::Stop;
use crate::kernel::ids::NetworkAccountId;
use crate::kernel::names::{Mode, Provider};
use crate::kernel::refusal::Refusal;
use crate::network_accounts::account::AccountStatus;
use crate::network_accounts::secret::SecretKind;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NetworkAccountFault {
    Unknown(NetworkAccountId),
    NameTaken(String),
    /// Only test servers that play Stripe need other parameters than the current ones.
    BasicParameters,
    /// The account's status does not allow the change.
    Status {
        is: AccountStatus,
        must_be: &'static str,
    },
    /// Payments of it are under way.
    InUse {
        payments: i64,
    },
    /// The secret is one of another network.
    OtherNetwork {
        kind: SecretKind,
        network: Provider,
    },
    /// The account has the maximal number of secrets of this kind.
    TooManySecrets {
        kind: SecretKind,
        max: usize,
    },
    UnknownSecret,
    /// Without the secret nothing could be called.
    LastSecret(SecretKind),
    /// The merchant has another mode than the account.
    OtherMode {
        merchant: Mode,
        account: Mode,
    },
}

impl fmt::Display for NetworkAccountFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => {
                write!(f, "there is no network account {id}: see `kola networks list`")
            }
            Self::NameTaken(name) => write!(f, "another network account has the name {name}"),
            Self::BasicParameters => {
                f.write_str("only a test account at Stripe has basic parameters")
            }
            Self::Status { is, must_be } => {
                write!(f, "the network account is {is} and must be {must_be}")
            }
            Self::InUse { payments } => write!(
                f,
                "payments of the network account are under way ({payments}): close it when they are final"
            ),
            Self::OtherNetwork { kind, network } => {
                write!(f, "an account at {network} has no {kind}")
            }
            Self::TooManySecrets { kind, max } => write!(
                f,
                "the network account has {max} of the kind {kind}: retire one with `kola networks retire`"
            ),
            Self::UnknownSecret => f.write_str("the network account has no such secret"),
            Self::LastSecret(kind) => {
                write!(
                    f,
                    "the last {kind} of a network account cannot be retired: add another first"
                )
            }
            Self::OtherMode { merchant, account } => {
                write!(
                    f,
                    "the merchant is a {merchant} one, and the network account is for {account}"
                )
            }
        }
    }
}

impl From<NetworkAccountFault> for Refusal {
    fn from(fault: NetworkAccountFault) -> Self {
        Self::NetworkAccount(fault)
    }
}

impl From<NetworkAccountFault> for Stop {
    fn from(fault: NetworkAccountFault) -> Self {
        Refusal::from(fault).into()
    }
}
