import type { LoadClient } from './client.ts';
import { type PublishTemplate, pubackFrame, timeIn } from './frames.ts';

const PUBACK = 0x40;
const PUBLISH_TYPE = 3;
const DAY_MS = 86_400_000;
/** Positions of one driver that may be on their way: MQTT clients have such a window too. */
const WINDOW = 1024;

export type Observe = {
  acknowledged(sentAt: number, isMeasured: boolean): void;
  delivered(sentAt: number, isMeasured: boolean): void;
};

/** One driver and those that follow it: what is sent, acknowledged and delivered, each position by its own time. */
export class ConvoyTraffic {
  private readonly sentAt = new Float64Array(WINDOW);
  private readonly measured = new Uint8Array(WINDOW);
  /** Millisecond of the day of each one that was sent. */
  private readonly times = new Int32Array(WINDOW).fill(-1);
  private lastTime = 0;
  private sent = 0;
  private unacknowledged = 0;
  readonly driver: LoadClient;
  readonly followers: readonly LoadClient[];
  private readonly template: PublishTemplate;
  private readonly observe: Observe;

  constructor(
    driver: LoadClient,
    followers: readonly LoadClient[],
    template: PublishTemplate,
    observe: Observe,
  ) {
    this.driver = driver;
    this.followers = followers;
    this.template = template;
    this.observe = observe;
    driver.onPacket = (first, bytes, start) => {
      if (first !== PUBACK) return;
      const slot = (bytes.readUInt16BE(start) - 1) % WINDOW;
      this.unacknowledged--;
      observe.acknowledged(this.sentAt[slot] as number, this.measured[slot] === 1);
    };
    for (const follower of followers) this.listen(follower);
  }

  /** False: too much is on its way already. `now`: as of performance.now(). */
  send(now: number, epochMs: number, isMeasured: boolean): boolean {
    const { bytes, idAt, timeAt } = this.template;
    if (this.unacknowledged >= WINDOW || this.driver.closed) return false;
    const slot = this.sent % WINDOW;
    // Two of one driver never have the same time
    this.lastTime = Math.max(epochMs, this.lastTime + 1);
    this.sentAt[slot] = now;
    this.measured[slot] = isMeasured ? 1 : 0;
    this.times[slot] = this.lastTime % DAY_MS;
    const packet = Buffer.from(bytes);
    if (idAt !== undefined) {
      packet.writeUInt16BE(slot + 1, idAt);
      this.unacknowledged++;
    }
    packet.write(new Date(this.lastTime).toISOString(), timeAt, 'latin1');
    this.sent++;
    this.driver.send(packet);
    return true;
  }

  private listen(follower: LoadClient): void {
    /** The oldest that it may still get: a snapshot of before, or a repetition, is none that is waited for. */
    let oldest = 0;
    follower.onPacket = (first, bytes, start, end) => {
      if (first >> 4 !== PUBLISH_TYPE) return;
      if (((first >> 1) & 3) === 1)
        follower.send(pubackFrame(bytes.readUInt16BE(start + 2 + bytes.readUInt16BE(start))));
      const time = timeIn(bytes, start, end);
      if (time === undefined) return;
      for (let index = Math.max(oldest, this.sent - WINDOW); index < this.sent; index++) {
        const slot = index % WINDOW;
        if (this.times[slot] !== time) continue;
        oldest = index + 1;
        return this.observe.delivered(this.sentAt[slot] as number, this.measured[slot] === 1);
      }
    };
  }
}
