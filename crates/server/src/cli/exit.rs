//! How a command ends: the exit codes of the program.

use std::process::ExitCode;

/// The end of a command. docs/command-line.md has the same table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It was done.
    Done,
    /// It failed, or was refused.
    Failed,
    /// Nothing was begun: the command line, the environment or the config file is wrong.
    Mistaken,
    /// The ledger is right, and an exchange position is beyond its limit.
    BeyondLimit,
    /// The ledger is right, and a head that was kept elsewhere is not in the books.
    UnknownHead,
    /// `kola doctor` has found what has to be put right.
    Unhealthy,
}

impl Exit {
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Failed,
        Self::Mistaken,
        Self::BeyondLimit,
        Self::UnknownHead,
        Self::Unhealthy,
    ];

    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Mistaken => 2,
            Self::BeyondLimit => 3,
            Self::UnknownHead => 4,
            Self::Unhealthy => 5,
        }
    }

    /// What the code means, in the words of the documentation.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "it was done",
            Self::Failed => {
                "it failed or was refused; standard error says why, or `ledger verify` found violations"
            }
            Self::Mistaken => {
                "nothing was begun: the command line, a variable or the config file is wrong"
            }
            Self::BeyondLimit => {
                "`ledger verify`: the ledger is right, and an exchange position is beyond its `--position-limit`"
            }
            Self::UnknownHead => {
                "`ledger verify`: the ledger is right, and the head of `--head` is not in the books"
            }
            Self::Unhealthy => {
                "`doctor`: something has failed; with `--strict` something is a warning, too"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
