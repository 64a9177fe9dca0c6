use super::*;
use proptest::prelude::*;
use std::process::Command;

fn out() -> Stand<'static> {
    Stand::Outside(Path::new("/opt/fume hood/fumehood"))
}

const AGENTS: [Agent; 3] = [Agent::ClaudeCode, Agent::Codex, Agent::Gemini];

fn call(event: &str, tool: &str, mode: Option<&str>, input: &Value) -> Vec<u8> {
    let mut call = json!({ "session_id": "s", "cwd": "/p", "hook_event_name": event, "tool_name": tool, "tool_input": input });
    if let Some(mode) = mode {
        call["permission_mode"] = mode.into();
    }
    call.to_string().into_bytes()
}

fn said(agent: Agent, stand: Stand<'_>, event: &str, tool: &str, mode: &str) -> String {
    let mode = (!mode.is_empty()).then_some(mode);
    let said = answer(
        agent,
        stand,
        &call(
            event,
            tool,
            mode,
            &json!({ "command": "it's", "description": "d" }),
        ),
    );
    assert_eq!((said.error.as_str(), said.status), ("", 0));
    said.output
}

#[test]
fn inside_nobody_is_asked_but_for_what_is_a_question_or_a_plan() {
    let inside = |agent, event, tool, mode| said(agent, Stand::Inside, event, tool, mode);
    insta::assert_snapshot!(inside(Agent::ClaudeCode, "PreToolUse", "Bash", "default"), @r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"allow","permissionDecisionReason":"inside fumehood: what is hard to undo waits at the boundary"}}"#);
    insta::assert_snapshot!(inside(Agent::Codex, "PermissionRequest", "Bash", "default"), @r#"{"hookSpecificOutput":{"decision":{"behavior":"allow"},"hookEventName":"PermissionRequest"}}"#);
    for tool in ["AskUserQuestion", "ExitPlanMode"] {
        assert_eq!(inside(Agent::ClaudeCode, "PreToolUse", tool, "default"), "");
    }
    assert_eq!(inside(Agent::ClaudeCode, "PreToolUse", "Write", "plan"), "");
    // What these do not understand is not said.
    assert_eq!(inside(Agent::Codex, "PreToolUse", "Bash", "default"), "");
    assert_eq!(inside(Agent::Gemini, "BeforeTool", "write_file", ""), "");
}

#[test]
fn where_the_project_itself_is_written_the_agent_asks_as_it_does() {
    for agent in AGENTS {
        for event in ["PreToolUse", "PermissionRequest", "BeforeTool"] {
            assert_eq!(said(agent, Stand::Weaker, event, "Bash", "default"), "");
        }
    }
}

