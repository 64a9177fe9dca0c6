//! `fumehood init --mcp`: a client's configuration, told of the tools.

use fumehood_tests::World;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn each_clients_file_is_made_and_found_again() {
    let world = World::new();
    for (client, file) in [
        ("claude-code", ".mcp.json"),
        ("gemini", ".gemini/settings.json"),
        ("cursor", ".cursor/mcp.json"),
    ] {
        let said = world.sandbox().verb(&["init", "--mcp", client]).ended(0);
        assert!(
            said.contains(&format!("{file}\n")) && said.contains("\"mcpServers\""),
            "{said}"
        );
        let text = fs::read_to_string(world.project().join(file)).unwrap();
        assert!(
            text.contains("\"fumehood\"") && text.contains("\"mcp\""),
            "{text}"
        );
        let again = world.sandbox().verb(&["init", "--mcp", client]).ended(0);
        assert!(again.starts_with("is there already"), "{again}");
        assert_eq!(fs::read_to_string(world.project().join(file)).unwrap(), text);
    }
}

/// Codex has one file for all projects; its own variable says where.
#[test]
fn codex_is_told_in_the_users_file() {
    let world = World::new();
    let folder = world.project().join("codex");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.toml"), "model = \"m\" # mine\n").unwrap();
    let tell = || {
        let sandbox = world.sandbox().env("CODEX_HOME", &folder);
        sandbox.verb(&["init", "--mcp", "codex"]).ended(0)
    };
    assert!(tell().starts_with("wrote fumehood"));
    let text = fs::read_to_string(folder.join("config.toml")).unwrap();
    assert!(
        text.starts_with("model = \"m\" # mine\n\n[mcp_servers.fumehood]\ncommand = "),
        "{text}"
    );
    assert!(tell().starts_with("is there already"));
}

#[test]
fn what_is_there_is_kept() {
    let world = World::new();
    let path = world.project().join(".mcp.json");
    fs::write(&path, "{ \"mcpServers\": { \"own\": { \"command\": \"x\" } } }").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    world.sandbox().verb(&["init", "--mcp", "claude-code"]).ended(0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("\"own\": { \"command\": \"x\" }") && text.contains("\"fumehood\""),
        "{text}"
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for other in [
        "{ \"mcpServers\": { \"fumehood\": { \"command\": \"x\" } } }",
        "{ // mine\n}",
        "[]",
    ] {
        fs::write(&path, other).unwrap();
        let out = world.sandbox().verb(&["init", "--mcp", "claude-code"]);
        out.ended(125);
        assert!(out.errors().contains("is left as it is"), "{}", out.errors());
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
    }
    assert_eq!(fs::read_dir(world.project()).unwrap().count(), 1);
}

/// A repository says nothing of where on the host is written.
#[test]
fn no_link_of_a_project_is_followed() {
    let world = World::new();
    symlink(world.outside().join("file"), world.project().join(".mcp.json")).unwrap();
    symlink(world.outside(), world.project().join(".gemini")).unwrap();
    for (client, why) in [("claude-code", "symbolic link"), ("gemini", "symbolic link")] {
        let out = world.sandbox().verb(&["init", "--mcp", client]);
        out.ended(125);
        assert!(out.errors().contains(why), "{}", out.errors());
    }
    assert!(!world.outside().join("settings.json").exists());
}
