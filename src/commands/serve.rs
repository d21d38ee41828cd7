//! `serve`: poll and serve until told to stop.

use std::path::Path;
use std::sync::Arc;

use exporter_toolkit::web::listen::{self, Address};
use exporter_toolkit::web::{self, Access, Settings, Web};
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::systemd::Systemd;
use super::workers::Workers;
use super::{Failure, OVERRULED, Outcome, is_overruled, signals, usable};
use crate::build_info::{REVISION, VERSION};
use crate::cli::{Listen, Serve, Web as WebFlags};
use crate::clock::Reading;
use crate::config::{Config, Loader};
use crate::exporter::{Exporter, Parts};
use crate::state::{Lifecycle, OpenError};
use crate::status;

pub(super) fn run(flags: Serve, workers: &Workers) -> Outcome {
    workers.block_on(async {
        let hangups = signals::hangups().map_err(Failure::running)?;
        let shutdown = signals::shutdown().map_err(Failure::running)?;
        let Some(prepared) = shutdown.run_until_cancelled(prepare(flags)).await else { return Ok(()) };
        let (config, parts, front) = prepared?;
        serve(&config, parts, front, shutdown, hangups, |_| Ok(())).await
    })?
}

/// Reads everything that has to be usable before anything is bound.
async fn prepare(flags: Serve) -> Result<(Config, Parts, Front), Failure> {
    let file = flags.config.config_file;
    if is_overruled(file.as_deref()) {
        warn!("{OVERRULED}");
    }
    let loader = Arc::new(Loader::new(file.clone()));
    let config = usable(file.as_deref(), loader.load().await)?;
    let mut parts = Parts::new(loader, flags.sharding.shard, lifecycle(flags.state.state_dir.as_deref())?);
    parts.auto_reload = flags.auto_reload.then_some(flags.auto_reload_interval);
    let front = Front::new(flags.listen, flags.systemd_socket, flags.web).await?;
    Ok((config, parts, front))
}

/// The lifecycle's state, durable in `folder` where there is one.
pub(super) fn lifecycle(folder: Option<&Path>) -> Result<Arc<Lifecycle>, Failure> {
    let Some(folder) = folder else { return Ok(Arc::new(Lifecycle::in_memory())) };
    Lifecycle::open(folder, Reading::now()).map(Arc::new).map_err(|error| match error {
        OpenError::NotAFolder(_) => Failure::configuration(error),
        OpenError::InUse(_) | OpenError::NoThread(_) => Failure::running(error),
    })
}

/// Everything about how it is served, read and found usable before anything is bound.
pub(super) struct Front {
    addresses: Vec<Address>,
    /// What systemd handed over, in place of the addresses.
    sockets: Option<Vec<std::net::TcpListener>>,
    probes: Option<Address>,
    access: Arc<Access>,
    settings: Settings,
}

impl Front {
    pub(super) async fn new(listen: Listen, systemd_socket: bool, flags: WebFlags) -> Result<Self, Failure> {
        let Listen { listen_addresses: addresses, probe_listen_address: probes } = listen;
        let WebFlags { telemetry_path, web_config_file, max_requests } = flags;
        let access = Access::load(web_config_file.as_deref()).await.map_err(|problems| {
            // Its problems name keys, which alone do not say which of the two files they are in.
            Failure::Configuration(format!("--web.config.file cannot be used:\n{problems}"))
        })?;
        let sockets = systemd_socket.then(listen::activated).transpose().map_err(Failure::running)?;
        let settings = Settings { telemetry_path, max_requests, ..Settings::default() };
        Ok(Self { addresses, sockets, probes, access, settings })
    }

    pub(super) fn telemetry_path(&self) -> &str {
        self.settings.telemetry_path.as_str()
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.access.tls_enabled() { "https" } else { "http" }
    }

    /// Everything that it listens on, and what it listens on for probes.
    async fn bind(&mut self) -> Result<(Vec<TcpListener>, Vec<TcpListener>), Failure> {
        let bound = match self.sockets.take() {
            Some(sockets) => listen::adopt(sockets),
            None => listen::bind(&self.addresses).await,
        };
        let probes = listen::bind(self.probes.as_slice()).await;
        Ok((bound.map_err(Failure::running)?, probes.map_err(Failure::running)?))
    }
}

/// Polls and serves until `shutdown`, and reloads at each of `hangups`; `started` hears of it once every address is bound.
pub(super) async fn serve(
    config: &Config,
    parts: Parts,
    mut front: Front,
    shutdown: CancellationToken,
    hangups: Signal,
    started: impl FnOnce(&[TcpListener]) -> Outcome,
) -> Outcome {
    // Settings that cannot be used are found before anything is bound.
    let Some(client) = shutdown.run_until_cancelled(parts.client(config)).await else { return Ok(()) };
    let client = client.map_err(Failure::configuration)?;
    let Some(bound) = shutdown.run_until_cancelled(front.bind()).await else { return Ok(()) };
    let (listeners, probe_listeners) = bound?;
    let exporter = Exporter::start(parts, config, client, shutdown.clone());
    let systemd = Systemd::connect();
    signals::reload_on_hangup(hangups, Arc::clone(&exporter), systemd.clone());
    announce(config, &listeners, &probe_listeners);
    started(&listeners)?;
    tokio::spawn(systemd.clone().follow(Arc::clone(&exporter), shutdown.clone()));
    let pages: Arc<dyn web::Application> = Arc::clone(&exporter) as _;
    let limits = front.settings.limits;
    let reporter = Arc::clone(&exporter);
    let own = status::pages(move || reporter.status(), front.telemetry_path());
    let web = Web::new(Arc::clone(&pages), front.access, front.settings, own);
    let probes = web::serve_probes(pages, probe_listeners, limits, shutdown.clone());
    let ending = async {
        shutdown.cancelled().await;
        systemd.stopping().await;
    };
    let (drained, _, ()) = tokio::join!(web.serve(listeners, shutdown.clone()), probes, ending);
    if drained.cut > 0 {
        warn!(connections = drained.cut, "connections were cut because their requests took too long");
    }
    exporter.shutdown().await;
    info!("stopped");
    Ok(())
}

fn announce(config: &Config, listeners: &[TcpListener], probes: &[TcpListener]) {
    let organizations = config.organizations.len();
    info!(version = VERSION, revision = REVISION, organizations, url = %config.api.url, "started");
    for (listener, serves) in
        listeners.iter().map(|one| (one, "everything")).chain(probes.iter().map(|one| (one, "health only")))
    {
        if let Ok(address) = listener.local_addr() {
            info!(%address, serves, "listening");
        }
    }
}
