//! The commands about people, as patterns: whoever looks at all commands has no arm for each of them.

/// Those that name no merchant of which they are.
macro_rules! of_people_alone {
    () => {
        Command::Invite(_)
            | Command::AcceptInvitation(_)
            | Command::ReserveLogin(_)
            | Command::FinishLogin(_)
            | Command::ReserveCode(_)
            | Command::GiveCode(_)
            | Command::SetUpSecondFactor(_)
            | Command::ConfirmSecondFactor(_)
            | Command::ChangePassword(_)
            | Command::EndLogin(_)
            | Command::TouchLogin(_)
            | Command::DisableUser(_)
    };
}
pub(crate) use of_people_alone;

/// All of them.
macro_rules! of_people {
    () => {
        $crate::of_people::of_people_alone!()
            | Command::ConfirmInvitation(_)
            | Command::CancelInvitation(_)
            | Command::ChangeMember(_)
            | Command::SetMerchantLimits(_)
    };
}
pub(crate) use of_people;
