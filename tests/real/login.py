"""A token endpoint's side of a login (OAuth, RFC 6749): FOLDER/tokens holds what it has issued, and gets what it issues."""

import base64, json, os, urllib.parse

ENDPOINTS = ("/v1/oauth/token", "/oauth/token", "/token")
EXPIRED = json.dumps({"type": "error", "error": {"type": "authentication_error", "code": "token_expired", "status": "UNAUTHENTICATED",
                                                 "message": "OAuth token has expired"}})


def again(token, n):
    """Another of the same shape: of a JSON Web Token with another time."""
    parts = token.split(".")
    if len(parts) == 3:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        claims["iat"] = claims.get("iat", 0) + n
        parts[1] = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return ".".join([*parts[:2], f"{n}{parts[2][:-1]}"])
    return token[:-6] + f"R{int(token[-5:], 16) + n if token[-6] == 'R' else n:05x}"


class Login:
    def __init__(self, folder):
        self.path = os.path.join(folder, "tokens")
        with open(self.path) as file:
            self.tokens = json.load(file)
        self.issued = list(self.tokens.values())
        self.renewed, self.ended = 0, False
        # Google's library asks for a new token by the time in its file, and never when one is refused.
        self.by_time = os.path.exists(os.path.join(folder, "by-time"))

    def knows(self, authorization):
        return not self.ended and authorization == "Bearer " + self.tokens["access_token"]

    def expire(self):
        """Once, in the middle of the turn."""
        self.ended = self.ended or (self.renewed == 0 and not self.by_time)

    def renew(self, body, note):
        """The answer and its status."""
        try:
            asked = json.loads(body)
        except ValueError:
            asked = dict(urllib.parse.parse_qsl(body.decode()))
        fits = asked.get("grant_type") == "refresh_token" and asked.get("refresh_token") == self.tokens["refresh_token"]
        note(renews=fits, asked_with=sorted(asked))
        if not fits:
            return json.dumps({"error": "invalid_grant"}), 400
        self.renewed += 1
        self.tokens = {name: again(token, self.renewed) for name, token in self.tokens.items()}
        self.issued += self.tokens.values()
        self.ended = False
        with open(self.path, "w") as file:
            json.dump(self.tokens, file)
        return json.dumps({**self.tokens, "token_type": "Bearer", "expires_in": 28800}), 200
