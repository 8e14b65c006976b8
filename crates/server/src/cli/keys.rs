//! `kola keys`: the keys that sign access tokens, and everybody's key for realtime clients.

use clap::Subcommand;
use serde_json::json;

use crate::cli::{Target, output};
use crate::credentials::realtime;
use crate::credentials::tokens::Tokens;
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
    /// Print a key for realtime clients, which is the same for everybody: the `apikey` of
    /// supabase-js. It is no secret and opens nothing by itself. It ends when the signing key
    /// that signed it is retired.
    Anon,
}

impl Keys {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Rotate { retire } => rotate(target, retire),
            Self::Anon => anon(target),
        }
    }
}

fn rotate(target: &Target, retire: bool) -> anyhow::Result<()> {
    let mut sql = target.open_existing()?;
    let (id, retired) = installation::rotate_signing_keys(sql.as_mut(), retire, clock::now().0)?;
    let mut text = format!("key {id} signs from now on");
    if retire {
        text.push_str(&format!(
            "\nolder keys that are retired: {retired}; their tokens are refused"
        ));
    }
    output::done(&json!({ "key": id, "retired": retired }), &text)
}

fn anon(target: &Target) -> anyhow::Result<()> {
    let mut sql = target.open_existing()?;
    let keys = installation::read_signing_keys(sql.as_mut())?;
    let signed_by = keys.iter().map(|key| key.id).max();
    let anon_key = realtime::anon_key(&Tokens::new(&keys), clock::now())?;
    let text = format!(
        "for realtime clients, signed by key {}: it ends with `kola keys rotate --retire`\n{anon_key}",
        signed_by.unwrap_or_default()
    );
    output::tell(&json!({ "anon_key": anon_key, "signed_by": signed_by }), &text)
}
