"""What must be so of a turn: turn.py FOLDER HOST FIELD, of what providers.py wrote down. Says what is not."""

import json, os, sys

FOLDER, HOST, FIELD = sys.argv[1:]


def read(name):
    with open(os.path.join(FOLDER, name)) as file:
        return file.read().strip()


# And who is asked whose a token is.
ISSUERS = {"platform.claude.com", "auth.openai.com", "oauth2.googleapis.com", "www.googleapis.com"}


def issued(log):
    """Access tokens as they were minted."""
    return [one["valid"] for one in log if "valid" in one]


def main():
    log = [json.loads(line) for line in read("log").splitlines()]
    login = not os.path.exists(os.path.join(FOLDER, "key"))
    keys = issued(log) if login else [read("key")]
    key, issuers = keys[0], ISSUERS if login else set()
    values = [f"Bearer {key}" if FIELD == "authorization" else key for key in keys]
    posts = [one for one in log if "post" in one and one["host"] not in issuers]
    assert len(posts) >= 2, "the model was not asked twice"
    for post in posts:
        assert post["host"] == HOST and set(post["given"]) == {FIELD} and post["given"][FIELD] in values, f"not with the key: {post}"
    # What the agent tries to reach besides is refused inside: no name server hears of it.
    asked = {one["asked"] for one in log if "asked" in one}
    assert HOST in asked and asked - issuers == {HOST}, f"names that were asked for outside: {asked}"
    if login:
        renewals = [one["renews"] for one in log if "renews" in one]
        by_time = os.path.exists(os.path.join(FOLDER, "by-time"))
        assert renewals == [True] or (by_time and not renewals), f"renewed otherwise than once, with the refresh token: {renewals}"

    result = next((one for one in log if "result" in one), None)
    assert result and "42" in result["result"], f"the command did not run: {result}"
    shown = result["shown"]
    assert len(shown) > 8 and shown[:4] == key[:4], f"no placeholder: {shown}"
    assert all(key not in result["result"] and shown not in key for key in keys), "the key was inside"

    search = next(one["search"] for one in log if "search" in one)
    searched = search["searched"]
    assert searched["inside"] >= 2 and searched["files"] > 10 and not searched["unread"], f"searched too little: {searched}"
    assert search["shown"]["inside"], f"a search that does not find the placeholder finds nothing: {search}"
    secrets = [found for name, found in search.items() if name not in ("searched", "shown")]
    holders = {"fumehood-broker", "fumehood-login"} if login else {"fumehood-broker"}
    for found in secrets:
        assert not found["inside"] and not found["files"] and set(found["outside"]) <= holders, f"it is elsewhere: {search}"
    assert any("fumehood-broker" in found["outside"] for found in secrets), f"it was not found where it must be: {search}"
    assert len(secrets) >= (2 if login else 1), secrets


try:
    main()
except AssertionError as wrong:
    sys.exit(str(wrong))
