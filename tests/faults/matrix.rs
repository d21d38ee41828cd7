//! One exporter that suffers every fault at once: each at a host of its own, which also has an organization that is well.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::binary::Exporter;
use crate::cases::{Case, LISTED, Promise, Site};
use crate::fake::Request;
use crate::faults::Faults;
use crate::hosts::{BYSTANDERS, FAULTY, Kind, Place, WELL, WELL_AGAIN, handler, slower, well, yaml};
use crate::pki::Identities;
use crate::scrape::{Sample, Scrape};
use crate::setup::{Folder, id};
use crate::table;
use crate::upstream::{Door, Http, Upstream};

/// Long enough for polls that fail by their deadline; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most memory that the process may have held, however many bodies without end it was sent at once.
const MOST_MEMORY: u64 = 160 << 20;

/// A scrape, by organization: hundreds of them are asked about.
struct Scrapes(HashMap<String, Scrape>);

impl Scrapes {
    fn new(scrape: Scrape) -> Self {
        let mut of: HashMap<String, Scrape> = HashMap::new();
        for sample in scrape.samples {
            if let Some(organization) = sample.labels.get("organization") {
                of.entry(organization.clone()).or_default().samples.push(sample);
            }
        }
        Self(of)
    }

    fn of(&self, organization: &str) -> &Scrape {
        &self.0[organization]
    }

    fn polls(&self, organization: &str) -> f64 {
        self.of(organization).sum("csp_polls_total", &[])
    }

    fn is_well(&self, organization: &str, count: usize) -> bool {
        let scrape = self.of(organization);
        scrape.up(organization) == Some(1.0) && scrape.invitations(organization) == Some(count as f64)
    }
}

/// A matrix of one kind of HTTP and of credentials.
pub(crate) struct Matrix {
    http: Http,
    kind: Kind,
    phase: Arc<AtomicU8>,
    places: Vec<Place>,
    folder: Folder,
    faults: Faults,
    exporter: Exporter,
    /// Of a bystander's host, alive as long as its polls.
    _usual: Upstream,
}

impl Matrix {
    pub(crate) async fn start(http: Http, kind: Kind, cases: Vec<Case>) -> Self {
        let (identities, phase) = (Arc::new(Identities::new()), Arc::new(AtomicU8::new(WELL)));
        let mut places = Vec::new();
        for (number, case) in cases.into_iter().enumerate() {
            let handler = handler(case.clone(), number, Arc::clone(&phase));
            places.push(Place {
                case,
                number,
                upstream: Upstream::start(http, Arc::clone(&identities), handler).await,
            });
        }
        let usual = {
            let phase = Arc::clone(&phase);
            let handler = move |request: &Request| well(request, phase.load(SeqCst));
            Upstream::start(http, Arc::clone(&identities), handler).await
        };
        let folder = Folder::new();
        std::fs::create_dir(folder.path("names")).unwrap();
        folder.write("ca.pem", &identities.authorities);
        let yaml = yaml(kind, &places, usual.port);
        // A file for each, named after what is in it: a file has one reader.
        for name in yaml.split('\'').filter(|part| part.starts_with("victim-c") || part.starts_with("neighbor-")) {
            folder.write(name, name.split('-').next().unwrap());
        }
        folder.write("config.yaml", &yaml);
        let faults = Faults::new(&folder);
        let exporter = faults.start(&[]).await;
        Self { http, kind, phase, places, folder, faults, exporter, _usual: usual }
    }

