#!/usr/bin/env bash
# Gating as an agent's own permission layer: whole turns of the agents' own programs in which they do not ask, since the
# boundary holds; and what their hook does where it does not (docs/agents.md).
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"
# shellcheck source=tests/real/providers.bash
source "$(dirname "$0")/providers.bash"

# a_turn NAME COMMAND…: a project, the providers, and one turn; what the tool gave back is in $result. The command says where
# it runs: what lies in the root of each sandbox, and a secret of the home.
a_turn() {
    state=$scratch/$1
    mkdir -p "$state" "$HOME/.ssh"
    echo canary-of-the-home >"$HOME/.ssh/id_canary"
    echo sk-ant-api03-4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjtT1zdp7dc >"$state/key"
    export ANTHROPIC_API_KEY=sk-ant-api03-4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjtT1zdp7dc
    export CODEX_API_KEY=sk-proj-4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjt GEMINI_API_KEY=AIzaSy4eC39HqLyjWDarjtT1zdp7dc4eC39HqLy
    export CLAUDE_CODE_TMPDIR=$scratch # outside, what it leaves is not to lie in a shared folder
    # Who is root there is refused to skip the agent's questions outside, unless it says that it is contained.
    export IS_SANDBOX=1
    echo 'echo stands-for-it ran; test -d /.fumehood && echo in-a-sandbox; cat ~/.ssh/id_canary; expr 6 "*" 7 >made.txt' >"$state/command"
    [[ -z ${call:-} ]] || echo "$call" >"$state/call"
    project "$1"
    echo hello >hello.txt && commit_all
    # Gemini CLI trusts no other file than this one's.
    ends 0 around sh -c 'NODE_EXTRA_CA_CERTS=$SSL_CERT_FILE exec "$@"' agent "${@:2}" "look around"
    has "$said" "the turn has ended well"
    result=$(python3 -c 'import json, sys
print(next(one["result"] for one in map(json.loads, open(sys.argv[1])) if "result" in one))' "$state/log")
}

# What runs in a sandbox, sees nothing of the home, and changes nothing that is not kept or applied.
in_a_sandbox() {
    has "$result" "stands-for-it ran"
    has "$result" in-a-sandbox
    lacks "$result" canary-of-the-home
}

without_prompts() {
    a_turn "$1" "$FUMEHOOD_BIN" run --no-prompts -- "${@:2}"
    in_a_sandbox
    [[ ! -e made.txt ]]
    "$FUMEHOOD_BIN" apply --all >/dev/null && same "what the command wrote" 42 "$(cat made.txt)"
}

# The control of all others: an agent that may ask, and has nobody to ask, does not run it.
asks_by_itself() {
    a_turn asks "$FUMEHOOD_BIN" run -- claude -p
    lacks "$result" "stands-for-it ran"
    lacks "$said" "kept back"
}

kept_where_it_cannot_be_undone() {
    project live
    ends 125 "$FUMEHOOD_BIN" run --live --no-prompts -- claude -p x
    mkdir -p "$HOME/.config/fumehood"
    printf 'version = 1\nworkspace = { apply = "live" }\n' >"$HOME/.config/fumehood/config.toml"
    ends 125 "$FUMEHOOD_BIN" run --no-prompts -- claude -p x
    has "$said" "cannot be undone"
    rm "$HOME/.config/fumehood/config.toml"
    ends 125 "$FUMEHOOD_BIN" run --no-prompts -- true
    has "$said" "none of the agents"
}

# hooked AGENT FILE: as a user puts it into the agent's settings.
hooked() {
    mkdir -p "$(dirname "$2")"
    "$FUMEHOOD_BIN" hook "$1" --print >"$2"
}

the_hook_says_yes_inside() {
    hooked claude-code "$HOME/.claude/settings.json"
    a_turn hook-inside "$FUMEHOOD_BIN" run -- claude -p
    in_a_sandbox
    [[ ! -e made.txt ]]
    # Where the project itself is written, the agent asks as it does without.
    a_turn hook-live "$FUMEHOOD_BIN" run --live -- claude -p
    lacks "$result" "stands-for-it ran"
}

# Outside a command is brought into a sandbox, and its changes into the project.
routed() {
    a_turn "$@"
    in_a_sandbox
    same "what the command wrote" 42 "$(cat made.txt)"
    "$FUMEHOOD_BIN" undo
    [[ ! -e made.txt ]]
}

claude_outside() {
    hooked claude-code "$HOME/.claude/settings.json"
    routed claude-asks claude -p
    routed claude-does-not-ask claude --dangerously-skip-permissions -p
    call="{ \"name\": \"Write\", \"input\": { \"file_path\": \"$work/claude-writes/planted\", \"content\": \"x\" } }"
    # A checkout that says it is inside is not believed.
    FUMEHOOD=1 a_turn claude-writes claude --dangerously-skip-permissions -p
    has "$result" "fumehood run"
    [[ ! -e planted ]]
    # The control: without the hook it is written.
    rm "$HOME/.claude/settings.json"
    call=${call/claude-writes/claude-without}
    a_turn claude-without claude --dangerously-skip-permissions -p
    [[ -e planted ]]
}

codex_outside() {
    hooked codex "$HOME/.codex/hooks.json"
    routed codex-does-not-ask codex exec --dangerously-bypass-approvals-and-sandbox --dangerously-bypass-hook-trust
}

gemini_outside() {
    hooked gemini "$HOME/.gemini/settings.json"
    routed gemini-does-not-ask gemini --yolo --skip-trust -p
    call='{ "name": "write_file", "input": { "file_path": "planted", "content": "x" } }'
    a_turn gemini-writes gemini --yolo --skip-trust -p
    has "$result" "fumehood run"
    [[ ! -e planted ]]
}

check 400 "an agent that may ask, and cannot, does not act" asks_by_itself
check 400 "Claude Code does not ask inside" without_prompts claude claude -p
check 400 "Codex does not ask inside" without_prompts codex codex exec
check 400 "Gemini CLI does not ask inside" without_prompts gemini gemini -p
check 60 "where nothing can be undone, an agent's questions stay" kept_where_it_cannot_be_undone
check 400 "Claude Code's hook says yes inside, where it can be undone" the_hook_says_yes_inside
check 700 "outside, Claude Code's commands go into a sandbox, and what nobody asks about is refused" claude_outside
check 400 "outside, Codex's commands go into a sandbox" codex_outside
check 500 "outside, Gemini CLI's commands go into a sandbox, and its files are refused" gemini_outside
finish
