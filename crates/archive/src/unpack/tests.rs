use super::*;
use crate::{PackError, pack};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tar::{Builder, Header};

const BOUNDS: Bounds = Bounds {
    bytes: 1 << 20,
    entries: 1000,
};

/// A stream of these entries: kind, name, link, content.
fn stream(entries: &[(EntryType, &str, &str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, link, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o6755);
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

struct Place {
    all: tempfile::TempDir,
}

impl Place {
    /// A folder with an outside beside it.
    fn new() -> Place {
        let all = tempfile::tempdir().unwrap();
        fs::create_dir(all.path().join("here")).unwrap();
        fs::write(all.path().join("outside"), "untouched").unwrap();
        Place { all }
    }

    fn here(&self) -> PathBuf {
        self.all.path().join("here")
    }

    fn unpack(&self, stream: &[u8]) -> Result<Unpacked, UnpackError> {
        let done = unpack(
            stream,
            File::open(self.here()).unwrap(),
            OsStr::new("top"),
            BOUNDS,
        );
        // Nothing but the one name, whatever was said.
        for entry in fs::read_dir(self.here()).unwrap() {
            assert_eq!(entry.unwrap().file_name(), "top");
        }
        assert_eq!(fs::read_dir(self.all.path()).unwrap().count(), 2);
        assert_eq!(fs::read(self.all.path().join("outside")).unwrap(), b"untouched");
        done
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.here().join(name)).unwrap()
    }
}

use EntryType::{Block, Char, Directory, Fifo, GNUSparse, Link, Regular, Symlink};

#[test]
fn what_is_said_is_made_under_our_name() {
    let place = Place::new();
    let done = place.unpack(&stream(&[
        (Directory, "./theirs/", "", b""),
        (Regular, "./theirs/a", "", b"one"),
        (Symlink, "theirs/l", "a", b""),
        (Link, "theirs/b", "theirs/a", b""),
        (Fifo, "theirs/p", "", b""),
        (Char, "theirs/c", "", b""),
        (Block, "theirs/d", "", b""),
    ]));
    let done = done.unwrap();
    assert_eq!((done.entries, done.bytes, done.left_out.named.len()), (4, 6, 3));
    assert_eq!(
        (place.read("top/a"), place.read("top/l"), place.read("top/b")),
        ("one".into(), "one".into(), "one".into())
    );
    let a = fs::metadata(place.here().join("top/a")).unwrap();
    assert_eq!((a.mode() & 0o6000, a.nlink()), (0, 1), "no set-id bit, no tie");
    // Once more: files are replaced, also where a link to the outside lies in the way.
    fs::remove_file(place.here().join("top/a")).unwrap();
    symlink("../../outside", place.here().join("top/a")).unwrap();
    place
        .unpack(&stream(&[
            (Directory, "x", "", b""),
            (Regular, "x/a", "", b"two"),
        ]))
        .unwrap();
    assert_eq!(place.read("top/a"), "two");
}

#[test]
fn nothing_leads_out() {
    for entries in [
        &[(Regular, "/outside", "", &b"x"[..])][..],
        &[(Regular, "../outside", "", b"x")],
        &[(Regular, "t/../../outside", "", b"x")],
        &[
            (Directory, "t", "", b""),
            (Symlink, "t/l", "../..", b""),
            (Regular, "t/l/outside", "", b"x"),
        ],
        &[
            (Directory, "t", "", b""),
            (Symlink, "t/l", ".", b""),
            (Regular, "t/l/x", "", b"x"),
        ],
        &[(Symlink, "t", "..", b""), (Regular, "t/outside", "", b"x")],
        &[(Directory, "t", "", b""), (Link, "t/l", "../outside", b"")],
        &[(Directory, "t", "", b""), (Link, "t/l", "t/l", b"")],
        &[(Regular, "t", "", b"x"), (Regular, "t/below", "", b"x")],
        &[(GNUSparse, "t", "", b"")],
    ] {
        let place = Place::new();
        let done = place.unpack(&stream(entries));
        assert!(done.is_err(), "{entries:?}: {done:?}");
    }
    // A file where a folder is said, and a link that is swapped in for one.
    let place = Place::new();
    symlink("..", place.here().join("top")).unwrap();
    assert!(matches!(
        place.unpack(&stream(&[
            (Directory, "t", "", b""),
            (Regular, "t/outside", "", b"x")
        ])),
        Err(UnpackError::Other(_))
    ));
    let place = Place::new();
    fs::create_dir_all(place.here().join("top/a/b")).unwrap();
    assert!(matches!(
        place.unpack(&stream(&[(Directory, "t", "", b""), (Regular, "t/a", "", b"x")])),
        Err(UnpackError::Other(_))
    ));
}

#[test]
fn bounds_hold() {
    let place = Place::new();
    let big = vec![7; (1 << 20) + 1];
    assert!(matches!(
        place.unpack(&stream(&[(Regular, "t", "", &big)])),
        Err(UnpackError::Bytes(_))
    ));
    // The content of a file that is tied to another counts once more.
    let half = vec![7; 600 << 10];
    let tied = [
        (Directory, "t", "", &b""[..]),
        (Regular, "t/a", "", &half),
        (Link, "t/b", "t/a", b""),
    ];
    assert!(matches!(
        Place::new().unpack(&stream(&tied)),
        Err(UnpackError::Bytes(_))
    ));
    let names: Vec<String> = (0..1001).map(|n| format!("t/{n}")).collect();
    let mut many = vec![(Directory, "t", "", &b""[..])];
    many.extend(names.iter().map(|name| (Regular, name.as_str(), "", &b""[..])));
    assert!(matches!(
        Place::new().unpack(&stream(&many)),
        Err(UnpackError::Entries(1000))
    ));
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let long = stream(&[(kind, "x", "", &vec![b'a'; 17 << 10]), (Regular, "t", "", b"")]);
        assert!(
            matches!(Place::new().unpack(&long), Err(UnpackError::Long)),
            "{kind:?}"
        );
    }
    let deep = "d/".repeat(300);
    let deep = stream(&[
        (EntryType::GNULongName, "x", "", deep.as_bytes()),
        (Regular, "t", "", b""),
    ]);
    assert!(matches!(Place::new().unpack(&deep), Err(UnpackError::Long)));
    // It says more than there is: nothing is waited for, nothing is reserved.
    let mut short = stream(&[(Regular, "t", "", b"content")]);
    short.truncate(515);
    assert!(matches!(Place::new().unpack(&short), Err(UnpackError::Stream(_))));
    assert!(matches!(Place::new().unpack(b""), Err(UnpackError::Nothing)));
    let holes = stream(&[
        (EntryType::XHeader, "x", "", b"25 GNU.sparse.major=1\n\n\n\n\n"),
        (Regular, "t", "", b""),
    ]);
    assert!(Place::new().unpack(&holes).is_err());
}

