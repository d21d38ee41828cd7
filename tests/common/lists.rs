//! Lists as the simulated upstream sends them, to measure the fold with.

use csp_invitations_exporter::simulator::{self, Options};

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

/// An endless list: a real one over and over, each time with other references and other people.
pub(crate) struct Stream {
    elements: Vec<u8>,
    /// Where a reference or a user name begins, as often as there are invitations.
    places: Vec<usize>,
    round: usize,
}

impl Stream {
    /// Digits that tell the rounds apart.
    const DIGITS: usize = 8;

    pub(crate) fn of(list: &[u8]) -> Self {
        let mut elements = list[1..list.len() - 1].to_vec();
        elements.push(b',');
        let text = std::str::from_utf8(&elements).expect("a list is text");
        let ends = |key: &str| text.match_indices(key).map(|(at, _)| at + key.len()).collect::<Vec<_>>();
        let mut places: Vec<usize> = ends("\"refLink\":\"");
        for place in &mut places {
            let length = text[*place..].find('"').expect("the end of a reference");
            *place += length - Self::DIGITS;
        }
        places.extend(ends("{\"username\":\""));
        Self { elements, places, round: 0 }
    }

    pub(crate) fn invitations(&self) -> usize {
        self.places.len() / 2
    }

    /// The next round of elements, with a comma behind the last.
    pub(crate) fn next_round(&mut self) -> &[u8] {
        self.round += 1;
        for place in &self.places {
            let mut round = self.round;
            for digit in self.elements[*place..*place + Self::DIGITS].iter_mut().rev() {
                *digit = b"0123456789"[round % 10];
                round /= 10;
            }
        }
        &self.elements
    }
}
