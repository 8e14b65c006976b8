//! Sessions, executions, and the outcomes that providers report.

pub mod attempt;
pub mod authenticate_card;
pub mod cancel_enqueued;
pub mod cancel_session;
pub mod check_now;
pub mod checks;
pub mod claim_execution;
pub mod create_session;
pub mod defer_send;
pub mod execute;
pub mod execution;
pub mod execution_intent;
pub mod expire_session;
mod gate;
pub mod hourly_limit;
pub mod leave_card_page;
pub mod outcome;
pub mod pay_on_page;
pub mod provider_call;
pub mod receipt_code;
pub mod recipient;
pub mod record_outcome;
pub mod refund;
pub mod request_limit;
pub mod reserve_passcode_attempt;
pub mod session;
pub mod settle;
