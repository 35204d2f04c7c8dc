import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import { clientAddress, forwardedFor, type Trust } from './client-address.ts';
import type { Guard } from './guard/guard.ts';
import type { Visit } from './guard/visit.ts';
import { readProxyHeader } from './proxy-header.ts';

/** What a socket and the one below its TLS have in common: nothing that Node shows, but their ends. */
const endsOf = ({ localAddress, remoteAddress, remotePort }: Socket) =>
  `${localAddress} ${remoteAddress} ${remotePort}`;

/** `way`: the addresses that the connection came by, the nearest first. */
type Guest = { visit: Visit; way: readonly string[] };

/**
 * Stands before a server of any kind (TCP, TLS, HTTP, HTTPS): each connection is shown to the guard before the server knows of it, and
 * only those that it lets in are handed on; those of a trusted proxy once it has said whom it speaks for, by the PROXY protocol.
 */
export class Reception {
  private readonly guard: Guard;
  private readonly trust: Trust;
  private readonly guests = new Map<string, Guest>();

  constructor(server: Server, guard: Guard, trust: Trust) {
    this.guard = guard;
    this.trust = trust;
    const serve = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) =>
      this.receive(socket, () => {
        for (const listener of serve) listener.call(server, socket);
      }),
    );
  }

  /** Of a connection that has come through all handshakes; undefined: it is closed already. */
  visitOf(socket: Socket): Visit | undefined {
    return this.guests.get(endsOf(socket))?.visit;
  }

  /** Of a WebSocket, whose handshake may say whom it comes from. undefined: it is closed. */
  visitOfRequest({ socket, headers }: IncomingMessage): Visit | undefined {
    const guest = this.guests.get(endsOf(socket));
    const forwarded = forwardedFor(headers['x-forwarded-for']);
    if (guest === undefined || forwarded.length === 0) return guest?.visit;
    return this.isWelcome({ ...guest, way: [...guest.way, ...forwarded] }) ? guest.visit : undefined;
  }

  private receive(socket: Socket, serve: () => void): void {
    const { remoteAddress } = socket;
    // It has gone before we came to it
    if (remoteAddress === undefined) return void socket.destroy();
    const isProxy = this.trust(remoteAddress, 0);
    const visit = this.guard.arrived(socket, isProxy);
    if (visit === undefined) return;
    const ends = endsOf(socket);
    const guest = { visit, way: [remoteAddress] };
    this.guests.set(ends, guest);
    socket.once('close', () => this.guests.delete(ends));
    if (!isProxy) return serve();
    readProxyHeader(socket, (source) => {
      if (source !== undefined) guest.way.push(source);
      if (this.isWelcome(guest)) serve();
    });
  }

  private isWelcome({ visit, way }: Guest): boolean {
    const address = clientAddress(way, this.trust);
    return address === undefined || address === way[0] || visit.comesFrom(address);
  }
}
