import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../telemetry/log.ts';
import type { RedisNode } from './address.ts';

const SWITCHED = '+switch-master';

/**
 * Listens to the sentinels for a new master. A connection to one that was killed breaks by itself; one to a master that hangs, or is cut
 * off from the sentinels but not from us, would not.
 */
export class SwitchWatch {
  private readonly connections: Redis[];
  private readonly masterName: string;
  private readonly switched: (master: RedisNode) => void;
  private readonly log: Logger;
  /** Each of the sentinels tells of the same one. */
  private last = '';

  constructor(
    sentinels: readonly RedisNode[],
    options: RedisOptions & { masterName: string },
    switched: (master: RedisNode) => void,
    log: Logger,
  ) {
    const { masterName, ...own } = options;
    this.masterName = masterName;
    this.switched = switched;
    this.log = log;
    this.connections = sentinels.map((sentinel) => {
      const connection = new Redis({ ...own, ...sentinel, enableReadyCheck: false });
      // One that is away is no harm while another one is there; the connections themselves tell where none is
      connection.on('error', (error) => log.debug({ err: error, ...sentinel }, 'a sentinel is away'));
      connection.on('message', (_, text) => this.hear(text));
      connection.on('ready', () => {
        connection
          .subscribe(SWITCHED)
          .catch((error: unknown) => log.debug({ err: error, ...sentinel }, 'a sentinel is not listened to'));
      });
      return connection;
    });
  }

  close(): void {
    for (const connection of this.connections) connection.disconnect();
  }

  /** "name, address and port of the old one, address and port of the new one" (Redis Sentinel, Pub/Sub messages) */
  private hear(text: string): void {
    const [name, , , host = '', port = ''] = text.split(' ');
    if (name !== this.masterName || this.last === `${host} ${port}`) return;
    this.last = `${host} ${port}`;
    this.log.warn({ master: `${host}:${port}` }, 'the sentinels have another master');
    this.switched({ host, port: Number(port) });
  }
}
