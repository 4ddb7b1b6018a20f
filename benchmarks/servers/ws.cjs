// Node's ws: one HTTP server, whose upgrades are viewers, and whose POST bodies are sent to each of them.
//
//     NODE_PATH=…/node_modules node ws.cjs PORT
"use strict";

const http = require("node:http");
const { WebSocket, WebSocketServer } = require("ws");

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const message = Buffer.concat(parts);
    for (const client of viewers.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(message, { binary: false });
    }
    response.writeHead(204).end();
  });
});
const viewers = new WebSocketServer({ server });

server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
