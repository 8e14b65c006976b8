//! The server: assembles its parts, starts and stops them.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use domain::payments::receipt_code::ReceiptCodes;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::api::messages;
use crate::app::{App, AppParts};
use crate::config::Config;
use crate::credentials::hashing::HashingPool;
use crate::credentials::sealing;
use crate::credentials::tokens::Tokens;
use crate::engine::{Engine, Options};
use crate::jobs::dispatch::Dispatcher;
use crate::jobs::webhooks::Webhooks;
use crate::net::listen;
use crate::net::rate_limits::Limits;
use crate::net::response_permits::{self, ResponsePermits};
use crate::sockets::{self, Sockets};
use crate::telemetry::metrics::{self, Metrics};
use crate::telemetry::traces::Traces;
#[cfg(feature = "otlp")]
use crate::telemetry::traces::export;
use crate::{api, jobs, web};
use networks::accounts::Accounts;
use networks::calls::{NetworkCalls, Outside};
use networks::client::Client;
use networks::sandbox::Sandbox;
use networks::{Provider, ProviderRouter};
use store::{Database, Store, clock};

/// How long the lanes have to empty their queues when the server stops.
pub const LANE_DRAIN: Duration = Duration::from_secs(5);

/// A server whose lanes and jobs run.
pub struct Server {
    app: App,
    jobs: JoinSet<()>,
    lanes: Vec<JoinHandle<()>>,
    #[cfg(feature = "otlp")]
    exporter: Option<export::Exporter>,
}

