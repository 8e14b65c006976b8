//! `kola events`: what a developer does with single events.

use clap::Subcommand;

use crate::cli::listen::{self, ApiKey, Signing};

#[derive(Subcommand)]
pub enum Events {
    /// Post an event to a URL once more, with the object as it is now, and print the answer. The exit
    /// code is 0 only if it was 2xx.
    Resend {
        /// The id of the event, as `kola listen` prints it and `webhook-id` has it.
        #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
        id: i64,
        /// The URL, http or https: http://localhost:3000/hooks.
        #[arg(long, value_name = "URL")]
        forward_to: String,
        #[command(flatten)]
        signing: Signing,
        #[command(flatten)]
        key: ApiKey,
    },
}

impl Events {
    pub fn run(self) -> anyhow::Result<()> {
        let Self::Resend { id, forward_to, signing, key } = self;
        listen::resend(key, id, &forward_to, &signing)
    }
}
