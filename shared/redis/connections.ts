import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { type CircuitState, worstCircuit } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import { describeRedis, parseRedisUrl, type RedisAddress, type RedisNode } from './address.ts';
import { onReady, type RedisConnection, renew, untilReady } from './connection.ts';
import { FailFastCluster } from './fail-fast-cluster.ts';
import { type CommandTimes, measureCommands } from './measure-commands.ts';
import { keepPulse } from './pulse.ts';
import { SwitchWatch } from './switch-watch.ts';

/** A command that takes longer has lost its server: the slowest of ours takes some milliseconds. */
const COMMAND_TIMEOUT_MS = 2000;
const CONNECT_TIMEOUT_MS = 2000;
const DISCONNECT_TIMEOUT_MS = 200;
const MAX_RECONNECT_MS = 1000;
/** Each tries again at a time of its own: thousands that come at once would keep a server down that is just coming back. */
const JITTER = 0.3;
/** Who has which slots is asked for again so often: of a node that hangs, nobody else would tell. */
const SLOTS_EVERY_MS = 5000;
/** The answers of a server that has become a replica, or of one that let go of who waited there: its place is taken by another one. */
const DEMOTED = /^(READONLY|UNBLOCKED|MASTERDOWN) /;

const pauseBefore = (attempt: number) =>
  Math.min(MAX_RECONNECT_MS, 25 * 2 ** Math.min(attempt, 10)) * (1 - JITTER * Math.random());

/** By ioredis' status. `end`: its user needs it no more. */
const STATES: Record<string, CircuitState> = {
  ready: 'closed',
  end: 'closed',
  connecting: 'half-open',
  connect: 'half-open',
};

/**
 * The Redis of a deployment (a server, the master that sentinels name, or a Redis Cluster) and the connections of this process to it: one
 * for each purpose, so that none waits behind another's commands. A command fails at once while its connection is down, and is never sent
 * twice behind its caller's back: each caller has its own way to wait and to try again. That makes of each a circuit breaker: lost (also
 * without a word, see `pulse.ts`) it is open, and half open while it connects again. What a server refuses because another one has its
 * place now was not done: Redis Cluster's redirections are followed, and a connection to a server that has become a replica is made anew.
 */
export class RedisConnections {
  readonly description: string;
  private readonly open: RedisConnection[] = [];
  /** How many of them are without a server just now. */
  private lost = 0;
  private readonly address: RedisAddress;
  private readonly prefix: string;
  private readonly log: Logger;
  private readonly commandTimeoutMs: number;
  private readonly times: CommandTimes | undefined;
  private readonly watch: SwitchWatch | undefined;
  /** Of a Redis Cluster: for where its nodes are. */
  private nodeMap: Cluster | undefined;

  /** `url`: see parseRedisUrl. `prefix`: of every key and channel, for deployments that share a server. */
  constructor(
    url: string,
    prefix: string,
    log: Logger,
    commandTimeoutMs = COMMAND_TIMEOUT_MS,
    times?: CommandTimes,
  ) {
    this.commandTimeoutMs = commandTimeoutMs;
    this.times = times;
    const parsed = parseRedisUrl(url);
    if ('problems' in parsed) throw new Error(`REDIS_URL ${parsed.problems.join('; ')}`);
    this.address = parsed.address;
    this.log = log;
    this.description = describeRedis(this.address);
    // Channels know nothing of databases: two deployments in two of them must not hear each other
    this.prefix = `${prefix}${this.database()}`;
    this.watch = this.watchSentinels();
  }

  /** A key or channel of this deployment. Keys that one script touches share a `shard`: Redis Cluster keeps them on one node. */
  key(name: string, shard?: string): string {
    return shard === undefined ? `${this.prefix}:${name}` : `${this.prefix}:{${shard}}:${name}`;
  }

  /** A connection for one purpose; it connects by itself, and again whenever it was lost. */
  connect(purpose: string, options: RedisOptions = {}): RedisConnection {
    const connection =
      this.address.kind === 'cluster'
        ? this.toCluster(this.address, purpose, options)
        : this.toServer(this.address, { ...this.common(purpose), ...options });
    return this.keep(connection, purpose);
  }

  /**
   * To one server alone, for channels: of a Redis Cluster to any of its nodes, which hand on to one another what is published. While it
   * lasts, what is published over it arrives in order.
   */
  connectToOne(purpose: string, options: RedisOptions = {}): Redis {
    const { address } = this;
    if (address.kind !== 'cluster') return this.connect(purpose, options) as Redis;
    this.nodeMap ??= this.connect('nodes') as Cluster;
    const { username, password, isTls } = address;
    const connection = new Redis({
      ...this.common(purpose),
      ...credentials(username, password, isTls),
      ...options,
      ...this.oneOfNodes(),
      retryStrategy: (attempt) => {
        // Another one: this may be gone for good
        Object.assign(connection.options, this.oneOfNodes(connection.options));
        return pauseBefore(attempt);
      },
    });
    return this.keep(connection, purpose);
  }

  /** How many connections listen to a channel, on all nodes that answer. `connection`: to one of them. */
  async listeners(connection: Redis, channel: string): Promise<number> {
    const nodes = this.nodeMap?.nodes() ?? [connection];
    const answers = await Promise.allSettled(nodes.map((node) => node.pubsub('NUMSUB', channel)));
    if (answers.every(({ status }) => status === 'rejected'))
      throw (answers[0] as PromiseRejectedResult | undefined)?.reason ?? new Error('no node is known');
    return answers.reduce(
      (sum, answer) => sum + (answer.status === 'fulfilled' ? Number(answer.value[1]) : 0),
      0,
    );
  }

