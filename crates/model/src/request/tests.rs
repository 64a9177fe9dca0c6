use super::*;
use proptest::prelude::*;

fn scan(provider: Provider, body: &str) -> Vec<Finding> {
    let mut scanner = Scanner::new(provider);
    let mut found = scanner.feed(body.as_bytes()).unwrap();
    found.extend(scanner.end().unwrap());
    found
}

fn acts(provider: Provider, body: &str) -> Vec<&'static str> {
    let what = |finding: &Finding| match finding {
        Finding::Acts { what, .. } => *what,
        Finding::Unknown { .. } => "unknown",
    };
    scan(provider, body).iter().map(what).collect()
}

/// What the agents send: nothing of it is remote.
#[test]
fn plain_turns_are_only_asked() {
    let messages = r#"{"model":"m","max_tokens":9,"stream":true,"system":[{"type":"text","text":"see https://x.example/",
        "cache_control":{"type":"ephemeral"}}],"metadata":{"user_id":"https://u.example"},"tools":[{"name":"Fetch","description":
        "https://d.example","input_schema":{"type":"object","properties":{"url":{"type":"string","format":"uri","default":
        "https://e.example"},"mcp_servers":{}}}},{"type":"bash_20250124","name":"bash"}],"tool_choice":{"type":"auto"},"messages":[
        {"role":"user","content":"https://evil.example/?leak"},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"Fetch",
        "input":{"url":"https://f.example","type":"url","source":{"type":"url"}}}]},{"role":"user","content":[{"type":"tool_result",
        "tool_use_id":"1","content":[{"type":"text","text":"https://g.example"},{"type":"image","source":{"type":"base64",
        "media_type":"image/png","data":"aaaa"}}]}]}]}"#;
    assert_eq!(scan(Provider::Anthropic, messages), []);
    let responses = r#"{"model":"m","instructions":"https://x.example","input":[{"type":"message","role":"user","content":[
        {"type":"input_text","text":"https://evil.example"},{"type":"input_image","image_url":"data:image/png;base64,aa"}]},
        {"type":"function_call","name":"f","arguments":"{\"url\":\"https://a.example\"}","call_id":"1"},
        {"type":"function_call_output","call_id":"1","output":"https://b.example"},{"type":"reasoning","summary":[],
        "encrypted_content":"x"},{"type":"additional_tools","role":"developer","tools":[{"type":"namespace","name":"n","tools":[
        {"type":"custom","name":"exec","format":{"type":"grammar","syntax":"lark"}},{"type":"function","name":"f","parameters":{
        "type":"object","properties":{"container":{"type":"string"},"url":{"type":"string","default":"https://e.example"}}}}]}]},
        {"type":"configuration_update","reasoning":{"effort":"low"}}],"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"type":{"type":
        "url"}}}},{"type":"local_shell"}],"stream":true,"store":false,"include":["reasoning.encrypted_content"]}"#;
    assert_eq!(scan(Provider::OpenAi, responses), []);
    let chat = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":
        {"url":"data:image/png;base64,aa"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"mcp"}}}]}"#;
    assert_eq!(scan(Provider::OpenAi, chat), []);
    let generate = r#"{"contents":[{"role":"user","parts":[{"text":"https://evil.example"},{"inlineData":{"mimeType":"image/png",
        "data":"aa"}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"fileUri":"https://a.example"}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"fileData":{"fileUri":"https://a.example"}}}}]}],
        "tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}],
        "systemInstruction":{"parts":[{"text":"x"}]},"generationConfig":{"temperature":0}}"#;
    assert_eq!(scan(Provider::Gemini, generate), []);
    let wrapped = format!(r#"{{"model":"m","project":"p","request":{generate}}}"#);
    assert_eq!(scan(Provider::Gemini, &wrapped), []);
}

