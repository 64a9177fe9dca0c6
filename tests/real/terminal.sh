#!/usr/bin/env bash
# The terminal: full-screen programs, job control, resizing, streams, and what is left of it after
# any of our processes is killed.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"
# shellcheck source=tests/real/screen.bash
source "$(dirname "$0")/screen.bash"

run="'$FUMEHOOD_BIN' run --"

# The same program with and without the sandbox, both with 80 columns and 23 rows of their own.
looks_the_same() {
    local text=$1 script=$2
    shift 2
    # Without the line that is said at the start, which would move what follows.
    screen outside 80 23 "$script 2>/dev/null"
    screen within 80 24 "$run $script 2>/dev/null"
    awaits outside "$text"
    awaits within "$text"
    alike
    for key in "$@"; do
        press "$key"
        alike
    done
    close outside
    close within
}

# Every key here changes the screen or moves the cursor. The next one comes when both programs have
# answered this one: two screens that still agree on what was there before have answered nothing.
press() {
    local one
    local -A before
    for one in outside within; do before[$one]=$(picture $one); done
    for one in outside within; do keys $one "$1"; done
    for one in outside within; do
        await 20 changed $one "${before[$one]}" || { echo "$1 changes nothing $one" && return 1; }
    done
}

changed() { [[ $(picture "$1") != "$2" ]]; }

# Drawing takes a moment: the screens must come to agree, colours, attributes and cursor included.
agree() {
    [[ $(picture outside) == "$(picture within)" ]]
}

alike() {
    await 20 agree && return
    diff <(picture outside) <(picture within)
}

picture() {
    mux capture-pane -p -e -t "$1" | head -n 23 | python3 "$(dirname "$0")/cells.py"
    echo "cursor at $(fact "$1" cursor_x) $(fact "$1" cursor_y)"
}

files_for_screens() {
    project "$1"
    seq -f 'line %g of a long file with words to look at' 1 500 >long.txt
    printf 'fn main() {\n    let s = "héllo wörld 日本語 ✓ 👍";\n}\n' >wide.rs
    printf 'int main(void)\n{\n\treturn 0; /* comment */\n}\n' >c.c
}

vim_looks_the_same() {
    files_for_screens vim
    looks_the_same 'line 1 of' 'vim -n -u NONE -N -i NONE long.txt' C-f C-f G gg /300 Enter dd yyp ':split' Enter ':set number' Enter
    looks_the_same 'comment' 'vim -n --clean -c "syntax on" c.c' ':vsplit wide.rs' Enter ihello Escape
    looks_the_same 'llo' 'vim -n --clean wide.rs' '$' x u
}

less_looks_the_same() {
    files_for_screens less
    looks_the_same 'line 1 of' 'less long.txt' Space Space b G g /250 Enter
    looks_the_same 'line 1 of' 'less -N -S long.txt' Right Left
    looks_the_same 'llo' 'less wide.rs' h
}

# The processes, their number and the widths that follow from it differ; the frame does not.
monitors_look_the_same() {
    project monitors
    screen outside 80 23 'htop -d 100'
    screen within 80 24 "$run htop -d 100"
    for one in outside within; do
        awaits $one F10Quit
        has "$(shown $one)" 'PID USER'
    done
    same "last row" "$(shown outside | sed -n 23p)" "$(shown within | sed -n 23p)"
    same "columns" "$(shown outside | grep -o 'PRI  NI .*CPU%.MEM%')" "$(shown within | grep -o 'PRI  NI .*CPU%.MEM%')"
    keys within F6
    awaits within 'Sort by'
    keys within Escape
    await 5 shows within Tasks
    keys within q
    awaits within ended
    terminal_is_clean within
    close within
    screen within 80 24 "$run top -d 10"
    awaits within 'PID USER'
    lacks "$(shown within)" tmux
    keys within q
    awaits within ended
    close within
    close outside
}

# A program may ask at once and only once.
the_size_is_there_at_the_start() {
    project first-size
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        screen one 91 24 "$run stty size"
        awaits one ended
        has "$(shown one)" '23 91'
        close one
    done
}

