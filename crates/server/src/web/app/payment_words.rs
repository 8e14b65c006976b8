//! What pages of `/app` say of a payment: its state, why it waits and until when, and what to tell
//! the payer.

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::MerchantTime;
use domain::payments::attempt::{Gate, ProviderAttempt, UNAPPROVED_US};
use domain::payments::execution::{Execution, ExecutionStatus};

use crate::api::sources::receipts::rate_text;
use crate::web::app::figure_words;
use crate::web::language::Language;
use crate::web::methods::Methods;

/// An amount with its digits grouped, and its currency.
pub fn amount(money: Money) -> String {
    figure_words::amount(money.minor.into(), money.currency)
}

/// An amount as it is typed, for the words beside a field: people write the point and the thousands in
/// several ways.
pub fn example(currency: Currency) -> String {
    let sample = Money::new(125_050, currency);
    match currency.exponent() {
        0 => "such as 125050".to_owned(),
        _ => format!("such as {sample}, with a point"),
    }
}

/// An amount with its sign, as it changes a wallet.
pub fn change(money: Money) -> String {
    let sign = if money.minor > 0 { "+" } else { "" };
    format!("{sign}{}", amount(money))
}

/// A point in time in the zone of the payment's country, and for programs.
pub struct When {
    pub words: String,
    pub machine: String,
}

impl When {
    pub fn new(at: MerchantTime, method: Method, methods: &Methods) -> Self {
        let words = methods.zone(method).at(at).in_words(Language::English);
        Self { words, machine: at.to_string() }
    }
}

/// What an operation is called.
pub const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Collection => "Payment",
        Operation::Payout => "Payout",
        Operation::Transfer => "Transfer",
        Operation::Refund => "Refund",
    }
}

/// The state of a payment in a word or two.
pub const fn state(execution: &Execution) -> &'static str {
    match (execution.status, execution.operation()) {
        (ExecutionStatus::Completed, Operation::Collection) => "paid",
        (ExecutionStatus::Completed, Operation::Payout) => "paid out",
        (ExecutionStatus::Completed, Operation::Transfer) => "transferred",
        (ExecutionStatus::Completed, Operation::Refund) => "refunded",
        (ExecutionStatus::Failed, _) if execution.is_settled() => "paid, as a review found",
        (ExecutionStatus::Failed, _) => "failed",
        (ExecutionStatus::Processing, _) => "under way",
        (ExecutionStatus::Pending, _) => "not sent yet",
    }
}

/// Why a payment is not final, or why it failed; nothing where all is well.
pub fn why(execution: &Execution, attempt: Option<&ProviderAttempt>) -> Option<String> {
    let said = execution.gateway_message.as_deref().or(execution.wallet_message.as_deref());
    match execution.status {
        ExecutionStatus::Completed => None,
        ExecutionStatus::Failed => said.map(|said| format!("Why: {}", ended(said))),
        ExecutionStatus::Pending | ExecutionStatus::Processing => {
            let waiting_for = execution.waiting_for.as_deref();
            let needs_payer = attempt.is_some_and(|attempt| attempt.requires_action);
            let payer = needs_payer.then_some("the payer, who has to confirm it");
            waiting_for.or(payer).map(|what| format!("Waits for: {}", ended(what)))
        }
    }
}

/// A text of others as the end of a sentence.
fn ended(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

/// Whether a payout or transfer waits for a second person. Between wallets there is no attempt, and
/// only an approval lets it wait.
pub fn waits_for_approval(execution: &Execution, attempt: Option<&ProviderAttempt>) -> bool {
    let is_open = !execution.status.is_final();
    is_open && attempt.is_none_or(|attempt| attempt.gate == Some(Gate::Approval))
}

/// What leaves the payer or the wallet is called, and what arrives at the other end.
pub const fn sides(execution: &Execution) -> (&'static str, &'static str) {
    match (execution.operation(), execution.is_settled()) {
        (Operation::Collection, _) => ("Payer pays", "Wallet gets"),
        (Operation::Payout, true) => ("Taken from the wallet", "Paid out"),
        (Operation::Transfer, true) => ("Taken from the wallet", "Transferred"),
        (Operation::Payout | Operation::Transfer, false) => ("From the wallet", "To the recipient"),
        (Operation::Refund, true) => ("Taken from the wallet", "Given back"),
        (Operation::Refund, false) => ("From the wallet", "Back to the payer"),
    }
}

/// The rate between the wallet and what moves outside of it; nothing in one currency.
pub fn rate(execution: &Execution) -> Option<String> {
    let (one, many) = (execution.wallet_currency(), execution.outside_amount().currency);
    (one != many).then(|| format!("{} {many} for 1 {one}", rate_text(execution)))
}

/// What came of asking the network about a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    Answered,
    /// No answer came in time.
    Silent,
    /// It was asked a moment before, so it was not asked again.
    Recently,
}

