"""Python's clients of the protocol: client.py BINARY URL TOKEN. Each way of each client lists the tools and calls two."""

import asyncio
import os
import sys

import fastmcp
import httpx2
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

binary, url, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}


async def talk(client):
    async with client:
        listed = await client.list_tools()
        tools = {tool.name: tool for tool in getattr(listed, "tools", listed)}
        assert {"say", "fail", "read_output"} <= set(tools), tools
        said = await client.call_tool("say", {"word": "hello"})
        fields = getattr(said, "structured_content", None) or said.structuredContent
        assert "hello" in said.content[0].text and fields["status"] == 0, said


async def main():
    parameters = StdioServerParameters(command=binary, args=["mcp"], env=dict(os.environ))
    for mode in ("legacy", "auto"):
        await talk(Client(parameters, mode=mode))
        print(f"ok: mcp, standard input, {mode}")
        async with httpx2.AsyncClient(headers=headers) as http:
            await talk(Client(streamable_http_client(url, http_client=http), mode=mode))
        print(f"ok: mcp, HTTP, {mode}")
    await talk(fastmcp.Client(StdioTransport(binary, ["mcp"], env=dict(os.environ))))
    print("ok: fastmcp, standard input")
    await talk(fastmcp.Client(StreamableHttpTransport(url, headers=headers)))
    print("ok: fastmcp, HTTP")
    # A result that is an error has no fields, and its schema is not asked for any.
    async with fastmcp.Client(StreamableHttpTransport(url, headers=headers)) as client:
        refused = await client.call_tool("say", {"word": "-x"}, raise_on_error=False)
        assert refused.is_error and "`word`" in refused.content[0].text, refused
        failed = await client.call_tool("fail", {}, raise_on_error=False)
        assert failed.is_error, failed
    print("ok: fastmcp, errors")


asyncio.run(main())