resizing() {
    project resizing
    screen one 80 24 "$run bash --norc --noprofile -c 'trap \"stty size\" WINCH; stty size; while :; do sleep 0.05; done'"
    awaits one '23 80'
    resize one 100 40
    awaits one '39 100'
    resize one 60 12
    awaits one '11 60'
    keys one C-c
    awaits one ended
    close one
    files_for_screens resizing-vim
    screen outside 80 23 'vim -n -u NONE -N -i NONE long.txt'
    screen within 80 24 "$run vim -n -u NONE -N -i NONE long.txt"
    awaits outside 'line 1 of' && awaits within 'line 1 of'
    resize outside 100 30 && resize within 100 31
    same_rows 30
    resize outside 61 9 && resize within 61 10
    same_rows 9
    close outside && close within
}

same_rows() {
    await 5 rows_agree "$1" || diff <(rows outside "$1") <(rows within "$1")
}

rows_agree() { [[ $(rows outside "$1") == "$(rows within "$1")" ]]; }

interrupting() {
    project interrupting
    screen one 80 24 "$run sh -c 'echo started; sleep 100'; echo status \$?"
    awaits one started
    keys one C-c
    awaits one 'status 130'
    terminal_is_clean one
    close one
    screen one 80 24 "$run bash --norc --noprofile -c 'trap \"echo caught\" INT; echo started; while read -r l; do echo got \$l; done; echo end of input'"
    awaits one started
    keys one C-c
    awaits one caught
    keys one hello Enter
    awaits one 'got hello'
    keys one C-d
    awaits one 'end of input'
    awaits one ended
    close one
}

job_control() {
    files_for_screens jobs
    prompt one 80 24
    awaits one 'ready>'
    keys one "'$FUMEHOOD_BIN' run -- vim -n -u NONE -N -i NONE long.txt" Enter
    awaits one 'line 20 of'
    keys one C-z
    awaits one Stopped
    terminal_is_clean one
    keys one 'echo in be''tween' Enter
    awaits one 'in between'
    # The shell itself says how it ended: what is typed while the run still has the terminal goes to the run.
    keys one 'fg; echo status=$?' Enter
    awaits one 'line 20 of'
    keys one ':q' Enter
    awaits one 'status=0'
    terminal_is_clean one
    close one
}

jobs_of_a_shell_inside() {
    project shell-inside
    screen one 80 24 "$run bash --norc --noprofile -i"
    awaits one 'bash-'
    local napping
    napping="sleep 1000.$$"
    keys one "$napping" Enter
    await 10 is_in_state "$napping" S
    keys one C-z
    awaits one Stopped
    keys one 'fg' Enter
    await 10 is_in_state "$napping" S
    keys one C-c
    keys one 'echo still $((40 + 2))' Enter
    awaits one 'still 42'
    lacks "$(shown one)" 'no job control'
    keys one 'exit' Enter
    awaits one ended
    close one
}

# is_in_state COMMAND STATE: of the processes with exactly these words.
is_in_state() {
    local pid
    for pid in $(pgrep -fx "$1"); do
        [[ $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null) == "$2 "* ]] && return
    done
    return 1
}

ten_million_bytes() {
    project bytes
    head -c 10000000 /dev/urandom >bytes
    inside -- cat <bytes | cmp - bytes
    inside -- sh -c 'cat bytes' | cmp - bytes
    cat bytes | inside -- sh -c 'cat >copied'
    cmp bytes copied
    same "standard error" 10000000 "$(inside -- sh -c 'cat bytes >&2' 2>&1 >/dev/null | wc -c)"
    same "of a closed pipe" 10 "$(inside -- seq 1 10000000 | head -n 10 | wc -l)"
}

