//! The webhooks of the soak: endpoints that fail while servers are killed, and are told everything in
//! the end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bench::client::Client;
use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::trade::Shop;
use crate::webhooks::receiver::Receiver;
use crate::webhooks::{Figures, Listener, left_to_tell, settings};

/// How long the servers wait for an answer.
const PATIENCE: &str = "2";
const PATIENCE_TIME: Duration = Duration::from_secs(2);
/// After the last execution, something must be told in each such time until all is told. What a
/// server had claimed that was killed is another's after a minute.
const PROGRESS: Duration = Duration::from_secs(120);
/// How often what has failed is asked for again.
const RECOVER_EVERY: Duration = Duration::from_secs(3);

pub struct Telling {
    receiver: Receiver,
    /// Of the merchants, in their order.
    listeners: Vec<Listener>,
    /// The file of the key that secrets are encrypted with.
    key: String,
}

impl Telling {
    pub fn prepare(kola: &Kola, key: &Path) -> anyhow::Result<Self> {
        kola.secrets_init_key(key)?;
        let receiver = Receiver::start(PATIENCE_TIME)?;
        receiver.set_moody(true);
        Ok(Self { receiver, listeners: Vec::new(), key: key.display().to_string() })
    }

    /// What the servers are told.
    pub fn settings(&self) -> [(&str, &str); 3] {
        settings(PATIENCE, &self.key)
    }

    /// Creates the endpoints of the next merchant.
    pub async fn listen(&mut self, client: &mut Client, shop: &Shop) -> anyhow::Result<()> {
        let name = self.listeners.len().to_string();
        self.listeners.push(Listener::create(client, shop, &self.receiver, &name).await?);
        Ok(())
    }

    /// Takes everything from now on, asks for what has failed, and reports what was told. Returns
    /// whether that is everything.
    pub async fn finish(
        &mut self,
        server: SocketAddr,
        shops: &[Shop],
        database: &Database,
    ) -> anyhow::Result<bool> {
        self.receiver.set_moody(false);
        let mut client = Client::connect(server).await?;
        let begun = Instant::now();
        let mut left = left_to_tell(database)?;
        println!("messages not told yet when the last execution had ended: {left}");
        let mut progress = Instant::now();
        while left > 0 && progress.elapsed() < PROGRESS {
            for (listener, shop) in self.listeners.iter().zip(shops) {
                listener.recover(&mut client, shop).await?;
            }
            tokio::time::sleep(RECOVER_EVERY).await;
            let now = left_to_tell(database)?;
            if now < left {
                progress = Instant::now();
            }
            left = now;
        }
        println!("until all was told: {:.0} s", begun.elapsed().as_secs_f64());
        let (mut figures, mut faults) = (Figures::default(), self.receiver.wrong());
        for (number, (listener, shop)) in self.listeners.iter_mut().zip(shops).enumerate() {
            listener.read_events(&mut client, shop).await?;
            match listener.check(&self.receiver) {
                Ok(told) => figures = figures.plus(told),
                Err(error) => faults.push(format!("merchant {number}: {error:#}")),
            }
        }
        let rows = |condition: &str| {
            database.number(&format!("SELECT count(*) FROM webhook_deliveries WHERE {condition}"))
        };
        let open = rows("status <> 'DELIVERED'")?;
        if open > 0 {
            faults.push(format!("{open} deliveries are not DELIVERED"));
        }
        let deliveries = rows("1 = 1")?;
        if u64::try_from(deliveries)? != figures.deliveries {
            faults.push(format!("there are {deliveries} deliveries"));
        }
        println!("events since the endpoints were created: {}", figures.events);
        println!(
            "messages that an endpoint wants, each told at least once: {}",
            figures.deliveries
        );
        println!(
            "requests that reached an endpoint: {}: {}",
            figures.requests,
            self.receiver.moods()
        );
        println!("messages told again, after a failure or a kill: {}", figures.repeats());
        let attempts = database.number("SELECT count(*) FROM webhook_attempts")?;
        println!("attempts on record: {attempts}");
        println!("faults of what was told: {}", faults.len());
        faults.iter().take(5).for_each(|fault| println!("  {fault}"));
        Ok(faults.is_empty() && figures.deliveries > 0)
    }
}
