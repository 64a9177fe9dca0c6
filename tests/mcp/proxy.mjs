// Adds the token to each request, which the suite cannot: node proxy.mjs URL TOKEN
import http from 'node:http';
const [url, token] = process.argv.slice(2);
const to = new URL(url);
const server = http.createServer((req, res) => {
  const own = `:${server.address().port}`;
  const headers = { ...req.headers, authorization: `Bearer ${token}` };
  for (const name of ['host', 'origin'])
    if (headers[name]?.endsWith(own)) headers[name] = headers[name].slice(0, -own.length) + `:${to.port}`;
  const sent = http.request({ host: to.hostname, port: to.port, method: req.method, path: req.url, headers }, (got) => {
    res.writeHead(got.statusCode, got.headers);
    res.flushHeaders();
    got.pipe(res);
  });
  sent.on('error', () => res.destroy());
  res.on('close', () => sent.destroy());
  req.pipe(sent);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
