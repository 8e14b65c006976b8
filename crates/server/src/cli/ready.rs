//! `kola ready`: whether a server can serve requests, for health checks and scripts.

use std::time::{Duration, Instant};

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

/// How long is rested between two questions.
const BETWEEN: Duration = Duration::from_millis(200);

#[derive(Args)]
pub struct Ready {
    /// The URL of the server. Without it the server on this machine is asked.
    #[arg(long, env = "KOLA_URL", value_name = "URL", value_parser = server_url)]
    url: Option<String>,
    /// Where the server on this machine listens, as `kola serve` was told.
    #[arg(long, env = "KOLA_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = listen_on)]
    listen: Listen,
    /// Ask again for so many seconds while it is not ready, as after a restart.
    #[arg(long, default_value_t = 0, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3_600))]
    wait: u64,
}

impl Ready {
    pub fn run(self) -> anyhow::Result<Exit> {
        let url = self.url.unwrap_or_else(|| self.listen.url_here());
        let reason = until(Duration::from_secs(self.wait), || ask(&url)).err();
        let reason = reason.map(|reason| format!("{reason:#}"));
        let text = match &reason {
            None => format!("{url} is ready"),
            Some(reason) => format!("{url} is not ready: {reason}"),
        };
        let answer = json!({ "url": url, "ready": reason.is_none(), "reason": reason });
        output::tell(&answer, &text)?;
        Ok(if reason.is_none() { Exit::Done } else { Exit::Failed })
    }
}

/// Repeats what fails for a time, and at least once.
fn until<T>(wait: Duration, ask: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if answer.is_ok() || begun.elapsed() >= wait {
            return answer;
        }
        std::thread::sleep(BETWEEN);
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