/// What a program of the machine writes is understood, and what we write it understands: long names, pax and GNU's.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own program, on its own folder"
)]
fn as_tar_writes_it() {
    let place = Place::new();
    let source = tempfile::tempdir().unwrap();
    let (long, other) = ("n".repeat(200), "m".repeat(250));
    let folder = source.path().join("theirs").join(&long);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(&other), "deep").unwrap();
    symlink(&other, folder.join("link")).unwrap();
    fs::write(folder.join("set"), "").unwrap();
    fs::set_permissions(folder.join("set"), fs::Permissions::from_mode(0o4700)).unwrap();
    for format in ["gnu", "pax", "posix"] {
        let out = std::process::Command::new("tar")
            .args(["-cf", "-", "--format", format, "-C"])
            .arg(source.path())
            .arg("./theirs")
            .output()
            .unwrap();
        let done = place.unpack(&out.stdout).unwrap();
        assert_eq!((done.entries, done.left_out), (5, LeftOut::default()), "{format}");
        assert_eq!(place.read(&format!("top/{long}/{other}")), "deep");
        assert_eq!(place.read(&format!("top/{long}/link")), "deep");
        let set = fs::metadata(place.here().join("top").join(&long).join("set")).unwrap();
        assert_eq!(set.mode() & 0o7777, 0o700);
        fs::remove_dir_all(place.here().join("top")).unwrap();
    }
    let mut stream = Vec::new();
    pack(
        File::open(source.path()).unwrap(),
        OsStr::new("theirs"),
        OsStr::new("ours"),
        &mut stream,
    )
    .unwrap();
    let to = tempfile::tempdir().unwrap();
    let mut tar = std::process::Command::new("tar")
        .args(["-xof", "-", "-C"])
        .arg(to.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    io::Write::write_all(&mut tar.stdin.take().unwrap(), &stream).unwrap();
    assert!(tar.wait().unwrap().success());
    assert_eq!(
        fs::read_to_string(to.path().join("ours").join(&long).join(&other)).unwrap(),
        "deep"
    );
}

