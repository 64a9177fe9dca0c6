# What the checks of real programs need, installed or downloaded once: sourced by the step, with
# `die`, FUMEHOOD_TEST_CACHE and `root` set.

# A program, and the package of Debian and its kin that brings it.
programs="bash=bash git=git vim=vim less=less htop=htop top=procps pgrep=procps tmux=tmux gcc=gcc make=make
    perl=perl rsync=rsync python3=python3 node=nodejs npm=npm go=golang-go javac=openjdk-17-jdk-headless
    bwrap=bubblewrap setpriv=util-linux useradd=passwd getconf=libc-bin"

install_programs() {
    local pair missing=()
    for pair in $programs; do
        PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "not installed, and no apt-get to install it: ${missing[*]}"
    echo "  installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$place/apt" 2>&1 ||
        { tail -n 5 "$place/apt" && die "could not install ${missing[*]}"; }
}

# keep NAME COMMAND…: makes $FUMEHOOD_TEST_CACHE/NAME once, whole or not at all.
keep() {
    local kept=$FUMEHOOD_TEST_CACHE/$1 made=$FUMEHOOD_TEST_CACHE/$1.new
    [[ -d $kept ]] && return
    rm -rf "$made"
    mkdir -p "$made"
    "${@:2}" "$made" >"$place/log" 2>&1 || { tail -n 20 "$place/log" && die "could not get $1"; }
    mv "$made" "$kept"
}

agents() {
    timeout 900 npm install --global --prefix "$1" --no-audit --no-fund --loglevel=error \
        @anthropic-ai/claude-code @openai/codex @google/gemini-cli
}

node_package() {
    echo '{ "name": "sorting", "version": "1.0.0", "dependencies": { "semver": "*" } }' >"$1/package.json"
    (cd "$1" && timeout 300 npm install --no-audit --no-fund --loglevel=error)
}

wheels() { /usr/bin/python3 -m venv "$place/venv" && timeout 300 "$place/venv/bin/pip" download -q -d "$1" pytest; }

# The toolchain in use and what cargo has downloaded, laid out as rustup and cargo do. A compiler of
# the system's needs no copy.
rust() {
    local sysroot cargo_home=${CARGO_HOME:-$HOME/.cargo} rustup_home=${RUSTUP_HOME:-$HOME/.rustup} toolchain
    sysroot=$(cd "$root" && rustc --print sysroot)
    (cd "$root" && cargo fetch --locked)
    mkdir -p "$1/cargo" "$1/rustup/toolchains"
    cp -a "$cargo_home/registry" "$1/cargo/"
    [[ $sysroot == /usr* ]] && return
    toolchain=$(basename "$sysroot")
    mkdir "$1/cargo/bin"
    for tool in cargo rustc rustdoc rustfmt cargo-fmt rustup; do
        cp -aL "$cargo_home/bin/$tool" "$1/cargo/bin/"
    done
    mkdir "$1/rustup/toolchains/$toolchain" "$1/rustup/update-hashes"
    tar -c -C "$sysroot" --exclude=./share . | tar -x -C "$1/rustup/toolchains/$toolchain"
    printf 'version = "12"\ndefault_toolchain = "%s"\nprofile = "minimal"\n' "$toolchain" >"$1/rustup/settings.toml"
    [[ -d $rustup_home/toolchains ]]
}

# What is in the tree: committed or not, but never what is ignored.
tracked() {
    if [[ -e $root/.git ]]; then
        git -C "$root" ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
            [[ -e $root/$file ]] && printf '%s\0' "$file"
        done
    else
        find . -path ./target -prune -o -type f -print0
    fi
}

fetch_everything() {
    install_programs
    mkdir -p "$FUMEHOOD_TEST_CACHE"
    keep agents agents
    keep node node_package
    keep wheels wheels
    # A downloaded crate more or less makes another copy.
    local lock
    lock=$(cksum <"$root/Cargo.lock" | cut -d' ' -f1)
    if [[ $(cat "$FUMEHOOD_TEST_CACHE/rust/lock" 2>/dev/null) != "$lock" ]]; then
        rm -rf "$FUMEHOOD_TEST_CACHE/rust"
        keep rust rust
        echo "$lock" >"$FUMEHOOD_TEST_CACHE/rust/lock"
    fi
    chmod -R a+rX "$FUMEHOOD_TEST_CACHE"
}
