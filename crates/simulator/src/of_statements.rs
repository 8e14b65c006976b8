//! The commands that read and book statements, as one pattern.

macro_rules! of_statements {
    () => {
        Command::ClaimReconciliation(_)
            | Command::BeginStatement(_)
            | Command::RecordLines(_)
            | Command::RecordMissing(_)
            | Command::EndStatement(_)
            | Command::AcceptStatement(_)
            | Command::PostLines(_)
            | Command::CloseDifference(_)
            | Command::RecordBalances(_)
    };
}
pub(crate) use of_statements;
