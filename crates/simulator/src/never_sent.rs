//! The commands that nobody in a simulation sends, as one pattern: whoever looks at all commands has no
//! arm for each of them. Why each is not sent stands at the test that knows them by name.

macro_rules! never_sent {
    () => {
        Command::RecordDispute(_)
            | Command::NoteEvidence(_)
            | Command::AddNetworkAccount(_)
            | Command::RetireNetworkSecret(_)
            | Command::ResealSecrets(_)
            | Command::KeepUnmatchedCallback(_)
            | Command::DeleteRetained(_)
            | Command::SaveFilter(_)
            | Command::StopPayouts(_)
            | Command::ResumePayouts(_)
            | Command::ClaimCheck(_)
            | Command::RecordCheck(_)
            | Command::RequestCheck(_)
            | Command::UpdateParty(_)
    };
}
pub(crate) use never_sent;
