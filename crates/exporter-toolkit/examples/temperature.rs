//! An exporter of a counter and a gauge; TLS, users and limits are what the file of `--web.config.file` says.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use exporter_toolkit::exposition::{self, Scrape};
use exporter_toolkit::web::{Access, Application, Settings, Web, listen};
use futures_util::{FutureExt, future::BoxFuture};
use prometheus_client::{metrics::counter::Counter, metrics::gauge::Gauge, registry::Registry};
use tokio_util::sync::CancellationToken;

/// The temperature that a file holds, read at the start and at each `POST /-/reload`.
#[derive(Default)]
struct Thermometer {
    file: PathBuf,
    readings: Counter,
    celsius: Gauge,
    registry: Registry,
}

impl Thermometer {
    fn read(&self) -> Result<(), String> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| error.to_string())?;
        self.celsius.set(text.trim().parse().map_err(|_| "the file holds no whole number")?);
        self.readings.inc();
        Ok(())
    }
}

impl Application for Thermometer {
    fn scrape(&self, accept: Option<&str>, accept_encoding: Option<&str>) -> Scrape {
        exposition::scrape(&self.registry, accept, accept_encoding)
    }

    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        async { self.read() }.boxed()
    }
}

pub(crate) async fn server(file: PathBuf, web_config: Option<&Path>) -> Result<Web, Box<dyn Error>> {
    let mut thermometer = Thermometer { file, ..Thermometer::default() };
    let Thermometer { readings, celsius, registry, .. } = &mut thermometer;
    registry.register("thermometer_readings", "How often the file was read", readings.clone());
    registry.register("thermometer_celsius", "What it said last", celsius.clone());
    thermometer.read()?;
    Ok(Web::new(Arc::new(thermometer), Access::load(web_config).await?, Settings::default(), Vec::new()))
}

#[derive(Parser)]
struct Flags {
    #[arg(long = "web.listen-address", default_value = ":9999")]
    listen_address: listen::Address,
    #[arg(long = "web.config.file")]
    web_config_file: Option<PathBuf>,
    file: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen_address, web_config_file, file } = Flags::parse();
    let web = server(file, web_config_file.as_deref()).await?;
    web.serve(listen::bind(&[listen_address]).await?, CancellationToken::new()).await;
    Ok(())
}