    /// All is well, then everything goes wrong, then all is well again.
    pub(crate) async fn run(self) {
        let everybody: Vec<String> = self.everybody().collect();
        let before = self.until(|scrapes| everybody.iter().all(|one| scrapes.is_well(one, LISTED))).await;
        let mut problems = missing(&before, &everybody, "was never polled well", LISTED);

        let requests = self.requests();
        self.set(FAULTY);
        let polls = |scrapes: &Scrapes, one: &str| scrapes.polls(one) - before.polls(one);
        let is_over = |scrapes: &Scrapes| {
            let is_over = |place: &Place| match place.case.promise {
                Promise::Fails(promised) => {
                    let found = reasons(&before, scrapes, &place.victim());
                    let is_held = scrapes.of(&place.victim()).is_in_state(&place.victim(), "held");
                    is_held && found.iter().any(|reason| promised.contains(&reason.as_str()))
                }
                // One more may have been under way.
                Promise::Counts(_) => polls(scrapes, &place.victim()) >= 2.0,
            };
            self.places.iter().all(is_over) && everybody.iter().all(|one| polls(scrapes, one) >= 1.0)
        };
        let faulty = self.until(is_over).await;
        let mut results = Vec::new();
        for ((place, before_it), by_now) in self.places.iter().zip(requests).zip(self.requests()) {
            // Three attempts, one more with another token, and a poll under way.
            let (asked, polls) = (by_now - before_it, polls(&faulty, &place.victim()));
            results.push(if asked as f64 > 4.0 * (polls + 1.0) {
                Err(format!("{asked} requests in {polls} polls"))
            } else {
                judge(place, &before, &faulty)
            });
        }
        for one in BYSTANDERS.map(str::to_owned).into_iter().chain(self.places.iter().filter_map(Place::neighbor)) {
            let harm = reasons(&before, &faulty, &one);
            if !harm.is_empty() || !faulty.is_well(&one, LISTED) {
                problems.push(format!("{one} was harmed: {}", harm.join(", ")));
            }
        }

        self.set(WELL_AGAIN);
        let after = self.until(|scrapes| everybody.iter().all(|one| scrapes.is_well(one, LISTED + 1))).await;
        problems.extend(missing(&after, &everybody, "did not recover", LISTED + 1));
        for (place, result) in self.places.iter().zip(&mut results) {
            let after = after.of(&place.victim());
            let events = ["generated", "redeemed", "vanished"]
                .map(|event| after.get("csp_invitation_events_total", &[("event", event)]));
            if matches!(place.case.promise, Promise::Fails(_)) && events != [Some(1.0), Some(1.0), Some(0.0)] {
                *result = Err(format!("events are {events:?}"));
            }
        }
        let memory = self.exporter.peak_memory();
        if memory > MOST_MEMORY {
            problems.push(format!("the process has held {} MiB", memory >> 20));
        }
        let column = format!("{:?}, {:?}, at most {} MiB", self.http, self.kind, memory >> 20);
        table::write(&column, self.places.iter().zip(&results));
        for (place, result) in self.places.iter().zip(&results) {
            if let Err(words) = result {
                problems.push(format!("{} ({}): {words}", place.case.name, place.victim()));
            }
        }
        let problems: String = problems.iter().map(|problem| self.told(problem)).collect();
        assert!(problems.is_empty(), "{:?} {:?}\n{problems}", self.http, self.kind);
    }

    /// The wall clock is set forward, back and right again, which nothing but the time in the log may show.
    pub(crate) async fn set_the_clock(self) {
        let everybody: Vec<String> = self.everybody().collect();
        let mut last = self.until(|scrapes| everybody.iter().all(|one| scrapes.is_well(one, LISTED))).await;
        for days in [400, -400, 0] {
            self.faults.clock(days * 24 * 3600);
            let next =
                self.until(|scrapes| everybody.iter().all(|one| scrapes.polls(one) >= last.polls(one) + 2.0)).await;
            for one in &everybody {
                assert!(next.is_well(one, LISTED) && next.of(one).is_in_state(one, "fresh"), "{one} after {days} days");
                assert_eq!(reasons(&last, &next, one), Vec::<String>::new(), "{one} after {days} days");
                assert_eq!(next.of(one).sum("csp_invitation_events_total", &[]), 0.0, "{one} after {days} days");
            }
            last = next;
        }
    }

