#!/usr/bin/env bash
# The agents' own programs, without a network: they start, they are at home, and their keys are not.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"
# shellcheck source=tests/real/screen.bash
source "$(dirname "$0")/screen.bash"
export PATH=$HOME/.npm-global/bin:$PATH

# The user's own settings and logins, as the agents leave them.
a_user() {
    mkdir -p "$HOME/.claude/skills/own" "$HOME/.codex/prompts" "$HOME/.gemini"
    echo '{ "theme": "dark", "model": "canary-model" }' >"$HOME/.claude/settings.json"
    echo 'be brief' >"$HOME/.claude/CLAUDE.md"
    echo 'own skill' >"$HOME/.claude/skills/own/SKILL.md"
    echo '{ "claudeAiOauth": { "accessToken": "canary-token" } }' >"$HOME/.claude/.credentials.json"
    echo '{ "oauthAccount": { "token": "canary-token" } }' >"$HOME/.claude.json"
    echo 'model = "canary-model"' >"$HOME/.codex/config.toml"
    echo 'be brief' >"$HOME/.codex/AGENTS.md"
    echo 'own prompt' >"$HOME/.codex/prompts/own.md"
    echo '{ "OPENAI_API_KEY": "canary-token" }' >"$HOME/.codex/auth.json"
    echo '{ "access_token": "canary-token" }' >"$HOME/.gemini/oauth_creds.json"
    echo 'be brief' >"$HOME/.gemini/GEMINI.md"
    find "$HOME/.claude" "$HOME/.claude.json" "$HOME/.codex" "$HOME/.gemini" -type f -exec cksum {} + | sort >"$scratch/user"
}

the_user_is_unchanged() {
    find "$HOME/.claude" "$HOME/.claude.json" "$HOME/.codex" "$HOME/.gemini" -type f -exec cksum {} + | sort | diff "$scratch/user" -
}

versions() {
    project versions
    for agent in claude codex gemini; do
        same "version of $agent" "$(HOME=$scratch "$agent" --version)" "$(inside -- "$agent" --version)"
    done
    same "status" "" "$(git status --porcelain --ignored)"
}

# first_screen AGENT COLUMNS TEXT…: one of the texts appears, and the agent ends cleanly.
first_screen() {
    local agent=$1 columns=$2
    shift 2
    project "first-$agent-$columns"
    screen one "$columns" 30 "trap : INT; stty -g >before; '$FUMEHOOD_BIN' run -- $agent; echo status \$?; (trap '' INT; stty -g >after)"
    await 30 shows_one_of "$@" || { shown one && return 1; }
    shown one
    await 40 ends_on_interrupt
    same "stty" "$(cat before)" "$(cat after)"
    terminal_is_clean one
    close one
    same "status" "" "$(git status --porcelain --ignored | grep -v -e before -e after || true)"
    await 5 gone || same "processes" "" "$(survivors)"
    the_user_is_unchanged
}

# As often as it takes: one that is still loading hears none, and how soon it loads is not the question.
ends_on_interrupt() {
    keys one C-c
    sleep 0.4
    shows one ended
}

shows_one_of() {
    local text
    for text in "$@"; do
        shows one "$text" && return
    done
    return 1
}

# An agent's name on the command line decides; what runs is a shell in its place.
as_agent() {
    local agent=$1
    mkdir -p "$work/bin"
    printf '#!/bin/sh\nexec sh -xc "$1"\n' >"$work/bin/$agent"
    chmod +x "$work/bin/$agent"
    PATH=$work/bin:$PATH inside -- "$@"
}

the_home_is_kept() {
    project kept
    as_agent claude 'echo "said before" >~/.claude/history.jsonl; echo "{}" >~/.claude.json; echo "evil" >~/.bashrc
        mkdir -p ~/.claude/hooks ~/.claude/projects/p ~/.config/autostart; echo evil >~/.claude/hooks/h; echo evil >~/.config/autostart/x
        echo s >~/.claude/projects/p/session; echo "{}" >~/.claude/settings.local.json'
    as_agent claude 'test "$(cat ~/.claude/history.jsonl)" = "said before" && test -e ~/.claude/projects/p/session && test "$(cat ~/.claude.json)" = "{}"
        test ! -e ~/.bashrc && test ! -e ~/.claude/hooks/h && test ! -e ~/.config/autostart/x && test ! -e ~/.claude/settings.local.json' || return
    as_agent codex 'echo x >~/.codex/history.jsonl; echo evil >~/.profile; echo evil >~/.codex/hooks.json; mkdir -p ~/.codex/skills/s; echo evil >~/.codex/skills/s/SKILL.md'
    as_agent codex 'test -e ~/.codex/history.jsonl && test ! -e ~/.profile && test ! -e ~/.codex/hooks.json && test ! -e ~/.codex/skills/s && test ! -e ~/.claude/history.jsonl'
    project other
    as_agent claude 'test ! -e ~/.claude/history.jsonl'
    the_user_is_unchanged
}

# Without a network it tries for minutes; the conversation is on disk before it begins to.
converse() {
    local word=$1 pid status=0
    shift
    ANTHROPIC_API_KEY=sk-ant-none timeout 60 "$FUMEHOOD_BIN" run --env ANTHROPIC_API_KEY -- claude -p "$@" "$word" \
        >"$scratch/talk" 2>&1 &
    pid=$!
    await 45 grep -rqs "$word" "$homes" || { cat "$scratch/talk" && find "$homes" && status=1; }
    kill -TERM "$pid" && wait "$pid" || true
    return $status
}

