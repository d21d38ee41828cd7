//! The groups of a list and what is known of each.

use super::element::{Element, Group};
use super::intern::Interner;
use super::json::{Lenient, Span};

/// Every group of a list: one name, type and domain per id.
#[derive(Debug, Default)]
pub(super) struct Groups {
    ids: Interner,
    known: Vec<Known>,
    text: usize,
}

/// What the expansions of one group say.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    /// Whether it came expanded at all.
    pub(super) expanded: bool,
    pub(super) display_name: String,
    pub(super) group_type: String,
    pub(super) domain: String,
}

impl Groups {
    /// The number of a group.
    pub(super) fn number(&mut self, id: &str) -> u32 {
        let number = self.ids.intern(id);
        if self.known.len() < self.ids.len() {
            self.known.push(Known::default());
        }
        number
    }

    /// The number of a group that came expanded; takes in what its expansion says.
    pub(super) fn expanded(&mut self, id: &str, group: &Group, element: &Element) -> u32 {
        let number = self.number(id);
        let known = &mut self.known[number as usize];
        known.expanded = true;
        let mut take = |kept: &mut String, field: Lenient<Span>| {
            if let Some(said) = element.non_empty(field).filter(|said| kept.is_empty() || *said < kept.as_str()) {
                self.text += said.len();
                said.clone_into(kept);
            }
        };
        take(&mut known.display_name, group.display_name);
        take(&mut known.group_type, group.kind);
        take(&mut known.domain, group.domain);
        number
    }

    /// How many distinct groups there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id behind a number.
    pub(super) fn id(&self, number: u32) -> &str {
        self.ids.get(number)
    }

    /// What is known of a group.
    pub(super) fn known(&self, number: u32) -> &Known {
        &self.known[number as usize]
    }

    /// The name to show: the display name, else the id.
    pub(super) fn name(&self, number: u32) -> &str {
        match self.known(number).display_name.as_str() {
            "" => self.id(number),
            name => name,
        }
    }

    /// Bytes in use, roughly.
    pub(super) fn footprint(&self) -> usize {
        self.ids.footprint() + self.known.len() * size_of::<Known>() + self.text
    }
}
