use proptest::prelude::*;

use super::*;

fn owner(id: &str, count: u32) -> u32 {
    let key = OrganizationKey::new(id, None);
    let owners: Vec<u32> = (1..=count).filter(|i| Shard::new(*i, count).unwrap().owns(&key)).collect();
    assert_eq!(owners.len(), 1, "{id} has owners {owners:?} of {count}");
    owners[0]
}

/// A GUID from a number; any strings would do.
fn guid(n: u32) -> String {
    let hash = blake3::hash(&n.to_le_bytes()).to_hex();
    format!("{}-{}-{}-{}-{}", &hash[..8], &hash[8..12], &hash[12..16], &hash[16..20], &hash[20..32])
}

proptest! {
    #[test]
    fn each_organization_has_exactly_one_owner(id in "[0-9a-fA-F-]{36}", count in 1u32..40) {
        let owner = owner(&id, count);
        prop_assert_eq!(owner, super::tests::owner(&id.to_uppercase(), count), "whatever the case");
    }

    #[test]
    fn a_new_shard_only_takes_from_the_others(id in "[0-9a-f-]{36}", count in 1u32..40) {
        let (before, after) = (owner(&id, count), owner(&id, count + 1));
        prop_assert!(after == before || after == count + 1, "moved from {} to {}", before, after);
    }
}

#[test]
fn growing_moves_about_its_share() {
    for count in [1, 2, 4, 9] {
        let moved = (0..4_000).map(guid).filter(|id| owner(id, count) != owner(id, count + 1)).count() as f64;
        let expected = 4_000.0 / f64::from(count + 1);
        assert!((moved / expected - 1.0).abs() < 0.2, "{moved} moved from {count} shards, expected {expected}");
    }
}

#[test]
fn shards_are_balanced() {
    let mut sizes = [0u32; 5];
    for id in (0..5_000).map(guid) {
        sizes[owner(&id, 5) as usize - 1] += 1;
    }
    assert!(sizes.iter().all(|size| (850..1_150).contains(size)), "{sizes:?}");
}

/// These may never change: a changed owner loses an organization's lifecycle counters at an upgrade.
#[test]
fn owners_are_stable_for_ever() {
    let ids = [
        "00000000-0000-0000-0000-000000000000",
        "0b0a5c3e-1f2d-4e6a-9b8c-7d6e5f4a3b2c",
        "5D2C0000-aaaa-4bbb-8ccc-DDDDDDDDDDDD",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ];
    let owners = ids.map(|id| [2, 3, 5, 16].map(|count| owner(id, count)));
    assert_eq!(owners, GOLDEN);
}

const GOLDEN: [[u32; 4]; 4] = [[1, 1, 1, 8], [1, 3, 5, 11], [1, 1, 1, 6], [1, 1, 5, 6]];

#[test]
fn an_index_and_a_count_are_read() {
    assert_eq!("2/5".parse(), Ok(Shard { index: 2, count: 5 }));
    assert_eq!(Shard::parse("1/1", || unreachable!("not asked for")), Ok(Shard { index: 1, count: 1 }));
    assert_eq!(Shard { index: 2, count: 5 }.to_string(), "2/5");
    for bad in [
        "",
        "2",
        "/",
        "2/",
        "/5",
        "0/5",
        "6/5",
        "-1/5",
        "+1/5",
        "1/0",
        "1/5/6",
        "a/5",
        "1 / 5",
        "99999999999/5",
        "1/1025",
        "auto/4294967295",
    ] {
        let error = bad.parse::<Shard>().unwrap_err();
        assert!(error.contains("shard"), "{bad}: {error}");
    }
}

#[test]
fn the_index_comes_from_the_host_name_on_demand() {
    let auto = |host: &str| Shard::parse("auto/5", || host.to_owned());
    assert_eq!(auto("exporter-0"), Ok(Shard { index: 1, count: 5 }));
    assert_eq!(auto("csp-2-exporter-4.exporters.monitoring.svc"), Ok(Shard { index: 5, count: 5 }));
    assert!(auto("exporter-5").unwrap_err().contains("6 of 5"));
    assert!(auto("exporter").unwrap_err().contains("`exporter` does not end in an ordinal"));
    assert!(auto("").is_err());
    assert!(auto("exporter-4294967295").unwrap_err().contains("does not exist"));
}
