use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

fn machine(state: &Path) -> Machine {
    Machine {
        home: Some(state.to_owned()),
        state: state.to_owned(),
        patience: Duration::from_secs(5),
    }
}

fn got(source: &str, state: &Path) -> Result<String, String> {
    let secret = fetch(&source.parse().unwrap(), &machine(state)).map_err(|e| e.to_string())?;
    Ok(String::from_utf8(secret.expose().to_vec()).unwrap())
}

fn write(path: &Path, content: &str, mode: u32) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("key");
    write(&file, "sk_one_1234\n", 0o600);
    assert_eq!(got("file:~/key", home.path()).unwrap(), "sk_one_1234");
    for (mode, content, why) in [
        (
            0o644,
            "sk_one_1234",
            "other users can read it (mode 644); chmod 600 it",
        ),
        (0o600, "", "it is empty"),
        (0o600, "sk_one\r\nx-evil: 1", "it holds a line break"),
    ] {
        write(&file, content, mode);
        let error = got("file:~/key", home.path()).unwrap_err();
        assert!(error.ends_with(why), "{error}");
    }
    assert!(
        got("file:~/none", home.path())
            .unwrap_err()
            .contains("No such file")
    );
    assert!(
        got("file:${FUMEHOOD_NOT_SET}/x", home.path())
            .unwrap_err()
            .contains("not set")
    );
    assert!(
        got("file:~", home.path())
            .unwrap_err()
            .ends_with("it is not a regular file")
    );
    assert!(
        got("file:/dev/zero", home.path())
            .unwrap_err()
            .ends_with("it is not a regular file")
    );
}

/// A link to a file of one's own is a way to keep secrets in one place.
#[test]
fn the_file_behind_a_link_is_judged() {
    let home = tempfile::tempdir().unwrap();
    write(&home.path().join("key"), "sk_one_1234", 0o600);
    symlink("key", home.path().join("link")).unwrap();
    assert_eq!(got("file:~/link", home.path()).unwrap(), "sk_one_1234");
    symlink("/etc/passwd", home.path().join("open")).unwrap();
    assert!(
        got("file:~/open", home.path())
            .unwrap_err()
            .contains("other users can read it")
    );
}

#[test]
fn variables() {
    let home = tempfile::tempdir().unwrap();
    // The one variable that is set wherever tests run.
    assert!(got("env:PATH", home.path()).unwrap().contains("bin"));
    let error = got("env:FUMEHOOD_NOT_SET", home.path()).unwrap_err();
    assert!(
        error.starts_with("the variable FUMEHOOD_NOT_SET is not set"),
        "{error}"
    );
}

#[test]
fn commands() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(got("cmd:echo sk_one_1234", home.path()).unwrap(), "sk_one_1234");
    for (source, why) in [
        (
            "cmd:false",
            "false ended with exit status: 1; run it yourself to see why",
        ),
        ("cmd:true", "it is empty"),
        ("cmd:fumehood-none", "fumehood-none cannot be run"),
        (
            "cmd:yes sk_one_1234",
            "yes printed more than any secret has; it was stopped",
        ),
        ("cmd:printf sk_one\\n\\nx1234", "it holds a line break"),
    ] {
        let error = got(source, home.path()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_command_that_does_not_end_is_stopped() {
    let home = tempfile::tempdir().unwrap();
    let hasty = Machine {
        patience: Duration::from_millis(50),
        ..machine(home.path())
    };
    let error = fetch(&"cmd:sleep 60".parse().unwrap(), &hasty).unwrap_err();
    assert_eq!(error.to_string(), "sleep did not end in time; it was stopped");
}

/// A password manager in the same manner, as a double.
struct Double(&'static str);

impl Outside for Double {
    fn variable(&self, _: &str) -> Option<Zeroizing<Vec<u8>>> {
        None
    }

    fn path(&self, _: &fumehood_policy::value::PathTemplate) -> Option<PathBuf> {
        None
    }

    fn file(&self, _: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
        Err(FileError::Kind)
    }

    fn output(&self, argv: &[String]) -> Result<Zeroizing<Vec<u8>>, RunError> {
        assert_eq!(argv.join(" "), self.0);
        Ok(Zeroizing::new(b"sk_one_1234\nurl: https://x.example\n".to_vec()))
    }

    fn store(&self) -> Result<Option<Store>, StoreError> {
        Ok(None)
    }
}

#[test]
fn password_managers() {
    let of = |source: &str, command| fetch(&source.parse().unwrap(), &Double(command));
    assert_eq!(
        of("pass:work/key", "pass show work/key").unwrap().expose(),
        b"sk_one_1234"
    );
    let error = of("op://dev/key/field", "op read --no-newline op://dev/key/field").unwrap_err();
    assert_eq!(error.to_string(), "it holds a line break");
    let error = of("store:KEY", "").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store has no KEY; add it with `fumehood secret add KEY`"
    );
}

#[test]
fn the_store() {
    let home = tempfile::tempdir().unwrap();
    let stored = crate::store::Stored {
        value: Secret::new(b"sk_one_1234".to_vec()).unwrap(),
        hosts: vec!["api.example.com".parse().unwrap()],
        require: None,
    };
    Store::create(home.path())
        .unwrap()
        .put(&"KEY".parse().unwrap(), &stored)
        .unwrap();
    assert_eq!(got("store:KEY", home.path()).unwrap(), "sk_one_1234");
}
