// The TypeScript client of the protocol: node client.mjs BINARY URL TOKEN
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [binary, url, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };

async function talk(name, transport) {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(transport);
  const { tools } = await client.listTools();
  if (!['say', 'fail', 'read_output'].every((n) => tools.some((t) => t.name === n))) throw new Error(JSON.stringify(tools));
  // It validates the fields against their schema.
  const said = await client.callTool({ name: 'say', arguments: { word: 'hello' } });
  if (!said.content[0].text.includes('hello') || said.structuredContent.status !== 0) throw new Error(JSON.stringify(said));
  const failed = await client.callTool({ name: 'fail', arguments: {} });
  if (!failed.isError) throw new Error(JSON.stringify(failed));
  await client.close();
  console.log(`ok: ${name}`);
}

await talk('TypeScript, standard input', new StdioClientTransport({ command: binary, args: ['mcp'], env: process.env }));
await talk('TypeScript, HTTP', new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
process.exit(0);