impl Server {
    /// Starts a lane on each store, and the jobs. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub async fn start(
        database: &Database,
        stores: Vec<Box<dyn Store + Send>>,
        config: Config,
    ) -> anyhow::Result<Self> {
        let queries = database.queries()?;
        let tokens = Tokens::new(&queries.for_system().signing_keys().await?);
        let receipt_codes = ReceiptCodes::new(&queries.for_system().installation().await?);
        let webhooks = Arc::new(Webhooks::new(config.webhooks_private_addresses, config.is_local));
        let metrics = Arc::new(Metrics::default());
        #[cfg(feature = "otlp")]
        let (traces, exporter) = match config.traces.clone().map(export::start).transpose()? {
            Some((traces, exporter)) => (traces, Some(exporter)),
            None => (Traces::default(), None),
        };
        #[cfg(not(feature = "otlp"))]
        let traces = Traces::default();
        let options = Options {
            settings: config.settings,
            batch_max: config.batch_max,
            clock: Arc::new(clock::now),
            write_message: messages::writer(config.public_url.clone(), {
                let webhooks = Arc::clone(&webhooks);
                move || webhooks.nudge()
            }),
            metrics: metrics.engine.clone(),
            traces,
        };
        let (callback_sender, callbacks) = mpsc::channel(jobs::callbacks::WAITING);
        let sandbox: Arc<dyn Provider> =
            Arc::new(Sandbox::new(config.sandbox_delay, callback_sender));
        #[cfg(feature = "crash-points")]
        let (stores, sandbox) = match crate::crash::Plan::from_environment()? {
            Some(plan) => (plan.stores(stores), plan.provider(sandbox)),
            None => (stores, sandbox),
        };
        let (engine, lanes) = Engine::start(stores, &options)?;
        sealing::check_at_start(&queries, &config.secrets_key).await?;
        let accounts = Accounts::default();
        let (version, read) = jobs::network_accounts::read(&queries, &config.secrets_key).await?;
        accounts.replace(read);
        if let Some(proxy) = &config.network_proxy {
            Client::check_proxy(proxy).map_err(anyhow::Error::msg).context("--network-proxy")?;
        }
        let outside = Outside { now: clock::now, random: clock::random_number };
        let networks = NetworkCalls::new(config.network_proxy.clone(), accounts.clone(), outside);
        let network_calls = networks.clone();
        let providers = ProviderRouter::new(sandbox, networks);
        let app = App::new(AppParts {
            dispatcher: Dispatcher::new(engine.clone(), providers, metrics.networks.clone()),
            engine,
            queries,
            tokens: Arc::new(tokens),
            hashing: HashingPool::new(),
            limits: config.rate_limit.map(|limit| Arc::new(Limits::new(limit))),
            receipt_codes,
            receipt_guesses: Arc::default(),
            unmatched_callbacks: Arc::default(),
            requests: Arc::default(),
            figures: Arc::default(),
            lists: ResponsePermits::new(api::listing::IN_PROGRESS_MAX, response_permits::WAIT),
            details: ResponsePermits::new(api::sources::IN_PROGRESS_MAX, response_permits::WAIT),
            pages: ResponsePermits::new(web::IN_PROGRESS_MAX, response_permits::WAIT),
            pdfs: ResponsePermits::new(web::PDFS_IN_PROGRESS_MAX, response_permits::WAIT),
            streams: ResponsePermits::new(api::event_stream::STREAMS_MAX, Duration::ZERO),
            sockets: Sockets::new(config.realtime_sockets_max),
            stopping: watch::Sender::new(false),
            webhooks,
            metrics,
            config: Arc::new(config),
        });
        let mut jobs = jobs::start(&app, callbacks);
        jobs.spawn(jobs::network_accounts::refresh(
            app.queries.clone(),
            accounts,
            app.config.secrets_key.clone(),
            version,
        ));
        jobs.spawn(sockets::changes::run(app.clone()));
        jobs.spawn(jobs::file_watch::run(app.queries.clone()));
        jobs.spawn(jobs::verification::run(app.clone(), database.clone()));
        jobs.spawn(jobs::reconciliation::run(app.clone(), network_calls));
        jobs.spawn(jobs::signing_keys::run(app.queries.clone(), Arc::clone(&app.tokens)));
        Ok(Self {
            app,
            jobs,
            lanes,
            #[cfg(feature = "otlp")]
            exporter,
        })
    }

    /// Answers whoever asks for metrics on a listener of their own.
    pub fn serve_metrics(&mut self, listener: TcpListener) {
        self.jobs.spawn(metrics::serve::run(self.app.clone(), listener));
    }

    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Serves until `stop` resolves. Then requests have at most `drain` to end, and the lanes empty
    /// their queues.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
        drain: Duration,
    ) -> anyhow::Result<()> {
        #[cfg(feature = "otlp")]
        let exporter = self.exporter;
        let Self { app, mut jobs, lanes, .. } = self;
        let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
        let streams = app.clone();
        let limits =
            listen::Limits { connections: app.config.connections_max, idle: app.config.idle_max };
        let open = app.metrics.http.connections.clone();
        let answering =
            listen::serve(listener, api::router(app.clone()), limits, open, async move {
                stop.await;
                streams.stopping.send_replace(true);
                tracing::info!("told to stop; requests that have begun may end");
                let _ = stopping.send(());
            });
        let sockets = app.clone();
        let serving = async move {
            answering.await;
            sockets.sockets.closed().await;
        };
        let overdue = async move {
            let _ = stopped.await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            () = serving => {}
            () = overdue => tracing::warn!("requests were still open when the time to end was over"),
        }
        jobs.shutdown().await;
        drop(app);
        // The lanes end when the last engine is dropped: what was queued is then decided and on
        // disk. A connection that is still open may hold an engine; then the process ends without
        // waiting any longer. Nothing that was acknowledged is lost.
        match tokio::time::timeout(LANE_DRAIN, tokio::task::spawn_blocking(move || join(lanes)))
            .await
        {
            Ok(joined) => joined?.map_err(|_| anyhow::anyhow!("a lane panicked"))?,
            Err(_) => tracing::warn!("a connection kept the lanes from ending"),
        }
        #[cfg(feature = "otlp")]
        if let Some(exporter) = exporter {
            exporter.finish().await;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

fn join(lanes: Vec<JoinHandle<()>>) -> std::thread::Result<()> {
    lanes.into_iter().try_for_each(JoinHandle::join)
}
