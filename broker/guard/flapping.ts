import { BoundedMap } from '../../shared/bounded-map.ts';
import type { MqttLimits } from '../../shared/config/mqtt-limits.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import { Meter } from './meter.ts';

/** Users that are remembered (twice as many, at most). */
const REMEMBERED = 65_536;

export type FlappingLimits = Pick<
  MqttLimits,
  'flappingLoginsPerMinute' | 'flappingTakeoversPerMinute' | 'flappingHoldOffMs'
>;

type Known = { logins: Meter; takeovers: Meter; heldUntil: number };

/**
 * Users whose connections come and go over and over: they are held off for a while. Two devices with one client id that throw each other
 * out are the usual case, and told by that: each comes back after a second or so, for ever, which a phone on a bad network does not. What
 * logs in and out without that (a script that publishes one message after another) may do so much more often.
 */
export class Flapping {
  private readonly known = new BoundedMap<Known>(REMEMBERED);
  private readonly limits: FlappingLimits;
  private readonly log: Logger;

  constructor(limits: FlappingLimits, log: Logger) {
    this.limits = limits;
    this.log = log;
  }

  isHeldOff(sub: string, now: number): boolean {
    const known = this.known.get(sub);
    return known !== undefined && now < known.heldUntil;
  }

  /** A connection that had logged in was closed, not by us. */
  ended(sub: string, wasTakenOver: boolean, now: number): void {
    const { flappingLoginsPerMinute, flappingTakeoversPerMinute, flappingHoldOffMs } = this.limits;
    const known = this.known.get(sub) ?? { logins: new Meter(), takeovers: new Meter(), heldUntil: 0 };
    this.known.set(sub, known);
    const { logins, takeovers } = known;
    const isOver = (meter: Meter, perMinute: number) => perMinute > 0 && meter.add(now, perMinute);
    const tooManyLogins = isOver(logins, flappingLoginsPerMinute);
    const tooManyTakeovers = wasTakenOver && isOver(takeovers, flappingTakeoversPerMinute);
    if (now < known.heldUntil || !(tooManyLogins || tooManyTakeovers)) return;
    known.heldUntil = now + flappingHoldOffMs;
    logins.empty();
    takeovers.empty();
    this.log.warn(
      { sub, because: tooManyTakeovers ? 'takeovers' : 'logins', holdOffMs: flappingHoldOffMs },
      'connects and drops over and over: this user is held off',
    );
  }
}
