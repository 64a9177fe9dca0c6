"""What must be so of a turn: turn.py FOLDER HOST FIELD, of what providers.py wrote down. Says what is not."""

import json, os, sys

FOLDER, HOST, FIELD = sys.argv[1:]


def read(name):
    with open(os.path.join(FOLDER, name)) as file:
        return file.read().strip()


def main():
    log, key = [json.loads(line) for line in read("log").splitlines()], read("key")
    value = f"Bearer {key}" if FIELD == "authorization" else key
    posts = [one for one in log if "post" in one]
    assert len(posts) >= 2, "the model was not asked twice"
    for post in posts:
        assert post["host"] == HOST and post["given"] == {FIELD: value}, f"not with the key, and it alone: {post}"
    # What the agent tries to reach besides is refused inside: no name server hears of it.
    asked = {one["asked"] for one in log if "asked" in one}
    assert asked == {HOST}, f"names that were asked for outside: {asked}"

    result = next((one for one in log if "result" in one), None)
    assert result and "42" in result["result"], f"the command did not run: {result}"
    shown = result["shown"]
    assert len(shown) == len(key) and shown != key and shown[:4] == key[:4], f"no placeholder: {shown}"
    assert key not in result["result"], "the key was inside"

    search = next(one["search"] for one in log if "search" in one)
    searched = search["searched"]
    assert searched["inside"] >= 2 and searched["files"] > 10 and not searched["unread"], f"searched too little: {searched}"
    assert search["shown"]["inside"], f"a search that does not find the placeholder finds nothing: {search}"
    assert search["key"] == {"inside": [], "outside": ["fumehood-broker"], "files": []}, f"the key is elsewhere: {search}"


try:
    main()
except AssertionError as wrong:
    sys.exit(str(wrong))
