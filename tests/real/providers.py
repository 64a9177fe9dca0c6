#!/usr/bin/env python3
"""Stand-ins for the endpoints of Anthropic, OpenAI and Google, in a network of their own: providers.py FOLDER COMMAND...

Run it with unshare(1) in new network and mount namespaces. Every address of the world is local there; names are answered
by a name server of this program's. The endpoints speak TLS with certificates of an authority made here, which the command
finds as a company's in SSL_CERT_FILE. A turn is: the model asks for a command (FOLDER/command), is sent what it printed,
and says a last sentence. Before it says it, everything of the sandbox is searched for the key, from outside.

FOLDER holds: `key`, what must come and must be nowhere, or `tokens`, a login's: then the access token ends in the middle of
the turn, and the token endpoint, once asked with the refresh token, mints new ones; `command`, whose first line is what stands for the key inside;
perhaps `call`, another tool's name and input, asked for instead (Claude Code, Gemini CLI);
`log`, a JSON object a line, written here. SANDBOX_KEPT names folders of the host that need no search.
"""

import http.server, json, os, re, socket, socketserver, ssl, struct, subprocess, sys, tempfile, threading

import login
import search

FOLDER = sys.argv[1]
PROVIDERS = {
    "api.anthropic.com": "1.1.1.1",
    "api.openai.com": "1.1.1.2",
    "generativelanguage.googleapis.com": "1.1.1.3",
    "platform.claude.com": "1.1.1.4",
    "chatgpt.com": "1.1.1.5",
    "auth.openai.com": "1.1.1.6",
    "cloudcode-pa.googleapis.com": "1.1.1.7",
    "oauth2.googleapis.com": "1.1.1.8",
    "www.googleapis.com": "1.1.1.9",
}
LAST = "the turn has ended well"
LOG = open(os.path.join(FOLDER, "log"), "a", buffering=1)
LOCK = threading.Lock()
LOGIN = login.Login(FOLDER) if os.path.exists(os.path.join(FOLDER, "tokens")) else None


def note(**what):
    with LOCK:
        LOG.write(json.dumps(what) + "\n")


def read(name):
    with open(os.path.join(FOLDER, name)) as file:
        return file.read().strip()


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def prepare(place):
    run("ip", "link", "set", "lo", "up")
    run("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo")
    files = {
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "resolv.conf": "nameserver 192.0.2.53\noptions timeout:5 attempts:2\n",
        "nsswitch.conf": "hosts: files dns\npasswd: files\ngroup: files\n",
    }
    for name, text in files.items():
        with open(os.path.join(place, name), "w") as file:
            file.write(text)
        run("mount", "--bind", os.path.join(place, name), os.path.realpath("/etc/" + name))


def certificates(place):
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    quiet = {"check": True, "stderr": subprocess.DEVNULL}
    at = lambda name: os.path.join(place, name)
    subprocess.run(["openssl", "req", "-x509", *key, "-subj", "/CN=company", "-keyout", at("ca.key"), "-out", at("ca")], **quiet)
    subprocess.run(["openssl", "req", *key, "-subj", "/CN=models", "-keyout", at("key"), "-out", at("request")], **quiet)
    with open(at("names"), "w") as file:
        file.write("subjectAltName=" + ",".join("DNS:" + name for name in PROVIDERS) + "\n")
    subprocess.run(["openssl", "x509", "-req", "-in", at("request"), "-CA", at("ca"), "-CAkey", at("ca.key"), "-days", "2",
                    "-extfile", at("names"), "-out", at("cert")], **quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("cert"), at("key"))
    os.environ["SSL_CERT_FILE"] = at("ca")
    return context


