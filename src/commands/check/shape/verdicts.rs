//! What a list confirms of our reading, and what it refutes: one line each.

use std::fmt;

use invitations::census::ListError;

use super::elements::Root;
use super::facts::{Facts, STATUS_WORDS, TIMES, Unit};

/// Fields that the service has gained since 2020.
const SINCE_2020: [&str; 3] = ["orgRoleNames", "customRoles", "invitedByUsername"];

/// How a part of our reading fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Confirmed,
    Refuted,
    NotSeen,
}

/// One line of the report.
#[derive(Debug)]
pub(super) struct Verdict {
    standing: Standing,
    words: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Confirmed => "confirmed",
            Standing::Refuted => "refuted",
            Standing::NotSeen => "not seen",
        };
        write!(f, "{standing}: {}", self.words)
    }
}

fn confirmed(words: impl Into<String>) -> Verdict {
    Verdict { standing: Standing::Confirmed, words: words.into() }
}

fn refuted(words: impl Into<String>) -> Verdict {
    Verdict { standing: Standing::Refuted, words: words.into() }
}

fn not_seen(words: impl Into<String>) -> Verdict {
    Verdict { standing: Standing::NotSeen, words: words.into() }
}

/// Every verdict that the answer allows.
pub(super) fn all(poll: &Result<(), ListError>, root: &Root, facts: &Facts) -> Vec<Verdict> {
    let mut verdicts = vec![readable(poll), list(root)];
    if facts.objects == 0 {
        verdicts.push(not_seen("there is no invitation to judge the rest by"));
        return verdicts;
    }
    verdicts.extend(TIMES.map(|key| time(facts, key)));
    verdicts.push(life(facts));
    verdicts.push(everywhere(facts, "status"));
    verdicts.push(status(facts));
    verdicts.push(identity(facts));
    verdicts.push(everywhere(facts, "username"));
    verdicts.push(unset(facts));
    verdicts.push(age_of_the_api(facts));
    verdicts
}

fn readable(poll: &Result<(), ListError>) -> Verdict {
    match poll {
        Ok(()) => confirmed("a poll can read the answer"),
        Err(flaw) => refuted(format!("a poll can read the answer: {flaw}")),
    }
}

fn list(root: &Root) -> Verdict {
    match root {
        Root::List => confirmed("the answer is a bare JSON array"),
        Root::Wrapped(lists) if lists.is_empty() => {
            refuted("the answer is an object without a list, not a bare JSON array")
        }
        Root::Wrapped(lists) => {
            let lists: Vec<String> = lists.iter().map(|list| format!("`{list}`")).collect();
            refuted(format!("the list is wrapped in an object, as {}, and no bare JSON array", lists.join(" and ")))
        }
        Root::Other(kind) => refuted(format!("the answer is a {kind}, not a JSON array")),
    }
}

fn time(facts: &Facts, key: &'static str) -> Verdict {
    let units: Vec<(Unit, u64)> =
        facts.units.iter().filter(|((of, _), _)| *of == key).map(|((_, unit), count)| (*unit, *count)).collect();
    let told: Vec<String> = units.iter().map(|(unit, count)| format!("{} ({count})", unit.as_str())).collect();
    match units.as_slice() {
        [] => not_seen(format!("{key} is nowhere set")),
        [(Unit::Milliseconds, count)] => confirmed(format!("{key} is in milliseconds ({count})")),
        [(unit, count)] => refuted(format!("{key} is in {}, not in milliseconds ({count})", unit.as_str())),
        _ => refuted(format!("{key} comes in several forms: {}", told.join(", "))),
    }
}

fn life(facts: &Facts) -> Verdict {
    match facts.life {
        None => not_seen("no invitation has both generatedAt and expirationTime"),
        Some((least, most)) => {
            let range = format!("expirationTime comes {least:.2} to {most:.2} days after generatedAt");
            if facts.odd_lives == 0 {
                confirmed(range)
            } else {
                refuted(format!("{range}; {} lie outside of 0 to 90 days", facts.odd_lives))
            }
        }
    }
}

fn status(facts: &Facts) -> Verdict {
    let is_known = |word: &str| STATUS_WORDS.contains(&word);
    let told = |(word, count): (&String, &u64)| format!("{word} ({count})");
    let words: Vec<String> = facts.status_words.iter().map(told).collect();
    let known = STATUS_WORDS.join(", ");
    if words.is_empty() {
        not_seen("no invitation has a status word")
    } else if facts.recased > 0 {
        refuted(format!(
            "{} status words are those of the reference in another case (camel-case): {}",
            facts.recased,
            words.join(", ")
        ))
    } else if facts.status_words.keys().all(|word| is_known(word)) {
        confirmed(format!("status words are among {known}: {}", words.join(", ")))
    } else {
        let others: Vec<String> = facts.status_words.iter().filter(|(word, _)| !is_known(word)).map(told).collect();
        refuted(format!("there are status words beside {known}: {}", others.join(", ")))
    }
}

fn identity(facts: &Facts) -> Verdict {
    let with = facts.ref_links.len() as u64 + facts.repeated_ref_links;
    if with < facts.objects {
        refuted(format!("refLink identifies each invitation: {} of {} have none", facts.objects - with, facts.objects))
    } else if facts.repeated_ref_links > 0 {
        refuted(format!("refLink identifies each invitation: {} occur again", facts.repeated_ref_links))
    } else {
        confirmed("refLink is there in each invitation, and different in each")
    }
}

/// Whether each invitation has a text there.
fn everywhere(facts: &Facts, key: &str) -> Verdict {
    let texts = texts_at(facts, key);
    let claim = format!("{key} is there in each invitation");
    if texts == facts.objects {
        confirmed(claim)
    } else {
        refuted(format!("{claim}: {} of {} have none, null or an empty one", facts.objects - texts, facts.objects))
    }
}

fn unset(facts: &Facts) -> Verdict {
    let fields = facts.paths.iter().filter(|(path, _)| is_field(path));
    let (mut null, mut empty) = (0, 0);
    for (_, found) in fields {
        null += found.null;
        empty += found.empty;
    }
    if null + empty == 0 {
        not_seen("what is not set is left out: there are no nulls, zeros or empty values")
    } else {
        confirmed(format!("what is not set can be null ({null}) or zero or empty ({empty}), and counts as not set"))
    }
}

fn age_of_the_api(facts: &Facts) -> Verdict {
    let missing: Vec<&str> = SINCE_2020.into_iter().filter(|key| present_at(facts, key) == 0).collect();
    if missing.len() == SINCE_2020.len() {
        refuted(format!(
            "the list has the fields of today: it looks like the API of 2020, without {}",
            missing.join(", ")
        ))
    } else if missing.is_empty() {
        confirmed("the list has the fields of today")
    } else {
        confirmed(format!("the list has fields of today, though not {}", missing.join(" and ")))
    }
}

/// A field of an invitation itself, wherever the list stands.
fn is_field(path: &str) -> bool {
    path.rsplit_once("[].").is_some_and(|(list, key)| !list.contains("[]") && !key.contains(['.', '[']))
}

fn field<'f>(facts: &'f Facts, key: &str) -> Option<&'f super::paths::Found> {
    facts.paths.iter().find(|(path, _)| is_field(path) && path.ends_with(&format!("[].{key}"))).map(|(_, found)| found)
}

fn present_at(facts: &Facts, key: &str) -> u64 {
    field(facts, key).map_or(0, |found| found.present)
}

fn texts_at(facts: &Facts, key: &str) -> u64 {
    field(facts, key).map_or(0, |found| found.texts().min(found.set()))
}
