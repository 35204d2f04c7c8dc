import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type ISubscriptionGrant, type MqttClient, type Packet } from 'mqtt';

export type Message = { topic: string; payload: string };

export type ConnectionSettings = {
  url: string;
  token: string;
  /** The client id begins with it: up to 6 letters. */
  program: string;
  /** What is subscribed to, at QoS 1, before anything is sent. */
  filters: readonly string[];
};

export type ConnectionEvents = {
  /** Messages may be published, what an earlier connection left unacknowledged has been sent again. */
  up: () => void;
  reconnected: () => void;
  /** The network connection has ended after it was up; another one will be tried. */
  lost?: () => void;
  /** The broker has acknowledged the subscription on this network connection. */
  subscribed?: (filter: string) => void;
  refused: (filter: string) => void;
  message: (topic: string, payload: Buffer, retained: boolean) => void;
  /** The token is not taken any more: nothing can be sent. */
  failed: (error: Error) => void;
  note: (text: string) => void;
};

/** How long the broker may be away at the start. Later it may be away for as long as it likes. */
const FIRST_CONNECT_WITHIN_MS = 10_000;

const CLOSE_WITHIN_MS = 2_000;

/** Between two tries; spread, so that a broker that comes back doesn't get all drivers in one moment. */
const reconnectPeriodMs = () => 1_000 + Math.floor(Math.random() * 500);

/** Seconds between MQTT pings, by which a connection that nobody closed is found dead. */
const KEEPALIVE_S = 30;

/** MQTT 3.1.1, 3.2.2.3, as SPEC section 4 uses it. */
const CONNACK_BAD_TOKEN = 4;

/** What CONNACK's codes mean here; only a bad token is for good, the others may pass. */
const refusals: Readonly<Record<number, string>> = {
  [CONNACK_BAD_TOKEN]: 'the token is bad or expired',
  5: 'the token is good, but not allowed in now (too many connections of this user?)',
};

/** MQTT 3.1.1, 3.9.3: the subscription is refused. */
const SUBACK_REFUSED = 0x80;

/** 23 characters: what every MQTT 3.1.1 server takes (3.1.3.1). */
const clientId = (program: string) => `${program}-${randomBytes(8).toString('hex')}`;

const codeOf = (error: Error): unknown => (error as Error & { code?: unknown }).code;

/** A refused TCP connection to a name with several addresses has no message of its own. */
const textOf = (error: Error): string => error.message || String(codeOf(error) ?? error.name);

const grantedCodes = (packet: Packet | undefined): readonly unknown[] | undefined =>
  packet?.cmd === 'suback' ? packet.granted : undefined;

/**
 * One MQTT session over as many network connections as it takes: `connecting -> up -> lost -> up -> ... -> closed`.
 *
 * mqtt.js keeps every publish until its PUBACK and sends exactly those again on the next connection, before it says
 * `connect`. Publishing waits for that (`up`): in between, mqtt.js would drop or overtake. The session is a clean
 * one, so that nothing of it stays in the broker; all filters are subscribed to on every connection, before
 * anything is sent on it.
 */
export class Connection {
  readonly #settings: ConnectionSettings;
  readonly #events: ConnectionEvents;
  readonly #filters: Set<string>;
  #client: MqttClient | undefined;
  #connections = 0;
  #resent = false;
  #subscribed = false;
  #closing = false;
  #lastError: Error | undefined;
  #opening: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #deadline: NodeJS.Timeout | undefined;

  /** performance.now() of the CONNACK of the present network connection; undefined: there is none. */
  connectedSince: number | undefined;

  constructor(settings: ConnectionSettings, events: ConnectionEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#filters = new Set(settings.filters);
  }

  get isUp(): boolean {
    return this.#resent && this.#subscribed;
  }

