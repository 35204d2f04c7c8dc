import type { Socket } from 'node:net';
import type { MqttLimits } from '../../shared/config/mqtt-limits.ts';
import type { TurnedAway } from '../../shared/telemetry/metrics.ts';
import type { Addresses } from './addresses.ts';
import type { Flapping } from './flapping.ts';
import type { Silent } from './silent.ts';

/** What a visit is counted in. */
export type Books = {
  limits: Pick<MqttLimits, 'connectTimeoutMs'>;
  addresses: Addresses;
  flapping: Flapping;
  silent: Silent<Visit>;
  now(): number;
  keyOf(address: string): string | undefined;
  count(reason: TurnedAway): void;
};

/**
 * A connection as the guard sees it: silent until its CONNECT is complete; then checked, and logged in or failed. What ends while it is
 * silent has failed, too. Only what has a key is counted by address and user.
 */
export class Visit {
  /** Whom it speaks for. */
  address: string | undefined;
  private readonly books: Books;
  private readonly socket: Socket;
  private readonly deadline: NodeJS.Timeout;
  private key: string | undefined;
  private isLoggedIn = false;

  constructor(books: Books, socket: Socket, key: string | undefined) {
    this.books = books;
    this.socket = socket;
    this.key = key;
    this.address = socket.remoteAddress;
    this.deadline = setTimeout(() => this.turnAway('connect_timeout'), books.limits.connectTimeoutMs).unref();
    socket.once('close', () => this.closed());
    books.silent.add(this, key)?.turnAway('crowded');
  }

  /** A trusted proxy has said whom it speaks for. False: that address is held off, and the connection is closed. */
  comesFrom(address: string): boolean {
    const { addresses, silent, now } = this.books;
    this.address = address;
    silent.remove(this, this.key);
    this.key = this.books.keyOf(address);
    const crowded = silent.add(this, this.key);
    if (this.key !== undefined && addresses.isHeldOff(this.key, now())) this.turnAway('held_off');
    else crowded?.turnAway('crowded');
    return !this.socket.destroyed;
  }

  /** Its CONNECT is here, and is being checked. */
  saidConnect(): void {
    clearTimeout(this.deadline);
    this.books.silent.remove(this, this.key);
  }

  /** Its CONNECT was refused. */
  failed(): void {
    if (this.key !== undefined) this.books.addresses.failed(this.key, this.books.now());
  }

  isFlapping(sub: string): boolean {
    return this.key !== undefined && this.books.flapping.isHeldOff(sub, this.books.now());
  }

  loggedIn(): void {
    if (this.key === undefined || this.socket.destroyed) return;
    this.isLoggedIn = true;
    this.books.addresses.opened(this.key);
  }

  /** It ends after its login, and not because we want it. */
  dropped(sub: string, wasTakenOver: boolean): void {
    if (this.key !== undefined) this.books.flapping.ended(sub, wasTakenOver, this.books.now());
  }

  private turnAway(reason: TurnedAway): void {
    this.endSilence(reason);
    this.socket.destroy();
  }

  private closed(): void {
    clearTimeout(this.deadline);
    this.endSilence('no_connect');
    if (this.isLoggedIn && this.key !== undefined) this.books.addresses.closed(this.key);
  }

  private endSilence(reason: TurnedAway): void {
    if (!this.books.silent.remove(this, this.key)) return;
    this.books.count(reason);
    if (reason !== 'held_off') this.failed();
  }
}