#[test]
fn outside_commands_are_brought_into_a_sandbox() {
    insta::assert_snapshot!(said(Agent::ClaudeCode, out(), "PreToolUse", "Bash", "default"), @r#"{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"allow","updatedInput":{"command":"'/opt/fume hood/fumehood' run --apply turn -- bash -c 'it'\\''s'","description":"d"}}}"#);
    insta::assert_snapshot!(said(Agent::Gemini, out(), "BeforeTool", "run_shell_command", ""), @r#"{"decision":"allow","hookSpecificOutput":{"hookEventName":"BeforeTool","tool_input":{"command":"'/opt/fume hood/fumehood' run --apply turn -- bash -c 'it'\\''s'","description":"d"}}}"#);
    let routed = said(Agent::Codex, out(), "PreToolUse", "Bash", "bypassPermissions");
    assert!(
        routed.contains(r#""updatedInput":{"command":"'/opt/fume hood/fumehood' run"#),
        "{routed}"
    );
    // Codex has a sandbox of its own, and asks.
    assert_eq!(said(Agent::Codex, out(), "PreToolUse", "Bash", "default"), "");
}

#[test]
fn outside_what_no_layer_holds_is_refused() {
    for mode in ["bypassPermissions", "auto", "a-new-one", ""] {
        let refused = said(Agent::ClaudeCode, out(), "PreToolUse", "Write", mode);
        assert!(
            refused.contains(r#""permissionDecision":"deny""#) && refused.contains("fumehood run"),
            "{mode}: {refused}"
        );
        assert!(said(Agent::Codex, out(), "PreToolUse", "apply_patch", mode).contains("deny"));
    }
    for mode in ["default", "acceptEdits", "plan", "dontAsk"] {
        assert_eq!(said(Agent::ClaudeCode, out(), "PreToolUse", "Write", mode), "");
    }
    for mode in ["plan", "dontAsk"] {
        assert_eq!(said(Agent::ClaudeCode, out(), "PreToolUse", "Bash", mode), "");
    }
    insta::assert_snapshot!(said(Agent::Gemini, out(), "BeforeTool", "write_file", ""), @r#"{"decision":"deny","reason":"fumehood: outside of a sandbox nothing bounds this, and the agent does not say that it asks; start the agent inside: fumehood run -- AGENT"}"#);
}

#[test]
fn outside_what_is_not_read_is_refused() {
    let wrong = [
        b"".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        br#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_name":"Read","tool_input":{}}"#.to_vec(),
        br#"{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":["ls"]}"#.to_vec(),
        call(
            "PreToolUse",
            "Bash",
            None,
            &json!({ "command": "x".repeat(2 << 20) }),
        ),
    ];
    for agent in AGENTS {
        for bytes in &wrong {
            let said = answer(agent, out(), bytes);
            assert!(
                said.status == 2 && said.output.is_empty() && said.error.starts_with("fumehood: "),
                "{said:?}"
            );
            assert_eq!(answer(agent, Stand::Inside, bytes), Said::default());
        }
    }
    for input in [
        json!({}),
        json!({ "command": ["ls"] }),
        json!({ "command": "a\0b" }),
    ] {
        let said = answer(
            Agent::ClaudeCode,
            out(),
            &call("PreToolUse", "Bash", Some("default"), &input),
        );
        assert!(said.output.contains(r#""permissionDecision":"deny""#), "{said:?}");
    }
    // An event of which nothing is known.
    assert_eq!(
        answer(Agent::Gemini, out(), &call("BeforeModel", "x", None, &json!({}))).status,
        2
    );
}

#[test]
fn the_settings_name_the_very_program() {
    for agent in AGENTS {
        let (_, text) = settings(agent, "/opt/fume hood/fumehood");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["hooks"].as_object().is_some_and(|hooks| !hooks.is_empty()));
        assert!(text.contains("'/opt/fume hood/fumehood' hook "), "{text}");
    }
}

proptest! {
    /// A shell reads the one word that was meant.
    #[test]
    fn a_quoted_command_is_one_word(text in "[^\0]{0,60}") {
        #[expect(clippy::disallowed_methods, reason = "a real shell is the judge of what is quoted for one")]
        let shown = Command::new("/bin/sh").arg("-c").arg(format!("printf %s {}", quoted(&text))).output().unwrap();
        prop_assert_eq!(shown.stdout, text.into_bytes());
    }

    /// Whatever comes, outside nothing is said that lets it happen there.
    #[test]
    fn outside_nothing_flies_as_it_is(event in "[A-Za-z]{0,20}", tool in "[A-Za-z_]{0,20}", mode in "[a-zA-Z]{0,20}",
                                      named in 0..4_usize, known in 0..4_usize) {
        let event = ["PreToolUse", "PermissionRequest", "BeforeTool", &event][named];
        let tool = ["Bash", "Write", "run_shell_command", &tool][known];
        for agent in AGENTS {
            let said = answer(agent, out(), &call(event, tool, Some(&mode), &json!({ "command": "ls" })));
            let flies = said.output.contains("allow") && !said.output.contains(r#"run --apply turn -- bash -c ls""#);
            prop_assert!(!flies, "{:?}", said);
        }
    }
}