  /** Resolves when it is up for the first time, rejects when the broker refuses it or does not answer in time. */
  open(): Promise<void> {
    const { url, token, program } = this.#settings;
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
      this.#deadline = setTimeout(
        () => reject(new Error(`no broker answers at ${url}${this.#lastErrorText()}`)),
        FIRST_CONNECT_WITHIN_MS,
      );
      const client = connect(url, {
        clientId: clientId(program),
        username: program,
        password: token,
        clean: true,
        keepalive: KEEPALIVE_S,
        connectTimeout: FIRST_CONNECT_WITHIN_MS,
        reconnectPeriod: reconnectPeriodMs(),
        reconnectOnConnackError: true,
        resubscribe: false,
      });
      this.#client = client;
      client.on('packetreceive', (packet) => {
        // mqtt.js acts on the packet after this event; a tick later it takes the subscription.
        if (packet.cmd === 'connack' && packet.returnCode === 0) process.nextTick(() => this.#connected());
      });
      client.on('connect', () => {
        this.#resent = true;
        this.#upWhenReady();
      });
      client.on('message', (topic, payload, { retain }) => this.#events.message(topic, payload, retain));
      client.on('close', () => this.#lost());
      client.on('error', (error) => this.#failed(error));
    });
  }

  publish({ topic, payload }: Message, done: (error?: Error) => void): void {
    this.#client?.publish(topic, payload, { qos: 1 }, done);
  }

  /** One more filter, on this network connection and all that come. */
  subscribe(filter: string): void {
    this.#filters.add(filter);
    if (this.connectedSince !== undefined) this.#ask([filter], () => undefined);
  }

  unsubscribe(filter: string): void {
    this.#filters.delete(filter);
    if (this.isUp) this.#client?.unsubscribe(filter);
  }

  /** Gives the network connection up; a new one is opened and sends again what was not acknowledged. */
  recycle(): void {
    this.#client?.stream.destroy();
  }

  /** @param force does not wait for messages on their way */
  async close(force: boolean): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#deadline);
    const client = this.#client;
    if (client === undefined) return;
    await Promise.race([
      client.endAsync(force || !this.isUp),
      delay(CLOSE_WITHIN_MS, undefined, { ref: false }),
    ]);
    client.stream.destroy();
  }

  #connected(): void {
    this.connectedSince = performance.now();
    this.#connections++;
    if (this.#connections > 1) this.#events.reconnected();
    if (this.#filters.size === 0) this.#ready();
    else this.#ask([...this.#filters], () => this.#ready());
  }

  #ask(filters: readonly string[], answered: () => void): void {
    const done = (_error: Error | null, _grants?: ISubscriptionGrant[], packet?: Packet): void => {
      const codes = grantedCodes(packet);
      // Without an answer this is the end of the network connection: the next one subscribes again.
      if (codes === undefined) return;
      for (const [index, filter] of filters.entries()) {
        if (codes[index] === SUBACK_REFUSED) {
          this.#filters.delete(filter);
          this.#events.refused(filter);
        } else this.#events.subscribed?.(filter);
      }
      answered();
    };
    this.#client?.subscribe([...filters], { qos: 1 }, done);
  }

  #ready(): void {
    this.#subscribed = true;
    this.#upWhenReady();
  }

  #upWhenReady(): void {
    if (!this.isUp) return;
    this.#lastError = undefined;
    clearTimeout(this.#deadline);
    this.#opening?.resolve();
    this.#events.up();
  }

  #lost(): void {
    if (this.connectedSince !== undefined && !this.#closing) {
      if (this.isUp) this.#events.note(`connection lost${this.#lastErrorText()}, reconnecting`);
      this.#events.lost?.();
    }
    this.#resent = false;
    this.#subscribed = false;
    this.connectedSince = undefined;
  }

  #failed(error: Error): void {
    const code = codeOf(error);
    const refused = typeof code === 'number';
    const known = refused ? refusals[code] : undefined;
    const cause = known === undefined ? error : new Error(`refused by the broker: ${known}`);
    this.#lastError = cause;
    if (refused && this.#connections === 0) this.#opening?.reject(cause);
    else if (code === CONNACK_BAD_TOKEN) this.#events.failed(cause);
    else if (!this.isUp && !this.#closing)
      this.#events.note(`${this.#settings.url}: ${textOf(cause)}, trying again`);
  }

  #lastErrorText(): string {
    return this.#lastError === undefined ? '' : ` (${textOf(this.#lastError)})`;
  }
}