def names():
    """A of what there is, nothing of anything else (RFC 1035)."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("192.0.2.53", 53))
    while True:
        data, who = one.recvfrom(4096)
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
            at += 1 + data[at]
        question, kind = data[12 : at + 5], struct.unpack(">H", data[at + 1 : at + 3])[0]
        name = ".".join(labels).lower()
        note(asked=name)
        address = PROVIDERS.get(name)
        found = address is not None and kind == 1
        head = data[:2] + struct.pack(">HHHHH", 0x8180 if address else 0x8183, 1, int(found), 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address) if found else b""
        one.sendto(head + question + record, who)


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, kind, text, status=200):
        text = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_HEAD(self):
        self.answer("text/plain", "")

    def do_GET(self):
        note(get=self.path, host=self.headers.get("host"))
        if self.path.startswith("/oauth2/v2/userinfo"):
            return self.answer("application/json", '{"email": "me@example.com", "id": "1"}')
        if self.path == "/backend-api/wham/accounts/check":
            account = {"id": "acc-1", "workspace_backend_origin": "https://chatgpt.com", "account_routing_override": "NO_CONSTRAINT"}
            return self.answer("application/json", json.dumps({"accounts": [account], "account_ordering": ["acc-1"],
                                                               "default_account_id": "acc-1"}))
        self.answer("application/json", '{"error": "not here"}', 404)

    def do_POST(self):
        host, body = self.headers.get("host", "").split(":")[0], self.body()
        given = {name: self.headers.get(name) for name in ("x-api-key", "authorization", "x-goog-api-key") if self.headers.get(name)}
        try:
            asked = json.loads(body)
        except ValueError:
            asked = {}
        if LOGIN:
            note(valid=LOGIN.tokens["access_token"])
        note(post=self.path, host=host, given=given, length=len(body), tools=len(asked.get("tools", [])))
        if self.path.split("?")[0] in login.ENDPOINTS:
            return self.answer("application/json", *LOGIN.renew(body, note))
        if LOGIN and not LOGIN.knows(self.headers.get("authorization")):
            return self.answer("application/json", login.EXPIRED, 401)
        if self.path.startswith("/tokeninfo"):
            return self.answer("application/json", '{"expires_in": 3600, "scope": "openid", "aud": "x"}')
        speak = {"api.anthropic.com": messages, "api.openai.com": responses, "chatgpt.com": responses,
                 "generativelanguage.googleapis.com": gemini, "cloudcode-pa.googleapis.com": code_assist}.get(host)
        kind, text = speak(self.path, asked)
        self.answer(kind, text)
        if LOGIN and posted_a_call(text):
            LOGIN.expire()


def tool(name, command):
    """The call that the model makes: FOLDER/call, where it is there, names another tool and its input."""
    if os.path.exists(os.path.join(FOLDER, "call")):
        return json.loads(read("call"))
    return {"name": name, "input": command}


def posted_a_call(text):
    return read("command") in text or json.dumps(read("command"))[1:-1] in text or json.dumps(json.dumps(read("command")))[3:-3] in text


def told(result):
    """What the command printed has come: now is the time to search, and to say the last sentence. What stands for the key is
    looked for too: were it not found, nothing would be."""
    found = re.search(r"stands-for-it ([\w.-]*)", result)
    if not found:
        return note(result=result, shown="")  # it did not run; who expects it to looks
    shown = found.group(1)
    kept = os.environ.get("SANDBOX_KEPT", "").split(":")
    note(result=result, shown=shown)
    secret = {f"token {n}": t.encode() for n, t in enumerate(LOGIN.issued)} if LOGIN else {"key": read("key").encode()}
    note(search=search.everything({**secret, "shown": shown.encode()}, kept))


def events(parts):
    return "text/event-stream", "".join(f"event: {p['type']}\ndata: {json.dumps(p)}\n\n" for p in parts)


def messages(path, asked):
    """Anthropic's Messages."""
    if path.startswith("/v1/messages/count_tokens"):
        return "application/json", '{"input_tokens": 10}'
    results = [p for m in asked.get("messages", []) if isinstance(m["content"], list) for p in m["content"] if p["type"] == "tool_result"]
    content = {"type": "text", "text": LAST}
    if results:
        told(json.dumps(results[-1]["content"]))
    elif any(t.get("name") == "Bash" for t in asked.get("tools", [])):
        content = {"type": "tool_use", "id": "toolu_01", **tool("Bash", {"command": read("command"), "description": "look"})}
    stop = "tool_use" if content["type"] == "tool_use" else "end_turn"
    usage = {"input_tokens": 100, "output_tokens": 10}
    whole = {"id": "msg_01", "type": "message", "role": "assistant", "model": asked.get("model"), "stop_sequence": None, "usage": usage}
    if not asked.get("stream"):
        return "application/json", json.dumps({**whole, "content": [content], "stop_reason": stop})
    if content["type"] == "text":
        begun, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": LAST}
    else:
        begun, delta = {**content, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(content["input"])}
    return events([
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": begun},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 10}},
        {"type": "message_stop"},
    ])


