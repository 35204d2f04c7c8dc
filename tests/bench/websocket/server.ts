import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { WebSocketStream } from '../../../broker/websocket-stream.ts';
import { settings } from './settings.ts';

// A process of its own for each setting: what it takes of the machine is the server's alone

export type Order =
  | { kind: 'measure' }
  /** Rounds of what the first client is sent, the second, and so on, and the first list again: packets in base64, one write each. */
  | { kind: 'send'; rounds: string[][][] };
export type Measured = { rss: number; cpuMs: number; connections: number };
export type Report = { kind: 'port'; port: number } | ({ kind: 'measured' } & Measured) | { kind: 'sent' };

const setting = settings[Number(process.argv[2])];
if (setting === undefined) throw new Error('which setting?');

const streams = new Set<WebSocketStream>();
const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: 1_048_576,
  perMessageDeflate: setting.deflate ?? false,
});
const http = createServer();
http.on('upgrade', (request, socket, head) =>
  sockets.handleUpgrade(request, socket, head, (webSocket) => {
    const stream = new WebSocketStream(webSocket, setting.compressFrom);
    streams.add(stream);
    stream.on('error', () => streams.delete(stream));
    stream.resume();
  }),
);

const tell = (report: Report) => process.send?.(report);
const write = (stream: WebSocketStream, bytes: Buffer) =>
  new Promise<void>((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())));

async function obey(order: Order): Promise<void> {
  if (order.kind === 'measure') {
    for (let turn = 0; turn < 3; turn++) {
      global.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { user, system } = process.cpuUsage();
    tell({
      kind: 'measured',
      rss: process.memoryUsage.rss(),
      cpuMs: (user + system) / 1000,
      connections: streams.size,
    });
    return;
  }
  const clients = [...streams];
  for (const round of order.rounds) {
    const lists = round.map((packets) => packets.map((packet) => Buffer.from(packet, 'base64')));
    await Promise.all(
      clients.flatMap((stream, index) =>
        (lists[index % lists.length] ?? []).map((packet) => write(stream, packet)),
      ),
    );
  }
  tell({ kind: 'sent' });
}

process.on('message', (order: Order) => void obey(order));
http.listen(0, '127.0.0.1', () => tell({ kind: 'port', port: (http.address() as AddressInfo).port }));
