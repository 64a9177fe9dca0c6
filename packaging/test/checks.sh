# Shared by the steps under tests/steps that look at packaging: sourced, not run.
# A check that cannot be made is a failure; nothing is skipped.

passed=0
failed=0
failures=()

# check WHAT COMMAND…: one check; what the command wrote is shown when it fails.
check() {
    local what=$1 log
    shift
    if log=$("$@" 2>&1); then
        passed=$((passed + 1))
        printf '  ok    %s\n' "$what"
    else
        failed=$((failed + 1))
        failures+=("$what")
        printf '  FAIL  %s\n' "$what"
        printf '%s\n' "$log" | sed -n '1,40s/^/        /p'
    fi
}

# refused WHAT TEXT COMMAND…: the command must fail, and say TEXT (an extended regular expression).
refused() {
    local what=$1 text=$2
    shift 2
    check "$what" must_refuse "$text" "$@"
}

must_refuse() {
    local text=$1 log status=0
    shift
    log=$("$@" 2>&1) || status=$?
    printf 'status %s: %s\n' "$status" "$log"
    [ "$status" -ne 0 ] && printf '%s' "$log" | grep -qE -- "$text"
}

# need COMMAND PACKAGE: a tool, from the distribution where it is missing.
need() {
    command -v "$1" >/dev/null && return
    if [ -z "${lists_fresh:-}" ]; then
        timeout 300 apt-get -qq update
        lists_fresh=yes
    fi
    DEBIAN_FRONTEND=noninteractive timeout 300 \
        apt-get -qq install --no-install-recommends -y "$2" >/dev/null
    command -v "$1" >/dev/null || { echo "$2 holds no $1" >&2; exit 1; }
}

# The last line of a step and its status.
finish() {
    [ "$failed" -eq 0 ] || printf 'FAILED: %s\n' "${failures[@]}"
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
