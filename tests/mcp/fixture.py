# A server of tools on standard input and output, for the conformance suite: what its scenarios want to find, behind the gateway.
import json
import sys

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}


def text(words):
    return {"type": "text", "text": words}


def resource(uri, media, words):
    return {"type": "resource", "resource": {"uri": uri, "mimeType": media, "text": words}}


ADDRESS = {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "$defs": {"address": ADDRESS},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
                   "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                   "phone": {"type": "string"}, "email": {"type": "string"}},
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]}, "else": {"required": ["email"]}, "additionalProperties": False,
}
RESULTS = {
    "test_image_content": [IMAGE],
    "test_audio_content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}],
    "test_embedded_resource": [resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
    "test_multiple_content_types": [
        text("Multiple content types test:"), IMAGE,
        resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')],
    "json_schema_2020_12_tool": [text("seen")],
}
RESOURCES = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "watched"},
}
ARGUMENTS = [{"name": n, "description": n, "required": True} for n in ("arg1", "arg2")]
PROMPTS = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ARGUMENTS,
    "test_prompt_with_embedded_resource": [{"name": "resourceUri", "description": "which", "required": True}],
    "test_prompt_with_image": [],
}


class Refused(Exception):
    pass


def read(uri):
    parts = uri.split("/")
    if uri.startswith("test://template/") and uri.endswith("/data"):
        words = json.dumps({"id": parts[3], "templateTest": True, "data": f"Data for ID: {parts[3]}"})
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": words}]}
    if uri not in RESOURCES:
        raise Refused(-32002, "Resource not found")
    return {"contents": [{"uri": uri, **RESOURCES[uri]}]}


def prompt(name, given):
    contents = {
        "test_simple_prompt": [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")],
        "test_prompt_with_embedded_resource": [
            resource(given.get("resourceUri", ""), "text/plain", "Embedded resource content for testing."),
            text("Please process the embedded resource above.")],
        "test_prompt_with_image": [IMAGE, text("Please analyze the image above.")],
    }
    if name not in contents:
        raise Refused(-32602, "there is no such prompt")
    return {"messages": [{"role": "user", "content": content} for content in contents[name]]}


def answer(method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "serverInfo": {"name": "fixture", "version": "1"},
                "capabilities": {"tools": {}, "prompts": {}, "completions": {}, "resources": {"subscribe": True}}}
    if method == "tools/list":
        one = {"type": "object"}
        return {"tools": [{"name": name, "description": name, "inputSchema": SCHEMA if "schema" in name else one}
                          for name in RESULTS]}
    if method == "tools/call":
        return {"content": RESULTS[params["name"]]}
    if method == "resources/list":
        return {"resources": [{"uri": uri, "name": uri[7:], "description": uri} for uri in RESOURCES]}
    if method == "resources/templates/list":
        return {"resourceTemplates": [{"uriTemplate": "test://template/{id}/data", "name": "template"}]}
    if method == "resources/read":
        return read(params["uri"])
    if method in ("resources/subscribe", "resources/unsubscribe", "ping"):
        return {}
    if method == "prompts/list":
        return {"prompts": [{"name": name, "description": name, "arguments": given} for name, given in PROMPTS.items()]}
    if method == "prompts/get":
        return prompt(params["name"], params.get("arguments", {}))
    if method == "completion/complete":
        return {"completion": {"values": ["testValue1"], "total": 1, "hasMore": False}}
    raise Refused(-32601, "there is no such method")


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    try:
        reply = {"result": answer(message["method"], message.get("params", {}))}
    except Refused as error:
        reply = {"error": {"code": error.args[0], "message": error.args[1]}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}), flush=True)
