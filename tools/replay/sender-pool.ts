import { setTimeout as delay } from 'node:timers/promises';
import { Sender, type SenderEvents, type SenderSettings } from '../shared/sender.ts';

/** A connection and the tracks that are sent over it. */
export type PoolSeat = {
  token: string;
  /** Where the platform reports what it refused; undefined: not known. */
  errorsTopic: string | undefined;
  tracks: readonly string[];
};

/** So many connections are opened at a time: a listening socket queues a few hundred. */
const OPENING_AT_ONCE = 100;

const CHECK_STALLED_EVERY_MS = 1_000;

/** At the end, for the acknowledgements of what is on its way. */
const DRAIN_WITHIN_MS = 2_000;
const DRAIN_CHECK_EVERY_MS = 20;

/** All connections of a replay: `open`, then `offer` each item to the connection of its track, then `close`. */
export class SenderPool<Item extends { track: string }> {
  readonly #senders: Sender<Item>[] = [];
  readonly #senderOf = new Map<string, Sender<Item>>();
  readonly #stalledTimer: NodeJS.Timeout;
  #closing = false;

  constructor(
    seats: readonly PoolSeat[],
    settings: Omit<SenderSettings<Item>, 'token' | 'program' | 'filters'>,
    events: SenderEvents<Item>,
  ) {
    for (const { tracks, token, errorsTopic } of seats) {
      const filters = errorsTopic === undefined ? [] : [errorsTopic];
      const sender = new Sender({ ...settings, token, program: 'replay', filters }, events);
      this.#senders.push(sender);
      for (const track of tracks) this.#senderOf.set(track, sender);
    }
    this.#stalledTimer = setInterval(() => this.#recycleStalled(), CHECK_STALLED_EVERY_MS);
  }

  /** Resolves when all are up, rejects when one can't be opened. */
  async open(): Promise<void> {
    const toOpen = this.#senders.values();
    const openOneByOne = async () => {
      for (const sender of toOpen) {
        if (this.#closing) return;
        await sender.open();
      }
    };
    await Promise.all(Array.from({ length: OPENING_AT_ONCE }, openOneByOne));
  }

  offer(item: Item): void {
    this.#senderOf.get(item.track)?.offer(item);
  }

  /** Sends nothing more; what is on its way has a moment to be acknowledged. */
  async drain(): Promise<void> {
    for (const sender of this.#senders) sender.stop();
    const deadline = performance.now() + DRAIN_WITHIN_MS;
    while (this.#senders.some((sender) => sender.unacknowledged > 0) && performance.now() < deadline)
      await delay(DRAIN_CHECK_EVERY_MS);
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#stalledTimer);
    await Promise.all(this.#senders.map((sender) => sender.close()));
  }

  #recycleStalled(): void {
    const now = performance.now();
    for (const sender of this.#senders) sender.recycleIfStalled(now);
  }
}
