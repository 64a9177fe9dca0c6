"""A server of HTTP/1.1 that is sent credentials, writes down each request, and sends back what it saw in the
form that the path names: /reflect/FORM. It means no harm; it is what error pages and debug endpoints do."""

import base64, gzip, hashlib, hmac, json, os, urllib.parse, zlib


def each(text, form):
    return "".join(form % b for b in text).encode()


def shifted(encode, n):
    return lambda text: encode(b"x" * n + text)


FORMS = {
    "plain": lambda text: text,
    "hex": lambda text: text.hex().encode(),
    "upper": lambda text: text.hex().upper().encode(),
    "percent": lambda text: each(text, "%%%02x"),
    "twice": lambda text: each(each(text, "%%%02X"), "%%%02X"),
    "json": lambda text: json.dumps(text.decode("latin-1")).replace("/", "\\/").encode(),
    "unicode": lambda text: each(text, "\\u%04x"),
    "html": lambda text: each(text, "&#%d;"),
}
for n in range(3):
    FORMS[f"base64-{n}"] = shifted(base64.b64encode, n)
    FORMS[f"url64-{n}"] = shifted(base64.urlsafe_b64encode, n)
CODINGS = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    # No coding that is looked into.
    "unknown": ("br", lambda text: text),
}
MINTED = "mint-4eC39HqLyjWDarjtT1zdp7dc0123456789"


def read(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None, None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lengths = [l.split(b":")[1] for l in head.split(b"\r\n") if l.lower().startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head, body


def chunks(text, size):
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (text[i : i + size] for i in range(0, len(text), size)))


def answer(path, head, body):
    """The head's last lines, and the body; whether it comes a few bytes at a time."""
    seen = b"|".join([head, body])
    form = path.rsplit("/", 1)[-1].split("?")[0]
    if form == "mint":
        return b"Content-Type: application/json\r\n", json.dumps({"access_token": MINTED, "expires_in": 60}).encode()
    if form in CODINGS:
        name, encode = CODINGS[form]
        return b"Content-Encoding: %s\r\n" % name.encode(), encode(seen)
    if form == "redirect":
        token = next((l for l in head.split(b"\r\n") if l.lower().startswith(b"x-key:")), b"x-key: none")
        return b"Location: https://good.example/landed?key=" + token.split(b":", 1)[1].strip() + b"\r\n", b""
    if form == "field":
        token = next((l for l in head.split(b"\r\n") if l.lower().startswith(b"x-key:")), b"x-key: none")
        return b"X-Echo: " + token.split(b":", 1)[1].strip() + b"\r\n", b"see the head\n"
    return b"Content-Type: text/plain\r\n", FORMS.get(form, FORMS["plain"])(seen)


def signed_by(head, body):
    """Whose signature (AWS Signature Version 4) a request carries: checked with the secret key that the caller of
    fumehood has in its environment. None where there is none, "nobody" where it does not fit."""
    lines = head.decode("latin-1").split("\r\n")
    fields = {n.lower(): v.strip() for n, v in (l.split(":", 1) for l in lines[1:])}
    kind, _, rest = fields.get("authorization", "").partition(" ")
    if kind != "AWS4-HMAC-SHA256":
        return None
    part = dict(p.strip().split("=", 1) for p in rest.split(","))
    key, date, region, service, end = part["Credential"].split("/")
    path, _, query = lines[0].split(" ")[1].partition("?")
    pairs = sorted(tuple(p.partition("=")[::2]) for p in query.split("&") if p)
    names = part["SignedHeaders"].split(";")
    digest = fields.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
    if digest != hashlib.sha256(body).hexdigest():
        return "nobody"
    canonical = "\n".join([
        lines[0].split(" ")[0], urllib.parse.quote(path, safe="/%~"), "&".join(f"{k}={v}" for k, v in pairs),
        *(f"{n}:{' '.join(fields[n].split())}" for n in names), "", part["SignedHeaders"], digest,
    ])
    text = "\n".join([kind, fields["x-amz-date"], f"{date}/{region}/{service}/{end}",
                      hashlib.sha256(canonical.encode()).hexdigest()])
    mac = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for word in (date, region, service, end, text):
        mac = hmac.new(mac, word.encode(), hashlib.sha256).digest()
    return key if hmac.compare_digest(mac.hex(), part["Signature"]) else "nobody"


def serve(connection, note):
    with connection:
        head, body = read(connection)
        if head is None:
            return
        note(mirror=(head + b"|" + body).decode("latin-1"), signed=signed_by(head, body))
        fields, text = answer(head.split(b" ")[1].decode(), head, body)
        status = b"302 Found" if fields.startswith(b"Location:") else b"200 OK"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n" + fields + b"\r\n")
        # However it is cut, in frames of HTTP and in what TCP brings at once.
        framed = chunks(text, 11) + b"0\r\n\r\n"
        for i in range(0, len(framed), 17):
            connection.sendall(framed[i : i + 17])
