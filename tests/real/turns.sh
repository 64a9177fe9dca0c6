#!/usr/bin/env bash
# Whole turns of the agents' own programs: each asks its model's endpoint (tests/real/providers.py, in a network of its own),
# runs the command that comes back, sends what it printed, and ends. The key is put in at the boundary, and is nowhere inside.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"
# shellcheck source=tests/real/providers.bash
source "$(dirname "$0")/providers.bash"

# turns HOST FIELD AGENT…: in a project of its own; `state` is what the providers know.
turns() {
    local host=$1 field=$2
    shift 2
    project "$(basename "$state")"
    echo hello >hello.txt && commit_all
    ends 0 around "$FUMEHOOD_BIN" run -- "$@" "look around"
    has "$said" "the turn has ended well"
    python3 "${providers%/*}/turn.py" "$state" "$host" "$field" || { cat "$state/log" && return 1; }
    inside -- true && same "what the command wrote" 42 "$(cat made.txt)"
}

# a_turn HOST FIELD VARIABLE KEY AGENT…
a_turn() {
    local host=$1 field=$2 variable=$3 key=$4
    shift 4
    state=$scratch/key-$1
    mkdir -p "$state"
    echo "$key" >"$state/key"
    echo "cat hello.txt; echo stands-for-it \$$variable; expr 6 '*' 7 >made.txt; cat made.txt" >"$state/command"
    export "$variable=$key"
    turns "$host" "$field" "$@"
    # Nor is it in what is kept of the run: the agent's home, the log.
    same "files with the key" "" "$(grep -rlsF "$key" "$HOME/.local/state" "$work" || true)"
}

# a_login HOST FILE FIELDS PATTERN AGENT…: the file of a login, a token endpoint's answer to it, and how what stands for a
# token looks in the file. The access token ends in the middle of the turn. Twice: what was renewed is good the next time.
a_login() {
    local host=$1 file=$2 fields=$3 pattern=$4 token
    shift 4
    state=$scratch/login-$1
    mkdir -p "$state" "$(dirname "$file")"
    python3 "${providers%/*}/logins.py" "$1" "$file" "$state/tokens"
    echo "cat hello.txt; printf 'stands-for-it '; grep -oE '$pattern' '$file' | tail -n 1; expr 6 '*' 7 >made.txt; cat made.txt" \
        >"$state/command"
    turns "$host" authorization "$@"
    same "the login's file" "$(python3 "${providers%/*}/logins.py" same "$file" "$state/tokens" "$fields")" same
    same "its mode" 600 "$(stat -c %a "$file")"
    same "files beside it" "" "$(find "$(dirname "$file")" -name '*fumehood*')"
    for token in $(python3 "${providers%/*}/logins.py" issued "$file" "$state/tokens"); do
        same "files with a token" "" "$(grep -rlsF "$token" "$HOME/.local/state" "$work" || true)"
    done
    rm "$state/log"
    (cd "$work" && rm -rf "$(basename "$state")")
    turns "$host" authorization "$@"
}

google_login() {
    mkdir -p "$HOME/.gemini" "$scratch/login-gemini"
    printf '{\n  "security": {\n    "auth": {\n      "selectedType": "oauth-personal"\n    }\n  }\n}\n' >"$HOME/.gemini/settings.json"
    touch "$scratch/login-gemini/by-time"
    unset GEMINI_API_KEY
    a_login cloudcode-pa.googleapis.com "$HOME/.gemini/oauth_creds.json" access_token,refresh_token,id_token \
        'ya29\.[A-Za-z0-9]+' gemini --yolo --skip-trust -p
}

check 240 "Claude Code, a whole turn" a_turn api.anthropic.com x-api-key ANTHROPIC_API_KEY \
    sk-ant-api03-4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjtT1zdp7dc claude --dangerously-skip-permissions -p
check 240 "Codex, a whole turn" a_turn api.openai.com authorization CODEX_API_KEY \
    sk-proj-4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjt codex exec --dangerously-bypass-approvals-and-sandbox
check 240 "Gemini CLI, a whole turn" a_turn generativelanguage.googleapis.com x-goog-api-key GEMINI_API_KEY \
    AIzaSy4eC39HqLyjWDarjtT1zdp7dc4eC39HqLy gemini --yolo --skip-trust -p
check 400 "Claude Code, logged in, renewed in the middle of a turn" a_login api.anthropic.com \
    "$HOME/.claude/.credentials.json" claudeAiOauth.accessToken,claudeAiOauth.refreshToken 'sk-ant-oat01-[A-Za-z0-9]+' \
    claude --dangerously-skip-permissions -p
check 400 "Gemini CLI, logged in, renewed when its time is over" google_login
finish
