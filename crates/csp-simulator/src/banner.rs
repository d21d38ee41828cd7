//! What a person needs to point an exporter at the simulator.

use std::io::{self, Write};

use super::Simulator;

/// How many organizations are shown with their API tokens.
const SHOWN: usize = 10;

impl Simulator {
    /// Writes the addresses, and the credentials that are accepted, as an environment for the exporter.
    ///
    /// The credentials are made up and open nothing but this simulator: it is the one place where a secret is shown.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_banner(&self, mut out: impl Write) -> io::Result<()> {
        let organizations = self.organizations();
        writeln!(out, "Simulated API:    {}", self.base_url())?;
        if let Some(control) = self.control_url() {
            writeln!(out, "Control endpoint: {control}   (try: curl -X PUT -d outage {control}/scenario)")?;
        }
        writeln!(out, "\nEnvironment for the exporter, with the OAuth app that serves every organization:\n")?;
        writeln!(out, "export CSP_URL={}", self.base_url())?;
        let ids: Vec<_> = organizations.iter().take(SHOWN).map(|organization| organization.id.as_str()).collect();
        writeln!(out, "export CSP_ORGANIZATION_ID={}", ids.join(","))?;
        writeln!(out, "export CSP_CLIENT_ID={}", self.client_id())?;
        writeln!(out, "export CSP_CLIENT_SECRET={}", self.client_secret())?;
        writeln!(out, "\nOr one organization with its API token, as CSP_ORGANIZATION_ID and CSP_API_TOKEN:\n")?;
        for organization in organizations.iter().take(SHOWN) {
            writeln!(out, "{}  {}  # {}", organization.id, organization.api_token, organization.display_name)?;
        }
        if organizations.len() > SHOWN {
            writeln!(out, "… and {} more: see /organizations of the control endpoint", organizations.len() - SHOWN)?;
        }
        Ok(())
    }
}
