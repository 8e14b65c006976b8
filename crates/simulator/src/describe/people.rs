//! What people do, in one line each.

use domain::decision::command::{Command, Output};
use domain::directory::merchant_limits::SetMerchantLimits;
use domain::directory::principal::Principal;
use domain::directory::roles::Role;
use domain::people::accept_invitation::{AcceptInvitation, Guest};
use domain::people::change_member::ChangeMember;
use domain::people::change_password::ChangePassword;
use domain::people::disable_user::DisableUser;
use domain::people::end_login::{EndLogin, TouchLogin};
use domain::people::invitation::InvitedTo;
use domain::people::invite::{CancelInvitation, ConfirmInvitation, Invite};
use domain::people::log_in::{FinishLogin, ReserveLogin};
use domain::people::login::Login;
use domain::people::second_factor::{
    ConfirmSecondFactor, GiveCode, Proof, ReserveCode, SetUpSecondFactor,
};

/// Who asks, where it is not whoever the command is sent by anyway.
pub fn asked_by(by: Option<Principal>) -> String {
    match by {
        Some(Principal::User(person)) => {
            format!(" [user {} by login {}]", person.user_id, person.login_id)
        }
        Some(Principal::ApiKey(caller)) => format!(" [API key {}]", caller.api_key_id),
        _ => String::new(),
    }
}

pub fn command(command: &Command) -> String {
    match command {
        Command::Invite(Invite { to, token }) => format!("{} by {token}", invited_to(to)),
        Command::ConfirmInvitation(ConfirmInvitation { invitation_id: id, .. })
        | Command::CancelInvitation(CancelInvitation { invitation_id: id, .. }) => id.to_string(),
        Command::AcceptInvitation(AcceptInvitation { token, by }) => {
            let who = match by {
                Guest::New { email, .. } => format!("{email}, who is new"),
                Guest::Known(person) => format!("user {}", person.user_id),
                Guest::Returning { .. } => "somebody who begins anew".to_owned(),
            };
            format!("{token} by {who}")
        }
        Command::ReserveLogin(ReserveLogin { email, address }) => format!("{email} at {address}"),
        Command::FinishLogin(FinishLogin { reserved, user_id, password_hash, .. }) => {
            format!("user {user_id} with {password_hash}, try {}", reserved.id)
        }
        Command::ReserveCode(ReserveCode { by, address }) => {
            format!("user {} at {address}", by.user_id)
        }
        Command::GiveCode(GiveCode { reserved, proof, .. }) => match proof {
            Proof::Step(step) => format!("of step {step}, try {}", reserved.id),
            Proof::Recovery(code) => format!("recovery code {code}, try {}", reserved.id),
        },
        Command::SetUpSecondFactor(SetUpSecondFactor { secret, .. }) => secret.sealed.clone(),
        Command::ConfirmSecondFactor(ConfirmSecondFactor { sealed, step, reserved, .. }) => {
            format!("{sealed} by step {step}, try {}", reserved.id)
        }
        Command::ChangePassword(ChangePassword { from_hash, to_hash, reserved, .. }) => {
            format!("from {from_hash} to {to_hash}, try {}", reserved.id)
        }
        Command::EndLogin(EndLogin { login_id: id, .. }) => id.to_string(),
        Command::TouchLogin(TouchLogin { by }) => by.login_id.to_string(),
        Command::ChangeMember(ChangeMember { user_id, role, .. }) => {
            format!("user {user_id} {}", of_role(*role))
        }
        Command::SetMerchantLimits(SetMerchantLimits {
            currency,
            support_refund_minor: refunds,
            payment_minor: payment,
            day_minor: day,
            bind_api_keys: bind,
            ..
        }) => {
            format!(
                "{currency}: refunds {refunds:?}, payment {payment:?}, day {day:?}, keys {bind:?}"
            )
        }
        Command::DisableUser(DisableUser { user_id, disabled }) => {
            format!("user {user_id}, disabled: {disabled}")
        }
        _ => String::new(),
    }
}

fn of_role(role: Option<Role>) -> &'static str {
    role.map_or("without a role", Role::as_str)
}

fn invited_to(to: &InvitedTo) -> String {
    match to {
        InvitedTo::Merchant(merchant, role) => format!("as {role} of merchant {merchant}"),
        InvitedTo::Installation(role) => format!("as {role}"),
        InvitedTo::Reset(user) => format!("user {user} to begin anew"),
    }
}

fn login(row: &Login) -> String {
    let over = if row.ended_at.is_some() { ", ended" } else { "" };
    format!("login {} of user {}{over}", row.id, row.user_id)
}

pub fn answered(answer: &Output) -> String {
    match answer {
        Output::Invite(row) | Output::ConfirmInvitation(row) | Output::CancelInvitation(row) => {
            format!("invitation {}", row.id)
        }
        Output::AcceptInvitation(row)
        | Output::SetUpSecondFactor(row)
        | Output::DisableUser(row) => format!("user {}", row.id),
        Output::ReserveLogin(attempt) => {
            let known = if attempt.user.is_some() { "known" } else { "unknown" };
            format!("try {}, {known}", attempt.reserved.id)
        }
        Output::ReserveCode(reserved) => format!("try {}", reserved.id),
        Output::FinishLogin(row) => row.as_ref().map_or_else(|| "no login".to_owned(), login),
        Output::GiveCode(row)
        | Output::ConfirmSecondFactor(row)
        | Output::ChangePassword(row)
        | Output::EndLogin(row) => login(row),
        Output::SetMerchantLimits(row) => format!("limits {}", row.id),
        Output::ChangeMember(row) => {
            format!("membership {} {}", row.id, of_role(row.role))
        }
        _ => "done".to_owned(),
    }
}
