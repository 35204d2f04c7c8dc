import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type CuttableProxy = {
  /** The given address, through the proxy. */
  url: string;
  /** Cuts every connection, and refuses new ones. */
  cut(): Promise<void>;
  /** Swallows what is sent, and accepts connections without a word. Those are dead also after `restore`, and nobody tells. */
  hang(): void;
  restore(): Promise<void>;
};

/** Stands before a server, so that a test can take it away from one client and leave it to the others. */
export async function startCuttableProxy(target: string): Promise<CuttableProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const sockets = new Set<Socket>();
  let hangs = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((client) => {
    keep(client);
    if (hangs) return client.resume();
    const upstream = keep(connect(Number(targetPort), hostname));
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    async cut() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    hang() {
      hangs = true;
      for (const socket of sockets) socket.unpipe().resume();
    },
    async restore() {
      hangs = false;
      if (!server.listening) await listen(port);
    },
  };
}
