//! Which roles and groups an invitation carries.

use super::dice::Dice;
use super::life::Life;
use super::population::Population;
use super::vocabulary::{CUSTOM_ROLES, MEMBER, ORGANIZATION_ROLES, PRIVILEGED, SERVICES};

/// What an invitation carries, as bits over the vocabulary.
#[derive(Debug)]
pub(super) struct Content {
    /// Places in [`ORGANIZATION_ROLES`].
    pub(super) organization_roles: u64,
    /// For each of [`SERVICES`], places in its roles.
    pub(super) services: [u64; SERVICES.len()],
    /// Places in [`CUSTOM_ROLES`].
    pub(super) custom_roles: u64,
    /// Places in [`Population::groups`].
    pub(super) groups: u64,
}

/// The places of the bits that are set.
pub(super) fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (lowest < 64).then_some(lowest as usize)
    })
}

/// Draws `count` of `0..n`, the first ones more often.
fn some_of(dice: &mut Dice, n: usize, count: usize) -> u64 {
    let mut set = 0_u64;
    while (set.count_ones() as usize) < count.min(n) {
        set |= 1 << dice.below(n).min(dice.below(n));
    }
    set
}

impl Content {
    /// What `life` carries; the same at any time.
    pub(super) fn of(population: &Population, life: &Life) -> Self {
        let mut dice = life.dice();
        let mut organization_roles = if dice.chance(96) { 1 << MEMBER } else { 0 };
        if dice.chance(3 + (100 - population.health) / 10) {
            organization_roles = 1 << dice.below(PRIVILEGED);
        } else if dice.chance(35) {
            organization_roles |= some_of(&mut dice, ORGANIZATION_ROLES.len() - PRIVILEGED, 1) << PRIVILEGED;
        }
        let mut services = [0; SERVICES.len()];
        let used = [0, 1, 1, 2, 3][dice.below(5)];
        for at in bits(some_of(&mut dice, SERVICES.len(), used)) {
            let roles = SERVICES[at].roles.len();
            let count = 1 + dice.below(2);
            services[at] = some_of(&mut dice, roles, count);
        }
        let custom = [0, 0, 0, 0, 0, 1, 1, 2][dice.below(8)];
        let custom_roles = some_of(&mut dice, CUSTOM_ROLES.len(), custom);
        let groups = match dice.below(100) {
            0..45 => 0,
            45..70 => 1,
            70..85 => 2,
            85..95 => 3,
            _ => 4 + dice.below(12),
        };
        let groups = some_of(&mut dice, population.groups.len(), groups);
        Self { organization_roles, services, custom_roles, groups }
    }
}
