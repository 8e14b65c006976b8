//! Exceptions that only an operator can decide: reviews, and the money in suspense until then.

pub mod contradiction;
pub mod dispute;
pub mod late_success;
pub mod note_evidence;
pub mod open_review;
pub mod resolve_review;
pub mod review;
