//! What comes from polls, in one format and coding, cut into pieces.
//!
//! Nothing of an exposition is kept but its pieces, as they are sent. A piece is a run of samples of one family; when a
//! sample in it changes, the whole piece is written anew from the snapshot. Most polls change a few families of one
//! organization, so most pieces outlive them.
//!
//! Compressed, a series takes some five bytes, as plain text a hundred or two. So of a plain exposition no more is kept
//! than [`KEPT`]; the rest is written from the snapshot again each time, when it is its turn to be sent.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use exporter_toolkit::exposition::{self, Compressor, Encoding, Make, Member, Part};

use super::families::FAMILIES;
use super::family::{Family, Organization, Produce, Source};
use crate::clock::Steady;
use crate::snapshot::{DataState, OrganizationSnapshot, Snapshot};

/// Bytes of text after which a piece ends, together with an organization. Twice what deflate looks back over: smaller
/// ones would compress worse, larger ones be written anew more often.
const COMPRESSED: usize = 64 * 1024;
/// The same of plain text.
const PLAIN: usize = 256 * 1024;
/// Bytes of plain text that are kept. A hundred thousand series or so are served as fast as a file is; what is past that is
/// written at some 100 ns a series, and takes no memory.
const KEPT: usize = 16 * 1024 * 1024;

/// The families of organizations, in the order of the table.
static PRODUCED: LazyLock<Vec<(&'static Family, Produce)>> = LazyLock::new(|| {
    let produced = |family: &&'static Family| match family.source {
        Source::Organization(produce) => Some((*family, produce)),
        Source::Snapshot(_) | Source::Durations | Source::Registered | Source::Process(_) => None,
    };
    FAMILIES.iter().filter_map(produced).collect()
});

/// What comes from polls, as it is sent.
#[derive(Debug)]
pub(super) enum Body {
    /// As it is.
    Plain(Vec<Part>),
    /// The beginning of a gzip member.
    Compressed(Member),
}

/// The families of all organizations in one format and coding.
#[derive(Debug)]
pub(super) struct Pieces {
    maker: Maker,
    rows: Arc<Vec<Row>>,
    /// By family; the pieces of each cover every row.
    families: Vec<Vec<Piece>>,
}

/// One organization at one moment.
#[derive(Debug)]
struct Row {
    snapshot: Arc<OrganizationSnapshot>,
    /// Data goes stale by itself.
    state: DataState,
}

impl Row {
    fn name(&self) -> &str {
        &self.snapshot.organization.name
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot) && self.state == other.state
    }
}

/// The samples of one family of some organizations.
#[derive(Debug)]
struct Piece {
    /// Which organizations, by their position in the snapshot.
    rows: Range<usize>,
    /// The samples, in bytes of text.
    length: usize,
    /// The same with what is said before them.
    whole: usize,
    /// What is said of the family as a whole goes before its first sample; where that is in this piece: the length
    /// that was said there.
    head: Option<usize>,
    form: Form,
}

/// A piece as it is sent.
#[derive(Debug)]
enum Form {
    /// None where it is written when it is sent.
    Plain(Option<Bytes>),
    Compressed(exposition::Piece),
}

impl Pieces {
    /// Without any organization.
    pub(super) fn new(encoding: Encoding, gzip: bool) -> Self {
        let (compressor, size) = if gzip { (Some(Compressor::default()), COMPRESSED) } else { (None, PLAIN) };
        let maker = Maker { encoding, compressor, size, free: KEPT, text: Vec::new(), before: Vec::new() };
        Self { maker, rows: Arc::default(), families: PRODUCED.iter().map(|_| Vec::new()).collect() }
    }

    /// Goes over to `snapshot` as it is at `now`.
    pub(super) fn refresh(&mut self, snapshot: &Snapshot, now: Steady) -> Body {
        let Self { maker, rows, families } = self;
        let organizations = snapshot.organizations.iter();
        let after: Vec<Row> =
            organizations.map(|one| Row { snapshot: Arc::clone(one), state: one.data_state(now) }).collect();
        let changes = Changes::between(rows, &after);
        for ((family, produce), pieces) in PRODUCED.iter().zip(families) {
            Making { maker, family, produce: *produce, rows: &after }.renew(pieces, rows, &changes);
        }
        *rows = Arc::new(after);
        self.body()
    }