  /** Resolves when all that was connected so far can be used. Rejects when that takes longer than this (ms). */
  async ready(timeoutMs: number): Promise<void> {
    await Promise.all(this.open.map((connection) => untilReady(connection, timeoutMs)));
  }

  close(): void {
    this.watch?.close();
    for (const connection of this.open.splice(0)) connection.disconnect();
  }

  /** Of all of them that are wanted: open while one is lost. */
  get circuit(): CircuitState {
    return worstCircuit(this.open.map(({ status }) => STATES[status] ?? 'open'));
  }

  private common(purpose: string): RedisOptions {
    return {
      connectionName: `fleetcast-${purpose}`,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: this.commandTimeoutMs,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      noDelay: true,
      // Its timer would hold up the end of the process, though the connection has long gone
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      retryStrategy: pauseBefore,
      // Made anew, and the command is not sent again
      reconnectOnError: ({ message }) => DEMOTED.test(message),
    };
  }

  private toServer(address: Exclude<RedisAddress, { kind: 'cluster' }>, options: RedisOptions): Redis {
    if (address.kind === 'server') return new Redis(address.url, options);
    const { nodes, masterName, database, username, password, isTls, sentinel } = address;
    return new Redis({
      ...options,
      ...credentials(username, password, isTls),
      sentinels: [...nodes],
      name: masterName,
      db: database,
      sentinelRetryStrategy: pauseBefore,
      sentinelCommandTimeout: this.commandTimeoutMs,
      ...(sentinel.username === undefined ? {} : { sentinelUsername: sentinel.username }),
      ...(sentinel.password === undefined ? {} : { sentinelPassword: sentinel.password }),
      ...(isTls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    });
  }

  private toCluster(
    { nodes, username, password, isTls }: RedisAddress & { kind: 'cluster' },
    purpose: string,
    { keyPrefix, ...options }: RedisOptions,
  ): Cluster {
    const Client = options.enableOfflineQueue === true ? Cluster : FailFastCluster;
    return new Client([...nodes], {
      redisOptions: { ...this.common(purpose), ...credentials(username, password, isTls), ...options },
      ...(keyPrefix === undefined ? {} : { keyPrefix }),
      // Whether it was done is not known: its caller decides
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      slotsRefreshInterval: SLOTS_EVERY_MS,
      slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
      clusterRetryStrategy: pauseBefore,
      // A certificate is for the name, not for the address behind it
      ...(isTls ? { dnsLookup: (host, found) => found(null, host) } : {}),
    });
  }

  private keep<T extends RedisConnection>(connection: T, purpose: string): T {
    // Without a listener it would end the process; one line when the first is lost, not one for each and each try
    let isUp = true;
    const lost = (error: Error, node?: string) => {
      if (!isUp) return;
      isUp = false;
      const level = this.lost++ === 0 ? 'warn' : 'debug';
      this.log[level]({ err: error, purpose, node }, 'Redis is away; trying again');
    };
    const found = () => {
      if (isUp) return;
      isUp = true;
      const level = --this.lost === 0 ? 'info' : 'debug';
      this.log[level]({ purpose }, 'Redis is back');
    };
    connection.on('error', lost);
    connection.on('node error', lost);
    onReady(connection, found);
    if (this.times !== undefined) measureCommands(connection, purpose, this.times);
    if (connection instanceof Redis) keepPulse(connection);
    else connection.on('+node', keepPulse);
    this.open.push(connection);
    return connection;
  }

  private database(): string {
    if (this.address.kind === 'server') return this.address.database;
    return this.address.kind === 'sentinel' && this.address.database > 0 ? String(this.address.database) : '';
  }

  private oneOfNodes(but: RedisOptions = {}): RedisNode {
    const known = (this.nodeMap?.nodes('master') ?? []).map(({ options: { host = '', port = 0 } }) => ({
      host,
      port,
    }));
    const seeds = this.address.kind === 'cluster' ? this.address.nodes : [];
    const all = known.length > 0 ? known : seeds;
    const others = all.filter(({ host, port }) => host !== but.host || port !== but.port);
    const some = others.length > 0 ? others : all;
    return some[Math.floor(Math.random() * some.length)] as RedisNode;
  }

  private watchSentinels(): SwitchWatch | undefined {
    const { address } = this;
    if (address.kind !== 'sentinel') return undefined;
    const { nodes, masterName, sentinel, isTls } = address;
    const options = {
      ...this.common('sentinel'),
      ...credentials(sentinel.username, sentinel.password, isTls),
    };
    const follow = ({ host, port }: RedisNode) => {
      for (const connection of this.open) {
        const { remoteAddress, remotePort } = (connection as Redis).stream ?? {};
        if (remoteAddress !== host || remotePort !== port) renew(connection);
      }
    };
    return new SwitchWatch(nodes, { ...options, masterName }, follow, this.log);
  }
}

const credentials = (username: string | undefined, password: string | undefined, isTls: boolean) => ({
  ...(username === undefined ? {} : { username }),
  ...(password === undefined ? {} : { password }),
  ...(isTls ? { tls: {} } : {}),
});
