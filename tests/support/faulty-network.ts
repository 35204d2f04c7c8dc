import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A network between a client and a server, that a test can break. */
export type FaultyNetwork = {
  /** The same address as the server's, but through here. */
  url: string;
  /** What happens to bytes, and to new connections: `silent` swallows all, `deaf` only the server's answers. */
  mode: 'open' | 'refusing' | 'silent' | 'deaf';
  /** Resets every connection that is open. */
  cut(): void;
  /** Connections made so far. */
  readonly connections: number;
  close(): Promise<void>;
};

export async function faultyNetwork(url: string): Promise<FaultyNetwork> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let connections = 0;

  const track = (socket: Socket, other: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = createServer((client) => {
    connections++;
    const upstream = connect(Number(target.port), target.hostname);
    track(client, upstream);
    track(upstream, client);
    if (proxy.mode === 'refusing') return void client.resetAndDestroy();
    client.on('data', (data) => proxy.mode !== 'silent' && upstream.write(data));
    upstream.on('data', (data) => proxy.mode === 'open' && client.write(data));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as AddressInfo).port);
  const proxy: FaultyNetwork = {
    url: through.href,
    mode: 'open',
    cut() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    get connections() {
      return connections;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return proxy;
}
