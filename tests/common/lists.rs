//! Lists as the simulated upstream sends them, to measure the fold with.

use csp_simulator::{self as simulator, Options};

/// A list of about `invitations`, with roles and groups expanded or in the short form.
pub(crate) fn list(invitations: usize, expanded: bool) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(fetch(invitations, expanded)).expect("the simulator answers")
}

async fn fetch(invitations: usize, expanded: bool) -> reqwest::Result<Vec<u8>> {
    let options = Options { organizations: 1, invitations, speed: 0.0, ..Options::default() };
    let simulator = simulator::start(options).await.expect("the simulator starts");
    let api = format!("{}/csp/gateway/am/api", simulator.base_url());
    let organization = &simulator.organizations()[0];
    let client = reqwest::Client::builder().no_proxy().no_gzip().build()?;
    let form = [("api_token", &organization.api_token)];
    let exchange = client.post(format!("{api}/auth/api-tokens/authorize")).form(&form).send().await?;
    let token: serde_json::Value = exchange.json().await?;
    let query = if expanded { "?expand=1&expandCustomGroups=true" } else { "" };
    let list = client.get(format!("{api}/orgs/{}/invitations{query}", organization.id));
    let list = list.bearer_auth(token["access_token"].as_str().unwrap_or_default()).send().await?;
    Ok(list.error_for_status()?.bytes().await?.to_vec())
}
