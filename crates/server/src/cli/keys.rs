//! `kola keys`: rotation of the keys that sign access tokens.

use clap::Subcommand;

use super::Database;
use crate::clock;
use crate::store::migrate;

#[derive(Subcommand)]
pub enum Keys {
    /// Draw a new signing key. Running servers take it up within seconds; tokens signed by older keys stay good until they
    /// expire.
    Rotate {
        /// Refuse tokens signed by older keys from now on.
        #[arg(long)]
        retire: bool,
    },
}

impl Keys {
    pub fn run(self, database: &Database) -> anyhow::Result<()> {
        let Self::Rotate { retire } = self;
        let store = database.open_existing()?;
        let now = clock::now().0;
        let id = migrate::add_signing_key(store.connection(), now)?;
        println!("key {id} signs from now on");
        if retire {
            let retired = migrate::retire_signing_keys_before(store.connection(), id, now)?;
            println!("{retired} older keys are retired: their tokens are refused");
        }
        Ok(())
    }
}
