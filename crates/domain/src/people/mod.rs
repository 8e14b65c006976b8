//! People: who may log in, what they prove it with, and in which merchants they have a role.

pub mod accept_invitation;
pub mod access;
pub mod change_member;
pub mod change_password;
pub mod disable_user;
pub mod end_login;
pub mod invitation;
pub mod invite;
pub mod log_in;
pub mod login;
pub mod login_tries;
pub mod membership;
pub mod saved_filter;
pub mod second_factor;
pub mod user;