# What resuming needs survives the cleaning between two sessions, what was planted does not, and the program starts.
a_conversation_is_found_again() {
    local homes=$HOME/.local/state/fumehood/homes talks
    project resumed
    rm -rf "$homes"/*-claude-code
    converse first-word
    talks=("$homes"/*-claude-code/.claude/projects/*/*.jsonl)
    same "conversations" 1 "${#talks[@]}"
    as_agent claude 'echo "{ \"mcpServers\": { \"x\": { \"command\": \"/bin/evil\" } }, \"hasCompletedOnboarding\": true }" >~/.claude.json'
    converse second-word --resume "$(basename "${talks[0]}" .jsonl)"
    has "$(cat "${talks[0]}")" second-word
    lacks "$(cat "$scratch/talk")" "No conversation found"
    has "$(cat "$scratch/talk")" "not carried over from an earlier session: .claude.json: mcpServers"
    lacks "$(cat "$homes"/*-claude-code/.claude.json)" evil
    ends 1 env ANTHROPIC_API_KEY=sk-ant-none "$FUMEHOOD_BIN" run --env ANTHROPIC_API_KEY -- claude -p --resume 11111111-1111-4111-8111-111111111111 x
    has "$said" "No conversation found"
    the_user_is_unchanged
}

# Codex unpacks programs into its home and runs them: none of an earlier session's.
programs_are_not_kept() {
    project programs
    as_agent codex 'mkdir -p ~/.codex/packages/releases ~/.codex/tmp ~/.codex/sessions/2026; echo evil >~/.codex/packages/releases/codex
        echo evil >~/.codex/queue_1.sqlite; echo evil >~/.codex/auth.json; echo talk >~/.codex/sessions/2026/rollout-1.jsonl'
    as_agent codex 'test ! -e ~/.codex/packages && test ! -e ~/.codex/queue_1.sqlite && test ! -e ~/.codex/auth.json && test -e ~/.codex/sessions/2026/rollout-1.jsonl'
}

settings_are_seen_and_logins_are_not() {
    project settings
    as_agent claude '
        test "$(cat ~/.claude/CLAUDE.md)" = "be brief" && grep -q canary-model ~/.claude/settings.json && test -e ~/.claude/skills/own/SKILL.md || exit 1
        ! (echo x >>~/.claude/CLAUDE.md) && ! (echo x >>~/.claude/settings.json) && ! (echo x >~/.claude/skills/own/more) && ! rm ~/.claude/settings.json || exit 1
        ! mv ~/.claude/skills ~/.claude/gone || exit 1
        test ! -e ~/.claude/.credentials.json && ! grep -rqs canary-token ~ || exit 1'
    as_agent codex '
        test "$(cat ~/.codex/AGENTS.md)" = "be brief" && grep -q canary-model ~/.codex/config.toml && test -e ~/.codex/prompts/own.md || exit 1
        ! (echo x >>~/.codex/AGENTS.md) && ! (echo x >>~/.codex/config.toml) || exit 1
        test ! -e ~/.codex/auth.json && ! grep -rqs canary-token ~ || exit 1'
    as_agent gemini 'test -e ~/.gemini/GEMINI.md && test ! -e ~/.gemini/oauth_creds.json && ! grep -rqs canary-token ~ || exit 1'
    ANTHROPIC_API_KEY=canary-token OPENAI_API_KEY=canary-token as_agent claude '! env | grep -q canary-token'
    the_user_is_unchanged
}

settings_with_a_key_stay_out() {
    project screened
    cp "$HOME/.claude/settings.json" "$scratch/settings"
    echo '{ "env": { "ANTHROPIC_AUTH_TOKEN": "sk-ant-api03-canaryCANARY0123456789canaryCANARY0123456789" } }' >"$HOME/.claude/settings.json"
    as_agent claude '! grep -rqs canaryCANARY ~ || exit 1' || { cp "$scratch/settings" "$HOME/.claude/settings.json" && return 1; }
    cp "$scratch/settings" "$HOME/.claude/settings.json"
}

headless() {
    project headless
    ends 1 inside -- claude -p hello --dangerously-skip-permissions
    lacks "$said" "root/sudo"
    the_user_is_unchanged
}

a_user
check 60 "versions" versions
check 120 "Claude Code's first screen, 80 columns" first_screen claude 80 'Welcome to Claude' 'text style' 'trust' 'Unable to connect' 'login'
check 120 "Claude Code's first screen, 100 columns" first_screen claude 100 'Welcome to Claude' 'text style' 'trust' 'Unable to connect' 'login'
check 120 "Codex's first screen, 60 columns" first_screen codex 60 'Welcome to Codex' 'Sign in' 'OpenAI' 'trust'
check 120 "Codex's first screen, 100 columns" first_screen codex 100 'Welcome to Codex' 'Sign in' 'OpenAI' 'trust'
check 120 "Gemini CLI's first screen, 80 columns" first_screen gemini 80 'trust' 'Gemini' 'auth'
check 60 "the home is kept, what was planted is not" the_home_is_kept
check 120 "Claude Code finds its conversation again" a_conversation_is_found_again
check 30 "programs in an agent's home are not kept" programs_are_not_kept
check 60 "settings are seen read-only, logins and keys are not" settings_are_seen_and_logins_are_not
check 30 "settings that hold a key stay out" settings_with_a_key_stay_out
check 60 "Claude Code without a terminal or a network says so and ends" headless
close_all
finish
