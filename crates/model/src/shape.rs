//! What endpoints are, and what each provider's fields mean. Tables; a word that is not in them is unknown.
//!
//! Sources: the providers' public API references, as of 2026. Keys are compared without `_` and case, since
//! Google's servers take both spellings (ProtoJSON).

/// Whose protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Messages.
    Anthropic,
    /// Responses and chat completions.
    OpenAi,
    /// `generateContent`.
    Gemini,
}

/// What a path of a provider's host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The model is asked; the body says what else would happen.
    Invoke,
    /// Nothing is asked and nothing kept: counts, lists, checks.
    Read,
    /// The provider keeps, runs or fetches something on its own: files, batches, fine-tuning, stored prompts.
    Remote,
    /// Not in the table.
    Unknown,
}

/// Whose host it is.
#[must_use]
pub fn provider(host: &str) -> Option<Provider> {
    match host {
        "api.anthropic.com" => Some(Provider::Anthropic),
        // The second is where the program of OpenAI asks with a login, as the second of Google's.
        "api.openai.com" | "chatgpt.com" => Some(Provider::OpenAi),
        "generativelanguage.googleapis.com" | "cloudcode-pa.googleapis.com" => Some(Provider::Gemini),
        _ => None,
    }
}

/// Paths: method, path with `*` for a segment and a final `**` for any rest, and what it is. First match counts.
type Row = (&'static str, &'static str, Endpoint);

const ANTHROPIC: &[Row] = &[
    ("POST", "/v1/messages", Endpoint::Invoke),
    ("POST", "/v1/complete", Endpoint::Invoke),
    ("POST", "/v1/messages/count_tokens", Endpoint::Invoke), // fetches the same sources
    ("GET", "/v1/models/**", Endpoint::Read),
    ("HEAD", "/**", Endpoint::Read),
    ("*", "/v1/messages/batches/**", Endpoint::Remote),
    ("*", "/v1/files/**", Endpoint::Remote),
    ("*", "/v1/skills/**", Endpoint::Remote),
];

const OPENAI: &[Row] = &[
    ("POST", "/v1/responses", Endpoint::Invoke),
    ("POST", "/v1/responses/compact", Endpoint::Invoke),
    ("POST", "/v1/responses/input_tokens", Endpoint::Invoke),
    ("POST", "/backend-api/codex/responses", Endpoint::Invoke),
    ("POST", "/backend-api/codex/responses/compact", Endpoint::Invoke),
    ("POST", "/v1/chat/completions", Endpoint::Invoke),
    ("POST", "/v1/completions", Endpoint::Invoke),
    ("POST", "/v1/embeddings", Endpoint::Invoke),
    ("POST", "/v1/moderations", Endpoint::Invoke),
    ("GET", "/v1/models/**", Endpoint::Read),
    ("HEAD", "/**", Endpoint::Read),
    ("*", "/v1/files/**", Endpoint::Remote),
    ("*", "/v1/uploads/**", Endpoint::Remote),
    ("*", "/v1/batches/**", Endpoint::Remote),
    ("*", "/v1/fine_tuning/**", Endpoint::Remote),
    ("*", "/v1/vector_stores/**", Endpoint::Remote),
    ("*", "/v1/containers/**", Endpoint::Remote),
    ("*", "/v1/assistants/**", Endpoint::Remote),
    ("*", "/v1/threads/**", Endpoint::Remote),
    ("*", "/v1/conversations/**", Endpoint::Remote),
    ("*", "/v1/evals/**", Endpoint::Remote),
];

const GEMINI: &[Row] = &[
    ("POST", "/*/models/*:generateContent", Endpoint::Invoke),
    ("POST", "/*/models/*:streamGenerateContent", Endpoint::Invoke),
    ("POST", "/*/models/*:countTokens", Endpoint::Invoke),
    ("POST", "/*/models/*:embedContent", Endpoint::Invoke),
    ("POST", "/*/models/*:batchEmbedContents", Endpoint::Invoke),
    ("POST", "/v1internal:generateContent", Endpoint::Invoke),
    ("POST", "/v1internal:streamGenerateContent", Endpoint::Invoke),
    ("POST", "/v1internal:countTokens", Endpoint::Invoke),
    // Which plan the account has, and what it may use.
    ("POST", "/v1internal:loadCodeAssist", Endpoint::Read),
    ("POST", "/v1internal:retrieveUserQuota", Endpoint::Read),
    ("POST", "/v1internal:listExperiments", Endpoint::Read),
    ("POST", "/v1internal:fetchAdminControls", Endpoint::Read),
    ("GET", "/*/models/**", Endpoint::Read),
    ("*", "/*/models/*:batchGenerateContent", Endpoint::Remote),
    ("*", "/*/files/**", Endpoint::Remote),
    ("*", "/upload/**", Endpoint::Remote),
    ("*", "/*/cachedContents/**", Endpoint::Remote),
    ("*", "/*/fileSearchStores/**", Endpoint::Remote),
    ("*", "/*/tunedModels/**", Endpoint::Remote),
    ("*", "/*/batches/**", Endpoint::Remote),
];

