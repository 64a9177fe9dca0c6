//! What `hide` finds, in real directories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use fumehood_policy::hidden::{Visible, find};
use fumehood_policy::host::Host;
use fumehood_policy::locate::{self, files as located};
use fumehood_policy::value::HidePattern;
use fumehood_policy::{Layer, Origin, Sourced};

fn files(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    folder
}

/// What is hidden in `app` and `shared`, as paths from their common parent.
fn hidden(root: &Path, patterns: &[&str]) -> Vec<String> {
    let (app, shared) = (root.join("app"), root.join("shared"));
    let parse = |text: &&str| {
        let text = text.replace("ROOT", root.to_str().unwrap());
        Sourced {
            value: text.parse::<HidePattern>().unwrap(),
            origin: Origin::Flag("--hide"),
        }
    };
    let patterns: Vec<_> = patterns.iter().map(parse).collect();
    let visible = [
        Visible {
            target: &app,
            source: &app,
        },
        Visible {
            target: &shared,
            source: &shared,
        },
    ];
    let hits = find(&patterns, &app, Some(root), &visible, &Host::new(None)).unwrap();
    let shown = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    hits.iter()
        .map(|hit| shown(&hit.target) + if hit.directory { "/" } else { "" })
        .collect()
}

#[test]
fn each_kind_of_pattern_finds_what_it_means() {
    let folder = files(&[
        "app/.env",
        "app/a/.env.local",
        "app/keys/x",
        "app/src/main.rs",
        "shared/.env",
        "shared/secret/k",
        "other/.env",
    ]);
    let root = folder.path().canonicalize().unwrap();
    assert_eq!(hidden(&root, &["**/.env*"]), ["app/.env", "app/a/.env.local"]);
    assert_eq!(
        hidden(&root, &[".env", "missing", "keys"]),
        ["app/.env", "app/keys/"]
    );
    assert_eq!(hidden(&root, &["~/shared/secret"]), ["shared/secret/"]);
    assert_eq!(hidden(&root, &["ROOT/**/.env"]), ["app/.env", "shared/.env"]);
    assert_eq!(hidden(&root, &["~/shared"]), ["shared/"]);
    assert_eq!(hidden(&root, &["~/sh*"]), ["shared/"]);
    assert_eq!(hidden(&root, &["keys/**", "**/keys"]), ["app/keys/"]);
    assert_eq!(hidden(&root, &[]), Vec::<String>::new());
}

#[test]
fn links_are_hidden_and_not_followed() {
    let folder = files(&["app/real/.env"]);
    let root = folder.path().canonicalize().unwrap();
    symlink("/", root.join("app/everything")).unwrap();
    symlink("real/.env", root.join("app/.env")).unwrap();
    assert_eq!(hidden(&root, &["**/.env"]), ["app/.env", "app/real/.env"]);
}

#[test]
fn the_files_that_exist_are_loaded() {
    let folder = files(&["app/real.toml", "user/config.toml"]);
    let root = folder.path().canonicalize().unwrap();
    let (app, user) = (root.join("app"), root.join("user"));
    let uid = rustix::process::geteuid().as_raw();
    let layers = |instead: Option<&std::path::Path>| {
        let found = located(&user, &app, instead, uid).unwrap();
        let of_this_test = found.into_iter().filter(|f| f.layer != Layer::Machine);
        of_this_test.map(|f| (f.layer, f.path)).collect::<Vec<_>>()
    };
    let of_user = (Layer::User, user.join("config.toml"));
    assert_eq!(layers(None), vec![of_user.clone()]);
    let link = app.join(locate::PROJECT);
    symlink("real.toml", &link).unwrap();
    assert_eq!(layers(None), [of_user.clone(), (Layer::Project, link.clone())]);
    let named = app.join("real.toml");
    assert_eq!(layers(Some(&named)), [of_user, (Layer::Project, named.clone())]);
    fs::write(&link, "version = 3\n").unwrap();
    let wrong = located(&user, &app, None, uid).unwrap().pop().unwrap();
    let said = wrong.parsed().into_result().unwrap_err().to_string();
    assert!(said.contains("fumehood.toml:1:11: error: format 3"), "{said}");
    let none = located(&user, &app, Some(&root.join("none")), uid).unwrap_err();
    assert!(none.to_string().ends_with("/none: no such file"), "{none}");
}

#[test]
fn more_than_can_be_hidden_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for i in 0..4100 {
        fs::write(root.join(format!("{i}.key")), "").unwrap();
    }
    let pattern = Sourced {
        value: "*.key".parse().unwrap(),
        origin: Origin::Default,
    };
    let visible = [Visible {
        target: &root,
        source: &root,
    }];
    let refused = find(&[pattern], &root, None, &visible, &Host::new(None)).unwrap_err();
    assert!(refused.to_string().contains("means 4100 paths"));
    let home = Sourced {
        value: "~/x".parse().unwrap(),
        origin: Origin::Default,
    };
    assert!(find(&[home], &root, None, &visible, &Host::new(None)).is_err());
}
