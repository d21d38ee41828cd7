//! Whatever changes, the pieces say what the snapshot says.

use std::io::Read;

use exporter_toolkit::exposition::Compressor;
use invitations::Millis;
use invitations::census::View;
use proptest::prelude::*;

use super::*;
use crate::clock::Reading;
use crate::config::{Credential, CredentialKind, Organization, Secret};

const NOW: Steady = Steady(1_000_000);

/// An organization with this many roles; none before its first poll, and `count` invitations.
pub(crate) fn organization(number: usize, roles: Option<usize>, count: u64) -> Arc<OrganizationSnapshot> {
    let kind = CredentialKind::ApiToken { token: Secret::File("token".into()) };
    let settings = Organization {
        id: String::new(),
        custom_group_id: None,
        name: format!("organization-{number:04}"),
        credential: Arc::new(Credential { name: "app".into(), kind, url: None }),
        interval: std::time::Duration::from_secs(60),
        deadline: std::time::Duration::from_secs(50),
        stale_after: std::time::Duration::from_secs(240),
    };
    let mut snapshot = OrganizationSnapshot::new(Arc::new(settings), Some(Arc::default()));
    if let Some(roles) = roles {
        let role = |n| invitations::census::view::RoleRow {
            kind: invitations::RoleKind::Custom,
            role: format!("role-{n}"),
            counts: [count; 5],
        };
        let by_role = (0..roles).map(role).collect();
        snapshot.view = Some(Arc::new(View { by_role, ..View::empty(Millis(0)) }));
        (snapshot.last_success, snapshot.up) = (Some(Reading { wall: Millis(0), steady: NOW }), Some(true));
    }
    Arc::new(snapshot)
}

/// The text that is sent, compressed or not.
fn unpacked(body: &FromPolls) -> Vec<u8> {
    match body {
        FromPolls::Plain(parts) => parts.iter().flat_map(Part::make).collect(),
        FromPolls::Compressed(member) => {
            let member = member.end(&Compressor::default().piece([])).concat();
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&member[..]).read_to_end(&mut text).unwrap();
            text
        }
    }
}

fn is_made(part: &Part) -> bool {
    matches!(part, Part::Made(_))
}

/// One change: an organization appears, changes or goes, or the data of all of them goes stale.
type Step = (usize, Option<(Option<usize>, u64)>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let roles = prop::option::weighted(0.8, 0..12_usize);
    prop::collection::vec(
        (0..12_usize, prop::option::weighted(0.8, (roles, 0..20_u64)), prop::bool::weighted(0.1)),
        1..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_changes_the_pieces_say_what_the_snapshot_says(
        steps in steps(),
        size in 1..3000_usize,
        kept in 0..20_000_usize,
        crowd in 0..6_usize,
    ) {
        let mut forms: Vec<Pieces> = Encoding::ALL
            .into_iter()
            .flat_map(|encoding| [false, true].map(|gzip| Pieces::new(encoding, gzip)))
            .collect();
        for pieces in &mut forms {
            pieces.maker.size = size;
            pieces.maker.free = kept;
            pieces.crowd = crowd;
        }
        let mut known = std::collections::BTreeMap::new();
        for (number, change, is_late) in steps {
            match change {
                Some((roles, count)) => known.insert(number, organization(number, roles, count)),
                None => known.remove(&number),
            };
            let snapshot = Snapshot { organizations: known.values().cloned().collect(), api_token_expirations: Vec::new() };
            let now = if is_late { Steady(NOW.0 + 1_000_000) } else { NOW };
            for pieces in &mut forms {
                let encoding = pieces.maker.encoding;
                let body = pieces.refresh(&snapshot, now);
                prop_assert!(unpacked(&body) == text(encoding, &snapshot, now, |_| true), "{encoding:?}");
                if let FromPolls::Plain(parts) = &body {
                    prop_assert!(parts.iter().all(|part| part.length() == part.make().len()));
                    let made: usize = parts.iter().filter(|part| is_made(part)).map(Part::length).sum();
                    prop_assert!(made <= kept, "{made} bytes in memory");
                }
            }
        }
    }
}

#[test]
fn a_poll_makes_few_pieces_anew() {
    let mut organizations: Vec<_> = (0..500).map(|number| organization(number, Some(20), 1)).collect();
    let mut pieces = Pieces::new(Encoding::Text, false);
    let mut addresses = |organizations: &[Arc<OrganizationSnapshot>]| {
        let snapshot = Snapshot { organizations: organizations.to_vec(), api_token_expirations: Vec::new() };
        let FromPolls::Plain(body) = pieces.refresh(&snapshot, NOW) else { panic!("plain") };
        let made: Vec<_> = body.iter().map(Part::make).collect();
        assert_eq!(made.concat(), text(Encoding::Text, &snapshot, NOW, |_| true));
        made.iter().map(|piece| piece.as_ptr()).collect::<std::collections::HashSet<_>>()
    };
    let first = addresses(&organizations);
    assert!(first.len() > 20, "{} pieces", first.len());
    organizations[77] = organization(77, Some(20), 2);
    let second = addresses(&organizations);
    assert_eq!(second.difference(&first).count(), 1, "one family has changed");
    organizations.remove(200);
    organizations.insert(0, organization(0, None, 0));
    let third = addresses(&organizations);
    assert!(third.intersection(&second).count() > 0);
    assert_eq!(addresses(&organizations), third, "nothing has changed");
}
