//! PostgreSQL's own benchmark on the same cluster: its TPC-B-like transaction, which updates three
//! rows, reads one and inserts one, at scale 50.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::{Phase, Sample};
use crate::cluster::Cluster;

const DATABASE: &str = "pgbench";
const SCALE: &str = "50";

pub struct Pgbench {
    cluster: Arc<Cluster>,
}

impl Pgbench {
    pub fn prepare(cluster: Arc<Cluster>) -> anyhow::Result<Self> {
        cluster.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        cluster.program(
            "pgbench",
            &["--initialize", "--quiet", "--scale", SCALE, &cluster.url(DATABASE)],
        )?;
        cluster.sql(DATABASE, "CHECKPOINT")?;
        Ok(Self { cluster })
    }

    pub fn run(&self, round: u32, connections: usize, window: Duration) -> anyhow::Result<Sample> {
        // pgbench takes whole seconds.
        let seconds = window.as_secs_f64().ceil().max(1.0);
        let (clients, seconds) = (connections.to_string(), format!("{seconds:.0}"));
        let url = self.cluster.url(DATABASE);
        let arguments = [
            "--no-vacuum",
            "--protocol",
            "prepared",
            "--jobs",
            "2",
            "--client",
            &clients,
            "--time",
            &seconds,
            &url,
        ];
        let said = self.cluster.program("pgbench", &arguments)?;
        let number = |label: &str| -> anyhow::Result<f64> {
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix(label))
                .with_context(|| format!("no {label}: {said}"))?;
            Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
        };
        Ok(Sample {
            round,
            phase: Phase::Pgbench,
            width: connections,
            per_second: number("tps = ")?,
            // pgbench reports only a mean.
            p50_ms: number("latency average = ")?,
            p99_ms: f64::NAN,
            server_cpu: None,
            load_cpu: None,
            batch: None,
        })
    }
}
