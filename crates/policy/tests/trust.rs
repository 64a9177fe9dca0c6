//! The trust store on a real file system, and reading files that are not what they seem.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use fumehood_policy::Layer;
use fumehood_policy::config::parse;
use fumehood_policy::read::{self, Owner};
use fumehood_policy::trust::{Store, TrustError, review};

const FILE: &str = "/code/app/fumehood.toml";

fn store() -> (tempfile::TempDir, Store) {
    let state = tempfile::tempdir().unwrap();
    let store = Store::create(state.path()).unwrap();
    (state, store)
}

fn only_record(state: &Path) -> std::path::PathBuf {
    fs::read_dir(state.join("trust"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
}

#[test]
fn exactly_the_accepted_content_is_trusted() {
    let (_state, store) = store();
    let path = Path::new(FILE);
    assert!(!store.is_trusted(path, b"a").unwrap());
    store.accept(path, b"a", 7).unwrap();
    assert!(store.is_trusted(path, b"a").unwrap());
    assert!(!store.is_trusted(path, b"b").unwrap());
    assert!(
        !store
            .is_trusted(Path::new("/elsewhere/fumehood.toml"), b"a")
            .unwrap()
    );
    assert_eq!(store.accepted(path).unwrap().as_deref(), Some(&b"a"[..]));
    assert!(store.forget(path).unwrap() && !store.forget(path).unwrap());
    assert!(!store.is_trusted(path, b"a").unwrap());
}

#[test]
fn a_file_changed_back_asks_again() {
    let (_state, store) = store();
    store.accept(Path::new(FILE), b"wide", 7).unwrap();
    store.accept(Path::new(FILE), b"narrow", 8).unwrap();
    assert!(!store.is_trusted(Path::new(FILE), b"wide").unwrap());
}

#[test]
fn the_store_is_made_only_when_something_is_accepted_and_private() {
    let state = tempfile::tempdir().unwrap();
    assert!(Store::open(state.path()).unwrap().is_none());
    assert!(!state.path().join("trust").exists());
    Store::create(&state.path().join("a/b")).unwrap();
    let mode = fs::metadata(state.path().join("a/b/trust"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_store_that_others_can_change_is_refused() {
    let (state, _store) = store();
    fs::set_permissions(state.path().join("trust"), fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(
        Store::open(state.path()),
        Err(TrustError::NotPrivate { .. })
    ));
}

#[test]
fn a_store_that_is_a_link_is_refused() {
    let state = tempfile::tempdir().unwrap();
    fs::create_dir(state.path().join("real")).unwrap();
    symlink("real", state.path().join("trust")).unwrap();
    assert!(matches!(Store::open(state.path()), Err(TrustError::Open { .. })));
}

#[test]
fn a_newer_record_is_refused_and_a_damaged_one_is_said() {
    let (state, store) = store();
    store.accept(Path::new(FILE), b"a", 7).unwrap();
    let record = only_record(state.path());
    fs::write(&record, "fumehood trust 9\n\n").unwrap();
    let error = store.is_trusted(Path::new(FILE), b"a").unwrap_err();
    assert!(matches!(error, TrustError::Newer { format: 9, .. }));
    assert!(
        error
            .to_string()
            .ends_with("written by a newer fumehood (format 9); update fumehood")
    );
    fs::write(&record, "garbage").unwrap();
    assert!(matches!(
        store.is_trusted(Path::new(FILE), b"a"),
        Err(TrustError::Damaged { .. })
    ));
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    assert!(matches!(
        store.is_trusted(Path::new(FILE), b"a"),
        Err(TrustError::Damaged { .. })
    ));
}

#[test]
fn no_temporary_file_is_left() {
    let (state, store) = store();
    store.accept(Path::new(FILE), b"a", 7).unwrap();
    store.accept(Path::new(FILE), b"b", 8).unwrap();
    assert_eq!(fs::read_dir(state.path().join("trust")).unwrap().count(), 1);
}

#[test]
fn a_change_shows_what_it_adds() {
    let old = b"version = 1\n[network]\nallow = [\"a.example\"]\n";
    let new =
        b"version = 1\n# moved\n[network]\nallow = [\"b.example\", \"a.example\"]\n[limits]\npids = 5\n";
    let config = parse(Layer::Project, "fumehood.toml", new).into_result().unwrap();
    let first = review(&config, None);
    assert_eq!((first.new.len(), first.known), (2, false));
    let change = review(&config, Some(old));
    let words: Vec<String> = change
        .new
        .iter()
        .map(|ask| format!("{}: {ask}", ask.pos))
        .collect();
    assert_eq!(
        (words.as_slice(), change.unchanged, change.known),
        (&["4:10: reach b.example, reading only".to_owned()][..], 1, true)
    );
    assert_eq!(review(&config, Some(b"no toml [")).new.len(), 2);
}

#[test]
fn a_configuration_file_is_read_only_if_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("plain"), "x").unwrap();
    symlink("plain", at("link")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    let fifo = rustix::fs::CWD;
    rustix::fs::mknodat(
        fifo,
        at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();

    let plain = read::config(&at("plain"), Owner::Anyone).unwrap().unwrap();
    assert_eq!((plain.bytes.as_slice(), plain.resolved), (&b"x"[..], None));
    let link = read::config(&at("link"), Owner::Anyone).unwrap().unwrap();
    assert_eq!(link.resolved, Some(at("plain").canonicalize().unwrap()));
    assert!(read::config(&at("missing"), Owner::Anyone).unwrap().is_none());
    assert!(read::config(&at("plain/below"), Owner::Anyone).unwrap().is_none());

    let said = |name: &Path| read::config(name, Owner::Anyone).unwrap_err().to_string();
    assert!(said(&at("fifo")).ends_with("fifo: is not a regular file"));
    assert!(said(folder.path()).ends_with("is not a regular file"));
    assert!(said(Path::new("/dev/null")).ends_with("is not a regular file"));
    assert!(said(&at("dangling")).contains("cannot be opened"));
}

#[test]
fn a_machine_policy_must_be_its_owner_s_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.toml");
    fs::write(&path, "x").unwrap();
    let me = rustix::process::geteuid().as_raw();
    let mode = |path: &Path, bits| fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
    let read = |owner| {
        read::config(&path, owner)
            .map(|f| f.is_some())
            .map_err(|e| e.to_string())
    };

    mode(&path, 0o644);
    mode(folder.path(), 0o755);
    assert_eq!(read(Owner::Only(me)), Ok(true));
    assert!(read(Owner::Only(me + 1)).unwrap_err().contains("belongs to user"));
    mode(&path, 0o664);
    assert!(
        read(Owner::Only(me))
            .unwrap_err()
            .contains("can be changed by others; chmod go-w it")
    );
    assert_eq!(read(Owner::User(me)), Ok(true));
    mode(&path, 0o646);
    assert!(
        read(Owner::User(me))
            .unwrap_err()
            .contains("can be changed by everyone")
    );
    mode(&path, 0o644);
    mode(folder.path(), 0o777);
    assert!(
        read(Owner::Only(me))
            .unwrap_err()
            .contains("can be changed by others")
    );
}

#[test]
fn a_huge_file_is_not_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let file = read::config(&path, Owner::Anyone).unwrap().unwrap();
    assert_eq!(file.bytes.len(), 1024 * 1024 + 1);
    assert!(
        parse(Layer::Project, "huge", &file.bytes)
            .findings
            .to_string()
            .contains("larger than 1 MiB")
    );
}

#[test]
fn the_serial_of_a_policy_only_rises() {
    let (state, store) = store();
    assert_eq!(store.serial().unwrap(), None);
    store.raise_serial(7).unwrap();
    store.raise_serial(5).unwrap();
    assert_eq!(store.serial().unwrap(), Some(7));
    fs::write(state.path().join("trust/policy-serial"), "fumehood serial 2\n").unwrap();
    assert!(matches!(store.serial(), Err(TrustError::Damaged { .. })));
}
