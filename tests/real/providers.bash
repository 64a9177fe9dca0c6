# Agents with the stand-ins of their models' endpoints around them: sourced after checks.bash.

export PATH=$HOME/.npm-global/bin:$PATH
providers=$(cd "$(dirname "$0")" && pwd)/providers.py
# As of an account that has not used them: other families leave settings, logins and agents' homes.
# Of overlays there are folders that nobody may enter.
chmod -R u+rwX "$HOME/.local/state/fumehood" 2>/dev/null
rm -rf "$HOME"/.claude "$HOME"/.claude.json "$HOME"/.codex "$HOME"/.gemini "$HOME"/.config/fumehood "$HOME"/.local/state/fumehood

# around COMMAND…: with the providers around it; as a user in a user namespace of its own.
around() {
    local own=(--net --mount)
    ((UID == 0)) || own+=(--user --map-root-user)
    SANDBOX_KEPT=$HOME/.npm-global:$HOME/.cargo:$HOME/.rustup timeout --foreground -k 3 150 \
        unshare "${own[@]}" /usr/bin/python3 "$providers" "$state" "$@"
}