    /// A problem, with what the log says of its organization.
    fn told(&self, problem: &str) -> String {
        let name = problem.split([' ', '(', ')']).find(|word| word.contains("victim-") || word.contains("neighbor-"));
        let lines = self.exporter.logged(&["poll failed", &format!("organization={} ", name.unwrap_or_default())]);
        format!("{problem}\n    {}\n", lines.into_iter().take(3).collect::<Vec<_>>().join("\n    "))
    }

    fn everybody(&self) -> impl Iterator<Item = String> {
        let here = self.places.iter().flat_map(|place| std::iter::once(place.victim()).chain(place.neighbor()));
        here.chain(BYSTANDERS.map(str::to_owned))
    }

    /// How often the list of each victim was asked for.
    fn requests(&self) -> Vec<usize> {
        let of = |place: &Place| place.upstream.requests(&format!("{}/invitations", id(2 * place.number + 1)));
        self.places.iter().map(of).collect()
    }

    fn set(&self, phase: u8) {
        self.phase.store(phase, SeqCst);
        for place in &self.places {
            match place.case.site {
                Site::Door(door) => place.upstream.door(if phase == FAULTY { door } else { Door::Open }),
                Site::Name(word) => {
                    self.folder.write(&format!("names/{}", place.host()), if phase == FAULTY { word } else { "" });
                    // A name is looked up again for a new connection alone.
                    place.upstream.door(Door::Open);
                }
                _ => {}
            }
        }
    }

    /// The scrape in which it is so, or the last one.
    async fn until(&self, is_so: impl Fn(&Scrapes) -> bool) -> Scrapes {
        let deadline = Instant::now() + PATIENCE * slower();
        loop {
            let scrapes = Scrapes::new(self.exporter.scrape().await);
            let (health, words) = self.exporter.get("/healthz").await;
            assert_eq!(health, 200, "{words}");
            if is_so(&scrapes) || Instant::now() > deadline {
                return scrapes;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn missing(scrapes: &Scrapes, everybody: &[String], words: &str, count: usize) -> Vec<String> {
    let missing = everybody.iter().filter(|one| !scrapes.is_well(one, count));
    missing.map(|one| format!("{one} {words}")).collect()
}

/// The reasons of what has failed in between.
fn reasons(before: &Scrapes, after: &Scrapes, organization: &str) -> Vec<String> {
    let rows = after.of(organization).all("csp_poll_failures_total", &[]);
    let is_new = |row: &&&Sample| row.value > before.of(organization).failures(organization, &row.labels["reason"]);
    rows.iter().filter(is_new).map(|row| row.labels["reason"].clone()).collect()
}

/// What a victim's organization has shown: the reason, or that it counted.
fn judge(place: &Place, before: &Scrapes, faulty: &Scrapes) -> Result<String, String> {
    let victim = place.victim();
    let found = reasons(before, faulty, &victim);
    let (before, faulty) = (before.of(&victim), faulty.of(&victim));
    match place.case.promise {
        Promise::Counts(count) => {
            let counted = faulty.invitations(&victim);
            if found.is_empty() && counted == Some(count as f64) {
                return Ok(format!("{count} counted"));
            }
            Err(format!("{count} were to be counted: {counted:?}, failed by {found:?}"))
        }
        Promise::Fails(promised) => {
            let failing = faulty.all("csp_poll_failing", &[]);
            // A machine that is busy with something else can be too slow for an attempt; not for all of them.
            let (kept, others): (Vec<&str>, Vec<&str>) =
                found.iter().map(String::as_str).partition(|reason| promised.contains(reason));
            if kept.is_empty() || failing.len() != 1 || others.iter().any(|reason| *reason != "timeout") {
                return Err(format!("{} was promised: {found:?}", promised.join(" or ")));
            }
            let data = |scrape: &Scrape| {
                let is_data = |sample: &&Sample| sample.name.starts_with("csp_invitation");
                scrape.samples.iter().filter(is_data).cloned().collect::<Vec<_>>()
            };
            if !faulty.is_in_state(&victim, "held") || data(before) != data(faulty) {
                return Err("the last good data is not held".to_owned());
            }
            Ok(kept.join(", "))
        }
    }
}