/// What a request's path is for. `path` is decoded.
#[must_use]
pub fn endpoint(provider: Provider, method: &str, path: &str) -> Endpoint {
    let rows = match provider {
        Provider::Anthropic => ANTHROPIC,
        Provider::OpenAi => OPENAI,
        Provider::Gemini => GEMINI,
    };
    let fits = |row: &&Row| (row.0 == "*" || row.0 == method) && path_fits(row.1, path);
    rows.iter().find(fits).map_or(Endpoint::Unknown, |row| row.2)
}

fn path_fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut got) = (pattern.split('/').skip(1), path.split('/').skip(1));
    loop {
        match (wanted.next(), got.next()) {
            (Some("**"), _) | (None, None) => return true,
            // `/v1/files` itself is of `/v1/files/**`.
            (Some(_), None) | (None, Some(_)) => return false,
            (Some(w), Some(g)) if !segment_fits(w, g) => return false,
            _ => {}
        }
    }
}

fn segment_fits(wanted: &str, got: &str) -> bool {
    match wanted.strip_prefix('*') {
        Some(rest) => {
            got.len() > rest.len() && got.ends_with(rest) && (!rest.is_empty() || !got.contains(':'))
        }
        None => wanted == got,
    }
}

/// What the provider would do.
pub(crate) type Act = &'static str;

/// A provider's fields.
pub(crate) struct Shape {
    /// A key below which the same may stand once more: what is sent with a login of Google's.
    pub(crate) wrapper: &'static str,
    /// Below these everything is the caller's own: schemas, arguments of calls, settings of a reply's form.
    pub(crate) opaque: &'static [&'static str],
    /// Keys of which the value is text, wherever they are.
    pub(crate) texts: &'static [&'static str],
    /// Keys of which the value is fetched from, whatever it looks like.
    pub(crate) urls: &'static [&'static str],
    /// Keys that have the provider act, wherever they are; with `/` in them, there only.
    pub(crate) acts: &'static [(&'static str, Act)],
    /// Kinds: the path at which `type` says one, those that are harmless, those by which the provider acts.
    pub(crate) kinds: &'static [Kinds],
    /// Objects whose keys are the kinds: a path, harmless keys, those by which the provider acts.
    pub(crate) keyed: &'static [Kinds],
}

/// A place and its words. A word that ends with `*` is the beginning of a dated name.
pub(crate) struct Kinds {
    /// Keys from the top joined by `/`; a first `**` stands for any keys above.
    pub(crate) at: &'static str,
    pub(crate) harmless: &'static [&'static str],
    pub(crate) acts: &'static [(&'static str, Act)],
}

pub(crate) const FETCH: Act = "fetches a URL";
const SEARCH: Act = "searches the web";
const CODE: Act = "runs code on the provider's machines";
const CONNECT: Act = "calls another server";
const FILE: Act = "uses a file kept at the provider";
const STATE: Act = "uses what is kept at the provider";