#[test]
fn nothing_of_the_machine_is_in_a_stream() {
    let source = tempfile::tempdir().unwrap();
    fs::create_dir(source.path().join("d")).unwrap();
    fs::write(source.path().join("d/a"), "x").unwrap();
    symlink("/etc/passwd", source.path().join("d/l")).unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(source.path().join("d/s")).unwrap();
    let mut out = Vec::new();
    let folder = File::open(source.path()).unwrap();
    let done = pack(&folder, OsStr::new("d"), OsStr::new("e"), &mut out).unwrap();
    assert_eq!((done.entries, done.bytes), (2, 1));
    assert_eq!(done.left_out.named.len(), 2);
    for entry in Archive::new(&out[..]).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (
                header.uid().unwrap(),
                header.gid().unwrap(),
                header.mtime().unwrap()
            ),
            (0, 0, 0)
        );
        assert_eq!(header.username().unwrap(), Some(""));
    }
    let gone = pack(&folder, OsStr::new("none"), OsStr::new("e"), io::sink());
    assert!(matches!(gone, Err(PackError::Read(..))), "{gone:?}");
}

/// A tree: names of one letter, each a file with content, a link to a name beside it, or a folder.
#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Link(char),
    Folder(std::collections::BTreeMap<char, Node>),
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2000).prop_map(Node::File),
        prop::char::range('a', 'e').prop_map(Node::Link),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop::collection::btree_map(prop::char::range('a', 'e'), inner, 0..4).prop_map(Node::Folder)
    })
}

fn write(node: &Node, at: &Path) {
    match node {
        Node::File(bytes) => fs::write(at, bytes).unwrap(),
        Node::Link(to) => symlink(to.to_string(), at).unwrap(),
        Node::Folder(all) => {
            fs::create_dir(at).unwrap();
            all.iter()
                .for_each(|(name, node)| write(node, &at.join(name.to_string())));
        }
    }
}

fn same(node: &Node, at: &Path) -> bool {
    match node {
        Node::File(bytes) => {
            fs::symlink_metadata(at).is_ok_and(|m| m.is_file()) && fs::read(at).unwrap() == *bytes
        }
        Node::Link(to) => fs::read_link(at).is_ok_and(|l| l == Path::new(&to.to_string())),
        Node::Folder(all) => {
            fs::read_dir(at).is_ok_and(|there| there.count() == all.len())
                && all
                    .iter()
                    .all(|(name, node)| same(node, &at.join(name.to_string())))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_in_comes_out(node in node()) {
        let source = tempfile::tempdir().unwrap();
        write(&node, &source.path().join("x"));
        let mut stream = Vec::new();
        let packed = pack(File::open(source.path()).unwrap(), OsStr::new("x"), OsStr::new("y"), &mut stream).unwrap();
        let place = Place::new();
        let done = place.unpack(&stream).unwrap();
        prop_assert_eq!((done.entries, done.bytes), (packed.entries, packed.bytes));
        prop_assert!(same(&node, &place.here().join("top")));
    }

    #[test]
    fn any_bytes_stay_within(kinds in prop::collection::vec((prop::sample::select(&b"01234567LKxgSV"[..]),
        "[./a-c\\x00]{0,12}", "[./a-c]{0,8}", prop::collection::vec(any::<u8>(), 0..600)), 0..8), flip in any::<(u16, u8)>()) {
        let mut entries = Vec::new();
        for (kind, name, link, content) in &kinds {
            entries.push((EntryType::new(*kind), name.as_str(), link.as_str(), content.as_slice()));
        }
        let mut bytes = stream(&entries);
        let at = usize::from(flip.0) % bytes.len();
        bytes[at] ^= flip.1;
        let _whatever = Place::new().unpack(&bytes);
    }
}
