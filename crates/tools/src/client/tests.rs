//! What is there stays.

use super::*;
use proptest::prelude::*;

fn put(client: Client, there: &str) -> Result<Option<String>, Left> {
    client.with_entry(Some(there), Path::new("fumehood"))
}

#[test]
fn a_file_of_json() {
    let new = Client::ClaudeCode
        .with_entry(None, Path::new("fumehood"))
        .unwrap()
        .unwrap();
    insta::assert_snapshot!(new, @r#"
    {
      "mcpServers": {
        "fumehood": {
          "args": [
            "mcp"
          ],
          "command": "fumehood"
        }
      }
    }
    "#);
    assert_eq!(put(Client::ClaudeCode, &new), Ok(None));
    let there = "{\n  \"z\": \"mcpServers\",\n  \"a\": {\"mcpServers\": {}},\n  \"mcpServers\": {\n    \"other\": {\"command\": \"}{\\\"\"}\n  }\n}\n";
    let after = put(Client::Gemini, there).unwrap().unwrap();
    insta::assert_snapshot!(after, @r#"
    {
      "z": "mcpServers",
      "a": {"mcpServers": {}},
      "mcpServers": {
        "fumehood": {"args":["mcp"],"command":"fumehood"},
        "other": {"command": "}{\""}
      }
    }
    "#);
    assert_eq!(put(Client::Gemini, &after), Ok(None));
    for (there, why) in [
        (r#"{"mcpServers": {"fumehood": {"command": "x"}}}"#, Left::Other),
        (r#"{"mcpServers": []}"#, Left::Shape),
        ("[]", Left::Unread("a JSON object")),
        ("{ // a remark\n}", Left::Unread("JSON")),
    ] {
        assert_eq!(put(Client::Cursor, there), Err(why), "{there}");
    }
    for there in ["{}", "{ }", "\n", r#"{"mcpServers":{}}"#, r#"{"a":1}"#] {
        assert!(put(Client::Cursor, there).unwrap().is_some(), "{there}");
    }
}

#[test]
fn a_file_of_toml() {
    let there = "model = \"m\" # mine\n[mcp_servers.other]\ncommand = \"x\"";
    let after = put(Client::Codex, there).unwrap().unwrap();
    insta::assert_snapshot!(after, @r#"
    model = "m" # mine
    [mcp_servers.other]
    command = "x"

    [mcp_servers.fumehood]
    command = "fumehood"
    args = ["mcp"]
    "#);
    assert_eq!(put(Client::Codex, &after), Ok(None));
    for (there, why) in [
        ("[mcp_servers.fumehood]\ncommand = \"x\"\n", Left::Other),
        ("mcp_servers = {}\n", Left::Shape),
        ("a = \n", Left::Unread("TOML")),
    ] {
        assert_eq!(put(Client::Codex, there), Err(why), "{there}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[\\\\\"{}:,a]{0,6}|mcpServers".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("mcpServers|fumehood|[a\"{]{0,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever there is, nothing of it is lost or changed.
    #[test]
    fn nothing_is_lost(there in value(), pretty: bool) {
        let text = if pretty { format!("{there:#}") } else { there.to_string() };
        if let Ok(Some(after)) = put(Client::ClaudeCode, &text) {
            let mut read: Value = serde_json::from_str(&after).unwrap();
            prop_assert_eq!(&read["mcpServers"]["fumehood"], &server("fumehood"));
            let servers = read["mcpServers"].as_object_mut().unwrap();
            servers.remove("fumehood");
            if there.get("mcpServers").is_none() && servers.is_empty() {
                read.as_object_mut().unwrap().remove("mcpServers");
            }
            prop_assert_eq!(read, there);
            prop_assert_eq!(put(Client::ClaudeCode, &after), Ok(None));
        }
    }
}