impl Asked {
    const ALL: [Self; 3] = [Self::Answered, Self::Silent, Self::Recently];

    /// As it stands in the address of the page that says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Silent => "silent",
            Self::Recently => "recently",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|asked| asked.name() == name)
    }

    /// What is said of it on the page of the payment.
    pub fn words(self, execution: &Execution) -> String {
        match self {
            _ if execution.status.is_final() => {
                format!("Asked: it has ended. It is {} now.", state(execution))
            }
            Self::Answered => "Asked: it is still under way there.".to_owned(),
            Self::Silent => "Asked: no answer yet. It is shown here when it comes.".to_owned(),
            Self::Recently => {
                "The network was asked a moment ago: it is asked again after ten seconds."
                    .to_owned()
            }
        }
    }
}

/// What happens to a payment that is not final if nothing else does.
pub struct Until {
    pub at: When,
    pub then: &'static str,
}

/// Until when a payment waits.
pub fn until(
    execution: &Execution,
    attempt: Option<&ProviderAttempt>,
    methods: &Methods,
) -> Option<Until> {
    if execution.status.is_final() {
        return None;
    }
    let when = |at| When::new(at, execution.method, methods);
    Some(match attempt {
        Some(attempt) if !waits_for_approval(execution, Some(attempt)) => {
            let then = if attempt.was_sent() {
                "Then an operator looks at it"
            } else {
                "If it was not sent by then, it fails"
            };
            Until { at: when(attempt.deadline_at), then }
        }
        _ => Until {
            at: when(execution.created_at.plus(UNAPPROVED_US)),
            then: "If nobody has approved it by then, it fails",
        },
    })
}

/// A sentence to tell who paid or is paid.
pub fn to_tell(
    execution: &Execution,
    attempt: Option<&ProviderAttempt>,
    methods: &Methods,
    receipt_code: Option<&str>,
) -> String {
    let money = amount(execution.outside_amount());
    let network = methods.network(execution.method);
    if execution.in_review {
        return format!(
            "We are checking your payment of {money} with {network}. You need to do nothing, and please \
             do not pay again meanwhile."
        );
    }
    if execution.is_settled() {
        return match execution.operation() {
            Operation::Collection => {
                let code = receipt_code.map(|code| format!(" The code of your receipt is {code}."));
                format!("Your payment of {money} has arrived.{}", code.unwrap_or_default())
            }
            Operation::Payout => format!("{money} was sent to you through {network}."),
            Operation::Transfer => format!("{money} is in your wallet."),
            Operation::Refund => format!("{money} was sent back to you through {network}."),
        };
    }
    let was_sent = attempt.is_some_and(ProviderAttempt::was_sent);
    let needs_payer = attempt.is_some_and(|attempt| attempt.requires_action);
    match (execution.operation(), execution.status) {
        (Operation::Collection, ExecutionStatus::Failed) => format!(
            "Your payment of {money} did not go through. As far as we know no money was taken, and you may \
             pay again."
        ),
        (_, ExecutionStatus::Failed) => {
            format!("We could not send you {money} through {network}. Nothing was sent.")
        }
        (Operation::Collection, _) if needs_payer => {
            format!("Your payment of {money} waits for you: please confirm it with your bank.")
        }
        (Operation::Collection, _) if was_sent && execution.method.is_mobile_money() => format!(
            "Your payment of {money} is under way. If your phone asks for your PIN of {network}, please \
             enter it. Otherwise wait, and do not pay again."
        ),
        (Operation::Collection, _) => format!(
            "Your payment of {money} is under way. You need to do nothing, and please do not pay again."
        ),
        (Operation::Payout | Operation::Transfer, _) if waits_for_approval(execution, attempt) => {
            format!(
                "{money} for you waits until a second person here has approved it. Nothing was sent \
                 yet, and you need to do nothing."
            )
        }
        (Operation::Payout | Operation::Transfer | Operation::Refund, _) => {
            format!("{money} for you is under way. You need to do nothing.")
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;

    use super::*;

    #[test]
    fn a_change_has_a_sign() {
        let of = |minor| change(Money::new(minor, Currency::USD));
        assert_eq!((of(150).as_str(), of(-150).as_str()), ("+1.50 USD", "\u{2212}1.50 USD"));
        assert_eq!(of(0), "0.00 USD");
    }

    #[test]
    fn a_text_of_others_ends_once() {
        assert_eq!(
            (ended("approval").as_str(), ended(" It failed. ").as_str()),
            ("approval.", "It failed.")
        );
    }
}