    fn body(&mut self) -> Body {
        let Self { maker, rows, families } = self;
        if maker.compressor.is_some() {
            let compressed = families.iter_mut().flatten().filter(|piece| piece.length > 0);
            return Body::Compressed(Member::begin(compressed.filter_map(|piece| match &mut piece.form {
                Form::Compressed(piece) => Some(piece),
                Form::Plain(_) => None,
            })));
        }
        let sent =
            || families.iter().enumerate().flat_map(|(family, pieces)| pieces.iter().map(move |piece| (family, piece)));
        let sent = || sent().filter(|(_, piece)| piece.length > 0);
        let unmade = sent().filter(|(_, piece)| matches!(piece.form, Form::Plain(None)));
        let unmade = unmade.map(|(family, piece)| Unmade {
            family,
            rows: piece.rows.clone(),
            head: piece.head,
            length: piece.whole,
        });
        let maker: Arc<dyn Make> =
            Arc::new(Unmades { encoding: maker.encoding, rows: Arc::clone(rows), unmade: unmade.collect() });
        let mut index = 0..;
        let part = |(_, piece): (_, &Piece)| match &piece.form {
            Form::Plain(Some(bytes)) => Part::Made(bytes.clone()),
            _ => {
                Part::Unmade { maker: Arc::clone(&maker), index: index.next().unwrap_or_default(), length: piece.whole }
            }
        };
        Body::Plain(sent().map(part).collect())
    }
}

/// The pieces of one plain body that are not kept.
#[derive(Debug)]
struct Unmades {
    encoding: Encoding,
    rows: Arc<Vec<Row>>,
    unmade: Vec<Unmade>,
}

/// What a piece is written from.
#[derive(Debug)]
struct Unmade {
    /// Position of the family among those of organizations.
    family: usize,
    rows: Range<usize>,
    head: Option<usize>,
    length: usize,
}

impl Make for Unmades {
    fn make(&self, index: usize) -> Bytes {
        let Self { encoding, rows, unmade } = self;
        let Unmade { family, rows: range, head, length } = &unmade[index];
        let (family, produce) = PRODUCED[*family];
        let mut text = Vec::with_capacity(*length);
        preamble(*encoding, family, *head, &mut text);
        for row in &rows[range.clone()] {
            write(*encoding, family, produce, row, &mut text);
        }
        text.into()
    }
}

/// How the organizations of one snapshot became those of the next.
#[derive(Debug, Default)]
struct Changes {
    /// For each row before: where it is now, or would be. One more for the end.
    position: Vec<usize>,
    /// Rows before that are gone.
    gone: Vec<usize>,
    /// Rows now that are new, or not the same as before: with the row before.
    changed: Vec<(usize, Option<usize>)>,
}

impl Changes {
    /// Both are sorted by name.
    fn between(before: &[Row], after: &[Row]) -> Self {
        let Self { mut position, mut gone, mut changed } = Self::default();
        let mut known = before.iter().enumerate().peekable();
        for (now, row) in after.iter().enumerate() {
            while let Some((was, _)) = known.next_if(|(_, known)| known.name() < row.name()) {
                position.push(now);
                gone.push(was);
            }
            let same = known.next_if(|(_, known)| known.name() == row.name());
            position.extend(same.map(|_| now));
            if !same.is_some_and(|(_, known)| known.is(row)) {
                changed.push((now, same.map(|(was, _)| was)));
            }
        }
        gone.extend(known.map(|(was, _)| was));
        position.resize(before.len() + 1, after.len());
        // What is new before all others belongs to the first of them.
        position[0] = 0;
        Self { position, gone, changed }
    }
}

/// What makes pieces, and the memory that it needs for it.
#[derive(Debug)]
struct Maker {
    encoding: Encoding,
    /// None where pieces stay as they are.
    compressor: Option<Compressor>,
    /// Bytes of text after which a piece ends.
    size: usize,
    /// Bytes of plain text that may still be kept.
    free: usize,
    text: Vec<u8>,
    before: Vec<u8>,
}

impl Maker {
    /// The memory of this piece is for others.
    fn forget(&mut self, piece: &Piece) {
        if let Form::Plain(Some(bytes)) = &piece.form {
            self.free += bytes.len();
        }
    }
}

/// Makes pieces of one family.
struct Making<'m> {
    maker: &'m mut Maker,
    family: &'static Family,
    produce: Produce,
    rows: &'m [Row],
}

