import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import { clientAddress, forwardedFor, type Trust } from './client-address.ts';
import type { Guard } from './guard/guard.ts';
import type { Visit } from './guard/visit.ts';

/** What a socket and the one below its TLS have in common: nothing that Node shows, but their ends. */
const endsOf = ({ localAddress, remoteAddress, remotePort }: Socket) =>
  `${localAddress} ${remoteAddress} ${remotePort}`;

/**
 * Stands before a server of any kind (TCP, TLS, HTTP, HTTPS): each connection is shown to the guard before the server knows of it, and
 * only those that it lets in are handed on.
 */
export class Reception {
  private readonly guard: Guard;
  private readonly trust: Trust;
  private readonly visits = new Map<string, Visit>();

  constructor(server: Server, guard: Guard, trust: Trust) {
    this.guard = guard;
    this.trust = trust;
    const serve = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.receive(socket)) for (const listener of serve) listener.call(server, socket);
    });
  }

  /** Of a connection that has come through all handshakes; undefined: it is closed already. */
  visitOf(socket: Socket): Visit | undefined {
    return this.visits.get(endsOf(socket));
  }

  /** Of a WebSocket, whose handshake may say whom it comes from. undefined: it is closed. */
  visitOfRequest({ socket, headers }: IncomingMessage): Visit | undefined {
    const visit = this.visitOf(socket);
    if (visit?.address === undefined) return undefined;
    const address = clientAddress([visit.address, ...forwardedFor(headers['x-forwarded-for'])], this.trust);
    return address === undefined || address === visit.address || visit.comesFrom(address) ? visit : undefined;
  }

  private receive(socket: Socket): boolean {
    const { remoteAddress } = socket;
    // It has gone before we came to it
    if (remoteAddress === undefined) {
      socket.destroy();
      return false;
    }
    const visit = this.guard.arrived(socket, this.trust(remoteAddress, 0));
    if (visit === undefined) return false;
    const ends = endsOf(socket);
    this.visits.set(ends, visit);
    socket.once('close', () => this.visits.delete(ends));
    return true;
  }
}
