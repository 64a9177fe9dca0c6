# Runs in a sandbox that sees a session's git directory and the host's objects, both read-only. What this
# writes is read outside as hostile bytes. `known`: ids that the host has.
exec </dev/null >/dev/null 2>errors
export GIT_DIR=/run/fumehood/git GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_NO_LAZY_FETCH=1
export GIT_NO_REPLACE_OBJECTS=1 GIT_OPTIONAL_LOCKS=0 LC_ALL=C
git for-each-ref --format='%(objectname) %(refname)' >refs || exit 10
git symbolic-ref -q HEAD >head || git rev-parse -q --verify HEAD >head || : >head
git rev-parse -q --verify 'HEAD^{commit}' >tip || : >tip
git log -g --format=%H refs/stash -- >stash 2>/dev/null || : >stash
staged=0
[ ! -s tip ] || git diff-index --cached --quiet HEAD -- || staged=1
echo $staged >staged
for name in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD BISECT_LOG rebase-merge rebase-apply; do
    [ ! -e "$GIT_DIR/$name" ] || echo $name
done >state
{ cut -d' ' -f1 refs; cat tip stash; sed 's/^/^/' known; } | git pack-objects --revs --stdout -q >pack || exit 11
