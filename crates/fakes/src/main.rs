//! Plays pawaPay and Stripe on this machine until it is stopped.

use std::net::SocketAddr;

use clap::Parser;
use fakes::{Fakes, Settings};

/// Plays pawaPay and Stripe as HTTP servers with books of their own, which lie as they are told to.
#[derive(Parser)]
#[command(name = "fakes")]
struct Arguments {
    /// Where the fake pawaPay listens.
    #[arg(long, default_value = "127.0.0.1:4101", value_name = "ADDRESS")]
    pawapay: SocketAddr,
    /// Where the fake Stripe listens.
    #[arg(long, default_value = "127.0.0.1:4102", value_name = "ADDRESS")]
    stripe: SocketAddr,
    /// Where the control port listens.
    #[arg(long, default_value = "127.0.0.1:4100", value_name = "ADDRESS")]
    control: SocketAddr,
    /// The same seed and the same requests give the same ids, keys and chances.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where callbacks go: what `kola networks add` printed as callback_url. May be given twice:
    /// one whose path has /stripe/ is Stripe's, another pawaPay's.
    #[arg(long, value_name = "URL")]
    callback: Vec<String>,
    /// How long a payment takes, in milliseconds.
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    delay_ms: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut settings = Settings {
        pawapay: arguments.pawapay,
        stripe: arguments.stripe,
        control: arguments.control,
        seed: arguments.seed,
        delay_ms: arguments.delay_ms,
        ..Settings::default()
    };
    for url in arguments.callback {
        if url.contains("/stripe/") {
            settings.stripe_webhook = Some(url);
        } else {
            settings.pawapay_callback = Some(url);
        }
    }
    let fakes = Fakes::start(settings).await?;
    println!("pawaPay: {} with the token {}", fakes.pawapay_url(), fakes::PAWAPAY_TOKEN);
    println!("Stripe:  {} with the secret key {}", fakes.stripe_url(), fakes::STRIPE_SECRET_KEY);
    println!(
        "         publishable key {}, webhook secret {}",
        fakes::STRIPE_PUBLISHABLE_KEY,
        fakes::STRIPE_WEBHOOK_SECRET
    );
    println!("control: {}", fakes.control_url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