impl Making<'_> {
    /// Brings `pieces` of the rows `before` up to date.
    fn renew(&mut self, pieces: &mut Vec<Piece>, before: &[Row], changes: &Changes) {
        let Changes { position, gone, changed } = changes;
        let differing: Vec<usize> = changed
            .iter()
            .filter(|(now, was)| self.differs(*now, was.map(|was| &before[was])))
            .map(|(now, _)| *now)
            .collect();
        let known = std::mem::take(pieces);
        if known.is_empty() {
            self.split(0..self.rows.len(), self.maker.size, pieces);
        }
        for piece in known {
            let rows = position[piece.rows.start]..position[piece.rows.end];
            if touches(gone, &piece.rows) || touches(&differing, &rows) {
                // One that still has about its size stays one.
                let times = if piece.length < self.maker.size / 2 { 1 } else { 2 };
                self.maker.forget(&piece);
                self.split(rows, self.maker.size * times, pieces);
            } else {
                pieces.push(Piece { rows, ..piece });
            }
        }
        self.set_heads(pieces);
    }

    /// Whether a row has other samples than before.
    fn differs(&mut self, now: usize, before: Option<&Row>) -> bool {
        self.maker.text.clear();
        self.maker.before.clear();
        write(self.maker.encoding, self.family, self.produce, &self.rows[now], &mut self.maker.text);
        if let Some(before) = before {
            write(self.maker.encoding, self.family, self.produce, before, &mut self.maker.before);
        }
        self.maker.text != self.maker.before
    }

    /// Adds pieces of these rows, each of which ends past this size.
    fn split(&mut self, rows: Range<usize>, size: usize, pieces: &mut Vec<Piece>) {
        let mut start = rows.start;
        while start < rows.end {
            // What is said of a family before its samples depends on them in one format alone.
            let head = (start == 0 && self.maker.encoding != Encoding::Protobuf).then_some(0);
            let piece = self.piece(start..rows.end, size, head);
            start = piece.rows.end;
            pieces.push(piece);
        }
    }

    /// A piece of the first of these rows: of all of them, or of as many as make `size`.
    fn piece(&mut self, rows: Range<usize>, size: usize, head: Option<usize>) -> Piece {
        let Self { maker: Maker { encoding, compressor, free, text, .. }, family, produce, rows: all } = self;
        text.clear();
        preamble(*encoding, family, head, text);
        let (start, begin) = (rows.start, text.len());
        let mut end = start;
        while end < rows.end && text.len() - begin < size {
            write(*encoding, family, *produce, &all[end], text);
            end += 1;
        }
        let length = text.len() - begin;
        let form = match compressor {
            Some(compressor) if length > 0 => Form::Compressed(compressor.piece([text.as_slice()])),
            Some(_) => Form::Plain(None),
            None => Form::Plain(free.checked_sub(text.len()).map(|rest| {
                *free = rest;
                Bytes::copy_from_slice(text)
            })),
        };
        Piece { rows: start..end, length, whole: text.len(), head, form }
    }

    /// Has the first piece that is sent, and no other, begin with what is said of the family.
    fn set_heads(&mut self, pieces: &mut [Piece]) {
        let length = match self.maker.encoding {
            Encoding::Protobuf => pieces.iter().map(|piece| piece.length).sum(),
            Encoding::Text | Encoding::OpenMetrics => 0,
        };
        let mut head = Some(length);
        for piece in pieces.iter_mut().filter(|piece| piece.length > 0) {
            let head = head.take();
            if piece.head != head {
                self.maker.forget(piece);
                *piece = self.piece(piece.rows.clone(), usize::MAX, head);
            }
        }
    }
}

/// Whether one of these positions, which ascend, is in `rows`.
fn touches(positions: &[usize], rows: &Range<usize>) -> bool {
    positions.get(positions.partition_point(|position| *position < rows.start)).is_some_and(|first| *first < rows.end)
}

/// Appends what is said of a family before its samples, where that is to be said.
fn preamble(encoding: Encoding, family: &'static Family, head: Option<usize>, out: &mut Vec<u8>) {
    if let Some(length) = head {
        out.extend(exposition::preamble(encoding, &family.header(), length));
    }
}

/// Appends the samples of one family and one organization.
fn write(encoding: Encoding, family: &'static Family, produce: Produce, row: &Row, out: &mut Vec<u8>) {
    let Row { snapshot, state } = row;
    produce(&Organization::new(snapshot, *state), &mut family.samples(encoding, out));
}

/// The wanted families of these organizations at `now`, as they are.
pub(super) fn text(encoding: Encoding, snapshot: &Snapshot, now: Steady, wanted: impl Fn(&Family) -> bool) -> Vec<u8> {
    let (mut out, mut block) = (Vec::new(), Vec::new());
    for (family, produce) in PRODUCED.iter().filter(|(family, _)| wanted(family)) {
        block.clear();
        for one in &snapshot.organizations {
            let row = Row { snapshot: Arc::clone(one), state: one.data_state(now) };
            write(encoding, family, *produce, &row, &mut block);
        }
        if !block.is_empty() {
            out.extend(exposition::preamble(encoding, &family.header(), block.len()));
            out.append(&mut block);
        }
    }
    out
}

#[cfg(test)]
mod tests {
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
    fn organization(number: usize, roles: Option<usize>, count: u64) -> Arc<OrganizationSnapshot> {
        let kind = CredentialKind::ApiToken { token: Secret::File("token".into()) };
        let settings = Organization {
            id: String::new(),
            custom_group_id: None,
            name: format!("organization-{number:03}"),
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
    fn unpacked(body: &Body) -> Vec<u8> {
        match body {
            Body::Plain(parts) => parts.iter().flat_map(Part::make).collect(),
            Body::Compressed(member) => {
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
        ) {
            let mut forms: Vec<Pieces> = Encoding::ALL
                .into_iter()
                .flat_map(|encoding| [false, true].map(|gzip| Pieces::new(encoding, gzip)))
                .collect();
            for pieces in &mut forms {
                pieces.maker.size = size;
                pieces.maker.free = kept;
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
                    if let Body::Plain(parts) = &body {
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
            let Body::Plain(body) = pieces.refresh(&snapshot, NOW) else { panic!("plain") };
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
}
