#!/usr/bin/env bash
# git: everyday work, linked worktrees, submodules; what must stay unwritable.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

everyday_work() {
    project everyday
    echo one >file && commit_all first
    before=$(cat .git/hooks/* .git/config | cksum)
    inside -- bash -euxc '
        echo two >>file && echo new >added && mkdir -p folder && ln -s ../file folder/link
        git add -A && git commit -q -m second
        git branch side && git checkout -q -b topic
        echo topic >topic && git add -A && git commit -q -m topic
        git checkout -q main
        echo main >main && git add -A && git commit -q -m main
        git checkout -q topic && git rebase -q main
        echo half >>file && git stash -q && git stash pop -q && git checkout -q -- file
        git checkout -q main && git merge -q --no-edit topic
        git tag v1 && git log --oneline --graph && git gc -q && git fsck --strict
        test -z "$(git status --porcelain)"'
    same "hooks and configuration" "$before" "$(cat .git/hooks/* .git/config | cksum)"
    same "status outside" "" "$(git status --porcelain --ignored)"
    same "commits outside" 4 "$(git rev-list --count main --)"
    same "author" "Test <test@example.invalid>" "$(git log -1 --format='%an <%ae>')"
    git fsck --strict
    same "owner of what was written" "" "$(find . ! -user "$(id -u)")"
}

hooks_and_configuration_hold() {
    project guarded
    commit_all first 2>/dev/null || git commit -q --allow-empty -m first
    live -- sh -xc '
        ! (echo "#!/bin/sh" >.git/hooks/pre-commit) || exit 1
        ! (echo >>.git/config) || exit 1
        ! git config core.fsmonitor /bin/true || exit 1
        ! mv .git/hooks .git/gone || exit 1
        ! mv .git .gone || exit 1
        ! rm -rf .git/hooks || exit 1
        ! ln -f .git/HEAD .git/hooks/pre-commit || exit 1'
    same "hook" "" "$(find .git/hooks -name pre-commit)"
    same "fsmonitor" "" "$(git config core.fsmonitor || true)"
    same "stub files" "" "$(git status --porcelain --ignored)"
}

a_hook_of_the_host_runs_inside_and_stays() {
    project hooked
    printf '#!/bin/sh\ntouch hook-ran\n' >.git/hooks/post-commit
    chmod +x .git/hooks/post-commit
    inside -- git commit -q --allow-empty -m first
    test -e hook-ran
    same "hook" $'#!/bin/sh\ntouch hook-ran' "$(cat .git/hooks/post-commit)"
}

a_repository_made_inside() {
    project outer
    live -- bash -euxc 'git init -q sub && cd sub && echo x >f && git add f &&
        git -c user.name=T -c user.email=t@example.invalid commit -q -m inside'
    same "commits of sub" 1 "$(git -C sub rev-list --count HEAD)"
}

# NAME PATH: of a library in a superproject; the current folder becomes the superproject.
with_submodule() {
    local mine=(-c user.name=T -c user.email=t@example.invalid)
    project "$1/${2//\//-}"
    echo /library >>.git/info/exclude
    git init -q library
    git -C library "${mine[@]}" commit -q --allow-empty -m one
    git -c protocol.file.allow=always submodule --quiet add ./library "$2"
    git -C "$2" config user.name Test
    git -C "$2" config user.email test@example.invalid
    commit_all super
    git -C library "${mine[@]}" commit -q --allow-empty -m two
}

work_in_a_submodule() {
    local path
    for path in parts part parts/of/it; do
        with_submodule work "$path"
        live -- sh -euxc 'cd "$0" && git pull -q --ff-only && git checkout -q -b topic && echo x >f && git add f && git commit -q -m inside
            cd - && git add -A && git commit -q -m update && git status --porcelain && git submodule status' "$path"
        same "commit of the submodule" inside "$(git -C "$path" log -1 --format=%s)"
        same "status" "" "$(git status --porcelain)"
    done
}

# What the host's `git status` of the superproject would run.
a_submodules_configuration_holds() {
    local path
    for path in part parts/library; do
        with_submodule held "$path"
        live -- sh -xc '! git -C "$0" config core.fsmonitor /bin/true || exit 1
            ! (echo x >.git/modules/"$0"/hooks/post-checkout) || exit 1' "$path"
        same "fsmonitor" "" "$(git -C "$path" config core.fsmonitor || true)"
    done
}

# It writes core.worktree each time, into a configuration that is read-only in live mode: refused,
# with nothing half done.
submodule_update_in_live_mode() {
    with_submodule updated part
    before=$(git -C part rev-parse HEAD)
    ends 128 live -- git -c protocol.file.allow=always submodule update --remote part
    has "$said" "could not write config file"
    same "commit of the submodule" "$before" "$(git -C part rev-parse HEAD)"
    same "status" "" "$(git status --porcelain)"
    # What does the same without the configuration works.
    git -C part -c protocol.file.allow=always fetch -q
    live -- git -C part checkout -q FETCH_HEAD
    same "commit checked out" "$(git -C library rev-parse HEAD)" "$(git -C part rev-parse HEAD)"
}

a_linked_worktree() {
    project main-repository
    echo one >file && commit_all first
    git worktree add -q ../linked -b linked
    before=$(cat .git/hooks/* .git/config | cksum)
    cd ../linked
    inside -- bash -euxc 'echo two >>file && git add -A && git commit -q -m linked && git status --porcelain
        echo >>"$(git rev-parse --git-common-dir)/config"
        echo >"$(git rev-parse --git-common-dir)/hooks/pre-commit"'
    same "commit" "linked" "$(git log -1 --format=%s)"
    same "status" "" "$(git status --porcelain --ignored)"
    same "hooks and configuration" "$before" "$(cat ../main-repository/.git/hooks/* ../main-repository/.git/config | cksum)"
}

identity_from_the_home() {
    printf '[user]\n\tname = Ann Example\n\temail = ann@example.invalid\n[commit]\n\tgpgSign = true\n' >"$HOME/.gitconfig"
    mkdir -p "$work/identity" && cd "$work/identity"
    git init -q .
    inside -- git commit -q --allow-empty -m first
    rm "$HOME/.gitconfig"
    same "author" "Ann Example <ann@example.invalid>" "$(git log -1 --format='%an <%ae>')"
}

check 60 "add, commit, branch, rebase, stash, merge, gc" everyday_work
check 30 "hooks and configuration stay as they are" hooks_and_configuration_hold
check 30 "a hook of the host runs inside" a_hook_of_the_host_runs_inside_and_stays
check 30 "git init in a subfolder" a_repository_made_inside
check 60 "work in a submodule" work_in_a_submodule
check 30 "a submodule's hooks and configuration stay as they are" a_submodules_configuration_holds
check 30 "git submodule update is refused in live mode" submodule_update_in_live_mode
check 30 "a linked worktree, its repository elsewhere" a_linked_worktree
check 30 "the user's identity, without the signing key" identity_from_the_home
finish