# SCRIPT of a terminal's shell, TEXT to wait for, keys: the terminal is afterwards as it was.
leaves_the_terminal_alone() {
    local script=$1 text=$2
    shift 2
    screen one 80 24 "stty -g >before; $script; stty -g >after"
    [[ -z $text ]] || awaits one "$text"
    [[ -z $text ]] || keys one "$@"
    awaits one ended
    same "stty" "$(cat before)" "$(cat after)"
    terminal_is_clean one
    close one
}

pipes_at_a_terminal() {
    project pipes
    leaves_the_terminal_alone "$run seq 1 500 | less" ':' q
    leaves_the_terminal_alone "$run seq 1 100000 | head -n 5" ''
    leaves_the_terminal_alone "$run sh -c 'printf \"\\033[?1049h\\033[?1000h\\033[?25l\\033=\"'" ''
    leaves_the_terminal_alone "$run sh -c 'stty raw -echo'" ''
    leaves_the_terminal_alone "$run sh -c 'echo to a file' >out; cat out" ''
    same "out" "to a file" "$(cat out)"
    leaves_the_terminal_alone "echo typed | $run cat" ''
}

# Whose parent is $1 and whose name is $2.
child_named() {
    local pid
    for pid in $(pgrep -P "$1"); do
        [[ $(cat "/proc/$pid/comm") == "$2" ]] && echo "$pid"
    done
    return 0
}

supervisor_of() {
    local pid
    for pid in $(pgrep -P "$(fact "$1" pane_pid)") $(pgrep -P "$(pgrep -P "$(fact "$1" pane_pid)" | head -n 1)"); do
        [[ $(tr '\0' ' ' <"/proc/$pid/cmdline") == "$FUMEHOOD_BIN run"* ]] && echo "$pid" && return
    done
    return 1
}

killed() {
    local who=$1 supervisor victim
    files_for_screens "killed-$who"
    # The shell goes on the moment its child dies; the relay notices that as well, and puts the terminal
    # in order a moment later.
    screen one 80 24 "stty -g >before; $run vim -n -u NONE -N -i NONE long.txt; echo status \$?; sleep 1; stty -g >after"
    awaits one 'line 20 of'
    supervisor=$(supervisor_of one)
    case $who in
        supervisor) victim=$supervisor ;;
        relay) victim=$(child_named "$supervisor" fumehood-tty) ;;
        first) victim=$(pgrep -P "$supervisor" | while read -r p; do [[ $(cat /proc/$p/comm) == fumehood-* ]] || echo "$p"; done | head -n 1) ;;
    esac
    test -n "$victim"
    kill -KILL "$victim"
    awaits one ended
    await 5 no_children_left "$supervisor"
    same "stty" "$(cat before)" "$(cat after)"
    terminal_is_clean one
    close one
    await 5 gone || same "processes" "" "$(survivors)"
}

no_children_left() { [[ ! -e /proc/$1 && -z $(pgrep -f "vim -n -u NONE -N -i NONE long.txt" -u "$(id -u)" | xargs -r -I{} readlink /proc/{}/cwd | grep -F "$PWD") ]]; }

hangup() {
    files_for_screens hangup
    screen one 80 24 "$run vim -n -u NONE -N -i NONE long.txt"
    awaits one 'line 20 of'
    supervisor=$(supervisor_of one)
    close one
    await 5 no_children_left "$supervisor"
}

check 120 "vim looks the same" vim_looks_the_same
check 90 "less looks the same" less_looks_the_same
check 60 "htop and top look the same" monitors_look_the_same
check 60 "the size is there at the start" the_size_is_there_at_the_start
check 60 "the size follows" resizing
check 40 "Ctrl-C and Ctrl-D" interrupting
check 40 "Ctrl-Z and fg of a full-screen program" job_control
check 40 "jobs of a shell inside" jobs_of_a_shell_inside
check 60 "ten million bytes each way" ten_million_bytes
check 90 "pipes and broken programs leave the terminal as it was" pipes_at_a_terminal
check 40 "the supervisor is killed" killed supervisor
check 40 "the relay is killed" killed relay
check 40 "the first process is killed" killed first
check 30 "the terminal hangs up" hangup
close_all
finish
