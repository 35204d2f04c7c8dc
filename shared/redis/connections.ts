import { Redis, type RedisOptions } from 'ioredis';
import type { CircuitState } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import { keepPulse } from './pulse.ts';

/** A command that takes longer has lost its server: the slowest of ours takes some milliseconds. */
const COMMAND_TIMEOUT_MS = 2000;
const CONNECT_TIMEOUT_MS = 2000;
const DISCONNECT_TIMEOUT_MS = 200;
const MAX_RECONNECT_MS = 1000;
/** Each tries again at a time of its own: thousands that come at once would keep a server down that is just coming back. */
const JITTER = 0.3;

/** By ioredis' status. `end`: its user needs it no more. */
const STATES: Record<string, CircuitState> = {
  ready: 'closed',
  end: 'closed',
  connecting: 'half-open',
  connect: 'half-open',
};

/**
 * The Redis server of a deployment, and the connections of this process to it: one for each purpose, so that none waits behind
 * another's commands. A command fails at once while its connection is down, and is never sent twice behind its caller's back: each
 * caller has its own way to wait and to try again. That makes of each a circuit breaker: lost (also without a word, see `pulse.ts`) it is
 * open, and half open while it connects again.
 */
export class RedisConnections {
  readonly description: string;
  private readonly open: Redis[] = [];
  private readonly url: string;
  private readonly prefix: string;
  private readonly log: Logger;
  private readonly commandTimeoutMs: number;

  /** `prefix`: of every key and channel, for deployments that share a server. */
  constructor(url: string, prefix: string, log: Logger, commandTimeoutMs = COMMAND_TIMEOUT_MS) {
    this.commandTimeoutMs = commandTimeoutMs;
    const { hostname, port, pathname } = new URL(url);
    this.url = url;
    this.log = log;
    this.description = `Redis at ${hostname}:${port || 6379}`;
    // Channels know nothing of databases: two deployments in two of them must not hear each other
    this.prefix = `${prefix}${pathname.length > 1 ? pathname.slice(1) : ''}`;
  }

  /** A key or channel of this deployment. Keys that one script touches share a `shard`: Redis Cluster keeps them on one node. */
  key(name: string, shard?: string): string {
    return shard === undefined ? `${this.prefix}:${name}` : `${this.prefix}:{${shard}}:${name}`;
  }

  /** A connection for one purpose; it connects by itself, and again whenever it was lost. */
  connect(purpose: string, options: RedisOptions = {}): Redis {
    const connection = new Redis(this.url, {
      connectionName: `fleetcast-${purpose}`,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: this.commandTimeoutMs,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      noDelay: true,
      // Its timer would hold up the end of the process, though the connection has long gone
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      retryStrategy: (attempt) =>
        Math.min(MAX_RECONNECT_MS, 25 * 2 ** Math.min(attempt, 10)) * (1 - JITTER * Math.random()),
      ...options,
    });
    // Without a listener it would end the process; one line when it is lost, not one for each try
    let isUp = true;
    connection.on('error', (error) => {
      if (isUp) this.log.warn({ err: error, purpose }, 'Redis is away; trying again');
      isUp = false;
    });
    connection.on('ready', () => {
      if (!isUp) this.log.info({ purpose }, 'Redis is back');
      isUp = true;
    });
    keepPulse(connection);
    this.open.push(connection);
    return connection;
  }

  /** Of all of them that are wanted: open while one is lost. */
  get circuit(): CircuitState {
    const states = this.open.map(({ status }) => STATES[status] ?? 'open');
    return states.includes('open') ? 'open' : states.includes('half-open') ? 'half-open' : 'closed';
  }

  /** Resolves when all that was connected so far can be used. Rejects when that takes longer than this (ms). */
  async ready(timeoutMs: number): Promise<void> {
    await Promise.all(this.open.map((connection) => untilReady(connection, timeoutMs)));
  }

  close(): void {
    for (const connection of this.open.splice(0)) connection.disconnect();
  }
}

export async function untilReady(connection: Redis, timeoutMs: number): Promise<void> {
  if (connection.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const ready = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      connection.off('ready', ready);
      reject(new Error(`Redis does not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    connection.once('ready', ready);
  });
}
