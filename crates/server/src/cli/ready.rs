//! `kola ready`: whether a server can serve requests, for health checks and scripts.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::http::{Request, StatusCode};
use clap::Args;
use hyper::body::Bytes;
use networks::client::{Client, Opened};
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::listen::{roots_for, server_url};
use crate::cli::output;
use crate::cli::serve::{Listen, listen_on};

/// Longer than a server takes to find out that its database is away.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct Ready {
    /// The URL of the server. Without it the server on this machine is asked.
    #[arg(long, env = "KOLA_URL", value_name = "URL", value_parser = server_url)]
    url: Option<String>,
    /// Where the server on this machine listens, as `kola serve` was told.
    #[arg(long, env = "KOLA_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = listen_on)]
    listen: Listen,
}

impl Ready {
    pub fn run(self) -> anyhow::Result<Exit> {
        let url = self.url.unwrap_or_else(|| self.listen.url_here());
        let reason = ask(&url).err().map(|reason| format!("{reason:#}"));
        let text = match &reason {
            None => format!("{url} is ready"),
            Some(reason) => format!("{url} is not ready: {reason}"),
        };
        let answer = json!({ "url": url, "ready": reason.is_none(), "reason": reason });
        output::tell(&answer, &text)?;
        Ok(if reason.is_none() { Exit::Done } else { Exit::Failed })
    }
}

fn ask(url: &str) -> anyhow::Result<()> {
    let roots = roots_for(url.starts_with("https:"))?;
    let client = Client::with_roots(roots, None).map_err(anyhow::Error::msg)?;
    let request = Request::get(format!("{url}/readyz")).body(Bytes::new())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, async {
            let mut answer = client.open(request).await?;
            let body = beginning(&mut answer).await?;
            anyhow::Ok((answer.status, body))
        })
        .await
    });
    // A lookup of a name may take longer than anybody wants to wait.
    runtime.shutdown_background();
    let answer = answer.with_context(|| format!("no answer within {} s", TIMEOUT.as_secs()))?;
    let (status, body) = answer?;
    ensure!(status == StatusCode::OK, "GET /readyz is answered with {status}");
    ensure!(is_of_kola(&body), "something else than kola answers GET /readyz");
    Ok(())
}

/// The most that is read of an answer, which has some bytes.
const ANSWER_MAX: usize = 4_096;

async fn beginning(answer: &mut Opened) -> anyhow::Result<Vec<u8>> {
    let mut body = vec![];
    while let Some(bytes) = answer.chunk().await? {
        body.extend_from_slice(&bytes);
        if body.len() > ANSWER_MAX {
            break;
        }
    }
    Ok(body)
}

/// Whether an answer with 200 is that of kola: the page of a proxy, or of whatever else has the port,
/// comes with 200, too.
pub fn is_of_kola(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|answer| answer["status"] == "ok")
}
