//! `kola keys`: rotation of the keys that sign access tokens.

use clap::Subcommand;
use serde_json::json;

use crate::cli::{Target, output};
use store::clock;
use store::schema::installation;

#[derive(Subcommand)]
pub enum Keys {
    /// Create a new signing key. Running servers use it within seconds. Tokens signed by older keys
    /// stay valid until they expire.
    Rotate {
        /// Refuse tokens signed by older keys from now on.
        #[arg(long)]
        retire: bool,
    },
}

impl Keys {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        let Self::Rotate { retire } = self;
        let mut sql = target.open_existing()?;
        let (id, retired) =
            installation::rotate_signing_keys(sql.as_mut(), retire, clock::now().0)?;
        let mut text = format!("key {id} signs from now on");
        if retire {
            text.push_str(&format!("\n{retired} older keys are retired: their tokens are refused"));
        }
        output::done(&json!({ "key": id, "retired": retired }), &text)
    }
}
