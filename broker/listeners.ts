import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { MqttSettings } from '../shared/config.ts';
import type { Transport } from '../shared/telemetry/metrics.ts';
import { WebSocketStream } from './websocket-stream.ts';

export type Connect = (connection: Duplex, transport: Transport, remoteAddress: string | undefined) => void;

export type BrokerPorts = { mqtt: number; ws: number; mqtts?: number; wss?: number };

export type Listeners = {
  ports: BrokerPorts;
  /** No new connections from now on. */
  close(): void;
};

const WS_PATH = '/mqtt';
const SUBPROTOCOL = 'mqtt';

/** Nagle against delayed acknowledgements costs 40 ms a message; probes find peers that vanished without a word. */
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/** A stranger that compresses must not cost us more than the frames are worth. */
const COMPRESSION = {
  threshold: 256,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 10,
  concurrencyLimit: 4,
  zlibDeflateOptions: { level: 3, memLevel: 4 },
};

/** Opens every listener of the configuration and hands over what connects. */
export async function listen(host: string, settings: MqttSettings, connect: Connect): Promise<Listeners> {
  const { tls } = settings;
  const keys = tls && { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) };
  const handshakeTimeout = settings.limits.connectTimeoutMs;
  const http = {
    headersTimeout: handshakeTimeout,
    requestTimeout: handshakeTimeout,
    handshakeTimeout,
    // How often these times are looked at
    connectionsCheckingInterval: Math.min(1000, handshakeTimeout),
    maxHeaderSize: settings.limits.maxWebSocketHeaderBytes,
  };
  const servers: Server[] = [];
  const open = async (server: Server, port: number): Promise<number> => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    servers.push(server);
    return (server.address() as AddressInfo).port;
  };
  const close = () => {
    for (const server of servers) server.close();
  };
  try {
    const ports: BrokerPorts = {
      mqtt: await open(
        createTcpServer(SOCKET_OPTIONS, (socket) => connect(socket, 'TCP', socket.remoteAddress)),
        settings.port,
      ),
      ws: await open(
        webSocketServer(createHttpServer({ ...SOCKET_OPTIONS, ...http }), settings, connect),
        settings.wsPort,
      ),
    };
    if (keys !== undefined && tls?.mqttPort !== undefined)
      ports.mqtts = await open(
        createTlsServer({ ...SOCKET_OPTIONS, ...keys, handshakeTimeout }, (socket) =>
          connect(socket, 'TCP', socket.remoteAddress),
        ),
        tls.mqttPort,
      );
    if (keys !== undefined && tls?.wsPort !== undefined)
      ports.wss = await open(
        webSocketServer(createHttpsServer({ ...SOCKET_OPTIONS, ...http, ...keys }), settings, connect),
        tls.wsPort,
      );
    return { ports, close };
  } catch (error) {
    close();
    throw error;
  }
}

function webSocketServer(http: HttpServer, settings: MqttSettings, connect: Connect): HttpServer {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: settings.limits.maxWebSocketMessageBytes,
    autoPong: false,
    perMessageDeflate: settings.wsCompression ? COMPRESSION : false,
    handleProtocols: () => SUBPROTOCOL,
  });
  http.on('request', (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'close' });
    response.end(`MQTT over WebSocket: path ${WS_PATH}, subprotocol ${SUBPROTOCOL}\n`);
  });
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refusal = upgradeProblem(request);
    if (refusal !== undefined)
      return void socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (webSocket) =>
      connect(new WebSocketStream(webSocket), 'WEBSOCKET', request.socket.remoteAddress),
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
