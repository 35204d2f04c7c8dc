import { Connection, type ConnectionEvents, type ConnectionSettings, type Message } from './connection.ts';
import { InFlightWindow } from './in-flight.ts';

export type SenderSettings<Item> = ConnectionSettings & {
  /** Messages that may wait for their PUBACK. */
  inFlight: number;
  /** Makes the message when its turn has come. */
  encode: (item: Item) => Message;
};

/** Times are those of performance.now(), in milliseconds. */
export type SenderEvents<Item> = Omit<ConnectionEvents, 'up'> & {
  up?: () => void;
  sent: (item: Item, now: number) => void;
  acknowledged: (item: Item, sentAt: number, now: number) => void;
};

/**
 * Messages wait and nothing is acknowledged for so long: the connection is given up for a new one. A broker that
 * can't keep a message does not acknowledge it (SPEC section 9), and MQTT sends it again on a new connection only.
 */
const STALLED_AFTER_MS = 30_000;

/** Items that were sent are forgotten in blocks of so many: one by one would shift a long queue each time. */
const FORGET_AFTER = 1_000;

/**
 * Sends items over one connection in the order they were offered, a bounded number at a time, each until it is
 * acknowledged. What can't be sent yet waits here, so that one slow or lost connection holds up no other.
 */
export class Sender<Item> {
  readonly #encode: (item: Item) => Message;
  readonly #events: SenderEvents<Item>;
  readonly #connection: Connection;
  readonly #window: InFlightWindow;
  readonly #items: Item[] = [];
  #next = 0;
  #progressAt = 0;
  #closing = false;

  constructor({ inFlight, encode, ...connection }: SenderSettings<Item>, events: SenderEvents<Item>) {
    this.#encode = encode;
    this.#events = events;
    this.#window = new InFlightWindow(inFlight);
    const up = () => {
      this.#pump();
      events.up?.();
    };
    this.#connection = new Connection(connection, { ...events, up });
  }

  open(): Promise<void> {
    return this.#connection.open();
  }

  offer(item: Item): void {
    this.#items.push(item);
    this.#pump();
  }

  subscribe(filter: string): void {
    this.#connection.subscribe(filter);
  }

  unsubscribe(filter: string): void {
    this.#connection.unsubscribe(filter);
  }

  get isUp(): boolean {
    return this.#connection.isUp;
  }

  /** Sends nothing more that has not been sent. */
  stop(): void {
    this.#next = this.#items.length;
  }

  /** Sent and not acknowledged. */
  get unacknowledged(): number {
    return this.#window.count;
  }

  /** Offered and not sent. */
  get waiting(): number {
    return this.#items.length - this.#next;
  }

  /** @param now performance.now() */
  recycleIfStalled(now: number): void {
    const { connectedSince } = this.#connection;
    if (connectedSince === undefined || this.unacknowledged === 0) return;
    if (now - Math.max(connectedSince, this.#progressAt) < STALLED_AFTER_MS) return;
    this.#events.note(`nothing was acknowledged for ${STALLED_AFTER_MS / 1000} s, reconnecting`);
    this.#connection.recycle();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.stop();
    await this.#connection.close(this.unacknowledged > 0);
  }

  #pump(): void {
    while (this.#connection.isUp && this.#window.isOpen) {
      const item = this.#items[this.#next];
      if (item === undefined) break;
      this.#next++;
      this.#publish(item);
    }
    if (this.#next >= FORGET_AFTER) this.#next -= this.#items.splice(0, this.#next).length;
  }

  #publish(item: Item): void {
    const sentAt = performance.now();
    if (this.unacknowledged === 0) this.#progressAt = sentAt;
    const place = this.#window.add();
    this.#events.sent(item, sentAt);
    this.#connection.publish(this.#encode(item), (error) => {
      if (error) {
        if (!this.#closing) this.#events.failed(error);
        return;
      }
      this.#progressAt = performance.now();
      this.#window.acknowledge(place);
      this.#events.acknowledged(item, sentAt, this.#progressAt);
      this.#pump();
    });
  }
}