const MESSAGES: Shape = Shape {
    wrapper: "",
    opaque: &[
        "tools/input_schema",
        "messages/content/input",
        "messages/content/content/input",
        "metadata",
        "output_format/schema",
        "output_config/format/schema",
    ],
    texts: &[
        "text",
        "content",
        "system",
        "thinking",
        "signature",
        "data",
        "title",
        "context",
        "description",
        "citedtext",
        "prompt",
        "encryptedcontent",
        "name",
        "toolname",
    ],
    urls: &["url"],
    acts: &[
        ("mcpservers", CONNECT),
        ("container", CODE),
        ("fileid", FILE),
        ("skills", CODE),
    ],
    kinds: &[
        Kinds {
            at: "tools/type",
            harmless: &[
                "custom",
                "bash_*",
                "text_editor_*",
                "computer_*",
                "memory_*",
                "tool_search_tool_*",
            ],
            acts: &[
                ("web_search_*", SEARCH),
                ("web_fetch_*", FETCH),
                ("code_execution_*", CODE),
                ("mcp_toolset", CONNECT),
            ],
        },
        Kinds {
            at: "**/source/type",
            harmless: &["base64", "text", "content", "url"], // the URL itself is judged
            acts: &[("file", FILE)],
        },
        Kinds {
            at: "messages/content/type",
            harmless: &[
                "text",
                "image",
                "document",
                "search_result",
                "tool_use",
                "tool_result",
                "thinking",
                "redacted_thinking",
                "tool_reference",
                // What came back earlier, repeated.
                "server_tool_use",
                "web_search_tool_result",
                "web_fetch_tool_result",
                "tool_search_tool_result",
                "code_execution_tool_result",
                "bash_code_execution_tool_result",
                "text_editor_code_execution_tool_result",
                "mcp_tool_use",
                "mcp_tool_result",
                "compaction",
            ],
            acts: &[("container_upload", FILE)],
        },
        Kinds {
            at: "messages/content/content/type",
            harmless: &[
                "text",
                "image",
                "document",
                "search_result",
                "tool_reference",
                "web_search_result",
                "web_search_tool_result_error",
                "web_fetch_result",
                "tool_search_tool_search_result",
            ],
            acts: &[],
        },
    ],
    keyed: &[],
};

const RESPONSES: Shape = Shape {
    wrapper: "",
    opaque: &[
        "tools/parameters",
        "tools/function/parameters",
        "tools/format",
        // Of a namespace, of tools that come with the input, and both.
        "tools/tools/parameters",
        "tools/tools/format",
        "input/tools/parameters",
        "input/tools/format",
        "input/tools/tools/parameters",
        "input/tools/tools/format",
        "functions/parameters",
        "metadata",
        "text/format/schema",
        "response_format/json_schema/schema",
        "input/action",
        "input/arguments",
        "input/input",
    ],
    texts: &[
        "text",
        "content",
        "instructions",
        "arguments",
        "output",
        "summary",
        "encryptedcontent",
        "refusal",
        "description",
        "name",
        "data",
        "filedata",
        "input",
        "prompt",
        "suffix",
        "transcript",
        "aggregatedoutput",
        "promptcachekey",
        "safetyidentifier",
        "user",
    ],
    urls: &["url", "imageurl", "fileurl"],
    acts: &[
        ("fileid", FILE),
        ("fileids", FILE),
        ("vectorstoreids", FILE),
        ("serverurl", CONNECT),
        ("connectorid", CONNECT),
        ("websearchoptions", SEARCH),
        ("container", CODE),
        ("conversation", STATE),
        ("background", STATE),
        ("prompt/id", STATE), // a stored prompt brings tools of its own
    ],
    kinds: &[
        Kinds {
            // Also within a namespace, and where the input brings tools along (`additional_tools`).
            at: "**/tools/type",
            harmless: &[
                "function",
                "custom",
                "local_shell",
                "shell",
                "apply_patch",
                "computer_use_preview",
                "computer",
                "namespace",
                "tool_search",
            ],
            acts: &[
                ("web_search*", SEARCH),
                ("file_search", FILE),
                ("code_interpreter", CODE),
                ("image_generation", "makes images"),
                ("mcp", CONNECT),
            ],
        },
        Kinds {
            at: "input/type",
            harmless: &[
                "message",
                "function_call",
                "function_call_output",
                "custom_tool_call",
                "custom_tool_call_output",
                "reasoning",
                "local_shell_call",
                "local_shell_call_output",
                "shell_call",
                "shell_call_output",
                "apply_patch_call",
                "apply_patch_call_output",
                "computer_call",
                "computer_call_output",
                "item_reference",
                "web_search_call",
                "file_search_call",
                "code_interpreter_call",
                "image_generation_call",
                "mcp_call",
                "mcp_list_tools",
                "compaction",
                "tool_search_call",
                "tool_search_output",
                "additional_tools",
                "configuration_update", // how hard the model thinks from here on
                // Items of a list of texts to embed or check.
                "text",
                "image_url",
            ],
            acts: &[("mcp_approval_*", CONNECT)],
        },
        Kinds {
            at: "input/content/type",
            harmless: &[
                "input_text",
                "output_text",
                "input_image",
                "input_file",
                "input_audio",
                "refusal",
                "reasoning_text",
                "summary_text",
                "text",
                "encrypted_content",
            ],
            acts: &[],
        },
        Kinds {
            at: "messages/content/type",
            harmless: &["text", "image_url", "input_audio", "file", "refusal"],
            acts: &[],
        },
    ],
    keyed: &[],
};

