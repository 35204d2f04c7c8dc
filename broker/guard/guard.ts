import type { Socket } from 'node:net';
import type { MqttLimits } from '../../shared/config/mqtt-limits.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import type { Metrics, TurnedAway } from '../../shared/telemetry/metrics.ts';
import { Addresses } from './addresses.ts';
import { Flapping } from './flapping.ts';
import { networkOf } from './network.ts';
import { Silent } from './silent.ts';
import { type Books, Visit } from './visit.ts';

export type GuardOptions = {
  limits: MqttLimits;
  metrics: Pick<Metrics, 'turnedAway'>;
  log: Logger;
  /** ms, of a clock that nobody sets. */
  now?: () => number;
};

/** Watches over all connections of the broker, from the moment that they are accepted. */
export class Guard implements Books {
  readonly limits: MqttLimits;
  readonly addresses: Addresses;
  readonly flapping: Flapping;
  readonly silent: Silent<Visit>;
  readonly now: () => number;
  private readonly metrics: Pick<Metrics, 'turnedAway'>;

  constructor({ limits, metrics, log, now = () => performance.now() }: GuardOptions) {
    this.limits = limits;
    this.metrics = metrics;
    this.now = now;
    this.addresses = new Addresses(limits, log);
    this.flapping = new Flapping(limits, log);
    this.silent = new Silent(limits.maxUnauthenticated, limits.maxUnauthenticatedPerAddress);
  }

  /**
   * A connection was accepted. `isProxy`: it comes from one that is trusted to say whom it speaks for. undefined: its address is held
   * off, and it is closed.
   */
  arrived(socket: Socket, isProxy: boolean): Visit | undefined {
    const key = isProxy ? undefined : this.keyOf(socket.remoteAddress);
    if (key === undefined || !this.addresses.isHeldOff(key, this.now())) return new Visit(this, socket, key);
    this.count('held_off');
    // Without a trace that the system would keep for a minute (TIME_WAIT)
    socket.resetAndDestroy();
    return undefined;
  }

  /** What an address is counted by; undefined: it is no stranger's. */
  keyOf(address: string | undefined): string | undefined {
    const network = address === undefined ? undefined : networkOf(address);
    return network === undefined || (network.isLoopback && !this.limits.limitsLoopback)
      ? undefined
      : network.key;
  }

  count(reason: TurnedAway): void {
    this.metrics.turnedAway.count(reason);
  }
}
