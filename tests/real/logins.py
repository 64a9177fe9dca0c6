"""Files of logins as the agents leave them: logins.py AGENT FILE TOKENS makes one, with what its issuer has issued;
logins.py same FILE TOKENS FIELDS says whether these fields of it are the issuer's last; logins.py issued FILE TOKENS tells them."""

import base64, json, os, sys, time


def jwt(name):
    part = lambda claims: base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    account = {"chatgpt_account_id": "acc-1", "chatgpt_plan_type": "pro", "chatgpt_user_id": "u1"}
    now = int(time.time())
    claims = {"iat": now, "exp": now + 90000, "email": "me@example.com", "https://api.openai.com/auth": account, "jti": name}
    return ".".join([part({"alg": "RS256", "typ": "JWT"}), part(claims), f"SIGNATUREsignature0123456789SIGNATUREsignature{name}"])


SOON = (int(time.time()) + 7200) * 1000
FILLER = "4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjtT1zdp7dc"


def claude(access, refresh, _):
    login = {"accessToken": access, "refreshToken": refresh, "expiresAt": SOON,
             "scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}
    return {"claudeAiOauth": login, "mcpOAuth": {"other": {"accessToken": "token-of-another-0123456789"}}}


def codex(access, refresh, identity):
    tokens = {"id_token": identity, "access_token": access, "refresh_token": refresh, "account_id": "acc-1"}
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens,
            "last_refresh": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def gemini(access, refresh, identity):
    return {"access_token": access, "refresh_token": refresh, "id_token": identity, "token_type": "Bearer",
            "scope": "https://www.googleapis.com/auth/cloud-platform openid", "expiry_date": SOON - 7201000}


TOKENS = {
    "claude": (f"sk-ant-oat01-a{FILLER}AAAAAA", f"sk-ant-ort01-r{FILLER}AAAAAA"),
    "codex": (jwt("access"), f"rt_r{FILLER}AAAAAA", jwt("identity")),
    "gemini": (f"ya29.a{FILLER}AAAAAA", f"1//r{FILLER}AAAAAA", jwt("identity")),
}
NAMES = ("access_token", "refresh_token", "id_token")


def load(path):
    with open(path) as file:
        return json.load(file)


what, path, tokens = sys.argv[1:4]
if what == "same":
    file, last = load(path), list(load(tokens).values())
    for at, token in zip(sys.argv[4].split(","), last):
        value = file
        for key in at.split("."):
            value = value[key]
        if value != token:
            sys.exit(f"{at} is {value}, the issuer's last is {token}")
    print("same")
elif what == "issued":
    print(*load(tokens).values())
else:
    issued = TOKENS[what]
    with open(tokens, "w") as file:
        json.dump(dict(zip(NAMES, issued)), file)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(globals()[what](*issued, *[None] * (3 - len(issued))), file)