const GENERATE: Shape = Shape {
    wrapper: "request",
    opaque: &[
        "tools/functiondeclarations/parameters",
        "tools/functiondeclarations/parametersjsonschema",
        "tools/functiondeclarations/response",
        "tools/functiondeclarations/responsejsonschema",
        "contents/parts/functioncall/args",
        "contents/parts/functionresponse/response",
        "generationconfig/responseschema",
        "generationconfig/responsejsonschema",
        "systeminstruction/parts/functioncall/args",
    ],
    texts: &[
        "text",
        "data",
        "thoughtsignature",
        "description",
        "name",
        "code",
        "output",
        "displayname",
    ],
    urls: &["fileuri"],
    acts: &[("cachedcontent", STATE), ("mcpservers", CONNECT)],
    kinds: &[],
    keyed: &[
        Kinds {
            at: "tools",
            harmless: &["functiondeclarations", "computeruse"],
            acts: &[
                ("googlesearch", SEARCH),
                ("googlesearchretrieval", SEARCH),
                ("googlemaps", SEARCH),
                ("urlcontext", FETCH),
                ("codeexecution", CODE),
                ("filesearch", FILE),
                ("retrieval", FILE),
                ("mcpservers", CONNECT),
            ],
        },
        Kinds {
            at: "contents/parts",
            harmless: &[
                "text",
                "filedata",
                "inlinedata",
                "functioncall",
                "functionresponse",
                "thought",
                "thoughtsignature",
                "executablecode",
                "codeexecutionresult",
                "videometadata",
                "mediaresolution",
                "partmetadata",
            ],
            acts: &[],
        },
    ],
};

impl Provider {
    pub(crate) fn shape(self) -> &'static Shape {
        match self {
            Provider::Anthropic => &MESSAGES,
            Provider::OpenAi => &RESPONSES,
            Provider::Gemini => &GENERATE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_what_they_are_for() {
        use Endpoint::{Invoke, Read, Remote, Unknown};
        use Provider::{Anthropic, Gemini, OpenAi};
        for (provider, method, path, expected) in [
            (Anthropic, "POST", "/v1/messages", Invoke),
            (Anthropic, "POST", "/v1/messages/batches", Remote),
            (Anthropic, "POST", "/v1/files", Remote),
            (Anthropic, "DELETE", "/v1/files/x", Remote),
            (Anthropic, "GET", "/v1/models", Read),
            (Anthropic, "GET", "/v1/messages", Unknown),
            (Anthropic, "POST", "/api/event_logging/v2/batch", Unknown),
            (OpenAi, "POST", "/v1/responses", Invoke),
            (OpenAi, "GET", "/v1/responses", Unknown),
            (OpenAi, "POST", "/v1/uploads", Remote),
            (OpenAi, "POST", "/v1/chat/completions", Invoke),
            (Gemini, "POST", "/v1beta/models/gemini-3:generateContent", Invoke),
            (
                Gemini,
                "POST",
                "/v1beta/models/gemini-3:streamGenerateContent",
                Invoke,
            ),
            (
                Gemini,
                "POST",
                "/v1beta/models/gemini-3:batchGenerateContent",
                Remote,
            ),
            (Gemini, "POST", "/upload/v1beta/files", Remote),
            (Gemini, "POST", "/v1internal:streamGenerateContent", Invoke),
            (Gemini, "POST", "/v1internal:newest", Unknown),
            (OpenAi, "POST", "/backend-api/codex/responses", Invoke),
            (OpenAi, "POST", "/backend-api/wham/tasks", Unknown),
            (Gemini, "POST", "/v1beta/models/x:y:generateContent", Invoke),
            (Gemini, "POST", "/v1beta/models/:generateContent", Unknown),
        ] {
            assert_eq!(endpoint(provider, method, path), expected, "{method} {path}");
        }
    }
}
