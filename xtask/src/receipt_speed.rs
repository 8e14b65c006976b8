//! `cargo xtask receipt-speed`: how long a receipt as PDF takes.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::bench::database::Database;
use crate::bench::server::Kola;
use crate::bench::{self, ScratchDir};
use crate::common;
use crate::copies;

/// The items of the receipts that are made: few, as nearly always, and as many as there may be.
const ITEMS: [usize; 3] = [1, 20, 200];
/// How often each is made.
const TURNS: usize = 200;
/// The target for the median, with the request around it.
const MAX_TIME: Duration = Duration::from_millis(50);

pub fn run() -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return bench::as_release();
    }
    bench::build("kola")?;
    let target = crate::target_dir()?;
    let dir = ScratchDir::create(target.join("receipt-speed"))?;
    let database = Database::Sqlite(dir.0.join("receipts.db"));
    let kola = Kola { binary: target.join("release/kola") };
    let mut good = true;
    copies::create(&kola, &database, async |client, shop| {
        for items in ITEMS {
            let path = shop.paid_receipt(client, items).await?;
            let mut times = Vec::with_capacity(TURNS);
            let mut bytes = 0;
            for _ in 0..TURNS {
                let begun = Instant::now();
                bytes = client.get("", &path).await.context("a receipt")?.0.len();
                times.push(begun.elapsed());
            }
            times.sort_unstable();
            let time = times.get(TURNS / 2).copied().unwrap_or_default();
            good &= time <= MAX_TIME;
            println!("{items} items: {} µs, {bytes} bytes", time.as_micros());
        }
        Ok(())
    })?;
    println!("{}", if good { "PASSED" } else { "FAILED: more than 50 ms" });
    Ok(common::exit_code(good))
}