def named(tools, space=None):
    """Name of each tool: the namespace it is in, if any."""
    for tool in tools:
        if tool.get("type") == "namespace":
            yield from named(tool["tools"], tool["name"])
        else:
            yield tool.get("name"), space


def responses(path, asked):
    """OpenAI's Responses."""
    items = asked.get("input", [])
    results = [i for i in items if i.get("type") in ("function_call_output", "custom_tool_call_output")]
    brought = [t for i in items if i.get("type") == "additional_tools" for t in i["tools"]]
    tools = dict(named(asked.get("tools", []) + brought))
    command = read("command")
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": LAST, "annotations": []}]}
    if results:
        told(json.dumps(results[-1]["output"]))
    elif name := next((n for n in ("exec_command", "shell_command", "exec") if n in tools), None):
        item = {"id": "fc_1", "call_id": "call_1", "status": "completed", "name": name}
        if tools[name]:
            item["namespace"] = tools[name]
        if name == "exec":
            script = f"const r = await tools.exec_command({json.dumps({'cmd': command})}); text(r.output);"
            item.update(type="custom_tool_call", input=script)
        else:
            item.update(type="function_call", arguments=json.dumps({"cmd": command, "command": command}))
    else:
        note(tools=list(tools))
    usage = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 10,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 110}
    whole = {"id": "resp_1", "object": "response", "model": asked.get("model"), "status": "completed", "output": [item], "usage": usage}
    return events([
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ])


def gemini(path, asked):
    """Google's generateContent."""
    parts = [p for c in asked.get("contents", []) for p in c.get("parts", [])]
    results = [p["functionResponse"] for p in parts if "functionResponse" in p]
    tools = [f["name"] for t in asked.get("tools", []) for f in t.get("functionDeclarations", [])]
    part = {"text": LAST}
    if results:
        told(json.dumps(results[-1]["response"]))
    elif "run_shell_command" in tools:
        call = tool("run_shell_command", {"command": read("command"), "description": "look"})
        part = {"functionCall": {"name": call["name"], "args": call["input"]}}
    elif asked.get("generationConfig", {}).get("responseMimeType") == "application/json":
        part = {"text": json.dumps({"reasoning": "simple", "model_choice": "flash", "complexity_reasoning": "simple", "complexity_score": 1})}
    whole = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
             "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}}
    if ":streamGenerateContent" in path:
        return "text/event-stream", f"data: {json.dumps(whole)}\r\n\r\n"
    return "application/json", json.dumps(whole)


def code_assist(path, asked):
    """The same behind a login: what is asked lies in `request`, what is answered in `response`."""
    if ":loadCodeAssist" in path:
        return "application/json", json.dumps({"currentTier": {"id": "standard-tier", "name": "x"}, "cloudaicompanionProject": "p"})
    if "enerateContent" not in path:
        return "application/json", "{}"
    kind, text = gemini(path, asked.get("request", {}))
    data = text.removeprefix("data: ").strip()
    whole = json.dumps({"response": json.loads(data)})
    return kind, f"data: {whole}\r\n\r\n" if text.startswith("data: ") else whole


class Threads(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # a client that went away



def main():
    with tempfile.TemporaryDirectory(prefix="providers-") as place:
        os.chmod(place, 0o755)
        prepare(place)
        context = certificates(place)
        threading.Thread(target=names, daemon=True).start()
        for address in PROVIDERS.values():
            server = Threads((address, 443), Provider)
            # The handshake is the thread's own, so that one client does not keep another waiting.
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        status = subprocess.run(sys.argv[2:]).returncode
        for name in ("hosts", "resolv.conf", "nsswitch.conf"):
            run("umount", os.path.realpath("/etc/" + name))
    return status if status >= 0 else 128 - status


sys.exit(main())
