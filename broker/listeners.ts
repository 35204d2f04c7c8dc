import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import type { MqttSettings } from '../shared/config.ts';
import type { Transport } from '../shared/telemetry/metrics.ts';
import { createTrust } from './client-address.ts';
import type { Guard } from './guard/guard.ts';
import type { Visit } from './guard/visit.ts';
import { Reception } from './reception.ts';
import { serveWebSockets } from './web-socket-server.ts';

export type Connect = (connection: Duplex, transport: Transport, visit: Visit) => void;

export type BrokerPorts = { mqtt: number; ws: number; mqtts?: number; wss?: number };

export type Listeners = {
  ports: BrokerPorts;
  /** No new connections from now on. */
  close(): void;
};

/** Nagle against delayed acknowledgements costs 40 ms a message; probes find peers that vanished without a word. */
const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/** A fleet that comes back waits in the system until it is accepted (Linux holds 4096 at most, unless told); without room it tries again a second later. */
const BACKLOG = 4096;

/** How often Node looks for handshakes that take too long: much oftener than they may, but no busier than that. */
const HANDSHAKE_CHECK_MS = 1000;

/** Opens every listener of the configuration and hands over what connects. */
export async function listen(
  host: string,
  settings: MqttSettings,
  guard: Guard,
  connect: Connect,
): Promise<Listeners> {
  const { tls, limits } = settings;
  const keys = tls && { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) };
  const trust = createTrust(settings.trustProxy);
  const secure = { ...SOCKET_OPTIONS, ...keys, handshakeTimeout: limits.connectTimeoutMs };
  const http = {
    headersTimeout: limits.connectTimeoutMs,
    requestTimeout: limits.connectTimeoutMs,
    connectionsCheckingInterval: HANDSHAKE_CHECK_MS,
    maxHeaderSize: limits.maxWebSocketHeaderBytes,
  };
  const servers: Server[] = [];
  const open = async (server: Server, port: number): Promise<number> => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host, backlog: BACKLOG }, resolve);
    });
    servers.push(server);
    return (server.address() as AddressInfo).port;
  };
  const overTcp = (server: Server, event: 'connection' | 'secureConnection') => {
    const welcome = (socket: Socket) => {
      const visit = reception.visitOf(socket);
      if (visit === undefined) socket.destroy();
      else connect(socket, 'TCP', visit);
    };
    server.on(event, welcome);
    const reception = new Reception(server, guard, trust);
    return server;
  };
  const overWebSocket = (server: HttpServer) => {
    const reception = new Reception(server, guard, trust);
    return serveWebSockets(
      server,
      settings,
      (request) => reception.visitOfRequest(request),
      (connection, visit) => connect(connection, 'WEBSOCKET', visit),
    );
  };
  const close = () => {
    for (const server of servers) server.close();
  };
  try {
    const ports: BrokerPorts = {
      mqtt: await open(overTcp(createTcpServer(SOCKET_OPTIONS), 'connection'), settings.port),
      ws: await open(overWebSocket(createHttpServer({ ...SOCKET_OPTIONS, ...http })), settings.wsPort),
    };
    if (tls?.mqttPort !== undefined)
      ports.mqtts = await open(overTcp(createTlsServer(secure), 'secureConnection'), tls.mqttPort);
    if (tls?.wsPort !== undefined)
      ports.wss = await open(overWebSocket(createHttpsServer({ ...secure, ...http })), tls.wsPort);
    return { ports, close };
  } catch (error) {
    close();
    throw error;
  }
}
