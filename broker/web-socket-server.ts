import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { MqttSettings } from '../shared/config.ts';
import { webSocketServers } from './compression.ts';
import type { Visit } from './guard/visit.ts';
import { WebSocketStream } from './websocket-stream.ts';

const WS_PATH = '/mqtt';
const SUBPROTOCOL = 'mqtt';

/** MQTT over WebSocket on an HTTP server. `visitOf`: whose handshake it is; undefined: nobody's any more. */
export function serveWebSockets(
  http: HttpServer,
  settings: MqttSettings,
  visitOf: (request: IncomingMessage) => Visit | undefined,
  connect: (connection: WebSocketStream, visit: Visit) => void,
): HttpServer {
  const serverFor = webSocketServers(
    {
      maxPayload: settings.limits.maxWebSocketMessageBytes,
      autoPong: false,
      handleProtocols: () => SUBPROTOCOL,
    },
    settings.wsCompression,
  );
  http.on('request', (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'close' });
    response.end(`MQTT over WebSocket: path ${WS_PATH}, subprotocol ${SUBPROTOCOL}\n`);
  });
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refusal = upgradeProblem(request);
    if (refusal !== undefined)
      return void socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    const visit = visitOf(request);
    if (visit === undefined) return void socket.destroy();
    serverFor(request).handleUpgrade(request, socket, head, (webSocket) =>
      connect(new WebSocketStream(webSocket), visit),
    );
  });
  return http;
}

/** MQTT 3.1.1, 6.0.0-3: the client must offer the subprotocol `mqtt`. */
function upgradeProblem(request: IncomingMessage): string | undefined {
  if ((request.url ?? '').split('?')[0] !== WS_PATH) return '404 Not Found';
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return offered.includes(SUBPROTOCOL) ? undefined : '400 Bad Request';
}
