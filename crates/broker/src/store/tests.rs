use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

fn stored(value: &str) -> Stored {
    Stored {
        value: Secret::new(value.as_bytes().to_vec()).unwrap(),
        hosts: vec![
            "api.example.com".parse().unwrap(),
            "*.example.net:8443".parse().unwrap(),
        ],
        require: Some(Regex::new("^sk_").unwrap()),
    }
}

fn name(text: &str) -> EnvName {
    text.parse().unwrap()
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_put_is_got_and_gone_after_removal() {
    let state = tempfile::tempdir().unwrap();
    assert!(Store::open(state.path()).unwrap().is_none());
    let store = Store::create(state.path()).unwrap();
    assert!(store.get(&name("KEY")).unwrap().is_none());
    store.put(&name("KEY"), &stored("sk_one_1234")).unwrap();
    store.put(&name("KEY"), &stored("sk_two_1234")).unwrap();
    store.put(&name("OTHER"), &stored("sk_three_12")).unwrap();
    let got = store.get(&name("KEY")).unwrap().unwrap();
    assert_eq!(got.value.expose(), b"sk_two_1234");
    assert_eq!(got.hosts, stored("sk_two_1234").hosts);
    assert_eq!(store.names().unwrap(), [name("KEY"), name("OTHER")]);
    assert!(store.remove(&name("KEY")).unwrap());
    assert!(!store.remove(&name("KEY")).unwrap());
    assert!(store.get(&name("KEY")).unwrap().is_none());
}

#[test]
fn nobody_else_can_read_it() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::create(state.path()).unwrap();
    store.put(&name("KEY"), &stored("sk_one_1234")).unwrap();
    let file = state.path().join("secrets/KEY");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&file), mode(&state.path().join("secrets"))), (0o600, 0o700));
    chmod(&file, 0o640);
    assert!(matches!(
        store.get(&name("KEY")),
        Err(StoreError::NotPrivate { mode: 0o600, .. })
    ));
    chmod(&state.path().join("secrets"), 0o755);
    assert!(matches!(
        Store::open(state.path()),
        Err(StoreError::NotPrivate { mode: 0o700, .. })
    ));
}

#[test]
fn links_are_not_followed() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::create(state.path()).unwrap();
    symlink("/etc/passwd", state.path().join("secrets/KEY")).unwrap();
    assert!(matches!(
        store.get(&name("KEY")),
        Err(StoreError::Disk { verb: "read", .. })
    ));
    store.put(&name("KEY"), &stored("sk_one_1234")).unwrap();
    assert!(store.get(&name("KEY")).unwrap().is_some());
}

#[test]
fn what_was_not_written_here_is_not_used() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::create(state.path()).unwrap();
    let file = state.path().join("secrets/KEY");
    let get = |content: &str| {
        std::fs::write(&file, content).unwrap();
        chmod(&file, 0o600);
        store.get(&name("KEY")).unwrap_err()
    };
    let head = "fumehood-secret 1\nfor a.example\n";
    assert!(matches!(get("sk_one_1234"), StoreError::Damaged { .. }));
    assert!(matches!(
        get("fumehood-secret 1\n\nsk_one_1234\n"),
        StoreError::Damaged { .. }
    ));
    assert!(matches!(
        get("fumehood-secret 2\n\nsk_one_1234\n"),
        StoreError::Newer { .. }
    ));
    assert!(matches!(
        get(&format!("{head}to b\n\nsk_one_1234\n")),
        StoreError::Damaged { .. }
    ));
    assert!(matches!(
        get(&format!("{head}\nsk_one\nmore_1234\n")),
        StoreError::Unusable { .. }
    ));
    let other = get(&format!("{head}require ^sk_test\n\nsk_live_1234\n"));
    assert!(matches!(
        other,
        StoreError::Unusable {
            why: Unusable::Require(_),
            ..
        }
    ));
    assert!(!other.to_string().contains("live"));
}

#[test]
fn a_secret_for_nobody_is_not_stored() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::create(state.path()).unwrap();
    let nobody = Stored {
        hosts: Vec::new(),
        ..stored("sk_one_1234")
    };
    assert!(matches!(
        store.put(&name("KEY"), &nobody),
        Err(StoreError::NoHost)
    ));
    assert_eq!(store.names().unwrap(), []);
}