/// F6: each form, for the three shapes.
#[test]
fn f6_what_has_the_provider_act() {
    use Provider::{Anthropic, Gemini, OpenAi};
    let user = |content: &str| format!(r#"{{"messages":[{{"role":"user","content":[{content}]}}]}}"#);
    let input =
        |item: &str| format!(r#"{{"input":[{{"type":"message","role":"user","content":[{item}]}}]}}"#);
    let part = |part: &str| format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#);
    let url = "https://evil.example/?data";
    for (provider, body, expected) in [
        (
            Anthropic,
            user(&format!(
                r#"{{"type":"image","source":{{"type":"url","url":"{url}"}}}}"#
            )),
            FETCH,
        ),
        (
            Anthropic,
            user(&format!(
                r#"{{"type":"document","source":{{"type":"url","url":"{url}"}}}}"#
            )),
            FETCH,
        ),
        (
            Anthropic,
            user(r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#),
            "uses a file kept at the provider",
        ),
        (
            Anthropic,
            user(r#"{"type":"container_upload","file_id":"f"}"#),
            "uses a file kept at the provider",
        ),
        (
            Anthropic,
            r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#.into(),
            "searches the web",
        ),
        (
            Anthropic,
            r#"{"tools":[{"type":"web_fetch_20250910","name":"web_fetch"}]}"#.into(),
            FETCH,
        ),
        (
            Anthropic,
            r#"{"tools":[{"type":"code_execution_20250825"}]}"#.into(),
            "runs code on the provider's machines",
        ),
        (
            Anthropic,
            format!(r#"{{"mcp_servers":[{{"type":"url","url":"{url}"}}]}}"#),
            "calls another server",
        ),
        (
            Anthropic,
            r#"{"tools":[{"type":"newest_20270101"}]}"#.into(),
            "unknown",
        ),
        (Anthropic, user(r#"{"type":"newest"}"#), "unknown"),
        (
            Anthropic,
            user(r#"{"type":"image","source":{"type":"newest"}}"#),
            "unknown",
        ),
        (
            OpenAi,
            input(&format!(r#"{{"type":"input_image","image_url":"{url}"}}"#)),
            FETCH,
        ),
        (
            OpenAi,
            input(&format!(r#"{{"type":"input_file","file_url":"{url}"}}"#)),
            FETCH,
        ),
        (
            OpenAi,
            input(r#"{"type":"input_file","file_id":"f"}"#),
            "uses a file kept at the provider",
        ),
        (
            OpenAi,
            r#"{"tools":[{"type":"web_search"}]}"#.into(),
            "searches the web",
        ),
        (
            OpenAi,
            r#"{"tools":[{"type":"web_search_preview"}]}"#.into(),
            "searches the web",
        ),
        (
            OpenAi,
            r#"{"tools":[{"type":"code_interpreter"}]}"#.into(),
            "runs code on the provider's machines",
        ),
        (
            OpenAi,
            r#"{"tools":[{"type":"mcp","server_label":"x"}]}"#.into(),
            "calls another server",
        ),
        (
            OpenAi,
            format!(r#"{{"tools":[{{"type":"function","server_url":"{url}"}}]}}"#),
            "calls another server",
        ),
        (OpenAi, r#"{"tools":[{"type":"newest"}]}"#.into(), "unknown"),
        (
            OpenAi,
            r#"{"tools":[{"type":"namespace","tools":[{"type":"web_search"}]}]}"#.into(),
            "searches the web",
        ),
        (
            OpenAi,
            r#"{"input":[{"type":"additional_tools","tools":[{"type":"code_interpreter"}]}]}"#.into(),
            "runs code on the provider's machines",
        ),
        (
            OpenAi,
            r#"{"input":[{"type":"additional_tools","tools":[{"type":"namespace","tools":[{"type":"mcp"}]}]}]}"#.into(),
            "calls another server",
        ),
        (
            OpenAi,
            r#"{"input":[{"type":"tool_search_output","tools":[{"type":"newest"}]}]}"#.into(),
            "unknown",
        ),
        (
            OpenAi,
            r#"{"background":true}"#.into(),
            "uses what is kept at the provider",
        ),
        (
            OpenAi,
            r#"{"prompt":{"id":"pmpt_1"}}"#.into(),
            "uses what is kept at the provider",
        ),
        (OpenAi, r#"{"web_search_options":{}}"#.into(), "searches the web"),
        (
            OpenAi,
            user(&format!(
                r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#
            )),
            FETCH,
        ),
        (
            Gemini,
            part(&format!(r#"{{"fileData":{{"fileUri":"{url}"}}}}"#)),
            FETCH,
        ),
        (
            Gemini,
            part(&format!(r#"{{"file_data":{{"file_uri":"{url}"}}}}"#)),
            FETCH,
        ),
        (Gemini, part(r#"{"newest":{}}"#), "unknown"),
        (
            Gemini,
            r#"{"tools":[{"googleSearch":{}}]}"#.into(),
            "searches the web",
        ),
        (
            Gemini,
            r#"{"tools":[{"google_search":{}}]}"#.into(),
            "searches the web",
        ),
        (Gemini, r#"{"tools":[{"urlContext":{}}]}"#.into(), FETCH),
        (
            Gemini,
            r#"{"tools":[{"codeExecution":{}}]}"#.into(),
            "runs code on the provider's machines",
        ),
        (Gemini, r#"{"tools":[{"newest":{}}]}"#.into(), "unknown"),
        (
            Gemini,
            r#"{"model":"m","request":{"tools":[{"googleSearch":{}}]}}"#.into(),
            "searches the web",
        ),
        (
            Gemini,
            r#"{"request":{"contents":[{"parts":[{"newest":{}}]}]}}"#.into(),
            "unknown",
        ),
        (
            Gemini,
            r#"{"cachedContent":"cachedContents/x"}"#.into(),
            "uses what is kept at the provider",
        ),
    ] {
        assert!(
            acts(provider, &body).contains(&expected),
            "{body}: {:?}",
            scan(provider, &body)
        );
    }
}

#[test]
fn a_url_has_its_host_and_other_spellings_have_none() {
    let of = |url: &str| {
        let body = serde_json::json!({"newest": {"where": url}}).to_string();
        scan(Provider::Anthropic, &body)
    };
    let to = |text: &str| Some(Destination::authority(text.as_bytes(), None).unwrap());
    for (url, expected) in [
        ("https://evil.example/?x", to("evil.example:443")),
        ("http://evil.example:8080", to("evil.example:8080")),
        ("HTTPS://evil.example/", None),
        (" https://evil.example/", None),
        ("https://a@evil.example/", None),
        ("gs://bucket/x", None),
        ("h\tttps://evil.example/", None),
        ("https:\\\\evil.example", None),
    ] {
        let [
            Finding::Acts {
                what: FETCH, host, ..
            },
        ] = &of(url)[..]
        else {
            panic!("{url:?}: {:?}", of(url))
        };
        assert_eq!(*host, expected, "{url:?}");
    }
    for text in [
        "data:image/png;base64,//aa",
        "a: b",
        "12:30",
        "call://",
        "urn:x:y",
        "",
    ] {
        assert_eq!(of(text).len(), usize::from(text == "call://"), "{text:?}");
    }
}

/// Whichever of two equal keys a provider takes, both were judged.
#[test]
fn every_occurrence_counts() {
    let body = r#"{"tools":[{"type":"custom","type":"web_search_20250305"}],"tools":[{"type":"mcp_toolset","t\u0079pe":"custom"}]}"#;
    assert_eq!(
        acts(Provider::Anthropic, body),
        ["searches the web", "calls another server"]
    );
}

proptest! {
    #[test]
    fn no_bytes_panic_and_pieces_say_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..100), cut in 0..100usize) {
        for provider in [Provider::Anthropic, Provider::OpenAi, Provider::Gemini] {
            let whole = Scanner::new(provider).feed(&bytes);
            let mut scanner = Scanner::new(provider);
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            let pieces = scanner.feed(one).and_then(|mut found| {
                found.extend(scanner.feed(two)?);
                Ok(found)
            });
            prop_assert_eq!(whole, pieces);
        }
    }
}
