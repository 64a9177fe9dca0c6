# A user's terminal, played by tmux: sourced after checks.bash.

# All screens are windows of one private server, named and placed for this run.
export TMUX_TMPDIR=$scratch
unset TMUX

mux() {
    timeout -k 1 10 tmux -L real -f /dev/null "$@"
}

# The server's own words and folder say nothing of this run: see survivors.
(cd / && mux new-session -d -s base 'exec sleep 100000')

# screen NAME COLUMNS ROWS SCRIPT: bash runs the script in the current folder. The window stays when it ends,
# also under a Ctrl-C that comes late.
screen() {
    close "$1"
    mux new-session -d -s "$1" -x "$2" -y "$3" "trap : INT; bash --norc --noprofile -c $(printf %q "$4"); trap '' INT; echo; echo ended; exec sleep 1000"
    mux set-option -t "$1" status off
    mux set-option -t "$1" window-size manual
    mux resize-window -t "$1" -x "$2" -y "$3"
}

# prompt NAME COLUMNS ROWS: an interactive shell with job control, "ready>" its prompt.
prompt() {
    close "$1"
    mux new-session -d -s "$1" -x "$2" -y "$3" "env PS1='ready>' bash --norc --noprofile -i"
    mux set-option -t "$1" status off
    mux set-option -t "$1" window-size manual
    mux resize-window -t "$1" -x "$2" -y "$3"
}

keys() { mux send-keys -t "$1" "${@:2}"; }

shown() { mux capture-pane -p -t "$1"; }

# The rows that belong to the program: all but the last.
rows() { shown "$1" | head -n "$2"; }

shows() { [[ $(shown "$1") == *"$2"* ]]; }

# awaits NAME TEXT [SECONDS]
awaits() {
    await "${3:-10}" shows "$1" "$2" && return
    shown "$1"
    return 1
}

resize() { mux resize-window -t "$1" -x "$2" -y "$3"; }

fact() { mux display-message -p -t "$1" "#{$2}"; }

# Nothing of a full-screen program may stay in the user's terminal.
terminal_is_clean() {
    same "alternate screen" 0 "$(fact "$1" alternate_on)"
    same "cursor shown" 1 "$(fact "$1" cursor_flag)"
    same "mouse" 0 "$(fact "$1" mouse_any_flag)"
    same "keypad" 0 "$(fact "$1" keypad_flag)"
    same "cursor keys" 0 "$(fact "$1" keypad_cursor_flag)"
    same "scroll region" "0 $(($(fact "$1" pane_height) - 1))" "$(fact "$1" scroll_region_upper) $(fact "$1" scroll_region_lower)"
}

close() { mux kill-session -t "$1" 2>/dev/null || true; }

close_all() {
    mux kill-server 2>/dev/null || true
    rm -rf "$scratch"/tmux-*
}
